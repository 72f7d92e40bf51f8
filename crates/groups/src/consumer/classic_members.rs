//! Members that speak the classic protocol in a consumer group: JoinGroup, SyncGroup, Heartbeat and LeaveGroup.
//!
//! The coordinator makes their assignments, so that nobody leads and nobody waits for others: a JoinGroup takes the
//! member a step towards its target, the SyncGroup after it fetches what the member has then, and a Heartbeat tells
//! it when there is another step to take. The member's epoch is its generation. Kafka's
//! `GroupMetadataManager.classicGroup…ToConsumerGroup`.
//!
//! ```text
//!              newer targets, or all others are free     Join (its time: the rebalance timeout)
//!    settled ──────────────────────────────────────▶ told to join ──────────────▶ a step ──┐
//!      ▲                                                                                   │
//!      └──────────────────────── Sync (its time: the rebalance timeout) ◀──────────────────┘
//! ```

use super::advance::{Advance, Arrival, Found, Targets, Writer};
use super::downgrade::Successor;
use super::embedded;
use super::group::Group;
use super::heartbeat::{check_instance, unknown_instance};
use super::member::{ClassicMember, JOINING, Member, MemberState, Subscription};
use super::messages::Refused;
use super::settings::Migration;
use crate::classic::CONSUMER_PROTOCOL;
use crate::groups::{Effects, Groups, Note};
use crate::messages::{Heartbeat, Join, JoinAnswer, Leave, Leaving, Left, Protocol, Sync, SyncAnswer};
use crate::timers::Timer;
use crate::{Now, Refusal};
use bytes::Bytes;
use ottla_protocol::Text;
use std::collections::BTreeSet;

impl Groups {
    /// A member of the classic protocol wants to be in a consumer group that has members.
    pub(crate) fn join_consumers(&mut self, join: Join, now: Now, effects: &mut Effects) -> JoinAnswer {
        self.notice(&join.cluster);
        match self.try_join_consumers(&join, now, effects) {
            Ok(answer) => answer,
            Err((member, refusal)) => JoinAnswer::refused(member, refusal),
        }
    }

    fn try_join_consumers(
        &mut self,
        join: &Join,
        now: Now,
        effects: &mut Effects,
    ) -> Result<JoinAnswer, (Text, Refusal)> {
        let refused = |refused: Refused| (Text::default(), refused.refusal);
        let Some(group) = self.consumer_group(&join.group) else {
            return Err((Text::default(), Refusal::UnknownMemberId));
        };
        let fresh = join.member_id.is_empty();
        let id = if fresh { Text::from(join.fresh_id.to_string()) } else { join.member_id.detached() };
        if self.settings.consumer.migration == Migration::Disabled {
            return Err((Text::default(), Refusal::InconsistentGroupProtocol));
        }
        if fresh && group.member(&id).is_some() {
            // Somebody made up the very id that was drawn: the next draw will do.
            return Err((Text::default(), Refusal::CoordinatorNotAvailable));
        }
        self.check_room(group, &id).map_err(refused)?;
        let wish = join.protocols.first().and_then(|it| embedded::wish(&it.metadata, &*join.cluster));
        // Kafka answers UNKNOWN_SERVER_ERROR to a subscription that is none.
        let Some(wish) = wish.filter(|_| group.supports(&join.protocol_type, &join.protocols)) else {
            return Err((Text::default(), Refusal::InconsistentGroupProtocol));
        };
        if fresh && join.requires_member_id && join.instance_id.is_none() {
            return Err((id, Refusal::MemberIdRequired));
        }
        let found = find(group, join, &id).map_err(refused)?;
        let subscription = subscription_of(join, &found.before.subscription, wish.topics, wish.rack_id);
        let protocol_name = join.protocols.first().map(|it| it.name.clone());

        // Who takes the place of the last one of the consumer protocol makes the group a classic one.
        let replaces = found.replaces;
        let was_consumer =
            |old: &&Text| group.member(old).is_some_and(|it| it.subscription.classic.is_none());
        let classic = replaces.filter(was_consumer).and_then(|old| {
            let successor = Successor { id: &id, subscription: &subscription, replaces: old };
            let gone = BTreeSet::from([old]);
            self.downgraded(&join.group, group, &gone, Some(&successor), &*join.cluster, now)
        });
        let mut writer = Writer { group: &join.group.detached(), records: Vec::new() };
        let targets = if classic.is_some() { Targets::Left } else { Targets::Due };
        let arrival = Arrival {
            id: &id,
            found,
            subscription,
            reported: Some(&wish.owned),
            cluster: &*join.cluster,
            assignment_interval_ms: join.settings.assignment_interval_ms,
        };
        let Advance { epoch, target_epoch, current, has_all_topics } =
            self.advance(group, arrival, targets, &mut writer, now).map_err(refused)?;
        let mut generation = current.epoch;
        if let Some(classic) = classic {
            let why = (target_epoch < epoch).then(|| {
                generation = JOINING;
                "its last member of the consumer protocol was replaced, and what it has is out of date"
                    .to_owned()
            });
            self.downgrade(&join.group.detached(), group, classic, why, effects);
        } else {
            let group = join.group.detached();
            self.timers.cancel(&Timer::ConsumerJoin { group: group.clone(), member: id.clone() });
            self.timers.set_session(&group, &id, join.session_timeout_ms.into(), now);
            let sync = Timer::ConsumerSync { group: group.clone(), member: id.clone() };
            self.timers.set(sync, now.tick_ms.saturating_add(join.rebalance_timeout_ms.into()));
            if has_all_topics {
                self.seen.insert(group, join.cluster.version());
            }
            effects.records.append(&mut writer.records);
        }
        Ok(JoinAnswer {
            refusal: None,
            generation,
            protocol_type: Some(Text::from_static(CONSUMER_PROTOCOL)),
            protocol_name,
            // The coordinator divides the work.
            leader: Text::default(),
            skip_assignment: false,
            member_id: id,
            members: Vec::new(),
        })
    }

