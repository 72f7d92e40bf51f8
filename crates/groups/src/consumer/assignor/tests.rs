//! The assignors against Apache Kafka's own answers, and their laws over random histories.

use super::*;

/// Topic number `n` of the tests.
fn topic(n: u64) -> TopicId {
    TopicId::from_u128(n.into())
}

impl TopicView for BTreeMap<TopicId, i32> {
    fn partitions(&self, topic: &TopicId) -> Option<i32> {
        self.get(topic).copied()
    }
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
