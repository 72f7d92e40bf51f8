//! Aborted transactions: which of them a committed-only reader must be told of, and the index after a crash.

use super::open::{load_producers, replay, snapshots};
use super::{Log, LogRead};
use crate::aborted::AbortedTransaction;
use crate::error::StorageError;
use crate::segment::{Folder, Segment};
use ottla_ids::Offset;
use std::sync::Arc;

impl Log {
    /// The aborted transactions that have records in what `read` found from `from` on, in the order of their
    /// markers. A reader that only wants committed records drops each producer's from the transaction's first
    /// offset up to its abort marker (Kafka's `collectAbortedTransactions`). `None` if segments have left the log
    /// since the read, which is then to be done again: what went with them is not known here.
    ///
    /// # Errors
    /// Where an index cannot be read.
    pub fn aborted_transactions(
        &self,
        from: Offset,
        read: &LogRead,
    ) -> Result<Option<Vec<AbortedTransaction>>, StorageError> {
        let Some(base) = read.segment else { return Ok(Some(Vec::new())) };
        let found = self.find_aborted_from(base, from, read.next_offset);
        let is_as_read = self.view.read().departures == read.departures;
        match found {
            Ok(found) => Ok(is_as_read.then_some(found)),
            // A file may have had another name already.
            Err(_) if !is_as_read => Ok(None),
            Err(error) => Err(self.root.fail_if_unreadable(error)),
        }
    }

    /// Those with records between `from` and `end`, of which the first is in the segment at `base`.
    fn find_aborted_from(
        &self,
        base: Offset,
        from: Offset,
        end: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        let mut found = Vec::new();
        let segments = self.view.read().segments.clone();
        let first = segments.partition_point(|segment| segment.base < base);
        // A transaction stands in the index of the segment that its marker is in, which may be a later one.
        for segment in segments.get(first..).unwrap_or_default() {
            if load_aborted(&self.folder, &segments, segment)? == 0 {
                continue;
            }
            let (index, file) = segment.aborted();
            if index.collect(&file, from, end, &mut found)? {
                break;
            }
        }
        Ok(found)
    }
}

/// Looks at the index of one of the segments, and makes it anew if it is damaged. Returns its entries' number.
pub(super) fn load_aborted(
    folder: &Folder,
    segments: &[Arc<Segment>],
    segment: &Arc<Segment>,
) -> Result<u64, StorageError> {
    let (index, file) = segment.aborted();
    index.load(&file, || find_aborted(folder, segments, segment.base, std::slice::from_ref(segment)))
}

/// Brings the indexes to what is in the log behind the recovery point, after a crash: what they said of that was
/// not durable. `has_index` tells of which segments, by their base, there is one.
pub(super) fn restore_aborted(
    folder: &Folder,
    segments: &[Arc<Segment>],
    recovery_point: Offset,
    log_start: Offset,
    has_markers: bool,
    has_index: impl Fn(Offset) -> bool,
) -> Result<(), StorageError> {
    let floor = segments.partition_point(|segment| segment.base < recovery_point).saturating_sub(1);
    let Some(touched) = segments.get(floor..) else { return Ok(()) };
    let aborted = if has_markers {
        // A power cut may have brought back deleted segments: of what was before them there is nothing but the
        // snapshot where the log was to begin.
        let snapshot = snapshots(folder)?.into_iter().rfind(|offset| *offset <= log_start);
        find_aborted(folder, segments, recovery_point.max(snapshot.unwrap_or(recovery_point)), touched)?
    } else {
        Vec::new()
    };
    let mut rest = aborted.as_slice();
    for (index, segment) in touched.iter().enumerate() {
        let next = touched.get(index + 1).map_or(Offset(i64::MAX), |next| next.base);
        let (own, later) = rest.split_at(rest.partition_point(|entry| entry.last_offset < next));
        rest = later;
        let (index, file) = segment.aborted();
        if own.is_empty() && !has_index(segment.base) {
            index.set_empty();
            continue;
        }
        index.truncate(&file, recovery_point, own)?;
    }
    Ok(())
}

/// What the markers from `from` on in `searched`, which are some of the segments, abort.
fn find_aborted(
    folder: &Folder,
    segments: &[Arc<Segment>],
    from: Offset,
    searched: &[Arc<Segment>],
) -> Result<Vec<AbortedTransaction>, StorageError> {
    let mut producers = load_producers(folder, segments, from)?;
    let mut found = Vec::new();
    for segment in searched {
        let size = segment.size()?;
        let mut walk = segment.headers(segment.position_near(from)?.min(size), size)?;
        while let Some((position, header)) = walk.next()? {
            if header.has_producer_id() && from <= header.base_offset() {
                found.extend(replay(&mut producers, segment, position, &header)?);
            }
        }
    }
    Ok(found)
}
