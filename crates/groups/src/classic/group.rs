//! One classic group as it lives: what its record says, and what is under way.

use super::members::{Member, Members};
use super::metadata::{Metadata, StoredMember};
use super::phase::Phase;
use super::subscription;
use crate::messages::{Description, Listed, Protocol};
use crate::{Refusal, Settings};
use bytes::Bytes;
use ottla_protocol::Text;
use std::collections::BTreeSet;

/// One classic group.
///
/// Invariants: `leader` is a member, and there is one if there are members; who is in `pending_joins` is no
/// member; who is in `pending_syncs` is one; `protocol` is set in [`Phase::CompletingRebalance`] and
/// [`Phase::Stable`].
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub id: Text,
    pub phase: Phase,
    /// Since when the group is in its phase, in milliseconds since 1970; `None` after records of old.
    pub phase_since_ms: Option<i64>,
    pub generation: i32,
    pub protocol_type: Option<Text>,
    pub protocol: Option<Text>,
    pub leader: Option<Text>,
    pub members: Members,
    /// Ids handed out to members that have not joined with them yet (KIP-394).
    pub pending_joins: BTreeSet<Text>,
    /// Members of this generation that have not asked for their assignment yet.
    pub pending_syncs: BTreeSet<Text>,
    /// The group was empty when this rebalance began: it waits a while for more members.
    pub first_rebalance: Option<FirstRebalance>,
    /// The topics its members read; `None` when that is not known.
    pub subscribed: Option<BTreeSet<Text>>,
}

/// The wait for further members after the first has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstRebalance {
    /// How long the present round lasts.
    pub delay_ms: i32,
    /// How much longer it may be put off after this round.
    pub remaining_ms: i32,
    /// Someone came during this round.
    pub member_added: bool,
}

impl Group {
    /// A group without members, from now on.
    pub fn new(id: Text, wall_ms: i64) -> Group {
        Group {
            id,
            phase: Phase::Empty,
            phase_since_ms: Some(wall_ms),
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: Members::default(),
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            first_rebalance: None,
            subscribed: None,
        }
    }

    /// A group of someone who assigns partitions by itself and only stores offsets.
    pub fn simple(id: Text) -> Group {
        Group { phase_since_ms: None, ..Group::new(id, 0) }
    }

    /// The group that `metadata` was written down of.
    pub fn from_metadata(id: Text, metadata: &Metadata) -> Group {
        let mut members = Members::default();
        let mut leader = metadata.leader.clone();
        for stored in &metadata.members {
            // The log is not trusted: a member that is in it twice counts once.
            let instance_taken =
                stored.instance_id.as_ref().is_some_and(|it| members.static_id(it).is_some());
            if members.contains(&stored.member_id) || instance_taken {
                continue;
            }
            let protocol = metadata.protocol.clone().unwrap_or_default();
            members.insert(Member {
                id: stored.member_id.clone(),
                instance_id: stored.instance_id.clone(),
                client_id: stored.client_id.clone(),
                client_host: stored.client_host.clone(),
                rebalance_timeout_ms: stored.rebalance_timeout_ms,
                session_timeout_ms: stored.session_timeout_ms,
                protocols: vec![Protocol { name: protocol, metadata: stored.subscription.clone() }],
                assignment: stored.assignment.clone(),
                joining: None,
                syncing: None,
                is_new: false,
            });
        }
        if leader.as_ref().is_none_or(|leader| !members.contains(leader)) {
            leader = members.iter().next().map(|member| member.id.clone());
        }
        let empty = members.is_empty();
        let mut group = Group {
            id,
            phase: if empty { Phase::Empty } else { Phase::Stable },
            phase_since_ms: metadata.state_since_ms,
            generation: metadata.generation,
            protocol_type: Some(metadata.protocol_type.clone()).filter(|it| !it.is_empty()),
            protocol: if empty { None } else { Some(metadata.protocol.clone().unwrap_or_default()) },
            leader,
            members,
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            first_rebalance: None,
            subscribed: None,
        };
        group.subscribed = group.subscribed_topics();
        group
    }

    /// A group whose members have what `assignment` gives them with their metadata for the protocol chosen; `None`
    /// when they have no protocol in common, or one of them cannot be given anything.
    pub fn settled(
        id: Text,
        generation: i32,
        members: Vec<Member>,
        wall_ms: i64,
        assignment: impl Fn(&Member, &Bytes) -> Option<Bytes>,
    ) -> Option<Group> {
        let mut group = Group {
            phase: Phase::Stable,
            generation,
            protocol_type: Some(Text::from_static(super::CONSUMER_PROTOCOL)),
            leader: members.first().map(|member| member.id.clone()),
            ..Group::new(id, wall_ms)
        };
        members.into_iter().for_each(|member| group.members.insert(member));
        group.protocol = Some(group.members.elect_protocol()?);
        for id in group.members.ids() {
            let member = group.members.get(&id)?;
            let assignment = assignment(member, &member.metadata(group.protocol.as_ref()))?;
            group.members.change(&id, |member| member.assignment = assignment);
        }
        group.subscribed = group.subscribed_topics();
        Some(group)
    }

