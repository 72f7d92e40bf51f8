//! The nouns of Kafka as newtypes: no behaviour beyond order, text and arithmetic that cannot surprise.
//!
//! Kafka calls eight different counters "epoch"; here each is its own type, so that one cannot be
//! handed in for another. This crate knows no bytes, no messages and no rules.

mod uuid;

pub use crate::uuid::{ParseUuidError, Uuid};

use std::fmt;

/// Derives what every number newtype has: order, hashing, text.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A record's place in its partition log; the first record ever has `Offset::ZERO`.
    Offset(i64)
}
number! {
    /// Counts the leaders a partition has had. Not a `ProducerEpoch`, not a `MemberEpoch`.
    LeaderEpoch(i32)
}
number! {
    /// Counts the changes of a partition's registration by the controller.
    PartitionEpoch(i32)
}
number! {
    /// Counts the registrations of a broker; the offset of its registration record in the metadata log.
    BrokerEpoch(i64)
}
number! {
    /// Counts the leaders of the metadata quorum (KRaft); the leader epoch of its batches.
    QuorumEpoch(i32)
}
number! {
    /// Counts the incarnations of one producer id; a higher one fences the lower.
    ProducerEpoch(i16)
}
number! {
    /// Names an idempotent or transactional producer; handed out by the controller in blocks.
    ProducerId(i64)
}
number! {
    /// A node of the cluster: broker, controller or both (`node.id`).
    NodeId(i32)
}

impl Offset {
    /// The offset of the first record a partition ever had.
    pub const ZERO: Offset = Offset(0);

    /// The offset `count` records further on. Saturates, since no log can hold so many.
    pub fn plus(self, count: i64) -> Offset {
        Offset(self.0.saturating_add(count))
    }
}

impl LeaderEpoch {
    /// "Unknown": sent where no epoch is known, and never compared (Kafka's -1).
    pub const NONE: LeaderEpoch = LeaderEpoch(-1);
}

impl ProducerId {
    /// "No producer id": batches of producers that are not idempotent (Kafka's -1).
    pub const NONE: ProducerId = ProducerId(-1);
}

impl ProducerEpoch {
    /// Goes with [`ProducerId::NONE`] (Kafka's -1).
    pub const NONE: ProducerEpoch = ProducerEpoch(-1);
}

/// A topic's identity (KIP-516): a topic deleted and created again under its old name has another.
pub type TopicId = Uuid;

/// A partition by name, as most of the protocol and the folders on disk name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: std::sync::Arc<str>,
    /// The partition's index within its topic, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names partition `partition` of `topic`.
    pub fn new(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    /// `topic-0`, as Kafka names partition folders.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}
