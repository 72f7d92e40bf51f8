//! The producer: collects records into batches, one a partition, and sends each until it is acked.
//!
//! One task owns all batches. A partition has at most one batch in flight, so that its records stay in
//! order whatever happens; batches of several partitions with one leader travel in one request.
//! Idempotent unless acks say otherwise: a batch sent twice is stored once.

use crate::cluster::{Cluster, TopicMetadata};
use crate::error::ClientError;
use crate::partitioner::partition_for_key;
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use ottla_ids::{NodeId, Offset, ProducerEpoch, ProducerId};
use ottla_protocol::messages::init_producer_id::InitProducerIdRequest;
use ottla_protocol::messages::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use ottla_protocol::{ErrorCode, Payload};
use ottla_records::{BatchBuilder, Codec, Header};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A record to send.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The topic.
    pub topic: String,
    /// The partition; `None` lets the key choose, or spreads records without a key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// In ms since 1970; `None`: now.
    pub timestamp_ms: Option<i64>,
}

impl Record {
    /// About how many bytes it takes in a batch.
    fn size(&self) -> usize {
        let headers =
            self.headers.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len) + 4);
        let key = self.key.as_ref().map_or(0, Bytes::len);
        let value = self.value.as_ref().map_or(0, Bytes::len);
        32 + key + value + headers.sum::<usize>()
    }
}

/// Where a record came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The partition.
    pub partition: i32,
    /// The offset; -1 with acks=0, where nobody tells.
    pub offset: i64,
}

/// Whom the records must have reached before they count as sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequiredAcks {
    /// Nobody: fire and forget.
    None,
    /// The leader.
    Leader,
    /// Every replica in sync.
    #[default]
    All,
}

/// How a producer behaves. The names are Kafka's.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// `acks`; a producer is idempotent with [`RequiredAcks::All`] only.
    pub acks: RequiredAcks,
    /// `batch.size`: a batch of so many bytes is sent at once.
    pub batch_bytes: usize,
    /// `linger.ms`: how long a smaller batch waits for more records.
    pub linger: Duration,
    /// `buffer.memory`: so many bytes of records may wait; then [`Producer::send`] waits for room.
    pub buffer_bytes: usize,
    /// `delivery.timeout.ms`: a record that is not acked by then has failed.
    pub delivery_timeout: Duration,
    /// `compression.type`.
    pub codec: Codec,
}

impl Default for ProducerConfig {
    /// Kafka's defaults.
    fn default() -> ProducerConfig {
        ProducerConfig {
            acks: RequiredAcks::All,
            batch_bytes: 16 << 10,
            linger: Duration::from_millis(5),
            buffer_bytes: 32 << 20,
            delivery_timeout: Duration::from_secs(120),
            codec: Codec::default(),
        }
    }
}

/// The fate of one record, told when it is acked or has failed.
#[derive(Debug)]
pub struct Delivery(oneshot::Receiver<Result<Placed, ClientError>>);

impl Delivery {
    /// Waits until the record is acked.
    pub async fn placed(self) -> Result<Placed, ClientError> {
        self.0.await.unwrap_or(Err(ClientError::Closed))
    }
}

/// Commands for the task.
enum Command {
    Send { record: Record, waiter: Waiter },
    Flush(oneshot::Sender<()>),
}

/// Who waits for a record, and the room that it takes until then.
struct Waiter {
    fate: oneshot::Sender<Result<Placed, ClientError>>,
    _room: OwnedSemaphorePermit,
}

/// Sends records. Dropping it without [`Producer::close`] may lose what is not acked yet.
#[derive(Debug)]
pub struct Producer {
    commands: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
    buffer_bytes: usize,
    task: JoinHandle<()>,
}

/// Commands on their way to the task; the records themselves are bounded by `buffer_bytes`.
const COMMANDS_MAX: usize = 4096;

impl Producer {
    /// A producer for `cluster`.
    pub fn new(cluster: Cluster, config: ProducerConfig) -> Producer {
        let buffer_bytes = config.buffer_bytes.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let room = Arc::new(Semaphore::new(buffer_bytes));
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let task = tokio::spawn(Sender::new(cluster, config).run(receiver));
        Producer { commands, room, buffer_bytes, task }
    }

