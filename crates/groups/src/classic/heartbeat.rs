//! Heartbeat.

use super::phase::Phase;
use super::turn::Turn;
use crate::Refusal;
use crate::messages::Heartbeat;

impl Turn<'_> {
    /// A member says that it is alive; the answer says whether it is to join again.
    pub fn heartbeat(&mut self, heartbeat: &Heartbeat) -> Result<(), Refusal> {
        self.group.check_member(&heartbeat.member_id, heartbeat.instance_id.as_ref())?;
        if heartbeat.generation != self.group.generation {
            return Err(Refusal::IllegalGeneration);
        }
        self.heard_of(&heartbeat.member_id);
        match self.group.phase {
            Phase::Empty => Err(Refusal::UnknownMemberId),
            Phase::PreparingRebalance => Err(Refusal::RebalanceInProgress),
            Phase::CompletingRebalance | Phase::Stable => Ok(()),
        }
    }
}
