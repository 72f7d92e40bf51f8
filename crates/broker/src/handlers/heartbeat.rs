//! Heartbeat (key 12), versions 0–4. While the group is being loaded the answer is that all is well, so that
//! members do not give up a generation because their coordinator has just started.

use super::join_group::number;
use ottla_coordinator::GroupCoordinator;
use ottla_groups::Heartbeat;
use ottla_groups::consumer::Topics;
use ottla_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use std::sync::Arc;

/// Answers Heartbeat; `cluster` are the topics that there are.
pub async fn heartbeat(
    request: HeartbeatRequest,
    groups: &GroupCoordinator,
    cluster: Arc<dyn Topics>,
) -> HeartbeatResponse {
    let heartbeat = Heartbeat {
        group: request.group_id,
        generation: request.generation_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        cluster,
    };
    let answer = groups.heartbeat(heartbeat).await;
    HeartbeatResponse { error_code: number(answer.err()), ..Default::default() }
}
