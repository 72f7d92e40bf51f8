//! OffsetDelete (key 47), version 0 (KIP-496). Offsets of topics that the group's members read stay.

use super::join_group::number;
use ottla_coordinator::GroupCoordinator;
use ottla_groups::DeleteOffsets;
use ottla_metadata::Image;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

/// Answers OffsetDelete.
pub async fn offset_delete(
    request: OffsetDeleteRequest,
    image: &Image,
    groups: &GroupCoordinator,
) -> OffsetDeleteResponse {
    let mut answers = Vec::with_capacity(request.topics.len());
    let mut known = Vec::new();
    for topic in request.topics {
        let (here, gone): (Vec<i32>, Vec<i32>) = topic
            .partitions
            .iter()
            .map(|it| it.partition_index)
            .partition(|at| image.partition(&topic.name, *at).is_some());
        let unknown = gone.into_iter().map(|at| (at, ErrorCode::UnknownTopicOrPartition.into()));
        answers.push((topic.name.clone(), unknown.collect::<Vec<(i32, i16)>>()));
        if !here.is_empty() {
            known.push((topic.name, here));
        }
    }
    if !known.is_empty() || answers.is_empty() {
        match groups.delete_offsets(DeleteOffsets { group: request.group_id, topics: known }).await {
            Err(refusal) => {
                return OffsetDeleteResponse { error_code: number(Some(refusal)), ..Default::default() };
            }
            Ok(outcomes) => {
                for outcome in outcomes {
                    let partitions =
                        outcome.partitions.into_iter().map(|(at, refusal)| (at, number(refusal)));
                    match answers.iter_mut().find(|(name, _)| *name == outcome.name) {
                        Some((_, answer)) => answer.extend(partitions),
                        None => answers.push((outcome.name, partitions.collect())),
                    }
                }
            }
        }
    }
    let topics = answers.into_iter().map(|(name, partitions)| OffsetDeleteResponseTopic {
        name,
        partitions: partitions
            .into_iter()
            .map(|(partition_index, error_code)| OffsetDeleteResponsePartition {
                partition_index,
                error_code,
            })
            .collect(),
    });
    OffsetDeleteResponse { topics: topics.collect(), ..Default::default() }
}
