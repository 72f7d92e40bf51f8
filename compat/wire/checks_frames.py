"""Frames, headers, ApiVersions, and what is no request at all."""

import struct
import time

import batches
import schema
from wire import Closed

# What this project serves; a broker may serve more.
SERVED = [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 32, 33, 34, 35, 37, 42, 43, 44, 45, 46, 47, 55, 57,
          60, 68, 69, 74, 75]
# Features that it does not serve; a broker may.
NOT_SERVED = ["share.version", "streams.version", "transaction.version"]


def api_versions(world):
    body = {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1.0"}
    for version in range(0, 5):
        answer = world.ask("ApiVersions", version, body if version >= 3 else {})
        keys = answer["ApiKeys"]
        served = [f"{it.get('ApiKey', 0)}:{it.get('MinVersion', 0)}-{it.get('MaxVersion', 0)}" for it in keys]
        world.tell(f"ApiVersions v{version}: the ranges", " ".join(sorted(
            (it for it in served if int(it.split(":")[0]) in SERVED), key=lambda it: int(it.split(":")[0]))))
        features = {
            "SupportedFeatures": sorted(world.show(it) for it in answer.get("SupportedFeatures", []) if it["Name"] not in NOT_SERVED),
            "FinalizedFeatures": sorted(world.show(it) for it in answer.get("FinalizedFeatures", [])),
        }
        told = {name: it for name, it in answer.items() if name not in ("ApiKeys", "FinalizedFeaturesEpoch", *features)}
        world.tell(f"ApiVersions v{version}: the rest", {**told, **features})
    for name, software in {
        "bad name": ("wire!", "1"), "no name": ("", "1"), "bad version": ("wire", "-1"), "no version": ("wire", ""),
    }.items():
        body = {"ClientSoftwareName": software[0], "ClientSoftwareVersion": software[1]}
        world.tell(f"ApiVersions {name}", world.ask("ApiVersions", 4, body))
    # A version nobody knows is answered in version 0.
    connection = world.connect()
    connection.send_frame(schema.encode_header(18, 99, 7, "wire", True) + b"\x05wire\x021\0")
    correlation, body = connection.receive_frame()
    world.tell("ApiVersions v99", [correlation, schema.decode_response("ApiVersions", 0, body)])
    connection.send("ApiVersions", 0)
    world.tell("ApiVersions after v99", "ApiKeys" in connection.receive())
    connection.close()
    connection = world.connect()
    connection.send_frame(schema.encode_header(18, -1, 7, "wire", False))
    world.tell("ApiVersions v-1", connection.ending())
    connection.close()
    connection = world.connect()
    connection.send_frame(schema.encode_header(18, 5, 7, "wire", True) + b"\x05wire\x021\0")
    world.tell("ApiVersions v5", connection.ending())
    connection.close()


def ends(world, name, data, after=None):
    """What the broker does about `data`, and whether it still answers on that connection."""
    connection = world.connect()
    try:
        connection.send_bytes(data)
        if after:
            connection.send("ApiVersions", 0)
        world.tell(name, connection.ending())
    except Closed:
        world.tell(name, "closed")
    connection.close()


def frame(data):
    return struct.pack(">i", len(data)) + data


def frames(world):
    header = schema.encode_header
    ends(world, "frame of no bytes", frame(b""))
    ends(world, "frame of negative size", struct.pack(">i", -1) + b"abc")
    ends(world, "frame of the smallest size", struct.pack(">i", -(2**31)))
    ends(world, "frame larger than socket.request.max.bytes", struct.pack(">i", 104857601))
    ends(world, "frame of the largest size", struct.pack(">i", 2**31 - 1))
    ends(world, "frame of three bytes", frame(b"\0\x12\0"))
    ends(world, "header without a client id", frame(struct.pack(">hhi", 18, 0, 1)))
    ends(world, "client id longer than the frame", frame(struct.pack(">hhih", 3, 1, 1, 100) + b"ab"))
    ends(world, "client id that is no UTF-8", frame(struct.pack(">hhih", 60, 0, 1, 2) + b"\xff\xfe" + b"\0\0\0"))
    ends(world, "header only: Metadata v1", frame(header(3, 1, 1, "wire", False)))
    ends(world, "header only: Produce v3", frame(header(0, 3, 1, "wire", False)))
    ends(world, "header only: Fetch v4", frame(header(1, 4, 1, "wire", False)))
    ends(world, "header only: ApiVersions v3", frame(header(18, 3, 1, "wire", True)))
    for key in (-1, 4, 5, 6, 7, 93, 200, 32767):
        ends(world, f"api key {key}", frame(header(key, 0, 1, "wire", False)))
    for key in SERVED:
        message = next(it for it in schema.MESSAGES.values() if it.key == key and it.is_request)
        low, high = message.versions
        if key != 18:
            for version in (low - 1, high + 1):
                flexible = schema.within(version, message.flexible)
                ends(world, f"{message.name} v{version}", frame(header(key, version, 1, "wire", flexible) + bytes(40)))
    body = schema.encode_request("Metadata", 1, {"Topics": []})
    connection = world.connect()
    try:
        world.tell("Metadata v1 with bytes behind it", "Brokers" in connection.ask("Metadata", 1, {"Topics": []}, b"abc"))
        world.tell("and the connection", "Brokers" in connection.ask("Metadata", 1, {"Topics": []}))
    except Closed:
        world.tell("Metadata v1 with bytes behind it", "closed")
    connection.close()
    ends(world, "Metadata v1 cut", frame(header(3, 1, 1, "wire", False) + body[:-1]))
    ends(world, "Metadata v1 with a count beyond the frame", frame(header(3, 1, 1, "wire", False) + b"\x7f\xff\xff\xff"))
    ends(world, "Metadata v1 with a count below -1", frame(header(3, 1, 1, "wire", False) + b"\xff\xff\xff\xfe"))
    ends(world, "Metadata v1 with a null name", frame(header(3, 1, 1, "wire", False) + b"\0\0\0\1\xff\xff"))
    ends(world, "Metadata v9 with a varint without end", frame(header(3, 9, 1, "wire", True) + b"\xff" * 12))
    ends(world, "Metadata v9 with a count beyond the frame", frame(header(3, 9, 1, "wire", True) + b"\xff\xff\xff\xff\x07\0\0\0\0"))
    unknown = b"\x01\x63\x03abc"
    with_tag = schema.encode_request("Metadata", 12, {"Topics": []})[:-1] + unknown
    connection = world.connect()
    connection.send_frame(header(3, 12, 9, "wire", True) + with_tag)
    world.tell("Metadata v12 with an unknown tagged field", connection.receive_frame()[0])
    connection.send_frame(header(3, 12, 10, "wire", True)[:-1] + unknown + with_tag)
    world.tell("and in the header", connection.receive_frame()[0])
    connection.send_frame(header(3, 1, 11, None, False) + body)
    world.tell("Metadata v1 with a null client id", connection.receive_frame()[0])
    connection.close()
    twice = with_tag[:-6] + b"\x02\x63\x01a\x63\x01a"
    ends(world, "a tagged field twice", frame(header(3, 12, 1, "wire", True) + twice))


def pipelined(world):
    """Answers leave in the order of their requests, whatever each waits for."""
    world.create("pipelined")
    connection = world.connect()
    for index in range(40):
        if index % 4 == 3:
            connection.send("ListOffsets", 5, {"ReplicaId": -1, "Topics": []})
        else:
            connection.send("Produce", 9, world.produce_body("pipelined", batches.batch(b"%d" % index)))
    offsets = []
    for index in range(40):
        answer = connection.receive()
        if index % 4 != 3:
            partition = answer["Responses"][0]["PartitionResponses"][0]
            offsets.append(partition.get("BaseOffset", 0) if not partition.get("ErrorCode") else -1)
    world.tell("pipelined produce and list offsets", offsets)
    # A fetch that waits holds back what was sent behind it.
    topic = {"Topic": world.name("pipelined"), "Partitions": [
        {"Partition": 0, "FetchOffset": 30, "PartitionMaxBytes": 1000}]}
    start = time.monotonic()
    connection.send("Fetch", 11, {"ReplicaId": -1, "MaxWaitMs": 700, "MinBytes": 1, "SessionEpoch": -1, "Topics": [topic]})
    connection.send("Metadata", 1, {"Topics": []})
    connection.receive()
    waited = time.monotonic() - start >= 0.65
    world.tell("a fetch waits, then what follows", [waited, "Brokers" in connection.receive()])
    connection.close()
