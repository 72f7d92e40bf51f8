//! OffsetForLeaderEpoch (key 23), versions 2–4. Where an epoch ended in the leader's log (KIP-101): a
//! reader whose log goes further must cut back (KIP-320).

use crate::errors::Refusal;
use crate::topics::{self, TopicKey};
use ottla_ids::{LeaderEpoch, Offset};
use ottla_metadata::Image;
use ottla_partition::Partitions;
use ottla_protocol::Text;
use ottla_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};

/// Answers OffsetForLeaderEpoch.
pub fn offset_for_leader_epoch(
    request: &OffsetForLeaderEpochRequest,
    image: &Image,
    partitions: &Partitions,
) -> OffsetForLeaderEpochResponse {
    let topics = request
        .topics
        .iter()
        .map(|topic| OffsetForLeaderTopicResult {
            topic: topic.topic.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|it| answer(it.partition, find(&topic.topic, it, image, partitions)))
                .collect(),
            ..Default::default()
        })
        .collect();
    OffsetForLeaderEpochResponse { topics, ..Default::default() }
}

fn find(
    topic: &Text,
    wanted: &OffsetForLeaderPartition,
    image: &Image,
    partitions: &Partitions,
) -> Result<Option<(LeaderEpoch, Offset)>, Refusal> {
    let topic = topics::find(image, &TopicKey::Name(topic.clone()))?;
    let partition = topics::partition(image, topic, wanted.partition, partitions)?;
    topics::check_epoch(&partition, wanted.current_leader_epoch)?;
    Ok(partition.end_offset_for_epoch(LeaderEpoch(wanted.leader_epoch))?)
}

fn answer(partition: i32, found: Result<Option<(LeaderEpoch, Offset)>, Refusal>) -> EpochEndOffset {
    let mut answer = EpochEndOffset { partition, ..Default::default() };
    match found {
        Ok(Some((epoch, end))) => {
            answer.leader_epoch = epoch.0;
            answer.end_offset = end.0;
        }
        Ok(None) => {}
        Err(refusal) => answer.error_code = refusal.code.into(),
    }
    answer
}
