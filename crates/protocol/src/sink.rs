//! [`Sink`]: where an encoded message goes. Messages are written twice through the same code: into a
//! [`Sizer`], which only counts, and then into a [`Writer`] whose buffer has exactly that size.

use bytes::Bytes;
use ottla_ids::Uuid;

use crate::message::Structure;
use crate::payload::{Gap, Payload};
use crate::reader::{RawTaggedField, TEXT_SIZE_MAX};
use crate::text::Text;

/// Why a message cannot be encoded in a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The message does not exist in this version.
    #[error("{message} has no version {version}")]
    Version {
        /// Kafka's name of the message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// The field says something that this version cannot say, and that must not be left out.
    #[error("version {version} of {structure} has no field {field}, which is set")]
    Field {
        /// Kafka's name of the structure.
        structure: &'static str,
        /// Kafka's name of the field.
        field: &'static str,
        /// The message's version.
        version: i16,
    },
    /// The field is null, and this version has no null there.
    #[error("version {version} of {structure} must not have null in field {field}")]
    Null {
        /// Kafka's name of the structure.
        structure: &'static str,
        /// Kafka's name of the field.
        field: &'static str,
        /// The message's version.
        version: i16,
    },
    /// Unknown tagged fields are set, and this version has no tagged fields.
    #[error("version {version} of {structure} has no tagged fields, and some are set")]
    TaggedFields {
        /// Kafka's name of the structure.
        structure: &'static str,
        /// The message's version.
        version: i16,
    },
    /// Tagged fields must come in rising order, each at most once.
    #[error("tag {tag} comes after a tag that is not lower")]
    TagOrder {
        /// The tag that is out of order.
        tag: u32,
    },
    /// A string longer than [`TEXT_SIZE_MAX`].
    #[error("a string of {size} bytes is longer than {TEXT_SIZE_MAX}")]
    TextTooLong {
        /// Its size in bytes.
        size: usize,
    },
    /// More bytes or elements than a signed 32-bit length can say.
    #[error("{size} is more than a length in the protocol can say")]
    TooLarge {
        /// The size in bytes, or the count of elements.
        size: usize,
    },
    /// The message has a [`Payload::Elsewhere`], and the caller asked for bytes without gaps.
    #[error("the message has payload that is sent from elsewhere")]
    PayloadElsewhere,
}

/// Takes the bytes of a message as they are encoded.
pub trait Sink {
    /// Takes bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Takes note that `size` bytes come here from elsewhere.
    fn put_gap(&mut self, size: usize, ticket: usize);

    /// One byte: 1 for true.
    fn put_bool(&mut self, value: bool) {
        self.put(&[u8::from(value)]);
    }

    /// One byte.
    fn put_i8(&mut self, value: i8) {
        self.put(&value.to_be_bytes());
    }

    /// Two bytes, big-endian, as all fixed numbers are.
    fn put_i16(&mut self, value: i16) {
        self.put(&value.to_be_bytes());
    }

    /// Two bytes.
    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// Four bytes.
    fn put_i32(&mut self, value: i32) {
        self.put(&value.to_be_bytes());
    }

    /// Four bytes.
    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Eight bytes.
    fn put_i64(&mut self, value: i64) {
        self.put(&value.to_be_bytes());
    }

    /// Eight bytes.
    fn put_f64(&mut self, value: f64) {
        self.put(&value.to_be_bytes());
    }

    /// Sixteen bytes.
    fn put_uuid(&mut self, value: Uuid) {
        self.put(value.as_bytes());
    }

    /// A number in groups of seven bits, lowest first.
    fn put_unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.put(&[value as u8 | 0x80]);
            value >>= 7;
        }
        self.put(&[value as u8]);
    }
}

/// Counts the bytes of a message, those from elsewhere included.
#[derive(Debug, Default)]
pub struct Sizer {
    size: usize,
    elsewhere: usize,
}

impl Sizer {
    /// Nothing counted yet.
    pub fn new() -> Sizer {
        Sizer::default()
    }

    /// All bytes so far, those from elsewhere included.
    pub fn size(&self) -> usize {
        self.size.saturating_add(self.elsewhere)
    }

    /// The bytes so far that will be in the buffer.
    pub fn buffer_size(&self) -> usize {
        self.size
    }
}

impl Sink for Sizer {
    fn put(&mut self, bytes: &[u8]) {
        self.size += bytes.len();
    }

    fn put_gap(&mut self, size: usize, _ticket: usize) {
        self.elsewhere = self.elsewhere.saturating_add(size);
    }

    fn put_unsigned_varint(&mut self, value: u32) {
        self.size += varint_size(value);
    }
}

/// Writes the bytes of a message into one buffer.
#[derive(Debug)]
pub struct Writer {
    buffer: Vec<u8>,
    gaps: Vec<Gap>,
}

