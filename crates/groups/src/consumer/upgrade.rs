//! A classic group with members becomes a consumer group: its members stay, with what they have, and go on
//! speaking the classic protocol (`classic_members.rs`). Kafka's `ConsumerGroup.fromClassicGroup`.
//!
//! ```text
//!    heartbeat of a newcomer ──▶ group of classic members ──▶ may it? ──▶ tombstone of the classic group
//!                                                                        + members, epoch, targets of the same
//!                                                                        + what the newcomer changes
//! ```

use super::advance::Writer;
use super::change::{Change, GroupEpoch, TargetEpoch};
use super::embedded::{self, Unreadable};
use super::group::Group;
use super::member::{ClassicMember, Current, MemberState, Owned, Subscription};
use super::messages::Refused;
use super::topics::{Topics, metadata_hash};
use crate::classic;
use crate::groups::{Effects, Groups, Note};
use crate::messages::{Answer, JoinAnswer, SyncAnswer};
use crate::records::Record;
use crate::{Now, Refusal};
use ottla_protocol::Text;
use std::collections::{BTreeMap, BTreeSet};

impl Groups {
    /// The consumer group that a classic group with members becomes; what says so is written. Changes nothing.
    pub(super) fn upgraded(
        &self,
        classic: &classic::Group,
        cluster: &dyn Topics,
        writer: &mut Writer<'_>,
    ) -> Result<Group, Refused> {
        let refused = |why: &str| {
            let message =
                format!("Cannot upgrade classic group {} to consumer group because {why}.", classic.id);
            Refused::new(Refusal::GroupIdNotFound, message)
        };
        if !self.settings.consumer.migration.allows_upgrade() {
            return Err(refused("online upgrade is disabled"));
        }
        if !classic.speaks_consumer() {
            return Err(refused("the group does not use the consumer embedded protocol"));
        }
        if classic.members.len() > self.settings.consumer.max_size {
            return Err(refused("the group size exceeds the consumer group maximum size"));
        }
        let malformed = || refused("the embedded consumer protocol is malformed");
        // The log is not trusted, where epochs begin at 0.
        let epoch = classic.generation.max(0);
        let mut taken = BTreeSet::new();
        let mut members = Vec::with_capacity(classic.members.len());
        for member in classic.members.iter() {
            // Before its first rebalance a group has chosen nothing; consumers say the same in every protocol.
            let chosen = classic.protocol.as_ref().or(member.protocols.first().map(|it| &it.name));
            let wish = embedded::wish(&member.metadata(chosen), cluster).ok_or_else(malformed)?;
            let mut target = embedded::assigned(&member.assignment, cluster).map_err(|error| match error {
                Unreadable::Damaged => malformed(),
                Unreadable::OfAnAssignorOfItsOwn => refused(
                    "an unsupported custom assignor is in use. Please refer to the documentation or switch to a \
                     default assignor before re-attempting the upgrade",
                ),
            })?;
            // An assignor of their own may give a partition to several; here it has one owner.
            for (topic, partitions) in &mut target {
                partitions.retain(|at| taken.insert((*topic, *at)));
            }
            target.retain(|_, partitions| !partitions.is_empty());
            let protocols = member.protocols.iter().map(|it| (it.name.clone(), it.metadata.clone()));
            let subscription = Subscription {
                instance_id: member.instance_id.clone(),
                rack_id: wish.rack_id,
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                topics: wish.topics,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                classic: Some(ClassicMember {
                    session_timeout_ms: member.session_timeout_ms,
                    protocols: protocols.collect(),
                }),
                ..Subscription::default()
            };
            members.push((member.id.clone(), subscription, target));
        }
        let names = members.iter().flat_map(|(_, subscription, _)| &subscription.topics).collect();
        let metadata_hash = metadata_hash(&names, cluster);

        let mut changes = Vec::with_capacity(3 * members.len() + 2);
        let subscription_of = |(id, subscription, _): &(Text, Subscription, _)| Change::Member {
            member: id.clone(),
            subscription: Some(Box::new(subscription.clone())),
        };
        changes.extend(members.iter().map(subscription_of));
        changes.push(Change::Epoch(Some(GroupEpoch { epoch, metadata_hash })));
        changes.extend(
            members.iter().map(|(id, _, target)| Change::Target {
                member: id.clone(),
                partitions: Some(target.clone()),
            }),
        );
        changes.push(Change::TargetEpoch(Some(TargetEpoch { epoch, made_at_ms: 0 })));
        changes.extend(members.into_iter().map(|(id, _, target)| {
            let since = |partitions: BTreeSet<i32>| -> BTreeMap<i32, i32> {
                partitions.into_iter().map(|at| (at, epoch)).collect()
            };
            let current = Current {
                epoch,
                previous_epoch: epoch,
                state: MemberState::Stable,
                assigned: target.into_iter().map(|(topic, partitions)| (topic, since(partitions))).collect(),
                revoking: Owned::new(),
            };
            Change::Current { member: id, current: Some(current) }
        }));

        writer.records.push(Record::Classic { group: classic.id.clone(), metadata: None });
        let mut group = Group::default();
        for change in changes {
            group.replay(&change);
            writer.write(change);
        }
        Ok(group)
    }

    /// What waits in a classic group is told to join again, since the group is about to be another one; and its
    /// members have a session's time to be heard of. Should that not be written, timers find nobody.
    pub(super) fn upgrade_lives(&mut self, id: &Text, records: &[Record], now: Now, effects: &mut Effects) {
        let Some(classic) = self.classic.get_mut(id) else { return };
        let refusal = Refusal::RebalanceInProgress;
        for member in classic.members.ids() {
            let waiting =
                classic.members.change(&member, |member| (member.joining.take(), member.syncing.take()));
            let Some((joining, syncing)) = waiting else { continue };
            if let Some(call) = joining {
                let answer = JoinAnswer::refused(member, refusal);
                effects.answers.push((call, Answer::Join(Box::new(answer))));
            }
            if let Some(call) = syncing {
                effects.answers.push((call, Answer::Sync(SyncAnswer::refused(refusal))));
            }
        }
        for record in records {
            let Record::Consumer { change: Change::Member { member, subscription: Some(it) }, .. } = record
            else {
                continue;
            };
            if let Some(classic) = &it.classic {
                self.timers.set_session(id, member, classic.session_timeout_ms.into(), now);
            }
        }
        effects.notes.push(Note::Upgraded { group: id.clone() });
    }
}
