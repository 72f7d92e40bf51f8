//! ConsumerGroupHeartbeat of a member that joins or stays. Kafka's `GroupMetadataManager.consumerGroupHeartbeat`.

use super::advance::{Advance, Arrival, Found, Targets, Writer};
use super::assignor::{Assignor, Partitions};
use super::group::Group;
use super::member::{AWAY, Current, JOINING, LEAVING, Member, MemberState, Subscription};
use super::messages::{Heartbeat, HeartbeatAnswer, Refused};
use crate::groups::{Effects, Groups};
use crate::records::Record;
use crate::timers::Timer;
use crate::{Now, Refusal};
use ottla_protocol::Text;
use std::borrow::Cow;
use std::collections::BTreeMap;

impl Groups {
    pub(crate) fn consumer_heartbeat(
        &mut self,
        mut beat: Heartbeat,
        now: Now,
        effects: &mut Effects,
    ) -> Result<HeartbeatAnswer, Refused> {
        check(&beat, &self.settings.consumer.assignors)?;
        crate::groups::check_group_id(&beat.group)?;
        self.notice(&beat.cluster);
        beat.group = beat.group.detached();
        if beat.epoch == LEAVING || beat.epoch == AWAY {
            return self.consumer_leave(&beat, now, effects);
        }
        if beat.member_id.is_empty() {
            beat.member_id = Text::from(beat.fresh_id.to_string());
        }
        let mut changes = self.changes_of(&beat, now)?;
        self.timers.set_session(&beat.group, &beat.member_id, beat.settings.session_timeout_ms.into(), now);
        let revocation = Timer::Revocation { group: beat.group.clone(), member: beat.member_id.clone() };
        match changes.revoke_within_ms {
            Some(Some(timeout_ms)) => {
                self.timers.set(revocation, now.tick_ms.saturating_add(timeout_ms.into()));
            }
            Some(None) => self.timers.cancel(&revocation),
            None => {}
        }
        if changes.upgraded {
            self.upgrade_lives(&beat.group, &changes.records, now, effects);
        }
        if changes.has_all_topics {
            self.seen.insert(beat.group, beat.cluster.version());
        }
        effects.records.append(&mut changes.records);
        Ok(changes.answer)
    }

    /// What a heartbeat comes to. Changes nothing.
    fn changes_of(&self, beat: &Heartbeat, now: Now) -> Result<Changes, Refused> {
        let joins = beat.epoch == JOINING;
        let mut writer = Writer { group: &beat.group, records: Vec::new() };
        let mut upgraded = false;
        let group = match (self.consumer_group(&beat.group), self.classic.get(&beat.group)) {
            (Some(group), _) => Cow::Borrowed(group),
            (None, None) if joins => Cow::Owned(Group::default()),
            (None, None) => return Err(not_found(&beat.group)),
            (None, Some(_)) if !joins => return Err(not_consumer(&beat.group)),
            // An empty group is of whatever kind the next member is.
            (None, Some(classic)) if classic.phase == crate::classic::Phase::Empty => {
                writer.records.push(Record::Classic { group: beat.group.clone(), metadata: None });
                Cow::Owned(Group::default())
            }
            (None, Some(classic)) => {
                upgraded = true;
                Cow::Owned(self.upgraded(classic, &*beat.cluster, &mut writer)?)
            }
        };
        self.check_room(&group, &beat.member_id)?;
        let found = find(&group, beat)?;
        let before = found.before.clone();
        let arrival = Arrival {
            id: &beat.member_id,
            subscription: subscription_of(beat, &before.subscription),
            found,
            reported: beat.reported.as_ref(),
            cluster: &*beat.cluster,
            assignment_interval_ms: beat.settings.assignment_interval_ms,
        };
        let rebalance_timeout_ms = arrival.subscription.rebalance_timeout_ms;
        let Advance { current, has_all_topics, .. } =
            self.advance(&group, arrival, Targets::Due, &mut writer, now)?;
        let mut revoke_within_ms = None;
        if current != before.current {
            let must_revoke = current.state == MemberState::UnrevokedPartitions;
            revoke_within_ms = Some(must_revoke.then_some(rebalance_timeout_ms));
        }
        let whole = beat.rebalance_timeout_ms != -1
            && (beat.topics.is_some() || beat.regex.is_some())
            && beat.reported.is_some();
        let tell = joins || whole || current.assigned != before.current.assigned;
        let answer = HeartbeatAnswer {
            member_id: beat.member_id.clone(),
            epoch: current.epoch,
            heartbeat_interval_ms: beat.settings.heartbeat_interval_ms,
            assignment: tell.then(|| assigned(&current)),
        };
        Ok(Changes { records: writer.records, answer, revoke_within_ms, has_all_topics, upgraded })
    }

