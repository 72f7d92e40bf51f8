//! The keys a broker of Apache Kafka 4.3 reads from `server.properties`, and what Ottla does with each.

use crate::key::Default::{Null, Required, Value};
use crate::key::Importance::{High, Low, Medium};
use crate::key::Kind::{Boolean, Class, Double, Int, List, Long, Password, Short, String};
use crate::key::Support::{Honoured, Kept, NoCounterpart, Refused};
use crate::key::Update::{ClusterWide, PerBroker, ReadOnly};
use crate::key::Valid::{
    Any, AtLeast, Between, BootstrapServers, Distinct, Fraction, GzipLevel, NonEmpty, OneOf,
    OneOfIgnoringCase, QuorumVoters, Subset,
};
use crate::key::{Key, kafka_default};
use crate::support::*;

/// The key of this name.
pub fn key(name: &str) -> Option<&'static Key> {
    let index = KEYS.binary_search_by(|key| key.name.cmp(name)).ok()?;
    KEYS.get(index)
}

/// The key of this name among those that are set only while a broker runs.
pub fn dynamic_only_key(name: &str) -> Option<&'static Key> {
    DYNAMIC_ONLY.iter().find(|key| key.name == name)
}

/// Rows: name, kind, default, what is valid, update mode, importance, support, Apache Kafka's default
/// where it differs, whether it is internal; then the doc.
macro_rules! keys {
    ($(#[$about:meta])* $table:ident; $($name:literal, $kind:expr, $default:expr, $valid:expr, $update:expr, $importance:expr, $support:expr,
        $(kafka $kafka:expr,)? $(internal $internal:literal,)? $doc:literal;)*) => {
        $(#[$about])*
        pub static $table: &[Key] = &[$(Key {
            name: $name,
            kind: $kind,
            default: $default,
            kafka_default: kafka_default!($default $(, $kafka)?),
            valid: $valid,
            update: $update,
            importance: $importance,
            internal: false $(|| $internal)?,
            support: $support,
            doc: $doc,
            broker_keys: &[],
        }),*];
    };
}

keys! {
    /// Keys that Apache Kafka takes only while a broker runs, never from a file (its `QuotaConfig`), by name.
    DYNAMIC_ONLY;
    "follower.replication.throttled.rate", Long, Value("9223372036854775807"), AtLeast(0), ClusterWide, Medium, Kept(REPLICAS),
        "Most bytes a second that a broker takes from leaders for the throttled replicas it keeps.";
    "leader.replication.throttled.rate", Long, Value("9223372036854775807"), AtLeast(0), ClusterWide, Medium, Kept(REPLICAS),
        "Most bytes a second that a broker gives followers of the throttled replicas it leads.";
    "replica.alter.log.dirs.io.max.bytes.per.second", Long, Value("9223372036854775807"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Most bytes a second that are copied when replicas move between log directories.";
}

keys! {
    /// All that may stand in a file, by name.
    KEYS;
    "add.partitions.to.txn.retry.backoff.max.ms", Int, Value("100"), AtLeast(0), ReadOnly, High, Refused(TRANSACTIONS),
        "Longest wait before the broker again asks to add a partition to a transaction whose predecessor is still ending.";
    "add.partitions.to.txn.retry.backoff.ms", Int, Value("20"), AtLeast(1), ReadOnly, High, Refused(TRANSACTIONS),
        "First wait before the broker again asks to add a partition to a transaction whose predecessor is still ending.";
    "advertised.listeners", List, Null, Distinct { empty: false }, ReadOnly, High, Honoured,
        "The addresses that clients are told to connect to, when they differ from where the node listens: behind a proxy, in a container, with several networks. Unset: those of `listeners`, with the host name where no host is given.";
    "alter.config.policy.class.name", Class, Null, Any, ReadOnly, Low, Refused(JAVA),
        "A Java class that may veto changes of topic configurations.";
    "alter.log.dirs.replication.quota.window.num", Int, Value("11"), AtLeast(1), ReadOnly, Low, Refused(QUOTAS),
        "How many samples are kept for the quota on moves between log directories.";
    "alter.log.dirs.replication.quota.window.size.seconds", Int, Value("1"), AtLeast(1), ReadOnly, Low, Refused(QUOTAS),
        "How long one sample of the quota on moves between log directories lasts.";
    "authorizer.class.name", String, Value(""), Any, ReadOnly, Low, Refused(ACLS),
        "The authorizer; empty lets everyone do everything.";
    "auto.create.topics.enable", Boolean, Value("true"), Any, ReadOnly, High, Honoured,
        "Whether a topic that a client asks for by name is created when it does not exist.";
    "auto.leader.rebalance.enable", Boolean, Value("true"), Any, ReadOnly, High, Kept(NODES),
        "Whether leadership is moved back to preferred replicas from time to time.";
    "background.threads", Int, Value("10"), AtLeast(1), ClusterWide, High, NoCounterpart(WORKERS),
        "Threads for background work.";
    "broker.heartbeat.interval.ms", Int, Value("2000"), Any, ReadOnly, Medium, Kept(NODES),
        "How often a broker reports to the controller.";
    "broker.id", Int, Value("1"), Any, ReadOnly, High, Honoured, kafka Value("-1"),
        "The former name of `node.id`; if both are set they must agree.";
    "broker.rack", String, Null, Any, ReadOnly, Medium, Honoured,
        "Where the node stands; told to clients, for replicas near them.";
    "broker.session.timeout.ms", Int, Value("9000"), Any, ReadOnly, Medium, Kept(NODES),
        "How long a broker may be silent before the controller fences it.";
    "client.quota.callback.class", Class, Null, Any, ReadOnly, Low, Refused(JAVA),
        "A Java class that computes client quotas.";
    "compression.gzip.level", Int, Value("-1"), GzipLevel, ClusterWide, Medium, Honoured,
        "Level for gzip where the broker itself compresses; -1 is the library's default.";
    "compression.lz4.level", Int, Value("9"), Between(1, 17), ClusterWide, Medium, Honoured,
        "Level for lz4 where the broker itself compresses.";
    "compression.type", String, Value("producer"), OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), ClusterWide, High, Honoured,
        "The codec in which batches are stored: `producer` keeps what arrives; any other recompresses what differs.";
    "compression.zstd.level", Int, Value("3"), Between(-131072, 22), ClusterWide, Medium, Honoured,
        "Level for zstd where the broker itself compresses.";
    "config.providers", List, Value(""), Distinct { empty: true }, ClusterWide, Low, Refused(PROVIDERS),
        "Names of plug-ins that resolve `${provider:key}` in values.";
    "connection.failed.authentication.delay.ms", Int, Value("100"), AtLeast(0), ReadOnly, Low, Refused(SASL),
        "How long a connection stays open after failed authentication, against guessing.";
    "connections.max.idle.ms", Long, Value("600000"), Any, ReadOnly, Medium, Honoured,
        "A connection on which nothing happens for this long is closed.";
    "connections.max.reauth.ms", Long, Value("0"), Any, ReadOnly, Medium, Refused(SASL),
        "How long an authenticated connection may live before it must authenticate again; 0 for ever.";
    "controlled.shutdown.enable", Boolean, Value("true"), Any, ReadOnly, Medium, Kept(NODES),
        "Whether a stopping broker first hands its leaderships over.";
    "controller.listener.names", List, Value("CONTROLLER"), Distinct { empty: false }, ReadOnly, High, Honoured, kafka Required,
        "Which of `listeners` are for the controllers among themselves, not for clients.";
    "controller.performance.always.log.threshold.ms", Long, Value("2000"), AtLeast(0), ReadOnly, Medium, Refused(INTERNAL), internal true,
        "Controller events slower than this are always logged.";
    "controller.performance.sample.period.ms", Long, Value("60000"), AtLeast(100), ReadOnly, Medium, Refused(INTERNAL), internal true,
        "How often the controller logs its slowest event.";
    "controller.quorum.append.linger.ms", Int, Value("0"), AtLeast(0), ReadOnly, Medium, Honoured, kafka Value("25"),
        "How long the quorum's leader collects changes of the metadata before it writes them together. Ottla's default writes at once what waits: changes that come meanwhile are written together all the same.";
    "controller.quorum.auto.join.enable", Boolean, Value("false"), Any, ReadOnly, Low, Kept(NODES),
        "Whether a new controller adds itself to the voters.";
    "controller.quorum.bootstrap.servers", List, Value(""), BootstrapServers, ReadOnly, High, Honoured,
        "Where the controllers are found. Ottla is its own only controller for now: one address, that of its own controller listener, is accepted.";
    "controller.quorum.election.backoff.max.ms", Int, Value("1000"), AtLeast(0), ReadOnly, High, Kept(NODES),
        "Longest wait before a lost election is tried again.";
    "controller.quorum.election.timeout.ms", Int, Value("1000"), AtLeast(0), ReadOnly, High, Kept(NODES),
        "How long a candidate waits for votes.";
    "controller.quorum.fetch.max.bytes", Int, Value("1048576"), AtLeast(1), ReadOnly, Low, Kept(NODES),
        "Most bytes of the metadata log in one answer to another controller or broker.";
    "controller.quorum.fetch.snapshot.max.bytes", Int, Value("1048576"), AtLeast(1), ReadOnly, Low, Kept(NODES),
        "Most bytes of a metadata snapshot in one answer.";
    "controller.quorum.fetch.timeout.ms", Int, Value("2000"), AtLeast(0), ReadOnly, High, Kept(NODES),
        "How long a follower does without an answer from the leader before it becomes a candidate.";
    "controller.quorum.request.timeout.ms", Int, Value("2000"), AtLeast(0), ReadOnly, Medium, Kept(NODES),
        "How long a controller waits for an answer of another.";
    "controller.quorum.retry.backoff.ms", Int, Value("20"), AtLeast(0), ReadOnly, Low, Kept(NODES),
        "Wait before a failed request to another controller is sent again.";
    "controller.quorum.voters", List, Value(""), QuorumVoters, ReadOnly, High, Honoured,
        "The voters of a fixed quorum as `id@host:port`. Ottla is its own only voter for now: this node alone is accepted.";
    "controller.quota.window.num", Int, Value("11"), AtLeast(1), ReadOnly, Low, Refused(QUOTAS),
        "How many samples are kept for the quota on topic changes.";
    "controller.quota.window.size.seconds", Int, Value("1"), AtLeast(1), ReadOnly, Low, Refused(QUOTAS),
        "How long one sample of the quota on topic changes lasts.";
    "controller.socket.timeout.ms", Int, Value("30000"), Any, ReadOnly, Medium, Kept(NODES),
        "How long a broker waits for the controller's answer.";
    "cordoned.log.dirs", List, Value(""), Distinct { empty: true }, PerBroker, Medium, Honoured,
        "Entries of `log.dirs` that get no new partitions, or `*` for all of them (KIP-1066): what lies there goes on, and can be moved away. With all of them cordoned, topics and partitions go to other brokers. Acts from `metadata.version` 4.3 on.";
    "create.topic.policy.class.name", Class, Null, Any, ReadOnly, Low, Refused(JAVA),
        "A Java class that may veto new topics.";
    "default.replication.factor", Int, Value("1"), Any, ReadOnly, Medium, Honoured,
        "Replicas of a topic that does not say how many it wants.";
    "delegation.token.expiry.check.interval.ms", Long, Value("3600000"), AtLeast(1), ReadOnly, Low, Refused(TOKENS),
        "How often expired delegation tokens are removed.";
    "delegation.token.expiry.time.ms", Long, Value("86400000"), AtLeast(1), ReadOnly, Medium, Refused(TOKENS),
        "How long a delegation token is valid before it must be renewed.";
    "delegation.token.max.lifetime.ms", Long, Value("604800000"), AtLeast(1), ReadOnly, Medium, Refused(TOKENS),
        "How long a delegation token can be renewed.";
    "delegation.token.secret.key", Password, Null, Any, ReadOnly, Medium, Refused(TOKENS),
        "The secret that signs delegation tokens.";
    "delete.records.purgatory.purge.interval.requests", Int, Value("1"), Any, ReadOnly, Medium, NoCounterpart(PURGATORY),
        "After how many finished requests the waiting room of DeleteRecords is tidied.";
    "delete.topic.enable", Boolean, Value("true"), Any, ReadOnly, High, Honoured,
        "Whether topics can be deleted.";
    "early.start.listeners", List, Null, Distinct { empty: true }, ReadOnly, High, Refused(LISTENERS),
        "Listeners that open before the broker is ready; unset, the controller's.";
    "fetch.max.bytes", Int, Value("57671680"), AtLeast(1024), ReadOnly, Medium, Honoured,
        "Most bytes in one answer to a fetch; a first batch that is larger is still sent.";
    "fetch.purgatory.purge.interval.requests", Int, Value("1000"), Any, ReadOnly, Medium, NoCounterpart(PURGATORY),
        "After how many finished requests the waiting room of Fetch is tidied.";
    "follower.fetch.last.tiered.offset.enable", Boolean, Value("false"), Any, ClusterWide, Medium, Refused(TIERING),
        "Whether a new replica starts where the tiered part of the log ends.";
    "group.consumer.assignment.interval.ms", Int, Value("1000"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Least time between two assignments of a consumer group.";
    "group.consumer.assignors", List, Value("uniform,range"), Subset { of: &["uniform", "range"], empty: false }, ReadOnly, Medium, Honoured,
        "The assignors of consumer groups; the first is the default.";
    "group.consumer.heartbeat.interval.ms", Int, Value("5000"), AtLeast(1), ReadOnly, Medium, Honoured,
        "How often members of a consumer group report.";
    "group.consumer.max.assignment.interval.ms", Int, Value("15000"), AtLeast(0), ReadOnly, Medium, Honoured,
        "Upper bound of a group's own assignment interval.";
    "group.consumer.max.heartbeat.interval.ms", Int, Value("15000"), AtLeast(1), ReadOnly, Medium, Honoured,
        "Upper bound of a group's own heartbeat interval.";
    "group.consumer.max.session.timeout.ms", Int, Value("60000"), AtLeast(1), ReadOnly, Medium, Honoured,
        "Upper bound of a group's own session timeout.";
    "group.consumer.max.size", Int, Value("2147483647"), AtLeast(1), ReadOnly, Medium, Honoured,
        "Most members of one consumer group.";
    "group.consumer.migration.policy", String, Value("bidirectional"), OneOfIgnoringCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]), ReadOnly, Medium, Honoured,
        "Which way groups may change between the classic and the consumer protocol while in use.";
    "group.consumer.min.assignment.interval.ms", Int, Value("0"), AtLeast(0), ReadOnly, Medium, Honoured,
        "Lower bound of a group's own assignment interval.";
    "group.consumer.min.heartbeat.interval.ms", Int, Value("5000"), AtLeast(1), ReadOnly, Medium, Honoured,
        "Lower bound of a group's own heartbeat interval.";
    "group.consumer.min.session.timeout.ms", Int, Value("45000"), AtLeast(1), ReadOnly, Medium, Honoured,
        "Lower bound of a group's own session timeout.";
    "group.consumer.regex.refresh.interval.ms", Int, Value("600000"), AtLeast(10000), ReadOnly, Medium, NoCounterpart(REGEX_REFRESH), internal true,
        "How often subscriptions by regular expression are resolved again.";
    "group.consumer.session.timeout.ms", Int, Value("45000"), AtLeast(1), ReadOnly, Medium, Honoured,
        "How long a member of a consumer group may be silent before it is removed.";
    "group.coordinator.append.linger.ms", Int, Value("-1"), AtLeast(-1), ReadOnly, Medium, Honoured,
        "How long the group coordinator collects records before it writes them; -1 adapts to the load.";
    "group.coordinator.background.threads", Int, Value("2"), AtLeast(1), ReadOnly, High, NoCounterpart(WORKERS),
        "Threads that compute assignments and resolve regular expressions.";
    "group.coordinator.cached.buffer.max.bytes", Int, Value("1048588"), AtLeast(524288), ClusterWide, Medium, NoCounterpart(BUFFERS),
        "The largest write buffer the group coordinator keeps for its next batch.";
    "group.coordinator.rebalance.protocols", List, Value("classic,consumer,streams"), Subset { of: &["consumer", "classic", "share", "streams"], empty: false }, ReadOnly, Medium, Honoured,
        "The group protocols that are served: `classic` always, `consumer` (KIP-848) when it is named; `streams` may be named and is not served yet.";
    "group.coordinator.threads", Int, Value("4"), AtLeast(1), ReadOnly, High, NoCounterpart(WORKERS),
        "Threads of the group coordinator.";
    "group.initial.rebalance.delay.ms", Int, Value("3000"), Any, ReadOnly, Medium, Honoured,
        "How long a classic group that was empty waits for more members before its first rebalance.";
    "group.max.session.timeout.ms", Int, Value("1800000"), Any, ReadOnly, Medium, Honoured,
        "The longest session timeout a member of a classic group may ask for.";
    "group.max.size", Int, Value("2147483647"), AtLeast(1), ReadOnly, Medium, Honoured,
        "Most members of one classic group.";
    "group.min.session.timeout.ms", Int, Value("6000"), Any, ReadOnly, Medium, Honoured,
        "The shortest session timeout a member of a classic group may ask for.";
    "group.share.assignment.interval.ms", Int, Value("1000"), AtLeast(0), ClusterWide, Medium, Refused(SHARE),
        "Least time between two assignments of a share group.";
    "group.share.assignors", List, Value("simple"), Distinct { empty: false }, ReadOnly, Medium, Refused(SHARE),
        "The assignors of share groups.";
    "group.share.delivery.count.limit", Int, Value("5"), Between(2, 10), ReadOnly, Medium, Refused(SHARE),
        "How often a record is delivered to a share group before it is given up.";
    "group.share.heartbeat.interval.ms", Int, Value("5000"), AtLeast(1), ReadOnly, Medium, Refused(SHARE),
        "How often members of a share group report.";
    "group.share.initialize.retry.interval.ms", Int, Value("30000"), AtLeast(1), ReadOnly, Low, Refused(SHARE), internal true,
        "Wait before the state of a share partition is initialised again.";
    "group.share.max.assignment.interval.ms", Int, Value("15000"), AtLeast(0), ReadOnly, Medium, Refused(SHARE),
        "Upper bound of a group's own assignment interval.";
    "group.share.max.delivery.count.limit", Int, Value("10"), Between(5, 25), ReadOnly, Medium, Refused(SHARE),
        "Upper bound of a group's own delivery limit.";
    "group.share.max.heartbeat.interval.ms", Int, Value("15000"), AtLeast(1), ReadOnly, Medium, Refused(SHARE),
        "Upper bound of a group's own heartbeat interval.";
    "group.share.max.partition.max.record.locks", Int, Value("4000"), Between(2000, 10000), ReadOnly, Medium, Refused(SHARE),
        "Upper bound of a group's own limit of records in flight.";
    "group.share.max.record.lock.duration.ms", Int, Value("60000"), Between(30000, 3600000), ReadOnly, Medium, Refused(SHARE),
        "Upper bound of a group's own lock duration.";
    "group.share.max.session.timeout.ms", Int, Value("60000"), AtLeast(1), ReadOnly, Medium, Refused(SHARE),
        "Upper bound of a group's own session timeout.";
    "group.share.max.share.sessions", Int, Value("2000"), AtLeast(1), ReadOnly, Medium, Refused(SHARE),
        "Most share sessions on a broker.";
    "group.share.max.size", Int, Value("200"), Between(1, 1000), ReadOnly, Medium, Refused(SHARE),
        "Most members of one share group.";
    "group.share.min.assignment.interval.ms", Int, Value("0"), AtLeast(0), ReadOnly, Medium, Refused(SHARE),
        "Lower bound of a group's own assignment interval.";
    "group.share.min.delivery.count.limit", Int, Value("2"), Between(2, 5), ReadOnly, Medium, Refused(SHARE),
        "Lower bound of a group's own delivery limit.";
    "group.share.min.heartbeat.interval.ms", Int, Value("5000"), AtLeast(1), ReadOnly, Medium, Refused(SHARE),
        "Lower bound of a group's own heartbeat interval.";
    "group.share.min.partition.max.record.locks", Int, Value("100"), Between(100, 2000), ReadOnly, Medium, Refused(SHARE),
        "Lower bound of a group's own limit of records in flight.";
    "group.share.min.record.lock.duration.ms", Int, Value("15000"), Between(1000, 30000), ReadOnly, Medium, Refused(SHARE),
        "Lower bound of a group's own lock duration.";
    "group.share.min.session.timeout.ms", Int, Value("45000"), AtLeast(1), ReadOnly, Medium, Refused(SHARE),
        "Lower bound of a group's own session timeout.";
    "group.share.partition.max.record.locks", Int, Value("2000"), Between(100, 10000), ReadOnly, Medium, Refused(SHARE),
        "Most records of a share partition in flight at once.";
    "group.share.persister.class.name", String, Value("org.apache.kafka.server.share.persister.DefaultStatePersister"), Any, ReadOnly, Medium, Refused(JAVA), internal true,
        "The Java class that keeps the state of share partitions.";
    "group.share.record.lock.duration.ms", Int, Value("30000"), Between(1000, 3600000), ReadOnly, Medium, Refused(SHARE),
        "How long a record is locked for the consumer that got it.";
    "group.share.session.timeout.ms", Int, Value("45000"), AtLeast(1), ReadOnly, Medium, Refused(SHARE),
        "How long a member of a share group may be silent before it is removed.";
    "group.streams.assignment.interval.ms", Int, Value("1000"), AtLeast(0), ClusterWide, Medium, Refused(STREAMS),
        "Least time between two assignments of a streams group.";
    "group.streams.heartbeat.interval.ms", Int, Value("5000"), AtLeast(1), ReadOnly, Medium, Refused(STREAMS),
        "How often members of a streams group report.";
    "group.streams.initial.rebalance.delay.ms", Int, Value("3000"), AtLeast(0), ReadOnly, Medium, Refused(STREAMS),
        "How long an empty streams group waits for more members.";
    "group.streams.max.assignment.interval.ms", Int, Value("15000"), AtLeast(0), ReadOnly, Medium, Refused(STREAMS),
        "Upper bound of a group's own assignment interval.";
    "group.streams.max.heartbeat.interval.ms", Int, Value("15000"), AtLeast(1), ReadOnly, Medium, Refused(STREAMS),
        "Upper bound of a group's own heartbeat interval.";
    "group.streams.max.session.timeout.ms", Int, Value("60000"), AtLeast(1), ReadOnly, Medium, Refused(STREAMS),
        "Upper bound of a group's own session timeout.";
    "group.streams.max.size", Int, Value("2147483647"), AtLeast(1), ReadOnly, Medium, Refused(STREAMS),
        "Most members of one streams group.";
    "group.streams.max.standby.replicas", Int, Value("2"), AtLeast(0), ReadOnly, Medium, Refused(STREAMS),
        "Upper bound of a group's own standby replicas.";
    "group.streams.min.assignment.interval.ms", Int, Value("0"), AtLeast(0), ReadOnly, Medium, Refused(STREAMS),
        "Lower bound of a group's own assignment interval.";
    "group.streams.min.heartbeat.interval.ms", Int, Value("5000"), AtLeast(1), ReadOnly, Medium, Refused(STREAMS),
        "Lower bound of a group's own heartbeat interval.";
    "group.streams.min.session.timeout.ms", Int, Value("45000"), AtLeast(1), ReadOnly, Medium, Refused(STREAMS),
        "Lower bound of a group's own session timeout.";
    "group.streams.num.standby.replicas", Int, Value("0"), AtLeast(0), ReadOnly, Medium, Refused(STREAMS),
        "Standby copies of each task's state.";
    "group.streams.session.timeout.ms", Int, Value("45000"), AtLeast(1), ReadOnly, Medium, Refused(STREAMS),
        "How long a member of a streams group may be silent before it is removed.";
    "initial.broker.registration.timeout.ms", Int, Value("60000"), Any, ReadOnly, Medium, Kept(NODES),
        "How long a starting broker tries to register with the controller.";
    "inter.broker.listener.name", String, Null, Any, ReadOnly, Medium, Honoured,
        "The listener that brokers use among themselves.";
    "internal.metadata.delete.delay.millis", Long, Value("60000"), Any, ReadOnly, Low, Refused(INTERNAL), internal true,
        "How long files of the metadata log stay after they were given up.";
    "internal.metadata.log.segment.bytes", Int, Null, Any, ReadOnly, Low, Refused(INTERNAL), internal true,
        "Size of the metadata log's segments, for tests.";
    "internal.metadata.max.batch.size.in.bytes", Int, Value("8388608"), Any, ReadOnly, Low, Refused(INTERNAL), internal true,
        "Largest batch of the metadata log.";
    "kafka.metrics.polling.interval.secs", Int, Value("10"), AtLeast(1), ReadOnly, Low, Refused(JAVA),
        "How often the old metrics reporters are polled.";
    "kafka.metrics.reporters", List, Value(""), Distinct { empty: true }, ReadOnly, Low, Refused(JAVA),
        "Java classes that get the old (Yammer) metrics.";
    "leader.imbalance.check.interval.seconds", Long, Value("300"), AtLeast(1), ReadOnly, High, Kept(NODES),
        "How often the controller looks for leaders that are not the preferred replica.";
    "listener.security.protocol.map", String, Value("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"), Any, PerBroker, Low, Honoured,
        "The security protocol of each listener name. PLAINTEXT is the one served for now.";
    "listeners", List, Value("PLAINTEXT://127.0.0.1:9092"), Distinct { empty: false }, PerBroker, High, Honoured, kafka Value("PLAINTEXT://:9092"),
        "Where the node listens: `NAME://host:port`, separated by commas. No host means every interface. Ottla's default is this machine only; Apache Kafka's is every interface.";
    "log.cleaner.backoff.ms", Long, Value("15000"), AtLeast(0), ClusterWide, Medium, Honoured,
        "How long the cleaner sleeps when there is nothing to clean.";
    "log.cleaner.dedupe.buffer.size", Long, Value("134217728"), Any, ClusterWide, Medium, Honoured,
        "Memory for the cleaner's map of keys.";
    "log.cleaner.delete.retention.ms", Long, Value("86400000"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Default of `delete.retention.ms`.";
    "log.cleaner.enable", Boolean, Value("true"), Any, ReadOnly, Medium, Honoured,
        "Whether compacted topics are cleaned; turning it off is deprecated.";
    "log.cleaner.io.buffer.load.factor", Double, Value("0.9"), Any, ClusterWide, Medium, Honoured,
        "How full the cleaner's map of keys may become.";
    "log.cleaner.io.buffer.size", Int, Value("524288"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Memory for the cleaner's reads and writes.";
    "log.cleaner.io.max.bytes.per.second", Double, Value("1.7976931348623157E308"), Any, ClusterWide, Medium, Honoured,
        "Most bytes a second that the cleaner reads and writes.";
    "log.cleaner.max.compaction.lag.ms", Long, Value("9223372036854775807"), AtLeast(1), ClusterWide, Medium, Honoured,
        "Default of `max.compaction.lag.ms`.";
    "log.cleaner.min.cleanable.ratio", Double, Value("0.5"), Fraction(0.0, 1.0), ClusterWide, Medium, Honoured,
        "Default of `min.cleanable.dirty.ratio`.";
    "log.cleaner.min.compaction.lag.ms", Long, Value("0"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Default of `min.compaction.lag.ms`.";
    "log.cleaner.threads", Int, Value("1"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Threads of the cleaner.";
    "log.cleanup.policy", List, Value("delete"), Subset { of: &["compact", "delete"], empty: true }, ClusterWide, Medium, Honoured,
        "Default of `cleanup.policy`.";
    "log.dir", List, Value("ottla-data"), Distinct { empty: false }, ReadOnly, High, Honoured, kafka Value("/tmp/kafka-logs"),
        "The folder for the data, or several; `log.dirs` goes before it. Ottla's default is `ottla-data` in the current folder, since Apache Kafka's is emptied when the machine starts.";
    "log.dir.failure.timeout.ms", Long, Value("30000"), AtLeast(1), ReadOnly, Low, NoCounterpart(DIRECTORY_FAILURE),
        "How long a broker tries to tell the controller that a log directory failed.";
    "log.dirs", List, Null, Distinct { empty: false }, ReadOnly, High, Honoured,
        "The folders for the data, on one disk each (JBOD). A new partition goes where the fewest are; a folder that fails takes only its own partitions with it.";
    "log.flush.interval.messages", Long, Value("1"), AtLeast(1), ClusterWide, High, Honoured, kafka Value("9223372036854775807"),
        "Default of `flush.messages`. Ottla's own is 1: a write is answered when it is on disk. Apache Kafka's is 9223372036854775807: it is answered from the page cache.";
    "log.flush.interval.ms", Long, Null, Any, ClusterWide, High, Honoured,
        "Default of `flush.ms`; unset, `log.flush.scheduler.interval.ms`.";
    "log.flush.offset.checkpoint.interval.ms", Int, Value("60000"), AtLeast(0), ReadOnly, High, Refused(CHECKPOINTS),
        "How often the point up to which logs are known to be on disk is written down.";
    "log.flush.scheduler.interval.ms", Long, Value("9223372036854775807"), Any, ReadOnly, High, Honoured,
        "Apache Kafka looks this often for logs to flush; here only the default of `log.flush.interval.ms`, since flushes are timed to the millisecond.";
    "log.flush.start.offset.checkpoint.interval.ms", Int, Value("60000"), AtLeast(0), ReadOnly, High, Refused(CHECKPOINTS),
        "How often the first offsets of logs are written down.";
    "log.index.interval.bytes", Int, Value("4096"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Default of `index.interval.bytes`.";
    "log.index.size.max.bytes", Int, Value("10485760"), AtLeast(4), ClusterWide, Medium, Honoured,
        "Default of `segment.index.bytes`.";
    "log.initial.task.delay.ms", Long, Value("30000"), AtLeast(0), ReadOnly, Low, Honoured, internal true,
        "How long after the start retention is looked at first.";
    "log.local.retention.bytes", Long, Value("-2"), AtLeast(-2), ClusterWide, Medium, Kept(TIERING),
        "Default of `local.retention.bytes`.";
    "log.local.retention.ms", Long, Value("-2"), AtLeast(-2), ClusterWide, Medium, Kept(TIERING),
        "Default of `local.retention.ms`.";
    "log.message.timestamp.after.max.ms", Long, Value("3600000"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Default of `message.timestamp.after.max.ms`.";
    "log.message.timestamp.before.max.ms", Long, Value("9223372036854775807"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Default of `message.timestamp.before.max.ms`.";
    "log.message.timestamp.type", String, Value("CreateTime"), OneOf(&["CreateTime", "LogAppendTime"]), ClusterWide, Medium, Honoured,
        "Default of `message.timestamp.type`.";
    "log.preallocate", Boolean, Value("false"), Any, ClusterWide, Medium, Honoured,
        "Default of `preallocate`.";
    "log.retention.bytes", Long, Value("-1"), Any, ClusterWide, High, Honoured,
        "Default of `retention.bytes`.";
    "log.retention.check.interval.ms", Long, Value("300000"), AtLeast(1), ReadOnly, Medium, Honoured,
        "How often segments that may be deleted are looked for.";
    "log.retention.hours", Int, Value("168"), Any, ReadOnly, High, Honoured,
        "Default of `retention.ms`, in hours; `log.retention.minutes` and `log.retention.ms` go before it.";
    "log.retention.minutes", Int, Null, Any, ReadOnly, High, Honoured,
        "Default of `retention.ms`, in minutes; `log.retention.ms` goes before it.";
    "log.retention.ms", Long, Null, Any, ClusterWide, High, Honoured,
        "Default of `retention.ms`; -1 for ever.";
    "log.roll.hours", Int, Value("168"), AtLeast(1), ReadOnly, High, Honoured,
        "Default of `segment.ms`, in hours; `log.roll.ms` goes before it.";
    "log.roll.jitter.hours", Int, Value("0"), AtLeast(0), ReadOnly, High, Honoured,
        "Default of `segment.jitter.ms`, in hours; `log.roll.jitter.ms` goes before it.";
    "log.roll.jitter.ms", Long, Null, Any, ClusterWide, High, Honoured,
        "Default of `segment.jitter.ms`.";
    "log.roll.ms", Long, Null, Any, ClusterWide, High, Honoured,
        "Default of `segment.ms`.";
    "log.segment.bytes", Int, Value("1073741824"), AtLeast(1048576), ClusterWide, High, Honoured,
        "Default of `segment.bytes`.";
    "log.segment.delete.delay.ms", Long, Value("60000"), AtLeast(0), ClusterWide, High, Honoured,
        "Default of `file.delete.delay.ms`, and how long the folder of a deleted partition stays on disk.";
    "max.connection.creation.rate", Int, Value("2147483647"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Most connections that are accepted in a second; more wait.";
    "max.connections", Int, Value("2147483647"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Most connections of the node at once; more wait until one ends.";
    "max.connections.per.ip", Int, Value("2147483647"), AtLeast(0), ClusterWide, Medium, Honoured,
        "Most connections from one address at once; more are closed.";
    "max.connections.per.ip.overrides", String, Value(""), Any, ClusterWide, Medium, Honoured,
        "Other limits for single addresses, as `host:count` separated by commas.";
    "max.incremental.fetch.session.cache.slots", Int, Value("1000"), AtLeast(0), ReadOnly, Medium, Honoured,
        "Most fetch sessions (KIP-227) kept at once.";
    "max.request.partition.size.limit", Int, Value("2000"), AtLeast(1), ReadOnly, Medium, Honoured,
        "Most partitions in one answer to DescribeTopicPartitions.";
    "message.max.bytes", Int, Value("1048588"), AtLeast(0), ClusterWide, High, Honoured,
        "Default of `max.message.bytes`.";
    "metadata.log.dir", String, Null, Any, ReadOnly, High, Honoured,
        "The folder for the metadata log; unset, the first of `log.dirs`. The node stops when it fails.";
    "metadata.log.max.record.bytes.between.snapshots", Long, Value("20971520"), AtLeast(1), ReadOnly, High, Honoured,
        "After how many bytes of new metadata a snapshot is written.";
    "metadata.log.max.snapshot.interval.ms", Long, Value("3600000"), AtLeast(0), ReadOnly, High, Honoured,
        "After how long a snapshot of the metadata is written, if there is anything new; 0 for never.";
    "metadata.log.segment.bytes", Int, Value("1073741824"), AtLeast(8388608), ReadOnly, High, Honoured,
        "Size at which a segment of the metadata log is closed.";
    "metadata.log.segment.ms", Long, Value("604800000"), Any, ReadOnly, High, Honoured,
        "Age at which a segment of the metadata log is closed.";
    "metadata.max.idle.interval.ms", Int, Value("500"), AtLeast(0), ReadOnly, Low, NoCounterpart(IDLE),
        "How often a record that says nothing is written to an idle metadata log; 0 for never.";
    "metadata.max.retention.bytes", Long, Value("104857600"), Any, ReadOnly, High, Honoured,
        "How large the metadata log and its snapshots may become before what is old is removed; -1 for no limit.";
    "metadata.max.retention.ms", Long, Value("604800000"), Any, ReadOnly, High, Honoured,
        "How long old parts of the metadata log and its snapshots are kept; -1 for ever.";
    "metric.reporters", List, Value("org.apache.kafka.common.metrics.JmxReporter"), Distinct { empty: true }, ClusterWide, Low, Refused(JAVA),
        "Java classes that get the metrics. Apache Kafka's default and an empty list are accepted: they ask for nothing that is not there.";
    "metrics.num.samples", Int, Value("2"), AtLeast(1), ReadOnly, Low, Refused(METRICS),
        "How many samples a metric is computed from.";
    "metrics.recording.level", String, Value("INFO"), Any, ReadOnly, Low, Refused(METRICS),
        "How detailed metrics are.";
    "metrics.sample.window.ms", Long, Value("30000"), AtLeast(1), ReadOnly, Low, Refused(METRICS),
        "How long one sample of a metric lasts.";
    "min.insync.replicas", Int, Value("1"), AtLeast(1), ClusterWide, High, Honoured,
        "Default of the topic key of the same name.";
    "node.id", Int, Value("1"), AtLeast(0), ReadOnly, High, Honoured, kafka Required,
        "The node's number, unique in the cluster. Ottla's default is 1; Apache Kafka has none.";
    "num.io.threads", Int, Value("8"), AtLeast(1), ClusterWide, High, NoCounterpart(WORKERS),
        "Threads that handle requests.";
    "num.network.threads", Int, Value("3"), AtLeast(1), ClusterWide, High, NoCounterpart(WORKERS),
        "Threads that read from and write to sockets, for each listener.";
    "num.partitions", Int, Value("1"), AtLeast(1), ReadOnly, Medium, Honoured,
        "Partitions of a topic that does not say how many it wants.";
    "num.recovery.threads.per.data.dir", Int, Value("2"), AtLeast(1), ClusterWide, High, NoCounterpart(RECOVERY),
        "Threads that load logs at start and flush them at the end, for each log directory.";
    "num.replica.alter.log.dirs.threads", Int, Null, Any, ReadOnly, High, Honoured,
        "Threads that move partitions between log directories; unset, as many as there are directories.";
    "num.replica.fetchers", Int, Value("1"), AtLeast(1), ClusterWide, High, Kept(NODES),
        "Connections to each other broker for replication.";
    "offset.metadata.max.bytes", Int, Value("4096"), Any, ReadOnly, High, Honoured,
        "Most bytes of the text that a consumer may attach to a committed offset.";
    "offsets.commit.timeout.ms", Int, Value("5000"), AtLeast(1), ReadOnly, High, Honoured,
        "How long an offset commit may take to reach all replicas.";
    "offsets.load.buffer.size", Int, Value("5242880"), AtLeast(1), ReadOnly, High, NoCounterpart(BUFFERS),
        "Bytes read at once when a partition of `__consumer_offsets` is loaded.";
    "offsets.retention.check.interval.ms", Long, Value("600000"), AtLeast(1), ReadOnly, High, Honoured,
        "How often expired offsets are looked for.";
    "offsets.retention.minutes", Int, Value("10080"), AtLeast(1), ReadOnly, High, Honoured,
        "How long offsets are kept after their group became empty or stopped using the topic.";
    "offsets.topic.compression.codec", Int, Value("0"), Any, ReadOnly, High, Honoured,
        "The codec of batches in `__consumer_offsets`, by number: 0 is none.";
    "offsets.topic.num.partitions", Int, Value("50"), AtLeast(1), ReadOnly, High, Honoured,
        "Partitions of `__consumer_offsets`; must not change once it exists.";
    "offsets.topic.replication.factor", Short, Value("3"), AtLeast(1), ReadOnly, High, Honoured,
        "Most replicas of `__consumer_offsets`; it gets as many as there are live brokers, up to this.";
    "offsets.topic.segment.bytes", Int, Value("104857600"), AtLeast(1), ReadOnly, High, Honoured,
        "Segment size of `__consumer_offsets`.";
    "principal.builder.class", Class, Value("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"), Any, PerBroker, Medium, Refused(JAVA),
        "The Java class that names the user of a connection.";
    "process.roles", List, Value("broker,controller"), Subset { of: &["broker", "controller"], empty: false }, ReadOnly, High, Honoured, kafka Required,
        "What the node is: `broker`, `controller` or both. Both for now.";
    "producer.id.expiration.check.interval.ms", Int, Value("600000"), AtLeast(1), ReadOnly, Low, Refused(INTERNAL), internal true,
        "How often expired producer ids are looked for.";
    "producer.id.expiration.ms", Int, Value("86400000"), AtLeast(1), ClusterWide, Low, Honoured,
        "How long the state of an idempotent producer that stopped writing is kept.";
    "producer.purgatory.purge.interval.requests", Int, Value("1000"), Any, ReadOnly, Medium, NoCounterpart(PURGATORY),
        "After how many finished requests the waiting room of Produce is tidied.";
    "queued.max.request.bytes", Long, Value("-1"), Any, ReadOnly, Medium, Honoured,
        "Most bytes of requests that were read and are not answered; -1 for Ottla's own bound.";
    "queued.max.requests", Int, Value("500"), AtLeast(1), ReadOnly, High, NoCounterpart(QUEUE),
        "Most requests that wait for a request handler thread.";
    "quota.window.num", Int, Value("11"), AtLeast(1), ReadOnly, Low, Refused(QUOTAS),
        "How many samples are kept for client quotas.";
    "quota.window.size.seconds", Int, Value("1"), AtLeast(1), ReadOnly, Low, Refused(QUOTAS),
        "How long one sample of a client quota lasts.";
    "remote.fetch.max.wait.ms", Int, Value("500"), AtLeast(1), ClusterWide, Medium, Refused(TIERING),
        "How long a fetch waits for tiered data.";
    "remote.list.offsets.request.timeout.ms", Long, Value("30000"), AtLeast(1), ClusterWide, Medium, Refused(TIERING),
        "How long ListOffsets waits for tiered data.";
    "remote.log.index.file.cache.total.size.bytes", Long, Value("1073741824"), AtLeast(1), ClusterWide, Low, Refused(TIERING),
        "Disk space for indexes of tiered segments.";
    "remote.log.index.file.cache.ttl.ms", Long, Value("900000"), AtLeast(-1), ReadOnly, Low, Refused(TIERING), internal true,
        "How long indexes of tiered segments stay in the cache.";
    "remote.log.manager.copier.thread.pool.size", Int, Value("10"), AtLeast(1), ClusterWide, Medium, Refused(TIERING),
        "Threads that copy segments to the remote storage.";
    "remote.log.manager.copy.max.bytes.per.second", Long, Value("9223372036854775807"), AtLeast(1), ClusterWide, Medium, Refused(TIERING),
        "Most bytes a second that are copied to the remote storage.";
    "remote.log.manager.copy.quota.window.num", Int, Value("11"), AtLeast(1), ReadOnly, Medium, Refused(TIERING),
        "How many samples are kept for the copy quota.";
    "remote.log.manager.copy.quota.window.size.seconds", Int, Value("1"), AtLeast(1), ReadOnly, Medium, Refused(TIERING),
        "How long one sample of the copy quota lasts.";
    "remote.log.manager.expiration.thread.pool.size", Int, Value("10"), AtLeast(1), ClusterWide, Medium, Refused(TIERING),
        "Threads that delete expired remote segments.";
    "remote.log.manager.fetch.max.bytes.per.second", Long, Value("9223372036854775807"), AtLeast(1), ClusterWide, Medium, Refused(TIERING),
        "Most bytes a second that are fetched from the remote storage.";
    "remote.log.manager.fetch.quota.window.num", Int, Value("11"), AtLeast(1), ReadOnly, Medium, Refused(TIERING),
        "How many samples are kept for the fetch quota.";
    "remote.log.manager.fetch.quota.window.size.seconds", Int, Value("1"), AtLeast(1), ReadOnly, Medium, Refused(TIERING),
        "How long one sample of the fetch quota lasts.";
    "remote.log.manager.follower.thread.pool.size", Int, Value("2"), AtLeast(1), ClusterWide, Medium, Refused(TIERING),
        "Threads that follow tiered partitions.";
    "remote.log.manager.task.interval.ms", Long, Value("30000"), AtLeast(1), ReadOnly, Low, Refused(TIERING),
        "How often segments to copy or to delete are looked for.";
    "remote.log.manager.task.retry.backoff.max.ms", Long, Value("30000"), AtLeast(1), ReadOnly, Low, Refused(TIERING), internal true,
        "Longest wait before a failed task is tried again.";
    "remote.log.manager.task.retry.backoff.ms", Long, Value("500"), AtLeast(1), ReadOnly, Low, Refused(TIERING), internal true,
        "First wait before a failed task is tried again.";
    "remote.log.manager.task.retry.jitter", Double, Value("0.2"), Fraction(0.0, 0.5), ReadOnly, Low, Refused(TIERING), internal true,
        "How much the waits before retries vary.";
    "remote.log.manager.thread.pool.size", Int, Value("2"), AtLeast(1), ReadOnly, Medium, Refused(TIERING),
        "Threads for tiering; replaced by the keys for copying and expiration.";
    "remote.log.metadata.custom.metadata.max.bytes", Int, Value("128"), AtLeast(0), ReadOnly, Low, Refused(TIERING),
        "Most bytes a storage plug-in may attach to a segment.";
    "remote.log.metadata.manager.class.name", String, Value("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"), NonEmpty, ReadOnly, Medium, Refused(TIERING),
        "The Java class that keeps the list of remote segments.";
    "remote.log.metadata.manager.class.path", String, Null, Any, ReadOnly, Medium, Refused(TIERING),
        "Where that class is loaded from.";
    "remote.log.metadata.manager.impl.prefix", String, Value("rlmm.config."), NonEmpty, ReadOnly, Medium, Refused(TIERING),
        "Prefix of that class's own keys.";
    "remote.log.metadata.manager.listener.name", String, Null, NonEmpty, ReadOnly, Medium, Refused(TIERING),
        "The listener through which that class reaches the broker.";
    "remote.log.reader.max.pending.tasks", Int, Value("100"), AtLeast(1), ReadOnly, Medium, Refused(TIERING),
        "Most reads of remote segments that wait.";
    "remote.log.reader.threads", Int, Value("10"), AtLeast(1), ClusterWide, Medium, Refused(TIERING),
        "Threads that read remote segments.";
    "remote.log.storage.manager.class.name", String, Null, NonEmpty, ReadOnly, Medium, Refused(TIERING),
        "The Java class that stores segments remotely.";
    "remote.log.storage.manager.class.path", String, Null, Any, ReadOnly, Medium, Refused(TIERING),
        "Where that class is loaded from.";
    "remote.log.storage.manager.impl.prefix", String, Value("rsm.config."), NonEmpty, ReadOnly, Medium, Refused(TIERING),
        "Prefix of that class's own keys.";
    "remote.log.storage.system.enable", Boolean, Value("false"), Any, ReadOnly, Medium, Refused(TIERING),
        "Whether topics may be tiered.";
    "replica.fetch.backoff.ms", Int, Value("1000"), AtLeast(0), ReadOnly, Medium, Kept(NODES),
        "Wait of a follower after a failed fetch.";
    "replica.fetch.max.bytes", Int, Value("1048576"), AtLeast(0), ReadOnly, Medium, Kept(NODES),
        "Most bytes of one partition in a follower's fetch.";
    "replica.fetch.min.bytes", Int, Value("1"), Any, ReadOnly, High, Kept(NODES),
        "Least bytes that a follower's fetch waits for.";
    "replica.fetch.response.max.bytes", Int, Value("10485760"), AtLeast(0), ReadOnly, Medium, Kept(NODES),
        "Most bytes in the answer to a follower's fetch.";
    "replica.fetch.wait.max.ms", Int, Value("500"), Any, ReadOnly, High, Kept(NODES),
        "How long a follower's fetch waits.";
    "replica.high.watermark.checkpoint.interval.ms", Long, Value("5000"), Any, ReadOnly, High, Refused(CHECKPOINTS),
        "How often high watermarks are written down.";
    "replica.lag.time.max.ms", Long, Value("30000"), Any, ReadOnly, High, Kept(NODES),
        "How long a follower may lag before it leaves the in-sync replicas.";
    "replica.selector.class", String, Null, Any, ReadOnly, Medium, Refused(JAVA),
        "The Java class that picks the replica a consumer should read from.";
    "replica.socket.receive.buffer.bytes", Int, Value("65536"), Any, ReadOnly, High, Kept(NODES),
        "Receive buffer of replication connections.";
    "replica.socket.timeout.ms", Int, Value("30000"), Any, ReadOnly, High, Kept(NODES),
        "How long a follower waits for the leader's answer.";
    "replication.quota.window.num", Int, Value("11"), AtLeast(1), ReadOnly, Low, Refused(QUOTAS),
        "How many samples are kept for replication throttles.";
    "replication.quota.window.size.seconds", Int, Value("1"), AtLeast(1), ReadOnly, Low, Refused(QUOTAS),
        "How long one sample of a replication throttle lasts.";
    "request.timeout.ms", Int, Value("30000"), Any, ReadOnly, High, Kept(NODES),
        "How long a broker waits for another node's answer.";
    "sasl.client.callback.handler.class", Class, Null, Any, ReadOnly, Medium, Refused(JAVA),
        "A Java class for SASL as a client of other brokers.";
    "sasl.enabled.mechanisms", List, Value("GSSAPI"), Distinct { empty: true }, PerBroker, Medium, Refused(SASL),
        "The SASL mechanisms that clients may use.";
    "sasl.jaas.config", Password, Null, Any, PerBroker, Medium, Refused(SASL),
        "The JAAS settings of a listener and mechanism.";
    "sasl.kerberos.kinit.cmd", String, Value("/usr/bin/kinit"), Any, PerBroker, Medium, Refused(SASL),
        "The path of `kinit`.";
    "sasl.kerberos.min.time.before.relogin", Long, Value("60000"), Any, PerBroker, Medium, Refused(SASL),
        "Least time between two Kerberos logins.";
    "sasl.kerberos.principal.to.local.rules", List, Value("DEFAULT"), Distinct { empty: true }, PerBroker, Medium, Refused(SASL),
        "Rules from Kerberos principals to user names.";
    "sasl.kerberos.service.name", String, Null, Any, PerBroker, Medium, Refused(SASL),
        "The Kerberos name brokers run under.";
    "sasl.kerberos.ticket.renew.jitter", Double, Value("0.05"), Any, PerBroker, Medium, Refused(SASL),
        "How much the renewal of tickets varies.";
    "sasl.kerberos.ticket.renew.window.factor", Double, Value("0.8"), Any, PerBroker, Medium, Refused(SASL),
        "After which part of a ticket's life it is renewed.";
    "sasl.login.callback.handler.class", Class, Null, Any, ReadOnly, Medium, Refused(JAVA),
        "A Java class that answers login callbacks.";
    "sasl.login.class", Class, Null, Any, ReadOnly, Medium, Refused(JAVA),
        "A Java class that logs in.";
    "sasl.login.connect.timeout.ms", Int, Null, Any, ReadOnly, Low, Refused(SASL),
        "How long connecting to a login provider may take.";
    "sasl.login.read.timeout.ms", Int, Null, Any, ReadOnly, Low, Refused(SASL),
        "How long an answer of a login provider may take.";
    "sasl.login.refresh.buffer.seconds", Short, Value("300"), Any, PerBroker, Medium, Refused(SASL),
        "How long before its end a credential is refreshed at the latest.";
    "sasl.login.refresh.min.period.seconds", Short, Value("60"), Any, PerBroker, Medium, Refused(SASL),
        "Least time between two refreshes of a credential.";
    "sasl.login.refresh.window.factor", Double, Value("0.8"), Any, PerBroker, Medium, Refused(SASL),
        "After which part of its life a credential is refreshed.";
    "sasl.login.refresh.window.jitter", Double, Value("0.05"), Any, PerBroker, Medium, Refused(SASL),
        "How much the refresh of credentials varies.";
    "sasl.login.retry.backoff.max.ms", Long, Value("10000"), Any, ReadOnly, Low, Refused(SASL),
        "Longest wait before a failed login is tried again.";
    "sasl.login.retry.backoff.ms", Long, Value("100"), Any, ReadOnly, Low, Refused(SASL),
        "First wait before a failed login is tried again.";
    "sasl.mechanism.controller.protocol", String, Value("GSSAPI"), Any, ReadOnly, High, Refused(SASL),
        "The SASL mechanism towards controllers.";
    "sasl.mechanism.inter.broker.protocol", String, Value("GSSAPI"), Any, PerBroker, Medium, Refused(SASL),
        "The SASL mechanism between brokers.";
    "sasl.oauthbearer.assertion.algorithm", String, Value("RS256"), OneOfIgnoringCase(&["ES256", "RS256"]), ReadOnly, Medium, Refused(SASL),
        "The algorithm that signs the assertion of a JWT bearer login.";
    "sasl.oauthbearer.assertion.claim.aud", String, Null, Any, ReadOnly, Medium, Refused(SASL),
        "The assertion's audience.";
    "sasl.oauthbearer.assertion.claim.exp.seconds", Int, Value("300"), Between(0, 86400), ReadOnly, Low, Refused(SASL),
        "How long the assertion is valid.";
    "sasl.oauthbearer.assertion.claim.iss", String, Null, Any, ReadOnly, Medium, Refused(SASL),
        "The assertion's issuer.";
    "sasl.oauthbearer.assertion.claim.jti.include", Boolean, Value("false"), Any, ReadOnly, Medium, Refused(SASL),
        "Whether the assertion bears an id.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds", Int, Value("60"), Between(0, 3600), ReadOnly, Low, Refused(SASL),
        "How far back the assertion's validity begins.";
    "sasl.oauthbearer.assertion.claim.sub", String, Null, Any, ReadOnly, Medium, Refused(SASL),
        "The assertion's subject.";
    "sasl.oauthbearer.assertion.file", String, Null, Any, ReadOnly, Medium, Refused(SASL),
        "A file with a ready assertion.";
    "sasl.oauthbearer.assertion.private.key.file", String, Null, Any, ReadOnly, Medium, Refused(SASL),
        "The file of the key that signs the assertion.";
    "sasl.oauthbearer.assertion.private.key.passphrase", Password, Null, Any, ReadOnly, Medium, Refused(SASL),
        "The passphrase of that key.";
    "sasl.oauthbearer.assertion.template.file", String, Null, Any, ReadOnly, Medium, Refused(SASL),
        "A file with the assertion's header and claims.";
    "sasl.oauthbearer.client.credentials.client.id", String, Null, Any, ReadOnly, Medium, Refused(SASL),
        "The client id of a client credentials login.";
    "sasl.oauthbearer.client.credentials.client.secret", Password, Null, Any, ReadOnly, Medium, Refused(SASL),
        "The client secret of a client credentials login.";
    "sasl.oauthbearer.clock.skew.seconds", Int, Value("30"), Any, ReadOnly, Low, Refused(SASL),
        "By how much clocks may differ from the token issuer's.";
    "sasl.oauthbearer.expected.audience", List, Value(""), Distinct { empty: true }, ReadOnly, High, Refused(SASL),
        "Audiences that a token may be for.";
    "sasl.oauthbearer.expected.issuer", String, Null, Any, ReadOnly, High, Refused(SASL),
        "The issuer a token must come from.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms", Long, Value("3600000"), Any, ReadOnly, Low, Refused(SASL),
        "How often the issuer's keys are fetched.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Long, Value("10000"), Any, ReadOnly, Low, Refused(SASL),
        "Longest wait before fetching the keys is tried again.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Long, Value("100"), Any, ReadOnly, Low, Refused(SASL),
        "First wait before fetching the keys is tried again.";
    "sasl.oauthbearer.jwks.endpoint.url", String, Null, Any, ReadOnly, Medium, Refused(SASL),
        "Where the issuer's keys are.";
    "sasl.oauthbearer.jwt.retriever.class", Class, Value("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"), Any, ReadOnly, Medium, Refused(JAVA),
        "The Java class that gets tokens.";
    "sasl.oauthbearer.jwt.validator.class", Class, Value("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"), Any, ReadOnly, Medium, Refused(JAVA),
        "The Java class that checks tokens.";
    "sasl.oauthbearer.scope", String, Null, Any, ReadOnly, Medium, Refused(SASL),
        "The scope that is asked for.";
    "sasl.oauthbearer.scope.claim.name", String, Value("scope"), Any, ReadOnly, Low, Refused(SASL),
        "The claim with the scope.";
    "sasl.oauthbearer.sub.claim.name", String, Value("sub"), Any, ReadOnly, Low, Refused(SASL),
        "The claim with the subject.";
    "sasl.oauthbearer.token.endpoint.url", String, Null, Any, ReadOnly, Medium, Refused(SASL),
        "Where tokens are had.";
    "sasl.server.callback.handler.class", Class, Null, Any, ReadOnly, Medium, Refused(JAVA),
        "A Java class that answers SASL callbacks for clients.";
    "sasl.server.max.receive.size", Int, Value("524288"), Any, ReadOnly, Medium, Refused(SASL),
        "Most bytes of one SASL message before authentication.";
    "security.inter.broker.protocol", String, Value("PLAINTEXT"), OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), ReadOnly, Medium, Honoured,
        "The security protocol between brokers, where `inter.broker.listener.name` does not say. PLAINTEXT is the one served for now.";
    "security.providers", String, Null, Any, ReadOnly, Low, Refused(JAVA),
        "Java classes that provide cryptography.";
    "server.max.startup.time.ms", Long, Value("9223372036854775807"), AtLeast(0), ReadOnly, Medium, Refused(INTERNAL), internal true,
        "How long the start may take.";
    "share.coordinator.append.linger.ms", Int, Value("-1"), AtLeast(-1), ReadOnly, Medium, Refused(SHARE),
        "How long the share coordinator collects records before it writes them.";
    "share.coordinator.cached.buffer.max.bytes", Int, Value("1048588"), AtLeast(524288), ClusterWide, Medium, Refused(SHARE),
        "The largest write buffer the share coordinator keeps for its next batch.";
    "share.coordinator.cold.partition.snapshot.interval.ms", Int, Value("300000"), AtLeast(1), ReadOnly, Low, Refused(SHARE), internal true,
        "How often idle share partitions are written again.";
    "share.coordinator.load.buffer.size", Int, Value("5242880"), AtLeast(1), ReadOnly, High, Refused(SHARE),
        "Bytes read at once when share state is loaded.";
    "share.coordinator.snapshot.update.records.per.snapshot", Int, Value("500"), Between(0, 500), ReadOnly, Medium, Refused(SHARE),
        "Updates of a share partition's state before it is written whole.";
    "share.coordinator.state.topic.compression.codec", Int, Value("0"), Any, ReadOnly, High, Refused(SHARE),
        "The codec of batches in `__share_group_state`, by number: 0 is none.";
    "share.coordinator.state.topic.min.isr", Short, Value("2"), AtLeast(1), ReadOnly, High, Kept(SHARE),
        "In-sync replicas that a write to `__share_group_state` needs.";
    "share.coordinator.state.topic.num.partitions", Int, Value("50"), AtLeast(1), ReadOnly, High, Kept(SHARE),
        "Partitions of `__share_group_state`.";
    "share.coordinator.state.topic.prune.interval.ms", Int, Value("300000"), AtLeast(1), ReadOnly, Low, Refused(SHARE), internal true,
        "How often share state that is no longer needed is deleted.";
    "share.coordinator.state.topic.replication.factor", Short, Value("3"), AtLeast(1), ReadOnly, High, Kept(SHARE),
        "Replicas of `__share_group_state`.";
    "share.coordinator.state.topic.segment.bytes", Int, Value("104857600"), AtLeast(1), ReadOnly, High, Kept(SHARE),
        "Segment size of `__share_group_state`.";
    "share.coordinator.threads", Int, Value("1"), AtLeast(1), ReadOnly, Medium, NoCounterpart(WORKERS),
        "Threads of the share coordinator.";
    "share.coordinator.write.timeout.ms", Int, Value("5000"), AtLeast(1), ReadOnly, High, Refused(SHARE),
        "How long a write of share state may take to reach all replicas.";
    "share.fetch.purgatory.purge.interval.requests", Int, Value("1000"), Any, ReadOnly, Medium, NoCounterpart(PURGATORY),
        "After how many finished requests the waiting room of ShareFetch is tidied.";
    "socket.connection.setup.timeout.max.ms", Long, Value("30000"), Any, ReadOnly, Medium, Kept(NODES),
        "Longest time a connection to another node may take to be set up.";
    "socket.connection.setup.timeout.ms", Long, Value("10000"), Any, ReadOnly, Medium, Kept(NODES),
        "First time a connection to another node may take to be set up.";
    "socket.listen.backlog.size", Int, Value("50"), AtLeast(1), ReadOnly, Medium, Honoured,
        "Connections that may wait to be accepted.";
    "socket.receive.buffer.bytes", Int, Value("-1"), Any, ReadOnly, High, Honoured, kafka Value("102400"),
        "Receive buffer of client connections. Ottla's own -1 leaves it to the system, which lets it grow with the connection's speed.";
    "socket.request.max.bytes", Int, Value("104857600"), AtLeast(1), ReadOnly, High, Honoured,
        "Largest request that is read; a larger one closes its connection.";
    "socket.send.buffer.bytes", Int, Value("102400"), Any, ReadOnly, High, Honoured,
        "Send buffer of client connections. -1 leaves it to the system, which lets it grow with the connection's speed: for consumers far away.";
    "ssl.allow.dn.changes", Boolean, Value("false"), Any, ReadOnly, Low, Refused(TLS),
        "Whether a new certificate may have another distinguished name.";
    "ssl.allow.san.changes", Boolean, Value("false"), Any, ReadOnly, Low, Refused(TLS),
        "Whether a new certificate may have other alternative names.";
    "ssl.cipher.suites", List, Value(""), Distinct { empty: true }, PerBroker, Medium, Refused(TLS),
        "The cipher suites that may be used.";
    "ssl.client.auth", String, Value("none"), OneOf(&["required", "requested", "none"]), PerBroker, Medium, Refused(TLS),
        "Whether clients must show a certificate.";
    "ssl.enabled.protocols", List, Value("TLSv1.2,TLSv1.3"), Distinct { empty: true }, PerBroker, Medium, Refused(TLS),
        "The TLS versions that may be used.";
    "ssl.endpoint.identification.algorithm", String, Value("https"), Any, PerBroker, Low, Refused(TLS),
        "How the host name of a server is checked against its certificate.";
    "ssl.engine.factory.class", Class, Null, Any, PerBroker, Low, Refused(JAVA),
        "The Java class that makes TLS engines.";
    "ssl.key.password", Password, Null, Any, PerBroker, Medium, Refused(TLS),
        "The password of the private key.";
    "ssl.keymanager.algorithm", String, Value("SunX509"), Any, PerBroker, Medium, Refused(TLS),
        "Java's algorithm for key managers.";
    "ssl.keystore.certificate.chain", Password, Null, Any, PerBroker, Medium, Refused(TLS),
        "The certificate chain, as PEM text.";
    "ssl.keystore.key", Password, Null, Any, PerBroker, Medium, Refused(TLS),
        "The private key, as PEM text.";
    "ssl.keystore.location", String, Null, Any, PerBroker, Medium, Refused(TLS),
        "The file with key and certificate.";
    "ssl.keystore.password", Password, Null, Any, PerBroker, Medium, Refused(TLS),
        "The password of that file.";
    "ssl.keystore.type", String, Value("JKS"), Any, PerBroker, Medium, Refused(TLS),
        "The format of that file.";
    "ssl.principal.mapping.rules", String, Value("DEFAULT"), Any, ReadOnly, Low, Refused(TLS),
        "Rules from certificate names to user names.";
    "ssl.protocol", String, Value("TLSv1.3"), Any, PerBroker, Medium, Refused(TLS),
        "The TLS version to begin with.";
    "ssl.provider", String, Null, Any, PerBroker, Medium, Refused(TLS),
        "Java's provider of TLS.";
    "ssl.secure.random.implementation", String, Null, Any, PerBroker, Low, Refused(TLS),
        "Java's source of random numbers.";
    "ssl.trustmanager.algorithm", String, Value("PKIX"), Any, PerBroker, Medium, Refused(TLS),
        "Java's algorithm for trust managers.";
    "ssl.truststore.certificates", Password, Null, Any, PerBroker, Medium, Refused(TLS),
        "The trusted certificates, as PEM text.";
    "ssl.truststore.location", String, Null, Any, PerBroker, Medium, Refused(TLS),
        "The file with trusted certificates.";
    "ssl.truststore.password", Password, Null, Any, PerBroker, Medium, Refused(TLS),
        "The password of that file.";
    "ssl.truststore.type", String, Value("JKS"), Any, PerBroker, Medium, Refused(TLS),
        "The format of that file.";
    "telemetry.max.bytes", Int, Value("1048576"), AtLeast(1), ReadOnly, Low, Refused(METRICS),
        "Most bytes of metrics that a client may push at once.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms", Int, Value("10000"), AtLeast(1), ReadOnly, Low, Refused(TRANSACTIONS),
        "How often transactions that took too long are looked for.";
    "transaction.max.timeout.ms", Int, Value("900000"), AtLeast(1), ReadOnly, High, Refused(TRANSACTIONS),
        "The longest timeout a transactional producer may ask for.";
    "transaction.partition.verification.enable", Boolean, Value("true"), Any, ClusterWide, Low, Refused(TRANSACTIONS),
        "Whether a partition is checked to belong to the transaction before it is written to.";
    "transaction.remove.expired.transaction.cleanup.interval.ms", Int, Value("3600000"), AtLeast(1), ReadOnly, Low, Refused(TRANSACTIONS),
        "How often expired transactional ids are looked for.";
    "transaction.state.log.load.buffer.size", Int, Value("5242880"), AtLeast(1), ReadOnly, High, Refused(TRANSACTIONS),
        "Bytes read at once when transaction state is loaded.";
    "transaction.state.log.min.isr", Int, Value("2"), AtLeast(1), ReadOnly, High, Kept(TRANSACTIONS),
        "In-sync replicas that a write to `__transaction_state` needs.";
    "transaction.state.log.num.partitions", Int, Value("50"), AtLeast(1), ReadOnly, High, Kept(TRANSACTIONS),
        "Partitions of `__transaction_state`.";
    "transaction.state.log.replication.factor", Short, Value("3"), AtLeast(1), ReadOnly, High, Kept(TRANSACTIONS),
        "Replicas of `__transaction_state`.";
    "transaction.state.log.segment.bytes", Int, Value("104857600"), AtLeast(1), ReadOnly, High, Kept(TRANSACTIONS),
        "Segment size of `__transaction_state`.";
    "transaction.two.phase.commit.enable", Boolean, Value("false"), Any, ReadOnly, Low, Refused(TRANSACTIONS),
        "Whether producers may take part in two-phase commit.";
    "transactional.id.expiration.ms", Int, Value("604800000"), AtLeast(1), ReadOnly, High, Refused(TRANSACTIONS),
        "How long an unused transactional id is remembered.";
    "unclean.leader.election.enable", Boolean, Value("false"), Any, ClusterWide, High, Honoured,
        "Default of the topic key of the same name.";
    "unclean.leader.election.interval.ms", Long, Value("300000"), AtLeast(1), ReadOnly, Medium, Refused(NODES), internal true,
        "How often partitions without a leader are looked at for an unclean election.";
    "unstable.api.versions.enable", Boolean, Value("false"), Any, ReadOnly, High, Refused(INTERNAL), internal true,
        "Whether versions of the protocol that are still in the making are offered.";
    "unstable.feature.versions.enable", Boolean, Value("false"), Any, ReadOnly, High, Refused(INTERNAL), internal true,
        "Whether feature levels that are still in the making may be used.";
}
