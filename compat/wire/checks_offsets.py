"""ListOffsets, DeleteRecords and OffsetForLeaderEpoch."""

from batches import GZIP, TIME, batch, record
from checks_fetch import delete


def list_body(world, what, timestamp, partition=0, epoch=-1, **more):
    asked = {"PartitionIndex": partition, "Timestamp": timestamp, "CurrentLeaderEpoch": epoch}
    return {"ReplicaId": -1, "Topics": [{"Name": world.name(what), "Partitions": [asked]}], **more}


def list_offsets(world):
    world.create("times", 2)
    world.produce("times", batch(b"a", b"b", b"c"))
    world.produce("times", batch(records=[record(offset_delta=0, timestamp_delta=5000), record(offset_delta=1, timestamp_delta=1000)],
                                 max_timestamp=TIME + 5000))
    world.produce("times", batch(b"a", b"b", base_timestamp=TIME + 2000, attributes=GZIP))
    for timestamp in (-1, -2, -3, -4, -5, -6, -7, -100, 0, TIME, TIME + 1, TIME + 2, TIME + 3, TIME + 1500, TIME + 2001,
                      TIME + 4000, TIME + 5000, TIME + 5001, 2**62):
        name = timestamp if timestamp < TIME or timestamp > TIME + 9999 else f"T+{timestamp - TIME}"
        world.versions(f"ListOffsets {name}", "ListOffsets", list_body(world, "times", timestamp))
        world.versions(f"ListOffsets {name} of an empty partition", "ListOffsets", list_body(world, "times", timestamp, 1), (11, 11))
        world.versions(f"ListOffsets {name} read committed", "ListOffsets", list_body(world, "times", timestamp, IsolationLevel=1), (7, 7))
    world.versions("ListOffsets of a topic that is not", "ListOffsets", list_body(world, "none", -1))
    world.versions("ListOffsets of a partition that is not", "ListOffsets", list_body(world, "times", -1, 9))
    world.versions("ListOffsets with epoch 0", "ListOffsets", list_body(world, "times", -1, epoch=0), (4, 11))
    world.versions("ListOffsets with a later epoch", "ListOffsets", list_body(world, "times", -1, epoch=3), (4, 11))
    world.versions("ListOffsets by the debugging consumer", "ListOffsets", {**list_body(world, "times", -1), "ReplicaId": -2}, (1, 11))
    world.versions("ListOffsets by a follower", "ListOffsets", {**list_body(world, "times", -1), "ReplicaId": 7}, (1, 11))
    twice = list_body(world, "times", -1)
    twice["Topics"][0]["Partitions"] *= 2
    twice["Topics"][0]["Partitions"].append({"PartitionIndex": 1, "Timestamp": -1})
    world.versions("ListOffsets of one partition twice", "ListOffsets", twice)
    world.versions("ListOffsets of nothing", "ListOffsets", {"ReplicaId": -1, "Topics": []})
    world.create("codec-times", 1)
    world.produce("codec-times", batch(records=[
        record(offset_delta=0, timestamp_delta=10), record(offset_delta=1, timestamp_delta=30), record(offset_delta=2, timestamp_delta=20)],
        max_timestamp=TIME + 30, attributes=GZIP))
    for timestamp in (-3, TIME + 15, TIME + 30):
        world.tell(f"ListOffsets in a packed batch: {timestamp if timestamp < 0 else timestamp - TIME}",
                   world.ask("ListOffsets", 7, list_body(world, "codec-times", timestamp)))
    world.create("no-times", 1)
    world.produce("no-times", batch(b"a", base_timestamp=-1))
    for timestamp in (-3, 0):
        world.tell(f"ListOffsets without timestamps: {timestamp}", world.ask("ListOffsets", 7, list_body(world, "no-times", timestamp)))
    world.create("same-times", 1)
    for _ in range(3):
        world.produce("same-times", batch(b"a"))
    world.tell("ListOffsets of equal greatest timestamps", world.ask("ListOffsets", 7, list_body(world, "same-times", -3)))


