//! What a cleaning keeps of a log, and for how long.

use super::*;
use crate::CompactionLag;
use ottla_records::EndTransactionMarker;

/// `delete.retention.ms`.
const DELETE_RETENTION_MS: i64 = 100;
const LAG: CompactionLag = CompactionLag { min_ms: 0, max_ms: i64::MAX };

struct Compacted {
    fixture: Fixture,
    log: Arc<Log>,
}

impl Compacted {
    fn new() -> Compacted {
        Compacted::of(LogConfig::default())
    }

    fn of(config: LogConfig) -> Compacted {
        let fixture = Fixture::new(config);
        let log = fixture.log();
        Compacted { fixture, log }
    }

    /// Appends a batch of these records: `key=` is a tombstone, `=` has no key.
    fn append(&self, records: &str) {
        self.append_of(BatchBuilder::new(Offset(0), Compression::None), records);
    }

    /// As [`Compacted::append`], of producer 7.
    fn append_by(&self, epoch: i16, sequence: i32, is_transactional: bool, records: &str) {
        let builder = BatchBuilder::new(Offset(0), Compression::None).transactional(is_transactional);
        self.append_of(builder.producer(ProducerId(7), ProducerEpoch(epoch), sequence), records);
    }

    fn append_of(&self, mut builder: BatchBuilder, records: &str) {
        for record in records.split_whitespace() {
            let (key, value) = record.split_once('=').unwrap();
            let key = Some(key.as_bytes()).filter(|key| !key.is_empty());
            let value = Some(value.as_bytes()).filter(|value| !value.is_empty());
            builder.append(1000, key, value, &[]).unwrap();
        }
        self.log.append(&builder.finish().unwrap(), &INFO).unwrap();
    }

    /// Ends the transaction of producer 7.
    fn end(&self, epoch: i16, commit: bool) {
        let marker = EndTransactionMarker { commit, coordinator_epoch: 0 };
        let (producer, epoch) = (ProducerId(7), ProducerEpoch(epoch));
        let bytes =
            BatchBuilder::end_transaction(Offset(0), LeaderEpoch(0), 1000, producer, epoch, marker).unwrap();
        self.log.append(&bytes, &AppendInfo { origin: Origin::Coordinator, ..INFO }).unwrap();
    }

    /// Makes what was appended cleanable, and cleans it. Returns what is there then: `base+records` of each batch, markers
    /// with an exclamation mark.
    fn clean(&self, now_ms: i64) -> String {
        self.log.roll().unwrap();
        self.fixture.sync();
        self.log.on_high_watermark(self.log.durable_end());
        self.fixture.directory.checkpoint(i64::MAX).unwrap();
        let cleanable = self.log.cleanable(self.log.durable_end(), LAG, now_ms).unwrap();
        let cleaning = Cleaning {
            delete_retention_ms: DELETE_RETENTION_MS,
            map_bytes: 1 << 16,
            load_factor: 0.9,
            buffer_bytes: 1 << 16,
        };
        self.log.clean(&cleanable, &cleaning, now_ms, &mut |_| ControlFlow::Continue(())).unwrap();
        self.batches()
    }

    /// Starts again with nothing but the records to tell of the producers.
    fn without_snapshots(&mut self) {
        self.fixture.restart();
        let disk = Disk::Simulated(self.fixture.simulated.clone());
        let folder = Path::new("/data/flights-0");
        for entry in disk.list(folder).unwrap().iter().filter(|entry| entry.name.ends_with(".snapshot")) {
            disk.remove_file(&folder.join(&entry.name)).unwrap();
        }
        self.log = self.fixture.log();
    }

    fn batches(&self) -> String {
        let mut found = Vec::new();
        for segment in &self.log.view.read().segments {
            let mut walk = segment.headers(0, segment.size().unwrap()).unwrap();
            while let Some((_, header)) = walk.next().unwrap() {
                let mark = if header.is_control() { "!" } else { "" };
                found.push(format!("{}+{}{mark}", header.base_offset(), header.record_count()));
            }
        }
        found.join(" ")
    }
}

#[test]
fn a_tombstone_stays_for_its_time_from_the_first_cleaning_on() {
    let it = Compacted::new();
    it.append("a=1 b=1");
    it.append("a= b=");
    assert_eq!(it.clean(5000), "2+2");
    it.append("c=1");
    assert_eq!(it.clean(5099), "2+2 4+1", "that it is cleaned again gives it no new time");
    // What is left of a batch keeps the time of the whole.
    it.append("a=2");
    assert_eq!(it.clean(5099), "2+1 4+1 5+1");
    it.append("d=1");
    assert_eq!(it.clean(5100), "4+1 5+1 6+1");
}

