//! Offsets: OffsetCommit, OffsetFetch, OffsetDelete, and how those go that nobody uses.

use crate::classic::{Group, Phase};
use crate::groups::{Effects, Groups, Note};
use crate::messages::*;
use crate::records::Record;
use crate::state::Commit;
use crate::timers::Timer;
use crate::{Now, Refusal, StoredGroup};
use ottla_ids::Uuid;
use ottla_protocol::Text;

/// Records that one look for unused offsets writes at most, before others have their turn. A group is always
/// looked at as a whole, so that one with more offsets than this writes more.
const EXPIRY_RECORDS_MAX: usize = 1_000;

/// Groups that one look for unused offsets looks at, before others have their turn.
const EXPIRY_GROUPS_MAX: usize = 1_000;

impl Groups {
    pub(crate) fn commit_offsets(
        &mut self,
        commit: &CommitOffsets,
        now: Now,
        effects: &mut Effects,
    ) -> Result<Vec<TopicOutcome>, Refusal> {
        // Consumers of old that assign partitions by themselves commit for the group "".
        if !commit.group.is_empty() {
            crate::groups::check_group_id(&commit.group)?;
        }
        self.check_commit(commit)?;
        let mut id = commit.group.clone();
        if let Some(group) = self.classic.get(&commit.group) {
            id = group.id.clone();
            if let (Phase::Stable | Phase::PreparingRebalance, Some(member)) =
                (group.phase, group.members.get(&commit.member_id))
            {
                // Who commits is alive.
                let timer = Timer::Session { group: id.clone(), member: member.id.clone() };
                self.timers.set(timer, now.tick_ms.saturating_add(i64::from(member.session_timeout_ms)));
            }
        } else {
            id = id.detached();
        }
        let expires_at_ms = commit.retention_ms.map(|retention| now.wall_ms.saturating_add(retention));
        let metadata_max = self.settings.offset_metadata_max;
        let mut outcomes = Vec::with_capacity(commit.topics.len());
        for topic in &commit.topics {
            let name = self.known_topic_name(&commit.group, &topic.name);
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let metadata = partition.metadata.as_deref().unwrap_or_default();
                if java_length(metadata) > metadata_max {
                    partitions.push((partition.partition, Some(Refusal::OffsetMetadataTooLarge)));
                    continue;
                }
                partitions.push((partition.partition, None));
                effects.records.push(Record::Offset {
                    group: id.clone(),
                    topic: name.clone(),
                    partition: partition.partition,
                    commit: Some(Commit {
                        offset: partition.offset,
                        leader_epoch: partition.leader_epoch,
                        metadata: if metadata.is_empty() { Text::default() } else { Text::from(metadata) },
                        committed_at_ms: now.wall_ms,
                        expires_at_ms,
                        topic_id: topic.topic_id,
                    }),
                });
            }
            outcomes.push(TopicOutcome { name: topic.name.clone(), topic_id: topic.topic_id, partitions });
        }
        Ok(outcomes)
    }

    fn check_commit(&self, commit: &CommitOffsets) -> Result<(), Refusal> {
        if let Some(group) = self.consumer_group(&commit.group) {
            return group.check_commit(commit);
        }
        let Some(group) = self.classic.get(&commit.group) else {
            // Who assigns partitions by itself, or an operator, may commit for a group that is not there yet.
            return match commit.generation {
                ..0 => Ok(()),
                _ if commit.knows_missing_groups => Err(Refusal::GroupIdNotFound),
                _ => Err(Refusal::IllegalGeneration),
            };
        };
        if commit.generation < 0 && group.phase == Phase::Empty {
            return Ok(());
        }
        if commit.generation < 0 && commit.member_id.is_empty() && commit.instance_id.is_none() {
            return Err(Refusal::UnknownMemberId);
        }
        group.check_member(&commit.member_id, commit.instance_id.as_ref())?;
        if commit.generation != group.generation {
            return Err(Refusal::IllegalGeneration);
        }
        if group.phase == Phase::CompletingRebalance {
            return Err(Refusal::RebalanceInProgress);
        }
        Ok(())
    }

    /// The name that is kept already, or a copy that does not keep the request's buffer.
    fn known_topic_name(&self, group: &str, topic: &Text) -> Text {
        let known = self.stored(group).and_then(|stored| stored.topic_name(topic));
        known.cloned().unwrap_or_else(|| topic.detached())
    }

    pub(crate) fn fetch_offsets(&self, fetch: FetchOffsets) -> Result<Vec<FetchedTopic>, Refusal> {
        if let Some(group) = self.consumer_group(&fetch.group) {
            group.check_fetch(fetch.member_id.as_ref(), fetch.member_epoch)?;
        }
        let stored = self.stored(&fetch.group);
        let unstable = |topic: &Text, partition| {
            fetch.require_stable && self.state.has_pending_offset(&fetch.group, topic, partition)
        };
        let answer = |topic: &Text, partition: i32, commit: Option<&Commit>| {
            let missing = FetchedPartition {
                partition,
                offset: -1,
                leader_epoch: -1,
                metadata: Text::default(),
                refusal: None,
            };
            if unstable(topic, partition) {
                return FetchedPartition { refusal: Some(Refusal::UnstableOffsetCommit), ..missing };
            }
            match commit {
                None => missing,
                Some(commit) => FetchedPartition {
                    offset: commit.offset,
                    leader_epoch: commit.leader_epoch,
                    metadata: commit.metadata.clone(),
                    ..missing
                },
            }
        };
        let Some(wanted) = fetch.topics else {
            let Some(stored) = stored else { return Ok(Vec::new()) };
            return Ok(stored
                .topics()
                .map(|(name, partitions)| FetchedTopic {
                    name: name.clone(),
                    topic_id: Uuid::ZERO,
                    partitions: partitions.map(|(at, commit)| answer(name, at, Some(commit))).collect(),
                })
                .collect());
        };
        Ok(wanted
            .into_iter()
            .map(|topic| {
                let commit = |partition| {
                    let commit = stored?.offset(&topic.name, partition)?;
                    // An offset in a topic that was deleted says nothing about its namesake.
                    Some(commit).filter(|commit| same_topic(commit.topic_id, topic.topic_id))
                };
                let partitions =
                    topic.partitions.iter().map(|at| answer(&topic.name, *at, commit(*at))).collect();
                FetchedTopic { name: topic.name, topic_id: topic.topic_id, partitions }
            })
            .collect())
    }

    pub(crate) fn delete_offsets(
        &mut self,
        delete: DeleteOffsets,
        effects: &mut Effects,
    ) -> Result<Vec<TopicOutcome>, Refusal> {
        crate::groups::check_group_id(&delete.group)?;
        let consumer = self.consumer_group(&delete.group);
        let classic = self.classic.get(&delete.group);
        let (id, is_subscribed): (Text, &dyn Fn(&str) -> bool) = match (consumer, classic) {
            (Some(group), _) => (delete.group.detached(), &|topic| group.is_subscribed_to(topic)),
            (None, Some(group)) if group.phase != Phase::Empty && !group.speaks_consumer() => {
                return Err(Refusal::NonEmptyGroup);
            }
            (None, Some(group)) => (group.id.clone(), &|topic| group.is_subscribed_to(topic)),
            (None, None) => return Err(Refusal::GroupIdNotFound),
        };
        effects.divisible = true;
        let mut outcomes = Vec::with_capacity(delete.topics.len());
        for (topic, partitions) in delete.topics {
            let refusal = if is_subscribed(&topic) { Some(Refusal::GroupSubscribedToTopic) } else { None };
            for partition in &partitions {
                let known =
                    self.stored(&delete.group).is_some_and(|it| it.offset(&topic, *partition).is_some())
                        || self.state.has_pending_offset(&delete.group, &topic, *partition);
                if refusal.is_none() && known {
                    effects.records.push(forgotten(&id, &topic, *partition));
                }
            }
            let partitions = partitions.into_iter().map(|partition| (partition, refusal)).collect();
            outcomes.push(TopicOutcome { name: topic, topic_id: Uuid::ZERO, partitions });
        }
        Ok(outcomes)
    }

    /// Records that forget all offsets of a group, also those that open transactions are about to commit.
    pub(crate) fn forget_offsets(&self, group: &Text, effects: &mut Effects) {
        let stored = self.stored(group);
        let committed = stored.into_iter().flat_map(StoredGroup::offsets);
        effects.records.extend(committed.map(|(topic, partition, _)| forgotten(group, topic, partition)));
        for (topic, partition) in self.state.pending_offsets(group) {
            if stored.is_none_or(|stored| stored.offset(topic, partition).is_none()) {
                effects.records.push(forgotten(group, topic, partition));
            }
        }
    }

    pub(crate) fn topics_deleted(&self, topics: &[DeletedTopic], effects: &mut Effects) {
        effects.divisible = true;
        for (group, stored) in self.state.groups() {
            for topic in topics {
                let of_it = stored.partitions(&topic.name);
                let of_it = of_it.filter(|(_, commit)| same_topic(commit.topic_id, topic.topic_id));
                effects.records.extend(of_it.map(|(at, _)| forgotten(group, &topic.name, at)));
            }
        }
    }

    /// Looks for offsets that nobody uses and for groups that have none, some groups at a time.
    pub(crate) fn expire(&mut self, now: Now, effects: &mut Effects) {
        effects.divisible = true;
        if self.expiry.is_empty() {
            let consumers = self.state.groups().filter(|(_, stored)| stored.consumer.is_some());
            self.expiry = self.classic.keys().chain(consumers.map(|(id, _)| id)).cloned().collect();
        }
        for _ in 0..EXPIRY_GROUPS_MAX {
            if effects.records.len() >= EXPIRY_RECORDS_MAX {
                break;
            }
            let Some(id) = self.expiry.pop() else { break };
            if let Some(group) = self.consumer_group(&id) {
                self.expire_consumer(&id, group, now, effects);
            } else if let Some(group) = self.classic.get(&id) {
                self.expire_group(group, now, effects);
            }
        }
        let again_in_ms =
            if self.expiry.is_empty() { self.settings.offsets_retention_check_interval_ms } else { 0 };
        self.timers.set(Timer::Expiry, now.tick_ms.saturating_add(again_in_ms));
        if !effects.records.is_empty() {
            effects.notes.push(Note::Expired { records: effects.records.len() });
        }
    }

    fn expire_group(&self, group: &Group, now: Now, effects: &mut Effects) {
        let unused_since = |commit: &Commit| match (&group.protocol_type, group.phase) {
            // Nobody joins this group: each offset counts by itself.
            (None, _) => Some(commit.committed_at_ms),
            // From the group's last use on.
            (Some(_), Phase::Empty) => Some(group.phase_since_ms.unwrap_or(commit.committed_at_ms)),
            // Topics that a settled consumer group does not read any more.
            (Some(_), Phase::Stable) if group.speaks_consumer() && group.subscribed.is_some() => {
                Some(commit.committed_at_ms)
            }
            _ => None,
        };
        let is_subscribed = |topic: &str| group.is_subscribed_to(topic);
        let all_gone = self.expire_offsets(&group.id, unused_since, is_subscribed, now, effects);
        let unused = group.phase == Phase::Empty && group.pending_joins.is_empty();
        if all_gone && unused && self.state.pending_offsets(&group.id).next().is_none() {
            effects.records.push(Record::Classic { group: group.id.clone(), metadata: None });
        }
    }

    /// Lets go of a group's offsets that were not used for so long, in topics that it does not read; whether it has
    /// none that stays. `unused_since` is when an offset was used last; none: it is in use.
    pub(crate) fn expire_offsets(
        &self,
        id: &Text,
        unused_since: impl Fn(&Commit) -> Option<i64>,
        is_subscribed: impl Fn(&str) -> bool,
        now: Now,
        effects: &mut Effects,
    ) -> bool {
        let mut all_gone = true;
        let stored = self.stored(id);
        for (topic, partition, commit) in stored.into_iter().flat_map(StoredGroup::offsets) {
            let expired = unused_since(commit).is_some_and(|since| match commit.expires_at_ms {
                Some(at) => now.wall_ms >= at,
                None => now.wall_ms.saturating_sub(since) >= self.settings.offsets_retention_ms,
            });
            let kept = is_subscribed(topic) || self.state.has_pending_offset(id, topic, partition);
            if expired && !kept {
                effects.records.push(forgotten(id, topic, partition));
            } else {
                all_gone = false;
            }
        }
        all_gone
    }
}

fn forgotten(group: &Text, topic: &Text, partition: i32) -> Record {
    Record::Offset { group: group.clone(), topic: topic.detached(), partition, commit: None }
}

/// Ids that are not known are taken to be the same.
fn same_topic(one: Uuid, other: Uuid) -> bool {
    one.is_zero() || other.is_zero() || one == other
}

/// The length that Java, and so `offset.metadata.max.bytes`, means.
fn java_length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}
