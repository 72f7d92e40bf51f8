//! ListGroups (key 16), versions 0–5. v4 filters by state (KIP-518), v5 by type (KIP-848).

use super::join_group::number;
use ottla_coordinator::GroupCoordinator;
use ottla_groups::ListFilter;
use ottla_protocol::Text;
use ottla_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

/// Answers ListGroups: the groups that this node coordinates.
pub async fn list_groups(request: ListGroupsRequest, groups: &GroupCoordinator) -> ListGroupsResponse {
    let filter = ListFilter { states: request.states_filter, types: request.types_filter };
    match groups.list_groups(filter).await {
        Err(refusal) => ListGroupsResponse { error_code: number(Some(refusal)), ..Default::default() },
        Ok(listed) => {
            let listed = listed.into_iter().map(|group| ListedGroup {
                group_id: group.group,
                protocol_type: group.protocol_type,
                group_state: Text::from_static(group.state),
                group_type: Text::from_static(group.group_type),
                ..Default::default()
            });
            ListGroupsResponse { groups: listed.collect(), ..Default::default() }
        }
    }
}
