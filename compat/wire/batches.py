"""Record batches, right and wrong, byte by byte. All codecs without a compression library: each format
has a form that holds plain bytes."""

import struct
import zlib

from schema import uvarint

# A fixed time, so that the bytes of two runs are equal. Topics of the suite keep their records for ever.
TIME = 1_700_000_000_000

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x08, 0x10, 0x20


def _table():
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        yield number


CRC_TABLE = list(_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def varint(number):
    return uvarint(number << 1 ^ number >> 63)


def sized(data):
    return varint(-1) if data is None else varint(len(data)) + data


def record(value=b"v", key=b"k", offset_delta=0, timestamp_delta=0, headers=()):
    body = b"\0" + varint(timestamp_delta) + varint(offset_delta) + sized(key) + sized(value)
    body += varint(len(headers)) + b"".join(sized(name) + sized(it) for name, it in headers)
    return sized(body)


def raw_snappy(data):
    """One literal with a four-byte length."""
    size, out = len(data), bytearray()
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out) + b"\xfc" + struct.pack("<I", len(data) - 1) + data


def xerial_snappy(data):
    block = raw_snappy(data)
    return b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, len(block)) + block


def gzip(data):
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def lz4_frame(data):
    """One block that is not compressed."""
    return bytes.fromhex("04224d18604082") + struct.pack("<I", len(data) | 0x80000000) + data + bytes(4)


def zstd_frame(data):
    """One raw block, at most 255 bytes."""
    return bytes.fromhex("28b52ffd20") + bytes([len(data)]) + struct.pack("<I", len(data) << 3 | 1)[:3] + data


PLAIN_FORMS = {0: bytes, GZIP: gzip, SNAPPY: xerial_snappy, LZ4: lz4_frame, ZSTD: zstd_frame}


def batch(
    *values, records=None, key=b"k", attributes=0, base_offset=0, leader_epoch=-1, magic=2, crc=None,
    last_offset_delta=None, base_timestamp=TIME, max_timestamp=None, producer=(-1, -1, -1), count=None,
    length=None, packed=None,
):
    """A batch of a record for each value, or of `records` as they are; each argument may tell a lie."""
    if records is None:
        records = [record(it, key, index, index) for index, it in enumerate(values)]
    size = len(records)
    body = b"".join(records)
    body = packed(body) if packed else PLAIN_FORMS.get(attributes & 7, bytes)(body)
    if last_offset_delta is None:
        last_offset_delta = size - 1
    if max_timestamp is None:
        max_timestamp = base_timestamp + max(size - 1, 0) if base_timestamp >= 0 else base_timestamp
    producer_id, producer_epoch, sequence = producer
    checked = struct.pack(
        ">hiqqqhii", attributes, last_offset_delta, base_timestamp, max_timestamp, producer_id, producer_epoch,
        sequence, size if count is None else count,
    ) + body
    crc = crc32c(checked) if crc is None else crc
    rest = struct.pack(">ibI", leader_epoch, magic, crc) + checked
    return struct.pack(">qi", base_offset, len(rest) if length is None else length) + rest


def old_message(magic, value=b"v", key=b"k"):
    """A message of the formats before batches."""
    body = struct.pack(">bb", magic, 0) + (struct.pack(">q", TIME) if magic else b"")
    body += struct.pack(">i", len(key)) + key + struct.pack(">i", len(value)) + value
    return struct.pack(">qiI", 0, len(body) + 4, zlib.crc32(body)) + body


def summary(data):
    """What a fetch answered, so that two brokers' bytes can be compared: each batch's offset, count and
    leader epoch, and a checksum of all its bytes. A last batch that is cut is not told: Kafka cuts where
    max.bytes ends, and no client reads such a rest."""
    if not data:
        return "null" if data is None else "none"
    told, at = [], 0
    while at < len(data):
        if len(data) < at + 61:
            break
        base, length, epoch = struct.unpack_from(">qii", data, at)
        count = struct.unpack_from(">i", data, at + 57)[0]
        size = 12 + length
        if len(data) < at + size:
            break
        told.append(f"{base}+{count} epoch {epoch} sum {zlib.crc32(data[at:at + size]):08x}")
        at += size
    return ", ".join(told)
