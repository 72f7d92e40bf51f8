//! The one writer: loads, takes the lead, decides, appends, syncs, publishes, takes snapshots.
//!
//! Nothing here waits for anybody but the disk, and no thread is started: [`crate::handle`] does that.

use crate::METADATA_FOLDER;
use crate::error::{DecideError, QuorumError};
use crate::format::read_bootstrap;
use crate::frames::{BATCH_SIZE_MAX, Item, control_batch, data_batch, read_batches};
use crate::log::{LogError, MetadataLog};
use crate::snapshot::{
    Snapshot, list_snapshots, read_snapshot, snapshot_bytes, snapshot_path, write_snapshot,
};
use ottla_configs::BrokerConfig;
use ottla_controller::{Controller, Random};
use ottla_ids::{NodeId, Offset, QuorumEpoch};
use ottla_metadata::{Image, MetadataRecord, MetadataVersion};
use ottla_raft::{Changed, ControlRecord, LogPosition, QuorumState, Raft, SnapshotId, Voter, VoterSet};
use ottla_state_machine::Machine;
use ottla_storage::Disk;
use std::collections::BTreeMap;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// How much of the log is read at once when it is loaded, in bytes.
const READ_SIZE: usize = 4 * 1024 * 1024;

/// When snapshots are taken, and how many are kept. The names are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `metadata.log.max.record.bytes.between.snapshots`: a snapshot is taken when so many bytes of new
    /// records are in the log.
    pub bytes_between_snapshots_max: u64,
    /// `metadata.log.max.snapshot.interval.ms`: or when the last one is older and there are new records;
    /// 0 for never.
    pub snapshot_interval_ms: i64,
    /// `metadata.max.retention.bytes`: old snapshots and the log before them are removed while log and
    /// snapshots are larger; negative for no limit.
    pub retention_bytes_max: i64,
    /// `metadata.max.retention.ms`: or while a snapshot is older; negative for no limit.
    pub retention_ms: i64,
}

impl Default for Limits {
    /// Kafka's defaults.
    fn default() -> Limits {
        Limits {
            bytes_between_snapshots_max: 20 * 1024 * 1024,
            snapshot_interval_ms: 3_600_000,
            retention_bytes_max: 104_857_600,
            retention_ms: 604_800_000,
        }
    }
}

/// Who leads the quorum and who votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumStatus {
    /// Who leads, when known.
    pub leader: Option<NodeId>,
    /// Counts the leaders.
    pub epoch: QuorumEpoch,
    /// The level of `kraft.version`, which the image does not have.
    pub kraft_version: i16,
    /// The voters, with their endpoints; at level 0 without directories.
    pub voters: VoterSet,
}

