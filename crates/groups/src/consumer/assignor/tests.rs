//! The assignors against Apache Kafka's own answers, and their laws over random histories.

use super::*;
use proptest::prelude::*;

/// What Kafka's assignors answered; `testdata/README.md` says how it was made.
const KAFKA: &str = include_str!("../../../testdata/assignors.txt");

impl TopicView for BTreeMap<TopicId, i32> {
    fn partitions(&self, topic: &TopicId) -> Option<i32> {
        self.get(topic).copied()
    }
}

/// Topic number `n` of the tests; a negative number has the highest bit of its id set.
fn topic(n: i64) -> TopicId {
    TopicId::from_u128(u128::from(n.unsigned_abs()) | if n < 0 { 1 << 127 } else { 0 })
}

fn numbers(text: &str) -> impl Iterator<Item = i64> {
    text.split(',').filter(|text| *text != "-").map(|number| number.parse().unwrap())
}

#[test]
fn partitions_are_divided_as_kafka_divides_them() {
    let mut before = Assignment::new();
    let mut checked = 0;
    for round in KAFKA.split_inclusive("\nround ").flat_map(|text| text.split("round ")) {
        let mut lines = round.lines();
        let Some((assignor, kind)) = lines.next().and_then(|line| line.split_once(' ')) else { continue };
        let assignor = Assignor::named(assignor).unwrap();
        let topics: BTreeMap<TopicId, i32> = lines
            .next()
            .unwrap()
            .split(' ')
            .skip(1)
            .map(|pair| {
                let (n, partitions) = pair.split_once(':').unwrap();
                (topic(n.parse().unwrap()), partitions.parse().unwrap())
            })
            .collect();
        let mut group = GroupSpec { homogeneous: kind == "homogeneous", ..GroupSpec::default() };
        let mut expected = Assignment::new();
        let mut ends = false;
        for line in lines {
            ends |= line == "history";
            let Some(member) = line.strip_prefix("member ") else { continue };
            let (member, assigned) = member.split_once(" =>").unwrap();
            let [id, instance, subscribed] = member.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            group.members.insert(
                id.into(),
                MemberSubscription {
                    instance_id: (instance != "-").then(|| instance.into()),
                    subscribed: numbers(subscribed).map(topic).collect(),
                    owned: before.remove(id).unwrap_or_default(),
                },
            );
            let assigned = assigned.split_whitespace().map(|pair| {
                let (n, partitions) = pair.split_once(':').unwrap();
                (topic(n.parse().unwrap()), numbers(partitions).map(|at| at as i32).collect())
            });
            expected.insert(id.into(), assigned.collect());
        }
        assert_eq!(assign(assignor, &group, &topics).as_ref(), Ok(&expected), "round {round}");
        checked += 1;
        before = if ends { Assignment::new() } else { expected };
    }
    assert_eq!(checked, 720);
}

#[test]
fn a_topic_that_is_not_there_is_refused() {
    let topics = BTreeMap::from([(topic(1), 3)]);
    let member = MemberSubscription { subscribed: [topic(1), topic(2)].into(), ..Default::default() };
    for homogeneous in [true, false] {
        let group = GroupSpec { members: [("a".into(), member.clone())].into(), homogeneous };
        for assignor in Assignor::ALL {
            let refused = Err(AssignError::UnknownTopic(topic(2)));
            assert_eq!(assign(assignor, &group, &topics), refused, "{assignor:?} {homogeneous}");
        }
    }
}

#[test]
fn a_target_that_two_members_share_or_that_reaches_too_far_is_mended() {
    // Kafka never writes such a target; whoever did, everything has one owner afterwards.
    let topics = BTreeMap::from([(topic(1), 4)]);
    let owned = Partitions::from([(topic(1), [-1, 0, 1, 9].into()), (topic(7), [0].into())]);
    let member = MemberSubscription { subscribed: [topic(1)].into(), owned, instance_id: None };
    for homogeneous in [true, false] {
        let members = ["a", "b"].map(|id| (id.into(), member.clone()));
        let group = GroupSpec { members: members.into(), homogeneous };
        for assignor in Assignor::ALL {
            check_complete(&group, &topics, &assign(assignor, &group, &topics).unwrap());
        }
    }
}

/// Every partition has exactly one owner, who is subscribed to it.
fn check_complete(group: &GroupSpec, topics: &BTreeMap<TopicId, i32>, assignment: &Assignment) {
    assert!(assignment.keys().eq(group.members.keys()), "everybody is in it");
    let mut owners = BTreeMap::new();
    for (member, partitions) in assignment {
        for (topic, partitions) in partitions {
            assert!(group.members[member].subscribed.contains(topic));
            assert!(!partitions.is_empty());
            for partition in partitions {
                assert!((0..topics[topic]).contains(partition));
                assert_eq!(owners.insert((topic, partition), member), None, "one owner");
            }
        }
    }
    let subscribed: BTreeSet<&TopicId> = group.members.values().flat_map(|it| &it.subscribed).collect();
    let partitions: i32 = subscribed.into_iter().map(|topic| topics[topic]).sum();
    assert_eq!(owners.len(), partitions as usize, "everything has an owner");
}

fn load(partitions: &Partitions) -> usize {
    partitions.values().map(BTreeSet::len).sum()
}

proptest! {
    #[test]
    fn a_uniform_division_is_complete_even_and_moves_no_more_than_it_must(
        rounds in prop::collection::vec(
            (prop::collection::btree_set(0..30u8, 1..12), prop::collection::btree_map(1..6i64, 0..40i32, 1..5)),
            1..6,
        ),
    ) {
        let mut before = Assignment::new();
        let mut largest = BTreeMap::new();
        for (members, topics) in rounds {
            let topics: BTreeMap<TopicId, i32> = topics
                .into_iter()
                .map(|(n, partitions)| {
                    let partitions = partitions.max(*largest.get(&n).unwrap_or(&0));
                    largest.insert(n, partitions);
                    (topic(n), partitions)
                })
                .collect();
            let members = members.into_iter().map(|n| {
                let id = Text::from(format!("m{n:02}"));
                let owned = before.get(&id).cloned().unwrap_or_default();
                let subscribed = topics.keys().copied().collect();
                (id, MemberSubscription { instance_id: None, subscribed, owned })
            });
            let mut group = GroupSpec { members: members.collect(), homogeneous: true };
            let even = assign(Assignor::Uniform, &group, &topics).unwrap();
            group.homogeneous = false;
            let mixed = assign(Assignor::Uniform, &group, &topics).unwrap();
            for assignment in [&even, &mixed] {
                check_complete(&group, &topics, assignment);
                let loads: Vec<usize> = assignment.values().map(load).collect();
                let most = *loads.iter().max().unwrap();
                prop_assert!(most - loads.iter().min().unwrap() <= 1, "{loads:?}");
            }
            let share = even.values().map(load).max().unwrap().saturating_sub(1);
            for (id, member) in &group.members {
                let owned = member.owned.iter().filter(|(topic, _)| topics.contains_key(*topic));
                let (mut had, mut kept) = (0, 0);
                for (topic, owned) in owned {
                    had += owned.len();
                    kept += even[id].get(topic).map_or(0, |now| owned.intersection(now).count());
                }
                prop_assert!(kept >= had.min(share), "{id} had {had}, kept {kept} of a share of {share}");
            }
            before = even;
        }
    }
}
