"""Encodes and decodes every Kafka message at every version, as the project's schema files say.

A message is a dict by Kafka's field names. What a dict does not name has its default; decoding leaves
out what has its default, so that an answer shows only what it says. Bytes that no field takes are told.
"""

import pathlib
import struct

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "crates/protocol/schema"

NUMBERS = {
    "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "float64": ">d",
}
NO_ID = "00000000000000000000000000000000"


class Malformed(Exception):
    """Bytes that are not the message they should be."""


def version_range(text):
    """`3`, `3-12` or `3+` as a pair."""
    if text.endswith("+"):
        return int(text[:-1]), 999
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def within(version, versions):
    return versions is not None and versions[0] <= version <= versions[1]


class Field:
    """One field of a structure; `children` are the fields of its type, for a structure or an array of them."""

    def __init__(self, words):
        self.name, kind = words[0], words[1]
        self.is_array = kind.startswith("[]")
        self.kind = kind[2:] if self.is_array else kind
        self.versions, self.nullable, self.tag = (0, 999), None, None
        self.is_legacy = "legacy" in words
        self.children = []
        default = None
        rest = words[2:]
        while rest:
            word = rest.pop(0)
            if word == "nullable":
                self.nullable = (0, 999)
                if rest and rest[0][0].isdigit():
                    self.nullable = version_range(rest.pop(0))
            elif word == "tag":
                self.tag = int(rest.pop(0))
            elif word == "default":
                default = rest.pop(0)
            elif word == "entity":
                rest.pop(0)
            elif word[0].isdigit():
                self.versions = version_range(word)
        self.default = self.read_default(default)

    def read_default(self, text):
        if text == "null" or (self.kind == "records" and self.nullable):
            return None
        if self.is_array:
            return []
        if self.kind in NUMBERS:
            return type(struct.unpack(NUMBERS[self.kind], bytes(struct.calcsize(NUMBERS[self.kind])))[0])(text or 0)
        return {"bool": text == "true", "string": text or "", "bytes": b"", "records": b"", "uuid": NO_ID}.get(
            self.kind, {}
        )


class Message:
    """A request or a response: its key, its versions and its fields."""

    def __init__(self, words):
        self.is_request, self.name = words[0] == "request", words[1]
        after = dict(zip(words, words[1:]))
        self.key = int(after["key"])
        self.versions = version_range(after["versions"])
        self.flexible = version_range(after["flexible"]) if "flexible" in after else None
        self.fields = []


def read_messages():
    """All messages of the schema: (api, is_request) → message."""
    messages = {}
    for path in sorted((SCHEMA / "messages").glob("*.txt")):
        structures, stack, message = {}, [], None
        for line in path.read_text().splitlines():
            line = line.split("|")[0].rstrip()
            if not line or line.lstrip().startswith("#"):
                continue
            depth = (len(line) - len(line.lstrip())) // 2
            words = line.split()
            if depth == 0:
                message = Message(words)
                messages[message.name.removesuffix("Request").removesuffix("Response"), message.is_request] = message
                structures, stack = {}, [message.fields]
                continue
            field = Field(words)
            # Two fields of one type share the list of its fields, whichever comes first.
            field.children = structures.setdefault(field.kind, [])
            del stack[depth:]
            stack[-1].append(field)
            stack.append(field.children)
    return messages


def read_errors():
    lines = (SCHEMA / "errors.txt").read_text().splitlines()
    return {int(line.split()[0]): line.split()[1] for line in lines if line and not line.startswith("#")}


MESSAGES = read_messages()
ERRORS = read_errors()


def uvarint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


# ---- encoding


def length(size, flexible, is_wide):
    """The length before a string (narrow), bytes or an array (wide); None is null."""
    if flexible:
        return uvarint(0 if size is None else size + 1)
    return struct.pack(">i" if is_wide else ">h", -1 if size is None else size)