def delete_records(world):
    world.create("deleted", 2)
    world.create("compact-only", 1, cleanup_policy="compact")
    world.create("compact-delete", 1, cleanup_policy="compact,delete")
    for what in ("deleted", "compact-only", "compact-delete"):
        for _ in range(4):
            world.produce(what, batch(b"a", b"b"))
    world.versions("DeleteRecords to 0", "DeleteRecords", delete(world, "deleted", 0))
    world.versions("DeleteRecords to 3", "DeleteRecords", delete(world, "deleted", 3))
    for offset in (1, 9, -2, -1, 5, 8):
        world.tell(f"DeleteRecords to {offset} after", world.ask("DeleteRecords", 2, delete(world, "deleted", offset)))
    world.versions("DeleteRecords of a topic that is not", "DeleteRecords", delete(world, "none", 0))
    world.versions("DeleteRecords of a partition that is not", "DeleteRecords", delete(world, "deleted", 0, 9))
    world.tell("DeleteRecords of an empty partition to 0", world.ask("DeleteRecords", 2, delete(world, "deleted", 0, 1)))
    world.tell("DeleteRecords of an empty partition to -1", world.ask("DeleteRecords", 2, delete(world, "deleted", -1, 1)))
    world.tell("DeleteRecords of an empty partition to 1", world.ask("DeleteRecords", 2, delete(world, "deleted", 1, 1)))
    world.tell("DeleteRecords of a compacted topic", world.ask("DeleteRecords", 2, delete(world, "compact-only", 2)))
    world.tell("DeleteRecords of a compacted and deleted topic", world.ask("DeleteRecords", 2, delete(world, "compact-delete", 2)))
    internal = {"TimeoutMs": 5000, "Topics": [{"Name": "__consumer_offsets", "Partitions": [{"PartitionIndex": 0, "Offset": 0}]}]}
    world.tell("DeleteRecords of an internal topic", world.ask("DeleteRecords", 2, internal))
    world.tell("DeleteRecords of nothing", world.ask("DeleteRecords", 2, {"Topics": [], "TimeoutMs": 1}))
    for timestamp in (-1, -2, -4, 0, TIME):
        name = timestamp if timestamp < TIME else "T"
        world.tell(f"ListOffsets {name} of what was deleted", world.ask("ListOffsets", 11, list_body(world, "deleted", timestamp)))
    world.versions("OffsetForLeaderEpoch of what was deleted", "OffsetForLeaderEpoch", epoch_body(world, "deleted", 0))
    world.produce("deleted", batch(b"z"))
    for timestamp in (-1, -2, 0):
        world.tell(f"ListOffsets {timestamp} of what came since", world.ask("ListOffsets", 11, list_body(world, "deleted", timestamp)))
    world.tell("Produce after DeleteRecords", world.produce("deleted", batch(b"z")))


def epoch_body(world, what, epoch, partition=0, current=-1):
    return {"ReplicaId": -1, "Topics": [{"Topic": world.name(what), "Partitions": [
        {"Partition": partition, "CurrentLeaderEpoch": current, "LeaderEpoch": epoch}]}]}


def leader_epochs(world):
    world.create("epochs", 2)
    world.produce("epochs", batch(b"a", b"b"))
    for epoch in (-1, 0, 1, 100):
        world.versions(f"OffsetForLeaderEpoch {epoch}", "OffsetForLeaderEpoch", epoch_body(world, "epochs", epoch))
        world.tell(f"OffsetForLeaderEpoch {epoch} of an empty partition", world.ask(
            "OffsetForLeaderEpoch", 4, epoch_body(world, "epochs", epoch, 1)))
    for current in (0, 1, -1):
        world.versions(f"OffsetForLeaderEpoch with current epoch {current}", "OffsetForLeaderEpoch", epoch_body(
            world, "epochs", 0, 0, current))
    world.versions("OffsetForLeaderEpoch of a partition that is not", "OffsetForLeaderEpoch", epoch_body(world, "epochs", 0, 9))
    world.versions("OffsetForLeaderEpoch of a topic that is not", "OffsetForLeaderEpoch", epoch_body(world, "none", 0))
    world.versions("OffsetForLeaderEpoch of nothing", "OffsetForLeaderEpoch", {"ReplicaId": -1, "Topics": []})
    world.versions("OffsetForLeaderEpoch by a follower", "OffsetForLeaderEpoch", {
        **epoch_body(world, "epochs", 0), "ReplicaId": 7}, (3, 4))
