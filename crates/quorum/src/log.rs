//! What the quorum needs of a log: one on disk, or one in memory for tests.

use crate::frames::error_text;
use bytes::Bytes;
use ottla_ids::{LeaderEpoch, Offset, QuorumEpoch, TopicId, TopicPartition};
use ottla_storage::{AppendError, AppendInfo, Log, LogConfig, LogDirectory, Origin, StorageError};
use std::sync::Arc;

/// The log did not do what it was asked; the text says what and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// There is no room for what was to be appended. Nothing was written, and a later try may succeed.
    #[error("{0}")]
    NoRoom(String),
    /// The log cannot be read or written.
    #[error("{0}")]
    Failed(String),
}

/// The metadata log. Its one writer is the quorum's.
pub trait MetadataLog: Send + 'static {
    /// The first offset it still has.
    fn start_offset(&self) -> Offset;

    /// The offset after its last batch.
    fn end_offset(&self) -> Offset;

    /// Whole batches from the one that contains `from` on: at least one when there is one, and about
    /// `size_max` bytes. Empty at the end.
    fn read(&self, from: Offset, size_max: usize) -> Result<Bytes, LogError>;

    /// Appends whole batches whose offsets follow the end.
    fn append(&mut self, batches: &[u8], epoch: QuorumEpoch) -> Result<(), LogError>;

    /// Makes everything appended durable.
    fn sync(&mut self) -> Result<(), LogError>;

    /// Goes on in a new file, so that what is before it can be removed one day.
    fn roll(&mut self) -> Result<(), LogError>;

    /// Forgets what is before `offset`; how much of it is removed is the log's choice.
    fn delete_before(&mut self, offset: Offset) -> Result<(), LogError>;

    /// Forgets everything, and goes on at `offset`: a snapshot reaches further than the log.
    fn restart_at(&mut self, offset: Offset) -> Result<(), LogError>;

    /// Its size, in bytes.
    fn size(&self) -> u64;
}

/// When a segment of the metadata log is closed. The names are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataSegments {
    /// `metadata.log.segment.bytes`: before it would be larger. No batch of the quorum's is as large as the least value.
    pub bytes: u32,
    /// `metadata.log.segment.ms`: when its records are so much apart.
    pub ms: i64,
}

impl Default for MetadataSegments {
    /// Kafka's defaults.
    fn default() -> MetadataSegments {
        MetadataSegments { bytes: 1 << 30, ms: 604_800_000 }
    }
}

/// The metadata log on disk.
#[derive(Debug)]
pub struct StorageLog {
    directory: Arc<LogDirectory>,
    log: Arc<Log>,
    /// No append may be larger.
    segment_bytes: usize,
    wall_ms: fn() -> i64,
}

impl StorageLog {
    /// Opens `__cluster_metadata-0` in a log directory; it is created if there is none. `tag` is the log's
    /// name in the directory's commit queue, which never tells of it: the quorum syncs it itself. `wall_ms`
    /// tells the time, in ms since 1970.
    ///
    /// # Errors
    /// The log cannot be read or written.
    pub fn open(
        directory: Arc<LogDirectory>,
        tag: u64,
        segments: MetadataSegments,
        wall_ms: fn() -> i64,
    ) -> Result<StorageLog, StorageError> {
        let partition = TopicPartition::new(crate::METADATA_TOPIC, 0);
        let config = LogConfig {
            // Synced by the quorum after each batch of decisions, not by the directory's thread.
            flush_messages: i64::MAX,
            segment_bytes: segments.bytes,
            segment_ms: segments.ms,
            ..LogConfig::default()
        };
        let log = directory.open_log(&partition, TopicId::METADATA_TOPIC, config, tag)?;
        Ok(StorageLog { directory, log, segment_bytes: segments.bytes as usize, wall_ms })
    }
}

fn text(error: impl std::error::Error) -> LogError {
    LogError::Failed(error_text(&error))
}

impl MetadataLog for StorageLog {
    fn start_offset(&self) -> Offset {
        self.log.log_start_offset()
    }

    fn end_offset(&self) -> Offset {
        self.log.log_end_offset()
    }

    fn read(&self, from: Offset, size_max: usize) -> Result<Bytes, LogError> {
        let read = self.log.read(from, size_max, self.log.log_end_offset(), true).map_err(text)?;
        read.records.to_bytes().map_err(text)
    }

