//! ListOffsets (key 2), versions 1–11. The first and last offset, the offset of the greatest timestamp
//! (v7), or of the first record at or after a time. Read-committed ends at the last stable offset.
//! The special timestamps of tiered storage answer as Kafka does where nothing is tiered.

use crate::call::Call;
use crate::errors::Refusal;
use crate::topics::{self, TopicKey};
use ottla_metadata::Image;
use ottla_partition::{Found, Isolation, OffsetSpec, Partitions};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use std::collections::HashSet;

/// The first version whose answer can say the leader epoch.
const FIRST_VERSION_WITH_EPOCH: i16 = 4;

/// Answers ListOffsets.
pub fn list_offsets(
    call: &Call,
    request: &ListOffsetsRequest,
    image: &Image,
    partitions: &Partitions,
) -> ListOffsetsResponse {
    let mut seen = HashSet::new();
    let mut doubled = HashSet::new();
    for topic in &request.topics {
        for it in &topic.partitions {
            if !seen.insert((&topic.name, it.partition_index)) {
                doubled.insert((&topic.name, it.partition_index));
            }
        }
    }
    let isolation =
        if request.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let topics = request
        .topics
        .iter()
        .map(|topic| ListOffsetsTopicResponse {
            name: topic.name.clone(),
            partitions: topic
                .partitions
                .iter()
                .filter_map(|it| {
                    let key = TopicKey::Name(topic.name.clone());
                    let place = (&topic.name, it.partition_index);
                    let found = if !doubled.contains(&place) {
                        find(call, it, &key, isolation, image, partitions)
                    } else if seen.remove(&place) {
                        Err(ErrorCode::InvalidRequest.into())
                    } else {
                        return None; // told already
                    };
                    Some(answer(call, it.partition_index, found))
                })
                .collect(),
            ..Default::default()
        })
        .collect();
    ListOffsetsResponse { topics, ..Default::default() }
}

/// The special timestamps, each from the version that knows it.
fn spec(timestamp: i64, version: i16) -> Result<OffsetSpec, Refusal> {
    match (timestamp, version) {
        (0.., _) => Ok(OffsetSpec::Timestamp(timestamp)),
        (-1, _) => Ok(OffsetSpec::Latest),
        (-2, _) => Ok(OffsetSpec::Earliest),
        (-3, 7..) => Ok(OffsetSpec::MaxTimestamp),
        (-4, 8..) => Ok(OffsetSpec::EarliestLocal),
        (-5, 9..) => Ok(OffsetSpec::LatestTiered),
        (-6, 11..) => Ok(OffsetSpec::EarliestPendingUpload),
        _ => Err(ErrorCode::UnsupportedVersion.into()),
    }
}

fn find(
    call: &Call,
    wanted: &ListOffsetsPartition,
    key: &TopicKey,
    isolation: Isolation,
    image: &Image,
    partitions: &Partitions,
) -> Result<Option<Found>, Refusal> {
    let spec = spec(wanted.timestamp, call.api_version)?;
    let topic = topics::find(image, key)?;
    let partition = topics::partition(image, topic, wanted.partition_index, partitions)?;
    topics::check_epoch(&partition, wanted.current_leader_epoch)?;
    Ok(partition.find_offset(spec, isolation)?)
}

fn answer(
    call: &Call,
    partition_index: i32,
    found: Result<Option<Found>, Refusal>,
) -> ListOffsetsPartitionResponse {
    let mut answer = ListOffsetsPartitionResponse { partition_index, ..Default::default() };
    match found {
        Ok(Some(found)) => {
            answer.timestamp = found.timestamp_ms;
            answer.offset = found.offset.0;
            if call.api_version >= FIRST_VERSION_WITH_EPOCH {
                answer.leader_epoch = found.leader_epoch.0;
            }
        }
        Ok(None) => {}
        Err(refusal) => answer.error_code = refusal.code.into(),
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_ids::{LeaderEpoch, Offset};
    use ottla_protocol::{ApiKey, encode};

    #[test]
    fn what_was_found_can_be_told_in_every_version() {
        for api_version in ApiKey::ListOffsets.valid_versions() {
            let found = Found { offset: Offset(7), timestamp_ms: 5, leader_epoch: LeaderEpoch(2) };
            let partition = answer(&Call::of_version(api_version), 0, Ok(Some(found)));
            assert_eq!((partition.offset, partition.timestamp), (7, 5), "v{api_version}");
            let topics = vec![ListOffsetsTopicResponse { partitions: vec![partition], ..Default::default() }];
            let response = ListOffsetsResponse { topics, ..Default::default() };
            encode(&response, api_version).unwrap_or_else(|error| panic!("v{api_version}: {error}"));
        }
    }
}
