//! The handle by which handlers reach groups.

use crate::groups::refusal;
use crate::log::PartitionLog;
use crate::runtime::{Coordinator, Options};
use ottla_configs::BrokerConfig;
use ottla_groups::consumer::Migration;
use ottla_groups::consumer::assignor::Assignor;
use ottla_groups::{
    Answer, CommitOffsets, DeleteOffsets, DeletedTopic, Description, FetchOffsets, FetchedTopic, Groups,
    Heartbeat, Join, JoinAnswer, Leave, Left, ListFilter, Listed, Refusal, Request, Settings, Sync,
    SyncAnswer, TopicOutcome, consumer, partition_for,
};
use ottla_ids::LeaderEpoch;
use ottla_protocol::Text;
use ottla_records::Compression;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// The groups whose partition of `__consumer_offsets` this node leads.
pub struct GroupCoordinator {
    coordinator: Coordinator<Groups>,
    partitions: AtomicI32,
}

/// The internal topic that keeps groups.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

impl GroupCoordinator {
    /// A coordinator that leads nothing yet. `partitions` is `offsets.topic.num.partitions` and at least 1;
    /// `commit_timeout` is `offsets.commit.timeout.ms`; `wall_ms` tells the time, in ms since 1970.
    pub fn new(
        settings: Settings,
        partitions: i32,
        commit_timeout: Duration,
        wall_ms: fn() -> i64,
    ) -> GroupCoordinator {
        let compression = Compression::None;
        let linger = Duration::ZERO;
        let options = Options { topic: OFFSETS_TOPIC, commit_timeout, linger, compression, wall_ms };
        let configs = || Arc::new(consumer::GroupSettings::default()) as Arc<dyn consumer::GroupConfigs>;
        GroupCoordinator::with_options(settings, partitions, configs, options)
    }

    fn with_options(
        settings: Settings,
        partitions: i32,
        configs: impl Fn() -> Arc<dyn consumer::GroupConfigs> + Send + std::marker::Sync + 'static,
        options: Options,
    ) -> GroupCoordinator {
        let coordinator = Coordinator::new(options, move || Groups::new(settings.clone(), configs()));
        GroupCoordinator { coordinator, partitions: AtomicI32::new(partitions.max(1)) }
    }

    /// As a broker's configuration has it; `configs` gives what groups are configured with at present.
    pub fn from_config(
        config: &BrokerConfig,
        configs: impl Fn() -> Arc<dyn consumer::GroupConfigs> + Send + std::marker::Sync + 'static,
        wall_ms: fn() -> i64,
    ) -> GroupCoordinator {
        let minute_ms = 60_000;
        let size = |name| usize::try_from(config.int(name)).unwrap_or_default();
        let settings = Settings {
            initial_rebalance_delay_ms: config.int("group.initial.rebalance.delay.ms"),
            min_session_timeout_ms: config.int("group.min.session.timeout.ms"),
            max_session_timeout_ms: config.int("group.max.session.timeout.ms"),
            max_size: size("group.max.size"),
            offset_metadata_max: size("offset.metadata.max.bytes"),
            offsets_retention_ms: i64::from(config.int("offsets.retention.minutes")) * minute_ms,
            offsets_retention_check_interval_ms: config.long("offsets.retention.check.interval.ms"),
            consumer: consumer::Settings {
                max_size: size("group.consumer.max.size"),
                assignors: assignors(config),
                migration: migration(config),
            },
        };
        let codec = Compression::ALL
            .get(size("offsets.topic.compression.codec"))
            .expect("a broker does not start with a codec that does not exist");
        let options = Options {
            topic: OFFSETS_TOPIC,
            commit_timeout: millis(config.int("offsets.commit.timeout.ms")),
            linger: millis(config.int("group.coordinator.append.linger.ms")),
            compression: *codec,
            wall_ms,
        };
        let partitions = config.int("offsets.topic.num.partitions");
        GroupCoordinator::with_options(settings, partitions, configs, options)
    }

    /// How many partitions the topic has, once that is known: it may have been made with another number than this
    /// broker is configured with.
    pub fn set_partitions(&self, partitions: i32) {
        self.partitions.store(partitions.max(1), Ordering::Relaxed);
    }

    /// The partition of `__consumer_offsets` that keeps `group`.
    pub fn partition_for(&self, group: &str) -> i32 {
        partition_for(group, self.partitions.load(Ordering::Relaxed))
    }

    /// This node leads a partition of `__consumer_offsets`; see [`Coordinator::lead`].
    pub fn lead(&self, partition: i32, epoch: LeaderEpoch, log: impl PartitionLog) {
        self.coordinator.lead(partition, epoch, log);
    }

    /// This node does not lead it any more; see [`Coordinator::resign`].
    pub fn resign(&self, partition: i32, epoch: LeaderEpoch) {
        self.coordinator.resign(partition, epoch);
    }

