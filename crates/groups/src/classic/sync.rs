//! SyncGroup.

use super::phase::Phase;
use super::turn::Turn;
use crate::groups::Follow;
use crate::messages::{CallId, Sync, SyncAnswer};
use crate::{Note, Record, Refusal, Then};
use bytes::Bytes;
use ottla_protocol::Text;
use std::collections::HashMap;

impl Turn<'_> {
    /// A member asks for its assignment; the leader brings those of all.
    pub fn sync(&mut self, call: CallId, sync: Sync) {
        if let Err(refusal) = self.check_sync(&sync) {
            return self.refuse_sync(call, refusal);
        }
        match self.group.phase {
            Phase::Empty => self.refuse_sync(call, Refusal::UnknownMemberId),
            Phase::PreparingRebalance => self.refuse_sync(call, Refusal::RebalanceInProgress),
            Phase::CompletingRebalance => {
                let waiting =
                    self.group.members.change(&sync.member_id, |member| member.syncing.replace(call));
                if let Some(Some(waiting)) = waiting {
                    self.refuse_sync(waiting, Refusal::RebalanceInProgress);
                }
                self.has_synced(&sync.member_id);
                if self.group.is_leader(&sync.member_id) {
                    self.assign(sync);
                }
            }
            Phase::Stable => {
                self.has_synced(&sync.member_id);
                let answer = self.assignment_of(&sync.member_id);
                self.answer_sync(call, answer);
            }
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), Refusal> {
        let group = &*self.group;
        group.check_member(&sync.member_id, sync.instance_id.as_ref())?;
        if sync.generation != group.generation {
            return Err(Refusal::IllegalGeneration);
        }
        let differs =
            |theirs: &Option<Text>, ours: &Option<Text>| theirs.is_some() && ours.is_some() && theirs != ours;
        if differs(&sync.protocol_type, &group.protocol_type) || differs(&sync.protocol_name, &group.protocol)
        {
            return Err(Refusal::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn has_synced(&mut self, member: &str) {
        self.group.pending_syncs.remove(member);
        if self.group.pending_syncs.is_empty() {
            self.timers.cancel(&self.sync_timer());
        }
    }

    /// The leader has divided the work: once that is written down, members are told.
    fn assign(&mut self, sync: Sync) {
        let assignments: HashMap<Text, Bytes> = sync
            .assignments
            .into_iter()
            .map(|(member, assignment)| (member, Bytes::copy_from_slice(&assignment)))
            .collect();
        // Members that the leader has forgotten have nothing to do.
        let metadata = self.group.metadata(|member| assignments.get(&member.id).cloned().unwrap_or_default());
        self.effects.records.push(Record::Classic { group: self.group.id.clone(), metadata: Some(metadata) });
        self.effects.then = Some(Then(Follow::Assigned {
            group: self.group.id.clone(),
            generation: self.group.generation,
            assignments,
        }));
    }

    /// The assignment is written down, or could not be.
    pub fn assigned(
        &mut self,
        generation: i32,
        assignments: &HashMap<Text, Bytes>,
        outcome: Result<(), Refusal>,
    ) {
        if self.group.phase != Phase::CompletingRebalance || self.group.generation != generation {
            return;
        }
        if let Err(refusal) = outcome {
            self.refuse_waiting_syncs(refusal);
            return self.prepare_rebalance("the assignment could not be written down".to_owned());
        }
        self.group.enter(Phase::Stable, self.now.wall_ms);
        for id in self.group.members.ids() {
            let assignment = assignments.get(&id).cloned().unwrap_or_default();
            let waiting = self.group.members.change(&id, |member| {
                member.assignment = assignment;
                member.syncing.take()
            });
            if let Some(Some(call)) = waiting {
                let answer = self.assignment_of(&id);
                self.answer_sync(call, answer);
                self.heard_of(&id);
            }
        }
        self.note(|group| Note::Stable { group: group.id.clone(), generation: group.generation });
    }

    fn assignment_of(&self, member: &str) -> SyncAnswer {
        let assignment = self.group.members.get(member).map(|member| member.assignment.clone());
        SyncAnswer {
            refusal: None,
            protocol_type: self.group.protocol_type.clone(),
            protocol_name: self.group.protocol.clone(),
            assignment: assignment.unwrap_or_default(),
        }
    }
}
