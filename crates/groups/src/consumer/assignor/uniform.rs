//! Evenly among members that all read the same topics.
//!
//! Each member keeps what it has up to its share; what is over goes, with what nobody has, to those that
//! have less than theirs. Kafka's `UniformHomogeneousAssignmentBuilder`.

use super::{AssignError, Assignment, GroupSpec, Partitions, TopicView, count};
use ottla_ids::TopicId;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn assign(
    group: &GroupSpec,
    subscribed: &BTreeSet<TopicId>,
    topics: &dyn TopicView,
) -> Result<Assignment, AssignError> {
    // The owner of each partition, by the member's place.
    let mut owners: BTreeMap<TopicId, Vec<Option<usize>>> = BTreeMap::new();
    let mut total: usize = 0;
    for topic in subscribed {
        let partitions = count(topics, topic)?.max(0) as usize;
        owners.insert(*topic, vec![None; partitions]);
        total += partitions;
    }
    for (index, member) in group.members.values().enumerate() {
        for (topic, partitions) in &member.owned {
            let Some(owners) = owners.get_mut(topic) else { continue };
            for partition in partitions {
                if let Some(owner) = at(*partition).and_then(|at| owners.get_mut(at)) {
                    owner.get_or_insert(index);
                }
            }
        }
    }
    let mut unassigned: Vec<(TopicId, i32)> = Vec::new();
    for (topic, owners) in &owners {
        let free = (0..).zip(owners).filter(|(_, owner)| owner.is_none());
        unassigned.extend(free.map(|(partition, _)| (*topic, partition)));
    }

    // Everybody gets the share, and `extra` members one more: rather those that have it already.
    let share = total / group.members.len();
    let mut extra = total % group.members.len();

    let mut assignment = Assignment::new();
    // Members with less than their quota, and how much less.
    let mut unfilled = Vec::new();
    for (index, (id, member)) in group.members.iter().enumerate() {
        let mut may_have_extra = extra > 0;
        let mut quota = share + usize::from(may_have_extra);
        let mut kept = Partitions::new();
        for (topic, partitions) in &member.owned {
            let Some(owners) = owners.get(topic) else { continue };
            for partition in partitions {
                let owner = at(*partition).and_then(|at| owners.get(at)).copied().flatten();
                if owner != Some(index) {
                    continue;
                }
                if quota == 0 {
                    unassigned.push((*topic, *partition));
                    continue;
                }
                quota -= 1;
                kept.entry(*topic).or_default().insert(*partition);
            }
        }
        if quota > 0 && may_have_extra && group.members.len() - index > extra {
            // It does not have the extra one, and enough members come after it that might.
            may_have_extra = false;
            quota -= 1;
        }
        extra -= usize::from(may_have_extra);
        if quota > 0 {
            unfilled.push((id, quota));
        }
        assignment.insert(id.clone(), kept);
    }

    let mut unassigned = unassigned.into_iter();
    for (id, quota) in unfilled {
        let partitions = assignment.get_mut(id).expect("inserted above");
        for (topic, partition) in unassigned.by_ref().take(quota) {
            partitions.entry(topic).or_default().insert(partition);
        }
    }
    assert!(unassigned.next().is_none(), "the quotas add up to all partitions");
    Ok(assignment)
}

fn at(partition: i32) -> Option<usize> {
    usize::try_from(partition).ok()
}
