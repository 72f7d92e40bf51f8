//! Fetch (key 1), versions 4–18. Waits until min_bytes or max_wait. v13 names topics by id (KIP-516).
//! Read-committed stops at the last stable offset. v7 knows sessions (KIP-227), v12 tells a reader
//! where its log diverges (KIP-595), v16 names the leader on errors (KIP-951).
//!
//! Records are answered as ranges of files: nothing is read here but indexes and batch headers.
//!
//! Here a request becomes an answer; what is read for it is in `read.rs`.

mod read;

use crate::call::Call;
use crate::errors::Refusal;
use crate::fetch_sessions::{Ask, Context, FetchSessions, Tell, Wanted};
use crate::topics::{LeaderHints, TopicKey};
use bytes::Bytes;
use ottla_metadata::Image;
use ottla_partition::{Partitions, Read, RecordRange};
use ottla_protocol::messages::fetch::{
    AbortedTransaction, EpochEndOffset, FetchRequest, FetchResponse, FetchableTopicResponse,
    LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use ottla_protocol::{ErrorCode, Payload};
use read::{Limits, Looked, Part, look_or_wait, outcomes, read_or_wait};
use std::sync::Arc;

/// The first version that knows topics by id.
const FIRST_VERSION_WITH_IDS: i16 = 13;
/// The first version whose errors name the leader. The field is older, but only followers of the metadata
/// log were told before.
const FIRST_VERSION_WITH_LEADER: i16 = 16;
/// The last version without KAFKA_STORAGE_ERROR; its clients look for a new leader instead.
const LAST_VERSION_WITHOUT_STORAGE_ERROR: i16 = 5;

/// An answer and the ranges of files that its [`Payload::Elsewhere`] tickets stand for.
#[derive(Debug)]
pub struct Fetched {
    /// The answer.
    pub response: FetchResponse,
    /// Ticket → range.
    pub ranges: Vec<RecordRange>,
}

/// What was read for an answer, and what of it the answer tells.
struct Answered {
    wanted: Vec<Arc<Wanted>>,
    parts: Vec<Part>,
    tell: Tell,
    /// The metadata by which it was read.
    image: Arc<Image>,
}

/// Reads what is asked for, waiting for it if need be. `image` tells the newest metadata.
pub async fn fetch(
    call: &Call,
    request: FetchRequest,
    image: impl Fn() -> Arc<Image>,
    partitions: &Partitions,
    sessions: &FetchSessions,
    fetch_max_bytes: usize,
    now_ms: impl Fn() -> i64,
) -> Fetched {
    let by_id = call.api_version >= FIRST_VERSION_WITH_IDS;
    let replica = if call.api_version >= 15 { request.replica_state.replica_id } else { request.replica_id };
    let context = match sessions.context(ask(&request, by_id, replica >= 0), now_ms()) {
        Ok(context) => context,
        Err(error) => return Fetched::failure(error, 0),
    };
    let limits = Limits::of(&request, fetch_max_bytes);
    let answered = match context {
        Context::Incremental(request) => {
            let Looked { looks, parts, image } =
                match look_or_wait(&request, replica, image, partitions, &limits).await {
                    Ok(looked) => looked,
                    Err(error) => return Fetched::failure(error, request.session_id()),
                };
            let wanted: Vec<_> = looks.iter().map(|look| Arc::clone(&look.wanted)).collect();
            let outcomes = outcomes(&wanted, &parts, limits.isolation);
            Answered { tell: sessions.tell(&request, looks, &outcomes), wanted, parts, image }
        }
        Context::Sessionless { wanted } => {
            let image = image();
            let parts = read_or_wait(&wanted, replica, &image, partitions, &limits).await;
            Answered { tell: FetchSessions::tell_all(&wanted), wanted, parts, image }
        }
        Context::Begin { wanted, uses_ids, from_follower } => {
            let image = image();
            let parts = read_or_wait(&wanted, replica, &image, partitions, &limits).await;
            let outcomes = outcomes(&wanted, &parts, limits.isolation);
            let tell = sessions.begin(&wanted, &outcomes, uses_ids, from_follower, now_ms());
            Answered { wanted, parts, tell, image }
        }
    };
    respond(call, answered, replica)
}

/// The answer, as a message.
fn respond(call: &Call, answered: Answered, replica: i32) -> Fetched {
    let Answered { wanted, parts, tell, image } = answered;
    let mut fetched = Fetched {
        response: FetchResponse {
            error_code: tell.error.map_or(0, i16::from),
            session_id: tell.session_id,
            ..Default::default()
        },
        ranges: Vec::new(),
    };
    // What is not there at all is told last, as Kafka tells it.
    let (unknown, known): (Vec<_>, Vec<_>) = wanted
        .iter()
        .zip(parts)
        .zip(tell.included)
        .filter_map(|(it, included)| included.then_some(it))
        .partition(|(_, part)| part.as_ref().is_err_and(|refusal| is_unknown(refusal.code)));
    let mut hints = LeaderHints::new(&image, &call.listener);
    for (wanted, part) in known.into_iter().chain(unknown) {
        fetched.add(call, wanted, part, &mut hints);
    }
    // Followers know the brokers.
    if replica < 0 {
        fetched.response.node_endpoints = hints.endpoints(|leader| NodeEndpoint {
            node_id: leader.node.0,
            host: leader.host,
            port: leader.port,
            rack: leader.rack,
            ..Default::default()
        });
    }
    fetched
}

/// What the request asks of the session cache.
fn ask(request: &FetchRequest, by_id: bool, from_follower: bool) -> Ask {
    let key = |name: &ottla_protocol::Text, id| {
        if by_id { TopicKey::Id(id) } else { TopicKey::Name(name.clone()) }
    };
    Ask {
        session_id: request.session_id,
        session_epoch: request.session_epoch,
        uses_ids: by_id,
        from_follower,
        wanted: request
            .topics
            .iter()
            .flat_map(|topic| {
                topic.partitions.iter().map(move |it| Wanted {
                    topic: key(&topic.topic, topic.topic_id),
                    partition: it.partition,
                    fetch_offset: it.fetch_offset,
                    current_leader_epoch: it.current_leader_epoch,
                    last_fetched_epoch: it.last_fetched_epoch,
                    log_start_offset: it.log_start_offset,
                    max_bytes: it.partition_max_bytes,
                })
            })
            .collect(),
        forgotten: request
            .forgotten_topics_data
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(move |it| (key(&topic.topic, topic.topic_id), *it)))
            .collect(),
    }
}

