//! How logs of records say which record a value is.

use bytes::Bytes;

use crate::message::{Message, decode_exact, decode_from, encode_after};
use crate::reader::{DecodeError, Reader};
use crate::sink::{EncodeError, Sink, Writer};

/// The only version of the frame around records of the metadata log (Kafka's `AbstractApiMessageSerde`).
const FRAME_VERSION: u32 = 1;

/// Why a key or value of a log is not a record known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A kind of record that this build does not know. A coordinator skips such a record when it loads
    /// a log, as Kafka does (a later version may have written it); a metadata log with one cannot be read.
    #[error("record kind {0} is not known")]
    UnknownKind(i32),
    /// A frame around the record that this build does not know.
    #[error("record frame version {0} is not known")]
    UnknownFrame(u32),
    /// The record's bytes are damaged, or in a version that is not known.
    #[error("not a valid record")]
    Decode(#[from] DecodeError),
}

/// A record's value in the metadata log, taken apart: kind, version and the reader at the body.
pub(super) fn split_frame(value: Bytes) -> Result<(i32, i16, Reader), RecordError> {
    let mut reader = Reader::new(value);
    let frame = reader.unsigned_varint()?;
    if frame != FRAME_VERSION {
        return Err(RecordError::UnknownFrame(frame));
    }
    let kind = reader.unsigned_varint()? as i32;
    let version = reader.unsigned_varint()?;
    let version =
        i16::try_from(version).map_err(|_| DecodeError::Version { message: "record", version: i16::MAX })?;
    Ok((kind, version, reader))
}

/// The body of a framed record; nothing may follow it.
pub(super) fn decode_body<M: Message>(reader: Reader, version: i16) -> Result<M, RecordError> {
    Ok(decode_exact(reader.into_rest(), version)?)
}

/// A record's value in the metadata log.
pub(super) fn encode_framed<M: Message>(kind: i16, record: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut prefix = Writer::with_capacity(12);
    prefix.put_unsigned_varint(FRAME_VERSION);
    prefix.put_unsigned_varint(kind as u32);
    prefix.put_unsigned_varint(version as u32);
    encode_after(&prefix.finish().0, record, version)
}

/// The kind of a coordinator's record, and the reader at the fields of its key.
pub(super) fn split_prefix(bytes: Bytes) -> Result<(i16, Reader), RecordError> {
    let mut reader = Reader::new(bytes);
    let prefix = reader.i16()?;
    Ok((prefix, reader))
}

/// The fields of a coordinator's key. Kafka does not mind what follows them.
pub(super) fn decode_key<M: Message>(mut reader: Reader) -> Result<M, RecordError> {
    Ok(decode_from(&mut reader, 0)?)
}

/// A coordinator's value: its version, then its fields; `None` is a tombstone.
/// Kafka does not mind what follows the fields.
pub(super) fn decode_value<M: Message>(value: Option<Bytes>) -> Result<Option<M>, RecordError> {
    let Some(value) = value else { return Ok(None) };
    let (version, mut reader) = split_prefix(value)?;
    Ok(Some(decode_from(&mut reader, version)?))
}

/// A coordinator's key: its kind, then its fields.
pub(super) fn encode_key<M: Message>(kind: i16, key: &M) -> Result<Bytes, EncodeError> {
    encode_after(&kind.to_be_bytes(), key, 0)
}

/// A coordinator's value: its version, then its fields; `None` is a tombstone.
pub(super) fn encode_value<M: Message>(
    value: Option<&M>,
    version: i16,
) -> Result<Option<Bytes>, EncodeError> {
    value.map(|value| encode_after(&version.to_be_bytes(), value, version)).transpose()
}
