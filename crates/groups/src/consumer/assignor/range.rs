//! By ranges: of each topic, the first member gets the first partitions, the next one the next.
//!
//! Static members come first, in the order of their instance ids, so that they find their ranges again
//! under a new member id. Kafka's `RangeAssignor`.

use super::{AssignError, Assignment, GroupSpec, MemberSubscription, Partitions, TopicView, count};
use ottla_ids::TopicId;
use ottla_protocol::Text;
use std::collections::BTreeMap;

/// What is left to give of one topic.
struct Topic {
    partitions: i32,
    /// Members that have not had their range yet.
    subscribers: i32,
    /// The first partition not given away.
    next: i32,
}

impl Topic {
    /// The next member's range. Members get the same, or one more among the first.
    fn range(&mut self) -> std::ops::Range<i32> {
        let left = self.partitions - self.next;
        let size = left / self.subscribers + i32::from(left % self.subscribers > 0);
        self.subscribers -= 1;
        let start = self.next;
        self.next += size;
        start..self.next
    }
}

pub(super) fn assign(group: &GroupSpec, topics: &dyn TopicView) -> Result<Assignment, AssignError> {
    let mut members: Vec<(&Text, &MemberSubscription)> = group.members.iter().collect();
    members.sort_by_key(|(_, member)| (member.instance_id.is_none(), &member.instance_id));

    let mut left: BTreeMap<TopicId, Topic> = BTreeMap::new();
    for id in members.iter().flat_map(|(_, member)| &member.subscribed) {
        match left.get_mut(id) {
            Some(topic) => topic.subscribers += 1,
            None => {
                let topic = Topic { partitions: count(topics, id)?, subscribers: 1, next: 0 };
                left.insert(*id, topic);
            }
        }
    }

    let mut assignment = Assignment::new();
    for (id, member) in members {
        let mut partitions = Partitions::new();
        for topic in &member.subscribed {
            let range = left.get_mut(topic).expect("counted above").range();
            if !range.is_empty() {
                partitions.insert(*topic, range.collect());
            }
        }
        assignment.insert(id.clone(), partitions);
    }
    Ok(assignment)
}
