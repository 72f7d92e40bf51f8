"""The scenarios of the group coordinator's own tests, through sockets and in real time.

Arguments: bootstrap address, topic prefix. The scenarios (`scenarios.py`) say what members do, when, and what they are
answered. Here the same requests go to a broker with Kafka's default settings, but for the policy of migration: those
scenarios are played that are of the broker's. Its answers must be those of the scenario. So Apache Kafka, too, is asked
whether the tests are right.
"""

import concurrent.futures
import pathlib
import re
import struct
import sys
import threading
import time

here = pathlib.Path(__file__).parent
sys.path[:0] = [str(here.parent / "wire"), str(here.parent / "python")]
import schema  # noqa: E402
from checks_configs import BROKER, GROUP, SET, alter, describe  # noqa: E402
from report import Report, require, require_equal  # noqa: E402
from scenarios import DEFAULT_POLICY, LONGEST_MS, milliseconds, scenarios  # noqa: E402
from wire import Connection, World, turns  # noqa: E402

AT_ONCE = 24
# What happens at the very moment at which something is due happens after it, as in the scenario: every event is sent a
# little later than the one before, and what is not answered at once has this long to take effect.
LATER_S = 0.25
COORDINATOR_LATER_S = 2
# Against hangs, not a measure of speed.
PATIENCE_S = 120
# A scenario whose times were missed, on a machine with much else to do, says nothing; so often it is played at most.
PLAYED_MAX = 5

JOINING, LEAVING = 0, -1
# Scenarios that hold for the core and not here, and why.
UNANSWERED = "Apache Kafka leaves the first of two calls without an answer"
SOON = "events are sent a little later than the scenario has them, and the interval is then over"
ASYNCHRONOUS = "Apache Kafka resolves a regular expression after it has answered"
ANY_LEADER = "when the leader is not back, any of the others may lead: Apache Kafka leaves it to a hash map"
OLD_LEADER = "the leader joins with version 3, which does not tell it of instance ids"
FAILS = "Apache Kafka fails (UNKNOWN_SERVER_ERROR)"
NOT_HERE = {
    "join: a member that joins twice is answered on the second call": UNANSWERED,
    "sync: who asks twice is answered on the second call": UNANSWERED,
    "join: a name offered twice counts once": "Apache Kafka fails",
    "join: an id that was given out does not go with an instance id": FAILS,
    "join: who offers nothing is not let in": "Apache Kafka keeps an empty group that nobody is in",
    "consumers: targets are not made more often than the interval allows": SOON,
    "consumers: regular expressions stand for topics that come and go": ASYNCHRONOUS,
    "consumers: a regular expression goes with its last member": ASYNCHRONOUS,
    "join: an id that was given out is good for a session": "joins in the last millisecond of a session",
    "migration/upgrade: a group before its first generation can be upgraded": FAILS,
    "migration/upgrade: what is given to several has one owner": FAILS,
    "rebalance: a leader that does not join again is replaced": ANY_LEADER,
    "statics: a static member is given until the end of its session to come back": ANY_LEADER,
    "statics: a static follower that starts again is told nothing of others": OLD_LEADER,
    "statics: a static member that starts again while the assignment is awaited makes a rebalance": OLD_LEADER,
}


# ---- one scenario -----------------------------------------------------------------------------


