"""The state of an idempotent producer while brokers take turns on its partition: PORT STEP NOTES. Step n sends the batch
of step n-1 again, which is answered with the offset it got then; one too far ahead, which is refused; and its own,
which it notes for Swap.java."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "wire"))

import batches  # noqa: E402
import wire  # noqa: E402

TOPIC = "swap-sequence"
PRODUCER_ID = 4711
OUT_OF_ORDER_SEQUENCE_NUMBER = 45


def send(connection, sequence):
    """The error and the offset of the batch with this sequence number."""
    # A producer is forgotten a day after its last record, whose time counts when a log is loaded.
    now_ms = int(time.time() * 1000)
    records = batches.batch(b"step-%d" % sequence, producer=(PRODUCER_ID, 0, sequence), base_timestamp=now_ms)
    partition = {"Index": 0, "Records": records}
    body = {"Acks": -1, "TimeoutMs": 10000, "TopicData": [{"Name": TOPIC, "PartitionData": [partition]}]}
    answer = connection.ask("Produce", 9, body)["Responses"][0]["PartitionResponses"][0]
    # What has its default is left out.
    return answer.get("ErrorCode", 0), answer.get("BaseOffset", 0)


def main():
    port, step = int(sys.argv[1]), int(sys.argv[2])
    connection = wire.Connection(port)
    expected = [] if step == 0 else [(step - 1, (0, step - 1)), (step + 3, (OUT_OF_ORDER_SEQUENCE_NUMBER, -1))]
    for sequence, answer in [*expected, (step, (0, step))]:
        found = send(connection, sequence)
        if found != answer:
            sys.exit(f"sequence number {sequence} in step {step}: {found}, not {answer}")
    with open(sys.argv[3], "a", encoding="utf-8") as notes:
        notes.write(f"record {TOPIC} 0 {step} k step-{step}\n")


main()
