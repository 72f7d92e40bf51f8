//! Classic groups: members join, the coordinator picks a protocol, one member (the leader) divides the work.
//!
//! ```text
//!             first member joins             all joined, or time is up
//!    Empty ─────────────────────▶ PreparingRebalance ─────────────────▶ CompletingRebalance
//!      ▲                            │           ▲  a member joins, goes,       │ the leader brings
//!      │  nobody is left            │           │  fails or changes            │ the assignment
//!      └────────────────────────────┘           ├──────────────────────────────┤
//!                                               └─────────── Stable ◀──────────┘
//! ```
//!
//! Kafka's `ClassicGroup` and the classic half of its `GroupMetadataManager`.

mod expire;
mod group;
mod heartbeat;
mod join;
mod leave;
mod members;
mod metadata;
mod phase;
mod rebalance;
mod subscription;
mod sync;
mod turn;

pub(crate) use group::Group;
pub(crate) use members::Member;
pub(crate) use turn::Turn;

/// Kafka's name of this kind of group.
pub(crate) const TYPE_NAME: &str = "classic";

/// The protocol type of Kafka's consumers, whose metadata the coordinator understands.
pub(crate) const CONSUMER_PROTOCOL: &str = "consumer";

pub use metadata::{Metadata, StoredMember};
pub use phase::Phase;
