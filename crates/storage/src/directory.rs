//! A log directory: who it belongs to, the logs in it, and the offsets it remembers for them.

mod together;

use crate::checkpoint::{
    CLEANER_OFFSETS, HIGH_WATERMARKS, LOG_STARTS, Offsets, RECOVERY_POINTS, read_offsets, write_offsets,
};
use crate::commit::CommitQueue;
use crate::config::LogConfig;
use crate::disk::{Disk, Entry, Lock};
use crate::error::{Context, StorageError};
use crate::futures::Future;
use crate::journal::{JournalOptions, Replayed, replay};
use crate::log::{Known, Log, Opening, parse_future};
use crate::meta_properties::MetaProperties;
use crate::open_files::OpenFiles;
use crate::room::Room;
use crate::sync::{Mutex, RwLock};
use ottla_ids::{NodeId, Offset, TopicId, TopicPartition, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// Taken by whoever works in a log directory.
pub(crate) const LOCK: &str = ".lock";
/// There after a stop in order.
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// The ending of folders that are to be removed.
pub(crate) const DELETE: &str = "-delete";
/// The ending of folders that belong to no partition of this node.
const STRAY: &str = "-stray";
/// The longest name of a folder, in bytes.
pub(crate) const NAME_SIZE_MAX: usize = 255;

/// So many bytes of all logs of a directory may need to be checked after a crash before recovery points are
/// advanced: what a restart costs follows from it.
pub const UNRECOVERABLE_BYTES_MAX: u64 = 64 << 20;
/// So long after an append the recovery point is advanced, in ms (`log.flush.offset.checkpoint.interval.ms`).
pub const RECOVERY_POINT_INTERVAL_MS: i64 = 60_000;

/// So many recovery points are advanced at once, for their time or a new segment: a minute after a start after a crash all
/// of thousands are due, each with some four files, and whoever waits for the disk would wait for all of them.
pub const ADVANCES_MAX: usize = 500;

pub(crate) use together::EACH_MAX;
pub use together::Wanted;

/// What a log directory is opened with.
#[derive(Clone, Debug, Default)]
pub struct DirectoryOptions {
    /// The cluster it must belong to. A directory without `meta.properties` is formatted with it.
    pub cluster_id: Option<String>,
    /// The node it must belong to. A directory without `meta.properties` is formatted with it.
    pub node_id: NodeId,
}

/// What the directory and its logs share.
#[derive(Debug)]
pub(crate) struct Root {
    pub disk: Disk,
    pub path: PathBuf,
    /// Why it is offline, if it is.
    offline: OnceLock<Arc<str>>,
    /// Bytes behind the recovery points of all logs.
    unrecoverable: AtomicU64,
    checkpoints: Mutex<Checkpoints>,
    /// What clients may still write.
    room: Room,
    /// The logs with something behind their recovery point, each once. What is written to an idle one, or by
    /// nobody, costs nothing in upkeep.
    appended: Mutex<Vec<Weak<Log>>>,
    /// Where the logs' files are held open; those of the process, but in tests.
    files: OnceLock<Arc<OpenFiles>>,
    /// See [`EACH_MAX`]; tests have another.
    each_max: AtomicUsize,
    /// Whether all that lay in the directory when it was opened is durable: after a crash, once the whole file
    /// system was synced. What a recovery itself changes is synced all the same.
    is_inherited_durable: AtomicBool,
    /// Whether a log may wait for the end of its `flush.ms`.
    flushes_by_time: AtomicBool,
    /// Counts the logs that were created, many at once, with names that are not durable.
    created: AtomicUsize,
}

/// What the checkpoint files say.
#[derive(Debug, Default)]
struct Checkpoints {
    recovery_points: Offsets,
    log_starts: Offsets,
    /// Below these offsets logs are compacted.
    cleaned_to: Offsets,
    /// Whether the files still name logs whose folders are gone.
    is_stale: bool,
}

impl Checkpoints {
    /// Forgets logs that have no folder: a full disk may have kept that from being written.
    fn forget_all_but(&mut self, entries: &[Entry]) {
        let folders = entries.iter().filter(|entry| entry.is_folder);
        let partition = |name: &str| parse_partition(name).or_else(|| parse_future(name));
        let there: BTreeSet<TopicPartition> = folders.filter_map(|it| partition(&it.name)).collect();
        let before = self.recovery_points.len() + self.log_starts.len();
        self.recovery_points.retain(|partition, _| there.contains(partition));
        self.log_starts.retain(|partition, _| there.contains(partition));
        let forgotten = before - self.recovery_points.len() - self.log_starts.len();
        if forgotten > 0 {
            tracing::warn!(
                "{forgotten} offsets in checkpoints are of partitions without a folder: deleted or lost"
            );
            self.is_stale = true;
        }
    }
}

impl Root {
    pub fn check_online(&self) -> Result<(), StorageError> {
        match self.offline.get() {
            None => Ok(()),
            Some(reason) => {
                Err(StorageError::Offline { path: self.path.clone(), reason: Arc::clone(reason) })
            }
        }
    }

    /// Takes the directory offline, loudly.
    pub fn fail(&self, error: StorageError) -> StorageError {
        if self.offline.set(error.to_string().into()).is_ok() {
            tracing::error!("log directory {} goes offline: {error}", self.path.display());
        }
        error
    }

    /// As [`Root::fail`], except for a full disk, which is expected to have room again.
    pub fn fail_unless_full(&self, error: StorageError) -> StorageError {
        if error.is_disk_full() { error } else { self.fail(error) }
    }

    /// Takes the directory offline where the disk refuses to be read, as Apache Kafka does
    /// (`UnifiedLog.maybeHandleIOException`): what else lies on it is in doubt. Anything else concerns one log.
    pub fn fail_if_unreadable(&self, error: StorageError) -> StorageError {
        match &error {
            StorageError::Io { source, .. } if crate::error::is_failing_disk(source) => self.fail(error),
            _ => error,
        }
    }

    /// Writes what may make room. On a disk that is full to the last byte it is tried again with the room that is kept
    /// for that; see [`crate::BALLAST`].
    pub fn write_urgently<T>(
        &self,
        mut write: impl FnMut() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match write() {
            Err(error) if error.is_disk_full() && crate::ballast::give_up(&self.disk, &self.path) => write(),
            result => result,
        }
    }

    /// Takes the room for an append of a client; see [`crate::RESERVE_BYTES_MAX`].
    pub fn take_room(&self, size: usize) -> Result<(), StorageError> {
        self.room.take(size, &self.disk, &self.path)
    }

    /// Whether what the directory held when it was opened is durable.
    fn is_inherited_durable(&self) -> bool {
        self.is_inherited_durable.load(Ordering::Acquire)
    }

    /// A recovery failed when it may have changed files: nobody knows any more what is durable.
    pub fn note_half_recovered(&self) {
        self.is_inherited_durable.store(false, Ordering::Release);
    }

    /// Makes the names of the partitions' folders durable.
    pub fn sync_names(&self) -> Result<(), StorageError> {
        self.disk.sync_folder(&self.path).at("sync folder", &self.path)
    }

    pub fn files(&self) -> Arc<OpenFiles> {
        Arc::clone(self.files.get_or_init(OpenFiles::of_process))
    }

    /// The log has something behind its recovery point from now on.
    pub fn note_appended(&self, log: &Log) {
        if log.in_appended().enter() {
            self.appended.lock().push(log.me());
        }
    }

    /// A log is to be synced when its `flush.ms` is over.
    pub fn note_flush_by_time(&self) {
        if !self.flushes_by_time.load(Ordering::Relaxed) {
            self.flushes_by_time.store(true, Ordering::Release);
        }
    }

    /// The logs with something behind their recovery point; they stay noted.
    fn appended(&self) -> Vec<Arc<Log>> {
        let noted = std::mem::take(&mut *self.appended.lock());
        let mut logs: Vec<Arc<Log>> = noted.iter().filter_map(Weak::upgrade).collect();
        // In this order: what is appended behind it notes the log again.
        logs.retain(|log| {
            log.in_appended().leave();
            log.has_unrecoverable() && log.in_appended().enter()
        });
        self.appended.lock().extend(logs.iter().map(Arc::downgrade));
        logs
    }

    fn note_recovery_point(&self, partition: &TopicPartition, offset: Offset) {
        self.checkpoints.lock().recovery_points.insert(partition.clone(), offset);
    }

    fn write_recovery_points(&self) -> Result<(), StorageError> {
        let checkpoints = self.checkpoints.lock();
        write_offsets(&self.disk, &self.path.join(RECOVERY_POINTS), &checkpoints.recovery_points)
            .map_err(|error| self.fail_unless_full(error))
    }

    pub fn note_unrecoverable(&self, bytes: u64) {
        self.unrecoverable.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn note_recoverable(&self, bytes: u64) {
        self.unrecoverable.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Forgets what the directory remembers of logs whose folders go, durably.
    ///
    /// A full disk does not hinder that: then the files still name the logs, which has no effect once their
    /// folders are gone, and no log of such a name is created before they were written.
    pub fn forget_offsets(&self, partitions: &[TopicPartition]) -> Result<(), StorageError> {
        for partition in partitions {
            match self.set_cleaned_to(partition, None) {
                Err(error) if !error.is_disk_full() => return Err(error),
                _ => {}
            }
        }
        let mut checkpoints = self.checkpoints.lock();
        for partition in partitions {
            let mut is_stale = checkpoints.recovery_points.remove(partition).is_some();
            is_stale |= checkpoints.log_starts.remove(partition).is_some();
            checkpoints.is_stale |= is_stale;
        }
        match self.write_stale(&mut checkpoints) {
            Err(error) if error.is_disk_full() => Ok(()),
            result => result,
        }
    }

    /// As [`Root::forget_offsets`], but a full disk is an error.
    pub fn forget_offsets_durably(&self, partition: &TopicPartition) -> Result<(), StorageError> {
        self.forget_offsets(std::slice::from_ref(partition))
            .and_then(|()| self.forget_older())
            .map_err(|error| self.fail_unless_full(error))
    }

    /// Whether a recovery point of the partition is remembered.
    pub fn knows(&self, partition: &TopicPartition) -> bool {
        self.checkpoints.lock().recovery_points.contains_key(partition)
    }

    /// What is remembered of a log, as after a crash.
    pub fn known(&self, partition: &TopicPartition) -> Known {
        let checkpoints = self.checkpoints.lock();
        Known {
            recovery_point: checkpoints.recovery_points.get(partition).copied(),
            log_start: checkpoints.log_starts.get(partition).copied(),
            cleaned_to: checkpoints.cleaned_to.get(partition).copied(),
            is_clean: false,
        }
    }

    /// Below this offset the log is compacted.
    pub fn cleaned_to(&self, partition: &TopicPartition) -> Option<Offset> {
        self.checkpoints.lock().cleaned_to.get(partition).copied()
    }

    /// Writes what a full disk kept from being written.
    fn write_stale(&self, checkpoints: &mut Checkpoints) -> Result<(), StorageError> {
        if checkpoints.is_stale {
            write_offsets(&self.disk, &self.path.join(RECOVERY_POINTS), &checkpoints.recovery_points)?;
            write_offsets(&self.disk, &self.path.join(LOG_STARTS), &checkpoints.log_starts)?;
            checkpoints.is_stale = false;
        }
        Ok(())
    }

    /// To be called before a log's folder is created: nothing that is remembered of an older log of its name
    /// may still be in the files.
    fn forget_older(&self) -> Result<(), StorageError> {
        self.write_stale(&mut self.checkpoints.lock())
    }

    /// Where the last cleaning of a log ended, and its recovery point as the disk has it.
    pub fn cleaning_offsets(&self, partition: &TopicPartition) -> (Option<Offset>, Option<Offset>) {
        let checkpoints = self.checkpoints.lock();
        let cleaned_to = checkpoints.cleaned_to.get(partition).copied();
        (cleaned_to, checkpoints.recovery_points.get(partition).copied())
    }

    /// Notes where a cleaning ended, durably; `None` forgets it.
    pub fn set_cleaned_to(&self, partition: &TopicPartition, to: Option<Offset>) -> Result<(), StorageError> {
        let mut checkpoints = self.checkpoints.lock();
        let before = match to {
            Some(to) => checkpoints.cleaned_to.insert(partition.clone(), to),
            None => checkpoints.cleaned_to.remove(partition),
        };
        if before == to {
            return Ok(());
        }
        write_offsets(&self.disk, &self.path.join(CLEANER_OFFSETS), &checkpoints.cleaned_to)
    }

    /// A log is cut at `end`: nothing behind it is clean any more.
    pub fn lower_cleaned_to(&self, partition: &TopicPartition, end: Offset) -> Result<(), StorageError> {
        match self.cleaning_offsets(partition).0 {
            Some(to) if end < to => self.set_cleaned_to(partition, Some(end)),
            _ => Ok(()),
        }
    }

    /// Changes what the directory remembers of a log and makes that durable.
    pub fn set_offsets(
        &self,
        partition: &TopicPartition,
        recovery_point: Option<Offset>,
        log_start: Option<Offset>,
    ) -> Result<(), StorageError> {
        // What could not be written must not be written along with another log's offsets later.
        let set = |name, offsets: &mut Offsets, offset| {
            let before = offsets.insert(partition.clone(), offset);
            let written = self.write_urgently(|| write_offsets(&self.disk, &self.path.join(name), offsets));
            if written.is_err() {
                offsets.remove(partition);
                offsets.extend(before.map(|before| (partition.clone(), before)));
            }
            written
        };
        let mut checkpoints = self.checkpoints.lock();
        if let Some(offset) = recovery_point {
            set(RECOVERY_POINTS, &mut checkpoints.recovery_points, offset)?;
        }
        if let Some(offset) = log_start {
            set(LOG_STARTS, &mut checkpoints.log_starts, offset)?;
        }
        Ok(())
    }
}

/// An entry of `log.dirs`. While it is open no other process can open it.
#[derive(Debug)]
pub struct LogDirectory {
    root: Arc<Root>,
    queue: Arc<CommitQueue>,
    /// Given back when the directory is closed.
    lock: Mutex<Option<Lock>>,
    directory_id: Uuid,
    was_clean: bool,
    high_watermarks: Mutex<Offsets>,
    logs: RwLock<BTreeMap<TopicPartition, Arc<Log>>>,
    /// Logs that lack what was durable, and what.
    damaged: BTreeMap<TopicPartition, String>,
    /// So many of the new logs are made durable, as the last look found.
    created: Mutex<together::Created>,
    /// Folders to be removed, and from when on.
    deleted: Mutex<Vec<(PathBuf, i64)>>,
    /// Copies of logs that move here, which grow now.
    pub(crate) growing: Mutex<BTreeMap<TopicPartition, Future>>,
}

impl LogDirectory {
    /// Opens a log directory, which is created and formatted if need be. No log is opened yet.
    ///
    /// # Errors
    /// [`StorageError::Locked`], [`StorageError::NotFormatted`] without a cluster id to format it with,
    /// [`StorageError::WrongCluster`], [`StorageError::WrongNode`], and where files cannot be read or written.
    pub fn open(
        disk: Disk,
        path: &Path,
        options: &DirectoryOptions,
    ) -> Result<Arc<LogDirectory>, StorageError> {
        LogDirectory::open_with_journal(disk, path, options, JournalOptions::default())
    }

    /// As [`LogDirectory::open`], with a journal of another size.
    ///
    /// # Errors
    /// As [`LogDirectory::open`].
    pub fn open_with_journal(
        disk: Disk,
        path: &Path,
        options: &DirectoryOptions,
        journal: JournalOptions,
    ) -> Result<Arc<LogDirectory>, StorageError> {
        create_durably(&disk, path)?;
        let lock_path = path.join(LOCK);
        let lock = disk.lock(&lock_path).at("lock", &lock_path)?;
        let Some(lock) = lock else { return Err(StorageError::Locked { path: lock_path }) };
        let directory_id = take_meta(&disk, path, options)?;

        // From here on the directory is not clean, and a power cut must not make it look so.
        let marker = path.join(CLEAN_SHUTDOWN);
        let content = disk.read(&marker).at("read", &marker)?;
        if content.is_some() {
            disk.remove_file(&marker).at("remove", &marker)?;
            disk.sync_folder(path).at("sync folder", path)?;
        }
        let read = |name: &str| match read_offsets(&disk, &path.join(name)) {
            Err(StorageError::InvalidFile { path, reason }) => {
                tracing::warn!("{} is not used: {reason}", path.display());
                Ok(Offsets::new())
            }
            result => result,
        };
        let known = match read_offsets(&disk, &path.join(RECOVERY_POINTS)) {
            Ok(points) if disk.exists(&path.join(RECOVERY_POINTS)).at("look at", path)? => Some(points),
            Ok(_) | Err(StorageError::InvalidFile { .. }) => None,
            Err(error) => return Err(error),
        };
        // Without them nobody knows where a stop in order has left the logs.
        let was_clean = content.is_some() && known.is_some();
        let recovery_points = match known {
            Some(points) => points,
            None => crate::lost::recovery_points(&disk, path)?,
        };
        let mut checkpoints = Checkpoints {
            recovery_points,
            log_starts: read(LOG_STARTS)?,
            cleaned_to: read(CLEANER_OFFSETS)?,
            is_stale: false,
        };
        let high_watermarks = read(HIGH_WATERMARKS)?;
        let Replayed { rounds, bytes, damaged, has_synced_all } =
            replay(&disk, path, &checkpoints.recovery_points)?;
        if rounds > 0 {
            tracing::info!("{}: {bytes} bytes of {rounds} rounds of the journal replayed", path.display());
        }
        for (partition, reason) in &damaged {
            tracing::error!("{partition} is not opened: {reason}");
        }
        let entries = disk.list(path).at("list", path)?;
        // After a stop in order there are none of these: a folder that is not there was lost.
        if !was_clean {
            checkpoints.forget_all_but(&entries);
        }

        let root = Arc::new(Root {
            disk,
            path: path.to_owned(),
            offline: OnceLock::new(),
            unrecoverable: AtomicU64::new(0),
            checkpoints: Mutex::new(checkpoints),
            room: Room::default(),
            appended: Mutex::default(),
            files: OnceLock::new(),
            each_max: AtomicUsize::new(EACH_MAX),
            is_inherited_durable: AtomicBool::new(has_synced_all),
            flushes_by_time: AtomicBool::new(false),
            created: AtomicUsize::new(0),
        });
        let mut deleted = Vec::new();
        for entry in entries {
            if entry.is_folder && entry.name.ends_with(DELETE) {
                deleted.push((path.join(entry.name), i64::MIN));
            }
        }
        Ok(Arc::new(LogDirectory {
            queue: Arc::new(CommitQueue::new(Arc::clone(&root), journal)),
            root,
            lock: Mutex::new(Some(lock)),
            directory_id,
            was_clean,
            high_watermarks: Mutex::new(high_watermarks),
            logs: RwLock::default(),
            damaged,
            created: Mutex::default(),
            deleted: Mutex::new(deleted),
            growing: Mutex::default(),
        }))
    }

    pub(crate) fn root(&self) -> &Arc<Root> {
        &self.root
    }

    /// Holds the logs' files open elsewhere than the process does.
    #[cfg(test)]
    pub(crate) fn hold_files_in(&self, files: &Arc<OpenFiles>) {
        self.root.files.set(Arc::clone(files)).expect("no log was opened yet");
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.root.path
    }

    /// The directory's own id (KIP-858).
    pub fn id(&self) -> Uuid {
        self.directory_id
    }

    /// Whether it was closed in order the last time.
    pub fn was_clean(&self) -> bool {
        self.was_clean
    }

    /// Why the directory is offline, if it is: since a write or a sync failed.
    pub fn offline_reason(&self) -> Option<Arc<str>> {
        self.root.offline.get().cloned()
    }

    /// What waits to be made durable; see [`CommitQueue::wait_and_sync`].
    pub fn commit_queue(&self) -> &Arc<CommitQueue> {
        &self.queue
    }

    /// The partitions that have a folder here, opened or not; the metadata log among them.
    ///
    /// # Errors
    /// Where the directory cannot be listed.
    pub fn partitions(&self) -> Result<Vec<TopicPartition>, StorageError> {
        let entries = self.root.disk.list(&self.root.path).at("list", &self.root.path)?;
        let folders = entries.iter().filter(|entry| entry.is_folder);
        let mut partitions: Vec<_> = folders.filter_map(|entry| parse_partition(&entry.name)).collect();
        partitions.sort();
        Ok(partitions)
    }

    /// The topic id in a partition's folder; `None` where there is no folder, or none in it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn topic_id(&self, partition: &TopicPartition) -> Result<Option<TopicId>, StorageError> {
        let folder = self.root.path.join(partition.to_string());
        crate::checkpoint::read_partition_metadata(&self.root.disk, &folder)
    }

    /// Opens a partition's log. Its folder is created if there is none; after a crash what lies behind its
    /// recovery point is checked. A log that is open already is returned as it is.
    ///
    /// `tag` is how [`crate::Synced`] names the log. Different logs may be opened by several threads at once.
    ///
    /// # Errors
    /// [`StorageError::TopicIdMismatch`], [`StorageError::Corrupt`], and where files cannot be read or written.
    /// Only the latter concern other logs too.
    pub fn open_log(
        &self,
        partition: &TopicPartition,
        topic_id: TopicId,
        config: LogConfig,
        tag: u64,
    ) -> Result<Arc<Log>, StorageError> {
        self.root.check_online()?;
        if let Some(log) = self.opened(partition, topic_id)? {
            return Ok(log);
        }
        if let Some(reason) = self.damaged.get(partition) {
            let path = self.root.path.join(partition.to_string());
            return Err(StorageError::InvalidFile { path, reason: reason.clone() });
        }
        let known = self.known(partition);
        let (root, queue) = (&self.root, &self.queue);
        if let Err(error) = root.forget_older() {
            let folder = root.path.join(partition.to_string());
            if !error.is_disk_full() || !root.disk.exists(&folder).at("look at", &folder)? {
                return Err(root.fail_unless_full(error));
            }
        }
        let is_durable = root.is_inherited_durable();
        let log = Log::open(&Opening {
            root,
            queue,
            partition,
            topic_id,
            config,
            tag,
            known,
            is_durable,
            unsynced: None,
        })?;
        if known.recovery_point.is_some_and(|point| log.log_end_offset() < point) {
            // It is that of an older log of this name, whose folder is gone.
            self.root.set_offsets(partition, Some(log.log_end_offset()), None)?;
        }
        Ok(Arc::clone(self.logs.write().entry(partition.clone()).or_insert(log)))
    }

    pub(crate) fn add_log(&self, log: &Arc<Log>) {
        self.logs.write().insert(log.partition().clone(), Arc::clone(log));
    }

    fn known(&self, partition: &TopicPartition) -> Known {
        Known { is_clean: self.was_clean, ..self.root.known(partition) }
    }

    /// A log that is open.
    pub fn log(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.logs.read().get(partition).cloned()
    }

    /// The log of this name, if it is open; another topic's is an error.
    fn opened(&self, partition: &TopicPartition, wanted: TopicId) -> Result<Option<Arc<Log>>, StorageError> {
        match self.log(partition) {
            Some(log) if log.topic_id() != wanted => Err(StorageError::TopicIdMismatch {
                partition: partition.clone(),
                found: log.topic_id(),
                wanted,
            }),
            log => Ok(log),
        }
    }

    /// All logs that are open, by name.
    pub(crate) fn logs(&self) -> Vec<Arc<Log>> {
        self.logs.read().values().cloned().collect()
    }

    /// Deletes a partition's log: its folder has another name at once, and is removed by
    /// [`LogDirectory::remove_deleted`] from `due_ms` on.
    ///
    /// # Errors
    /// Where the folder cannot be renamed.
    pub fn delete_log(&self, partition: &TopicPartition, due_ms: i64) -> Result<(), StorageError> {
        self.delete_logs(std::slice::from_ref(partition), due_ms)
    }

    /// As [`LogDirectory::delete_log`], of many partitions: what is written and synced for it is written once.
    ///
    /// # Errors
    /// Where a folder cannot be renamed; those behind it have their names still.
    pub fn delete_logs(&self, partitions: &[TopicPartition], due_ms: i64) -> Result<(), StorageError> {
        let mut closed = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let log = self.logs.write().remove(partition);
            if let Some(log) = log {
                log.close_for_deletion();
                self.queue.forget(&log)?;
                closed.push(log);
            }
        }
        let paths = self.set_aside(partitions, DELETE)?;
        closed.iter().for_each(|log| log.close_files());
        self.deleted.lock().extend(paths.into_iter().map(|path| (path, due_ms)));
        Ok(())
    }

    /// Sets a folder aside that belongs to no partition of this node: its name ends in `-stray` from now on.
    ///
    /// # Errors
    /// Where the folder cannot be renamed.
    pub fn set_aside_stray(&self, partition: &TopicPartition) -> Result<(), StorageError> {
        let log = self.logs.write().remove(partition);
        if let Some(log) = log {
            self.queue.settle(&log)?;
            log.close_for_deletion();
            self.queue.forget(&log)?;
        }
        self.set_aside(std::slice::from_ref(partition), STRAY).map(|_| ())
    }

    /// Renames partitions' folders to `<topic>-<n>.<32 hex digits><ending>`, as Kafka does.
    fn set_aside(&self, partitions: &[TopicPartition], ending: &str) -> Result<Vec<PathBuf>, StorageError> {
        self.root.check_online()?;
        // First, so that a log created under the old name never begins where this one did.
        self.root.forget_offsets(partitions).map_err(|error| self.root.fail_unless_full(error))?;
        let mut paths = Vec::with_capacity(partitions.len());
        for partition in partitions {
            self.high_watermarks.lock().remove(partition);
            paths.push(self.rename_aside(partition, ending)?);
        }
        // A log created under the old name must not find the old content after a power cut.
        self.root.sync_names().map_err(|error| self.root.fail(error))?;
        Ok(paths)
    }

    fn rename_aside(&self, partition: &TopicPartition, ending: &str) -> Result<PathBuf, StorageError> {
        let rest = format!("-{}.{}{ending}", partition.partition, random_hex());
        let topic: String = partition.topic.chars().take(NAME_SIZE_MAX.saturating_sub(rest.len())).collect();
        let from = self.root.path.join(partition.to_string());
        let to = self.root.path.join(format!("{topic}{rest}"));
        match self.root.disk.rename(&from, &to) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            result => result.at("rename", &from).map_err(|error| self.root.fail(error))?,
        }
        Ok(to)
    }

    /// Removes the folders and segments that were deleted long enough ago; returns how many. May take long: to
    /// be called now and then where that disturbs nobody.
    ///
    /// # Errors
    /// Where something cannot be removed; it is tried again at the next call.
    pub fn remove_deleted(&self, now_ms: i64) -> Result<usize, StorageError> {
        let mut removed = 0;
        let due: Vec<PathBuf> = {
            let mut deleted = self.deleted.lock();
            let due =
                deleted.iter().filter(|(_, due)| *due <= now_ms).map(|(path, _)| path.clone()).collect();
            deleted.retain(|(_, due)| now_ms < *due);
            due
        };
        for path in due {
            if let Err(error) = self.root.disk.remove_folder(&path).at("remove", &path) {
                self.deleted.lock().push((path, now_ms));
                return Err(error);
            }
            removed += 1;
        }
        for log in self.logs() {
            removed += log.remove_deleted_segments(now_ms)?;
        }
        Ok(removed)
    }

    /// Keeps some room for what must be written on a disk that is full to the last byte; see [`crate::BALLAST`]. To be
    /// called now and then: it is made anew when there is room again.
    ///
    /// # Errors
    /// Where it cannot be written. Nothing but that room is missed then.
    pub fn keep_ballast(&self) -> Result<(), StorageError> {
        self.root.check_online()?;
        crate::ballast::keep(&self.root.disk, &self.root.path)
    }

    /// Gives up the room that [`LogDirectory::keep_ballast`] has kept, for what may make room; whether there was any.
    pub fn give_up_ballast(&self) -> bool {
        crate::ballast::give_up(&self.root.disk, &self.root.path)
    }

    /// The high watermark that was last written for a partition.
    pub fn high_watermark(&self, partition: &TopicPartition) -> Option<Offset> {
        self.high_watermarks.lock().get(partition).copied()
    }

    /// Writes the high watermarks, if they changed; durable when it returns. Those of partitions that are not named stay.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn write_high_watermarks(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, Offset)>,
    ) -> Result<(), StorageError> {
        self.root.check_online()?;
        let mut high_watermarks = self.high_watermarks.lock();
        let mut is_changed = false;
        for (partition, offset) in offsets {
            is_changed |= high_watermarks.insert(partition, offset) != Some(offset);
        }
        if !is_changed {
            return Ok(());
        }
        write_offsets(&self.root.disk, &self.root.path.join(HIGH_WATERMARKS), &high_watermarks)
            .map_err(|error| self.root.fail_unless_full(error))
    }

    /// Bytes that would have to be checked after a crash now.
    pub(crate) fn unrecoverable_bytes(&self) -> u64 {
        self.root.unrecoverable.load(Ordering::Relaxed)
    }

    /// Whether [`LogDirectory::checkpoint`] has something to do that should not wait for a second: `flush.ms`, new logs
    /// that are to be made durable together, or more behind the recovery points than [`UNRECOVERABLE_BYTES_MAX`]. It
    /// costs nothing to ask, where a look at all of thousands of logs that were written to takes milliseconds.
    pub fn is_checkpoint_urgent(&self) -> bool {
        self.root.flushes_by_time.load(Ordering::Acquire)
            || self.unrecoverable_bytes() > UNRECOVERABLE_BYTES_MAX
            || self.has_unsettled()
    }

    /// Does what is due: syncs logs by `flush.ms`, makes many new logs durable together, and advances recovery points so that a restart after a crash
    /// has at most about [`UNRECOVERABLE_BYTES_MAX`] to check. Returns how many recovery points moved.
    ///
    /// To be called every second or so, and within 100 ms where [`LogDirectory::is_checkpoint_urgent`], by a thread that may
    /// block; it costs little when nothing is due.
    ///
    /// # Errors
    /// Where a file cannot be written. A full disk leaves everything as it was.
    pub fn checkpoint(&self, now_ms: i64) -> Result<usize, StorageError> {
        self.root.check_online()?;
        self.settle_created()?;
        // In this order: who waits from here on is noted again.
        self.root.flushes_by_time.store(false, Ordering::Release);
        let mut due = Vec::new();
        let mut others = Vec::new();
        for log in self.root.appended() {
            let it = log.look_after(now_ms, RECOVERY_POINT_INTERVAL_MS);
            if it.is_due { due.push((it, log)) } else { others.push((it, log)) }
        }
        // Those that wait longest first; the rest is due still at the next call.
        due.sort_by_key(|(it, _)| it.since_ms);
        others.extend(due.split_off(due.len().min(ADVANCES_MAX)));
        let mut left = self.unrecoverable_bytes();
        for (it, _) in &due {
            left = left.saturating_sub(it.bytes);
        }
        if left > UNRECOVERABLE_BYTES_MAX {
            others.sort_by_key(|(it, _)| std::cmp::Reverse(it.bytes));
            for (it, log) in others {
                if left <= UNRECOVERABLE_BYTES_MAX {
                    break;
                }
                left = left.saturating_sub(it.bytes);
                due.push((it, log));
            }
        }
        let moved = self.advance(due.into_iter().map(|(_, log)| log).collect())?;
        if moved.is_empty() {
            return Ok(0);
        }
        self.set_recovery_points(moved)
    }

    fn set_recovery_points(&self, moved: Vec<(Arc<Log>, Offset)>) -> Result<usize, StorageError> {
        let count = moved.len();
        let mut checkpoints = self.root.checkpoints.lock();
        let logs = self.logs.read();
        for (log, offset) in moved {
            // A log deleted in the meantime has none any more.
            if logs.get(log.partition()).is_some_and(|current| Arc::ptr_eq(current, &log)) {
                // A truncation in the meantime has written a lower one, which stands.
                let offset = offset.min(log.recovery_point());
                checkpoints.recovery_points.insert(log.partition().clone(), offset);
            }
        }
        drop((logs, checkpoints));
        self.root.write_recovery_points()?;
        Ok(count)
    }

    /// Closes the directory in order: all logs are made durable and complete, so that the next start reads
    /// none of them. Nothing may be appended any more, and the thread that served the commit queue has ended.
    ///
    /// `broker_epoch` is noted for Apache Kafka's next registration (KIP-966); -1 if there is none.
    ///
    /// # Errors
    /// Where something cannot be written: the next start will be one as after a crash.
    pub fn close(&self, broker_epoch: i64) -> Result<(), StorageError> {
        self.queue.shut_down();
        self.root.check_online()?;
        self.queue.sync_waiting()?;
        let logs = self.logs();
        let open: Vec<Arc<Log>> = logs.iter().filter(|log| log.is_to_be_completed()).cloned().collect();
        self.complete(&open)?;
        let closed = logs.into_iter().map(|log| (Arc::clone(&log), log.close())).collect();
        self.set_recovery_points(closed)?;
        self.root.sync_names().map_err(|error| self.root.fail(error))?;
        self.queue.remove_journal()?;
        // After a crash, logs that were not opened have not been checked.
        let all_opened = self.partitions()?.iter().all(|partition| self.log(partition).is_some());
        if self.was_clean || all_opened {
            let content = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
            self.root.disk.replace(&self.root.path.join(CLEAN_SHUTDOWN), content.as_bytes())?;
        }
        *self.lock.lock() = None;
        Ok(())
    }
}