/// Gives the answer when it is known whether its records are durable.
pub(crate) type Reply = Box<dyn FnOnce(Result<(), DecideError>) + Send>;
/// One decision.
pub(crate) type Job = Box<dyn FnOnce(&mut Controller<'_>) -> Decided + Send>;

/// What a decision came to: what to write, and how to answer.
pub(crate) struct Decided {
    pub records: Vec<MetadataRecord>,
    /// `kraft.version` is raised to 1 in the same step: the log names the voters (KIP-853).
    pub names_voters: bool,
    pub reply: Reply,
}

/// Where the time comes from, in ms since 1970.
pub(crate) type Clock = Box<dyn Fn() -> i64 + Send>;

/// Shows a new image to the readers, and the quorum's state where that changed; called before the answers are given.
pub(crate) type Publish = Box<dyn FnMut(&Image, Offset, Option<QuorumStatus>) + Send>;

/// What the log was when a node started.
pub(crate) struct Loaded {
    pub image: Image,
    pub kraft_version: i16,
    pub voters: VoterSet,
    /// Whether the voters stand in the log or in a snapshot of it, not only in what formatting wrote.
    voters_in_log: bool,
    position: LogPosition,
    max_timestamp: i64,
    /// How many bytes the log has behind the newest snapshot.
    bytes_since_snapshot: u64,
}

pub(crate) struct Driver<L> {
    log: L,
    raft: Raft,
    disk: Disk,
    folder: PathBuf,
    node: NodeId,
    configs: BrokerConfig,
    limits: Limits,
    clock: Clock,
    random: Random,
    kraft_version: i16,
    /// Everything appended, replayed. Durable too, except while a batch of decisions is being written.
    image: Image,
    /// Once set, nothing is written any more.
    failure: Option<Arc<str>>,
    max_timestamp: i64,
    publish: Publish,
    /// Oldest first.
    snapshots: Vec<SnapshotId>,
    /// The newest timestamp in each of `snapshots`, as far as it was needed.
    snapshot_times: BTreeMap<SnapshotId, i64>,
    bytes_since_snapshot: u64,
    last_snapshot_ms: i64,
    snapshot_under_way: Option<JoinHandle<Result<SnapshotId, QuorumError>>>,
}

/// Reads the newest snapshot and the log behind it.
pub(crate) fn load<L: MetadataLog>(disk: &Disk, folder: &Path, log: &mut L) -> Result<Loaded, QuorumError> {
    let mut snapshots = list_snapshots(disk, folder)?;
    // One that is older than the log's beginning is of no use, and was about to be removed.
    snapshots.retain(|id| id.end_offset >= log.start_offset());
    let newest = snapshots.last().copied();
    let mut loaded = Loaded {
        image: Image::default(),
        kraft_version: 0,
        voters: VoterSet::default(),
        voters_in_log: false,
        position: LogPosition::default(),
        max_timestamp: 0,
        bytes_since_snapshot: 0,
    };
    if let Some(id) = newest {
        let snapshot = read_snapshot(disk, folder, id)?;
        loaded.kraft_version = snapshot.kraft_version;
        loaded.voters = snapshot.voters.unwrap_or_default();
        loaded.voters_in_log = id != SnapshotId::BOOTSTRAP;
        loaded.max_timestamp = snapshot.last_contained_log_timestamp;
        loaded.position = LogPosition { end_offset: id.end_offset, last_epoch: id.epoch };
        snapshot.records.iter().for_each(|record| loaded.image.replay(record));
        if log.end_offset() < id.end_offset {
            log.restart_at(id.end_offset).map_err(|error| log_error(folder, id.end_offset, &error))?;
        }
    } else if log.start_offset() > Offset::ZERO {
        return Err(QuorumError::SnapshotMissing { path: folder.to_owned(), log_start: log.start_offset() });
    }
    let mut next = loaded.position.end_offset;
    while next < log.end_offset() {
        let bytes = log.read(next, READ_SIZE).map_err(|error| log_error(folder, next, &error))?;
        let mut skipped = Ok(());
        let read = read_batches(folder, &bytes, &mut |item| {
            match item {
                Item::Data(record) => loaded.image.replay(&record),
                Item::Control(ControlRecord::KRaftVersion(level)) => loaded.kraft_version = level,
                Item::Control(ControlRecord::Voters(voters)) => {
                    loaded.voters = voters;
                    loaded.voters_in_log = true;
                }
                Item::Control(_) => {}
            }
            Ok(())
        })?;
        match read.end_offset {
            Some(end) if end > next => next = end,
            _ => {
                skipped = Err(QuorumError::Damaged {
                    path: folder.to_owned(),
                    at: next,
                    reason: "the log gives no batch although it has not ended".to_owned(),
                });
            }
        }
        skipped?;
        loaded.position = LogPosition { end_offset: next, last_epoch: read.last_epoch };
        loaded.max_timestamp = loaded.max_timestamp.max(read.max_timestamp);
        loaded.bytes_since_snapshot += bytes.len() as u64;
    }
    Ok(loaded)
}

fn log_error(folder: &Path, at: Offset, error: &LogError) -> QuorumError {
    QuorumError::Damaged { path: folder.to_owned(), at, reason: error.to_string() }
}

/// What a [`Driver`] is made of.
pub(crate) struct Parts<L> {
    pub log: L,
    pub disk: Disk,
    /// The log directory in which the metadata folder lies.
    pub log_dir: PathBuf,
    /// This node as a voter, its endpoints as they are now.
    pub voter: Voter,
    pub configs: BrokerConfig,
    pub limits: Limits,
    pub clock: Clock,
    pub random: Random,
    pub publish: Publish,
    /// Who votes when the log does not say: `controller.quorum.voters` of a quorum at `kraft.version` 0.
    pub static_voters: VoterSet,
}

impl<L: MetadataLog> Driver<L> {
    /// Loads the log and takes the lead. What a controller writes first, and what else is to be written at the start
    /// (`jobs`: registrations), becomes durable together with the start of the epoch.
    pub fn start(parts: Parts<L>, jobs: Vec<Job>) -> Result<Driver<L>, QuorumError> {
        let Parts { mut log, disk, log_dir, voter, configs, limits, clock, random, publish, static_voters } =
            parts;
        let folder = log_dir.join(METADATA_FOLDER);
        let mut loaded = load(&disk, &folder, &mut log)?;
        if loaded.voters.is_empty() && loaded.kraft_version == 0 {
            loaded.voters = static_voters;
        }
        // A log that has begun does not need it, and a damaged file does no harm then.
        let bootstrap = match loaded.image.visible().metadata_version() {
            Some(_) => Vec::new(),
            None => read_bootstrap(&disk, &log_dir)?,
        };
        let state_path = folder.join("quorum-state");
        let remembered =
            match disk.read(&state_path).map_err(|error| QuorumError::io("read", &state_path, error))? {
                None => None,
                Some(bytes) => {
                    let state = QuorumState::from_json(&String::from_utf8_lossy(&bytes));
                    Some(state.map_err(|error| QuorumError::Damaged {
                        path: state_path.clone(),
                        at: Offset::ZERO,
                        reason: error.to_string(),
                    })?)
                }
            };
        let node = voter.key.id;
        let voter_count = loaded.voters.len();
        let (raft, changed) = Raft::start(
            voter,
            loaded.voters,
            loaded.voters_in_log,
            loaded.kraft_version,
            remembered,
            loaded.position,
        );
        if !raft.is_leader() {
            return Err(QuorumError::NotAlone { path: folder, voters: voter_count, node });
        }
        let last_snapshot_ms = clock();
        let mut driver = Driver {
            publish,
            snapshots: list_snapshots(&disk, &folder)?,
            snapshot_times: BTreeMap::new(),
            log,
            raft,
            disk,
            folder,
            node,
            configs,
            limits,
            clock,
            random,
            kraft_version: loaded.kraft_version,
            image: loaded.image,
            failure: None,
            max_timestamp: loaded.max_timestamp,
            bytes_since_snapshot: loaded.bytes_since_snapshot,
            last_snapshot_ms,
            snapshot_under_way: None,
        };
        let activate: Job = Box::new(move |controller| {
            let records = controller.activate(bootstrap).records;
            Decided { records, names_voters: false, reply: Box::new(|_| {}) }
        });
        driver.begin_epoch(changed, iter::once(activate).chain(jobs).collect())?;
        Ok(driver)
    }

    fn begin_epoch(&mut self, changed: Changed, jobs: Vec<Job>) -> Result<(), QuorumError> {
        if let Some(state) = changed.quorum_state {
            let path = self.folder.join("quorum-state");
            self.disk.replace(&path, state.to_json().as_bytes())?;
        }
        let now_ms = (self.clock)();
        let epoch = self.raft.epoch();
        let first = self.log.end_offset();
        let batch = control_batch(first, epoch, now_ms, &changed.append)?;
        let end = first.plus(changed.append.len() as i64);
        self.max_timestamp = self.max_timestamp.max(now_ms);
        self.write_decisions(batch.to_vec(), end, jobs).map_err(|error| QuorumError::Damaged {
            path: self.folder.clone(),
            at: first,
            reason: error.to_string(),
        })
    }

    /// Makes all these decisions, one after the other, writes them as one append and one sync,
    /// publishes the image, and gives the answers.
    pub fn run(&mut self, jobs: Vec<Job>) {
        let end = self.log.end_offset();
        // Who asked was told.
        let _ = self.write_decisions(Vec::new(), end, jobs);
    }

    fn write_decisions(
        &mut self,
        mut bytes: Vec<u8>,
        mut end: Offset,
        jobs: Vec<Job>,
    ) -> Result<(), DecideError> {
        let mut replies: Vec<Reply> = Vec::with_capacity(jobs.len());
        if let Some(reason) = self.failure.clone() {
            for job in jobs {
                // The decision is made on what was last durable, only to learn whom to answer.
                if let Some(decided) = self.decide(job, end) {
                    (decided.reply)(Err(DecideError::Failed(reason.clone())));
                }
            }
            return Err(DecideError::Failed(reason));
        }
        let before = self.image.clone();
        let epoch = self.raft.epoch();
        let now_ms = (self.clock)();
        // With the voters named, for as long as it is not known whether that is durable.
        let mut named = None;
        for job in jobs {
            let Some(Decided { records, names_voters, reply }) = self.decide(job, end) else { continue };
            let naming = (names_voters && self.kraft_version == 0 && named.is_none()).then(|| {
                let mut raft = self.raft.clone();
                let voters = raft.name_voters().append;
                (raft, voters)
            });
            let voters = naming.as_ref().map(|(_, voters)| voters.as_slice()).unwrap_or_default();
            match self.batches(end, epoch, now_ms, voters, &records) {
                Ok(batches) => {
                    bytes.extend_from_slice(&batches);
                    end = end.plus((voters.len() + records.len()) as i64);
                    records.iter().for_each(|record| self.image.replay(record));
                    named = named.or(naming.map(|(raft, _)| raft));
                    replies.push(reply);
                }
                Err(error) => reply(Err(error)),
            }
        }
        let result = if bytes.is_empty() { Ok(()) } else { self.append(&bytes, epoch, end) };
        match &result {
            Ok(()) if bytes.is_empty() => {}
            Ok(()) => {
                let status = named.map(|raft| {
                    // The log has it: only now is it so.
                    (self.raft, self.kraft_version) = (raft, 1);
                    self.status()
                });
                self.max_timestamp = self.max_timestamp.max(now_ms);
                (self.publish)(self.image.visible(), end, status);
            }
            Err(error) => {
                self.image = before;
                if let DecideError::Failed(reason) = error {
                    tracing::error!(%reason, folder = %self.folder.display(), "the metadata log failed: nothing more is decided");
                    self.failure = Some(reason.clone());
                } else {
                    tracing::warn!(%error, "the cluster's metadata stays as it is");
                }
            }
        }
        for reply in replies {
            reply(result.clone());
        }
        result
    }

    /// What one decision writes from offset `first` on: a batch that names the voters, before one of its records, each
    /// unless there is nothing to write.
    fn batches(
        &self,
        first: Offset,
        epoch: QuorumEpoch,
        now_ms: i64,
        voters: &[ControlRecord],
        records: &[MetadataRecord],
    ) -> Result<Vec<u8>, DecideError> {
        let bug = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "a metadata decision cannot be written");
            DecideError::Bug
        };
        let mut bytes = Vec::new();
        if !voters.is_empty() {
            let batch = control_batch(first, epoch, now_ms, voters).map_err(|error| bug(&error))?;
            bytes.extend_from_slice(&batch);
        }
        if !records.is_empty() {
            let version = self.image.metadata_version().unwrap_or(MetadataVersion::LATEST);
            let first = first.plus(voters.len() as i64);
            let batch = data_batch(first, epoch, now_ms, records, version).map_err(|error| bug(&error))?;
            if batch.len() > BATCH_SIZE_MAX {
                return Err(DecideError::TooLarge { size: batch.len() });
            }
            bytes.extend_from_slice(&batch);
        }
        Ok(bytes)
    }

    /// One decision; `None` when it panicked. A decision only looks, so nothing is left half changed.
    fn decide(&mut self, job: Job, next_offset: Offset) -> Option<Decided> {
        let mut controller = Controller {
            image: &self.image,
            node: self.node,
            configs: &self.configs,
            next_offset,
            now_ms: (self.clock)(),
            random: &mut self.random,
        };
        catch_unwind(AssertUnwindSafe(|| job(&mut controller)))
            .inspect_err(|_| tracing::error!("a metadata decision panicked"))
            .ok()
    }

    fn append(&mut self, bytes: &[u8], epoch: QuorumEpoch, end: Offset) -> Result<(), DecideError> {
        let failed = |error: LogError| DecideError::Failed(error.to_string().as_str().into());
        self.log.append(bytes, epoch).map_err(|error| match error {
            LogError::NoRoom(reason) => DecideError::NoRoom(reason.as_str().into()),
            failure @ LogError::Failed(_) => failed(failure),
        })?;
        self.log.sync().map_err(failed)?;
        assert_eq!(self.log.end_offset(), end, "the log ends where the decisions said it would");
        let changed = self.raft.on_durable(self.node, end);
        assert_eq!(changed.high_watermark, Some(end), "what the only voter has durably is committed");
        self.bytes_since_snapshot += bytes.len() as u64;
        Ok(())
    }

    /// Starts a snapshot when one is due, removes what a new one made superfluous. To be called after
    /// every [`Driver::run`], and now and then when there is nothing to decide.
    pub fn tend(&mut self) {
        let now_ms = (self.clock)();
        if self.snapshot_under_way.as_ref().is_some_and(JoinHandle::is_finished) {
            self.finish_snapshot();
            self.clean(now_ms);
        }
        let waited = now_ms.saturating_sub(self.last_snapshot_ms);
        let is_due = self.bytes_since_snapshot >= self.limits.bytes_between_snapshots_max
            || (self.limits.snapshot_interval_ms > 0
                && waited >= self.limits.snapshot_interval_ms
                && self.bytes_since_snapshot > 0);
        let is_possible = self.failure.is_none()
            && self.snapshot_under_way.is_none()
            && !self.image.is_in_transaction()
            && self.snapshots.last().is_none_or(|id| id.end_offset < self.log.end_offset());
        if is_due && is_possible {
            self.begin_snapshot(now_ms);
        }
    }

    /// Writes the snapshot on a thread of its own: decisions go on meanwhile.
    fn begin_snapshot(&mut self, now_ms: i64) {
        let id = SnapshotId { end_offset: self.log.end_offset(), epoch: self.raft.epoch() };
        let (image, disk, folder) = (self.image.clone(), self.disk.clone(), self.folder.clone());
        let (kraft_version, voters) = (self.kraft_version, self.raft.voters().clone());
        let last_contained_log_timestamp = self.max_timestamp;
        self.last_snapshot_ms = now_ms;
        self.bytes_since_snapshot = 0;
        // Only whole files are ever removed: without this the log before a snapshot would stay for long.
        if let Err(error) = self.log.roll() {
            tracing::error!(%error, "the metadata log goes on in its old file");
        }
        let write = move || {
            let version = image.metadata_version().unwrap_or(MetadataVersion::LATEST);
            let snapshot = Snapshot {
                last_contained_log_timestamp,
                kraft_version,
                voters: (kraft_version > 0).then_some(voters),
                records: image.to_records(),
            };
            let bytes = snapshot_bytes(&snapshot, id.epoch, version, now_ms)?;
            write_snapshot(&disk, &folder, id, &bytes)?;
            Ok(id)
        };
        match std::thread::Builder::new().name("metadata-snapshot".to_owned()).spawn(write) {
            Ok(handle) => self.snapshot_under_way = Some(handle),
            Err(error) => {
                tracing::error!(%error, "no thread for a metadata snapshot, the next one is tried later")
            }
        }
    }

    /// Waits for the snapshot that is being written, if there is one.
    pub fn finish_snapshot(&mut self) {
        let Some(handle) = self.snapshot_under_way.take() else { return };
        match handle.join() {
            Ok(Ok(id)) => self.snapshots.push(id),
            // The log still has everything: the next one is tried when as much was written again.
            Ok(Err(error)) => tracing::error!(%error, "a metadata snapshot could not be written"),
            Err(_) => tracing::error!("writing a metadata snapshot panicked"),
        }
    }

    /// Removes the oldest snapshots, and the log before the next one, by Kafka's rule: never the only one.
    fn clean(&mut self, now_ms: i64) {
        while let [oldest, next, ..] = self.snapshots.as_slice() {
            let (oldest, next) = (*oldest, *next);
            let path = snapshot_path(&self.folder, oldest);
            let is_too_much = self.limits.retention_bytes_max >= 0
                && self.total_size() > self.limits.retention_bytes_max as u64;
            let is_too_old = self.limits.retention_ms >= 0
                && self
                    .timestamp_of(oldest)
                    .is_some_and(|time| now_ms.saturating_sub(time) > self.limits.retention_ms);
            if !is_too_much && !is_too_old {
                break;
            }
            // First the log: a log that begins before its oldest snapshot is whole, the other way round not.
            let removed = self
                .log
                .delete_before(next.end_offset)
                .map_err(|error| error.to_string())
                .and_then(|()| self.disk.remove_file(&path).map_err(|error| error.to_string()));
            if let Err(reason) = removed {
                tracing::error!(%reason, path = %path.display(), "an old metadata snapshot cannot be removed");
                break;
            }
            self.snapshots.remove(0);
            self.snapshot_times.remove(&oldest);
        }
    }

    fn total_size(&self) -> u64 {
        let size = |id: &SnapshotId| {
            self.disk.open(&snapshot_path(&self.folder, *id)).and_then(|file| file.size()).unwrap_or(0)
        };
        self.log.size() + self.snapshots.iter().map(size).sum::<u64>()
    }

    fn timestamp_of(&mut self, id: SnapshotId) -> Option<i64> {
        if let Some(time) = self.snapshot_times.get(&id) {
            return Some(*time);
        }
        let time = read_snapshot(&self.disk, &self.folder, id).ok()?.last_contained_log_timestamp;
        self.snapshot_times.insert(id, time);
        Some(time)
    }

    /// The quorum as it is now.
    pub fn status(&self) -> QuorumStatus {
        QuorumStatus {
            leader: self.raft.leader(),
            epoch: self.raft.epoch(),
            kraft_version: self.kraft_version,
            voters: self.raft.voters().clone(),
        }
    }

    /// Why nothing is decided any more.
    pub fn failure(&self) -> Option<&Arc<str>> {
        self.failure.as_ref()
    }

    /// Stops leading; the log stays as it is.
    pub fn stop(mut self) {
        self.finish_snapshot();
        self.raft.resign();
    }
}
