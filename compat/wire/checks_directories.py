"""Where partitions lie: log directories of the broker, and reassignments to other brokers."""

import time

from wire import turns

ALTER = "AlterPartitionReassignments"
LIST = "ListPartitionReassignments"


def describe(world, *topics, version=4):
    """The log directories, in the order of their paths, without the sizes of the disks."""
    asked = None if topics == (None,) else [{"Topic": world.name(what), "Partitions": list(them)} for what, them in topics]
    answer = world.ask("DescribeLogDirs", version, {"Topics": asked})
    for result in answer["Results"]:
        result.pop("TotalBytes", None)
        result.pop("UsableBytes", None)
        for topic in result.get("Topics", []):
            topic["Partitions"].sort(key=lambda it: it.get("PartitionIndex", 0))
    answer["Results"].sort(key=lambda it: it["LogDir"])
    return answer


def log_dirs(world):
    name = world.name
    paths = [it["LogDir"] for it in describe(world)["Results"]]
    for number in reversed(range(len(paths))):
        world.call(paths[number], f"DIR{number}")
    world.create("places", 2)

    def move(path, *topics):
        def body(version):
            return {"Dirs": [{"Path": path, "Topics": [{"Name": name(what), "Partitions": list(them)} for what, them in topics]}]}
        return body

    def versions(what, make):
        told = []
        for version in (1, 2):
            answer = world.ask("AlterReplicaLogDirs", version, make(version))
            answer.get("Results", []).sort(key=lambda it: it["TopicName"])
            for topic in answer.get("Results", []):
                topic["Partitions"].sort(key=lambda it: it.get("PartitionIndex", 0))
            told.append(world.show(answer))
        world.tell(what, f"v1-2: {told[0]}" if told[0] == told[1] else f"v1: {told[0]} | v2: {told[1]}")

    # Both are then in the first one, wherever they were.
    versions("AlterReplicaLogDirs", move(paths[0], ("places", [0, 1])))
    for _ in turns():
        found = describe(world, ("places", [0, 1]))["Results"]
        there = [(it["LogDir"], partition.get("IsFutureKey", False))
                 for it in found for topic in it.get("Topics", []) for partition in topic["Partitions"]]
        if there == [(paths[0], False)] * 2:
            break
        time.sleep(0.05)
    else:
        raise AssertionError(f"they lie in {found}")
    versions("AlterReplicaLogDirs to where they are", move(paths[0], ("places", [0, 1])))
    versions("AlterReplicaLogDirs to a directory that is not", move("/no/such/directory", ("places", [0])))
    versions("AlterReplicaLogDirs to a relative path", move("data", ("places", [0])))
    versions("AlterReplicaLogDirs to no path", move("", ("places", [0])))
    versions("AlterReplicaLogDirs of a topic that is not", move(paths[0], ("never", [0])))
    versions("AlterReplicaLogDirs of partitions that are not", move(paths[0], ("places", [7, -1])))
    versions("AlterReplicaLogDirs of a topic that is not, to a directory that is not", move("/no", ("never", [0])))
    versions("AlterReplicaLogDirs of no partition", move(paths[0], ("places", [])))
    versions("AlterReplicaLogDirs of nothing", lambda version: {"Dirs": []})

    for version in range(1, 6):
        for what, topics in {
            "": [("places", [0, 1])], " of one partition": [("places", [1])], " of what is not": [("never", [0]), ("places", [9])],
            " of no partition": [("places", [])], " of no topic": [],
        }.items():
            world.tell(f"DescribeLogDirs v{version}{what}", describe(world, *topics, version=version))
    everything = describe(world, None)
    ours = [topic for it in everything["Results"] for topic in it.get("Topics", []) if topic["Name"] == name("places")]
    world.tell("DescribeLogDirs of all, of which one topic", ours)


def reassignments(world):
    world.create("reassigned", 2)

    def alter(*topics, **more):
        asked = [{"Name": world.name(what) if what else "", "Partitions": [
            {"PartitionIndex": index, "Replicas": replicas} for index, replicas in them]} for what, them in topics]
        return {"Topics": asked, "TimeoutMs": 10_000, **more}

    for what, topics in {
        "to where they are": [("reassigned", [(0, [1]), (1, [1])])], "to an unknown broker": [("reassigned", [(0, [9])])],
        "to one more": [("reassigned", [(0, [1, 9])])], "to one twice": [("reassigned", [(0, [1, 1])])],
        "to nobody": [("reassigned", [(0, [])])], "to broker -1": [("reassigned", [(0, [-1])])],
        "given up": [("reassigned", [(0, None)])], "of a topic that is not": [("none", [(0, [1])])],
        "of a topic that is not, given up": [("none", [(0, None)])], "of no name": [("", [(0, [1])])],
        "of partitions that are not": [("reassigned", [(7, [1]), (-1, [1]), (1, [1])])],
        "of a partition that is not, given up": [("reassigned", [(7, None)])],
        "of one twice": [("reassigned", [(0, [1]), (0, None)])],
        "of a topic twice": [("reassigned", [(0, [1])]), ("reassigned", [(0, [9])])],
        "of no partition": [("reassigned", [])], "of nothing": [],
    }.items():
        world.versions(f"{ALTER} {what}", ALTER, alter(*topics))
        world.tell(f"{ALTER} {what}, with as many replicas as before", world.ask(
            ALTER, 1, alter(*topics, AllowReplicationFactorChange=False)))
    some = lambda what, *partitions: {"Name": world.name(what), "PartitionIndexes": list(partitions)}
    for what, topics in {
        "all": None, "none": [], "one topic": [some("reassigned", 0, 1)], "what is not": [some("none", 0), some("reassigned", 7)],
    }.items():
        world.versions(f"{LIST} of {what}", LIST, {"TimeoutMs": 10_000, "Topics": topics})
