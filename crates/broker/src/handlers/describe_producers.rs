//! DescribeProducers (key 61), version 0. The producers that the leader of a partition knows, and where their open
//! transactions begin (KIP-664): for who looks for a transaction that hangs.

use crate::errors::Refusal;
use crate::topics;
use ottla_controller::validate_topic_name;
use ottla_metadata::{Image, Topic};
use ottla_partition::Partitions;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};

/// Answers DescribeProducers. Blocks on the disk where a log is not loaded.
pub fn describe_producers(
    request: &DescribeProducersRequest,
    image: &Image,
    partitions: &Partitions,
) -> DescribeProducersResponse {
    let topics = request.topics.iter().map(|asked| {
        let topic = image.topic(&asked.name);
        let described = asked.partition_indexes.iter().map(|index| match topic {
            Some(topic) => described(*index, producers(image, topic, *index, partitions)),
            None => {
                let (error_code, error_message) = Refusal::code_and_message(Some(unknown(&asked.name)));
                PartitionResponse { partition_index: *index, error_code, error_message, ..Default::default() }
            }
        });
        TopicResponse { name: asked.name.clone(), partitions: described.collect(), ..Default::default() }
    });
    DescribeProducersResponse { topics: topics.collect(), ..Default::default() }
}

/// Why there is no such topic: nobody has created it, or nobody can.
fn unknown(name: &str) -> Refusal {
    match validate_topic_name(name) {
        Ok(()) => {
            let code = ErrorCode::UnknownTopicOrPartition;
            Refusal::new(code, code.message())
        }
        Err(error) => Refusal::new(ErrorCode::InvalidTopicException, error.to_string()),
    }
}

fn described(partition_index: i32, found: Result<Vec<ProducerState>, Refusal>) -> PartitionResponse {
    match found {
        Ok(active_producers) => PartitionResponse { partition_index, active_producers, ..Default::default() },
        // Without a text, as in Kafka.
        Err(refusal) => {
            PartitionResponse { partition_index, error_code: refusal.code.into(), ..Default::default() }
        }
    }
}

/// The producers of one partition, in the order of their ids.
fn producers(
    image: &Image,
    topic: &Topic,
    index: i32,
    partitions: &Partitions,
) -> Result<Vec<ProducerState>, Refusal> {
    let partition = topics::partition(image, topic, index, partitions)?;
    let mut producers = partition.producers()?;
    producers.sort_unstable_by_key(|producer| producer.producer_id);
    let told = producers.iter().map(|producer| ProducerState {
        producer_id: producer.producer_id.0,
        producer_epoch: producer.epoch.0.into(),
        last_sequence: producer.last_sequence(),
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.transaction_start.map_or(-1, |offset| offset.0),
        ..Default::default()
    });
    Ok(told.collect())
}