    /// Whether there is room for this member (`group.consumer.max.size`).
    pub(super) fn check_room(&self, group: &Group, member: &str) -> Result<(), Refused> {
        let max = self.settings.consumer.max_size;
        if group.members().len() < max || group.member(member).is_some() {
            return Ok(());
        }
        let message = format!("The consumer group has reached its maximum capacity of {max} members.");
        Err(Refused::new(Refusal::GroupMaxSizeReached, message))
    }
}

/// What a heartbeat comes to.
struct Changes {
    records: Vec<Record>,
    answer: HeartbeatAnswer,
    /// The member's time to give partitions back: it begins (with its length), ends, or is as before (`None`).
    revoke_within_ms: Option<Option<i32>>,
    /// The group's epoch is of the topics as they are in this heartbeat.
    has_all_topics: bool,
    /// The group was a classic one until now.
    upgraded: bool,
}

fn find<'a>(group: &'a Group, beat: &Heartbeat) -> Result<Found<'a>, Refused> {
    let joins = beat.epoch == JOINING;
    let known = group.member(&beat.member_id);
    let Some(instance) = &beat.instance_id else {
        let Some(known) = known else {
            if joins {
                return Ok(Found { before: Member::default(), is_new: true, replaces: None });
            }
            return Err(unknown_member(beat));
        };
        check_epoch(known, beat)?;
        return Ok(Found { before: known.clone(), is_new: false, replaces: None });
    };
    match group.static_member(instance) {
        None if joins => {
            Ok(Found { before: known.cloned().unwrap_or_default(), is_new: known.is_none(), replaces: None })
        }
        None => Err(unknown_instance(instance)),
        Some((old, member)) if joins => {
            // Who spoke the classic protocol may be replaced at any time, as it may there.
            if member.current.epoch != AWAY && member.subscription.classic.is_none() {
                let message = format!(
                    "Static member {} with instance id {instance} cannot join the group because the instance id \
                     is owned by {old} member.",
                    beat.member_id
                );
                return Err(Refused::new(Refusal::UnreleasedInstanceId, message));
            }
            let mut before = member.clone();
            before.current.epoch = JOINING;
            before.current.previous_epoch = JOINING;
            Ok(Found { before, is_new: false, replaces: Some(old) })
        }
        Some((present, member)) => {
            check_instance(present, &beat.member_id, instance)?;
            check_epoch(member, beat)?;
            Ok(Found { before: member.clone(), is_new: false, replaces: None })
        }
    }
}

pub(super) fn unknown_member(beat: &Heartbeat) -> Refused {
    let message = format!("Member {} is not a member of group {}.", beat.member_id, beat.group);
    Refused::new(Refusal::UnknownMemberId, message)
}

pub(super) fn unknown_instance(instance: &str) -> Refused {
    Refused::new(Refusal::UnknownMemberId, format!("Instance id {instance} is unknown."))
}

pub(super) fn not_found(group: &str) -> Refused {
    Refused::new(Refusal::GroupIdNotFound, format!("Consumer group {group} not found."))
}

pub(super) fn not_consumer(group: &str) -> Refused {
    Refused::new(Refusal::GroupIdNotFound, format!("Group {group} is not a consumer group."))
}

/// Whether the static member that asks is the one that has the instance id.
pub(super) fn check_instance(present: &Text, asking: &Text, instance: &str) -> Result<(), Refused> {
    if present == asking {
        return Ok(());
    }
    let message =
        format!("Static member {asking} with instance id {instance} was fenced by member {present}.");
    Err(Refused::new(Refusal::FencedInstanceId, message))
}