class Stage:
    """One scenario under way."""

    def __init__(self, port, prefix, scenario):
        self.port, self.prefix, self.events, self.has_topics = port, prefix, scenario.events, scenario.has_topics
        self.ids = {}  # as the scenario calls a member → the broker's name for it
        self.topics = {}  # the topics that there are → their ids
        self.seen = {}  # and those that were
        self.made = set()
        self.answers = []  # (seconds, label, text)
        self.told = threading.Condition()
        self.missed_s = 0  # by how much a time was missed at most

    def is_late(self, seconds):
        with self.told:
            self.missed_s = max(self.missed_s, seconds)

    def play(self):
        self.start = time.monotonic()
        due = []
        for number, event in enumerate(self.events):
            at = event.at_ms / 1000 + number * LATER_S
            time.sleep(max(0, self.start + at - time.monotonic()))
            if event.verb in ("wait", "topic", "set"):
                began = time.monotonic()
                if event.verb != "wait":
                    self.change(event)
                self.start += time.monotonic() - began
                due += event.expected
                self.wait_for(due)
                continue
            api, version, body, read = getattr(self, event.verb)(event)
            threading.Thread(target=self.ask, args=(event, at, api, version, body, read), daemon=True).start()
            due += event.expected
            self.wait_for(due)
            if not any(label == event.label for _, label, _ in event.expected):
                # Whoever is asked now is answered after the event has come to the broker.
                began = time.monotonic()
                connection = Connection(self.port)
                connection.ask("ApiVersions", 0)
                connection.close()
                self.is_late(time.monotonic() - began)
                time.sleep(LATER_S)
        with self.told:
            answers = [(arrived, label, in_order(self.called(text))) for arrived, label, text in self.answers]
        due = [(at_ms, label, in_order(text)) for at_ms, label, text in due]
        listed = lambda found: sorted(f"{label}: {text}" for _, label, text in found)
        require_equal(listed(due), listed(answers), "the answers")
        for at_ms, label, text in due:
            seconds = max(arrived for arrived, *what in answers if what == [label, text])
            require(at_ms / 1000 <= seconds + 0.1, f"`{label}: {text}` after {seconds:.1f} s already")
        return "; ".join(listed(answers))

    def wait_for(self, due):
        """Until as many answers are there as are due, by label; what they say is looked at in the end."""
        due = [label for _, label, _ in due]

        def all_there():
            labels = [label for _, label, _ in self.answers]
            return all(labels.count(label) >= due.count(label) for label in set(due))

        with self.told:
            self.told.wait_for(all_there, PATIENCE_S)

    def ask(self, event, at, api, version, body, read):
        connection = Connection(self.port, event.plain[0].split("-")[0] if event.verb == "join" else "scenario")
        connection.socket.settimeout(LONGEST_MS / 1000 + PATIENCE_S)
        try:
            connection.send(api, version, body)
            sent = time.monotonic() - self.start
            self.is_late(sent - at)
            text = read(connection.receive())
        except OSError:
            return  # the scenario is over
        arrived = time.monotonic() - self.start
        if any(it == (event.at_ms, event.label) for it in (expected[:2] for expected in event.expected)):
            self.is_late(arrived - sent)
        with self.told:
            self.answers.append((arrived, event.label, text))
            self.told.notify_all()

    # ---- names

    def group(self, name):
        return self.prefix + name if name else ""

    def topic(self, name):
        return self.prefix + name if self.has_topics else name

    def owned(self, topics):
        """Topics with their partitions, by id, as the scenarios write them."""
        names = {identity: name for name, identity in self.seen.items()}
        told = []
        for topic in topics or []:
            partitions = ",".join(map(str, sorted(topic.get("Partitions", []))))
            told.append(f"{names.get(topic['TopicId'], topic['TopicId'])}-{partitions}")
        return " ".join(sorted(told)) or "-"

    def member(self, called):
        """The broker's name for a member, once it has told it."""
        if called in self.made:
            with self.told:
                require(self.told.wait_for(lambda: called in self.ids, PATIENCE_S), f"the broker has not told {called} its id")
            return self.ids[called]
        name, _, number = called.rpartition("-")
        return f"{name}-00000000-0000-0000-0000-{int(number):012x}" if number.isdigit() and name else called

    def called(self, text):
        for called, real in self.ids.items():
            text = text.replace(real, called)
        text = re.sub(r"00000000-0000-0000-0000-([0-9a-f]{12})", lambda found: str(int(found[1], 16)), text)
        return text.replace(self.prefix, "")

    # ---- events: each gives the request, and how its answer is told

    def join(self, event):
        who, fresh = event.plain[0], event.makes
        version = event.number("v", 9)
        protocols = [it.partition(":") for it in event.named.get("offers", "range").split(",") if it]
        body = {
            "GroupId": self.group(event.named.get("group", "g")),
            "MemberId": "" if fresh else self.member(who),
            "GroupInstanceId": event.named.get("static"),
            "SessionTimeoutMs": milliseconds(event.named.get("session", "10s")),
            "ProtocolType": event.named.get("type", "consumer"),
            "Protocols": [{"Name": name, "Metadata": self.subscription(topics or "t", event.named.get("owns"))} for name, _, topics in protocols],
        }
        if version >= 1:
            body["RebalanceTimeoutMs"] = milliseconds(event.named.get("rebalance", "60s"))
        if fresh:
            self.made.add(fresh)

        def read(answer):
            member = answer.get("MemberId") or ""
            if fresh and member and member not in self.ids.values():
                with self.told:
                    self.ids[fresh] = member
            if answer.get("ErrorCode"):
                return refusal(answer) + (f" {member}" if member else "")
            members = answer.get("Members") or []
            listed = "".join(f" {it['MemberId']}{instance(it)}" for it in members)
            return (f"{member} in generation {answer['GenerationId']} of {answer.get('ProtocolName')} led by {answer.get('Leader') or '-'}"
                    + (f":{listed}" if members else "") + (", keeps the assignment" if answer.get("SkipAssignment") else ""))

        return "JoinGroup", version, body, read

    def sync(self, event):
        assignments = [it.partition(":") for it in event.plain[1:]]
        body = {
            "GroupId": self.group(event.named.get("group", "g")), "GenerationId": event.number("gen", 1),
            "MemberId": self.member(event.plain[0]), "GroupInstanceId": event.named.get("static"),
            "ProtocolType": event.named.get("type"), "ProtocolName": event.named.get("protocol"),
            "Assignments": [{"MemberId": self.member(member), "Assignment": self.work(work)} for member, _, work in assignments],
        }
        # Later versions demand the protocol's names.
        version = 5 if body["ProtocolType"] or body["ProtocolName"] else 4
        return "SyncGroup", version, body, lambda it: refusal(it) or self.shown_work(it.get("Assignment") or b"")

    def beat(self, event):
        body = {"GroupId": self.group(event.named.get("group", "g")), "GenerationId": event.number("gen", 1),
                "MemberId": self.member(event.plain[0]), "GroupInstanceId": event.named.get("static")}
        return "Heartbeat", 4, body, lambda it: refusal(it) or "ok"

    def leave(self, event):
        members = []
        for word in event.plain:
            member, _, static = word.partition(":")
            members.append({"MemberId": "" if member == "-" else self.member(member), "GroupInstanceId": static or None})
        body = {"GroupId": self.group(event.named.get("group", "g")), "Members": members}

        def read(answer):
            left = [f"{it.get('MemberId') or '-'}{':' + it['GroupInstanceId'] if it.get('GroupInstanceId') else ''} {refusal(it) or 'ok'}"
                    for it in answer.get("Members") or []]
            return refusal(answer) or ", ".join(left)

        return "LeaveGroup", 5, body, read

    def commit(self, event):
        topics = []
        for word in (it for it in event.plain if not it.startswith("id=")):
            (name, partition), (offset, _, metadata) = place(word.partition("=")[0]), word.partition("=")[2].partition("@")
            times = re.fullmatch(r"x\*(\d+)", metadata)
            topics.append({"Name": self.topic(name), "Partitions": [{
                "PartitionIndex": partition, "CommittedOffset": int(offset),
                "CommittedMetadata": "x" * int(times[1]) if times else metadata or None}]})
        version = event.number("v", 9)
        body = {"GroupId": self.group(event.named.get("group", "g")), "Topics": topics,
                "GenerationIdOrMemberEpoch": event.number("gen", -1),
                "MemberId": self.member(event.named["member"]) if "member" in event.named else ""}
        if "static" in event.named:
            body["GroupInstanceId"] = event.named["static"]
        if "keep" in event.named:
            version, body["RetentionTimeMs"] = 4, milliseconds(event.named["keep"])

        def read(answer):
            outcomes = [(topic["Name"], it) for topic in answer["Topics"] for it in topic.get("Partitions", [])]
            refusals = {refusal(it) for _, it in outcomes}
            # The wire has no error of the whole request: the core's is that of each partition.
            if refusals <= WHOLE and len(refusals) == 1:
                return refusals.pop()
            return ", ".join(f"{name}-{it.get('PartitionIndex', 0)} {refusal(it) or 'ok'}" for name, it in outcomes)

        return "OffsetCommit", version, body, read

    def fetch(self, event):
        topics = [{"Name": self.topic(place(word)[0]), "PartitionIndexes": [place(word)[1]]} for word in event.plain if place(word)]
        group = {"GroupId": self.group(event.named.get("group", "g")), "Topics": None if "all" in event.plain else topics}
        if "member" in event.named:
            group |= {"MemberId": self.member(event.named["member"]), "MemberEpoch": event.number("epoch", -1)}
        body = {"Groups": [group], "RequireStable": "stable" in event.plain}

        def read(answer):
            group = answer["Groups"][0]
            if refusal(group):
                return refusal(group)
            found = []
            for topic in group.get("Topics") or []:
                for it in topic.get("Partitions", []):
                    at = f"{topic['Name']}-{it.get('PartitionIndex', 0)}"
                    metadata = f"@{it['Metadata']}" if it.get("Metadata") else ""
                    found.append(f"{at} {refusal(it)}" if refusal(it) else f"{at}={it['CommittedOffset']}{metadata}")
            return ", ".join(sorted(found)) or "-"

        return "OffsetFetch", 9, body, read

    def forget(self, event):
        topics = [{"Name": self.topic(place(word)[0]), "Partitions": [{"PartitionIndex": place(word)[1]}]} for word in event.plain]
        body = {"GroupId": self.group(event.named.get("group", "g")), "Topics": topics}

        def read(answer):
            found = [f"{topic['Name']}-{it.get('PartitionIndex', 0)} {refusal(it) or 'ok'}"
                     for topic in answer.get("Topics") or [] for it in topic.get("Partitions", [])]
            return refusal(answer) or ", ".join(found)

        return "OffsetDelete", 0, body, read

    def delete(self, event):
        body = {"GroupsNames": [self.group(name) for name in event.plain]}
        return "DeleteGroups", 2, body, lambda it: ", ".join(
            f"{one['GroupId']} {refusal(one) or 'ok'}" for one in sorted(it["Results"], key=lambda one: event.plain.index(self.called(one["GroupId"]))))

    def describe(self, event):
        def read(answer):
            found = []
            for it in sorted(answer["Groups"], key=lambda it: self.called(it["GroupId"])):
                members = "".join(f" {member['MemberId']}{instance(member)} {size(member, 'MemberMetadata')}+{size(member, 'MemberAssignment')}"
                                  for member in sorted(it.get("Members") or [], key=lambda member: self.called(member["MemberId"])))
                because = f" {refusal(it)}" if refusal(it) else ""
                found.append(f"{it['GroupId']} {it['GroupState']} {it.get('ProtocolType') or '-'} {it.get('ProtocolData') or '-'}{members}{because}")
            return ", ".join(found)

        return "DescribeGroups", 6, {"Groups": [self.group(name) for name in event.plain]}, read

    def list(self, event):
        body = {key: [event.named[name]] if name in event.named else [] for key, name in (("StatesFilter", "state"), ("TypesFilter", "type"))}

        def read(answer):
            ours = [it for it in answer.get("Groups") or [] if it.get("GroupId", "").startswith(self.prefix)]
            return ", ".join(sorted(f"{it['GroupId']} {it['GroupType']} {it['GroupState']} {it.get('ProtocolType') or '-'}" for it in ours)) or "-"

        return "ListGroups", 5, body, read

    # ---- of consumer groups

    def change(self, event):
        """Topics and settings, which are there when this returns."""
        world = World(f"127.0.0.1:{self.port}", self.prefix)
        for word in event.plain:
            name, _, partitions = word.partition("=")
            if partitions == "-":
                world.ask("DeleteTopics", 5, {"TopicNames": [world.name(name)], "TimeoutMs": 10_000})
                del self.topics[name]
                done = lambda: world.ask("Metadata", 12, {
                    "Topics": [{"Name": world.name(name)}], "AllowAutoTopicCreation": False})["Topics"][0].get("ErrorCode")
            elif name in self.topics:
                world.ask("CreatePartitions", 3, {"TimeoutMs": 10_000, "Topics": [
                    {"Name": world.name(name), "Count": int(partitions), "Assignments": None}]})
                done = lambda: world.leads(name, int(partitions))
            else:
                self.topics[name] = self.seen[name] = world.create(name, int(partitions))
                done = lambda: True
            until(done, f"topic {word}")
        for word, key in (("interval", "consumer.assignment.interval.ms"), ("session", "consumer.session.timeout.ms")):
            if word in event.named:
                group, value = self.group("g"), str(milliseconds(event.named[word]))
                alter(world, GROUP, group, (key, SET, value), validate=False)
                until(lambda: f"Value={value}" in world.show(describe(world, GROUP, group)), f"the {word} of {group}")
        # Apache Kafka's coordinator hears of it some time after its metadata, which nobody can see.
        time.sleep(COORDINATOR_LATER_S)

    def heartbeat(self, event):
        joins = event.verb == "hello"
        topics = {}
        for word in event.named.get("owns", "").split(","):
            # Who names what never was has nothing of it.
            if place(word) and place(word)[0] in self.seen:
                topics.setdefault(place(word)[0], []).append(place(word)[1])
        owned = [{"TopicId": self.seen[name], "Partitions": partitions} for name, partitions in topics.items()]
        regex = event.named.get("regex")
        body = {
            "GroupId": self.group(event.named.get("group", "g")), "MemberId": self.member(event.plain[0]) if event.plain else "",
            "MemberEpoch": event.number("epoch", JOINING if joins else LEAVING), "InstanceId": event.named.get("static"),
            "RackId": event.named.get("rack"), "RebalanceTimeoutMs": -1,
            "SubscribedTopicNames": [self.topic(it) for it in event.named["reads"].split(",")] if "reads" in event.named else None,
            "ServerAssignor": event.named.get("by"), "TopicPartitions": owned if joins or "owns" in event.named else None,
        }
        if joins or "rebalance" in event.named:
            body["RebalanceTimeoutMs"] = milliseconds(event.named.get("rebalance", "60s"))
        version = event.number("v", 1)
        if version >= 1:
            body["SubscribedTopicRegex"] = f"{re.escape(self.prefix)}({regex})" if regex else regex

        def read(answer):
            if refusal(answer):
                return refusal(answer)
            assignment = answer.get("Assignment")
            has = "" if assignment is None else f" has {self.owned(assignment.get('TopicPartitions'))}"
            return f"epoch {answer.get('MemberEpoch', 0)}{has}"

        return "ConsumerGroupHeartbeat", version, body, read

    hello = alive = bye = heartbeat

    def inspect(self, event):
        def described(group):
            if refusal(group):
                return refusal(group)
            members = "".join(
                f", {it['MemberId']} at {it.get('MemberEpoch', 0)} has {self.owned(it.get('Assignment', {}).get('TopicPartitions'))}"
                f" of {self.owned(it.get('TargetAssignment', {}).get('TopicPartitions'))}"
                for it in sorted(group.get("Members") or [], key=lambda it: self.called(it["MemberId"])))
            epochs = f"epoch {group.get('GroupEpoch', 0)} assigned {group.get('AssignmentEpoch', 0)}"
            return f"{group['GroupId']} {group['GroupState']} {epochs} {group['AssignorName']}{members}"

        return "ConsumerGroupDescribe", 1, {"GroupIds": [self.group(name) for name in event.plain]}, lambda answer: "; ".join(
            map(described, answer["Groups"]))

    # ---- what classic consumers tell each other

    def subscription(self, topics, owns):
        """What a consumer of these topics, a letter each, sends with a protocol; `?` is no such thing."""
        if topics == "?":
            return b"?"
        names = b"".join(packed(self.topic(topic)) for topic in topics)
        # What version 0 cannot say is said by version 1.
        had = b"" if owns is None else self.partitions(owns)
        return struct.pack(">hi", 0 if owns is None else 1, len(topics)) + names + NO_USER_DATA + had

    def work(self, text):
        """What a leader gives a member: `[t-0,t-1]` as consumers say it, anything else as it is."""
        found = re.fullmatch(r"\[([^+]*)(?:\+(.*))?\]", text)
        if not found:
            return text.encode()
        data = NO_USER_DATA if found[2] is None else struct.pack(">i", len(found[2])) + found[2].encode()
        return struct.pack(">h", 0) + self.partitions(found[1]) + data

    def shown_work(self, data):
        """[`work`], back to text."""
        if data[:1] != b"\0":
            return data.decode() or "-"
        at, found = 6, []
        for _ in range(struct.unpack_from(">i", data, 2)[0]):
            size = struct.unpack_from(">h", data, at)[0]
            name, count = data[at + 2 : at + 2 + size].decode(), struct.unpack_from(">i", data, at + 2 + size)[0]
            at += 6 + size
            found += [f"{name}-{partition}" for partition in struct.unpack_from(f">{count}i", data, at)]
            at += 4 * count
        return f"[{','.join(sorted(found))}]"

    def partitions(self, text):
        topics = {}
        for name, at in filter(None, map(place, text.split(","))):
            topics.setdefault(name, []).append(at)
        named = (packed(self.topic(name)) + struct.pack(f">i{len(at)}i", len(at), *at) for name, at in topics.items())
        return struct.pack(">i", len(topics)) + b"".join(named)