    fn append(&mut self, batches: &[u8], epoch: QuorumEpoch) -> Result<(), LogError> {
        let start = self.log.log_end_offset();
        for part in parts(batches, self.segment_bytes) {
            match self.append_part(part, epoch) {
                Err(no_room @ LogError::NoRoom(_)) if start < self.log.log_end_offset() => {
                    self.log.truncate_to(start).map_err(text)?;
                    return Err(no_room);
                }
                result => result?,
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.directory.commit_queue().sync_log(&self.log).map_err(text)
    }

    fn roll(&mut self) -> Result<(), LogError> {
        self.log.roll().map_err(text)?;
        Ok(())
    }

    fn delete_before(&mut self, offset: Offset) -> Result<(), LogError> {
        self.log.delete_records(offset, (self.wall_ms)()).map_err(text)?;
        Ok(())
    }

    fn restart_at(&mut self, offset: Offset) -> Result<(), LogError> {
        self.log.truncate_fully_and_start_at(offset).map_err(text)
    }

    fn size(&self) -> u64 {
        self.log.size().unwrap_or(0)
    }
}

impl StorageLog {
    /// Appends what fits into a segment.
    fn append_part(&self, batches: &[u8], epoch: QuorumEpoch) -> Result<(), LogError> {
        let info = AppendInfo {
            leader_epoch: LeaderEpoch(epoch.0),
            append_time: None,
            origin: Origin::Coordinator,
            now_ms: (self.wall_ms)(),
        };
        let is_full =
            |error: &AppendError| matches!(error, AppendError::Storage(storage) if storage.is_disk_full());
        let appended = match self.log.append(batches, &info) {
            // What is decided may be a deletion, or that this node is there at all.
            Err(error) if is_full(&error) && self.directory.give_up_ballast() => {
                self.log.append(batches, &info)
            }
            result => result,
        };
        match appended {
            Ok(_) => Ok(()),
            Err(error) if is_full(&error) => Err(LogError::NoRoom(error.to_string())),
            Err(error) => Err(text(error)),
        }
    }
}

/// Whole batches in parts that fit into a segment of `size_max` bytes, as far as each of them does.
fn parts(batches: &[u8], size_max: usize) -> Vec<&[u8]> {
    let (mut parts, mut rest, mut size) = (Vec::new(), batches, 0);
    for batch in ottla_records::batches(batches).map_while(Result::ok) {
        let next = batch.bytes().len();
        if 0 < size && size_max < size + next {
            let (part, behind) = rest.split_at(size);
            parts.push(part);
            (rest, size) = (behind, 0);
        }
        size += next;
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
pub(crate) mod memory {
    use super::*;
    use std::sync::Mutex;

    /// A log in memory; clones are the same log, so that it outlives its quorum.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct MemoryLog {
        state: Arc<Mutex<State>>,
    }

    #[derive(Debug, Default)]
    struct State {
        start: Offset,
        /// Base offset, next offset, bytes.
        batches: Vec<(Offset, Offset, Bytes)>,
        syncs: usize,
        fails: bool,
    }

    impl MemoryLog {
        pub(crate) fn syncs(&self) -> usize {
            self.state.lock().unwrap().syncs
        }

        pub(crate) fn fail(&self, fails: bool) {
            self.state.lock().unwrap().fails = fails;
        }

        pub(crate) fn all_bytes(&self) -> Vec<u8> {
            let state = self.state.lock().unwrap();
            state.batches.iter().flat_map(|(_, _, bytes)| bytes.iter().copied()).collect()
        }
    }

    impl MetadataLog for MemoryLog {
        fn start_offset(&self) -> Offset {
            self.state.lock().unwrap().start
        }

        fn end_offset(&self) -> Offset {
            let state = self.state.lock().unwrap();
            state.batches.last().map_or(state.start, |(_, next, _)| *next)
        }

        fn read(&self, from: Offset, size_max: usize) -> Result<Bytes, LogError> {
            let state = self.state.lock().unwrap();
            let mut read = Vec::new();
            for (_, _, bytes) in state.batches.iter().filter(|(_, next, _)| *next > from) {
                if !read.is_empty() && read.len() + bytes.len() > size_max {
                    break;
                }
                read.extend_from_slice(bytes);
            }
            Ok(read.into())
        }

        fn append(&mut self, batches: &[u8], epoch: QuorumEpoch) -> Result<(), LogError> {
            let mut state = self.state.lock().unwrap();
            if state.fails {
                return Err(LogError::Failed("no more".to_owned()));
            }
            for batch in ottla_records::batches(batches) {
                let batch = batch.unwrap();
                let end = state.batches.last().map_or(state.start, |(_, next, _)| *next);
                assert_eq!(batch.header().base_offset(), end, "offsets follow each other");
                assert_eq!(batch.header().leader_epoch().0, epoch.0);
                let entry = (end, batch.header().next_offset(), Bytes::copy_from_slice(batch.bytes()));
                state.batches.push(entry);
            }
            Ok(())
        }

        fn sync(&mut self) -> Result<(), LogError> {
            let mut state = self.state.lock().unwrap();
            if state.fails {
                return Err(LogError::Failed("no more".to_owned()));
            }
            state.syncs += 1;
            Ok(())
        }

        fn roll(&mut self) -> Result<(), LogError> {
            Ok(())
        }

        fn delete_before(&mut self, offset: Offset) -> Result<(), LogError> {
            let mut state = self.state.lock().unwrap();
            state.batches.retain(|(_, next, _)| *next > offset);
            state.start = offset.max(state.start);
            Ok(())
        }

        fn restart_at(&mut self, offset: Offset) -> Result<(), LogError> {
            let mut state = self.state.lock().unwrap();
            state.batches.clear();
            state.start = offset;
            Ok(())
        }

        fn size(&self) -> u64 {
            let state = self.state.lock().unwrap();
            state.batches.iter().map(|(_, _, bytes)| bytes.len() as u64).sum()
        }
    }
}
