//! DescribeAcls (key 29), CreateAcls (30) and DeleteAcls (31), versions 1–3, of a broker without an authorizer: what can
//! be read is refused with SECURITY_DISABLED, as in Kafka (`AclApis`) until `authorizer.class.name` is set. Admin
//! tools that look at everything take that for "there are no ACLs".

use ottla_protocol::messages::create_acls::{
    AclCreation, AclCreationResult, CreateAclsRequest, CreateAclsResponse,
};
use ottla_protocol::messages::delete_acls::{
    DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse,
};
use ottla_protocol::messages::describe_acls::{DescribeAclsRequest, DescribeAclsResponse};
use ottla_protocol::{ErrorCode, Text};

/// A request with a 0, Kafka's `UNKNOWN`, for a type, an operation or a permission: Kafka cannot read it. Other
/// numbers that stand for nothing it can, since nobody looks at them without an authorizer.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown;

/// Checks resource type, pattern type, operation and permission type of a rule or a filter.
fn check(numbers: [i8; 4]) -> Result<(), Unknown> {
    if numbers.contains(&0) { Err(Unknown) } else { Ok(()) }
}

/// Answers DescribeAcls.
///
/// # Errors
/// The filter has an `UNKNOWN`.
pub fn describe_acls(request: &DescribeAclsRequest) -> Result<DescribeAclsResponse, Unknown> {
    let it = request;
    check([it.resource_type_filter, it.pattern_type_filter, it.operation, it.permission_type])?;
    Ok(DescribeAclsResponse {
        error_code: ErrorCode::SecurityDisabled.into(),
        error_message: Some(Text::from("No Authorizer is configured on the broker")),
        ..DescribeAclsResponse::default()
    })
}

/// Answers CreateAcls.
///
/// # Errors
/// A rule has an `UNKNOWN`.
pub fn create_acls(request: &CreateAclsRequest) -> Result<CreateAclsResponse, Unknown> {
    let refused = |it: &AclCreation| {
        check([it.resource_type, it.resource_pattern_type, it.operation, it.permission_type])?;
        Ok(AclCreationResult {
            error_code: ErrorCode::SecurityDisabled.into(),
            error_message: Some(no_authorizer()),
            ..AclCreationResult::default()
        })
    };
    let results = request.creations.iter().map(refused).collect::<Result<_, _>>()?;
    Ok(CreateAclsResponse { results, ..CreateAclsResponse::default() })
}

/// Answers DeleteAcls.
///
/// # Errors
/// A filter has an `UNKNOWN`.
pub fn delete_acls(request: &DeleteAclsRequest) -> Result<DeleteAclsResponse, Unknown> {
    let refused = |it: &DeleteAclsFilter| {
        check([it.resource_type_filter, it.pattern_type_filter, it.operation, it.permission_type])?;
        Ok(DeleteAclsFilterResult {
            error_code: ErrorCode::SecurityDisabled.into(),
            error_message: Some(no_authorizer()),
            ..DeleteAclsFilterResult::default()
        })
    };
    let filter_results = request.filters.iter().map(refused).collect::<Result<_, _>>()?;
    Ok(DeleteAclsResponse { filter_results, ..DeleteAclsResponse::default() })
}

fn no_authorizer() -> Text {
    Text::from("No Authorizer is configured.")
}
