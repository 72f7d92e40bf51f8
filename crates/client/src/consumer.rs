//! The consumer: reads partitions, alone ([`Consumer::assign`]) or as a member of a group
//! ([`Consumer::subscribe`]).
//!
//! Each leader is asked by a task of its own, one request at a time, while earlier answers are handed
//! out; [`Consumer::poll`] may be given up at any point and loses nothing by it.

mod aborted;
mod group;
mod reading;

pub use group::GroupConfig;
pub use reading::{ConsumerRecord, Start};

use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::offsets::{IsolationLevel, OffsetSpec};
use aborted::Aborted;
use bytes::Bytes;
use group::{Membership, Standing};
use ottla_ids::{NodeId, TopicId, TopicPartition};
use ottla_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use ottla_protocol::{ErrorCode, Payload, Text};
use reading::Reading;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::future::pending;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Where to go on when there is no offset to go on from (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the first record that is still there.
    Earliest,
    /// Behind the last record.
    #[default]
    Latest,
    /// Nowhere: it is an error.
    None,
}

impl OffsetReset {
    fn start(self) -> Option<Start> {
        match self {
            OffsetReset::Earliest => Some(Start::Beginning),
            OffsetReset::Latest => Some(Start::End),
            OffsetReset::None => None,
        }
    }
}

/// How a consumer behaves. The names are Kafka's.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// `auto.offset.reset`.
    pub offset_reset: OffsetReset,
    /// `isolation.level`.
    pub isolation: IsolationLevel,
    /// `fetch.max.wait.ms`: how long a broker waits for records; also how long a poll does.
    pub fetch_wait_max: Duration,
    /// `fetch.max.bytes`: of one answer; the first batch comes whole even so.
    pub fetch_bytes_max: i32,
    /// `max.partition.fetch.bytes`: of one partition in one answer, likewise.
    pub partition_bytes_max: i32,
    /// The group, when it is to be a member of one.
    pub group: Option<GroupConfig>,
}

impl Default for ConsumerConfig {
    /// Kafka's defaults.
    fn default() -> ConsumerConfig {
        ConsumerConfig {
            offset_reset: OffsetReset::Latest,
            isolation: IsolationLevel::ReadUncommitted,
            fetch_wait_max: Duration::from_millis(500),
            fetch_bytes_max: 50 << 20,
            partition_bytes_max: 1 << 20,
            group: None,
        }
    }
}

/// Between two tries.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// The newest version of Fetch that names topics, for topics without an id.
const FETCH_NEWEST_BY_NAME: i16 = 12;

/// Reads records.
#[derive(Debug)]
pub struct Consumer {
    cluster: Cluster,
    config: ConsumerConfig,
    readings: BTreeMap<TopicPartition, Reading>,
    /// The partition that was handed out from last; the one after it is next.
    last_read: Option<TopicPartition>,
    /// One task a leader.
    fetches: JoinSet<Fetched>,
    fetching: HashSet<NodeId>,
    /// Since when nothing but errors comes that pass.
    failing_since: Option<Instant>,
    /// After such an error.
    not_before: Option<Instant>,
    membership: Option<Membership>,
    /// Whether `readings` is what the group gave it, since it joined last.
    has_share: bool,
}

/// What came of one request to one leader.
#[derive(Debug)]
struct Fetched {
    leader: NodeId,
    asked: Vec<(TopicPartition, TopicId, i64)>,
    result: Result<FetchResponse, ClientError>,
}

impl Consumer {
    /// A consumer of `cluster`; it reads nothing yet.
    pub fn new(cluster: Cluster, config: ConsumerConfig) -> Consumer {
        Consumer {
            cluster,
            config,
            readings: BTreeMap::new(),
            last_read: None,
            fetches: JoinSet::new(),
            fetching: HashSet::new(),
            failing_since: None,
            not_before: None,
            membership: None,
            has_share: false,
        }
    }

