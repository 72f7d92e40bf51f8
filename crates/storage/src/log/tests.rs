//! What one log does, on a simulated disk.

mod cleaning;
mod cut;
mod indexes;
mod kept;
mod retained;
mod stops;

use super::*;
use crate::disk::{Disk, SimulatedDisk};
use crate::error::{AppendError, ReadError};
use crate::open_files::OpenFiles;
use crate::producers::Origin;
use crate::{Cleanable, Cleaning, DirectoryOptions, LogDirectory, Wanted};
use ottla_ids::{ProducerEpoch, ProducerId};
use ottla_records::{BatchBuilder, Compression, batches};
use std::ops::ControlFlow;
use std::path::Path;

/// A log directory on a disk of its own.
struct Fixture {
    simulated: SimulatedDisk,
    directory: Arc<LogDirectory>,
    config: LogConfig,
}

const INFO: AppendInfo =
    AppendInfo { leader_epoch: LeaderEpoch(0), append_time: None, origin: Origin::Client, now_ms: 1000 };

fn partition() -> TopicPartition {
    TopicPartition::new("flights", 0)
}

fn open(simulated: &SimulatedDisk) -> Arc<LogDirectory> {
    let options = DirectoryOptions { cluster_id: Some("cluster".to_owned()), node_id: ottla_ids::NodeId(1) };
    LogDirectory::open(Disk::Simulated(simulated.clone()), Path::new("/data"), &options).unwrap()
}

impl Fixture {
    fn new(config: LogConfig) -> Fixture {
        let simulated = SimulatedDisk::new(1);
        Fixture { directory: open(&simulated), simulated, config }
    }

    fn log(&self) -> Arc<Log> {
        self.directory.open_log(&partition(), ottla_ids::Uuid::from_u128(500), self.config, 77).unwrap()
    }

    fn sync(&self) -> Vec<Synced> {
        self.directory.commit_queue().sync_waiting().unwrap()
    }

    /// Stops in order and starts again.
    fn restart(&mut self) {
        self.directory.close(3).unwrap();
        self.directory = open(&self.simulated);
    }

    /// Starts again after the power was cut.
    fn crash(&mut self) {
        self.simulated.power_cut();
        self.directory = open(&self.simulated);
    }
}

/// A batch of `count` records whose values are their place in it, with timestamps from `time` on.
fn batch(count: i32, time: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    for n in 0..count {
        builder.append(time + i64::from(n), None, Some(&[n as u8; 20]), &[]).unwrap();
    }
    builder.finish().unwrap().to_vec()
}

fn idempotent(id: i64, epoch: i16, sequence: i32, count: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None).producer(
        ProducerId(id),
        ProducerEpoch(epoch),
        sequence,
    );
    for n in 0..count {
        builder.append(1000 + i64::from(n), None, Some(b"value"), &[]).unwrap();
    }
    builder.finish().unwrap().to_vec()
}

/// Reads all in steps of `max_bytes`, as `base+count` of each batch.
fn read_all(log: &Log, from: i64, max_bytes: usize) -> String {
    let mut found = Vec::new();
    let mut at = Offset(from);
    let end = log.log_end_offset();
    while at < end {
        let read = log.read(at, max_bytes, end, true).unwrap();
        for batch in batches(&read.records.to_bytes().unwrap()) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            found.push(format!("{}+{}", batch.base_offset(), batch.record_count()));
        }
        assert!(at < read.next_offset, "a read goes on");
        at = read.next_offset;
    }
    found.join(" ")
}

#[test]
fn what_is_appended_is_read_at_the_offsets_it_got() {
    let fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    let first = log.append(&batch(3, 0), &INFO).unwrap();
    let second = log.append(&batch(2, 0), &INFO).unwrap();
    assert_eq!((first.base_offset, first.last_offset), (Offset(0), Offset(2)));
    assert_eq!((second.base_offset, second.last_offset, second.must_wait), (Offset(3), Offset(4), true));
    assert_eq!(read_all(&log, 0, 1 << 20), "0+3 3+2");
    assert_eq!(read_all(&log, 4, 1 << 20), "3+2");
}

#[test]
fn an_append_is_durable_after_a_round_of_the_commit_queue() {
    let fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    log.append(&batch(3, 0), &INFO).unwrap();
    log.append(&batch(1, 0), &INFO).unwrap();
    assert_eq!(log.durable_end(), Offset(0));
    assert_eq!(fixture.sync(), [Synced { log_tag: 77, durable_end: Offset(4) }]);
    assert_eq!(log.durable_end(), Offset(4));
    assert_eq!(fixture.sync(), []);
}

#[test]
fn a_duplicate_gets_the_offsets_of_the_original_also_after_a_restart() {
    let mut fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    log.append(&batch(7, 0), &INFO).unwrap();
    let original = log.append(&idempotent(5, 0, 0, 3), &INFO).unwrap();
    let again = log.append(&idempotent(5, 0, 0, 3), &INFO).unwrap();
    assert_eq!((again.base_offset, again.last_offset), (original.base_offset, original.last_offset));
    assert!(again.duplicate && again.must_wait);
    assert_eq!(again.append_time, Some(1002));
    fixture.sync();
    assert!(!log.append(&idempotent(5, 0, 0, 3), &INFO).unwrap().must_wait);
    fixture.restart();
    let again = fixture.log().append(&idempotent(5, 0, 0, 3), &INFO).unwrap();
    assert_eq!((again.base_offset, again.duplicate), (Offset(7), true));
    fixture.crash();
    let log = fixture.log();
    assert!(log.append(&idempotent(5, 0, 0, 3), &INFO).unwrap().duplicate);
    let gap = log.append(&idempotent(5, 0, 4, 1), &INFO).unwrap_err();
    assert!(matches!(gap, AppendError::OutOfOrderSequence { sequence: 4, last_sequence: 2, .. }), "{gap}");
    let fenced = log.append(&idempotent(5, 1, 0, 1), &INFO).and(log.append(&idempotent(5, 0, 3, 1), &INFO));
    assert!(matches!(fenced, Err(AppendError::InvalidProducerEpoch { .. })));
}

#[test]
fn the_append_time_stands_for_the_records_own() {
    let fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    let info = AppendInfo { append_time: Some(5000), ..INFO };
    let appended = log.append(&batch(2, 10), &info).unwrap();
    assert_eq!(appended.append_time, Some(5000));
    assert_eq!(read_all(&log, 0, 1000), "0+2");
    assert_eq!(log.max_timestamp().unwrap().unwrap().timestamp, 5000);
}

