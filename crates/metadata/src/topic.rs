//! Topics and their partitions.

use ottla_ids::{LeaderEpoch, NodeId, PartitionEpoch, TopicId, Uuid};
use ottla_protocol::Text;
use ottla_protocol::records::metadata::{PartitionChangeRecord, PartitionRecord};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Kafka's reserved directory ids (KIP-858).
pub struct DirectoryId;

impl DirectoryId {
    /// The replica's directory is not known: the record was written before directories were.
    pub const MIGRATING: Uuid = Uuid::from_u128(0);
    /// The broker is free to choose a directory.
    pub const UNASSIGNED: Uuid = Uuid::from_u128(1);
    /// The directory is gone, the broker does not say which one it was.
    pub const LOST: Uuid = Uuid::from_u128(2);

    /// Whether `id` names no real directory.
    pub fn is_reserved(id: Uuid) -> bool {
        u128::from_be_bytes(*id.as_bytes()) < 100
    }
}

/// Whether a partition's leader was elected uncleanly and has yet to recover (KIP-704).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderRecoveryState {
    /// The ordinary state.
    #[default]
    Recovered,
    /// Elected from outside the in-sync replicas.
    Recovering,
}

impl LeaderRecoveryState {
    fn from_id(id: i8) -> LeaderRecoveryState {
        if id == 1 { LeaderRecoveryState::Recovering } else { LeaderRecoveryState::Recovered }
    }

    /// The number in records and requests.
    pub fn id(self) -> i8 {
        match self {
            LeaderRecoveryState::Recovered => 0,
            LeaderRecoveryState::Recovering => 1,
        }
    }
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Text,
    /// Its identity: a topic deleted and created again has another.
    pub id: TopicId,
    /// By index; Kafka numbers them from 0 without gaps.
    pub partitions: BTreeMap<i32, Arc<Partition>>,
}

impl Topic {
    /// The partition with this index.
    pub fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(&index)
    }

    /// How many partitions it has.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}

/// The controller's state of one partition (Kafka's `PartitionRegistration`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// The brokers that keep a copy; the first one is the preferred leader.
    pub replicas: Vec<NodeId>,
    /// The directory of each replica, in the order of `replicas`.
    pub directories: Vec<Uuid>,
    /// The replicas that have all that is committed.
    pub isr: Vec<NodeId>,
    /// Replicas on their way out by a reassignment.
    pub removing_replicas: Vec<NodeId>,
    /// Replicas on their way in by a reassignment.
    pub adding_replicas: Vec<NodeId>,
    /// Who leads; `None` while nobody can.
    pub leader: Option<NodeId>,
    /// Whether the leader was elected uncleanly and has yet to recover.
    pub leader_recovery_state: LeaderRecoveryState,
    /// Counts the leaders.
    pub leader_epoch: LeaderEpoch,
    /// Counts the changes of this state.
    pub partition_epoch: PartitionEpoch,
    /// Replicas outside the ISR that may still be elected without loss (KIP-966).
    pub eligible_leader_replicas: Vec<NodeId>,
    /// Members of the ELR that were lost uncleanly.
    pub last_known_elr: Vec<NodeId>,
}

/// The leader field of a record: nobody.
const NO_LEADER: i32 = -1;
/// The leader field of a change record: as before.
const NO_LEADER_CHANGE: i32 = -2;

impl Partition {
    /// The directory of the copy on `node`.
    pub fn directory(&self, node: NodeId) -> Option<Uuid> {
        let index = self.replicas.iter().position(|replica| *replica == node)?;
        self.directories.get(index).copied()
    }

    /// The first replica: leadership returns to it.
    pub fn preferred_leader(&self) -> Option<NodeId> {
        self.replicas.first().copied()
    }

    /// Whether `node` keeps a copy.
    pub fn is_replica(&self, node: NodeId) -> bool {
        self.replicas.contains(&node)
    }

    /// Whether replicas are on their way in or out.
    pub fn is_reassigning(&self) -> bool {
        !self.adding_replicas.is_empty() || !self.removing_replicas.is_empty()
    }

    pub(crate) fn has_elr(&self) -> bool {
        !self.eligible_leader_replicas.is_empty() || !self.last_known_elr.is_empty()
    }

