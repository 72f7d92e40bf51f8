//! The rules of log compaction, without a disk: Kafka's `Cleaner` and `LogCleanerManager`.
//!
//! [`choose`] says which part of a log may be cleaned, [`OffsetMap`] holds the last offset of each key in it,
//! [`group`] says which segments become one, and [`Filter`] what is left of a batch. `log/clean.rs` joins them to
//! the disk.

mod choose;
mod filter;
mod group;
mod map;
mod transactions;

pub use choose::{Cleanable, CompactionLag};
pub(crate) use choose::{SegmentFacts, choose};
pub(crate) use filter::{Filter, LastRecord, marker};
pub(crate) use group::{SegmentSizes, group};
pub(crate) use map::{KeyHasher, OffsetMap};
pub(crate) use transactions::Transactions;
