//! The members of a classic group, with what must be counted at once.

use crate::messages::{CallId, DescribedMember, JoinedMember, Protocol};
use bytes::Bytes;
use ottla_protocol::Text;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub id: Text,
    pub instance_id: Option<Text>,
    pub client_id: Text,
    pub client_host: Text,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// What it can do, what it likes best first.
    pub protocols: Vec<Protocol>,
    /// What it works on; empty until it is told.
    pub assignment: Bytes,
    /// Its JoinGroup that waits for the rebalance to complete.
    pub joining: Option<CallId>,
    /// Its SyncGroup that waits for the leader's assignment.
    pub syncing: Option<CallId>,
    /// It has never completed a rebalance, and so does not know its id for certain.
    pub is_new: bool,
}

impl Member {
    pub fn is_static(&self) -> bool {
        self.instance_id.is_some()
    }

    /// Its metadata for `protocol`.
    pub fn metadata(&self, protocol: Option<&Text>) -> Bytes {
        let offered = self.protocols.iter().find(|offered| Some(&offered.name) == protocol);
        offered.map(|offered| offered.metadata.clone()).unwrap_or_default()
    }

    /// The one it likes best of `candidates`.
    fn vote<'a>(&'a self, candidates: &BTreeSet<&Text>) -> Option<&'a Text> {
        self.protocols.iter().map(|offered| &offered.name).find(|name| candidates.contains(name))
    }

    /// Silence does not count against who waits for the group; new members are the exception, since they may
    /// have given up without anyone noticing.
    pub fn may_be_silent(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }

    pub fn described(&self, protocol: Option<&Text>) -> DescribedMember {
        let stable = protocol.is_some();
        DescribedMember {
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            metadata: self.metadata(protocol),
            assignment: if stable { self.assignment.clone() } else { Bytes::new() },
        }
    }

    pub fn joined(&self, protocol: Option<&Text>) -> JoinedMember {
        JoinedMember {
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            metadata: self.metadata(protocol),
        }
    }
}

/// The members of a group by id.
///
/// Invariants: `statics` names every static member and no other; `joining` counts the members that wait for a
/// rebalance; `offered` counts for each protocol the members that offer it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    by_id: BTreeMap<Text, Member>,
    statics: HashMap<Text, Text>,
    joining: usize,
    offered: HashMap<Text, usize>,
}

impl Members {
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub fn get(&self, id: &str) -> Option<&Member> {
        self.by_id.get(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_id.values()
    }

    pub fn ids(&self) -> Vec<Text> {
        self.by_id.keys().cloned().collect()
    }

    /// The calls that wait for the rebalance to complete.
    pub fn waiting_joins(&self) -> Vec<CallId> {
        self.by_id.values().filter_map(|member| member.joining).collect()
    }

    /// The member behind a `group.instance.id`.
    pub fn static_id(&self, instance: &str) -> Option<&Text> {
        self.statics.get(instance)
    }

    /// How many wait for the rebalance to complete.
    pub fn joining(&self) -> usize {
        self.joining
    }

    pub fn insert(&mut self, member: Member) {
        assert!(!self.by_id.contains_key(&member.id), "a member is added once");
        if let Some(instance) = &member.instance_id {
            self.statics.insert(instance.clone(), member.id.clone());
        }
        self.count(&member);
        self.by_id.insert(member.id.clone(), member);
    }

    pub fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.by_id.remove(id)?;
        self.uncount(&member);
        if let Some(instance) = &member.instance_id {
            self.statics.remove(instance);
        }
        Some(member)
    }

    /// Changes a member by `change`, and counts it anew.
    pub fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut Member) -> T) -> Option<T> {
        let mut member = self.by_id.remove(id)?;
        self.uncount(&member);
        let result = change(&mut member);
        debug_assert_eq!(&*member.id, id, "a member keeps its id");
        self.count(&member);
        self.by_id.insert(member.id.clone(), member);
        Some(result)
    }

    /// Protocols that every member offers.
    pub fn common_protocols(&self) -> BTreeSet<&Text> {
        let all = self.by_id.len();
        self.offered.iter().filter(|(_, count)| **count == all).map(|(name, _)| name).collect()
    }

    /// Whether any of `protocols` is offered by every member.
    pub fn have_any_in_common(&self, protocols: &[Protocol]) -> bool {
        let all = self.by_id.len();
        protocols.iter().any(|offered| self.offered.get(&offered.name).copied().unwrap_or(0) == all)
    }

    /// The protocol with the most votes; each member votes for the one it likes best of those all offer.
    pub fn elect_protocol(&self) -> Option<Text> {
        let candidates = self.common_protocols();
        let mut votes: BTreeMap<&Text, usize> = BTreeMap::new();
        for vote in self.by_id.values().filter_map(|member| member.vote(&candidates)) {
            *votes.entry(vote).or_default() += 1;
        }
        let most = votes.values().copied().max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.clone())
    }

    fn count(&mut self, member: &Member) {
        self.joining += usize::from(member.joining.is_some());
        for protocol in &member.protocols {
            *self.offered.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    fn uncount(&mut self, member: &Member) {
        self.joining -= usize::from(member.joining.is_some());
        for protocol in &member.protocols {
            if let Some(count) = self.offered.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.offered.remove(&protocol.name);
                }
            }
        }
    }
}
