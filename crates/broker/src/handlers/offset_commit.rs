//! OffsetCommit (key 8), versions 2–10. By members in their generation, or by who assigns partitions by itself
//! (generation -1) while the group is empty. v10 names topics by id (KIP-848). Partitions that do not exist are
//! refused one by one, the others are committed.

use super::join_group::number;
use crate::call::Call;
use ottla_coordinator::GroupCoordinator;
use ottla_groups::{CommitOffsets, CommitPartition, CommitTopic};
use ottla_metadata::Image;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};

/// "As long as the broker keeps offsets" in a request that could say otherwise.
const DEFAULT_RETENTION_MS: i64 = -1;

/// Answers OffsetCommit.
pub async fn offset_commit(
    call: &Call,
    request: OffsetCommitRequest,
    image: &Image,
    groups: &GroupCoordinator,
) -> OffsetCommitResponse {
    let by_id = call.api_version >= 10;
    let mut answers = Vec::with_capacity(request.topics.len());
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let found = if by_id { image.topic_by_id(topic.topic_id) } else { image.topic(&topic.name) };
        let Some(found) = found else {
            let code = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
            answers.push(refused(topic, code));
            continue;
        };
        let mut answer = answer_to(&topic);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            if found.partition(partition.partition_index).is_none() {
                let code = ErrorCode::UnknownTopicOrPartition;
                answer.partitions.push(outcome(partition.partition_index, code.into()));
                continue;
            }
            partitions.push(CommitPartition {
                partition: partition.partition_index,
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition.committed_metadata,
            });
        }
        if !partitions.is_empty() {
            topics.push((
                answers.len(),
                CommitTopic { name: found.name.clone(), topic_id: found.id, partitions },
            ));
        }
        answers.push(answer);
    }
    if topics.is_empty() {
        return OffsetCommitResponse { topics: answers, ..Default::default() };
    }
    let (places, topics): (Vec<usize>, Vec<CommitTopic>) = topics.into_iter().unzip();
    let asked: Vec<Vec<i32>> =
        topics.iter().map(|topic| topic.partitions.iter().map(|it| it.partition).collect()).collect();
    let committed = groups
        .commit_offsets(CommitOffsets {
            group: request.group_id,
            generation: request.generation_id_or_member_epoch,
            member_id: request.member_id,
            instance_id: request.group_instance_id,
            retention_ms: Some(request.retention_time_ms).filter(|ms| *ms != DEFAULT_RETENTION_MS),
            knows_missing_groups: call.api_version >= 9,
            topics,
        })
        .await;
    let outcomes: Vec<Vec<(i32, i16)>> = match committed {
        Ok(topics) => topics
            .into_iter()
            .map(|topic| topic.partitions.into_iter().map(|(at, refusal)| (at, number(refusal))).collect())
            .collect(),
        Err(refusal) => {
            let code = number(Some(refusal));
            asked.into_iter().map(|topic| topic.into_iter().map(|at| (at, code)).collect()).collect()
        }
    };
    for (place, outcomes) in places.into_iter().zip(outcomes) {
        if let Some(answer) = answers.get_mut(place) {
            answer.partitions.extend(outcomes.into_iter().map(|(at, code)| outcome(at, code)));
        }
    }
    OffsetCommitResponse { topics: answers, ..Default::default() }
}

fn answer_to(topic: &OffsetCommitRequestTopic) -> OffsetCommitResponseTopic {
    OffsetCommitResponseTopic { name: topic.name.clone(), topic_id: topic.topic_id, ..Default::default() }
}

fn refused(topic: OffsetCommitRequestTopic, code: ErrorCode) -> OffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().map(|it| outcome(it.partition_index, code.into()));
    OffsetCommitResponseTopic { partitions: partitions.collect(), ..answer_to(&topic) }
}

fn outcome(partition_index: i32, error_code: i16) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition { partition_index, error_code, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_ids::Uuid;
    use ottla_protocol::messages::offset_commit::OffsetCommitRequestPartition;
    use std::time::Duration;

    /// The codes a node answers that knows no topic.
    async fn codes(api_version: i16, topic: OffsetCommitRequestTopic) -> Vec<i16> {
        let groups =
            GroupCoordinator::new(ottla_groups::Settings::default(), 1, Duration::from_secs(1), || 0);
        let request = OffsetCommitRequest { topics: vec![topic], ..Default::default() };
        let answer = offset_commit(&Call::of_version(api_version), request, &Image::default(), &groups).await;
        answer.topics.iter().flat_map(|topic| topic.partitions.iter().map(|it| it.error_code)).collect()
    }

    #[tokio::test]
    async fn topics_that_are_not_there_are_refused_as_their_version_names_them() {
        let partitions = || vec![OffsetCommitRequestPartition::default(); 2];
        let by_name =
            OffsetCommitRequestTopic { name: "t".into(), partitions: partitions(), ..Default::default() };
        assert_eq!(codes(9, by_name).await, [3, 3]);
        let topic_id = Uuid::from_u128(7);
        let by_id = OffsetCommitRequestTopic { topic_id, partitions: partitions(), ..Default::default() };
        assert_eq!(codes(10, by_id).await, [100, 100]);
    }
}
