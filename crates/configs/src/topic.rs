//! The keys of a topic in Apache Kafka 4.3, and what Ottla does with each.

use crate::key::Default::Value;
use crate::key::Kind::{Boolean, Double, Int, List, Long, String};
use crate::key::Support::{Honoured, Kept, Refused};
use crate::key::Valid::{Any, AtLeast, Between, Fraction, GzipLevel, OneOf, Subset, ThrottledReplicas};
use crate::key::{Key, hours, inherited_keys, minutes, same};
use crate::support::*;

/// The topic key of this name.
pub fn key(name: &str) -> Option<&'static Key> {
    let index = KEYS.binary_search_by(|key| key.name.cmp(name)).ok()?;
    KEYS.get(index)
}

inherited_keys! {
    "cleanup.policy", List, Value("delete"), Subset { of: &["compact", "delete"], empty: true }, Honoured, [same("log.cleanup.policy")],
        "What becomes of old records: `delete` drops old segments, `compact` keeps the last record of each key, both do both, and an empty list keeps everything.";
    "compression.gzip.level", Int, Value("-1"), GzipLevel, Honoured, [same("compression.gzip.level")],
        "Level for gzip, where `compression.type` asks for it; -1 is the library's default.";
    "compression.lz4.level", Int, Value("9"), Between(1, 17), Honoured, [same("compression.lz4.level")],
        "Level for lz4, where `compression.type` asks for it.";
    "compression.type", String, Value("producer"), OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), Honoured, [same("compression.type")],
        "The codec in which batches are stored: `producer` keeps what arrives; any other recompresses what differs.";
    "compression.zstd.level", Int, Value("3"), Between(-131072, 22), Honoured, [same("compression.zstd.level")],
        "Level for zstd, where `compression.type` asks for it.";
    "delete.retention.ms", Long, Value("86400000"), AtLeast(0), Honoured, [same("log.cleaner.delete.retention.ms")],
        "How long the tombstones of deleted keys stay in a compacted topic.";
    "file.delete.delay.ms", Long, Value("60000"), AtLeast(0), Honoured, [same("log.segment.delete.delay.ms")],
        "How long a file that is no longer part of the log stays on disk before it is removed. Of a deleted topic the broker's `log.segment.delete.delay.ms` counts.";
    "flush.messages", Long, Value("1"), AtLeast(1), Honoured, [same("log.flush.interval.messages")], kafka Value("9223372036854775807"),
        "After how many records a write is made durable before it is answered. Ottla's default is 1; Apache Kafka's is 9223372036854775807, which answers from the page cache.";
    "flush.ms", Long, Value("9223372036854775807"), AtLeast(0), Honoured, [same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")],
        "After how long written records are made durable, where `flush.messages` does not do it before.";
    "follower.replication.throttled.replicas", List, Value(""), ThrottledReplicas, Kept(REPLICAS), [],
        "The replicas whose catching up is throttled on the follower: `partition:broker` separated by commas, or `*`.";
    "index.interval.bytes", Int, Value("4096"), AtLeast(0), Honoured, [same("log.index.interval.bytes")],
        "After how many bytes of records an entry is added to the indexes.";
    "leader.replication.throttled.replicas", List, Value(""), ThrottledReplicas, Kept(REPLICAS), [],
        "The replicas whose catching up is throttled on the leader: `partition:broker` separated by commas, or `*`.";
    "local.retention.bytes", Long, Value("-2"), AtLeast(-2), Kept(TIERING), [same("log.local.retention.bytes")],
        "How much of a tiered partition is kept locally; -2 is the value of `retention.bytes`.";
    "local.retention.ms", Long, Value("-2"), AtLeast(-2), Kept(TIERING), [same("log.local.retention.ms")],
        "How long segments of a tiered partition are kept locally; -2 is the value of `retention.ms`.";
    "max.compaction.lag.ms", Long, Value("9223372036854775807"), AtLeast(1), Honoured, [same("log.cleaner.max.compaction.lag.ms")],
        "How long a record may wait at most before it is compacted.";
    "max.message.bytes", Int, Value("1048588"), AtLeast(0), Honoured, [same("message.max.bytes")],
        "Largest record batch, as it is compressed.";
    "message.timestamp.after.max.ms", Long, Value("3600000"), AtLeast(0), Honoured, [same("log.message.timestamp.after.max.ms")],
        "How far a record's timestamp may be ahead of the broker's clock, with `CreateTime`.";
    "message.timestamp.before.max.ms", Long, Value("9223372036854775807"), AtLeast(0), Honoured, [same("log.message.timestamp.before.max.ms")],
        "How far a record's timestamp may be behind the broker's clock, with `CreateTime`.";
    "message.timestamp.type", String, Value("CreateTime"), OneOf(&["CreateTime", "LogAppendTime"]), Honoured, [same("log.message.timestamp.type")],
        "Whether a record bears the time its producer gave it (`CreateTime`) or the time of the append (`LogAppendTime`).";
    "min.cleanable.dirty.ratio", Double, Value("0.5"), Fraction(0.0, 1.0), Honoured, [same("log.cleaner.min.cleanable.ratio")],
        "Which part of a log must be new before it is compacted.";
    "min.compaction.lag.ms", Long, Value("0"), AtLeast(0), Honoured, [same("log.cleaner.min.compaction.lag.ms")],
        "How long a record stays uncompacted at least.";
    "min.insync.replicas", Int, Value("1"), AtLeast(1), Honoured, [same("min.insync.replicas")],
        "How many replicas must be in sync for a write with `acks=all`.";
    "preallocate", Boolean, Value("false"), Any, Honoured, [same("log.preallocate")],
        "Whether a segment takes disk space for `segment.bytes` when it is created; what it does not need is given back when it is closed.";
    "remote.log.copy.disable", Boolean, Value("false"), Any, Kept(TIERING), [],
        "Whether a tiered topic stops copying segments to the remote storage.";
    "remote.log.delete.on.disable", Boolean, Value("false"), Any, Kept(TIERING), [],
        "Whether the remote data is deleted when tiering is turned off for the topic.";
    "remote.storage.enable", Boolean, Value("false"), Any, Refused(TIERING), [],
        "Whether closed segments are copied to the remote storage.";
    "retention.bytes", Long, Value("-1"), Any, Honoured, [same("log.retention.bytes")],
        "How large a partition may become before old segments are deleted; -1 for no limit.";
    "retention.ms", Long, Value("604800000"), AtLeast(-1), Honoured, [same("log.retention.ms"), minutes("log.retention.minutes"), hours("log.retention.hours")],
        "How long records are kept before their segment is deleted; -1 for ever.";
    "segment.bytes", Int, Value("1073741824"), AtLeast(1048576), Honoured, [same("log.segment.bytes")],
        "Size at which a segment is closed and the next one begins.";
    "segment.index.bytes", Int, Value("10485760"), AtLeast(4), Honoured, [same("log.index.size.max.bytes")],
        "Largest offset index of a segment; a full one closes the segment.";
    "segment.jitter.ms", Long, Value("0"), AtLeast(0), Honoured, [same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")],
        "By how much at most the closing by `segment.ms` is brought forward at random, so that not all segments close at once.";
    "segment.ms", Long, Value("604800000"), AtLeast(1), Honoured, [same("log.roll.ms"), hours("log.roll.hours")],
        "Age at which a segment is closed, even if it is not full.";
    "unclean.leader.election.enable", Boolean, Value("false"), Any, Honoured, [same("unclean.leader.election.enable")],
        "Whether a replica that is not in sync may become leader when no other is left, at the price of lost records.";
}