/// 32 hex digits that no other folder's name has.
pub(crate) fn random_hex() -> String {
    Uuid::random().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Creates a folder, and the parents it lacks, so that a power cut does not take it back.
fn create_durably(disk: &Disk, path: &Path) -> Result<(), StorageError> {
    let mut missing = Vec::new();
    for folder in path.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
        if disk.exists(folder).at("look at", folder)? {
            break;
        }
        missing.push(folder);
    }
    disk.create_folders(path).at("create", path)?;
    for folder in missing {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        disk.sync_folder(parent).at("sync folder", parent)?;
    }
    Ok(())
}

/// Reads `meta.properties`, or writes it; the directory's id in it.
fn take_meta(disk: &Disk, path: &Path, options: &DirectoryOptions) -> Result<Uuid, StorageError> {
    let (mut meta, is_new) = match MetaProperties::read(disk, path)? {
        Some(meta) => (meta, false),
        None => {
            let Some(cluster_id) = options.cluster_id.clone() else {
                return Err(StorageError::NotFormatted { path: path.to_owned() });
            };
            (MetaProperties { cluster_id, node_id: options.node_id, directory_id: None }, true)
        }
    };
    if let Some(wanted) = &options.cluster_id
        && *wanted != meta.cluster_id
    {
        let (path, found, wanted) = (path.to_owned(), meta.cluster_id, wanted.clone());
        return Err(StorageError::WrongCluster { path, found, wanted });
    }
    if options.node_id != meta.node_id {
        let (path, found, wanted) = (path.to_owned(), meta.node_id.0, options.node_id.0);
        return Err(StorageError::WrongNode { path, found, wanted });
    }
    let id = meta.directory_id.unwrap_or_else(Uuid::random);
    if is_new || meta.directory_id.is_none() {
        meta.directory_id = Some(id);
        meta.write(disk, path)?;
    }
    Ok(id)
}

/// The partition whose folder has this name.
pub(crate) fn parse_partition(name: &str) -> Option<TopicPartition> {
    let (topic, partition) = name.rsplit_once('-')?;
    if topic.is_empty() || !partition.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let partition = partition.parse().ok()?;
    Some(TopicPartition::new(topic, partition))
}
