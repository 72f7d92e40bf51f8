//! ConsumerGroupHeartbeat (key 68), versions 0–1 (KIP-848). A member joins (epoch 0), stays, leaves (-1), or is away
//! for a while (-2); all of it needs `group.version` 1. From v1 on members make their ids themselves, and may name topics by a regular expression.

use super::join_group::java_address;
use crate::call::Call;
use ottla_coordinator::GroupCoordinator;
use ottla_groups::consumer::{GroupSettings, Heartbeat, Topics};
use ottla_ids::Uuid;
use ottla_protocol::messages::consumer_group_heartbeat::{
    Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ResponseTopicPartitions,
};
use ottla_protocol::{ErrorCode, Text};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Answers ConsumerGroupHeartbeat; `cluster` are the topics that there are, `settings` those of the group.
pub async fn consumer_group_heartbeat(
    call: &Call,
    request: ConsumerGroupHeartbeatRequest,
    groups: &GroupCoordinator,
    cluster: Arc<dyn Topics>,
    settings: GroupSettings,
) -> ConsumerGroupHeartbeatResponse {
    let reported = request.topic_partitions.map(|topics| {
        let mut reported: BTreeMap<Uuid, std::collections::BTreeSet<i32>> = BTreeMap::new();
        for topic in topics.into_iter().filter(|topic| !topic.partitions.is_empty()) {
            reported.entry(topic.topic_id).or_default().extend(topic.partitions);
        }
        reported
    });
    let heartbeat = Heartbeat {
        group: request.group_id,
        member_id: request.member_id,
        requires_member_id: call.api_version >= 1,
        epoch: request.member_epoch,
        instance_id: request.instance_id,
        rack_id: request.rack_id,
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        topics: request.subscribed_topic_names,
        regex: request.subscribed_topic_regex,
        assignor: request.server_assignor,
        reported,
        client_id: call.client_id.clone(),
        client_host: Text::from(java_address(call.client_host)),
        fresh_id: Uuid::random(),
        cluster,
        settings,
    };
    match groups.consumer_heartbeat(heartbeat).await {
        Ok(answer) => {
            let assignment = answer.assignment.map(|partitions| Assignment {
                topic_partitions: partitions
                    .into_iter()
                    .map(|(topic_id, partitions)| ResponseTopicPartitions {
                        topic_id,
                        partitions: partitions.into_iter().collect(),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            });
            ConsumerGroupHeartbeatResponse {
                member_id: Some(answer.member_id),
                member_epoch: answer.epoch,
                heartbeat_interval_ms: answer.heartbeat_interval_ms,
                assignment,
                ..Default::default()
            }
        }
        Err(refused) => ConsumerGroupHeartbeatResponse {
            error_code: ErrorCode::from(refused.refusal).into(),
            error_message: Some(Text::from(refused.message)),
            ..Default::default()
        },
    }
}

/// The answer while `group.version` is 0.
pub fn not_enabled() -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse { error_code: ErrorCode::UnsupportedVersion.into(), ..Default::default() }
}