    /// A member of the classic protocol asks what it has.
    pub(crate) fn sync_consumer(&mut self, sync: &Sync, now: Now) -> SyncAnswer {
        self.notice(&sync.cluster);
        match self.try_sync_consumer(sync, now) {
            Ok(answer) => answer,
            Err(refusal) => SyncAnswer::refused(refusal),
        }
    }

    fn try_sync_consumer(&mut self, sync: &Sync, now: Now) -> Result<SyncAnswer, Refusal> {
        let (id, member, classic) =
            self.classic_member(&sync.group, &sync.member_id, sync.instance_id.as_ref(), sync.generation)?;
        let (name, metadata) = classic.protocols.first().ok_or(Refusal::InconsistentGroupProtocol)?;
        let differs = |theirs: &Option<Text>, ours: &str| theirs.as_ref().is_some_and(|it| **it != *ours);
        if differs(&sync.protocol_type, CONSUMER_PROTOCOL) || differs(&sync.protocol_name, name) {
            return Err(Refusal::InconsistentGroupProtocol);
        }
        let group = sync.group.detached();
        let (session_ms, rebalance_ms) =
            (classic.session_timeout_ms, member.subscription.rebalance_timeout_ms);
        // Who has to give partitions back has joined already: it does that first.
        let behind =
            self.consumer_group(&group).is_some_and(|it| member.current.epoch < it.assignment_epoch());
        if behind && member.current.state != MemberState::UnrevokedPartitions {
            self.expect_join(&group, &id, rebalance_ms, now);
            return Err(Refusal::RebalanceInProgress);
        }
        let assignment =
            embedded::assignment(embedded::partitions_of(&member.current.assigned), metadata, &*sync.cluster);
        let assignment = assignment.ok_or(Refusal::InconsistentGroupProtocol)?;
        self.timers.cancel(&Timer::ConsumerSync { group: group.clone(), member: id.clone() });
        self.timers.set_session(&group, &id, session_ms.into(), now);
        Ok(SyncAnswer {
            refusal: None,
            protocol_type: sync.protocol_type.clone(),
            protocol_name: sync.protocol_name.clone(),
            assignment,
        })
    }