def encode_one(field, value, version, flexible):
    kind = field.kind
    if kind in NUMBERS:
        return struct.pack(NUMBERS[kind], value)
    if kind == "bool":
        return bytes([bool(value)])
    if kind == "uuid":
        return bytes.fromhex(value)
    if kind in ("string", "bytes", "records"):
        data = value.encode() if isinstance(value, str) else value
        size = None if data is None else len(data)
        return length(size, flexible and not field.is_legacy, kind != "string") + (data or b"")
    if within(version, field.nullable) and not field.is_array:
        return b"\xff" if value is None else b"\x01" + encode_fields(field.children, value, version, flexible)
    return encode_fields(field.children, value, version, flexible)


def encode_field(field, value, version, flexible):
    if not field.is_array:
        return encode_one(field, value, version, flexible)
    head = length(None if value is None else len(value), flexible, True)
    return head + b"".join(encode_one(field, it, version, flexible) for it in value or [])


def encode_fields(fields, values, version, flexible):
    strange = values.keys() - {it.name for it in fields}
    assert not strange, f"no such fields: {strange}"
    out, tagged = b"", []
    for field in fields:
        if not within(version, field.versions):
            continue
        value = values.get(field.name, field.default)
        if field.tag is None:
            out += encode_field(field, value, version, flexible)
        elif value != field.default:
            tagged.append((field.tag, encode_field(field, value, version, flexible)))
    if flexible:
        out += uvarint(len(tagged)) + b"".join(uvarint(tag) + uvarint(len(it)) + it for tag, it in sorted(tagged))
    return out


def encode_request(api, version, values):
    """The body of a request."""
    message = MESSAGES[api, True]
    return encode_fields(message.fields, values, version, within(version, message.flexible))


def encode_header(key, version, correlation_id, client_id, flexible):
    client = length(None if client_id is None else len(client_id), False, False) + (client_id or "").encode()
    return struct.pack(">hhi", key, version, correlation_id) + client + (b"\0" if flexible else b"")


# ---- decoding


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise Malformed(f"{size} bytes wanted at {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def length(self, flexible, is_wide):
        size = self.uvarint() - 1 if flexible else self.number(">i" if is_wide else ">h")
        return None if size < 0 else size


def decode_one(field, reader, version, flexible):
    kind = field.kind
    if kind in NUMBERS:
        return reader.number(NUMBERS[kind])
    if kind == "bool":
        return reader.take(1) != b"\0"
    if kind == "uuid":
        return reader.take(16).hex()
    if kind in ("string", "bytes", "records"):
        size = reader.length(flexible and not field.is_legacy, kind != "string")
        data = None if size is None else reader.take(size)
        return data.decode() if kind == "string" and data is not None else data
    if within(version, field.nullable) and not field.is_array and reader.number(">b") < 0:
        return None
    return decode_fields(field.children, reader, version, flexible)


def decode_field(field, reader, version, flexible):
    if not field.is_array:
        return decode_one(field, reader, version, flexible)
    count = reader.length(flexible, True)
    return None if count is None else [decode_one(field, reader, version, flexible) for _ in range(count)]


def decode_fields(fields, reader, version, flexible):
    values = {}
    for field in fields:
        if within(version, field.versions) and field.tag is None:
            values[field.name] = decode_field(field, reader, version, flexible)
    if flexible:
        tagged = {it.tag: it for it in fields if it.tag is not None and within(version, it.versions)}
        for _ in range(reader.uvarint()):
            tag, size = reader.uvarint(), reader.uvarint()
            end = reader.at + size
            if tag in tagged:
                values[tagged[tag].name] = decode_field(tagged[tag], reader, version, flexible)
            else:
                values[f"tag {tag}"] = reader.take(size)
            if reader.at != end:
                raise Malformed(f"tagged field {tag} is not as long as it says")
    defaults = {it.name: it.default for it in fields}
    return {name: it for name, it in values.items() if name not in defaults or it != defaults[name]}


def decode_response(api, version, data):
    """The body of a response, behind its correlation id: a dict."""
    message = MESSAGES[api, False]
    flexible = within(version, message.flexible)
    reader = Reader(data)
    if flexible and api != "ApiVersions":
        if reader.uvarint():
            raise Malformed("tagged fields in a response header")
    values = decode_fields(message.fields, reader, version, flexible)
    if reader.at != len(data):
        values["left over"] = data[reader.at :]
    return values
