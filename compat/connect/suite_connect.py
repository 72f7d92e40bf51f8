"""Kafka Connect's workers, alone and as a group, with a file as source and a file as sink.

Arguments: the folder with Connect's jars, Java's logging settings, bootstrap address, topic prefix.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "python"))
from report import Report, require, require_equal  # noqa: E402

JARS, LOGGING, BOOTSTRAP, PREFIX = sys.argv[1:5]
# Against hangs, not a measure of speed: a worker needs several seconds to start, and two of them share the machine with
# other suites.
WAIT_S = 300
PARTITIONS = 3

folder = tempfile.TemporaryDirectory()
here = pathlib.Path(folder.name)


class Worker:
    """A process of Connect's; killed when the suite ends."""

    running = []

    def __init__(self, main, name, properties, *arguments):
        self.name = name
        self.log = here / f"{name}.log"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                ["java", "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                 f"-Dlog4j2.configurationFile={LOGGING}", "-cp", f"{JARS}/*", main,
                 written(f"{name}.properties", properties), *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        Worker.running.append(self)

    def check(self):
        code = self.process.poll()
        if code is not None:
            lines = self.log.read_text().splitlines()
            causes = [line for line in lines if "Caused by" in line or "Exception" in line]
            raise AssertionError(f"{self.name} ended with {code}: {' | '.join(causes[:3] or lines[-3:])}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(WAIT_S)
        finally:
            self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()
        if self in Worker.running:
            Worker.running.remove(self)


def written(name, properties):
    path = here / name
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    return str(path)


def until(what, condition, *workers):
    end = time.monotonic() + WAIT_S
    while True:
        for worker in workers:
            worker.check()
        seen = condition()
        if seen:
            return seen
        require(time.monotonic() < end, f"{what}: not after {WAIT_S} s")
        time.sleep(0.1)


def free_ports(count):
    """Ports behind the broker's and its controller's: below those that the system hands to outgoing connections, so that
    nobody takes one before the worker does, or while it is down."""
    first, found = int(BOOTSTRAP.rsplit(":", 1)[1]) + 2, []
    for port in range(first, first + 90):
        with socket.socket() as it:
            it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                it.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} ports from {first} on are free")


def common(port):
    return {
        "bootstrap.servers": BOOTSTRAP,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "listeners": f"http://127.0.0.1:{port}",
        "offset.flush.interval.ms": 500,
        # A stop in order waits for its offsets however long they take, or lines would come twice.
        "offset.flush.timeout.ms": WAIT_S * 1000,
        "task.shutdown.graceful.timeout.ms": WAIT_S * 1000,
        # No look through all classes for plugins: Kafka's own are listed in their jars.
        "plugin.discovery": "service_load",
    }


def source(name, path, topic):
    return {
        "name": name,
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": 1,
        "file": str(path),
        "topic": topic,
        "topic.creation.default.partitions": PARTITIONS,
        "topic.creation.default.replication.factor": 1,
    }


def sink(name, path, topic, **more):
    return {
        "name": name,
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "tasks.max": 1,
        "file": str(path),
        "topics": topic,
        "consumer.override.auto.offset.reset": "earliest",
        **{f"consumer.override.{key.replace('_', '.')}": value for key, value in more.items()},
    }


def append(path, first, end):
    with path.open("a") as file:
        file.writelines(f"line {number}\n" for number in range(first, end))


def numbers(path):
    """The numbers of the whole lines in a file, sorted: a topic has several partitions."""
    if not path.exists():
        return []
    return sorted(int(line.split()[1]) for line in path.read_text().splitlines(True) if line.endswith("\n"))


def arrived(path, count):
    return lambda: len(set(numbers(path))) >= count


# ---- checks -----------------------------------------------------------------------------------


def standalone():
    """A stop and a start in the middle: each line goes through once."""
    lines, copy, topic = here / "lines", here / "copy", PREFIX + "alone"
    append(lines, 0, 1000)
    properties = common(free_ports(1)[0]) | {"offset.storage.file.filename": here / "offsets"}
    connectors = [written("source.properties", source(PREFIX + "alone-in", lines, topic)),
                  written("sink.properties", sink(PREFIX + "alone-out", copy, topic))]

    def start():
        return Worker("org.apache.kafka.connect.cli.ConnectStandalone", "standalone", properties, *connectors)

    worker = start()
    until("1,000 lines are copied", arrived(copy, 1000), worker)
    worker.stop()
    append(lines, 1000, 1500)
    worker = start()
    until("1,500 lines are copied", arrived(copy, 1500), worker)
    worker.stop()
    copied = numbers(copy)
    require_equal(list(range(1500)), copied, "the copied lines")
    return f"{len(copied)} lines"


def ask(port, method, path, body=None):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", method=method, data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def answered(port, method, path, body=None):
    """Asks until the group has a leader and is not rebalancing (Connect answers 409, 500 or 404 before)."""
    def once():
        try:
            return (ask(port, method, path, body),)
        except (urllib.error.URLError, OSError):
            return None
    return until(f"{method} {path}", once)[0]


def distributed():
    """Two workers share the work; one is killed, and the other goes on with all of it."""
    lines, copy, topic = here / "lines-2", here / "copy-2", PREFIX + "together"
    ports = free_ports(2)
    internal = {f"{what}.storage.{key}": value for what in ("config", "offset", "status")
                for key, value in (("topic", f"{PREFIX}connect-{what}"), ("replication.factor", 1))}
    internal |= {"offset.storage.partitions": 3, "status.storage.partitions": 2}
    group = {"group.id": PREFIX + "workers", "scheduled.rebalance.max.delay.ms": 500, "session.timeout.ms": 6000,
             "heartbeat.interval.ms": 500}
    workers = [Worker("org.apache.kafka.connect.cli.ConnectDistributed", f"worker-{port}", common(port) | internal | group)
               for port in ports]
    names = [PREFIX + "in", PREFIX + "out"]
    append(lines, 0, 1000)
    answered(ports[0], "PUT", f"/connectors/{names[0]}/config", source(names[0], lines, topic))
    # Through the other worker: it hands it on to the group's leader.
    answered(ports[1], "PUT", f"/connectors/{names[1]}/config", sink(
        # So that the partitions of a killed worker's task are soon free.
        names[1], copy, topic, session_timeout_ms=6000, heartbeat_interval_ms=500))

    def tasks(port):
        """Which worker has which task, once each connector's only task runs."""
        states = [answered(port, "GET", f"/connectors/{name}/status")["tasks"] for name in names]
        running = [task["worker_id"] for one in states for task in one if task["state"] == "RUNNING"]
        return running if len(running) == len(names) else None

    # A worker that joined last may have none at first.
    shared = until("each worker runs a task", lambda: (found := tasks(ports[0])) and len(set(found)) == 2 and found, *workers)
    until("1,000 lines are copied", arrived(copy, 1000), *workers)
    workers[0].kill()
    append(lines, 1000, 1500)
    until("1,500 lines are copied by the worker that is left", arrived(copy, 1500), workers[1])
    left = until("both tasks run on the worker that is left",
                 lambda: (found := tasks(ports[1])) and len(set(found)) == 1 and found, workers[1])
    require(str(ports[1]) in left[0], f"the tasks run on {left[0]}")
    require_equal(list(range(1500)), sorted(set(numbers(copy))), "the copied lines")

    # The offsets of a connector that is stopped are looked at, and thrown away: it reads all again.
    answered(ports[1], "PUT", f"/connectors/{names[1]}/stop")
    until("the sink is stopped",
          lambda: answered(ports[1], "GET", f"/connectors/{names[1]}/status")["connector"]["state"] == "STOPPED")
    offsets = answered(ports[1], "GET", f"/connectors/{names[1]}/offsets")["offsets"]
    read = sum(one["offset"]["kafka_offset"] for one in offsets)
    # More when the source's worker was killed before it wrote how far it had read.
    require(read >= 1500, f"{read} lines read before")
    copy.unlink()
    answered(ports[1], "DELETE", f"/connectors/{names[1]}/offsets")
    answered(ports[1], "PUT", f"/connectors/{names[1]}/resume")
    until("1,500 lines are copied again", arrived(copy, 1500), workers[1])
    return f"{len(set(shared))} workers, then {len(set(left))}; 1500 lines, and again"


report = Report("connect")
try:
    report.run("standalone", standalone)
    report.run("distributed", distributed)
finally:
    for worker in list(Worker.running):
        worker.kill()
sys.exit(1 if report.failed else 0)
