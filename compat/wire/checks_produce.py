"""Produce: what is taken, what is refused, and with which words."""

import struct
import time

from batches import (
    CONTROL, GZIP, LOG_APPEND_TIME, LZ4, SNAPPY, TIME, TRANSACTIONAL, ZSTD, batch, old_message, raw_snappy, record,
)
from wire import turns

UNKNOWN_ID = "0123456789abcdef0123456789abcdef"


def produce_shapes(world):
    topic_id = world.create("produce", 2)
    body = lambda records, **more: lambda version: world.produce_body(
        "produce", records, version=version, topic_id=topic_id, **more)
    world.versions("Produce acks=-1", "Produce", body(batch(b"a", b"b")))
    world.versions("Produce acks=1", "Produce", body(batch(b"a"), acks=1))
    world.versions("Produce acks=2", "Produce", body(batch(b"a"), acks=2))
    world.versions("Produce acks=-2", "Produce", body(batch(b"a"), acks=-2))
    world.versions("Produce to a partition that is not", "Produce", body(batch(b"a"), partition=2))
    world.versions("Produce to partition -1", "Produce", body(batch(b"a"), partition=-1))
    world.versions("Produce of no records", "Produce", body(b""))
    world.versions("Produce with a bad CRC", "Produce", body(batch(b"a", crc=1)))
    world.versions("Produce of zstd", "Produce", body(batch(b"a", attributes=ZSTD)))
    world.versions("Produce of a transactional batch without an id", "Produce",
                   body(batch(b"a", attributes=TRANSACTIONAL, producer=(1, 0, 0))))
    world.versions("Produce nothing", "Produce", {"Acks": -1, "TimeoutMs": 1000, "TopicData": []})
    world.versions("Produce to a topic that is not", "Produce", lambda version: world.produce_body(
        "none", batch(b"a"), version=version, topic_id=UNKNOWN_ID))
    world.versions("Produce to the id 0", "Produce", lambda version: world.produce_body(
        "none", batch(b"a"), version=version), (13, 13))
    world.versions("Produce to an invalid name", "Produce", lambda version: world.produce_body(
        "no such/name", batch(b"a"), version=version), (9, 9))
    two = {"Acks": -1, "TimeoutMs": 10_000, "TopicData": [
        {"Name": world.name("produce"), "PartitionData": [
            {"Index": 1, "Records": batch(b"x")}, {"Index": 0, "Records": batch(b"y", crc=1)},
            {"Index": 7, "Records": batch(b"y")}]},
        {"Name": world.name("none"), "PartitionData": [{"Index": 0, "Records": batch(b"x")}]}]}
    world.tell("Produce to several partitions", world.ask("Produce", 9, two))


