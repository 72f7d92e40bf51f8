//! Who may commit and look up a consumer group's offsets, and which of them nobody needs any more.

use super::group::{Group, Phase};
use crate::groups::{Effects, Groups};
use crate::messages::CommitOffsets;
use crate::{Commit, Now, Refusal};
use ottla_protocol::Text;

/// The epoch of who is no member.
const NO_EPOCH: i32 = -1;

impl Group {
    /// Whether these offsets may be committed. A member in an epoch gone by may still commit for what it had in
    /// that epoch and has still (KIP-1251): it was not told yet, and nobody else reads those partitions.
    pub(crate) fn check_commit(&self, commit: &CommitOffsets) -> Result<(), Refusal> {
        if commit.generation < 0 && self.members().is_empty() {
            return Ok(());
        }
        let member = self.member(&commit.member_id).ok_or(Refusal::UnknownMemberId)?;
        if !commit.knows_missing_groups && member.subscription.classic.is_none() {
            return Err(Refusal::UnsupportedVersion);
        }
        let stale = member.subscription.stale();
        let (said, current) = (commit.generation, &member.current);
        if said == current.epoch {
            return Ok(());
        }
        if said > current.epoch {
            return Err(stale);
        }
        let still_its_own = commit.topics.iter().all(|topic| {
            topic.partitions.iter().all(|it| {
                current.assigned_in(&topic.topic_id, it.partition).is_some_and(|since| since <= said)
            })
        });
        if still_its_own { Ok(()) } else { Err(stale) }
    }

    /// Whether who calls itself `member` in `epoch` may look offsets up; who names neither may.
    pub(crate) fn check_fetch(&self, member: Option<&Text>, epoch: i32) -> Result<(), Refusal> {
        if member.is_none() && epoch <= NO_EPOCH {
            return Ok(());
        }
        let member = member.and_then(|id| self.member(id)).ok_or(Refusal::UnknownMemberId)?;
        if member.current.epoch == epoch { Ok(()) } else { Err(member.subscription.stale()) }
    }
}

impl Groups {
    /// Lets go of offsets that were not committed for so long that nobody needs them, and of a group without any.
    pub(crate) fn expire_consumer(&self, id: &Text, group: &Group, now: Now, effects: &mut Effects) {
        let is_subscribed = |topic: &str| group.is_subscribed_to(topic);
        let committed_at = |commit: &Commit| Some(commit.committed_at_ms);
        let all_gone = self.expire_offsets(id, committed_at, is_subscribed, now, effects);
        let unused = group.phase() == Phase::Empty && self.state.pending_offsets(id).next().is_none();
        if all_gone && unused {
            effects.records.extend(self.consumer_tombstones(id).into_iter().flatten());
        }
    }
}
