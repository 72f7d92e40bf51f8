//! One event's turn at one classic group.

use super::group::Group;
use super::members::Member;
use crate::messages::{Answer, CallId, JoinAnswer, SyncAnswer};
use crate::timers::{Timer, Timers};
use crate::{Effects, Note, Now, Refusal, Settings};
use ottla_protocol::Text;

/// What an event of a classic group may look at and change. Each file beside this one is a kind of event.
pub(crate) struct Turn<'a> {
    pub group: &'a mut Group,
    pub timers: &'a mut Timers,
    pub settings: &'a Settings,
    pub now: Now,
    pub effects: &'a mut Effects,
}

impl Turn<'_> {
    pub(super) fn answer_join(&mut self, call: CallId, answer: JoinAnswer) {
        self.effects.answers.push((call, Answer::Join(Box::new(answer))));
    }

    pub(super) fn refuse_join(&mut self, call: CallId, member_id: Text, refusal: Refusal) {
        self.answer_join(call, JoinAnswer::refused(member_id, refusal));
    }

    pub(super) fn answer_sync(&mut self, call: CallId, answer: SyncAnswer) {
        self.effects.answers.push((call, Answer::Sync(answer)));
    }

    pub(super) fn refuse_sync(&mut self, call: CallId, refusal: Refusal) {
        self.answer_sync(call, SyncAnswer::refused(refusal));
    }

    /// What a member is told that is in the present generation.
    pub(super) fn present_generation(&self, member: &Text, skip_assignment: bool) -> JoinAnswer {
        let group = &*self.group;
        let members = if group.is_leader(member) {
            group.members.iter().map(|member| member.joined(group.protocol.as_ref())).collect()
        } else {
            Vec::new()
        };
        JoinAnswer {
            refusal: None,
            generation: group.generation,
            protocol_type: group.protocol_type.clone(),
            protocol_name: group.protocol.clone(),
            leader: group.leader.clone().unwrap_or_default(),
            skip_assignment,
            member_id: member.clone(),
            members,
        }
    }

    /// A member may be silent for `timeout_ms` from now on.
    pub(super) fn expect_within(&mut self, member: &Text, timeout_ms: i32) {
        let timer = Timer::Session { group: self.group.id.clone(), member: member.clone() };
        self.timers.set(timer, self.now.tick_ms.saturating_add(i64::from(timeout_ms)));
    }

    /// A member was heard of: its session starts anew.
    pub(super) fn heard_of(&mut self, member: &str) {
        if let Some(member) = self.group.members.get(member) {
            let (id, timeout_ms) = (member.id.clone(), member.session_timeout_ms);
            self.expect_within(&id, timeout_ms);
        }
    }

    /// Nothing more is expected of a member.
    pub(super) fn expect_nothing_of(&mut self, member: &Text) {
        self.timers.cancel(&Timer::Session { group: self.group.id.clone(), member: member.clone() });
    }

    /// Takes a member, or an id that was handed out, from the group. Its calls that wait are refused: if it is
    /// alive after all it will join as a new one.
    pub(super) fn remove(&mut self, id: &Text) -> Option<Member> {
        self.expect_nothing_of(id);
        let removed = self.group.members.remove(id);
        if let Some(member) = &removed {
            if let Some(call) = member.joining {
                self.refuse_join(call, Text::default(), Refusal::UnknownMemberId);
            }
            if let Some(call) = member.syncing {
                self.refuse_sync(call, Refusal::UnknownMemberId);
            }
        }
        if self.group.is_leader(id) {
            self.group.leader = self.group.members.iter().next().map(|member| member.id.clone());
        }
        self.group.pending_joins.remove(id);
        self.group.pending_syncs.remove(id);
        removed
    }

    pub(super) fn note(&mut self, note: impl FnOnce(&Group) -> Note) {
        self.effects.notes.push(note(self.group));
    }
}