#[test]
fn appends_that_cannot_be_are_refused_and_leave_nothing() {
    let fixture = Fixture::new(LogConfig { segment_bytes: 500, ..LogConfig::default() });
    let log = fixture.log();
    let large = log.append(&batch(30, 0), &INFO).unwrap_err();
    assert!(matches!(large, AppendError::TooLarge { segment_bytes: 500, .. }), "{large}");
    let cut = log.append(&batch(3, 0)[..80], &INFO).unwrap_err();
    assert!(matches!(cut, AppendError::Malformed { .. }), "{cut}");
    let two = [batch(1, 0), batch(2, 0)].concat();
    assert!(matches!(log.append(&two[..two.len() - 1], &INFO), Err(AppendError::Malformed { .. })));
    log.append(&two, &INFO).unwrap();
    let info = AppendInfo { origin: Origin::Replication, ..INFO };
    let before = log.append(&batch(1, 0), &info).unwrap_err();
    let expected = Offset(3);
    assert!(matches!(before, AppendError::UnexpectedOffset { expected: e, .. } if e == expected), "{before}");
    assert_eq!(read_all(&log, 0, 1000), "0+1 1+2");
}

#[test]
fn reads_are_bounded_by_size_and_by_what_may_be_seen() {
    let fixture = Fixture::new(LogConfig { index_interval_bytes: 100, ..LogConfig::default() });
    let log = fixture.log();
    for _ in 0..20 {
        log.append(&batch(2, 0), &INFO).unwrap();
    }
    let size = batch(2, 0).len();
    let read = |from, max_bytes, end, whole| {
        let read = log.read(Offset(from), max_bytes, Offset(end), whole).unwrap();
        (read.records.size() / size, read.records.size() % size, read.next_offset.0)
    };
    assert_eq!(read(0, 1 << 20, 40, false), (20, 0, 40));
    assert_eq!(read(0, size * 3 + 5, 40, false), (3, 0, 6));
    assert_eq!(read(0, size * 3, 40, false), (3, 0, 6));
    assert_eq!(read(10, size * 100, 16, false), (3, 0, 16));
    assert_eq!(read(11, size * 100, 16, false), (3, 0, 16));
    assert_eq!(read(11, size * 100, 15, false), (2, 0, 14));
    assert_eq!(read(20, size - 1, 40, false), (0, 0, 20));
    assert_eq!(read(20, 1, 40, true), (1, 0, 22));
    assert_eq!(read(21, 1, 40, true), (1, 0, 22));
    assert_eq!(read(30, 100, 20, true), (0, 0, 30));
    assert_eq!(read(40, 100, 40, true), (0, 0, 40));
    for outside in [-1, 41] {
        let error = log.read(Offset(outside), 100, Offset(40), true).unwrap_err();
        assert!(matches!(error, ReadError::OffsetOutOfRange { log_end: Offset(40), .. }), "{error}");
    }
}

/// Appends `count` batches of two records and returns the segments' base offsets.
fn bases_after(config: LogConfig, count: i64, every_ms: i64) -> Vec<i64> {
    let fixture = Fixture::new(config);
    let log = fixture.log();
    for n in 0..count {
        let info = AppendInfo { now_ms: n * every_ms, ..INFO };
        log.append(&batch(2, n * every_ms), &info).unwrap();
    }
    assert_eq!(log.log_end_offset(), Offset(count * 2));
    assert_eq!(read_all(&log, 0, 300).split(' ').count() as i64, count);
    let view = log.view.read();
    view.segments.iter().map(|segment| segment.base.0).collect()
}

#[test]
fn a_segment_without_timestamps_ages_by_the_clock_and_any_other_by_its_records() {
    let config = LogConfig { segment_ms: 100, ..LogConfig::default() };
    // Each append by its timestamp and the clock; where the segments begin.
    let check = |appends: &[(i64, i64)]| {
        let fixture = Fixture::new(config);
        let log = fixture.log();
        for (timestamp, now_ms) in appends {
            log.append(&batch(1, *timestamp), &AppendInfo { now_ms: *now_ms, ..INFO }).unwrap();
        }
        log.view.read().segments.iter().map(|segment| segment.base.0).collect::<Vec<_>>()
    };
    assert_eq!(check(&[(-1, 1000), (-1, 1100), (-1, 1101)]), [0, 2]);
    assert_eq!(check(&[(-1, 1000), (5, 1100), (9000, 1101)]), [0, 2], "the first one has no timestamp");
    assert_eq!(check(&[(500, 1000), (-1, 9000), (600, 9000), (601, 9000)]), [0, 3]);
}

#[test]
fn what_retention_does_not_keep_goes_with_the_active_segment_and_comes_back_from_no_power_cut() {
    let config = LogConfig { segment_bytes: 300, ..LogConfig::default() };
    let mut fixture = Fixture::new(config);
    let log = fixture.log();
    for n in 0..6 {
        log.append(&batch(4, 1000 * n), &INFO).unwrap();
    }
    fixture.sync();
    let week = Retention { ms: Some(2500), bytes: None };
    let retained = log.retain(&week, Offset(24), 5003).unwrap();
    assert_eq!((retained.deleted_segments > 0, retained.log_start), (true, log.log_start_offset()));
    let kept = log.log_start_offset();
    assert!(log.read(Offset(0), 100, Offset(24), true).is_err());
    assert_eq!(read_all(&log, kept.0, 1000).split_whitespace().count() as i64 * 4, 24 - kept.0);

    // Nothing of it is committed: it stays.
    assert_eq!(log.retain(&week, kept, 99_000).unwrap().deleted_segments, 0);
    log.retain(&week, Offset(24), 99_000).unwrap();
    assert_eq!(
        (log.log_start_offset(), log.log_end_offset(), log.segment_count()),
        (Offset(24), Offset(24), 1)
    );
    log.append(&batch(1, 99_000), &INFO).unwrap();
    fixture.sync();
    fixture.crash();
    let log = fixture.log();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(24), Offset(25)));
    assert_eq!(read_all(&log, 24, 1000), "24+1");
}