    /// Hands over `record`; waits while the buffer is full. The fate of the record comes by the delivery.
    pub async fn send(&self, record: Record) -> Result<Delivery, ClientError> {
        let size = record.size().min(self.buffer_bytes) as u32;
        let room = Arc::clone(&self.room).acquire_many_owned(size).await.map_err(|_| ClientError::Closed)?;
        let (fate, receiver) = oneshot::channel();
        let command = Command::Send { record, waiter: Waiter { fate, _room: room } };
        self.commands.send(command).await.map_err(|_| ClientError::Closed)?;
        Ok(Delivery(receiver))
    }

    /// Waits until everything that was sent before is acked or has failed.
    pub async fn flush(&self) -> Result<(), ClientError> {
        let (done, flushed) = oneshot::channel();
        self.commands.send(Command::Flush(done)).await.map_err(|_| ClientError::Closed)?;
        flushed.await.map_err(|_| ClientError::Closed)
    }

    /// Flushes and ends.
    pub async fn close(self) -> Result<(), ClientError> {
        self.flush().await?;
        drop(self.commands);
        self.task.await.map_err(|_| ClientError::Closed)
    }
}

/// A record in a batch: who waits for it.
type Waiters = Vec<Waiter>;

/// A batch that has no sequence number yet.
struct Open {
    builder: BatchBuilder,
    waiters: Waiters,
    since: Instant,
}

/// A batch that is complete, with its sequence number.
struct Ready {
    bytes: Bytes,
    waiters: Waiters,
    since: Instant,
}

/// One partition's records, oldest first: the batch to be sent again, full ones, one that takes more.
#[derive(Default)]
struct Queue {
    again: Option<Ready>,
    full: VecDeque<Open>,
    open: Option<Open>,
    in_flight: bool,
    /// The sequence number of the next batch's first record.
    sequence: i32,
    /// Not before then, after an error that passes.
    not_before: Option<Instant>,
}

type Key = (String, i32);

/// What came of one request: for each partition in it, its batch and the answer.
struct Answered {
    batches: Vec<(Key, Ready)>,
    result: Result<Option<ProduceResponse>, ClientError>,
}

type Sending = std::pin::Pin<Box<dyn Future<Output = Answered> + Send>>;

/// Records without a key stay with one partition for a batch's worth of bytes, so that batches get full
/// (KIP-794); then comes the next.
struct Sticky {
    /// Counts on; its remainder is the partition.
    turn: i32,
    bytes: usize,
}

/// The task's state.
struct Sender {
    cluster: Cluster,
    config: ProducerConfig,
    producer: Option<(ProducerId, ProducerEpoch)>,
    queues: HashMap<Key, Queue>,
    sending: FuturesUnordered<Sending>,
    flushing: Vec<oneshot::Sender<()>>,
    /// The partition for records without a key, per topic.
    sticky: HashMap<String, Sticky>,
}

/// Between two tries of a batch.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

