//! One partition's log: appends, reads and what keeps it in order. It knows no leader and no high watermark.
//!
//! Two locks divide the work. The *writer* is held by whoever changes the log, also while the disk is written
//! to; the *view* holds what readers need and is only ever held for a moment, never across a disk access. What
//! is appended becomes visible in the view after it is written. Locks are taken in the order
//! cleaning, maintenance, writer, epochs, view.

mod append;
mod boundaries;
mod clean;
mod damage;
mod maintain;
mod open;
mod read;
mod relocation;
mod retention;
mod times;
mod transactions;

use crate::commit::{CommitQueue, InQueue, SyncPlan, Synced, Unsecured};
use crate::config::LogConfig;
use crate::directory::Root;
use crate::disk::File;
use crate::epochs::{EpochStart, LeaderEpochs};
use crate::error::{Context, StorageError};
use crate::journal::Key;
use crate::producers::{ProducerState, Producers};
use crate::segment::{Folder, Segment};
use crate::sync::{Dirt, Mutex, RwLock};
use boundaries::Boundaries;
use ottla_ids::{LeaderEpoch, Offset, TopicId, TopicPartition};
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

pub use append::{AppendInfo, Appended};
pub use clean::{CleanError, Cleaned, Cleaning};
pub(crate) use maintain::{Advance, Syncs};
pub use open::Recovery;
pub(crate) use open::{Known, Opening};
pub use read::{FileRange, LogRead, RecordRange};
pub use relocation::{CopyProgress, Relocation};
pub(crate) use relocation::{can_have_future, parse_future};
pub use retention::{Retained, Retention};
pub use times::TimestampOffset;

/// The log of one partition. Made by [`crate::LogDirectory::open_log`].
#[derive(Debug)]
pub struct Log {
    /// For the commit queue, which holds the logs that wait.
    me: Weak<Log>,
    root: Arc<Root>,
    queue: Arc<CommitQueue>,
    partition: TopicPartition,
    topic_id: TopicId,
    tag: u64,
    folder: Arc<Folder>,
    in_queue: InQueue,
    /// The last round of the journal that speaks of this log; 0 for none.
    journaled: AtomicU64,
    /// The first round of the journal's file in which that is.
    journaled_in: AtomicU64,
    /// Whether names in the folder are not durable.
    names: Dirt,
    /// Whether the directory knows that something is behind the recovery point.
    in_appended: InQueue,
    /// Held by what writes or removes files beside the append path: checkpoints, truncation, deletion.
    maintenance: Mutex<()>,
    /// Held while the log is cleaned; taken before `maintenance`.
    cleaning: Mutex<()>,
    writer: Mutex<Writer>,
    epochs: Mutex<Epochs>,
    view: RwLock<View>,
    boundaries: Mutex<Boundaries>,
    /// The high watermark that was last told.
    high_watermark: AtomicI64,
    recovery: Recovery,
}

/// What an append needs.
#[derive(Debug)]
struct Writer {
    config: LogConfig,
    active: Arc<Segment>,
    /// Bytes of whole batches in the active segment.
    size: u64,
    log_end: Offset,
    producers: Producers,
    /// Whether size, indexes and producers are known; at a clean start they are read at first use.
    is_loaded: bool,
    /// The newest epoch that `epochs` knows.
    latest_epoch: Option<LeaderEpoch>,
    /// The greatest timestamp of the active segment's first batch; `None` if it is empty or has none.
    first_timestamp: Option<i64>,
    /// When the active segment was first appended to since it was created or opened; ms since 1970.
    first_append_ms: Option<i64>,
    /// Records appended since the last sync that was asked for.
    unflushed_records: i64,
    is_closed: bool,
    /// Whether it was told that the log is damaged.
    is_told: bool,
}

/// Leader epochs, read at first use.
#[derive(Debug, Default)]
struct Epochs {
    cache: Option<LeaderEpochs>,
    /// Whether the file does not say the same.
    is_dirty: bool,
}