    /// This node stops.
    pub fn resign_all(&self) {
        self.coordinator.resign_all();
    }

    /// Waits until this node leads `partition` and has loaded it, but not longer than `timeout`. True if so.
    pub async fn wait_loaded(&self, partition: i32, timeout: Duration) -> bool {
        self.coordinator.wait_loaded(partition, timeout).await
    }

    /// The partitions that this node leads.
    pub fn partitions(&self) -> Vec<i32> {
        self.coordinator.partitions()
    }

    /// JoinGroup. Returns when the rebalance is complete, or at once when refused.
    pub async fn join(&self, join: Join) -> JoinAnswer {
        let member = join.member_id.clone();
        if join.group.is_empty() {
            return JoinAnswer::refused(member, Refusal::InvalidGroupId);
        }
        match self.ask_group(&join.group.clone(), Request::Join(Box::new(join))).await {
            Ok(Answer::Join(answer)) => *answer,
            other => JoinAnswer::refused(member, unexpected(other)),
        }
    }

    /// SyncGroup. Returns when the assignment is there, or at once when refused.
    pub async fn sync(&self, sync: Sync) -> SyncAnswer {
        if sync.group.is_empty() {
            return SyncAnswer::refused(Refusal::InvalidGroupId);
        }
        match self.ask_group(&sync.group.clone(), Request::Sync(sync)).await {
            Ok(Answer::Sync(answer)) => answer,
            other => SyncAnswer::refused(unexpected(other)),
        }
    }

