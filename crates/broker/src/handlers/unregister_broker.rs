//! UnregisterBroker (key 64), version 0. A broker that left the cluster for good is forgotten (KIP-631). Rules and texts
//! are in `ottla_controller`.

use crate::errors::Refusal;
use ottla_ids::NodeId;
use ottla_protocol::messages::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use ottla_quorum::Quorum;

/// Answers UnregisterBroker, once the broker is forgotten.
pub async fn unregister_broker(
    request: UnregisterBrokerRequest,
    quorum: &Quorum,
) -> UnregisterBrokerResponse {
    let node = NodeId(request.broker_id);
    let refusal = match quorum.decide(move |controller| controller.unregister_broker(node)).await {
        Ok(Ok(())) => return UnregisterBrokerResponse::default(),
        Ok(Err(refusal)) => Refusal::from(refusal),
        Err(error) => Refusal::from(error),
    };
    let (error_code, error_message) = Refusal::code_and_message(Some(refusal));
    UnregisterBrokerResponse { error_code, error_message, ..Default::default() }
}
