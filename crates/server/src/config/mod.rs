//! Configuration: Kafka's `server.properties` and the command line in, plain fields out.
//!
//! [`ServerConfig::load`] is the way in. `settings` layers file and command line and refuses what is not
//! known or not honoured, `listeners` works out where to listen and what to tell clients, `print` shows
//! the effective values. What the keys mean stands in `ottla_configs`.
//!
//! Without any setting a node serves this machine only, on 127.0.0.1:9092, from the folder `ottla-data`:
//! a laptop is not opened to its network by trying something out, and every client that found the
//! address can also use the one it is told. In a container and in CI the address is given, for instance
//! `--listen 0.0.0.0:9092 --set advertised.listeners=PLAINTEXT://localhost:9092` behind a published port.

mod listeners;
mod print;
mod settings;

pub use crate::config::listeners::{Address, Listener, Listeners};
pub use crate::config::print::Effective;
pub use crate::config::settings::{ConfigError, Options, Origin};

use crate::config::listeners::Host;
use crate::config::settings::Settings;
use ottla_configs::{BrokerConfig, connection_overrides, contradictions};
use ottla_ids::NodeId;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything a node needs to know to start. Sizes are in bytes.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Who the node is.
    pub node: Node,
    /// Where it listens and what it tells clients.
    pub listeners: Listeners,
    /// `log.dirs` or `log.dir`: the folders for the data. At least one.
    pub log_dirs: Vec<PathBuf>,
    /// `metadata.log.dir`: the folder with the metadata log; unless it is set, the first of `log_dirs`.
    pub metadata_dir: PathBuf,
    /// What topics get that say nothing themselves, and who may create and delete them.
    pub topics: Topics,
    /// Limits on connections and requests.
    pub network: Network,
    /// Limits on fetches and other reads.
    pub fetch: Fetch,
    /// The metadata log.
    pub metadata: Metadata,
    /// The settings in Kafka's own keys, as DescribeConfigs tells them.
    pub broker: BrokerConfig,
    /// What a user should be told once at start: settings that are accepted and do not act.
    pub notes: Vec<String>,
    /// Where each setting was made; for [`ServerConfig::effective`].
    origins: BTreeMap<String, Origin>,
}

/// Who the node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `node.id`.
    pub id: NodeId,
    /// `broker.rack`: where it stands, for replicas near a consumer.
    pub rack: Option<String>,
}

/// What topics get that say nothing themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Topics {
    /// `num.partitions`: at least 1.
    pub num_partitions: i32,
    /// `default.replication.factor`: at least 1.
    pub default_replication_factor: i16,
    /// `auto.create.topics.enable`: whether Metadata creates a topic that is asked for.
    pub auto_create: bool,
    /// `delete.topic.enable`: whether DeleteTopics does.
    pub delete: bool,
}

/// Limits on connections and requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// `socket.request.max.bytes`: a larger frame closes its connection.
    pub request_max_bytes: usize,
    /// `queued.max.request.bytes`: most bytes of requests read and not answered; none: Ottla's own bound.
    pub queued_max_request_bytes: Option<usize>,
    /// `max.connections.per.ip.overrides`, with host names resolved.
    pub max_connections_per_ip_overrides: BTreeMap<IpAddr, usize>,
    /// `connections.max.idle.ms`; none: never closed for being idle.
    pub connections_max_idle: Option<Duration>,
    /// `socket.send.buffer.bytes`; none: as the system likes.
    pub send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; none: as the system likes.
    pub receive_buffer_bytes: Option<usize>,
    /// `socket.listen.backlog.size`.
    pub listen_backlog: u32,
}

/// Limits on fetches and other reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// `fetch.max.bytes`: most bytes of one answer, beyond a first batch that is larger.
    pub max_bytes: usize,
    /// `max.incremental.fetch.session.cache.slots`: fetch sessions kept at once.
    pub session_slots: usize,
    /// `max.request.partition.size.limit`: partitions in one answer to DescribeTopicPartitions.
    pub describe_partitions_max: usize,
}

