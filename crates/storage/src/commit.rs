//! Group commit: one thread per log directory makes durable whatever waits, all of it at once.

use crate::directory::Root;
use crate::error::{Context, StorageError};
use crate::journal::{
    Costs, Journal, JournalChoice, JournalOptions, Need, Place, ROUND_SIZE_MAX, RoundBuffer,
};
use crate::log::Log;
use crate::segment::Segment;
use crate::sync::Mutex;
use ottla_ids::Offset;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar};
use std::time::Instant;

/// More bytes of one log than this never go through the journal.
const JOURNALED_SIZE_MAX: u64 = (ROUND_SIZE_MAX / 2) as u64;

/// What became durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The log, by the tag that the caller gave it.
    pub log_tag: u64,
    /// All below this offset is durable.
    pub durable_end: Offset,
}

/// The logs of one directory that wait to be made durable.
///
/// Each log is in it once at most, however many appends wait, so it holds no more than the directory's logs.
#[derive(Debug)]
pub struct CommitQueue {
    root: Arc<Root>,
    waiting: std::sync::Mutex<Waiting>,
    arrived: Condvar,
    /// Held during a round, so that the journal's rounds follow each other.
    round: Mutex<Round>,
    journal: Journal,
    /// Held while full files of the journal are made free. Taken after `round`.
    writing_back: Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    logs: Vec<Arc<Log>>,
    is_shut_down: bool,
}

/// What it takes to make one log durable up to `end`.
#[derive(Debug)]
pub(crate) struct SyncPlan {
    /// The segments that were written to, oldest first, and what their [`crate::sync::Dirt`] is told afterwards.
    pub segments: Vec<(Arc<Segment>, u64)>,
    /// Whether names in the log's folder are not durable, likewise.
    pub names: Option<u64>,
    /// Whether the folder's own name is not, nor its `partition.metadata`.
    pub is_new: bool,
    pub end: Offset,
    /// The segment that holds `end`, and the position in it.
    pub position: Option<(Offset, u64)>,
    /// The bytes that are neither synced nor in the journal; `None` where that is not known.
    pub unsecured: Option<Vec<Unsecured>>,
    /// Truncations before this one.
    pub truncations: u64,
}

/// Bytes of a segment that are not durable.
#[derive(Debug)]
pub(crate) struct Unsecured {
    pub segment: Arc<Segment>,
    pub from: u64,
    pub to: u64,
    /// No record of them has this offset or a greater one.
    pub end: Offset,
}

impl SyncPlan {
    fn bytes(&self) -> Option<u64> {
        let ranges = self.unsecured.as_ref()?;
        Some(ranges.iter().map(|range| range.to - range.from).sum())
    }

    fn need(&self) -> Need {
        let syncs = self.segments.len() as u64 + u64::from(self.names.is_some()) + 2 * u64::from(self.is_new);
        Need { syncs, bytes: self.bytes().filter(|bytes| *bytes <= JOURNALED_SIZE_MAX) }
    }
}

/// The committer's own.
#[derive(Debug, Default)]
struct Round {
    costs: Costs,
    /// Made when the journal is first written to.
    buffer: Option<RoundBuffer>,
    /// For [`JournalChoice::AtRandom`].
    random: u64,
}

impl CommitQueue {
    pub(crate) fn new(root: Arc<Root>, options: JournalOptions) -> CommitQueue {
        let journal = Journal::new(root.disk.clone(), &root.path, options);
        let random = match options.choice {
            JournalChoice::AtRandom(seed) => seed | 1,
            JournalChoice::ByCost | JournalChoice::Always | JournalChoice::Never => 0,
        };
        CommitQueue {
            root,
            waiting: std::sync::Mutex::default(),
            arrived: Condvar::new(),
            round: Mutex::new(Round { random, ..Round::default() }),
            journal,
            writing_back: Mutex::new(()),
        }
    }

