"""The classic group protocol and its offsets, one member and then two, with every way to be refused."""

import time

from checks_produce import UNKNOWN_ID
from wire import turns

# The subscription of one topic, as consumers send it with a protocol.
RANGE = {"Name": "range", "Metadata": bytes.fromhex("000000000001000174ffffffff")}


class Group:
    """Asks about one group, by one client."""

    def __init__(self, world, name, client_id="wire"):
        self.world, self.group, self.connection = world, world.name(name), world.connect(client_id)

    def ask(self, api, version, body):
        return self.connection.ask(api, version, body)

    def join_body(self, member="", version=5, **more):
        body = {"GroupId": self.group, "SessionTimeoutMs": 300_000, "MemberId": member, "ProtocolType": "consumer",
                "Protocols": [RANGE]}
        return {**body, **({"RebalanceTimeoutMs": 300_000} if version >= 1 else {}), **more}

    def join(self, member="", version=5, **more):
        return self.ask("JoinGroup", version, self.join_body(member, version, **more))

    def sync_body(self, generation, member, **more):
        return {"GroupId": self.group, "GenerationId": generation, "MemberId": member, **more}

    def sync(self, generation, member, version=3, **more):
        return self.ask("SyncGroup", version, self.sync_body(generation, member, **more))

    def beat(self, generation, member, **more):
        return self.ask("Heartbeat", 3, {"GroupId": self.group, "GenerationId": generation, "MemberId": member, **more})

    def leave(self, *members):
        return self.ask("LeaveGroup", 3, {"GroupId": self.group, "Members": [
            {"MemberId": member, "GroupInstanceId": instance} for member, instance in members]})

    def commit(self, offsets, generation=-1, member="", metadata="", version=8, topic="group-t", **more):
        partitions = [{"PartitionIndex": partition, "CommittedOffset": offset, "CommittedMetadata": metadata}
                      for partition, offset in offsets]
        topics = [{"Name": self.world.name(topic), "Partitions": partitions}]
        return self.ask("OffsetCommit", version, {
            "GroupId": self.group, "GenerationIdOrMemberEpoch": generation, "MemberId": member, "Topics": topics, **more})

    def fetch(self, partitions, topic="group-t"):
        topics = None if partitions is None else [{"Name": self.world.name(topic), "PartitionIndexes": partitions}]
        return self.ask("OffsetFetch", 9, {"Groups": [{"GroupId": self.group, "Topics": topics}]})

    def describe(self, version=6):
        return self.ask("DescribeGroups", version, {"Groups": [self.group]})

    # ---- as a consumer group (KIP-848)

    def consumer_beat(self, member, epoch, version=1, **more):
        body = {"GroupId": self.group, "MemberId": member, "MemberEpoch": epoch, "RebalanceTimeoutMs": -1, **more}
        return self.ask("ConsumerGroupHeartbeat", version, body)

    def consumer_join(self, member, topic="group-t", **more):
        more = {"RebalanceTimeoutMs": 300_000, "TopicPartitions": [], "SubscribedTopicNames": [self.world.name(topic)], **more}
        return self.consumer_beat(member, 0, **more)

    def consumer_describe(self, version=1):
        return self.ask("ConsumerGroupDescribe", version, {"GroupIds": [self.group]})

    # ---- its coordinator

    def settled(self):
        """Waits until the group's coordinator answers."""
        for _ in turns():
            found = self.ask("FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": [self.group]})
            if not found["Coordinators"][0].get("ErrorCode") and not self.fetch([0])["Groups"][0].get("ErrorCode"):
                return self
            time.sleep(0.05)
        raise AssertionError(f"no coordinator: {found}")


