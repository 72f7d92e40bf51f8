//! Looking at batches where they lie.

use crate::compression::{self, Compression};
use crate::error::BatchError;
use crate::header::{BatchHeader, CRC_START, HEADER_SIZE, TimestampType, put};
use crate::record::{Base, RecordIter, RecordView};
use ottla_ids::{LeaderEpoch, Offset};
use std::borrow::Cow;
use std::ops::{ControlFlow, Deref};

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

    /// Hands each record to `each` until that breaks off, and returns what it broke off with; never holds
    /// more of the decompressed data than about one record.
    ///
    /// # Errors
    /// As [`BatchView::records`], and [`BatchError::InvalidRecord`] at the first record that is not well
    /// formed, or where the batch has more or fewer records than its header says.
    pub fn walk<R>(
        &self,
        size_max: usize,
        each: impl FnMut(RecordView<'_>) -> ControlFlow<R>,
    ) -> Result<Option<R>, BatchError> {
        let base = self.header.base();
        if self.header.compression == Compression::None {
            return walk::slice(self.body(), &base, self.header.record_count, each);
        }
        walk::compressed(self, &base, size_max, each)
    }

    /// As [`BatchView::walk`], over records that were decompressed already.
    pub(crate) fn walk_plain<R>(
        &self,
        plain: &[u8],
        each: impl FnMut(RecordView<'_>) -> ControlFlow<R>,
    ) -> Result<Option<R>, BatchError> {
        walk::slice(plain, &self.header.base(), self.header.record_count, each)
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
        RecordIter { base: self.header.base(), rest: &self.bytes, index: 0, count: self.header.record_count }
    }

    /// Size of the decompressed records in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl<'r> IntoIterator for &'r Records<'_> {
    type Item = Result<RecordView<'r>, BatchError>;
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
    let mut header = view.header;
    header.base_offset = base_offset;
    header.leader_epoch = leader_epoch;
    if let Some(now) = append_time {
        header.attributes = header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        header.max_timestamp = now;
    }
    reheaded(view, header)
}

/// `header` as the new header of a batch whose records stay as they are, with the CRC to match.
pub(crate) fn reheaded(view: &BatchView<'_>, header: BatchHeader) -> [u8; HEADER_SIZE] {
    let old = view.header.to_bytes();
    let mut new = header.to_bytes();
    if old[CRC_START..] != new[CRC_START..] {
        let change = crc32c::crc32c(&old[CRC_START..]) ^ crc32c::crc32c(&new[CRC_START..]);
        // CRCs are linear: what changes in front changes the whole by the same, moved over the rest.
        let crc = view.header.crc ^ crc32c::crc32c_combine(change, 0, view.body().len());
        put::<17, 4>(&mut new, crc.to_be_bytes());
    }
    new
}

impl BatchHeader {
    /// What the records are relative to.
    pub(crate) fn base(&self) -> Base {
        let append_time = match self.timestamp_type() {
            TimestampType::LogAppendTime => Some(self.max_timestamp),
            TimestampType::CreateTime => None,
        };
        Base { offset: self.base_offset, timestamp: self.base_timestamp, append_time }
    }
}

mod walk {
    //! Walking records without holding them all.

    use super::BatchView;
    use crate::compression::{self, Window};
    use crate::error::BatchError;
    use crate::record::{Base, RecordView, parse_record, take_record_bytes};
    use std::cell::RefCell;
    use std::ops::ControlFlow;

    /// A window that had to grow beyond this is not kept for the next batch.
    const WINDOW_KEPT_MAX: usize = 1 << 20;

    thread_local! {
        static WINDOW: RefCell<Window> = RefCell::default();
    }

    /// Walks the records that are whole within `data`, and leaves the rest in it.
    #[inline(always)]
    fn whole_records<R>(
        data: &mut &[u8],
        base: &Base,
        index: &mut i32,
        count: i32,
        each: &mut impl FnMut(RecordView<'_>) -> ControlFlow<R>,
    ) -> Result<Option<R>, BatchError> {
        while *index < count {
            let invalid = |reason| BatchError::InvalidRecord { index: *index, reason };
            let Some(body) = take_record_bytes(data).map_err(invalid)? else {
                break;
            };
            if let ControlFlow::Break(found) = each(parse_record(body, base).map_err(invalid)?) {
                return Ok(Some(found));
            }
            *index += 1;
        }
        Ok(None)
    }

    pub fn slice<R>(
        mut data: &[u8],
        base: &Base,
        count: i32,
        mut each: impl FnMut(RecordView<'_>) -> ControlFlow<R>,
    ) -> Result<Option<R>, BatchError> {
        let mut index = 0;
        let found = whole_records(&mut data, base, &mut index, count, &mut each)?;
        if found.is_none() {
            at_end(index, count, data.is_empty())?;
        }
        Ok(found)
    }

    pub fn compressed<R>(
        view: &BatchView<'_>,
        base: &Base,
        size_max: usize,
        mut each: impl FnMut(RecordView<'_>) -> ControlFlow<R>,
    ) -> Result<Option<R>, BatchError> {
        // Taken, not borrowed: `each` may walk another batch.
        let mut window = WINDOW.take();
        let result = compression::with_decoder(view.compression(), view.body(), size_max, |decoder| {
            let (mut index, count) = (0, view.record_count());
            loop {
                let mut data = window.data();
                let found = whole_records(&mut data, base, &mut index, count, &mut each)?;
                if found.is_some() {
                    return Ok(found);
                }
                let size = window.data().len() - data.len();
                window.consume(size);
                let is_over = index == count && !window.data().is_empty();
                if is_over || !decoder.fill(&mut window)? {
                    at_end(index, count, window.data().is_empty())?;
                    return Ok(None);
                }
            }
        });
        window.clear(WINDOW_KEPT_MAX);
        WINDOW.set(window);
        result
    }

    fn at_end(index: i32, count: i32, is_empty: bool) -> Result<(), BatchError> {
        if index < count {
            return Err(BatchError::InvalidRecord { index, reason: "it is cut off" });
        }
        if !is_empty {
            return Err(BatchError::InvalidRecord {
                index,
                reason: "there are bytes behind the last record",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
