//! Moves between two directories of one simulated disk, with the power cut at every step.

use super::*;
use crate::disk::SimulatedDisk;
use crate::log::AppendInfo;
use crate::producers::Origin;
use crate::{AppendError, CleanError, Cleaning, CompactionLag, DirectoryOptions};
use ottla_ids::{LeaderEpoch, NodeId, ProducerEpoch, ProducerId, TopicId};
use ottla_records::{BatchBuilder, Compression, batches};
use std::ops::ControlFlow;

const TOPIC: u128 = 500;
const INFO: AppendInfo =
    AppendInfo { leader_epoch: LeaderEpoch(0), append_time: None, origin: Origin::Client, now_ms: 1000 };

fn partition() -> TopicPartition {
    TopicPartition::new("flights", 0)
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 600, file_delete_delay_ms: 0, ..LogConfig::default() }
}

/// Batch `number` of an idempotent producer: two records.
fn batch(number: i32) -> Vec<u8> {
    let builder = BatchBuilder::new(Offset(0), Compression::None);
    let mut builder = builder.producer(ProducerId(7), ProducerEpoch(0), number * 2);
    for record in 0..2 {
        builder.append(1000, None, Some(&[number as u8, record]), &[]).unwrap();
    }
    builder.finish().unwrap().to_vec()
}

/// Two directories, and where the cluster's metadata says that the partition lies.
struct World {
    disk: SimulatedDisk,
    directories: Vec<Arc<LogDirectory>>,
    assigned: usize,
    /// How many batches are acked, and at which offset the log starts at least.
    acked: i32,
    start: Offset,
}

impl World {
    fn new(seed: u64) -> World {
        let disk = SimulatedDisk::new(seed);
        let mut world = World { disk, directories: Vec::new(), assigned: 0, acked: 0, start: Offset::ZERO };
        world.open();
        world
    }

    fn open(&mut self) {
        let options = DirectoryOptions { cluster_id: Some("c".to_owned()), node_id: NodeId(1) };
        self.directories = ["/a", "/b"]
            .iter()
            .map(|path| {
                LogDirectory::open(Disk::Simulated(self.disk.clone()), Path::new(path), &options).unwrap()
            })
            .collect();
    }

    fn log(&self) -> Result<Arc<Log>, StorageError> {
        self.directories[self.assigned].open_log(&partition(), TopicId::from_u128(TOPIC), config(), 1)
    }

    /// Appends the next batch and waits until it is durable.
    fn append(&mut self, log: &Log) -> Result<(), StorageError> {
        match log.append(&batch(self.acked), &INFO) {
            Ok(_) => {}
            Err(AppendError::Storage(error)) => return Err(error),
            Err(other) => panic!("{other}"),
        }
        for directory in &self.directories {
            directory.commit_queue().sync_waiting()?;
        }
        self.acked += 1;
        Ok(())
    }

    /// A whole move from the assigned directory to the other one, with appends and a deletion in between.
    fn move_log(&mut self) -> Result<(), StorageError> {
        let (from, to) = (self.assigned, 1 - self.assigned);
        let log = self.log()?;
        for _ in 0..6 {
            self.append(&log)?;
        }
        let (source, destination) = (Arc::clone(&self.directories[from]), Arc::clone(&self.directories[to]));
        let mut relocation = Relocation::begin(Arc::clone(&log), source, destination)?;
        for step in 0..6 {
            relocation.copy(300)?;
            self.append(&log)?;
            if step == 3 {
                let start = Offset(i64::from(self.acked));
                log.delete_records(start, 1000)?;
                self.start = start;
                self.directories[from].remove_deleted(1000)?;
            }
        }
        while relocation.copy(u64::MAX)?.left_bytes > 0 {}
        relocation.flush()?;
        relocation.seal()?;
        let refused = log.append(&batch(self.acked), &INFO).unwrap_err();
        assert!(matches!(refused, AppendError::Storage(StorageError::Closed { .. })), "{refused}");
        self.assigned = to;
        let log = relocation.finish(2, 1000)?;
        self.check(&log);
        for _ in 0..3 {
            self.append(&log)?;
        }
        self.directories[from].remove_deleted(1000)?;
        self.directories[to].checkpoint(1_000_000)?;
        Ok(())
    }

