//! [`Reader`]: takes the protocol's types off a frame, believing no length it has not checked.

use bytes::{Buf, Bytes};
use ottla_ids::Uuid;

use crate::message::Structure;
use crate::payload::Payload;
use crate::text::Text;

/// The longest string Kafka reads or writes, in bytes, whatever the length's encoding could say.
pub const TEXT_SIZE_MAX: usize = 0x7fff;

/// Room for so many elements is made at once; a longer array grows as its elements really come.
/// So a small frame that claims a large array cannot make us reserve memory for it.
const RESERVED_ELEMENTS_MAX: usize = 1024;

/// Why bytes are not the message they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end within a value.
    #[error("{needed} bytes are needed where {left} are left")]
    TooShort {
        /// What the value takes, in bytes.
        needed: usize,
        /// What is left, in bytes.
        left: usize,
    },
    /// A count that cannot be true: so many elements do not fit into what is left.
    #[error("an array of {count} elements cannot fit into the {left} bytes that are left")]
    Count {
        /// The elements claimed.
        count: usize,
        /// What is left, in bytes.
        left: usize,
    },
    /// A variable-length number has more than five bytes.
    #[error("a variable-length number is longer than five bytes")]
    Varint,
    /// A string longer than [`TEXT_SIZE_MAX`].
    #[error("a string of {size} bytes is longer than {TEXT_SIZE_MAX}")]
    TextTooLong {
        /// The size claimed, in bytes.
        size: usize,
    },
    /// Null where this version allows none.
    #[error("field {field} must not be null in this version")]
    Null {
        /// Kafka's name of the field.
        field: &'static str,
    },
    /// A tagged field that this version of the message does not have.
    #[error("tag {tag} of {structure} is not valid for version {version}")]
    Tag {
        /// Kafka's name of the structure.
        structure: &'static str,
        /// The tag.
        tag: u32,
        /// The message's version.
        version: i16,
    },
    /// The message does not exist in this version.
    #[error("{message} has no version {version}")]
    Version {
        /// Kafka's name of the message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// Bytes are left after the end of the message.
    #[error("{left} bytes are left after the end of {message}")]
    Trailing {
        /// Kafka's name of the message.
        message: &'static str,
        /// What is left, in bytes.
        left: usize,
    },
}

/// A tagged field this build does not know: kept and written again as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTaggedField {
    /// The field's number.
    pub tag: u32,
    /// Its value, undecoded.
    pub data: Bytes,
}

/// Reads values off the front of a buffer. Strings, bytes and records are slices of that buffer.
///
/// Every length is compared with what is left before anything is allocated.
#[derive(Clone, Debug)]
pub struct Reader {
    rest: Bytes,
}

impl Reader {
    /// Reads `bytes` from their start.
    pub fn new(bytes: Bytes) -> Reader {
        Reader { rest: bytes }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// What is left, without a copy.
    pub fn into_rest(self) -> Bytes {
        self.rest
    }

    fn take<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], DecodeError> {
        let Some(chunk) = self.rest.first_chunk::<SIZE>() else {
            return Err(DecodeError::TooShort { needed: SIZE, left: self.rest.len() });
        };
        let chunk = *chunk;
        self.rest.advance(SIZE);
        Ok(chunk)
    }

    /// The next `size` bytes, as a slice of the buffer.
    pub fn slice(&mut self, size: usize) -> Result<Bytes, DecodeError> {
        if size > self.rest.len() {
            return Err(DecodeError::TooShort { needed: size, left: self.rest.len() });
        }
        Ok(self.rest.split_to(size))
    }

