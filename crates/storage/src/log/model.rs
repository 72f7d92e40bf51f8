//! Random histories of two logs of one directory against a plain list of batches, with power cuts at any
//! change of the disk. The law: what was acked is there; what is there was sent, in order; the producers'
//! state, the leader epochs and the aborted transactions are those of the batches.

use super::append::read_marker;
use super::*;
use crate::aborted::AbortedTransaction;
use crate::disk::{Disk, SimulatedDisk};
use crate::error::AppendError;
use crate::producers::{Origin, Producers};
use crate::{DirectoryOptions, JournalChoice, JournalOptions, LogDirectory, Wanted};
use ottla_ids::{ProducerEpoch, ProducerId, Uuid};
use ottla_records::{BatchBuilder, BatchHeader, Compression, EndTransactionMarker, batches};
use std::path::Path;

/// Histories in an ordinary test run; `OTTLA_STORAGE_SEEDS` asks for more.
const SEEDS: u64 = 400;
const STEPS: usize = 60;
/// Producers with an id; those from `FIRST_TRANSACTIONAL` on write in transactions.
const PRODUCERS: usize = 5;
const FIRST_TRANSACTIONAL: usize = 3;

pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What one log should be.
struct Expected {
    partition: TopicPartition,
    /// All that was sent and not cut, as it should be on disk.
    sent: Vec<(BatchHeader, Vec<u8>)>,
    /// All below was acked.
    acked: Offset,
    /// Where the log may start: the second is of a deletion that may have failed half way.
    starts: Vec<Offset>,
    /// Next sequence number of each producer.
    sequences: [i32; PRODUCERS],
    epoch: i32,
    may_be_missing: bool,
}

impl Expected {
    fn end(&self) -> Offset {
        let start = self.starts.iter().max().copied().unwrap_or_default();
        self.sent.last().map_or(start, |(header, _)| header.next_offset().max(start))
    }
}

struct World {
    random: Random,
    simulated: SimulatedDisk,
    directory: Arc<LogDirectory>,
    logs: Vec<Arc<Log>>,
    expected: Vec<Expected>,
    config: LogConfig,
    journal: JournalOptions,
    now_ms: i64,
    story: Vec<String>,
}

