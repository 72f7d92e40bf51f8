//! How long an assignment takes: `cargo run --release -p ottla-groups --example assign_speed [MEMBERS [PARTITIONS]]`
//!
//! One member after another goes and comes, each time with the assignment before. `mixed` has members that
//! read different topics.

#![expect(clippy::disallowed_methods, reason = "it measures, with a clock")]

use ottla_groups::consumer::assignor::{Assignor, GroupSpec, MemberSubscription, TopicView, assign};
use ottla_ids::TopicId;
use ottla_protocol::Text;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const TOPICS: u128 = 10;
const CHANGES: u32 = 20;

struct Topics(BTreeMap<TopicId, i32>);

impl TopicView for Topics {
    fn partitions(&self, topic: &TopicId) -> Option<i32> {
        self.0.get(topic).copied()
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|number| number.parse::<usize>().expect("a number"));
    let members = arguments.next().unwrap_or(1_000);
    let partitions = arguments.next().unwrap_or(10_000) / TOPICS as usize;
    let all: Vec<TopicId> = (1..=TOPICS).map(TopicId::from_u128).collect();
    let topics = Topics(all.iter().map(|topic| (*topic, partitions as i32)).collect());

    for (name, assignor, homogeneous) in [
        ("uniform", Assignor::Uniform, true),
        ("uniform, mixed", Assignor::Uniform, false),
        ("range", Assignor::Range, true),
    ] {
        let member = |index: usize| {
            let read =
                all.iter().enumerate().filter(|(at, _)| homogeneous || !(at + index).is_multiple_of(5));
            let subscribed = read.map(|(_, topic)| *topic).collect();
            let id = Text::from(format!("member-{:06}", index.wrapping_mul(7_919) % 1_000_000));
            (id, MemberSubscription { subscribed, ..Default::default() })
        };
        let mut group = GroupSpec { members: (0..members).map(member).collect(), homogeneous };
        let start = Instant::now();
        let mut assignment = assign(assignor, &group, &topics).expect("all topics are there");
        let first = start.elapsed();
        let mut longest = Duration::ZERO;
        let mut sum = Duration::ZERO;
        for change in 0..CHANGES as usize {
            if change.is_multiple_of(2) {
                group.members.remove(&member(change * 13 % members).0);
            } else {
                group.members.extend([member(members + change)]);
            }
            for (id, member) in &mut group.members {
                member.owned = assignment.remove(id).unwrap_or_default();
            }
            let start = Instant::now();
            assignment = assign(assignor, &group, &topics).expect("all topics are there");
            longest = longest.max(start.elapsed());
            sum += start.elapsed();
        }
        let each = sum / CHANGES;
        println!("{name:15} first {first:>9.1?}   a change {each:>9.1?}, at most {longest:>9.1?}");
    }
}