/// Whether a member is in the epoch it says. The one before will do while it has nothing that it lost since:
/// the answer with the new one may not have reached it. Whoever was fenced may always join again.
fn check_epoch(member: &Member, beat: &Heartbeat) -> Result<(), Refused> {
    let (known, said) = (&member.current, beat.epoch);
    let was_told = said == known.previous_epoch
        && beat.reported.as_ref().is_some_and(|reported| known.has_all(reported));
    if said == JOINING || said == known.epoch || said < known.epoch && was_told {
        return Ok(());
    }
    let which = if said > known.epoch { "greater" } else { "smaller" };
    let message = format!(
        "The consumer group member has a {which} member epoch ({said}) than the one known by the group \
         coordinator ({}). The member must abandon all its partitions and rejoin.",
        known.epoch
    );
    Err(Refused::new(Refusal::FencedMemberEpoch, message))
}

fn subscription_of(beat: &Heartbeat, before: &Subscription) -> Subscription {
    let or_before = |now: &Option<Text>, before: &Option<Text>| match now {
        Some(now) => Some(now.detached()),
        None => before.clone(),
    };
    Subscription {
        instance_id: or_before(&beat.instance_id, &before.instance_id),
        rack_id: or_before(&beat.rack_id, &before.rack_id),
        client_id: if beat.client_id == before.client_id {
            before.client_id.clone()
        } else {
            beat.client_id.detached()
        },
        client_host: if beat.client_host == before.client_host {
            before.client_host.clone()
        } else {
            beat.client_host.detached()
        },
        topics: match &beat.topics {
            Some(topics) => topics.iter().map(Text::detached).collect(),
            None => before.topics.clone(),
        },
        regex: or_before(&beat.regex, &before.regex),
        rebalance_timeout_ms: match beat.rebalance_timeout_ms {
            -1 => before.rebalance_timeout_ms,
            timeout_ms => timeout_ms,
        },
        assignor: or_before(&beat.assignor, &before.assignor),
        classic: None,
    }
}

fn assigned(current: &Current) -> Partitions {
    let topics = current.assigned.iter();
    topics
        .map(|(topic, partitions)| (*topic, partitions.keys().copied().collect()))
        .collect::<BTreeMap<_, _>>()
}

/// Whether there is nothing in a text but what Java trims: spaces and control characters.
fn is_blank(text: &str) -> bool {
    text.chars().all(|it| it <= ' ')
}

/// Whether the request makes sense by itself.
fn check(beat: &Heartbeat, assignors: &[Assignor]) -> Result<(), Refused> {
    let is_empty = |text: &Option<Text>| text.as_ref().is_some_and(|text| is_blank(text));
    let needs_id = beat.requires_member_id || beat.epoch > 0 || beat.epoch == LEAVING;
    let wrong = if needs_id && is_blank(&beat.member_id) {
        "MemberId can't be empty."
    } else if is_blank(&beat.group) {
        "GroupId can't be empty."
    } else if is_empty(&beat.instance_id) {
        "InstanceId can't be empty."
    } else if is_empty(&beat.rack_id) {
        "RackId can't be empty."
    } else if beat.epoch == JOINING && beat.rebalance_timeout_ms == -1 {
        "RebalanceTimeoutMs must be provided in first request."
    } else if beat.epoch == JOINING && beat.reported.as_ref().is_none_or(|reported| !reported.is_empty()) {
        "TopicPartitions must be empty when (re-)joining."
    } else if beat.epoch == JOINING && beat.topics.is_none() && beat.regex.is_none() {
        "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
    } else if beat.epoch == AWAY && beat.instance_id.is_none() {
        "InstanceId can't be null."
    } else if beat.epoch < AWAY {
        "MemberEpoch is invalid."
    } else {
        let Some(asked) = &beat.assignor else { return Ok(()) };
        if Assignor::named(asked).is_some_and(|asked| assignors.contains(&asked)) {
            return Ok(());
        }
        let names = assignors.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
        let message = format!("ServerAssignor {asked} is not supported. Supported assignors: {names}.");
        return Err(Refused::new(Refusal::UnsupportedAssignor, message));
    };
    Err(Refused::new(Refusal::InvalidRequest, wrong))
}
