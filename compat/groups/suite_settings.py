"""What the settings of groups and offsets do, seen from outside.

Arguments: bootstrap address, topic prefix. The broker must have the settings of the round `group-settings` in
`xtask/src/test/compat.rs`, which are small and unlike the defaults: each check would see another answer without its
setting. No check says how soon something happens, only that it does, and never too early.
"""

import pathlib
import struct
import sys
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / "wire")]
from checks_configs import GROUP, SET, TOPIC, alter, describe, outcome  # noqa: E402
from checks_groups import Group  # noqa: E402
from wire import World  # noqa: E402

PARTITIONS = 3  # offsets.topic.num.partitions
RETENTION_S = 60  # offsets.retention.minutes
SESSION_S = 2  # group.consumer.session.timeout.ms
INTERVAL_S = 14  # group.consumer.assignment.interval.ms
PATIENCE_S = 180


def until(found, what):
    """Waits until `found` says something, and gives that."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        told = found()
        if told:
            return told
        time.sleep(0.1)
    raise AssertionError(f"{what}: not after {PATIENCE_S} s")


# ---- the topic of offsets ---------------------------------------------------------------------


def partition_of(group):
    """Where a group is kept: the absolute value of Java's hash of its name, modulo the partitions."""
    number = 0
    for unit in struct.unpack(f">{len(group)}H", group.encode("utf-16-be")):
        number = (31 * number + unit) & 0xFFFFFFFF
    return min(number, (1 << 32) - number) % PARTITIONS


def offsets_topic(world):
    topic = "__consumer_offsets"
    it = Group(world, "kept").settled()
    it.commit([(0, 1)])
    metadata = world.ask("Metadata", 12, {"Topics": [{"Name": topic}]})["Topics"][0]
    partitions = [(at.get("PartitionIndex", 0), at["ReplicaNodes"]) for at in metadata["Partitions"]]
    world.tell("offsets.topic.num.partitions and replication.factor", str(sorted(partitions)))
    settings = describe(world, TOPIC, topic, "segment.bytes", "cleanup.policy", "compression.type")["Configs"]
    world.tell("offsets.topic.segment.bytes", {it["Name"]: it["Value"] for it in settings})
    found = {}
    for partition in range(PARTITIONS):
        body = {"ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 1, "SessionEpoch": -1, "Topics": [
            {"Topic": topic, "Partitions": [{"Partition": partition, "PartitionMaxBytes": 1 << 20}]}]}
        data = world.ask("Fetch", 11, body)["Responses"][0]["Partitions"][0]["Records"] or b""
        at = 0
        while at + 61 <= len(data):
            size, attributes = 12 + struct.unpack_from(">i", data, at + 8)[0], struct.unpack_from(">h", data, at + 21)[0]
            if at + size <= len(data):
                found.setdefault(partition, set()).add(attributes & 7)
            at += size
    assert partition_of(it.group) in found, f"{it.group} is in {found}"
    world.tell("offsets.topic.compression.codec", str(set.union(*found.values())))


# ---- classic groups ---------------------------------------------------------------------------


def classic_limits(world):
    told = []
    for session in (1_999, 2_000, 20_000, 20_001):
        it = Group(world, f"session-{session}").settled()
        told.append(f"{session}: {world.show(it.join(version=3, SessionTimeoutMs=session).get('ErrorCode', 0), 'ErrorCode')}")
    world.tell("group.min.session.timeout.ms and group.max.session.timeout.ms", ", ".join(told))

    it = Group(world, "size").settled()
    members = lambda: len(it.describe()["Groups"][0].get("Members", []))
    joins = {"SessionTimeoutMs": 20_000, "RebalanceTimeoutMs": 60_000}
    one, two, three = (Group(world, "size", name) for name in ("one", "two", "three"))
    first = one.join(version=3, **joins)["MemberId"]
    one.sync(1, first, Assignments=[{"MemberId": first, "Assignment": b""}])
    # It waits for the first to join again.
    two.connection.send("JoinGroup", 3, two.join_body("", 3, **joins))
    until(lambda: members() == 2, "the second is there")
    one.join(first, 3, **joins)
    two.connection.receive()
    world.tell("group.max.size", three.join(version=3, **joins))

    it = Group(world, "metadata").settled()
    told = [f"{size}: {world.show(it.commit([(0, 1)], metadata='x' * size))}" for size in (10, 11)]
    world.tell("offset.metadata.max.bytes", ", ".join(told))


