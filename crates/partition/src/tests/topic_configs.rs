//! Every configuration of a topic does something: one test a key, which sets it, does the thing, and sees
//! what is different. [`HERE`] and [`ELSEWHERE`] together name all of Kafka's keys; a test sees to that.

use super::*;
use crate::partition::DeleteRecordsError;
use ottla_configs::{Support, topic};
use ottla_records::{BatchView, ProduceError, TimestampType, batches};
use ottla_storage::Cleaning;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// The keys whose effect is shown here.
const HERE: &[(&str, fn())] = &[
    ("cleanup.policy", a_compacted_topic_takes_no_record_without_a_key),
    ("compression.gzip.level", || a_level_changes_what_is_stored("gzip", "1", "9")),
    ("compression.lz4.level", || a_level_changes_what_is_stored("lz4", "1", "6")),
    ("compression.type", batches_are_stored_in_the_topics_codec),
    ("compression.zstd.level", || a_level_changes_what_is_stored("zstd", "-50", "19")),
    ("delete.retention.ms", tombstones_stay_for_the_time),
    ("file.delete.delay.ms", deleted_files_stay_for_the_delay),
    ("flush.messages", so_many_records_cause_a_sync),
    ("flush.ms", a_sync_comes_after_the_time),
    ("index.interval.bytes", the_index_has_an_entry_for_so_many_bytes),
    ("max.compaction.lag.ms", records_wait_no_longer_to_be_compacted),
    ("max.message.bytes", a_batch_may_be_so_large),
    ("message.timestamp.after.max.ms", || timestamps_are_within("message.timestamp.after.max.ms", 1)),
    ("message.timestamp.before.max.ms", || timestamps_are_within("message.timestamp.before.max.ms", -1)),
    ("message.timestamp.type", records_bear_the_time_of_the_append),
    ("min.cleanable.dirty.ratio", such_a_part_must_be_new),
    ("min.compaction.lag.ms", records_wait_so_long_to_be_compacted),
    ("min.insync.replicas", so_many_replicas_must_be_in_sync),
    ("preallocate", a_segment_has_its_room_at_once),
    ("retention.bytes", the_oldest_segments_go_while_the_rest_is_enough),
    ("retention.ms", segments_go_when_they_are_so_old),
    ("segment.bytes", a_segment_becomes_so_large),
    ("segment.index.bytes", a_full_index_closes_its_segment),
    ("segment.jitter.ms", a_segment_is_closed_earlier_by_the_jitter),
    ("segment.ms", a_segment_becomes_so_old),
];

/// The keys whose effect is shown elsewhere, and where.
const ELSEWHERE: &[(&str, &str)] = &[
    ("remote.storage.enable", "refused: ottla-configs, tests/golden.rs"),
    (
        "unclean.leader.election.enable",
        "a_replica_that_lacks_records_leads_only_where_the_topic_says_so, in ottla-controller",
    ),
];

/// The keys that are checked, kept and described, and act on what is not there: on replication between brokers
/// and on tiered storage.
const WITHOUT_EFFECT: &[&str] = &[
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
];

#[test]
fn every_key_has_its_effect() {
    for (_, check) in HERE {
        check();
    }
}

#[test]
fn every_key_is_accounted_for() {
    let known: Vec<&str> = HERE
        .iter()
        .map(|(name, _)| *name)
        .chain(ELSEWHERE.iter().map(|(name, _)| *name))
        .chain(WITHOUT_EFFECT.iter().copied())
        .collect();
    let all: BTreeSet<&str> = topic::KEYS.iter().map(|key| key.name).collect();
    assert_eq!(known.iter().copied().collect::<BTreeSet<_>>(), all);
    assert_eq!(known.len(), all.len(), "each once");
    for key in topic::KEYS {
        if WITHOUT_EFFECT.contains(&key.name) {
            assert!(matches!(key.support, Support::Kept(_)), "{}", key.name);
        }
        if HERE.iter().any(|(name, _)| *name == key.name) && key.name != "cleanup.policy" {
            assert_eq!(key.support, Support::Honoured, "{}", key.name);
        }
    }
}