#[test]
fn a_marker_stays_for_the_time_of_a_tombstone_when_its_records_are_gone() {
    for commit in [false, true] {
        let it = Compacted::new();
        it.append_by(0, 0, true, "a=1");
        it.append_by(0, 1, true, "b=1");
        it.end(0, commit);
        it.append_by(0, 2, true, "a=2 b=2");
        it.end(0, true);
        // What was aborted or replaced is gone, but was there when the marker was met.
        assert_eq!(it.clean(5000), "2+1! 3+2 5+1!");
        it.append("d=1");
        assert_eq!(it.clean(6000), "2+1! 3+2 5+1! 6+1");
        it.append("e=1");
        assert_eq!(it.clean(6099), "2+1! 3+2 5+1! 6+1 7+1");
        it.append("f=1");
        assert_eq!(it.clean(6100), "3+2 5+1! 6+1 7+1 8+1");
        it.append("g=1");
        assert_eq!(it.clean(9000), "3+2 5+1! 6+1 7+1 8+1 9+1", "one with records has no end");
    }
}

#[test]
fn records_without_a_key_go_and_the_last_batch_of_the_part_leaves_its_header() {
    let it = Compacted::new();
    it.append("=1");
    it.append("a=1 =1");
    it.append("=1 =1");
    // Without it the part would end before the next segment begins, as one does that has lost its tail.
    assert_eq!(it.clean(5000), "1+1 3+0");
    it.append("b=1");
    assert_eq!(it.clean(5000), "1+1 5+1");
}

#[test]
fn a_producer_goes_on_from_its_last_batch_though_all_its_records_are_gone() {
    let mut it = Compacted::new();
    it.append_by(3, 0, false, "a=1");
    it.append_by(3, 1, false, "a=2 b=1");
    it.append("a=3 b=2");
    assert_eq!(it.clean(5000), "1+0 3+2");
    it.without_snapshots();
    let producers = it.log.producers().unwrap();
    let state = producers.first().expect("it is known by the header of its last batch");
    assert_eq!((state.epoch, state.last_sequence(), producers.len()), (ProducerEpoch(3), 2, 1));
    it.append_by(3, 3, false, "c=1");
}

#[test]
fn a_producer_of_whom_only_a_marker_is_known_keeps_its_epoch() {
    let mut it = Compacted::new();
    it.append_by(3, 0, true, "a=1");
    // A new incarnation ends what the old one left open.
    it.end(4, false);
    it.append("b=1");
    assert_eq!(it.clean(5000), "1+1! 2+1");
    it.append("c=1");
    assert_eq!(it.clean(5100), "1+1! 2+1 3+1");
    it.append("d=1");
    assert_eq!(it.clean(5200), "1+0! 2+1 3+1 4+1", "the marker's time is over, its header stays");
    // An empty control batch tells nobody's epoch, but the snapshot does.
    it.fixture.restart();
    it.log = it.fixture.log();
    assert_eq!(it.log.producers().unwrap().first().map(|state| state.epoch), Some(ProducerEpoch(4)));
}

#[test]
fn of_cleaned_segments_aborted_transactions_are_told_as_long_as_records_of_them_are_left() {
    let it = Compacted::new();
    it.append_by(0, 0, true, "a=1");
    it.append("b=1");
    it.log.roll().unwrap();
    it.append_by(0, 1, true, "c=1");
    it.end(0, false);
    it.append("d=1");
    let told = |it: &Compacted| {
        let read = it.log.read(Offset(0), 1 << 20, it.log.log_end_offset(), true).unwrap();
        let aborted = it.log.aborted_transactions(Offset(0), &read).unwrap().unwrap();
        aborted.iter().map(|it| (it.first_offset.0, it.last_offset.0)).collect::<Vec<_>>()
    };
    assert_eq!(told(&it), [(0, 3)]);
    let read = it.log.read(Offset(0), 1, Offset(5), true).unwrap();
    assert_eq!(it.clean(5000), "1+1 2+0 3+1! 4+1");
    assert_eq!(it.log.aborted_transactions(Offset(0), &read).unwrap(), None, "it is to be read again");
    assert_eq!(told(&it), [(0, 3)], "the batch is there, if empty, and so is the marker");
}