/// The metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// `metadata.log.segment.bytes`: the size at which a segment is closed.
    pub segment_bytes: u32,
    /// `metadata.log.segment.ms`: the age at which it is.
    pub segment_age: Duration,
    /// `controller.quorum.append.linger.ms`: how long changes are collected before they are written together.
    pub append_linger: Duration,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub snapshot_after_bytes: u64,
    /// `metadata.log.max.snapshot.interval.ms`; none: not by time.
    pub snapshot_interval: Option<Duration>,
    /// `metadata.max.retention.bytes`: of the log with its snapshots; none: no limit.
    pub retention_bytes: Option<u64>,
    /// `metadata.max.retention.ms`; none: no limit.
    pub retention: Option<Duration>,
}

impl ServerConfig {
    /// Reads the file, if one is named, puts the command line over it, and works everything out. All
    /// that is wrong is reported together.
    pub fn load(options: &Options) -> Result<ServerConfig, ConfigError> {
        ServerConfig::from_settings(Settings::read(options)?, &Host::This)
    }

    /// Works out the fields of these settings.
    fn from_settings(settings: Settings, host: &Host) -> Result<ServerConfig, ConfigError> {
        let broker = settings.check()?;
        let mut problems = Vec::new();
        problems.extend(cross_check(&broker));
        let listeners = Listeners::new(&broker, host).map_err(|found| problems.extend(found)).ok();
        let log_dirs = log_dirs(&broker).map_err(|problem| problems.push(problem)).ok();
        let (overrides, unknown) = resolve_overrides_on(&broker, host);
        problems.extend(
            unknown
                .iter()
                .map(|name| format!("max.connections.per.ip.overrides contains invalid addresses : {name}")),
        );
        let (Some(listeners), Some(log_dirs), true) = (listeners, log_dirs, problems.is_empty()) else {
            return Err(ConfigError { problems });
        };
        Ok(ServerConfig {
            node: Node { id: NodeId(broker.int("node.id")), rack: broker.find_text("broker.rack") },
            listeners,
            metadata_dir: metadata_dir(&broker, &log_dirs),
            log_dirs,
            topics: Topics {
                num_partitions: broker.int("num.partitions"),
                default_replication_factor: small(broker.int("default.replication.factor")),
                auto_create: broker.boolean("auto.create.topics.enable"),
                delete: broker.boolean("delete.topic.enable"),
            },
            network: Network {
                request_max_bytes: size(broker.int("socket.request.max.bytes").into()),
                queued_max_request_bytes: positive(broker.long("queued.max.request.bytes")).map(size),
                max_connections_per_ip_overrides: overrides,
                connections_max_idle: positive(broker.long("connections.max.idle.ms")).map(millis),
                send_buffer_bytes: positive(broker.int("socket.send.buffer.bytes").into()).map(size),
                receive_buffer_bytes: positive(broker.int("socket.receive.buffer.bytes").into()).map(size),
                listen_backlog: broker.int("socket.listen.backlog.size").unsigned_abs(),
            },
            fetch: Fetch {
                max_bytes: size(broker.int("fetch.max.bytes").into()),
                session_slots: size(broker.int("max.incremental.fetch.session.cache.slots").into()),
                describe_partitions_max: size(broker.int("max.request.partition.size.limit").into()),
            },
            metadata: Metadata {
                segment_bytes: broker.int("metadata.log.segment.bytes").unsigned_abs(),
                segment_age: millis(broker.long("metadata.log.segment.ms")),
                append_linger: millis(broker.int("controller.quorum.append.linger.ms").into()),
                snapshot_after_bytes: broker
                    .long("metadata.log.max.record.bytes.between.snapshots")
                    .unsigned_abs(),
                snapshot_interval: positive(broker.long("metadata.log.max.snapshot.interval.ms")).map(millis),
                retention_bytes: u64::try_from(broker.long("metadata.max.retention.bytes")).ok(),
                retention: not_negative(broker.long("metadata.max.retention.ms")).map(millis),
            },
            notes: settings.notes(&broker),
            origins: settings.into_origins(),
            broker,
        })
    }
}

