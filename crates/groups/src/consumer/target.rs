//! What every member is to have.

use super::assignor::{self, Assignor, GroupSpec, MemberSubscription, Partitions};
use super::change::{Change, TargetEpoch};
use super::group::Group;
use super::member::Subscription;
use super::regexes::{Regexes, topics_of};
use super::topics::Topics;
use ottla_ids::TopicId;
use ottla_protocol::Text;
use std::collections::{BTreeMap, BTreeSet};

/// The members as an event leaves them: those of the group, but for the one that it changes.
pub(super) struct Members<'a> {
    pub group: &'a Group,
    /// The member that is new or changed.
    pub changed: Option<(&'a Text, &'a Subscription)>,
    /// The members that are no more.
    pub gone: BTreeSet<&'a Text>,
    /// What regular expressions stand for.
    pub regexes: &'a Regexes,
}

impl<'a> Members<'a> {
    /// Everybody by id.
    pub fn iter(&self) -> impl Iterator<Item = (&'a Text, &'a Subscription)> + '_ {
        let changed = self.changed;
        let others = self.group.members().iter().map(|(id, member)| (id, &member.subscription));
        let others = others.filter(move |(id, _)| {
            changed.is_none_or(|(changed, _)| changed != *id) && !self.gone.contains(id)
        });
        others.chain(changed)
    }

    pub fn subscriptions(&self) -> impl Iterator<Item = &'a Subscription> + '_ {
        self.iter().map(|(_, subscription)| subscription)
    }

    /// What a member is to have so far; who takes another's place has what that one had.
    pub fn target(&self, id: &Text) -> Option<&'a Partitions> {
        let id = match (self.changed, self.gone.first()) {
            (Some((changed, _)), Some(gone)) if changed == id => gone,
            _ => id,
        };
        self.group.target(id)
    }

    /// The hash over all topics that members read.
    pub fn metadata_hash(&self, topics: &dyn Topics) -> i64 {
        let mut names = BTreeSet::new();
        let mut before: Option<&Subscription> = None;
        for subscription in self.subscriptions() {
            // Most groups: everybody reads the same.
            if before.is_none_or(|before| !before.reads_as(subscription)) {
                names.extend(topics_of(subscription, self.regexes));
                before = Some(subscription);
            }
        }
        super::topics::metadata_hash(&names, topics)
    }
}

/// The ids of the topics that a subscription stands for, as far as they exist.
pub(super) fn topic_ids(of: &Subscription, regexes: &Regexes, topics: &dyn Topics) -> BTreeSet<TopicId> {
    topics_of(of, regexes).filter_map(|name| topics.topic(name)).map(|topic| topic.id).collect()
}

/// The target of every member, for the group's `epoch`; and the records that say so.
pub(super) fn assign(
    members: &Members<'_>,
    epoch: TargetEpoch,
    default: Assignor,
    topics: &dyn Topics,
) -> Result<(assignor::Assignment, Vec<Change>), assignor::AssignError> {
    let mut spec = GroupSpec { members: BTreeMap::new(), homogeneous: true };
    let mut first: Option<(&Subscription, BTreeSet<TopicId>)> = None;
    for (id, subscription) in members.iter() {
        let subscribed = match &first {
            // Most groups: everybody reads the same.
            Some((first, ids)) if first.reads_as(subscription) => ids.clone(),
            _ => topic_ids(subscription, members.regexes, topics),
        };
        match &first {
            None => first = Some((subscription, subscribed.clone())),
            Some((_, ids)) => spec.homogeneous &= *ids == subscribed,
        }
        spec.members.insert(
            id.clone(),
            MemberSubscription {
                instance_id: subscription.instance_id.clone(),
                subscribed,
                owned: members.target(id).cloned().unwrap_or_default(),
            },
        );
    }
    let kind = Group::preferred_assignor(members.subscriptions()).unwrap_or(default);
    let assignment = assignor::assign(kind, &spec, topics)?;
    let mut changes = Vec::new();
    for (member, partitions) in &assignment {
        if members.target(member) != Some(partitions) {
            changes.push(Change::Target { member: member.clone(), partitions: Some(partitions.clone()) });
        }
    }
    changes.push(Change::TargetEpoch(Some(epoch)));
    Ok((assignment, changes))
}