/// What readers see.
#[derive(Debug)]
struct View {
    /// Ascending; the last is the active one. Never empty.
    segments: Vec<Arc<Segment>>,
    log_start: Offset,
    log_end: Offset,
    /// What counts as durable; see [`Log::durable_end`].
    durable_end: Offset,
    /// The segment in which `durable_end` is a position, and the position.
    durable_position: Option<(Offset, u64)>,
    /// A segment and a position in it: all before is synced or in the journal. `None` while that is not known.
    secured: Option<(Offset, u64)>,
    /// What is synced. Invariant: `recovery_point <= synced_end <= log_end`.
    synced_end: Offset,
    /// What needs no recovery after a crash.
    recovery_point: Offset,
    /// Bytes appended behind the recovery point.
    unrecoverable_bytes: u64,
    /// The time of the first append behind the recovery point; ms since 1970, `None` after a recovery.
    unrecoverable_since_ms: Option<i64>,
    /// The time of the first append that is not synced.
    unflushed_since_ms: Option<i64>,
    /// Right once `is_loaded`.
    first_unstable: Option<Offset>,
    /// Whether the producers' state has been read.
    is_loaded: bool,
    /// Once the high watermark is behind this transaction marker, `first_unstable` may move.
    next_marker: Option<Offset>,
    /// Counts truncations and cleanings: a sync that began before one says nothing of what came after it.
    truncations: u64,
    /// Counts how often segments have left the log.
    departures: u64,
    /// Whether the folder's own name and its `partition.metadata` are not durable.
    is_new: bool,
    /// Segments that are marked as deleted, and when.
    deleted: Vec<(Arc<Segment>, i64)>,
    is_durable_first: bool,
    /// Whether the log is given up, so that nothing of it is to be made durable any more.
    is_given_up: bool,
}

impl View {
    fn active(&self) -> &Arc<Segment> {
        self.segments.last().expect("a log always has an active segment")
    }

    /// The segment that holds `offset` or, where none does, the one before it.
    fn segment_index(&self, offset: Offset) -> usize {
        self.segments.partition_point(|segment| segment.base <= offset).saturating_sub(1)
    }
}

impl Log {
    /// The partition.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The topic's id.
    pub fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// Whether nothing can be appended any more: the log was deleted, moved away, or closed in order.
    pub fn is_closed(&self) -> bool {
        self.writer.lock().is_closed
    }

    /// The log directory in which it lies.
    pub fn directory_path(&self) -> &Path {
        &self.root.path
    }

    /// Whether its log directory can be used.
    ///
    /// # Errors
    /// [`StorageError::Offline`] since a write or sync in the directory failed.
    pub fn check_online(&self) -> Result<(), StorageError> {
        self.root.check_online()
    }

    /// The tag by which [`Synced`] names this log.
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> Offset {
        self.view.read().log_start
    }

    /// The offset that the next record gets.
    pub fn log_end_offset(&self) -> Offset {
        self.view.read().log_end
    }

    /// All below this offset counts as durable: with `flush.messages` of 1 it is synced; with more it may be
    /// in the operating system's memory only, as in Apache Kafka.
    pub fn durable_end(&self) -> Offset {
        self.view.read().durable_end
    }

    /// All below this offset is synced, and needs no check after a crash.
    pub(crate) fn recovery_point(&self) -> Offset {
        self.view.read().recovery_point
    }

    /// What had to be done when the log was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Bytes of all segments, without indexes.
    ///
    /// # Errors
    /// Where a file cannot be looked at.
    pub fn size(&self) -> Result<u64, StorageError> {
        let segments = self.view.read().segments.clone();
        segments.iter().map(|segment| segment.size()).sum()
    }

    /// How many segments there are.
    #[cfg(test)]
    fn segment_count(&self) -> usize {
        self.view.read().segments.len()
    }

    /// The configuration from now on.
    pub fn set_config(&self, config: LogConfig) {
        let mut writer = self.writer.lock();
        writer.config = config;
        self.view.write().is_durable_first = config.is_durable_first();
    }

    /// The configuration.
    pub fn config(&self) -> LogConfig {
        self.writer.lock().config
    }

    /// The first offset that a committed-only reader may not pass, if there is one: that of the earliest open
    /// transaction, or of one whose marker is not below the high watermark that was last told.
    ///
    /// # Errors
    /// Where the producers' state cannot be loaded.
    pub fn first_unstable_offset(&self) -> Result<Option<Offset>, StorageError> {
        {
            let view = self.view.read();
            if view.is_loaded {
                return Ok(view.first_unstable);
            }
        }
        let mut writer = self.writer.lock();
        self.load(&mut writer)?;
        Ok(writer.producers.first_unstable_offset())
    }

    /// Tells the high watermark, below which transaction markers count.
    pub fn on_high_watermark(&self, high_watermark: Offset) {
        self.high_watermark.fetch_max(high_watermark.0, Ordering::AcqRel);
        if self.view.read().next_marker.is_none_or(|marker| marker >= high_watermark) {
            return;
        }
        let mut writer = self.writer.lock();
        writer.producers.on_high_watermark(high_watermark);
        self.publish_unstable(&writer, &mut self.view.write());
    }

    /// Makes the view say what the writer knows of transactions.
    fn publish_unstable(&self, writer: &Writer, view: &mut View) {
        view.first_unstable = writer.producers.first_unstable_offset();
        view.next_marker = writer.producers.next_marker();
    }