#[test]
fn records_wait_for_their_least_age_and_are_overdue_at_their_greatest() {
    let it = Compacted::new();
    it.append("a=1");
    it.log.roll().unwrap();
    it.fixture.sync();
    it.fixture.directory.checkpoint(i64::MAX).unwrap();
    let cleanable = |lag: CompactionLag, now_ms| {
        let found = it.log.cleanable(Offset(1), lag, now_ms).unwrap();
        (found.cleanable_bytes > 0, found.is_overdue)
    };
    let least = CompactionLag { min_ms: 500, ..LAG };
    assert_eq!((cleanable(least, 1499), cleanable(least, 1500)), ((false, false), (true, false)));
    let greatest = CompactionLag { max_ms: 500, ..LAG };
    assert_eq!((cleanable(greatest, 1500), cleanable(greatest, 1501)), ((true, false), (true, true)));
}

#[test]
fn without_timestamps_records_are_as_old_as_their_file_also_when_it_was_cleaned() {
    let folder = tempfile::tempdir().unwrap();
    let options = DirectoryOptions { cluster_id: Some("cluster".to_owned()), node_id: ottla_ids::NodeId(1) };
    let directory = LogDirectory::open(Disk::Real, folder.path(), &options).unwrap();
    let log =
        directory.open_log(&partition(), ottla_ids::Uuid::from_u128(500), LogConfig::default(), 77).unwrap();
    for _ in 0..2 {
        let mut builder = BatchBuilder::new(Offset(0), Compression::None);
        builder.append(-1, Some(b"a"), Some(b"value"), &[]).unwrap();
        log.append(&builder.finish().unwrap(), &INFO).unwrap();
    }
    log.roll().unwrap();
    directory.commit_queue().sync_waiting().unwrap();
    directory.checkpoint(i64::MAX).unwrap();
    let written_ms = 1_000_000_000_000;
    let first = || Arc::clone(log.view.read().segments.first().unwrap());
    first().file().unwrap().set_modified_ms(written_ms).unwrap();
    let lag = CompactionLag { min_ms: 500, ..LAG };
    let cleanable = |now_ms| log.cleanable(Offset(2), lag, now_ms).unwrap();
    assert_eq!(cleanable(written_ms + 499).cleanable_bytes, 0);
    let cleaning =
        Cleaning { delete_retention_ms: 0, map_bytes: 1 << 16, load_factor: 0.9, buffer_bytes: 1 << 16 };
    let now_ms = written_ms + 500;
    log.clean(&cleanable(now_ms), &cleaning, now_ms, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(
        (read_all(&log, 0, 1000), first().modified_ms().unwrap()),
        ("1+1".to_owned(), Some(written_ms))
    );
}

#[test]
fn a_reader_goes_on_behind_a_gap_that_a_cleaning_left_at_a_segments_end() {
    let it = Compacted::of(LogConfig { segment_bytes: 300, ..LogConfig::default() });
    let large = "x".repeat(100);
    it.append(&format!("b={large}"));
    it.append("a=1");
    it.log.roll().unwrap();
    it.append(&format!("c={large}"));
    it.append("a=2");
    assert_eq!(it.clean(5000), "0+1 2+1 3+1");
    assert_eq!(it.log.segment_count(), 3, "too large to become one");
    for max_bytes in [1, 1000] {
        let read = it.log.read(Offset(1), max_bytes, Offset(4), true).unwrap();
        let bytes = read.records.to_bytes().unwrap();
        assert_eq!(batches(&bytes).next().unwrap().unwrap().base_offset(), Offset(2));
    }
    // Nothing is there that may be seen.
    let read = it.log.read(Offset(1), 1000, Offset(2), true).unwrap();
    assert_eq!((read.records.size(), read.next_offset), (0, Offset(2)));
}

/// As in a directory of Apache Kafka, which also cleans what lies behind its recovery point.
#[test]
fn a_gap_that_a_cleaning_left_is_not_taken_for_a_lost_tail() {
    let mut it = Compacted::of(LogConfig { segment_bytes: 300, ..LogConfig::default() });
    let large = "x".repeat(100);
    it.append(&format!("b={large}"));
    it.append("a=1");
    it.log.roll().unwrap();
    it.append(&format!("c={large}"));
    it.append("a=2");
    assert_eq!(it.clean(5000), "0+1 2+1 3+1");
    it.fixture.directory.root().set_offsets(&partition(), Some(Offset(0)), None).unwrap();
    it.fixture.crash();
    it.log = it.fixture.log();
    assert_eq!(it.batches(), "0+1 2+1 3+1");
    assert_eq!(it.log.recovery().cut_bytes, 0);
}
