//! One node: the order in which things are opened and closed.

use crate::config::{Address, Listener, ServerConfig};
use crate::dynamic;
use crate::takeover::{self, TakeoverError};
use ottla_broker::{Broker, Clock, LogLevels, Settings};
use ottla_configs::BrokerConfig;
use ottla_coordinator::GroupCoordinator;
use ottla_metadata::Endpoint;
use ottla_network::{Bound, Limits, ListenError, Network};
use ottla_partition::{Directories, Partitions, RetentionSettings};
use ottla_protocol::Text;
use ottla_quorum::{Identity, MetadataSegments, NodeSettings, Quorum, QuorumError, StorageLog};
use ottla_storage::{DirectoryOptions, Disk, LogDirectory, StorageError};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::task::AbortHandle;

/// How long clients have to take their last answers when the node stops.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How often the metadata log is asked whether it failed.
const FAILURE_INTERVAL: Duration = Duration::from_secs(1);
/// How often recovery points and `flush.ms` are looked at.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(100);
/// How many of those intervals pass between two looks at all logs; in the others only at what is urgent.
const CHECKPOINTS_PER_LOOK: u32 = 10;
/// How many of those intervals pass between two rounds of tidying (`replica.high.watermark.checkpoint.interval.ms`).
const CHECKPOINTS_PER_TIDYING: u32 = 50;
/// The metadata log's tag in the directory's commit queue, which never speaks of it.
const METADATA_LOG_TAG: u64 = 0;
/// The id of PLAINTEXT among Kafka's security protocols.
const PLAINTEXT: i16 = 0;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder is another node's, or cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The data folder holds what cannot be served.
    #[error(transparent)]
    Takeover(#[from] TakeoverError),
    /// The metadata log is damaged, of another cluster, or cannot be written.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// A port cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The host of a listener has no address.
    #[error(
        "listener {listener}: the host '{host}' has no address ({reason}): correct listeners or --listen"
    )]
    Host {
        /// The listener's name.
        listener: String,
        /// What does not resolve.
        host: String,
        /// What the system says.
        reason: String,
    },
    /// The operating system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// A node that runs.
pub struct Node {
    quorum: Quorum,
    broker: Broker,
    network: Arc<Network<Broker>>,
    addresses: Vec<(String, SocketAddr)>,
    following: [AbortHandle; 2],
    upkeep: Upkeep,
}

impl Node {
    /// Opens everything and serves; `log_levels` is how loggers are told a level. Within a tokio runtime of several threads; blocks on the disk.
    pub async fn start(config: &ServerConfig, log_levels: LogLevels) -> Result<Node, StartError> {
        let open_files_max = ottla_storage::raise_open_files_limit();
        tracing::debug!(open_files_max, "the process may have so many files open");
        // The ports first: other nodes are told of them, and a node that cannot listen touches nothing.
        let limits = limits(config);
        let (mut bound, endpoints) = open_all(&config.listeners.broker, &limits)?;
        let addresses = config
            .listeners
            .broker
            .iter()
            .zip(&bound)
            .map(|(listener, bound)| (listener.name.clone(), bound.address()))
            .collect();
        let (of_controllers, controller_endpoints) = open_all(&config.listeners.controller, &limits)?;
        bound.extend(of_controllers);

        let (quorum, directories) = open_quorum(config, endpoints, controller_endpoints)?;
        let partitions = Partitions::start(config.node.id, directories, config.broker.clone())
            .map_err(StartError::Thread)?;
        let retention = RetentionSettings {
            initial_delay: millis(config.broker.long("log.initial.task.delay.ms")),
            check_interval: millis(config.broker.long("log.retention.check.interval.ms")),
        };
        partitions.start_retention(retention, wall_ms).map_err(StartError::Thread)?;
        partitions.start_cleaner(wall_ms).map_err(StartError::Thread)?;
        let group_configs = ottla_broker::group_configs(quorum.clone(), config.broker.clone());
        let groups = GroupCoordinator::from_config(&config.broker, group_configs, wall_ms);
        let broker = Broker::new(
            quorum.clone(),
            Arc::clone(&partitions),
            groups,
            config.broker.clone(),
            log_levels,
            settings(config),
        );
        let upkeep = Upkeep::start(partitions).map_err(StartError::Thread)?;
        broker.start_moves().map_err(StartError::Thread)?;
        broker.cordon_directories().await;
        let following = tokio::spawn({
            let broker = broker.clone();
            async move { tokio::join!(broker.follow(), broker.report_directories()) }
        });
        let network = Arc::new(Network::new(limits.clone(), broker.clone()));
        let obeying = tokio::spawn(dynamic::follow(
            quorum.clone(),
            config.broker.clone(),
            limits,
            Arc::clone(&network),
        ));
        for bound in bound {
            network.serve(bound);
        }
        let following = [following.abort_handle(), obeying.abort_handle()];
        Ok(Node { quorum, broker, network, addresses, following, upkeep })
    }

