//! Cleaning: joins the rules of compaction ([`crate::cleaner`]) to the log's files.
//!
//! A group of segments is rewritten into files that end in `.cleaned`, which are synced and renamed to `.swap`.
//! From then on the replacement counts: the old segments are renamed to `.deleted` and the new files to their
//! final names, and a start after a crash completes what is left of that. Only what lies below the recovery point
//! on the disk is cleaned: recovery takes a segment that ends too early for one that has lost its tail.

use super::transactions::load_aborted;
use super::{Log, View};
use crate::aborted::{AbortedTransaction, decode_all};
use crate::cleaner::{
    Cleanable, CompactionLag, Filter, KeyHasher, LastRecord, OffsetMap, SegmentFacts, SegmentSizes,
    Transactions, choose, group, marker,
};
use crate::error::{Context, StorageError};
use crate::segment::Segment;
use ottla_ids::{Offset, ProducerId};
use ottla_records::{BatchError, BatchView, DECOMPRESSED_SIZE_MAX, batches, size_of_batch_at};
use std::collections::HashMap;
use std::io::IoSlice;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How a log is cleaned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleaning {
    /// `delete.retention.ms` of the topic.
    pub delete_retention_ms: i64,
    /// Bytes for the map of keys: `log.cleaner.dedupe.buffer.size`, for each thread.
    pub map_bytes: usize,
    /// `log.cleaner.io.buffer.load.factor`: how full the map may become.
    pub load_factor: f64,
    /// Bytes read at once, and written: `log.cleaner.io.buffer.size`, for each thread. A larger batch is read
    /// whole.
    pub buffer_bytes: usize,
}

/// What a round of cleaning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// All below is clean now.
    pub end: Offset,
    /// Bytes of the segments that were replaced.
    pub bytes_before: u64,
    /// Bytes of those in their place.
    pub bytes_after: u64,
}

/// Why a round of cleaning did not come to its end. What was cleaned until then stays so.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// It was told to stop, or the log was cut, deleted from or closed meanwhile. It may be tried again.
    #[error("the cleaning was given up")]
    Interrupted,
    /// Not even one batch's keys fit into the map.
    #[error(
        "a batch at offset {offset} has more keys than the cleaner's map can hold: raise \
         log.cleaner.dedupe.buffer.size"
    )]
    MapTooSmall {
        /// The batch's first offset.
        offset: Offset,
    },
    /// The disk failed, or a segment is damaged.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl CleanError {
    /// Whether the log is not to be cleaned again before somebody has looked at it.
    pub fn is_lasting(&self) -> bool {
        match self {
            CleanError::Interrupted => false,
            CleanError::MapTooSmall { .. } => true,
            CleanError::Storage(error) => !matches!(
                error,
                StorageError::DiskFull { .. } | StorageError::Offline { .. } | StorageError::Closed { .. }
            ),
        }
    }
}

/// Asked after each read and write of so many bytes; may wait, and breaks off to stop the cleaning.
type Pace<'a> = &'a mut dyn FnMut(usize) -> ControlFlow<()>;

/// How often a log was cut or cleaned, and how often segments have left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Changes {
    truncations: u64,
    departures: u64,
}

impl View {
    fn changes(&self) -> Changes {
        Changes { truncations: self.truncations, departures: self.departures }
    }
}

/// What is read of a segment for one group.
enum Grouped {
    Replaced {
        before: u64,
        after: u64,
    },
    /// What was to be compressed anew became too large for one segment.
    TooLarge,
}

