//! A topic's configuration as plain fields, for those who write and read its partitions.

use crate::broker_config::BrokerConfig;
use crate::topic;
use crate::value::Value;
use std::collections::BTreeMap;

/// A topic's effective configuration: its own settings over what its broker gives as defaults.
///
/// The fields bear the names of Kafka's keys. Times are in milliseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy`: whether old segments are to be deleted and whether keys are to be compacted.
    /// Neither: everything is kept.
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type` with the level that goes with it.
    pub compression: TopicCompression,
    /// `delete.retention.ms`: how long tombstones stay.
    pub delete_retention_ms: i64,
    /// `file.delete.delay.ms`: how long files that left the log stay on disk.
    pub file_delete_delay_ms: i64,
    /// `flush.messages`: a write waits for the disk after this many records; 1: each does, before its
    /// answer. `i64::MAX`: none does.
    pub flush_messages: i64,
    /// `flush.ms`: written records are on disk after this long; `i64::MAX`: when the system likes.
    pub flush_ms: i64,
    /// `follower.replication.throttled.replicas`.
    pub follower_replication_throttled_replicas: ThrottledReplicas,
    /// `index.interval.bytes`: an index entry follows after this many bytes.
    pub index_interval_bytes: i32,
    /// `leader.replication.throttled.replicas`.
    pub leader_replication_throttled_replicas: ThrottledReplicas,
    /// `local.retention.bytes`, with -2 already replaced by `retention.bytes`.
    pub local_retention_bytes: i64,
    /// `local.retention.ms`, with -2 already replaced by `retention.ms`.
    pub local_retention_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `max.message.bytes`: the largest batch, as compressed.
    pub max_message_bytes: i32,
    /// `message.timestamp.after.max.ms`: how far a timestamp may be ahead of the clock.
    pub message_timestamp_after_max_ms: i64,
    /// `message.timestamp.before.max.ms`: how far a timestamp may be behind the clock.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.type`.
    pub message_timestamp_type: MessageTimestampType,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `min.insync.replicas`.
    pub min_insync_replicas: i32,
    /// `preallocate`: whether a new segment gets its disk space at once.
    pub preallocate: bool,
    /// `remote.storage.enable`.
    pub remote_storage_enable: bool,
    /// `retention.bytes`: -1 for no limit.
    pub retention_bytes: i64,
    /// `retention.ms`: -1 for no limit.
    pub retention_ms: i64,
    /// `segment.bytes`: size at which a segment is closed.
    pub segment_bytes: i32,
    /// `segment.index.bytes`: largest offset index.
    pub segment_index_bytes: i32,
    /// `segment.jitter.ms`: by how much at most a close by age is brought forward.
    pub segment_jitter_ms: i64,
    /// `segment.ms`: age at which a segment is closed.
    pub segment_ms: i64,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election_enable: bool,
}

/// `cleanup.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments may be deleted.
    pub delete: bool,
    /// All but the last record of each key may be removed.
    pub compact: bool,
}

/// `compression.type` with its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicCompression {
    /// Batches stay as they arrive.
    Producer,
    /// Batches are stored without compression.
    Uncompressed,
    /// gzip; the level is 1 to 9, or -1 for the library's default.
    Gzip {
        /// `compression.gzip.level`.
        level: i32,
    },
    /// snappy, which has no levels.
    Snappy,
    /// lz4; the level is 1 to 17.
    Lz4 {
        /// `compression.lz4.level`.
        level: i32,
    },
    /// zstd; the level is -131072 to 22.
    Zstd {
        /// `compression.zstd.level`.
        level: i32,
    },
}

/// `message.timestamp.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageTimestampType {
    /// The producer's time.
    CreateTime,
    /// The time of the append.
    LogAppendTime,
}

/// The replicas of a topic whose replication is throttled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottledReplicas {
    /// `*`.
    All,
    /// These, as partition and broker.
    These(Vec<(i32, i32)>),
}

