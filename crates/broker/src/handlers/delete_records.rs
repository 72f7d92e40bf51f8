//! DeleteRecords (key 21), versions 0–2. Moves the log start offset of partitions led here; -1 means
//! up to the high watermark. What lies below is no longer read, and whole segments below it are removed.

use crate::errors::Refusal;
use crate::topics::{self, TopicKey};
use ottla_controller::is_internal_topic;
use ottla_ids::Offset;
use ottla_metadata::Image;
use ottla_partition::Partitions;
use ottla_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};
use ottla_protocol::{ErrorCode, Text};

/// Answers DeleteRecords.
pub fn delete_records(
    request: &DeleteRecordsRequest,
    image: &Image,
    partitions: &Partitions,
    now_ms: i64,
) -> DeleteRecordsResponse {
    let topics = request
        .topics
        .iter()
        .map(|topic| DeleteRecordsTopicResult {
            name: topic.name.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|it| answer(it.partition_index, delete(&topic.name, it, image, partitions, now_ms)))
                .collect(),
            ..Default::default()
        })
        .collect();
    DeleteRecordsResponse { topics, ..Default::default() }
}

fn answer(partition_index: i32, deleted: Result<Offset, Refusal>) -> DeleteRecordsPartitionResult {
    let (low_watermark, error_code) = match deleted {
        Ok(offset) => (offset.0, 0),
        Err(refusal) => (-1, refusal.code.into()),
    };
    DeleteRecordsPartitionResult { partition_index, low_watermark, error_code, ..Default::default() }
}

fn delete(
    topic: &Text,
    wanted: &DeleteRecordsPartition,
    image: &Image,
    partitions: &Partitions,
    now_ms: i64,
) -> Result<Offset, Refusal> {
    if is_internal_topic(topic) {
        return Err(ErrorCode::InvalidTopicException.into());
    }
    let topic = topics::find(image, &TopicKey::Name(topic.clone()))?;
    let partition = topics::partition(image, topic, wanted.partition_index, partitions)?;
    Ok(partition.delete_records(wanted.offset, now_ms)?)
}