#[test]
fn a_deleted_segment_can_be_read_until_its_files_are_removed() {
    let fixture =
        Fixture::new(LogConfig { segment_bytes: 300, file_delete_delay_ms: 10, ..LogConfig::default() });
    let log = fixture.log();
    for n in 0..4 {
        log.append(&batch(4, n), &INFO).unwrap();
    }
    let first = Arc::clone(&log.view.read().segments[0]);
    first.close_file();
    log.delete_records(Offset(16), 1000).unwrap();
    assert!(first.path().to_string_lossy().ends_with(".log.deleted"));
    assert!(first.find(Offset(1), first.size().unwrap()).unwrap().is_some());
    first.close_file();
    assert_eq!(fixture.directory.remove_deleted(1009).unwrap(), 0);
    assert!(fixture.directory.remove_deleted(1010).unwrap() > 0);
    assert!(first.file().is_err());
}

#[test]
fn segments_roll_by_size_time_and_full_indexes() {
    let size = batch(2, 0).len() as u32;
    let config = LogConfig::default();
    assert_eq!(bases_after(LogConfig { segment_bytes: size * 3, ..config }, 7, 0), [0, 6, 12]);
    assert_eq!(bases_after(LogConfig { segment_ms: 100, ..config }, 7, 40), [0, 6, 12]);
    // Two entries of 12 bytes in the time index, of which one is kept for the last.
    let index = LogConfig { segment_index_bytes: 36, index_interval_bytes: 0, ..config };
    assert_eq!(bases_after(index, 7, 40), [0, 6, 12]);
    assert_eq!(bases_after(config, 7, 40), [0]);
}

#[test]
fn offsets_too_far_for_the_indexes_begin_a_segment() {
    let mut fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    let info = AppendInfo { origin: Origin::Replication, ..INFO };
    for offset in [0, i64::from(i32::MAX), i64::from(i32::MAX) + 1, 1 << 40] {
        let mut builder = BatchBuilder::new(Offset(offset), Compression::None).leader_epoch(LeaderEpoch(3));
        builder.append(5, None, None, &[]).unwrap();
        log.append(&builder.finish().unwrap(), &info).unwrap();
    }
    let all = "0+1 2147483647+1 2147483648+1 1099511627776+1";
    assert_eq!(read_all(&log, 0, 1 << 20), all);
    assert_eq!(log.segment_count(), 3);
    fixture.sync();
    fixture.crash();
    assert_eq!(read_all(&fixture.log(), 0, 1 << 20), all);
}

#[test]
fn after_a_stop_in_order_nothing_is_checked_and_all_is_there() {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 1000, ..LogConfig::default() });
    let log = fixture.log();
    for n in 0..20 {
        log.append(&batch(2, n * 10), &INFO).unwrap();
    }
    let before = read_all(&log, 0, 300);
    fixture.restart();
    assert!(fixture.directory.was_clean());
    let log = fixture.log();
    assert_eq!(*log.recovery(), Recovery::default());
    assert_eq!((log.log_end_offset(), log.durable_end()), (Offset(40), Offset(40)));
    assert_eq!(read_all(&log, 0, 300), before);
    assert_eq!(log.append(&batch(1, 0), &INFO).unwrap().base_offset, Offset(40));
    fixture.crash();
    assert!(!fixture.directory.was_clean());
    assert!(read_all(&fixture.log(), 0, 300).starts_with(&before));
}

#[test]
fn damage_behind_the_recovery_point_is_cut_and_before_it_reported() {
    let mut fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    for _ in 0..3 {
        log.append(&batch(2, 0), &INFO).unwrap();
    }
    fixture.directory.checkpoint(i64::MAX).unwrap();
    assert_eq!(log.recovery_point(), Offset(6));
    log.append(&batch(2, 0), &INFO).unwrap();
    fixture.sync();
    let size = batch(2, 0).len();
    let path = Path::new("/data/flights-0/00000000000000000000.log");
    fixture.simulated.flip_bit(path, size * 3 + 70).unwrap();
    fixture.crash();
    let log = fixture.log();
    assert_eq!(log.recovery().cut_bytes, size as u64);
    assert_eq!(read_all(&log, 0, 1000), "0+2 2+2 4+2");

    // Below the recovery point the records are not read at all after a crash, but a walk over them tells.
    fixture.simulated.flip_bit(path, size * 2 + 8).unwrap();
    fixture.crash();
    let id = ottla_ids::Uuid::from_u128(500);
    let error = fixture.directory.open_log(&partition(), id, fixture.config, 0).unwrap_err();
    let StorageError::Corrupt { path: named, position, offset, .. } = &error else { panic!("{error}") };
    assert_eq!((named.as_path(), *position, *offset), (path, size as u64 * 2, Offset(4)));
    assert_eq!(fixture.directory.offline_reason(), None);
}

#[test]
fn recovery_begins_at_the_recovery_point() {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 100_000, ..LogConfig::default() });
    let log = fixture.log();
    for _ in 0..500 {
        log.append(&batch(5, 0), &INFO).unwrap();
    }
    assert_eq!(fixture.directory.checkpoint(0).unwrap(), 0);
    assert_eq!(fixture.directory.checkpoint(INFO.now_ms + crate::RECOVERY_POINT_INTERVAL_MS).unwrap(), 1);
    assert_eq!(fixture.directory.unrecoverable_bytes(), 0);
    log.append(&batch(5, 0), &INFO).unwrap();
    fixture.sync();
    fixture.crash();
    let log = fixture.log();
    assert_eq!(log.log_end_offset(), Offset(2505));
    // What follows the last index entry is walked too.
    assert!(log.recovery().checked_bytes < 6000, "{:?}", log.recovery());
}

#[test]
fn a_full_disk_refuses_appends_until_there_is_room() {
    let fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    log.append(&batch(2, 0), &INFO).unwrap();
    fixture.sync();
    fixture.simulated.set_room(Some(50));
    let error = log.append(&batch(2, 0), &INFO).unwrap_err();
    assert!(matches!(&error, AppendError::Storage(error) if error.is_disk_full()), "{error}");
    assert_eq!(read_all(&log, 0, 1000), "0+2");
    assert_eq!(log.size().unwrap(), batch(2, 0).len() as u64);
    fixture.simulated.set_room(None);
    log.append(&batch(3, 0), &INFO).unwrap();
    assert_eq!(read_all(&log, 0, 1000), "0+2 2+3");
}