    /// Forgets the ELR; like every change, this raises the partition epoch.
    pub(crate) fn clear_elr(&mut self) {
        self.eligible_leader_replicas.clear();
        self.last_known_elr.clear();
        self.partition_epoch = PartitionEpoch(self.partition_epoch.0.saturating_add(1));
    }

    pub(crate) fn from_record(record: &PartitionRecord) -> Partition {
        let replicas = nodes(&record.replicas);
        Partition {
            directories: directories_of(&record.directories, replicas.len()),
            replicas,
            isr: nodes(&record.isr),
            removing_replicas: nodes(&record.removing_replicas),
            adding_replicas: nodes(&record.adding_replicas),
            leader: leader(record.leader),
            leader_recovery_state: LeaderRecoveryState::from_id(record.leader_recovery_state),
            leader_epoch: LeaderEpoch(record.leader_epoch),
            partition_epoch: PartitionEpoch(record.partition_epoch),
            eligible_leader_replicas: nodes(record.eligible_leader_replicas.as_deref().unwrap_or_default()),
            last_known_elr: nodes(record.last_known_elr.as_deref().unwrap_or_default()),
        }
    }

    /// The record that sets this state for partition `index` of topic `topic_id`.
    pub fn to_record(&self, topic_id: TopicId, index: i32) -> PartitionRecord {
        PartitionRecord {
            partition_id: index,
            topic_id,
            replicas: numbers(&self.replicas),
            isr: numbers(&self.isr),
            removing_replicas: numbers(&self.removing_replicas),
            adding_replicas: numbers(&self.adding_replicas),
            leader: self.leader.map_or(NO_LEADER, |node| node.0),
            leader_recovery_state: self.leader_recovery_state.id(),
            leader_epoch: self.leader_epoch.0,
            partition_epoch: self.partition_epoch.0,
            directories: self.directories.clone(),
            eligible_leader_replicas: some_unless_empty(&self.eligible_leader_replicas),
            last_known_elr: some_unless_empty(&self.last_known_elr),
            ..PartitionRecord::default()
        }
    }

    /// This state with what `record` changes. Naming a leader, even the same one, begins a new leader
    /// epoch; every change raises the partition epoch.
    pub(crate) fn changed_by(&self, record: &PartitionChangeRecord) -> Partition {
        let replicas = record.replicas.as_deref().map_or_else(|| self.replicas.clone(), nodes);
        let directories = record.directories.as_deref().unwrap_or(&self.directories);
        let or_same = |field: &Option<Vec<i32>>, before: &[NodeId]| {
            field.as_deref().map_or_else(|| before.to_vec(), nodes)
        };
        Partition {
            directories: directories_of(directories, replicas.len()),
            replicas,
            isr: or_same(&record.isr, &self.isr),
            removing_replicas: or_same(&record.removing_replicas, &self.removing_replicas),
            adding_replicas: or_same(&record.adding_replicas, &self.adding_replicas),
            leader: if record.leader == NO_LEADER_CHANGE { self.leader } else { leader(record.leader) },
            leader_recovery_state: match record.leader_recovery_state {
                -1 => self.leader_recovery_state,
                id => LeaderRecoveryState::from_id(id),
            },
            leader_epoch: if record.leader == NO_LEADER_CHANGE {
                self.leader_epoch
            } else {
                LeaderEpoch(self.leader_epoch.0.saturating_add(1))
            },
            partition_epoch: PartitionEpoch(self.partition_epoch.0.saturating_add(1)),
            eligible_leader_replicas: or_same(
                &record.eligible_leader_replicas,
                &self.eligible_leader_replicas,
            ),
            last_known_elr: or_same(&record.last_known_elr, &self.last_known_elr),
        }
    }
}

fn leader(id: i32) -> Option<NodeId> {
    (id >= 0).then_some(NodeId(id))
}

fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

fn numbers(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

/// Tagged fields are written only when they say something.
fn some_unless_empty(nodes: &[NodeId]) -> Option<Vec<i32>> {
    (!nodes.is_empty()).then(|| numbers(nodes))
}

/// One directory per replica: records that name none, or another number than there are replicas, say
/// nothing about directories (Kafka's `defaultToMigrating`).
fn directories_of(directories: &[Uuid], replicas: usize) -> Vec<Uuid> {
    if directories.len() == replicas { directories.to_vec() } else { vec![DirectoryId::MIGRATING; replicas] }
}