    /// One byte; anything but 0 is true.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    /// One byte.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.take().map(i8::from_be_bytes)
    }

    /// Two bytes, big-endian, as all fixed numbers are.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.take().map(i16::from_be_bytes)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.take().map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.take().map(i32::from_be_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.take().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.take().map(i64::from_be_bytes)
    }

    /// Eight bytes.
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.take().map(f64::from_be_bytes)
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.take().map(Uuid::from_bytes)
    }

    /// A number in groups of seven bits, lowest first: five bytes at most.
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take::<1>()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint)
    }

    /// A length or count: null is a negative number, or 0 where lengths are sent plus one (`flexible`).
    fn length(&mut self, flexible: bool) -> Result<Option<usize>, DecodeError> {
        let length = if flexible {
            // More than `i32::MAX` wraps to a negative number in Kafka, which means null there too.
            (self.unsigned_varint()? as i32).wrapping_sub(1)
        } else {
            self.i32()?
        };
        Ok(usize::try_from(length).ok())
    }

    /// A string that may be null. In versions that are not `flexible` its length takes two bytes.
    pub fn nullable_text(&mut self, flexible: bool) -> Result<Option<Text>, DecodeError> {
        let size = if flexible { self.length(true)? } else { usize::try_from(self.i16()?).ok() };
        let Some(size) = size else { return Ok(None) };
        if size > TEXT_SIZE_MAX {
            return Err(DecodeError::TextTooLong { size });
        }
        Ok(Some(Text::from_bytes_lossy(self.slice(size)?)))
    }

    /// A string that must not be null; `field` names it in the error.
    pub fn text(&mut self, flexible: bool, field: &'static str) -> Result<Text, DecodeError> {
        non_null(self.nullable_text(flexible)?, field)
    }

    /// Bytes that may be null, as a slice of the buffer.
    pub fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Bytes>, DecodeError> {
        match self.length(flexible)? {
            Some(size) => self.slice(size).map(Some),
            None => Ok(None),
        }
    }

    /// Bytes that must not be null; `field` names them in the error.
    pub fn bytes(&mut self, flexible: bool, field: &'static str) -> Result<Bytes, DecodeError> {
        non_null(self.nullable_bytes(flexible)?, field)
    }

    /// Record batches that may be null, as a slice of the buffer.
    pub fn nullable_payload(&mut self, flexible: bool) -> Result<Option<Payload>, DecodeError> {
        Ok(self.nullable_bytes(flexible)?.map(Payload::Bytes))
    }

    /// Record batches that must not be null; `field` names them in the error.
    pub fn payload(&mut self, flexible: bool, field: &'static str) -> Result<Payload, DecodeError> {
        non_null(self.nullable_payload(flexible)?, field)
    }

    /// An array of elements that take at least `size_min` bytes each.
    fn array<T>(
        &mut self,
        flexible: bool,
        size_min: usize,
        element: impl Fn(&mut Reader) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.length(flexible)? else { return Ok(None) };
        if count > self.rest.len() / size_min.max(1) {
            return Err(DecodeError::Count { count, left: self.rest.len() });
        }
        let mut elements = Vec::with_capacity(count.min(RESERVED_ELEMENTS_MAX));
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// An array of one-byte numbers, or null.
    pub fn i8s(&mut self, flexible: bool) -> Result<Option<Vec<i8>>, DecodeError> {
        self.array(flexible, 1, Reader::i8)
    }

    /// An array of two-byte numbers, or null.
    pub fn i16s(&mut self, flexible: bool) -> Result<Option<Vec<i16>>, DecodeError> {
        self.array(flexible, 2, Reader::i16)
    }

    /// An array of four-byte numbers, or null.
    pub fn i32s(&mut self, flexible: bool) -> Result<Option<Vec<i32>>, DecodeError> {
        self.array(flexible, 4, Reader::i32)
    }

    /// An array of eight-byte numbers, or null.
    pub fn i64s(&mut self, flexible: bool) -> Result<Option<Vec<i64>>, DecodeError> {
        self.array(flexible, 8, Reader::i64)
    }

    /// An array of ids, or null.
    pub fn uuids(&mut self, flexible: bool) -> Result<Option<Vec<Uuid>>, DecodeError> {
        self.array(flexible, 16, Reader::uuid)
    }

    /// An array of strings that must not be null, or null.
    pub fn texts(&mut self, flexible: bool, field: &'static str) -> Result<Option<Vec<Text>>, DecodeError> {
        self.array(flexible, if flexible { 1 } else { 2 }, |reader| reader.text(flexible, field))
    }

    /// An array of structures, or null.
    pub fn structures<T: Structure>(
        &mut self,
        flexible: bool,
        version: i16,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        self.array(flexible, T::SIZE_MIN, |reader| T::decode(reader, version))
    }

    /// A structure that may be null: a byte says whether it is there.
    pub fn nullable_structure<T: Structure>(&mut self, version: i16) -> Result<Option<T>, DecodeError> {
        if self.i8()? < 0 {
            return Ok(None);
        }
        T::decode(self, version).map(Some)
    }

    /// A structure that may be null in a tagged field: there a varint says whether it is there.
    pub fn nullable_tagged_structure<T: Structure>(
        &mut self,
        version: i16,
    ) -> Result<Option<T>, DecodeError> {
        if self.unsigned_varint()? as i32 <= 0 {
            return Ok(None);
        }
        T::decode(self, version).map(Some)
    }

    /// The numbers of the tagged fields that follow. Kafka reads more than `i32::MAX` as none.
    pub fn tagged_fields(&mut self) -> Result<std::ops::Range<i32>, DecodeError> {
        Ok(0..self.unsigned_varint()? as i32)
    }

    /// A tagged field's number and the size of its value.
    pub fn tag(&mut self) -> Result<(u32, usize), DecodeError> {
        let tag = self.unsigned_varint()?;
        let size = self.unsigned_varint()?;
        Ok((tag, usize::try_from(size).unwrap_or(usize::MAX)))
    }

    /// The value of a tagged field that is not known here.
    pub fn raw_tagged_field(&mut self, tag: u32, size: usize) -> Result<RawTaggedField, DecodeError> {
        Ok(RawTaggedField { tag, data: self.slice(size)? })
    }

    /// The tagged fields at the end of a structure that knows none.
    #[inline(never)]
    pub(crate) fn unknown_tagged_fields(&mut self) -> Result<Vec<RawTaggedField>, DecodeError> {
        let mut fields = Vec::new();
        for _ in self.tagged_fields()? {
            let (tag, size) = self.tag()?;
            fields.push(self.raw_tagged_field(tag, size)?);
        }
        Ok(fields)
    }
}

/// The value, or an error that names the field that is null.
pub(crate) fn non_null<T>(value: Option<T>, field: &'static str) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Null { field })
}

/// The value, which may be null only where `nullable` says so.
pub(crate) fn null_where<T>(
    nullable: bool,
    value: Option<T>,
    field: &'static str,
) -> Result<Option<T>, DecodeError> {
    if value.is_none() && !nullable { Err(DecodeError::Null { field }) } else { Ok(value) }
}
