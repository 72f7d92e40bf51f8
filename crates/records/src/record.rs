//! Records within a (decompressed) batch, looked at where they lie.

use crate::error::BatchError;
use crate::varint::{VARINT_SIZE_MAX, take_varint, take_varlong};
use ottla_ids::Offset;
use std::borrow::Cow;

/// One record; key, value and headers are slices of the batch.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// The record's place in its partition, once a broker has assigned it.
    pub offset: Offset,
    /// In ms since 1970; the time of the append where the batch says so.
    pub timestamp: i64,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// The headers, in order. They were checked with the record.
    pub headers: Headers<'a>,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key: UTF-8 by Kafka's rules, which no broker checks.
    pub key: &'a [u8],
    /// The value, if there is one.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// The key as text; what is not UTF-8 is replaced, as Kafka's clients do.
    pub fn key_text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.key)
    }
}

/// The headers of one record: an iterator, to be cloned for a second walk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    rest: &'a [u8],
    remaining: usize,
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let header = take_header(&mut self.rest);
        debug_assert!(header.is_ok(), "headers are checked before they are handed out");
        header.ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// What the records of a batch are relative to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    pub offset: Offset,
    pub timestamp: i64,
    /// The time that stands for each record's own.
    pub append_time: Option<i64>,
}

/// Iterates the records of a decompressed batch; ends after the first error.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    pub(crate) base: Base,
    pub(crate) rest: &'a [u8],
    pub(crate) index: i32,
    pub(crate) count: i32,
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<RecordView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.count {
            if self.rest.is_empty() {
                return None;
            }
            self.rest = &[];
            return Some(Err(BatchError::InvalidRecord {
                index: self.index,
                reason: "there are bytes behind the last record",
            }));
        }
        let index = self.index;
        let body = take_record_bytes(&mut self.rest).and_then(|body| body.ok_or("it is cut off"));
        match body.and_then(|body| parse_record(body, &self.base)) {
            Ok(record) => {
                self.index += 1;
                Some(Ok(record))
            }
            Err(reason) => {
                self.rest = &[];
                self.index = self.count;
                Some(Err(BatchError::InvalidRecord { index, reason }))
            }
        }
    }
}

/// Takes the bytes of one record, without their size, from the front of `rest`; `None` where more are needed.
#[inline(always)]
pub(crate) fn take_record_bytes<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, &'static str> {
    let mut behind = *rest;
    let Some(size) = take_varint(&mut behind) else {
        return if rest.len() < VARINT_SIZE_MAX { Ok(None) } else { Err("its size is no number") };
    };
    let size = usize::try_from(size).map_err(|_| "its size is negative")?;
    let Some((body, behind)) = behind.split_at_checked(size) else {
        return Ok(None);
    };
    *rest = behind;
    Ok(Some(body))
}

/// Reads a record whose bytes are `body`.
#[inline(always)]
pub(crate) fn parse_record<'a>(mut body: &'a [u8], base: &Base) -> Result<RecordView<'a>, &'static str> {
    // The attributes byte has no meaning yet.
    body = body.get(1..).ok_or("it is too small")?;
    let timestamp_delta = take_varlong(&mut body).ok_or("its timestamp is cut off")?;
    let offset_delta = take_varint(&mut body).ok_or("its offset is cut off")?;
    let key = take_bytes(&mut body).ok_or("its key is cut off")?;
    let value = take_bytes(&mut body).ok_or("its value is cut off")?;
    let header_count = take_varint(&mut body).ok_or("its header count is cut off")?;
    let header_count = usize::try_from(header_count).map_err(|_| "its header count is negative")?;
    let headers = Headers { rest: body, remaining: header_count };
    for _ in 0..header_count {
        take_header(&mut body)?;
    }
    if !body.is_empty() {
        return Err("there are bytes behind its last header");
    }
    Ok(RecordView {
        offset: base.offset.plus(i64::from(offset_delta)),
        timestamp: base.append_time.unwrap_or_else(|| base.timestamp.wrapping_add(timestamp_delta)),
        key,
        value,
        headers,
    })
}

#[inline]
fn take_header<'a>(rest: &mut &'a [u8]) -> Result<Header<'a>, &'static str> {
    let key = take_bytes(rest).ok_or("a header's key is cut off")?.ok_or("a header has no key")?;
    let value = take_bytes(rest).ok_or("a header's value is cut off")?;
    Ok(Header { key, value })
}

/// Takes what a length stands before; a negative length is "none".
#[inline(always)]
fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(size) = usize::try_from(take_varint(rest)?) else {
        return Some(None);
    };
    let (bytes, behind) = rest.split_at_checked(size)?;
    *rest = behind;
    Some(Some(bytes))
}