#[test]
fn records_are_deleted_on_a_disk_that_is_full_to_the_last_byte() {
    let fixture = Fixture::new(LogConfig { segment_bytes: 500, ..LogConfig::default() });
    let log = fixture.log();
    for _ in 0..10 {
        log.append(&batch(1, 0), &INFO).unwrap();
    }
    fixture.sync();
    fixture.directory.checkpoint(0).unwrap();
    fixture.simulated.set_room(Some(0));
    let refused = log.delete_records(Offset(5), 0).unwrap_err();
    assert!(refused.is_disk_full(), "{refused}");
    assert_eq!(log.log_start_offset(), Offset(0));

    fixture.simulated.set_room(None);
    fixture.directory.keep_ballast().unwrap();
    fixture.simulated.set_room(Some(0));
    assert_eq!(log.delete_records(Offset(5), 0).unwrap(), Offset(5));
    assert!(fixture.directory.remove_deleted(i64::MAX).unwrap() > 0);
    let free = fixture.directory.space().unwrap().usable_bytes;
    assert!(free > crate::BALLAST_BYTES_MAX, "{free}: segments went");
    log.append(&batch(1, 0), &INFO).unwrap();
}

#[test]
fn a_read_that_the_disk_refuses_takes_the_directory_offline() {
    type Read = fn(&Log) -> bool;
    let reads: [Read; 4] = [
        |log| log.read(Offset(0), 1000, Offset(2), true).is_err(),
        |log| log.offset_for_timestamp(0).is_err(),
        |log| log.max_timestamp().is_err(),
        |log| {
            let cleanable = Cleanable { first_uncleanable: Offset(2), ..Cleanable::default() };
            let cleaning =
                Cleaning { delete_retention_ms: 0, map_bytes: 1000, load_factor: 0.9, buffer_bytes: 1000 };
            log.clean(&cleanable, &cleaning, 0, &mut |_| ControlFlow::Continue(())).is_err()
        },
    ];
    for read in reads {
        let mut fixture = Fixture::new(LogConfig::default());
        let log = fixture.log();
        log.append(&batch(2, 0), &INFO).unwrap();
        log.roll().unwrap();
        fixture.sync();
        drop(log);
        // Nothing of it is in memory.
        fixture.restart();
        let log = fixture.log();
        // A file that is not there concerns one log; so does what passes.
        for passing in [std::io::ErrorKind::NotFound, std::io::ErrorKind::OutOfMemory] {
            fixture.simulated.fail_reads(Some(passing));
            read(&log);
            assert_eq!(fixture.directory.offline_reason(), None, "{passing}");
        }
        fixture.simulated.fail_reads(Some(std::io::ErrorKind::Other));
        assert!(read(&log));
        assert!(fixture.directory.offline_reason().is_some());
        fixture.simulated.fail_reads(None);
        let refused = log.append(&batch(2, 0), &INFO).unwrap_err();
        assert!(matches!(refused, AppendError::Storage(StorageError::Offline { .. })), "{refused}");
    }
}

#[test]
fn a_range_that_could_not_be_sent_takes_the_directory_offline() {
    let folder = tempfile::tempdir().unwrap();
    let options = DirectoryOptions { cluster_id: Some("cluster".to_owned()), node_id: ottla_ids::NodeId(1) };
    let directory = LogDirectory::open(Disk::Real, folder.path(), &options).unwrap();
    let id = ottla_ids::Uuid::from_u128(500);
    let log = directory.open_log(&partition(), id, LogConfig::default(), 77).unwrap();
    log.append(&batch(2, 0), &INFO).unwrap();
    let read = log.read(Offset(0), 1000, log.log_end_offset(), true).unwrap();
    let RecordRange::File(range) = read.records else { panic!("it is not in a file") };
    range.refused(std::io::ErrorKind::OutOfMemory.into());
    assert_eq!(directory.offline_reason(), None, "it passes");
    range.refused(std::io::Error::from_raw_os_error(5));
    let reason = directory.offline_reason().unwrap();
    assert!(reason.contains("00000000000000000000.log"), "{reason}");
}

#[test]
fn a_failed_write_or_sync_takes_the_directory_offline_for_good() {
    for fail_sync in [false, true] {
        let fixture = Fixture::new(LogConfig::default());
        let log = fixture.log();
        log.append(&batch(2, 0), &INFO).unwrap();
        let error = Some(std::io::ErrorKind::Other);
        if fail_sync {
            fixture.simulated.fail_syncs(error);
            assert!(fixture.directory.commit_queue().sync_waiting().is_err());
        } else {
            fixture.simulated.fail_writes(error);
            assert!(log.append(&batch(2, 0), &INFO).is_err());
        }
        fixture.simulated.fail_syncs(None);
        fixture.simulated.fail_writes(None);
        assert!(fixture.directory.offline_reason().is_some());
        assert_eq!(log.durable_end(), Offset(0));
        let refused = log.append(&batch(2, 0), &INFO).unwrap_err();
        assert!(matches!(refused, AppendError::Storage(StorageError::Offline { .. })), "{refused}");
        assert!(fixture.directory.commit_queue().sync_waiting().is_err());
        assert!(fixture.directory.checkpoint(0).is_err());
        assert!(fixture.directory.write_high_watermarks([(partition(), Offset(2))]).is_err());
        assert!(fixture.directory.close(0).is_err());
    }
}

#[test]
fn with_a_larger_flush_interval_appends_count_at_once_and_are_synced_by_number_or_time() {
    let fixture = Fixture::new(LogConfig { flush_messages: 5, flush_ms: 100, ..LogConfig::default() });
    let log = fixture.log();
    assert!(!log.append(&batch(3, 0), &INFO).unwrap().must_wait);
    assert_eq!(log.durable_end(), Offset(3));
    let syncs = fixture.simulated.syncs();
    fixture.sync();
    assert_eq!(fixture.simulated.syncs(), syncs);
    log.append(&batch(3, 0), &INFO).unwrap();
    fixture.sync();
    assert!(syncs < fixture.simulated.syncs());
    log.append(&batch(1, 0), &INFO).unwrap();
    let syncs = fixture.simulated.syncs();
    for (now_ms, is_due) in [(INFO.now_ms + 99, false), (INFO.now_ms + 100, true)] {
        fixture.directory.checkpoint(now_ms).unwrap();
        fixture.sync();
        assert_eq!(syncs < fixture.simulated.syncs(), is_due, "{now_ms}");
    }
}

#[test]
fn many_new_partitions_cost_no_sync_before_their_first_append() {
    let fixture = Fixture::new(LogConfig::default());
    let syncs = fixture.simulated.syncs();
    let open = |n| {
        let partition = TopicPartition::new("many", n);
        fixture.directory.open_log(&partition, ottla_ids::Uuid::from_u128(7), fixture.config, 0).unwrap()
    };
    let logs: Vec<_> = (0..50).map(open).collect();
    assert_eq!(fixture.simulated.syncs(), syncs);
    logs[3].append(&batch(1, 0), &INFO).unwrap();
    fixture.sync();
    // Records, partition.metadata, the folder, the directory.
    assert_eq!(fixture.simulated.syncs(), syncs + 4);
    logs[3].append(&batch(1, 0), &INFO).unwrap();
    fixture.sync();
    assert_eq!(fixture.simulated.syncs(), syncs + 5);
}

