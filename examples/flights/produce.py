"""Sends the flights, one JSON record each, keyed by tail number, and writes down every ack.

    produce.py BOOTSTRAP TOPIC ROWS RATE ACKS

ROWS is how many rows of the data are sent, RATE how many in a second (0: as fast as it goes). A line
of the file ACKS is `partition offset row`. Progress is printed as `acked N`. Delivery goes on while the
broker is down: librdkafka sends again, and its sequence numbers keep every row in the log once.
"""

import sys
import time

from confluent_kafka import Producer

from source import flights


def main():
    bootstrap, topic, rows, rate, path = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    producer = Producer({
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 5,
        "compression.codec": "lz4",
        "partitioner": "murmur2_random",  # the partition that Java's and every other client chooses
        "queue.buffering.max.messages": 20000,  # what may be unknown at a crash
        "reconnect.backoff.max.ms": 500,
        "delivery.timeout.ms": 600000,
        "log_level": 0,
    })
    acked = 0
    failed = []
    told = time.monotonic()
    with open(path, "w") as acks:

        def on_delivery(row):
            def done(error, message):
                nonlocal acked
                if error:
                    failed.append((row, str(error)))
                else:
                    acks.write(f"{message.partition()} {message.offset()} {row}\n")
                    acked += 1

            return done

        start = time.monotonic()
        for row, key, value in flights(rows):
            while True:
                try:
                    producer.produce(topic, value, key, on_delivery=on_delivery(row))
                    break
                except BufferError:
                    producer.poll(0.05)
            producer.poll(0)
            if rate and row % 50 == 0:
                ahead = row / rate - (time.monotonic() - start)
                if ahead > 0:
                    producer.poll(ahead)
            if time.monotonic() - told > 0.05:
                told = time.monotonic()
                print("acked", acked, flush=True)
        while producer.flush(0.1) > 0:
            print("acked", acked, flush=True)
    print("acked", acked, flush=True)
    if failed:
        sys.exit(f"{len(failed)} rows were refused, the first: {failed[0]}")


if __name__ == "__main__":
    main()
