//! LeaveGroup.

use super::phase::Phase;
use super::turn::Turn;
use crate::messages::{Leave, Leaving, Left};
use crate::{Note, Refusal};

impl Turn<'_> {
    /// Members go, by themselves or removed by an operator.
    pub fn leave(&mut self, leave: &Leave) -> Vec<Left> {
        let left: Vec<Left> = leave
            .members
            .iter()
            .map(|leaving| Left {
                member_id: leaving.member_id.clone(),
                instance_id: leaving.instance_id.clone(),
                refusal: self.leave_one(leaving).err(),
            })
            .collect();
        if left.iter().any(|left| left.refusal.is_none()) {
            match self.group.phase {
                Phase::Stable | Phase::CompletingRebalance => {
                    self.prepare_rebalance("members left".to_owned());
                }
                Phase::PreparingRebalance => self.complete_if_all_joined(),
                Phase::Empty => {}
            }
        }
        left
    }

    fn leave_one(&mut self, leaving: &Leaving) -> Result<(), Refusal> {
        let id = if leaving.member_id.is_empty() {
            // An operator knows a static member by its instance id.
            let instance = leaving.instance_id.as_ref().ok_or(Refusal::UnknownMemberId)?;
            self.group.members.static_id(instance).ok_or(Refusal::UnknownMemberId)?.clone()
        } else {
            if !self.group.pending_joins.contains(&leaving.member_id) {
                self.group.check_member(&leaving.member_id, leaving.instance_id.as_ref())?;
            }
            leaving.member_id.clone()
        };
        self.remove(&id);
        let why = leaving.reason.as_deref().unwrap_or("not provided").to_owned();
        self.note(|group| Note::Left { group: group.id.clone(), member: id.clone(), why });
        Ok(())
    }
}
