//! What happens when members are silent for too long.

use super::phase::Phase;
use super::turn::Turn;
use crate::Note;
use ottla_protocol::Text;

impl Turn<'_> {
    /// The group was read from the log: its members have a session's time to be heard of.
    pub fn resume(&mut self) {
        for member in self.group.members.ids() {
            self.heard_of(&member);
        }
        // The limit may have been lowered: whoever comes back last is let go.
        if self.group.members.len() > self.settings.max_size {
            self.prepare_rebalance("the group is larger than it may be".to_owned());
        }
    }

    /// Members are to join again: the group was of another kind until now.
    pub fn rebalance(&mut self, why: String) {
        if self.group.phase != Phase::PreparingRebalance {
            self.prepare_rebalance(why);
        }
    }

    /// A member was not heard of for its session timeout, or did not come back with the id it was given.
    pub fn session_is_over(&mut self, id: &Text) {
        if self.group.pending_joins.contains(id) {
            self.remove(id);
            return self.complete_after_removal();
        }
        let Some(member) = self.group.members.get(id) else { return };
        if member.may_be_silent() {
            return;
        }
        self.remove(id);
        self.note(|group| Note::Failed { group: group.id.clone(), member: id.clone() });
        match self.group.phase {
            Phase::Stable | Phase::CompletingRebalance => {
                self.prepare_rebalance(format!("member {id} was silent for too long"));
            }
            Phase::PreparingRebalance => self.complete_after_removal(),
            Phase::Empty => {}
        }
    }

    /// Members had time enough to ask for their assignment.
    pub fn sync_time_is_up(&mut self) {
        let syncing = matches!(self.group.phase, Phase::CompletingRebalance | Phase::Stable);
        if !syncing || self.group.pending_syncs.is_empty() {
            return;
        }
        let missing: Vec<Text> = self.group.pending_syncs.iter().cloned().collect();
        for member in &missing {
            self.remove(member);
        }
        self.prepare_rebalance(format!("{} members did not ask for their assignment", missing.len()));
    }
}
