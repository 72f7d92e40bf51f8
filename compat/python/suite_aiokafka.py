"""aiokafka. Arguments: bootstrap address, topic prefix."""

import asyncio
import logging
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, for_code

from report import Report, require, require_equal

BOOTSTRAP, PREFIX = sys.argv[1], sys.argv[2]
# Against hangs, not a measure of speed.
WAIT_S = 180
EPOCH = 1_700_000_000_000

logging.disable(logging.CRITICAL)
admin = None


# ---- shared steps -----------------------------------------------------------------------------


async def topic(name, partitions, configs=None):
    """A topic that keeps its records, which say that they are years old: a broker looks for such now and then."""
    name = PREFIX + name
    configs = {"retention.ms": "-1"} | (configs or {})
    await created(await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)]))
    await until(f"{name} is known", lambda: partitions_are(name, partitions))
    return name


async def partitions_are(name, count):
    found = (await admin.describe_topics([name]))[0]
    return found["error_code"] == 0 and len(found["partitions"]) == count


async def created(response):
    for one in response.topic_errors:
        if one[1] != 0:
            raise for_code(one[1])(one[0])


async def error_of(action):
    try:
        await action
        return "none"
    except KafkaError as error:
        return type(error).__name__


async def until(what, condition):
    end = asyncio.get_running_loop().time() + WAIT_S
    while True:
        met = condition()
        if asyncio.iscoroutine(met):
            met = await met
        if met:
            return
        require(asyncio.get_running_loop().time() < end, f"waited too long until {what}")
        await asyncio.sleep(0.02)


class producer:
    """A started producer, stopped at the end of the block."""

    def __init__(self, **settings):
        self.one = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, **({"linger_ms": 5} | settings))

    async def __aenter__(self):
        await self.one.start()
        return self.one

    async def __aexit__(self, *_):
        await self.one.stop()


class consumer:
    """A started consumer, stopped at the end of the block."""

    def __init__(self, *topics, **settings):
        base = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
        self.one = AIOKafkaConsumer(*topics, bootstrap_servers=BOOTSTRAP, **(base | settings))

    async def __aenter__(self):
        await self.one.start()
        return self.one

    async def __aexit__(self, *_):
        await self.one.stop()


async def fill(name, partition, start, end):
    async with producer() as one:
        sent = [await one.send(name, str(i).encode(), f"k{i}".encode(), partition, timestamp_ms=EPOCH + 1000 * i) for i in range(start, end)]
        await asyncio.gather(*sent)


async def read(one, count):
    messages = []
    end = asyncio.get_running_loop().time() + WAIT_S
    while len(messages) < count and asyncio.get_running_loop().time() < end:
        for part in (await one.getmany(timeout_ms=200)).values():
            messages += part
    require(len(messages) >= count, f"got {len(messages)} records of {count}")
    return messages


async def read_all(name, count, partitions=1):
    async with consumer() as one:
        one.assign([TopicPartition(name, i) for i in range(partitions)])
        await one.seek_to_beginning()
        return await read(one, count)


# ---- groups -----------------------------------------------------------------------------------


class Member(ConsumerRebalanceListener):
    """One consumer of a group that reads in its own task."""

    def __init__(self, group, name, **settings):
        base = {"group_id": group, "auto_offset_reset": "earliest", "enable_auto_commit": False, "heartbeat_interval_ms": 300,
                "session_timeout_ms": 60_000, "rebalance_timeout_ms": 120_000}
        self.one = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, **(base | settings))
        self.name = name
        self.values = []

    async def start(self):
        self.one.subscribe([self.name], listener=self)
        await self.one.start()
        self.task = asyncio.create_task(self.work())
        return self

    async def work(self):
        while True:
            for part in (await self.one.getmany(timeout_ms=100)).values():
                self.values += [m.value.decode() for m in part]

    def count(self):
        return len(self.one.assignment())

    async def on_partitions_revoked(self, revoked):
        if revoked and self.values:
            await self.one.commit()

    async def on_partitions_assigned(self, assigned):
        pass

    async def stop(self, commit=True):
        self.task.cancel()
        if commit:
            await self.one.commit()
        await self.one.stop()


async def group(name, assignor):
    where = await topic("group-" + name, 6)
    which = PREFIX + name
    for partition in range(6):
        await fill(where, partition, partition * 100, partition * 100 + 10)
    settings = {"partition_assignment_strategy": [assignor]} if assignor else {}
    first = await Member(which, where, **settings).start()
    await until("one member has all", lambda: len(first.values) == 60)
    second = await Member(which, where, **settings).start()
    await until("two members share", lambda: first.count() == 3 and second.count() == 3)
    require(not first.one.assignment() & second.one.assignment(), "both have the same partition")
    first.values.clear()
    for partition in range(6):
        await fill(where, partition, partition * 100 + 10, partition * 100 + 20)
    await until("both read on", lambda: len(first.values) + len(second.values) == 60)
    require_equal(30, len(second.values), "records of the second")
    await first.one.commit()
    await second.stop()
    await until("the first has all again", lambda: first.count() == 6)
    first.values.clear()
    for partition in range(6):
        await fill(where, partition, partition * 100 + 20, partition * 100 + 21)
    await until("the first reads on", lambda: len(first.values) >= 6)
    after = sorted(first.values, key=int)
    await first.stop()
    return f"after={after}"


