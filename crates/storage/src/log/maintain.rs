//! What keeps a log in order beside the append path: recovery points, truncation, deletion, closing.

use super::open::{load_producers, snapshots};
use super::{Log, Writer};
use crate::epochs::LEADER_EPOCHS;
use crate::error::StorageError;
use crate::producers::{Producers, encode};
use crate::segment::Segment;
use crate::sync::Guard;
use ottla_ids::Offset;
use std::sync::Arc;

/// How what is written is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syncs {
    /// Each file is synced when it is written.
    Each,
    /// The caller syncs the whole file system, for many logs at once.
    Together,
}

/// How it stands with a log's recovery point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecoveryDue {
    /// Bytes behind it.
    pub bytes: u64,
    /// Whether it is time to advance it.
    pub is_due: bool,
    /// Since when there is something behind it, in ms since 1970.
    pub since_ms: i64,
}

/// A recovery point that is about to move.
#[derive(Debug)]
pub(crate) struct Advance {
    /// Where to.
    end: Offset,
    /// The active segment, and the position in it that this is.
    position: (Offset, u64),
    /// Bytes that need no recovery then.
    bytes: u64,
    is_new: bool,
    /// Whether the leader epochs were written beside their file.
    has_epochs: bool,
    /// What [`crate::sync::Dirt`] is told of the folder's names when they are synced.
    names: Option<u64>,
    /// The same of the segments that the caller syncs.
    segments: Vec<(Arc<Segment>, u64)>,
}

impl Log {
    /// Lets the log be synced if `flush.ms` is over, and says how it stands with its recovery point. Readers and writers
    /// are not held up by it.
    pub(crate) fn look_after(&self, now_ms: i64, interval_ms: i64) -> RecoveryDue {
        let (due, unflushed_since, is_noted) = {
            let view = self.view.read();
            let has_rolled = view.recovery_point < view.active().base;
            let since = view.unrecoverable_since_ms.unwrap_or(now_ms);
            let is_due = has_rolled || now_ms.saturating_sub(since) >= interval_ms;
            let bytes = view.unrecoverable_bytes;
            let due = RecoveryDue { bytes, is_due, since_ms: since };
            (due, view.unflushed_since_ms, view.unrecoverable_since_ms.is_some())
        };
        if !is_noted {
            // After a recovery nobody has noted a time yet. What was recovered is durable, and its interval begins now: a
            // start after a crash has better to do than to write thousands of snapshots.
            self.view.write().unrecoverable_since_ms.get_or_insert(now_ms);
        }
        if let Some(since) = unflushed_since {
            let flush_ms = self.config().flush_ms;
            if since < now_ms && now_ms.saturating_sub(since) >= flush_ms {
                self.wait_for_sync();
            } else if flush_ms < i64::MAX {
                self.root.note_flush_by_time();
            }
        }
        due
    }

    /// Makes all that was appended so far durable with its indexes and producers' state, so that recovery may
    /// begin behind it. Returns that offset, if it moved; it counts when the caller has written it.
    pub(crate) fn advance_recovery_point(&self) -> Result<Option<Offset>, StorageError> {
        let _maintenance = self.maintenance.lock();
        self.advance_locked().map_err(|error| self.root.fail_unless_full(error))
    }

    fn advance_locked(&self) -> Result<Option<Offset>, StorageError> {
        let Some(advance) = self.prepare_advance(Syncs::Each)? else { return Ok(None) };
        self.sync_advance(&advance).inspect_err(|_| self.abandon_advance(&advance))?;
        Ok(Some(self.finish_advance(&advance)?))
    }

