//! DescribeTopicPartitions (key 75), version 0. Topics with their partitions in pages (KIP-966): in the
//! order of their names, from the cursor on, up to a number of partitions; the answer's cursor says where
//! the next page begins. No topic named means all.

use crate::call::Call;
use crate::handlers::metadata::{TOPIC_OPERATIONS, View};
use ottla_controller::{is_internal_topic, validate_topic_name};
use ottla_metadata::{Image, Topic};
use ottla_protocol::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, RequestCursor,
    ResponseCursor,
};
use ottla_protocol::{ErrorCode, Text};
use std::collections::BTreeSet;

/// Answers DescribeTopicPartitions. `partitions_max` is `max.request.partition.size.limit`.
pub fn describe_topic_partitions(
    call: &Call,
    request: &DescribeTopicPartitionsRequest,
    image: &Image,
    partitions_max: i32,
) -> DescribeTopicPartitionsResponse {
    let cursor = request.cursor.as_ref();
    let names = match pages(request, cursor, image) {
        Ok(names) => names,
        Err(code) => return refused(request, code),
    };
    let view = View { image, call };
    let limit = partitions_max.min(request.response_partition_limit).max(1);
    let mut left = usize::try_from(limit).unwrap_or(1);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        if left == 0 {
            response.next_cursor = Some(next(name, 0));
            break;
        }
        let Some(topic) = image.topic(&name) else {
            let is_valid = validate_topic_name(&name).is_ok();
            let code =
                if is_valid { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::InvalidTopicException };
            response.topics.push(failed(name, code));
            continue;
        };
        let from =
            cursor.filter(|cursor| cursor.topic_name == name).map_or(0, |cursor| cursor.partition_index);
        let partitions = page(&view, topic, from, left);
        left -= partitions.len();
        let end = from.saturating_add(i32::try_from(partitions.len()).unwrap_or(i32::MAX));
        response.topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(name.clone()),
            topic_id: topic.id,
            is_internal: is_internal_topic(&name),
            partitions,
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..DescribeTopicPartitionsResponseTopic::default()
        });
        if end < topic.partition_count() {
            response.next_cursor = Some(next(name, end));
            break;
        }
    }
    response
}

/// The topics that are described, in order, from the cursor on.
fn pages(
    request: &DescribeTopicPartitionsRequest,
    cursor: Option<&RequestCursor>,
    image: &Image,
) -> Result<Vec<Text>, ErrorCode> {
    let from = cursor.map_or("", |cursor| cursor.topic_name.as_str());
    let names: Vec<Text> = if request.topics.is_empty() {
        image.topics_from(from).map(|topic| topic.name.clone()).collect()
    } else {
        let names: BTreeSet<&Text> =
            request.topics.iter().map(|topic| &topic.name).filter(|name| name.as_str() >= from).collect();
        if cursor.is_some_and(|cursor| !names.contains(&cursor.topic_name)) {
            return Err(ErrorCode::InvalidRequest);
        }
        names.into_iter().cloned().collect()
    };
    match cursor {
        Some(cursor) if cursor.partition_index < 0 => Err(ErrorCode::InvalidRequest),
        _ => Ok(names),
    }
}

fn page(
    view: &View<'_>,
    topic: &Topic,
    from: i32,
    count_max: usize,
) -> Vec<DescribeTopicPartitionsResponsePartition> {
    topic
        .partitions
        .range(from..)
        .take(count_max)
        .map(|(index, partition)| DescribeTopicPartitionsResponsePartition {
            partition_index: *index,
            leader_id: view.leader(partition).map_or(-1, |leader| leader.0),
            leader_epoch: partition.leader_epoch.0,
            replica_nodes: view.nodes(&partition.replicas, true),
            isr_nodes: view.nodes(&partition.isr, true),
            eligible_leader_replicas: Some(view.nodes(&partition.eligible_leader_replicas, true)),
            last_known_elr: Some(view.nodes(&partition.last_known_elr, true)),
            offline_replicas: view.offline(partition),
            ..DescribeTopicPartitionsResponsePartition::default()
        })
        .collect()
}

