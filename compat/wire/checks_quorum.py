"""The metadata log, its quorum and its features, and elections; also what a controller's listener answers."""

import time

from wire import Connection, turns

QUORUM = "DescribeQuorum"
FEATURES = "UpdateFeatures"
ELECT = "ElectLeaders"
METADATA = "__cluster_metadata"

# What Apache Kafka serves on a controller's listener and this project does too; a controller may serve more.
CONTROLLERS = [18, 19, 20, 29, 30, 31, 32, 33, 37, 43, 44, 45, 46, 55, 57, 60, 64]
# Features that this project serves; a broker may serve more.
SERVED = ["metadata.version", "eligible.leader.replicas.version", "group.version", "kraft.version"]

UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE = 1, 2, 3


def quiet(world, answer):
    """Without what differs from run to run: offsets, times, the directory, the controller's port."""
    if not isinstance(answer, dict):
        return answer
    for topic in answer.get("Topics", []):
        for it in topic.get("Partitions", []):
            if "HighWatermark" in it:
                end = it["HighWatermark"]
                it["HighWatermark"] = "END" if end > 0 else end
                for state in it.get("CurrentVoters", []):
                    state["LogEndOffset"] = "END" if abs(state["LogEndOffset"] - end) < 100 else state["LogEndOffset"]
                    for field in ("LastFetchTimestamp", "LastCaughtUpTimestamp"):
                        if abs(state.get(field, 0) - time.time() * 1000) < 60_000:
                            state[field] = "NOW"
                    if state.get("ReplicaDirectoryId"):
                        world.call(state["ReplicaDirectoryId"], "DIRECTORY")
    for node in answer.get("Nodes", []):
        for listener in node.get("Listeners", []):
            listener["Port"] = "CONTROLLER'S" if listener["Port"] == world.port + 1 else listener["Port"]
    return answer


def each(world, name, api, body, ask):
    """As `World.versions`, with the answers made quiet."""
    low, high = world.range_of(api)
    told = []
    for version in range(low, high + 1):
        answer = world.show(quiet(world, ask(api, version, body(version) if callable(body) else body)))
        if told and told[-1][2] == answer:
            told[-1][1] = version
        else:
            told.append([version, version, answer])
    world.tell(name, " | ".join(f"v{a}-{b}: {it}" if a != b else f"v{a}: {it}" for a, b, it in told))


def asked(*topics):
    return {"Topics": [{"TopicName": name, "Partitions": [{"PartitionIndex": it} for it in indexes]} for name, indexes in topics]}


QUORUM_QUESTIONS = {
    "": asked((METADATA, [0])), " of another partition": asked((METADATA, [1])), " of another topic": asked(("none", [0])),
    " of two partitions": asked((METADATA, [0, 1])), " of two topics": asked((METADATA, [0]), ("none", [3])),
    " of no partition": asked((METADATA, [])), " of nothing": asked(),
}


def quorum(world):
    for what, body in QUORUM_QUESTIONS.items():
        each(world, f"{QUORUM}{what}", QUORUM, body, world.ask)


def elect(world, *topics, kind=0):
    named = lambda what: world.name(what) if what else what
    return lambda version: {
        "TopicPartitions": None if topics == (None,) else [{"Topic": named(name), "Partitions": them} for name, them in topics],
        "TimeoutMs": 10_000, **({"ElectionType": kind} if version >= 1 else {})}


def elections(world):
    world.create("elected", 2)
    for kind, name in ((0, "preferred"), (1, "unclean"), (2, "unknown"), (-1, "negative")):
        for what, topics in {
            "of partitions that have it": [("elected", [0, 1])], "of what is not": [("elected", [7, -1]), ("none", [0])],
            "of no partition": [("elected", [])], "of nothing": [], "of one twice": [("elected", [0, 0])],
        }.items():
            each(world, f"{ELECT} {name} {what}", ELECT, elect(world, *topics, kind=kind), world.ask)
        for version in range(1, 3):
            answer = world.ask(ELECT, version, elect(world, None, kind=kind)(version))
            # Topics of others may be there.
            results = [it for it in answer.get("ReplicaElectionResults", []) if it["Topic"].startswith(world.prefix)]
            world.tell(f"{ELECT} {name} of all, v{version}", {**answer, "ReplicaElectionResults": results})


def update(*updates, check=True):
    return lambda version: {
        "FeatureUpdates": [
            {"Feature": name, "MaxVersionLevel": level, **({"UpgradeType": way} if version else {"AllowDowngrade": way != UPGRADE})}
            for name, level, way in updates],
        "timeoutMs": 10_000, **({"ValidateOnly": check} if version else {})}


