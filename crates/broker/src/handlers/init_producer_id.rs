//! InitProducerId (key 22), versions 0–6. Gives an idempotent producer an id that nobody ever had, with
//! epoch 0; ids come from the controller in blocks. One that has an id already and lost its sequence gets
//! another, as in Kafka. Transactional producers need a transaction coordinator, which is not there yet:
//! they are told COORDINATOR_NOT_AVAILABLE, and ask again.

use crate::errors::Refusal;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use ottla_quorum::Quorum;

/// Answers InitProducerId.
pub async fn init_producer_id(request: &InitProducerIdRequest, quorum: &Quorum) -> InitProducerIdResponse {
    let code = match check(request) {
        Err(code) => code,
        Ok(()) => match quorum.next_producer_id().await {
            Ok(Ok(id)) => {
                return InitProducerIdResponse {
                    producer_id: id.0,
                    producer_epoch: 0,
                    ..InitProducerIdResponse::default()
                };
            }
            Ok(Err(refusal)) => refusal.code,
            Err(error) => Refusal::from(error).code,
        },
    };
    InitProducerIdResponse {
        error_code: code.into(),
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    }
}

/// An id goes with its epoch; an empty transactional id is none that Kafka takes.
fn check(request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        return Err(ErrorCode::InvalidRequest);
    }
    match &request.transactional_id {
        None => Ok(()),
        Some(id) if id.is_empty() => Err(ErrorCode::InvalidRequest),
        Some(_) => Err(ErrorCode::CoordinatorNotAvailable),
    }
}
