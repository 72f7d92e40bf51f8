//! What becomes of a cleaning when the log changes, the power goes or a stop comes meanwhile.

use super::*;
use crate::CompactionLag;

const CLEANING: Cleaning =
    Cleaning { delete_retention_ms: 0, map_bytes: 1 << 16, load_factor: 0.9, buffer_bytes: 100 };
const LAG: CompactionLag = CompactionLag { min_ms: 0, max_ms: i64::MAX };

/// Three closed segments of two batches of key `a` each, durable, and below the recovery point on the disk.
fn filled(seed: u64) -> (Fixture, Arc<Log>) {
    let simulated = SimulatedDisk::new(seed);
    let fixture = Fixture { directory: open(&simulated), simulated, config: LogConfig::default() };
    let log = fixture.log();
    for n in 0..6 {
        log.append(&keyed("a", n), &INFO).unwrap();
        if n % 2 == 1 {
            log.roll().unwrap();
        }
    }
    log.append(&keyed("b", 6), &INFO).unwrap();
    fixture.sync();
    fixture.directory.checkpoint(i64::MAX).unwrap();
    (fixture, log)
}

fn keyed(key: &str, time: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    builder.append(time, Some(key.as_bytes()), Some(&[time as u8; 20]), &[]).unwrap();
    builder.finish().unwrap().to_vec()
}

fn cleanable(log: &Log) -> Cleanable {
    log.cleanable(log.durable_end(), LAG, 5000).unwrap()
}

/// Cleans all that may be cleaned, and does `meanwhile` when it has read or written for the given time.
fn clean(log: &Log, at: usize, meanwhile: &mut dyn FnMut()) -> Result<usize, CleanError> {
    let mut asked = 0;
    let result = log.clean(&cleanable(log), &CLEANING, 5000, &mut |_| {
        asked += 1;
        if asked == at {
            meanwhile();
        }
        ControlFlow::Continue(())
    });
    result.map(|_| asked)
}

/// The names of the log's files but for the given endings.
fn names(fixture: &Fixture, marks: &[&str]) -> Vec<String> {
    let disk = Disk::Simulated(fixture.simulated.clone());
    let names = disk.list(Path::new("/data/flights-0")).unwrap().into_iter().map(|entry| entry.name);
    names.filter(|name| marks.iter().any(|mark| name.ends_with(mark))).collect()
}

#[test]
fn only_what_the_recovery_point_on_the_disk_is_behind_is_cleaned() {
    let fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    log.append(&keyed("a", 0), &INFO).unwrap();
    log.roll().unwrap();
    fixture.sync();
    assert_eq!(cleanable(&log).cleanable_bytes, 0, "a crash now would check it all");
    // It moves, but is not written yet.
    assert_eq!(log.advance_recovery_point().unwrap(), Some(Offset(1)));
    assert_eq!(cleanable(&log).cleanable_bytes, 0, "the next start would still begin before it");
    log.append(&keyed("a", 0), &INFO).unwrap();
    fixture.directory.checkpoint(i64::MAX).unwrap();
    assert!(cleanable(&log).cleanable_bytes > 0);
}

#[test]
fn a_log_that_was_changed_while_it_was_cleaned_stays_as_it_was_changed() {
    type Change = fn(&Log);
    let changes: [(&str, Change, &str); 5] = [
        ("cut", |log| assert_eq!(log.truncate_to(Offset(3)).unwrap(), Offset(3)), "0+1 1+1 2+1"),
        (
            "cut and grown on",
            |log| {
                log.truncate_to(Offset(3)).unwrap();
                log.append(&keyed("c", 9), &INFO).unwrap();
                log.roll().unwrap();
            },
            "0+1 1+1 2+1 3+1",
        ),
        (
            "deleted from",
            |log| {
                log.delete_records(Offset(2), 0).unwrap();
                log.remove_deleted_segments(i64::MAX).unwrap();
            },
            "2+1 3+1 4+1 5+1 6+1",
        ),
        ("begun anew", |log| log.truncate_fully_and_start_at(Offset(50)).unwrap(), ""),
        ("closed", |log| assert_eq!(log.close(), Offset(7)), "0+1 1+1 2+1 3+1 4+1 5+1 6+1"),
    ];
    for (what, change, left) in changes {
        let asked = clean(&filled(1).1, 0, &mut || {}).unwrap();
        // At each read and write, up to the last before the segments are exchanged.
        for at in 1..=asked {
            let (fixture, log) = filled(1);
            let result = clean(&log, at, &mut || change(&log));
            assert!(matches!(result, Err(CleanError::Interrupted)), "{what} at {at}: {result:?}");
            assert_eq!(fixture.directory.offline_reason(), None, "{what} at {at}");
            assert_eq!(names(&fixture, &[".cleaned", ".swap"]), [""; 0], "{what} at {at}");
            assert_eq!(read_all(&log, log.log_start_offset().0, 1000), left, "{what} at {at}");
        }
    }
}

#[test]
fn what_was_cleaned_stays_so_after_a_power_cut() {
    for seed in 1..20 {
        let (mut fixture, log) = filled(seed);
        clean(&log, 0, &mut || {}).unwrap();
        assert_eq!(read_all(&log, 0, 1000), "5+1 6+1");
        fixture.crash();
        assert_eq!(names(&fixture, &[".swap", ".cleaned"]), [""; 0], "{seed}");
        assert_eq!(read_all(&fixture.log(), 0, 1000), "5+1 6+1", "{seed}");
    }
}