/// What a broker gives to topics that say nothing themselves: the value of every topic key.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicDefaults {
    /// By the key's place in [`topic::KEYS`].
    values: Vec<Value>,
    config: TopicConfig,
}

impl TopicDefaults {
    /// The defaults of this broker.
    pub(crate) fn of(broker: &BrokerConfig) -> TopicDefaults {
        let default = |key| {
            let (value, _) = broker.topic_default(key);
            value.expect("every topic key has a default, as a test says")
        };
        let values: Vec<Value> = topic::KEYS.iter().map(default).collect();
        let config = TopicConfig::build(|name| place(name).map(|place| values[place].clone()));
        TopicDefaults { values, config }
    }

    /// The configuration of a topic without settings of its own.
    pub fn config(&self) -> &TopicConfig {
        &self.config
    }

    /// The default of the topic key `name`, if there is such a key.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(place(name)?)
    }
}

/// The place of the topic key `name` in [`topic::KEYS`].
fn place(name: &str) -> Option<usize> {
    topic::KEYS.binary_search_by(|key| key.name.cmp(name)).ok()
}

impl TopicConfig {
    /// The configuration of a topic with these settings, on a broker with these defaults.
    ///
    /// The settings come from the metadata log. They were checked when they were written, if by us; a
    /// name that is not known, or a text that does not parse, counts as not set.
    pub fn resolve<'a>(
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
        defaults: &TopicDefaults,
    ) -> TopicConfig {
        let parse = |(name, text): (&str, &str)| {
            let place = place(name)?;
            Some((place, topic::KEYS.get(place)?.parse(text).ok()?))
        };
        let own: BTreeMap<usize, Value> = settings.into_iter().filter_map(parse).collect();
        if own.is_empty() {
            return defaults.config.clone();
        }
        TopicConfig::build(|name| {
            let place = place(name)?;
            own.get(&place).or_else(|| defaults.values.get(place)).cloned()
        })
    }

    /// Builds the fields from the values of the keys, which are of the keys' kinds.
    fn build(find: impl Fn(&'static str) -> Option<Value>) -> TopicConfig {
        let value = |name| find(name).expect("only names of the table are asked for");
        let long = |name| match value(name) {
            Value::Long(number) => number,
            other => panic!("{name} is a long, not {other}"),
        };
        let retention_bytes = long("retention.bytes");
        let retention_ms = long("retention.ms");
        let inherit = |local: i64, whole: i64| if local == -2 { whole } else { local };
        let local_retention_bytes = inherit(long("local.retention.bytes"), retention_bytes);
        let local_retention_ms = inherit(long("local.retention.ms"), retention_ms);
        let delete_retention_ms = long("delete.retention.ms");
        let file_delete_delay_ms = long("file.delete.delay.ms");
        let flush_messages = long("flush.messages");
        let flush_ms = long("flush.ms");
        let max_compaction_lag_ms = long("max.compaction.lag.ms");
        let min_compaction_lag_ms = long("min.compaction.lag.ms");
        let message_timestamp_after_max_ms = long("message.timestamp.after.max.ms");
        let message_timestamp_before_max_ms = long("message.timestamp.before.max.ms");
        let segment_jitter_ms = long("segment.jitter.ms");
        let segment_ms = long("segment.ms");

        let int = |name| match value(name) {
            Value::Int(number) => number,
            other => panic!("{name} is an integer, not {other}"),
        };
        let levels =
            [int("compression.gzip.level"), int("compression.lz4.level"), int("compression.zstd.level")];
        let index_interval_bytes = int("index.interval.bytes");
        let max_message_bytes = int("max.message.bytes");
        let min_insync_replicas = int("min.insync.replicas");
        let segment_bytes = int("segment.bytes");
        let segment_index_bytes = int("segment.index.bytes");

        let boolean = |name| match value(name) {
            Value::Boolean(boolean) => boolean,
            other => panic!("{name} is a boolean, not {other}"),
        };
        let preallocate = boolean("preallocate");
        let remote_storage_enable = boolean("remote.storage.enable");
        let unclean_leader_election_enable = boolean("unclean.leader.election.enable");

        let [gzip, lz4, zstd] = levels;
        let compression = match value("compression.type").to_text().as_str() {
            "uncompressed" => TopicCompression::Uncompressed,
            "gzip" => TopicCompression::Gzip { level: gzip },
            "snappy" => TopicCompression::Snappy,
            "lz4" => TopicCompression::Lz4 { level: lz4 },
            "zstd" => TopicCompression::Zstd { level: zstd },
            _ => TopicCompression::Producer,
        };
        let message_timestamp_type = match value("message.timestamp.type").to_text().as_str() {
            "LogAppendTime" => MessageTimestampType::LogAppendTime,
            _ => MessageTimestampType::CreateTime,
        };
        let policies = value("cleanup.policy");
        let has = |policy: &str| policies.list().iter().any(|one| one == policy);
        let min_cleanable_dirty_ratio = match value("min.cleanable.dirty.ratio") {
            Value::Double(number) => number,
            other => panic!("min.cleanable.dirty.ratio is a double, not {other}"),
        };
        TopicConfig {
            cleanup_policy: CleanupPolicy { delete: has("delete"), compact: has("compact") },
            compression,
            delete_retention_ms,
            file_delete_delay_ms,
            flush_messages,
            flush_ms,
            follower_replication_throttled_replicas: ThrottledReplicas::from_list(
                value("follower.replication.throttled.replicas").list(),
            ),
            index_interval_bytes,
            leader_replication_throttled_replicas: ThrottledReplicas::from_list(
                value("leader.replication.throttled.replicas").list(),
            ),
            local_retention_bytes,
            local_retention_ms,
            max_compaction_lag_ms,
            max_message_bytes,
            message_timestamp_after_max_ms,
            message_timestamp_before_max_ms,
            message_timestamp_type,
            min_cleanable_dirty_ratio,
            min_compaction_lag_ms,
            min_insync_replicas,
            preallocate,
            remote_storage_enable,
            retention_bytes,
            retention_ms,
            segment_bytes,
            segment_index_bytes,
            segment_jitter_ms,
            segment_ms,
            unclean_leader_election_enable,
        }
    }
}

