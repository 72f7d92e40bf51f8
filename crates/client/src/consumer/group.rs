//! A member of a group, by the classic protocol: it finds its coordinator, joins, divides the partitions
//! when it is the leader, keeps its place with heartbeats, commits offsets, and leaves.

use crate::assignor::{Assignment, GroupMember, range_assign};
use crate::cluster::Cluster;
use crate::error::ClientError;
use bytes::{BufMut, Bytes, BytesMut};
use ottla_ids::{NodeId, TopicPartition};
use ottla_protocol::data::consumer_protocol_assignment::{
    ConsumerProtocolAssignment, TopicPartition as AssignedPartitions,
};
use ottla_protocol::data::consumer_protocol_subscription::ConsumerProtocolSubscription;
use ottla_protocol::messages::heartbeat::HeartbeatRequest;
use ottla_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use ottla_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use ottla_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ottla_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use ottla_protocol::{ErrorCode, Message, Reader, Request, Text, decode_from, encode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How a member behaves. The names are Kafka's.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// `group.id`.
    pub id: String,
    /// `group.instance.id`: makes a static member, which keeps its partitions while it restarts.
    pub instance_id: Option<String>,
    /// `session.timeout.ms`: silent for longer, a member is taken for dead.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: a member that does not poll for longer leaves; also how long the others
    /// wait for it in a rebalance.
    pub poll_interval_max: Duration,
    /// `auto.commit.interval.ms`; `None`: only [`Consumer::commit`](crate::Consumer::commit) commits.
    pub auto_commit: Option<Duration>,
}

impl GroupConfig {
    /// Kafka's defaults, for group `id`.
    pub fn new(id: &str) -> GroupConfig {
        GroupConfig {
            id: id.to_owned(),
            instance_id: None,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            poll_interval_max: Duration::from_secs(300),
            auto_commit: Some(Duration::from_secs(5)),
        }
    }
}

/// What the members of a group call their protocol, and the way they divide partitions.
const PROTOCOL_TYPE: &str = "consumer";
const RANGE: &str = "range";

/// The version in which subscriptions and assignments are written; each reader knows the older ones.
const CONSUMER_PROTOCOL_VERSION: i16 = 1;

/// Offsets are committed and fetched by the names of topics, which later versions replace by ids.
const NEWEST_BY_NAME: i16 = 9;

/// Between two tries.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// An answer to JoinGroup may take this much longer than the rebalance.
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// How often the leader of a group looks whether its topics have got more partitions
/// (`metadata.max.age.ms`).
const METADATA_AGE_MAX: Duration = Duration::from_secs(300);

/// How a member stands with its group.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// A member of the current generation.
    Member,
    /// The group is dividing its partitions anew.
    Rejoin,
    /// The group does not know the member any more.
    Lost,
    /// The group will not have it.
    Refused(ClientError),
}

/// Where the coordinator is; found again when it has moved.
#[derive(Debug)]
struct Coordinator {
    cluster: Cluster,
    group: String,
    node: Mutex<Option<NodeId>>,
}

impl Coordinator {
    fn set(&self, node: Option<NodeId>) {
        *self.node.lock().unwrap_or_else(PoisonError::into_inner) = node;
    }

    async fn find(&self) -> Result<NodeId, ClientError> {
        let known = *self.node.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = known {
            return Ok(node);
        }
        let node = self.cluster.group_coordinator(&self.group).await?;
        self.set(Some(node));
        Ok(node)
    }

    /// Asks once.
    async fn call<R: Request>(&self, request: &R, patience: Duration) -> Result<R::Response, ClientError> {
        self.call_up_to(request, *R::VERSIONS.end(), patience).await
    }

    async fn call_up_to<R: Request>(
        &self,
        request: &R,
        newest: i16,
        patience: Duration,
    ) -> Result<R::Response, ClientError> {
        let node = self.find().await?;
        let asked =
            async { self.cluster.coordinator(node).await?.call_up_to(request, newest, patience).await };
        asked.await.inspect_err(|_| self.set(None))
    }

    /// The error of an answer about `what`.
    fn check(&self, what: &str, code: i16) -> Result<(), ClientError> {
        let code = ErrorCode::from(code);
        if matches!(code, ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable) {
            self.set(None);
        }
        match code {
            ErrorCode::None => Ok(()),
            code => Err(ClientError::refused(format!("{what} group '{}'", self.group), code, None)),
        }
    }
}