fn next(topic_name: Text, partition_index: i32) -> ResponseCursor {
    ResponseCursor { topic_name, partition_index, ..ResponseCursor::default() }
}

fn failed(name: Text, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: code.into(),
        is_internal: is_internal_topic(&name),
        topic_authorized_operations: TOPIC_OPERATIONS,
        name: Some(name),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

/// The request as a whole cannot be answered: each topic of it says so.
fn refused(request: &DescribeTopicPartitionsRequest, code: ErrorCode) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.iter().map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code: code.into(),
        name: Some(topic.name.clone()),
        is_internal: false,
        ..DescribeTopicPartitionsResponseTopic::default()
    });
    DescribeTopicPartitionsResponse { topics: topics.collect(), ..DescribeTopicPartitionsResponse::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::MetadataRecord;
    use ottla_protocol::Uuid;
    use ottla_protocol::messages::describe_topic_partitions::TopicRequest;
    use ottla_protocol::records::metadata::{PartitionRecord, TopicRecord};
    use ottla_state_machine::Machine;

    /// Topics `a` with 3 partitions, `b` with 1, `c` with 2.
    fn image() -> Image {
        let mut image = Image::default();
        for (number, name, count) in [(1, "a", 3), (2, "b", 1), (3, "c", 2)] {
            let topic_id = Uuid::from_u128(1000 + number);
            let name = Text::from_static(name);
            image.replay(&MetadataRecord::Topic(TopicRecord { name, topic_id, ..TopicRecord::default() }));
            for partition_id in 0..count {
                let record = PartitionRecord { partition_id, topic_id, ..PartitionRecord::default() };
                image.replay(&MetadataRecord::Partition(record));
            }
        }
        image
    }

    /// Topics as `a b`, none for all; the cursor as `a/1`. The answer as `a:0,1 b:0 next c/0`.
    #[track_caller]
    fn check(topics: &str, limit: i32, cursor: &str, expected: &str) {
        let request = DescribeTopicPartitionsRequest {
            topics: topics
                .split_whitespace()
                .map(|name| TopicRequest { name: Text::from(name), ..TopicRequest::default() })
                .collect(),
            response_partition_limit: limit,
            cursor: cursor.split_once('/').map(|(name, index)| RequestCursor {
                topic_name: Text::from(name),
                partition_index: index.parse().unwrap(),
                ..RequestCursor::default()
            }),
            ..DescribeTopicPartitionsRequest::default()
        };
        let response = describe_topic_partitions(&Call::of_version(0), &request, &image(), 2000);
        let topic = |topic: &DescribeTopicPartitionsResponseTopic| {
            let name = topic.name.clone().unwrap_or_default();
            match ErrorCode::from(topic.error_code) {
                ErrorCode::None => {
                    let partitions: Vec<String> =
                        topic.partitions.iter().map(|it| it.partition_index.to_string()).collect();
                    format!("{name}:{}", partitions.join(","))
                }
                code => format!("{name} {}", code.name()),
            }
        };
        let mut found: Vec<String> = response.topics.iter().map(topic).collect();
        found.extend(
            response.next_cursor.map(|next| format!("next {}/{}", next.topic_name, next.partition_index)),
        );
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition() {
        check("", 2000, "", "a:0,1,2 b:0 c:0,1");
        check("", 2, "", "a:0,1 next a/2");
        check("", 2, "a/2", "a:2 b:0 next c/0");
        check("", 2, "c/0", "c:0,1");
        check("", 3, "", "a:0,1,2 next b/0");
    }

    #[test]
    fn topics_are_told_in_the_order_of_their_names() {
        check("c a nope", 2000, "", "a:0,1,2 c:0,1 nope UNKNOWN_TOPIC_OR_PARTITION");
        check("a b", 0, "", "a:0 next a/1");
    }

    #[test]
    fn a_cursor_names_one_of_the_topics_and_a_partition() {
        check("a b", 9, "c/0", "a INVALID_REQUEST b INVALID_REQUEST");
        check("a b", 9, "a/-1", "a INVALID_REQUEST b INVALID_REQUEST");
        check("a b", 9, "b/0", "b:0");
        check("", 9, "b", "a:0,1,2 b:0 c:0,1");
    }
}
