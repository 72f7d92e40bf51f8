//! What a coordinator needs of a partition.

use bytes::Bytes;
use ottla_ids::Offset;
use std::future::Future;

/// A partition of an internal topic that this node leads.
pub trait PartitionLog: Send + Sync + 'static {
    /// Appends a batch (base offset 0) of records that are not compressed with anything the topic refuses. It is
    /// in the log when this returns, and committed when [`PartitionLog::committed`] passes it. `now_ms` is the
    /// time, in ms since 1970.
    fn append(&self, batch: Bytes, now_ms: i64) -> impl Future<Output = Result<Written, LogError>> + Send;

    /// Whole batches from the one with `from` on: at least one, else about `size_max` bytes at most. Empty at
    /// the end of what is committed.
    fn read(&self, from: Offset, size_max: usize) -> impl Future<Output = Result<Bytes, LogError>> + Send;

    /// The first offset that there is.
    fn start(&self) -> Offset;

    /// The offset that the next record will get.
    fn end(&self) -> Offset;

    /// The high watermark: everything before it is committed.
    fn committed(&self) -> Offset;

    /// Returns once [`PartitionLog::committed`] is at least `offset`.
    fn wait_committed(&self, offset: Offset) -> impl Future<Output = Result<(), LogError>> + Send;

    /// `max.message.bytes`: the size of the largest batch that the log takes.
    fn batch_size_max(&self) -> usize;
}

/// Where a batch lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The offset of its first record.
    pub base: Offset,
    /// The offset after its last record.
    pub end: Offset,
}

/// Why a log did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// This node does not lead the partition any more.
    #[error("this node does not lead the partition any more")]
    NotLeader,
    /// Too few replicas are in sync.
    #[error("too few replicas are in sync")]
    NotEnoughReplicas,
    /// The batch is larger than the log takes.
    #[error("a batch is larger than max.message.bytes")]
    TooLarge,
    /// There is no room, or no room in memory, for now: nothing was written, a later try may succeed.
    #[error("the partition takes no records for the moment")]
    Busy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log cannot be read or written.
    #[error("the partition's log failed")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
}
