//! AlterConfigs (key 33), versions 0–2. Replaces all that is set on a topic or a broker: the older way, which
//! takes away what the request does not name (deprecated by KIP-339). Rules and texts are in
//! `ottla_controller`; each resource is answered by itself, in the order of the request.

use crate::errors::Refusal;
use ottla_controller::Through;
use ottla_protocol::Text;
use ottla_protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse,
};
use ottla_quorum::Quorum;

/// Answers AlterConfigs, once the change is committed.
pub async fn alter_configs(
    request: AlterConfigsRequest,
    through: Through,
    quorum: &Quorum,
) -> AlterConfigsResponse {
    let resources: Vec<(i8, Text)> = request
        .resources
        .iter()
        .map(|resource| (resource.resource_type, resource.resource_name.clone()))
        .collect();
    let decided = quorum.decide(move |controller| controller.alter_configs(&request, through)).await;
    let answers: Vec<Option<Refusal>> = match decided {
        Ok(answers) => answers.into_iter().map(|answer| answer.err().map(Refusal::from)).collect(),
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
    AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
}
