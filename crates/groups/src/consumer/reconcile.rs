//! One step of a member towards its target: give back, wait for others, take.
//!
//! ```text
//!             has to give back            it no longer reports them
//!    Stable ───────────────────▶ Unrevoked ─────────────────┐
//!      ▲                                                    ▼
//!      ├──────────────────────────── all others are free ◀── target's epoch
//!      │   the last one is free                             │
//!      └────────────────────────── Unreleased ◀─────────────┘ others still have some
//! ```
//!
//! Kafka's `CurrentAssignmentBuilder`.

use super::assignor::Partitions;
use super::member::{Current, MemberState, Owned};
use crate::Refusal;
use ottla_ids::TopicId;
use std::collections::BTreeSet;

/// What a step depends on.
pub(super) struct Step<'a> {
    /// The epoch of the target.
    pub target_epoch: i32,
    /// What the member is to have.
    pub target: &'a Partitions,
    /// The topics it reads now: what it is to have of others does not count any more.
    pub subscribed: &'a BTreeSet<TopicId>,
    /// It changed what it reads just now.
    pub subscription_changed: bool,
    /// What it says it has; `None` when it does not say.
    pub reported: Option<&'a Partitions>,
    /// Whether a partition is somebody's, be it to give it back.
    pub is_owned: &'a dyn Fn(TopicId, i32) -> bool,
}

impl Step<'_> {
    /// What the member has after the step; the same where it cannot move.
    pub fn next(&self, current: &Current) -> Result<Current, Refusal> {
        match current.state {
            MemberState::Stable if current.epoch != self.target_epoch => Ok(self.towards_target(current)),
            MemberState::Stable if self.subscription_changed => Ok(self.without_unsubscribed(current)),
            MemberState::Stable => Ok(current.clone()),
            MemberState::UnrevokedPartitions if self.still_has(&current.revoking) => {
                Ok(if self.subscription_changed {
                    self.without_unsubscribed(current)
                } else {
                    current.clone()
                })
            }
            MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions => {
                Ok(self.towards_target(current))
            }
            MemberState::Unknown(_) => match self.reported {
                Some(reported) if reported.is_empty() => {
                    let current = Current { epoch: self.target_epoch, ..current.clone() };
                    Ok(self.towards_target(&current))
                }
                _ => Err(Refusal::FencedMemberEpoch),
            },
        }
    }

    /// Whether the member may still have any of these. Who does not say has them.
    fn still_has(&self, revoking: &Owned) -> bool {
        let Some(reported) = self.reported else { return true };
        reported.iter().any(|(topic, partitions)| {
            revoking.get(topic).is_some_and(|revoking| partitions.iter().any(|at| revoking.contains_key(at)))
        })
    }

    /// What it has of topics that it does not read any more is to be given back; the rest stays.
    fn without_unsubscribed(&self, current: &Current) -> Current {
        let mut next = current.clone();
        next.assigned.retain(|topic, _| self.subscribed.contains(topic));
        if next.assigned.len() == current.assigned.len() {
            return next;
        }
        for (topic, partitions) in &current.assigned {
            if !self.subscribed.contains(topic) {
                next.revoking.entry(*topic).or_default().extend(partitions);
            }
        }
        (next.previous_epoch, next.epoch) = (current.epoch, current.epoch);
        if self.still_has(&next.revoking) {
            next.state = MemberState::UnrevokedPartitions;
        } else {
            // It gave them back already.
            next.revoking = current.revoking.clone();
        }
        next
    }

    fn towards_target(&self, current: &Current) -> Current {
        let mut assigned = Owned::new();
        let mut revoking = Owned::new();
        for (topic, partitions) in &current.assigned {
            let target = self.target.get(topic).filter(|_| self.subscribed.contains(topic));
            for (partition, epoch) in partitions {
                let stays = target.is_some_and(|target| target.contains(partition));
                let to = if stays { &mut assigned } else { &mut revoking };
                to.entry(*topic).or_default().insert(*partition, *epoch);
            }
        }
        if !revoking.is_empty() && self.still_has(&revoking) {
            return Current {
                epoch: current.epoch,
                previous_epoch: current.epoch,
                state: MemberState::UnrevokedPartitions,
                assigned,
                revoking,
            };
        }
        let mut others_have_some = false;
        for (topic, partitions) in self.target.iter().filter(|(topic, _)| self.subscribed.contains(topic)) {
            for partition in partitions {
                let had = |owned: &Owned| owned.get(topic).is_some_and(|it| it.contains_key(partition));
                if had(&assigned) {
                    continue;
                }
                // What it has just given back itself is free.
                if (self.is_owned)(*topic, *partition) && !had(&current.revoking) {
                    others_have_some = true;
                } else {
                    assigned.entry(*topic).or_default().insert(*partition, self.target_epoch);
                }
            }
        }
        Current {
            epoch: self.target_epoch,
            previous_epoch: current.epoch,
            state: if others_have_some { MemberState::UnreleasedPartitions } else { MemberState::Stable },
            assigned,
            revoking: Owned::new(),
        }
    }
}
