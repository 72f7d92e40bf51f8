//! Members go: by themselves, or because they were silent or kept partitions for too long.

use super::advance::Writer;
use super::change::{Change, GroupEpoch};
use super::heartbeat::{check_instance, not_consumer, not_found, unknown_instance, unknown_member};
use super::member::{AWAY, MemberState};
use super::messages::{Heartbeat, HeartbeatAnswer, Refused};
use super::settings::GroupConfigs;
use super::target::Members;
use crate::Now;
use crate::groups::{Effects, Groups, Note};
use crate::timers::Timer;
use ottla_protocol::Text;
use std::collections::BTreeSet;

/// When it is tried again to let a member go that is late, should that not have been written. Timers of members that
/// are gone are left alone, so that they are there where it was not written; they find nobody.
const RETRY_MS: i64 = 500;

impl Groups {
    /// A member leaves, or a static member says that it will be back within its session.
    pub(super) fn consumer_leave(
        &mut self,
        beat: &Heartbeat,
        now: Now,
        effects: &mut Effects,
    ) -> Result<HeartbeatAnswer, Refused> {
        let group = match self.consumer_group(&beat.group) {
            Some(group) => group,
            None if self.classic.contains_key(&beat.group) => return Err(not_consumer(&beat.group)),
            None => return Err(not_found(&beat.group)),
        };
        let (id, member) = match &beat.instance_id {
            None => {
                let found = group.members().get_key_value(&beat.member_id);
                found.ok_or_else(|| unknown_member(beat))?
            }
            Some(instance) => {
                let found = group.static_member(instance).ok_or_else(|| unknown_instance(instance))?;
                check_instance(found.0, &beat.member_id, instance)?;
                found
            }
        };
        let answer = HeartbeatAnswer {
            member_id: beat.member_id.clone(),
            epoch: beat.epoch,
            heartbeat_interval_ms: 0,
            assignment: None,
        };
        if beat.epoch == AWAY {
            let mut current = member.current.clone();
            current.epoch = AWAY;
            current.revoking.clear();
            let mut writer = Writer { group: &beat.group, records: Vec::new() };
            writer.write(Change::Current { member: id.clone(), current: Some(current) });
            effects.records.append(&mut writer.records);
            return Ok(answer);
        }
        let id = id.clone();
        effects.notes.push(Note::Left {
            group: beat.group.clone(),
            member: id.clone(),
            why: "it said so".to_owned(),
        });
        self.fence(&beat.group, &BTreeSet::from([&id]), now, effects);
        Ok(answer)
    }

    /// A member was not heard of for its session.
    pub(crate) fn consumer_session_is_over(
        &mut self,
        group: &Text,
        member: &Text,
        now: Now,
        effects: &mut Effects,
    ) {
        if self.consumer_group(group).is_some_and(|it| it.member(member).is_some()) {
            effects.notes.push(Note::Failed { group: group.clone(), member: member.clone() });
            self.fence(group, &BTreeSet::from([member]), now, effects);
            self.timers.set_session(group, member, RETRY_MS, now);
        }
    }

    /// A member did not give partitions back in time.
    pub(crate) fn revocation_is_late(
        &mut self,
        group: &Text,
        member: &Text,
        now: Now,
        effects: &mut Effects,
    ) {
        let late = |state| state == MemberState::UnrevokedPartitions;
        let found = self.consumer_group(group).and_then(|it| it.member(member));
        if found.is_some_and(|it| late(it.current.state)) {
            effects.notes.push(Note::Left {
                group: group.clone(),
                member: member.clone(),
                why: "it did not give its partitions back in time".to_owned(),
            });
            self.fence(group, &BTreeSet::from([member]), now, effects);
            let revocation = Timer::Revocation { group: group.clone(), member: member.clone() };
            self.timers.set(revocation, now.tick_ms.saturating_add(RETRY_MS));
        }
    }

    /// Takes members out of their group: what they had is free at once, and the group goes on to a new epoch. If only
    /// members of the classic protocol are left, it becomes a classic group.
    pub(super) fn fence(&self, id: &Text, gone: &BTreeSet<&Text>, now: Now, effects: &mut Effects) {
        let Some(group) = self.consumer_group(id) else { return };
        if gone.is_empty() {
            return;
        }
        // Without a request since the start of this node topics have no names yet, and the group stays what it is.
        let classic =
            self.cluster.as_ref().and_then(|cluster| self.downgraded(id, group, gone, None, &**cluster, now));
        if let Some(classic) = classic {
            let why = "its last member of the consumer protocol is gone".to_owned();
            return self.downgrade(id, group, classic, Some(why), effects);
        }
        let mut writer = Writer { group: id, records: Vec::new() };
        gone.iter().for_each(|member| writer.remove(member));
        let members = Members { group, changed: None, gone: gone.clone(), regexes: group.regexes() };
        let regexes: BTreeSet<&Text> =
            gone.iter().filter_map(|it| group.member(it)?.subscription.regex()).collect();
        for regex in regexes {
            let of_gone =
                |it: &&&Text| group.member(it).and_then(|it| it.subscription.regex()) == Some(regex);
            let count = gone.iter().filter(of_gone).count();
            if group.regex(regex).is_some() && group.count_with_regex(regex) == count {
                writer.write(Change::Regex { regex: regex.clone(), resolved: None });
            }
        }
        let metadata_hash = match &self.cluster {
            Some(cluster) => members.metadata_hash(&**cluster),
            // No heartbeat came yet: the first one will look.
            None => group.epoch.metadata_hash,
        };
        let epoch = group.epoch.epoch.saturating_add(1);
        writer.write(Change::Epoch(Some(GroupEpoch { epoch, metadata_hash })));
        effects.records.append(&mut writer.records);
    }

    /// The log is replayed: members have a session's time to be heard of, and their time to give back.
    pub(crate) fn resume_consumers(&mut self, configs: &dyn GroupConfigs, now: Now) {
        let consumers = self.state.groups().filter_map(|(id, stored)| Some((id, stored.consumer.as_ref()?)));
        for (id, group) in consumers {
            let session_ms = configs.of(id).session_timeout_ms;
            for (member, it) in group.members() {
                self.timers.set_session(id, member, session_ms.into(), now);
                let speaks_consumer = it.subscription.classic.is_none();
                if speaks_consumer && it.current.state == MemberState::UnrevokedPartitions {
                    let revocation = Timer::Revocation { group: id.clone(), member: member.clone() };
                    let timeout_ms = i64::from(it.subscription.rebalance_timeout_ms.max(0));
                    self.timers.set(revocation, now.tick_ms.saturating_add(timeout_ms));
                }
            }
        }
    }
}
