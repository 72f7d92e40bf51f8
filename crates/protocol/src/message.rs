//! [`Message`]: what all messages have in common, and the ways to turn one into bytes and back.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::reader::{DecodeError, Reader};
use crate::sink::{EncodeError, Sink, Sizer, Writer};

/// A sequence of fields: a message, or a part of one.
pub trait Structure: Sized {
    /// The fewest bytes it takes in any version; never 0.
    const SIZE_MIN: usize;

    /// Reads it in the message's `version`. Fields that the version lacks get Kafka's default.
    fn decode(reader: &mut Reader, version: i16) -> Result<Self, DecodeError>;

    /// Writes it in the message's `version`. A field that the version lacks must have its default,
    /// unless Kafka calls it ignorable.
    fn write<S: Sink>(&self, sink: &mut S, version: i16) -> Result<(), EncodeError>;
}

/// A request, a response, a record's key or value: what has versions of its own.
pub trait Message: Structure {
    /// Kafka's name, such as `ProduceRequest`.
    const NAME: &'static str;
    /// The API key of requests and responses; the kind of record keys and values.
    const API_KEY: Option<i16>;
    /// The versions that exist.
    const VERSIONS: RangeInclusive<i16>;
    /// The first version with compact lengths and tagged fields.
    const FLEXIBLE: Option<i16>;
}

/// A request, which knows what answers it.
pub trait Request: Message {
    /// What is asked for.
    const KEY: crate::ApiKey;
    /// What answers it, in the same version.
    type Response: Message;
}

/// Reads a message that takes all of `bytes`. Its strings, bytes and records are slices of `bytes`.
///
/// Kafka is as strict with records of the metadata log; with requests it is not, and takes what
/// [`decode_from`] takes.
pub fn decode_exact<M: Message>(bytes: Bytes, version: i16) -> Result<M, DecodeError> {
    let mut reader = Reader::new(bytes);
    let message = decode_from(&mut reader, version)?;
    match reader.left() {
        0 => Ok(message),
        left => Err(DecodeError::Trailing { message: M::NAME, left }),
    }
}

/// Reads a message off the front of `reader`; what follows stays there. Kafka reads requests and
/// responses so, and does not mind bytes that follow.
pub fn decode_from<M: Message>(reader: &mut Reader, version: i16) -> Result<M, DecodeError> {
    if !M::VERSIONS.contains(&version) {
        return Err(DecodeError::Version { message: M::NAME, version });
    }
    M::decode(reader, version)
}

/// The bytes of a message without header or frame.
pub fn encode<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    encode_after(&[], message, version)
}

/// The bytes of a message after `prefix`, in one buffer of the right size.
pub(crate) fn encode_after<M: Message>(
    prefix: &[u8],
    message: &M,
    version: i16,
) -> Result<Bytes, EncodeError> {
    let mut sizer = Sizer::new();
    sizer.put(prefix);
    checked_write(message, &mut sizer, version)?;
    if sizer.size() != sizer.buffer_size() {
        return Err(EncodeError::PayloadElsewhere);
    }
    let mut writer = Writer::with_capacity(sizer.buffer_size());
    writer.put(prefix);
    message.write(&mut writer, version)?;
    let (bytes, _) = writer.finish();
    assert_eq!(bytes.len(), sizer.buffer_size(), "a message is as long as it was counted");
    Ok(bytes)
}

/// Writes the message, when it has that version at all.
pub(crate) fn checked_write<M: Message, S: Sink>(
    message: &M,
    sink: &mut S,
    version: i16,
) -> Result<(), EncodeError> {
    if !M::VERSIONS.contains(&version) {
        return Err(EncodeError::Version { message: M::NAME, version });
    }
    message.write(sink, version)
}
