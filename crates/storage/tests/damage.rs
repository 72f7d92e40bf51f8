//! What becomes of a log directory that was damaged while nobody worked in it: what a check says, what serving
//! does, and what can still be read. Each case is a row of the guide "When a log directory is damaged".

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use ottla_ids::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, TopicId, TopicPartition, Uuid};
use ottla_records::{BatchBuilder, Compression, batches};
use ottla_storage::inspect::{Answer, check_partition, look_at_directory};
use ottla_storage::{AppendInfo, DirectoryOptions, Disk, Log, LogConfig, LogDirectory, Origin, StorageError};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const OPTIONS: fn() -> DirectoryOptions =
    || DirectoryOptions { cluster_id: Some("cluster".to_owned()), node_id: NodeId(1) };

/// Segments of some eight batches, an index entry for every second one.
fn config() -> LogConfig {
    LogConfig { segment_bytes: 1000, index_interval_bytes: 200, ..LogConfig::default() }
}

/// `a-0` and `a-1` of one topic, `b-0` of another.
fn partitions() -> [(TopicPartition, TopicId, i64); 3] {
    let of = |topic, index, id, producer| (TopicPartition::new(topic, index), Uuid::from_u128(id), producer);
    [of("a", 0, 100, 7), of("a", 1, 100, 8), of("b", 0, 200, 9)]
}

fn open(path: &Path) -> Arc<LogDirectory> {
    LogDirectory::open(Disk::Real, path, &OPTIONS()).unwrap()
}

fn open_log(directory: &LogDirectory, number: usize) -> Result<Arc<Log>, StorageError> {
    let (partition, topic_id, _) = &partitions()[number];
    directory.open_log(partition, *topic_id, config(), number as u64)
}

fn append(log: &Log, producer: i64, number: i32, epoch: i32) -> Result<Offset, String> {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None).producer(
        ProducerId(producer),
        ProducerEpoch(0),
        number,
    );
    builder.append(1000 + i64::from(number), Some(b"key"), Some(&[number as u8; 50]), &[]).unwrap();
    let info = AppendInfo {
        leader_epoch: LeaderEpoch(epoch),
        append_time: None,
        origin: Origin::Client,
        now_ms: 1000,
    };
    log.append(&builder.finish().unwrap(), &info).map(|it| it.base_offset).map_err(|error| error.to_string())
}

/// A directory whose logs have 40 batches (`a-1` has 30), leader epoch 3 from offset 20 on. Stopped in order, or
/// as `kill -9` leaves it, with the recovery point of `a-0` at 33.
fn fill(path: &Path, is_clean: bool) {
    let directory = open(path);
    for (number, (_, _, producer)) in partitions().iter().enumerate().rev() {
        let log = open_log(&directory, number).unwrap();
        let count = if number == 1 { 30 } else { 40 };
        for batch in 0..count {
            append(&log, *producer, batch, if batch < 20 { 1 } else { 3 }).unwrap();
            directory.commit_queue().sync_waiting().unwrap();
            if number == 0 && batch == 32 {
                directory.checkpoint(i64::MAX).unwrap();
            }
        }
    }
    if is_clean {
        directory.close(5).unwrap();
    }
}

/// The offsets that a consumer gets, as ranges: a batch with a wrong CRC it refuses.
fn readable(log: &Log) -> String {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for offset in log.log_start_offset().0..log.log_end_offset().0 {
        let Ok(read) = log.read(Offset(offset), 1, log.log_end_offset(), true) else { continue };
        let Ok(bytes) = read.records.to_bytes() else { continue };
        let is_there = batches(&bytes).next().is_some_and(|batch| {
            batch.is_ok_and(|it| it.base_offset() == Offset(offset) && it.check_crc().is_ok())
        });
        if !is_there {
            continue;
        }
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == offset => *last = offset,
            _ => ranges.push((offset, offset)),
        }
    }
    ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect::<Vec<_>>().join(" ")
}

/// What a check finds, but for what is left alone: `answer file@byte`, one each.
fn check(path: &Path) -> String {
    let directory = look_at_directory(&Disk::Real, path, false).unwrap();
    let mut findings: Vec<_> = directory.findings.kept().to_vec();
    for (partition, topic_id, _) in partitions() {
        let folder = path.join(partition.to_string());
        if folder.exists() {
            let expected = directory.files.expected(&partition, Some(topic_id), false);
            let checked = check_partition(&Disk::Real, &folder, &expected, &mut |_| {}).unwrap();
            findings.extend(checked.findings.kept().iter().cloned());
        }
    }
    let told = findings.iter().filter(|it| it.answer != Answer::LeftAlone).map(|it| {
        let place =
            it.path.strip_prefix(path).unwrap().display().to_string().replace("000000000000000000", "");
        let byte = it.position.map_or(String::new(), |it| format!("@{it}"));
        format!("{} {place}{byte}", it.answer)
    });
    told.collect::<Vec<_>>().join(", ")
}

