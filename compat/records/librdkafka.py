"""Produces the sample records (see Batches.java) with librdkafka, in all codecs; or consumes a topic.

librdkafka.py produce BOOTSTRAP
librdkafka.py consume BOOTSTRAP TOPIC   prints offset, timestamp, key, value and headers of each record
"""

import sys
import time
import zlib

from confluent_kafka import Consumer, Producer, TopicPartition

TIME = 1_700_000_000_000
COUNT = 120


def sample(i):
    timestamp = TIME + i * 1000 - i % 3 * 5000
    if i == COUNT:
        text = " ".join(str(n) for n in range(20_000))[:70_000]
        return dict(key=b"big", value=text.encode(), headers=[], timestamp=timestamp)
    key = None if i % 7 == 3 else (b"" if i == 12 else f"key-{i}".encode())
    value = None if i % 11 == 5 else (f"value-{i} " * (i % 40)).encode()
    headers = [("n", str(i).encode()), ("ключ", None)] if i % 5 == 0 else []
    return dict(key=key, value=value, headers=headers, timestamp=timestamp)


def produce(bootstrap):
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        producer = Producer({
            "bootstrap.servers": bootstrap,
            "compression.type": codec,
            "linger.ms": 2000,
            "batch.size": 900_000,
            "enable.idempotence": True,
        })
        for i in range(COUNT + 1):
            producer.produce(f"librdkafka-{codec}", partition=0, **sample(i))
        assert producer.flush(30) == 0


def checksum(data):
    return "-" if data is None else f"{len(data)}:{zlib.crc32(data):x}"


def consume(bootstrap, topic):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False,
                         "isolation.level": "read_uncommitted", "check.crcs": True})
    partition = TopicPartition(topic, 0, 0)
    consumer.assign([partition])
    _, end = consumer.get_watermark_offsets(partition, timeout=10)
    deadline = time.time() + 30
    offset = -1
    while offset < end - 1 and time.time() < deadline:
        message = consumer.poll(1)
        if message is None:
            position = consumer.position([partition])[0].offset
            if position >= end:
                break
            continue
        assert not message.error(), message.error()
        offset = message.offset()
        headers = "".join(f" {key}={checksum(value)}" for key, value in message.headers() or [])
        print(offset, message.timestamp()[1], checksum(message.key()), checksum(message.value()) + headers)
    consumer.close()


if sys.argv[1] == "produce":
    produce(sys.argv[2])
else:
    consume(sys.argv[2], sys.argv[3])
