//! DeleteTopics (key 20), versions 1–6; v6 names topics by id too (KIP-516). Rules and texts are in
//! `ottla_controller`. Answers when it is durable that the topics are gone; their files follow.

use crate::call::Call;
use crate::errors::Refusal;
use ottla_controller::TopicToDelete;
use ottla_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse,
};
use ottla_protocol::{ErrorCode, Text, Uuid};
use ottla_quorum::Quorum;

/// Answers DeleteTopics.
pub async fn delete_topics(
    call: &Call,
    request: DeleteTopicsRequest,
    quorum: &Quorum,
) -> DeleteTopicsResponse {
    let by_name =
        request.topic_names.into_iter().map(|name| TopicToDelete { name: Some(name), id: Uuid::ZERO });
    let by_state =
        request.topics.into_iter().map(|topic| TopicToDelete { name: topic.name, id: topic.topic_id });
    let topics: Vec<TopicToDelete> = by_name.chain(by_state).collect();
    let responses = match quorum.delete_topics(topics.clone()).await {
        Ok(Ok(answers)) => answers
            .into_iter()
            .map(|answer| {
                let refusal = answer.result.err().map(|refusal| Refusal::new(refusal.code, refusal.message));
                result(answer.name, answer.id, refusal)
            })
            .collect(),
        Ok(Err(refusal)) => {
            // Clients before v3 do not know that topics may be undeletable.
            let is_old = call.api_version < 3 && refusal.code == ErrorCode::TopicDeletionDisabled;
            let refusal = if is_old {
                Refusal::new(ErrorCode::InvalidRequest, "This version does not support topic deletion.")
            } else {
                Refusal::new(refusal.code, refusal.message)
            };
            all_refused(topics, &refusal)
        }
        Err(error) => all_refused(topics, &Refusal::from(error)),
    };
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

fn all_refused(topics: Vec<TopicToDelete>, refusal: &Refusal) -> Vec<DeletableTopicResult> {
    topics.into_iter().map(|topic| result(topic.name, topic.id, Some(refusal.clone()))).collect()
}

fn result(name: Option<Text>, topic_id: Uuid, refusal: Option<Refusal>) -> DeletableTopicResult {
    let (error_code, error_message) = Refusal::code_and_message(refusal);
    DeletableTopicResult { name, topic_id, error_code, error_message, ..DeletableTopicResult::default() }
}
