//! Looking at batches where they lie.

use crate::compression;
use crate::error::BatchError;
use crate::header::{BatchHeader, CRC_START, HEADER_SIZE, TimestampType, put};
use crate::record::{Base, RecordIter};
use ottla_ids::{LeaderEpoch, Offset};
use std::borrow::Cow;
use std::ops::Deref;

/// A batch within a slice: its header is parsed and all its bytes are there. The CRC and the records
/// are looked at when asked for.
///
/// Dereferences to its [`BatchHeader`].
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl Deref for BatchView<'_> {
    type Target = BatchHeader;

    fn deref(&self) -> &BatchHeader {
        &self.header
    }
}

impl<'a> BatchView<'a> {
    /// The batch at the front of `bytes`; what lies behind it is not looked at.
    ///
    /// # Errors
    /// As [`BatchHeader::parse`], and [`BatchError::Truncated`] where the batch is longer than `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<BatchView<'a>, BatchError> {
        BatchView::whole(BatchHeader::parse(bytes)?, bytes)
    }

    /// As [`BatchView::parse`], with whatever counts are in the header.
    pub(crate) fn parse_unchecked(bytes: &'a [u8]) -> Result<BatchView<'a>, BatchError> {
        BatchView::whole(BatchHeader::parse_unchecked(bytes)?, bytes)
    }

    fn whole(header: BatchHeader, bytes: &'a [u8]) -> Result<BatchView<'a>, BatchError> {
        let truncated = BatchError::Truncated { needed: header.size(), available: bytes.len() };
        Ok(BatchView { header, bytes: bytes.get(..header.size()).ok_or(truncated)? })
    }

    /// The header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What follows the header: the records, compressed if the batch is.
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(HEADER_SIZE..).unwrap_or_default()
    }

    /// Compares the bytes with the header's CRC-32C.
    ///
    /// # Errors
    /// [`BatchError::CrcMismatch`].
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = crc32c::crc32c(self.bytes.get(CRC_START..).unwrap_or_default());
        if computed != self.header.crc {
            return Err(BatchError::CrcMismatch { stored: self.header.crc, computed });
        }
        Ok(())
    }

    /// The records, decompressed if need be to at most `size_max` bytes.
    ///
    /// # Errors
    /// [`BatchError::Decompression`] and [`BatchError::DecompressedTooLarge`]. Whether the records are
    /// well formed shows when they are iterated.
    pub fn records(&self, size_max: usize) -> Result<Records<'a>, BatchError> {
        Ok(Records {
            header: self.header,
            bytes: compression::decompress(self.header.compression, self.body(), size_max)?,
        })
    }
}

/// The records of one batch, decompressed. Iterating allocates nothing.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    bytes: Cow<'a, [u8]>,
}

impl Records<'_> {
    /// Walks the records; ends after the first error.
    pub fn iter(&self) -> RecordIter<'_> {
        let append_time = match self.header.timestamp_type() {
            TimestampType::LogAppendTime => Some(self.header.max_timestamp),
            TimestampType::CreateTime => None,
        };
        RecordIter {
            base: Base {
                offset: self.header.base_offset,
                timestamp: self.header.base_timestamp,
                append_time,
            },
            rest: &self.bytes,
            index: 0,
            count: self.header.record_count,
        }
    }

    /// Size of the decompressed records in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl<'r> IntoIterator for &'r Records<'_> {
    type Item = Result<crate::RecordView<'r>, BatchError>;
    type IntoIter = RecordIter<'r>;

    fn into_iter(self) -> RecordIter<'r> {
        self.iter()
    }
}

/// Iterates the batches of `bytes`, one behind the other. Ends after the first error, which is
/// [`BatchError::Truncated`] where the bytes end within a batch.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { rest: bytes }
}

/// See [`batches`].
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    /// The bytes that were not yet iterated.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = BatchView::parse(self.rest);
        self.rest = match &batch {
            Ok(batch) => self.rest.get(batch.size()..).unwrap_or_default(),
            Err(_) => &[],
        };
        Some(batch)
    }
}

/// The batch's header with what a broker assigns: base offset, leader epoch and, where the topic wants
/// it, the time of the append (KIP-32), which changes the CRC too.
///
/// What follows the header stays as it is: a log writes this prefix and then
/// [`BatchView::body`]. The new CRC is computed from the old one, not from the bytes, so that damage
/// the old one would have shown is not hidden.
pub fn patched_prefix(
    view: &BatchView<'_>,
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
    append_time: Option<i64>,
) -> [u8; HEADER_SIZE] {
    let old = view.header.to_bytes();
    let mut header = view.header;
    header.base_offset = base_offset;
    header.leader_epoch = leader_epoch;
    if let Some(now) = append_time {
        header.attributes = header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        header.max_timestamp = now;
    }
    let mut new = header.to_bytes();
    if append_time.is_some() {
        let change = crc32c::crc32c(&old[CRC_START..]) ^ crc32c::crc32c(&new[CRC_START..]);
        // CRCs are linear: what changes in front changes the whole by the same, moved over the rest.
        let crc = header.crc ^ crc32c::crc32c_combine(change, 0, view.body().len());
        put::<17, 4>(&mut new, crc.to_be_bytes());
    }
    new
}

#[cfg(test)]
mod tests;
