//! What the journal promises, on a simulated disk.

use super::*;
use crate::disk::SimulatedDisk;
use crate::inspect::look_at_directory;
use crate::producers::Origin;
use crate::{AppendInfo, DirectoryOptions, LogConfig, LogDirectory, Retention};
use ottla_ids::{LeaderEpoch, NodeId, Offset, TopicPartition, Uuid};
use ottla_records::{BatchBuilder, Compression, batches};

const DATA: &str = "/data";
const SMALL: JournalOptions =
    JournalOptions { file_size: 64 << 10, files_max: 3, choice: JournalChoice::Always };

fn open(simulated: &SimulatedDisk, journal: JournalOptions) -> Result<Arc<LogDirectory>, StorageError> {
    let options = DirectoryOptions { cluster_id: Some("cluster".to_owned()), node_id: NodeId(1) };
    let disk = Disk::Simulated(simulated.clone());
    LogDirectory::open_with_journal(disk, Path::new(DATA), &options, journal)
}

/// A directory whose journal has its first file.
struct Fixture {
    simulated: SimulatedDisk,
    directory: Arc<LogDirectory>,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::of(1)
    }

    fn of(seed: u64) -> Fixture {
        let simulated = SimulatedDisk::new(seed);
        let fixture = Fixture { directory: open(&simulated, SMALL).unwrap(), simulated };
        fixture.append("first", 0);
        fixture.round(); // asks for it
        fixture.write_back();
        fixture
    }

    fn log(&self, topic: &str, partition: i32) -> Arc<Log> {
        let id = Uuid::from_u128(topic.bytes().fold(1, |id, byte| id * 31 + u128::from(byte)));
        let partition = TopicPartition::new(topic, partition);
        self.directory.open_log(&partition, id, LogConfig::default(), 0).unwrap()
    }

    fn append(&self, topic: &str, partition: i32) {
        let mut builder = BatchBuilder::new(Offset(0), Compression::None);
        builder.append(1, None, Some(topic.as_bytes()), &[]).unwrap();
        let info = AppendInfo {
            leader_epoch: LeaderEpoch(0),
            append_time: None,
            origin: Origin::Client,
            now_ms: 1000,
        };
        self.log(topic, partition).append(&builder.finish().unwrap(), &info).unwrap();
    }

    /// Returns how many logs have become durable, and by how many syncs.
    fn round(&self) -> (usize, u64) {
        let before = self.simulated.syncs();
        let synced = self.directory.commit_queue().sync_waiting().unwrap();
        (synced.len(), self.simulated.syncs() - before)
    }

    fn write_back(&self) {
        self.directory.commit_queue().write_back().unwrap();
    }

    fn journal_files(&self) -> Vec<String> {
        let folder = Path::new(DATA).join(JOURNAL);
        let names = Disk::Simulated(self.simulated.clone()).list(&folder).unwrap_or_default();
        names.into_iter().map(|entry| entry.name).collect()
    }

    fn crash(&mut self) -> Result<(), StorageError> {
        self.simulated.power_cut();
        self.directory = open(&self.simulated, SMALL)?;
        Ok(())
    }

    fn kill(&mut self) {
        assert!(self.simulated.kill_process());
        self.directory = open(&self.simulated, SMALL).unwrap();
    }

    /// The values of a log, which are all the same, and how many.
    fn read(&self, topic: &str, partition: i32) -> usize {
        let log = self.log(topic, partition);
        let end = log.log_end_offset();
        let read = log.read(Offset(0), 1 << 20, end, true).unwrap();
        batches(&read.records.to_bytes().unwrap()).count()
    }
}

#[test]
fn a_hundred_busy_partitions_new_or_not_become_durable_by_one_sync() {
    let mut fixture = Fixture::new();
    for times in 1..=2 {
        (0..100).for_each(|partition| fixture.append("busy", partition));
        assert_eq!(fixture.round(), (100, 1), "round {times}");
    }
    fixture.crash().unwrap();
    (0..100).for_each(|partition| assert_eq!(fixture.read("busy", partition), 2, "{partition}"));
    assert!(fixture.journal_files().is_empty(), "it was replayed");
}