NO_USER_DATA = b"\xff" * 4


def packed(text):
    return struct.pack(">h", len(text)) + text.encode()


# Refusals of a commit as a whole.
WHOLE = {"UnknownMemberId", "IllegalGeneration", "FencedInstanceId", "RebalanceInProgress", "GroupIdNotFound", "InvalidGroupId",
         "StaleMemberEpoch", "UnsupportedVersion"}


def refusal(answer):
    """An answer's error as the scenarios write it, or nothing."""
    code = answer.get("ErrorCode") or 0
    return schema.ERRORS.get(code, str(code)).title().replace("_", "") if code else ""


def in_order(text):
    """An answer with its members, or its topics, in the order of their names: Kafka's is that of a hash map."""
    partitions = r"[^ ]+-[\d,]+"
    text = re.sub(rf"(?<= ){partitions}(?: {partitions})+", lambda found: " ".join(sorted(found[0].split())), text)
    return re.sub(r"(led by \S+:)((?: [^ ,]+)+)", lambda found: found[1] + "".join(f" {it}" for it in sorted(found[2].split())), text)


def instance(member):
    return f"({member['GroupInstanceId']})" if member.get("GroupInstanceId") else ""


def size(member, field):
    return len(member.get(field) or b"")


def place(word):
    """`t-0`"""
    name, _, partition = word.rpartition("-")
    return (name, int(partition)) if name and partition.isdigit() else None


