//! Reading a log directory's files as they lie there, without opening the directory: what a person looks into,
//! and what a check goes through. Nothing here writes, cuts or repairs, and no lock is needed to look.
//!
//! Everything that is read may be damaged: sizes are bounded by the file's, and what cannot be right comes back
//! as a value that says where.

mod check;
mod directory;
mod finding;

mod batches;
mod entries;
mod names;

pub use batches::{BATCH_SIZE_MAX, BatchFile, BatchFileError, NextBatch};
pub use check::{CheckedLog, Expected, check_partition};
pub use directory::{CheckedDirectory, DirectoryFiles, Holder, hold, look_at_directory};
pub use entries::{
    AbortedEntry, IndexContent, OffsetIndexEntry, SnapshotContent, TimeIndexEntry, read_aborted_index,
    read_leader_epochs, read_offset_checkpoint, read_offset_index, read_producer_snapshot, read_time_index,
    read_topic_id,
};
pub use finding::{Answer, FINDINGS_MAX, Finding, Findings};
pub use names::{FileKind, FileMark, FileName, FolderKind, folder_kind};