/// Whether the topic or the partition is not in the cluster at all.
fn is_unknown(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId)
}

impl Fetched {
    /// An answer without partitions.
    fn failure(error: ErrorCode, session_id: i32) -> Fetched {
        let response = FetchResponse { error_code: error.into(), session_id, ..Default::default() };
        Fetched { response, ranges: Vec::new() }
    }

    /// Adds one partition's part to the answer, to its topic's if that was the last one.
    fn add(&mut self, call: &Call, wanted: &Wanted, part: Part, hints: &mut LeaderHints<'_>) {
        let data = match part {
            Ok(read) => self.data(wanted, read),
            Err(refusal) => refused(call, wanted, &refusal, hints),
        };
        let (name, id) = match &wanted.topic {
            TopicKey::Name(name) => (name.clone(), Default::default()),
            TopicKey::Id(id) => (Default::default(), *id),
        };
        match self.response.responses.last_mut() {
            Some(last) if last.topic == name && last.topic_id == id => last.partitions.push(data),
            _ => self.response.responses.push(FetchableTopicResponse {
                topic: name,
                topic_id: id,
                partitions: vec![data],
                ..Default::default()
            }),
        }
    }

    fn data(&mut self, wanted: &Wanted, read: Read) -> PartitionData {
        let mut data = PartitionData {
            partition_index: wanted.partition,
            high_watermark: read.high_watermark.0,
            last_stable_offset: read.last_stable_offset.0,
            log_start_offset: read.log_start_offset.0,
            aborted_transactions: read.aborted.map(|aborted| {
                aborted
                    .into_iter()
                    .map(|(producer_id, first_offset)| AbortedTransaction {
                        producer_id: producer_id.0,
                        first_offset: first_offset.0,
                        ..Default::default()
                    })
                    .collect()
            }),
            records: Some(Payload::Bytes(Bytes::new())),
            ..Default::default()
        };
        if let Some((epoch, end_offset)) = read.diverging {
            data.diverging_epoch =
                EpochEndOffset { epoch: epoch.0, end_offset: end_offset.0, ..Default::default() };
        }
        if !read.records.is_empty() {
            data.records = Some(Payload::Elsewhere { size: read.records.size(), ticket: self.ranges.len() });
            self.ranges.push(read.records);
        }
        data
    }
}

fn refused(call: &Call, wanted: &Wanted, refusal: &Refusal, hints: &mut LeaderHints<'_>) -> PartitionData {
    let mut code = refusal.code;
    if code == ErrorCode::KafkaStorageError && call.api_version <= LAST_VERSION_WITHOUT_STORAGE_ERROR {
        code = ErrorCode::NotLeaderOrFollower;
    }
    let mut data = PartitionData {
        partition_index: wanted.partition,
        error_code: code.into(),
        high_watermark: -1,
        last_stable_offset: -1,
        // Null where the log was asked and refused, empty where there is none, as in Kafka.
        aborted_transactions: is_unknown(code).then(Vec::new),
        records: Some(Payload::Bytes(Bytes::new())),
        ..Default::default()
    };
    if call.api_version >= FIRST_VERSION_WITH_LEADER
        && let Some((node, epoch)) = hints.hint(code, &wanted.topic, wanted.partition)
    {
        data.current_leader =
            LeaderIdAndEpoch { leader_id: node.0, leader_epoch: epoch.0, ..Default::default() };
    }
    data
}

#[cfg(test)]
mod tests;
