//! A member of a consumer group, as its records have it.

use super::assignor::Partitions;
use crate::Refusal;
use bytes::Bytes;
use ottla_ids::TopicId;
use ottla_protocol::Text;
use std::collections::{BTreeMap, BTreeSet};

/// The epoch a member names, and is given, when it joins.
pub const JOINING: i32 = 0;
/// The epoch by which a member says that it leaves.
pub const LEAVING: i32 = -1;
/// The epoch by which a static member says that it leaves but will be back; and its epoch until then.
pub const AWAY: i32 = -2;

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Who it is and what it wants.
    pub subscription: Subscription,
    /// What it has.
    pub current: Current,
}

/// Who a member is and what it wants to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Text>,
    /// Where the client stands.
    pub rack_id: Option<Text>,
    /// What the client calls itself.
    pub client_id: Text,
    /// Where the client is.
    pub client_host: Text,
    /// The topics it names.
    pub topics: BTreeSet<Text>,
    /// The regular expression by which it names topics; empty or `None` for none.
    pub regex: Option<Text>,
    /// How long it may take to give partitions back, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// The assignor it asks for.
    pub assignor: Option<Text>,
    /// What a member has that speaks the classic protocol.
    pub classic: Option<ClassicMember>,
}

/// What a member of a consumer group has besides when it speaks the classic protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassicMember {
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// Its protocols and their metadata, what it likes best first.
    pub protocols: Vec<(Text, Bytes)>,
}

impl Default for Subscription {
    fn default() -> Subscription {
        Subscription {
            instance_id: None,
            rack_id: None,
            client_id: Text::default(),
            client_host: Text::default(),
            topics: BTreeSet::new(),
            // As Kafka writes "none".
            regex: Some(Text::default()),
            rebalance_timeout_ms: -1,
            assignor: None,
            classic: None,
        }
    }
}

impl Subscription {
    /// The regular expression, if there is one.
    pub fn regex(&self) -> Option<&Text> {
        self.regex.as_ref().filter(|regex| !regex.is_empty())
    }

    /// Whether both are of the same topics.
    pub fn reads_as(&self, other: &Subscription) -> bool {
        self.topics == other.topics && self.regex() == other.regex()
    }

    /// How the member is told that its epoch is not the present one, in the words of its protocol.
    pub fn stale(&self) -> Refusal {
        if self.classic.is_some() { Refusal::IllegalGeneration } else { Refusal::StaleMemberEpoch }
    }
}

/// Partitions by topic, each with the epoch in which the member got it.
pub type Owned = BTreeMap<TopicId, BTreeMap<i32, i32>>;

/// What a member has, and how far it is on its way to its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// The member's epoch: that of the newest target it has reached, or is on its way to when only others are
    /// in its way.
    pub epoch: i32,
    /// Its epoch before: an answer may have been lost.
    pub previous_epoch: i32,
    /// How far it is.
    pub state: MemberState,
    /// What it may read.
    pub assigned: Owned,
    /// What it is to give back.
    pub revoking: Owned,
}

impl Default for Current {
    fn default() -> Current {
        Current {
            epoch: JOINING,
            previous_epoch: -1,
            state: MemberState::Stable,
            assigned: Owned::new(),
            revoking: Owned::new(),
        }
    }
}

impl Current {
    /// What is left when a member goes (its tombstone).
    pub fn gone() -> Current {
        Current { epoch: LEAVING, previous_epoch: LEAVING, ..Current::default() }
    }

    /// Whether the member has all of the target of `epoch` and nothing else.
    pub fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    /// Every partition that nobody else may have.
    pub fn held(&self) -> impl Iterator<Item = (TopicId, i32)> {
        let topics = self.assigned.iter().chain(&self.revoking);
        topics.flat_map(|(topic, partitions)| partitions.keys().map(move |at| (*topic, *at)))
    }

    /// The epoch in which the member got a partition that it has, or is to give back.
    pub fn assigned_in(&self, topic: &TopicId, partition: i32) -> Option<i32> {
        let of = |owned: &Owned| owned.get(topic)?.get(&partition).copied();
        of(&self.assigned).or_else(|| of(&self.revoking))
    }

    /// Whether the member may read all of `partitions`.
    pub fn has_all(&self, partitions: &Partitions) -> bool {
        partitions.iter().all(|(topic, partitions)| {
            let assigned = self.assigned.get(topic);
            partitions.iter().all(|at| assigned.is_some_and(|assigned| assigned.contains_key(at)))
        })
    }
}

/// How far a member is on its way to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It has what it is to have in its epoch.
    Stable,
    /// It has to give partitions back.
    UnrevokedPartitions,
    /// Others have to give partitions back that it is to have.
    UnreleasedPartitions,
    /// A state of a later Kafka: the member has to join again.
    Unknown(i8),
}

impl MemberState {
    /// The state with this number in records.
    pub fn from_id(id: i8) -> MemberState {
        match id {
            0 => MemberState::Stable,
            1 => MemberState::UnrevokedPartitions,
            2 => MemberState::UnreleasedPartitions,
            other => MemberState::Unknown(other),
        }
    }

    /// The number in records.
    pub fn id(self) -> i8 {
        match self {
            MemberState::Stable => 0,
            MemberState::UnrevokedPartitions => 1,
            MemberState::UnreleasedPartitions => 2,
            MemberState::Unknown(id) => id,
        }
    }
}
