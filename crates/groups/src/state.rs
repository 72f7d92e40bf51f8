//! What survives: the state that the records of `__consumer_offsets` add up to.

use crate::classic::Metadata;
use crate::consumer;
use crate::records::Record;
use ottla_ids::{ProducerId, Uuid};
use ottla_protocol::Text;
use ottla_state_machine::Machine;
use std::collections::BTreeMap;

/// One remembered offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The next offset the group wants to read.
    pub offset: i64,
    /// The leader epoch of the last record read; -1 when unknown.
    pub leader_epoch: i32,
    /// What the client remembers with it.
    pub metadata: Text,
    /// When it was committed, in milliseconds since 1970.
    pub committed_at_ms: i64,
    /// When it expires, where the client said so, in milliseconds since 1970.
    pub expires_at_ms: Option<i64>,
    /// The topic's id; zero when unknown.
    pub topic_id: Uuid,
}

/// What is written down of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredGroup {
    /// Members and assignments of the last generation that got one; `None` for who only stores offsets.
    pub classic: Option<Metadata>,
    /// The consumer group; a group is not of both kinds.
    pub consumer: Option<Box<consumer::Group>>,
    offsets: BTreeMap<Text, BTreeMap<i32, Stored>>,
}

/// An offset and its place in the history: a transaction's offset yields to a later plain commit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    commit: Commit,
    sequence: u64,
}

impl StoredGroup {
    /// The offset remembered for a partition.
    pub fn offset(&self, topic: &str, partition: i32) -> Option<&Commit> {
        self.offsets.get(topic)?.get(&partition).map(|stored| &stored.commit)
    }

    /// All offsets: topic, partition, offset.
    pub fn offsets(&self) -> impl Iterator<Item = (&Text, i32, &Commit)> {
        self.offsets
            .iter()
            .flat_map(|(topic, partitions)| partitions.iter().map(move |(at, it)| (topic, *at, &it.commit)))
    }

    /// Topics with the offsets of their partitions.
    pub fn topics(&self) -> impl Iterator<Item = (&Text, impl Iterator<Item = (i32, &Commit)>)> {
        self.offsets
            .iter()
            .map(|(topic, partitions)| (topic, partitions.iter().map(|(at, stored)| (*at, &stored.commit))))
    }

    /// The offsets of one topic.
    pub fn partitions(&self, topic: &str) -> impl Iterator<Item = (i32, &Commit)> {
        let partitions = self.offsets.get(topic).into_iter().flatten();
        partitions.map(|(at, stored)| (*at, &stored.commit))
    }

    /// The topic's name as it is kept, if it has offsets.
    pub(crate) fn topic_name(&self, topic: &str) -> Option<&Text> {
        self.offsets.get_key_value(topic).map(|(name, _)| name)
    }

    fn put(&mut self, topic: &Text, partition: i32, stored: Stored) {
        match self.offsets.get_mut(topic) {
            Some(partitions) => drop(partitions.insert(partition, stored)),
            None => drop(self.offsets.insert(topic.clone(), BTreeMap::from([(partition, stored)]))),
        }
    }

    fn remove(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.offsets.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.offsets.remove(topic);
            }
        }
    }

    fn is_nothing(&self) -> bool {
        self.classic.is_none() && self.consumer.is_none() && self.offsets.is_empty()
    }
}

/// Group, topic, partition.
type PendingKey = (Text, Text, i32);

/// All groups of one partition of `__consumer_offsets`, as its records add up to.
///
/// Invariant: a group without metadata and without offsets is not kept, nor a transaction without offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    groups: BTreeMap<Text, StoredGroup>,
    /// Offsets that count once their transaction commits.
    pending: BTreeMap<ProducerId, BTreeMap<PendingKey, Stored>>,
    /// Counts the records replayed.
    sequence: u64,
}

impl State {
    /// What is written down of `group`.
    pub fn group(&self, group: &str) -> Option<&StoredGroup> {
        self.groups.get(group)
    }

