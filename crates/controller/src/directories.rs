//! Log directories of brokers: where replicas lie, and what happens when a directory is gone (KIP-858;
//! Kafka's `ReplicationControlManager`).

use crate::controller::{Controller, NO_LEADER};
use crate::refusal::Refusal;
use ottla_ids::{BrokerEpoch, NodeId, TopicId, Uuid};
use ottla_metadata::{DirectoryId, MetadataRecord, Partition};
use ottla_protocol::records::metadata::{BrokerRegistrationChangeRecord, PartitionChangeRecord};
use ottla_state_machine::Decision;

impl Controller<'_> {
    /// Notes in which directories of `node` replicas lie. What is not there any more is left out: the broker
    /// will hear of it.
    ///
    /// # Errors
    /// The broker is not registered, or was since by another incarnation.
    pub fn assign_directories(
        &mut self,
        node: NodeId,
        epoch: BrokerEpoch,
        placed: &[(TopicId, i32, Uuid)],
    ) -> Decision<Result<(), Refusal>, MetadataRecord> {
        if let Err(refusal) = self.check_broker_epoch(node, epoch) {
            return Decision::answer(Err(refusal));
        }
        if !self.metadata_version().has_directories() {
            return Decision::answer(Ok(()));
        }
        let mut records = Vec::new();
        for (topic_id, index, directory) in placed {
            let Some(partition) = self.image.topic_by_id(*topic_id).and_then(|it| it.partition(*index))
            else {
                continue;
            };
            let Some(replica) = partition.replicas.iter().position(|replica| *replica == node) else {
                continue;
            };
            let mut directories = partition.directories.clone();
            match directories.get_mut(replica) {
                Some(before) if before != directory => *before = *directory,
                _ => continue,
            }
            records.push(MetadataRecord::PartitionChange(PartitionChangeRecord {
                partition_id: *index,
                topic_id: *topic_id,
                directories: Some(directories),
                ..PartitionChangeRecord::default()
            }));
        }
        Decision::write(records, Ok(()))
    }

    /// These directories of `node` failed: it has the others only, and leads nothing that lies in them.
    ///
    /// The last directory is not taken from a broker: it stops when that one fails.
    ///
    /// # Errors
    /// The broker is not registered, or was since by another incarnation.
    pub fn fail_directories(
        &mut self,
        node: NodeId,
        epoch: BrokerEpoch,
        failed: &[Uuid],
    ) -> Decision<Result<(), Refusal>, MetadataRecord> {
        if let Err(refusal) = self.check_broker_epoch(node, epoch) {
            return Decision::answer(Err(refusal));
        }
        let Some(broker) = self.image.broker(node) else { return Decision::answer(Ok(())) };
        let left: Vec<Uuid> = broker.directories.iter().copied().filter(|id| !failed.contains(id)).collect();
        if left.len() == broker.directories.len() || left.is_empty() {
            return Decision::answer(Ok(()));
        }
        let mut records = self.leave_unreachable(node, &left);
        records.push(MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id: node.0,
            broker_epoch: epoch.0,
            log_dirs: left,
            ..BrokerRegistrationChangeRecord::default()
        }));
        Decision::write(records, Ok(()))
    }

    /// These directories of `node`, and no others, get no new partitions (KIP-1066). Nothing is written where the
    /// metadata says so already, or is too old to say it.
    ///
    /// # Errors
    /// The broker is not registered, or was since by another incarnation.
    pub fn cordon_directories(
        &mut self,
        node: NodeId,
        epoch: BrokerEpoch,
        cordoned: &[Uuid],
    ) -> Decision<Result<(), Refusal>, MetadataRecord> {
        if let Err(refusal) = self.check_broker_epoch(node, epoch) {
            return Decision::answer(Err(refusal));
        }
        let is_said = self.image.broker(node).is_some_and(|broker| broker.cordons_exactly(cordoned));
        if is_said || !self.metadata_version().has_cordoned_directories() {
            return Decision::answer(Ok(()));
        }
        let record = MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id: node.0,
            broker_epoch: epoch.0,
            cordoned_log_dirs: Some(cordoned.to_vec()),
            ..BrokerRegistrationChangeRecord::default()
        });
        Decision::write(vec![record], Ok(()))
    }

    /// What makes `node` no longer lead partitions whose copy lies in none of its directories `online`. It stays
    /// in sync: nobody else has what it has.
    pub(crate) fn leave_unreachable(&self, node: NodeId, online: &[Uuid]) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        for topic in self.image.topics() {
            for (index, partition) in &topic.partitions {
                if partition.leader == Some(node) && !is_reachable(partition, node, online) {
                    records.push(MetadataRecord::PartitionChange(PartitionChangeRecord {
                        partition_id: *index,
                        topic_id: topic.id,
                        leader: NO_LEADER,
                        ..PartitionChangeRecord::default()
                    }));
                }
            }
        }
        records
    }
}

/// Whether the copy of a partition on `node` lies in one of its directories `online`; true where it is not known
/// in which one (Kafka's `DirectoryId.isOnline`).
pub(crate) fn is_reachable(partition: &Partition, node: NodeId, online: &[Uuid]) -> bool {
    match partition.directory(node) {
        None | Some(DirectoryId::UNASSIGNED | DirectoryId::MIGRATING) => true,
        Some(DirectoryId::LOST) => false,
        Some(directory) => online.is_empty() || online.contains(&directory),
    }
}
