//! Kafka's range assignor: which member of a group reads which partitions.

use std::collections::{BTreeMap, BTreeSet};

/// A member of a group, as its leader hears of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMember {
    /// Given by the coordinator.
    pub member_id: String,
    /// `group.instance.id`: a static member's own name (KIP-345).
    pub instance_id: Option<String>,
    /// What it wants to read.
    pub topics: BTreeSet<String>,
}

/// The partitions of one member, by topic.
pub type Assignment = BTreeMap<String, Vec<i32>>;

/// Divides each topic's partitions into one range a subscriber, in the order of the members; the first
/// ones get one more where it does not come out even (Kafka's `RangeAssignor`, without racks). Members
/// with the same subscription meet in the same partitions of all topics. Topics that are not in
/// `partition_counts` are left out; every member is in the answer.
pub fn range_assign(
    partition_counts: &BTreeMap<String, i32>,
    members: &[GroupMember],
) -> BTreeMap<String, Assignment> {
    let mut ordered: Vec<&GroupMember> = members.iter().collect();
    // Static members come first, in the order of their own names, which outlive their member ids.
    ordered.sort_by(|one, other| match (&one.instance_id, &other.instance_id) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => one.member_id.cmp(&other.member_id),
    });
    let mut assignments: BTreeMap<String, Assignment> =
        members.iter().map(|it| (it.member_id.clone(), Assignment::new())).collect();
    for (topic, count) in partition_counts {
        let subscribers: Vec<&GroupMember> =
            ordered.iter().copied().filter(|it| it.topics.contains(topic)).collect();
        let Ok(subscriber_count) = i32::try_from(subscribers.len()) else { continue };
        if subscriber_count == 0 {
            continue;
        }
        let (each, extra) = (count / subscriber_count, count % subscriber_count);
        let mut next = 0;
        for (place, member) in (0..).zip(subscribers) {
            let end = next + each + i32::from(place < extra);
            if next < end
                && let Some(assignment) = assignments.get_mut(&member.member_id)
            {
                assignment.insert(topic.clone(), (next..end).collect());
            }
            next = end;
        }
    }
    assignments
}

#[cfg(test)]
mod tests {
    use super::{GroupMember, range_assign};
    use std::collections::BTreeMap;

    /// `topics`: "a=3 b=2". `members`: "id: topics", or "id/instance: topics". The answer: "id: a012 b0".
    fn check(topics: &str, members: &[&str], expected: &[&str]) {
        let counts: BTreeMap<String, i32> = topics
            .split_whitespace()
            .filter_map(|it| it.split_once('='))
            .map(|(name, count)| (name.to_owned(), count.parse().unwrap()))
            .collect();
        let members: Vec<GroupMember> = members
            .iter()
            .map(|it| {
                let (names, topics) = it.split_once(':').unwrap();
                let (id, instance) = names.split_once('/').map_or((names, None), |(id, it)| (id, Some(it)));
                GroupMember {
                    member_id: id.to_owned(),
                    instance_id: instance.map(str::to_owned),
                    topics: topics.split_whitespace().map(str::to_owned).collect(),
                }
            })
            .collect();
        let assigned: Vec<String> = range_assign(&counts, &members)
            .iter()
            .map(|(member, topics)| {
                let topics: Vec<String> = topics
                    .iter()
                    .map(|(name, of)| name.clone() + &of.iter().map(ToString::to_string).collect::<String>())
                    .collect();
                format!("{member}: {}", topics.join(" ")).trim_end().to_owned()
            })
            .collect();
        assert_eq!(assigned, expected);
    }

    // The cases are those of Kafka's own RangeAssignorTest.

    #[test]
    fn one_consumer_gets_all_it_asked_for() {
        check("a=3 b=3", &["m1: a"], &["m1: a012"]);
        check("a=1 b=2", &["m1: a b"], &["m1: a0 b01"]);
    }

    #[test]
    fn without_topics_nobody_gets_anything() {
        check("", &["m1: a"], &["m1:"]);
        check("a=3", &["m1:"], &["m1:"]);
    }

    #[test]
    fn one_partition_goes_to_the_first_of_two() {
        check("a=1", &["m2: a", "m1: a"], &["m1: a0", "m2:"]);
    }

    #[test]
    fn two_consumers_share_two_partitions() {
        check("a=2", &["m1: a", "m2: a"], &["m1: a0", "m2: a1"]);
    }

    #[test]
    fn only_subscribers_of_a_topic_share_it() {
        check("a=3 b=2", &["m1: a", "m2: a b", "m3: a"], &["m1: a0", "m2: a1 b01", "m3: a2"]);
    }

    #[test]
    fn the_first_get_one_more_in_every_topic() {
        check("a=3 b=3", &["m1: a b", "m2: a b"], &["m1: a01 b01", "m2: a2 b2"]);
    }

    #[test]
    fn static_members_come_first_in_the_order_of_their_own_names() {
        check("a=3", &["m1: a", "m2/z: a", "m3/b: a"], &["m1: a2", "m2: a1", "m3: a0"]);
    }
}
