"""An idempotent producer all of whose records are compacted away: PORT DATA ACTION.

`write` sends its batches and, without a producer id, newer records of their key, and waits until that is compacted.
`again` comes after kill -9: the producer's last batch sent again is answered with the offset it had, one too far
ahead is refused, and the next is taken.
"""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "wire"))

import batches  # noqa: E402
import wire  # noqa: E402

TOPIC = "cleaned-sequence"
CONFIGS = {"cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01"}
PRODUCER_ID = 4711
BATCHES = 5
OUT_OF_ORDER_SEQUENCE_NUMBER = 45
NO_PRODUCER = (-1, -1, -1)
STEP_MS = 2000
PATIENCE_S = 300


def send(connection, step, producer):
    """The error and the offset; each step is a segment of its own."""
    records = batches.batch(b"step %d" % step, producer=producer, base_timestamp=BEGIN_MS + step * STEP_MS)
    partition = {"Index": 0, "Records": records}
    body = {"Acks": -1, "TimeoutMs": 10000, "TopicData": [{"Name": TOPIC, "PartitionData": [partition]}]}
    answer = connection.ask("Produce", 9, body)["Responses"][0]["PartitionResponses"][0]
    # What has its default is left out.
    return answer.get("ErrorCode", 0), answer.get("BaseOffset", 0)


def expect(what, expected, found):
    if found != expected:
        sys.exit(f"{what}: {found}, not {expected}")


def until(what, condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if end < time.monotonic():
            sys.exit(f"it never came to be: {what}")
        time.sleep(0.01)


def write(connection, data):
    configs = [{"Name": name, "Value": value} for name, value in CONFIGS.items()]
    topic = {"Name": TOPIC, "NumPartitions": 1, "ReplicationFactor": 1, "Assignments": [], "Configs": configs}
    created = connection.ask("CreateTopics", 7, {"Topics": [topic], "timeoutMs": 10_000})["Topics"][0]
    expect("create the topic", 0, created.get("ErrorCode", 0))
    until("the folder of the topic", (data / f"{TOPIC}-0").is_dir)
    asked = {"ReplicaId": -1, "Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]}
    led = lambda: not connection.ask("ListOffsets", 5, asked)["Topics"][0]["Partitions"][0].get("ErrorCode")
    until("the topic is served", led)
    for step in range(BATCHES + 3):
        producer = (PRODUCER_ID, 0, step) if step < BATCHES else NO_PRODUCER
        expect(f"step {step}", (0, step), send(connection, step, producer))
    checkpoint, line = data / "cleaner-offset-checkpoint", f"{TOPIC} 0 {BATCHES + 2}"
    until(f"{line} in {checkpoint}", lambda: checkpoint.exists() and line in checkpoint.read_text().splitlines())


def again(connection):
    last = BATCHES - 1
    for what, sequence, expected in [
        ("the last batch sent again", last, (0, last)),
        ("a batch too far ahead", last + 2, (OUT_OF_ORDER_SEQUENCE_NUMBER, -1)),
        ("the next batch", last + 1, (0, BATCHES + 3)),
    ]:
        expect(what, expected, send(connection, sequence, (PRODUCER_ID, 0, sequence)))


# A producer is forgotten a day after its last record, whose time counts when a log is loaded.
BEGIN_MS = int(time.time() * 1000) - 60_000
wanted = wire.Connection(int(sys.argv[1]))
if sys.argv[3] == "write":
    write(wanted, pathlib.Path(sys.argv[2]))
else:
    again(wanted)