    /// The names of the listeners for clients and the addresses they really have.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        self.quorum.cluster_id()
    }

    /// Returns when the node can do no more than refuse, with the reason: its metadata log, the directory with
    /// it, or all of its log directories failed. Apache Kafka halts then, too.
    pub async fn failed(&self) -> String {
        loop {
            if let Some(reason) = self.quorum.failure() {
                return format!("the metadata log failed, so nothing can be changed: {reason}");
            }
            if let Some(reason) = self.broker.partitions().directories().failure() {
                return reason;
            }
            tokio::time::sleep(FAILURE_INTERVAL).await;
        }
    }

    /// Stops in order: no new connections, last answers out, everything durable, and a mark that says so.
    /// Blocks on the disk.
    pub async fn stop(self) -> Result<(), StorageError> {
        self.network.stop(STOP_PATIENCE).await;
        self.broker.resign();
        self.following.iter().for_each(AbortHandle::abort);
        self.upkeep.stop();
        self.broker.partitions().stop_moves();
        self.quorum.stop();
        self.broker.partitions().close(self.quorum.broker_epoch().0)
    }
}

/// Formats the folders at the first start, and opens what they hold.
fn open_quorum(
    config: &ServerConfig,
    endpoints: Vec<Endpoint>,
    controller_endpoints: Vec<Endpoint>,
) -> Result<(Quorum, Directories), StartError> {
    let disk = Disk::Real;
    let voters: Vec<ottla_quorum::VoterEndpoint> = controller_endpoints
        .iter()
        .map(|it| ottla_quorum::VoterEndpoint {
            listener: it.listener.clone(),
            host: it.host.clone(),
            port: it.port,
        })
        .collect();
    let identity = Identity { node: config.node.id, cluster_id: None };
    let (folders, metadata_dir) = (&config.log_dirs, &config.metadata_dir);
    takeover::check(folders, metadata_dir, config.node.id)?;
    let formatted = ottla_quorum::format(&disk, folders, metadata_dir, &identity, &voters, wall_ms())?;
    let options =
        DirectoryOptions { cluster_id: Some(formatted.cluster_id.clone()), node_id: config.node.id };
    let metadata = LogDirectory::open(disk.clone(), metadata_dir, &options)?;
    let mut members = Vec::with_capacity(folders.len());
    for (folder, formatted) in folders.iter().zip(formatted.directories) {
        let opened = match formatted {
            Ok(_) if folder == metadata_dir => Ok(Arc::clone(&metadata)),
            Ok(_) => match LogDirectory::open(disk.clone(), folder, &options) {
                // The disk failed; anything else is a mistake that a person must see.
                Err(StorageError::Io { path, operation, source }) => {
                    Err(format!("cannot {operation} {}: {source}", path.display()))
                }
                result => Ok(result?),
            },
            Err(reason) => Err(reason),
        };
        if let Err(reason) = &opened {
            tracing::error!("log directory {} is offline: {reason}", folder.display());
        }
        members.push((folder.clone(), opened));
    }
    let directory_ids = members.iter().filter_map(|(_, it)| it.as_ref().ok()).map(|it| it.id()).collect();
    let directories = Directories::new(members, Arc::clone(&metadata))?;
    let millis =
        |time: Option<Duration>| time.map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX));
    let segments = MetadataSegments {
        bytes: config.metadata.segment_bytes,
        ms: millis(Some(config.metadata.segment_age)),
    };
    let log = StorageLog::open(Arc::clone(&metadata), METADATA_LOG_TAG, segments, wall_ms)?;
    let settings = NodeSettings {
        node: config.node.id,
        cluster_id: formatted.cluster_id,
        disk,
        metadata_dir: metadata_dir.clone(),
        metadata_directory_id: metadata.id(),
        directory_ids,
        endpoints,
        controller_endpoints,
        rack: config.node.rack.as_deref().map(Text::from),
        configs: config.broker.clone(),
        append_linger: config.metadata.append_linger,
        limits: ottla_quorum::Limits {
            bytes_between_snapshots_max: config.metadata.snapshot_after_bytes,
            snapshot_interval_ms: millis(config.metadata.snapshot_interval),
            retention_bytes_max: config
                .metadata
                .retention_bytes
                .map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            retention_ms: config
                .metadata
                .retention
                .map_or(-1, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX)),
        },
    };
    Ok((Quorum::open(log, settings, wall_ms)?, directories))
}

/// The one wall clock of the node: what keeps time is handed it, or the time.
fn wall_ms() -> i64 {
    Clock.now_ms()
}