#[test]
fn a_large_append_is_synced_where_it_is() {
    let fixture = Fixture::new();
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    builder.append(1, None, Some(&vec![7; ROUND_SIZE_MAX]), &[]).unwrap();
    let info =
        AppendInfo { leader_epoch: LeaderEpoch(0), append_time: None, origin: Origin::Client, now_ms: 1 };
    fixture.log("first", 0).append(&builder.finish().unwrap(), &info).unwrap();
    let (logs, syncs) = fixture.round();
    assert!(logs == 1 && syncs >= 1);
    assert!(!fixture.directory.commit_queue().has_journaled(&fixture.log("first", 0)));
}

#[test]
fn a_full_journal_is_written_anew_when_its_logs_are_synced_and_never_grows() {
    let mut fixture = Fixture::new();
    for times in 0..100 {
        fixture.append("t", times % 5);
        assert_eq!(fixture.round().0, 1);
        if times % 3 == 0 {
            fixture.write_back();
        }
    }
    assert!(fixture.journal_files().len() <= SMALL.files_max);
    // Nobody makes a file free: the segments are synced.
    for times in 0..100 {
        fixture.append("t", times % 5);
        assert_eq!(fixture.round().0, 1);
    }
    fixture.crash().unwrap();
    (0..5).for_each(|partition| assert_eq!(fixture.read("t", partition), 40));
}

#[test]
fn a_deleted_topic_does_not_come_back_from_the_journal() {
    let mut fixture = Fixture::new();
    fixture.append("gone", 0);
    fixture.append("kept", 0);
    fixture.round();
    fixture.directory.delete_log(&TopicPartition::new("gone", 0), 0).unwrap();
    fixture.crash().unwrap();
    let names: Vec<String> =
        fixture.directory.partitions().unwrap().iter().map(|it| it.to_string()).collect();
    assert_eq!(names, ["first-0", "kept-0"]);
}

#[test]
fn what_was_cut_is_not_brought_back_by_the_journal() {
    let mut fixture = Fixture::new();
    (0..6).for_each(|_| fixture.append("t", 0));
    fixture.round();
    fixture.log("t", 0).truncate_to(Offset(2)).unwrap();
    fixture.append("t", 0);
    fixture.round();
    fixture.crash().unwrap();
    assert_eq!(fixture.log("t", 0).log_end_offset(), Offset(3));
}

#[test]
fn what_retention_has_deleted_is_not_brought_back_by_the_journal() {
    let mut fixture = Fixture::new();
    fixture.append("t", 0);
    fixture.round();
    let log = fixture.log("t", 0);
    log.roll().unwrap();
    fixture.append("t", 0);
    fixture.round();
    let all = Retention { bytes: Some(0), ..Retention::default() };
    assert_eq!(log.retain(&all, Offset(1), 1000).unwrap().deleted_segments, 1);
    fixture.kill();
    let log = fixture.log("t", 0);
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(1), Offset(2)));
}

/// Makes rounds of another log, and room for them: each full file is freed when the next is begun.
fn rounds(fixture: &Fixture, count: usize) {
    for _ in 0..count {
        fixture.append("other", 0);
        fixture.round();
        fixture.write_back();
    }
}

/// Rounds that a file takes, without the one that ends it.
const ROUNDS: usize = SMALL.file_size as usize / BLOCK - 1;

#[test]
fn what_a_freed_file_held_is_in_the_segments() {
    for seed in 1..20 {
        let mut fixture = Fixture::of(seed);
        fixture.append("t", 0);
        fixture.round();
        // Nothing of the log is left in the journal then.
        rounds(&fixture, ROUNDS * SMALL.files_max);
        assert!(!fixture.directory.commit_queue().has_journaled(&fixture.log("t", 0)));
        fixture.crash().unwrap();
        assert_eq!(fixture.read("t", 0), 1, "{seed}");
    }
}

#[test]
fn what_a_full_file_holds_is_replayed_until_it_is_freed() {
    for seed in 1..20 {
        let mut fixture = Fixture::of(seed);
        fixture.append("t", 0);
        fixture.round();
        rounds(&fixture, ROUNDS - 1);
        for _ in 0..3 {
            fixture.append("other", 0);
            fixture.round();
        }
        assert_eq!(fixture.journal_files().len(), 2);
        fixture.crash().unwrap();
        assert_eq!(fixture.read("t", 0), 1, "{seed}");
    }
}

