//! ListConfigResources (key 74), versions 0–1. The names of what may have configurations (KIP-714, KIP-1142).
//! Version 0 asks for subscriptions to client metrics; version 1 for the types it names, or with none for all.
//! Topics and brokers are told whether or not something is set on them; groups and subscriptions where
//! something is.

use ottla_metadata::{Image, ResourceType};
use ottla_protocol::messages::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};
use ottla_protocol::{ErrorCode, Text};

/// What is listed when no types are named.
const ALL: [ResourceType; 5] = [
    ResourceType::Group,
    ResourceType::ClientMetrics,
    ResourceType::BrokerLogger,
    ResourceType::Broker,
    ResourceType::Topic,
];

/// Answers ListConfigResources.
pub fn list_config_resources(
    version: i16,
    request: &ListConfigResourcesRequest,
    image: &Image,
) -> ListConfigResourcesResponse {
    let mut types: Vec<ResourceType> = match version {
        0 => vec![ResourceType::ClientMetrics],
        _ => request.resource_types.iter().map(|id| ResourceType::from_id(*id)).collect(),
    };
    if types.iter().any(|kind| !ALL.contains(kind)) {
        return ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion.into(),
            ..ListConfigResourcesResponse::default()
        };
    }
    if types.is_empty() {
        types = ALL.to_vec();
    }
    types.sort();
    types.dedup();
    let resource = |kind: ResourceType, resource_name: Text| ConfigResource {
        resource_name,
        resource_type: kind.id(),
        ..ConfigResource::default()
    };
    let mut config_resources = Vec::new();
    for kind in types {
        match kind {
            ResourceType::Topic => {
                config_resources.extend(image.topics().map(|topic| resource(kind, topic.name.clone())));
            }
            ResourceType::Broker | ResourceType::BrokerLogger => {
                let active = image.brokers().filter(|broker| image.is_active(broker.id));
                config_resources
                    .extend(active.map(|broker| resource(kind, Text::from(broker.id.0.to_string()))));
            }
            ResourceType::Group | ResourceType::ClientMetrics | ResourceType::Other(_) => {
                let set = image.all_configs().filter(|(resource, _)| resource.kind == kind);
                config_resources.extend(set.map(|(it, _)| resource(kind, it.name.clone())));
            }
        }
    }
    ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() }
}
