//! CreatePartitions (Kafka's `ReplicationControlManager.createPartitions`).

use crate::controller::{Controller, check_record_count, decide_each};
use crate::create_topics::{ALL_FENCED, all_fenced_in_assignment};
use crate::placement::{self, UsableBroker};
use crate::refusal::Refusal;
use ottla_ids::NodeId;
use ottla_metadata::{MetadataRecord, Partition};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use ottla_state_machine::Decision;

impl Controller<'_> {
    /// Adds partitions to topics: per topic of the request, in its order, whether it got them. A name
    /// that is there twice is refused twice.
    ///
    /// # Errors
    /// The request as a whole is refused when it is too large.
    pub fn create_partitions(
        &mut self,
        request: &CreatePartitionsRequest,
    ) -> Decision<Result<Vec<Result<(), Refusal>>, Refusal>, MetadataRecord> {
        decide_each(
            &request.topics,
            |it| &it.name,
            request.validate_only,
            |topic, records| self.add_partitions(topic, records),
        )
    }

    fn add_partitions(
        &mut self,
        request: &CreatePartitionsTopic,
        records: &mut Vec<MetadataRecord>,
    ) -> Result<(), Refusal> {
        let unknown = || Refusal::of(ErrorCode::UnknownTopicOrPartition);
        let topic = self.image.topic(&request.name).ok_or_else(unknown)?.clone();
        let count = topic.partition_count();
        if request.count == count {
            let message = format!("Topic already has {count} partition(s).");
            return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
        }
        if request.count < count {
            return Err(Refusal::new(
                ErrorCode::InvalidPartitions,
                format!(
                    "The topic {} currently has {count} partition(s); {} would not be an increase.",
                    request.name, request.count
                ),
            ));
        }
        let additional = usize::try_from(request.count - count).unwrap_or(0);
        // More than could be written; do not even place them.
        check_record_count(records.len().saturating_add(additional))?;
        let replica_count = topic.partitions.values().next().map_or(0, |partition| partition.replicas.len());
        let partitions = match &request.assignments {
            Some(assignments) => {
                if assignments.len() != additional {
                    return Err(Refusal::new(
                        ErrorCode::InvalidReplicaAssignment,
                        format!(
                            "Attempted to add {additional} additional partition(s), but only {} assignment(s) \
                             were specified.",
                            assignments.len()
                        ),
                    ));
                }
                (count..)
                    .zip(assignments)
                    .map(|(index, assignment)| {
                        let replicas: Vec<NodeId> =
                            assignment.broker_ids.iter().copied().map(NodeId).collect();
                        self.check_manual_assignment(&replicas, Some(replica_count))?;
                        self.new_partition(replicas).ok_or_else(|| all_fenced_in_assignment(index))
                    })
                    .collect::<Result<Vec<Partition>, Refusal>>()?
            }
            None => {
                let replication_factor = i16::try_from(replica_count).unwrap_or(i16::MAX);
                let refuse = |message: String| Refusal::new(ErrorCode::InvalidReplicationFactor, message);
                let brokers: Vec<UsableBroker> = self.usable_brokers().collect();
                let placed = placement::place(brokers, additional, replication_factor, self.random)
                    .map_err(|error| refuse(error.to_string()))?;
                let all_fenced = || {
                    refuse(format!(
                        "Unable to replicate the partition {replication_factor} time(s): {ALL_FENCED}"
                    ))
                };
                placed
                    .into_iter()
                    .map(|replicas| self.new_partition(replicas).ok_or_else(all_fenced))
                    .collect::<Result<Vec<Partition>, Refusal>>()?
            }
        };
        records.extend(
            (count..)
                .zip(&partitions)
                .map(|(index, partition)| MetadataRecord::Partition(partition.to_record(topic.id, index))),
        );
        Ok(())
    }
}