    /// Keeps others from maintaining the log for as long as the guard lives.
    pub(crate) fn begin_maintenance(&self) -> Guard<'_, ()> {
        self.maintenance.lock()
    }

    /// Writes what must be durable before the recovery point may move to the log's end; `None` where it is there.
    /// To be called, as what follows, with the maintenance lock held.
    pub(crate) fn prepare_advance(&self, syncs: Syncs) -> Result<Option<Advance>, StorageError> {
        let names = self.names.pending();
        let (end, position, producers, segments, bytes, is_new) = {
            let mut writer = self.writer.lock();
            if writer.is_closed {
                return Ok(None);
            }
            self.load(&mut writer)?;
            let view = self.view.read();
            if view.recovery_point == writer.log_end {
                return Ok(None);
            }
            // From the segment that ends at the recovery point on: its last index entry came with the roll.
            let from = view.segment_index(view.recovery_point.plus(-1));
            let segments = view.segments.get(from..).unwrap_or_default().to_vec();
            let position = (writer.active.base, writer.size);
            let producers = encode(&writer.producers);
            (writer.log_end, position, producers, segments, view.unrecoverable_bytes, view.is_new)
        };
        let mut dirty = Vec::new();
        for segment in &segments {
            segment.write_indexes()?;
            if syncs == Syncs::Together {
                dirty.extend(segment.dirt.pending().map(|pending| (Arc::clone(segment), pending)));
            } else {
                sync_records(segment)?;
                segment.sync_indexes()?;
            }
        }
        let is_synced = syncs == Syncs::Each;
        self.folder.disk.write_beside(&self.folder.file(end, ".snapshot"), &producers, is_synced)?;
        let has_epochs = self.write_epochs(syncs)?;
        Ok(Some(Advance { end, position, bytes, is_new, has_epochs, names, segments: dirty }))
    }

    /// Puts in place what was prepared and synced; the log's folder is to be synced behind that.
    pub(crate) fn name_advance(&self, advance: &Advance) -> Result<(), StorageError> {
        self.folder.disk.rename_beside(&self.folder.file(advance.end, ".snapshot"))?;
        if advance.has_epochs {
            self.folder.disk.rename_beside(&self.folder.path.join(LEADER_EPOCHS))?;
        }
        Ok(())
    }

    fn sync_advance(&self, advance: &Advance) -> Result<(), StorageError> {
        self.name_advance(advance)?;
        if advance.is_new {
            self.sync_partition_metadata()?;
        }
        self.sync_folder()?;
        if advance.is_new { self.root.sync_names() } else { Ok(()) }
    }

    /// Lets the next try do again what did not come to its end.
    pub(crate) fn abandon_advance(&self, advance: &Advance) {
        self.folder.disk.remove_beside(&self.folder.file(advance.end, ".snapshot"));
        if advance.has_epochs {
            self.folder.disk.remove_beside(&self.folder.path.join(LEADER_EPOCHS));
            self.epochs.lock().is_dirty = true;
        }
    }

    /// Moves the recovery point, once all of it is durable; it counts when the caller has written it.
    pub(crate) fn finish_advance(&self, advance: &Advance) -> Result<Offset, StorageError> {
        let Advance { end, position, bytes, is_new, .. } = *advance;
        advance.names.into_iter().for_each(|pending| self.names.done(pending));
        advance.segments.iter().for_each(|(segment, pending)| segment.dirt.done(*pending));
        {
            let mut view = self.view.write();
            view.is_new &= !is_new;
            view.recovery_point = end;
            view.synced_end = view.synced_end.max(end);
            view.secured = view.secured.max(Some(position));
            view.unrecoverable_bytes = view.unrecoverable_bytes.saturating_sub(bytes);
            // Exact enough: what was appended meanwhile is a little older than the next append.
            view.unrecoverable_since_ms = None;
        }
        self.root.note_recoverable(bytes);
        self.remove_old_snapshots(end)?;
        Ok(end)
    }

    /// Keeps the snapshots at which segments begin, and the newest.
    fn remove_old_snapshots(&self, newest: Offset) -> Result<(), StorageError> {
        let bases: Vec<Offset> = self.view.read().segments.iter().map(|segment| segment.base).collect();
        for offset in snapshots(&self.folder)? {
            if offset < newest && bases.binary_search(&offset).is_err() {
                self.remove_snapshot(offset)?;
            }
        }
        Ok(())
    }

    fn remove_snapshot(&self, offset: Offset) -> Result<(), StorageError> {
        let path = self.folder.file(offset, ".snapshot");
        crate::error::Context::at(self.folder.disk.remove_file(&path), "remove", &path)
    }

    /// Writes the leader epochs beside their file if that does not say the same; returns whether it did, and is
    /// to be renamed.
    fn write_epochs(&self, syncs: Syncs) -> Result<bool, StorageError> {
        let text = {
            let mut epochs = self.epochs.lock();
            if !std::mem::take(&mut epochs.is_dirty) {
                return Ok(false);
            }
            epochs.cache.as_ref().map(|cache| cache.to_text()).unwrap_or_default()
        };
        let path = self.folder.path.join(LEADER_EPOCHS);
        let written = self.folder.disk.write_beside(&path, text.as_bytes(), syncs == Syncs::Each);
        if written.is_err() {
            self.epochs.lock().is_dirty = true;
        }
        written.map(|()| true)
    }

    fn replace_epochs(&self) -> Result<(), StorageError> {
        if self.write_epochs(Syncs::Each)? {
            let renamed = self.folder.disk.rename_beside(&self.folder.path.join(LEADER_EPOCHS));
            return renamed.inspect_err(|_| self.epochs.lock().is_dirty = true);
        }
        Ok(())
    }

    /// Whether a stop in order has something to complete; not where nothing was done since a clean start.
    pub(crate) fn is_to_be_completed(&self) -> bool {
        let writer = self.writer.lock();
        writer.is_loaded || writer.active.with_growing(|_| ()).is_some()
    }

    /// Writes what completes the log for a stop in order, before its recovery point is advanced: the last index
    /// entries, and epochs that no append has told of.
    pub(crate) fn complete(&self, syncs: Syncs) -> Result<(), StorageError> {
        let active = Arc::clone(&self.writer.lock().active);
        active.write_last_indexes()?;
        active.give_back_reserve(active.size()?)?;
        if syncs == Syncs::Each {
            let last = {
                let view = self.view.read();
                let from = view.segment_index(view.recovery_point.plus(-1));
                view.segments.get(from..).unwrap_or_default().to_vec()
            };
            last.iter().try_for_each(|segment| segment.sync_indexes())?;
        } else if self.recovery_point() == self.log_end_offset() {
            self.replace_epochs()?;
        }
        Ok(())
    }

    /// Completes the log for a stop in order. To be called with the maintenance lock held.
    pub(crate) fn complete_alone(&self) -> Result<(), StorageError> {
        let complete = || {
            self.complete(Syncs::Each)?;
            self.advance_locked()?;
            self.replace_epochs()?;
            if self.view.read().is_new {
                self.sync_partition_metadata()?;
            }
            self.sync_folder()
        };
        complete().map_err(|error| self.root.fail_unless_full(error))
    }

    /// Nothing is appended any more; returns the log's end.
    pub(crate) fn close(&self) -> Offset {
        let mut writer = self.writer.lock();
        writer.is_closed = true;
        writer.log_end
    }

    /// Ends all use of the log.
    pub(crate) fn close_for_deletion(&self) {
        let maintenance = self.maintenance.lock();
        self.writer.lock().is_closed = true;
        let mut view = self.view.write();
        self.root.note_recoverable(std::mem::take(&mut view.unrecoverable_bytes));
        view.is_given_up = true;
        drop(view);
        drop(maintenance);
        // A cleaning ends soon now. Until then it may create files in the folder, which gets another name next.
        drop(self.cleaning.lock());
    }

    /// The folder has another name now: no file stays open, or what is deleted would keep its room on the disk for as
    /// long as anybody holds the log.
    pub(crate) fn close_files(&self) {
        let view = self.view.read();
        view.segments.iter().for_each(|segment| segment.give_up());
    }

    /// Moves the log's start to `to` (DeleteRecords). Whole segments below it are marked as deleted, and
    /// removed by [`crate::LogDirectory::remove_deleted`]. Returns the log's start, which never moves back.
    ///
    /// The caller has seen to it that all below `to` is committed.
    ///
    /// # Errors
    /// Where the new start cannot be made durable, or files cannot be renamed. `to` behind the log's end
    /// counts as its end.
    pub fn delete_records(&self, to: Offset, now_ms: i64) -> Result<Offset, StorageError> {
        let _maintenance = self.maintenance.lock();
        self.root.check_online()?;
        self.check_open(&self.writer.lock())?;
        let (start, to) = {
            let view = self.view.read();
            (view.log_start, to.min(view.log_end))
        };
        if to <= start {
            return Ok(start);
        }
        self.root
            .set_offsets(&self.partition, None, Some(to))
            .map_err(|error| self.root.fail_unless_full(error))?;
        self.view.write().log_start = to;
        self.with_epochs(|epochs| ((), epochs.truncate_from_start(to)))?;
        let segments = self.view.read().segments.clone();
        let count = segments.iter().skip(1).take_while(|next| next.base <= to).count();
        self.delete_oldest(count, now_ms)?;
        Ok(to)
    }

    /// Marks the `count` oldest segments as deleted; never the active one. The log starts no earlier than what
    /// is left. To be called with the maintenance lock held.
    pub(super) fn delete_oldest(&self, count: usize, now_ms: i64) -> Result<(), StorageError> {
        let segments = self.view.read().segments.clone();
        let Some(first_kept) = segments.get(count).map(|segment| segment.base) else { return Ok(()) };
        if count == 0 {
            return Ok(());
        }
        if self.recovery_point() < first_kept {
            // Below the recovery point a replay of the journal writes nothing.
            self.settle()?;
        }
        // What the producers did in the deleted segments must be in a durable snapshot.
        let producers = encode(&load_producers(&self.folder, &segments, first_kept)?);
        let snapshot = self.folder.file(first_kept, ".snapshot");
        let kept = self
            .root
            .write_urgently(|| self.folder.disk.replace_unsynced(&snapshot, &producers))
            .and_then(|()| self.sync_folder());
        kept.map_err(|error| self.root.fail_unless_full(error))?;
        let deleted = {
            let mut view = self.view.write();
            let deleted: Vec<Arc<Segment>> = view.segments.drain(..count).collect();
            if let Some(first) = view.segments.first() {
                view.log_start = view.log_start.max(first.base);
            }
            view.departures += 1;
            view.deleted.extend(deleted.iter().map(|segment| (Arc::clone(segment), now_ms)));
            deleted
        };
        for segment in &deleted {
            segment.mark_deleted().map_err(|error| self.root.fail_unless_full(error))?;
            self.remove_snapshot(segment.base).map_err(|error| self.root.fail_unless_full(error))?;
        }
        self.names.mark();
        Ok(())
    }

    /// Removes the files of segments that were marked as deleted long enough ago.
    pub(crate) fn remove_deleted_segments(&self, now_ms: i64) -> Result<usize, StorageError> {
        if self.view.read().deleted.is_empty() {
            return Ok(0);
        }
        let _maintenance = self.maintenance.lock();
        let delay = self.config().file_delete_delay_ms;
        let due: Vec<Arc<Segment>> = {
            let view = self.view.read();
            let due = view.deleted.iter().filter(|(_, since)| now_ms.saturating_sub(*since) >= delay);
            due.map(|(segment, _)| Arc::clone(segment)).collect()
        };
        for segment in &due {
            segment.remove()?;
            self.view.write().deleted.retain(|(other, _)| !Arc::ptr_eq(other, segment));
        }
        Ok(due.len())
    }

    /// Cuts off all batches that hold `to` or lie behind it, as a follower does that has gone astray; durable
    /// when it returns. Returns the log's new end, which is `to` or, where that is within a batch or a gap,
    /// before it.
    ///
    /// # Errors
    /// Where files cannot be read or written.
    pub fn truncate_to(&self, to: Offset) -> Result<Offset, StorageError> {
        let _maintenance = self.maintenance.lock();
        self.root.check_online()?;
        let mut writer = self.writer.lock();
        self.check_open(&writer)?;
        self.load(&mut writer)?;
        if to >= writer.log_end {
            return Ok(writer.log_end);
        }
        self.settle()?;
        let log_start = self.log_start_offset();
        if to < log_start {
            self.start_at(&mut writer, to).map_err(|error| self.root.fail(error))?;
            return Ok(to);
        }
        self.cut(&mut writer, to, log_start).map_err(|error| self.root.fail(error))
    }

    fn cut(&self, writer: &mut Writer, to: Offset, log_start: Offset) -> Result<Offset, StorageError> {
        let (segments, index, recovery_point) = {
            let view = self.view.read();
            (view.segments.clone(), view.segment_index(to.plus(-1)), view.recovery_point)
        };
        let Some(segment) = segments.get(index).cloned() else { return Ok(writer.log_end) };
        let size = segment.size()?;
        let mut end = segment.base;
        let mut position = 0;
        let mut walk = segment.headers(segment.position_near(to.plus(-1))?, size)?;
        while let Some((start, header)) = walk.next()? {
            position = start;
            if to <= header.last_offset() {
                break;
            }
            end = header.next_offset();
            position = start + header.size() as u64;
        }
        let end = end.max(log_start);
        if end < recovery_point {
            self.root.set_offsets(&self.partition, Some(end), None)?;
            self.root.lower_cleaned_to(&self.partition, end)?;
        }
        let truncations = {
            let mut view = self.view.write();
            view.segments.truncate(index + 1);
            view.log_end = end;
            view.durable_end = view.durable_end.min(end);
            view.synced_end = view.synced_end.min(end);
            view.recovery_point = recovery_point.min(end);
            view.durable_position = None;
            view.secured = Some((segment.base, position));
            view.is_loaded = false;
            view.truncations += 1;
            segment.set_size(position);
            view.truncations
        };
        self.boundaries.lock().clear(truncations);
        crate::error::Context::at(segment.file()?.set_size(position), "cut", &segment.path())?;
        let interval = writer.config.index_interval_bytes;
        let (growing, from) = segment.resume_index(end, position, interval)?;
        segment.set_growing(segment.scan_index(from, position, growing, interval)?.growing);
        let (aborted, file) = segment.aborted();
        aborted.truncate(&file, end, &[])?;
        for later in segments.iter().skip(index + 1).rev() {
            later.remove()?;
        }
        for offset in snapshots(&self.folder)?.into_iter().filter(|offset| *offset > end) {
            self.remove_snapshot(offset)?;
        }
        sync_records(&segment)?;
        self.with_epochs(|epochs| ((), epochs.truncate_from_end(end)))?;
        self.replace_epochs()?;
        self.sync_folder()?;
        writer.active = Arc::clone(&segment);
        writer.size = position;
        writer.log_end = end;
        writer.first_timestamp = None;
        writer.first_append_ms = None;
        writer.is_loaded = false;
        self.load(writer)?;
        Ok(end)
    }

    /// Removes all records and goes on at `offset`, as a follower does whose log does not reach the leader's.
    ///
    /// # Errors
    /// Where files cannot be written.
    pub fn truncate_fully_and_start_at(&self, offset: Offset) -> Result<(), StorageError> {
        let _maintenance = self.maintenance.lock();
        self.root.check_online()?;
        let mut writer = self.writer.lock();
        self.check_open(&writer)?;
        self.load(&mut writer)?;
        self.settle()?;
        self.start_at(&mut writer, offset).map_err(|error| self.root.fail(error))
    }

    fn start_at(&self, writer: &mut Writer, offset: Offset) -> Result<(), StorageError> {
        let old = self.view.read().segments.clone();
        // What a power cut leaves of the old segments is not to be measured by the new offsets.
        self.root.set_offsets(&self.partition, Some(Offset::ZERO), Some(offset))?;
        self.root.set_cleaned_to(&self.partition, None)?;
        // The newest first: what a power cut leaves is the beginning of the log.
        for segment in old.iter().rev() {
            segment.remove()?;
        }
        for snapshot in snapshots(&self.folder)? {
            self.remove_snapshot(snapshot)?;
        }
        let segment = Arc::new(Segment::create(&self.folder, offset)?);
        writer.config.reserve().map_or(Ok(()), |size| segment.reserve(size))?;
        self.with_epochs(|epochs| ((), epochs.clear()))?;
        self.replace_epochs()?;
        self.sync_folder()?;
        let (truncations, bytes) = {
            let mut view = self.view.write();
            view.segments = vec![Arc::clone(&segment)];
            view.log_start = offset;
            view.log_end = offset;
            view.durable_end = offset;
            view.durable_position = Some((offset, 0));
            view.secured = Some((offset, 0));
            view.synced_end = offset;
            view.recovery_point = offset;
            view.first_unstable = None;
            view.next_marker = None;
            view.truncations += 1;
            (view.truncations, std::mem::take(&mut view.unrecoverable_bytes))
        };
        self.root.note_recoverable(bytes);
        self.root.set_offsets(&self.partition, Some(offset), None)?;
        self.boundaries.lock().clear(truncations);
        writer.active = segment;
        writer.size = 0;
        writer.log_end = offset;
        writer.producers = Producers::default();
        writer.latest_epoch = None;
        writer.first_timestamp = None;
        writer.first_append_ms = None;
        writer.unflushed_records = 0;
        Ok(())
    }
}

fn sync_records(segment: &Segment) -> Result<(), StorageError> {
    let pending = segment.dirt.pending();
    crate::error::Context::at(segment.file()?.sync(), "sync", &segment.path())?;
    pending.into_iter().for_each(|pending| segment.dirt.done(pending));
    Ok(())
}
