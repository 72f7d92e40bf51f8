//! What a change of a large consumer group costs its coordinator:
//! `cargo run --release -p ottla-groups --example rebalance_speed [MEMBERS [PARTITIONS]]`
//!
//! A member comes or goes, and all others send heartbeats until everybody has what it is to have: everything that the core
//! does meanwhile, with the making of its records and their replay, but no log and no socket.

#![expect(clippy::disallowed_methods, reason = "it measures, with a clock")]

use ottla_groups::consumer::assignor::{Partitions, TopicView};
use ottla_groups::consumer::member::{JOINING, LEAVING};
use ottla_groups::consumer::{GroupSettings, Heartbeat, TopicMetadata, Topics};
use ottla_groups::{Answer, CallId, Groups, Now, Request, Settings};
use ottla_ids::{TopicId, Uuid};
use ottla_protocol::Text;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TOPICS: usize = 10;
const CHANGES: usize = 20;

#[derive(Debug)]
struct Cluster(BTreeMap<Text, TopicMetadata>);

impl TopicView for Cluster {
    fn partitions(&self, topic: &TopicId) -> Option<i32> {
        self.0.values().find(|it| it.id == *topic).map(|it| it.partitions)
    }
}

impl Topics for Cluster {
    fn version(&self) -> i64 {
        1
    }

    fn topic(&self, name: &str) -> Option<TopicMetadata> {
        self.0.get(name).copied()
    }

    fn name(&self, id: &TopicId) -> Option<Text> {
        self.names().into_iter().find(|name| self.topic(name).is_some_and(|topic| topic.id == *id))
    }

    fn names(&self) -> Vec<Text> {
        self.0.keys().cloned().collect()
    }

    fn racks(&self, _: &TopicId, _: i32) -> Vec<Text> {
        Vec::new()
    }
}

/// A member as its client sees it.
#[derive(Default)]
struct Member {
    epoch: i32,
    has: Partitions,
}

struct Bench {
    groups: Groups,
    cluster: Arc<Cluster>,
    members: BTreeMap<Text, Member>,
    now_ms: i64,
    calls: u64,
    records: usize,
}

impl Bench {
    /// One heartbeat; whether it changed what the member has or where it stands.
    fn beat(&mut self, id: &Text, epoch: i32) -> bool {
        self.calls += 1;
        let joins = epoch == JOINING;
        let member = self.members.entry(id.clone()).or_default();
        let heartbeat = Heartbeat {
            group: Text::from("g"),
            member_id: id.clone(),
            requires_member_id: true,
            epoch,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: if joins { 60_000 } else { -1 },
            topics: joins.then(|| self.cluster.names()),
            regex: None,
            assignor: None,
            reported: Some(if joins { Partitions::new() } else { member.has.clone() }),
            client_id: Text::from("client"),
            client_host: Text::from("/192.0.2.1"),
            fresh_id: Uuid::ZERO,
            cluster: self.cluster.clone(),
            // Each change is to be dealt with at once.
            settings: GroupSettings { assignment_interval_ms: 0, ..GroupSettings::default() },
        };
        let request = Request::ConsumerHeartbeat(Box::new(heartbeat));
        let effects = self.groups.handle(CallId(self.calls), request, Now::at(self.now_ms));
        self.records += effects.records.len();
        for record in &effects.records {
            record.encode().expect("our own records can be written");
            self.groups.replay(record);
        }
        let mut moved = false;
        for (_, answer) in effects.answers {
            let Answer::ConsumerHeartbeat(answer) = answer else { continue };
            let answer = answer.expect("nobody is refused");
            let member = self.members.entry(id.clone()).or_default();
            moved |= answer.epoch != member.epoch;
            member.epoch = answer.epoch;
            if let Some(assignment) = answer.assignment {
                moved |= assignment != member.has;
                member.has = assignment;
            }
        }
        moved
    }

    /// Everybody is heard of, round after round, until nothing moves.
    fn settle(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            self.now_ms += 5_000;
            let ids: Vec<(Text, i32)> = self.members.iter().map(|(id, it)| (id.clone(), it.epoch)).collect();
            for (id, epoch) in ids {
                moved |= self.beat(&id, epoch);
            }
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|number| number.parse::<usize>().expect("a number"));
    let members = arguments.next().unwrap_or(1_000);
    let partitions = (arguments.next().unwrap_or(10_000) / TOPICS).try_into().expect("some partitions");
    let topics = (1..=TOPICS).map(|number| {
        (
            Text::from(format!("topic-{number}")),
            TopicMetadata { id: TopicId::from_u128(number as u128), partitions },
        )
    });
    let mut bench = Bench {
        groups: Groups::new(Settings::default(), Arc::new(GroupSettings::default())),
        cluster: Arc::new(Cluster(topics.collect())),
        members: BTreeMap::new(),
        now_ms: 0,
        calls: 0,
        records: 0,
    };
    let name = |index: usize| Text::from(format!("member-{:06}", index.wrapping_mul(7_919) % 1_000_000));
    let start = Instant::now();
    for index in 0..members {
        bench.beat(&name(index), JOINING);
    }
    bench.settle();
    println!("{members} members, one after the other: {:?}", start.elapsed());

    let (mut sum, mut longest, mut decided) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (calls, records) = (bench.calls, bench.records);
    for change in 0..CHANGES {
        let start = Instant::now();
        if change % 2 == 0 {
            let gone = bench.members.keys().nth(change % members).expect("somebody is there").clone();
            bench.beat(&gone, LEAVING);
            bench.members.remove(&gone);
        } else {
            bench.beat(&name(members + change), JOINING);
        }
        decided = decided.max(start.elapsed());
        bench.settle();
        sum += start.elapsed();
        longest = longest.max(start.elapsed());
    }
    let calls = (bench.calls - calls) / CHANGES as u64;
    println!(
        "a change: {:?} on average, {longest:?} at most, with {calls} heartbeats and {} records; the heartbeat that \
         changes the group takes {decided:?} at most",
        sum / CHANGES as u32,
        (bench.records - records) / CHANGES,
    );
}