    /// The producers that the log knows, in no order.
    ///
    /// # Errors
    /// Where the producers' state cannot be loaded.
    pub fn producers(&self) -> Result<Vec<ProducerState>, StorageError> {
        let mut writer = self.writer.lock();
        self.load(&mut writer)?;
        Ok(writer.producers.states().cloned().collect())
    }

    /// Forgets idle producers (`producer.id.expiration.ms`); returns how many. To be called now and then.
    pub fn expire_producers(&self, now_ms: i64) -> usize {
        let mut writer = self.writer.lock();
        if !writer.is_loaded || writer.producers.is_empty() {
            return 0;
        }
        let expiration_ms = writer.config.producer_id_expiration_ms;
        writer.producers.expire(now_ms, expiration_ms)
    }

    /// Which leader epoch began where, ascending.
    ///
    /// # Errors
    /// Where they cannot be loaded.
    pub fn leader_epochs(&self) -> Result<Vec<EpochStart>, StorageError> {
        self.with_epochs(|epochs| (epochs.entries().to_vec(), false))
    }

    /// The leader epoch in which `offset` was appended, if known.
    ///
    /// # Errors
    /// Where the epochs cannot be loaded.
    pub fn epoch_at(&self, offset: Offset) -> Result<Option<LeaderEpoch>, StorageError> {
        self.with_epochs(|epochs| (epochs.epoch_at(offset), false))
    }

    /// The largest epoch up to `epoch`, and the offset behind its last record; `None` where it is not known
    /// (KIP-101, KIP-279).
    ///
    /// # Errors
    /// Where the epochs cannot be loaded.
    pub fn end_offset_for_epoch(
        &self,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, StorageError> {
        let log_end = self.log_end_offset();
        self.with_epochs(|epochs| (epochs.end_offset(epoch, log_end), false))
    }

    /// Runs `action` on the epochs; it also says whether it changed them.
    fn with_epochs<T>(&self, action: impl FnOnce(&mut LeaderEpochs) -> (T, bool)) -> Result<T, StorageError> {
        let mut epochs = self.epochs.lock();
        let cache = match &mut epochs.cache {
            Some(cache) => cache,
            cache => {
                let (segments, start, end) = {
                    let view = self.view.read();
                    (view.segments.clone(), view.log_start, view.log_end)
                };
                let mut read = damage::read_epochs(&self.folder, &segments)
                    .map_err(|error| self.root.fail_if_unreadable(error))?;
                read.truncate_from_end(end);
                read.truncate_from_start(start);
                cache.insert(read)
            }
        };
        let (result, is_changed) = action(cache);
        epochs.is_dirty |= is_changed;
        Ok(result)
    }

    fn check_open(&self, writer: &Writer) -> Result<(), StorageError> {
        if writer.is_closed {
            return Err(StorageError::Closed { partition: self.partition.clone() });
        }
        Ok(())
    }

    pub(crate) fn me(&self) -> Weak<Log> {
        Weak::clone(&self.me)
    }

    pub(crate) fn in_appended(&self) -> &InQueue {
        &self.in_appended
    }

    /// Whether the folder's own name and its `partition.metadata` are not durable.
    pub(crate) fn is_new(&self) -> bool {
        self.view.read().is_new
    }

    /// Whether something is behind the recovery point.
    pub(crate) fn has_unrecoverable(&self) -> bool {
        self.view.read().unrecoverable_bytes > 0
    }

    /// Lets the log wait for the next round of the commit queue, unless it does already.
    pub(crate) fn wait_for_sync(&self) {
        if self.in_queue.enter()
            && let Some(log) = self.me.upgrade()
        {
            self.queue.add(log);
        }
    }

    /// As [`Log::plan_sync`], for a log that was taken from the queue.
    pub(crate) fn take_turn(&self) -> Option<SyncPlan> {
        // In this order: what is appended from here on either is in the view or enters the queue again.
        self.in_queue.leave();
        self.plan_sync()
    }

    /// What it takes to make durable all that is visible now. `None` where the log is given up.
    pub(crate) fn plan_sync(&self) -> Option<SyncPlan> {
        let mut view = self.view.write();
        if view.is_given_up {
            return None;
        }
        let mut segments = Vec::new();
        for segment in view.segments.iter().rev() {
            if let Some(pending) = segment.dirt.pending() {
                segments.push((Arc::clone(segment), pending));
            } else if segment.base <= view.synced_end {
                break;
            }
        }
        // Older segments first: a crash in between must not leave a hole that a later one hides.
        segments.reverse();
        let active = view.active();
        let position = active.size().ok().map(|size| (active.base, size));
        view.unflushed_since_ms = None;
        Some(SyncPlan {
            segments,
            names: self.names.pending(),
            is_new: view.is_new,
            end: view.log_end,
            position,
            unsecured: unsecured(&view),
            truncations: view.truncations,
        })
    }

    /// Carries out a plan by syncing the log's own files; counts the syncs.
    pub(crate) fn sync_files(&self, plan: &SyncPlan) -> Result<u64, StorageError> {
        match self.try_sync_files(plan) {
            // Its files may have other names by now.
            Err(_) if self.view.read().is_given_up => Ok(0),
            result => result,
        }
    }

    fn try_sync_files(&self, plan: &SyncPlan) -> Result<u64, StorageError> {
        let mut syncs = 0;
        for (segment, pending) in &plan.segments {
            segment.file()?.sync().at("sync", &segment.path())?;
            segment.dirt.done(*pending);
            syncs += 1;
        }
        if plan.is_new {
            self.sync_partition_metadata()?;
            syncs += 1;
        }
        if let Some(pending) = plan.names {
            self.sync_folder()?;
            self.names.done(pending);
            syncs += 1;
        }
        Ok(syncs)
    }

    /// Notes that a plan's files, folder and, for a new log, the directory's names were synced.
    pub(crate) fn on_files_synced(&self, plan: &SyncPlan) {
        let mut view = self.view.write();
        view.is_new &= !plan.is_new;
        if view.truncations == plan.truncations {
            view.synced_end = view.synced_end.max(plan.end);
            view.secured = view.secured.max(plan.position);
        }
    }

    /// As [`Log::on_files_synced`], where the whole file system was synced after the plan was made.
    pub(crate) fn on_all_synced(&self, plan: &SyncPlan) {
        plan.segments.iter().for_each(|(segment, pending)| segment.dirt.done(*pending));
        plan.names.into_iter().for_each(|pending| self.names.done(pending));
        self.on_files_synced(plan);
    }

    /// Notes that the journal has what a plan found to be unsecured.
    pub(crate) fn on_journaled(&self, plan: &SyncPlan) {
        let mut view = self.view.write();
        if view.truncations == plan.truncations {
            view.secured = view.secured.max(plan.position);
        }
    }

    /// What a plan that was carried out has made durable.
    pub(crate) fn finish_sync(&self, plan: &SyncPlan) -> Option<Synced> {
        let mut view = self.view.write();
        if view.truncations != plan.truncations {
            drop(view);
            self.wait_for_sync();
            return None;
        }
        if plan.end <= view.durable_end {
            return None;
        }
        view.durable_end = plan.end;
        view.durable_position = plan.position;
        Some(Synced { log_tag: self.tag, durable_end: plan.end })
    }

    /// Notes a round of the journal in which the log is, and the first round of its file; says whether it is
    /// the log's first in that file.
    pub(crate) fn note_journaled(&self, round: u64, file: u64) -> bool {
        self.journaled.store(round, Ordering::Release);
        self.journaled_in.swap(file, Ordering::AcqRel) != file
    }

    /// The last round of the journal that speaks of this log; 0 for none.
    pub(crate) fn journaled(&self) -> u64 {
        self.journaled.load(Ordering::Acquire)
    }

    pub(crate) fn on_forgotten(&self) {
        self.journaled.store(0, Ordering::Release);
    }

    /// The name of the log in the journal.
    pub(crate) fn key(&self) -> Key<'_> {
        Key::of(self.topic_id, &self.partition)
    }

