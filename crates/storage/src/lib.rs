//! Partition logs on disk, in Apache Kafka's format, durable by group commit.
//!
//! An append is one positioned write to the active segment. It becomes durable when the directory's
//! [`CommitQueue`], served by one thread of the crate above, has synced it together with all else that waited,
//! or has copied it to the journal, where that is cheaper.
//! A power cut takes back what was not durable, and nothing else.
//!
//! This crate knows where batches are. It does not know who leads a partition, what the high watermark is, or
//! who may read; news goes up as return values ([`Synced`]), never by a callback. It takes no time from a
//! clock: time comes in as a parameter; only how long the disk takes is measured here.
//!
//! Start reading at [`LogDirectory`], then [`Log`].

mod directory;
mod log;

mod cleaner;

mod commit;
mod config;
mod journal;
mod producers;

mod aborted;
mod epochs;
mod index;
mod open_files;
mod segment;

mod ballast;
mod futures;
pub mod inspect;
mod room;
mod summary;

mod checkpoint;
mod disk;
mod error;
mod lost;
mod meta_properties;
mod sync;

pub use aborted::AbortedTransaction;
pub use ballast::{BALLAST, BALLAST_BYTES_MAX, BALLAST_PART};
pub use checkpoint::{
    CLEANER_OFFSETS, HIGH_WATERMARKS, LOG_STARTS, Offsets, PARTITION_METADATA, RECOVERY_POINTS,
};
pub use cleaner::{Cleanable, CompactionLag};
pub use commit::{CommitQueue, Synced};
pub use config::LogConfig;
pub use directory::{
    ADVANCES_MAX, DirectoryOptions, LogDirectory, RECOVERY_POINT_INTERVAL_MS, UNRECOVERABLE_BYTES_MAX, Wanted,
};
pub use disk::{Disk, Entry, File, Lock, SimulatedDisk, SimulatedFile, SimulatedLock};
pub use epochs::EpochStart;
pub use error::{AppendError, ReadError, StorageError};
pub use journal::{JOURNAL, JournalChoice, JournalOptions};
pub use log::{
    AppendInfo, Appended, CleanError, Cleaned, Cleaning, CopyProgress, FileRange, Log, LogRead, RecordRange,
    Recovery, Relocation, Retained, Retention, TimestampOffset,
};
pub use meta_properties::{META_PROPERTIES, MetaProperties};
pub use open_files::{OPEN_SEGMENTS_MAX, raise_open_files_limit};
pub use producers::{CACHED_BATCHES, Origin, ProducerBatch, ProducerState};
pub use room::{RESERVE_BYTES_MAX, RESERVE_PART};
pub use summary::{LogSummary, Space};
