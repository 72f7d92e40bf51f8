//! Appending: the checks that need the log, offsets, one write.

use super::{Log, Writer};
use crate::aborted::AbortedTransaction;
use crate::error::{AppendError, Context, StorageError, is_no_room};
use crate::producers::{
    Checked, EndedTransaction, Origin, ProducerBatch, ProducerState, Producers, Refusal, encode,
};
use crate::segment::Segment;
use ottla_ids::{LeaderEpoch, Offset, ProducerId};
use ottla_records::{
    BatchError, BatchHeader, BatchView, EndTransactionMarker, HEADER_SIZE, batches, patched_prefix,
};
use std::io::IoSlice;
use std::sync::Arc;

/// More decompressed bytes than this no transaction marker has.
const MARKER_SIZE_MAX: usize = 64 << 10;

/// What an append needs to know beside the records.
#[derive(Clone, Copy, Debug)]
pub struct AppendInfo {
    /// Written into the batches, unless they are replicated ones, which have theirs.
    pub leader_epoch: LeaderEpoch,
    /// The time that stands for each record's own, with `message.timestamp.type=LogAppendTime`; ms since 1970.
    pub append_time: Option<i64>,
    /// Whose append it is.
    pub origin: Origin,
    /// The time, in ms since 1970.
    pub now_ms: i64,
}

/// What an append came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// Whether the records were there already, at these offsets: nothing was written.
    pub duplicate: bool,
    /// The time of the append, if records carry it; of a duplicate the original's greatest timestamp.
    pub append_time: Option<i64>,
    /// The first offset that may be read.
    pub log_start_offset: Offset,
    /// Whether the append counts only when [`Log::durable_end`] is behind `last_offset`, of which
    /// [`crate::Synced`] tells.
    pub must_wait: bool,
}

/// A batch as it is going to be written.
struct Prepared {
    prefix: [u8; HEADER_SIZE],
    header: BatchHeader,
}

/// What the batches of one append do to their producers. One batch, the ordinary case, allocates nothing.
#[derive(Default)]
struct Staged {
    first: Option<(ProducerState, Option<EndedTransaction>)>,
    more: Vec<(ProducerState, Option<EndedTransaction>)>,
}

impl Staged {
    fn get(&self, id: ProducerId) -> Option<&ProducerState> {
        let mut newest_first = self.more.iter().rev().chain(&self.first);
        newest_first.find(|(state, _)| state.producer_id == id).map(|(state, _)| state)
    }

    /// The transactions that are aborted, for the segment's index.
    fn aborted(&self, producers: &Producers) -> Vec<AbortedTransaction> {
        let mut earlier = Vec::new();
        let mut aborted = Vec::new();
        for staged in self.first.iter().chain(&self.more) {
            if let (_, Some(ended)) = staged {
                aborted.extend(producers.aborted(ended, &earlier));
            }
            if !self.more.is_empty() {
                earlier.push(staged);
            }
        }
        aborted
    }

    fn add(&mut self, state: ProducerState, ended: Option<EndedTransaction>) {
        match self.first {
            None => self.first = Some((state, ended)),
            Some(_) => self.more.push((state, ended)),
        }
    }
}

impl Log {
    /// Appends whole batches, whose CRCs the caller has checked. A client's append is one batch.
    ///
    /// Offsets, leader epoch and append time are assigned here, except to replicated batches, which must lie
    /// at or behind the log's end. The bytes are written as they are, behind a patched header, by one call.
    ///
    /// # Errors
    /// See [`AppendError`]. Nothing of the append is in the log then, and what was there stays.
    pub fn append(&self, records: &[u8], info: &AppendInfo) -> Result<Appended, AppendError> {
        let malformed = |source| AppendError::Malformed { partition: self.partition.clone(), source };
        let first = BatchView::parse(records).map_err(malformed)?;
        if first.size() == records.len() {
            return self.append_batches(std::slice::from_ref(&first), records, info);
        }
        let all = batches(records).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
        self.append_batches(&all, records, info)
    }