# ---- consumer groups --------------------------------------------------------------------------


def patient(world, name):
    """A group that is there though nobody is in it, since it has an offset, and whose members may be silent for longer than
    any check takes."""
    it = Group(world, name).settled()
    it.commit([(0, 1)])
    alter(world, GROUP, it.group, ("consumer.session.timeout.ms", SET, "50000"), validate=False)
    until(lambda: "Value=50000" in world.show(describe(world, GROUP, it.group)), "its session")
    return it


def goes_when_silent(it, member, session_s):
    """Joins, is silent, and waits until the coordinator has let it go: not before its session is over."""
    it.commit([(0, 1)])
    start = time.monotonic()
    epoch = it.consumer_join(member)["MemberEpoch"]
    until(lambda: not it.consumer_describe()["Groups"][0].get("Members"), "a silent member goes")
    passed_s = time.monotonic() - start
    assert session_s <= passed_s, f"gone after {passed_s:.1f} s"
    return [it.consumer_beat(member, epoch), it.consumer_describe()]


def consumer_settings(world):
    it = patient(world, "beats")
    world.tell("group.consumer.heartbeat.interval.ms", it.consumer_join("m-1"))
    world.tell("group.consumer.assignors: the first is the default", it.consumer_describe()["Groups"][0]["AssignorName"])
    world.tell("group.consumer.assignors: another is refused", it.consumer_join("m-2", ServerAssignor="uniform"))
    it = Group(world, "silent").settled()
    world.tell("group.consumer.session.timeout.ms", goes_when_silent(it, "m-1", SESSION_S))
    it = patient(world, "full")
    world.tell("group.consumer.max.size", [it.consumer_join(f"m-{number}") for number in (1, 2, 3)])


def group_settings(world):
    told = []
    for key, values in {
        "consumer.session.timeout.ms": (999, 1_000, 50_000, 50_001),
        "consumer.heartbeat.interval.ms": (499, 500, 900, 901),
        "consumer.assignment.interval.ms": (99, 100, 14_000, 14_001),
    }.items():
        for value in values:
            answer = alter(world, GROUP, world.name("bounds"), (key, SET, str(value)))
            told.append(f"{key}={value}: {outcome(world, answer)}")
    world.tell("what a group may be set to", " | ".join(told))

    it = patient(world, "own")
    alter(world, GROUP, it.group, ("consumer.session.timeout.ms", SET, "3500"),
          ("consumer.heartbeat.interval.ms", SET, "600"), validate=False)
    until(lambda: it.consumer_join("m-1", "t")["HeartbeatIntervalMs"] == 600, "its own interval")
    it.consumer_beat("m-1", -1)
    world.tell("consumer.session.timeout.ms and consumer.heartbeat.interval.ms", goes_when_silent(it, "m-1", 3.5))


def assignment_interval(world):
    """Targets are made anew at most so often, but for what has come since a group had none."""
    state = lambda: {key: value for key, value in it.consumer_describe()["Groups"][0].items()
                     if key in ("GroupState", "GroupEpoch", "AssignmentEpoch")}
    # Again with another group where the interval was over meanwhile, on a machine with much else to do.
    for turn in range(5):
        it = patient(world, f"targets-{turn}")
        start = time.monotonic()
        joined = it.consumer_join("m-1")
        told = [joined, state(), it.consumer_join("m-2"), state()]
        if time.monotonic() < start + INTERVAL_S:
            break
        print(f"assignment_interval is over after {time.monotonic() - start:.1f} s", file=sys.stderr)
    world.tell("group.consumer.assignment.interval.ms", told)
    alter(world, GROUP, it.group, ("consumer.assignment.interval.ms", SET, "100"), validate=False)

    def settled():
        it.consumer_beat("m-1", joined["MemberEpoch"])
        now = state()
        return now if now["AssignmentEpoch"] == now["GroupEpoch"] else None

    world.tell("consumer.assignment.interval.ms", until(settled, "a new target"))


# ---- how offsets go that nobody uses ----------------------------------------------------------