async def static_member():
    where = await topic("static", 2)
    one = await Member(PREFIX + "static", where, group_instance_id="a").start()
    await until("it has all", lambda: one.count() == 2)
    described = await admin.describe_consumer_groups([PREFIX + "static"])
    await one.stop(commit=False)
    two = await Member(PREFIX + "static", where, group_instance_id="a").start()
    await until("it has all again", lambda: two.count() == 2)
    await two.stop(commit=False)
    return f"state={described[0].groups[0][2]}"


async def commits():
    where = await topic("commits", 1)
    await fill(where, 0, 0, 20)
    spot = TopicPartition(where, 0)
    async with consumer(group_id=PREFIX + "commits") as one:
        one.assign([spot])
        before = await one.committed(spot)
        await read(one, 20)
        await one.commit({spot: (7, "seven")})
        committed = await one.committed(spot)
    async with consumer(group_id=PREFIX + "commits") as one:
        one.assign([spot])
        resumed = (await read(one, 1))[0].offset
    offsets = await admin.list_consumer_group_offsets(PREFIX + "commits")
    listed = [(g[0] if isinstance(g, tuple) else g) for g in await admin.list_consumer_groups()]
    return f"before={before} committed={committed} resumed={resumed} by-admin={[tuple(v) for v in offsets.values()]} listed={PREFIX + 'commits' in listed}"


# ---- topics -----------------------------------------------------------------------------------


async def topics():
    name = await topic("created", 3, {"retention.ms": "1234"})

    async def create(new):
        return await error_of(created(await admin.create_topics([new])))

    answers = {
        "exists": await create(NewTopic(name, 1, 1)),
        "bad-name": await create(NewTopic("a b", 1, 1)),
        "two-replicas": await create(NewTopic(PREFIX + "e1", 1, 2)),
        "no-partitions": await create(NewTopic(PREFIX + "e2", 0, 1)),
    }
    await admin.create_partitions({name: NewPartitions(5)})
    await until("five partitions are known", lambda: partitions_are(name, 5))
    resource = ConfigResource(ConfigResourceType.TOPIC, name)
    for response in await admin.describe_configs([resource]):
        entries = {entry[0]: entry[1] for entry in response.resources[0][4]}
        answers["retention.ms"] = entries["retention.ms"]
    await admin.delete_topics([name])

    async def gone():
        return name not in await admin.list_topics()

    await until("the topic is gone", gone)
    found = await admin.describe_cluster()
    answers["brokers"] = len(found["brokers"])
    return answers


async def delete_records():
    name = await topic("delete-records", 1)
    await fill(name, 0, 0, 10)
    spot = TopicPartition(name, 0)
    low = await admin.delete_records({spot: RecordsToDelete(before_offset=4)})
    beyond = await error_of(admin.delete_records({spot: RecordsToDelete(before_offset=99)}))
    return f"low={list(low.values())} beyond={beyond} first={(await read_all(name, 6))[0].offset}"


# ---- producing and consuming ------------------------------------------------------------------


async def acks(level):
    name = await topic(f"acks-{level}", 1)
    async with producer(acks=level) as one:
        for i in range(500):
            await one.send(name, str(i).encode())
        await one.flush()
    values = [int(m.value) for m in await read_all(name, 500)]
    require_equal(list(range(500)), values, "values in order")
    return "records=500"


