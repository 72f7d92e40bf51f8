//! Fetch (key 1), versions 4–18. Waits until min_bytes or max_wait. v13 names topics by id (KIP-516).
//! Read-committed stops at the last stable offset. v7 knows sessions (KIP-227), v12 tells a reader
//! where its log diverges (KIP-595), v16 names the leader on errors (KIP-951).
//!
//! Records are answered as ranges of files: nothing is read here but indexes and batch headers.

use crate::call::Call;
use crate::errors::Refusal;
use crate::fetch_sessions::{Ask, FetchSessions, Outcome, Told, Wanted};
use crate::topics::{self, LeaderHints, TopicKey};
use bytes::Bytes;
use ottla_ids::{LeaderEpoch, Offset};
use ottla_metadata::{Image, Topic};
use ottla_partition::{Isolation, Partition, Partitions, Read, RecordRange};
use ottla_protocol::messages::fetch::{
    AbortedTransaction, EpochEndOffset, FetchRequest, FetchResponse, FetchableTopicResponse,
    LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use ottla_protocol::{ErrorCode, Payload};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

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

/// What was read of one partition, or why not.
type Part = Result<Read, Refusal>;

/// Reads what is asked for, waiting for it if need be.
pub async fn fetch(
    call: &Call,
    request: FetchRequest,
    image: &Image,
    partitions: &Partitions,
    sessions: &FetchSessions,
    fetch_max_bytes: usize,
    now_ms: impl Fn() -> i64,
) -> Fetched {
    let by_id = call.api_version >= FIRST_VERSION_WITH_IDS;
    let replica = if call.api_version >= 15 { request.replica_state.replica_id } else { request.replica_id };
    let context = match sessions.context(ask(&request, by_id, replica >= 0), now_ms()) {
        Ok(context) => context,
        Err(error) => {
            let response = FetchResponse { error_code: error.into(), ..Default::default() };
            return Fetched { response, ranges: Vec::new() };
        }
    };
    let wanted = context.wanted();
    let targets = targets(wanted, replica, image, partitions);
    let max_bytes = fetch_max_bytes.min(request.max_bytes.max(0) as usize);
    let limits = Limits {
        max_bytes,
        // More than may be answered is never there: waiting for it would be in vain.
        min_bytes: max_bytes.min(request.min_bytes.max(0) as usize),
        isolation: if request.isolation_level == 1 {
            Isolation::ReadCommitted
        } else {
            Isolation::ReadUncommitted
        },
    };
    let wait = Duration::from_millis(request.max_wait_ms.max(0) as u64);
    let parts = read_or_wait(wanted, &targets, &limits, wait).await;
    let outcomes: Vec<Outcome> = parts.iter().map(outcome).collect();
    let tell = sessions.tell(&context, &outcomes, now_ms());
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
    let mut hints = LeaderHints::new(image, &call.listener);
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

struct Limits {
    max_bytes: usize,
    min_bytes: usize,
    isolation: Isolation,
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

/// The partitions to read. A topic is looked for once, where many of its partitions follow each other.
fn targets(
    wanted: &[Arc<Wanted>],
    replica: i32,
    image: &Image,
    partitions: &Partitions,
) -> Vec<Result<Arc<Partition>, Refusal>> {
    let mut last: Option<(&TopicKey, Result<&Arc<Topic>, Refusal>)> = None;
    let mut find = |key| match &last {
        Some((known, topic)) if *known == key => topic.clone(),
        _ => last.insert((key, topics::find(image, key))).1.clone(),
    };
    wanted.iter().map(|it| target(it, find(&it.topic)?, replica, image, partitions)).collect()
}

/// The partition to read, if it is led here in the epoch that the client believes in.
fn target(
    wanted: &Wanted,
    topic: &Topic,
    replica: i32,
    image: &Image,
    partitions: &Partitions,
) -> Result<Arc<Partition>, Refusal> {
    let partition = topics::partition(image, topic, wanted.partition, partitions)?;
    topics::check_epoch(&partition, wanted.current_leader_epoch)?;
    if replica >= 0 && !topics::is_replica(topic, wanted.partition, replica) {
        // A follower that is not assigned: it may know something newer than this node.
        let code = if wanted.current_leader_epoch >= 0 {
            ErrorCode::UnknownLeaderEpoch
        } else {
            ErrorCode::NotLeaderOrFollower
        };
        return Err(code.into());
    }
    Ok(partition)
}

/// Reads until there is enough, something is to be told at once, or `wait` is over.
async fn read_or_wait(
    wanted: &[Arc<Wanted>],
    targets: &[Result<Arc<Partition>, Refusal>],
    limits: &Limits,
    wait: Duration,
) -> Vec<Part> {
    let parts = read_all(wanted, targets, limits);
    if wait.is_zero() || wanted.is_empty() || is_enough(&parts, limits) {
        return parts;
    }
    let deadline = tokio::time::Instant::now() + wait;
    let watch = Watch::on(targets);
    let mut parts = parts;
    loop {
        // Something may have come between reading and watching: the marks tell, without reading again.
        if read_moved(wanted, targets, limits, &mut parts) && is_enough(&parts, limits) {
            return parts;
        }
        if tokio::time::timeout_at(deadline, watch.notify.notified()).await.is_err() {
            return parts;
        }
    }
}

/// Whether the answer must not wait: enough bytes, an error, or news that the client acts on.
fn is_enough(parts: &[Part], limits: &Limits) -> bool {
    let mut bytes = 0;
    for part in parts {
        match part {
            Err(_) => return true,
            Ok(read) if read.diverging.is_some() => return true,
            Ok(read) => bytes += read.size(),
        }
    }
    bytes >= limits.min_bytes
}

/// Whether a partition has other offsets than those that `part` was read at.
fn has_moved(target: &Result<Arc<Partition>, Refusal>, part: &Part) -> bool {
    match (target, part) {
        (Ok(partition), Ok(read)) => {
            partition.is_offline()
                || partition.high_watermark() != read.high_watermark
                || partition.log_start_offset() != read.log_start_offset
        }
        _ => false,
    }
}

/// Reads again what has moved since `parts` were read; whether anything has. The answer is that of [`read_all`]: where
/// nothing was read before, nothing was taken of the limits, and what has not moved has nothing still.
fn read_moved(
    wanted: &[Arc<Wanted>],
    targets: &[Result<Arc<Partition>, Refusal>],
    limits: &Limits,
    parts: &mut Vec<Part>,
) -> bool {
    let moved: Vec<usize> = targets
        .iter()
        .zip(&*parts)
        .enumerate()
        .filter_map(|(index, (target, part))| has_moved(target, part).then_some(index))
        .collect();
    if moved.is_empty() {
        return false;
    }
    if parts.iter().flatten().any(|read| read.size() > 0) {
        *parts = read_all(wanted, targets, limits);
        return true;
    }
    let mut reader = Reader::new(limits);
    for index in moved {
        if let (Some(wanted), Some(target), Some(part)) =
            (wanted.get(index), targets.get(index), parts.get_mut(index))
        {
            *part = reader.read(wanted, target);
        }
    }
    true
}

/// Reads every partition in order, within the limits.
fn read_all(
    wanted: &[Arc<Wanted>],
    targets: &[Result<Arc<Partition>, Refusal>],
    limits: &Limits,
) -> Vec<Part> {
    let mut reader = Reader::new(limits);
    wanted.iter().zip(targets).map(|(wanted, target)| reader.read(wanted, target)).collect()
}

/// Reads one partition after the other. The first one that has records gives at least one whole batch, however large, so
/// that a client always gets on.
struct Reader {
    /// Bytes that may still be read.
    left: usize,
    at_least_one: bool,
    isolation: Isolation,
}

impl Reader {
    fn new(limits: &Limits) -> Reader {
        Reader { left: limits.max_bytes, at_least_one: true, isolation: limits.isolation }
    }

    fn read(&mut self, wanted: &Wanted, target: &Result<Arc<Partition>, Refusal>) -> Part {
        let partition = target.as_ref().map_err(Refusal::clone)?;
        if let Some(diverging) = diverging(wanted, partition)? {
            return Ok(Read { diverging: Some(diverging), ..partition.read_nothing()? });
        }
        let max_bytes = self.left.min(wanted.max_bytes.max(0) as usize);
        let read =
            partition.read(Offset(wanted.fetch_offset), max_bytes, self.isolation, self.at_least_one)?;
        if read.size() > 0 {
            self.at_least_one = false;
            self.left = self.left.saturating_sub(read.size());
        }
        Ok(read)
    }
}

/// Where the reader's log leaves ours, if it does (KIP-595): it must cut back to there first.
fn diverging(wanted: &Wanted, partition: &Partition) -> Result<Option<(LeaderEpoch, Offset)>, Refusal> {
    if wanted.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let last_fetched_epoch = LeaderEpoch(wanted.last_fetched_epoch);
    match partition.end_offset_for_epoch(last_fetched_epoch)? {
        None => Err(ErrorCode::OffsetOutOfRange.into()),
        Some((epoch, end)) if epoch < last_fetched_epoch || end < Offset(wanted.fetch_offset) => {
            Ok(Some((epoch, end)))
        }
        Some(_) => Ok(None),
    }
}

/// Whether the topic or the partition is not in the cluster at all.
fn is_unknown(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId)
}

/// The session's view of what was read.
fn outcome(part: &Part) -> Outcome {
    match part {
        Ok(read) => Outcome {
            told: Told { high_watermark: read.high_watermark.0, log_start_offset: read.log_start_offset.0 },
            has_records: read.size() > 0,
            has_error: false,
            urgent: read.diverging.is_some(),
        },
        Err(_) => Outcome {
            told: Told { high_watermark: -1, log_start_offset: -1 },
            has_records: false,
            has_error: true,
            urgent: false,
        },
    }
}

/// Watches partitions for as long as it lives.
struct Watch<'a> {
    notify: Arc<Notify>,
    targets: &'a [Result<Arc<Partition>, Refusal>],
}

impl<'a> Watch<'a> {
    fn on(targets: &'a [Result<Arc<Partition>, Refusal>]) -> Watch<'a> {
        let notify = Arc::new(Notify::new());
        for partition in targets.iter().flatten() {
            partition.watch(&notify);
        }
        Watch { notify, targets }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        for partition in self.targets.iter().flatten() {
            partition.unwatch(&self.notify);
        }
    }
}

impl Fetched {
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
