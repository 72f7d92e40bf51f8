//! AlterPartitionReassignments (key 45), versions 0–1. Rules and texts are in `ottla_controller`. Moves partitions to
//! other brokers (KIP-455); within a broker AlterReplicaLogDirs moves them.

use crate::errors::Refusal;
use ottla_protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartitionResponse,
    ReassignableTopicResponse,
};
use ottla_quorum::Quorum;

/// Answers AlterPartitionReassignments.
pub async fn alter_partition_reassignments(
    request: AlterPartitionReassignmentsRequest,
    quorum: &Quorum,
) -> AlterPartitionReassignmentsResponse {
    // Kafka answers this with all defaults, the message among them.
    if request.topics.is_empty() {
        return AlterPartitionReassignmentsResponse::default();
    }
    let topics = request.topics.clone();
    let allow_replication_factor_change = request.allow_replication_factor_change;
    let (whole, answers) = match quorum.alter_partition_reassignments(request).await {
        Ok(Ok(answers)) => (None, answers),
        Ok(Err(refusal)) => (Some(Refusal::from(refusal)), Vec::new()),
        Err(error) => (Some(Refusal::from(error)), Vec::new()),
    };
    let mut answers = answers.into_iter();
    // Kafka leaves out a text that only says what the code says.
    let refused = |refusal: ottla_controller::Refusal| match refusal.message == refusal.code.message() {
        true => Refusal::from(refusal.code),
        false => Refusal::from(refusal),
    };
    let mut answer = |partition_index| {
        let refusal = answers.next().and_then(Result::err).map(refused).or_else(|| whole.clone());
        let (error_code, error_message) = Refusal::code_and_message(refusal);
        ReassignablePartitionResponse { partition_index, error_code, error_message, ..Default::default() }
    };
    let mut responses = Vec::with_capacity(topics.len());
    for topic in topics {
        let partitions = topic.partitions.iter().map(|it| answer(it.partition_index)).collect();
        responses.push(ReassignableTopicResponse { name: topic.name, partitions, ..Default::default() });
    }
    let (error_code, error_message) = Refusal::code_and_message(whole);
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change,
        error_code,
        error_message,
        responses,
        ..Default::default()
    }
}