#[test]
fn deleted_records_are_gone_and_their_segments_removed_later() {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 300, ..LogConfig::default() });
    let log = fixture.log();
    for _ in 0..10 {
        log.append(&batch(2, 0), &INFO).unwrap();
    }
    fixture.sync();
    let (segments, size) = (log.segment_count(), log.size().unwrap());
    assert_eq!(log.delete_records(Offset(9), 1000).unwrap(), Offset(9));
    assert!(log.segment_count() < segments && log.size().unwrap() < size);
    assert!(matches!(log.read(Offset(8), 100, Offset(20), true), Err(ReadError::OffsetOutOfRange { .. })));
    assert_eq!(read_all(&log, 9, 1000), "8+2 10+2 12+2 14+2 16+2 18+2");
    assert_eq!(fixture.directory.remove_deleted(1000).unwrap(), 0);
    assert!(0 < fixture.directory.remove_deleted(1000 + 60_000).unwrap());
    fixture.crash();
    let log = fixture.log();
    assert_eq!(log.log_start_offset(), Offset(9));
    assert_eq!(log.delete_records(Offset(99), 0).unwrap(), Offset(20));
    assert_eq!(log.delete_records(Offset(3), 0).unwrap(), Offset(20));
    assert_eq!(log.append(&batch(1, 0), &INFO).unwrap().base_offset, Offset(20));
}

#[test]
fn a_log_is_cut_at_whole_batches_with_its_epochs() {
    let mut fixture = Fixture::new(LogConfig { segment_bytes: 300, ..LogConfig::default() });
    let log = fixture.log();
    for n in 0..10 {
        let info = AppendInfo { leader_epoch: LeaderEpoch(n / 4), ..INFO };
        log.append(&batch(2, 0), &info).unwrap();
    }
    fixture.sync();
    let end =
        |log: &Log, epoch| log.end_offset_for_epoch(LeaderEpoch(epoch)).unwrap().map(|(e, o)| (e.0, o.0));
    assert_eq!((end(&log, 0), end(&log, 2), end(&log, 3)), (Some((0, 8)), Some((2, 20)), None));
    assert_eq!(log.truncate_to(Offset(15)).unwrap(), Offset(14));
    assert_eq!(log.durable_end(), Offset(14));
    assert_eq!((end(&log, 1), end(&log, 2)), (Some((1, 14)), None));
    log.append(&batch(1, 0), &AppendInfo { leader_epoch: LeaderEpoch(7), ..INFO }).unwrap();
    fixture.sync();
    fixture.crash();
    let log = fixture.log();
    assert_eq!(read_all(&log, 0, 1000), "0+2 2+2 4+2 6+2 8+2 10+2 12+2 14+1");
    assert_eq!((end(&log, 1), end(&log, 7)), (Some((1, 14)), Some((7, 15))));

    log.truncate_fully_and_start_at(Offset(100)).unwrap();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(100), Offset(100)));
    assert_eq!(log.append(&batch(2, 0), &INFO).unwrap().base_offset, Offset(100));
    fixture.sync();
    fixture.crash();
    assert_eq!(read_all(&fixture.log(), 100, 1000), "100+2");
}

#[test]
fn a_topic_deleted_and_created_again_begins_anew() {
    let mut fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    log.append(&batch(2, 0), &INFO).unwrap();
    fixture.sync();
    log.delete_records(Offset(1), 0).unwrap();
    fixture.directory.checkpoint(i64::MAX).unwrap();
    fixture.directory.delete_log(&partition(), 1001).unwrap();
    assert!(matches!(
        log.append(&batch(2, 0), &INFO),
        Err(AppendError::Storage(StorageError::Closed { .. }))
    ));
    let other = ottla_ids::Uuid::from_u128(501);
    let again = fixture.directory.open_log(&partition(), other, fixture.config, 78).unwrap();
    assert_eq!(again.append(&batch(1, 0), &INFO).unwrap().base_offset, Offset(0));
    fixture.sync();
    assert_eq!(fixture.directory.remove_deleted(1000).unwrap(), 0);
    fixture.crash();
    assert_eq!(fixture.directory.remove_deleted(0).unwrap(), 1);
    let id = ottla_ids::Uuid::from_u128(500);
    let error = fixture.directory.open_log(&partition(), id, fixture.config, 0).unwrap_err();
    assert!(matches!(error, StorageError::TopicIdMismatch { found, .. } if found == other), "{error}");
    assert_eq!(fixture.directory.topic_id(&partition()).unwrap(), Some(other));
    fixture.directory.set_aside_stray(&partition()).unwrap();
    assert_eq!(fixture.directory.partitions().unwrap(), []);
    assert_eq!(fixture.log().log_end_offset(), Offset(0));
}

#[test]
fn records_are_found_by_time() {
    let fixture =
        Fixture::new(LogConfig { segment_bytes: 300, index_interval_bytes: 0, ..LogConfig::default() });
    let log = fixture.log();
    assert_eq!((log.offset_for_timestamp(0).unwrap(), log.max_timestamp().unwrap()), (None, None));
    for time in [100, 300, 200, 400, 400] {
        log.append(&batch(2, time), &INFO).unwrap();
    }
    let find = |time| log.offset_for_timestamp(time).unwrap().map(|found| (found.timestamp, found.offset.0));
    assert_eq!(find(0), Some((100, 0)));
    assert_eq!(find(101), Some((101, 1)));
    assert_eq!(find(102), Some((300, 2)));
    assert_eq!(find(302), Some((400, 6)));
    assert_eq!(find(401), Some((401, 7)));
    assert_eq!(find(402), None);
    let max = log.max_timestamp().unwrap().unwrap();
    assert_eq!((max.timestamp, max.offset, max.leader_epoch), (401, Offset(7), LeaderEpoch(0)));
    log.delete_records(Offset(9), 0).unwrap();
    assert_eq!(find(0), Some((401, 9)));
}

