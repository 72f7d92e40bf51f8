//! CreateTopics (key 19), versions 2–7. Rules and texts are in `ottla_controller`. Answers when the topics
//! are durable; their partitions open at once behind that. v5 and later tell the topic's configurations
//! (KIP-525), v7 its id.

use crate::errors::Refusal;
use ottla_controller::CreatedTopic;
use ottla_protocol::messages::create_topics::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use ottla_protocol::{ErrorCode, Text};
use ottla_quorum::Quorum;

/// Answers CreateTopics.
pub async fn create_topics(request: CreateTopicsRequest, quorum: &Quorum) -> CreateTopicsResponse {
    let names: Vec<Text> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let answers = match quorum.create_topics(request).await {
        Ok(Ok(answers)) => answers
            .into_iter()
            .map(|answer| answer.map_err(|refusal| Refusal::new(refusal.code, refusal.message)))
            .collect(),
        Ok(Err(refusal)) => all_refused(&names, Refusal::new(refusal.code, refusal.message)),
        Err(error) => all_refused(&names, error.into()),
    };
    let mut topics: Vec<CreatableTopicResult> = Vec::with_capacity(names.len());
    for (name, answer) in names.into_iter().zip(answers) {
        // A name that came twice is answered once.
        if topics.iter().all(|topic| topic.name != name) {
            topics.push(result(name, answer));
        }
    }
    CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
}

fn all_refused(names: &[Text], refusal: Refusal) -> Vec<Result<CreatedTopic, Refusal>> {
    names.iter().map(|_| Err(refusal.clone())).collect()
}

fn result(name: Text, answer: Result<CreatedTopic, Refusal>) -> CreatableTopicResult {
    let created = match answer {
        Ok(created) => created,
        Err(refusal) => {
            return CreatableTopicResult {
                name,
                error_code: refusal.code.into(),
                error_message: refusal.message.map(Text::from),
                configs: Some(Vec::new()),
                ..CreatableTopicResult::default()
            };
        }
    };
    let configs = created.configs.into_iter().map(|entry| CreatableTopicConfigs {
        name: Text::from(entry.name),
        value: entry.value.filter(|_| !entry.sensitive).map(Text::from),
        read_only: entry.read_only,
        config_source: entry.source.id(),
        is_sensitive: entry.sensitive,
        ..CreatableTopicConfigs::default()
    });
    CreatableTopicResult {
        name,
        topic_id: created.id,
        error_code: ErrorCode::None.into(),
        error_message: None,
        topic_config_error_code: ErrorCode::None.into(),
        num_partitions: created.partition_count,
        replication_factor: created.replication_factor,
        configs: Some(configs.collect()),
        ..CreatableTopicResult::default()
    }
}
