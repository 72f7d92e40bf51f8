//! What is done to many logs at once: their files are made durable by one sync of the whole file system, since
//! thousands of syncs, one behind the other, would take minutes.

use super::{LogDirectory, Root};
use crate::config::LogConfig;
use crate::error::{Context, StorageError};
use crate::log::{Advance, Log, Opening, Syncs};
use ottla_ids::{Offset, TopicId, TopicPartition};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// More logs than this are made durable together. A sync of the file system also waits for what others have
/// written to it, so it must save some.
pub(crate) const EACH_MAX: usize = 16;

/// A log that is to be opened; see [`LogDirectory::open_log`].
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The partition.
    pub partition: TopicPartition,
    /// Its topic's id.
    pub topic_id: TopicId,
    /// Its configuration.
    pub config: LogConfig,
    /// How [`crate::Synced`] names the log.
    pub tag: u64,
}

/// What the directory's upkeep knows of [`Root::created`].
#[derive(Debug, Default)]
pub(super) struct Created {
    /// The number when it last looked.
    seen: usize,
    /// So many are durable.
    settled: usize,
}

impl Root {
    /// Whether so many logs are made durable together.
    pub(crate) fn goes_together(&self, count: usize) -> bool {
        count > self.each_max.load(Ordering::Relaxed) && self.disk.syncs_file_systems()
    }

    /// Makes all that was written durable.
    pub(crate) fn sync_all(&self) -> Result<(), StorageError> {
        if self.disk.sync_file_system(&self.path).at("sync the file system of", &self.path)? {
            return Ok(());
        }
        Err(std::io::ErrorKind::Unsupported.into()).at("sync the file system of", &self.path)
    }
}

impl LogDirectory {
    /// More logs than this are made durable together.
    #[cfg(test)]
    pub(crate) fn sync_together_above(&self, each_max: usize) {
        self.root.each_max.store(each_max, Ordering::Relaxed);
    }

    /// Opens many logs, in this order, as [`LogDirectory::open_log`] does; none of them can be had before all
    /// are there.
    ///
    /// # Errors
    /// For each log, as [`LogDirectory::open_log`].
    pub fn open_logs(&self, wanted: &[Wanted]) -> Vec<Result<Arc<Log>, StorageError>> {
        let unsynced = AtomicBool::new(false);
        let note = self.root.goes_together(wanted.len()).then_some(&unsynced);
        let mut lowered = false;
        let older = self.root.forget_older().map_err(|error| self.root.fail_unless_full(error));
        let opened: Vec<_> = wanted
            .iter()
            .map(|it| {
                self.root.check_online()?;
                if let Some(log) = self.opened(&it.partition, it.topic_id)? {
                    return Ok(log);
                }
                if let Err(error) = &older {
                    self.root.check_online()?;
                    let folder = self.root.path.join(it.partition.to_string());
                    if !error.is_disk_full() || !self.root.disk.exists(&folder).at("look at", &folder)? {
                        return Err(StorageError::DiskFull { path: folder });
                    }
                }
                if let Some(reason) = self.damaged.get(&it.partition) {
                    let path = self.root.path.join(it.partition.to_string());
                    return Err(StorageError::InvalidFile { path, reason: reason.clone() });
                }
                let known = self.known(&it.partition);
                let log = Log::open(&Opening {
                    root: &self.root,
                    queue: &self.queue,
                    partition: &it.partition,
                    topic_id: it.topic_id,
                    config: it.config,
                    tag: it.tag,
                    known,
                    is_durable: self.root.is_inherited_durable(),
                    unsynced: note,
                })?;
                if note.is_some() && log.is_new() {
                    self.root.created.fetch_add(1, Ordering::Relaxed);
                }
                if known.recovery_point.is_some_and(|point| log.log_end_offset() < point) {
                    // It is that of an older log of this name, whose folder is gone.
                    self.root.note_recovery_point(&it.partition, log.log_end_offset());
                    lowered = true;
                }
                Ok(log)
            })
            .collect();
        let mut settled = Ok(());
        if unsynced.into_inner() {
            settled = self.root.sync_all().map_err(|error| self.root.fail(error));
            // Of the logs of a crash that are opened next, what they hold is durable with this.
            if settled.is_ok() && opened.iter().all(Result::is_ok) {
                self.root.is_inherited_durable.store(true, Ordering::Release);
            }
        }
        if lowered {
            settled = settled.and_then(|()| self.root.write_recovery_points());
        }
        if let Err(error) = settled {
            tracing::error!("the logs of {} cannot be made durable: {error}", self.root.path.display());
            let offline =
                || self.root.check_online().and(Err(StorageError::DiskFull { path: self.root.path.clone() }));
            return opened.into_iter().map(|log| log.and_then(|_| offline())).collect();
        }
        let mut logs = self.logs.write();
        let mut publish = |log: Arc<Log>| Arc::clone(logs.entry(log.partition().clone()).or_insert(log));
        opened.into_iter().map(|log| log.map(&mut publish)).collect()
    }

