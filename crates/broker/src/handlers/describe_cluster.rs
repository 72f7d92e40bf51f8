//! DescribeCluster (key 60), versions 0–2. The brokers that have the listener the client came in by; v2
//! shows fenced ones too when asked (KIP-1073). From v1 on a client says of which kind the nodes are that it wants:
//! a listener of brokers tells brokers, one of controllers tells controllers (KIP-919).

use crate::call::Call;
use crate::handlers::metadata::CLUSTER_OPERATIONS;
use ottla_metadata::{Image, MetadataVersion};
use ottla_protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use ottla_protocol::{ErrorCode, Text};
use ottla_quorum::Quorum;

/// The kinds of endpoints a client may ask for.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers DescribeCluster on a listener of brokers.
pub fn describe_cluster(
    call: &Call,
    request: &DescribeClusterRequest,
    image: &Image,
    cluster_id: &Text,
) -> DescribeClusterResponse {
    if let Some(refusal) = refuse_endpoint_type(call, request, BROKERS) {
        return refusal;
    }
    let brokers = image
        .brokers()
        .filter(|broker| !broker.fenced || request.include_fenced_brokers)
        .filter_map(|broker| {
            let endpoint = broker.endpoint(&call.listener)?;
            Some(DescribeClusterBroker {
                broker_id: broker.id.0,
                host: endpoint.host.clone(),
                port: i32::from(endpoint.port),
                rack: broker.rack.clone(),
                is_fenced: broker.fenced,
                ..DescribeClusterBroker::default()
            })
        });
    let mut response = DescribeClusterResponse {
        cluster_id: cluster_id.clone(),
        controller_id: image.alive_brokers().next().map_or(-1, |broker| broker.id.0),
        brokers: brokers.collect(),
        ..DescribeClusterResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

/// Answers DescribeCluster on a listener of controllers: these are the nodes that are told there.
pub fn describe_controllers(
    call: &Call,
    request: &DescribeClusterRequest,
    image: &Image,
    quorum: &Quorum,
) -> DescribeClusterResponse {
    if !image.metadata_version().is_some_and(MetadataVersion::has_controller_registration) {
        return refuse(
            ErrorCode::UnsupportedVersion,
            "Direct-to-controller communication is not supported with the current MetadataVersion."
                .to_owned(),
        );
    }
    if let Some(refusal) = refuse_endpoint_type(call, request, CONTROLLERS) {
        return refusal;
    }
    let controllers = image.controllers().filter_map(|controller| {
        let endpoint = controller.end_points.iter().find(|it| *it.name == *call.listener)?;
        Some(DescribeClusterBroker {
            broker_id: controller.controller_id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            ..DescribeClusterBroker::default()
        })
    });
    let brokers: Vec<DescribeClusterBroker> = controllers.collect();
    let leader = quorum.status().leader.map_or(-1, |node| node.0);
    let is_told = brokers.iter().any(|controller| controller.broker_id == leader);
    let mut response = DescribeClusterResponse {
        endpoint_type: CONTROLLERS,
        cluster_id: quorum.cluster_id().clone(),
        controller_id: if is_told { leader } else { -1 },
        brokers,
        ..DescribeClusterResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

/// The refusal of a client that wants endpoints of another kind than this listener's.
fn refuse_endpoint_type(
    call: &Call,
    request: &DescribeClusterRequest,
    ours: i8,
) -> Option<DescribeClusterResponse> {
    let name = |kind| if kind == BROKERS { "BROKER" } else { "CONTROLLER" };
    let (code, message) = match request.endpoint_type {
        asked if asked == ours => return None,
        asked @ (BROKERS | CONTROLLERS) => (
            ErrorCode::MismatchedEndpointType,
            format!(
                "The request was sent to an endpoint of type {}, but we wanted an endpoint of type {}",
                name(ours),
                name(asked)
            ),
        ),
        other => (ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {other}")),
    };
    Some(refuse(if call.api_version == 0 { ErrorCode::InvalidRequest } else { code }, message))
}

fn refuse(code: ErrorCode, message: String) -> DescribeClusterResponse {
    DescribeClusterResponse {
        error_code: code.into(),
        error_message: Some(Text::from(message)),
        ..DescribeClusterResponse::default()
    }
}
