//! What a topic's configuration means for its partitions.

use ottla_configs::{MessageTimestampType, TopicCompression, TopicConfig};
use ottla_ids::TopicPartition;
use ottla_records::{Codec, Compression, DECOMPRESSED_SIZE_MAX, ProduceRules, TimestampType};
use ottla_storage::{CompactionLag, LogConfig, Retention};

/// How a topic's logs are compacted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Compaction {
    pub(crate) lag: CompactionLag,
    /// `min.cleanable.dirty.ratio`.
    pub(crate) min_dirty_ratio: f64,
    /// `delete.retention.ms`.
    pub(crate) delete_retention_ms: i64,
}

/// A topic's configuration, as the partition and its log need it.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The log's part.
    pub(crate) log: LogConfig,
    /// `min.insync.replicas`.
    pub(crate) min_insync_replicas: usize,
    /// What `cleanup.policy` with `delete` keeps; without it, all.
    pub(crate) retention: Retention,
    /// `None` without `compact` in `cleanup.policy`.
    pub(crate) compaction: Option<Compaction>,
    /// `cleanup.policy` is `compact` without `delete`.
    pub(crate) only_compacted: bool,
    max_message_bytes: usize,
    compression: Option<Codec>,
    timestamp_type: TimestampType,
    timestamp_before_max_ms: i64,
    timestamp_after_max_ms: i64,
    is_compacted: bool,
}

impl Rules {
    /// The rules of a topic configured so; `producer_id_expiration_ms` is the broker's.
    pub(crate) fn of(config: &TopicConfig, producer_id_expiration_ms: i64) -> Rules {
        let non_negative = |number: i32| u32::try_from(number).unwrap_or(0);
        Rules {
            log: LogConfig {
                segment_bytes: non_negative(config.segment_bytes),
                // Only closed segments are compacted (Kafka's `LogConfig.maxSegmentMs`).
                segment_ms: match config.cleanup_policy.compact && config.max_compaction_lag_ms > 0 {
                    true => config.segment_ms.min(config.max_compaction_lag_ms),
                    false => config.segment_ms,
                },
                segment_jitter_ms: config.segment_jitter_ms,
                segment_index_bytes: non_negative(config.segment_index_bytes),
                index_interval_bytes: non_negative(config.index_interval_bytes),
                flush_messages: config.flush_messages,
                flush_ms: config.flush_ms,
                preallocate: config.preallocate,
                file_delete_delay_ms: config.file_delete_delay_ms,
                producer_id_expiration_ms,
            },
            min_insync_replicas: non_negative(config.min_insync_replicas) as usize,
            retention: match config.cleanup_policy.delete {
                // Negative numbers: without a limit.
                true => Retention {
                    ms: Some(config.retention_ms).filter(|ms| *ms >= 0),
                    bytes: u64::try_from(config.retention_bytes).ok(),
                },
                false => Retention::default(),
            },
            compaction: config.cleanup_policy.compact.then_some(Compaction {
                lag: CompactionLag {
                    min_ms: config.min_compaction_lag_ms,
                    max_ms: config.max_compaction_lag_ms,
                },
                min_dirty_ratio: config.min_cleanable_dirty_ratio,
                delete_retention_ms: config.delete_retention_ms,
            }),
            only_compacted: config.cleanup_policy.compact && !config.cleanup_policy.delete,
            max_message_bytes: non_negative(config.max_message_bytes) as usize,
            compression: codec(config.compression),
            timestamp_type: match config.message_timestamp_type {
                MessageTimestampType::CreateTime => TimestampType::CreateTime,
                MessageTimestampType::LogAppendTime => TimestampType::LogAppendTime,
            },
            timestamp_before_max_ms: config.message_timestamp_before_max_ms,
            timestamp_after_max_ms: config.message_timestamp_after_max_ms,
            is_compacted: config.cleanup_policy.compact,
        }
    }

    /// What a producer's batch must keep to, in a Produce request of this version that came now.
    pub(crate) fn produce<'a>(
        &self,
        partition: &'a TopicPartition,
        produce_version: i16,
        now_ms: i64,
    ) -> ProduceRules<'a> {
        ProduceRules {
            partition,
            produce_version,
            message_size_max: self.max_message_bytes,
            compression: self.compression,
            timestamp_type: self.timestamp_type,
            timestamp_before_max_ms: self.timestamp_before_max_ms,
            timestamp_after_max_ms: self.timestamp_after_max_ms,
            is_compacted: self.is_compacted,
            decompressed_size_max: DECOMPRESSED_SIZE_MAX,
            now: now_ms,
        }
    }
}

/// The codec that batches are to be stored in; `None`: as they come.
fn codec(compression: TopicCompression) -> Option<Codec> {
    let with_level = |compression, level| {
        // The table of configuration keys only lets levels pass that the codec has.
        Codec::with_level(compression, level).unwrap_or(Codec::from(compression))
    };
    match compression {
        TopicCompression::Producer => None,
        TopicCompression::Uncompressed => Some(Compression::None.into()),
        TopicCompression::Gzip { level } => Some(with_level(Compression::Gzip, level)),
        TopicCompression::Snappy => Some(Compression::Snappy.into()),
        TopicCompression::Lz4 { level } => Some(with_level(Compression::Lz4, level)),
        TopicCompression::Zstd { level } => Some(with_level(Compression::Zstd, level)),
    }
}