fn open(simulated: &SimulatedDisk, journal: JournalOptions) -> Result<Arc<LogDirectory>, StorageError> {
    let options = DirectoryOptions { cluster_id: Some("cluster".to_owned()), node_id: ottla_ids::NodeId(1) };
    LogDirectory::open_with_journal(Disk::Simulated(simulated.clone()), Path::new("/data"), &options, journal)
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let config = LogConfig {
            segment_bytes: 1000 + random.below(6000) as u32,
            index_interval_bytes: [0, 100, 700][random.below(3) as usize],
            segment_index_bytes: [64, 1 << 20][random.below(2) as usize],
            segment_ms: [50, i64::MAX][random.below(2) as usize],
            preallocate: seed.is_multiple_of(4),
            ..LogConfig::default()
        };
        let journal = JournalOptions {
            file_size: [12 << 10, 64 << 10][random.below(2) as usize],
            files_max: 2 + random.below(2) as usize,
            choice: match random.below(4) {
                0 => JournalChoice::Never,
                _ => JournalChoice::AtRandom(seed),
            },
        };
        let simulated = SimulatedDisk::new(seed);
        let directory = open(&simulated, journal).unwrap();
        let mut world = World {
            random,
            simulated,
            directory,
            logs: Vec::new(),
            expected: Vec::new(),
            config,
            journal,
            now_ms: 1000,
            story: Vec::new(),
        };
        for partition in 0..2 {
            world.expected.push(Expected {
                partition: TopicPartition::new("t", partition),
                sent: Vec::new(),
                acked: Offset::ZERO,
                starts: vec![Offset::ZERO],
                sequences: [0; PRODUCERS],
                epoch: 0,
                may_be_missing: true,
            });
        }
        world.open_logs().unwrap();
        world
    }

    fn open_logs(&mut self) -> Result<(), StorageError> {
        self.logs.clear();
        // Files are synced one by one, or all together, as if there were many.
        self.directory.sync_together_above([0, 100][self.random.below(2) as usize]);
        let wanted = self.expected.iter().enumerate().map(|(tag, expected)| Wanted {
            partition: expected.partition.clone(),
            topic_id: Uuid::from_u128(1000 + tag as u128),
            config: self.config,
            tag: tag as u64,
        });
        // All at once, or one after the other, as the many of a start are opened in parts.
        let wanted: Vec<Wanted> = wanted.collect();
        let at_once = [1, wanted.len()][self.random.below(2) as usize];
        for some in wanted.chunks(at_once) {
            for log in self.directory.open_logs(some) {
                self.logs.push(log?);
            }
        }
        Ok(())
    }

    fn tell(&mut self, what: String) {
        self.story.push(what);
    }

    /// One random step. An error is one of the disk, and only a power cut mends it.
    fn step(&mut self) -> Result<(), StorageError> {
        let which = self.random.below(2) as usize;
        self.now_ms += self.random.below(20) as i64;
        match self.random.below(23) {
            0..10 => self.append(which),
            10..14 => self.sync(),
            14 => {
                self.tell("checkpoint".to_owned());
                let later = [0, RECOVERY_INTERVAL][self.random.below(2) as usize];
                self.directory.checkpoint(self.now_ms + later).map(|_| ())
            }
            15 => self.delete_records(which),
            16 => self.truncate(which),
            17 => {
                self.tell(format!("roll {which}"));
                self.logs[which].roll().map(|_| ())
            }
            18 => {
                self.tell("remove deleted".to_owned());
                self.directory.remove_deleted(i64::MAX).map(|_| ())
            }
            19 => self.retain(which),
            20..22 => {
                let result = self.directory.commit_queue().write_back();
                self.tell(format!("write back: {result:?}"));
                result
            }
            _ => self.read_some(which),
        }
    }

    /// Retention by time or size, up to what was acked.
    fn retain(&mut self, which: usize) -> Result<(), StorageError> {
        let log = Arc::clone(&self.logs[which]);
        let expected = &mut self.expected[which];
        let retention = Retention {
            ms: self.random.one_in(2).then(|| self.random.below(500) as i64),
            bytes: self.random.one_in(2).then(|| self.random.below(20_000)),
        };
        let before = log.log_start_offset();
        // It may fail half way, with the log's start at the base of any segment.
        let bases = log.view.read().segments.iter().map(|segment| segment.base).collect::<Vec<_>>();
        let end = log.log_end_offset();
        let may_start =
            bases.into_iter().chain([end]).filter(|base| before < *base && *base <= expected.acked);
        expected.starts.extend(may_start);
        let result = log.retain(&retention, expected.acked, self.now_ms);
        self.tell(format!("retain {which} {retention:?} from {before}: {result:?}"));
        let retained = result?;
        let expected = &mut self.expected[which];
        assert_eq!(retained.log_start, log.log_start_offset());
        assert!(retained.log_start <= expected.acked.max(before));
        // Until the folder is synced, a power cut may take the deletion back.
        expected.starts.retain(|start| *start <= retained.log_start);
        Ok(())
    }

    fn append(&mut self, which: usize) -> Result<(), StorageError> {
        let log = Arc::clone(&self.logs[which]);
        let expected = &mut self.expected[which];
        if self.random.one_in(10) {
            expected.epoch += 1;
        }
        let producer = self.random.below(PRODUCERS as u64 + 1) as usize;
        let is_transactional = (FIRST_TRANSACTIONAL..PRODUCERS).contains(&producer);
        let mut base = log.log_end_offset();
        let origin = if self.random.one_in(6) { Origin::Replication } else { Origin::Client };
        if origin == Origin::Replication {
            base = base.plus(self.random.below(3) as i64);
        }
        let mut builder =
            BatchBuilder::new(base, Compression::None).leader_epoch(LeaderEpoch(expected.epoch));
        if let Some(sequence) = expected.sequences.get(producer) {
            builder = builder.producer(ProducerId(producer as i64), ProducerEpoch(0), *sequence);
        }
        builder = builder.transactional(is_transactional);
        if is_transactional && self.random.one_in(2) && has_open_transaction(&log, producer)? {
            return self.end_transaction(which, producer);
        }
        let count = 1 + self.random.below(4) as i32;
        let mut time = self.now_ms - self.random.below(40) as i64;
        for _ in 0..count {
            let value = vec![self.random.below(256) as u8; self.random.below(200) as usize];
            time += self.random.below(3) as i64;
            builder.append(time, None, Some(&value), &[]).unwrap();
        }
        // The builder writes what the log would assign, so these are the bytes that should be on disk.
        let bytes = builder.finish().unwrap();
        let header = BatchHeader::parse(&bytes).unwrap();
        let info = AppendInfo {
            leader_epoch: LeaderEpoch(expected.epoch),
            append_time: None,
            origin,
            now_ms: self.now_ms,
        };
        let result = log.append(&bytes, &info);
        self.story.push(format!("append {which} {}+{count} p{producer} {origin:?}: {result:?}", base));
        let expected = &mut self.expected[which];
        match result {
            Ok(appended) => {
                assert_eq!(appended.base_offset, base);
                assert!(!appended.duplicate);
                expected.sent.push((header, bytes.to_vec()));
                if let Some(sequence) = expected.sequences.get_mut(producer) {
                    *sequence += count;
                    if origin == Origin::Client && self.random.one_in(4) {
                        let again = log.append(&bytes, &info).unwrap();
                        assert!(again.duplicate);
                        assert_eq!((again.base_offset, again.last_offset), (base, appended.last_offset));
                    }
                }
                Ok(())
            }
            Err(AppendError::Storage(error)) if error.is_disk_full() => Ok(()),
            Err(AppendError::Storage(error)) => {
                // It may be there, or not.
                expected.sent.push((header, bytes.to_vec()));
                Err(error)
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn end_transaction(&mut self, which: usize, producer: usize) -> Result<(), StorageError> {
        let log = Arc::clone(&self.logs[which]);
        let marker = EndTransactionMarker { commit: self.random.one_in(3), coordinator_epoch: 0 };
        let (base, epoch) = (log.log_end_offset(), LeaderEpoch(self.expected[which].epoch));
        let (id, producer_epoch) = (ProducerId(producer as i64), ProducerEpoch(0));
        let bytes =
            BatchBuilder::end_transaction(base, epoch, self.now_ms, id, producer_epoch, marker).unwrap();
        let header = BatchHeader::parse(&bytes).unwrap();
        let origin = Origin::Coordinator;
        let info = AppendInfo { leader_epoch: epoch, append_time: None, origin, now_ms: self.now_ms };
        let result = log.append(&bytes, &info);
        self.tell(format!("end {which} at {base} p{producer} {marker:?}: {result:?}"));
        let error = match result {
            Ok(_) => None,
            Err(AppendError::Storage(error)) if error.is_disk_full() => return Ok(()),
            Err(AppendError::Storage(error)) => Some(error),
            Err(error) => panic!("{error}"),
        };
        self.expected[which].sent.push((header, bytes.to_vec()));
        error.map_or(Ok(()), Err)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let result = self.directory.commit_queue().sync_waiting();
        self.tell(format!("sync {result:?}"));
        for synced in result? {
            let expected = &mut self.expected[synced.log_tag as usize];
            assert!(expected.acked <= synced.durable_end);
            expected.acked = synced.durable_end;
            expected.may_be_missing = false;
        }
        Ok(())
    }

    fn delete_records(&mut self, which: usize) -> Result<(), StorageError> {
        let expected = &mut self.expected[which];
        let start = self.logs[which].log_start_offset();
        let to = Offset(start.0 + self.random.below((expected.acked.0 - start.0).max(0) as u64 + 1) as i64);
        expected.starts.push(to);
        let result = self.logs[which].delete_records(to, self.now_ms);
        self.tell(format!("delete {which} below {to}: {result:?}"));
        let new_start = result?;
        assert_eq!(new_start, to);
        // A start that retention has set is durable only as its renamed files are.
        if start < to {
            self.expected[which].starts = vec![to];
        }
        Ok(())
    }

    fn truncate(&mut self, which: usize) -> Result<(), StorageError> {
        if !self.random.one_in(3) {
            return Ok(());
        }
        let log = Arc::clone(&self.logs[which]);
        let start = log.log_start_offset();
        let span = log.log_end_offset().0 - start.0;
        let to = start.plus(self.random.below(span as u64 + 1) as i64);
        let expected = &mut self.expected[which];
        let cut = expected.sent.partition_point(|(header, _)| header.last_offset() < to);
        let end = cut.checked_sub(1).map_or(start, |last| expected.sent[last].0.next_offset());
        expected.acked = expected.acked.min(end.max(start));
        let result = log.truncate_to(to);
        self.tell(format!("truncate {which} to {to}: {result:?}"));
        let end = result?;
        let expected = &mut self.expected[which];
        expected.sent.truncate(cut);
        assert!(end <= to);
        expected.acked = expected.acked.min(end);
        // What a retention without room was about to begin with is cut off.
        expected.starts.retain(|start| *start <= end);
        self.forget_cut_sequences(which);
        Ok(())
    }

    /// The producers go on from what is in the log.
    fn forget_cut_sequences(&mut self, which: usize) {
        let producers = self.logs[which].producers().unwrap();
        let expected = &mut self.expected[which];
        for (producer, sequence) in expected.sequences.iter_mut().enumerate() {
            let known = producers.iter().find(|state| state.producer_id.0 == producer as i64);
            *sequence = known.map_or(0, |state| state.last_sequence() + 1);
        }
    }

    fn read_some(&mut self, which: usize) -> Result<(), StorageError> {
        let log = Arc::clone(&self.logs[which]);
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        let from = start.plus(self.random.below((end.0 - start.0) as u64 + 1) as i64);
        let visible = from.plus(self.random.below((end.0 - from.0) as u64 + 1) as i64);
        let visible = if self.random.one_in(2) { visible } else { log.durable_end() };
        let max_bytes = self.random.below(3000) as usize;
        let read = match log.read(from, max_bytes, visible, self.random.one_in(2)) {
            Ok(read) => read,
            Err(crate::ReadError::Storage(error)) => return Err(error),
            Err(error) => panic!("{error}"),
        };
        let mut next = from;
        for batch in batches(&read.records.to_bytes().unwrap()) {
            let batch = batch.unwrap();
            assert!(batch.last_offset() < visible, "{} is not below {visible}", batch.last_offset());
            assert!(next <= batch.last_offset());
            next = batch.next_offset();
        }
        assert!(next <= read.next_offset);
        Ok(())
    }

    /// Compares a log with what it should be, after which that is what it is.
    fn check(&mut self, which: usize, after_crash: bool) {
        let log = Arc::clone(&self.logs[which]);
        let expected = &mut self.expected[which];
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        assert!(expected.acked <= end, "acked up to {}, there is up to {end}", expected.acked);
        assert!(end <= expected.end().max(start), "sent up to {}, there is up to {end}", expected.end());
        assert!(expected.starts.contains(&start), "starts at {start}, not one of {:?}", expected.starts);
        if !after_crash {
            // A deletion that failed before it moved the start says nothing of the end.
            expected.starts = vec![start];
            assert_eq!(end, expected.end());
        }
        expected.sent.retain(|(header, _)| header.last_offset() < end);
        let should: Vec<&(BatchHeader, Vec<u8>)> =
            expected.sent.iter().filter(|(header, _)| start <= header.last_offset()).collect();
        let mut replayed = Producers::default();
        let aborted: Vec<AbortedTransaction> = expected
            .sent
            .iter()
            .filter_map(|(header, bytes)| replayed.replay(header, marker(bytes)))
            .collect();
        let mut found = Vec::new();
        let mut at = start;
        while at < end {
            let read = log.read(at, 1 + self.random.below(4000) as usize, end, true).unwrap();
            for batch in batches(&read.records.to_bytes().unwrap()) {
                let batch = batch.unwrap();
                batch.check_crc().unwrap();
                found.push((batch.base_offset(), batch.bytes().to_vec()));
            }
            assert!(at < read.next_offset);
            // Of a transaction that began before the log's start, a power cut may leave the end only: then its
            // entry begins with the first record that is left, or is not there because none is.
            let is_whole = |it: &&AbortedTransaction| start <= it.first_offset;
            let key = |it: &AbortedTransaction| (it.producer_id, it.first_offset, it.last_offset);
            let overlaps =
                |it: &&AbortedTransaction| at <= it.last_offset && it.first_offset < read.next_offset;
            let told = log.aborted_transactions(at, &read).unwrap().unwrap();
            let should: Vec<_> = aborted.iter().filter(overlaps).filter(is_whole).map(key).collect();
            let is_known = |it: &&AbortedTransaction| {
                aborted.iter().any(|other| is_whole(&other) && key(other) == key(it))
            };
            let known: Vec<_> = told.iter().filter(is_known).map(key).collect();
            assert_eq!(known, should, "aborted from {at} on: {told:?}");
            for begun in aborted.iter().filter(overlaps).filter(|it| !is_whole(it)) {
                let has_records = expected.sent.iter().any(|(header, _)| {
                    header.producer_id() == begun.producer_id
                        && header.is_transactional()
                        && at.max(begun.first_offset) <= header.base_offset()
                        && header.base_offset() < begun.last_offset.min(read.next_offset)
                });
                assert!(
                    !has_records || told.iter().any(|it| it.last_offset == begun.last_offset),
                    "{begun:?} has records from {at} on: {told:?}"
                );
            }
            at = read.next_offset;
        }
        let should: Vec<_> =
            should.into_iter().map(|(header, bytes)| (header.base_offset(), bytes.clone())).collect();
        assert!(
            found == should,
            "found {:?}, not {:?}",
            found.iter().map(|f| f.0).collect::<Vec<_>>(),
            should.iter().map(|f| f.0).collect::<Vec<_>>()
        );

        // Lookups at every offset and time agree with a walk through all.
        for (header, _) in expected.sent.iter().filter(|(header, _)| start <= header.base_offset()) {
            let read = log.read(header.last_offset(), 1, end, true).unwrap();
            let first = BatchHeader::parse(&read.records.to_bytes().unwrap()).unwrap();
            assert_eq!(first.base_offset(), header.base_offset());
            let epoch = log.epoch_at(header.base_offset()).unwrap();
            assert_eq!(
                epoch,
                Some(header.leader_epoch()),
                "{which} at {} {:?} {start} {end}",
                header.base_offset(),
                log.leader_epochs()
            );
        }
        let times: Vec<(i64, Offset)> = expected.sent.iter().flat_map(|(_, bytes)| records(bytes)).collect();
        let times: Vec<_> = times.into_iter().filter(|(_, offset)| start <= *offset).collect();
        let largest = times.iter().map(|(time, _)| *time).max();
        let by_max = log.max_timestamp().unwrap();
        // In the batch where the log starts, another than the largest may be found.
        let straddles =
            expected.sent.iter().any(|(h, _)| h.base_offset() < start && start <= h.last_offset());
        if straddles {
            assert_eq!(by_max.is_some(), largest.is_some());
        } else {
            assert_eq!(by_max.map(|found| found.timestamp), largest, "largest timestamp");
        }
        for back in 0..3 {
            let Some(time) = largest.map(|largest| largest - back * 7) else { break };
            let found = log.offset_for_timestamp(time).unwrap();
            let should = times.iter().find(|(other, _)| time <= *other);
            assert_eq!(found.map(|found| found.offset), should.map(|(_, offset)| *offset), "time {time}");
        }

        log.on_high_watermark(end);
        replayed.on_high_watermark(end);
        let known = log.producers().unwrap();
        for state in &known {
            let replayed = replayed.states().find(|other| other.producer_id == state.producer_id);
            assert_eq!(replayed.map(last_batch), Some(last_batch(state)));
            assert_eq!(replayed.map(|other| other.transaction_start), Some(state.transaction_start));
        }
        assert_eq!(log.first_unstable_offset().unwrap(), replayed.first_unstable_offset());
        for state in replayed.states() {
            let last = state.batches().last().map_or(Offset(-1), |batch| batch.last_offset);
            let is_known = known.iter().any(|other| other.producer_id == state.producer_id);
            assert!(is_known || last < start, "producer {} is forgotten", state.producer_id);
        }
        let expected = &mut self.expected[which];
        expected.acked = end;
        expected.starts = vec![start];
        self.forget_cut_sequences(which);
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            if self.random.one_in(12) {
                let changes = self.random.below(30);
                self.tell(format!("the power will go after {changes} changes"));
                self.simulated.cut_power_after(changes);
            }
            if self.random.one_in(20) {
                let room = self.random.below(2000);
                self.tell(format!("room for {room} bytes"));
                self.simulated.set_room(Some(room));
            }
            let result = self.step();
            match result {
                Ok(()) if self.random.one_in(25) => self.restart(),
                Ok(()) => {}
                Err(error) if error.is_disk_full() => {
                    self.tell("there is room again".to_owned());
                    self.simulated.set_room(None);
                }
                Err(_) => self.crash(),
            }
        }
        self.crash();
        self.restart();
    }

    fn restart(&mut self) {
        self.simulated.set_room(None);
        if let Err(error) = self.directory.close(1) {
            self.tell(format!("close: {error}"));
            return self.crash();
        }
        // What was closed in order is durable, all of it.
        for (expected, log) in self.expected.iter_mut().zip(&self.logs) {
            expected.acked = log.log_end_offset();
        }
        self.tell("restart".to_owned());
        let reopened = open(&self.simulated, self.journal).and_then(|directory| {
            self.directory = directory;
            self.open_logs()
        });
        match reopened {
            Ok(()) => {
                assert!(self.directory.was_clean());
                let survives_power_cut = self.random.one_in(2);
                if survives_power_cut {
                    return self.crash();
                }
                (0..2).for_each(|which| self.check(which, false));
            }
            Err(error) => {
                self.tell(format!("open: {error}"));
                self.crash();
            }
        }
    }

    fn crash(&mut self) {
        for round in 0.. {
            self.simulated.set_room(None);
            if round == 0 && self.random.one_in(3) && self.simulated.kill_process() {
                self.tell("the process was killed".to_owned());
            } else {
                self.simulated.power_cut();
                self.tell("the power was cut".to_owned());
            }
            // The power may go again while the logs are recovered.
            if round < 3 && self.random.one_in(3) {
                let changes = self.random.below(40);
                self.simulated.cut_power_after(changes);
            }
            let reopened = open(&self.simulated, self.journal).and_then(|directory| {
                self.directory = directory;
                self.open_logs()
            });
            match reopened {
                Ok(()) => break,
                Err(error) if round < 3 && !matches!(error, StorageError::Corrupt { .. }) => {
                    self.tell(format!("open: {error}"));
                }
                Err(error) => panic!("{error}"),
            }
        }
        self.simulated.cut_power_after(u64::MAX);
        (0..2).for_each(|which| self.check(which, true));
        // What a log has when it is opened, anybody may read: it must not be lost again.
        for (expected, log) in self.expected.iter_mut().zip(&self.logs) {
            expected.acked = expected.acked.max(log.durable_end());
        }
    }
}

const RECOVERY_INTERVAL: i64 = crate::RECOVERY_POINT_INTERVAL_MS;

fn records(bytes: &[u8]) -> Vec<(i64, Offset)> {
    let batch = ottla_records::BatchView::parse(bytes).unwrap();
    let records = batch.records(1 << 20).unwrap();
    records.iter().map(|record| record.map(|record| (record.timestamp, record.offset)).unwrap()).collect()
}

fn marker(bytes: &[u8]) -> Option<EndTransactionMarker> {
    let batch = ottla_records::BatchView::parse(bytes).unwrap();
    if batch.is_control() { read_marker(&batch).unwrap() } else { None }
}

fn has_open_transaction(log: &Log, producer: usize) -> Result<bool, StorageError> {
    let producers = log.producers()?;
    let own = producers.iter().find(|state| state.producer_id.0 == producer as i64);
    Ok(own.is_some_and(|state| state.transaction_start.is_some()))
}

/// The last sequence number and its offset. A snapshot has no timestamp of its own for the batch.
fn last_batch(state: &ProducerState) -> Option<(i32, Offset)> {
    state.batches().last().map(|batch| (batch.last_sequence, batch.last_offset))
}

fn run(seed: u64) {
    let world = std::cell::RefCell::new(World::new(seed));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.borrow_mut().run()));
    if result.is_err() {
        let world = world.try_borrow();
        let story = world.map(|world| world.story.join("\n")).unwrap_or_default();
        panic!("seed {seed} (run it alone: `OTTLA_STORAGE_SEED={seed}`) after:\n{story}");
    }
}

#[test]
fn what_was_acked_is_there_and_what_is_there_was_sent() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("OTTLA_STORAGE_SEED") {
        Some(seed) => run(seed),
        None => (0..number("OTTLA_STORAGE_SEEDS").unwrap_or(SEEDS)).for_each(run),
    }
}

#[test]
fn a_seed_is_one_history() {
    let story = |seed| {
        let mut world = World::new(seed);
        world.run();
        world.story
    };
    assert_eq!(story(7), story(7));
}