    /// What a start does after a crash.
    fn recover(&mut self) {
        self.disk.power_cut();
        self.directories.clear();
        self.open();
        let (named, other) = (&self.directories[self.assigned], &self.directories[1 - self.assigned]);
        if named.has_whole_future(&partition()).unwrap() {
            if other.partitions().unwrap().contains(&partition()) {
                other.delete_log(&partition(), 0).unwrap();
            }
            named.adopt_future(&partition()).unwrap();
        }
        let folders: Vec<_> = self.directories.iter().map(|it| it.partitions().unwrap().len()).collect();
        assert!(folders.iter().sum::<usize>() <= 1, "two folders of one name: {folders:?}");
        if folders.iter().sum::<usize>() == 1 {
            assert_eq!(folders[self.assigned], 1, "it lies where the metadata says");
        } else {
            assert_eq!(self.acked, 0);
        }
        for directory in &self.directories {
            directory.discard_futures(&partition()).unwrap();
            directory.remove_deleted(i64::MAX).unwrap();
        }
        let log = self.log().unwrap();
        self.check(&log);
        // Something that was not acked may be there, too.
        self.acked = i32::try_from(log.log_end_offset().0 / 2).unwrap();
    }

    /// All that was acked is there, once and in order, and the producer's place is known.
    fn check(&self, log: &Log) {
        let end = log.log_end_offset();
        assert!(i64::from(self.acked) * 2 <= end.0, "{} batches acked, the log ends at {end}", self.acked);
        assert!(log.log_start_offset() >= self.start);
        let mut at = log.log_start_offset();
        while at < end {
            let read = log.read(at, 1 << 20, end, true).unwrap();
            for batch in batches(&read.records.to_bytes().unwrap()) {
                let batch = batch.unwrap();
                batch.check_crc().unwrap();
                assert!(batch.base_offset() <= at && at < batch.next_offset());
                let records = batch.records(1 << 20).unwrap();
                let value = records.iter().next().unwrap().unwrap().value.unwrap().to_vec();
                assert_eq!(i64::from(value[0]) * 2, batch.base_offset().0);
                at = batch.next_offset();
            }
        }
        if self.acked > 0 {
            let again = log.append(&batch(self.acked - 1), &INFO);
            if i64::from(self.acked) * 2 == end.0 && !log.is_closed() {
                assert!(again.unwrap().duplicate, "the producer's last batch is known");
            }
        }
    }
}

#[test]
fn a_log_moves_there_and_back_with_all_that_it_has() {
    let mut world = World::new(1);
    for _ in 0..4 {
        world.move_log().unwrap();
    }
    world.recover();
    assert_eq!(world.acked, 4 * 15);
}

#[test]
fn the_power_may_go_at_every_step_of_a_move() {
    for seed in 0..3 {
        // Both directions: the second time, the destination remembers the log.
        for moves_before in 0..2 {
            for changes in 0.. {
                let mut world = World::new(seed * 1_000 + changes);
                for _ in 0..moves_before {
                    world.move_log().unwrap();
                }
                world.disk.cut_power_after(changes * 3 + seed);
                if world.move_log().is_ok() {
                    assert!(changes > 50, "a move takes many changes");
                    break;
                }
                world.recover();
                world.move_log().unwrap();
                world.recover();
            }
        }
    }
}