def groups(world):
    topic_id = world.create("group-t", 2)
    tell = lambda name, answer: world.tell(f"group: {name}", answer)
    it, missing, unnamed = Group(world, "group"), Group(world, "nope"), Group(world, "nope")
    unnamed.group = ""
    find = lambda key, kind=0: {"KeyType": kind, "CoordinatorKeys": [key]}
    it.settled()
    world.versions("FindCoordinator", "FindCoordinator", lambda version: (
        find(it.group) if version >= 4 else {"Key": it.group}))
    for name, body in {"of an empty key": find(""), "of kind 7": find("a", 7), "of a share group": find("a", 2)}.items():
        world.versions(f"FindCoordinator {name}", "FindCoordinator", body, (4, 6))
    world.versions("OffsetFetch of a group that is not", "OffsetFetch", lambda version: (
        {"Groups": [{"GroupId": missing.group, "Topics": None}]} if version >= 8 else
        {"GroupId": missing.group, "Topics": [{"Name": world.name("group-t"), "PartitionIndexes": [0]}]}))
    world.versions("DescribeGroups of a group that is not", "DescribeGroups", {"Groups": [missing.group]})
    tell("join with an unknown member id", it.join("x-y"))
    tell("join the empty name", unnamed.join())
    tell("join with a short session", it.join(SessionTimeoutMs=999))
    tell("join without protocols", it.join(Protocols=[]))
    tell("join without a protocol type", it.join(ProtocolType=""))
    tell("heartbeat of a group that is not", missing.beat(1, "m"))
    tell("heartbeat of the empty name", unnamed.beat(1, "m"))
    tell("sync of a group that is not", missing.sync(1, "m"))
    tell("leave a group that is not", missing.leave(("m", None)))
    joined = it.join()
    tell("join", joined)
    tell("described while one is pending", it.describe())
    member = joined["MemberId"]
    tell("join with the id", it.join(member))
    tell("commit while it completes", it.commit([(0, 1)], 1, member))
    tell("described while it completes", it.describe())
    tell("sync in the wrong generation", it.sync(2, member))
    tell("sync of the wrong member", it.sync(1, "q"))
    tell("sync v5 without names", it.sync(1, member, 5))
    tell("sync v5 with the wrong protocol", it.sync(1, member, 5, ProtocolType="consumer", ProtocolName="sticky"))
    tell("sync", it.sync(1, member, Assignments=[{"MemberId": member, "Assignment": b"x"}]))
    tell("described when stable", it.describe())
    tell("heartbeat", it.beat(1, member))
    tell("heartbeat of another generation", it.beat(0, member))
    tell("heartbeat with an instance", it.beat(1, member, GroupInstanceId="i"))
    tell("commit", it.commit([(0, 5), (9, 1)], 1, member))
    tell("commit of an unknown topic", it.commit([(0, 5)], 1, member, topic="none"))
    tell("commit of another generation", it.commit([(0, 6)], 2, member))
    tell("commit without a member", it.commit([(0, 6)]))
    tell("commit without a generation", it.commit([(0, 6)], -1, member))
    tell("commit of too much metadata", it.commit([(0, 6)], 1, member, "x" * 4097))
    tell("commit with metadata", it.commit([(1, 6)], 1, member, "hi"))
    tell("commit v7 to a group that is not", missing.commit([(0, 6)], 1, "m", version=7))
    tell("commit v9 to a group that is not", missing.commit([(0, 6)], 1, "m", version=9))
    by_id = lambda topic: {"GroupId": it.group, "GenerationIdOrMemberEpoch": 1, "MemberId": member, "Topics": [
        {"TopicId": topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 7}, {"PartitionIndex": 9, "CommittedOffset": 9}]}]}
    tell("commit by id", it.ask("OffsetCommit", 10, by_id(topic_id)))
    tell("commit by an unknown id", it.ask("OffsetCommit", 10, by_id(UNKNOWN_ID)))
    tell("fetch", it.fetch([0, 1, 2]))
    tell("fetch of an unknown topic", it.fetch([0], "none"))
    tell("fetch of all", it.fetch(None))
    for ids in ([topic_id, UNKNOWN_ID], [UNKNOWN_ID, topic_id]):
        topics = [{"TopicId": id, "PartitionIndexes": [0]} for id in ids]
        tell(f"fetch by id, the known one {'first' if ids[0] == topic_id else 'last'}", it.ask("OffsetFetch", 10, {
            "RequireStable": True, "Groups": [{"GroupId": it.group, "Topics": topics}]}))
    forget = lambda group, *partitions: group.ask("OffsetDelete", 0, {"GroupId": group.group, "Topics": [
        {"Name": world.name("group-t"), "Partitions": [{"PartitionIndex": index} for index in partitions]}]})
    tell("delete offsets of a group that is not", forget(missing, 0))
    tell("delete offsets of the empty name", forget(unnamed, 0))
    tell("delete it while it has members", it.ask("DeleteGroups", 2, {"GroupsNames": [it.group]}))
    tell("delete a group that is not", it.ask("DeleteGroups", 2, {"GroupsNames": [missing.group]}))

    other = Group(world, "group", "two")
    second = other.join()["MemberId"]
    other.connection.send("JoinGroup", 5, other.join_body(second))
    for _ in turns():
        if it.describe()["Groups"][0]["GroupState"] == "PreparingRebalance":
            break
        time.sleep(0.05)
    tell("heartbeat while another joins", it.beat(1, member))
    tell("sync while another joins", it.sync(1, member))
    rejoined = it.join(member)
    tell("the leader again, with both members", {**rejoined, "Members": len(rejoined["Members"])})
    tell("the other joined", other.connection.receive())
    other.connection.send("SyncGroup", 3, other.sync_body(2, second))
    tell("the leader syncs", it.sync(2, member, Assignments=[{"MemberId": second, "Assignment": b"y"}]))
    tell("the other has its assignment", other.connection.receive())
    third = Group(world, "group", "three")
    tell("join with no protocol in common", third.join(Protocols=[{"Name": "weird", "Metadata": b""}]))
    tell("join with another type", third.join(ProtocolType="connect"))
    tell("some leave", it.leave((second, None), ("zz", None), ("", "instance")))
    tell("heartbeat after one left", it.beat(2, member))
    tell("join after one left", it.join(member))
    tell("sync after one left", it.sync(3, member, Assignments=[{"MemberId": member, "Assignment": b"z"}]))
    tell("leave v2", it.ask("LeaveGroup", 2, {"GroupId": it.group, "MemberId": member}))
    tell("described when empty", it.describe())
    tell("heartbeat when empty", it.beat(4, member))
    tell("sync when empty", it.sync(4, member))
    tell("join when empty, with the old id", it.join(member))
    tell("commit when empty", it.commit([(0, 8)]))
    tell("commit when empty, of a generation", it.commit([(0, 8)], 4, member))
    listed = it.ask("ListGroups", 5, {"StatesFilter": ["eMpty"], "TypesFilter": ["classic"]})
    tell("listed when empty", [group for group in listed["Groups"] if group["GroupId"] == it.group])
    tell("delete offsets", forget(it, 0, 9))
    tell("fetch after that", it.fetch(None))
    tell("delete it", it.ask("DeleteGroups", 2, {"GroupsNames": [it.group]}))
    tell("described when deleted", it.describe())
