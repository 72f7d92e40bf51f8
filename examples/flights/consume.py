"""A consumer of the group in Python (librdkafka).

    consume.py BOOTSTRAP TOPIC GROUP OUTPUT

Writes a line for each record, `time-in-microseconds partition offset row crc32-of-value key`, commits after
it has written, and leaves the group when its standard input ends.
"""

import json
import sys
import threading
import time
import zlib

from confluent_kafka import Consumer, KafkaException

bootstrap, topic, group, path = sys.argv[1:5]
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()

consumer = Consumer({
    "bootstrap.servers": bootstrap,
    "group.id": group,
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "partition.assignment.strategy": "roundrobin",  # a group needs one that all its members know
    "session.timeout.ms": 10000,
    "heartbeat.interval.ms": 1000,
    "reconnect.backoff.max.ms": 500,
    "log_level": 0,
})
consumer.subscribe([topic])
with open(path, "w") as output:
    while not stop.is_set():
        messages = [message for message in consumer.consume(1000, 0.2) if not message.error()]
        for message in messages:
            row = json.loads(message.value())["row"]
            key = (message.key() or b"-").decode()
            output.write(f"{time.time_ns() // 1000} {message.partition()} {message.offset()} {row} {zlib.crc32(message.value())} {key}\n")
        output.flush()
        if messages:
            try:
                consumer.commit(asynchronous=False)
            except KafkaException:
                pass  # the broker is down or the group has changed: what was not committed comes again
consumer.close()