/// Was it copied before it was compacted, a segment would keep superseded records below the offset to which the log is
/// said to be compacted, for as long as their keys are not written again.
#[test]
fn a_log_that_is_compacted_while_it_moves_is_as_compacted_in_its_new_place() {
    for patience in 0..60 {
        let mut world = World::new(3);
        let log = world.log().unwrap();
        let write = |world: &World, keys: std::ops::Range<u8>| {
            for key in keys {
                let mut builder = BatchBuilder::new(Offset(0), Compression::None);
                builder.append(1000, Some(&[key % 5]), Some(&[key; 60]), &[]).unwrap();
                log.append(&builder.finish().unwrap(), &INFO).unwrap();
            }
            for directory in &world.directories {
                directory.commit_queue().sync_waiting().unwrap();
            }
            world.directories[0].checkpoint(1_000_000).unwrap();
        };
        // Breaks off after so many reads and writes, as a stop would.
        let clean = |patience: usize| {
            let cleaning =
                Cleaning { delete_retention_ms: 0, map_bytes: 1 << 12, load_factor: 0.9, buffer_bytes: 200 };
            let lag = CompactionLag { min_ms: 0, max_ms: i64::MAX };
            let cleanable = log.cleanable(log.log_end_offset(), lag, 1000).unwrap();
            let mut steps = 0;
            let result = log.clean(&cleanable, &cleaning, 1000, &mut |_| {
                steps += 1;
                if steps > patience { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert!(matches!(result, Ok(_) | Err(CleanError::Interrupted)), "{result:?}");
        };
        write(&world, 0..30);
        clean(usize::MAX);
        write(&world, 30..60);
        let [source, destination] = [0, 1].map(|it| Arc::clone(&world.directories[it]));
        let mut relocation = Relocation::begin(Arc::clone(&log), source, Arc::clone(&destination)).unwrap();
        relocation.copy(500 + 97 * patience as u64).unwrap();
        clean(patience);
        relocation.copy(500).unwrap();
        clean(2 * patience);
        relocation.seal().unwrap();
        world.assigned = 1;
        let (expected, end) = (records(&log), log.log_end_offset());
        let cleaned_to = world.directories[0].root().cleaned_to(&partition()).unwrap();
        let moved = relocation.finish(2, 1000).unwrap();
        assert_eq!((records(&moved), moved.log_end_offset()), (expected, end), "{patience}");
        assert_eq!(destination.root().cleaned_to(&partition()), Some(cleaned_to));
        let clean: Vec<u8> = records(&moved)
            .into_iter()
            .filter(|(offset, _)| *offset < cleaned_to)
            .map(|(_, key)| key)
            .collect();
        let mut once = clean.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(
            clean.len(),
            once.len(),
            "below {cleaned_to} of each key one is left, patience {patience}"
        );
    }
}

/// Offset and key of each record.
fn records(log: &Log) -> Vec<(Offset, u8)> {
    let (mut found, mut at) = (Vec::new(), log.log_start_offset());
    while at < log.log_end_offset() {
        let read = log.read(at, 1 << 20, log.log_end_offset(), true).unwrap();
        for batch in batches(&read.records.to_bytes().unwrap()) {
            for record in &batch.unwrap().records(1 << 20).unwrap() {
                let record = record.unwrap();
                found.push((record.offset, record.key.unwrap()[0]));
            }
        }
        at = read.next_offset;
    }
    found
}

#[test]
fn a_full_destination_stops_the_copy_and_nothing_else() {
    let mut world = World::new(3);
    let log = world.log().unwrap();
    for _ in 0..6 {
        world.append(&log).unwrap();
    }
    let [source, destination] = [0, 1].map(|index| Arc::clone(&world.directories[index]));
    let mut relocation = Relocation::begin(Arc::clone(&log), source, destination).unwrap();
    world.disk.set_room(Some(100));
    assert!(relocation.copy(u64::MAX).unwrap_err().is_disk_full());
    assert!(relocation.seal().unwrap_err().is_disk_full());
    world.disk.set_room(None);
    world.append(&log).unwrap();
    while relocation.copy(200).unwrap().left_bytes > 0 {}
    // The switch is refused once: the log goes on, and so does the move.
    relocation.seal().unwrap();
    relocation.unseal().unwrap();
    world.append(&log).unwrap();
    relocation.seal().unwrap();
    world.assigned = 1;
    let log = relocation.finish(2, 1000).unwrap();
    world.check(&log);
    world.recover();
    assert_eq!(world.acked, 8);
}

#[test]
fn a_copy_is_described_until_it_is_in_place_or_given_up() {
    let mut world = World::new(4);
    let log = world.log().unwrap();
    for _ in 0..6 {
        world.append(&log).unwrap();
    }
    let [source, destination] = [0, 1].map(|index| Arc::clone(&world.directories[index]));
    let described = || {
        let found = destination.summaries().unwrap();
        found.iter().map(|it| (it.is_future, it.offset_lag, it.size)).collect::<Vec<_>>()
    };
    assert_eq!(described(), []);
    let mut relocation = Relocation::begin(Arc::clone(&log), source, Arc::clone(&destination)).unwrap();
    assert_eq!(described(), [(true, 12, 0)]);
    relocation.copy(200).unwrap();
    assert_eq!(described(), [(true, 12, 200)]);
    relocation.copy(u64::MAX).unwrap();
    assert_eq!(described(), [(true, 0, log.size().unwrap())]);
    relocation.discard().unwrap();
    assert_eq!(described(), []);
    assert_eq!(destination.futures().unwrap(), []);
}

#[test]
fn names_of_copies_are_kafkas() {
    let id = "0123456789abcdef0123456789abcdef";
    assert_eq!(parse_future(&format!("a.b-7.{id}-future")), Some(TopicPartition::new("a.b", 7)));
    for name in ["a-7", "a-7.0123-future", "a-x.0123456789abcdef0123456789abcdef-future", "-future"] {
        assert_eq!(parse_future(name), None, "{name}");
    }
    let long = TopicPartition::new(&"x".repeat(249), 12_345);
    assert!(!LogDirectory::can_move(&long));
    assert!(LogDirectory::can_move(&TopicPartition::new(&"x".repeat(200), 12_345)));
}
