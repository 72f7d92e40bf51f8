//! Server-side assignors: who reads which partition. The same in, the same out; nothing else is looked at.
//!
//! [`Assignor::Uniform`] spreads partitions evenly and leaves them where they are as far as that allows;
//! [`Assignor::Range`] gives each member the same range of every topic, for joins of topics that are
//! partitioned alike. Both are Apache Kafka 4.3's, step by step (`UniformAssignor`, `RangeAssignor`); where
//! Kafka takes members and topics in the order of a hash map, they are taken in their own order here.
//!
//! Neither of Kafka's assignors looks at racks in 4.3, so there are none here.

mod mixed;
mod range;
#[cfg(test)]
mod tests;
mod uniform;

use ottla_ids::TopicId;
use ottla_protocol::Text;
use std::collections::{BTreeMap, BTreeSet};

/// Partitions by topic. A topic without partitions is not in it.
pub type Partitions = BTreeMap<TopicId, BTreeSet<i32>>;

/// Every member of a group with its partitions; those without any are there too.
pub type Assignment = BTreeMap<Text, Partitions>;

/// How a group's partitions are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Evenly, and with as few moves as that allows: Kafka's default.
    Uniform,
    /// By ranges, the same of every topic.
    Range,
}

impl Assignor {
    /// All of them, the default first (Kafka's default of `group.consumer.assignors`).
    pub const ALL: [Assignor; 2] = [Assignor::Uniform, Assignor::Range];

    /// The name that members ask for it by (`group.remote.assignor`).
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Assignor> {
        Assignor::ALL.into_iter().find(|assignor| assignor.name() == name)
    }
}

/// What an assignor knows of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberSubscription {
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Text>,
    /// The topics that it reads and that exist, by name or by regular expression.
    pub subscribed: BTreeSet<TopicId>,
    /// What it had in the target before.
    pub owned: Partitions,
}

/// What an assignor knows of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSpec {
    /// The members by id.
    pub members: BTreeMap<Text, MemberSubscription>,
    /// Whether all members have the same subscription (Kafka's `SubscriptionType.HOMOGENEOUS`).
    pub homogeneous: bool,
}

/// How many partitions topics have.
pub trait TopicView {
    /// The number of partitions of a topic; `None` where there is no such topic.
    fn partitions(&self, topic: &TopicId) -> Option<i32>;
}

/// Why there is no assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignError {
    /// A member reads a topic that the view does not know.
    #[error("members are subscribed to topic {0}, which does not exist")]
    UnknownTopic(TopicId),
}

/// Divides the partitions of all topics that members are subscribed to: each partition goes to exactly one
/// of the topic's subscribers.
pub fn assign(
    assignor: Assignor,
    group: &GroupSpec,
    topics: &dyn TopicView,
) -> Result<Assignment, AssignError> {
    let Some(first) = group.members.values().next() else { return Ok(Assignment::new()) };
    match assignor {
        Assignor::Range => range::assign(group, topics),
        Assignor::Uniform if group.homogeneous => uniform::assign(group, &first.subscribed, topics),
        Assignor::Uniform => mixed::assign(group, topics),
    }
}

/// The number of a topic's partitions.
fn count(topics: &dyn TopicView, topic: &TopicId) -> Result<i32, AssignError> {
    topics.partitions(topic).ok_or(AssignError::UnknownTopic(*topic))
}
