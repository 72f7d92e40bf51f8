//! LeaveGroup (key 13), versions 0–5. One member up to v2, whose refusal is the answer's; several from v3 on, each
//! with its own (KIP-345).

use super::join_group::number;
use crate::call::Call;
use ottla_coordinator::GroupCoordinator;
use ottla_groups::consumer::Topics;
use ottla_groups::{Leave, Leaving};
use ottla_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};
use std::sync::Arc;

/// Answers LeaveGroup; `cluster` are the topics that there are.
pub async fn leave_group(
    call: &Call,
    request: LeaveGroupRequest,
    groups: &GroupCoordinator,
    cluster: Arc<dyn Topics>,
) -> LeaveGroupResponse {
    let alone = call.api_version < 3;
    let members = if alone {
        vec![Leaving { member_id: request.member_id, instance_id: None, reason: None }]
    } else {
        let members = request.members.into_iter().map(|member| Leaving {
            member_id: member.member_id,
            instance_id: member.group_instance_id,
            reason: member.reason,
        });
        members.collect()
    };
    match groups.leave(Leave { group: request.group_id, members, cluster }).await {
        Err(refusal) => LeaveGroupResponse { error_code: number(Some(refusal)), ..Default::default() },
        Ok(left) if alone => LeaveGroupResponse {
            error_code: number(left.first().and_then(|left| left.refusal)),
            ..Default::default()
        },
        Ok(left) => {
            let members = left.into_iter().map(|left| MemberResponse {
                member_id: left.member_id,
                group_instance_id: left.instance_id,
                error_code: number(left.refusal),
                ..Default::default()
            });
            LeaveGroupResponse { members: members.collect(), ..Default::default() }
        }
    }
}
