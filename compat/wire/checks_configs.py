"""Configurations of topics, brokers and loggers: what is taken, what is refused in which words, what is told.

Other suites ask the same broker meanwhile. So what would be seen by them is only validated, and what is really set on
the broker is of a key that nobody else looks at.
"""

import time

from wire import turns

SET, DELETE, APPEND, SUBTRACT = range(4)
TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32

# Values that are right for some keys and wrong for most.
VALUES = [
    "x", "", "-3", "-2", "-1", "0", "1", "5", "1048576", "2147483647", "2147483648", "9223372036854775807",
    "9223372036854775808", "0.5", "1.5", "NaN", " 5 ", "1e3", "true", "TRUE", "yes", "*", "0:1", "0:1,1:2", "0:1,", "0:",
    "producer", "gzip", "GZIP", "none", "CreateTime", "createtime", "LogAppendTime", "compact", "compact,delete",
    "compact,", "compact,compact", "delete,burn", "Compact",
]

KEYS = [
    "cleanup.policy", "compression.gzip.level", "compression.lz4.level", "compression.type", "compression.zstd.level",
    "delete.retention.ms", "file.delete.delay.ms", "flush.messages", "flush.ms", "follower.replication.throttled.replicas",
    "index.interval.bytes", "leader.replication.throttled.replicas", "local.retention.bytes", "local.retention.ms",
    "max.compaction.lag.ms", "max.message.bytes", "message.timestamp.after.max.ms", "message.timestamp.before.max.ms",
    "message.timestamp.type", "min.cleanable.dirty.ratio", "min.compaction.lag.ms", "min.insync.replicas", "preallocate",
    "remote.log.copy.disable", "remote.log.delete.on.disable", "remote.storage.enable", "retention.bytes", "retention.ms",
    "segment.bytes", "segment.index.bytes", "segment.jitter.ms", "segment.ms", "unclean.leader.election.enable",
]


def outcome(world, answer):
    """What became of one resource."""
    code = answer.get("ErrorCode")
    return "ok" if not code else f"{world.show(code, 'ErrorCode')} {world.show(answer.get('ErrorMessage'))}"


def alter(world, kind, name, *changes, version=1, validate=True):
    configs = [{"Name": key, "ConfigOperation": operation, "Value": value} for key, operation, value in changes]
    return world.ask("IncrementalAlterConfigs", version, {
        "Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": configs}], "ValidateOnly": validate,
    })["Responses"][0]


def replace(world, kind, name, *settings, validate=True):
    configs = [{"Name": key, "Value": value} for key, value in settings]
    return world.ask("AlterConfigs", 2, {
        "Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": configs}], "ValidateOnly": validate,
    })["Responses"][0]