def refused_features(world):
    """Nothing of this changes anything."""
    for what, updates in {
        "to the level it has": [("metadata.version", 30, UPGRADE)],
        "to a higher one": [("metadata.version", 31, UPGRADE)], "to a lower one": [("metadata.version", 29, UPGRADE)],
        "down": [("metadata.version", 29, SAFE_DOWNGRADE)], "down unsafely": [("metadata.version", 7, UNSAFE_DOWNGRADE)],
        "too far down": [("metadata.version", 6, UNSAFE_DOWNGRADE)], "down to what is higher": [("metadata.version", 31, SAFE_DOWNGRADE)],
        "to zero": [("metadata.version", 0, SAFE_DOWNGRADE)], "to less": [("metadata.version", -1, SAFE_DOWNGRADE)],
        "in an unknown way": [("metadata.version", 30, 9)],
        "of groups too far up": [("group.version", 2, UPGRADE)],
        "of groups down without saying so": [("group.version", 0, UPGRADE)],
        "of the quorum down": [("kraft.version", 0, SAFE_DOWNGRADE)],
        "of the quorum too far up": [("kraft.version", 2, UPGRADE)],
        "of what is not": [("no.such", 1, UPGRADE)], "of what is not, to zero": [("no.such", 0, SAFE_DOWNGRADE)],
        "of no name": [("", 1, UPGRADE)],
    }.items():
        each(world, f"{FEATURES} {what}", FEATURES, update(*updates), world.ask)
        world.tell(f"{FEATURES} {what}, in earnest", world.ask(FEATURES, 2, update(*updates, check=False)(2)))
    for what, updates in {
        "of two": [("metadata.version", 30, UPGRADE), ("group.version", 1, UPGRADE)],
        "of one that is and one that is not": [("group.version", 1, UPGRADE), ("no.such", 1, UPGRADE)],
        "of nothing": [],
    }.items():
        each(world, f"{FEATURES} {what}", FEATURES, update(*updates), world.ask)
    for name in SERVED[1:3]:
        for version in (1, 2):
            world.tell(f"{FEATURES} of {name} down, only checked, v{version}", world.ask(
                FEATURES, version, update((name, 0, SAFE_DOWNGRADE))(version)))