    /// Lets a log wait for the next round.
    pub(crate) fn add(&self, log: Arc<Log>) {
        let mut waiting = self.lock();
        waiting.logs.push(log);
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Blocks until something waits, makes it durable, and says what is durable now. To be called in a loop
    /// by one thread. An empty list without an error is possible; whether to go on says
    /// [`CommitQueue::is_shut_down`].
    ///
    /// # Errors
    /// The first failure takes the log directory offline: it and all later calls return
    /// [`StorageError::Offline`], and nothing that waited becomes durable.
    pub fn wait_and_sync(&self) -> Result<Vec<Synced>, StorageError> {
        let mut waiting = self.lock();
        while waiting.logs.is_empty() && !waiting.is_shut_down {
            waiting = self.arrived.wait(waiting).expect("nothing panics while it holds the commit queue");
        }
        drop(waiting);
        self.sync_waiting()
    }

    /// As [`CommitQueue::wait_and_sync`], without waiting.
    ///
    /// # Errors
    /// As [`CommitQueue::wait_and_sync`].
    pub fn sync_waiting(&self) -> Result<Vec<Synced>, StorageError> {
        let mut round = self.round.lock();
        let logs = std::mem::take(&mut self.lock().logs);
        self.root.check_online()?;
        let plans: Vec<(Arc<Log>, SyncPlan)> =
            logs.into_iter().filter_map(|log| log.take_turn().map(|plan| (log, plan))).collect();
        let mut is_journaled = self.choose(&mut round, &plans);
        let carried_out = self
            .journal_all(&mut round, &plans, &mut is_journaled)
            .and_then(|()| self.sync_rest(&mut round, &plans, &is_journaled));
        carried_out.map_err(|error| self.root.fail(error))?;
        Ok(plans.iter().filter_map(|(log, plan)| log.finish_sync(plan)).collect())
    }

    /// Makes all that was appended to one log so far durable, on the caller's thread, whatever else waits. Of
    /// this nobody else is told: it is for a log whose only writer syncs it, as the metadata quorum does.
    ///
    /// # Errors
    /// As [`CommitQueue::wait_and_sync`].
    pub fn sync_log(&self, log: &Arc<Log>) -> Result<(), StorageError> {
        self.root.check_online()?;
        if let Some(plan) = self.sync_files(log)? {
            // A truncation in between has put the log into the queue again, which is all there is to do.
            let _ = log.finish_sync(&plan);
        }
        Ok(())
    }

    /// Syncs a log's own files.
    fn sync_files(&self, log: &Arc<Log>) -> Result<Option<SyncPlan>, StorageError> {
        let Some(plan) = log.plan_sync() else { return Ok(None) };
        self.sync_each(std::iter::once((log, &plan))).map_err(|error| self.root.fail(error))?;
        Ok(Some(plan))
    }

    /// Carries out plans by syncing each log's own files; counts the syncs.
    fn sync_each<'a>(
        &self,
        plans: impl Iterator<Item = (&'a Arc<Log>, &'a SyncPlan)> + Clone,
    ) -> Result<u64, StorageError> {
        let mut syncs = 0;
        for (log, plan) in plans.clone() {
            syncs += log.sync_files(plan)?;
        }
        if plans.clone().any(|(_, plan)| plan.is_new) {
            self.root.sync_names()?;
            syncs += 1;
        }
        plans.for_each(|(log, plan)| log.on_files_synced(plan));
        Ok(syncs)
    }

    /// Makes a log durable in its own files, and void what the journal says of it. Those who wait for it are
    /// told at the next round.
    pub(crate) fn settle(&self, log: &Arc<Log>) -> Result<(), StorageError> {
        // The round that is under way may yet write the log to the journal.
        let _round = self.round.lock();
        self.sync_files(log)?;
        log.wait_for_sync();
        self.forget_locked(log)
    }

    /// Makes void what the journal says of a log that is given up.
    pub(crate) fn forget(&self, log: &Arc<Log>) -> Result<(), StorageError> {
        let _round = self.round.lock();
        self.forget_locked(log)
    }