def describe(world, kind, name, *keys):
    answer = world.ask("DescribeConfigs", 4, {"IncludeSynonyms": True, "Resources": [
        {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": list(keys) or None}]})
    result = answer["Results"][0]
    for entry in result.get("Configs", []):
        entry.pop("Documentation", None)
    # Kafka leaves their order to a hash map.
    result.get("Configs", []).sort(key=lambda entry: entry["Name"])
    return result


def until(world, ask, wanted):
    """A broker may need a moment to do what it was told."""
    for _ in turns():
        answer = world.show(ask())
        if wanted in answer:
            return answer
        time.sleep(0.025)
    return answer


def topic_values(world):
    """Every key of a topic with right and wrong values, on creation and on change."""
    topic = world.name("values")
    world.create("values")
    for key in KEYS:
        told = {}
        for value in VALUES:
            created = world.ask("CreateTopics", 7, {"timeoutMs": 10_000, "validateOnly": True, "Topics": [{
                "Name": world.name("new"), "NumPartitions": 1, "ReplicationFactor": 1,
                "Configs": [{"Name": key, "Value": value}]}]})["Topics"][0]
            created, altered = outcome(world, created), outcome(world, alter(world, TOPIC, topic, (key, SET, value)))
            both = created if created == altered else f"created {created}, altered {altered}"
            told.setdefault(both, []).append(value)
        world.tell(f"values of {key}", " | ".join(f"{values}: {both}" for both, values in told.items()))
    for what, settings in {
        "lags that contradict": {"min.compaction.lag.ms": "100", "max.compaction.lag.ms": "5"},
        "tiering that is off": {"remote.storage.enable": "true", "retention.ms": "100"},
        "a former key": {"message.format.version": "3.0"}, "another former key": {"message.downconversion.enable": "false"},
        "a third": {"message.timestamp.difference.max.ms": "5"}, "a wrong and an unknown one": {"retention.ms": "x", "no.such": "y"},
    }.items():
        answer = alter(world, TOPIC, topic, *((key, SET, value) for key, value in settings.items()))
        world.tell(f"settings of a topic: {what}", outcome(world, answer))


def topic_replaced(world):
    """AlterConfigs: what is not named goes away."""
    topic = world.name("replaced")
    world.create("replaced")
    show = lambda: describe(world, TOPIC, topic, "retention.ms", "segment.bytes")
    replace(world, TOPIC, topic, ("retention.ms", "7200000"), ("segment.bytes", "2097152"), validate=False)
    world.tell("AlterConfigs of two settings", until(world, show, "2097152 Source=1"))
    replace(world, TOPIC, topic, ("retention.ms", "7300000"), validate=False)
    world.tell("AlterConfigs of one of them", until(world, show, "7300000 Source=1"))
    replace(world, TOPIC, topic, validate=False)
    world.tell("AlterConfigs of none", until(world, show, "Value=604800000"))
    for what, arguments in {
        "a bad value": (TOPIC, topic, ("retention.ms", "x")), "a null value": (TOPIC, topic, ("retention.ms", None)),
        "an unknown setting": (TOPIC, topic, ("no.such", "5")),
        "one twice": (TOPIC, topic, ("retention.ms", "8"), ("retention.ms", "8")),
        "a topic that is not": (TOPIC, world.name("none"), ("retention.ms", "8")),
        "the empty topic": (TOPIC, "", ("retention.ms", "8")), "a logger": (LOGGER, "1", ("root", "INFO")),
        "no known type": (99, "1", ("a", "b")), "the empty group": (GROUP, "", ("consumer.session.timeout.ms", "45000")),
        "another broker": (BROKER, "77", ("log.retention.ms", "7200000")),
        "a broker's fixed key": (BROKER, "1", ("log.retention.hours", "4")),
        "a broker's bad value": (BROKER, "1", ("log.retention.ms", "x")),
        "a broker's min ISR": (BROKER, "1", ("min.insync.replicas", "1")),
        "all brokers without the min ISR": (BROKER, "", ("log.retention.ms", "7200000")),
        "all brokers and nothing": (BROKER, ""),
    }.items():
        world.tell(f"AlterConfigs of {what}", outcome(world, replace(world, *arguments)))
    world.versions("AlterConfigs in every version", "AlterConfigs", {"ValidateOnly": True, "Resources": [
        {"ResourceType": TOPIC, "ResourceName": topic, "Configs": [{"Name": "retention.ms", "Value": "8"}]}]})


def broker_told(world):
    """What a running broker is told, one or all."""
    for what, (name, *changes) in {
        "a setting": ("1", ("log.retention.ms", SET, "3600000")), "a setting of all": ("", ("log.retention.ms", SET, "3600000")),
        "a fixed key": ("1", ("log.retention.hours", SET, "5")),
        "two fixed keys": ("1", ("log.retention.hours", SET, "5"), ("node.id", SET, "5")),
        "a fixed key away": ("1", ("node.id", DELETE, None)), "a key away that is not": ("1", ("log.roll.ms", DELETE, None)),
        "an unknown key away": ("1", ("no.such", DELETE, None)), "more of an unknown key": ("1", ("no.such", APPEND, "5")),
        "no number": ("1", ("log.retention.ms", SET, "x")), "no retention": ("1", ("log.retention.ms", SET, "0")),
        "too small a number": ("1", ("log.segment.bytes", SET, "5")), "the same of all": ("", ("log.segment.bytes", SET, "5")),
        "more of a list": ("1", ("log.cleanup.policy", APPEND, "compact")),
        "less of a list": ("", ("log.cleanup.policy", SUBTRACT, "delete")),
        "more of no list": ("1", ("log.segment.bytes", APPEND, "5")), "less of no list": ("1", ("log.segment.bytes", SUBTRACT, "5")),
        "a wrong policy": ("1", ("log.cleanup.policy", SET, "burn")), "no policy": ("1", ("log.cleanup.policy", SET, "")),
        "a key of TLS": ("1", ("ssl.keystore.location", SET, "x")), "a key of TLS of all": ("", ("ssl.keystore.location", SET, "x")),
        "listeners of all": ("", ("listeners", SET, "PLAINTEXT://:9")),
        "addresses for clients": ("1", ("advertised.listeners", SET, "PLAINTEXT://:9")),
        "a listener's own of all": ("", ("listener.name.plaintext.ssl.keystore.location", SET, "x")),
        "another broker": ("77", ("log.retention.ms", SET, "5")), "no broker": ("x", ("log.retention.ms", SET, "5")),
        "a negative broker": ("-1", ("log.retention.ms", SET, "5")), "no operation": ("1", ("log.retention.ms", 7, "5")),
        "null": ("1", ("log.retention.ms", SET, None)), "one key twice": ("1", ("log.roll.ms", SET, "5"), ("log.roll.ms", DELETE, None)),
        "no threads": ("1", ("num.io.threads", SET, "0")), "more threads": ("1", ("num.io.threads", SET, "16")),
        "no codec": ("1", ("compression.type", SET, "foo")), "no level": ("1", ("compression.gzip.level", SET, "10")),
        "no kind of time": ("1", ("log.message.timestamp.type", SET, "foo")), "no boolean": ("1", ("log.preallocate", SET, "foo")),
        "room in advance": ("1", ("log.preallocate", SET, "true")),
        "a negative rate": ("1", ("leader.replication.throttled.rate", SET, "-5")),
        "a rate": ("1", ("follower.replication.throttled.rate", SET, "5000")),
        "fewer connections than none": ("1", ("max.connections", SET, "-1")),
        "no connections": ("1", ("max.connections.per.ip", SET, "0")),
        "segments for no time": ("1", ("log.roll.ms", SET, "0")), "a negative jitter": ("1", ("log.roll.jitter.ms", SET, "-1")),
        "producers for no time": ("1", ("producer.id.expiration.ms", SET, "0")),
        "no reporters": ("1", ("metric.reporters", SET, "")), "no reporters of all": ("", ("metric.reporters", SET, "")),
        "how long the quorum lingers": ("1", ("controller.quorum.append.linger.ms", SET, "5")),
        "segments of the metadata log": ("", ("metadata.log.segment.bytes", SET, "8388608")),
        "a min ISR of one": ("1", ("min.insync.replicas", SET, "1")), "a min ISR of one away": ("1", ("min.insync.replicas", DELETE, None)),
        "a min ISR of all": ("", ("min.insync.replicas", SET, "1")), "a min ISR of all away": ("", ("min.insync.replicas", DELETE, None)),
        "a min ISR of none": ("", ("min.insync.replicas", SET, "0")), "nothing": ("1",),
    }.items():
        world.tell(f"a broker is told: {what}", outcome(world, alter(world, BROKER, name, *changes)))
    key = "max.connections.per.ip"
    show = lambda: describe(world, BROKER, "1", key)
    told = []
    for name, operation, value, wanted in (
        ("", SET, "1000000", "Value=1000000 ConfigSource=3"), ("1", SET, "900000", "Value=900000 ConfigSource=2"),
        ("", DELETE, None, "900000 Source=2} {Name=max.connections.per.ip Value=2147483647"),
        ("1", DELETE, None, "Value=2147483647 ConfigSource=5"),
    ):
        changed = outcome(world, alter(world, BROKER, name, (key, operation, value), validate=False))
        told.append(f"{changed}: {until(world, show, wanted)}")
    world.tell("a broker's key set for all, for one, and away again", " | ".join(told))
    world.tell("a broker that is another", outcome(world, describe(world, BROKER, "77")))
    world.tell("a broker that is none", outcome(world, describe(world, BROKER, "x")))
    twice = {"ResourceType": BROKER, "ResourceName": "1", "Configs": []}
    answer = world.ask("IncrementalAlterConfigs", 1, {"Resources": [twice, twice], "ValidateOnly": True})
    world.tell("a broker is told twice at once", answer)


def loggers(world):
    for what, (name, *changes) in {
        "a logger that is not": ("1", ("no.such", SET, "INFO")), "a logger away that is not": ("1", ("no.such", DELETE, None)),
        "the root": ("1", ("root", SET, "INFO")), "the root away": ("1", ("root", DELETE, None)),
        "no level": ("1", ("root", SET, "LOUD")), "a level in small letters": ("1", ("root", SET, "info")),
        "more": ("1", ("root", APPEND, "INFO")), "less": ("1", ("root", SUBTRACT, "INFO")), "null": ("1", ("root", SET, None)),
        "another broker": ("77", ("root", SET, "INFO")), "no broker": ("x", ("root", SET, "INFO")), "the empty broker": ("", ("root", SET, "INFO")),
    }.items():
        world.tell(f"log levels: {what}", outcome(world, alter(world, LOGGER, name, *changes)))
    alter(world, LOGGER, "1", ("root", SET, "ERROR"), validate=False)
    world.tell("log levels: the root is told", describe(world, LOGGER, "1", "root"))
    alter(world, LOGGER, "1", ("root", SET, "WARN"), validate=False)
    for what, name in {"the empty broker": "", "another": "77", "none": "x"}.items():
        world.tell(f"log levels of {what}", outcome(world, describe(world, LOGGER, name)))


def resources(world):
    world.create("listed")
    ask = lambda *types: world.ask("ListConfigResources", 1, {"ResourceTypes": list(types)})
    mine = lambda answer: sorted(world.show(it) for it in answer.get("ConfigResources", []) if it["ResourceName"] in ("1", world.name("listed")))
    for types in ((), (TOPIC,), (BROKER,), (LOGGER,), (BROKER, TOPIC)):
        world.tell(f"ListConfigResources of {list(types)}", mine(ask(*types)))
    for types in ((99,), (TOPIC, 99), (0,)):
        world.tell(f"ListConfigResources of {list(types)}", ask(*types))


def configs(world):
    topic_values(world)
    topic_replaced(world)
    broker_told(world)
    loggers(world)
    resources(world)
