"""A member of a churned group: librdkafka.

    member.py BOOTSTRAP TOPIC GROUP OUTPUT STRATEGY

STRATEGY is an assignor of classic groups, or `consumer` for the protocol of KIP-848. Writes `read PARTITION OFFSET
VALUE` for each record, commits after it has written, and leaves the group when its standard input ends.
"""

import sys
import threading

from confluent_kafka import Consumer, KafkaException

bootstrap, topic, group, path, strategy = sys.argv[1:6]
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()

settings = {
    "bootstrap.servers": bootstrap,
    "group.id": group,
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "reconnect.backoff.max.ms": 500,
    "log_level": 0,
}
if strategy == "consumer":
    settings["group.protocol"] = "consumer"
else:
    settings |= {
        "partition.assignment.strategy": strategy,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
    }
consumer = Consumer(settings)
consumer.subscribe([topic])
with open(path, "w") as output:
    while not stop.is_set():
        messages = [message for message in consumer.consume(1000, 0.2) if not message.error()]
        for message in messages:
            output.write(f"read {message.partition()} {message.offset()} {message.value().decode()}\n")
        output.flush()
        try:
            consumer.commit(asynchronous=False)
        except KafkaException:
            # Nothing to commit, or the broker is down, or the group has changed: then it is tried again, by this member
            # or, after it has read the same, by another.
            pass
consumer.close()