def produce_batches(world):
    world.create("batches", 1, max_message_bytes="1000", segment_ms=str(2**63 - 1))
    tell = lambda name, records, version=9: world.tell(
        f"batch: {name}", world.produce("batches", records, version))
    tell("plain", batch(b"a", b"b", b"c"))
    tell("two in one partition", batch(b"a") + batch(b"b"))
    tell("one and half of another", batch(b"a") + batch(b"b")[:30])
    tell("half of one", batch(b"a")[:50])
    tell("no more than an offset", batch(b"a")[:10])
    tell("length 0", batch(b"a", length=0))
    tell("length -1", batch(b"a", length=-1))
    tell("length too long", batch(b"a", length=1000))
    tell("length too short", batch(b"a", length=50))
    tell("magic 0", old_message(0))
    tell("magic 1", old_message(1))
    tell("magic 3", batch(b"a", magic=3))
    tell("magic 0 in the old version", old_message(0), 3)
    tell("magic 1 in the old version", old_message(1), 3)
    tell("base offset 5", batch(b"a", base_offset=5))
    tell("base offset -1", batch(b"a", base_offset=-1))
    tell("count too high", batch(b"a", count=2))
    tell("count too low", batch(b"a", b"b", count=1))
    tell("count 0", batch(b"a", count=0))
    tell("count 0, no records", batch(records=[], count=0, last_offset_delta=0))
    tell("count -1", batch(b"a", count=-1))
    tell("count and last offset too high", batch(b"a", count=2, last_offset_delta=1))
    tell("count and last offset too low", batch(b"a", b"b", count=1, last_offset_delta=0))
    tell("last offset too high", batch(b"a", last_offset_delta=1))
    tell("last offset negative", batch(b"a", last_offset_delta=-1))
    tell("leader epoch 5", batch(b"a", leader_epoch=5))
    tell("control", batch(records=[record(struct.pack(">hi", 0, 0), struct.pack(">hh", 0, 1))], attributes=CONTROL))
    tell("transactional", batch(b"a", attributes=TRANSACTIONAL, producer=(5, 0, 0)))
    tell("log append time", batch(b"a", attributes=LOG_APPEND_TIME))
    tell("delete horizon", batch(b"a", attributes=0x40))
    tell("unknown attributes", batch(b"a", attributes=0x100))
    tell("too large", batch(b"x" * 1000))
    tell("as large as may be", batch(b"x" * 928))
    tell("one byte too large", batch(b"x" * 929))
    tell("large once unpacked", batch(b"x" * 5000, attributes=GZIP))
    tell("null key and value", batch(None, key=None))
    tell("null value", batch(None))
    tell("headers", batch(records=[record(headers=[(b"h", b"1"), (b"h", None), ("é".encode(), b"")])]))
    tell("header with a null name", batch(records=[record(headers=[(None, b"1")])]))
    tell("record longer than the batch", batch(records=[b"\x7e" + record()[1:]]))
    tell("record of length 0", batch(records=[b"\0"]))
    tell("record with bytes left over", batch(records=[b"\x16" + record()[1:] + b"ab"]))
    tell("bytes behind the records", batch(records=[record() + b"abcd"]))
    tell("key longer than the record", batch(records=[record().replace(b"\x02k", b"\x7ek")]))
    tell("timestamp -1", batch(b"a", base_timestamp=-1))
    tell("timestamp -2", batch(b"a", base_timestamp=-2))
    tell("timestamp 0", batch(b"a", base_timestamp=0))
    tell("timestamp far ahead", batch(b"a", b"b", base_timestamp=TIME * 10))
    tell("greatest timestamp wrong", batch(b"a", max_timestamp=TIME + 9))
    tell("greatest timestamp far ahead", batch(b"a", max_timestamp=TIME * 10))
    for name, codec in {"gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}.items():
        tell(name, batch(b"a", b"b", attributes=codec))
        tell(f"{name} with a count too high", batch(b"a", attributes=codec, count=2, last_offset_delta=1))
        tell(f"{name} with a count too low", batch(b"a", b"b", attributes=codec, count=1, last_offset_delta=0))
        tell(f"{name} with offsets with a gap", batch(
            records=[record(offset_delta=0), record(offset_delta=2)], attributes=codec, last_offset_delta=2, count=2))
        tell(f"{name} with time far ahead", batch(b"a", base_timestamp=TIME * 10, attributes=codec))
    tell("raw snappy", batch(b"a", b"b", attributes=SNAPPY, packed=raw_snappy))
    tell("zstd in v3", batch(b"a", attributes=ZSTD), 3)
    tell("zstd in v6", batch(b"a", attributes=ZSTD), 6)
    tell("zstd in v7", batch(b"a", attributes=ZSTD), 7)
    # In a topic of their own: they are taken by both, and numbered anew by one of them (README.md).
    world.create("numbers", 1)
    for name, deltas in {"do not rise": (0, 0), "have a gap": (0, 2), "begin at 1": (1, 2)}.items():
        records = [record(offset_delta=delta) for delta in deltas]
        world.tell(f"batch: offsets that {name}", world.produce("numbers", batch(records=records)))
    body = {"ReplicaId": -1, "MinBytes": 1, "SessionEpoch": -1, "Topics": [{"Topic": world.name("batches"), "Partitions": [
        {"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20}]}]}
    world.tell("batches: all that was taken", world.ask("Fetch", 11, body))


def produce_settings(world):
    tell = lambda name, topic, records, **more: world.tell(name, world.produce(topic, records, **more))
    world.create("compacted", cleanup_policy="compact")
    tell("compacted: a key", "compacted", batch(b"a"))
    tell("compacted: no key", "compacted", batch(records=[record(), record(key=None, offset_delta=1)]))
    tell("compacted: no key in gzip", "compacted", batch(b"a", key=None, attributes=GZIP))
    world.create("small-segments", segment_bytes="1048576", max_message_bytes="3000000")
    tell("larger than a segment", "small-segments", batch(b"x" * 1100000))
    world.create("window", message_timestamp_before_max_ms="1000")
    tell("window: old", "window", batch(b"a"))
    tell("window: old, three", "window", batch(b"a", b"b", b"c"))
    world.create("append-time", message_timestamp_type="LogAppendTime")
    answer = world.produce("append-time", batch(b"a", b"b"))
    partition = answer["Responses"][0]["PartitionResponses"][0]
    time_ms = partition.pop("LogAppendTimeMs", None)
    world.tell("append time: the answer", [answer, time_ms is not None and time_ms > TIME])
    tell_body = {"ReplicaId": -1, "Topics": [{"Name": world.name("append-time"), "Partitions": [
        {"PartitionIndex": 0, "Timestamp": time_ms}]}]}
    offset = world.ask("ListOffsets", 5, tell_body)["Topics"][0]["Partitions"][0]
    world.tell("append time: found by it", [offset.pop("Timestamp", None) == time_ms, offset])
    for codec in ("gzip", "uncompressed", "lz4", "zstd", "snappy"):
        world.create(f"stored-{codec}", compression_type=codec)
        tell(f"stored as {codec}: plain", f"stored-{codec}", batch(b"a", b"b"))
        tell(f"stored as {codec}: lz4", f"stored-{codec}", batch(b"a", b"b", attributes=LZ4))
        body = {"ReplicaId": -1, "MinBytes": 1, "SessionEpoch": -1, "MaxBytes": 1 << 20, "Topics": [
            {"Topic": world.name(f"stored-{codec}"), "Partitions": [
                {"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20}]}]}
        records = world.ask("Fetch", 11, body)["Responses"][0]["Partitions"][0]["Records"]
        told, at = [], 0
        while at < len(records):
            told.append(struct.unpack_from(">h", records, at + 21)[0] & 7)
            at += 12 + struct.unpack_from(">i", records, at + 8)[0]
        world.tell(f"stored as {codec}: the codecs", told)
    world.create("min-isr", min_insync_replicas="2")
    tell("min.insync.replicas=2, acks=-1", "min-isr", batch(b"a"))
    tell("min.insync.replicas=2, acks=1", "min-isr", batch(b"a"), acks=1)


def produce_acks_none(world):
    """acks=0 has no answer; an error closes the connection."""
    world.create("acks-none")
    topic_id = next(real for real, name in world.names.items() if name == "id of acks-none")
    for version in (3, 9, 13):
        connection = world.connect()
        connection.send("Produce", version, world.produce_body(
            "acks-none", batch(b"a"), acks=0, version=version, topic_id=topic_id))
        connection.sent.pop()
        world.tell(f"acks=0 v{version}", "Brokers" in connection.ask("Metadata", 1, {"Topics": []}))
        bad = {
            "an unknown topic": world.produce_body("none", batch(b"a"), acks=0, version=version, topic_id=UNKNOWN_ID),
            "a bad CRC": world.produce_body("acks-none", batch(b"a", crc=1), acks=0, version=version, topic_id=topic_id),
            "no records": world.produce_body("acks-none", b"", acks=0, version=version, topic_id=topic_id),
        }
        for name, body in bad.items():
            connection = world.connect()
            connection.send("Produce", version, body)
            world.tell(f"acks=0 v{version} with {name}", connection.ending())
            connection.close()


def produce_internal(world):
    """Only the admin client may write to an internal topic."""
    for _ in turns():
        answer = world.ask("FindCoordinator", 4, {"CoordinatorKeys": [world.name("any")]})["Coordinators"][0]
        if not answer.get("ErrorCode"):
            break
        time.sleep(0.05)
    body = {"Acks": -1, "TimeoutMs": 10_000, "TopicData": [
        {"Name": "__consumer_offsets", "PartitionData": [{"Index": 99, "Records": batch(b"a")}]}]}
    world.tell("internal topic", world.ask("Produce", 9, body))
    connection = world.connect("__admin_client")
    world.tell("internal topic, as the admin client", connection.ask("Produce", 9, body))
    connection.close()


def recent(now_ms):
    """Makes batches of now: of a producer that wrote nothing younger than a day a broker lets go whenever it looks."""
    return lambda *values, **more: batch(*values, base_timestamp=now_ms, **more)


def described_producers(world):
    """What a leader tells of the producers of its partitions."""
    now_ms = int(time.time() * 1000)
    batch = recent(now_ms)
    world.create("producers", 2)
    init = {"TransactionTimeoutMs": 1000, "ProducerId": -1, "ProducerEpoch": -1}
    first = world.ask("InitProducerId", 4, init).get("ProducerId", 0)

    def ask(*topics):
        answer = world.ask("DescribeProducers", 0, {"Topics": [
            {"Name": world.name(name) if name else "", "PartitionIndexes": indexes} for name, indexes in topics]})
        for topic in answer.get("Topics", []):
            for partition in topic.get("Partitions", []):
                for producer in partition.get("ActiveProducers", []):
                    producer["ProducerId"] = f"first + {producer.get('ProducerId', 0) - first}"
                    producer["LastTimestamp"] += TIME - now_ms  # as if it had been TIME
                # Kafka leaves their order to a hash map.
                partition.get("ActiveProducers", []).sort(key=lambda it: it["ProducerId"])
        return answer

    world.tell("DescribeProducers of nobody", ask(("producers", [0, 1])))
    for producer, values in (
        ((first, 0, 0), (b"a", b"b")), ((first, 0, 2), (b"c",)), ((first + 100000, 3, 7), (b"d",)),
        ((first + 200000, 0, 2**31 - 1), (b"e", b"f")), ((first, 0, 9), (b"refused",)),
    ):
        world.produce("producers", batch(*values, producer=producer))
    world.tell("DescribeProducers of three", ask(("producers", [0, 1])))
    world.produce("producers", batch(b"g", producer=(first, 1, 0)))
    world.produce("producers", batch(b"h", producer=(first, 1, 0)), partition=1)
    world.produce("producers", batch(b"of no producer"), partition=1)
    world.tell("DescribeProducers with a new epoch", ask(("producers", [1, 0])))
    world.tell("DescribeProducers of partitions that are not", ask(("producers", [7, 0, -1])))
    world.tell("DescribeProducers of a topic that is not", ask(("never", [0, 1]), ("producers", [1])))
    world.tell("DescribeProducers of one partition twice", ask(("producers", [1, 1])))
    world.tell("DescribeProducers of one topic twice", ask(("producers", [1]), ("producers", [1])))
    world.tell("DescribeProducers of no partition", ask(("producers", [])))
    world.tell("DescribeProducers of no name", ask(("", [0])))
    bad = world.ask("DescribeProducers", 0, {"Topics": [{"Name": "no/name", "PartitionIndexes": [0]}]})
    world.tell("DescribeProducers of a name that cannot be", bad)
    world.tell("DescribeProducers of nothing", ask())


def produce_idempotent(world):
    now_ms = int(time.time() * 1000)
    batch = recent(now_ms)
    world.create("sequences", 1)
    producer = world.ask("InitProducerId", 4, {"TransactionTimeoutMs": 1000, "ProducerId": -1, "ProducerEpoch": -1})
    world.tell("InitProducerId", {name: it for name, it in producer.items() if name != "ProducerId"})
    first = producer.get("ProducerId", 0)

    def tell(name, *values, producer):
        answer = world.produce("sequences", batch(*values, producer=producer))
        partition = answer["Responses"][0]["PartitionResponses"][0]
        if partition.get("LogAppendTimeMs", -1) != -1:
            partition["LogAppendTimeMs"] += TIME - now_ms  # as if it had been TIME
        world.tell(f"sequence: {name}", answer)

    tell("0 and 1", b"a", b"b", producer=(first, 0, 0))
    tell("again", b"a", b"b", producer=(first, 0, 0))
    tell("a gap", b"a", producer=(first, 0, 3))
    tell("the next", b"c", producer=(first, 0, 2))
    tell("part of an older batch", b"a", producer=(first, 0, 0))
    tell("further back", b"b", producer=(first, 0, 1))
    for number in range(3, 8):
        tell(f"{number}", b"n", producer=(first, 0, number))
    tell("the fifth from behind again", b"n", producer=(first, 0, 3))
    tell("the sixth from behind again", b"c", producer=(first, 0, 2))
    tell("a new epoch from 5", b"n", producer=(first, 1, 5))
    tell("a new epoch from 0", b"n", producer=(first, 1, 0))
    tell("the old epoch", b"n", producer=(first, 0, 8))
    tell("the old epoch's duplicate", b"n", producer=(first, 0, 7))
    tell("an unknown producer from 7", b"n", producer=(first + 100000, 0, 7))
    tell("sequence -1 with a producer", b"n", producer=(first, 1, -1))
    tell("epoch -1 with a producer", b"n", producer=(first, -1, 1))
    tell("a sequence without a producer", b"n", producer=(-1, -1, 5))
    tell("producer -2", b"n", producer=(-2, 0, 0))
    other = first + 200000
    tell("near the end", b"a", producer=(other, 0, 2**31 - 2))
    tell("around the end", b"a", b"b", producer=(other, 0, 2**31 - 1))
    tell("behind it", b"a", producer=(other, 0, 1))
    body = {"ReplicaId": -1, "Topics": [{"Name": world.name("sequences"), "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]}
    world.tell("sequence: the end", world.ask("ListOffsets", 5, body))
    world.versions("InitProducerId with a transaction timeout of 0", "InitProducerId", {
        "TransactionTimeoutMs": 0, "ProducerId": -1, "ProducerEpoch": -1, "TransactionalId": ""}, (3, 3))