/// What serving makes of `a-0`: why it is refused, or what can be read, and what the next append gets.
fn serve(path: &Path) -> String {
    let directory = open(path);
    let told = match open_log(&directory, 0) {
        Err(error) => format!("isolated: {error}").replace(&path.display().to_string(), ""),
        // What every fetch and every append asks first.
        Ok(log) if log.first_unstable_offset().is_err() => {
            let error = log.first_unstable_offset().unwrap_err();
            format!("isolated at first use: {error}").replace(&path.display().to_string(), "")
        }
        Ok(log) => {
            let readable = readable(&log);
            let epochs = log.leader_epochs().unwrap();
            let epochs: Vec<String> = epochs.iter().map(|it| format!("{}@{}", it.epoch, it.start)).collect();
            // A batch that was acked before is known for a duplicate by the producers' state.
            let next = append(&log, 7, log.log_end_offset().0 as i32, 3)
                .map_err(|it| it.replace(&path.display().to_string(), ""));
            match next {
                Ok(offset) => format!("reads {readable}, epochs {}, appends at {offset}", epochs.join(" ")),
                Err(error) => format!("reads {readable}, appends not: {error}"),
            }
        }
    };
    // The others go on.
    let others = [(1, "0-29"), (2, "0-39")].map(|(number, all)| match open_log(&directory, number) {
        Ok(log) if log.first_unstable_offset().is_err() => format!("; {}: isolated, too", log.partition()),
        Ok(log) if readable(&log) == all => String::new(),
        Ok(log) => format!("; {}: reads {}", log.partition(), readable(&log)),
        Err(_) => format!("; {}: isolated, too", partitions()[number].0),
    });
    told + &others.concat()
}

/// A damage and its answers: what the check says, and what serving does.
struct Case {
    name: &'static str,
    is_clean: bool,
    damage: fn(&Path),
    check: &'static str,
    serve: &'static str,
}