/// The partition `t-0` with these settings, on a disk of its own.
fn with(settings: &[(&str, &str)]) -> ByHand {
    ByHand::on(&SimulatedDisk::new(1), settings)
}

/// A batch of one record.
fn record(key: Option<&[u8]>, value: &[u8], timestamp_ms: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None);
    builder.append(timestamp_ms, key, Some(value), &[]).unwrap();
    builder.finish().unwrap().to_vec()
}

fn produce(it: &ByHand, batch: &[u8], now_ms: i64) -> Result<Appended, AppendError> {
    let origin = Origin::Client { transactional_id: None, produce_version: 13 };
    it.partition.append(batch, Acks::All, origin, now_ms)
}

/// The names of the partition's files that end so.
fn files(it: &ByHand, suffix: &str) -> Vec<String> {
    let entries = Disk::Simulated(it.disk.clone()).list(Path::new("/data/t-0")).unwrap();
    entries.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(suffix)).collect()
}

/// The bytes of all that is stored.
fn stored(it: &ByHand) -> Vec<u8> {
    let disk = Disk::Simulated(it.disk.clone());
    let mut names = files(it, ".log");
    names.sort();
    names.iter().flat_map(|name| disk.read(&Path::new("/data/t-0").join(name)).unwrap().unwrap()).collect()
}

/// Appends a record of `size` bytes every `step_ms` until the log has a second segment; when that was.
fn rolled_after_ms(it: &ByHand, size: usize, step_ms: i64) -> i64 {
    for step in 0..10_000 {
        let now_ms = NOW_MS + step * step_ms;
        produce(it, &record(None, &vec![b'x'; size], now_ms), now_ms).unwrap();
        if files(it, ".log").len() == 2 {
            return step * step_ms;
        }
    }
    panic!("the segment is never closed");
}

fn a_compacted_topic_takes_no_record_without_a_key() {
    let keyless = record(None, b"v", NOW_MS);
    produce(&with(&[("cleanup.policy", "delete")]), &keyless, NOW_MS).unwrap();
    let it = with(&[("cleanup.policy", "compact")]);
    let refused = produce(&it, &keyless, NOW_MS);
    assert!(matches!(refused, Err(AppendError::Records(ProduceError::InvalidRecord { .. }))), "{refused:?}");
    produce(&it, &record(Some(b"k"), b"v", NOW_MS), NOW_MS).unwrap();
    it.commit();
    assert!(matches!(it.partition.delete_records(1, NOW_MS), Err(DeleteRecordsError::Compacted)));
}

/// Words in an order that repeats late: levels differ in how far they look back.
fn words() -> Vec<u8> {
    let mut state = 1u32;
    let mut text = Vec::new();
    for _ in 0..8_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("word{} ", (state >> 16) % 700).as_bytes());
    }
    text
}

fn a_level_changes_what_is_stored(codec: &str, low: &str, high: &str) {
    let size = |level: &str| {
        let key = format!("compression.{codec}.level");
        let it = with(&[("compression.type", codec), (key.as_str(), level)]);
        produce(&it, &record(None, &words(), NOW_MS), NOW_MS).unwrap();
        stored(&it).len()
    };
    let (fast, small) = (size(low), size(high));
    assert!(small < fast, "{codec}: {small} bytes at {high}, {fast} at {low}");
}

fn batches_are_stored_in_the_topics_codec() {
    for (setting, expected) in [
        ("producer", Compression::None),
        ("uncompressed", Compression::None),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ] {
        let it = with(&[("compression.type", setting)]);
        produce(&it, &record(None, &words(), NOW_MS), NOW_MS).unwrap();
        let stored = stored(&it);
        let batch = BatchView::parse(&stored).unwrap();
        assert_eq!(batch.compression(), expected, "{setting}");
        let records = batch.records(1 << 20).unwrap();
        assert_eq!(records.iter().next().unwrap().unwrap().value, Some(&words()[..]), "{setting}");
    }
    // What arrives compressed is stored plain where the topic says so.
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::Gzip);
    builder.append(NOW_MS, None, Some(b"v"), &[]).unwrap();
    let it = with(&[("compression.type", "uncompressed")]);
    produce(&it, &builder.finish().unwrap(), NOW_MS).unwrap();
    assert_eq!(BatchView::parse(&stored(&it)).unwrap().compression(), Compression::None);
}