/// A member, from before it joins until it leaves.
#[derive(Debug)]
pub(super) struct Membership {
    cluster: Cluster,
    config: GroupConfig,
    topics: BTreeSet<String>,
    coordinator: Arc<Coordinator>,
    /// Empty until the coordinator has given one.
    member_id: Text,
    /// -1 while not joined.
    generation: i32,
    standing: watch::Sender<Standing>,
    last_poll: Arc<Mutex<Instant>>,
    heartbeats: Option<AbortHandle>,
    /// When it is the leader: how many partitions the topics had, and when that was seen.
    divided: Option<(BTreeMap<String, i32>, Instant)>,
    next_auto_commit: Option<Instant>,
}

impl Membership {
    pub(super) fn new(cluster: Cluster, config: GroupConfig, topics: BTreeSet<String>) -> Membership {
        let coordinator =
            Coordinator { cluster: cluster.clone(), group: config.id.clone(), node: Mutex::new(None) };
        Membership {
            cluster,
            config,
            topics,
            coordinator: Arc::new(coordinator),
            member_id: Text::new(),
            generation: -1,
            standing: watch::Sender::new(Standing::Rejoin),
            last_poll: Arc::new(Mutex::new(Instant::now())),
            heartbeats: None,
            divided: None,
            next_auto_commit: None,
        }
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Tells when the standing changes.
    pub(super) fn watch(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Whether it is a member that has its partitions.
    pub(super) fn is_member(&self) -> bool {
        self.generation >= 0
    }

    /// The caller polls, so it is alive.
    pub(super) fn on_poll(&self) {
        *self.last_poll.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether offsets are committed without being asked for.
    pub(super) fn auto_commits(&self) -> bool {
        self.config.auto_commit.is_some()
    }

    /// Whether it is time to commit without being asked for; not again before the interval has passed.
    pub(super) fn is_auto_commit_due(&mut self) -> bool {
        let (Some(interval), true) = (self.config.auto_commit, self.is_member()) else { return false };
        let now = Instant::now();
        let due = self.next_auto_commit.is_some_and(|at| at <= now);
        if due || self.next_auto_commit.is_none() {
            self.next_auto_commit = Some(now + interval);
        }
        due
    }

    /// The leader asks for a rebalance when its topics have other partitions than it divided.
    pub(super) async fn watch_topics(&mut self) -> Result<(), ClientError> {
        let Some((divided, seen)) = &self.divided else { return Ok(()) };
        if seen.elapsed() < METADATA_AGE_MAX {
            return Ok(());
        }
        let names: BTreeSet<String> = divided.keys().chain(&self.topics).cloned().collect();
        let counts = self.partition_counts(&names).await?;
        if counts != *divided {
            self.standing.send_replace(Standing::Rejoin);
        }
        self.divided = Some((counts, Instant::now()));
        Ok(())
    }

    /// Joins, and comes back with what is to be read. Waits for the other members.
    pub(super) async fn join(&mut self) -> Result<Vec<TopicPartition>, ClientError> {
        self.stop_heartbeats();
        self.generation = -1;
        self.divided = None;
        if matches!(self.standing(), Standing::Lost) {
            self.member_id = Text::new();
            self.standing.send_replace(Standing::Rejoin);
        }
        let deadline = Instant::now() + self.cluster.config().retry_timeout;
        loop {
            match self.join_once().await {
                Ok(Some(partitions)) => {
                    self.standing.send_replace(Standing::Member);
                    self.on_poll();
                    self.next_auto_commit = None;
                    self.start_heartbeats();
                    return Ok(partitions);
                }
                Ok(None) => {}
                Err(error) if error.is_retriable() && Instant::now() < deadline => {
                    tracing::debug!("joining group '{}': {error}; trying again", self.config.id);
                    tokio::time::sleep(RETRY_BACKOFF).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One round of joining; `None` when it is to begin anew.
    async fn join_once(&mut self) -> Result<Option<Vec<TopicPartition>>, ClientError> {
        let subscription = ConsumerProtocolSubscription {
            topics: self.topics.iter().map(Text::from).collect(),
            ..Default::default()
        };
        let request = JoinGroupRequest {
            group_id: self.config.id.as_str().into(),
            session_timeout_ms: self.config.session_timeout.as_millis() as i32,
            rebalance_timeout_ms: self.config.poll_interval_max.as_millis() as i32,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id(),
            protocol_type: PROTOCOL_TYPE.into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: RANGE.into(),
                metadata: versioned(&subscription)?,
                ..Default::default()
            }],
            ..Default::default()
        };
        let patience = self.config.poll_interval_max + JOIN_GRACE;
        let joined = self.coordinator.call(&request, patience).await?;
        match ErrorCode::from(joined.error_code) {
            // KIP-394: the first request only gives the member its id.
            ErrorCode::MemberIdRequired => {
                self.member_id = joined.member_id.detached();
                return Ok(None);
            }
            ErrorCode::UnknownMemberId => {
                self.member_id = Text::new();
                tokio::time::sleep(RETRY_BACKOFF).await;
                return Ok(None);
            }
            ErrorCode::RebalanceInProgress => {
                tokio::time::sleep(RETRY_BACKOFF).await;
                return Ok(None);
            }
            _ => self.coordinator.check("joining", joined.error_code)?,
        }
        self.member_id = joined.member_id.detached();
        let assignments =
            if *joined.leader == *joined.member_id { self.divide(&joined).await? } else { Vec::new() };
        let request = SyncGroupRequest {
            group_id: self.config.id.as_str().into(),
            generation_id: joined.generation_id,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id(),
            protocol_type: Some(PROTOCOL_TYPE.into()),
            protocol_name: joined.protocol_name.as_ref().map(Text::detached),
            assignments,
            ..Default::default()
        };
        let synced = self.coordinator.call(&request, patience).await?;
        match ErrorCode::from(synced.error_code) {
            ErrorCode::RebalanceInProgress => return Ok(None),
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                self.member_id = Text::new();
                return Ok(None);
            }
            _ => self.coordinator.check("joining", synced.error_code)?,
        }
        self.generation = joined.generation_id;
        // No bytes at all: nothing is assigned.
        let mine: ConsumerProtocolAssignment = match synced.assignment.is_empty() {
            true => ConsumerProtocolAssignment::default(),
            false => self.read_versioned(synced.assignment)?,
        };
        let partitions = mine.assigned_partitions.iter();
        Ok(Some(
            partitions
                .flat_map(|it| it.partitions.iter().map(|index| TopicPartition::new(&it.topic, *index)))
                .collect(),
        ))
    }

    /// The leader's work: who of the group's members reads what.
    async fn divide(
        &mut self,
        joined: &JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let mut members = Vec::with_capacity(joined.members.len());
        for it in &joined.members {
            let subscription: ConsumerProtocolSubscription = self.read_versioned(it.metadata.clone())?;
            members.push(GroupMember {
                member_id: it.member_id.to_string(),
                instance_id: it.group_instance_id.as_ref().map(ToString::to_string),
                topics: subscription.topics.iter().map(ToString::to_string).collect(),
            });
        }
        let names: BTreeSet<String> = members.iter().flat_map(|it| it.topics.iter().cloned()).collect();
        let counts = self.partition_counts(&names).await?;
        let assigned = range_assign(&counts, &members);
        self.divided = Some((counts, Instant::now()));
        // A static leader that comes back finds the division that still holds (KIP-814).
        if joined.skip_assignment {
            return Ok(Vec::new());
        }
        assigned
            .into_iter()
            .map(|(member_id, assignment)| {
                Ok(SyncGroupRequestAssignment {
                    member_id: member_id.into(),
                    assignment: versioned(&to_protocol(assignment))?,
                    ..Default::default()
                })
            })
            .collect()
    }

    /// How many partitions each of the topics has that exist.
    async fn partition_counts(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, i32>, ClientError> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let response = self.cluster.retry(|| self.cluster.refresh(Some(&names), false)).await?;
        let known = response.topics.iter().filter(|it| it.error_code == 0);
        Ok(known.filter_map(|it| Some((it.name.as_ref()?.to_string(), it.partitions.len() as i32))).collect())
    }

    fn instance_id(&self) -> Option<Text> {
        self.config.instance_id.as_deref().map(Text::from)
    }

    /// A structure behind its version, as the members of a group write it for each other.
    fn read_versioned<M: Message>(&self, bytes: Bytes) -> Result<M, ClientError> {
        let mut reader = Reader::new(bytes);
        // Later versions only add fields at the end.
        let read =
            reader.i16().and_then(|version| decode_from(&mut reader, version.clamp(0, *M::VERSIONS.end())));
        read.map_err(|source| ClientError::Decode { address: format!("group '{}'", self.config.id), source })
    }

    fn start_heartbeats(&mut self) {
        let beat = Heartbeats {
            coordinator: Arc::clone(&self.coordinator),
            request: HeartbeatRequest {
                group_id: self.config.id.as_str().into(),
                generation_id: self.generation,
                member_id: self.member_id.clone(),
                group_instance_id: self.instance_id(),
                ..Default::default()
            },
            config: self.config.clone(),
            last_poll: Arc::clone(&self.last_poll),
            standing: self.standing.clone(),
        };
        self.heartbeats = Some(tokio::spawn(beat.run()).abort_handle());
    }

    fn stop_heartbeats(&mut self) {
        if let Some(task) = self.heartbeats.take() {
            task.abort();
        }
    }

    /// Commits `offsets`; a commit that the group does not take changes the standing.
    pub(super) async fn commit(&self, offsets: &BTreeMap<TopicPartition, i64>) -> Result<(), ClientError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for (partition, offset) in offsets {
            topics.entry(&partition.topic).or_default().push(OffsetCommitRequestPartition {
                partition_index: partition.partition,
                committed_offset: *offset,
                // Kafka's clients send no null.
                committed_metadata: Some(Text::new()),
                ..Default::default()
            });
        }
        let request = OffsetCommitRequest {
            group_id: self.config.id.as_str().into(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id(),
            topics: topics
                .into_iter()
                .map(|(name, partitions)| OffsetCommitRequestTopic {
                    name: name.into(),
                    partitions,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        let patience = self.cluster.config().request_timeout;
        let response = self.coordinator.call_up_to(&request, NEWEST_BY_NAME, patience).await?;
        for it in response.topics.iter().flat_map(|it| &it.partitions) {
            match ErrorCode::from(it.error_code) {
                ErrorCode::RebalanceInProgress => drop(self.standing.send_replace(Standing::Rejoin)),
                ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                    self.standing.send_replace(Standing::Lost);
                }
                _ => {}
            }
            self.coordinator.check("committing offsets of", it.error_code)?;
        }
        Ok(())
    }

    /// What the group has committed of `partitions`; those without are left out.
    pub(super) async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
        self.cluster.retry(|| self.committed_once(partitions)).await
    }

    async fn committed_once(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for it in partitions {
            topics.entry(&it.topic).or_default().push(it.partition);
        }
        let node = self.coordinator.find().await?;
        let asked = async {
            let connection = self.cluster.coordinator(node).await?;
            let version = connection.version::<OffsetFetchRequest>()?.min(NEWEST_BY_NAME);
            let group_id = Text::from(&self.config.id);
            // Version 8 came with several groups in one request.
            let mut request = OffsetFetchRequest { require_stable: version >= 7, ..Default::default() };
            if version >= 8 {
                let topics = topics.iter().map(|(name, indexes)| OffsetFetchRequestTopics {
                    name: (*name).into(),
                    partition_indexes: indexes.clone(),
                    ..Default::default()
                });
                request.groups = vec![OffsetFetchRequestGroup {
                    group_id,
                    topics: Some(topics.collect()),
                    ..Default::default()
                }];
            } else {
                let topics = topics.iter().map(|(name, indexes)| OffsetFetchRequestTopic {
                    name: (*name).into(),
                    partition_indexes: indexes.clone(),
                    ..Default::default()
                });
                request.group_id = group_id;
                request.topics = Some(topics.collect());
            }
            connection.call_up_to(&request, NEWEST_BY_NAME, self.cluster.config().request_timeout).await
        };
        let response = asked.await.inspect_err(|_| self.coordinator.set(None))?;
        let what = "fetching offsets of";
        self.coordinator.check(what, response.error_code)?;
        let mut found = BTreeMap::new();
        let mut on_partition =
            |topic: &Text, index: i32, offset: i64, code: i16| -> Result<(), ClientError> {
                self.coordinator.check(what, code)?;
                if offset >= 0 {
                    found.insert(TopicPartition::new(topic, index), offset);
                }
                Ok(())
            };
        for topic in &response.topics {
            for it in &topic.partitions {
                on_partition(&topic.name, it.partition_index, it.committed_offset, it.error_code)?;
            }
        }
        for group in &response.groups {
            self.coordinator.check(what, group.error_code)?;
            for topic in &group.topics {
                for it in &topic.partitions {
                    on_partition(&topic.name, it.partition_index, it.committed_offset, it.error_code)?;
                }
            }
        }
        Ok(found)
    }

    /// Leaves, so that the others need not wait for the session to end. A static member stays: it may
    /// come back.
    pub(super) async fn leave(&mut self) -> Result<(), ClientError> {
        self.stop_heartbeats();
        self.generation = -1;
        if self.member_id.is_empty() || self.config.instance_id.is_some() {
            return Ok(());
        }
        leave(&self.coordinator, std::mem::take(&mut self.member_id)).await
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.stop_heartbeats();
    }
}

async fn leave(coordinator: &Coordinator, member_id: Text) -> Result<(), ClientError> {
    let cluster = &coordinator.cluster;
    // Not behind a join that still waits for the others.
    let connection = cluster.node(coordinator.find().await?).await?;
    let mut request = LeaveGroupRequest { group_id: coordinator.group.as_str().into(), ..Default::default() };
    // Version 3 came with several members in one request.
    if connection.version::<LeaveGroupRequest>()? >= 3 {
        request.members = vec![MemberIdentity { member_id, ..Default::default() }];
    } else {
        request.member_id = member_id;
    }
    let response = connection.call(&request, cluster.config().request_timeout).await?;
    coordinator.check("leaving", response.error_code)
}

/// The task that keeps a member's place.
struct Heartbeats {
    coordinator: Arc<Coordinator>,
    request: HeartbeatRequest,
    config: GroupConfig,
    last_poll: Arc<Mutex<Instant>>,
    standing: watch::Sender<Standing>,
}

impl Heartbeats {
    async fn run(self) {
        let mut last_heard = Instant::now();
        loop {
            tokio::time::sleep(self.config.heartbeat_interval).await;
            let last_poll = *self.last_poll.lock().unwrap_or_else(PoisonError::into_inner);
            if last_poll.elapsed() > self.config.poll_interval_max {
                tracing::warn!(
                    "leaving group '{}': nothing was polled for {} s",
                    self.config.id,
                    self.config.poll_interval_max.as_secs()
                );
                self.standing.send_replace(Standing::Lost);
                if let Err(error) = leave(&self.coordinator, self.request.member_id.clone()).await {
                    tracing::debug!("leaving group '{}': {error}", self.config.id);
                }
                return;
            }
            let answer = self.coordinator.call(&self.request, self.config.session_timeout).await;
            let code = match answer {
                Ok(answer) => {
                    last_heard = Instant::now();
                    ErrorCode::from(answer.error_code)
                }
                Err(error) => {
                    tracing::debug!("heartbeat to group '{}': {error}", self.config.id);
                    if last_heard.elapsed() > self.config.session_timeout {
                        // By now the coordinator has let it go.
                        self.standing.send_replace(Standing::Lost);
                        return;
                    }
                    continue;
                }
            };
            match code {
                ErrorCode::None => {}
                ErrorCode::RebalanceInProgress => drop(self.standing.send_replace(Standing::Rejoin)),
                ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                    self.standing.send_replace(Standing::Lost);
                    return;
                }
                code => {
                    if let Err(error) = self.coordinator.check("keeping the place in", code as i16)
                        && !error.is_retriable()
                    {
                        self.standing.send_replace(Standing::Refused(error));
                        return;
                    }
                }
            }
        }
    }
}

fn to_protocol(assignment: Assignment) -> ConsumerProtocolAssignment {
    let partitions = assignment
        .into_iter()
        .map(|(topic, partitions)| AssignedPartitions { topic: topic.into(), partitions });
    ConsumerProtocolAssignment { assigned_partitions: partitions.collect(), ..Default::default() }
}

/// `message` behind its version.
fn versioned<M: Message>(message: &M) -> Result<Bytes, ClientError> {
    let body = encode(message, CONSUMER_PROTOCOL_VERSION)?;
    let mut bytes = BytesMut::with_capacity(2 + body.len());
    bytes.put_i16(CONSUMER_PROTOCOL_VERSION);
    bytes.put(body);
    Ok(bytes.freeze())
}
