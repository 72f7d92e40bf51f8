//! Why keys are not honoured yet, in the words that users read: after "…: ", without a full stop.

/// Access control.
pub(crate) const ACLS: &str = "access control is not served yet";
/// Buffer sizes without a counterpart.
pub(crate) const BUFFERS: &str = "a buffer that Ottla sizes by what it reads and writes";
/// Checkpoint intervals.
pub(crate) const CHECKPOINTS: &str = "the intervals of checkpoints cannot be set yet";
/// Records that say nothing.
pub(crate) const IDLE: &str =
    "a node alone writes no records that say nothing: nobody else is there to lag behind";
/// Internal keys of Apache Kafka.
pub(crate) const INTERNAL: &str = "it is internal to Apache Kafka and has no meaning here";
/// Plug-ins.
pub(crate) const JAVA: &str = "Java classes cannot be loaded into Ottla";
/// Order of listeners.
pub(crate) const LISTENERS: &str = "all listeners open when the node is ready";
/// Metrics.
pub(crate) const METRICS: &str = "metrics are not served yet";
/// Several nodes.
pub(crate) const NODES: &str = "the node is the whole cluster for now, without others to talk to";
/// The news of a failed log directory.
pub(crate) const DIRECTORY_FAILURE: &str =
    "the controller is in the same process, so it hears of a failed log directory at once";
/// Secrets from elsewhere.
pub(crate) const PROVIDERS: &str = "values are not resolved from elsewhere yet; write them into the file";
/// Purgatories.
pub(crate) const PURGATORY: &str =
    "a request that waits is freed when it is answered, nothing is left to tidy";
/// Request queues.
pub(crate) const QUEUE: &str =
    "there is no queue between the sockets and the requests' work; see queued.max.request.bytes";
/// Quotas.
pub(crate) const QUOTAS: &str = "quotas are not served yet";
/// Recovery.
pub(crate) const RECOVERY: &str = "logs are loaded when they are first used, not all at start";
/// Subscriptions by regular expression.
pub(crate) const REGEX_REFRESH: &str =
    "regular expressions are resolved again whenever topics come or go, so no interval is needed";
/// Several replicas.
pub(crate) const REPLICAS: &str = "every partition has one replica for now, so it cannot act";
/// SASL.
pub(crate) const SASL: &str = "SASL is not served yet; use PLAINTEXT listeners";
/// Share groups.
pub(crate) const SHARE: &str = "share groups are not served yet";
/// Streams groups.
pub(crate) const STREAMS: &str =
    "streams groups (KIP-1071) are not served yet; Kafka Streams uses the classic protocol";
/// Tiered storage.
pub(crate) const TIERING: &str = "tiered storage is not served yet";
/// TLS.
pub(crate) const TLS: &str = "TLS is not served yet; use PLAINTEXT listeners";
/// Delegation tokens.
pub(crate) const TOKENS: &str = "delegation tokens are not served yet";
/// Transactions.
pub(crate) const TRANSACTIONS: &str = "transactions are not served yet";
/// Thread pools.
pub(crate) const WORKERS: &str = "a thread pool that Ottla does not have: all work shares one thread a core";