fn flip(path: PathBuf, byte: usize) {
    let mut bytes = fs::read(&path).unwrap();
    bytes[byte] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

fn cut(path: PathBuf, size: u64) {
    fs::File::options().write(true).open(path).unwrap().set_len(size).unwrap();
}

fn file(path: &Path, name: &str) -> PathBuf {
    path.join("a-0").join(name)
}

fn segment(path: &Path, base: i64, ending: &str) -> PathBuf {
    file(path, &format!("{base:020}{ending}"))
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn exchange(one: PathBuf, other: PathBuf) {
    let between = one.with_extension("between");
    fs::rename(&one, &between).unwrap();
    fs::rename(&other, &one).unwrap();
    fs::rename(between, other).unwrap();
}

const CASES: &[Case] = &[
    Case {
        name: "no damage, stopped in order",
        is_clean: true,
        damage: |_| {},
        check: "",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "no damage, killed",
        is_clean: false,
        damage: |_| {},
        check: "",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a bit of a record in a closed segment",
        is_clean: true,
        damage: |path| flip(segment(path, 8, ".log"), 300),
        check: "unreadable a-0/08.log@242",
        serve: "reads 0-9 11-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a bit of a batch's length in a closed segment",
        is_clean: true,
        damage: |path| flip(segment(path, 8, ".log"), 242 + 9),
        check: "unreadable a-0/08.log@242",
        serve: "reads 0-9 12-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a bit of a leader epoch, which no CRC covers",
        is_clean: true,
        damage: |path| flip(segment(path, 8, ".log"), 242 + 15),
        check: "unnoticed a-0/leader-epoch-checkpoint",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a bit of a record in the newest segment",
        is_clean: true,
        damage: |path| flip(segment(path, 32, ".log"), 300),
        check: "unreadable a-0/32.log@242",
        serve: "reads 0-33 35-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a bit of the last batch's header in the newest segment",
        is_clean: true,
        damage: |path| flip(segment(path, 32, ".log"), 7 * 121 + 16),
        check: "unreadable a-0/32.log@847, isolated a-0",
        serve: "isolated at first use: /a-0/00000000000000000032.log is damaged at byte 847 (offset 32): invalid magic found in record: 66",
    },
    Case {
        name: "killed: a bit of what was never checked, whole batches behind it",
        is_clean: false,
        damage: |path| flip(segment(path, 32, ".log"), 300),
        check: "cut a-0/32.log@242",
        serve: "reads 0-33, epochs 1@0 3@20, appends at 34",
    },
    Case {
        name: "killed: a bit of what was durable",
        is_clean: false,
        damage: |path| flip(segment(path, 32, ".log"), 70),
        check: "isolated a-0/32.log@0",
        serve: "isolated: /a-0/00000000000000000032.log is damaged at byte 0 (offset 32): record is corrupt (stored crc = 2881246021, computed crc = 3535303531)",
    },
    Case {
        name: "killed: a bit of what was durable long ago",
        is_clean: false,
        damage: |path| flip(segment(path, 8, ".log"), 300),
        check: "unreadable a-0/08.log@242",
        serve: "reads 0-9 11-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "killed: a torn end",
        is_clean: false,
        damage: |path| cut(segment(path, 32, ".log"), 500),
        check: "cut a-0/32.log@484",
        serve: "reads 0-35, epochs 1@0 3@20, appends at 36",
    },
    Case {
        name: "killed: the end of what was durable is missing",
        is_clean: false,
        damage: |path| cut(segment(path, 32, ".log"), 0),
        check: "rebuilt a-0/33.snapshot, isolated a-0",
        serve: "isolated: /a-0/00000000000000000032.log is damaged at byte 0 (offset 32): the log ends here, but was durable up to offset 33",
    },
    Case {
        name: "the end of the newest segment is missing",
        is_clean: true,
        damage: |path| cut(segment(path, 32, ".log"), 500),
        check: "unreadable a-0/32.log@484, isolated a-0",
        serve: "isolated at first use: /a-0/00000000000000000032.log is damaged at byte 484 (offset 36): the batch needs 17 bytes, only 16 are there",
    },
    Case {
        name: "the newest segment is missing",
        is_clean: true,
        damage: |path| fs::remove_file(segment(path, 32, ".log")).unwrap(),
        check: "rebuilt a-0/32.index, rebuilt a-0/32.timeindex, isolated a-0",
        serve: "isolated at first use: /a-0/00000000000000000024.log is damaged at byte 968 (offset 32): the segment ends at offset 32, where a clean stop left 40",
    },
    Case {
        name: "a segment in the middle is missing",
        is_clean: true,
        damage: |path| fs::remove_file(segment(path, 16, ".log")).unwrap(),
        check: "rebuilt a-0/16.index, rebuilt a-0/16.timeindex, unnoticed a-0/24.log@0",
        serve: "reads 0-15 24-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "an index is missing",
        is_clean: true,
        damage: |path| fs::remove_file(segment(path, 8, ".index")).unwrap(),
        check: "rebuilt a-0/08.index",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "an index is cut within an entry",
        is_clean: true,
        damage: |path| cut(segment(path, 8, ".index"), 11),
        check: "rebuilt a-0/08.index@8",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "an index is cut behind an entry",
        is_clean: true,
        damage: |path| cut(segment(path, 8, ".index"), 8),
        check: "",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a bit of an index's position",
        is_clean: true,
        damage: |path| flip(segment(path, 8, ".index"), 7),
        check: "rebuilt a-0/08.index@0",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a bit of an index's offset",
        is_clean: true,
        damage: |path| flip(segment(path, 8, ".index"), 15 - 4),
        check: "rebuilt a-0/08.index@8",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "the newest segment's index is missing",
        is_clean: true,
        damage: |path| fs::remove_file(segment(path, 32, ".index")).unwrap(),
        check: "rebuilt a-0/32.index",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a bit of the newest segment's index",
        is_clean: true,
        damage: |path| flip(segment(path, 32, ".index"), 7),
        check: "rebuilt a-0/32.index@0",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a time index is missing",
        is_clean: true,
        damage: |path| fs::remove_file(segment(path, 8, ".timeindex")).unwrap(),
        check: "rebuilt a-0/08.timeindex",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a time index is cut behind an entry",
        is_clean: true,
        damage: |path| cut(segment(path, 8, ".timeindex"), 12),
        check: "rebuilt a-0/08.timeindex@12",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a bit of a time index",
        is_clean: true,
        damage: |path| flip(segment(path, 8, ".timeindex"), 7),
        check: "rebuilt a-0/08.timeindex@0",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "all indexes are missing, killed",
        is_clean: false,
        damage: |path| {
            for base in [0, 8, 16, 24, 32] {
                for ending in [".index", ".timeindex"] {
                    let _ = fs::remove_file(segment(path, base, ending));
                }
            }
        },
        check: "rebuilt a-0/00.index, rebuilt a-0/00.timeindex, rebuilt a-0/08.index, rebuilt a-0/08.timeindex, rebuilt a-0/16.index, rebuilt a-0/16.timeindex, rebuilt a-0/24.index, rebuilt a-0/24.timeindex",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "an index without its segment",
        is_clean: true,
        damage: |path| {
            fs::copy(segment(path, 8, ".index"), segment(path, 99, ".index")).unwrap();
        },
        check: "rebuilt a-0/99.index",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "killed: no recovery points",
        is_clean: false,
        damage: |path| fs::remove_file(path.join("recovery-point-offset-checkpoint")).unwrap(),
        check: "rebuilt recovery-point-offset-checkpoint",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "killed: no recovery points, and a bit of an old segment",
        is_clean: false,
        damage: |path| {
            fs::remove_file(path.join("recovery-point-offset-checkpoint")).unwrap();
            flip(segment(path, 8, ".log"), 300)
        },
        check: "rebuilt recovery-point-offset-checkpoint, unreadable a-0/08.log@242",
        serve: "reads 0-9 11-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "killed: recovery points that make no sense",
        is_clean: false,
        damage: |path| fs::write(path.join("recovery-point-offset-checkpoint"), "0\n7\na 0 32\n").unwrap(),
        check: "rebuilt recovery-point-offset-checkpoint",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "no checkpoint at all",
        is_clean: true,
        damage: |path| {
            for name in ["recovery-point", "log-start", "replication", "cleaner"] {
                let _ = fs::remove_file(path.join(format!("{name}-offset-checkpoint")));
            }
        },
        check: "rebuilt recovery-point-offset-checkpoint",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "no leader epochs",
        is_clean: true,
        damage: |path| fs::remove_file(file(path, "leader-epoch-checkpoint")).unwrap(),
        check: "rebuilt a-0/leader-epoch-checkpoint",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "leader epochs that make no sense",
        is_clean: true,
        damage: |path| fs::write(file(path, "leader-epoch-checkpoint"), "0\n9\n").unwrap(),
        check: "rebuilt a-0/leader-epoch-checkpoint",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "killed: no leader epochs",
        is_clean: false,
        damage: |path| fs::remove_file(file(path, "leader-epoch-checkpoint")).unwrap(),
        check: "rebuilt a-0/leader-epoch-checkpoint",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a bit of the newest producer snapshot",
        is_clean: true,
        damage: |path| flip(segment(path, 40, ".snapshot"), 20),
        check: "rebuilt a-0/40.snapshot",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a producer snapshot of another partition",
        is_clean: true,
        damage: |path| {
            fs::copy(path.join("b-0/00000000000000000040.snapshot"), segment(path, 40, ".snapshot")).unwrap();
        },
        check: "rebuilt a-0/40.snapshot",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "no producer snapshots",
        is_clean: true,
        damage: |path| {
            for base in [8, 16, 24, 32, 40] {
                let _ = fs::remove_file(segment(path, base, ".snapshot"));
            }
        },
        check: "",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "no partition.metadata",
        is_clean: true,
        damage: |path| fs::remove_file(file(path, "partition.metadata")).unwrap(),
        check: "rebuilt a-0/partition.metadata",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "a partition.metadata that makes no sense",
        is_clean: true,
        damage: |path| fs::write(file(path, "partition.metadata"), "nothing").unwrap(),
        check: "isolated a-0/partition.metadata",
        serve: "isolated: /a-0/partition.metadata cannot be used: unexpected content \"nothing\"",
    },
    Case {
        name: "the folders of two topics are exchanged",
        is_clean: true,
        damage: |path| exchange(path.join("a-0"), path.join("b-0")),
        check: "isolated a-0/partition.metadata, isolated b-0/partition.metadata",
        serve: "isolated: folder of a-0 holds topic id AAAAAAAAAAAAAAAAAAAAyA, not AAAAAAAAAAAAAAAAAAAAZA; b-0: isolated, too",
    },
    Case {
        name: "the folders of two partitions of a topic are exchanged",
        is_clean: true,
        damage: |path| exchange(path.join("a-0"), path.join("a-1")),
        check: "isolated a-0, isolated a-1",
        serve: "isolated at first use: /a-0/00000000000000000024.log is damaged at byte 726 (offset 30): the segment ends at offset 30, where a clean stop left 40; a-1: isolated, too",
    },
    Case {
        name: "a segment of another partition",
        is_clean: true,
        damage: |path| exchange(segment(path, 8, ".log"), path.join("b-0/00000000000000000008.log")),
        check: "unnoticed a-0/16.snapshot, unnoticed b-0/16.snapshot",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
    Case {
        name: "the folder is missing",
        is_clean: true,
        damage: |path| fs::remove_dir_all(path.join("a-0")).unwrap(),
        check: "",
        serve: "isolated: /a-0 is damaged at byte 0 (offset 0): no segment is there, but the log was durable up to offset 40: restore the folder, or delete the topic",
    },
    Case {
        name: "the folder is empty",
        is_clean: true,
        damage: |path| {
            for entry in fs::read_dir(path.join("a-0")).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap()
            }
        },
        check: "rebuilt a-0/partition.metadata, isolated a-0",
        serve: "isolated: /a-0 is damaged at byte 0 (offset 0): no segment is there, but the log was durable up to offset 40: restore the folder, or delete the topic",
    },
    Case {
        name: "files and folders that do not belong there",
        is_clean: true,
        damage: |path| {
            fs::write(file(path, "notes.txt"), "x").unwrap();
            fs::write(path.join("lost.txt"), "x").unwrap();
            fs::create_dir(path.join("lost+found")).unwrap();
            fs::create_dir(file(path, "backup")).unwrap();
        },
        check: "",
        serve: "reads 0-39, epochs 1@0 3@20, appends at 40",
    },
];

#[test]
fn every_damage_has_its_answer() {
    let (clean, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(clean.path(), true);
    fill(killed.path(), false);
    let mut wrong = String::new();
    for case in CASES {
        let folder = tempfile::tempdir().unwrap();
        copy(if case.is_clean { clean.path() } else { killed.path() }, folder.path());
        (case.damage)(folder.path());
        let checked = check(folder.path());
        let served = serve(folder.path());
        if checked != case.check || served != case.serve {
            wrong.push_str(&format!("{}\n    check: {checked:?}\n    serve: {served:?}\n", case.name));
        }
        // Nor is there a loop of crashes: a second start answers the same.
        if served.starts_with("isolated") {
            assert!(serve(folder.path()).starts_with("isolated"), "{}", case.name);
        }
    }
    assert!(wrong.is_empty(), "answers that differ:\n{wrong}");
}

/// `ottla log check` once said of every empty partition that its `leader-epoch-checkpoint` was missing.
#[test]
fn a_log_without_records_lacks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(folder.path());
    (0..3).for_each(|number| drop(open_log(&directory, number).unwrap()));
    directory.close(5).unwrap();
    assert_eq!(check(folder.path()), "");
}

/// `ottla log check` once took it for damage that a crash came between an election and the next checkpoint.
#[test]
fn a_leader_epoch_that_began_behind_the_recovery_point_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(folder.path());
    let log = open_log(&directory, 0).unwrap();
    for batch in 0..20 {
        append(&log, 7, batch, 1).unwrap();
    }
    directory.commit_queue().sync_waiting().unwrap();
    directory.checkpoint(i64::MAX).unwrap();
    for batch in 20..25 {
        append(&log, 7, batch, 2).unwrap();
    }
    directory.commit_queue().sync_waiting().unwrap();
    drop((log, directory));
    assert_eq!(check(folder.path()), "");
    let served = serve(folder.path());
    assert!(served.starts_with("reads 0-24, epochs 1@0 2@20, appends at 25"), "{served}");
}

#[test]
fn whole_batches_that_a_recovery_cuts_off_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), false);
    flip(segment(folder.path(), 32, ".log"), 300);
    serve(folder.path());
    let kept = fs::read(segment(folder.path(), 34, ".log.cut")).unwrap();
    assert_eq!(kept.len(), 6 * 121);
    let whole = batches(&kept).flatten().filter(|it| it.check_crc().is_ok());
    assert_eq!(whole.map(|it| it.base_offset().0).collect::<Vec<_>>(), [35, 36, 37, 38, 39]);
    // A torn end alone is nothing to keep.
    let other = tempfile::tempdir().unwrap();
    fill(other.path(), false);
    cut(segment(other.path(), 32, ".log"), 500);
    serve(other.path());
    assert!(!segment(other.path(), 36, ".log.cut").exists());
}
