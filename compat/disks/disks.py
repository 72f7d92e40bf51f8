"""What clients see of a disk that is full, or fails: PORT ACKS ACTION [ARGUMENT].

Requests are raw, so that nothing is tried again unseen. Every acked record is a line in the file ACKS, and must be
there ever after, until its topic is deleted or its records are.
"""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "wire"))

import batches  # noqa: E402
import wire  # noqa: E402

OFFSET_OUT_OF_RANGE = 1
TOPIC_ALREADY_EXISTS = 36
KAFKA_STORAGE_ERROR = 56
GROUP = "disks"
# What grows until the disk is full, and what must be kept meanwhile.
BULK, KEPT, SPREAD = "bulk", "kept", "spread"
SIZE = 100_000
PATIENCE_S = 300
# More than any of the disks has room for.
BATCHES_MAX = 2000

port, acks, action = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
connection = wire.Connection(port)


def require(condition, what):
    if not condition:
        sys.exit(f"{action}: {what}")


def until(what, condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        require(time.monotonic() < end, f"it never came to be: {what}")
        time.sleep(0.02)


def error(answer):
    return answer.get("ErrorCode", 0)


def create(topic, partitions=1, **configs):
    """The error of it."""
    configs = [{"Name": name.replace("_", "."), "Value": value} for name, value in configs.items()]
    topic = {"Name": topic, "NumPartitions": partitions, "ReplicationFactor": 1, "Assignments": [], "Configs": configs}
    return error(connection.ask("CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10_000})["Topics"][0])


def produce(topic, partition=0, size=SIZE):
    """The error and its message; what is acked is noted."""
    value = b"%d" % time.monotonic_ns()
    records = batches.batch(value + b"x" * size, base_timestamp=int(time.time() * 1000))
    data = [{"Name": topic, "PartitionData": [{"Index": partition, "Records": records}]}]
    body = {"Acks": -1, "TimeoutMs": 10_000, "TopicData": data}
    answer = connection.ask("Produce", 9, body)["Responses"][0]["PartitionResponses"][0]
    if error(answer) == 0:
        with acks.open("a") as file:
            print(topic, partition, answer.get("BaseOffset", 0), value.decode(), file=file)
    return error(answer), answer.get("ErrorMessage") or ""


def fill(topic):
    """Writes until that is refused; how many batches were taken."""
    for count in range(BATCHES_MAX):
        code, message = produce(topic)
        if code != 0:
            require(code == KAFKA_STORAGE_ERROR, f"error {code}: {message}")
            require(sys.argv[4] in message and "no room" in message, f"the message does not say which disk is full: {message}")
            return count
    sys.exit(f"{action}: the disk is never full")


def fetch(topic, partition, offset):
    asked = {"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": SIZE}
    body = {"ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 1, "SessionId": 0, "SessionEpoch": -1,
            "MaxBytes": SIZE, "Topics": [{"Topic": topic, "Partitions": [asked]}]}
    answer = connection.ask("Fetch", 11, body)["Responses"][0]["Partitions"][0]
    return error(answer), answer.get("Records") or b""


def verify():
    """All that was acked is there, but for what retention has deleted; how many records."""
    count = 0
    for line in acks.read_text().splitlines():
        topic, partition, offset, value = line.split()
        code, records = fetch(topic, int(partition), int(offset))
        if topic == BULK and code == OFFSET_OUT_OF_RANGE and int(offset) < start(topic):
            continue
        require(code == 0 and value.encode() in records, f"{topic}-{partition} at {offset}: error {code}, not {value}")
        count += 1
    return count


def commit(offset):
    """The error of it."""
    topics = [{"Name": KEPT, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": offset, "CommittedMetadata": ""}]}]
    body = {"GroupId": GROUP, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": topics}
    return error(connection.ask("OffsetCommit", 8, body)["Topics"][0]["Partitions"][0])


def committed():
    body = {"GroupId": GROUP, "Topics": [{"Name": KEPT, "PartitionIndexes": [0]}]}
    answer = connection.ask("OffsetFetch", 7, body)
    return answer["Topics"][0]["Partitions"][0].get("CommittedOffset", 0) if answer.get("Topics") else None


def delete_records(topic, before):
    """The error of it."""
    topics = [{"Name": topic, "Partitions": [{"PartitionIndex": 0, "Offset": before}]}]
    return error(connection.ask("DeleteRecords", 2, {"Topics": topics, "TimeoutMs": 10_000})["Topics"][0]["Partitions"][0])


def set_config(topic, name, value):
    """The error of it."""
    configs = [{"Name": name, "ConfigOperation": 0, "Value": value}]
    resource = {"ResourceType": 2, "ResourceName": topic, "Configs": configs}
    return error(connection.ask("IncrementalAlterConfigs", 1, {"Resources": [resource]})["Responses"][0])


def start(topic):
    body = {"ReplicaId": -1, "Topics": [{"Name": topic, "Partitions": [{"PartitionIndex": 0, "Timestamp": -2}]}]}
    return connection.ask("ListOffsets", 5, body)["Topics"][0]["Partitions"][0].get("Offset", 0)


def end(topic):
    body = {"ReplicaId": -1, "Topics": [{"Name": topic, "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]}
    return connection.ask("ListOffsets", 5, body)["Topics"][0]["Partitions"][0].get("Offset", 0)


def forget(topic, start):
    """What is deleted is not looked for any more."""
    lines = [it.split() for it in acks.read_text().splitlines()]
    left = [it for it in lines if it[0] != topic or int(it[2]) >= start]
    acks.write_text("".join(" ".join(it) + "\n" for it in left))


def full():
    """Clients fill the disk; what goes on then, and what makes room."""
    require(create(KEPT) == 0 and create(BULK, segment_bytes="1048576", file_delete_delay_ms="0") == 0, "no topics")
    until("the topics are served", lambda: produce(KEPT)[0] == 0 and produce(BULK)[0] == 0)
    until("groups are served", lambda: error(connection.ask("FindCoordinator", 3, {"Key": GROUP})) == 0 and commit(1) == 0)
    count = fill(BULK)
    require(produce(KEPT)[0] == KAFKA_STORAGE_ERROR, "another partition of the disk is written")
    require(commit(2) == 0, "no offset is committed")
    read = verify()
    require(delete_records(BULK, count // 2) == 0, "no records are deleted")
    forget(BULK, count // 2)
    until("there is room again", lambda: produce(KEPT)[0] == 0)
    again = fill(BULK)
    before = start(BULK)
    require(set_config(BULK, "retention.bytes", "2000000") == 0, "no setting is changed")
    until("there is room again", lambda: before < start(BULK) and produce(KEPT)[0] == 0)
    require(set_config(BULK, "retention.bytes", "-1") == 0, "no setting is changed")
    third = fill(BULK)
    verify()
    print(f"full after {count} batches of {SIZE // 1000} kB, {read} records read; with half of them deleted full again "
          f"after {again}, with retention after {third}")


def after_kill():
    """After kill -9 of the broker of the full disk."""
    until("groups are served", lambda: committed() == 2)
    read = verify()
    # The start itself may have made a little room.
    fill(BULK)
    require(produce(KEPT)[0] == KAFKA_STORAGE_ERROR, "another partition of the disk is written")
    require(error(connection.ask("DeleteTopics", 5, {"TopicNames": [BULK], "TimeoutMs": 10_000})["Responses"][0]) == 0, "not deleted")
    forget(BULK, 1 << 62)
    until("there is room again", lambda: produce(KEPT)[0] == 0)
    print(f"after kill -9: {read} records read, full again; a deleted topic made room")


def last_byte():
    """Something else has taken the last byte of the disk."""
    until("the disk is full", lambda: produce(KEPT)[0] == KAFKA_STORAGE_ERROR)
    # The record of it may still find a place in a block that the metadata log has; the partition's folder does not.
    code = create("meanwhile")
    require(code in (0, KAFKA_STORAGE_ERROR, TOPIC_ALREADY_EXISTS), f"error {code}")
    print(f"full to the last byte: {verify()} records read")


def room():
    """There is room again, without a restart or after one."""
    until("there is room", lambda: produce(KEPT)[0] == 0)
    require(commit(2) == 0 and create(sys.argv[4]) == 0, "something else is refused")
    require(create("meanwhile") in (0, TOPIC_ALREADY_EXISTS), "the topic is refused still")
    until("the topic is served", lambda: produce("meanwhile", size=1000)[0] == 0)
    print(f"with room again: {verify()} records read")


def refill():
    """Clients fill the disk once more."""
    require(create(BULK, segment_bytes="1048576", file_delete_delay_ms="0") in (0, TOPIC_ALREADY_EXISTS), "no topic")
    require(set_config(BULK, "retention.bytes", "-1") == 0, "no setting is changed")
    until("the topic is served", lambda: produce(BULK)[0] == 0)
    fill(BULK)


def start_full():
    """A start on a disk that is full to the last byte: all is read, and what makes room needs no restart."""
    what = sys.argv[4]
    read = verify()
    require(produce(KEPT)[0] == KAFKA_STORAGE_ERROR, "there is room to write")
    if what == "records":
        require(delete_records(BULK, end(BULK)) == 0, "no records are deleted")
        forget(BULK, end(BULK))
    elif what == "retention":
        before = start(BULK)
        require(set_config(BULK, "retention.bytes", "100000") == 0, "no setting is changed")
        until("retention deletes", lambda: before < start(BULK))
        forget(BULK, start(BULK))
    else:
        require(error(connection.ask("DeleteTopics", 5, {"TopicNames": [BULK], "TimeoutMs": 10_000})["Responses"][0]) == 0, "not deleted")
        forget(BULK, 1 << 62)
    until("there is room again", lambda: produce(KEPT)[0] == 0)
    print(f"started on a full disk: {read} records read, room made by {what}")


def home(partition, directories):
    """In which directory the partition is."""
    return next(it for it in directories if (pathlib.Path(it) / f"{SPREAD}-{partition}").is_dir())


def spread():
    """Partitions on two disks; prints which one is on the second."""
    directories = sys.argv[4].split(",")
    require(create(SPREAD, 2) == 0, "no topic")
    for partition in range(2):
        until("the topic is served", lambda: produce(SPREAD, partition)[0] == 0)
        for _ in range(5):
            require(produce(SPREAD, partition, 1000)[0] == 0, "not written")
    require(home(0, directories) != home(1, directories), "both partitions are on one disk")


def failed():
    """The second disk fails: it is offline alone."""
    directories = sys.argv[4].split(",")
    bad = next(it for it in range(2) if home(it, directories) == directories[1])
    until("the disk's partition is offline", lambda: produce(SPREAD, bad, 1000)[0] == KAFKA_STORAGE_ERROR)
    for _ in range(5):
        require(produce(SPREAD, 1 - bad, 1000)[0] == 0, "the other disk is not written")
        code = produce(SPREAD, bad, 1000)[0]
        require(code != 0, "the failed disk is written")
    require(create("placed", 4) == 0, "no topic is created")
    until("new partitions are on the other disk", lambda: all(
        (pathlib.Path(directories[0]) / f"placed-{it}").is_dir() for it in range(4)))
    print(f"partition {bad} is offline, partition {1 - bad} and new ones are served")


def mended():
    """After a restart with the disk there again."""
    for partition in range(2):
        until("both partitions are served", lambda: produce(SPREAD, partition)[0] == 0)
    print(f"with the disk back: {verify()} records read")


{
    "full": full, "after-kill": after_kill, "last-byte": last_byte, "room": room, "refill": refill, "start-full": start_full,
    "spread": spread, "failed": failed, "mended": mended,
}[action]()