/// The records before the log's start are in the file still, in the batch that they share with live ones.
#[test]
fn the_greatest_timestamp_is_that_of_a_live_record() {
    for (times, expected) in [([1, 2, 3, 4, 5], (5, 4)), ([5, 1, 4, 2, 3], (4, 2)), ([9, 8, 1, 1, 1], (1, 2))]
    {
        let fixture = Fixture::new(LogConfig::default());
        let log = fixture.log();
        let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None);
        for time in times {
            builder.append(time, None, Some(b"value"), &[]).unwrap();
        }
        log.append(&builder.finish().unwrap(), &INFO).unwrap();
        log.delete_records(Offset(2), 0).unwrap();
        let max = log.max_timestamp().unwrap().unwrap();
        assert_eq!((max.timestamp, max.offset.0), expected, "{times:?}");
    }
}

#[test]
fn missing_and_damaged_indexes_are_made_anew() {
    let mut fixture =
        Fixture::new(LogConfig { segment_bytes: 3000, index_interval_bytes: 200, ..LogConfig::default() });
    let log = fixture.log();
    for n in 0..60 {
        log.append(&batch(2, n * 10), &INFO).unwrap();
    }
    let (all, found) = (read_all(&log, 0, 300), log.offset_for_timestamp(300).unwrap());
    for (n, damage) in ["remove", "cut", "flip"].into_iter().enumerate() {
        fixture.restart();
        let disk = Disk::Simulated(fixture.simulated.clone());
        let names = disk.list(Path::new("/data/flights-0")).unwrap();
        for name in names.iter().filter(|entry| entry.name.ends_with("index")) {
            let path = Path::new("/data/flights-0").join(&name.name);
            match damage {
                "remove" => disk.remove_file(&path).unwrap(),
                "cut" => disk.open(&path).unwrap().set_size(7).unwrap(),
                _ => (0..40).for_each(|at| fixture.simulated.flip_bit(&path, at * 3 + n).unwrap()),
            }
        }
        let log = fixture.log();
        assert_eq!(read_all(&log, 0, 300), all, "{damage}");
        assert_eq!(log.offset_for_timestamp(300).unwrap(), found, "{damage}");
        for offset in 0..120 {
            assert!(!log.read(Offset(offset), 1, Offset(120), true).unwrap().records.is_empty());
        }
    }
}

#[test]
fn files_that_are_not_the_logs_are_left_alone() {
    let mut fixture = Fixture::new(LogConfig::default());
    let id = ottla_ids::Uuid::METADATA_TOPIC;
    let partition = TopicPartition::new("__cluster_metadata", 0);
    let open = |fixture: &Fixture| fixture.directory.open_log(&partition, id, fixture.config, 0).unwrap();
    open(&fixture).append(&batch(2, 0), &INFO).unwrap();
    fixture.sync();
    let disk = Disk::Simulated(fixture.simulated.clone());
    let folder = Path::new("/data/__cluster_metadata-0");
    let names = [
        "quorum-state",
        "00000000000000000002-0000000001.checkpoint",
        "00000000000000000002-0000000001.checkpoint.deleted",
        "00000000000000000000.log.mine",
        "123.log",
        "notes",
    ];
    for name in names {
        disk.create(&folder.join(name)).unwrap().sync().unwrap();
    }
    disk.create(&folder.join("00000000000000000009.index")).unwrap();
    disk.create(&folder.join("00000000000000000009.log.deleted")).unwrap();
    disk.sync_folder(folder).unwrap();
    fixture.crash();
    let log = open(&fixture);
    log.truncate_to(Offset(0)).unwrap();
    let left: Vec<String> = disk.list(folder).unwrap().into_iter().map(|entry| entry.name).collect();
    assert!(names.iter().all(|name| left.iter().any(|other| other == name)), "{left:?}");
    assert!(!left.iter().any(|name| name.starts_with("00000000000000000009.")), "{left:?}");
    assert_eq!(fixture.directory.partitions().unwrap(), [partition]);
}

#[test]
fn an_interrupted_replacement_of_segments_is_completed_or_taken_back() {
    let disk_of = |fixture: &Fixture| Disk::Simulated(fixture.simulated.clone());
    let folder = Path::new("/data/flights-0");
    for is_ready in [true, false] {
        let mut fixture = Fixture::new(LogConfig { segment_bytes: 300, ..LogConfig::default() });
        let log = fixture.log();
        for _ in 0..6 {
            log.append(&batch(2, 0), &INFO).unwrap();
        }
        assert_eq!(log.segment_count(), 3);
        fixture.restart();
        let disk = disk_of(&fixture);
        // The first two segments, of two batches each, as cleaned into one of two batches.
        let mut builder = BatchBuilder::new(Offset(0), Compression::None).leader_epoch(LeaderEpoch(0));
        builder.append(1, None, None, &[]).unwrap();
        let mut content = builder.finish().unwrap().to_vec();
        let mut builder = BatchBuilder::new(Offset(6), Compression::None).leader_epoch(LeaderEpoch(0));
        builder.append(1, None, None, &[]).unwrap();
        builder.append(1, None, None, &[]).unwrap();
        content.extend(builder.finish().unwrap());
        let file = disk.create(&folder.join("00000000000000000000.log.swap")).unwrap();
        file.write_all_at(&mut [std::io::IoSlice::new(&content)], 0).unwrap();
        file.sync().unwrap();
        if !is_ready {
            disk.create(&folder.join("00000000000000000000.index.cleaned")).unwrap();
        }
        disk.sync_folder(folder).unwrap();
        fixture.crash();
        let log = fixture.log();
        let expected = if is_ready { "0+1 6+2 8+2 10+2" } else { "0+2 2+2 4+2 6+2 8+2 10+2" };
        assert_eq!(read_all(&log, 0, 1000), expected);
    }
}

#[test]
fn high_watermarks_come_back() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.directory.write_high_watermarks([(partition(), Offset(7))]).unwrap();
    fixture.crash();
    assert_eq!(fixture.directory.high_watermark(&partition()), Some(Offset(7)));
    let other = TopicPartition::new("other", 0);
    assert_eq!(fixture.directory.high_watermark(&other), None);
    // What is not named stays.
    fixture.directory.write_high_watermarks([(other.clone(), Offset(9))]).unwrap();
    fixture.crash();
    assert_eq!(fixture.directory.high_watermark(&partition()), Some(Offset(7)));
    assert_eq!(fixture.directory.high_watermark(&other), Some(Offset(9)));
}