    /// A member of the classic protocol says that it is alive; the answer says whether it is to join again.
    pub(crate) fn heartbeat_to_consumers(&mut self, beat: &Heartbeat, now: Now) -> Result<(), Refusal> {
        self.notice(&beat.cluster);
        let (id, member, classic) =
            self.classic_member(&beat.group, &beat.member_id, beat.instance_id.as_ref(), beat.generation)?;
        let group = self.consumer_group(&beat.group).ok_or(Refusal::UnknownMemberId)?;
        let has_step_to_take = match member.current.state {
            _ if member.current.epoch < group.assignment_epoch() => true,
            MemberState::UnrevokedPartitions => true,
            MemberState::UnreleasedPartitions => !group.waits_for_others(&id, &member.current),
            MemberState::Stable | MemberState::Unknown(_) => false,
        };
        // Heartbeats of the consumer protocol make targets; where nobody speaks it, a JoinGroup must. (Kafka waits
        // for one that may never come.)
        let nobody_else = group.epoch.epoch > group.assignment_epoch() && group.is_all_classic();
        let (session_ms, rebalance_ms) =
            (classic.session_timeout_ms, member.subscription.rebalance_timeout_ms);
        let group = beat.group.detached();
        self.timers.set_session(&group, &id, session_ms.into(), now);
        if has_step_to_take || nobody_else {
            self.expect_join(&group, &id, rebalance_ms, now);
            return Err(Refusal::RebalanceInProgress);
        }
        Ok(())
    }

    /// Members go, by themselves or removed by an operator; the latter whatever protocol they speak.
    pub(crate) fn leave_consumers(&mut self, leave: &Leave, now: Now, effects: &mut Effects) -> Vec<Left> {
        self.notice(&leave.cluster);
        let group = self.consumer_group(&leave.group);
        let mut gone: BTreeSet<Text> = BTreeSet::new();
        let mut left = Vec::with_capacity(leave.members.len());
        for leaving in &leave.members {
            let found = group.map_or(Err(Refusal::UnknownMemberId), |group| leaving_member(group, leaving));
            if let Ok(id) = &found {
                let why = leaving.reason.as_deref().unwrap_or("not provided").to_owned();
                effects.notes.push(Note::Left { group: leave.group.detached(), member: id.clone(), why });
                gone.insert(id.clone());
            }
            left.push(Left {
                member_id: leaving.member_id.clone(),
                instance_id: leaving.instance_id.clone(),
                refusal: found.err(),
            });
        }
        self.fence(&leave.group.detached(), &gone.iter().collect(), now, effects);
        left
    }

    /// A member that was told to join again did not, or did not ask for what it has, in time.
    pub(crate) fn classic_step_is_late(
        &mut self,
        group: &Text,
        member: &Text,
        now: Now,
        effects: &mut Effects,
    ) {
        let found = self.consumer_group(group).and_then(|it| it.member(member));
        if found.is_some_and(|it| it.subscription.classic.is_some()) {
            effects.notes.push(Note::Left {
                group: group.clone(),
                member: member.clone(),
                why: "it did not follow the rebalance in time".to_owned(),
            });
            self.fence(group, &BTreeSet::from([member]), now, effects);
        }
    }

    fn expect_join(&mut self, group: &Text, member: &Text, timeout_ms: i32, now: Now) {
        let timer = Timer::ConsumerJoin { group: group.clone(), member: member.clone() };
        self.timers.set_if_absent(timer, now.tick_ms.saturating_add(timeout_ms.into()));
    }

    /// The member of the classic protocol that a request is of.
    fn classic_member(
        &self,
        group: &Text,
        member: &Text,
        instance: Option<&Text>,
        generation: i32,
    ) -> Result<(Text, Member, ClassicMember), Refusal> {
        let group = self.consumer_group(group).ok_or(Refusal::UnknownMemberId)?;
        let (id, found) = match instance {
            None => group.members().get_key_value(member).ok_or(Refusal::UnknownMemberId)?,
            Some(instance) => {
                let found = group.static_member(instance).ok_or(Refusal::UnknownMemberId)?;
                check_instance(found.0, member, instance).map_err(|it| it.refusal)?;
                found
            }
        };
        let classic = found.subscription.classic.clone().ok_or(Refusal::UnknownMemberId)?;
        if found.current.epoch != generation {
            return Err(Refusal::IllegalGeneration);
        }
        Ok((id.clone(), found.clone(), classic))
    }
}

