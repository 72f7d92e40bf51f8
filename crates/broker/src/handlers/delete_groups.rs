//! DeleteGroups (key 42), versions 0–2. Only groups without members can be deleted; their offsets go with them.

use super::join_group::number;
use ottla_coordinator::GroupCoordinator;
use ottla_protocol::messages::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};

/// Answers DeleteGroups.
pub async fn delete_groups(request: DeleteGroupsRequest, groups: &GroupCoordinator) -> DeleteGroupsResponse {
    let outcomes = groups.delete_groups(request.groups_names).await;
    let results = outcomes.into_iter().map(|(group, refusal)| DeletableGroupResult {
        group_id: group,
        error_code: number(refusal),
        ..Default::default()
    });
    DeleteGroupsResponse { results: results.collect(), ..Default::default() }
}