#[test]
fn a_directory_of_another_cluster_or_node_or_process_is_refused() {
    let mut fixture = Fixture::new(LogConfig::default());
    let disk = Disk::Simulated(fixture.simulated.clone());
    let open = |cluster_id: Option<&str>, node, path: &str| {
        let options =
            DirectoryOptions { cluster_id: cluster_id.map(str::to_owned), node_id: ottla_ids::NodeId(node) };
        LogDirectory::open(disk.clone(), Path::new(path), &options)
    };
    assert!(matches!(open(None, 1, "/data"), Err(StorageError::Locked { .. })));
    let id = fixture.directory.id();
    fixture.directory.close(-1).unwrap();
    let marker = Disk::Simulated(fixture.simulated.clone()).read(Path::new("/data/.kafka_cleanshutdown"));
    assert_eq!(marker.unwrap().unwrap(), br#"{"version":0,"brokerEpoch":-1}"#);
    assert!(matches!(open(Some("another"), 1, "/data"), Err(StorageError::WrongCluster { .. })));
    assert!(matches!(open(Some("cluster"), 2, "/data"), Err(StorageError::WrongNode { found: 1, .. })));
    assert!(matches!(open(None, 1, "/empty"), Err(StorageError::NotFormatted { .. })));
    fixture.directory = open(None, 1, "/data").unwrap();
    assert_eq!(fixture.directory.id(), id);
    assert!(fixture.directory.was_clean());
}

#[test]
fn a_preallocated_segment_has_its_room_before_its_records_come() {
    let config = LogConfig { preallocate: true, segment_bytes: 500, ..LogConfig::default() };
    let fixture = Fixture::new(config);
    fixture.simulated.set_room(Some(4000));
    let log = fixture.log();
    log.append(&batch(1, 0), &INFO).unwrap();
    // The rest of the disk is taken by others: the segment fills up all the same.
    fixture.simulated.set_room(Some(0));
    let mut records = 1;
    let refused = loop {
        match log.append(&batch(1, 0), &INFO) {
            Ok(_) => records += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::Storage(StorageError::DiskFull { .. })), "{refused:?}");
    assert!(records > 3 && log.log_end_offset() == Offset(records), "{records}");
    assert_eq!(
        log.read(Offset(0), 10_000, Offset(records), true).unwrap().records.size(),
        records as usize * batch(1, 0).len()
    );

    // Where there is room again, the next segment takes its own, and the one before gives back what it had left.
    fixture.simulated.set_room(Some(4000));
    log.append(&batch(1, 0), &INFO).unwrap();
    assert_eq!(log.log_end_offset(), Offset(records + 1));
}

#[test]
fn what_was_preallocated_is_no_part_of_the_log_after_a_crash_or_a_stop() {
    let config = LogConfig { preallocate: true, segment_bytes: 500, ..LogConfig::default() };
    let mut fixture = Fixture::new(config);
    let log = fixture.log();
    for _ in 0..10 {
        log.append(&batch(1, 0), &INFO).unwrap();
    }
    fixture.sync();
    drop(log);
    fixture.crash();
    let log = fixture.log();
    assert_eq!((log.log_end_offset(), log.recovery().cut_bytes), (Offset(10), 0));
    log.append(&batch(1, 0), &INFO).unwrap();
    drop(log);
    fixture.restart();
    let log = fixture.log();
    log.append(&batch(1, 0), &INFO).unwrap();
    assert_eq!(log.log_end_offset(), Offset(12));
}

#[test]
fn preallocation_takes_blocks_of_a_real_disk_and_gives_them_back() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let options = DirectoryOptions { cluster_id: Some("cluster".to_owned()), node_id: ottla_ids::NodeId(1) };
    let directory = LogDirectory::open(Disk::Real, folder.path(), &options).unwrap();
    let config = LogConfig { preallocate: true, segment_bytes: 1 << 20, ..LogConfig::default() };
    let log = directory.open_log(&partition(), ottla_ids::Uuid::from_u128(500), config, 77).unwrap();
    let bytes = |base: i64| {
        let file = folder.path().join(partition().to_string()).join(format!("{base:020}.log"));
        let file = std::fs::metadata(file).unwrap();
        (file.len(), file.blocks() * 512)
    };
    let size = batch(1, 0).len() as u64;
    log.append(&batch(1, 0), &INFO).unwrap();
    let (length, taken) = bytes(0);
    assert_eq!(length, size, "readers and other tools see the records only");
    if taken < 1 << 20 {
        eprintln!("the file system of {} reserves nothing: not tested", folder.path().display());
        return;
    }
    log.roll().unwrap();
    assert!(bytes(0).1 < 1 << 16, "{:?}", bytes(0));
    assert!(1 << 20 <= bytes(1).1);
    log.append(&batch(1, 0), &INFO).unwrap();
    drop(log);
    directory.close(3).unwrap();
    assert!(bytes(1).1 < 1 << 16, "{:?}", bytes(1));
}

#[test]
fn thousands_of_logs_are_used_through_few_open_files() {
    const LOGS: i32 = 5_000;
    let simulated = SimulatedDisk::new(3);
    let files = Arc::new(OpenFiles::new(128));
    let start = || {
        let directory = open(&simulated);
        directory.hold_files_in(&files);
        let wanted: Vec<Wanted> = (0..LOGS)
            .map(|index| Wanted {
                partition: TopicPartition::new("t", index),
                topic_id: ottla_ids::Uuid::from_u128(1),
                config: LogConfig::default(),
                tag: index as u64,
            })
            .collect();
        let logs: Vec<Arc<Log>> = directory.open_logs(&wanted).into_iter().map(Result::unwrap).collect();
        (directory, logs)
    };
    let (directory, logs) = start();
    std::thread::scope(|scope| {
        for first in 0..3 {
            let (logs, files) = (&logs, &files);
            scope.spawn(move || {
                for log in logs.iter().skip(first * 700).chain(&logs[..first * 700]) {
                    log.append(&batch(1, 0), &INFO).unwrap();
                    let end = log.log_end_offset();
                    assert!(log.read(Offset::ZERO, 1 << 20, end, true).unwrap().records.size() > 0);
                    if log.tag() % 16 == 0 {
                        assert!(files.count() <= files.held_max());
                    }
                }
            });
        }
    });
    assert!(logs.iter().all(|log| log.log_end_offset() == Offset(3)));
    directory.close(1).unwrap();
    assert!(files.count() <= files.held_max());
    drop((directory, logs));

    let (directory, logs) = start();
    assert!(directory.was_clean());
    assert_eq!(files.count(), 0, "a log that nobody used since a clean start holds no file");
    assert!(logs[77].read(Offset::ZERO, 1 << 20, Offset(3), true).unwrap().records.size() > 0);
    assert_eq!(files.count(), 1);
}

