//! What a member brings leads the group on: its wishes are noted, targets are made if they are due, and the member
//! goes a step towards its own. The same for members of both protocols (Kafka's
//! `GroupMetadataManager.consumerGroupHeartbeat` and `classicGroupJoinToConsumerGroup`).

use super::assignor::Partitions;
use super::change::{Change, GroupEpoch, TargetEpoch};
use super::group::Group;
use super::member::{Current, Member, Subscription};
use super::messages::Refused;
use super::reconcile::Step;
use super::regexes;
use super::target::{self, Members};
use super::topics::Topics;
use crate::groups::Groups;
use crate::records::Record;
use crate::{Now, Refusal};
use ottla_protocol::Text;
use std::borrow::Cow;

/// A member as a request brings it.
pub(super) struct Arrival<'a> {
    pub id: &'a Text,
    /// What it was.
    pub found: Found<'a>,
    /// What it wants from now on.
    pub subscription: Subscription,
    /// What it says it has; `None` when it does not say.
    pub reported: Option<&'a Partitions>,
    pub cluster: &'a dyn Topics,
    /// The least time between two makings of targets.
    pub assignment_interval_ms: i32,
}

/// The member that a request is of.
pub(super) struct Found<'a> {
    pub before: Member,
    pub is_new: bool,
    /// The static member that it takes the place of.
    pub replaces: Option<&'a Text>,
}

/// How far the group and the member have come.
pub(super) struct Advance {
    /// The group's epoch.
    pub epoch: i32,
    /// The epoch of the targets.
    pub target_epoch: i32,
    /// What the member has.
    pub current: Current,
    /// The group's epoch is of the topics as they are now.
    pub has_all_topics: bool,
}

/// Whether targets are made when the group goes on to a new epoch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Targets {
    /// As soon as they are due.
    Due,
    /// Never: the group is about to become another one.
    Left,
}

impl Groups {
    /// What an arrival comes to, and what is to be written of it. Changes nothing.
    pub(super) fn advance(
        &self,
        group: &Group,
        arrival: Arrival<'_>,
        targets: Targets,
        writer: &mut Writer<'_>,
        now: Now,
    ) -> Result<Advance, Refused> {
        let Arrival { id, found, subscription, reported, cluster, assignment_interval_ms } = arrival;
        let Found { before, is_new, replaces } = found;
        if let Some(old) = replaces {
            writer.replace(group, old, id, &before);
        }
        if is_new || subscription != before.subscription {
            let subscription = Some(Box::new(subscription.clone()));
            writer.write(Change::Member { member: id.clone(), subscription });
        }
        let names_changed = subscription.topics != before.subscription.topics;
        let regex_changed = subscription.regex() != before.subscription.regex();
        let subscription_changed = names_changed || regex_changed;
        let cluster_is_news = self.seen.get(writer.group) != Some(&cluster.version());
        let resolved =
            regexes::resolve(group, &before.subscription, &subscription, cluster, cluster_is_news, now)?;
        let (mut regexes_are_news, mut put_off) = (false, false);
        let regexes = match resolved {
            None => Cow::Borrowed(group.regexes()),
            Some(resolved) => {
                resolved.changes.into_iter().for_each(|change| writer.write(change));
                (regexes_are_news, put_off) = (resolved.is_news, resolved.is_put_off);
                Cow::Owned(resolved.regexes)
            }
        };

        // 1. Does the group go on to a new epoch?
        let members = Members {
            group,
            changed: Some((id, &subscription)),
            gone: replaces.filter(|old| *old != id).into_iter().collect(),
            regexes: &regexes,
        };
        let mut epoch = group.epoch;
        let bump = epoch.epoch == 0 || subscription_changed || regexes_are_news;
        let mut has_all_topics = false;
        if bump || cluster_is_news {
            let metadata_hash = members.metadata_hash(cluster);
            if bump || metadata_hash != epoch.metadata_hash {
                epoch = GroupEpoch { epoch: epoch.epoch.saturating_add(1), metadata_hash };
                writer.write(Change::Epoch(Some(epoch)));
            } else {
                has_all_topics = !put_off;
            }
            if group.has_topic_metadata {
                writer.write(Change::TopicMetadata(false));
            }
        }

        // 2. Are new targets due?
        let mut target_epoch = group.assignment_epoch();
        let mut target = members.target(id).cloned().unwrap_or_default();
        let is_due = targets == Targets::Due && targets_are_due(group, assignment_interval_ms, now);
        if target_epoch < epoch.epoch && is_due {
            let made = TargetEpoch { epoch: epoch.epoch, made_at_ms: now.wall_ms };
            let default = self.settings.consumer.default_assignor();
            let (mut targets, changes) =
                target::assign(&members, made, default, cluster).map_err(|error| {
                    let epoch = epoch.epoch;
                    let message =
                        format!("Failed to compute a new target assignment for epoch {epoch}: {error}");
                    Refused::new(Refusal::NotWritable, message)
                })?;
            changes.into_iter().for_each(|change| writer.write(change));
            target = targets.remove(id).unwrap_or_default();
            target_epoch = epoch.epoch;
        }

        // 3. The member goes a step towards its own.
        let mut current = before.current.clone();
        if subscription_changed || !current.is_reconciled_to(target_epoch) {
            let step = Step {
                target_epoch,
                target: &target,
                subscribed: &target::topic_ids(&subscription, &regexes, cluster),
                subscription_changed,
                reported,
                is_owned: &|topic, partition| group.owner(topic, partition).is_some(),
            };
            current = step.next(&current)?;
        }
        if current != before.current {
            writer.write(Change::Current { member: id.clone(), current: Some(current.clone()) });
        }
        Ok(Advance { epoch: epoch.epoch, target_epoch, current, has_all_topics })
    }
}

/// Collects records of one group.
pub(super) struct Writer<'a> {
    pub group: &'a Text,
    pub records: Vec<Record>,
}

impl Writer<'_> {
    pub fn write(&mut self, change: Change) {
        self.records.push(Record::Consumer { group: self.group.clone(), change });
    }

    /// A member is no more.
    pub fn remove(&mut self, member: &Text) {
        self.write(Change::Current { member: member.clone(), current: None });
        self.write(Change::Target { member: member.clone(), partitions: None });
        self.write(Change::Member { member: member.clone(), subscription: None });
    }

    /// A static member is back with another id: it gets what it had.
    fn replace(&mut self, group: &Group, old: &Text, new: &Text, member: &Member) {
        self.remove(old);
        let subscription = Some(Box::new(member.subscription.clone()));
        self.write(Change::Member { member: new.clone(), subscription });
        let partitions = Some(group.target(old).cloned().unwrap_or_default());
        self.write(Change::Target { member: new.clone(), partitions });
        self.write(Change::Current { member: new.clone(), current: Some(member.current.clone()) });
    }
}

/// Targets are made at once, but not more often than the interval allows (KIP-1263): what many members bring
/// at the same time is then dealt with in one go.
fn targets_are_due(group: &Group, interval_ms: i32, now: Now) -> bool {
    let interval_ms = i64::from(interval_ms);
    let made_at_ms = group.target_epoch.map_or(0, |it| it.made_at_ms);
    made_at_ms == 0 || interval_ms == 0 || made_at_ms.saturating_add(interval_ms) <= now.wall_ms
}