#[test]
fn what_a_freed_file_holds_is_not_replayed() {
    let mut fixture = Fixture::new();
    (0..3).for_each(|_| fixture.append("t", 0));
    fixture.round();
    rounds(&fixture, ROUNDS + 1);
    assert!(!fixture.directory.commit_queue().has_journaled(&fixture.log("t", 0)));
    // So nothing in the journal says that this was cut.
    fixture.log("t", 0).truncate_to(Offset(1)).unwrap();
    fixture.kill();
    assert_eq!(fixture.log("t", 0).log_end_offset(), Offset(1));
}

#[test]
fn a_round_that_is_torn_where_a_freed_file_is_written_anew_takes_nothing_with_it() {
    for (seed, changes) in (1..10).flat_map(|seed| (0..6).map(move |changes| (seed, changes))) {
        let simulated = SimulatedDisk::new(seed);
        let disk = Disk::Simulated(simulated.clone());
        disk.create_folders(Path::new(DATA)).unwrap();
        disk.sync_folder(Path::new("/")).unwrap();
        let options = JournalOptions { files_max: 2, ..SMALL };
        let journal = Journal::new(disk.clone(), Path::new(DATA), options);
        let key = Key { topic_id: Uuid::from_u128(7), topic: "t", partition: 0 };
        let place = Place { segment: Offset(0), position: 0, end: Offset(1) };
        let mut value = 0;
        let mut write = || {
            value += 1;
            let mut round = RoundBuffer::small();
            round.append(&key, &place, 3000).unwrap().fill(value);
            journal.write(&mut round, &[])
        };
        // Two files are full of rounds, of which each needs the first as long as its file is not freed.
        assert!(!journal.is_ready());
        journal.make_wanted().unwrap();
        for _ in 0..2 * ROUNDS {
            assert!(write().unwrap());
            journal.make_wanted().unwrap();
        }
        journal.free_oldest();
        simulated.cut_power_after(changes);
        let _ = write();
        simulated.power_cut();
        let replayed = replay(&disk, Path::new(DATA), &crate::checkpoint::Offsets::new());
        assert!(replayed.as_ref().is_ok_and(|it| it.rounds > 0), "{seed} {changes}: {replayed:?}");
    }
}

#[test]
fn what_the_journal_has_of_another_topic_of_the_name_is_not_written_to_this_one() {
    let mut fixture = Fixture::new();
    fixture.append("t", 0);
    fixture.round();
    assert!(fixture.simulated.kill_process());
    let disk = Disk::Simulated(fixture.simulated.clone());
    let folder = Path::new(DATA).join("t-0");
    disk.remove_folder(&folder).unwrap();
    disk.create_folder(&folder).unwrap();
    let id = Uuid::from_u128(7);
    let text = crate::checkpoint::partition_metadata(id);
    disk.replace(&folder.join("partition.metadata"), text.as_bytes()).unwrap();
    fixture.directory = open(&fixture.simulated, SMALL).unwrap();
    let log = fixture.directory.open_log(&TopicPartition::new("t", 0), id, LogConfig::default(), 0).unwrap();
    assert_eq!(log.log_end_offset(), Offset(0));
}

#[test]
fn what_was_there_before_a_log_began_anew_is_not_brought_back_by_the_journal() {
    let mut fixture = Fixture::new();
    (0..3).for_each(|_| fixture.append("t", 0));
    fixture.round();
    fixture.log("t", 0).truncate_fully_and_start_at(Offset(1)).unwrap();
    fixture.kill();
    let log = fixture.log("t", 0);
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(1), Offset(1)));
}

#[test]
fn what_is_set_aside_is_whole_without_the_journal_and_does_not_come_back() {
    for seed in 1..20 {
        let mut fixture = Fixture::of(seed);
        (0..3).for_each(|_| fixture.append("t", 0));
        fixture.round();
        let size = fixture.log("t", 0).size().unwrap();
        fixture.directory.set_aside_stray(&TopicPartition::new("t", 0)).unwrap();
        fixture.crash().unwrap();
        let names: Vec<String> =
            fixture.directory.partitions().unwrap().iter().map(|it| it.to_string()).collect();
        assert_eq!(names, ["first-0"]);
        let disk = Disk::Simulated(fixture.simulated.clone());
        let stray = disk.list(Path::new(DATA)).unwrap().into_iter().find(|it| it.name.ends_with("-stray"));
        let segment = Path::new(DATA).join(stray.unwrap().name).join("00000000000000000000.log");
        assert_eq!(disk.size(&segment).unwrap(), size, "{seed}");
    }
}