    /// Reads these partitions from there on, and no others.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item = (TopicPartition, Start)>) {
        self.membership = None;
        let readings = partitions.into_iter().map(|(it, start)| (it.clone(), Reading::new(it, start)));
        self.readings = readings.collect();
    }

    /// Reads its share of these topics as a member of the group that it is configured for.
    ///
    /// # Errors
    /// [`ClientError::Record`] without a group.
    pub fn subscribe(&mut self, topics: impl IntoIterator<Item = String>) -> Result<(), ClientError> {
        let Some(group) = &self.config.group else {
            return Err(ClientError::Record("a consumer needs a group to subscribe".to_owned()));
        };
        let topics = topics.into_iter().collect::<BTreeSet<String>>();
        self.readings.clear();
        self.has_share = false;
        self.membership = Some(Membership::new(self.cluster.clone(), group.clone(), topics));
        Ok(())
    }

    /// The partitions it reads, with the offset of the next record to hand out where that is known.
    pub fn positions(&self) -> impl Iterator<Item = (&TopicPartition, Option<i64>)> {
        self.readings.iter().map(|(partition, reading)| (partition, reading.position()))
    }

    /// Whether the group has given it its share. Without a group: always.
    pub fn has_assignment(&self) -> bool {
        self.membership.as_ref().is_none_or(|it| self.has_share && matches!(it.standing(), Standing::Member))
    }

    /// The next records, up to `records_max`; none when nothing came within `fetch_wait_max`, or when the
    /// group is to divide its partitions anew, which the next poll then does.
    ///
    /// What earlier polls handed out counts as processed from here on: it may be committed.
    ///
    /// # Errors
    /// Errors that pass are waited out, up to the cluster's retry timeout; the others come at once.
    pub async fn poll(&mut self, records_max: usize) -> Result<Vec<ConsumerRecord>, ClientError> {
        let deadline = Instant::now() + self.config.fetch_wait_max;
        for reading in self.readings.values_mut() {
            reading.processed = reading.position().or(reading.processed);
        }
        self.keep_membership().await?;
        let mut standing = self.membership.as_ref().map(Membership::watch);
        loop {
            self.resolve_starts().await?;
            self.send_fetches().await?;
            let records = self.hand_out(records_max.max(1))?;
            if !records.is_empty() {
                return Ok(records);
            }
            let standing_changed = async {
                match &mut standing {
                    Some(standing) => drop(standing.changed().await),
                    None => pending().await,
                }
            };
            let backoff = self.not_before;
            tokio::select! {
                Some(fetched) = self.fetches.join_next(), if !self.fetches.is_empty() => {
                    // Tasks are aborted only when the consumer closes.
                    self.on_fetched(fetched.map_err(|_| ClientError::Closed)?)?;
                }
                () = standing_changed => return Ok(Vec::new()),
                () = tokio::time::sleep_until(backoff.unwrap_or(deadline)), if backoff.is_some() => {
                    self.not_before = None;
                }
                () = tokio::time::sleep_until(deadline) => return Ok(Vec::new()),
            }
        }
    }

    /// Commits all that was handed out: the caller has processed it.
    ///
    /// # Errors
    /// Without a membership there is nothing to commit, which is no error. Errors that pass are waited
    /// out.
    pub async fn commit(&mut self) -> Result<(), ClientError> {
        for reading in self.readings.values_mut() {
            reading.processed = reading.position().or(reading.processed);
        }
        self.commit_processed().await
    }

    /// Leaves the group, if any. Where offsets are committed without being asked for, those of earlier
    /// polls are; [`Consumer::commit`] before also commits those of the last.
    ///
    /// # Errors
    /// The commit or the goodbye did not reach the group; the consumer is gone all the same.
    pub async fn close(mut self) -> Result<(), ClientError> {
        self.fetches.abort_all();
        let Some(auto_commits) = self.membership.as_ref().map(Membership::auto_commits) else {
            return Ok(());
        };
        let committed = if auto_commits { self.commit_processed().await } else { Ok(()) };
        let left = match &mut self.membership {
            Some(membership) => membership.leave().await,
            None => Ok(()),
        };
        committed.and(left)
    }

    async fn commit_processed(&mut self) -> Result<(), ClientError> {
        let Some(membership) = self.membership.as_ref().filter(|it| it.is_member()) else { return Ok(()) };
        let offsets = self.uncommitted();
        self.cluster.retry(|| membership.commit(&offsets)).await?;
        self.note_committed(&offsets);
        Ok(())
    }

    /// What is processed and not committed.
    fn uncommitted(&self) -> BTreeMap<TopicPartition, i64> {
        let changed = self.readings.iter().filter(|(_, it)| it.processed != it.committed);
        changed.filter_map(|(partition, it)| Some((partition.clone(), it.processed?))).collect()
    }

    fn note_committed(&mut self, offsets: &BTreeMap<TopicPartition, i64>) {
        for (partition, offset) in offsets {
            if let Some(reading) = self.readings.get_mut(partition) {
                reading.committed = Some(*offset);
            }
        }
    }

    /// Commits once without being asked for; when that fails, the next time will do.
    async fn auto_commit(&mut self) {
        let Some(membership) = &self.membership else { return };
        let offsets = self.uncommitted();
        match membership.commit(&offsets).await {
            Ok(()) => self.note_committed(&offsets),
            Err(error) => tracing::warn!("offsets are not committed yet: {error}"),
        }
    }

    /// Joins, or commits, when it is time to.
    async fn keep_membership(&mut self) -> Result<(), ClientError> {
        let Some(membership) = &mut self.membership else { return Ok(()) };
        membership.on_poll();
        if matches!(membership.standing(), Standing::Member) {
            let due = membership.is_auto_commit_due();
            membership.watch_topics().await?;
            if due {
                self.auto_commit().await;
            }
        }
        let Some(membership) = &mut self.membership else { return Ok(()) };
        match membership.standing() {
            Standing::Member if self.has_share => return Ok(()),
            Standing::Refused(error) => return Err(error),
            Standing::Rejoin if membership.is_member() && membership.auto_commits() => {
                self.auto_commit().await
            }
            Standing::Member | Standing::Rejoin | Standing::Lost => {}
        }
        let Some(membership) = &mut self.membership else { return Ok(()) };
        // What has arrived and was not handed out may be another's now.
        self.readings.clear();
        self.has_share = false;
        let partitions = membership.join().await?;
        let committed = membership.committed(&partitions).await?;
        let mut readings = BTreeMap::new();
        for partition in partitions {
            let known = committed.get(&partition).copied();
            let start = match known.map(Start::Offset).or(self.config.offset_reset.start()) {
                Some(start) => start,
                None => {
                    return Err(ClientError::NoOffset {
                        topic: partition.topic.to_string(),
                        partition: partition.partition,
                    });
                }
            };
            let mut reading = Reading::new(partition.clone(), start);
            reading.committed = known;
            readings.insert(partition, reading);
        }
        self.readings = readings;
        self.has_share = true;
        Ok(())
    }

    /// Finds the offsets that "beginning", "end" and times stand for.
    async fn resolve_starts(&mut self) -> Result<(), ClientError> {
        let spec = |start| match start {
            Start::Beginning => Some(OffsetSpec::Earliest),
            Start::End => Some(OffsetSpec::Latest),
            Start::Timestamp(timestamp_ms) => Some(OffsetSpec::Timestamp(timestamp_ms)),
            Start::Offset(_) => None,
        };
        let unresolved =
            self.readings.iter().filter_map(|(partition, it)| Some((partition, it.unresolved()?)));
        let wanted: Vec<(TopicPartition, OffsetSpec)> =
            unresolved.filter_map(|(partition, start)| Some((partition.clone(), spec(start)?))).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = self.cluster.list_offsets(&wanted, self.config.isolation).await?;
        for (partition, _) in wanted {
            let Some(reading) = self.readings.get_mut(&partition) else { continue };
            // Nothing of that time or later: what comes next is.
            reading.restart(found.get(&partition).map_or(Start::End, |offset| Start::Offset(*offset)));
        }
        let still: Vec<(TopicPartition, OffsetSpec)> = self
            .readings
            .iter()
            .filter(|(_, it)| it.unresolved().is_some())
            .map(|(partition, _)| (partition.clone(), OffsetSpec::Latest))
            .collect();
        if !still.is_empty() {
            for (partition, offset) in self.cluster.list_offsets(&still, self.config.isolation).await? {
                if let Some(reading) = self.readings.get_mut(&partition) {
                    reading.restart(Start::Offset(offset));
                }
            }
        }
        Ok(())
    }

    /// Asks each leader that is not being asked for what is wanted of it.
    async fn send_fetches(&mut self) -> Result<(), ClientError> {
        if self.not_before.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        let mut by_leader: HashMap<NodeId, Vec<(TopicPartition, TopicId, i64)>> = HashMap::new();
        let wanted: Vec<(TopicPartition, i64)> = self
            .readings
            .iter()
            .filter_map(|(partition, reading)| Some((partition.clone(), reading.wants()?)))
            .collect();
        for (partition, offset) in wanted {
            let leader = match self.cluster.leader(&partition).await {
                Ok(leader) => leader,
                Err(error) if error.is_retriable() => {
                    self.on_trouble(error)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let id = self.cluster.known(&partition.topic).map(|it| it.id).unwrap_or_default();
            if !self.fetching.contains(&leader) {
                by_leader.entry(leader).or_default().push((partition, id, offset));
            }
        }
        // While there is something to hand out, nobody waits for more.
        let wait = match self.readings.values().any(Reading::has_arrived) {
            true => Duration::ZERO,
            false => self.config.fetch_wait_max,
        };
        for (leader, asked) in by_leader {
            self.fetching.insert(leader);
            let request = self.fetch_request(&asked, wait);
            self.fetches.spawn(fetch(self.cluster.clone(), leader, asked, request));
        }
        Ok(())
    }

    fn fetch_request(&self, asked: &[(TopicPartition, TopicId, i64)], wait: Duration) -> FetchRequest {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for (partition, id, offset) in asked {
            let data = FetchPartition {
                partition: partition.partition,
                fetch_offset: *offset,
                partition_max_bytes: self.config.partition_bytes_max,
                ..Default::default()
            };
            match topics.last_mut().filter(|it| *it.topic == *partition.topic) {
                Some(topic) => topic.partitions.push(data),
                None => topics.push(FetchTopic {
                    topic: Text::from(&*partition.topic),
                    topic_id: *id,
                    partitions: vec![data],
                    ..Default::default()
                }),
            }
        }
        FetchRequest {
            max_wait_ms: wait.as_millis() as i32,
            min_bytes: 1,
            max_bytes: self.config.fetch_bytes_max,
            isolation_level: self.config.isolation.number(),
            topics,
            ..Default::default()
        }
    }

    fn on_fetched(&mut self, fetched: Fetched) -> Result<(), ClientError> {
        let Fetched { leader, asked, result } = fetched;
        self.fetching.remove(&leader);
        let response = match result {
            Ok(response) if response.error_code == 0 => response,
            Ok(response) => {
                let error = ClientError::refused(
                    format!("fetching from broker {leader}"),
                    response.error_code.into(),
                    None,
                );
                return self.on_fetch_failed(&asked, error);
            }
            Err(error) => return self.on_fetch_failed(&asked, error),
        };
        let mut trouble = None;
        for topic in response.responses {
            for it in topic.partitions {
                let matching = asked.iter().find(|(partition, id, _)| {
                    partition.partition == it.partition_index
                        && (*topic.topic == *partition.topic
                            || (topic.topic.is_empty() && topic.topic_id == *id))
                });
                let Some((partition, _, offset)) = matching else { continue };
                let Some(reading) = self.readings.get_mut(partition) else { continue };
                match ErrorCode::from(it.error_code) {
                    ErrorCode::None => {
                        let records = it.records.as_ref().and_then(Payload::as_bytes).cloned();
                        // Nothing is listed for who wants all records.
                        let aborted = it.aborted_transactions.unwrap_or_default();
                        let aborted = aborted.iter().map(|it| (it.producer_id, it.first_offset));
                        let aborted = Aborted::new(aborted);
                        reading.on_fetched(*offset, records.unwrap_or_else(Bytes::new), aborted)?;
                    }
                    ErrorCode::OffsetOutOfRange if reading.wants() == Some(*offset) => {
                        let Some(start) = self.config.offset_reset.start() else {
                            return Err(ClientError::OffsetOutOfRange {
                                topic: partition.topic.to_string(),
                                partition: partition.partition,
                                offset: *offset,
                            });
                        };
                        tracing::warn!(
                            "{partition} has no offset {offset} any more: going on at its {start:?}"
                        );
                        reading.restart(start);
                    }
                    ErrorCode::OffsetOutOfRange => {}
                    code => {
                        self.cluster.forget(&partition.topic);
                        trouble = Some(ClientError::refused(format!("fetching {partition}"), code, None));
                    }
                }
            }
        }
        match trouble {
            Some(error) => self.on_trouble(error),
            None => {
                self.failing_since = None;
                Ok(())
            }
        }
    }

    fn on_fetch_failed(
        &mut self,
        asked: &[(TopicPartition, TopicId, i64)],
        error: ClientError,
    ) -> Result<(), ClientError> {
        for (partition, _, _) in asked {
            self.cluster.forget(&partition.topic);
        }
        self.on_trouble(error)
    }

    /// Puts the next fetch off, or gives up.
    fn on_trouble(&mut self, error: ClientError) -> Result<(), ClientError> {
        let now = Instant::now();
        if self.failing_since.is_none() {
            tracing::warn!("{error}; trying again");
        }
        let since = *self.failing_since.get_or_insert(now);
        if !error.is_retriable() || now.duration_since(since) > self.cluster.config().retry_timeout {
            return Err(error);
        }
        self.not_before = Some(now + RETRY_BACKOFF);
        Ok(())
    }

    /// Up to `records_max` records, from one partition after the other.
    fn hand_out(&mut self, records_max: usize) -> Result<Vec<ConsumerRecord>, ClientError> {
        let mut records = Vec::new();
        let last = self.last_read.take();
        let behind = |partition: &TopicPartition| last.as_ref().is_some_and(|last| partition > last);
        let order: Vec<TopicPartition> = {
            let (first, second): (Vec<_>, Vec<_>) = self.readings.keys().cloned().partition(behind);
            first.into_iter().chain(second).collect()
        };
        for partition in order {
            let left = records_max - records.len();
            if left == 0 {
                break;
            }
            let Some(reading) = self.readings.get_mut(&partition) else { continue };
            let before = records.len();
            if let Err(error) = reading.hand_out(left, &mut records) {
                // What is good goes out first; the damaged batch is met again.
                return if records.is_empty() { Err(error) } else { Ok(records) };
            }
            if before < records.len() {
                self.last_read = Some(partition);
            }
        }
        if self.last_read.is_none() {
            self.last_read = last;
        }
        Ok(records)
    }
}

/// Asks `leader` once.
async fn fetch(
    cluster: Cluster,
    leader: NodeId,
    asked: Vec<(TopicPartition, TopicId, i64)>,
    request: FetchRequest,
) -> Fetched {
    let newest = if asked.iter().any(|(_, id, _)| id.is_zero()) { FETCH_NEWEST_BY_NAME } else { i16::MAX };
    let result = async {
        cluster.node(leader).await?.call_up_to(&request, newest, cluster.config().request_timeout).await
    };
    let result = result.await;
    Fetched { leader, asked, result }
}
