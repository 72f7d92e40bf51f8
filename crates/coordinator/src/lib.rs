//! Runs a state machine on the partitions of an internal topic: *decided, written, replayed, and only then
//! answered*.
//!
//! A [`Core`] is the machine (groups today; transactions and share state are others). It decides; this crate
//! makes it so: [`Coordinator`] keeps one core for each partition that this node leads, loads it by replaying
//! the partition's log, hands it requests and the time, appends what it decides as a batch, and holds answers
//! back until everything that was written before them is committed. So nobody is told what could be lost, and
//! nobody is told what depends on it either.
//!
//! ```text
//!            ask ──▶ queue ──▶ ┌───────── one task per partition ─────────┐
//!                              │ core.handle ─▶ log.append ─▶ core.replay │
//!            answer ◀── parked until committed ◀── core.then ◀┘           │
//!                              └──────────────────────────────────────────┘
//! ```
//!
//! Each partition has one owner, a task with a bounded queue, rather than a lock: decide, append and replay must
//! not interleave with those of another request, the append may take a while, and what arrives meanwhile is then
//! decided in one go and, where requests do not depend on each other, written as one batch.
//!
//! It does not know the rules of a core, nor who leads a partition: it is told ([`Coordinator::lead`],
//! [`Coordinator::resign`]). Partitions are seen through [`PartitionLog`], which tests have in memory.
//!
//! Kafka's own name: `CoordinatorRuntime`. Start reading at [`Coordinator`], then `shard.rs`.

mod core;
mod runtime;

mod load;
mod shard;

mod log;
mod partition;

mod group_coordinator;
mod groups;

#[cfg(test)]
mod tests;

pub use crate::core::{Core, Effects, EncodedRecord, Now, RecordFailure, Unavailable};
pub use crate::log::{LogError, PartitionLog, Written};
pub use crate::runtime::{Coordinator, Options};
pub use group_coordinator::{GroupCoordinator, OFFSETS_TOPIC};
