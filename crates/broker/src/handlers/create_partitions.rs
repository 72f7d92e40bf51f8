//! CreatePartitions (key 37), versions 0–3. Rules and texts are in `ottla_controller`. Answers when the
//! partitions are durable; they open at once behind that.

use crate::errors::Refusal;
use ottla_protocol::Text;
use ottla_protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopicResult,
};
use ottla_quorum::Quorum;

/// Kafka leaves out a text that only says what the code says.
fn refused(refusal: ottla_controller::Refusal) -> Refusal {
    let says_more = refusal.message != refusal.code.message();
    if says_more { refusal.into() } else { refusal.code.into() }
}

/// Answers CreatePartitions.
pub async fn create_partitions(
    request: CreatePartitionsRequest,
    quorum: &Quorum,
) -> CreatePartitionsResponse {
    let names: Vec<Text> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let answers: Vec<Option<Refusal>> = match quorum.create_partitions(request).await {
        Ok(Ok(answers)) => answers.into_iter().map(|answer| answer.err().map(refused)).collect(),
        Ok(Err(refusal)) => {
            let refusal = Refusal::new(refusal.code, refusal.message);
            names.iter().map(|_| Some(refusal.clone())).collect()
        }
        Err(error) => {
            let refusal = Refusal::from(error);
            names.iter().map(|_| Some(refusal.clone())).collect()
        }
    };
    let mut results: Vec<CreatePartitionsTopicResult> = Vec::with_capacity(names.len());
    for (name, refusal) in names.into_iter().zip(answers) {
        // A name that came twice is answered once.
        if results.iter().any(|result| result.name == name) {
            continue;
        }
        let (error_code, error_message) = Refusal::code_and_message(refusal);
        results.push(CreatePartitionsTopicResult {
            name,
            error_code,
            error_message,
            ..CreatePartitionsTopicResult::default()
        });
    }
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}
