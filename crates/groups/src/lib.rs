//! The group coordinator's rules: who is in a group, what each member owns, how far each group has read.
//!
//! [`Groups`] is the core: one partition's worth of groups. It touches no clock, log, task or socket.
//! Requests and the time go in ([`Groups::handle`], [`Groups::on_time`]); out come [`Effects`]: the records to
//! write, the answers to give once those are committed, and what is to happen after the write. An answer may
//! come much later than its call: a JoinGroup is answered when the rebalance it takes part in completes.
//!
//! What must survive lies in [`State`] and is only ever changed by replaying [`Record`]s, which are those of
//! Kafka's `__consumer_offsets`. What may be forgotten (sessions, joins under way, generations that never
//! got their assignment) lies beside it and starts afresh from the state when a node becomes coordinator,
//! as in Apache Kafka.
//!
//! Start reading at [`Groups`]; each kind of group has a folder ([`classic`]: JoinGroup, SyncGroup, …; [`consumer`]:
//! ConsumerGroupHeartbeat).
//!
//! This crate does not know where its records are kept, who leads a partition, which topics exist, or who is
//! allowed to ask: handlers and the `coordinator` crate do.

mod groups;
mod messages;
mod offsets;
mod placement;
mod records;
mod refusal;
mod settings;
mod state;
mod time;
mod timers;

pub mod classic;
pub mod consumer;

#[cfg(test)]
mod tests;

pub use groups::{Effects, Groups, Note, Then};
pub use messages::*;
pub use placement::partition_for;
pub use records::{Batch, Encoded, Record, RecordError};
pub use refusal::Refusal;
pub use settings::Settings;
pub use state::{Commit, State, StoredGroup};
pub use time::Now;
