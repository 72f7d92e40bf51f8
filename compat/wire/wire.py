"""A raw connection, and the report of what a broker answered."""

import itertools
import json
import os
import re
import socket
import struct
import sys
import time
import traceback

import batches
import schema

# Longer than anything the suite waits for on purpose: against hangs, not a measure of speed.
PATIENCE_S = 120


# Arrays whose order Kafka leaves to its hash maps, by API: the path to each, and what it is sorted by here.
UNORDERED = {
    "Produce": [(["Responses", "PartitionResponses"], "Index")],
    "ListOffsets": [(["Topics", "Partitions"], "PartitionIndex")],
    "DeleteGroups": [(["Results"], "GroupId")],
    "ConsumerGroupDescribe": [(["Groups"], "GroupId")],
    "OffsetFetch": [(["Topics", "Partitions"], "PartitionIndex"), (["Groups", "Topics", "Partitions"], "PartitionIndex")],
    "Metadata": [(["Topics"], "Name"), (["Topics", "Partitions"], "PartitionIndex")],
}


def sort(value, path, key):
    """Sorts the arrays at the end of `path`."""
    if len(path) == 1:
        value.get(path[0], []).sort(key=lambda it: it.get(key) or ("" if key in ("Name", "GroupId") else 0))
    else:
        for it in value.get(path[0], []):
            sort(it, path[1:], key)