/// What Kafka checks between several keys, in Kafka's words.
fn cross_check(broker: &BrokerConfig) -> Vec<String> {
    let mut problems = contradictions(broker);
    let mut require = |holds: bool, problem: &str| {
        if !holds {
            problems.push(problem.to_owned());
        }
    };
    require(
        broker.int("node.id") == broker.int("broker.id"),
        "You must set `node.id` to the same value as `broker.id`.",
    );
    require(
        (1..=i32::from(i16::MAX)).contains(&broker.int("default.replication.factor")),
        "default.replication.factor must be between 1 and 32767",
    );
    let (least, most) =
        (broker.int("group.min.session.timeout.ms"), broker.int("group.max.session.timeout.ms"));
    require(
        0 <= least && least <= most,
        "group.min.session.timeout.ms must not be negative or greater than group.max.session.timeout.ms",
    );
    require(
        1 <= broker.long("metadata.log.segment.ms"),
        "metadata.log.segment.ms must be greater than or equal to 1",
    );
    for name in ["group.initial.rebalance.delay.ms", "offset.metadata.max.bytes"] {
        require(0 <= broker.int(name), &format!("{name} must not be negative"));
    }
    let protocols = broker.find_list("group.coordinator.rebalance.protocols").unwrap_or_default();
    require(
        protocols.iter().any(|protocol| protocol == "classic"),
        "group.coordinator.rebalance.protocols: Disabling the 'classic' protocol is not supported.",
    );
    require(
        protocols.iter().all(|protocol| protocol != "share"),
        "group.coordinator.rebalance.protocols names share: share groups are not served yet; leave it out",
    );
    let roles = broker.find_list("process.roles").unwrap_or_default();
    require(
        roles.iter().any(|role| role == "broker") && roles.iter().any(|role| role == "controller"),
        "process.roles must be broker,controller: a node is both for now",
    );
    problems
}

/// `log.dirs`, or `log.dir`.
fn log_dirs(broker: &BrokerConfig) -> Result<Vec<PathBuf>, String> {
    let folders = broker.log_dirs();
    if folders.is_empty() {
        return Err("At least one log directory must be defined via log.dirs or log.dir.".to_owned());
    }
    let mut different = Vec::with_capacity(folders.len());
    for folder in folders.into_iter().map(PathBuf::from) {
        // One that is named twice counts once, as in Kafka.
        if !different.contains(&folder) {
            different.push(folder);
        }
    }
    Ok(different)
}

/// `metadata.log.dir`, or the first of the log directories.
fn metadata_dir(broker: &BrokerConfig, log_dirs: &[PathBuf]) -> PathBuf {
    let named = broker.find_text("metadata.log.dir").map(PathBuf::from);
    named.or_else(|| log_dirs.first().cloned()).unwrap_or_default()
}

/// `max.connections.per.ip.overrides` by address, and the hosts in it that have none.
pub(crate) fn resolve_overrides(broker: &BrokerConfig) -> (BTreeMap<IpAddr, usize>, Vec<String>) {
    resolve_overrides_on(broker, &Host::This)
}

fn resolve_overrides_on(broker: &BrokerConfig, host: &Host) -> (BTreeMap<IpAddr, usize>, Vec<String>) {
    let text = broker.find_text("max.connections.per.ip.overrides").unwrap_or_default();
    let (mut overrides, mut unknown) = (BTreeMap::new(), Vec::new());
    // What is not in the right form is told as a contradiction.
    for (name, count) in connection_overrides(&text).unwrap_or_default() {
        match host.addresses(name) {
            Ok(addresses) => {
                overrides.extend(addresses.into_iter().map(|address| (address, count as usize)));
            }
            Err(_) => unknown.push(name.to_owned()),
        }
    }
    (overrides, unknown)
}

/// The number, if it is a limit at all.
fn positive(number: i64) -> Option<i64> {
    (0 < number).then_some(number)
}

/// The number, where a negative one means no limit.
fn not_negative(number: i64) -> Option<i64> {
    (0 <= number).then_some(number)
}

/// A checked number of milliseconds.
fn millis(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0))
}

/// A checked size or count.
fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// A checked replication factor.
fn small(number: i32) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests;