fn deleted_files_stay_for_the_delay() {
    let it = with(&[("file.delete.delay.ms", "1000"), ("segment.ms", "1")]);
    for time in [NOW_MS, NOW_MS + 10] {
        produce(&it, &record(None, b"v", time), time).unwrap();
    }
    it.commit();
    assert_eq!(it.partition.delete_records(1, NOW_MS).unwrap(), Offset(1));
    let deleted = |now_ms| {
        it.directory.remove_deleted(now_ms).unwrap();
        files(&it, ".log.deleted").len()
    };
    assert_eq!((deleted(NOW_MS + 999), deleted(NOW_MS + 1000)), (1, 0));
}

fn so_many_records_cause_a_sync() {
    let syncs_after = |settings: &[(&str, &str)], records: i64| {
        let it = with(settings);
        let before = it.disk.syncs();
        for _ in 0..records {
            assert_eq!(produce(&it, &record(None, b"v", NOW_MS), NOW_MS).unwrap().wait, None);
            it.commit();
        }
        it.disk.syncs() - before
    };
    assert_eq!(syncs_after(&[("flush.messages", "3")], 2), 0);
    assert!(syncs_after(&[("flush.messages", "3")], 3) > 0);
    let it = with(&[("flush.messages", "1")]);
    assert_eq!(produce(&it, &record(None, b"v", NOW_MS), NOW_MS).unwrap().wait, Some(Offset(1)));
}

fn a_sync_comes_after_the_time() {
    let it = with(&[("flush.messages", "1000"), ("flush.ms", "500")]);
    produce(&it, &record(None, b"v", NOW_MS), NOW_MS).unwrap();
    let syncs_at = |now_ms| {
        let before = it.disk.syncs();
        it.directory.checkpoint(now_ms).unwrap();
        it.commit();
        it.disk.syncs() - before
    };
    assert_eq!(syncs_at(NOW_MS + 499), 0);
    assert!(syncs_at(NOW_MS + 500) > 0);
}

fn the_index_has_an_entry_for_so_many_bytes() {
    let entries = |interval: &str| {
        let it = with(&[("index.interval.bytes", interval)]);
        for _ in 0..50 {
            produce(&it, &record(None, &[b'x'; 900], NOW_MS), NOW_MS).unwrap();
        }
        it.partition.log().roll().unwrap();
        let index = Path::new("/data/t-0/00000000000000000000.index");
        Disk::Simulated(it.disk.clone()).read(index).unwrap().unwrap().len() / 8
    };
    assert_eq!((entries("0"), entries("4096"), entries("1000000")), (49, 9, 0));
}

fn a_batch_may_be_so_large() {
    let batch = record(None, &[b'x'; 1000], NOW_MS);
    let (size, less) = (batch.len().to_string(), (batch.len() - 1).to_string());
    produce(&with(&[("max.message.bytes", &size)]), &batch, NOW_MS).unwrap();
    let refused = produce(&with(&[("max.message.bytes", &less)]), &batch, NOW_MS);
    assert!(
        matches!(refused, Err(AppendError::Records(ProduceError::MessageTooLarge { .. }))),
        "{refused:?}"
    );
}

/// Records may differ from the clock by so much, in the direction of `sign`.
fn timestamps_are_within(key: &str, sign: i64) {
    let it = with(&[(key, "1000")]);
    produce(&it, &record(None, b"v", NOW_MS + sign * 1000), NOW_MS).unwrap();
    let refused = produce(&it, &record(None, b"v", NOW_MS + sign * 1001), NOW_MS);
    assert!(
        matches!(refused, Err(AppendError::Records(ProduceError::InvalidTimestamp { .. }))),
        "{key}: {refused:?}"
    );
}

