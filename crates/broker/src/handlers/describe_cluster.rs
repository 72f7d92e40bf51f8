//! DescribeCluster (key 60), versions 0–2. The brokers that have the listener the client came in by; v2
//! shows fenced ones too when asked (KIP-1073). v1 may ask for controllers, whose listener this is not
//! (KIP-919).

use crate::call::Call;
use crate::handlers::metadata::CLUSTER_OPERATIONS;
use ottla_metadata::Image;
use ottla_protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use ottla_protocol::{ErrorCode, Text};

/// The kinds of endpoints a client may ask for.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers DescribeCluster.
pub fn describe_cluster(
    call: &Call,
    request: &DescribeClusterRequest,
    image: &Image,
    cluster_id: &Text,
) -> DescribeClusterResponse {
    let refuse = |code: ErrorCode, message: String| {
        let code = if call.api_version == 0 { ErrorCode::InvalidRequest } else { code };
        DescribeClusterResponse {
            error_code: code.into(),
            error_message: Some(Text::from(message)),
            ..DescribeClusterResponse::default()
        }
    };
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            return refuse(
                ErrorCode::MismatchedEndpointType,
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
                    .to_owned(),
            );
        }
        other => {
            return refuse(ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {other}"));
        }
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