async def idempotent():
    name = await topic("idempotent", 3)
    async with producer(enable_idempotence=True, max_batch_size=500) as one:
        sent = [await one.send(name, str(i).encode(), partition=i % 3) for i in range(1500)]
        offsets = [m.offset for m in await asyncio.gather(*sent)]
    require_equal([i // 3 for i in range(1500)], offsets, "offsets")
    return "in order, once"


async def codec(kind):
    where = await topic(f"codec-{kind}", 2)
    async with producer(compression_type=kind, linger_ms=50) as one:
        sent = [
            await one.send(where, f"value {i} ".encode() + b"abc " * (i % 50), f"key {i}".encode(), i % 2,
                           timestamp_ms=EPOCH + i, headers=[("n", str(i).encode()), ("n", b"again"), ("empty", b"")])
            for i in range(400)
        ]
        await asyncio.gather(*sent)
    following = [0, 1]
    for message in await read_all(where, 400, 2):
        i = following[message.partition]
        following[message.partition] += 2
        require_equal(f"value {i} ".encode() + b"abc " * (i % 50), message.value, "value")
        require_equal(f"key {i}".encode(), message.key, "key")
        require_equal(EPOCH + i, message.timestamp, "timestamp")
        require_equal((("n", str(i).encode()), ("n", b"again"), ("empty", b"")), message.headers, "headers")
    return "records=400"


async def nulls():
    name = await topic("nulls", 1)
    pairs = [(None, b"v"), (b"k", None), (b"", b""), (b"k", b""), (b"", None)]
    async with producer() as one:
        for key, value in pairs:
            await one.send_and_wait(name, value, key)
    return [f"{m.key}/{m.value}" for m in await read_all(name, len(pairs))]


async def large():
    name = await topic("large", 1)
    async with producer(max_request_size=10_000_000, max_batch_size=9_000_000) as one:
        answers = {size: await error_of(one.send_and_wait(name, b"x" * size)) for size in (900_000, 1_048_400, 1_048_588, 2_000_000)}
    return f"{answers} read={[len(m.value) for m in await read_all(name, 2)]}"


async def many_partitions():
    name = await topic("many", 40)
    async with producer() as one:
        await asyncio.gather(*[await one.send(name, str(i).encode(), partition=i % 40) for i in range(800)])
    member = await Member(PREFIX + "many", name).start()
    await until("everything is read", lambda: len(member.values) >= 800)
    values = set(member.values)
    await member.stop()
    return f"distinct={len(values)}"


async def seek():
    name = await topic("seek", 1)
    await fill(name, 0, 0, 100)
    spot = TopicPartition(name, 0)
    async with consumer() as one:
        one.assign([spot])
        one.seek(spot, 42)
        answers = [(await read(one, 1))[0].offset]
        await one.seek_to_end(spot)
        answers.append(await one.position(spot))
        times = []
        for t in (0, 10_000, 10_001, 99_001):
            found = (await one.offsets_for_times({spot: EPOCH + t}))[spot]
            times.append(found.offset if found else None)
        one.seek(spot, times[2])
        answers.append((await read(one, 1))[0].value.decode())
        ends = (await one.beginning_offsets([spot]))[spot], (await one.end_offsets([spot]))[spot]
    return f"{answers} times={times} ends={ends}"


async def out_of_range():
    name = await topic("range", 1)
    await fill(name, 0, 0, 10)
    spot = TopicPartition(name, 0)
    await admin.delete_records({spot: RecordsToDelete(before_offset=3)})
    answers = {}
    async with consumer() as one:
        one.assign([spot])
        one.seek(spot, 1)
        answers["below"] = (await read(one, 1))[0].offset
    async with consumer(auto_offset_reset="none") as one:
        one.assign([spot])
        one.seek(spot, 1000)
        answers["none"] = await error_of(asyncio.wait_for(one.getone(), WAIT_S))
    return answers


async def unknown():
    async with producer() as one:
        await one.send_and_wait(PREFIX + "auto", b"x")
    records = await read_all(PREFIX + "auto", 1)
    # To describe a topic here is to ask for its creation: it is unknown in this answer, and listed once it is made.
    found = (await admin.describe_topics([PREFIX + "nobody"]))[0]["error_code"]

    async def listed():
        return PREFIX + "nobody" in await admin.list_topics()

    await until("the described topic is listed", listed)
    return f"auto-created={len(records)} describe={for_code(found).__name__} listed=True"


CHECKS = {
    "group-eager": lambda: group("eager", None),
    "group-round-robin": lambda: group("round-robin", RoundRobinPartitionAssignor),
    "group-sticky": lambda: group("sticky", StickyPartitionAssignor),
    "group-static": static_member,
    "group-commits": commits,
    "topics": topics,
    "delete-records": delete_records,
    "produce-acks-0": lambda: acks(0),
    "produce-acks-1": lambda: acks(1),
    "produce-acks-all": lambda: acks("all"),
    "produce-idempotent": idempotent,
    "codec-none": lambda: codec(None),
    "codec-gzip": lambda: codec("gzip"),
    "codec-snappy": lambda: codec("snappy"),
    "codec-lz4": lambda: codec("lz4"),
    "codec-zstd": lambda: codec("zstd"),
    "records-null-and-empty": nulls,
    "records-large": large,
    "partitions-many": many_partitions,
    "consume-seek": seek,
    "consume-out-of-range": out_of_range,
    "unknown": unknown,
}


async def main():
    global admin
    report = Report("aiokafka")
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    limit = asyncio.Semaphore(4)

    async def one(name, check):
        async with limit:

            async def answer():
                return str(await check())

            await report.run_async(name, answer)

    await asyncio.gather(*[one(name, check) for name, check in CHECKS.items() if report.wants(name)])
    await admin.close()
    return 1 if report.failed else 0


sys.exit(asyncio.run(main()))
