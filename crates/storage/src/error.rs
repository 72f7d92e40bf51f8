//! What can go wrong between us and the disk, and what the disk's content can be wrong in.

use ottla_ids::{Offset, ProducerEpoch, ProducerId, TopicId, TopicPartition};
use ottla_records::BatchError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A failure of the disk, or of what is on it.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The operating system refused an operation that does not endanger what was written.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb.
        operation: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is no room. Nothing was changed; the log goes on when there is room again.
    #[error("no room left on the disk of {path}: free some space or lower the topics' retention")]
    DiskFull {
        /// The file that was to grow.
        path: PathBuf,
    },
    /// A write or sync of this log directory failed before: what the kernel holds and what the disk holds
    /// may differ, so nothing there is trusted until the process starts again (Kafka's `KAFKA_STORAGE_ERROR`).
    #[error("log directory {path} is offline since an earlier failure: {reason}")]
    Offline {
        /// The log directory.
        path: PathBuf,
        /// The failure that took it offline.
        reason: Arc<str>,
    },
    /// A file is not what was written to it. Nothing is cut away; the log is to be left alone.
    #[error("{path} is damaged at byte {position} (offset {offset}): {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Bytes from the start of the file.
        position: u64,
        /// The offset that was expected there, or the nearest one known before it.
        offset: Offset,
        /// What is wrong.
        reason: String,
    },
    /// A small text or state file does not say what it has to.
    #[error("{path} cannot be used: {reason}")]
    InvalidFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another process works in this log directory.
    #[error("{path} is in use by another process: stop it or choose another log directory")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The log directory has no `meta.properties`, and no cluster id was given to write one.
    #[error("{path} is not formatted: it has no meta.properties")]
    NotFormatted {
        /// The log directory.
        path: PathBuf,
    },
    /// The log directory belongs to another cluster.
    #[error(
        "{path} belongs to cluster {found}, not to {wanted}: correct cluster.id or log.dirs, or use an empty folder"
    )]
    WrongCluster {
        /// The log directory.
        path: PathBuf,
        /// `cluster.id` in its `meta.properties`.
        found: String,
        /// The cluster id that was asked for.
        wanted: String,
    },
    /// The log directory belongs to another node.
    #[error(
        "{path} belongs to node {found}, not to {wanted}: correct node.id or log.dirs, or use an empty folder"
    )]
    WrongNode {
        /// The log directory.
        path: PathBuf,
        /// `node.id` in its `meta.properties`.
        found: i32,
        /// The node id that was asked for.
        wanted: i32,
    },
    /// A partition has a folder in two log directories, as when somebody copied one: nobody can know which
    /// one counts (Kafka's `LogManager` refuses it too).
    #[error(
        "partition {partition} is found in both {first} and {second}: stop the node and move one of the two \
         folders away; after a failed disk, the one on that disk"
    )]
    TwoFolders {
        /// The partition.
        partition: TopicPartition,
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// There is a metadata log in a log directory that is not the one for it.
    #[error(
        "found unexpected metadata location in data directory {path} (the configured metadata directory is \
         {metadata_dir}): correct metadata.log.dir, or the order of log.dirs"
    )]
    UnexpectedMetadataLog {
        /// The folder.
        path: PathBuf,
        /// The log directory where it should be.
        metadata_dir: PathBuf,
    },
    /// The partition's folder is that of another topic of the same name.
    #[error("folder of {partition} holds topic id {found}, not {wanted}")]
    TopicIdMismatch {
        /// The partition.
        partition: TopicPartition,
        /// The topic id in the folder's `partition.metadata`.
        found: TopicId,
        /// The topic id that was asked for.
        wanted: TopicId,
    },
    /// The partition's log was deleted or closed.
    #[error("the log of {partition} is closed")]
    Closed {
        /// The partition.
        partition: TopicPartition,
    },
}

impl StorageError {
    /// Whether the error leaves the log directory usable: the caller may try again when there is room.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, StorageError::DiskFull { .. })
    }
}

