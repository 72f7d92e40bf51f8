//! FindCoordinator (key 10), versions 0–6. The broker that leads the partition which keeps a group (key type 0) or
//! a transactional id (1). Several keys from v4 on (KIP-699). Share coordinators (2, v6) are not served here, which
//! Kafka says by INVALID_REQUEST where they are switched off.
//!
//! The internal topic is made when somebody first asks. Kafka answers COORDINATOR_NOT_AVAILABLE meanwhile; here the
//! answer waits a little, so that a first client succeeds at once.

use crate::call::Call;
use ottla_coordinator::{GroupCoordinator, OFFSETS_TOPIC};
use ottla_groups::partition_for;
use ottla_ids::NodeId;
use ottla_metadata::Image;
use ottla_protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use ottla_protocol::{ErrorCode, Text};
use std::sync::Arc;
use std::time::Duration;

/// The key types of FindCoordinator.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// Keys that one request may ask for; more are refused, since each may wait.
const KEYS_MAX: usize = 10_000;

/// The internal topic that keeps transactions.
const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// How long a first client waits at most until its coordinator is there.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// Internal topics, by whom coordinators can be found once they are there.
pub trait InternalTopics: Sync {
    /// The present image.
    fn image(&self) -> Arc<Image>;

    /// Makes `topic`, unless it is there or somebody else does, and waits a bounded time until the image has it.
    fn make(&self, topic: &'static str) -> impl Future<Output = ()> + Send;
}

/// Answers FindCoordinator.
pub async fn find_coordinator(
    call: &Call,
    request: FindCoordinatorRequest,
    groups: &GroupCoordinator,
    topics: &impl InternalTopics,
) -> FindCoordinatorResponse {
    if call.api_version < 4 {
        let found = find(call, request.key_type, request.key, groups, topics).await;
        return FindCoordinatorResponse {
            error_code: found.error_code,
            error_message: found.error_message,
            node_id: found.node_id,
            host: found.host,
            port: found.port,
            ..Default::default()
        };
    }
    let mut coordinators = Vec::with_capacity(request.coordinator_keys.len().min(KEYS_MAX));
    for (place, key) in request.coordinator_keys.into_iter().enumerate() {
        coordinators.push(if place < KEYS_MAX {
            find(call, request.key_type, key, groups, topics).await
        } else {
            refused(call, key, ErrorCode::InvalidRequest)
        });
    }
    FindCoordinatorResponse { coordinators, ..Default::default() }
}

async fn find(
    call: &Call,
    key_type: i8,
    key: Text,
    groups: &GroupCoordinator,
    topics: &impl InternalTopics,
) -> Coordinator {
    let topic = match key_type {
        GROUP => OFFSETS_TOPIC,
        TRANSACTION => TRANSACTIONS_TOPIC,
        // Switched off, which Kafka says in this way.
        SHARE => return refused(call, key, ErrorCode::InvalidRequest),
        _ => {
            let message = Some(Text::from_static(ErrorCode::InvalidRequest.message()));
            return Coordinator { error_message: message, ..refused(call, key, ErrorCode::InvalidRequest) };
        }
    };
    let mut image = topics.image();
    let is_new = image.topic(topic).is_none();
    if is_new {
        topics.make(topic).await;
        image = topics.image();
    }
    let Some(found) = image.topic(topic) else {
        return refused(call, key, ErrorCode::CoordinatorNotAvailable);
    };
    let partition = partition_for(&key, found.partition_count().max(1));
    if topic == OFFSETS_TOPIC {
        // Groups are placed by the number of partitions that there really are.
        groups.set_partitions(found.partition_count());
    }
    let leader = found.partition(partition).and_then(|partition| partition.leader);
    let Some((node, host, port)) = leader.and_then(|leader| endpoint(&image, leader, &call.listener)) else {
        return refused(call, key, ErrorCode::CoordinatorNotAvailable);
    };
    if is_new && topic == OFFSETS_TOPIC && groups.partitions().contains(&partition) {
        // When it takes longer the client is told by its next request that its group is being loaded.
        groups.wait_loaded(partition, FIRST_WAIT).await;
    }
    Coordinator {
        key,
        node_id: node.0,
        host,
        port: i32::from(port),
        // Kafka says so up to version 3, and nothing from then on.
        error_message: Some(Text::from_static(if call.api_version < 4 { "NONE" } else { "" })),
        ..Default::default()
    }
}

fn endpoint(image: &Image, leader: NodeId, listener: &str) -> Option<(NodeId, Text, u16)> {
    if !image.is_active(leader) {
        return None;
    }
    let endpoint = image.broker(leader)?.endpoint(listener)?;
    Some((leader, endpoint.host.clone(), endpoint.port))
}

fn refused(call: &Call, key: Text, code: ErrorCode) -> Coordinator {
    Coordinator {
        key,
        node_id: -1,
        host: Text::default(),
        port: -1,
        error_code: code.into(),
        // From version 4 on Kafka says nothing besides the number.
        error_message: Some(Text::from_static(if call.api_version < 4 { code.message() } else { "" })),
        ..Default::default()
    }
}
