//! ListPartitionReassignments (key 46), version 0. Which partitions are on their way to other brokers (KIP-455). Those
//! that are not, or are not there at all, are left out, and so are topics without any.

use ottla_ids::NodeId;
use ottla_metadata::{Image, Topic};
use ottla_protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, OngoingPartitionReassignment,
    OngoingTopicReassignment,
};

/// Answers ListPartitionReassignments.
pub fn list_partition_reassignments(
    request: &ListPartitionReassignmentsRequest,
    image: &Image,
) -> ListPartitionReassignmentsResponse {
    let topics = match &request.topics {
        None => image
            .topics()
            .map(|topic| ongoing(topic, topic.partitions.keys().copied()))
            .filter(|topic| !topic.partitions.is_empty())
            .collect(),
        Some(asked) => asked
            .iter()
            .filter_map(|asked| {
                Some(ongoing(image.topic(&asked.name)?, asked.partition_indexes.iter().copied()))
            })
            .filter(|topic| !topic.partitions.is_empty())
            .collect(),
    };
    ListPartitionReassignmentsResponse { error_message: None, topics, ..Default::default() }
}

fn ongoing(topic: &Topic, partitions: impl Iterator<Item = i32>) -> OngoingTopicReassignment {
    let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
    let partitions = partitions.filter_map(|index| {
        let partition = topic.partition(index).filter(|partition| partition.is_reassigning())?;
        Some(OngoingPartitionReassignment {
            partition_index: index,
            replicas: numbers(&partition.replicas),
            adding_replicas: numbers(&partition.adding_replicas),
            removing_replicas: numbers(&partition.removing_replicas),
            ..Default::default()
        })
    });
    OngoingTopicReassignment {
        name: topic.name.clone(),
        partitions: partitions.collect(),
        ..Default::default()
    }
}