def turns():
    """The turns of a loop that waits for something, as many as there is patience for."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        yield


class Closed(Exception):
    """The broker closed the connection instead of answering."""


class Connection:
    """One connection. Requests may be sent ahead; answers come in their order."""

    def __init__(self, port, client_id="wire"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.client_id = client_id
        self.correlation = itertools.count(1)
        self.sent = []

    def send_bytes(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed from error

    def send_frame(self, frame):
        self.send_bytes(struct.pack(">i", len(frame)) + frame)

    def send(self, api, version, body=None, more=b""):
        """Sends a request; `more` are bytes that do not belong to it."""
        message = schema.MESSAGES[api, True]
        flexible = schema.within(version, message.flexible)
        correlation = next(self.correlation)
        header = schema.encode_header(message.key, version, correlation, self.client_id, flexible)
        frame = header + schema.encode_request(api, version, body or {}) + more
        self.sent.append((api, version, correlation))
        self.send_frame(frame)

    def receive_bytes(self, size):
        data = b""
        while len(data) < size:
            try:
                some = self.socket.recv(size - len(data))
            except ConnectionError as error:
                raise Closed from error
            if not some:
                raise Closed
            data += some
        return data

    def receive_frame(self):
        """The next answer: correlation id and body."""
        size = struct.unpack(">i", self.receive_bytes(4))[0]
        frame = self.receive_bytes(size)
        return struct.unpack(">i", frame[:4])[0], frame[4:]

    def receive(self):
        """The answer to the oldest request that has none yet."""
        api, version, expected = self.sent.pop(0)
        correlation, body = self.receive_frame()
        if correlation != expected:
            raise schema.Malformed(f"answer {correlation} where {expected} was due")
        answer = schema.decode_response(api, version, body)
        for path, key in UNORDERED.get(api, []):
            sort(answer, path, key)
        return answer

    def ask(self, api, version, body=None, more=b""):
        self.send(api, version, body, more)
        return self.receive()

    def ending(self):
        """What comes when nothing should: `closed`, or that there is an answer."""
        try:
            return f"answer {self.receive_frame()[0]}"
        except Closed:
            return "closed"
        except socket.timeout:
            return "silence"

    def close(self):
        self.socket.close()


class World:
    """The broker that is asked, and what it is called in answers."""

    @classmethod
    def main(cls, sections, **options):
        """Runs a suite's sections with its two arguments, the address and the prefix, and ends the process."""
        world = cls(sys.argv[1], sys.argv[2], **options)
        cluster = world.ask("DescribeCluster", 0)
        world.call(cluster["ClusterId"], "CLUSTER")
        for section in sections:
            world.run(section)
        sys.exit(1 if world.failed else 0)

    def __init__(self, bootstrap, prefix, suite="wire"):
        self.suite = suite  # what its checks are filed under
        self.port = int(bootstrap.rsplit(":", 1)[1])
        self.prefix = prefix
        self.failed = False
        self.filter = os.environ.get("CHECK", "")
        self.names = {}  # what differs from run to run → what it is called in answers
        self.connection = None

    def connect(self, client_id="wire"):
        return Connection(self.port, client_id)

    def name(self, what):
        """A topic or a group of this run."""
        return self.prefix + what

    # ---- asking

    def ask(self, api, version, body=None):
        """One request on the common connection, which is made anew when the broker closed it."""
        for _ in range(2):
            if self.connection is None:
                self.connection = self.connect()
            try:
                return self.connection.ask(api, version, body)
            except (Closed, socket.timeout) as error:
                self.connection.close()
                self.connection = None
                if isinstance(error, socket.timeout):
                    return "silence"
        return "closed"

    def versions(self, name, api, make, versions=None):
        """One check: a request in every version, told once for those that answer the same. `make` gives
        the body for a version, or is the body."""
        low, high = versions or self.range_of(api)
        told = []
        for version in range(low, high + 1):
            answer = self.show(self.ask(api, version, make(version) if callable(make) else make))
            if told and told[-1][2] == answer:
                told[-1][1] = version
            else:
                told.append([version, version, answer])
        self.tell(name, " | ".join(f"v{a}-{b}: {it}" if a != b else f"v{a}: {it}" for a, b, it in told))

    @staticmethod
    def range_of(api):
        """The versions of an API."""
        return schema.MESSAGES[api, True].versions

    # ---- telling

    def call(self, value, name):
        """From now on `value` is `name` in answers."""
        self.names[value] = name

    def show(self, value, field=""):
        """A decoded answer as a text in which nothing differs from run to run."""
        if isinstance(value, dict):
            return "{" + " ".join(f"{name}={self.show(it, name)}" for name, it in value.items()) + "}"
        if isinstance(value, (list, tuple)):
            return "[" + " ".join(self.show(it, field) for it in value) + "]"
        if isinstance(value, bytes) or (field == "Records" and value is None):
            return batches.summary(value) if field == "Records" else value.hex()
        if field == "ErrorCode" and isinstance(value, int):
            return schema.ERRORS.get(value, str(value))
        if field == "Port":
            return "PORT" if value == self.port else str(value)
        if isinstance(value, str):
            for real, called in self.names.items():
                value = value.replace(real, called)
            value = value.replace(self.prefix, "")
            value = re.sub(r"within \[-?\d+, -?\d+\]", "within [THEN, SOON]", value)
            value = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", self.number_id, value)
        return str(value)

    def number_id(self, match):
        return self.names.setdefault(match[0], f"#{sum(it.startswith('#') for it in self.names.values()) + 1}")

    def tell(self, name, answer):
        """One check is done."""
        text = answer if isinstance(answer, str) else self.show(answer)
        self.line(name, True, text, None)

    def line(self, name, ok, answer, detail):
        self.failed |= not ok
        if self.filter in name:
            line = {"client": self.suite, "check": name, "ok": ok, "answer": answer, "detail": detail}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    def run(self, section):
        """Runs a function that tells checks; should it break, that is a check too."""
        start = time.monotonic()
        try:
            section(self)
        except Exception as error:  # whatever it is, the other sections run
            frames = [it for it in traceback.extract_tb(error.__traceback__) if re.search("checks_|suite_", it.filename)]
            where = f" (line {frames[-1].lineno})" if frames else ""
            self.line(section.__name__, False, None, f"{type(error).__name__}: {error}{where}")
        print(f"{section.__name__}: {time.monotonic() - start:.1f} s", file=sys.stderr)

    # ---- what many checks need

    def create(self, what, partitions=1, **configs):
        """A topic of this run; its id. Keeps records for ever, whatever their timestamps."""
        configs = {"retention.ms": "-1", **{key.replace("_", "."): it for key, it in configs.items()}}
        topic = {
            "Name": self.name(what), "NumPartitions": partitions, "ReplicationFactor": 1,
            "Configs": [{"Name": key, "Value": it} for key, it in configs.items()],
        }
        answer = self.ask("CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10_000})["Topics"][0]
        assert not answer.get("ErrorCode"), answer
        self.call(answer["TopicId"], f"id of {what}")
        for _ in turns():
            topic = self.ask("Metadata", 12, {"Topics": [{"Name": self.name(what)}]})["Topics"][0]
            if not topic.get("ErrorCode") and self.leads(what, partitions):
                return answer["TopicId"]
            time.sleep(0.05)
        raise AssertionError(f"{what} did not appear: {topic}")

    def leads(self, what, partitions):
        """Whether the broker leads all partitions: it learns it a moment after it knows the topic."""
        asked = [{"PartitionIndex": index, "Timestamp": -1} for index in range(partitions)]
        body = {"ReplicaId": -1, "Topics": [{"Name": self.name(what), "Partitions": asked}]}
        answer = self.ask("ListOffsets", 5, body)["Topics"][0]["Partitions"]
        return not any(it.get("ErrorCode") for it in answer)

    def produce_body(self, what, records, partition=0, acks=-1, version=9, topic_id=None, transactional_id=None):
        topic = {"PartitionData": [{"Index": partition, "Records": records}]}
        if version >= 13:
            topic["TopicId"] = topic_id or schema.NO_ID
        else:
            topic["Name"] = self.name(what)
        return {"Acks": acks, "TimeoutMs": 10_000, "TopicData": [topic], "TransactionalId": transactional_id}

    def produce(self, what, records, version=9, **more):
        body = self.produce_body(what, records, version=version, **more)
        return self.ask("Produce", version, body)