def until(found, what):
    end = time.monotonic() + PATIENCE_S
    while not found():
        require(time.monotonic() < end, f"{what}: not after {PATIENCE_S} s")
        time.sleep(0.05)


# ---- all of them ------------------------------------------------------------------------------


def play(report, name, stage):
    """The answer of a scenario, which is played again where it fails and its times were missed."""
    for turn in range(1, PLAYED_MAX + 1):
        playing = stage(turn)
        try:
            return playing.play()
        except Exception:
            if playing.missed_s < LATER_S or turn == PLAYED_MAX:
                raise
            report.note(name, f"played again: a time was missed by {playing.missed_s:.2f} s")


def policy_of(world):
    told = []

    def told_by_broker():
        cluster = world.ask("DescribeCluster", 0)
        # A broker that has just started closes connections, or does not know itself yet.
        if isinstance(cluster, dict) and cluster.get("Brokers"):
            told.extend(describe(world, BROKER, str(cluster["Brokers"][0]["BrokerId"]), "group.consumer.migration.policy")["Configs"])
        return told

    until(told_by_broker, "a broker with a policy")
    return told[0]["Value"]


def main():
    world = World(sys.argv[1], "")
    policy = policy_of(world)
    report = Report("scenarios" if policy == DEFAULT_POLICY else f"scenarios-{policy}")
    chosen = [it for it in scenarios() if it.policy == policy and it.name not in NOT_HERE and report.wants(it.name)]
    words = [word.partition("=")[0] for it in chosen if not it.has_topics for event in it.events
             if event.verb in ("commit", "fetch", "forget") for word in event.plain]
    for topic in sorted({found[0] for found in map(place, words) if found}):
        world.create(topic, 1 + max(found[1] for found in map(place, words) if found and found[0] == topic))
    for _ in turns():
        if not world.ask("OffsetFetch", 9, {"Groups": [{"GroupId": "ready", "Topics": None}]})["Groups"][0].get("ErrorCode"):
            break
        world.ask("FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": ["ready"]})
        time.sleep(0.05)

    # The longest first.
    chosen.sort(key=lambda it: -it.events[-1].at_ms)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for number, it in enumerate(chosen):
            stage = lambda turn, number=number, it=it: Stage(world.port, f"{sys.argv[2]}{number}.{turn}.", it)
            pool.submit(report.run, it.name, lambda name=it.name, stage=stage: play(report, name, stage))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
