//! Indexes that are well formed and wrong: what is looked for is found all the same.

use super::*;

const BATCHES: i64 = 40;

/// How the segment that the tests look into was left.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Left {
    /// Closed, by a stop in order.
    Closed,
    /// The active one, by a stop in order.
    Active,
    /// The active one, by a power cut behind its recovery point.
    Cut,
}

const ALL: [Left; 3] = [Left::Closed, Left::Active, Left::Cut];

/// A log whose first segment has an entry for every third batch.
fn stopped(left: Left) -> Fixture {
    let mut fixture = Fixture::new(LogConfig { index_interval_bytes: 200, ..LogConfig::default() });
    let log = fixture.log();
    for n in 0..BATCHES {
        log.append(&batch(2, n * 10), &INFO).unwrap();
    }
    match left {
        Left::Closed => {
            log.roll().unwrap();
            log.append(&batch(2, 5), &INFO).unwrap();
        }
        Left::Active => {}
        Left::Cut => {
            fixture.sync();
            fixture.directory.checkpoint(i64::MAX).unwrap();
        }
    }
    drop(log);
    if left == Left::Cut {
        fixture.crash()
    } else {
        fixture.restart()
    }
    fixture
}

/// Rewrites the entries of an index file of the first segment; each is of the size given.
fn rewrite(fixture: &Fixture, ending: &str, size: usize, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let path = Path::new("/data/flights-0").join(format!("{:020}{ending}", 0));
    let disk = Disk::Simulated(fixture.simulated.clone());
    let mut entries: Vec<Vec<u8>> =
        disk.read(&path).unwrap().unwrap().chunks(size).map(<[u8]>::to_vec).collect();
    assert!(entries.len() > 5, "{}", entries.len());
    change(&mut entries);
    disk.replace(&path, &entries.concat()).unwrap();
}

#[track_caller]
fn check(fixture: &Fixture, what: &str) {
    let log = fixture.log();
    let end = log.log_end_offset();
    for offset in 0..end.0 {
        let read = log.read(Offset(offset), 1, end, true).unwrap();
        let bytes = read.records.to_bytes().unwrap();
        let first = batches(&bytes).next().unwrap().unwrap();
        assert!(first.base_offset().0 <= offset && offset <= first.last_offset().0, "{what} at {offset}");
    }
    for n in 0..BATCHES {
        for second in 0..2 {
            let (time, offset) = (n * 10 + second, Offset(n * 2 + second));
            let found = log.offset_for_timestamp(time).unwrap().unwrap();
            assert_eq!((found.timestamp, found.offset), (time, offset), "{what}");
        }
    }
    assert_eq!(log.max_timestamp().unwrap().unwrap().timestamp, (BATCHES - 1) * 10 + 1, "{what}");
}

fn add(entry: &mut [u8], field: std::ops::Range<usize>, by: i32) {
    let bytes: [u8; 4] = entry[field.clone()].try_into().unwrap();
    entry[field].copy_from_slice(&(i32::from_be_bytes(bytes) + by).to_be_bytes());
}

#[test]
fn entries_for_offsets_that_name_no_batch_or_another_one_mislead_nobody() {
    let size = batch(2, 0).len() as i32;
    for left in ALL {
        for (what, by) in [("within a batch", 7), ("the next batch", size), ("the batch before", -size)] {
            let fixture = stopped(left);
            rewrite(&fixture, ".index", 8, |entries| {
                entries.iter_mut().for_each(|entry| add(entry, 4..8, by));
            });
            check(&fixture, &format!("{left:?} {what}"));
        }
        let fixture = stopped(left);
        rewrite(&fixture, ".index", 8, |entries| add(entries.last_mut().unwrap(), 4..8, 1 << 20));
        check(&fixture, &format!("{left:?} behind the end"));
    }
}

#[test]
fn entries_for_times_that_are_not_those_of_their_batches_mislead_nobody() {
    for left in ALL {
        for (what, by) in [("later", 3), ("earlier", -15)] {
            let fixture = stopped(left);
            // All but the last, which says what the greatest is.
            rewrite(&fixture, ".timeindex", 12, |entries| {
                entries.iter_mut().rev().skip(1).for_each(|entry| add(entry, 4..8, by));
            });
            check(&fixture, &format!("{left:?} {what}"));
        }
        let fixture = stopped(left);
        rewrite(&fixture, ".timeindex", 12, |entries| drop(entries.pop()));
        check(&fixture, &format!("{left:?} without the last"));
        let fixture = stopped(left);
        rewrite(&fixture, ".timeindex", 12, Vec::clear);
        check(&fixture, &format!("{left:?} empty"));
    }
}

#[test]
fn the_next_read_does_not_go_beyond_what_may_be_seen_where_offsets_are_missing() {
    let fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    let info = AppendInfo { origin: Origin::Replication, ..INFO };
    for offset in [0, 10] {
        let mut builder = BatchBuilder::new(Offset(offset), Compression::None).leader_epoch(LeaderEpoch(3));
        builder.append(5, None, None, &[]).unwrap();
        log.append(&builder.finish().unwrap(), &info).unwrap();
    }
    let read = |from, end| {
        let read = log.read(Offset(from), 1000, Offset(end), true).unwrap();
        (read.records.size() > 0, read.next_offset.0)
    };
    assert_eq!((read(0, 5), read(1, 5), read(1, 10)), ((true, 5), (false, 5), (false, 10)));
    assert_eq!((read(1, 11), read(5, 11)), ((true, 11), (true, 11)));
}
