//! The broker: the services that handlers draw on, put together.

use crate::call::Call;
use crate::clock::Clock;
use crate::fetch_sessions::FetchSessions;
use crate::group_topics::LatestTopics;
use crate::log_levels::LogLevels;
use crate::served::{SERVED, SERVED_BY_CONTROLLERS};
use ottla_configs::BrokerConfig;
use ottla_controller::Through;
use ottla_coordinator::GroupCoordinator;
use ottla_partition::Partitions;
use ottla_protocol::ApiKey;
use ottla_quorum::Quorum;
use std::sync::Arc;

/// Everything a broker's handlers draw on. Made once; shared by all connections.
#[derive(Clone)]
pub struct Broker {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) quorum: Quorum,
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) groups: GroupCoordinator,
    pub(crate) group_topics: LatestTopics,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) configs: BrokerConfig,
    pub(crate) log_levels: LogLevels,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
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
                group_topics: LatestTopics::default(),
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
    pub(crate) fn served(&self, listener: &str) -> &'static [ApiKey] {
        match self.is_of_controllers(listener) {
            true => SERVED_BY_CONTROLLERS,
            false => SERVED,
        }
    }

    /// On whose listener the call came.
    pub(crate) fn through(&self, call: &Call) -> Through {
        match self.is_of_controllers(&call.listener) {
            true => Through::Controller,
            false => Through::Broker,
        }
    }

    pub(crate) fn is_of_controllers(&self, listener: &str) -> bool {
        self.shared.settings.controller_listeners.iter().any(|name| name == listener)
    }

    /// Coordinates no group any more: clients are told to look elsewhere.
    pub fn resign(&self) {
        self.shared.groups.resign_all();
    }
}
