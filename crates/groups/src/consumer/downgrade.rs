//! A consumer group whose last member of the consumer protocol goes becomes a classic group: the others stay, with
//! what they are to have, and rebalance among themselves. Kafka's `ClassicGroup.fromConsumerGroup`.

use super::assignor::Partitions;
use super::embedded;
use super::group::Group;
use super::member::Subscription;
use super::topics::Topics;
use crate::Now;
use crate::classic;
use crate::groups::{Effects, Follow, Groups, Note, Then};
use crate::messages::Protocol;
use crate::records::Record;
use crate::timers::Timer;
use bytes::Bytes;
use ottla_protocol::Text;
use std::collections::BTreeSet;

/// A static member that takes the place of the last one of the consumer protocol.
pub(super) struct Successor<'a> {
    pub id: &'a Text,
    pub subscription: &'a Subscription,
    /// Whom it replaces.
    pub replaces: &'a Text,
}

impl Groups {
    /// The classic group that `group` becomes once those of `gone` are no more, if it does. Changes nothing.
    pub(super) fn downgraded(
        &self,
        id: &Text,
        group: &Group,
        gone: &BTreeSet<&Text>,
        successor: Option<&Successor<'_>>,
        cluster: &dyn Topics,
        now: Now,
    ) -> Option<classic::Group> {
        let stay = || group.members().iter().filter(|(id, _)| !gone.contains(id));
        let size = stay().count() + usize::from(successor.is_some());
        if size == 0 || stay().any(|(_, member)| member.subscription.classic.is_none()) {
            return None;
        }
        // Whether classic members come or go does not matter while none of the others does.
        if !self.settings.consumer.migration.allows_downgrade() || size > self.settings.max_size {
            return None;
        }
        let member = |id: &Text, it: &Subscription, target: Option<&Partitions>| {
            let classic = it.classic.as_ref()?;
            let protocols = classic.protocols.iter();
            Some((
                classic::Member {
                    id: id.clone(),
                    instance_id: it.instance_id.clone(),
                    client_id: it.client_id.clone(),
                    client_host: it.client_host.clone(),
                    rebalance_timeout_ms: it.rebalance_timeout_ms,
                    session_timeout_ms: classic.session_timeout_ms,
                    protocols: protocols
                        .map(|(name, metadata)| Protocol { name: name.clone(), metadata: metadata.clone() })
                        .collect(),
                    assignment: Bytes::new(),
                    joining: None,
                    syncing: None,
                    is_new: false,
                },
                target.cloned().unwrap_or_default(),
            ))
        };
        let mut members = stay()
            .map(|(id, it)| member(id, &it.subscription, group.target(id)))
            .collect::<Option<Vec<_>>>()?;
        if let Some(it) = successor {
            members.push(member(it.id, it.subscription, group.target(it.replaces))?);
        }
        let (members, targets): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        let targets: std::collections::BTreeMap<Text, Partitions> =
            members.iter().map(|it| it.id.clone()).zip(targets).collect();
        let generation = group.epoch.epoch;
        classic::Group::settled(id.clone(), generation, members, now.wall_ms, |member, metadata| {
            let target = targets.get(&member.id).into_iter().flatten();
            let partitions = target.map(|(topic, at)| (topic, at.iter().copied().collect()));
            embedded::assignment(partitions, metadata, cluster)
        })
    }

    /// Makes a consumer group the classic one: everything of the former is taken back, the latter written down.
    /// `why` it is to rebalance then, if it is to.
    pub(super) fn downgrade(
        &self,
        id: &Text,
        group: &Group,
        classic: classic::Group,
        why: Option<String>,
        effects: &mut Effects,
    ) {
        let tombstones = group.tombstones().into_iter();
        effects.records.extend(tombstones.map(|change| Record::Consumer { group: id.clone(), change }));
        let metadata = classic.metadata(|member| member.assignment.clone());
        effects.records.push(Record::Classic { group: id.clone(), metadata: Some(metadata) });
        effects.notes.push(Note::Downgraded { group: id.clone() });
        let members = group.members().keys().cloned().collect();
        effects.then = Some(Then(Follow::Downgraded { group: Box::new(classic), members, why }));
    }

    /// The classic group is written down, and lives from now on; `before` were the members of the consumer group.
    pub(crate) fn downgrade_lives(
        &mut self,
        classic: classic::Group,
        before: Vec<Text>,
        why: Option<String>,
        now: Now,
        effects: &mut Effects,
    ) {
        let id = classic.id.clone();
        for member in before {
            self.forget_consumer_timers(&id, &member);
        }
        self.classic.insert(id.clone(), classic);
        if let Ok(mut turn) = self.turn(&id, now, effects) {
            turn.resume();
            if let Some(why) = why {
                turn.rebalance(why);
            }
        }
    }

    /// Nothing more is expected of a member of a consumer group.
    pub(super) fn forget_consumer_timers(&mut self, group: &Text, member: &Text) {
        let (group, member) = (|| group.clone(), || member.clone());
        self.timers.cancel(&Timer::ConsumerSession { group: group(), member: member() });
        self.timers.cancel(&Timer::Revocation { group: group(), member: member() });
        self.timers.cancel(&Timer::ConsumerJoin { group: group(), member: member() });
        self.timers.cancel(&Timer::ConsumerSync { group: group(), member: member() });
    }
}