    fn append_batches(
        &self,
        batches: &[BatchView<'_>],
        records: &[u8],
        info: &AppendInfo,
    ) -> Result<Appended, AppendError> {
        let mut writer = self.writer.lock();
        self.root.check_online()?;
        self.check_open(&writer)?;
        self.load(&mut writer)?;
        if records.len() > writer.config.segment_bytes as usize {
            return Err(AppendError::TooLarge {
                partition: self.partition.clone(),
                size: records.len(),
                segment_bytes: writer.config.segment_bytes,
            });
        }

        let mut staged = Staged::default();
        let mut next = writer.log_end;
        let mut one = None;
        let mut many = Vec::new();
        for batch in batches {
            let prepared = self.prepare(batch, next, info)?;
            let marker = self.marker(batch)?;
            if batch.has_producer_id() && (!batch.is_control() || marker.is_some()) {
                let base_offset = prepared.header.base_offset();
                let known = staged.get(batch.producer_id());
                match writer.producers.check(&prepared.header, marker, base_offset, info.origin, known) {
                    Ok(Checked::Append { state, ended }) => staged.add(state, ended),
                    Ok(Checked::Duplicate(original)) => return Ok(self.duplicate(original)),
                    Err(refusal) => return Err(self.refused(refusal, &prepared.header)),
                }
            }
            next = prepared.header.next_offset();
            if batches.len() == 1 { one = Some(prepared) } else { many.push(prepared) }
        }
        let prepared = if many.is_empty() { one.as_slice() } else { &many };
        let Some(first) = prepared.first() else {
            let source = BatchError::Truncated { needed: HEADER_SIZE, available: 0 };
            return Err(AppendError::Malformed { partition: self.partition.clone(), source });
        };
        let base_offset = first.header.base_offset();
        let last_offset = next.plus(-1);

        let max_timestamp = prepared.iter().map(|batch| batch.header.max_timestamp()).max().unwrap_or(-1);
        let must_roll = self.must_roll(&writer, records.len(), max_timestamp, last_offset, info.now_ms);
        // A preallocated segment has taken its room already.
        if info.origin == Origin::Client && (must_roll || !writer.active.has_reserve()) {
            let reserve = writer.config.reserve().filter(|_| must_roll).unwrap_or_default();
            self.root.take_room(records.len().max(usize::try_from(reserve).unwrap_or(usize::MAX)))?;
        }
        if must_roll {
            // Segments follow each other without a gap, by which recovery knows that none has lost its tail.
            let log_end = writer.log_end;
            self.roll_locked(&mut writer, log_end)?;
            if writer.active.relative(last_offset).is_none() {
                self.roll_locked(&mut writer, base_offset)?;
            }
        }
        if writer.active.relative(last_offset).is_none() {
            return Err(AppendError::UnexpectedOffset {
                partition: self.partition.clone(),
                first: last_offset,
                expected: writer.log_end,
            });
        }
        self.write(&writer, batches, prepared, records, info)?;
        self.write_aborted(&writer, &staged.aborted(&writer.producers))?;
        self.publish(&mut writer, prepared, staged, records.len(), next, info.now_ms);

        let must_wait = writer.config.is_durable_first();
        let append_time = match info.origin {
            Origin::Replication => None,
            Origin::Client | Origin::Coordinator => info.append_time,
        };
        let log_start_offset = self.log_start_offset();
        Ok(Appended { base_offset, last_offset, duplicate: false, append_time, log_start_offset, must_wait })
    }

    fn prepare(
        &self,
        batch: &BatchView<'_>,
        next: Offset,
        info: &AppendInfo,
    ) -> Result<Prepared, AppendError> {
        if info.origin == Origin::Replication {
            if batch.base_offset() < next {
                return Err(AppendError::UnexpectedOffset {
                    partition: self.partition.clone(),
                    first: batch.base_offset(),
                    expected: next,
                });
            }
            return Ok(Prepared { prefix: [0; HEADER_SIZE], header: *batch.header() });
        }
        let prefix = patched_prefix(batch, next, info.leader_epoch, info.append_time);
        let header = BatchHeader::parse(&prefix)
            .map_err(|source| AppendError::Malformed { partition: self.partition.clone(), source })?;
        Ok(Prepared { prefix, header })
    }

    /// The end of a transaction, if that is what the batch holds.
    fn marker(&self, batch: &BatchView<'_>) -> Result<Option<EndTransactionMarker>, AppendError> {
        if !batch.is_control() || !batch.has_producer_id() {
            return Ok(None);
        }
        read_marker(batch)
            .map_err(|source| AppendError::Malformed { partition: self.partition.clone(), source })
    }

    fn duplicate(&self, original: ProducerBatch) -> Appended {
        let view = self.view.read();
        Appended {
            base_offset: original.first_offset(),
            last_offset: original.last_offset,
            duplicate: true,
            append_time: Some(original.timestamp),
            log_start_offset: view.log_start,
            must_wait: original.last_offset >= view.durable_end,
        }
    }

    fn refused(&self, refusal: Refusal, header: &BatchHeader) -> AppendError {
        let partition = self.partition.clone();
        let (producer_id, offset) = (header.producer_id(), header.base_offset());
        match refusal {
            Refusal::OutOfOrderSequence { sequence, last_sequence } => {
                AppendError::OutOfOrderSequence { partition, producer_id, offset, sequence, last_sequence }
            }
            Refusal::InvalidEpoch { current } => AppendError::InvalidProducerEpoch {
                partition,
                producer_id,
                offset,
                producer_epoch: header.producer_epoch(),
                current,
            },
            Refusal::InvalidTransactionState => {
                AppendError::InvalidTransactionState { partition, producer_id }
            }
            Refusal::CoordinatorFenced { coordinator_epoch, current } => {
                AppendError::TransactionCoordinatorFenced {
                    partition,
                    producer_id,
                    coordinator_epoch,
                    current,
                }
            }
        }
    }

    /// Whether the append belongs into a new segment (Kafka's `LogSegment.shouldRoll`).
    fn must_roll(
        &self,
        writer: &Writer,
        size: usize,
        max_timestamp: i64,
        last_offset: Offset,
        now_ms: i64,
    ) -> bool {
        let config = &writer.config;
        let is_too_large = writer.size + size as u64 > u64::from(config.segment_bytes);
        // A segment that begins with a timestamp ages by those of its batches, any other by the clock.
        let age_ms = match (writer.first_timestamp, writer.first_append_ms) {
            (Some(first), _) => max_timestamp.saturating_sub(first),
            (None, Some(first)) => now_ms.saturating_sub(first),
            (None, None) => 0,
        };
        let is_too_old =
            writer.size > 0 && age_ms > config.segment_lifetime_ms(self.tag, writer.active.base.0);
        (is_too_large && writer.size > 0)
            || is_too_old
            || writer.active.is_index_full(config.segment_index_bytes)
            || writer.active.relative(last_offset).is_none()
    }

    /// Starts a new segment at the log's end, unless the active one is empty. Returns whether it did.
    ///
    /// # Errors
    /// Where a file cannot be written. The log is as before then.
    pub fn roll(&self) -> Result<bool, StorageError> {
        let mut writer = self.writer.lock();
        self.root.check_online()?;
        self.check_open(&writer)?;
        self.load(&mut writer)?;
        if writer.size == 0 {
            return Ok(false);
        }
        let base = writer.log_end;
        self.roll_locked(&mut writer, base)?;
        Ok(true)
    }

    /// Starts a new segment at `base`, at or behind the log's end.
    pub(super) fn roll_locked(&self, writer: &mut Writer, base: Offset) -> Result<(), StorageError> {
        let fail = |error| self.root.fail_unless_full(error);
        let old = Arc::clone(&writer.active);
        let replaces = writer.size == 0;
        if replaces && old.base == base {
            return Ok(());
        }
        // All that may fail for want of room comes first, and leaves the old segment growing.
        if !replaces {
            // One that is there already says the same, and may have to stay durable.
            let path = self.folder.file(base, ".snapshot");
            if !self.folder.disk.exists(&path).at("look at", &path)? {
                self.write_snapshot(&encode(&writer.producers), base).map_err(fail)?;
            }
            old.write_last_indexes().map_err(fail)?;
        }
        let segment = Arc::new(Segment::create(&self.folder, base).map_err(fail)?);
        if let Some(size) = writer.config.reserve()
            && let Err(error) = segment.reserve(size)
        {
            segment.remove().map_err(fail)?;
            // A power cut must not bring it back when the old segment has grown beyond its base.
            self.names.mark();
            return Err(fail(error));
        }
        if !replaces {
            old.give_back_reserve(writer.size).map_err(fail)?;
        }
        old.seal();
        {
            let mut view = self.view.write();
            if replaces {
                view.segments.pop();
            }
            view.segments.push(Arc::clone(&segment));
            self.names.mark();
            // Its first bytes are where the log's end is now.
            if view.durable_end == view.log_end {
                view.durable_position = Some((base, 0));
            }
        }
        writer.active = segment;
        writer.size = 0;
        writer.first_timestamp = None;
        writer.first_append_ms = None;
        if replaces {
            old.remove().map_err(fail)?;
        }
        Ok(())
    }

    /// Writes the producers' state as of `offset`, without syncing it.
    fn write_snapshot(&self, bytes: &[u8], offset: Offset) -> Result<(), StorageError> {
        let path = self.folder.file(offset, ".snapshot");
        let file = self.folder.disk.create(&path).at("create", &path)?;
        file.write_all_at(&mut [IoSlice::new(bytes)], 0).at("write", &path)
    }

    fn write(
        &self,
        writer: &Writer,
        batches: &[BatchView<'_>],
        prepared: &[Prepared],
        records: &[u8],
        info: &AppendInfo,
    ) -> Result<(), StorageError> {
        let segment = &writer.active;
        let file = segment.file()?;
        let written = match (prepared, batches) {
            _ if info.origin == Origin::Replication => {
                file.write_all_at(&mut [IoSlice::new(records)], writer.size)
            }
            ([prepared], [batch]) => {
                let mut slices = [IoSlice::new(&prepared.prefix), IoSlice::new(batch.body())];
                file.write_all_at(&mut slices, writer.size)
            }
            _ => {
                let pairs = prepared.iter().zip(batches);
                let mut slices: Vec<IoSlice<'_>> = pairs
                    .flat_map(|(prepared, batch)| {
                        [IoSlice::new(&prepared.prefix), IoSlice::new(batch.body())]
                    })
                    .collect();
                file.write_all_at(&mut slices, writer.size)
            }
        };
        let Err(error) = written else { return Ok(()) };
        let path = segment.path();
        if !is_no_room(&error) {
            return Err(self.root.fail(StorageError::Io { path, operation: "write", source: error }));
        }
        // What was written of it must not be taken for records by a later recovery.
        file.set_size(writer.size).at("cut", &path).map_err(|error| self.root.fail(error))?;
        Err(StorageError::DiskFull { path })
    }

    /// Writes the index entries of transactions that the batches written just now abort.
    fn write_aborted(&self, writer: &Writer, aborted: &[AbortedTransaction]) -> Result<(), StorageError> {
        let (index, file) = writer.active.aborted();
        let Err(error) = index.append(&file, aborted) else { return Ok(()) };
        if !matches!(error, StorageError::DiskFull { .. }) {
            return Err(self.root.fail(error));
        }
        let path = writer.active.path();
        let cut = writer.active.file()?.set_size(writer.size).at("cut", &path);
        cut.map_err(|error| self.root.fail(error))?;
        Err(error)
    }

    /// Makes what was written part of the log.
    fn publish(
        &self,
        writer: &mut Writer,
        prepared: &[Prepared],
        staged: Staged,
        size: usize,
        log_end: Offset,
        now_ms: i64,
    ) {
        let segment = Arc::clone(&writer.active);
        let interval = writer.config.index_interval_bytes;
        let start = writer.size;
        segment.with_growing(|growing| {
            let mut position = start;
            for batch in prepared {
                let header = &batch.header;
                let relative = segment.relative(header.last_offset()).unwrap_or(i32::MAX as u32);
                growing.add(relative, position as u32, header.size(), header.max_timestamp(), interval);
                position += header.size() as u64;
            }
        });
        let mut records = 0;
        for batch in prepared {
            let header = &batch.header;
            records += i64::from(header.record_count());
            if writer.latest_epoch != Some(header.leader_epoch()) && header.leader_epoch().0 >= 0 {
                self.with_epochs(|epochs| ((), epochs.assign(header.leader_epoch(), header.base_offset())))
                    .expect("the epochs were read when the writer was loaded");
                writer.latest_epoch = Some(header.leader_epoch());
            }
        }
        let mut boundaries = self.boundaries.lock();
        let mut position = start;
        for batch in prepared {
            boundaries.add_appended(batch.header.base_offset(), segment.base, position);
            position += batch.header.size() as u64;
        }
        drop(boundaries);
        if let Some((state, ended)) = staged.first {
            writer.producers.apply(state, ended);
        }
        for (state, ended) in staged.more {
            writer.producers.apply(state, ended);
        }
        writer.first_append_ms.get_or_insert(now_ms);
        if writer.size == 0 {
            let timestamp = prepared.first().map(|batch| batch.header.max_timestamp());
            writer.first_timestamp = timestamp.filter(|timestamp| *timestamp >= 0);
        }
        writer.size += size as u64;
        writer.log_end = log_end;
        writer.unflushed_records += records;
        let must_sync = writer.unflushed_records >= writer.config.flush_messages;
        if must_sync {
            writer.unflushed_records = 0;
        }

        segment.dirt.mark();
        self.root.note_unrecoverable(size as u64);
        {
            let mut view = self.view.write();
            segment.set_size(writer.size);
            view.log_end = log_end;
            view.unrecoverable_bytes += size as u64;
            view.unrecoverable_since_ms.get_or_insert(now_ms);
            view.unflushed_since_ms.get_or_insert(now_ms);
            self.publish_unstable(writer, &mut view);
            if !view.is_durable_first {
                if writer.config.flush_ms < i64::MAX {
                    self.root.note_flush_by_time();
                }
                view.durable_end = log_end;
                view.durable_position = Some((segment.base, writer.size));
            }
        }
        self.root.note_appended(self);
        if must_sync {
            self.wait_for_sync();
        }
    }
}

/// The end of a transaction that a control batch holds, if it is that.
pub(super) fn read_marker(batch: &BatchView<'_>) -> Result<Option<EndTransactionMarker>, BatchError> {
    let records = batch.records(MARKER_SIZE_MAX)?;
    let Some(record) = records.iter().next() else { return Ok(None) };
    let record = record?;
    EndTransactionMarker::parse(record.key.unwrap_or_default(), record.value.unwrap_or_default())
}
