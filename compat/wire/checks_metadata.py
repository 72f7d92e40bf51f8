"""Metadata and the administration of topics, in the shape of each version."""

import time

from checks_produce import UNKNOWN_ID
from wire import turns


def metadata(world):
    topic_id = world.create("metadata", 2)
    topic = lambda what, **more: {"Name": None if what is None else world.name(what), **more}
    ask = lambda *topics, **more: lambda version: {
        "Topics": list(topics), **({"AllowAutoTopicCreation": False} if version >= 4 else {}), **more}
    world.versions("Metadata of a topic", "Metadata", ask(topic("metadata")))
    world.versions("Metadata of an id", "Metadata", ask(topic(None, TopicId=topic_id)), (10, 13))
    world.versions("Metadata of an unknown id", "Metadata", ask(topic(None, TopicId=UNKNOWN_ID)), (10, 13))
    world.versions("Metadata of a name and an id", "Metadata", ask(topic("metadata", TopicId=topic_id)), (10, 13))
    world.versions("Metadata of a null name and no id", "Metadata", ask(topic(None)), (10, 13))
    world.versions("Metadata of a topic that is not", "Metadata", ask(topic("none")), (4, 13))
    world.versions("Metadata of nothing", "Metadata", ask(), (1, 13))
    world.versions("Metadata of invalid names", "Metadata", ask({"Name": "a b"}, {"Name": ""}, {"Name": ".."}, {"Name": "x" * 250}), (4, 13))
    world.versions("Metadata of a topic twice", "Metadata", ask(topic("metadata"), topic("metadata")), (4, 12))
    world.versions("Metadata with what may be done", "Metadata", ask(
        topic("metadata"), IncludeTopicAuthorizedOperations=True), (8, 13))
    world.versions("Metadata with what may be done to the cluster", "Metadata", ask(
        IncludeClusterAuthorizedOperations=True), (8, 10))
    # A topic is made on asking for it; this answer does not have it yet.
    world.tell("Metadata makes a topic", world.ask("Metadata", 12, {"Topics": [topic("made")], "AllowAutoTopicCreation": True}))
    for _ in turns():
        answer = world.ask("Metadata", 7, {"Topics": [topic("made")]})
        if not answer["Topics"][0].get("ErrorCode"):
            break
        time.sleep(0.05)
    world.tell("Metadata of the made topic", answer)
    everything = world.ask("Metadata", 1, {"Topics": None})
    mine = sorted(it["Name"] for it in everything["Topics"] if it["Name"].startswith(world.name("meta")))
    world.tell("Metadata of all", mine)
    everything = world.ask("Metadata", 0, {"Topics": []})
    mine = sorted(it["Name"] for it in everything["Topics"] if it["Name"].startswith(world.name("meta")))
    world.tell("Metadata v0 of none is of all", mine)
    world.versions("DescribeTopicPartitions", "DescribeTopicPartitions", {"Topics": [topic("metadata"), topic("none")]})
    world.versions("DescribeTopicPartitions, one at a time", "DescribeTopicPartitions", {
        "Topics": [topic("metadata")], "ResponsePartitionLimit": 1})
    world.versions("DescribeTopicPartitions from a cursor", "DescribeTopicPartitions", {
        "Topics": [topic("metadata")], "Cursor": {"TopicName": world.name("metadata"), "PartitionIndex": 1}})
    world.versions("DescribeCluster", "DescribeCluster", lambda version: {"EndpointType": 1} if version else {})
    world.versions("DescribeCluster with what may be done", "DescribeCluster", {"IncludeClusterAuthorizedOperations": True}, (0, 0))


