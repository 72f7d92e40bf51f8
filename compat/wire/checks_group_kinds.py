"""Each kind of group asked about as the other kind, and the filters of ListGroups."""

import struct

from checks_configs import DELETE, GROUP, SET, TOPIC, alter, until
from checks_groups import Group


def group_kinds(world):
    world.create("kinds-t", 2)
    tell = lambda what, answer: world.tell(f"kinds: {what}", answer)
    names = ("classic", "consumer", "empty", "left", "simple", "connect")
    classic, consumer, empty, left, simple, connect = (Group(world, f"kinds-{name}").settled() for name in names)
    missing = Group(world, "kinds-none")

    member = classic.join(version=3)["MemberId"]
    classic.sync(1, member, Assignments=[{"MemberId": member, "Assignment": b"x"}])
    leader = connect.join(version=3, ProtocolType="connect")["MemberId"]
    connect.sync(1, leader, Assignments=[{"MemberId": leader, "Assignment": b"x"}])
    gone = left.join(version=3)["MemberId"]
    left.leave((gone, None))
    simple.commit([(0, 1)], topic="kinds-t")
    for group in (consumer, empty):
        tell(f"a consumer joins {group.group.removeprefix(world.prefix)}", group.consumer_join("m-1", "kinds-t"))
    tell("a consumer leaves", empty.consumer_beat("m-1", -1))

    for group in (classic, left, simple, connect, consumer, empty, missing):
        name = group.group.removeprefix(world.prefix)
        world.versions(f"DescribeGroups of {name}", "DescribeGroups", {"Groups": [group.group]})
        world.versions(f"ConsumerGroupDescribe of {name}", "ConsumerGroupDescribe", {"GroupIds": [group.group]})
    world.versions("DescribeGroups of the empty name", "DescribeGroups", {"Groups": [""]})
    world.versions("ConsumerGroupDescribe of the empty name", "ConsumerGroupDescribe", {"GroupIds": [""]})
    world.versions("ConsumerGroupDescribe of several", "ConsumerGroupDescribe", {
        "GroupIds": [consumer.group, missing.group, classic.group, consumer.group]})

    def listed(version, states=(), types=()):
        body = {"StatesFilter": list(states)} if version >= 4 else {}
        if version >= 5:
            body["TypesFilter"] = list(types)
        answer = world.ask("ListGroups", version, body)
        ours = [it for it in answer.get("Groups", []) if it["GroupId"].startswith(world.name("kinds-"))]
        return {**answer, "Groups": sorted(ours, key=lambda it: it["GroupId"])}

    for version in range(6):
        tell(f"ListGroups v{version}", listed(version))
    for states in (["Stable"], ["stable"], ["EMPTY"], ["Empty", "Stable"], ["Assigning"], ["Dead"], ["PreparingRebalance"],
                   ["NoState"], ["NoState", "Stable"], [""], [" Stable "]):
        tell(f"ListGroups of states {states}", listed(4, states))
    for types in (["classic"], ["Consumer"], ["CONSUMER", "classic"], ["share"], ["streams"], ["none"], ["none", "consumer"], [""]):
        tell(f"ListGroups of types {types}", listed(5, (), types))
    tell("ListGroups of a state and a type", listed(5, ["Empty"], ["consumer"]))
    tell("ListGroups of a state of the other type", listed(5, ["CompletingRebalance"], ["consumer"]))

    # What a member of one kind is told by a group of the other.
    tell("a consumer beats in a classic group", classic.consumer_beat("m-2", 3))
    tell("a consumer leaves a classic group", classic.consumer_beat("m-2", -1))
    tell("a member beats in a consumer group", consumer.beat(1, "m-1"))
    tell("a member syncs in a consumer group", consumer.sync(1, "m-1"))
    tell("a member leaves a consumer group", consumer.leave(("m-2", None)))
    tell("a commit by nobody to a consumer group", consumer.commit([(0, 1)], topic="kinds-t"))
    tell("a commit by a member of a generation", consumer.commit([(0, 1)], 1, "m-1", topic="kinds-t", version=8))
    tell("a consumer joins an empty classic group", left.consumer_join("m-2", "kinds-t"))
    tell("the group is then", left.describe())
    tell("a consumer joins a simple group", simple.consumer_join("m-2", "kinds-t"))
    tell("its offsets stay", simple.fetch(None))
    joined = empty.join(version=3)
    tell("a member joins an empty consumer group", joined)
    tell("that group is then", empty.consumer_describe())

    blank_names(world, consumer, tell)
    embedded_versions(world, consumer, tell)
    resources(world, tell)


def blank_names(world, group, tell):
    """Names of nothing but spaces are none to the consumer protocol."""
    blank = Group(world, "kinds-consumer")
    for text in ("", " ", "\t\n "):
        blank.group = text
        tell(f"a heartbeat to the group {text!r}", blank.consumer_join("m-3", "kinds-t"))
        tell(f"a heartbeat of the member {text!r}", group.consumer_join(text, "kinds-t"))
        for field in ("InstanceId", "RackId", "ServerAssignor"):
            tell(f"a heartbeat with the {field} {text!r}", group.consumer_join("m-3", "kinds-t", **{field: text}))


def embedded_versions(world, group, tell):
    """Members of the classic protocol get their assignment in the version of their subscription."""
    name = world.name("kinds-t").encode()
    for version in (0, 1, 2, 3, 4):
        metadata = struct.pack(">hih", version, 1, len(name)) + name + b"\xff" * 4  # no user data
        metadata += [b"", b"\0" * 4, b"\0" * 4 + b"\xff" * 4, b"\0" * 4 + b"\xff" * 6, b"\0" * 4 + b"\xff" * 6][version]
        joined = group.join(version=3, Protocols=[{"Name": "range", "Metadata": metadata}])
        member = joined["MemberId"]
        assignment = group.sync(joined["GenerationId"], member)["Assignment"]
        tell(f"the assignment for a subscription of version {version} is of", struct.unpack_from(">h", assignment)[0])
        group.leave((member, None))


def resources(world, tell):
    """Groups are resources as soon as something is set of them, whether they are there or not."""
    def listed(*types):
        answer = world.ask("ListConfigResources", 1, {"ResourceTypes": list(types)})
        names = (it["ResourceName"] for it in answer.get("ConfigResources", []))
        return sorted(name for name in names if name.startswith(world.name("kinds-")))

    group = world.name("kinds-set")
    tell("resources before", listed(GROUP))
    change = lambda operation, value: alter(world, GROUP, group, ("consumer.session.timeout.ms", operation, value), validate=False)
    tell("a group that is not is set", change(SET, "46000"))
    tell("resources then", until(world, lambda: listed(GROUP), group.removeprefix(world.prefix)))
    tell("with topics", listed(TOPIC, GROUP))
    tell("it is set no more", change(DELETE, None))
    tell("resources after", until(world, lambda: listed(GROUP), "[]"))