def finalized(world):
    answer = world.ask("ApiVersions", 4, {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1.0"})
    return {it["Name"]: it["MaxVersionLevel"] for it in answer["FinalizedFeatures"] if it["Name"] in SERVED}


def changed_features(world):
    """Levels go down and up again; what they stand for comes and goes."""
    world.create("featured")
    heartbeat = {
        "GroupId": world.name("group"), "MemberId": "00000000-0000-0000-0000-000000000001", "MemberEpoch": 0,
        "RebalanceTimeoutMs": 30_000, "SubscribedTopicNames": [world.name("featured")], "TopicPartitions": []}
    describe = {"GroupIds": [world.name("group"), world.name("other")]}
    min_isr = {"Resources": [{"ResourceType": 4, "ResourceName": "", "ConfigurationKeys": ["min.insync.replicas"]}]}
    alter_min_isr = lambda value: {"Resources": [{"ResourceType": 4, "ResourceName": "", "Configs": [
        {"Name": "min.insync.replicas", "ConfigOperation": 0 if value else 1, "Value": value}]}]}

    def wait(name, level):
        for _ in turns():
            told = finalized(world)
            if told.get(name, 0) == level:
                return told
            time.sleep(0.05)
        raise AssertionError(f"{name} is {told.get(name, 0)}")

    def change(name, level, way, version):
        answer = world.ask(FEATURES, version, update((name, level, way), check=False)(version))
        world.tell(f"{FEATURES} {name} to {level}, v{version}", answer)
        world.tell(f"ApiVersions with {name} {level}, v{version}", sorted(wait(name, level).items()))

    change("group.version", 0, SAFE_DOWNGRADE, 1)
    world.tell("ConsumerGroupHeartbeat at group.version 0", world.ask("ConsumerGroupHeartbeat", 1, heartbeat))
    world.tell("ConsumerGroupDescribe at group.version 0", world.ask("ConsumerGroupDescribe", 1, describe))
    change("group.version", 1, UPGRADE, 2)
    # The offsets' topic is made when a coordinator is asked for.
    world.ask("FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": [world.name("group")]})
    for _ in turns():
        answer = world.ask("ConsumerGroupHeartbeat", 1, heartbeat)
        # The coordinator may only just have come to be.
        if answer.get("ErrorCode", 0) in (14, 15, 16):
            time.sleep(0.05)
            continue
        break
    world.tell("ConsumerGroupHeartbeat at group.version 1", answer)

    name = "eligible.leader.replicas.version"
    world.tell("min.insync.replicas cannot go while ELR is on", world.ask("IncrementalAlterConfigs", 1, alter_min_isr(None)))
    change(name, 0, UNSAFE_DOWNGRADE, 2)
    world.tell("min.insync.replicas can go while ELR is off", world.ask("IncrementalAlterConfigs", 1, alter_min_isr(None)))
    change(name, 1, UPGRADE, 1)
    world.tell("min.insync.replicas of all brokers when ELR is on again", world.ask("DescribeConfigs", 4, min_isr))
    world.tell(f"{FEATURES} to where they are", world.ask(FEATURES, 2, update(
        *((name, 1, UPGRADE) for name in SERVED[1:]), ("metadata.version", 30, UPGRADE), check=False)(2)))


def controller(world):
    """The controller's listener."""
    connection = Connection(world.port + 1)
    answer = connection.ask("ApiVersions", 4, {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1.0"})
    ranges = [(it.get("ApiKey", 0), it.get("MinVersion", 0), it.get("MaxVersion", 0)) for it in answer["ApiKeys"]]
    world.tell("Controller: ApiVersions", " ".join(f"{key}:{low}-{high}" for key, low, high in sorted(ranges) if key in CONTROLLERS))
    told = lambda kind: sorted(world.show(it) for it in answer[kind] if it["Name"] in SERVED)
    world.tell("Controller: features", {kind: told(kind) for kind in ("SupportedFeatures", "FinalizedFeatures")})
    for what, body in QUORUM_QUESTIONS.items():
        each(world, f"Controller: {QUORUM}{what}", QUORUM, body, connection.ask)
    for kind in (1, 2, 3):
        for version in (1, 2):
            answer = connection.ask("DescribeCluster", version, {"EndpointType": kind, "IncludeClusterAuthorizedOperations": True})
            for it in answer.get("Brokers", []):
                it["Port"] = "CONTROLLER'S" if it["Port"] == world.port + 1 else it["Port"]
            world.tell(f"Controller: DescribeCluster v{version} of endpoints of kind {kind}", answer)
    world.tell("Controller: DescribeCluster v0", connection.ask("DescribeCluster", 0))
    world.tell("DescribeCluster of controllers on a broker's listener", world.ask("DescribeCluster", 2, {"EndpointType": 2}))
    topic = {"Name": world.name("by-controller"), "NumPartitions": 1, "ReplicationFactor": 1}
    answer = connection.ask("CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10_000})
    for it in answer["Topics"]:
        it.pop("TopicId", None)
        it.pop("Configs", None)
    world.tell("Controller: CreateTopics", answer)
    grow = {"Topics": [{"Name": topic["Name"], "Count": 2, "Assignments": None}], "TimeoutMs": 10_000}
    world.tell("Controller: CreatePartitions", connection.ask("CreatePartitions", 3, grow))
    each(world, f"Controller: {ELECT}", ELECT, elect(world, ("by-controller", [0, 1, 2])), connection.ask)
    alter = {"Topics": [{"Name": topic["Name"], "Partitions": [{"PartitionIndex": 0, "Replicas": None}]}], "TimeoutMs": 10_000}
    world.tell("Controller: AlterPartitionReassignments", connection.ask("AlterPartitionReassignments", 1, alter))
    world.tell("Controller: ListPartitionReassignments", connection.ask("ListPartitionReassignments", 0, {"TimeoutMs": 10_000, "Topics": None}))
    configs = {"Resources": [{"ResourceType": 2, "ResourceName": topic["Name"], "Configs": [
        {"Name": "retention.ms", "ConfigOperation": 0, "Value": "5000"}]}]}
    world.tell("Controller: IncrementalAlterConfigs", connection.ask("IncrementalAlterConfigs", 1, configs))
    describe = {"Resources": [{"ResourceType": 2, "ResourceName": topic["Name"], "ConfigurationKeys": ["retention.ms"]}]}
    for _ in turns():
        answer = connection.ask("DescribeConfigs", 4, describe)
        if "5000" in world.show(answer):
            break
        time.sleep(0.05)
    world.tell("Controller: DescribeConfigs", answer)
    each(world, f"Controller: {FEATURES}", FEATURES, update(("group.version", 1, UPGRADE)), connection.ask)
    each(world, f"Controller: {FEATURES}, refused", FEATURES, update(("group.version", 2, UPGRADE)), connection.ask)
    for broker in (7, -1):
        world.tell(f"Controller: UnregisterBroker of broker {broker}", connection.ask("UnregisterBroker", 0, {"BrokerId": broker}))
        world.tell(f"UnregisterBroker of broker {broker}", world.ask("UnregisterBroker", 0, {"BrokerId": broker}))
    deleted = {"Topics": [{"Name": topic["Name"]}], "TimeoutMs": 10_000}
    answer = connection.ask("DeleteTopics", 6, deleted)
    for it in answer["Responses"]:
        it.pop("TopicId", None)
    world.tell("Controller: DeleteTopics", answer)
    # What only a broker serves is no request here.
    for api, version in (("Metadata", 12), ("ListGroups", 5), ("InitProducerId", 4)):
        other = Connection(world.port + 1)
        other.send(api, version, {"Topics": None} if api == "Metadata" else {})
        world.tell(f"Controller: {api}", other.ending())
        other.close()
    connection.close()