fn find<'a>(group: &'a Group, join: &Join, id: &Text) -> Result<Found<'a>, Refused> {
    let known = group.member(id);
    let as_it_is =
        || Found { before: known.cloned().unwrap_or_default(), is_new: known.is_none(), replaces: None };
    let Some(instance) = &join.instance_id else { return Ok(as_it_is()) };
    match group.static_member(instance) {
        None if join.member_id.is_empty() => Ok(as_it_is()),
        None => Err(unknown_instance(instance)),
        Some((old, member)) if join.member_id.is_empty() => {
            let mut before = member.clone();
            before.current.epoch = JOINING;
            before.current.previous_epoch = JOINING;
            Ok(Found { before, is_new: false, replaces: Some(old) })
        }
        Some((present, member)) => {
            check_instance(present, id, instance)?;
            Ok(Found { before: member.clone(), is_new: false, replaces: None })
        }
    }
}

fn leaving_member(group: &Group, leaving: &Leaving) -> Result<Text, Refusal> {
    let Some(instance) = &leaving.instance_id else {
        let found = group.members().get_key_value(&leaving.member_id);
        return found.map(|(id, _)| id.clone()).ok_or(Refusal::UnknownMemberId);
    };
    let (id, _) = group.static_member(instance).ok_or(Refusal::UnknownMemberId)?;
    // An operator knows a static member by its instance id.
    if !leaving.member_id.is_empty() {
        check_instance(id, &leaving.member_id, instance).map_err(|it| it.refusal)?;
    }
    Ok(id.clone())
}

fn subscription_of(
    join: &Join,
    before: &Subscription,
    topics: BTreeSet<Text>,
    rack_id: Option<Text>,
) -> Subscription {
    let protocols =
        join.protocols.iter().map(|it| (it.name.detached(), Bytes::copy_from_slice(&it.metadata)));
    Subscription {
        instance_id: join.instance_id.as_ref().map(Text::detached).or_else(|| before.instance_id.clone()),
        rack_id: rack_id.or_else(|| before.rack_id.clone()),
        client_id: join.client_id.detached(),
        client_host: join.client_host.detached(),
        topics,
        // Members of the classic protocol resolve regular expressions themselves.
        regex: Some(Text::default()),
        rebalance_timeout_ms: match join.rebalance_timeout_ms {
            -1 => before.rebalance_timeout_ms,
            timeout_ms => timeout_ms,
        },
        assignor: before.assignor.clone(),
        classic: Some(ClassicMember {
            session_timeout_ms: join.session_timeout_ms,
            protocols: protocols.collect(),
        }),
    }
}

impl Group {
    /// Whether a member of the classic protocol can come in: with a protocol that all of that kind have.
    fn supports(&self, protocol_type: &str, offered: &[Protocol]) -> bool {
        let theirs = || self.members().values().filter_map(|it| it.subscription.classic.as_ref());
        let all_have = |name: &Text| theirs().all(|it| it.protocols.iter().any(|(known, _)| known == name));
        protocol_type == CONSUMER_PROTOCOL && offered.iter().any(|offered| all_have(&offered.name))
    }

    /// Whether every member speaks the classic protocol.
    fn is_all_classic(&self) -> bool {
        self.members().values().all(|it| it.subscription.classic.is_some())
    }

    /// Whether somebody still has a partition that the member is to have.
    fn waits_for_others(&self, id: &str, current: &super::member::Current) -> bool {
        self.target(id).into_iter().flatten().any(|(topic, partitions)| {
            let assigned = current.assigned.get(topic);
            partitions.iter().any(|at| {
                !assigned.is_some_and(|it| it.contains_key(at)) && self.owner(*topic, *at).is_some()
            })
        })
    }
}
