//! Group commit: one thread per log directory makes durable whatever waits, all of it at once.

use crate::directory::Root;
use crate::disk::File;
use crate::error::{Context, StorageError};
use crate::log::Log;
use crate::sync::Mutex;
use ottla_ids::Offset;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar};

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
    /// Held during a round: what one round found clean must be synced when the next relies on it.
    round: Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    logs: Vec<Arc<Log>>,
    is_shut_down: bool,
}

/// What one log needs synced before `end` is durable.
#[derive(Debug)]
pub(crate) struct SyncPlan {
    /// The records' files that were written to, and their paths.
    pub files: Vec<(File, PathBuf)>,
    /// Whether names in the log's folder are not durable.
    pub folder: bool,
    /// Whether the folder itself is not.
    pub created: bool,
    pub end: Offset,
    /// The segment that holds `end`, and the position in it.
    pub position: Option<(Offset, u64)>,
    /// Truncations before this one.
    pub truncations: u64,
}

impl CommitQueue {
    pub(crate) fn new(root: Arc<Root>) -> CommitQueue {
        CommitQueue {
            root,
            waiting: std::sync::Mutex::default(),
            arrived: Condvar::new(),
            round: Mutex::new(()),
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
        let _round = self.round.lock();
        let logs = std::mem::take(&mut self.lock().logs);
        self.root.check_online()?;
        let mut plans = Vec::with_capacity(logs.len());
        for log in &logs {
            plans.push((log, log.plan_sync().map_err(|error| self.root.fail(error))?));
        }
        self.sync_all(&plans).map_err(|error| self.root.fail(error))?;
        Ok(plans.into_iter().filter_map(|(log, plan)| log.finish_sync(plan)).collect())
    }

    /// Makes all that was appended to one log so far durable, on the caller's thread, whatever else waits. Of
    /// this nobody else is told: it is for a log whose only writer syncs it, as the metadata quorum does.
    ///
    /// # Errors
    /// As [`CommitQueue::wait_and_sync`].
    pub fn sync_log(&self, log: &Arc<Log>) -> Result<(), StorageError> {
        let _round = self.round.lock();
        self.root.check_online()?;
        let plan = log.plan_sync().map_err(|error| self.root.fail(error))?;
        let plans = [(log, plan)];
        self.sync_all(&plans).map_err(|error| self.root.fail(error))?;
        for (log, plan) in plans {
            // A truncation in between has put the log into the queue again, which is all there is to do.
            let _ = log.finish_sync(plan);
        }
        Ok(())
    }

    fn sync_all(&self, plans: &[(&Arc<Log>, SyncPlan)]) -> Result<(), StorageError> {
        for (_, plan) in plans {
            for (file, path) in &plan.files {
                file.sync().at("sync", path)?;
            }
        }
        for (log, plan) in plans {
            if plan.created {
                log.sync_partition_metadata()?;
            }
            if plan.folder {
                log.sync_folder()?;
            }
        }
        if plans.iter().any(|(_, plan)| plan.created) {
            self.root.sync_names()?;
        }
        Ok(())
    }

    /// Ends the loop: calls of [`CommitQueue::wait_and_sync`] make durable what waits and wait no more.
    pub fn shut_down(&self) {
        self.lock().is_shut_down = true;
        self.arrived.notify_all();
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
