//! ElectLeaders (key 43), versions 0–2. The preferred leader of a partition, or any that is alive (KIP-460). Rules
//! and texts are in `ottla_controller`; version 0 knows the preferred one only, and no error of the whole.

use crate::call::Call;
use crate::errors::Refusal;
use ottla_protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use ottla_quorum::Quorum;

/// Answers ElectLeaders.
pub async fn elect_leaders(
    call: &Call,
    request: ElectLeadersRequest,
    quorum: &Quorum,
) -> ElectLeadersResponse {
    // Kafka answers this without a look at the rest.
    if request.topic_partitions.as_ref().is_some_and(Vec::is_empty) {
        return ElectLeadersResponse::default();
    }
    let asked = request.topic_partitions.clone();
    let whole = match quorum.elect_leaders(request).await {
        Ok(Ok(topics)) => {
            let results = topics.into_iter().map(|topic| {
                let partitions = topic.partitions.into_iter();
                let results = partitions.map(|it| result(it.index, it.result.err().map(Refusal::from)));
                ReplicaElectionResult {
                    topic: topic.name,
                    partition_result: results.collect(),
                    ..Default::default()
                }
            });
            return ElectLeadersResponse {
                replica_election_results: results.collect(),
                ..Default::default()
            };
        }
        Ok(Err(refusal)) => Refusal::from(refusal),
        Err(error) => Refusal::from(error),
    };
    let results = asked.into_iter().flatten().map(|topic| ReplicaElectionResult {
        topic: topic.topic,
        partition_result: topic.partitions.iter().map(|index| result(*index, Some(whole.clone()))).collect(),
        ..Default::default()
    });
    ElectLeadersResponse {
        error_code: if call.api_version == 0 { 0 } else { whole.code.into() },
        replica_election_results: results.collect(),
        ..Default::default()
    }
}

fn result(partition_id: i32, refusal: Option<Refusal>) -> PartitionResult {
    let (error_code, error_message) = Refusal::code_and_message(refusal);
    PartitionResult { partition_id, error_code, error_message, ..Default::default() }
}
