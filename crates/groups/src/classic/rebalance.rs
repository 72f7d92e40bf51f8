//! From one generation to the next.

use super::group::FirstRebalance;
use super::phase::Phase;
use super::turn::Turn;
use crate::timers::Timer;
use crate::{Note, Record, Refusal};
use bytes::Bytes;

impl Turn<'_> {
    /// Something changed: start a rebalance, or see whether the one under way can complete.
    pub(super) fn rebalance_or_complete(&mut self, why: String) {
        if self.group.phase == Phase::PreparingRebalance {
            self.complete_if_all_joined();
        } else {
            self.prepare_rebalance(why);
        }
    }

    /// Members are to join again.
    pub fn prepare_rebalance(&mut self, why: String) {
        if self.group.phase == Phase::CompletingRebalance {
            self.refuse_waiting_syncs(Refusal::RebalanceInProgress);
        }
        self.group.pending_syncs.clear();
        self.timers.cancel(&self.sync_timer());
        let first = self.group.phase == Phase::Empty;
        self.group.enter(Phase::PreparingRebalance, self.now.wall_ms);
        self.note(|group| Note::Rebalancing { group: group.id.clone(), generation: group.generation, why });
        if first {
            let delay_ms = self.settings.initial_rebalance_delay_ms.max(0);
            let remaining_ms = self.group.rebalance_timeout_ms().saturating_sub(delay_ms).max(0);
            self.group.first_rebalance = Some(FirstRebalance { delay_ms, remaining_ms, member_added: false });
            self.timers.set(self.join_timer(), self.in_ms(delay_ms));
        } else if self.group.all_joined() {
            self.complete_join();
        } else {
            self.timers.set(self.join_timer(), self.in_ms(self.group.rebalance_timeout_ms()));
        }
    }

    /// Completes the rebalance under way if nobody is missing. A group's first waits for its time instead.
    pub(super) fn complete_if_all_joined(&mut self) {
        let preparing = self.group.phase == Phase::PreparingRebalance;
        if preparing && self.group.first_rebalance.is_none() && self.group.all_joined() {
            self.complete_join();
        }
    }

    /// Completes the rebalance under way if those who are left have all joined, first or not.
    pub(super) fn complete_after_removal(&mut self) {
        if self.group.phase == Phase::PreparingRebalance && self.group.all_joined() {
            self.complete_join();
        }
    }

    /// The time to join is up.
    pub fn join_time_is_up(&mut self) {
        if self.group.phase != Phase::PreparingRebalance {
            return;
        }
        match self.group.first_rebalance {
            Some(first) if first.member_added && first.remaining_ms > 0 => {
                let delay_ms = self.settings.initial_rebalance_delay_ms.max(0).min(first.remaining_ms);
                let remaining_ms = (first.remaining_ms - first.delay_ms).max(0);
                self.group.first_rebalance =
                    Some(FirstRebalance { delay_ms, remaining_ms, member_added: false });
                self.timers.set(self.join_timer(), self.in_ms(delay_ms));
            }
            _ => self.complete_join(),
        }
    }

    /// Who has joined is in the next generation.
    fn complete_join(&mut self) {
        self.timers.cancel(&self.join_timer());
        let missing = self.group.members.iter().filter(|member| member.joining.is_none());
        // Static members are given until the end of their session to come back.
        let missing: Vec<_> =
            missing.filter(|member| !member.is_static()).map(|member| member.id.clone()).collect();
        for member in &missing {
            self.remove(member);
        }
        if self.group.members.is_empty() {
            return self.become_empty();
        }
        if !self.elect_leader() {
            // Only static members are left and none has joined: wait until they do or their sessions end.
            self.timers.set(self.join_timer(), self.in_ms(self.group.rebalance_timeout_ms()));
            return;
        }
        self.next_generation();
        let protocol = self.group.members.elect_protocol();
        assert!(protocol.is_some(), "who has nothing in common with the members is not let in");
        self.group.protocol = protocol;
        self.group.subscribed = self.group.subscribed_topics();
        self.group.enter(Phase::CompletingRebalance, self.now.wall_ms);
        for id in self.group.members.ids() {
            let waiting = self.group.members.change(&id, |member| {
                member.is_new = false;
                member.joining.take()
            });
            if let Some(Some(call)) = waiting {
                let answer = self.present_generation(&id, false);
                self.answer_join(call, answer);
            }
            self.heard_of(&id);
            self.group.pending_syncs.insert(id);
        }
        self.timers.set(self.sync_timer(), self.in_ms(self.group.rebalance_timeout_ms()));
        self.note(|group| Note::NewGeneration {
            group: group.id.clone(),
            generation: group.generation,
            members: group.members.len(),
        });
    }

    fn become_empty(&mut self) {
        self.next_generation();
        self.group.protocol = None;
        self.group.leader = None;
        self.group.subscribed = self.group.subscribed_topics();
        self.group.enter(Phase::Empty, self.now.wall_ms);
        let metadata = self.group.metadata(|_| Bytes::new());
        self.effects.records.push(Record::Classic { group: self.group.id.clone(), metadata: Some(metadata) });
        self.note(|group| Note::Emptied { group: group.id.clone(), generation: group.generation });
    }

    fn next_generation(&mut self) {
        self.group.generation = self.group.generation.checked_add(1).unwrap_or(0);
        self.group.first_rebalance = None;
        self.group.pending_syncs.clear();
    }

    /// The leader stays unless it is missing. False when nobody has joined.
    fn elect_leader(&mut self) -> bool {
        let leader = self.group.leader.as_ref().and_then(|leader| self.group.members.get(leader));
        if leader.is_some_and(|leader| leader.joining.is_some()) {
            return true;
        }
        let joined = self.group.members.iter().find(|member| member.joining.is_some());
        let Some(joined) = joined.map(|member| member.id.clone()) else { return false };
        self.group.leader = Some(joined);
        true
    }

    /// Members that wait for an assignment will not get one.
    pub(super) fn refuse_waiting_syncs(&mut self, refusal: Refusal) {
        for id in self.group.members.ids() {
            let waiting = self.group.members.change(&id, |member| {
                member.assignment = Bytes::new();
                member.syncing.take()
            });
            if let Some(Some(call)) = waiting {
                self.refuse_sync(call, refusal);
                self.heard_of(&id);
            }
        }
    }

    pub(super) fn join_timer(&self) -> Timer {
        Timer::Join { group: self.group.id.clone() }
    }

    pub(super) fn sync_timer(&self) -> Timer {
        Timer::Sync { group: self.group.id.clone() }
    }

    fn in_ms(&self, delay_ms: i32) -> i64 {
        self.now.tick_ms.saturating_add(i64::from(delay_ms))
    }
}
