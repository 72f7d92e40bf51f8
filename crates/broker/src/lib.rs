//! Dispatch and one handler per API key: from a frame to an answer.
//!
//! A handler translates: request in, calls of the services below, response out. Its parameters are the
//! list of what it needs; nobody but `dispatch` sees the whole [`Broker`]. Rules of Kafka live in the
//! cores; what is here is the order in which they are asked, and Kafka's numbers for what they refuse
//! (`errors`, the only place that knows them).
//!
//! It does not know sockets (`network`), files (`storage`) or who leads the quorum (`quorum`).
//! Kafka's own name: `KafkaApis`. Start reading at `dispatch.rs`, then any file of `handlers`.

mod dispatch;
pub mod handlers;

mod fetch_sessions;
mod follow;
mod group_settings;
mod group_topics;
mod report;
mod topic_creation;
mod topics;

mod call;
mod clock;
mod errors;
mod log_levels;

pub use call::Call;
pub use clock::Clock;
pub use errors::Refusal;
pub use fetch_sessions::FetchSessions;
pub use group_settings::group_configs;
pub use log_levels::LogLevels;

use ottla_configs::BrokerConfig;
use ottla_controller::Through;
use ottla_coordinator::GroupCoordinator;
use ottla_partition::Partitions;
use ottla_protocol::ApiKey;
use ottla_quorum::Quorum;
use std::sync::Arc;

/// What is served to clients, in the order of the keys; nothing else is advertised, and everything else closes its
/// connection.
pub const SERVED: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::AlterReplicaLogDirs,
    ApiKey::DescribeLogDirs,
    ApiKey::CreatePartitions,
    ApiKey::DeleteGroups,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::OffsetDelete,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::UnregisterBroker,
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::ConsumerGroupDescribe,
    ApiKey::ListConfigResources,
    ApiKey::DescribeTopicPartitions,
];

/// What is served on the listeners of controllers (`controller.listener.names`): what an operator asks a controller
/// (KIP-919). What controllers and brokers ask each other is not: this node is the whole cluster.
pub const SERVED_BY_CONTROLLERS: &[ApiKey] = &[
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::CreatePartitions,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeCluster,
    ApiKey::UnregisterBroker,
];

/// Everything a broker's handlers draw on. Made once; shared by all connections.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<Shared>,
}

struct Shared {
    quorum: Quorum,
    partitions: Arc<Partitions>,
    groups: GroupCoordinator,
    group_topics: group_topics::LatestTopics,
    fetch_sessions: FetchSessions,
    configs: BrokerConfig,
    log_levels: LogLevels,
    settings: Settings,
    clock: Clock,
}

/// The bounds that handlers keep to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `fetch.max.bytes`: most bytes of one fetch's answer, beyond a first batch that is larger.
    pub fetch_max_bytes: usize,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_session_slots: usize,
    /// `max.request.partition.size.limit`: partitions in one answer to DescribeTopicPartitions.
    pub describe_partitions_max: usize,
    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// `delete.topic.enable`.
    pub delete_topics: bool,
    /// `controller.listener.names`: the listeners on which a controller answers.
    pub controller_listeners: Vec<String>,
}

impl Broker {
    /// A broker on these services. Within a tokio runtime.
    pub fn new(
        quorum: Quorum,
        partitions: Arc<Partitions>,
        groups: GroupCoordinator,
        configs: BrokerConfig,
        log_levels: LogLevels,
        settings: Settings,
    ) -> Broker {
        let fetch_sessions = FetchSessions::new(settings.fetch_session_slots);
        let clock = Clock;
        let metadata = quorum.clone();
        partitions.look_at(move || metadata.image());
        Broker {
            shared: Arc::new(Shared {
                quorum,
                partitions,
                groups,
                group_topics: group_topics::LatestTopics::default(),
                fetch_sessions,
                configs,
                log_levels,
                settings,
                clock,
            }),
        }
    }

    /// The partitions that live here.
    pub fn partitions(&self) -> &Arc<Partitions> {
        &self.shared.partitions
    }

    /// What is served on `listener`.
    fn served(&self, listener: &str) -> &'static [ApiKey] {
        match self.is_of_controllers(listener) {
            true => SERVED_BY_CONTROLLERS,
            false => SERVED,
        }
    }

    /// On whose listener the call came.
    fn through(&self, call: &Call) -> Through {
        match self.is_of_controllers(&call.listener) {
            true => Through::Controller,
            false => Through::Broker,
        }
    }

    fn is_of_controllers(&self, listener: &str) -> bool {
        self.shared.settings.controller_listeners.iter().any(|name| name == listener)
    }

    /// Coordinates no group any more: clients are told to look elsewhere.
    pub fn resign(&self) {
        self.shared.groups.resign_all();
    }
}