impl Log {
    /// Which part of the log may be cleaned. `bound` is the last stable offset.
    ///
    /// # Errors
    /// Where a segment cannot be looked at.
    pub fn cleanable(
        &self,
        bound: Offset,
        lag: CompactionLag,
        now_ms: i64,
    ) -> Result<Cleanable, StorageError> {
        let (segments, log_start, log_end, recovery_point) = {
            let view = self.view.read();
            (view.segments.clone(), view.log_start, view.log_end, view.recovery_point)
        };
        let Some((active, closed)) = segments.split_last() else { return Ok(Cleanable::default()) };
        let (cleaned_to, written) = self.root.cleaning_offsets(&self.partition);
        let mut facts = Vec::with_capacity(closed.len());
        for segment in closed {
            let first_ms = match lag.max_ms < i64::MAX {
                true => segment.headers(0, segment.size()?)?.next()?.map(|(_, first)| first.max_timestamp()),
                false => None,
            };
            let newest_ms = match lag.min_ms > 0 {
                true => match segment.largest_timestamp()? {
                    Some((timestamp, _)) if timestamp >= 0 => Some(timestamp),
                    _ => segment.modified_ms()?,
                },
                false => None,
            };
            facts.push(SegmentFacts { base: segment.base, size: segment.size()?, first_ms, newest_ms });
        }
        let bound = bound.min(recovery_point).min(written.unwrap_or(Offset::ZERO));
        Ok(choose(&facts, (log_start, log_end), active.base, cleaned_to, bound, lag, now_ms))
    }

