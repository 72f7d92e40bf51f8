//! What a log directory holds, for people: sizes of its logs, opened or not, and of its file system.

use crate::directory::LogDirectory;
use crate::error::{Context, StorageError};
use ottla_ids::TopicPartition;
use std::path::Path;

/// The metadata log is no partition that clients know of.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// One folder of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSummary {
    /// The partition.
    pub partition: TopicPartition,
    /// Bytes of its segments' records.
    pub size: u64,
    /// How many offsets it lacks: of a future copy, until it has all that the present one has.
    pub offset_lag: i64,
    /// Whether it is a copy that is to take the place of the present one in another directory.
    pub is_future: bool,
}

/// The size of the file system in which a log directory lies, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// What this process may still write.
    pub usable_bytes: u64,
}

impl LogDirectory {
    /// All partitions' folders, by name, without the metadata log. Looks at each file of the logs that are not open.
    ///
    /// # Errors
    /// [`StorageError::Offline`], and where files cannot be looked at.
    pub fn summaries(&self) -> Result<Vec<LogSummary>, StorageError> {
        let root = self.root();
        root.check_online()?;
        let mut summaries = Vec::new();
        for partition in self.partitions()? {
            if *partition.topic == *METADATA_TOPIC {
                continue;
            }
            // Deleted in the meantime.
            let Some(size) = self.size_of(&partition)? else { continue };
            summaries.push(LogSummary { partition, size, offset_lag: 0, is_future: false });
        }
        summaries.extend(self.future_summaries()?);
        Ok(summaries)
    }

    fn size_of(&self, partition: &TopicPartition) -> Result<Option<u64>, StorageError> {
        match self.log(partition) {
            Some(log) => log.size().map(Some),
            None => self.folder_size(&self.path().join(partition.to_string())),
        }
    }

    /// Bytes of the records in a folder; `None` if there is none.
    pub(crate) fn folder_size(&self, folder: &Path) -> Result<Option<u64>, StorageError> {
        let disk = &self.root().disk;
        let is_gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        let entries = match disk.list(folder) {
            Err(error) if is_gone(&error) => return Ok(None),
            result => result.at("list", folder)?,
        };
        let mut size = 0;
        for entry in entries.iter().filter(|entry| entry.name.ends_with(".log")) {
            let path = folder.join(&entry.name);
            match disk.size(&path) {
                Err(error) if is_gone(&error) => {}
                result => size += result.at("look at", &path)?,
            }
        }
        Ok(Some(size))
    }

    /// How large the directory's file system is.
    ///
    /// # Errors
    /// Where the operating system does not tell.
    pub fn space(&self) -> Result<Space, StorageError> {
        self.root().disk.space(self.path()).at("look at", self.path())
    }
}