fn records_bear_the_time_of_the_append() {
    let found = |kind: &str| {
        let it = with(&[("message.timestamp.type", kind)]);
        let appended = produce(&it, &record(None, b"v", NOW_MS - 5), NOW_MS).unwrap();
        let stored = stored(&it);
        let header = *BatchView::parse(&stored).unwrap().header();
        (appended.append_time_ms, header.timestamp_type(), header.max_timestamp())
    };
    assert_eq!(found("CreateTime"), (None, TimestampType::CreateTime, NOW_MS - 5));
    assert_eq!(found("LogAppendTime"), (Some(NOW_MS), TimestampType::LogAppendTime, NOW_MS));
}

fn so_many_replicas_must_be_in_sync() {
    let it = with(&[("min.insync.replicas", "2")]);
    let mut records = [topic(1, "t"), led_by(1, 0, NODE.0, 0)];
    if let MetadataRecord::Partition(record) = &mut records[1] {
        record.replicas = vec![1, 2];
        record.directories = vec![id(9); 2];
    }
    it.partition.lead_as(image(&records).partition("t", 0).unwrap());
    let batch = record(None, b"v", NOW_MS);
    let refused = produce(&it, &batch, NOW_MS);
    assert!(matches!(refused, Err(AppendError::NotEnoughReplicas { in_sync: 1, wanted: 2 })), "{refused:?}");
    let origin = Origin::Client { transactional_id: None, produce_version: 13 };
    it.partition.append(&batch, Acks::Leader, origin, NOW_MS).unwrap();
}

fn a_segment_has_its_room_at_once() {
    let disk = SimulatedDisk::new(1);
    disk.set_room(Some(3 << 20));
    let it = ByHand::on(&disk, &[("preallocate", "true"), ("segment.bytes", "2097152")]);
    disk.set_room(Some(0));
    produce(&it, &record(None, &vec![b'x'; 1_000_000], NOW_MS), NOW_MS).unwrap();
    assert_eq!(stored(&it).len(), record(None, &vec![b'x'; 1_000_000], NOW_MS).len(), "no zeros behind it");

    let disk = SimulatedDisk::new(1);
    let it = ByHand::on(&disk, &[("segment.bytes", "2097152")]);
    disk.set_room(Some(0));
    assert!(produce(&it, &record(None, b"v", NOW_MS), NOW_MS).is_err());
}

fn a_segment_becomes_so_large() {
    let segments = |bytes: &str| {
        let it = with(&[("segment.bytes", bytes)]);
        for _ in 0..4 {
            produce(&it, &record(None, &vec![b'x'; 400_000], NOW_MS), NOW_MS).unwrap();
        }
        files(&it, ".log").len()
    };
    assert_eq!((segments("1048576"), segments("2097152")), (2, 1));
}

fn a_full_index_closes_its_segment() {
    let segments = |bytes: &str| {
        let it = with(&[("segment.index.bytes", bytes), ("index.interval.bytes", "0")]);
        for _ in 0..20 {
            produce(&it, &record(None, b"v", NOW_MS), NOW_MS).unwrap();
        }
        files(&it, ".log").len()
    };
    assert!(segments("64") > 1, "{}", segments("64"));
    assert_eq!(segments("10485760"), 1);
}

fn a_segment_becomes_so_old() {
    assert_eq!(rolled_after_ms(&with(&[("segment.ms", "1000")]), 10, 100), 1100);
    assert_eq!(rolled_after_ms(&with(&[("segment.ms", "5000")]), 10, 100), 5100);
}

fn a_segment_is_closed_earlier_by_the_jitter() {
    let after = rolled_after_ms(&with(&[("segment.ms", "1000"), ("segment.jitter.ms", "900")]), 10, 10);
    assert!((100..1000).contains(&after), "{after}");
}

/// A segment of one record of `key`, a second younger than the one before; `None` deletes the key.
fn add_segment(it: &ByHand, key: &str, value: Option<&[u8]>) {
    let now_ms = NOW_MS + 1000 * it.partition.log_end_offset().0;
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None);
    builder.append(now_ms, Some(key.as_bytes()), value, &[]).unwrap();
    produce(it, &builder.finish().unwrap(), now_ms).unwrap();
    it.commit();
    // Only what the recovery point has passed is compacted.
    it.directory.checkpoint(now_ms).unwrap();
}

