//! OffsetFetch (key 9), versions 1–10. One group up to v7, several from v8 on (KIP-709). No topics means all that
//! there are (v2). v7 refuses offsets that an open transaction is about to change, if asked to (KIP-447). v10 names
//! topics by id (KIP-848).

use super::join_group::number;
use crate::call::Call;
use ottla_coordinator::GroupCoordinator;
use ottla_groups::{FetchOffsets, FetchTopic, FetchedPartition, FetchedTopic, Refusal};
use ottla_ids::Uuid;
use ottla_metadata::Image;
use ottla_protocol::ErrorCode;
use ottla_protocol::Text;
use ottla_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

/// Answers OffsetFetch.
pub async fn offset_fetch(
    call: &Call,
    request: OffsetFetchRequest,
    image: &Image,
    groups: &GroupCoordinator,
) -> OffsetFetchResponse {
    let stable = request.require_stable;
    if call.api_version < 8 {
        return one_group(call, request.group_id, request.topics, stable, image, groups).await;
    }
    let mut answers = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        answers.push(if call.api_version < 10 {
            by_name(group, stable, image, groups).await
        } else {
            by_id(group, stable, image, groups).await
        });
    }
    OffsetFetchResponse { groups: answers, ..Default::default() }
}

/// Versions 1 to 7.
async fn one_group(
    call: &Call,
    group: Text,
    topics: Option<Vec<OffsetFetchRequestTopic>>,
    require_stable: bool,
    image: &Image,
    groups: &GroupCoordinator,
) -> OffsetFetchResponse {
    let wanted = |topic: &OffsetFetchRequestTopic| FetchTopic {
        name: topic.name.clone(),
        topic_id: present_id(image, &topic.name),
        partitions: topic.partition_indexes.clone(),
    };
    let wanted: Option<Vec<FetchTopic>> = topics.as_ref().map(|topics| topics.iter().map(wanted).collect());
    let (error_code, fetched) = match groups
        .fetch_offsets(FetchOffsets {
            group,
            require_stable,
            member_id: None,
            member_epoch: -1,
            topics: wanted,
        })
        .await
    {
        Ok(fetched) => (0, fetched),
        // Version 1 has no room for an error but at each partition.
        Err(refusal) if call.api_version < 2 => {
            let refused = |topic: OffsetFetchRequestTopic| FetchedTopic {
                name: topic.name,
                topic_id: Uuid::ZERO,
                partitions: topic.partition_indexes.iter().map(|at| missing(*at, Some(refusal))).collect(),
            };
            (0, topics.into_iter().flatten().map(refused).collect())
        }
        Err(refusal) => (number(Some(refusal)), Vec::new()),
    };
    let topics = fetched.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic
            .partitions
            .into_iter()
            .map(|it| OffsetFetchResponsePartition {
                partition_index: it.partition,
                committed_offset: it.offset,
                committed_leader_epoch: it.leader_epoch,
                metadata: Some(it.metadata),
                error_code: number(it.refusal),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    OffsetFetchResponse { topics: topics.collect(), error_code, ..Default::default() }
}

/// Versions 8 and 9.
async fn by_name(
    mut group: OffsetFetchRequestGroup,
    require_stable: bool,
    image: &Image,
    groups: &GroupCoordinator,
) -> OffsetFetchResponseGroup {
    let wanted = |topic: OffsetFetchRequestTopics| FetchTopic {
        topic_id: present_id(image, &topic.name),
        name: topic.name,
        partitions: topic.partition_indexes,
    };
    let topics = group.topics.take().map(|topics| topics.into_iter().map(wanted).collect());
    let fetch = asked(&group, require_stable, topics);
    match groups.fetch_offsets(fetch).await {
        Err(refusal) => refused(group.group_id, refusal),
        Ok(fetched) => OffsetFetchResponseGroup {
            group_id: group.group_id,
            topics: fetched.into_iter().map(answered).collect(),
            ..Default::default()
        },
    }
}

/// What the core is asked, from version 8 on.
fn asked(
    group: &OffsetFetchRequestGroup,
    require_stable: bool,
    topics: Option<Vec<FetchTopic>>,
) -> FetchOffsets {
    FetchOffsets {
        group: group.group_id.clone(),
        require_stable,
        member_id: group.member_id.clone(),
        member_epoch: group.member_epoch,
        topics,
    }
}

/// Version 10.
async fn by_id(
    mut group: OffsetFetchRequestGroup,
    require_stable: bool,
    image: &Image,
    groups: &GroupCoordinator,
) -> OffsetFetchResponseGroup {
    let mut unknown = Vec::new();
    let topics = group.topics.take().map(|topics| {
        let mut wanted = Vec::with_capacity(topics.len());
        for topic in topics {
            match image.topic_by_id(topic.topic_id) {
                Some(found) => wanted.push(FetchTopic {
                    name: found.name.clone(),
                    topic_id: topic.topic_id,
                    partitions: topic.partition_indexes,
                }),
                None => unknown.push(topic),
            }
        }
        wanted
    });
    let all = topics.is_none();
    let fetch = asked(&group, require_stable, topics);
    let fetched = match groups.fetch_offsets(fetch).await {
        Err(refusal) => return refused(group.group_id, refusal),
        Ok(fetched) => fetched,
    };
    let known = fetched.into_iter().filter_map(|topic| {
        // When all were wanted, those of topics that are no more have no id to name them by.
        let topic_id = if all { image.topic(&topic.name)?.id } else { topic.topic_id };
        Some(OffsetFetchResponseTopics { name: Text::default(), topic_id, ..answered(topic) })
    });
    let known: Vec<OffsetFetchResponseTopics> = known.collect();
    let unknown = unknown.into_iter().map(unknown_topic);
    // As Kafka answers: what is not known comes last.
    let topics = known.into_iter().chain(unknown).collect();
    OffsetFetchResponseGroup { group_id: group.group_id, topics, ..Default::default() }
}

/// The id of the topic that has this name now: offsets of an earlier one of the name do not count.
fn present_id(image: &Image, name: &str) -> Uuid {
    image.topic(name).map_or(Uuid::ZERO, |topic| topic.id)
}

fn unknown_topic(topic: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let partitions = topic.partition_indexes.into_iter().map(|at| OffsetFetchResponsePartitions {
        error_code: ErrorCode::UnknownTopicId.into(),
        ..partition(missing(at, None))
    });
    OffsetFetchResponseTopics {
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
        ..Default::default()
    }
}

fn refused(group_id: Text, refusal: Refusal) -> OffsetFetchResponseGroup {
    OffsetFetchResponseGroup { group_id, error_code: number(Some(refusal)), ..Default::default() }
}

fn answered(topic: FetchedTopic) -> OffsetFetchResponseTopics {
    let partitions = topic.partitions.into_iter().map(partition);
    OffsetFetchResponseTopics { name: topic.name, partitions: partitions.collect(), ..Default::default() }
}

fn partition(fetched: FetchedPartition) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: fetched.partition,
        committed_offset: fetched.offset,
        committed_leader_epoch: fetched.leader_epoch,
        metadata: Some(fetched.metadata),
        error_code: number(fetched.refusal),
        ..Default::default()
    }
}

