"""Log directories that get no new partitions (`cordoned.log.dirs`, KIP-1066), on a broker with three of them that
nobody else asks meanwhile."""

import time

from checks_configs import APPEND, BROKER, DELETE, SET, SUBTRACT, alter, describe, outcome, replace
from checks_directories import describe as directories
from wire import Connection, turns

KEY = "cordoned.log.dirs"
BROKER_ID = "1"


def cordoned(world):
    paths = [it["LogDir"] for it in directories(world)["Results"]]
    for number in reversed(range(len(paths))):
        world.call(paths[number], f"DIR{number}")
    world.create("placed", 1)
    cordon = lambda value, operation=SET, validate=False: alter(world, BROKER, BROKER_ID, (KEY, operation, value), validate=validate)

    def told():
        """Which directories are cordoned."""
        return [it.get("IsCordoned", False) for it in directories(world, version=5)["Results"]]

    def wait(*expected):
        for _ in turns():
            if told() == list(expected):
                return
            time.sleep(0.05)
        raise AssertionError(f"cordoned: {told()}")

    def create(what, **more):
        topic = {"Name": world.name(what), "NumPartitions": 1, "ReplicationFactor": 1, **more}
        answer = world.ask("CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10_000})["Topics"][0]
        answer.pop("TopicId", None)
        answer.pop("Configs", None)
        return answer

    def grow(what, count, assignments=None):
        return world.ask("CreatePartitions", 3, {"Topics": [
            {"Name": world.name(what), "Count": count, "Assignments": assignments}], "TimeoutMs": 10_000})

    def move(path, what):
        return world.ask("AlterReplicaLogDirs", 2, {"Dirs": [{"Path": path, "Topics": [
            {"Name": world.name(what), "Partitions": [0]}]}]})

    def settle(what, path):
        """The partition lies in the directory of this path."""
        for _ in turns():
            found = [(it["LogDir"], part.get("IsFutureKey", False)) for it in directories(world, (what, [0]))["Results"]
                     for topic in it.get("Topics", []) for part in topic["Partitions"]]
            if found == [(path, False)]:
                return
            time.sleep(0.05)
        raise AssertionError(f"{what} lies in {found}")

    # What it takes. Nothing of this changes anything.
    for what, value in {
        "one": paths[1], "two": ",".join(paths[1:]), "all": "*", "none": "", "one twice": f"{paths[1]},{paths[1]}",
        "all and one": f"*,{paths[1]}", "another directory": "/no/such", "two others and one": f"/no,{paths[1]},/such",
        "one with a slash": paths[1] + "/", "blanks": f" {paths[1]} , {paths[2]} ", "an empty one": f"{paths[1]},,{paths[2]}",
        "a comma": ",", "a relative path": "data",
    }.items():
        world.tell(f"{KEY}: {what}", outcome(world, cordon(value, validate=True)))
        world.tell(f"{KEY}: {what}, for all brokers", outcome(world, alter(world, BROKER, "", (KEY, SET, value))))
        world.tell(f"{KEY}: {what}, replaced", outcome(world, replace(world, BROKER, BROKER_ID, (KEY, value), validate=True)))
        world.tell(f"{KEY}: {what}, appended", outcome(world, cordon(value, APPEND, validate=True)))
    world.tell(f"{KEY} described", describe(world, BROKER, BROKER_ID, KEY))

    # One: partitions go to the others, and cannot be moved to it.
    settle_first = [it["LogDir"] for it in directories(world, ("placed", [0]))["Results"] if it.get("Topics")][0]
    other = next(it for it in paths if it != settle_first)
    world.tell(f"{KEY}: one is cordoned", outcome(world, cordon(other)))
    wait(*(it == other for it in paths))
    world.tell("AlterReplicaLogDirs to a cordoned directory", move(other, "placed"))
    world.tell("AlterReplicaLogDirs to a cordoned directory of a topic that is not", move(other, "never"))
    world.tell("AlterReplicaLogDirs where one is cordoned", move(settle_first, "placed"))
    for number in range(9):
        world.create(f"around-{number}")
    where = {it["LogDir"] for it in directories(world, *((f"around-{number}", [0]) for number in range(9)))["Results"] if it.get("Topics")}
    world.tell("new partitions go to the other directories", sorted(where) == sorted(set(paths) - {other}))
    for version in range(1, 6):
        answer = directories(world, ("never", [0]), version=version)
        cordoned = [it.pop("IsCordoned", None) == (it["LogDir"] == other) for it in answer["Results"]]
        world.tell(f"DescribeLogDirs v{version} where one is cordoned", [answer, cordoned if version >= 5 else None])
    cordon(None, DELETE)
    wait(False, False, False)
    world.tell("AlterReplicaLogDirs to a directory that was cordoned", move(other, "placed"))
    settle("placed", other)

    # All of them: nothing new comes to this broker, what is there goes on.
    world.tell(f"{KEY}: all are cordoned", outcome(world, cordon("*")))
    wait(True, True, True)
    world.tell(f"{KEY} described where all are", describe(world, BROKER, BROKER_ID, KEY))
    world.tell("CreateTopics where all are cordoned", create("refused"))
    world.tell("CreateTopics of many replicas where all are cordoned", create("refused", ReplicationFactor=2))
    world.tell("CreateTopics by an assignment where all are cordoned", create(
        "refused", NumPartitions=-1, ReplicationFactor=-1, Assignments=[{"PartitionIndex": 0, "BrokerIds": [1]}]))
    world.tell("CreatePartitions where all are cordoned", grow("placed", 2))
    world.tell("CreatePartitions by an assignment where all are cordoned", grow("placed", 2, [{"BrokerIds": [1]}]))
    world.tell("AlterPartitionReassignments where all are cordoned", world.ask("AlterPartitionReassignments", 1, {"Topics": [
        {"Name": world.name("placed"), "Partitions": [{"PartitionIndex": 0, "Replicas": [1]}]}], "TimeoutMs": 10_000}))
    world.tell("Metadata that would create a topic where all are cordoned", world.ask(
        "Metadata", 12, {"Topics": [{"Name": world.name("automatic")}], "AllowAutoTopicCreation": True})["Topics"])
    world.tell("AlterReplicaLogDirs where all are cordoned", move(settle_first, "placed"))
    world.tell("AlterReplicaLogDirs to where it is where all are cordoned", move(other, "placed"))
    world.tell("ListOffsets where all are cordoned", world.leads("placed", 1))

    # Controllers, who do not know the directories, let go only.
    controller = Connection(world.port + 1)

    def by_controller(value, operation=SET):
        answer = controller.ask("IncrementalAlterConfigs", 1, {"Resources": [{
            "ResourceType": BROKER, "ResourceName": BROKER_ID, "Configs": [
                {"Name": KEY, "ConfigOperation": operation, "Value": value}]}]})["Responses"][0]
        return outcome(world, answer)

    world.tell(f"Controller: {KEY} again", by_controller("*"))
    world.tell(f"Controller: {KEY} by name where all are", by_controller(paths[1]))
    world.tell(f"Controller: {KEY} none", by_controller(""))
    wait(False, False, False)
    world.tell(f"Controller: {KEY} one", by_controller(paths[1]))
    world.tell(f"Controller: {KEY} all", by_controller("*"))
    cordon(f"{paths[1]},{paths[2]}")
    wait(False, True, True)
    world.tell(f"Controller: {KEY} one of two", by_controller(paths[1], SUBTRACT))
    wait(False, False, True)
    world.tell(f"Controller: {KEY} another one", by_controller(paths[1]))
    world.tell(f"Controller: {KEY} deleted", by_controller(None, DELETE))
    wait(False, False, False)
    controller.close()
    world.tell("CreateTopics where none is cordoned any more", create("afterwards"))