    /// Makes the log durable in its own files, and void what the journal says of it: to be called before it is
    /// changed other than by appending. The caller keeps others from appending.
    fn settle(&self) -> Result<(), StorageError> {
        let Some(log) = self.me.upgrade() else { return Ok(()) };
        self.queue.settle(&log)
    }

    pub(crate) fn sync_folder(&self) -> Result<(), StorageError> {
        self.folder.disk.sync_folder(&self.folder.path).at("sync folder", &self.folder.path)
    }

    pub(crate) fn sync_partition_metadata(&self) -> Result<(), StorageError> {
        let path = self.folder.path.join(crate::checkpoint::PARTITION_METADATA);
        let file: File = self.folder.disk.open(&path).at("open", &path)?;
        file.sync().at("sync", &path)
    }
}

/// Where the bytes are that are neither synced nor in the journal; `None` where that is not known.
fn unsecured(view: &View) -> Option<Vec<Unsecured>> {
    let (secured_base, secured) = view.secured?;
    let from = view.segments.partition_point(|segment| segment.base < secured_base);
    let mut ranges = Vec::new();
    for (index, segment) in view.segments.iter().enumerate().skip(from) {
        let start = if segment.base == secured_base { secured } else { 0 };
        let size = segment.size().ok()?;
        let next_base = view.segments.get(index + 1).map(|next| next.base);
        if start < size {
            let end = next_base.unwrap_or(view.log_end);
            ranges.push(Unsecured { segment: Arc::clone(segment), from: start, to: size, end });
        }
    }
    Some(ranges)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod model;

#[cfg(test)]
mod clean_model;
