//! One consumer group, as its records add up to.

use super::assignor::{Assignor, Partitions};
use super::change::{Change, FIRST_EPOCH, GroupEpoch, ResolvedRegex, TargetEpoch};
use super::member::{Current, Member, Subscription};
use ottla_ids::TopicId;
use ottla_protocol::Text;
use std::collections::{BTreeMap, HashMap};

/// A consumer group. All of it survives; nothing is under way that is not written down.
///
/// Invariant: `owners` and `statics` are what `members` say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// What the group has come to.
    pub epoch: GroupEpoch,
    /// What its targets are of; `None` before the first.
    pub target_epoch: Option<TargetEpoch>,
    members: BTreeMap<Text, Member>,
    targets: BTreeMap<Text, Partitions>,
    regexes: BTreeMap<Text, ResolvedRegex>,
    /// Who may read a partition, or has yet to give it back.
    owners: HashMap<(TopicId, i32), Text>,
    /// Static members by their instance's id.
    statics: BTreeMap<Text, Text>,
    /// Kafka up to 4.0 wrote a record about topics, which is to be taken back.
    pub has_topic_metadata: bool,
}

/// Kafka's names of the states of a consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nobody is in it.
    Empty,
    /// The group changed, and its targets are yet to be made.
    Assigning,
    /// Members are on their way to their targets.
    Reconciling,
    /// Everybody has what it is to have.
    Stable,
}

impl Phase {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::Assigning => "Assigning",
            Phase::Reconciling => "Reconciling",
            Phase::Stable => "Stable",
        }
    }
}

impl Group {
    /// The members by id.
    pub fn members(&self) -> &BTreeMap<Text, Member> {
        &self.members
    }

    /// The member with this id.
    pub fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    /// The static member that has this instance id.
    pub fn static_member(&self, instance: &str) -> Option<(&Text, &Member)> {
        self.members.get_key_value(self.statics.get(instance)?)
    }

    /// What a member is to have.
    pub fn target(&self, member: &str) -> Option<&Partitions> {
        self.targets.get(member)
    }

    /// The topics that a regular expression stands for, once that is known.
    pub fn regex(&self, regex: &str) -> Option<&ResolvedRegex> {
        self.regexes.get(regex)
    }

    /// All regular expressions whose topics are known.
    pub fn regexes(&self) -> &BTreeMap<Text, ResolvedRegex> {
        &self.regexes
    }

    /// Who may read a partition, or has yet to give it back.
    pub fn owner(&self, topic: TopicId, partition: i32) -> Option<&Text> {
        self.owners.get(&(topic, partition))
    }

    /// The epoch of the targets; before there are any, that of a group that nobody has joined yet.
    pub fn assignment_epoch(&self) -> i32 {
        self.target_epoch.map_or(FIRST_EPOCH, |it| it.epoch)
    }

    /// Where the group stands.
    pub fn phase(&self) -> Phase {
        if self.members.is_empty() {
            return Phase::Empty;
        }
        let assignment_epoch = self.assignment_epoch();
        if self.epoch.epoch > assignment_epoch {
            return Phase::Assigning;
        }
        let settled = self.members.values().all(|it| it.current.is_reconciled_to(assignment_epoch));
        if settled { Phase::Stable } else { Phase::Reconciling }
    }

