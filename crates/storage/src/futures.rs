//! The copies in a log directory that are to take the place of logs in others; see [`crate::Relocation`].

use crate::config::LogConfig;
use crate::directory::LogDirectory;
use crate::error::{Context, StorageError};
use crate::log::{Known, Log, Opening, can_have_future, parse_future};
use crate::summary::LogSummary;
use ottla_ids::{Offset, TopicId, TopicPartition};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A copy that grows.
#[derive(Debug)]
pub(crate) struct Future {
    folder: PathBuf,
    log: Arc<Log>,
    end: Offset,
}

impl LogDirectory {
    /// The partitions of which a copy lies here that was not finished.
    ///
    /// # Errors
    /// Where the directory cannot be listed.
    pub fn futures(&self) -> Result<Vec<TopicPartition>, StorageError> {
        let entries = self.root().disk.list(self.path()).at("list", self.path())?;
        let folders = entries.iter().filter(|entry| entry.is_folder);
        Ok(folders.filter_map(|entry| parse_future(&entry.name)).collect())
    }

    /// Whether the name of a partition is short enough for the folder of a copy.
    pub fn can_move(partition: &TopicPartition) -> bool {
        can_have_future(partition)
    }

    /// Whether there is a copy of a partition's log here that has all of it: a crash came between the switch of a
    /// move and its end. It has the log's place only where the cluster's metadata says so, too.
    ///
    /// # Errors
    /// Where the directory cannot be listed.
    pub fn has_whole_future(&self, partition: &TopicPartition) -> Result<bool, StorageError> {
        Ok(self.root().knows(partition) && self.future_folders(partition)?.len() == 1)
    }

    /// Gives the whole copy of a partition's log the log's name; durable when it returns.
    ///
    /// # Errors
    /// [`StorageError::InvalidFile`] where there is none, and where the folder cannot be renamed.
    pub fn adopt_future(&self, partition: &TopicPartition) -> Result<(), StorageError> {
        let root = self.root();
        let path = root.path.join(partition.to_string());
        let folders = self.future_folders(partition)?;
        let [folder] = folders.as_slice() else {
            let reason = format!("{} folders could take its place", folders.len());
            return Err(StorageError::InvalidFile { path, reason });
        };
        root.disk.rename(folder, &path).at("rename", folder).map_err(|error| root.fail(error))?;
        root.sync_names().map_err(|error| root.fail(error))?;
        self.forget_future(partition);
        Ok(())
    }

    /// Throws copies of a partition's log away.
    ///
    /// # Errors
    /// Where they cannot be removed.
    pub fn discard_futures(&self, partition: &TopicPartition) -> Result<(), StorageError> {
        self.forget_future(partition);
        let folders = self.future_folders(partition)?;
        if folders.is_empty() {
            return Ok(());
        }
        // What is left of it is not whole.
        self.root().forget_offsets_durably(partition)?;
        for folder in folders {
            self.root().disk.remove_folder(&folder).at("remove", &folder)?;
        }
        Ok(())
    }

    fn future_folders(&self, partition: &TopicPartition) -> Result<Vec<PathBuf>, StorageError> {
        let entries = self.root().disk.list(self.path()).at("list", self.path())?;
        let folders = entries.iter().filter(|entry| entry.is_folder);
        let mine = folders.filter(|entry| parse_future(&entry.name).as_ref() == Some(partition));
        Ok(mine.map(|entry| self.path().join(&entry.name)).collect())
    }

    /// Opens a log that has just moved here: all of it is durable, and nothing needs a check.
    pub(crate) fn open_moved(
        &self,
        partition: &TopicPartition,
        topic_id: TopicId,
        config: LogConfig,
        tag: u64,
    ) -> Result<Arc<Log>, StorageError> {
        let root = self.root();
        let known = Known { is_clean: true, ..root.known(partition) };
        let opening = Opening {
            root,
            queue: self.commit_queue(),
            partition,
            topic_id,
            config,
            tag,
            known,
            is_durable: false,
            unsynced: None,
        };
        let log = Log::open(&opening)?;
        self.add_log(&log);
        Ok(log)
    }

    pub(crate) fn note_future(&self, partition: &TopicPartition, folder: &Path, log: &Arc<Log>, end: Offset) {
        let future = Future { folder: folder.to_owned(), log: Arc::clone(log), end };
        self.growing.lock().insert(partition.clone(), future);
    }

    pub(crate) fn advance_future(&self, partition: &TopicPartition, end: Offset) {
        if let Some(future) = self.growing.lock().get_mut(partition) {
            future.end = end;
        }
    }

    fn forget_future(&self, partition: &TopicPartition) {
        self.growing.lock().remove(partition);
    }

    /// The copies that grow.
    pub(crate) fn future_summaries(&self) -> Result<Vec<LogSummary>, StorageError> {
        let growing: Vec<(TopicPartition, PathBuf, i64)> = {
            let growing = self.growing.lock();
            let lag = |it: &Future| it.log.log_end_offset().0.saturating_sub(it.end.0).max(0);
            growing.iter().map(|(partition, it)| (partition.clone(), it.folder.clone(), lag(it))).collect()
        };
        let mut summaries = Vec::with_capacity(growing.len());
        for (partition, folder, offset_lag) in growing {
            let Some(size) = self.folder_size(&folder)? else { continue };
            summaries.push(LogSummary { partition, size, offset_lag, is_future: true });
        }
        Ok(summaries)
    }
}