impl Sender {
    fn new(cluster: Cluster, config: ProducerConfig) -> Sender {
        Sender {
            cluster,
            config,
            producer: None,
            queues: HashMap::new(),
            sending: FuturesUnordered::new(),
            flushing: Vec::new(),
            sticky: HashMap::new(),
        }
    }

    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut open = true;
        loop {
            let wake = self.dispatch().await;
            if self.is_idle() {
                for done in self.flushing.drain(..) {
                    let _ = done.send(()); // nobody waits any more
                }
                if !open {
                    return;
                }
            }
            tokio::select! {
                command = commands.recv(), if open => match command {
                    Some(command) => {
                        self.take(command).await;
                        // What has arrived meanwhile joins the same batches; no more than that, so that
                        // a steady stream does not keep full batches from leaving.
                        for _ in 0..commands.len() {
                            let Ok(command) = commands.try_recv() else { break };
                            self.take(command).await;
                        }
                    }
                    None => open = false,
                },
                Some(answered) = self.sending.next(), if !self.sending.is_empty() => self.answered(answered),
                () = sleep_until(wake), if wake.is_some() => {}
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.sending.is_empty() && self.queues.values().all(Queue::is_empty)
    }

    async fn take(&mut self, command: Command) {
        match command {
            Command::Flush(done) => self.flushing.push(done),
            Command::Send { record, waiter } => match self.place(&record).await {
                Ok(partition) => self.add(record, partition, waiter),
                Err(error) => {
                    let _ = waiter.fate.send(Err(error)); // nobody waits for this record's fate
                }
            },
        }
    }

    /// The partition of `record`.
    async fn place(&mut self, record: &Record) -> Result<i32, ClientError> {
        if record.topic.is_empty() {
            return Err(ClientError::Record("a record needs a topic".to_owned()));
        }
        let topic = self.cluster.topic(&record.topic, true).await?;
        let count = topic.partitions.len() as i32;
        match (record.partition, &record.key) {
            (Some(partition), _) if topic.partitions.contains_key(&partition) => Ok(partition),
            (Some(partition), _) => Err(ClientError::NoSuchPartition {
                topic: record.topic.clone(),
                partition,
                partition_count: topic.partitions.len(),
            }),
            (None, Some(key)) => Ok(partition_for_key(key, count)),
            (None, None) => Ok(self.sticky(&topic, record.size())),
        }
    }

    fn sticky(&mut self, topic: &TopicMetadata, size: usize) -> i32 {
        let fresh = || Sticky { turn: now_ms() as i32 & i32::MAX, bytes: 0 };
        let sticky = self.sticky.entry(topic.name.clone()).or_insert_with(fresh);
        if sticky.bytes >= self.config.batch_bytes {
            *sticky = Sticky { turn: sticky.turn.wrapping_add(1) & i32::MAX, bytes: 0 };
        }
        sticky.bytes += size;
        sticky.turn % topic.partitions.len() as i32
    }

    fn add(&mut self, record: Record, partition: i32, waiter: Waiter) {
        let key = (record.topic.clone(), partition);
        let queue = self.queues.entry(key).or_default();
        if let Some(open) = &queue.open
            && open.builder.uncompressed_size() + record.size() > self.config.batch_bytes
        {
            queue.full.extend(queue.open.take());
        }
        let codec = self.config.codec;
        let open = queue.open.get_or_insert_with(|| Open {
            builder: BatchBuilder::new(Offset::ZERO, codec),
            waiters: Vec::new(),
            since: Instant::now(),
        });
        let headers: Vec<Header<'_>> = record
            .headers
            .iter()
            .map(|(key, value)| Header { key: key.as_bytes(), value: value.as_deref() })
            .collect();
        let timestamp = record.timestamp_ms.unwrap_or_else(now_ms);
        match open.builder.append(timestamp, record.key.as_deref(), record.value.as_deref(), &headers) {
            Ok(()) => open.waiters.push(waiter),
            Err(error) => {
                let _ = waiter.fate.send(Err(ClientError::Record(error.to_string())));
                if open.builder.is_empty() {
                    queue.open = None;
                }
            }
        }
    }

    /// Sends what is due; when to look again.
    async fn dispatch(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let flushing = !self.flushing.is_empty();
        let mut wake: Option<Instant> = None;
        let mut later = |at: Instant| wake = Some(wake.map_or(at, |it: Instant| it.min(at)));
        let mut due = Vec::new();
        for (key, queue) in &mut self.queues {
            if queue.in_flight {
                continue;
            }
            if let Some(at) = queue.not_before.filter(|at| *at > now) {
                later(at);
                continue;
            }
            if queue.again.is_none() && queue.full.is_empty() {
                let Some(open) = &queue.open else { continue };
                let full = open.builder.uncompressed_size() >= self.config.batch_bytes;
                let at = open.since + self.config.linger;
                if !full && !flushing && at > now {
                    later(at);
                    continue;
                }
            }
            due.push(key.clone());
        }
        if due.is_empty() {
            return wake;
        }
        if let Err(error) = self.prepare().await {
            for key in due {
                self.fail_or_retry(&key, &error);
            }
            return Some(now + RETRY_BACKOFF);
        }
        let mut requests: HashMap<NodeId, Vec<(Key, Ready)>> = HashMap::new();
        for key in due {
            let leader = match self.cluster.topic(&key.0, false).await {
                Ok(topic) => topic.partitions.get(&key.1).and_then(|it| it.leader),
                Err(_) => None,
            };
            let Some(leader) = leader else {
                self.cluster.forget(&key.0);
                let error = ClientError::refused(
                    format!("sending to {}-{}", key.0, key.1),
                    ErrorCode::LeaderNotAvailable,
                    None,
                );
                self.fail_or_retry(&key, &error);
                wake = Some(now + RETRY_BACKOFF);
                continue;
            };
            let producer = self.producer;
            let Some(queue) = self.queues.get_mut(&key) else { continue };
            if let Some(batch) = queue.next(producer) {
                queue.in_flight = true;
                requests.entry(leader).or_default().push((key, batch));
            }
        }
        for (leader, batches) in requests {
            let sending = send(self.cluster.clone(), self.config.acks, leader, batches);
            self.sending.push(Box::pin(sending));
        }
        wake
    }

    /// An idempotent producer needs an id before its first batch.
    async fn prepare(&mut self) -> Result<(), ClientError> {
        if self.config.acks != RequiredAcks::All || self.producer.is_some() {
            return Ok(());
        }
        let request = InitProducerIdRequest {
            // The default is the empty name, which no broker takes.
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        let response = self.cluster.ask(&request).await?;
        match ErrorCode::from(response.error_code) {
            ErrorCode::None => {
                self.producer =
                    Some((ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch)));
                Ok(())
            }
            code => Err(ClientError::refused("getting a producer id", code, None)),
        }
    }

    /// Fails the first batch of `key`, or puts it off, as `error` and its age ask for.
    fn fail_or_retry(&mut self, key: &Key, error: &ClientError) {
        let producer = self.producer;
        let timeout = self.config.delivery_timeout;
        let Some(queue) = self.queues.get_mut(key) else { return };
        if error.is_retriable() {
            queue.not_before = Some(Instant::now() + RETRY_BACKOFF);
            if queue.oldest().is_none_or(|since| since.elapsed() < timeout) {
                return;
            }
        }
        if let Some(batch) = queue.next(producer) {
            batch.fail(error);
            self.become_another();
        }
    }

    /// A batch has failed, and the broker may or may not have it: the sequence number it expects next
    /// cannot be known, so the next batches come from another producer. Those that have their numbers
    /// already keep them.
    fn become_another(&mut self) {
        self.producer = None;
        for queue in self.queues.values_mut() {
            queue.sequence = 0;
        }
    }

    /// Tells each record of a request its fate, or puts its batch back to be sent again.
    fn answered(&mut self, answered: Answered) {
        let Answered { batches, result } = answered;
        for (key, batch) in batches {
            let outcome = match &result {
                Err(error) => Err(error.clone()),
                Ok(None) => Ok(-1),
                Ok(Some(response)) => outcome(&self.cluster, response, &key),
            };
            let Some(queue) = self.queues.get_mut(&key) else { continue };
            queue.in_flight = false;
            match outcome {
                Ok(base_offset) => {
                    for (place, waiter) in batch.waiters.into_iter().enumerate() {
                        let offset = if base_offset < 0 { -1 } else { base_offset + place as i64 };
                        let _ = waiter.fate.send(Ok(Placed { partition: key.1, offset }));
                    }
                }
                Err(error) => {
                    let again = error.is_retriable() && batch.since.elapsed() < self.config.delivery_timeout;
                    if error.code().is_none_or(ErrorCode::is_retriable) {
                        self.cluster.forget(&key.0);
                    }
                    if again {
                        queue.not_before = Some(Instant::now() + RETRY_BACKOFF);
                        queue.again = Some(batch);
                    } else {
                        batch.fail(&error);
                        self.become_another();
                    }
                }
            }
        }
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.again.is_none() && self.full.is_empty() && self.open.is_none()
    }

    /// Since when the oldest batch waits.
    fn oldest(&self) -> Option<Instant> {
        let again = self.again.as_ref().map(|it| it.since);
        again.or_else(|| self.full.front().or(self.open.as_ref()).map(|it| it.since))
    }

    /// The batch to send now; it gets its sequence number here, when it is sent for the first time.
    fn next(&mut self, producer: Option<(ProducerId, ProducerEpoch)>) -> Option<Ready> {
        if let Some(again) = self.again.take() {
            return Some(again);
        }
        let Open { mut builder, waiters, since } = self.full.pop_front().or_else(|| self.open.take())?;
        let count = builder.record_count();
        if let Some((id, epoch)) = producer {
            builder = builder.producer(id, epoch, self.sequence);
        }
        match builder.finish() {
            Ok(bytes) => {
                if producer.is_some() {
                    // Sequence numbers wrap to 0 after the greatest.
                    self.sequence = self.sequence.wrapping_add(count) & i32::MAX;
                }
                Some(Ready { bytes, waiters, since })
            }
            Err(error) => {
                let error = ClientError::Record(error.to_string());
                Ready { bytes: Bytes::new(), waiters, since }.fail(&error);
                None
            }
        }
    }
}

impl Ready {
    fn fail(self, error: &ClientError) {
        for waiter in self.waiters {
            let _ = waiter.fate.send(Err(error.clone())); // nobody waits for this record's fate
        }
    }
}

/// The base offset of `key`'s batch, or the broker's error.
fn outcome(cluster: &Cluster, response: &ProduceResponse, key: &Key) -> Result<i64, ClientError> {
    let id = cluster.known(&key.0).map(|it| it.id);
    let answer = response
        .responses
        .iter()
        .filter(|it| *it.name == *key.0 || (it.name.is_empty() && Some(it.topic_id) == id))
        .flat_map(|it| &it.partition_responses)
        .find(|it| it.index == key.1);
    let what = || format!("sending to {}-{}", key.0, key.1);
    let Some(answer) = answer else {
        return Err(ClientError::refused(
            what(),
            ErrorCode::UnknownServerError,
            Some("the answer lacks the partition"),
        ));
    };
    match ErrorCode::from(answer.error_code) {
        ErrorCode::None | ErrorCode::DuplicateSequenceNumber => Ok(answer.base_offset),
        code => Err(ClientError::refused(what(), code, answer.error_message.as_deref())),
    }
}

/// Sends batches to their leader.
async fn send(cluster: Cluster, acks: RequiredAcks, leader: NodeId, batches: Vec<(Key, Ready)>) -> Answered {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    for ((topic, partition), batch) in &batches {
        let data = PartitionProduceData {
            index: *partition,
            records: Some(Payload::Bytes(batch.bytes.clone())),
            ..Default::default()
        };
        match topics.iter_mut().find(|it| *it.name == **topic) {
            Some(known) => known.partition_data.push(data),
            None => topics.push(TopicProduceData {
                name: topic.as_str().into(),
                topic_id: cluster.known(topic).map(|it| it.id).unwrap_or_default(),
                partition_data: vec![data],
                ..Default::default()
            }),
        }
    }
    let timeout = cluster.config().request_timeout;
    let request = ProduceRequest {
        acks: match acks {
            RequiredAcks::None => 0,
            RequiredAcks::Leader => 1,
            RequiredAcks::All => -1,
        },
        timeout_ms: timeout.as_millis() as i32,
        topic_data: topics,
        ..Default::default()
    };
    let result = async {
        let connection = cluster.node(leader).await?;
        if acks == RequiredAcks::None {
            connection.send_unanswered(&request).await?;
            return Ok(None);
        }
        connection.call(&request, timeout).await.map(Some)
    }
    .await;
    Answered { batches, result }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis() as i64)
}