    fn forget_locked(&self, log: &Arc<Log>) -> Result<(), StorageError> {
        if !self.journal.may_replay(log) {
            return Ok(());
        }
        let mut buffer = RoundBuffer::small();
        buffer.forget(&log.key());
        while !self.journal.write(&mut buffer, &[]).map_err(|error| self.root.fail(error))? {
            // All files are full, of which this frees the first at least.
            self.write_back_all()?;
        }
        log.on_forgotten();
        Ok(())
    }

    /// For each log, whether the journal is to make it durable.
    fn choose(&self, round: &mut Round, plans: &[(Arc<Log>, SyncPlan)]) -> Vec<bool> {
        let needs: Vec<Need> = plans.iter().map(|(_, plan)| plan.need()).collect();
        let chosen = match self.journal.options().choice {
            JournalChoice::ByCost => {
                if let Some(measured) = self.journal.take_measured() {
                    round.costs = measured;
                }
                round.costs.choose(&needs)
            }
            JournalChoice::AtRandom(_) => {
                let mut is_chosen = |need: &Need| {
                    round.random ^= round.random << 13;
                    round.random ^= round.random >> 7;
                    round.random ^= round.random << 17;
                    need.bytes.is_some() && round.random & (3 << 20) != 0
                };
                needs.iter().map(&mut is_chosen).collect()
            }
            JournalChoice::Always => needs.iter().map(|need| need.bytes.is_some()).collect(),
            JournalChoice::Never => vec![false; plans.len()],
        };
        if chosen.contains(&true) && self.journal.is_ready() { chosen } else { vec![false; plans.len()] }
    }

    /// Writes the chosen logs to the journal. For which there is no room, they are chosen no more.
    fn journal_all(
        &self,
        round: &mut Round,
        plans: &[(Arc<Log>, SyncPlan)],
        is_journaled: &mut [bool],
    ) -> Result<(), StorageError> {
        let chosen: Vec<usize> =
            (0..plans.len()).filter(|index| is_journaled.get(*index) == Some(&true)).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        let Round { buffer, costs, .. } = round;
        let buffer = buffer.get_or_insert_with(RoundBuffer::new);
        let mut rest = chosen.as_slice();
        while !rest.is_empty() {
            buffer.clear();
            let mut count = 0;
            for index in rest {
                let Some((log, plan)) = plans.get(*index) else { break };
                if !copy_unsecured(buffer, log, plan)? {
                    break;
                }
                count += 1;
            }
            let (now, later) = rest.split_at(count);
            let logs: Vec<&Arc<Log>> =
                now.iter().filter_map(|index| plans.get(*index)).map(|(log, _)| log).collect();
            let mut is_written = count > 0;
            if !buffer.is_empty() {
                let start = Instant::now();
                is_written = self.journal.write(buffer, &logs)?;
                costs.on_journal(buffer.padded_size() as u64, start.elapsed().as_nanos() as f64);
            }
            if !is_written {
                for index in rest {
                    if let Some(it) = is_journaled.get_mut(*index) {
                        *it = false;
                    }
                }
                return Ok(());
            }
            for index in now {
                if let Some((log, plan)) = plans.get(*index) {
                    log.on_journaled(plan);
                }
            }
            rest = later;
        }
        Ok(())
    }

    /// Syncs the files of the logs that the journal does not hold.
    fn sync_rest(
        &self,
        round: &mut Round,
        plans: &[(Arc<Log>, SyncPlan)],
        is_journaled: &[bool],
    ) -> Result<(), StorageError> {
        let rest = plans.iter().zip(is_journaled).filter(|(_, journaled)| !**journaled);
        let rest = rest.map(|((log, plan), _)| (log, plan));
        let start = Instant::now();
        let syncs = self.sync_each(rest.clone())?;
        let bytes = rest.filter_map(|(_, plan)| plan.bytes()).sum();
        round.costs.on_syncs(syncs, bytes, start.elapsed().as_nanos() as f64);
        Ok(())
    }