/// The network's bounds.
fn limits(config: &ServerConfig) -> Limits {
    let network = &config.network;
    let defaults = Limits::default();
    let narrow = |size: Option<usize>| size.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    let mut limits = Limits {
        max_request_size: network.request_max_bytes,
        max_request_bytes_in_flight: network
            .queued_max_request_bytes
            .unwrap_or(defaults.max_request_bytes_in_flight),
        max_connections_per_ip_overrides: network
            .max_connections_per_ip_overrides
            .iter()
            .map(|(address, count)| (*address, *count))
            .collect(),
        max_idle: network.connections_max_idle.unwrap_or(Duration::MAX),
        send_buffer_bytes: narrow(network.send_buffer_bytes),
        receive_buffer_bytes: narrow(network.receive_buffer_bytes),
        listen_backlog: network.listen_backlog,
        ..defaults
    };
    limits_of_connections(&mut limits, &config.broker);
    limits
}

/// Puts in the limits on connections that a running node may be told anew, but those for single hosts.
pub(crate) fn limits_of_connections(limits: &mut Limits, broker: &BrokerConfig) {
    let count = |name| usize::try_from(broker.int(name)).unwrap_or(0);
    limits.max_connections = count("max.connections");
    limits.max_connections_per_ip = count("max.connections.per.ip");
    limits.max_connection_creation_rate = broker.int("max.connection.creation.rate").unsigned_abs();
}

/// The handlers' bounds.
fn settings(config: &ServerConfig) -> Settings {
    Settings {
        fetch_max_bytes: config.fetch.max_bytes,
        fetch_session_slots: config.fetch.session_slots,
        describe_partitions_max: config.fetch.describe_partitions_max,
        auto_create_topics: config.topics.auto_create,
        delete_topics: config.topics.delete,
        controller_listeners: config.listeners.controller.iter().map(|it| it.name.clone()).collect(),
    }
}

/// Opens the ports of these listeners; the ports, and what is told of them.
fn open_all(listeners: &[Listener], limits: &Limits) -> Result<(Vec<Bound>, Vec<Endpoint>), StartError> {
    let mut bound = Vec::with_capacity(listeners.len());
    let mut endpoints = Vec::with_capacity(listeners.len());
    for listener in listeners {
        let port = open(listener, limits)?;
        endpoints.extend(endpoint(listener, port.address().port()));
        bound.push(port);
    }
    Ok((bound, endpoints))
}

/// Opens a listener's port at the first of its host's addresses.
fn open(listener: &Listener, limits: &Limits) -> Result<Bound, StartError> {
    let Address { host, port } = &listener.bind;
    if host.is_empty() {
        // Every interface: IPv6 serves IPv4 too, unless the machine has no IPv6.
        let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port));
        let only_v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port));
        return match Bound::open(&listener.name, everywhere, limits) {
            Err(error) if error.source.kind() != std::io::ErrorKind::AddrInUse => {
                Ok(Bound::open(&listener.name, only_v4, limits)?)
            }
            result => Ok(result?),
        };
    }
    let fail =
        |reason: String| StartError::Host { listener: listener.name.clone(), host: host.clone(), reason };
    let address = match host.parse::<IpAddr>() {
        Ok(address) => SocketAddr::from((address, *port)),
        Err(_) => (host.as_str(), *port)
            .to_socket_addrs()
            .map_err(|error| fail(error.to_string()))?
            // Clients that do not know IPv6 still try the name.
            .min_by_key(SocketAddr::is_ipv6)
            .ok_or_else(|| fail("the name is known and has none".to_owned()))?,
    };
    Ok(Bound::open(&listener.name, address, limits)?)
}

/// What clients are told of a listener whose port is `bound`; `None` when they are not told of it.
fn endpoint(listener: &Listener, bound: u16) -> Option<Endpoint> {
    let advertised = listener.advertised.as_ref()?;
    Some(Endpoint {
        listener: listener.name.as_str().into(),
        host: advertised.host.as_str().into(),
        port: if advertised.port == 0 { bound } else { advertised.port },
        security_protocol: PLAINTEXT,
    })
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// The thread that does what time brings: recovery points and high watermarks. A
/// thread and not a task, since all of it waits for the disk.
struct Upkeep {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Upkeep {
    fn start(partitions: Arc<Partitions>) -> std::io::Result<Upkeep> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("upkeep".into()).spawn(move || {
            let mut rounds: u32 = 0;
            while stopped.recv_timeout(CHECKPOINT_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let now_ms = Clock.now_ms();
                rounds = rounds.wrapping_add(1);
                if rounds.is_multiple_of(CHECKPOINTS_PER_LOOK) {
                    partitions.checkpoint(now_ms);
                } else {
                    partitions.checkpoint_if_urgent(now_ms);
                }
                if rounds.is_multiple_of(CHECKPOINTS_PER_TIDYING) {
                    partitions.tidy(now_ms);
                }
                // At a start not before the first acks, whose syncs would wait for this one.
                if rounds == CHECKPOINTS_PER_LOOK || rounds.is_multiple_of(CHECKPOINTS_PER_TIDYING) {
                    partitions.keep_ballast();
                }
            }
        })?;
        Ok(Upkeep { stop, thread })
    }

    fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the upkeep thread had panicked");
        }
    }
}
