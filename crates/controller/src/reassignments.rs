//! Reassignments of partitions to other brokers (KIP-455; Kafka's `ReplicationControlManager` and
//! `PartitionReassignmentReplicas`).
//!
//! One that needs no new replica in sync is done at once. Any other is written down as under way; what ends it is a
//! change of the ISR, which comes with replication.

use crate::controller::{Controller, NO_LEADER, check_record_count, numbers};
use crate::refusal::Refusal;
use ottla_ids::{NodeId, TopicId, Uuid};
use ottla_metadata::{MetadataRecord, Partition};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition,
};
use ottla_protocol::records::metadata::PartitionChangeRecord;
use ottla_state_machine::Decision;
use std::collections::BTreeSet;

impl Controller<'_> {
    /// Changes on which brokers partitions lie, or gives a change up: per partition of the request, in its order,
    /// whether that is so. Each is decided from what the partition is now, also where it is there twice.
    ///
    /// # Errors
    /// The request as a whole is refused when it is too large.
    pub fn alter_partition_reassignments(
        &mut self,
        request: &AlterPartitionReassignmentsRequest,
    ) -> Decision<Result<Vec<Result<(), Refusal>>, Refusal>, MetadataRecord> {
        let mut records = Vec::new();
        let mut answers = Vec::new();
        for topic in &request.topics {
            for partition in &topic.partitions {
                let record = self.reassign(&topic.name, partition, request.allow_replication_factor_change);
                answers
                    .push(record.map(|record| records.extend(record.map(MetadataRecord::PartitionChange))));
                if let Err(refusal) = check_record_count(records.len()) {
                    return Decision::answer(Err(refusal));
                }
            }
        }
        Decision::write(records, Ok(answers))
    }

    fn reassign(
        &self,
        topic: &str,
        target: &ReassignablePartition,
        may_change_count: bool,
    ) -> Result<Option<PartitionChangeRecord>, Refusal> {
        let unknown = |what: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, what);
        let Some(found) = self.image.topic(topic) else {
            return Err(unknown(format!("Unable to find a topic named {topic}.")));
        };
        let index = target.partition_index;
        let Some(partition) = found.partition(index) else {
            return Err(unknown(format!("Unable to find partition {topic}:{index}.")));
        };
        match &target.replicas {
            None => self.cancel(topic, found.id, index, partition).map(Some),
            Some(replicas) => {
                let replicas: Vec<NodeId> = replicas.iter().copied().map(NodeId).collect();
                self.check_manual_assignment(&replicas, None)?;
                let before = settled_count(partition);
                if !may_change_count && before != replicas.len() {
                    return Err(Refusal::new(
                        ErrorCode::InvalidReplicationFactor,
                        format!("The replication factor is changed from {before} to {}", replicas.len()),
                    ));
                }
                Ok(self.move_to(found.id, index, partition, &replicas))
            }
        }
    }

    /// Back to the replicas from before the reassignment.
    fn cancel(
        &self,
        topic: &str,
        topic_id: TopicId,
        index: i32,
        partition: &Partition,
    ) -> Result<PartitionChangeRecord, Refusal> {
        if !partition.is_reassigning() {
            return Err(Refusal::of(ErrorCode::NoReassignmentInProgress));
        }
        let without_new = |nodes: &[NodeId]| -> Vec<NodeId> {
            nodes.iter().copied().filter(|node| !partition.adding_replicas.contains(node)).collect()
        };
        let isr = without_new(&partition.isr);
        // None of the old replicas has everything. Kafka would do it where unclean elections are allowed.
        if isr.is_empty() {
            return Err(Refusal::new(
                ErrorCode::InvalidReplicaAssignment,
                format!(
                    "Unable to revert partition assignment for {topic}:{index} because it would require an \
                     unclean leader election."
                ),
            ));
        }
        Ok(self.change(
            topic_id,
            index,
            partition,
            Wanted {
                replicas: without_new(&partition.replicas),
                isr,
                removing: Vec::new(),
                adding: Vec::new(),
            },
        ))
    }

    /// Nothing where the partition is as it should be.
    fn move_to(
        &self,
        topic_id: TopicId,
        index: i32,
        partition: &Partition,
        target: &[NodeId],
    ) -> Option<PartitionChangeRecord> {
        let before: BTreeSet<NodeId> = partition.replicas.iter().copied().collect();
        let after: BTreeSet<NodeId> = target.iter().copied().collect();
        let mut removing: Vec<NodeId> = before.difference(&after).copied().collect();
        let mut adding: Vec<NodeId> = after.difference(&before).copied().collect();
        let mut replicas = target.to_vec();
        replicas.extend(&removing);
        // What an earlier reassignment began goes on, where this one says nothing of it.
        if removing.is_empty() {
            removing.clone_from(&partition.removing_replicas);
        }
        if adding.is_empty() {
            adding.clone_from(&partition.adding_replicas);
        }
        let mut wanted = Wanted { replicas, isr: partition.isr.clone(), removing, adding };
        wanted.settle();
        let as_it_is = wanted.replicas == partition.replicas
            && wanted.isr == partition.isr
            && wanted.removing == partition.removing_replicas
            && wanted.adding == partition.adding_replicas;
        (!as_it_is).then(|| self.change(topic_id, index, partition, wanted))
    }

    /// The record from one state to another. The leader stays where it can; a new leader epoch begins where a
    /// replica goes.
    fn change(
        &self,
        topic_id: TopicId,
        index: i32,
        partition: &Partition,
        wanted: Wanted,
    ) -> PartitionChangeRecord {
        let changed = |after: &[NodeId], before: &[NodeId]| (after != before).then(|| numbers(after));
        let mut record = PartitionChangeRecord {
            partition_id: index,
            topic_id,
            isr: changed(&wanted.isr, &partition.isr),
            replicas: changed(&wanted.replicas, &partition.replicas),
            removing_replicas: changed(&wanted.removing, &partition.removing_replicas),
            adding_replicas: changed(&wanted.adding, &partition.adding_replicas),
            ..PartitionChangeRecord::default()
        };
        if record.replicas.is_some() && self.metadata_version().has_directories() {
            let directory =
                |node: &NodeId| partition.directory(*node).unwrap_or_else(|| self.default_directory(*node));
            let directories: Vec<Uuid> = wanted.replicas.iter().map(directory).collect();
            record.directories = (directories != partition.directories).then_some(directories);
        }
        let leader = partition.leader.filter(|leader| wanted.isr.contains(leader));
        let loses_one = partition.replicas.iter().any(|node| !wanted.replicas.contains(node));
        if leader != partition.leader || loses_one {
            let can_lead = |node: &&NodeId| wanted.isr.contains(node) && self.image.is_active(**node);
            let next = leader.or_else(|| wanted.replicas.iter().find(can_lead).copied());
            record.leader = next.map_or(NO_LEADER, |node| node.0);
        }
        record
    }
}

/// What a partition's record is to say.
struct Wanted {
    replicas: Vec<NodeId>,
    isr: Vec<NodeId>,
    removing: Vec<NodeId>,
    adding: Vec<NodeId>,
}

impl Wanted {
    /// Ends the reassignment where all that stay are in sync.
    fn settle(&mut self) {
        if self.removing.is_empty() && self.adding.is_empty() {
            return;
        }
        let stay = |nodes: &[NodeId]| -> Vec<NodeId> {
            nodes.iter().copied().filter(|node| !self.removing.contains(node)).collect()
        };
        let (replicas, isr) = (stay(&self.replicas), stay(&self.isr));
        if isr.is_empty() || replicas.is_empty() || !replicas.iter().all(|node| isr.contains(node)) {
            return;
        }
        *self = Wanted { replicas, isr, removing: Vec::new(), adding: Vec::new() };
    }
}

/// How many replicas a partition has when its reassignment, if there is one, is through.
fn settled_count(partition: &Partition) -> usize {
    let mut replicas: BTreeSet<NodeId> = partition.replicas.iter().copied().collect();
    replicas.extend(&partition.adding_replicas);
    replicas.retain(|node| !partition.removing_replicas.contains(node));
    replicas.len()
}