    /// What is to be written down of the group, were its members assigned what `assignment` says.
    pub fn metadata(&self, assignment: impl Fn(&Member) -> Bytes) -> Metadata {
        let members = self.members.iter().map(|member| StoredMember {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(self.protocol.as_ref()),
            assignment: assignment(member),
        });
        Metadata {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since_ms: self.phase_since_ms,
            members: members.collect(),
        }
    }

    pub fn enter(&mut self, phase: Phase, wall_ms: i64) {
        let allowed = match phase {
            Phase::Empty | Phase::CompletingRebalance => self.phase == Phase::PreparingRebalance,
            Phase::PreparingRebalance => self.phase != Phase::PreparingRebalance,
            Phase::Stable => self.phase == Phase::CompletingRebalance,
        };
        assert!(allowed, "a group does not go from {:?} to {phase:?}", self.phase);
        self.phase = phase;
        self.phase_since_ms = Some(wall_ms);
    }

    pub fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    /// Whether a member can come in that speaks these protocols, what it likes best first.
    pub fn supports(&self, protocol_type: &Text, protocols: &[Protocol]) -> bool {
        if self.phase == Phase::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_ref() == Some(protocol_type) && self.members.have_any_in_common(protocols)
    }

    /// Whether the one that asks is who it says (KIP-345).
    pub fn check_member(&self, member: &str, instance: Option<&Text>) -> Result<(), Refusal> {
        if let Some(instance) = instance {
            match self.members.static_id(instance) {
                None => return Err(Refusal::UnknownMemberId),
                Some(present) if **present != *member => return Err(Refusal::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains(member) { Ok(()) } else { Err(Refusal::UnknownMemberId) }
    }

    /// Whether there is room for this member (`group.max.size`).
    pub fn has_room_for(&self, member: &str, settings: &Settings) -> bool {
        match self.phase {
            Phase::Empty => true,
            // Those who wait are counted, not the members: a group that is too large since the limit was
            // lowered loses those who come back last.
            Phase::PreparingRebalance => {
                self.members.get(member).is_some_and(|member| member.joining.is_some())
                    || self.members.joining() < settings.max_size
            }
            Phase::CompletingRebalance | Phase::Stable => {
                self.members.contains(member) || self.members.len() < settings.max_size
            }
        }
    }

    pub fn all_joined(&self) -> bool {
        self.members.joining() == self.members.len() && self.pending_joins.is_empty()
    }

    /// The longest that any member may take to join again.
    pub fn rebalance_timeout_ms(&self) -> i32 {
        self.members.iter().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0).max(0)
    }

    pub fn speaks_consumer(&self) -> bool {
        self.protocol_type.as_deref() == Some(super::CONSUMER_PROTOCOL)
    }

    /// Whether a member reads `topic`; to be safe, yes when a consumer's subscription cannot be read.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.speaks_consumer(),
        }
    }

    /// The topics that the members read by the protocol chosen.
    pub fn subscribed_topics(&self) -> Option<BTreeSet<Text>> {
        if !self.speaks_consumer() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = Some(self.protocol.as_ref()?);
        let mut topics = BTreeSet::new();
        for member in self.members.iter() {
            topics.extend(subscription::topics(&member.metadata(protocol))?);
        }
        Some(topics)
    }

    pub fn described(&self) -> Description {
        let protocol = self.protocol.as_ref().filter(|_| self.phase == Phase::Stable);
        Description {
            group: self.id.clone(),
            refusal: None,
            message: String::new(),
            state: self.phase.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.cloned().unwrap_or_default(),
            members: self.members.iter().map(|member| member.described(protocol)).collect(),
        }
    }

    pub fn listed(&self) -> Listed {
        Listed {
            group: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            state: self.phase.name(),
            group_type: super::TYPE_NAME,
        }
    }
}

#[cfg(test)]
impl Group {
    /// What must always hold.
    pub fn check_invariants(&self) {
        match &self.leader {
            Some(leader) => assert!(self.members.contains(leader), "the leader is a member"),
            None => assert!(self.members.is_empty(), "members have a leader"),
        }
        assert!(self.pending_joins.iter().all(|id| !self.members.contains(id)));
        assert!(self.pending_syncs.iter().all(|id| self.members.contains(id)));
        let settled = matches!(self.phase, Phase::Stable | Phase::CompletingRebalance);
        assert!(!settled || self.protocol.is_some(), "a settled group has a protocol");
        assert_eq!(
            self.phase == Phase::Empty,
            self.members.is_empty() && self.phase != Phase::PreparingRebalance
        );
        assert_eq!(self.members.joining(), self.members.iter().filter(|it| it.joining.is_some()).count());
        for member in self.members.iter() {
            let waits = member.joining.is_some();
            assert!(
                !waits || self.phase == Phase::PreparingRebalance,
                "who waits to join waits for a rebalance"
            );
            let waits = member.syncing.is_some();
            assert!(
                !waits || self.phase == Phase::CompletingRebalance,
                "who waits to sync waits for the leader"
            );
        }
    }
}
