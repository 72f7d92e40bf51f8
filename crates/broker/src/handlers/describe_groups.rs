//! DescribeGroups (key 15), versions 0–6: classic groups. A group that is not there is `Dead`, and from v6 on
//! refused besides (KIP-1043).

use super::join_group::number;
use crate::call::Call;
use ottla_coordinator::GroupCoordinator;
use ottla_groups::{Description, Refusal};
use ottla_protocol::Text;
use ottla_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

/// Answers DescribeGroups.
pub async fn describe_groups(
    call: &Call,
    request: DescribeGroupsRequest,
    groups: &GroupCoordinator,
) -> DescribeGroupsResponse {
    let descriptions = groups.describe_groups(request.groups).await;
    let groups = descriptions.into_iter().map(|description| {
        let mut group = described(call, description);
        if request.include_authorized_operations && group.error_code == 0 {
            group.authorized_operations = ALL_OPERATIONS;
        }
        group
    });
    DescribeGroupsResponse { groups: groups.collect(), ..Default::default() }
}

/// What can be done with a group, as Kafka's bits: READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS. Without
/// access control everyone may do everything.
pub(super) const ALL_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

fn described(call: &Call, description: Description) -> DescribedGroup {
    let missing = description.refusal == Some(Refusal::GroupIdNotFound);
    let refusal = description.refusal.filter(|_| !missing || call.api_version >= 6);
    let message = Some(description.message).filter(|it| refusal.is_some() && !it.is_empty());
    // Of a group that cannot be looked at nothing is known, not even that it is not there.
    let state = if description.refusal.is_none() || missing { description.state } else { "" };
    let members = description.members.into_iter().map(|member| DescribedGroupMember {
        member_id: member.member_id,
        group_instance_id: member.instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.metadata,
        member_assignment: member.assignment,
        ..Default::default()
    });
    DescribedGroup {
        error_code: number(refusal),
        error_message: message.map(Text::from),
        group_id: description.group,
        group_state: Text::from_static(state),
        protocol_type: description.protocol_type,
        protocol_data: description.protocol,
        members: members.collect(),
        ..Default::default()
    }
}