    /// Whether a member reads `topic`.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        let resolved = || self.regexes.values().any(|it| it.topics.contains(topic));
        self.members.values().any(|it| it.subscription.topics.contains(topic)) || resolved()
    }

    /// How many members have this regular expression.
    pub fn count_with_regex(&self, regex: &str) -> usize {
        let has = |it: &&Member| it.subscription.regex().is_some_and(|its| **its == *regex);
        self.members.values().filter(has).count()
    }

    /// The assignor that most of `subscriptions` ask for; the first by name where several are liked as well.
    pub fn preferred_assignor<'a>(subscriptions: impl Iterator<Item = &'a Subscription>) -> Option<Assignor> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for subscription in subscriptions {
            if let Some(name) = &subscription.assignor {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().max()?;
        let (name, _) = votes.iter().find(|(_, count)| *count == most)?;
        Assignor::named(name)
    }

    /// Records that take away all of the group but its offsets, in Kafka's order.
    pub fn tombstones(&self) -> Vec<Change> {
        let members = || self.members.keys().cloned();
        let mut changes: Vec<Change> =
            members().map(|member| Change::Current { member, current: None }).collect();
        changes.extend(members().map(|member| Change::Target { member, partitions: None }));
        changes.push(Change::TargetEpoch(None));
        changes.extend(members().map(|member| Change::Member { member, subscription: None }));
        changes.extend(self.regexes.keys().map(|it| Change::Regex { regex: it.clone(), resolved: None }));
        if self.has_topic_metadata {
            changes.push(Change::TopicMetadata(false));
        }
        changes.push(Change::Epoch(None));
        changes
    }

    /// A record of this group. What takes the whole group away is dealt with by who keeps it.
    pub(crate) fn replay(&mut self, change: &Change) {
        match change {
            Change::Epoch(epoch) => self.epoch = epoch.unwrap_or_default(),
            Change::TopicMetadata(present) => self.has_topic_metadata = *present,
            Change::TargetEpoch(epoch) => self.target_epoch = *epoch,
            Change::Member { member, subscription: Some(subscription) } => {
                self.forget_instance(member);
                if let Some(instance) = &subscription.instance_id {
                    self.statics.insert(instance.clone(), member.clone());
                }
                self.members.entry(member.clone()).or_default().subscription = (**subscription).clone();
            }
            Change::Member { member, subscription: None } => {
                self.set_current(member, Current::gone());
                self.forget_instance(member);
                self.members.remove(member);
            }
            Change::Target { member, partitions: Some(partitions) } => {
                self.targets.insert(member.clone(), partitions.clone());
            }
            Change::Target { member, partitions: None } => drop(self.targets.remove(member)),
            Change::Current { member, current: Some(current) } => {
                self.members.entry(member.clone()).or_default();
                self.set_current(member, current.clone());
            }
            Change::Current { member, current: None } => self.set_current(member, Current::gone()),
            Change::Regex { regex, resolved: Some(resolved) } => {
                self.regexes.insert(regex.clone(), resolved.clone());
            }
            Change::Regex { regex, resolved: None } => drop(self.regexes.remove(regex)),
        }
    }

    fn set_current(&mut self, id: &Text, current: Current) {
        let Some(member) = self.members.get_mut(id) else { return };
        for held in member.current.held() {
            if self.owners.get(&held) == Some(id) {
                self.owners.remove(&held);
            }
        }
        self.owners.extend(current.held().map(|held| (held, id.clone())));
        member.current = current;
    }

    /// A member's instance id is free, unless another one has it by now.
    fn forget_instance(&mut self, id: &Text) {
        let instance = self.members.get(id).and_then(|member| member.subscription.instance_id.as_ref());
        if let Some(instance) = instance
            && self.statics.get(instance) == Some(id)
        {
            self.statics.remove(instance);
        }
    }
}

#[cfg(test)]
impl Group {
    /// What must always hold.
    pub fn check_invariants(&self) {
        let mut owners = HashMap::new();
        for (id, member) in &self.members {
            for held in member.current.held() {
                assert!(owners.insert(held, id.clone()).is_none(), "a partition has one owner: {held:?}");
            }
            if let Some(instance) = &member.subscription.instance_id {
                assert_eq!(self.statics.get(instance), Some(id), "an instance id names its member");
            }
        }
        assert_eq!(self.owners, owners, "owners are what members say");
        assert!(self.statics.values().all(|id| self.members.contains_key(id)));
        assert!(self.epoch.epoch >= self.assignment_epoch(), "targets are never of an epoch to come");
    }
}