/// Opens partitions 0 to 39 of one topic together.
fn open_forty(directory: &LogDirectory) -> Vec<Arc<Log>> {
    let wanted: Vec<Wanted> = (0..40)
        .map(|index| Wanted {
            partition: TopicPartition::new("t", index),
            topic_id: ottla_ids::Uuid::from_u128(1),
            config: LogConfig::default(),
            tag: index as u64,
        })
        .collect();
    directory.open_logs(&wanted).into_iter().map(Result::unwrap).collect()
}

#[test]
fn many_new_logs_are_made_durable_by_one_sync_before_they_are_used() {
    let mut fixture = Fixture::new(LogConfig::default());
    let logs = open_forty(&fixture.directory);
    assert!(logs.iter().all(|log| log.is_new()));
    // The first look sees that they have come, the second that no more do.
    fixture.directory.checkpoint(1000).unwrap();
    assert!(logs.iter().all(|log| log.is_new()));
    fixture.directory.checkpoint(1100).unwrap();
    assert!(logs.iter().all(|log| !log.is_new()));
    assert_eq!(logs[7].plan_sync().unwrap().names, None);
    let syncs = fixture.simulated.syncs();
    fixture.directory.checkpoint(1200).unwrap();
    assert_eq!(fixture.simulated.syncs(), syncs, "once");
    fixture.crash();
    assert_eq!(fixture.directory.partitions().unwrap().len(), 40);
}

#[test]
fn recovery_points_of_thousands_of_logs_advance_by_and_by() {
    let mut fixture = Fixture::new(LogConfig::default());
    let count = crate::ADVANCES_MAX + 20;
    let wanted: Vec<Wanted> = (0..count as i32)
        .map(|index| Wanted {
            partition: TopicPartition::new("t", index),
            topic_id: ottla_ids::Uuid::from_u128(1),
            config: fixture.config,
            tag: 0,
        })
        .collect();
    let logs: Vec<Arc<Log>> =
        fixture.directory.open_logs(&wanted).into_iter().map(|log| log.unwrap()).collect();
    for (number, log) in logs.iter().enumerate() {
        // The first twenty are the youngest.
        let now_ms = if number < 20 { 1001 } else { 1000 };
        log.append(&batch(1, 0), &AppendInfo { now_ms, ..INFO }).unwrap();
    }
    fixture.sync();
    let due = 1001 + crate::RECOVERY_POINT_INTERVAL_MS;
    assert_eq!(fixture.directory.checkpoint(due).unwrap(), crate::ADVANCES_MAX);
    let is_behind = |log: &Arc<Log>| log.recovery_point() < log.log_end_offset();
    assert!(logs.iter().enumerate().all(|(number, log)| is_behind(log) == (number < 20)));
    assert_eq!(fixture.directory.checkpoint(due).unwrap(), 20);
    assert_eq!(fixture.directory.checkpoint(due).unwrap(), 0);
    drop(logs);
    fixture.crash();
    let wanted = &wanted[count - 1];
    let log = fixture.directory.open_log(&wanted.partition, wanted.topic_id, wanted.config, 0).unwrap();
    assert_eq!((log.log_end_offset(), log.recovery().cut_bytes), (Offset(1), 0));
}

#[test]
fn only_what_waits_for_its_time_is_urgent() {
    let by_time = LogConfig { flush_messages: i64::MAX, flush_ms: 500, ..LogConfig::default() };
    for (config, waits) in [(LogConfig::default(), false), (by_time, true)] {
        let fixture = Fixture::new(config);
        let log = fixture.log();
        let is_urgent = || fixture.directory.is_checkpoint_urgent();
        assert!(!is_urgent());
        log.append(&batch(1, 0), &INFO).unwrap();
        assert_eq!(is_urgent(), waits);
        fixture.directory.checkpoint(INFO.now_ms + 100).unwrap();
        assert_eq!(is_urgent(), waits, "it waits still");
        fixture.directory.checkpoint(INFO.now_ms + 500).unwrap();
        fixture.sync();
        fixture.directory.checkpoint(INFO.now_ms + 600).unwrap();
        assert!(!is_urgent());
    }
    // New logs are settled soon.
    let fixture = Fixture::new(LogConfig::default());
    let _logs = open_forty(&fixture.directory);
    assert!(fixture.directory.is_checkpoint_urgent());
}

#[test]
fn what_a_killed_process_left_is_synced_once_for_all_logs() {
    let mut fixture = Fixture::new(LogConfig::default());
    for log in open_forty(&fixture.directory) {
        log.append(&batch(2, 1000), &INFO).unwrap();
    }
    assert!(fixture.simulated.kill_process());
    fixture.directory = open(&fixture.simulated);
    let one = |index: i32| {
        let (partition, topic_id) = (TopicPartition::new("t", index), ottla_ids::Uuid::from_u128(1));
        fixture.directory.open_log(&partition, topic_id, fixture.config, 0).unwrap()
    };
    // Alone, a log is synced by itself.
    let before = fixture.simulated.syncs();
    assert_eq!(one(0).log_end_offset(), Offset(2));
    assert!(before < fixture.simulated.syncs());
    let logs = open_forty(&fixture.directory);
    assert!(logs.iter().all(|log| log.log_end_offset() == Offset(2)));
    fixture.crash();
    assert!(open_forty(&fixture.directory).iter().all(|log| log.log_end_offset() == Offset(2)));
}

#[test]
fn a_start_after_a_crash_does_not_advance_recovery_points_at_once() {
    let mut fixture = Fixture::new(LogConfig::default());
    fixture.log().append(&batch(2, 1000), &INFO).unwrap();
    fixture.sync();
    fixture.crash();
    let log = fixture.log();
    assert_eq!(log.log_end_offset(), Offset(2));
    assert_eq!(fixture.directory.checkpoint(5000).unwrap(), 0);
    let due = 5000 + crate::RECOVERY_POINT_INTERVAL_MS;
    assert_eq!(fixture.directory.checkpoint(due - 1).unwrap(), 0);
    assert_eq!(fixture.directory.checkpoint(due).unwrap(), 1);
    assert_eq!(log.recovery_point(), Offset(2));
}

/// Ten thousand partitions that nobody uses are to cost no more than 4 KiB each, all told.
#[test]
fn what_every_log_holds_is_small() {
    let sizes = [size_of::<Log>(), size_of::<Segment>(), size_of::<crate::open_files::HeldFile>()];
    assert!(sizes.iter().sum::<usize>() <= 1536, "{sizes:?}");
    assert!(size_of::<Producers>() <= 128, "{}", size_of::<Producers>());
}
