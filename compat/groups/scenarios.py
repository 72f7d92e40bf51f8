"""The scenarios of the group coordinator's own tests, as far as they can be played to a broker.

They are those in `crates/groups/src/tests` that begin with `check(` or `check_after(`: what members do, when, and what
they are answered.
"""

import pathlib
import re

TESTS = pathlib.Path(__file__).parent.parent.parent / "crates/groups/src/tests"
# Longer ones would hold up the rest.
LONGEST_MS = 40_000
# What a client can do to a broker: scenarios in which anything else happens are not played.
PLAYED = {"wait", "join", "sync", "beat", "leave", "commit", "fetch", "forget", "delete", "describe", "list",
          "topic", "hello", "alive", "bye", "inspect", "set"}
NAMED = {"join", "sync", "beat", "hello", "alive", "bye"}
KEYS = {"gen", "static", "type", "protocol", "offers", "session", "rebalance", "v", "group", "member", "keep", "state",
        "epoch", "reads", "regex", "owns", "by", "rack", "interval", "migration"}
# Kafka's default of `group.consumer.migration.policy`.
DEFAULT_POLICY = "bidirectional"


class Event:
    """A line of a scenario, and the lines of answers that follow it."""

    def __init__(self, line):
        time_text, self.verb, *words = line.split()
        self.at_ms = milliseconds(time_text)
        self.plain = [word for word in words if word.partition("=")[0] not in KEYS or "=" not in word]
        self.named = {word.partition("=")[0]: word.partition("=")[2] for word in words if word not in self.plain}
        self.expected = []  # (ms, label, text)
        # What this event calls a member for whom it has an id made, if it does.
        self.makes = None

    @property
    def label(self):
        return f"{self.verb} {self.plain[0] if self.plain else ''}" if self.verb in NAMED else self.verb

    def number(self, key, otherwise):
        return int(self.named.get(key, otherwise))


class Scenario:
    """What happens, by its name, and under which `group.consumer.migration.policy`."""

    def __init__(self, name, text):
        self.name, self.events = name, events_of(text)
        first = self.events[0]
        # A broker's policy does not change while it runs.
        self.policy = first.named.get("migration", DEFAULT_POLICY) if first.verb == "set" else DEFAULT_POLICY
        if "migration" in first.named:
            del first.named["migration"]
        if first.verb == "set" and not first.named and not first.plain:
            del self.events[0]
        # Such a scenario makes its topics, and nobody else's.
        self.has_topics = any(event.verb in ("topic", "hello") for event in self.events)
        self.name_members(text)

    def name_members(self, text):
        """The scenario has an id made for each who joins, which only a member without one takes."""
        joins = 0
        for event in self.events:
            joins += event.verb in ("join", "hello", "alive", "bye")
            if event.verb == "join" and not has_id(event.plain[0]):
                # Classic groups put the client's name before an id, consumer groups do not.
                bare = re.search(rf"#{joins}\b", text)
                event.makes = f"#{joins}" if bare else f"{event.named.get('static') or event.plain[0]}-{joins}"

    def can_be_played(self):
        for event in self.events:
            # A topic's id is that of the topic that was made; there are no others.
            told_id = any(word.startswith("id=") for word in event.plain) and not self.has_topics
            set_otherwise = event.verb == "set" and (event.plain or "migration" in event.named)
            if told_id or set_otherwise or event.verb not in PLAYED:
                return False
        return self.events[-1].at_ms <= LONGEST_MS and not self.is_foreseen()

    def is_foreseen(self):
        """Whether a member is named before any answer has told its id: a client cannot know it then."""
        made, told = set(), ""
        for event in self.events:
            # Also by what is due at the very time of the event.
            told += " ".join(text for _, label, text in event.expected if label != event.label)
            named = event.plain if event.verb in ("join", "sync", "beat", "leave") else [event.named.get("member", "")]
            if any(re.split("[:=]", word)[0] in made and re.split("[:=]", word)[0] not in told for word in named):
                return True
            if event.makes:
                made.add(event.makes)
            told += " ".join(text for _, _, text in event.expected)
        return False


def has_id(who):
    return re.fullmatch(r"#\d+|.*-\d+", who) is not None


def milliseconds(text):
    units = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([a-z]+)", text))


def events_of(text):
    events, at_ms = [], 0
    for line in filter(None, map(str.strip, text.splitlines())):
        if not line.startswith(">"):
            events.append(Event(line))
            at_ms = events[-1].at_ms
        elif heading := re.fullmatch(r"> at (\w+):", line):
            at_ms = milliseconds(heading[1])
        elif not line.startswith("> log:"):
            label, _, answer = line[2:].partition(": ")
            events[-1].expected.append((at_ms, label, " ".join(answer.split())))
    return events


def scenarios():
    """Each scenario that can be played to a broker."""
    paths = sorted(TESTS.rglob("*.rs"))
    code = {path: path.read_text() for path in paths}
    beginnings = {name: text for it in code.values() for name, text in re.findall(r'const (\w+): &str = "([^"]*)";', it)}
    test = re.compile(r'fn (\w+)\(\) \{\n    check(?:_after\(\n        (\w+),|\()\n        "([^"]*)",\n    \);')
    for path in paths:
        for name, before, text in test.findall(code[path]):
            of = path.relative_to(TESTS).with_suffix("").as_posix()
            scenario = Scenario(f"{of}: {name.replace('_', ' ')}", f"{beginnings.get(before, '')}\n{text}")
            if scenario.can_be_played():
                yield scenario
