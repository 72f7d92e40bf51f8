//! One partition that this node leads.

use crate::rules::Rules;
use crate::waiters::{Ticket, Waiters};
use crate::watch::{Watch, Watched};
use arc_swap::ArcSwap;
use bytes::Bytes;
use ottla_ids::{LeaderEpoch, Offset, ProducerId, TopicId, TopicPartition};
use ottla_records::{BatchView, ProduceError, validate_produce};
use ottla_storage::{
    AppendInfo, CleanError, Cleanable, Cleaned, Cleaning, Log, ProducerState, ReadError, RecordRange,
    Retained, StorageError, TimestampOffset,
};
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whom a producer wants to have its records before it is answered (`acks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// 0: nobody; there is no answer.
    None,
    /// 1: the leader.
    Leader,
    /// -1 or `all`: every replica in sync.
    All,
}

impl Acks {
    /// The meaning of the number in a request, if it has one.
    pub fn from_number(acks: i16) -> Option<Acks> {
        match acks {
            0 => Some(Acks::None),
            1 => Some(Acks::Leader),
            -1 => Some(Acks::All),
            _ => None,
        }
    }
}

/// Who appends.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A client's produce request: nothing in it is trusted.
    Client {
        /// The transactional id of the request.
        transactional_id: Option<&'a str>,
        /// The version of the request: zstd may come from version 7 on.
        produce_version: i16,
    },
    /// A coordinator of this node, with batches it built itself.
    Coordinator,
}

/// Up to where a consumer reads (`isolation.level`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Up to the high watermark.
    ReadUncommitted,
    /// Up to the last stable offset: nothing of transactions that are still open.
    ReadCommitted,
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of the first record; of the original one when the batch came a second time.
    pub base_offset: Offset,
    /// The append time in ms where the topic has it (`LogAppendTime`).
    pub append_time_ms: Option<i64>,
    /// The log's first offset.
    pub log_start_offset: Offset,
    /// The high watermark that must be reached before the producer is answered; `None`: answer at once.
    pub wait: Option<Offset>,
}

/// Why an append was refused.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The records break a rule.
    #[error(transparent)]
    Records(#[from] ProduceError),
    /// A transactional batch without a transaction that this node could verify.
    #[error("the transaction of the batch was not verified: the producer must add the partition first")]
    TransactionNotVerified,
    /// A transactional batch in a request that names no transactional id.
    #[error("a transactional batch needs a transactional id in its request")]
    NoTransactionalId,
    /// Fewer replicas are in sync than `min.insync.replicas` asks for.
    #[error("the partition has {in_sync} replicas in sync, fewer than min.insync.replicas = {wanted}")]
    NotEnoughReplicas {
        /// Replicas in sync.
        in_sync: usize,
        /// `min.insync.replicas`.
        wanted: usize,
    },
    /// The log refused.
    #[error(transparent)]
    Log(#[from] ottla_storage::AppendError),
}

/// What was read, and the offsets as they were when it was.
#[derive(Clone, Debug)]
pub struct Read {
    /// Where the records lie; empty when there are none.
    pub records: RecordRange,
    /// Consumers see what lies below.
    pub high_watermark: Offset,
    /// Read-committed consumers see what lies below.
    pub last_stable_offset: Offset,
    /// The log's first offset.
    pub log_start_offset: Offset,
    /// Transactions aborted within the range, for read-committed consumers only.
    pub aborted: Option<Vec<(ProducerId, Offset)>>,
    /// Where the reader's log leaves this one: it must cut back to there before it reads on.
    pub diverging: Option<(LeaderEpoch, Offset)>,
}

impl Read {
    /// Bytes of records.
    pub fn size(&self) -> usize {
        self.records.size()
    }

    /// Up to where a reader of this isolation level could read.
    pub fn visible_end(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable_offset,
        }
    }
}

/// Which offset is looked for (ListOffsets).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first record at or after this time, in ms.
    Timestamp(i64),
    /// The end that a consumer of the isolation level sees (-1).
    Latest,
    /// The log's first offset (-2).
    Earliest,
    /// The record with the greatest timestamp (-3).
    MaxTimestamp,
    /// The first offset on the local disk (-4).
    EarliestLocal,
    /// The last offset in tiered storage (-5).
    LatestTiered,
    /// The first offset that tiered storage does not have yet (-6).
    EarliestPendingUpload,
}

/// An offset that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The offset.
    pub offset: Offset,
    /// The record's timestamp in ms, -1 where the offset was not found by time.
    pub timestamp_ms: i64,
    /// The epoch of the record's leader.
    pub leader_epoch: LeaderEpoch,
}

/// Why records could not be deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteRecordsError {
    /// The offset is above the high watermark or below zero.
    #[error("offset {offset} is not between 0 and the high watermark {high_watermark}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: i64,
        /// The high watermark.
        high_watermark: Offset,
    },
    /// The topic is compacted and never deletes.
    #[error("the topic's cleanup.policy is compact: its records are not deleted by offset")]
    Compacted,
    /// The log refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A partition that this node leads. Cheap to share; every method is safe to call from any thread.
///
/// Invariants: `log_start_offset <= high_watermark <= log_end_offset`, and the high watermark never
/// moves back.
#[derive(Debug)]
pub struct Partition {
    name: TopicPartition,
    topic_id: TopicId,
    /// Replaced when the partition moves to another log directory.
    log: ArcSwap<Log>,
    /// Held while the log is replaced: who finds it closed waits here for the new one.
    switching: Mutex<()>,
    leader_epoch: AtomicI32,
    high_watermark: AtomicI64,
    in_sync: AtomicI32,
    /// How many replicas are assigned: no more can be in sync, whatever `min.insync.replicas` asks for.
    replicas: AtomicI32,
    offline: AtomicBool,
    rules: ArcSwap<Rules>,
    waiters: Mutex<Waiters>,
}

impl Partition {
    /// Leads `log` as `state` says. What recovery found is durable, so the high watermark begins at
    /// the log's durable end.
    pub(crate) fn new(log: Arc<Log>, state: &ottla_metadata::Partition, rules: Arc<Rules>) -> Partition {
        log.on_high_watermark(log.durable_end());
        Partition {
            name: log.partition().clone(),
            topic_id: log.topic_id(),
            leader_epoch: AtomicI32::new(state.leader_epoch.0),
            high_watermark: AtomicI64::new(log.durable_end().0),
            in_sync: AtomicI32::new(1),
            replicas: AtomicI32::new(count(state)),
            offline: AtomicBool::new(false),
            rules: ArcSwap::new(rules),
            log: ArcSwap::new(log),
            switching: Mutex::new(()),
            waiters: Mutex::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// The id of its topic.
    pub fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// The epoch in which this node leads.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.leader_epoch.load(Ordering::Acquire))
    }

    /// Leads as `state` says from here on; its epoch never goes back.
    pub(crate) fn lead_as(&self, state: &ottla_metadata::Partition) {
        self.replicas.store(count(state), Ordering::Relaxed);
        let before = self.leader_epoch.fetch_max(state.leader_epoch.0, Ordering::AcqRel);
        if before < state.leader_epoch.0 {
            self.waiters().changed();
        }
    }

    /// What a topic's configuration asks for, from the next append on.
    pub(crate) fn set_rules(&self, rules: Arc<Rules>) {
        let _switching = self.switching();
        self.log().set_config(rules.log);
        self.rules.store(rules);
    }

    /// The topic's configuration as it counts now: another [`Arc`] when it was changed.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// The log, for those who keep it: shut it down, delete it.
    pub(crate) fn log(&self) -> arc_swap::Guard<Arc<Log>> {
        self.log.load()
    }

    /// The log, to be held for long.
    pub(crate) fn log_arc(&self) -> Arc<Log> {
        self.log.load_full()
    }

    /// To be held while the log is closed and replaced.
    pub(crate) fn switching(&self) -> MutexGuard<'_, ()> {
        self.switching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with another log that has all that this one had, durably.
    pub(crate) fn set_log(&self, log: Arc<Log>) {
        let end = log.durable_end();
        log.on_high_watermark(self.high_watermark());
        self.log.store(log);
        self.advance(end);
        // Whether the other directory works is another question.
        self.waiters().changed();
    }

    /// Whether something that `log` refused should be tried again: it was closed to be moved. Waits for the end
    /// of the move.
    fn moves_on(&self, log: &Arc<Log>) -> bool {
        drop(self.switching());
        !Arc::ptr_eq(log, &self.log.load()) || !log.is_closed()
    }

    /// Consumers see what lies below; it is durable.
    pub fn high_watermark(&self) -> Offset {
        Offset(self.high_watermark.load(Ordering::Acquire))
    }

    /// Read-committed consumers see what lies below.
    ///
    /// # Errors
    /// Where the producers' state cannot be loaded.
    pub fn last_stable_offset(&self) -> Result<Offset, StorageError> {
        let high_watermark = self.high_watermark();
        let first_unstable = self.log().first_unstable_offset()?;
        let log_start = self.log_start_offset();
        Ok(first_unstable.map_or(high_watermark, |offset| offset.max(log_start).min(high_watermark)))
    }

    /// The log's first offset.
    pub fn log_start_offset(&self) -> Offset {
        self.log().log_start_offset()
    }

    /// The offset that the next record gets.
    pub fn log_end_offset(&self) -> Offset {
        self.log().log_end_offset()
    }

    /// Whether its log directory failed: nothing can be appended or read any more.
    pub fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Acquire)
    }

    /// The directory's failure, once the partition is offline.
    pub(crate) fn offline_error(&self) -> Option<StorageError> {
        if self.is_offline() { self.log().check_online().err() } else { None }
    }

    /// The log directory in which it lies.
    pub fn directory_path(&self) -> PathBuf {
        self.log().directory_path().to_owned()
    }

    /// Appends one produce request's records, or a coordinator's, and says what to wait for.
    ///
    /// The bytes go to the page cache before this returns; they are durable, and visible to consumers,
    /// when the high watermark has passed them.
    pub fn append(
        &self,
        records: &[u8],
        acks: Acks,
        origin: Origin<'_>,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        let rules = self.rules.load();
        let in_sync = self.in_sync.load(Ordering::Relaxed) as usize;
        let assigned = self.replicas.load(Ordering::Relaxed) as usize;
        let wanted = rules.min_insync_replicas.min(assigned);
        if acks == Acks::All && in_sync < wanted {
            return Err(AppendError::NotEnoughReplicas { in_sync, wanted });
        }
        let (batch, append_time) = match origin {
            Origin::Client { transactional_id, produce_version } => {
                let checked =
                    validate_produce(records, &rules.produce(self.name(), produce_version, now_ms))?;
                let is_transactional = BatchView::parse(&checked.batch).is_ok_and(|it| it.is_transactional());
                if is_transactional {
                    return Err(match transactional_id {
                        None => AppendError::NoTransactionalId,
                        Some(_) => AppendError::TransactionNotVerified,
                    });
                }
                (checked.batch, checked.append_time)
            }
            Origin::Coordinator => (Cow::Borrowed(records), None),
        };
        let info = AppendInfo {
            leader_epoch: self.leader_epoch(),
            append_time,
            origin: match origin {
                Origin::Client { .. } => ottla_storage::Origin::Client,
                Origin::Coordinator => ottla_storage::Origin::Coordinator,
            },
            now_ms,
        };
        let appended = loop {
            let log = self.log();
            match log.append(&batch, &info) {
                Err(ottla_storage::AppendError::Storage(StorageError::Closed { .. }))
                    if self.moves_on(&log) => {}
                result => break result?,
            }
        };
        let end = appended.last_offset.plus(1);
        if !appended.must_wait {
            self.advance(end);
        }
        let durable = self.high_watermark() >= end;
        if durable {
            // Whoever has moved it notes that before this returns, as with a ticket.
            drop(self.waiters());
        }
        Ok(Appended {
            base_offset: appended.base_offset,
            append_time_ms: appended.append_time,
            log_start_offset: appended.log_start_offset,
            wait: (!durable).then_some(end),
        })
    }

    /// Reads from `from` on: at most `max_bytes`, but with `at_least_one` a whole first batch, however
    /// large. An offset at the end, or between what is visible and the end, reads nothing.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        isolation: Isolation,
        at_least_one: bool,
    ) -> Result<Read, ReadError> {
        let mut read = self.read_nothing()?;
        let visible_end = read.visible_end(isolation);
        if from == visible_end {
            // All a reader has that waits: nothing is there, and the log need not be asked. Of thousands of partitions of
            // a session most are such.
            self.log().check_online()?;
            read.aborted = (isolation == Isolation::ReadCommitted).then(Vec::new);
            return Ok(read);
        }
        let found = loop {
            let log = self.log();
            let found = match log.read(from, max_bytes, visible_end, at_least_one) {
                // Its files went while they were looked for.
                Err(ReadError::Storage(_)) if self.moves_on(&log) => {
                    self.log().read(from, max_bytes, visible_end, at_least_one)?
                }
                result => result?,
            };
            if isolation == Isolation::ReadUncommitted {
                break found;
            }
            // It is read again only when segments were deleted or cleaned in between.
            if let Some(aborted) = self.log().aborted_transactions(from, &found)? {
                read.aborted = Some(aborted.iter().map(|it| (it.producer_id, it.first_offset)).collect());
                break found;
            }
        };
        read.records = found.records;
        Ok(read)
    }

    /// The offsets, as a read of no records tells them.
    ///
    /// # Errors
    /// Where the producers' state cannot be loaded.
    pub fn read_nothing(&self) -> Result<Read, StorageError> {
        if let Some(error) = self.offline_error() {
            return Err(error);
        }
        let high_watermark = self.high_watermark();
        Ok(Read {
            records: RecordRange::Bytes(Bytes::new()),
            high_watermark,
            last_stable_offset: self.last_stable_offset()?.min(high_watermark),
            log_start_offset: self.log_start_offset(),
            aborted: None,
            diverging: None,
        })
    }

    /// Looks for an offset; `None` when no record is as asked.
    pub fn find_offset(&self, spec: OffsetSpec, isolation: Isolation) -> Result<Option<Found>, ReadError> {
        let end = match isolation {
            Isolation::ReadUncommitted => self.high_watermark(),
            Isolation::ReadCommitted => self.last_stable_offset()?,
        };
        let plain = |offset, leader_epoch| Some(Found { offset, timestamp_ms: -1, leader_epoch });
        Ok(match spec {
            OffsetSpec::Latest => plain(end, self.leader_epoch()),
            // Nothing is tiered: the local log is the whole log, and nothing waits to be uploaded but it.
            OffsetSpec::Earliest | OffsetSpec::EarliestLocal => {
                let start = self.log_start_offset();
                // An epoch begins when the leader does, with its first record or before it.
                plain(start, self.log().epoch_at(start)?.unwrap_or(self.leader_epoch()))
            }
            OffsetSpec::LatestTiered | OffsetSpec::EarliestPendingUpload => {
                plain(Offset(-1), LeaderEpoch::NONE)
            }
            OffsetSpec::MaxTimestamp => by_time(self.log().max_timestamp()?, end),
            OffsetSpec::Timestamp(time) => by_time(self.log().offset_for_timestamp(time)?, end),
        })
    }

    /// The greatest epoch up to `epoch` that has records, and the offset behind its last one; `None`
    /// when there is none (Kafka's `endOffsetForEpoch`).
    ///
    /// # Errors
    /// Where the epochs cannot be loaded.
    pub fn end_offset_for_epoch(
        &self,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, StorageError> {
        if epoch == self.leader_epoch() {
            return Ok(Some((epoch, self.log_end_offset())));
        }
        self.log().end_offset_for_epoch(epoch)
    }

    /// The producers that the log knows, in no order.
    ///
    /// # Errors
    /// Where they cannot be loaded.
    pub fn producers(&self) -> Result<Vec<ProducerState>, StorageError> {
        self.log().producers()
    }

    /// Deletes what lies below `offset`, -1 for everything up to the high watermark; the new log start
    /// offset.
    pub fn delete_records(&self, offset: i64, now_ms: i64) -> Result<Offset, DeleteRecordsError> {
        if self.rules.load().only_compacted {
            return Err(DeleteRecordsError::Compacted);
        }
        let high_watermark = self.high_watermark();
        let to = if offset == -1 { high_watermark } else { Offset(offset) };
        if to.0 < 0 || to > high_watermark {
            return Err(DeleteRecordsError::OffsetOutOfRange { offset, high_watermark });
        }
        let deleted = loop {
            let log = self.log();
            match log.delete_records(to, now_ms) {
                Err(StorageError::Closed { .. }) if self.moves_on(&log) => {}
                result => break result,
            }
        };
        // What failed may have moved the log's start before it did.
        self.waiters().changed();
        Ok(deleted?)
    }

    /// Deletes what the topic's retention does not keep, as far as it is committed.
    pub(crate) fn retain(&self, now_ms: i64) -> Result<Retained, StorageError> {
        let (high_watermark, before) = (self.high_watermark(), self.log_start_offset());
        let retained = self.log().retain(&self.rules.load().retention, high_watermark, now_ms);
        // What failed may have moved the log's start before it did.
        if self.log_start_offset() != before {
            self.waiters().changed();
        }
        retained
    }

    /// Whether `cleanup.policy` has `compact`.
    pub(crate) fn is_compacted(&self) -> bool {
        self.rules.load().compaction.is_some()
    }

    /// Which part of the log is to be compacted now, if any is.
    pub(crate) fn cleanable(&self, now_ms: i64) -> Result<Option<Cleanable>, StorageError> {
        let rules = self.rules.load();
        let Some(compaction) = rules.compaction else { return Ok(None) };
        let cleanable = self.log().cleanable(self.last_stable_offset()?, compaction.lag, now_ms)?;
        Ok(cleanable.is_due(compaction.min_dirty_ratio).then_some(cleanable))
    }

    /// Compacts that part, with the topic's own `delete.retention.ms`.
    pub(crate) fn clean(
        &self,
        cleanable: &Cleanable,
        cleaning: Cleaning,
        now_ms: i64,
        pace: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Cleaned, CleanError> {
        let Some(compaction) = self.rules.load().compaction else { return Err(CleanError::Interrupted) };
        let cleaning = Cleaning { delete_retention_ms: compaction.delete_retention_ms, ..cleaning };
        self.log().clean(cleanable, &cleaning, now_ms, pace)
    }

    /// A ticket for the moment when the high watermark is at least `offset`.
    pub fn ticket(&self, offset: Offset) -> Ticket {
        let mut waiters = self.waiters();
        // Looked at under the lock that `advance` wakes under: a move between is not missed.
        if self.high_watermark() >= offset {
            Ticket::Ready(Ok(()))
        } else if self.is_offline() {
            Ticket::Ready(Err(crate::Offline))
        } else {
            waiters.ticket(offset)
        }
    }

    /// From here on `watch` notes `number` whenever something changes that a read of this partition, or its answer,
    /// depends on: the high watermark, the last stable offset, the log's start, the leader's epoch, the directory, and
    /// whether the partition is there at all. Each is noted after it has changed. Who watches first and looks then
    /// misses nothing.
    ///
    /// Not noted is that a log directory refuses reads before [`Partition::is_offline`] says so, at most a tenth of
    /// a second later.
    pub fn watch(self: &Arc<Self>, watch: &Arc<Watch>, number: u32) -> Watched {
        self.waiters().watch(watch, number);
        Watched::new(watch, self, number)
    }

    pub(crate) fn unwatch(&self, watch: &Arc<Watch>, number: u32) {
        self.waiters().unwatch(watch, number);
    }

    /// The high watermark moves to `offset`, if that is further; those who waited are told.
    pub(crate) fn advance(&self, offset: Offset) {
        // Before the move is seen: whoever sees the new high watermark sees the last stable offset that goes with it.
        self.log().on_high_watermark(offset);
        // Under the lock, or a ticket that is taken between the two would be ready before the move is noted.
        let mut waiters = self.waiters();
        let before = self.high_watermark.fetch_max(offset.0, Ordering::AcqRel);
        if before < offset.0 {
            waiters.wake(offset);
        }
    }

    /// The directory failed: nobody gets what they wait for.
    pub(crate) fn fail(&self) {
        self.offline.store(true, Ordering::Release);
        self.waiters().fail();
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        // Nothing that runs under this lock panics half-way through a change.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many replicas are assigned.
fn count(state: &ottla_metadata::Partition) -> i32 {
    i32::try_from(state.replicas.len()).unwrap_or(i32::MAX)
}

/// What was found by time, unless it is not visible yet.
fn by_time(found: Option<TimestampOffset>, end: Offset) -> Option<Found> {
    let found = found.filter(|found| found.offset < end)?;
    Some(Found { offset: found.offset, timestamp_ms: found.timestamp, leader_epoch: found.leader_epoch })
}