impl Writer {
    /// A writer with room for `size` bytes.
    pub fn with_capacity(size: usize) -> Writer {
        Writer { buffer: Vec::with_capacity(size), gaps: Vec::new() }
    }

    /// What was written, and where bytes from elsewhere go.
    pub fn finish(self) -> (Bytes, Vec<Gap>) {
        (Bytes::from(self.buffer), self.gaps)
    }
}

impl Sink for Writer {
    fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn put_gap(&mut self, size: usize, ticket: usize) {
        self.gaps.push(Gap { position: self.buffer.len(), size, ticket });
    }
}

fn varint_size(value: u32) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

/// A length or count, or null; where `flexible`, as a varint of the length plus one.
fn put_length<S: Sink>(sink: &mut S, length: Option<usize>, flexible: bool) -> Result<(), EncodeError> {
    let length = match length {
        Some(size) => i32::try_from(size).map_err(|_| EncodeError::TooLarge { size })?,
        None => -1,
    };
    if flexible {
        sink.put_unsigned_varint((length as u32).wrapping_add(1));
    } else {
        sink.put_i32(length);
    }
    Ok(())
}

/// A string or null.
pub(crate) fn put_text<S: Sink>(
    sink: &mut S,
    text: Option<&Text>,
    flexible: bool,
) -> Result<(), EncodeError> {
    let size = text.map(Text::len);
    if let Some(size) = size
        && size > TEXT_SIZE_MAX
    {
        return Err(EncodeError::TextTooLong { size });
    }
    if flexible {
        put_length(sink, size, true)?;
    } else {
        sink.put_i16(size.map_or(-1, |size| size as i16));
    }
    if let Some(text) = text {
        sink.put(text.as_bytes());
    }
    Ok(())
}

/// Bytes or null.
pub(crate) fn put_bytes<S: Sink>(
    sink: &mut S,
    bytes: Option<&Bytes>,
    flexible: bool,
) -> Result<(), EncodeError> {
    put_length(sink, bytes.map(Bytes::len), flexible)?;
    if let Some(bytes) = bytes {
        sink.put(bytes);
    }
    Ok(())
}

/// Record batches or null.
pub(crate) fn put_payload<S: Sink>(
    sink: &mut S,
    payload: Option<&Payload>,
    flexible: bool,
) -> Result<(), EncodeError> {
    put_length(sink, payload.map(Payload::size), flexible)?;
    match payload {
        Some(Payload::Bytes(bytes)) => sink.put(bytes),
        Some(Payload::Elsewhere { size, ticket }) => sink.put_gap(*size, *ticket),
        None => {}
    }
    Ok(())
}

/// An array or null.
fn put_array<S: Sink, T>(
    sink: &mut S,
    elements: Option<&[T]>,
    flexible: bool,
    element: impl Fn(&mut S, &T) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    put_length(sink, elements.map(<[T]>::len), flexible)?;
    elements.into_iter().flatten().try_for_each(|it| element(sink, it))
}

/// An array of one-byte numbers or null.
pub(crate) fn put_i8s<S: Sink>(sink: &mut S, all: Option<&[i8]>, flexible: bool) -> Result<(), EncodeError> {
    put_array(sink, all, flexible, |sink, it| {
        sink.put_i8(*it);
        Ok(())
    })
}

/// An array of two-byte numbers or null.
pub(crate) fn put_i16s<S: Sink>(
    sink: &mut S,
    all: Option<&[i16]>,
    flexible: bool,
) -> Result<(), EncodeError> {
    put_array(sink, all, flexible, |sink, it| {
        sink.put_i16(*it);
        Ok(())
    })
}

/// An array of four-byte numbers or null.
pub(crate) fn put_i32s<S: Sink>(
    sink: &mut S,
    all: Option<&[i32]>,
    flexible: bool,
) -> Result<(), EncodeError> {
    put_array(sink, all, flexible, |sink, it| {
        sink.put_i32(*it);
        Ok(())
    })
}

/// An array of eight-byte numbers or null.
pub(crate) fn put_i64s<S: Sink>(
    sink: &mut S,
    all: Option<&[i64]>,
    flexible: bool,
) -> Result<(), EncodeError> {
    put_array(sink, all, flexible, |sink, it| {
        sink.put_i64(*it);
        Ok(())
    })
}

/// An array of ids or null.
pub(crate) fn put_uuids<S: Sink>(
    sink: &mut S,
    all: Option<&[Uuid]>,
    flexible: bool,
) -> Result<(), EncodeError> {
    put_array(sink, all, flexible, |sink, it| {
        sink.put_uuid(*it);
        Ok(())
    })
}