/// Five segments of one record each, by the clock at [`NOW_MS`] and 1, 2, 3 and 4 s later.
fn five_segments(settings: &[(&str, &str)]) -> ByHand {
    let it = with(&[settings, &[("segment.ms", "1")]].concat());
    (0..5).for_each(|_| add_segment(&it, "k", Some(b"v")));
    it
}

/// Whether the log is to be compacted so many ms after [`NOW_MS`].
fn is_due(it: &ByHand, ms: i64) -> bool {
    it.partition.cleanable(NOW_MS + ms).unwrap().is_some()
}

fn compact(it: &ByHand, ms: i64) {
    let cleanable = it.partition.cleanable(NOW_MS + ms).unwrap().expect("it is to be compacted");
    let cleaning =
        Cleaning { delete_retention_ms: 0, map_bytes: 10_000, load_factor: 0.9, buffer_bytes: 10_000 };
    it.partition.clean(&cleanable, cleaning, NOW_MS + ms, &mut |_| ControlFlow::Continue(())).unwrap();
}

fn records_wait_so_long_to_be_compacted() {
    let it = five_segments(&[("cleanup.policy", "compact"), ("min.compaction.lag.ms", "10000")]);
    assert_eq!((is_due(&it, 9_999), is_due(&it, 10_000)), (false, true));
}

fn records_wait_no_longer_to_be_compacted() {
    let never = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "1")];
    let it = five_segments(&[&never[..], &[("max.compaction.lag.ms", "10000")]].concat());
    assert_eq!((is_due(&it, 10_000), is_due(&it, 10_001)), (false, true));

    // A segment that is not closed could not be compacted.
    let segments = |policy| {
        let it = with(&[("cleanup.policy", policy), ("max.compaction.lag.ms", "999")]);
        (0..3).for_each(|_| add_segment(&it, "k", Some(b"v")));
        files(&it, ".log").len()
    };
    assert_eq!((segments("delete"), segments("compact")), (1, 3));
}

fn such_a_part_must_be_new() {
    // One segment of what is compacted, and one that is new.
    let is_due_with = |ratio: &str| {
        let it = five_segments(&[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", ratio)]);
        compact(&it, 0);
        assert!(!is_due(&it, 0));
        add_segment(&it, "k", Some(b"v"));
        is_due(&it, 0)
    };
    assert_eq!((is_due_with("0.4"), is_due_with("0.6")), (true, false));
}

fn tombstones_stay_for_the_time() {
    let it = with(&[
        ("cleanup.policy", "compact"),
        ("segment.ms", "1"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "1000"),
    ]);
    // The first compaction says until when the tombstone stays, and those after it look at that.
    let mut has_tombstone_at = |ms| {
        (0..2).for_each(|_| add_segment(&it, "another", Some(b"v")));
        compact(&it, ms);
        it.directory.remove_deleted(i64::MAX).unwrap();
        batches(&stored(&it)).any(|batch| {
            let records = batch.unwrap().records(1000).unwrap();
            records.iter().any(|record| record.unwrap().value.is_none())
        })
    };
    add_segment(&it, "k", None);
    assert_eq!([0, 999, 1000].map(&mut has_tombstone_at), [true, true, false]);
}

fn segments_go_when_they_are_so_old() {
    let it = five_segments(&[("retention.ms", "10000")]);
    let start_at = |ms| it.partition.retain(NOW_MS + ms).unwrap().log_start;
    assert_eq!([10_000, 10_001, 12_001].map(start_at), [Offset(0), Offset(1), Offset(3)]);
}

fn the_oldest_segments_go_while_the_rest_is_enough() {
    let size = stored(&five_segments(&[])).len() / 5;
    let start_with = |bytes: usize| {
        let it = five_segments(&[("retention.bytes", &bytes.to_string())]);
        it.partition.retain(NOW_MS).unwrap().log_start
    };
    assert_eq!(
        [5 * size, 3 * size, 3 * size + 1].map(start_with),
        [Offset(0), Offset(2), Offset(1)],
        "segments of {size} bytes"
    );
}
