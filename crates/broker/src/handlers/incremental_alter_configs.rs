//! IncrementalAlterConfigs (key 44), versions 0–1. Changes configurations of topics and of brokers key by key
//! (KIP-339, KIP-226), and the levels of this node's loggers (KIP-412). Rules and texts are in
//! `ottla_controller`; each resource is answered by itself, in the order of the request.

use crate::LogLevels;
use crate::errors::Refusal;
use ottla_controller::Through;
use ottla_metadata::ResourceType;
use ottla_protocol::Text;
use ottla_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use ottla_quorum::Quorum;

/// Answers IncrementalAlterConfigs, once the change is committed.
pub async fn incremental_alter_configs(
    request: IncrementalAlterConfigsRequest,
    through: Through,
    quorum: &Quorum,
    log_levels: &LogLevels,
) -> IncrementalAlterConfigsResponse {
    let resources: Vec<(i8, Text)> = request
        .resources
        .iter()
        .map(|resource| (resource.resource_type, resource.resource_name.clone()))
        .collect();
    let validate_only = request.validate_only;
    let loggers: Vec<Option<AlterConfigsResource>> = request
        .resources
        .iter()
        .map(|it| (it.resource_type == ResourceType::BrokerLogger.id()).then(|| it.clone()))
        .collect();
    let decided =
        quorum.decide(move |controller| controller.incremental_alter_configs(&request, through)).await;
    let answers: Vec<Option<Refusal>> = match decided {
        Ok(answers) => answers
            .into_iter()
            .zip(loggers)
            .map(|(answer, logger)| match (answer, logger) {
                // The controller found the request in order; the loggers are here.
                (Ok(()), Some(logger)) => log_levels.change(&logger, quorum.node(), validate_only).err(),
                (answer, _) => answer.err().map(Refusal::from),
            })
            .collect(),
        Err(error) => vec![Some(Refusal::from(error)); resources.len()],
    };
    let responses = resources
        .into_iter()
        .zip(answers)
        .map(|((resource_type, resource_name), refusal)| {
            let (error_code, error_message) = Refusal::code_and_message(refusal);
            AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type,
                resource_name,
                ..AlterConfigsResourceResponse::default()
            }
        })
        .collect();
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}