impl ThrottledReplicas {
    /// From the entries of the list, which were checked.
    fn from_list(entries: &[String]) -> ThrottledReplicas {
        if entries.iter().any(|entry| entry == "*") {
            return ThrottledReplicas::All;
        }
        let pair = |entry: &String| {
            let (partition, broker) = entry.split_once(':')?;
            Some((partition.parse().ok()?, broker.parse().ok()?))
        };
        ThrottledReplicas::These(entries.iter().filter_map(pair).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A topic with these settings on a broker with those.
    fn resolve(broker: &[(&str, &str)], topic: &[(&str, &str)]) -> TopicConfig {
        let broker = BrokerConfig::new(broker.iter().copied()).expect("valid settings of the broker");
        TopicConfig::resolve(topic.iter().copied(), &broker.topic_defaults())
    }

    #[test]
    fn a_topic_that_says_nothing_has_the_defaults_of_its_broker() {
        let config = resolve(&[], &[]);
        assert_eq!(config.cleanup_policy, CleanupPolicy { delete: true, compact: false });
        assert_eq!(config.compression, TopicCompression::Producer);
        assert_eq!((config.flush_messages, config.flush_ms), (1, i64::MAX));
        assert_eq!((config.segment_bytes, config.segment_ms), (1 << 30, 604_800_000));
        assert_eq!((config.retention_ms, config.local_retention_ms), (604_800_000, 604_800_000));
        assert_eq!(config.leader_replication_throttled_replicas, ThrottledReplicas::These(Vec::new()));
    }

    #[test]
    fn what_the_topic_says_goes_before_what_the_broker_says() {
        let broker = [("log.segment.bytes", "2097152"), ("message.max.bytes", "5000")];
        let config = resolve(&broker, &[("segment.bytes", "3145728")]);
        assert_eq!((config.segment_bytes, config.max_message_bytes), (3_145_728, 5_000));
    }

    #[test]
    fn the_first_of_the_brokers_keys_counts_in_its_own_unit() {
        let retention = |broker: &[(&str, &str)]| resolve(broker, &[]).retention_ms;
        assert_eq!(retention(&[("log.retention.hours", "2")]), 7_200_000);
        assert_eq!(retention(&[("log.retention.hours", "2"), ("log.retention.minutes", "3")]), 180_000);
        assert_eq!(retention(&[("log.retention.minutes", "3"), ("log.retention.ms", "5")]), 5);
        assert_eq!(retention(&[("log.retention.minutes", "-1")]), -1);
        assert_eq!(resolve(&[("log.flush.scheduler.interval.ms", "7")], &[]).flush_ms, 7);
    }

    #[test]
    fn a_codec_comes_with_its_own_level() {
        let levels = [("compression.gzip.level", "4"), ("compression.zstd.level", "-5")];
        let with = |codec| {
            let mut settings = levels.to_vec();
            settings.push(("compression.type", codec));
            resolve(&[("compression.lz4.level", "12")], &settings).compression
        };
        assert_eq!(with("gzip"), TopicCompression::Gzip { level: 4 });
        assert_eq!(with("zstd"), TopicCompression::Zstd { level: -5 });
        assert_eq!(with("lz4"), TopicCompression::Lz4 { level: 12 });
        assert_eq!(with("snappy"), TopicCompression::Snappy);
        assert_eq!(with("uncompressed"), TopicCompression::Uncompressed);
        assert_eq!(with("producer"), TopicCompression::Producer);
    }

    #[test]
    fn lists_become_fields() {
        let policy = |text| resolve(&[], &[("cleanup.policy", text)]).cleanup_policy;
        assert_eq!(policy("compact,delete"), CleanupPolicy { delete: true, compact: true });
        assert_eq!(policy(""), CleanupPolicy { delete: false, compact: false });
        let name = "follower.replication.throttled.replicas";
        let throttled = |text| resolve(&[], &[(name, text)]).follower_replication_throttled_replicas;
        assert_eq!(throttled("*"), ThrottledReplicas::All);
        assert_eq!(throttled("0:1, 1:2"), ThrottledReplicas::These(vec![(0, 1), (1, 2)]));
    }

    #[test]
    fn the_metadata_may_override_the_brokers_file() {
        let broker = BrokerConfig::new([("min.insync.replicas", "2")]).expect("valid");
        let both = broker.with_dynamic([("min.insync.replicas", "3")], [("min.insync.replicas", "4")]);
        let min = |broker: &BrokerConfig| broker.topic_defaults().config().min_insync_replicas;
        assert_eq!(min(&broker), 2);
        assert_eq!(min(&broker.with_dynamic([("min.insync.replicas", "3")], [])), 3);
        assert_eq!(min(&both), 4);
    }

    #[test]
    fn what_others_wrote_into_the_metadata_is_not_trusted() {
        let config =
            resolve(&[], &[("segment.bytes", "x"), ("message.format.version", "3.0"), ("flush.ms", "9")]);
        assert_eq!((config.segment_bytes, config.flush_ms), (1 << 30, 9));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_key_panic(text in ".*", number in any::<i64>()) {
            for key in topic::KEYS.iter().chain(crate::broker::KEYS) {
                for text in [text.as_str(), &number.to_string()] {
                    if let Ok(value) = key.parse(text) {
                        // The canonical text means the same.
                        let again = key.parse(&value.to_text());
                        prop_assert!(again.is_ok_and(|again| again.to_text() == value.to_text()), "{}", key.name);
                    }
                }
            }
            let settings = topic::KEYS.iter().map(|key| (key.name, text.as_str()));
            let _ = TopicConfig::resolve(settings, &BrokerConfig::default().topic_defaults());
        }
    }
}