    /// Heartbeat.
    pub async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<(), Refusal> {
        if heartbeat.group.is_empty() {
            return Err(Refusal::InvalidGroupId);
        }
        match self.ask_group(&heartbeat.group.clone(), Request::Heartbeat(heartbeat)).await {
            Ok(Answer::Heartbeat(answer)) => answer,
            // Members are not to give up a generation because their coordinator has just started.
            Err(Refusal::CoordinatorLoadInProgress) => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// LeaveGroup.
    pub async fn leave(&self, leave: Leave) -> Result<Vec<Left>, Refusal> {
        if leave.group.is_empty() {
            return Err(Refusal::InvalidGroupId);
        }
        match self.ask_group(&leave.group.clone(), Request::Leave(leave)).await {
            Ok(Answer::Leave(answer)) => answer,
            other => Err(unexpected(other)),
        }
    }

    /// ConsumerGroupHeartbeat.
    pub async fn consumer_heartbeat(
        &self,
        heartbeat: consumer::Heartbeat,
    ) -> Result<consumer::HeartbeatAnswer, consumer::Refused> {
        let group = heartbeat.group.clone();
        match self.ask_group(&group, Request::ConsumerHeartbeat(Box::new(heartbeat))).await {
            Ok(Answer::ConsumerHeartbeat(answer)) => answer,
            other => Err(unexpected(other).into()),
        }
    }

    /// ConsumerGroupDescribe: what is to be said of each.
    pub async fn describe_consumers(
        &self,
        groups: Vec<Text>,
    ) -> Vec<(Text, Result<consumer::Description, consumer::Refused>)> {
        let mut descriptions = Vec::with_capacity(groups.len());
        // Kafka says nothing more of these.
        let refused = |refusal| Err(consumer::Refused::new(refusal, ""));
        let (unnamed, groups): (Vec<Text>, Vec<Text>) =
            groups.into_iter().partition(|group| group.is_empty());
        descriptions.extend(unnamed.into_iter().map(|group| (group, refused(Refusal::InvalidGroupId))));
        for (partition, groups) in self.by_partition(groups) {
            match self.ask_partition(partition, Request::DescribeConsumers(groups.clone())).await {
                Ok(Answer::DescribeConsumers(answer)) => descriptions.extend(groups.into_iter().zip(answer)),
                other => {
                    let refusal = unexpected(other);
                    descriptions.extend(groups.into_iter().map(|group| (group, refused(refusal))));
                }
            }
        }
        descriptions
    }

    /// OffsetCommit.
    pub async fn commit_offsets(&self, commit: CommitOffsets) -> Result<Vec<TopicOutcome>, Refusal> {
        match self.ask_group(&commit.group.clone(), Request::CommitOffsets(commit)).await {
            Ok(Answer::CommitOffsets(answer)) => answer,
            other => Err(unexpected(other)),
        }
    }

    /// OffsetFetch, of one group.
    pub async fn fetch_offsets(&self, fetch: FetchOffsets) -> Result<Vec<FetchedTopic>, Refusal> {
        match self.ask_group(&fetch.group.clone(), Request::FetchOffsets(fetch)).await {
            Ok(Answer::FetchOffsets(answer)) => answer,
            // Consumers look for their coordinator anew on this one, all versions of them.
            Err(Refusal::CoordinatorNotAvailable) => Err(Refusal::NotCoordinator),
            other => Err(unexpected(other)),
        }
    }

    /// OffsetDelete.
    pub async fn delete_offsets(&self, delete: DeleteOffsets) -> Result<Vec<TopicOutcome>, Refusal> {
        if delete.group.is_empty() {
            return Err(Refusal::InvalidGroupId);
        }
        match self.ask_group(&delete.group.clone(), Request::DeleteOffsets(delete)).await {
            Ok(Answer::DeleteOffsets(answer)) => answer,
            other => Err(unexpected(other)),
        }
    }

    /// DeleteGroups: what became of each. A group named twice is answered once.
    pub async fn delete_groups(&self, groups: Vec<Text>) -> Vec<(Text, Option<Refusal>)> {
        let mut outcomes = Vec::with_capacity(groups.len());
        for (partition, groups) in self.by_partition(groups) {
            match self.ask_partition(partition, Request::DeleteGroups(groups.clone())).await {
                Ok(Answer::DeleteGroups(answer)) => outcomes.extend(answer),
                other => {
                    let refusal = unexpected(other);
                    outcomes.extend(groups.into_iter().map(|group| (group, Some(refusal))));
                }
            }
        }
        outcomes
    }

    /// DescribeGroups. A description with a refusal other than [`Refusal::GroupIdNotFound`] has nothing else to say.
    pub async fn describe_groups(&self, groups: Vec<Text>) -> Vec<Description> {
        let mut descriptions = Vec::with_capacity(groups.len());
        for (partition, groups) in self.by_partition(groups) {
            match self.ask_partition(partition, Request::DescribeGroups(groups.clone())).await {
                Ok(Answer::DescribeGroups(answer)) => descriptions.extend(answer),
                other => {
                    let refusal = unexpected(other);
                    let refused = |group| Description::refused(group, refusal, String::new());
                    descriptions.extend(groups.into_iter().map(refused));
                }
            }
        }
        descriptions
    }

    /// ListGroups: those of all partitions that this node leads. Refused while any of them is being loaded.
    pub async fn list_groups(&self, filter: ListFilter) -> Result<Vec<Listed>, Refusal> {
        let mut groups = Vec::new();
        for partition in self.partitions() {
            match self.ask_partition(partition, Request::ListGroups(filter.clone())).await {
                Ok(Answer::ListGroups(answer)) => groups.extend(answer),
                // It went to another node meanwhile, which lists its groups.
                Err(Refusal::NotCoordinator) => {}
                other => return Err(unexpected(other)),
            }
        }
        Ok(groups)
    }

    /// Topics were deleted: the offsets in them go. A partition that is being loaded or cannot be written keeps
    /// them until their retention ends, since nobody can read a topic that is not there.
    pub async fn topics_deleted(&self, topics: Vec<DeletedTopic>) {
        for partition in self.partitions() {
            let outcome = self.ask_partition(partition, Request::TopicsDeleted(topics.clone())).await;
            if let Err(refusal) = outcome {
                tracing::warn!("offsets of deleted topics stay in {OFFSETS_TOPIC}-{partition}: {refusal}");
            }
        }
    }

    async fn ask_group(&self, group: &str, request: Request) -> Result<Answer, Refusal> {
        self.ask_partition(self.partition_for(group), request).await
    }

    async fn ask_partition(&self, partition: i32, request: Request) -> Result<Answer, Refusal> {
        self.coordinator.ask(partition, request).await.map_err(refusal)
    }

    fn by_partition(&self, groups: Vec<Text>) -> BTreeMap<i32, Vec<Text>> {
        let mut by_partition: BTreeMap<i32, Vec<Text>> = BTreeMap::new();
        for group in groups {
            by_partition.entry(self.partition_for(&group)).or_default().push(group);
        }
        by_partition
    }
}

/// A negative time is none.
fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

/// `group.consumer.assignors`, as far as they are served; a node does not start with others.
fn assignors(config: &BrokerConfig) -> Vec<Assignor> {
    let names = config.find_list("group.consumer.assignors").unwrap_or_default();
    names.iter().filter_map(|name| Assignor::named(name)).collect()
}

/// `group.consumer.migration.policy`; a node does not start with another value.
fn migration(config: &BrokerConfig) -> Migration {
    let policy = config.find_text("group.consumer.migration.policy");
    policy.and_then(|name| Migration::named(&name)).unwrap_or(Migration::Bidirectional)
}

/// The refusal, or that of an answer to another question, which cannot be.
fn unexpected(answer: Result<Answer, Refusal>) -> Refusal {
    debug_assert!(answer.is_err(), "a request is answered in kind");
    answer.err().unwrap_or(Refusal::NotWritable)
}