/// Whether the operating system says that there is no room.
pub(crate) fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether the disk itself refuses: not that a file is missing, which a look at the log explains, nor that this process
/// has too much open or too little memory, which passes.
pub(crate) fn is_failing_disk(error: &io::Error) -> bool {
    let is_own = matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::OutOfMemory
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::InvalidInput
    );
    let has_too_many_files = matches!(
        rustix::io::Errno::from_io_error(error),
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)
    );
    !is_own && !has_too_many_files && !is_no_room(error)
}

/// Names the file and the operation of an error.
pub(crate) trait Context<T> {
    fn at(self, operation: &'static str, path: &Path) -> Result<T, StorageError>;
}

impl<T> Context<T> for io::Result<T> {
    fn at(self, operation: &'static str, path: &Path) -> Result<T, StorageError> {
        self.map_err(|source| {
            if is_no_room(&source) {
                StorageError::DiskFull { path: path.to_owned() }
            } else {
                StorageError::Io { path: path.to_owned(), operation, source }
            }
        })
    }
}

/// Why an append was refused. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The sequence number is not the one that follows the producer's last.
    #[error(
        "out of order sequence number for producer {producer_id} at offset {offset} in partition {partition}: \
         {sequence} (incoming seq. number), {last_sequence} (current end sequence number)"
    )]
    OutOfOrderSequence {
        /// The partition.
        partition: TopicPartition,
        /// The producer.
        producer_id: ProducerId,
        /// The offset that the batch would have got.
        offset: Offset,
        /// The first sequence number of the refused batch.
        sequence: i32,
        /// The last sequence number of the producer's newest batch; -1 with none.
        last_sequence: i32,
    },
    /// The producer has been fenced by a newer incarnation.
    #[error(
        "epoch of producer {producer_id} at offset {offset} in {partition} is {producer_epoch}, \
         which is smaller than the last seen epoch {current}"
    )]
    InvalidProducerEpoch {
        /// The partition.
        partition: TopicPartition,
        /// The producer.
        producer_id: ProducerId,
        /// The offset that the batch would have got.
        offset: Offset,
        /// The epoch of the refused batch.
        producer_epoch: ProducerEpoch,
        /// The newest epoch seen.
        current: ProducerEpoch,
    },
    /// A batch outside of a transaction while the producer's transaction is open.
    #[error("expected transactional write from producer with id {producer_id} to {partition}")]
    InvalidTransactionState {
        /// The partition.
        partition: TopicPartition,
        /// The producer.
        producer_id: ProducerId,
    },
    /// The marker is of a transaction coordinator that another one has replaced.
    #[error(
        "invalid coordinator epoch for producer id {producer_id} in {partition}: {coordinator_epoch} (zombie), \
         {current} (current)"
    )]
    TransactionCoordinatorFenced {
        /// The partition.
        partition: TopicPartition,
        /// The producer.
        producer_id: ProducerId,
        /// The refused marker's epoch.
        coordinator_epoch: i32,
        /// The newest epoch seen.
        current: i32,
    },
    /// More bytes than a segment may hold (`segment.bytes`; Kafka's `RECORD_LIST_TOO_LARGE`).
    #[error("{size} bytes do not fit into a segment of {partition}, which may hold {segment_bytes}")]
    TooLarge {
        /// The partition.
        partition: TopicPartition,
        /// Bytes to append.
        size: usize,
        /// The topic's `segment.bytes`.
        segment_bytes: u32,
    },
    /// The bytes are not whole batches.
    #[error("malformed records for {partition}: {source}")]
    Malformed {
        /// The partition.
        partition: TopicPartition,
        /// What is wrong with them.
        source: BatchError,
    },
    /// Replicated batches whose offsets do not follow the log's end.
    #[error("records for {partition} start at {first}, but must follow the end {expected}")]
    UnexpectedOffset {
        /// The partition.
        partition: TopicPartition,
        /// The offset of the batch that does not follow.
        first: Offset,
        /// The smallest offset that would have followed.
        expected: Offset,
    },
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a read was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset is not, or not any more, or not yet in the log.
    #[error("offset {offset} of {partition} is outside of the log, which spans {log_start} to {log_end}")]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The offset that was asked for.
        offset: Offset,
        /// The log's first offset.
        log_start: Offset,
        /// The offset behind the log's last.
        log_end: Offset,
    },
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