    /// All groups that anything is written down of.
    pub fn groups(&self) -> impl Iterator<Item = (&Text, &StoredGroup)> {
        self.groups.iter()
    }

    /// Whether an open transaction has an offset for the partition.
    pub fn has_pending_offset(&self, group: &Text, topic: &Text, partition: i32) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let key = (group.clone(), topic.clone(), partition);
        self.pending.values().any(|offsets| offsets.contains_key(&key))
    }

    /// The partitions of `group` that open transactions have offsets for, one transaction after another.
    pub fn pending_offsets<'a>(&'a self, group: &'a str) -> impl Iterator<Item = (&'a Text, i32)> {
        self.pending
            .values()
            .flat_map(|offsets| offsets.keys())
            .filter(move |(of, _, _)| **of == *group)
            .map(|(_, topic, partition)| (topic, *partition))
    }

    /// The groups that open transactions have offsets for.
    pub fn pending_groups(&self) -> impl Iterator<Item = &Text> {
        self.pending.values().flat_map(|offsets| offsets.keys()).map(|(group, _, _)| group)
    }

    fn forget_if_nothing(&mut self, group: &Text) {
        if self.groups.get(group).is_some_and(StoredGroup::is_nothing) {
            self.groups.remove(group);
        }
    }
}

impl Machine for State {
    type Record = Record;

    fn replay(&mut self, record: &Record) {
        self.sequence += 1;
        let sequence = self.sequence;
        match record {
            Record::Classic { group, metadata: Some(metadata) } => {
                self.groups.entry(group.clone()).or_default().classic = Some(metadata.clone());
            }
            Record::Classic { group, metadata: None } => {
                if let Some(stored) = self.groups.get_mut(group) {
                    stored.classic = None;
                }
                self.forget_if_nothing(group);
            }
            Record::Consumer { group, change: consumer::Change::Epoch(None) } => {
                if let Some(stored) = self.groups.get_mut(group) {
                    stored.consumer = None;
                }
                self.forget_if_nothing(group);
            }
            Record::Consumer { group, change } => {
                // What is not there cannot be taken away: compaction may have left the tombstone alone.
                let known = self.groups.get(group).is_some_and(|stored| stored.consumer.is_some());
                if known || !change.is_tombstone() {
                    let stored = self.groups.entry(group.clone()).or_default();
                    stored.consumer.get_or_insert_default().replay(change);
                }
            }
            Record::Offset { group, topic, partition, commit: Some(commit) } => {
                let stored = Stored { commit: commit.clone(), sequence };
                // A million of them are replayed at a start: nothing is cloned that is there already.
                match self.groups.get_mut(group) {
                    Some(known) => known.put(topic, *partition, stored),
                    None => self.groups.entry(group.clone()).or_default().put(topic, *partition, stored),
                }
            }
            Record::Offset { group, topic, partition, commit: None } => {
                if let Some(stored) = self.groups.get_mut(group) {
                    stored.remove(topic, *partition);
                }
                self.forget_if_nothing(group);
                if !self.pending.is_empty() {
                    let key = (group.clone(), topic.clone(), *partition);
                    self.pending.retain(|_, offsets| {
                        offsets.remove(&key);
                        !offsets.is_empty()
                    });
                }
            }
            Record::PendingOffset { producer, group, topic, partition, commit } => {
                let stored = Stored { commit: commit.clone(), sequence };
                let key = (group.clone(), topic.clone(), *partition);
                self.pending.entry(*producer).or_default().insert(key, stored);
            }
            Record::TransactionEnded { producer, committed } => {
                let offsets = self.pending.remove(producer).unwrap_or_default();
                if !committed {
                    return;
                }
                for ((group, topic, partition), stored) in offsets {
                    let into = self.groups.entry(group).or_default();
                    let before = into.offsets.get(&topic).and_then(|partitions| partitions.get(&partition));
                    // Compaction keeps the record written last, so that one must win here too.
                    if before.is_none_or(|before| before.sequence < stored.sequence) {
                        into.put(&topic, partition, stored);
                    }
                }
            }
        }
    }
}
