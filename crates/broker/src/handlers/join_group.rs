//! JoinGroup (key 11), versions 0–9. Answered when the rebalance is complete. v4 asks newcomers to come again
//! with an id (KIP-394), v5 has static members (KIP-345), v8 reasons (KIP-800), v9 tells a leader that it need
//! not assign anew (KIP-814).

use crate::call::Call;
use ottla_coordinator::GroupCoordinator;
use ottla_groups::consumer::{GroupSettings, Topics};
use ottla_groups::{Join, Protocol, Refusal};
use ottla_ids::Uuid;
use ottla_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use ottla_protocol::{ErrorCode, Text};
use std::net::IpAddr;
use std::sync::Arc;

/// Answers JoinGroup; `cluster` are the topics that there are, `settings` those of the group.
pub async fn join_group(
    call: &Call,
    request: JoinGroupRequest,
    groups: &GroupCoordinator,
    cluster: Arc<dyn Topics>,
    settings: GroupSettings,
) -> JoinGroupResponse {
    let protocols = request.protocols.into_iter();
    let join = Join {
        group: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        client_id: call.client_id.clone(),
        client_host: Text::from(java_address(call.client_host)),
        session_timeout_ms: request.session_timeout_ms,
        // Version 0 has none: the session timeout serves as both.
        rebalance_timeout_ms: match call.api_version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        },
        protocol_type: request.protocol_type,
        protocols: protocols.map(|it| Protocol { name: it.name, metadata: it.metadata }).collect(),
        reason: request.reason,
        requires_member_id: call.api_version >= 4,
        skips_assignment: call.api_version >= 9,
        fresh_id: Uuid::random(),
        cluster,
        settings,
    };
    let answer = groups.join(join).await;
    let members = answer.members.into_iter().map(|member| JoinGroupResponseMember {
        member_id: member.member_id,
        group_instance_id: member.instance_id,
        metadata: member.metadata,
        ..Default::default()
    });
    JoinGroupResponse {
        error_code: number(answer.refusal),
        generation_id: answer.generation,
        protocol_type: answer.protocol_type,
        // Before version 7 there is no null.
        protocol_name: match answer.protocol_name {
            None if call.api_version < 7 => Some(Text::default()),
            name => name,
        },
        leader: answer.leader,
        skip_assignment: answer.skip_assignment,
        member_id: answer.member_id,
        members: members.collect(),
        ..Default::default()
    }
}

/// Kafka's number of a refusal, 0 of none.
pub(super) fn number(refusal: Option<Refusal>) -> i16 {
    refusal.map_or(0, |refusal| ErrorCode::from(refusal).into())
}

/// An address as Java writes it, which is what operators see and records hold: `/192.0.2.1`, `/2001:db8:0:…`.
pub(super) fn java_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("/{address}"),
        IpAddr::V6(address) => {
            let parts: Vec<String> = address.segments().iter().map(|part| format!("{part:x}")).collect();
            format!("/{}", parts.join(":"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::java_address;

    #[test]
    fn addresses_are_written_as_java_does() {
        for (address, text) in [
            ("192.0.2.1", "/192.0.2.1"),
            ("::1", "/0:0:0:0:0:0:0:1"),
            ("2001:DB8::A0", "/2001:db8:0:0:0:0:0:a0"),
        ] {
            assert_eq!(java_address(address.parse().unwrap()), text);
        }
    }
}