/// An array of strings or null.
pub(crate) fn put_texts<S: Sink>(
    sink: &mut S,
    all: Option<&[Text]>,
    flexible: bool,
) -> Result<(), EncodeError> {
    put_array(sink, all, flexible, |sink, it| put_text(sink, Some(it), flexible))
}

/// An array of structures or null.
pub(crate) fn put_structures<S: Sink, T: Structure>(
    sink: &mut S,
    all: Option<&[T]>,
    flexible: bool,
    version: i16,
) -> Result<(), EncodeError> {
    put_array(sink, all, flexible, |sink, it| it.write(sink, version))
}

/// A byte that says whether the structure is there, and the structure.
pub(crate) fn put_nullable_structure<S: Sink, T: Structure>(
    sink: &mut S,
    structure: Option<&T>,
    version: i16,
) -> Result<(), EncodeError> {
    match structure {
        Some(structure) => {
            sink.put_i8(1);
            structure.write(sink, version)
        }
        None => {
            sink.put_i8(-1);
            Ok(())
        }
    }
}

/// The same in a tagged field, where null is a varint of 0.
pub(crate) fn put_nullable_tagged_structure<S: Sink, T: Structure>(
    sink: &mut S,
    structure: Option<&T>,
    version: i16,
) -> Result<(), EncodeError> {
    sink.put_unsigned_varint(u32::from(structure.is_some()));
    structure.map_or(Ok(()), |structure| structure.write(sink, version))
}

/// A tagged field's number and size; its value must follow.
pub(crate) fn put_tag<S: Sink>(sink: &mut S, tag: u32, size: usize) -> Result<(), EncodeError> {
    let size = i32::try_from(size).map_err(|_| EncodeError::TooLarge { size })?;
    sink.put_unsigned_varint(tag);
    sink.put_unsigned_varint(size as u32);
    Ok(())
}

/// What `write` would write, in bytes.
pub(crate) fn size_of(
    write: impl FnOnce(&mut Sizer) -> Result<(), EncodeError>,
) -> Result<usize, EncodeError> {
    let mut sizer = Sizer::new();
    write(&mut sizer)?;
    Ok(sizer.size())
}

/// How many tagged fields follow: `known` ones that are set, and the unknown ones, which must rise
/// and must not take the number of a field in `known_tags`.
#[inline(never)]
pub(crate) fn put_tagged_fields<S: Sink>(
    sink: &mut S,
    known: usize,
    known_tags: &[u32],
    unknown: &[RawTaggedField],
) -> Result<(), EncodeError> {
    let mut lowest = 0;
    for field in unknown {
        if field.tag < lowest || known_tags.contains(&field.tag) {
            return Err(EncodeError::TagOrder { tag: field.tag });
        }
        lowest = field.tag.saturating_add(1);
    }
    let count = known + unknown.len();
    sink.put_unsigned_varint(u32::try_from(count).map_err(|_| EncodeError::TooLarge { size: count })?);
    Ok(())
}

/// The unknown fields with `from <= tag < end`, which go between known ones.
#[inline(never)]
pub(crate) fn put_raw_tagged_fields<S: Sink>(
    sink: &mut S,
    fields: &[RawTaggedField],
    from: u32,
    end: u32,
) -> Result<(), EncodeError> {
    for field in fields.iter().filter(|field| from <= field.tag && field.tag < end) {
        put_tag(sink, field.tag, field.data.len())?;
        sink.put(&field.data);
    }
    Ok(())
}

/// The end of a structure that knows no tagged fields.
pub(crate) fn put_unknown_tagged_fields<S: Sink>(
    sink: &mut S,
    fields: &[RawTaggedField],
) -> Result<(), EncodeError> {
    put_tagged_fields(sink, 0, &[], fields)?;
    put_raw_tagged_fields(sink, fields, 0, u32::MAX)
}

/// Refuses unknown tagged fields where the version has no room for them.
pub(crate) fn no_tagged_fields(
    fields: &[RawTaggedField],
    structure: &'static str,
    version: i16,
) -> Result<(), EncodeError> {
    if fields.is_empty() { Ok(()) } else { Err(EncodeError::TaggedFields { structure, version }) }
}

/// Refuses a field that is `set` in a version that cannot say it.
pub(crate) fn absent(
    set: bool,
    structure: &'static str,
    field: &'static str,
    version: i16,
) -> Result<(), EncodeError> {
    if set { Err(EncodeError::Field { structure, field, version }) } else { Ok(()) }
}

/// Refuses a field that is `null` in a version that has no null there.
pub(crate) fn not_null(
    null: bool,
    structure: &'static str,
    field: &'static str,
    version: i16,
) -> Result<(), EncodeError> {
    if null { Err(EncodeError::Null { structure, field, version }) } else { Ok(()) }
}