class Kept:
    """A group's offset of one partition, and since when it may be forgotten."""

    def __init__(self, group, topic, since):
        self.group, self.topic, self.since, self.gone = group, topic, since, False

    def is_there(self):
        topics = self.group.fetch(None)["Groups"][0].get("Topics", [])
        return any(topic["Name"] == self.group.world.name(self.topic) for topic in topics)

    def look(self):
        """Whether it has gone; not earlier than it may."""
        if not self.gone and not self.is_there():
            self.gone = True
            kept_s = time.monotonic() - self.since
            assert RETENTION_S <= kept_s, f"{self.group.group} {self.topic} was kept for {kept_s:.1f} s only"
        return self.gone


def retention(world):
    """Committed offsets go a minute after the last commit of who is no member of a group; of a group of members a
    minute after the last one left; of a group with members for topics that they do not read any more."""
    simple, left, classic = (Group(world, f"kept-{name}").settled() for name in ("simple", "left", "classic"))
    consumer = patient(world, "kept-consumer")
    member = {}
    for it in (left, classic):
        member[it] = it.join(version=3, SessionTimeoutMs=20_000, Protocols=[subscribed(world.name("t"))])["MemberId"]
        it.sync(1, member[it], Assignments=[{"MemberId": member[it], "Assignment": b""}])
    epoch = consumer.consumer_join("m-1", "t")["MemberEpoch"]
    start = time.monotonic()
    told = [commit for topic in ("t", "u") for commit in (
        simple.commit([(0, 1)], topic=topic),
        classic.commit([(0, 1)], 1, member[classic], topic=topic),
        left.commit([(0, 1)], 1, member[left], topic=topic),
        consumer.commit([(0, 1)], epoch, "m-1", topic=topic, version=9),
    )]
    assert "ErrorCode" not in str(told), told
    # Old clients say themselves how long an offset is to be kept.
    simple.ask("OffsetCommit", 4, {"GroupId": simple.group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "RetentionTimeMs": 1_000,
                                   "Topics": [{"Name": world.name("v"), "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1}]}]})
    kept_shortly = Kept(simple, "v", start - RETENTION_S + 1)
    until(kept_shortly.look, "what is to be kept for a second goes")
    world.tell("offsets.retention.check.interval.ms: what is to be kept for a second goes",
               sorted(topic["Name"] for topic in simple.fetch(None)["Groups"][0]["Topics"]))

    going = [Kept(simple, "t", start), Kept(simple, "u", start), Kept(classic, "u", start), Kept(consumer, "u", start)]
    end = time.monotonic() + RETENTION_S + PATIENCE_S
    left_at, told = None, {}
    while not all(it.gone for it in going):
        assert time.monotonic() < end, f"still there: {[(it.group.group, it.topic) for it in going if not it.gone]}"
        told["beat"] = classic.beat(1, member[classic])
        told["consumer beat"] = consumer.consumer_beat("m-1", epoch)
        if left_at is None:
            left.beat(1, member[left])
            if start + 5 < time.monotonic():
                left_at = time.monotonic()
                left.leave((member[left], None))
                going += [Kept(left, topic, left_at) for topic in ("t", "u")]
        for it in going:
            it.look()
        time.sleep(0.3)
    world.tell("offsets.retention.minutes: who has members keeps what they read", [
        told, classic.fetch(None), consumer.fetch(None), classic.describe()["Groups"][0]["GroupState"]])
    world.tell("offsets.retention.minutes: groups without members are no more", [
        [it.fetch(None), it.describe()] for it in (simple, left)])


def subscribed(topic):
    """The subscription of a consumer of one topic."""
    name = topic.encode()
    return {"Name": "range", "Metadata": struct.pack(">hih", 1, 1, len(name)) + name + b"\xff" * 4}


def main():
    world, beside = (World(sys.argv[1], sys.argv[2], "group-settings") for _ in range(2))
    for topic in ("t", "u", "v", "group-t"):
        world.create(topic)
    # It takes longer than all others together.
    slow = threading.Thread(target=beside.run, args=(retention,))
    slow.start()
    for section in (offsets_topic, classic_limits, consumer_settings, group_settings, assignment_interval):
        world.run(section)
    slow.join()
    return 1 if world.failed or beside.failed else 0


if __name__ == "__main__":
    sys.exit(main())
