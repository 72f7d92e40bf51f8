//! What one log does, on a simulated disk.

use super::*;
use crate::disk::{Disk, SimulatedDisk};
use crate::error::{AppendError, ReadError};
use crate::producers::Origin;
use crate::{DirectoryOptions, LogDirectory};
use ottla_ids::{ProducerEpoch, ProducerId};
use ottla_records::{BatchBuilder, Compression, batches};
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