fn missing(partition: i32, refusal: Option<Refusal>) -> FetchedPartition {
    FetchedPartition { partition, offset: -1, leader_epoch: -1, metadata: Text::default(), refusal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOT_COORDINATOR: i16 = 16;
    const UNKNOWN_TOPIC_ID: i16 = 100;

    /// What a node answers that coordinates nothing.
    async fn answer(api_version: i16, request: OffsetFetchRequest) -> OffsetFetchResponse {
        let groups =
            GroupCoordinator::new(ottla_groups::Settings::default(), 1, Duration::from_secs(1), || 0);
        offset_fetch(&Call::of_version(api_version), request, &Image::default(), &groups).await
    }

    fn of_one_group() -> OffsetFetchRequest {
        let topic =
            OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0, 1], ..Default::default() };
        OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() }
    }

    #[tokio::test]
    async fn version_1_is_refused_at_each_partition() {
        let answer = answer(1, of_one_group()).await;
        let codes: Vec<i16> = answer.topics[0].partitions.iter().map(|it| it.error_code).collect();
        assert_eq!((answer.error_code, codes), (0, vec![NOT_COORDINATOR; 2]));
    }

    #[tokio::test]
    async fn versions_2_to_7_are_refused_as_a_whole() {
        for version in 2..=7 {
            let answer = answer(version, of_one_group()).await;
            assert_eq!((answer.error_code, answer.topics), (NOT_COORDINATOR, Vec::new()));
        }
    }

    #[tokio::test]
    async fn later_versions_are_refused_group_by_group() {
        for version in 8..=10 {
            let group = |name: &str| OffsetFetchRequestGroup { group_id: name.into(), ..Default::default() };
            let request = OffsetFetchRequest { groups: vec![group("g"), group("h")], ..Default::default() };
            let answer = answer(version, request).await;
            let codes: Vec<_> =
                answer.groups.iter().map(|it| (it.group_id.as_str(), it.error_code)).collect();
            assert_eq!(codes, [("g", NOT_COORDINATOR), ("h", NOT_COORDINATOR)]);
        }
    }

    #[test]
    fn a_topic_id_that_is_not_there_is_told_at_each_partition() {
        let wanted = OffsetFetchRequestTopics {
            topic_id: Uuid::from_u128(7),
            partition_indexes: vec![3],
            ..Default::default()
        };
        let answer = unknown_topic(wanted);
        assert_eq!(answer.topic_id, Uuid::from_u128(7));
        assert_eq!(answer.partitions[0].error_code, UNKNOWN_TOPIC_ID);
        assert_eq!(answer.partitions[0].committed_offset, -1);
    }
}
