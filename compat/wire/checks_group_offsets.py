"""Committed offsets in every version: of a consumer without a group's membership, of several groups, of topics that go."""

import time

from checks_groups import Group
from checks_produce import UNKNOWN_ID
from wire import turns


def group_offsets(world):
    name, other = "offsets-t", "offsets-u"
    ids = {name: world.create(name, 3), other: world.create(other)}
    tell = lambda what, answer: world.tell(f"offsets: {what}", answer)
    it, second, missing = (Group(world, what).settled() for what in ("offsets-g", "offsets-h", "offsets-nobody"))

    def topic(version, what, partitions, by_id):
        return {"TopicId": ids[what], **partitions} if version >= by_id else {"Name": world.name(what), **partitions}

    def commit(version, group=it, what=name, generation=-1, member="", offset=None, metadata="", **more):
        partitions = [{"PartitionIndex": index, "CommittedOffset": version * 10 + index if offset is None else offset,
                       "CommittedMetadata": metadata} for index in (0, 2)]
        if version >= 6:
            partitions[0]["CommittedLeaderEpoch"] = 0
        body = {"GroupId": group.group, "GenerationIdOrMemberEpoch": generation, "MemberId": member, **more,
                "Topics": [topic(version, what, {"Partitions": partitions}, 10)]}
        return {**body, "RetentionTimeMs": -1} if version <= 4 else body

    def fetch(version, wanted=((name, (0, 1, 2)),), groups=(it,), **more):
        topics = None if wanted is None else [
            topic(version, what, {"PartitionIndexes": list(partitions)}, 10) for what, partitions in wanted]
        if version >= 8:
            return {"Groups": [{"GroupId": group.group, "Topics": topics} for group in groups], **more}
        return {"GroupId": it.group, "Topics": topics, **more}

    # A group that is only offsets: "simple" to Kafka.
    world.versions("OffsetCommit by a simple consumer", "OffsetCommit", commit, (2, 10))
    world.versions("OffsetFetch", "OffsetFetch", fetch, (1, 10))
    world.versions("OffsetFetch of all", "OffsetFetch", lambda version: fetch(version, None), (2, 10))
    world.versions("OffsetFetch of nothing", "OffsetFetch", lambda version: fetch(version, ()), (1, 10))
    world.versions("OffsetFetch, stable", "OffsetFetch", lambda version: fetch(version, RequireStable=True), (7, 10))
    world.versions("OffsetFetch of several groups", "OffsetFetch", lambda version: fetch(
        version, ((name, (2, 7)),), (it, missing, it, second)), (8, 10))
    world.versions("OffsetFetch of no group", "OffsetFetch", {"Groups": []}, (8, 10))
    world.versions("OffsetFetch of another topic", "OffsetFetch", lambda version: fetch(version, ((other, (0,)),)), (1, 10))
    world.versions("OffsetCommit by a member of a simple group", "OffsetCommit", lambda version: commit(
        version, generation=3, member="m"), (2, 10))
    world.versions("OffsetCommit by a static member of a simple group", "OffsetCommit", lambda version: commit(
        version, generation=3, member="m", GroupInstanceId="i"), (7, 10))
    world.versions("OffsetCommit of nothing", "OffsetCommit", {"GroupId": it.group, "GenerationIdOrMemberEpoch": -1}, (2, 10))
    for what, text in {"no metadata": None, "as much metadata as may be": "x" * 4096, "too much metadata": "x" * 4097,
                       "metadata of two bytes a character": "é" * 2049}.items():
        world.versions(f"OffsetCommit with {what}", "OffsetCommit", lambda version: commit(version, second, metadata=text), (8, 9))
    shown = it.ask("OffsetFetch", 9, fetch(9, groups=(second,)))["Groups"][0]["Topics"][0]["Partitions"]
    tell("how much metadata is kept", [len(partition.get("Metadata") or "") for partition in shown])
    tell("a negative offset", it.ask("OffsetCommit", 9, commit(9, second, offset=-5)))
    tell("fetched after that", it.ask("OffsetFetch", 9, fetch(9, groups=(second,), wanted=((name, (0,)),))))
    tell("described", it.describe())
    listed = it.ask("ListGroups", 5, {})
    tell("listed", sorted((group for group in listed["Groups"] if group.get("GroupId") in (it.group, second.group)),
                          key=lambda group: group["GroupId"]))
    tell("a dead one is not listed", [group for group in listed["Groups"] if group.get("GroupId") == missing.group])

    forget = lambda group, what, *partitions: group.ask("OffsetDelete", 0, {"GroupId": group.group, "Topics": [
        {"Name": world.name(what), "Partitions": [{"PartitionIndex": index} for index in partitions]}]})
    tell("deleted, one without an offset and one that is not", forget(it, name, 2, 1, 9))
    tell("deleted of an unknown topic", forget(it, "offsets-none", 0))
    tell("deleted of nothing", it.ask("OffsetDelete", 0, {"GroupId": it.group, "Topics": []}))
    tell("fetched after deletions", it.ask("OffsetFetch", 9, fetch(9, None)))
    tell("deleted, the last one", forget(it, name, 0))
    tell("described without offsets", it.describe())

    tell("committed for a topic that goes", it.ask("OffsetCommit", 9, commit(9, second, other)))
    for group in (it, second):
        it.ask("OffsetCommit", 10, {"GroupId": group.group, "GenerationIdOrMemberEpoch": -1, "Topics": [
            {"TopicId": ids[other], "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 4}]}]})
    tell("before it goes", it.ask("OffsetFetch", 9, fetch(9, ((other, (0,)),), (it, second))))
    it.ask("DeleteTopics", 5, {"TopicNames": [world.name(other)], "TimeoutMs": 10_000})
    for _ in turns():
        left = it.ask("OffsetFetch", 9, fetch(9, None, (it, second)))
        names = [at["Name"] for group in left["Groups"] for at in group.get("Topics", [])]
        if world.name(other) not in names:
            break
        time.sleep(0.05)
    tell("after it went", left)
    tell("by its id", it.ask("OffsetFetch", 10, fetch(10, ((other, (0,)),))))
    tell("committed by its id", it.ask("OffsetCommit", 10, commit(10, second, other)))
    tell("by an unknown id and all", it.ask("OffsetFetch", 10, {"Groups": [
        {"GroupId": second.group, "Topics": [{"TopicId": UNKNOWN_ID, "PartitionIndexes": [0, 1]}]},
        {"GroupId": second.group, "Topics": None}]}))
    world.create(other)
    tell("one of the same name has none", it.ask("OffsetFetch", 9, fetch(9, ((other, (0,)),), (it, second))))
    world.versions("DeleteGroups of several", "DeleteGroups", {"GroupsNames": [missing.group, second.group, missing.group]}, (2, 2))
    tell("fetched when deleted", it.ask("OffsetFetch", 9, fetch(9, None, (second,))))
