//! SyncGroup (key 14), versions 0–5. Answered when the leader has brought the assignment. v5 names protocol type
//! and protocol, which must be the group's (KIP-559).

use super::join_group::number;
use crate::call::Call;
use ottla_coordinator::GroupCoordinator;
use ottla_groups::consumer::Topics;
use ottla_groups::{Refusal, Sync, SyncAnswer};
use ottla_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use std::sync::Arc;

/// Answers SyncGroup; `cluster` are the topics that there are.
pub async fn sync_group(
    call: &Call,
    request: SyncGroupRequest,
    groups: &GroupCoordinator,
    cluster: Arc<dyn Topics>,
) -> SyncGroupResponse {
    let nameless = request.protocol_type.is_none() || request.protocol_name.is_none();
    let answer = if call.api_version >= 5 && nameless {
        SyncAnswer::refused(Refusal::InconsistentGroupProtocol)
    } else {
        let assignments = request.assignments.into_iter();
        let sync = Sync {
            group: request.group_id,
            generation: request.generation_id,
            member_id: request.member_id,
            instance_id: request.group_instance_id,
            protocol_type: request.protocol_type,
            protocol_name: request.protocol_name,
            assignments: assignments.map(|it| (it.member_id, it.assignment)).collect(),
            cluster,
        };
        groups.sync(sync).await
    };
    SyncGroupResponse {
        error_code: number(answer.refusal),
        protocol_type: answer.protocol_type,
        protocol_name: answer.protocol_name,
        assignment: answer.assignment,
        ..Default::default()
    }
}