    /// Cleans a part of the log that [`Log::cleanable`] has named: of each key only the last record stays, and of
    /// aborted transactions none. Offsets stay as they are. One thread at a time cleans a log.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn clean(
        &self,
        cleanable: &Cleanable,
        cleaning: &Cleaning,
        now_ms: i64,
        pace: Pace<'_>,
    ) -> Result<Cleaned, CleanError> {
        let _running = self.cleaning.lock();
        let mut known = self.view.read().changes();
        self.clean_part(cleanable, cleaning, now_ms, pace, &mut known).map_err(|error| match error {
            // What was read was cut, deleted or moved away meanwhile.
            CleanError::Storage(_) if self.view.read().changes() != known && self.check_online().is_ok() => {
                CleanError::Interrupted
            }
            CleanError::Storage(error) => CleanError::Storage(self.root.fail_if_unreadable(error)),
            other => other,
        })
    }

    fn clean_part(
        &self,
        cleanable: &Cleanable,
        cleaning: &Cleaning,
        now_ms: i64,
        pace: Pace<'_>,
        known: &mut Changes,
    ) -> Result<Cleaned, CleanError> {
        self.root.check_online()?;
        let segments = self.view.read().segments.clone();
        let map = self.key_offsets(&segments, cleanable, cleaning, pace)?;
        let end = match map.latest() {
            Some(latest) if cleanable.first_dirty <= latest => latest.plus(1),
            _ => return Err(CleanError::MapTooSmall { offset: cleanable.first_dirty }),
        };
        let last_records = self.last_records()?;
        let until = segments.partition_point(|segment| segment.base < end);
        let old = segments.get(..until.min(segments.len() - 1)).unwrap_or_default();
        let first = old.first().map_or(end, |segment| segment.base);
        let mut filter = Filter {
            map: &map,
            transactions: Transactions::new(self.aborted_from(&segments, first)?),
            last_records: &last_records,
            round_end: cleanable.first_uncleanable,
            now_ms,
            delete_retention_ms: cleaning.delete_retention_ms,
        };
        let config = self.config();
        let sizes = old.iter().map(|segment| {
            let index_sizes = segment.index_sizes()?;
            Ok(SegmentSizes { base: segment.base, size: segment.size()?, index_sizes })
        });
        let sizes = sizes.collect::<Result<Vec<_>, StorageError>>()?;
        let (size_max, index_max) = (config.segment_bytes, config.segment_index_bytes);
        let mut rest = old;
        let mut cleaned = Cleaned { end, ..Cleaned::default() };
        for count in group(&sizes, size_max.into(), index_max.into(), cleanable.first_uncleanable) {
            let (group, behind) = rest.split_at(count.min(rest.len()));
            rest = behind;
            let before = filter.transactions.clone();
            match self.clean_group(group, &mut filter, cleaning, now_ms, pace, known)? {
                Grouped::Replaced { before, after } => {
                    cleaned.bytes_before += before;
                    cleaned.bytes_after += after;
                }
                // One by one then, and what is too large even so stays as it is.
                Grouped::TooLarge => {
                    filter.transactions = before;
                    for one in group.chunks(1) {
                        self.clean_group(one, &mut filter, cleaning, now_ms, pace, known)?;
                    }
                }
            }
        }
        self.root
            .set_cleaned_to(&self.partition, Some(end))
            .map_err(|error| self.root.fail_unless_full(error))?;
        Ok(cleaned)
    }

    /// The keys of the dirty part, as far as they fit into the map.
    fn key_offsets(
        &self,
        segments: &[Arc<Segment>],
        cleanable: &Cleanable,
        cleaning: &Cleaning,
        pace: Pace<'_>,
    ) -> Result<OffsetMap, CleanError> {
        let (start, end) = (cleanable.first_dirty, cleanable.first_uncleanable);
        let keys = (end.0 - start.0).max(0).unsigned_abs();
        let mut map = OffsetMap::new(cleaning.map_bytes, cleaning.load_factor, keys, KeyHasher::default());
        let from = segments.partition_point(|segment| segment.base <= start).saturating_sub(1);
        let until = segments.partition_point(|segment| segment.base < end);
        let dirty = segments.get(from..until).unwrap_or_default();
        let first = dirty.first().map_or(end, |segment| segment.base);
        let mut aborted = self.aborted_from(segments, first)?;
        // The walk begins behind the markers of the others, which would seem to go on for ever.
        aborted.retain(|it| start <= it.last_offset);
        let mut transactions = Transactions::new(aborted);
        let mut is_full = false;
        for (index, segment) in dirty.iter().enumerate() {
            let from = segment.position_near(start)?;
            self.each_batch(segment, from, cleaning, pace, |batch| {
                if batch.is_control() {
                    transactions.on_marker(batch.producer_id(), marker(batch)?, batch.last_offset());
                } else if !transactions.on_batch(
                    batch.producer_id(),
                    batch.is_transactional(),
                    batch.last_offset(),
                ) {
                    let put = |record: ottla_records::RecordView<'_>| match record.key {
                        Some(key) if start <= record.offset && !map.put(key, record.offset) => {
                            ControlFlow::Break(())
                        }
                        _ => ControlFlow::Continue(()),
                    };
                    is_full = batch.walk(DECOMPRESSED_SIZE_MAX, put)?.is_some();
                }
                if is_full {
                    return Ok(ControlFlow::Break(()));
                }
                if start <= batch.last_offset() {
                    map.reach(batch.last_offset());
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if is_full {
                break;
            }
            let next = dirty.get(index + 1).map_or(end, |next| next.base);
            map.reach(next.plus(-1));
        }
        Ok(map)
    }

    /// What each producer that is still known did last.
    fn last_records(&self) -> Result<HashMap<ProducerId, LastRecord>, StorageError> {
        let states = self.producers()?;
        let last = states.iter().map(|state| {
            let data = state.batches().last().map(|batch| batch.last_offset);
            (state.producer_id, LastRecord { data, epoch: state.epoch })
        });
        Ok(last.collect())
    }

    /// Rewrites a group of segments into one and puts that in their place.
    fn clean_group(
        &self,
        old: &[Arc<Segment>],
        filter: &mut Filter<'_>,
        cleaning: &Cleaning,
        now_ms: i64,
        pace: Pace<'_>,
        known: &mut Changes,
    ) -> Result<Grouped, CleanError> {
        let Some((first, last)) = old.first().zip(old.last()) else {
            return Ok(Grouped::Replaced { before: 0, after: 0 });
        };
        let modified_ms = last.modified_ms()?;
        let new = self.to_disk(Segment::create_cleaned(&self.folder, first.base))?;
        filter.transactions.ended.clear();
        let result = self.rewrite(old, &new, filter, cleaning, pace);
        let (before, after) = match result {
            Ok(Some(sizes)) => sizes,
            Ok(None) => {
                new.remove()?;
                return Ok(Grouped::TooLarge);
            }
            Err(error) => {
                // It is removed at the next start at the latest.
                let _ = new.remove();
                return Err(error);
            }
        };
        self.to_disk((|| {
            new.write_last_indexes()?;
            new.write_aborted(&filter.transactions.ended)?;
            if let Some(modified_ms) = modified_ms {
                new.file()?.set_modified_ms(modified_ms).at("change the time of", &new.path())?;
            }
            new.file()?.sync().at("sync", &new.path())?;
            new.sync_indexes()?;
            new.seal();
            Ok(())
        })())?;
        self.swap(old, new, now_ms, known)?;
        Ok(Grouped::Replaced { before, after })
    }

    /// Writes what is left of `old` into `new`; the bytes read and written, or `None` if that is too much.
    fn rewrite(
        &self,
        old: &[Arc<Segment>],
        new: &Segment,
        filter: &mut Filter<'_>,
        cleaning: &Cleaning,
        pace: Pace<'_>,
    ) -> Result<Option<(u64, u64)>, CleanError> {
        let interval = self.config().index_interval_bytes;
        let file = new.file()?;
        let mut out = Vec::new();
        let (mut before, mut written, mut size) = (0, 0_u64, 0_u64);
        let write = |out: &mut Vec<u8>, written: &mut u64| {
            let result = file.write_all_at(&mut [IoSlice::new(out)], *written).at("write", &new.path());
            *written += out.len() as u64;
            out.clear();
            self.to_disk(result)
        };
        for segment in old {
            let mut failed = None;
            let mut bytes_out = 0;
            self.each_batch(segment, 0, cleaning, pace, |batch| {
                let Some(kept) = filter.batch(batch, &mut out)? else { return Ok(ControlFlow::Continue(())) };
                let position = u32::try_from(size).ok().filter(|it| *it <= i32::MAX as u32);
                let (Some(position), Some(relative)) = (position, new.relative(kept.last_offset())) else {
                    size = u64::MAX;
                    return Ok(ControlFlow::Break(()));
                };
                new.with_growing(|growing| {
                    growing.add(relative, position, kept.size(), kept.max_timestamp(), interval);
                });
                size += kept.size() as u64;
                if out.len() >= cleaning.buffer_bytes {
                    bytes_out += out.len();
                    if let Err(error) = write(&mut out, &mut written) {
                        failed = Some(error);
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if let Some(error) = failed {
                return Err(error.into());
            }
            if size > i32::MAX as u64 {
                return Ok(None);
            }
            if pace(bytes_out).is_break() {
                return Err(CleanError::Interrupted);
            }
            before += segment.size()?;
        }
        let bytes_out = out.len();
        write(&mut out, &mut written)?;
        if pace(bytes_out).is_break() {
            return Err(CleanError::Interrupted);
        }
        new.set_size(size);
        Ok(Some((before, size)))
    }

    /// Hands each batch of a segment from `position` on to `each` until that breaks off, in reads of bounded
    /// size. Bytes that are damaged are never handed on.
    fn each_batch(
        &self,
        segment: &Segment,
        mut position: u64,
        cleaning: &Cleaning,
        pace: Pace<'_>,
        mut each: impl FnMut(&BatchView<'_>) -> Result<ControlFlow<()>, BatchError>,
    ) -> Result<(), CleanError> {
        let size = segment.size()?;
        let mut buffer = Vec::new();
        let mut wanted = cleaning.buffer_bytes.max(ottla_records::HEADER_SIZE);
        while position < size {
            if self.view.read().is_given_up {
                return Err(CleanError::Interrupted);
            }
            let left = usize::try_from(size - position).unwrap_or(usize::MAX);
            buffer.resize(wanted.min(left), 0);
            let filled = segment.file()?.read_at(&mut buffer, position).at("read", &segment.path())?;
            let bytes = buffer.get(..filled).unwrap_or_default();
            let damage =
                |position, error: BatchError| segment.damage(position, segment.base, error.to_string());
            let mut used = 0;
            for batch in batches(bytes) {
                let at = position + used as u64;
                let batch = match batch {
                    Ok(batch) => batch,
                    // The rest of it is in the next read.
                    Err(BatchError::Truncated { .. }) if filled < left => break,
                    Err(error) => return Err(damage(at, error).into()),
                };
                batch.check_crc().map_err(|error| damage(at, error))?;
                if each(&batch).map_err(|error| damage(at, error))?.is_break() {
                    return Ok(());
                }
                used += batch.size();
            }
            if used == 0 {
                // A batch is larger than the buffer, which grows for it alone.
                let needed = size_of_batch_at(bytes).map_err(|error| damage(position, error))?;
                if filled >= left || needed <= filled {
                    let reason = "the batch reaches beyond the end of the file".to_owned();
                    return Err(segment.damage(position, segment.base, reason).into());
                }
                wanted = needed;
            } else {
                position += used as u64;
                wanted = cleaning.buffer_bytes.max(ottla_records::HEADER_SIZE);
            }
            if pace(filled).is_break() {
                return Err(CleanError::Interrupted);
            }
        }
        Ok(())
    }

    /// Puts `new`, whose files are synced, in the place of `old`, unless the log has changed there, or was cut: `known`
    /// is how it stood when it was read.
    fn swap(
        &self,
        old: &[Arc<Segment>],
        new: Segment,
        now_ms: i64,
        known: &mut Changes,
    ) -> Result<(), CleanError> {
        let _maintenance = self.maintenance.lock();
        let is_as_before = {
            let view = self.view.read();
            let place = old
                .first()
                .and_then(|first| view.segments.iter().position(|segment| Arc::ptr_eq(segment, first)));
            let same = |place: usize| {
                let there = view.segments.get(place..place + old.len()).unwrap_or_default();
                there.len() == old.len() && there.iter().zip(old).all(|(one, two)| Arc::ptr_eq(one, two))
            };
            // A segment that was cut is the same one still.
            !view.is_given_up && view.truncations == known.truncations && place.is_some_and(same)
        };
        if !is_as_before || self.writer.lock().is_closed {
            new.remove()?;
            return Err(CleanError::Interrupted);
        }
        let swapped = (|| {
            new.rename(".swap")?;
            // From here on a crash leaves either all of the new segment or none.
            self.sync_folder()?;
            old.iter().try_for_each(|segment| segment.mark_deleted())?;
            new.rename("")?;
            self.sync_folder()
        })();
        // Half of it cannot be taken back while readers look on: the next start completes it.
        swapped.map_err(|error| self.root.fail(error))?;
        let truncations = {
            let mut view = self.view.write();
            let place = view
                .segments
                .iter()
                .position(|segment| old.first().is_some_and(|it| Arc::ptr_eq(it, segment)));
            if let Some(place) = place {
                view.segments.splice(place..place + old.len(), [Arc::new(new)]);
            }
            view.deleted.extend(old.iter().map(|segment| (Arc::clone(segment), now_ms)));
            view.truncations += 1;
            view.departures += 1;
            known.truncations += 1;
            known.departures += 1;
            view.truncations
        };
        self.boundaries.lock().clear(truncations);
        Ok(())
    }

    /// A failed write or sync takes the directory offline, unless the log is given up and its files are gone.
    fn to_disk<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        result.map_err(|error| match self.view.read().is_given_up {
            true => StorageError::Closed { partition: self.partition.clone() },
            false => self.root.fail_unless_full(error),
        })
    }

    /// The aborted transactions whose markers lie in segments from the one at `base` on.
    fn aborted_from(
        &self,
        segments: &[Arc<Segment>],
        base: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        let mut aborted = Vec::new();
        for segment in segments.iter().filter(|segment| base <= segment.base) {
            if load_aborted(&self.folder, segments, segment)? == 0 {
                continue;
            }
            let bytes = segment.read_aborted()?.unwrap_or_default();
            // What is being appended behind the part that is cleaned may be half there.
            let whole = bytes.len() / AbortedTransaction::SIZE * AbortedTransaction::SIZE;
            let entries =
                bytes.get(..whole).and_then(decode_all).ok_or_else(|| StorageError::InvalidFile {
                    path: segment.path().with_extension("txnindex"),
                    reason: "it is not an index of aborted transactions".to_owned(),
                })?;
            aborted.extend(entries);
        }
        Ok(aborted)
    }
}
