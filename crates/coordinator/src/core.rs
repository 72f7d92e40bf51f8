//! What a state machine must offer to be run.

use bytes::Bytes;
use ottla_ids::ProducerId;
use std::fmt;

pub use ottla_groups::Now;

/// A state machine that lives on the partitions of an internal topic. It touches no clock, task or log.
pub trait Core: Send + 'static {
    /// What it can be asked.
    type Request: Send + 'static;
    /// What it answers.
    type Answer: Send + 'static;
    /// What it writes, and is made of.
    type Record: Send + Sync + 'static;
    /// What follows from a write.
    type Then: Send + 'static;
    /// What it has to tell an operator.
    type Note: fmt::Display + Send;

    /// Reads a record; `producer` when its batch belongs to a transaction. `None` when its kind is not known,
    /// which is passed over as Kafka does.
    fn decode(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        producer: Option<ProducerId>,
    ) -> Result<Option<Self::Record>, RecordFailure>;

    /// The end of a transaction, if that means anything to it.
    fn transaction_ended(producer: ProducerId, committed: bool) -> Option<Self::Record>;

    /// A record's bytes.
    fn encode(record: &Self::Record) -> Result<EncodedRecord, RecordFailure>;

    /// The only way in which what survives changes: while loading, and after each write.
    fn replay(&mut self, record: &Self::Record);

    /// The log is replayed to its end.
    fn loaded(&mut self, now: Now) -> Effects<Self>;

    /// Whether the request's decision neither sees nor is seen by others of its kind, so that many can be decided
    /// before the first of them is written.
    fn is_independent(request: &Self::Request) -> bool;

    /// Decides about a request.
    fn handle(&mut self, call: u64, request: Self::Request, now: Now) -> Effects<Self>;

    /// What follows from a write that succeeded or failed.
    fn then(&mut self, then: Self::Then, outcome: Result<(), Unavailable>, now: Now) -> Effects<Self>;

    /// When [`Core::on_time`] is to be called, in [`Now::tick_ms`].
    fn deadline(&self) -> Option<i64>;

    /// Lets one thing happen whose time has come.
    fn on_time(&mut self, now: Now) -> Effects<Self>;
}

/// What a core wants to be made true; see `ottla_groups::Effects` for the order.
pub struct Effects<C: Core + ?Sized> {
    /// To be written, all of them or none; unless `divisible`.
    pub records: Vec<C::Record>,
    /// Call and answer, to be given once everything written is committed.
    pub answers: Vec<(u64, C::Answer)>,
    /// What follows from the write.
    pub then: Option<C::Then>,
    /// What is too large for one batch may go into several.
    pub divisible: bool,
    /// What an operator may want to know.
    pub notes: Vec<C::Note>,
}

impl<C: Core + ?Sized> Effects<C> {
    /// Whether there is nothing to do.
    pub fn is_nothing(&self) -> bool {
        self.records.is_empty() && self.answers.is_empty() && self.then.is_none() && self.notes.is_empty()
    }
}

/// A record's key and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecord {
    /// The key; compaction goes by it.
    pub key: Bytes,
    /// The value; `None` for a tombstone.
    pub value: Option<Bytes>,
}

/// Why a record cannot be read or written.
pub type RecordFailure = Box<dyn std::error::Error + Send + Sync>;

/// Why a partition's core does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// This node does not lead the partition, or could not load it.
    #[error("this node does not coordinate the partition")]
    NotCoordinator,
    /// The partition is being loaded: ask again.
    #[error("the coordinator is loading the partition")]
    Loading,
    /// It did not work out this time: ask again.
    #[error("the coordinator is not available for the moment")]
    NotAvailable,
    /// What was decided cannot be written down.
    #[error("what was decided cannot be written down")]
    NotWritable,
}
