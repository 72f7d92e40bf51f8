//! Produce (key 0), versions 3–13. Appends each partition's batch and answers when it is durable.
//! v13 names topics by id (KIP-516); v10 hints at the leader (KIP-951); v8 tells which records were wrong.
//!
//! Appending happens at once, in the order of the connection's requests; only the wait for durability
//! is left for later, so that the next request of the connection need not wait for it.

use crate::call::Call;
use crate::errors::Refusal;
use crate::topics::{self, LeaderHints, TopicKey};
use futures_util::future::BoxFuture;
use ottla_controller::is_internal_topic;
use ottla_ids::Offset;
use ottla_metadata::Image;
use ottla_partition::{Acks, AppendError, Origin, Partitions, Ticket};
use ottla_protocol::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData,
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use ottla_protocol::{ErrorCode, Payload, Uuid};
use ottla_records::{ProduceError, size_of_batch_at};
use std::time::Duration;

/// The first version that knows topics by id.
const FIRST_VERSION_WITH_IDS: i16 = 13;
/// The first version whose errors may name the leader.
const FIRST_VERSION_WITH_LEADER: i16 = 10;
/// The client id that may write to internal topics (Kafka's `AdminUtils`).
const ADMIN_CLIENT_ID: &str = "__admin_client";

/// A produce request that was carried out and may still have to wait.
pub enum Produced {
    /// Everything is known.
    Now(ProduceResponse),
    /// Some appends wait for durability.
    Later(BoxFuture<'static, ProduceResponse>),
    /// acks=0: nobody wants an answer.
    Unasked {
        /// Whether something was refused: the connection is closed then, since that is the only way
        /// to tell.
        failed: bool,
    },
}

/// A place in the answer that waits for its ticket.
struct Waiting {
    topic: usize,
    partition: usize,
    ticket: Ticket,
}

/// Appends what `request` brings, and says what to wait for.
pub fn produce(
    call: &Call,
    request: ProduceRequest,
    image: &Image,
    partitions: &Partitions,
    now_ms: i64,
) -> Produced {
    let by_id = call.api_version >= FIRST_VERSION_WITH_IDS;
    let acks = Acks::from_number(request.acks);
    let mut response = ProduceResponse::default();
    let mut waiting: Vec<Waiting> = Vec::new();
    response.responses.reserve_exact(request.topic_data.len());
    for topic in &request.topic_data {
        let key = if by_id { TopicKey::Id(topic.topic_id) } else { TopicKey::Name(topic.name.clone()) };
        let mut answers = Vec::with_capacity(topic.partition_data.len());
        for data in &topic.partition_data {
            let (answer, ticket) = match append(call, data, &key, acks, &request, image, partitions, now_ms) {
                Ok((answer, ticket)) => (answer, ticket),
                Err(refusal) => (refused(data.index, refusal), None),
            };
            if let Some(ticket) = ticket {
                waiting.push(Waiting { topic: response.responses.len(), partition: answers.len(), ticket });
            }
            answers.push(answer);
        }
        response.responses.push(TopicProduceResponse {
            name: if by_id { Default::default() } else { topic.name.clone() },
            topic_id: topic.topic_id,
            partition_responses: answers,
            ..Default::default()
        });
    }
    if call.api_version >= FIRST_VERSION_WITH_LEADER {
        name_leaders(call, &mut response, image);
    }
    if acks == Some(Acks::None) {
        let failed =
            response.responses.iter().flat_map(|it| &it.partition_responses).any(|it| it.error_code != 0);
        return Produced::Unasked { failed };
    }
    if waiting.is_empty() {
        return Produced::Now(response);
    }
    let timeout = Duration::from_millis(request.timeout_ms.max(0) as u64);
    Produced::Later(Box::pin(wait(response, waiting, timeout)))
}

/// Appends one partition's records; the answer so far, and what it waits for.
#[expect(clippy::too_many_arguments, reason = "each is one thing the rules of one append look at")]
fn append(
    call: &Call,
    data: &PartitionProduceData,
    key: &TopicKey,
    acks: Option<Acks>,
    request: &ProduceRequest,
    image: &Image,
    partitions: &Partitions,
    now_ms: i64,
) -> Result<(PartitionProduceResponse, Option<Ticket>), Refusal> {
    let Some(acks) = acks else { return Err(ErrorCode::InvalidRequiredAcks.into()) };
    let topic = topics::find(image, key)?;
    if topic.partition(data.index).is_none() {
        return Err(ErrorCode::UnknownTopicOrPartition.into());
    }
    if is_internal_topic(&topic.name) && &*call.client_id != ADMIN_CLIENT_ID {
        return Err(ErrorCode::InvalidTopicException.into());
    }
    let partition = topics::partition(image, topic, data.index, partitions)
        .map_err(|refusal| Refusal::from(refusal.code))?;
    let records = match &data.records {
        Some(Payload::Bytes(bytes)) => &bytes[..],
        _ => &[],
    };
    let origin = Origin::Client {
        transactional_id: request.transactional_id.as_deref(),
        produce_version: call.api_version,
    };
    let appended = match partition.append(records, acks, origin, now_ms) {
        Ok(appended) => appended,
        Err(error) => {
            let log_start_offset =
                if names_log_start(&error, records) { partition.log_start_offset().0 } else { -1 };
            return Ok((
                PartitionProduceResponse { log_start_offset, ..refused(data.index, error.into()) },
                None,
            ));
        }
    };
    let answer = PartitionProduceResponse {
        index: data.index,
        base_offset: appended.base_offset.0,
        log_append_time_ms: appended.append_time_ms.unwrap_or(-1),
        log_start_offset: appended.log_start_offset.0,
        ..Default::default()
    };
    let ticket = appended.wait.map(|end: Offset| partition.ticket(end)).filter(|ticket| !ticket.is_ready());
    Ok((answer, ticket))
}

/// Whether a refusal comes with the log's first offset: Kafka's `ReplicaManager` gives it with what the log
/// itself refused, and not with what was wrong before the log was asked.
fn names_log_start(error: &AppendError, records: &[u8]) -> bool {
    use ottla_storage::AppendError as Log;
    match error {
        AppendError::Records(ProduceError::InvalidRecord { .. }) => {
            // Anything but one batch is refused before (`ProduceRequest.validateRecords`).
            size_of_batch_at(records) == Ok(records.len())
        }
        AppendError::Records(ProduceError::InvalidTimestamp { .. })
        | AppendError::NotEnoughReplicas { .. } => true,
        AppendError::Records(
            ProduceError::CorruptMessage { .. }
            | ProduceError::MalformedBatch { .. }
            | ProduceError::MessageTooLarge { .. }
            | ProduceError::UnsupportedCompressionType { .. },
        )
        | AppendError::TransactionNotVerified
        | AppendError::NoTransactionalId
        | AppendError::Log(Log::TooLarge { .. } | Log::Malformed { .. } | Log::Storage(_)) => false,
        AppendError::Log(
            Log::OutOfOrderSequence { .. }
            | Log::InvalidProducerEpoch { .. }
            | Log::InvalidTransactionState { .. }
            | Log::TransactionCoordinatorFenced { .. }
            | Log::UnexpectedOffset { .. },
        ) => true,
    }
}

/// The answer of a partition that was refused.
fn refused(index: i32, refusal: Refusal) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code: refusal.code.into(),
        base_offset: -1,
        record_errors: refusal
            .record_errors
            .into_iter()
            .map(|it| BatchIndexAndErrorMessage {
                batch_index: it.batch_index,
                batch_index_error_message: Some(it.message.into()),
                ..Default::default()
            })
            .collect(),
        error_message: refusal.message.map(Into::into),
        ..Default::default()
    }
}

