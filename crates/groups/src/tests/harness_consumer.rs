//! The words of scenarios that are of consumer groups.
//!
//! `topic t=3` makes a topic of three partitions, `topic t=-` takes it away. A member says `hello a reads=t,u` to join,
//! `alive a epoch=2 owns=t-0,t-1` to stay, and `bye a` to leave; its id is the word after the verb.

use super::harness::{Words, long, ms, partition_name};
use crate::consumer::assignor::{Partitions, TopicView};
use crate::consumer::member::{Current, JOINING, LEAVING, Owned};
use crate::consumer::{Change, Description, GroupSettings, Heartbeat, TopicMetadata, Topics};
use crate::messages::Answer;
use bytes::Bytes;
use ottla_ids::{TopicId, Uuid};
use ottla_protocol::Text;
use ottla_protocol::data::consumer_protocol_assignment::TopicPartition as Given;
use ottla_protocol::data::consumer_protocol_subscription::TopicPartition as Had;
use ottla_protocol::data::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_protocol::{Message, Reader, decode_from, encode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The topics that there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Cluster {
    topics: BTreeMap<Text, TopicMetadata>,
    /// Names of topics that were once there stay known, so that what is said of them can be read.
    names: BTreeMap<TopicId, Text>,
    version: i64,
    pub settings: GroupSettings,
}

impl Cluster {
    /// `t=3` or `t=-`.
    pub fn set(&mut self, word: &str) {
        let (name, partitions) = word.split_once('=').expect("topic=partitions");
        self.version += 1;
        let Ok(partitions) = partitions.parse() else {
            self.topics.remove(name);
            return;
        };
        let fresh = TopicId::from_u128(u128::try_from(self.names.len() + 1).expect("a number"));
        let id = self.topics.get(name).map_or(fresh, |topic| topic.id);
        self.topics.insert(Text::from(name), TopicMetadata { id, partitions });
        self.names.insert(id, Text::from(name));
    }
}

impl TopicView for Cluster {
    fn partitions(&self, topic: &TopicId) -> Option<i32> {
        self.topics.values().find(|it| it.id == *topic).map(|it| it.partitions)
    }
}

impl Topics for Cluster {
    fn version(&self) -> i64 {
        self.version
    }

    fn topic(&self, name: &str) -> Option<TopicMetadata> {
        self.topics.get(name).copied()
    }

    fn name(&self, id: &TopicId) -> Option<Text> {
        self.topics.iter().find(|(_, topic)| topic.id == *id).map(|(name, _)| name.clone())
    }

    fn names(&self) -> Vec<Text> {
        self.topics.keys().cloned().collect()
    }

    fn racks(&self, _: &TopicId, _: i32) -> Vec<Text> {
        Vec::new()
    }
}

pub(super) fn heartbeat(verb: &str, words: &Words<'_>, cluster: &Cluster, fresh_id: u128) -> Heartbeat {
    let joins = verb == "hello";
    let list = |key| words.text(key).map(|it| it.split(',').map(Text::from).collect::<Vec<_>>());
    let owned = words.text("owns").map(|owns| {
        let mut owned = Partitions::new();
        for (name, partition) in owns.split(',').filter_map(partition_name) {
            // Who names what never was has nothing of it.
            if let Some((id, _)) = cluster.names.iter().rfind(|(_, it)| **it == name) {
                owned.entry(*id).or_default().insert(partition);
            }
        }
        owned
    });
    Heartbeat {
        group: words.group(),
        member_id: long(words.first()),
        requires_member_id: words.number("v").unwrap_or(1) >= 1,
        epoch: words.number("epoch").unwrap_or(match verb {
            "hello" => JOINING,
            _ => LEAVING,
        }),
        instance_id: words.text("static"),
        rack_id: words.text("rack"),
        rebalance_timeout_ms: match words.text("rebalance") {
            Some(timeout) => ms(&timeout),
            None if joins => 60_000,
            None => -1,
        },
        topics: list("reads"),
        regex: words.text("regex"),
        assignor: words.text("by"),
        reported: owned.or(joins.then(Partitions::new)),
        client_id: Text::from("client"),
        client_host: Text::from("/192.0.2.1"),
        fresh_id: Uuid::from_u128(fresh_id),
        cluster: Arc::new(cluster.clone()),
        settings: cluster.settings,
    }
}

pub(super) fn spoken(answer: &Answer, cluster: &Cluster) -> Option<String> {
    match answer {
        Answer::ConsumerHeartbeat(Ok(answer)) => {
            let assignment = answer.assignment.as_ref().map(|it| format!(" has {}", partitions(it, cluster)));
            Some(format!("epoch {}{}", answer.epoch, assignment.unwrap_or_default()))
        }
        Answer::ConsumerHeartbeat(Err(refused)) => Some(format!("{:?}", refused.refusal)),
        Answer::DescribeConsumers(groups) => {
            let groups = groups.iter().map(|group| match group {
                Ok(group) => described(group, cluster),
                Err(refused) => format!("{:?}", refused.refusal),
            });
            Some(groups.collect::<Vec<_>>().join("; "))
        }
        _ => None,
    }
}

fn described(group: &Description, cluster: &Cluster) -> String {
    let members = group.members.iter().map(|it| {
        let (epoch, target) = (it.member.current.epoch, partitions(&it.target, cluster));
        format!(", {} at {epoch} has {} of {target}", it.id, owned(&it.member.current.assigned, cluster))
    });
    let (state, epoch, of, by) = (group.state, group.epoch, group.assignment_epoch, group.assignor);
    format!("{} {state} epoch {epoch} assigned {of} {by}{}", group.group, members.collect::<String>())
}

pub(super) fn said_change(group: &Text, change: &Change, cluster: &Cluster) -> String {
    let what = match change {
        Change::Epoch(None) => "is no more".to_owned(),
        Change::Epoch(Some(it)) => format!("epoch {}", it.epoch),
        Change::TopicMetadata(_) => "needs no topics".to_owned(),
        Change::Member { member, subscription: None } => format!("without {member}"),
        Change::Member { member, subscription: Some(it) } => {
            let instance = it.instance_id.as_ref().map(|id| format!("({id})")).unwrap_or_default();
            let names: Vec<&str> = it.topics.iter().chain(it.regex()).map(Text::as_str).collect();
            let classic = it.classic.as_ref().map(|classic| {
                let names: Vec<&str> = classic.protocols.iter().map(|(name, _)| name.as_str()).collect();
                format!(", classic {}", names.join(","))
            });
            format!("{member}{instance} reads {}{}", names.join(","), classic.unwrap_or_default())
        }
        Change::TargetEpoch(None) => "has no targets".to_owned(),
        Change::TargetEpoch(Some(it)) => format!("targets of epoch {}", it.epoch),
        Change::Target { member, partitions: None } => format!("no target for {member}"),
        Change::Target { member, partitions: Some(it) } => {
            format!("target for {member}: {}", partitions(it, cluster))
        }
        Change::Current { member, current: None } => format!("{member} has nothing"),
        Change::Current { member, current: Some(it) } => said_current(member, it, cluster),
        Change::Regex { regex, resolved: None } => format!("without {regex}"),
        Change::Regex { regex, resolved: Some(it) } => {
            let topics: Vec<&str> = it.topics.iter().map(Text::as_str).collect();
            format!("{regex} is {}", topics.join(","))
        }
    };
    format!("log: {group} {what}")
}

fn said_current(member: &Text, current: &Current, cluster: &Cluster) -> String {
    let revoking = match current.revoking.is_empty() {
        true => String::new(),
        false => format!(", gives back {}", owned(&current.revoking, cluster)),
    };
    let (epoch, before, assigned) =
        (current.epoch, current.previous_epoch, owned(&current.assigned, cluster));
    format!("{member} {before}->{epoch} {:?} has {assigned}{revoking}", current.state)
}

fn owned(owned: &Owned, cluster: &Cluster) -> String {
    let topics = owned.iter().map(|(topic, at)| (*topic, at.keys().copied().collect()));
    partitions(&topics.collect(), cluster)
}

/// `t-0,1 u-3`
fn partitions(partitions: &Partitions, cluster: &Cluster) -> String {
    let topics = partitions.iter().map(|(topic, partitions)| {
        let partitions: Vec<String> = partitions.iter().map(i32::to_string).collect();
        format!("{}-{}", cluster.names.get(topic).expect("a topic"), partitions.join(","))
    });
    let text = topics.collect::<Vec<_>>().join(" ");
    if text.is_empty() { "-".to_owned() } else { text }
}

/// The metadata of a classic consumer that reads these topics, named by a letter each, and has these partitions; `?` is
/// no such metadata.
pub(super) fn subscription(topics: &str, owns: Option<&str>) -> Bytes {
    if topics == "?" {
        return Bytes::from_static(b"?");
    }
    let topics = topics.chars().map(|topic| Text::from(topic.to_string())).collect();
    let owned_partitions = owns.into_iter().flat_map(|it| it.split(',')).filter_map(partition_name);
    let owned_partitions: Vec<Had> =
        owned_partitions.map(|(topic, at)| Had { topic, partitions: vec![at] }).collect();
    // What version 0 cannot say is said by version 1.
    let version = i16::from(owns.is_some());
    versioned(&ConsumerProtocolSubscription { topics, owned_partitions, ..Default::default() }, version)
}

/// What a leader gives a member: `[t-0,t-1]` as consumers say it, anything else as it is.
pub(super) fn work(text: &str) -> Bytes {
    let Some(partitions) = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) else {
        return Bytes::copy_from_slice(text.as_bytes());
    };
    let (partitions, user_data) = partitions
        .split_once('+')
        .map_or((partitions, None), |(it, data)| (it, Some(Bytes::copy_from_slice(data.as_bytes()))));
    let assigned_partitions = partitions.split(',').filter_map(partition_name);
    let assigned_partitions =
        assigned_partitions.map(|(topic, at)| Given { topic, partitions: vec![at] }).collect();
    versioned(&ConsumerProtocolAssignment { assigned_partitions, user_data }, 0)
}

/// [`work`], back to text.
pub(super) fn shown_work(bytes: &Bytes) -> Option<String> {
    let version = i16::from_be_bytes(*bytes.first_chunk()?);
    let mut reader = Reader::new(bytes.slice(2..));
    let work: ConsumerProtocolAssignment = decode_from(&mut reader, version).ok()?;
    let partitions = work.assigned_partitions.iter().flat_map(|topic| {
        topic.partitions.iter().map(|at| format!("{}-{at}", topic.topic)).collect::<Vec<_>>()
    });
    Some(format!("[{}]", partitions.collect::<Vec<_>>().join(",")))
}

fn versioned<M: Message>(message: &M, version: i16) -> Bytes {
    let body = encode(message, version).expect("it fits");
    [&version.to_be_bytes()[..], &body].concat().into()
}