    /// Blocks until the journal has work in the background, and does it: makes its files, and syncs segments so
    /// that a full file can be written anew. To be called in a loop by one thread of its own, until
    /// [`CommitQueue::is_shut_down`].
    ///
    /// # Errors
    /// As [`CommitQueue::wait_and_sync`].
    pub fn wait_and_write_back(&self) -> Result<(), StorageError> {
        self.journal.wait_for_work();
        if self.journal.is_shut_down() {
            return Ok(());
        }
        self.write_back()
    }

    /// As [`CommitQueue::wait_and_write_back`], without waiting.
    ///
    /// # Errors
    /// As [`CommitQueue::wait_and_sync`].
    pub fn write_back(&self) -> Result<(), StorageError> {
        self.root.check_online()?;
        self.journal.make_wanted().map_err(|error| self.root.fail(error))?;
        self.write_back_all()
    }

    fn write_back_all(&self) -> Result<(), StorageError> {
        let _writing_back = self.writing_back.lock();
        while let Some(logs) = self.journal.oldest_full() {
            self.root.check_online()?;
            self.sync_logs(&logs).map_err(|error| self.root.fail(error))?;
            self.journal.free_oldest();
        }
        Ok(())
    }

    /// Syncs the files of many logs, while others go on.
    pub(crate) fn sync_logs(&self, logs: &[Arc<Log>]) -> Result<(), StorageError> {
        let plans: Vec<(&Arc<Log>, SyncPlan)> =
            logs.iter().filter_map(|log| log.plan_sync().map(|plan| (log, plan))).collect();
        if self.root.goes_together(plans.len()) {
            self.root.sync_all()?;
            plans.iter().for_each(|(log, plan)| log.on_all_synced(plan));
            return Ok(());
        }
        self.sync_each(plans.iter().map(|(log, plan)| (*log, plan))).map(|_| ())
    }

    /// Whether a replay of the journal could write to a log.
    #[cfg(test)]
    pub(crate) fn has_journaled(&self, log: &Log) -> bool {
        self.journal.may_replay(log)
    }

    /// Removes the journal: all logs have been closed in order.
    pub(crate) fn remove_journal(&self) -> Result<(), StorageError> {
        let _round = self.round.lock();
        self.journal.remove().map_err(|error| self.root.fail(error))
    }

    /// Ends the loop: calls of [`CommitQueue::wait_and_sync`] make durable what waits and wait no more.
    pub fn shut_down(&self) {
        self.lock().is_shut_down = true;
        self.arrived.notify_all();
        self.journal.shut_down();
    }

    /// Whether [`CommitQueue::shut_down`] was called and nothing waits.
    pub fn is_shut_down(&self) -> bool {
        let waiting = self.lock();
        waiting.is_shut_down && waiting.logs.is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nothing panics while it holds the commit queue")
    }
}

/// Copies what is unsecured into the round. `false`, and nothing is copied, if it has no room.
fn copy_unsecured(buffer: &mut RoundBuffer, log: &Log, plan: &SyncPlan) -> Result<bool, StorageError> {
    let key = log.key();
    let mut copied = Vec::new();
    for range in plan.unsecured.as_deref().unwrap_or_default() {
        let size = usize::try_from(range.to - range.from).unwrap_or(usize::MAX);
        let place = u32::try_from(range.from).ok().map(|position| Place {
            segment: range.segment.base,
            position,
            end: range.end,
        });
        let Some(to) = place.and_then(|place| buffer.append(&key, &place, size)) else {
            copied.iter().rev().for_each(|size| buffer.undo(&key, *size));
            return Ok(false);
        };
        copied.push(size);
        let path = range.segment.path();
        let read = range.segment.file()?.read_at(to, range.from).at("read", &path)?;
        if read != size {
            let reason = format!("{read} bytes at {} where {size} were written", range.from);
            return Err(StorageError::InvalidFile { path, reason });
        }
    }
    Ok(true)
}

/// Whether a log is in the queue.
#[derive(Debug, Default)]
pub(crate) struct InQueue(AtomicBool);

impl InQueue {
    /// Notes that the log is about to be put in; `false` if it is in already.
    pub fn enter(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Notes that what waits is looked at now: later appends put the log in again.
    pub fn leave(&self) {
        self.0.store(false, Ordering::Release);
    }
}
