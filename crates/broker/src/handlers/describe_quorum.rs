//! DescribeQuorum (key 55), versions 0–2. Who leads the metadata log, and how far its voters have it (KIP-595). Version
//! 2 names their directories and endpoints (KIP-853). Nobody observes: this node is the whole cluster.

use crate::call::Call;
use ottla_protocol::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Listener, Node, ReplicaState, ResponsePartitionData,
    ResponseTopicData,
};
use ottla_protocol::{ErrorCode, Text};
use ottla_quorum::{METADATA_TOPIC, Quorum, QuorumStatus, Voter};

/// The first version that tells directories and endpoints.
const FIRST_WITH_DIRECTORIES: i16 = 2;

/// Answers DescribeQuorum.
pub fn describe_quorum(
    call: &Call,
    request: &DescribeQuorumRequest,
    quorum: &Quorum,
    now_ms: i64,
) -> DescribeQuorumResponse {
    if !asks_for_the_metadata_log(request) {
        return refuse_each(request, ErrorCode::UnknownTopicOrPartition);
    }
    let status = quorum.status();
    let end_offset = quorum.offset().0;
    let QuorumStatus { leader: Some(leader), epoch, voters, .. } = &*status else {
        return refuse_each(request, ErrorCode::NotLeaderOrFollower);
    };
    let tells_directories = call.api_version >= FIRST_WITH_DIRECTORIES;
    let state = |voter: &Voter| ReplicaState {
        replica_id: voter.key.id.0,
        replica_directory_id: match tells_directories {
            true => voter.key.directory_id,
            false => ReplicaState::default().replica_directory_id,
        },
        log_end_offset: end_offset,
        last_fetch_timestamp: now_ms,
        last_caught_up_timestamp: now_ms,
        ..Default::default()
    };
    let node = |voter: &Voter| Node {
        node_id: voter.key.id.0,
        listeners: voter
            .endpoints
            .iter()
            .map(|it| Listener {
                name: it.listener.clone(),
                host: it.host.clone(),
                port: it.port,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let partition = ResponsePartitionData {
        leader_id: leader.0,
        leader_epoch: epoch.0,
        // Of a voter alone all that is in the log is committed.
        high_watermark: end_offset,
        current_voters: voters.iter().map(state).collect(),
        ..Default::default()
    };
    DescribeQuorumResponse {
        topics: vec![ResponseTopicData {
            topic_name: Text::from_static(METADATA_TOPIC),
            partitions: vec![partition],
            ..Default::default()
        }],
        nodes: voters.iter().filter(|_| tells_directories).map(node).collect(),
        ..Default::default()
    }
}

fn asks_for_the_metadata_log(request: &DescribeQuorumRequest) -> bool {
    match request.topics.as_slice() {
        [topic] => {
            *topic.topic_name == *METADATA_TOPIC
                && matches!(topic.partitions.as_slice(), [it] if it.partition_index == 0)
        }
        _ => false,
    }
}

fn refuse_each(request: &DescribeQuorumRequest, code: ErrorCode) -> DescribeQuorumResponse {
    let refused = |partition_index| ResponsePartitionData {
        partition_index,
        error_code: code.into(),
        error_message: Some(Text::from_static(code.message())),
        ..Default::default()
    };
    let topics = request.topics.iter().map(|topic| ResponseTopicData {
        topic_name: topic.topic_name.clone(),
        partitions: topic.partitions.iter().map(|it| refused(it.partition_index)).collect(),
        ..Default::default()
    });
    DescribeQuorumResponse { topics: topics.collect(), ..Default::default() }
}