#[test]
fn after_a_stop_in_order_there_is_no_journal() {
    let fixture = Fixture::new();
    fixture.append("t", 0);
    fixture.round();
    assert_eq!(fixture.journal_files(), ["0"]);
    fixture.directory.close(1).unwrap();
    let names = Disk::Simulated(fixture.simulated.clone()).list(Path::new(DATA)).unwrap();
    assert!(!names.iter().any(|entry| entry.name.starts_with(JOURNAL)), "{names:?}");
}

#[test]
fn a_damaged_round_is_refused_unless_it_is_the_last() {
    let path = Path::new(DATA).join(JOURNAL).join("0");
    let check = |damaged: usize| {
        let mut fixture = Fixture::new();
        for _ in 0..4 {
            fixture.append("t", 0);
            fixture.round();
        }
        fixture.simulated.flip_bit(&path, damaged * BLOCK + 60).unwrap();
        fixture.crash().map(|()| fixture.read("t", 0))
    };
    for damaged in 0..3 {
        let error = check(damaged).unwrap_err().to_string();
        assert!(error.contains("acked records") && error.contains(path.to_str().unwrap()), "{error}");
    }
    // Nothing tells it from one that was never completed; the segment may have the bytes all the same.
    assert!(check(3).unwrap() >= 3);
}

#[test]
fn a_log_whose_segment_is_missing_is_not_opened_and_others_are() {
    let mut fixture = Fixture::new();
    fixture.append("lost", 0);
    fixture.log("lost", 0).advance_recovery_point().unwrap();
    fixture.append("lost", 0);
    fixture.append("kept", 0);
    fixture.round();
    let segment = Path::new(DATA).join("lost-0").join("00000000000000000000.log");
    let disk = Disk::Simulated(fixture.simulated.clone());
    disk.remove_file(&segment).unwrap();
    disk.sync_folder(segment.parent().unwrap()).unwrap();
    fixture.simulated.power_cut();
    let checked = look_at_directory(&disk, Path::new(DATA), false).unwrap();
    let isolated = checked.findings.kept().iter().find(|it| it.answer == crate::inspect::Answer::Isolated);
    let isolated = isolated.expect("the check says what the start will do");
    assert!(isolated.path.ends_with("lost-0") && isolated.what.contains("cannot be replayed"));
    fixture.crash().unwrap();
    assert_eq!(fixture.read("kept", 0), 1);
    let partition = TopicPartition::new("lost", 0);
    let id = Uuid::from_u128(1);
    let error = fixture.directory.open_log(&partition, id, LogConfig::default(), 0).unwrap_err().to_string();
    assert!(error.contains("cannot be replayed"), "{error}");
}

/// What a check says of the directory after a power cut that `damage` follows, but for its other files.
fn checked(damage: impl FnOnce(&Disk)) -> Vec<String> {
    let fixture = Fixture::new();
    for (topic, times) in [("few", 1), ("many", 3)] {
        for _ in 0..times {
            fixture.append(topic, 0);
            fixture.round();
        }
    }
    fixture.simulated.power_cut();
    let disk = Disk::Simulated(fixture.simulated.clone());
    damage(&disk);
    let checked = look_at_directory(&disk, Path::new(DATA), false).unwrap();
    let findings = checked.findings.kept().iter();
    let of_journal = findings.filter(|it| it.what.contains("journal"));
    of_journal
        .map(|it| format!("{} {} {:?}: {}", it.answer, it.path.display(), it.position, it.what))
        .collect()
}

#[test]
fn a_check_tells_what_a_replay_will_do() {
    let told = checked(|_| {});
    assert_eq!(
        told,
        [
            "left alone /data/journal None: is a journal (rounds 4, appends 4, bytes 287, partitions 2): what was \
          acknowledged may still be only in it"
        ]
    );
    let told = checked(|disk| {
        let file = disk.open(&Path::new(DATA).join(JOURNAL).join("0")).unwrap();
        file.write_all_at(&mut [std::io::IoSlice::new(b"x")], BLOCK as u64 + 60).unwrap();
    });
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("refused /data/journal/0 Some("), "{told:?}");
    assert!(told[0].contains("round 2 is missing"), "{told:?}");
}