/// Waits for all that waits, within `timeout` (the request's `timeout.ms`), and completes the answer.
async fn wait(mut response: ProduceResponse, waiting: Vec<Waiting>, timeout: Duration) -> ProduceResponse {
    let deadline = tokio::time::Instant::now() + timeout;
    for Waiting { topic, partition, ticket } in waiting {
        let error = match tokio::time::timeout_at(deadline, ticket.reached()).await {
            Ok(Ok(())) => continue,
            Ok(Err(_offline)) => ErrorCode::KafkaStorageError,
            // The records stay in the log: the client may find them there later, as with Kafka.
            Err(_elapsed) => ErrorCode::RequestTimedOut,
        };
        let answer = response
            .responses
            .get_mut(topic)
            .and_then(|it| it.partition_responses.get_mut(partition))
            .expect("the places were taken from this very answer");
        *answer = refused(answer.index, error.into());
    }
    response
}

/// Tells the clients of partitions that are led elsewhere, or in another epoch, where to go (KIP-951).
fn name_leaders(call: &Call, response: &mut ProduceResponse, image: &Image) {
    let mut hints = LeaderHints::new(image, &call.listener);
    for topic in &mut response.responses {
        for answer in &mut topic.partition_responses {
            let key = || match topic.topic_id {
                Uuid::ZERO => TopicKey::Name(topic.name.clone()),
                id => TopicKey::Id(id),
            };
            if answer.error_code == 0 {
                continue;
            }
            if let Some((node, epoch)) = hints.hint(answer.error_code.into(), &key(), answer.index) {
                answer.current_leader =
                    LeaderIdAndEpoch { leader_id: node.0, leader_epoch: epoch.0, ..Default::default() };
            }
        }
    }
    response.node_endpoints = hints.endpoints(|leader| NodeEndpoint {
        node_id: leader.node.0,
        host: leader.host,
        port: leader.port,
        rack: leader.rack,
        ..Default::default()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_ids::Offset;
    use ottla_records::{BatchBuilder, Compression};

    #[test]
    fn the_log_start_is_told_with_what_the_log_refused() {
        let mut one = BatchBuilder::new(Offset::ZERO, Compression::None);
        one.append(0, None, None, &[]).unwrap();
        let one = one.finish().unwrap();
        let two = [&one[..], &one[..]].concat();
        let invalid = || {
            AppendError::Records(ProduceError::InvalidRecord {
                message: String::new(),
                record_errors: Vec::new(),
            })
        };
        let corrupt = AppendError::Records(ProduceError::CorruptMessage { message: String::new() });
        assert!(names_log_start(&invalid(), &one));
        assert!(!names_log_start(&invalid(), &two), "two batches never reach the log");
        assert!(!names_log_start(&invalid(), &[]), "no batch never reaches the log");
        assert!(!names_log_start(&corrupt, &one));
        assert!(names_log_start(&AppendError::NotEnoughReplicas { in_sync: 1, wanted: 2 }, &one));
    }
}
