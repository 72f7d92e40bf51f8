"""librdkafka through confluent-kafka. Arguments: bootstrap address, topic prefix."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from report import Report, require, require_equal

BOOTSTRAP, PREFIX = sys.argv[1], sys.argv[2]
# Against hangs, not a measure of speed.
WAIT_S = 180
EPOCH = 1_700_000_000_000

admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


# ---- shared steps -----------------------------------------------------------------------------


def topic(name, partitions, configs=None):
    """A topic that keeps its records, which say that they are years old: a broker looks for such now and then."""
    name = PREFIX + name
    configs = {"retention.ms": "-1"} | (configs or {})
    admin.create_topics([NewTopic(name, partitions, 1, config=configs)])[name].result(WAIT_S)
    until(f"{name} is known", lambda: partitions_of(name) == partitions)
    return name


def partitions_of(name):
    found = admin.list_topics(timeout=WAIT_S).topics.get(name)
    return len(found.partitions) if found and not found.error else 0


def error_of(action):
    """The name of the error that an action ends with, "none" if it ends well."""
    try:
        action()
        return "none"
    except KafkaException as error:
        return error.args[0].name()


def until(what, condition):
    end = time.monotonic() + WAIT_S
    while not condition():
        require(time.monotonic() < end, f"waited too long until {what}")
        time.sleep(0.02)


def producer(**settings):
    return Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5} | {k.replace("_", "."): v for k, v in settings.items()})


def consumer(**settings):
    base = {"bootstrap.servers": BOOTSTRAP, "group.id": PREFIX + "none", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    return Consumer(base | {k.replace("_", "."): v for k, v in settings.items()})


def send(one, *args, **kwargs):
    """Sends one record and waits; returns its offset, or raises."""
    answer = []
    one.produce(*args, on_delivery=lambda error, message: answer.append((error, message)), **kwargs)
    one.flush(WAIT_S)
    require(answer, "no answer to a record sent")
    error, message = answer[0]
    if error:
        raise KafkaException(error)
    return message.offset()


def fill(name, partition, start, end):
    one = producer()
    for i in range(start, end):
        one.produce(name, str(i).encode(), f"k{i}".encode(), partition, timestamp=EPOCH + 1000 * i)
    require_equal(0, one.flush(WAIT_S), "records left in the producer")


def read(one, count):
    messages = []
    end = time.monotonic() + WAIT_S
    while len(messages) < count and time.monotonic() < end:
        for message in one.consume(500, 0.1):
            if message.error():
                raise KafkaException(message.error())
            messages.append(message)
    require(len(messages) >= count, f"got {len(messages)} records of {count}")
    return messages


def read_all(name, count, partitions=1):
    one = consumer()
    one.assign([TopicPartition(name, i, 0) for i in range(partitions)])
    try:
        return read(one, count)
    finally:
        one.close()


# ---- groups -----------------------------------------------------------------------------------


class Member:
    """One consumer of a group, polled by hand."""

    def __init__(self, group, name, **settings):
        # With KIP-848 these are the broker's to say.
        timeouts = {} if "group_protocol" in settings else {"session_timeout_ms": 60000, "heartbeat_interval_ms": 300}
        base = {"group_id": group} | timeouts
        self.consumer = consumer(**(base | settings))
        self.values = []
        self.assigned = set()
        self.taken = set()
        self.errors = set()
        self.consumer.subscribe([name], on_assign=self.on_assign, on_revoke=self.on_revoke)

    def on_assign(self, _, partitions):
        self.assigned |= {p.partition for p in partitions}

    def on_revoke(self, one, partitions):
        self.assigned -= {p.partition for p in partitions}
        self.taken |= {p.partition for p in partitions}
        if self.values:
            try:
                one.commit(asynchronous=False)
            except KafkaException as error:
                require_equal("_NO_OFFSET", error.args[0].name(), "commit at a revoke")

    def poll(self):
        for message in self.consumer.consume(100, 0.05):
            if message.error():
                self.errors.add(message.error().name())
            else:
                self.values.append(message.value().decode())

    def close(self):
        self.consumer.close()


def poll_until(what, condition, *members):
    def step():
        for member in members:
            member.poll()
        return condition()

    until(what, step)


def group(name, **protocol):
    where = topic("group-" + name, 6)
    which = PREFIX + name
    for partition in range(6):
        fill(where, partition, partition * 100, partition * 100 + 10)
    first = Member(which, where, **protocol)
    poll_until("one member has all", lambda: len(first.values) == 60, first)
    second = Member(which, where, **protocol)
    poll_until("two members share", lambda: len(first.assigned) == 3 and len(second.assigned) == 3, first, second)
    require(not first.assigned & second.assigned, "both have the same partition")
    taken = len(first.taken)
    first.values.clear()
    for partition in range(6):
        fill(where, partition, partition * 100 + 10, partition * 100 + 20)
    poll_until("both read on", lambda: len(first.values) + len(second.values) == 60, first, second)
    require_equal(30, len(second.values), "records of the second")
    first.consumer.commit(asynchronous=False)
    second.close()
    poll_until("the first has all again", lambda: len(first.assigned) == 6, first)
    first.values.clear()
    for partition in range(6):
        fill(where, partition, partition * 100 + 20, partition * 100 + 21)
    poll_until("the first reads on", lambda: len(first.values) >= 6, first)
    after = sorted(first.values, key=int)
    first.close()
    return f"taken={taken} after={after}"


def static_members():
    where = topic("static", 4)
    which = PREFIX + "static"
    first = Member(which, where, group_instance_id="a")
    other = Member(which, where, group_instance_id="b")
    poll_until("two static members share", lambda: len(first.assigned) == 2 and len(other.assigned) == 2, first, other)
    before = set(first.assigned)
    other.taken.clear()
    first.close()
    back = Member(which, where, group_instance_id="a")
    poll_until("the member that came back has partitions", lambda: len(back.assigned) == 2, back, other)
    require_equal(before, back.assigned, "assignment of the member that came back")
    require(not other.taken, "the other member was rebalanced")
    back.close()
    other.close()
    return "came back to the same"


def listed(group):
    found = admin.list_consumer_groups().result(WAIT_S).valid
    return next((f"{it.type.name} {it.state.name}" for it in found if it.group_id == group), "none")


def roll(name, **classic):
    """Two members are replaced one by one, to the consumer protocol and back, while records are written (KIP-848)."""
    partitions = 4
    where, which = topic("roll-" + name, partitions), PREFIX + "roll-" + name
    protocols = {"classic": classic, "consumer": {"group_protocol": "consumer"}}
    written, done = [], threading.Event()

    def write():
        one = producer()
        while not done.is_set():
            one.produce(where, str(len(written)).encode(), partition=len(written) % partitions)
            written.append(str(len(written)))
            time.sleep(0.005)
        require_equal(0, one.flush(WAIT_S), "records left in the producer")

    def share():
        fair = lambda: all(len(it.assigned) == partitions // 2 for it in members) and listed(which).endswith("STABLE")
        poll_until("both have their part", fair, *members)
        require(not members[0].assigned & members[1].assigned, "both have the same partition")
        told.append(listed(which))

    told, values = [], set()
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        try:
            members = [Member(which, where, **classic) for _ in range(2)]
            share()
            for protocol in ("consumer", "classic"):
                for _ in range(2):
                    old = members.pop(0)
                    old.close()
                    values |= set(old.values)
                    members.append(Member(which, where, **protocols[protocol]))
                    share()
        finally:
            done.set()
        writing.result()
    everything = lambda: values.union(*(it.values for it in members)) >= set(written)
    poll_until("all is read", everything, *members)
    spots = [TopicPartition(where, partition) for partition in range(partitions)]
    for member in members:
        member.consumer.commit(asynchronous=False)
    ends = [(len(written) + partitions - 1 - partition) // partitions for partition in range(partitions)]
    require_equal(ends, [it.offset for it in members[0].consumer.committed(spots, WAIT_S)], "committed offsets")
    for member in members:
        member.close()
    return f"{', '.join(told)}; all read, all committed"


def roll_sticky():
    """librdkafka's cooperative-sticky assignor has its members' user data in assignments from the second generation on:
    such a group cannot go over to the consumer protocol, which would lose it."""
    where, which = topic("roll-sticky", 4), PREFIX + "roll-sticky"
    first = Member(which, where, partition_assignment_strategy="cooperative-sticky")
    poll_until("one member has all", lambda: len(first.assigned) == 4, first)
    second = Member(which, where, partition_assignment_strategy="cooperative-sticky")
    share = lambda: len(first.assigned) == 2 and len(second.assigned) == 2 and listed(which).endswith("STABLE")
    poll_until("two members share", share, first, second)
    third = Member(which, where, group_protocol="consumer")
    poll_until("the third is refused", lambda: "_FATAL" in third.errors, first, second, third)
    answer = f"{third.errors} of {listed(which)}: {len(first.assigned)} {len(second.assigned)} {len(third.assigned)}"
    for member in (first, second, third):
        member.close()
    return answer


def commits():
    where = topic("commits", 1)
    fill(where, 0, 0, 20)
    one = consumer(group_id=PREFIX + "commits")
    spot = TopicPartition(where, 0)
    one.assign([spot])
    before = one.committed([spot], WAIT_S)[0].offset
    read(one, 20)
    one.commit(offsets=[TopicPartition(where, 0, 7, metadata="seven")], asynchronous=False)
    committed = one.committed([spot], WAIT_S)[0]
    too_long = error_of(lambda: one.commit(offsets=[TopicPartition(where, 0, 7, metadata="x" * 5000)], asynchronous=False))
    one.close()
    again = consumer(group_id=PREFIX + "commits")
    again.assign([TopicPartition(where, 0)])
    resumed = read(again, 1)[0].offset()
    again.close()
    return f"before={before} committed={committed.offset}/{committed.metadata} too-long={too_long} resumed={resumed}"


def auto_commit():
    where = topic("auto-commit", 1)
    fill(where, 0, 0, 5)
    settings = {"enable_auto_commit": True, "auto_commit_interval_ms": 100}
    one = Member(PREFIX + "auto-commit", where, **settings)
    poll_until("all is read", lambda: len(one.values) == 5, one)
    one.close()
    fill(where, 0, 5, 7)
    two = Member(PREFIX + "auto-commit", where, **settings)
    poll_until("the rest is read", lambda: len(two.values) >= 2, two)
    values = two.values
    two.close()
    return f"then={values}"


def group_admin():
    where = topic("described", 3)
    which = PREFIX + "described"
    member = Member(which, where, client_id="my-client")
    poll_until("the member has all", lambda: len(member.assigned) == 3, member)
    one = admin.describe_consumer_groups([which])[which].result(WAIT_S)
    listed = [g for g in admin.list_consumer_groups().result(WAIT_S).valid if g.group_id == which]
    answer = f"{one.state.name} {one.partition_assignor} members={len(one.members)} client={one.members[0].client_id} host={one.members[0].host}"
    answer += f" assigned={sorted(p.partition for p in one.members[0].assignment.topic_partitions)} listed={len(listed)}/{listed[0].state.name}"
    member.close()
    spot = TopicPartition(where, 1, 5)
    admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(which, [spot])])[which].result(WAIT_S)
    fetched = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(which)])[which].result(WAIT_S)
    answer += f" offsets={[(p.partition, p.offset) for p in fetched.topic_partitions]}"
    return answer


# ---- topics and configs -----------------------------------------------------------------------


def topics():
    name = topic("created", 3, {"retention.ms": "3600000"})

    def create(new):
        return error_of(lambda: admin.create_topics([new])[new.topic].result(WAIT_S))

    answers = {
        "exists": create(NewTopic(name, 1, 1)),
        "bad-name": create(NewTopic("a b", 1, 1)),
        "two-replicas": create(NewTopic(PREFIX + "e1", 1, 2)),
        "bad-config": create(NewTopic(PREFIX + "e2", 1, 1, config={"no.such": "1"})),
        "default-partitions": create(NewTopic(PREFIX + "defaults", -1, -1)),
        "partitions": error_of(lambda: admin.create_partitions([NewPartitions(name, 5)])[name].result(WAIT_S)),
        "fewer-partitions": error_of(lambda: admin.create_partitions([NewPartitions(name, 1)])[name].result(WAIT_S)),
    }
    until("five partitions are known", lambda: partitions_of(name) == 5)
    answers["delete"] = error_of(lambda: admin.delete_topics([name])[name].result(WAIT_S))
    until("the topic is gone", lambda: name not in admin.list_topics(timeout=WAIT_S).topics)
    answers["delete-again"] = error_of(lambda: admin.delete_topics([name])[name].result(WAIT_S))
    return answers


def configs():
    name = topic("configs", 1)
    resource = ConfigResource(ResourceType.TOPIC, name)

    def describe():
        return admin.describe_configs([resource])[resource].result(WAIT_S)

    resource.add_incremental_config(ConfigEntry("retention.ms", "1234", incremental_operation=AlterConfigOpType.SET))
    resource.add_incremental_config(ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND))
    admin.incremental_alter_configs([resource])[resource].result(WAIT_S)
    until("the config is changed", lambda: describe()["retention.ms"].value == "1234")
    set_here = {n: e.value for n, e in describe().items() if e.source == 1}
    bad = ConfigResource(ResourceType.TOPIC, name)
    bad.add_incremental_config(ConfigEntry("retention.ms", "soon", incremental_operation=AlterConfigOpType.SET))
    wrong = error_of(lambda: admin.incremental_alter_configs([bad])[bad].result(WAIT_S))
    unknown = ConfigResource(ResourceType.TOPIC, PREFIX + "nobody")
    return f"{sorted(set_here.items())} bad={wrong} unknown={error_of(lambda: admin.describe_configs([unknown])[unknown].result(WAIT_S))}"


def records_admin():
    name = topic("records-admin", 1)
    fill(name, 0, 0, 10)
    spot = TopicPartition(name, 0)
    deleted = admin.delete_records([TopicPartition(name, 0, 4)])[TopicPartition(name, 0, 4)].result(WAIT_S)
    answers = {"low": deleted.low_watermark}
    beyond = TopicPartition(name, 0, 99)
    answers["beyond"] = error_of(lambda: admin.delete_records([beyond])[beyond].result(WAIT_S))
    specs = {"earliest": OffsetSpec.earliest(), "latest": OffsetSpec.latest(), "max": OffsetSpec.max_timestamp(), "time": OffsetSpec.for_timestamp(EPOCH + 6500)}
    for label, spec in specs.items():
        answers[label] = admin.list_offsets({spot: spec}, isolation_level=IsolationLevel.READ_COMMITTED)[spot].result(WAIT_S).offset
    return answers


def cluster():
    found = admin.describe_cluster().result(WAIT_S)
    require_equal(BOOTSTRAP, f"{found.nodes[0].host}:{found.nodes[0].port}", "address of the node")
    return f"nodes={len(found.nodes)} id={len(found.cluster_id)} controller={found.controller is not None}"


# ---- producing and consuming ------------------------------------------------------------------


def acks(level):
    name = topic(f"acks-{level}", 1)
    one = producer(acks=level, batch_num_messages=50)
    for i in range(500):
        one.produce(name, str(i).encode())
    require_equal(0, one.flush(WAIT_S), "records left in the producer")
    values = [int(m.value()) for m in read_all(name, 500)]
    require_equal(list(range(500)), values, "values in order")
    return f"records={len(values)}"


def idempotent():
    name = topic("idempotent", 3)
    offsets = {}
    one = producer(enable_idempotence=True, batch_num_messages=20)
    for i in range(3000):
        one.produce(name, str(i).encode(), partition=i % 3, on_delivery=lambda e, m, i=i: offsets.__setitem__(i, m.offset() if not e else e))
        one.poll(0)
    one.flush(WAIT_S)
    require_equal({i: i // 3 for i in range(3000)}, offsets, "offsets")
    return "in order, once"


def codec(name):
    where = topic("codec-" + name, 2)
    one = producer(compression_codec=name, linger_ms=50)
    for i in range(400):
        one.produce(where, f"value {i} ".encode() + b"abc " * (i % 50), f"key {i}".encode(), i % 2,
                    timestamp=EPOCH + i, headers=[("n", str(i)), ("n", b"again"), ("nothing", None)])
    require_equal(0, one.flush(WAIT_S), "records left in the producer")
    following = [0, 1]
    for message in read_all(where, 400, 2):
        i = following[message.partition()]
        following[message.partition()] += 2
        require_equal(f"value {i} ".encode() + b"abc " * (i % 50), message.value(), "value")
        require_equal(f"key {i}".encode(), message.key(), "key")
        require_equal((1, EPOCH + i), message.timestamp(), "timestamp")
        require_equal([("n", str(i).encode()), ("n", b"again"), ("nothing", None)], message.headers(), "headers")
    return "records=400"


def nulls():
    name = topic("nulls", 1)
    one = producer()
    pairs = [(None, b"v"), (b"k", None), (None, None), (b"", b""), (b"k", b""), (b"", None)]
    for key, value in pairs:
        send(one, name, value, key)
    return [f"{m.key()}/{m.value()}" for m in read_all(name, len(pairs))]


def large():
    name = topic("large", 1)
    one = producer(message_max_bytes=10_000_000)
    answers = {size: error_of(lambda: send(one, name, b"x" * size)) for size in (900_000, 1_048_400, 1_048_588, 2_000_000)}
    read_back = [len(m.value()) for m in read_all(name, 2)]
    return f"{answers} read={read_back}"


def many_partitions():
    name = topic("many", 60)
    one = producer()
    for i in range(1200):
        one.produce(name, str(i).encode(), partition=i % 60)
    one.flush(WAIT_S)
    member = Member(PREFIX + "many", name)
    poll_until("everything is read", lambda: len(member.values) >= 1200, member)
    member.consumer.commit(asynchronous=False)
    committed = member.consumer.committed([TopicPartition(name, i) for i in range(60)], WAIT_S)
    values = set(member.values)
    member.close()
    require(all(p.offset == 20 for p in committed), "committed offsets")
    return f"distinct={len(values)}"


def seek():
    name = topic("seek", 1)
    fill(name, 0, 0, 100)
    one = consumer()
    one.assign([TopicPartition(name, 0, 0)])
    answers = [read(one, 1)[0].offset()]
    one.seek(TopicPartition(name, 0, 42))
    answers.append(read(one, 1)[0].offset())
    marks = one.get_watermark_offsets(TopicPartition(name, 0), WAIT_S)
    times = [one.offsets_for_times([TopicPartition(name, 0, EPOCH + t)], WAIT_S)[0].offset for t in (0, 10_000, 10_001, 99_000)]
    one.seek(TopicPartition(name, 0, times[2]))
    answers.append(read(one, 1)[0].value().decode())
    one.close()
    return f"{answers} watermarks={marks} times={times}"


def out_of_range():
    name = topic("range", 1)
    fill(name, 0, 0, 10)
    spot = TopicPartition(name, 0, 3)
    admin.delete_records([spot])[spot].result(WAIT_S)
    answers = {}
    one = consumer()
    one.assign([TopicPartition(name, 0, 1)])
    answers["below"] = read(one, 1)[0].offset()
    one.seek(TopicPartition(name, 0, 1000))
    answers["above"] = read(one, 1)[0].offset()
    one.close()
    one = consumer(auto_offset_reset="error")
    one.assign([TopicPartition(name, 0, 1000)])
    answers["error"] = error_of(lambda: read(one, 1))
    one.close()
    one = consumer(enable_partition_eof=True)
    one.assign([TopicPartition(name, 0, 10)])
    answers["at-end"] = error_of(lambda: read(one, 1))
    one.close()
    return answers


def unknown():
    name = topic("few", 1)
    one = producer()
    answers = {
        "partition": error_of(lambda: send(one, name, b"x", partition=9)),
        "bad-name": error_of(lambda: send(producer(), "bad name", b"x")),
        "auto-created": error_of(lambda: send(producer(), PREFIX + "auto", b"x")),
    }
    two = consumer(allow_auto_create_topics=False)
    two.subscribe([PREFIX + "nobody"])
    answers["subscribe"] = error_of(lambda: read(two, 1))
    two.close()
    answers["listed"] = PREFIX + "nobody" in admin.list_topics(timeout=WAIT_S).topics
    return answers


CHECKS = {
    "group-eager": lambda: group("eager", partition_assignment_strategy="range"),
    "group-cooperative": lambda: group("cooperative", partition_assignment_strategy="cooperative-sticky"),
    "group-consumer-protocol": lambda: group("consumer-protocol", group_protocol="consumer"),
    "group-roll-eager": lambda: roll("eager", partition_assignment_strategy="range"),
    "group-roll-sticky": roll_sticky,
    "group-static": static_members,
    "group-commits": commits,
    "group-auto-commit": auto_commit,
    "group-admin": group_admin,
    "topics": topics,
    "configs": configs,
    "records-admin": records_admin,
    "cluster": cluster,
    "produce-acks-0": lambda: acks("0"),
    "produce-acks-1": lambda: acks("1"),
    "produce-acks-all": lambda: acks("all"),
    "produce-idempotent": idempotent,
    "codec-none": lambda: codec("none"),
    "codec-gzip": lambda: codec("gzip"),
    "codec-snappy": lambda: codec("snappy"),
    "codec-lz4": lambda: codec("lz4"),
    "codec-zstd": lambda: codec("zstd"),
    "records-null-and-empty": nulls,
    "records-large": large,
    "partitions-many": many_partitions,
    "consume-seek": seek,
    "consume-out-of-range": out_of_range,
    "unknown": unknown,
}

report = Report("librdkafka")
with ThreadPoolExecutor(5) as threads:
    for name, check in CHECKS.items():
        if report.wants(name):
            threads.submit(report.run, name, lambda check=check: str(check()))
sys.exit(1 if report.failed else 0)
