//! Looking up by timestamp.

use super::Log;
use crate::error::{Context, StorageError};
use crate::segment::Segment;
use ottla_ids::{LeaderEpoch, Offset};
use ottla_records::{BatchHeader, BatchView};
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;

/// More decompressed bytes than this no batch that a broker accepted has.
const BATCH_SIZE_MAX: usize = i32::MAX as usize;

/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's timestamp, in ms since 1970.
    pub timestamp: i64,
    /// The record's offset.
    pub offset: Offset,
    /// The leader epoch of its batch.
    pub leader_epoch: LeaderEpoch,
}

impl Log {
    /// The first record whose timestamp is `timestamp` or later; `None` if there is none. The caller compares
    /// its offset with what may be read.
    ///
    /// # Errors
    /// Where a segment cannot be read or is damaged.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<TimestampOffset>, StorageError> {
        self.find_timestamp(timestamp).map_err(|error| self.root.fail_if_unreadable(error))
    }

    fn find_timestamp(&self, timestamp: i64) -> Result<Option<TimestampOffset>, StorageError> {
        let (segments, log_start) = self.segments_to_search()?;
        for segment in segments {
            if segment.largest_timestamp()?.is_none_or(|(largest, _)| largest < timestamp) {
                continue;
            }
            let from = segment.offset_near_time(timestamp)?.max(log_start);
            let size = segment.size()?;
            let mut walk = segment.headers(segment.position_near(from)?, size)?;
            while let Some((position, header)) = walk.next()? {
                if header.max_timestamp() < timestamp || header.last_offset() < log_start {
                    continue;
                }
                let matches =
                    |found: &TimestampOffset| timestamp <= found.timestamp && log_start <= found.offset;
                if let Some(found) = first_record(&segment, position, &header, matches)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The record with the greatest timestamp, the first of them if there are several; `None` in an empty log
    /// (KIP-734).
    ///
    /// # Errors
    /// Where a segment cannot be read or is damaged.
    pub fn max_timestamp(&self) -> Result<Option<TimestampOffset>, StorageError> {
        self.find_max_timestamp().map_err(|error| self.root.fail_if_unreadable(error))
    }

    fn find_max_timestamp(&self) -> Result<Option<TimestampOffset>, StorageError> {
        let (segments, log_start) = self.segments_to_search()?;
        let mut best: Option<(i64, Offset, Arc<Segment>)> = None;
        for segment in segments {
            let largest = match segment.largest_timestamp()? {
                Some((_, offset)) if offset < log_start => largest_from(&segment, log_start)?,
                largest => largest,
            };
            if let Some((timestamp, offset)) = largest
                && best.as_ref().is_none_or(|(largest, ..)| *largest < timestamp)
            {
                best = Some((timestamp, offset, segment));
            }
        }
        let Some((timestamp, offset, segment)) = best else { return Ok(None) };
        let Some((position, header)) = segment.find(offset, segment.size()?)? else { return Ok(None) };
        let is_live = |found: &TimestampOffset| log_start <= found.offset;
        let first_of = |time: i64| {
            first_record(&segment, position, &header, |found| time <= found.timestamp && is_live(found))
        };
        if let Some(found) = first_of(timestamp)? {
            return Ok(Some(found));
        }
        // In the batch where the log starts, the record was one that is deleted: the greatest of the others.
        let greatest = Cell::new(i64::MIN);
        first_record(&segment, position, &header, |found| {
            if is_live(found) {
                greatest.set(greatest.get().max(found.timestamp));
            }
            false
        })?;
        first_of(greatest.get())
    }

    fn segments_to_search(&self) -> Result<(Vec<Arc<Segment>>, Offset), StorageError> {
        {
            let mut writer = self.writer.lock();
            self.load(&mut writer)?;
        }
        let view = self.view.read();
        Ok((view.segments.clone(), view.log_start))
    }
}

/// The greatest timestamp of the batches from `start` on, and the last offset of the first that has it.
fn largest_from(segment: &Segment, start: Offset) -> Result<Option<(i64, Offset)>, StorageError> {
    let mut largest: Option<(i64, Offset)> = None;
    let mut walk = segment.headers(segment.position_near(start)?, segment.size()?)?;
    while let Some((_, header)) = walk.next()? {
        if start <= header.last_offset() && largest.is_none_or(|(time, _)| time < header.max_timestamp()) {
            largest = Some((header.max_timestamp(), header.last_offset()));
        }
    }
    Ok(largest)
}

/// The first record of a batch for which `matches` holds. What is behind it is not decompressed.
fn first_record(
    segment: &Segment,
    position: u64,
    header: &BatchHeader,
    matches: impl Fn(&TimestampOffset) -> bool,
) -> Result<Option<TimestampOffset>, StorageError> {
    let damage = |reason: String| segment.damage(position, header.base_offset(), reason);
    let mut bytes = vec![0; header.size()];
    let read = segment.file()?.read_at(&mut bytes, position).at("read", &segment.path())?;
    let batch = BatchView::parse(bytes.get(..read).unwrap_or_default()).map_err(|e| damage(e.to_string()))?;
    let leader_epoch = batch.leader_epoch();
    let first = batch.walk(BATCH_SIZE_MAX, |record| {
        let found = TimestampOffset { timestamp: record.timestamp, offset: record.offset, leader_epoch };
        if matches(&found) { ControlFlow::Break(found) } else { ControlFlow::Continue(()) }
    });
    first.map_err(|error| damage(error.to_string()))
}