    /// Whether new logs are to be made durable together.
    pub(super) fn has_unsettled(&self) -> bool {
        self.created.lock().settled != self.root.created.load(Ordering::Relaxed)
    }

    /// Makes the folders of new logs durable by one sync of the file system, once no more of them are created: the
    /// first append of each would else have to sync its folder, `partition.metadata` and the directory, or go
    /// through the journal.
    pub(super) fn settle_created(&self) -> Result<(), StorageError> {
        let mut known = self.created.lock();
        let created = self.root.created.load(Ordering::Relaxed);
        let goes_on = std::mem::replace(&mut known.seen, created) != created;
        if goes_on || known.settled == created {
            return Ok(());
        }
        let new: Vec<Arc<Log>> = self.logs().into_iter().filter(|log| log.is_new()).collect();
        self.queue.sync_logs(&new).map_err(|error| self.root.fail(error))?;
        known.settled = created;
        Ok(())
    }

    /// Moves the recovery points of these logs to their ends; those that moved, and where to.
    pub(super) fn advance(&self, logs: Vec<Arc<Log>>) -> Result<Vec<(Arc<Log>, Offset)>, StorageError> {
        let mut moved = Vec::new();
        if self.root.goes_together(logs.len()) {
            self.advance_together(&logs, &mut moved, false)?;
        } else {
            for log in logs {
                moved.extend(log.advance_recovery_point()?.map(|offset| (log, offset)));
            }
        }
        Ok(moved)
    }

    /// Completes these logs for a stop in order.
    pub(super) fn complete(&self, logs: &[Arc<Log>]) -> Result<(), StorageError> {
        if self.root.goes_together(logs.len()) {
            return self.advance_together(logs, &mut Vec::new(), true);
        }
        for log in logs {
            let _maintenance = log.begin_maintenance();
            log.complete_alone()?;
        }
        Ok(())
    }

    fn advance_together(
        &self,
        logs: &[Arc<Log>],
        moved: &mut Vec<(Arc<Log>, Offset)>,
        is_last: bool,
    ) -> Result<(), StorageError> {
        let _maintenance: Vec<_> = logs.iter().map(|log| log.begin_maintenance()).collect();
        let mut advances: Vec<(&Arc<Log>, Advance)> = Vec::with_capacity(logs.len());
        let mut advance = || {
            for log in logs {
                if is_last {
                    log.complete(Syncs::Together)?;
                }
                advances.extend(log.prepare_advance(Syncs::Together)?.map(|advance| (log, advance)));
            }
            // What takes the place of something durable is durable before it does.
            self.root.sync_all()?;
            for (log, advance) in &advances {
                log.name_advance(advance)?;
            }
            if !advances.is_empty() {
                self.root.sync_all()?;
            }
            for (log, advance) in &advances {
                moved.push((Arc::clone(log), log.finish_advance(advance)?));
            }
            Ok(())
        };
        let advanced = advance();
        if advanced.is_err() {
            advances.iter().for_each(|(log, advance)| log.abandon_advance(advance));
        }
        advanced.map_err(|error| self.root.fail_unless_full(error))
    }
}
