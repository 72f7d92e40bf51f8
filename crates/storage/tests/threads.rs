//! Everything at once on a real disk: appends, group commit, reads, checkpoints; then a start as after a crash,
//! and one after a stop in order.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use ottla_ids::{LeaderEpoch, NodeId, Offset, TopicPartition, Uuid};
use ottla_records::{BatchBuilder, Compression, batches};
use ottla_storage::{AppendInfo, DirectoryOptions, Disk, Log, LogConfig, LogDirectory, Origin, RecordRange};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const LOGS: i32 = 4;
const APPENDS: i64 = 1500;

fn open(path: &Path) -> Arc<LogDirectory> {
    let options = DirectoryOptions { cluster_id: Some("cluster".to_owned()), node_id: NodeId(1) };
    LogDirectory::open(Disk::Real, path, &options).unwrap()
}

fn open_log(directory: &LogDirectory, partition: i32) -> Arc<Log> {
    let config = LogConfig { segment_bytes: 200_000, ..LogConfig::default() };
    let id = Uuid::from_u128(1000 + partition as u128);
    directory.open_log(&TopicPartition::new("t", partition), id, config, partition as u64).unwrap()
}

/// A batch whose only record holds its own offset.
fn batch(offset: Offset) -> Vec<u8> {
    let mut value = vec![b'x'; (offset.0 % 700) as usize + 8];
    value[..8].copy_from_slice(&offset.0.to_be_bytes());
    let mut builder = BatchBuilder::new(offset, Compression::None);
    builder.append(offset.0, None, Some(&value), &[]).unwrap();
    builder.finish().unwrap().to_vec()
}

/// Checks that all from `from` to `end` is there and where it belongs; returns where to read on.
fn check(log: &Log, from: Offset, end: Offset) -> Offset {
    let mut at = from;
    while at < end {
        let read = log.read(at, 10_000, end, true).unwrap();
        assert!(matches!(read.records, RecordRange::File(_)));
        for batch in batches(&read.records.to_bytes().unwrap()) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            assert_eq!(batch.base_offset(), at);
            let records = batch.records(1000).unwrap();
            let value = records.iter().next().unwrap().unwrap().value.unwrap().to_vec();
            assert_eq!(value[..8], at.0.to_be_bytes());
            at = batch.next_offset();
        }
        assert_eq!(read.next_offset, at);
    }
    at
}

#[test]
fn appends_syncs_reads_and_checkpoints_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let directory = open(&path);
    let logs: Vec<Arc<Log>> = (0..LOGS).map(|partition| open_log(&directory, partition)).collect();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let queue = directory.commit_queue();
            while !queue.is_shut_down() {
                for synced in queue.wait_and_sync().unwrap() {
                    let log = &logs[synced.log_tag as usize];
                    assert!(synced.durable_end <= log.durable_end());
                }
            }
        });
        scope.spawn(|| {
            let mut now_ms = 0;
            while !is_done.load(Ordering::Relaxed) {
                now_ms += 100_000;
                directory.checkpoint(now_ms).unwrap();
                directory.remove_deleted(now_ms).unwrap();
                std::thread::yield_now();
            }
        });
        let mut writers = Vec::new();
        for log in &logs {
            scope.spawn(|| {
                let mut at = Offset::ZERO;
                while at < Offset(APPENDS) {
                    at = check(log, at.max(log.log_start_offset()), log.durable_end());
                    std::thread::yield_now();
                }
            });
            writers.push(scope.spawn(|| {
                for n in 0..APPENDS {
                    let info = AppendInfo {
                        leader_epoch: LeaderEpoch(0),
                        append_time: None,
                        origin: Origin::Client,
                        now_ms: n,
                    };
                    let appended = log.append(&batch(Offset(n)), &info).unwrap();
                    assert_eq!(appended.base_offset, Offset(n));
                    if n % 10 == 0 {
                        while log.durable_end() <= appended.last_offset {
                            std::thread::yield_now();
                        }
                    }
                }
            }));
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        while logs.iter().any(|log| log.durable_end() < Offset(APPENDS)) {
            std::thread::yield_now();
        }
        is_done.store(true, Ordering::Relaxed);
        directory.commit_queue().shut_down();
    });

    // As a crash leaves it: no clean shutdown marker.
    drop(logs);
    drop(directory);
    let directory = open(&path);
    assert!(!directory.was_clean());
    for partition in 0..LOGS {
        let log = open_log(&directory, partition);
        assert_eq!(check(&log, Offset::ZERO, log.log_end_offset()), Offset(APPENDS));
    }
    directory.close(0).unwrap();
    let directory = open(&path);
    assert!(directory.was_clean());
    for partition in 0..LOGS {
        let log = open_log(&directory, partition);
        assert_eq!(check(&log, Offset::ZERO, log.log_end_offset()), Offset(APPENDS));
        log.delete_records(Offset(APPENDS / 2), 0).unwrap();
        assert_eq!(check(&log, Offset(APPENDS / 2), log.log_end_offset()), Offset(APPENDS));
    }
}