def topics(world):
    name = world.name
    create = lambda *made, **more: lambda version: {"Topics": list(made), "timeoutMs": 10_000, **more}
    new = lambda what, partitions=1, replicas=1, **more: {
        "Name": name(what), "NumPartitions": partitions, "ReplicationFactor": replicas, **more}
    for what, topic, low in (("", new("checked", 2), 2), (" with the default counts", new("checked", -1, -1), 4)):
        for version in range(low, 8):
            answer = world.ask("CreateTopics", version, create(topic, validateOnly=True)(version))
            for it in answer["Topics"]:
                it.pop("TopicId", None)
                it["Configs"] = [config for config in it.get("Configs", []) if config["Name"] != "flush.messages"]
            world.tell(f"CreateTopics v{version}{what}, only checked", answer)
    world.create("created")
    world.versions("CreateTopics of one that is there", "CreateTopics", create(new("created")))
    for what, topic in {
        "no partitions": new("bad", 0), "partitions -2": new("bad", -2), "no replicas": new("bad", 1, 0),
        "too many replicas": new("bad", 1, 3), "an invalid name": {**new("bad"), "Name": "a b"},
        "an empty name": {**new("bad"), "Name": ""}, "a name that collides": new("bad.name"),
        "an unknown setting": new("bad", Configs=[{"Name": "no.such", "Value": "1"}]),
        "a bad setting": new("bad", Configs=[{"Name": "retention.ms", "Value": "soon"}]),
        "a null setting": new("bad", Configs=[{"Name": "retention.ms", "Value": None}]),
        "assignments and counts": new("bad", 1, 1, Assignments=[{"PartitionIndex": 0, "BrokerIds": [1]}]),
        "assignments with a gap": new("bad", -1, -1, Assignments=[{"PartitionIndex": 1, "BrokerIds": [1]}]),
        "assignments to an unknown broker": new("bad", -1, -1, Assignments=[{"PartitionIndex": 0, "BrokerIds": [55]}]),
    }.items():
        if what == "a name that collides":
            world.create("bad_name")
        world.tell(f"CreateTopics with {what}", world.ask("CreateTopics", 7, create(topic)(7)))
    world.tell("CreateTopics of one twice", world.ask("CreateTopics", 7, create(new("twice"), new("twice"))(7)))
    grow = lambda what, count, **more: {"Topics": [{"Name": name(what), "Count": count, "Assignments": None, **more}], "TimeoutMs": 10_000}
    world.versions("CreatePartitions, only checked", "CreatePartitions", {**grow("created", 3), "ValidateOnly": True})
    for count in (1, 0, -1):
        world.versions(f"CreatePartitions to {count}", "CreatePartitions", grow("created", count))
    world.versions("CreatePartitions of a topic that is not", "CreatePartitions", grow("none", 3))
    world.versions("DeleteTopics of a topic that is not", "DeleteTopics", lambda version: {
        "TimeoutMs": 10_000, **({"Topics": [{"Name": name("none")}]} if version >= 6 else {"TopicNames": [name("none")]})})
    world.tell("DeleteTopics of an unknown id", world.ask("DeleteTopics", 6, {"Topics": [{"Name": None, "TopicId": UNKNOWN_ID}], "TimeoutMs": 1000}))
    world.tell("DeleteTopics", world.ask("DeleteTopics", 6, {"Topics": [{"Name": name("created")}], "TimeoutMs": 10_000}))
    alter = lambda what, *configs, **more: {"Resources": [{"ResourceType": 2, "ResourceName": name(what), "Configs": [
        {"Name": key, "ConfigOperation": operation, "Value": value} for key, operation, value in configs]}], **more}
    world.create("altered", cleanup_policy="delete")
    for what, configs in {
        "set": [("retention.ms", 0, "5000")], "delete": [("retention.ms", 1, None)], "append": [("cleanup.policy", 2, "compact")],
        "subtract": [("cleanup.policy", 3, "delete")], "append to what is no list": [("retention.ms", 2, "1")],
        "an unknown setting": [("no.such", 0, "1")], "a bad value": [("retention.ms", 0, "x")], "a null value": [("retention.ms", 0, None)],
        "one twice": [("retention.ms", 0, "1"), ("retention.ms", 0, "2")],
    }.items():
        world.versions(f"IncrementalAlterConfigs: {what}", "IncrementalAlterConfigs", alter("altered", *configs))
    world.versions("IncrementalAlterConfigs of a topic that is not", "IncrementalAlterConfigs", alter("none", ("retention.ms", 0, "1")))
    describe = lambda what, *keys: {"Resources": [{"ResourceType": 2, "ResourceName": name(what), "ConfigurationKeys": list(keys) or None}]}
    world.versions("DescribeConfigs of two settings", "DescribeConfigs", {
        **describe("altered", "cleanup.policy", "retention.ms"), "IncludeSynonyms": True})
    world.versions("DescribeConfigs of a topic that is not", "DescribeConfigs", describe("none"))
    everything = world.ask("DescribeConfigs", 4, describe("altered"))["Results"][0]["Configs"]
    # flush.messages differs on purpose.
    world.tell("DescribeConfigs of all settings", sorted(
        world.show(it) for it in everything if it["Name"] != "flush.messages"))
