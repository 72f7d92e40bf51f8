//! What goes with records that are cut off, at the end of a log or all of them.

use super::*;
use ottla_records::EndTransactionMarker;

fn on(seed: u64) -> (Fixture, Arc<Log>) {
    let simulated = SimulatedDisk::new(seed);
    let fixture = Fixture { directory: open(&simulated), simulated, config: LogConfig::default() };
    let log = fixture.log();
    (fixture, log)
}

/// Appends a batch of one record of producer 7's transaction.
fn transact(log: &Log, sequence: i32) {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None)
        .producer(ProducerId(7), ProducerEpoch(0), sequence)
        .transactional(true);
    builder.append(1000, None, Some(b"value"), &[]).unwrap();
    log.append(&builder.finish().unwrap(), &INFO).unwrap();
}

fn end(log: &Log, commit: bool) {
    let marker = EndTransactionMarker { commit, coordinator_epoch: 0 };
    let (producer, epoch) = (ProducerId(7), ProducerEpoch(0));
    let bytes =
        BatchBuilder::end_transaction(Offset(0), LeaderEpoch(0), 1000, producer, epoch, marker).unwrap();
    log.append(&bytes, &AppendInfo { origin: Origin::Coordinator, ..INFO }).unwrap();
    log.on_high_watermark(log.log_end_offset());
}

/// First and last offsets of the aborted transactions that a reader from the start is told of.
fn aborted(log: &Log) -> Vec<(i64, i64)> {
    let read = log.read(log.log_start_offset(), 1 << 20, log.log_end_offset(), true).unwrap();
    let aborted = log.aborted_transactions(log.log_start_offset(), &read).unwrap().unwrap();
    aborted.iter().map(|it| (it.first_offset.0, it.last_offset.0)).collect()
}

fn names(fixture: &Fixture, ending: &str) -> Vec<String> {
    let disk = Disk::Simulated(fixture.simulated.clone());
    let names = disk.list(Path::new("/data/flights-0")).unwrap().into_iter().map(|entry| entry.name);
    names.filter(|name| name.ends_with(ending)).collect()
}

#[test]
fn a_transaction_whose_abort_was_cut_off_is_open_again_and_may_be_committed() {
    for in_another_segment in [false, true] {
        let (mut fixture, log) = on(1);
        transact(&log, 0);
        end(&log, false);
        transact(&log, 1);
        if in_another_segment {
            log.roll().unwrap();
        }
        end(&log, false);
        assert_eq!(aborted(&log), [(0, 1), (2, 3)]);
        log.truncate_to(Offset(3)).unwrap();
        assert_eq!((aborted(&log), log.first_unstable_offset().unwrap()), (vec![(0, 1)], Some(Offset(2))));
        end(&log, true);
        assert_eq!((aborted(&log), log.first_unstable_offset().unwrap()), (vec![(0, 1)], None));
        fixture.restart();
        assert_eq!(aborted(&fixture.log()), [(0, 1)]);
    }
}

#[test]
fn a_producer_goes_on_from_what_is_left_of_it() {
    let (mut fixture, log) = on(1);
    for sequence in 0..4 {
        log.append(&idempotent(5, 0, sequence, 1), &INFO).unwrap();
        log.roll().unwrap();
    }
    log.truncate_to(Offset(2)).unwrap();
    assert_eq!(
        names(&fixture, ".snapshot"),
        ["00000000000000000001.snapshot", "00000000000000000002.snapshot"]
    );
    assert!(log.append(&idempotent(5, 0, 1, 1), &INFO).unwrap().duplicate);
    let ahead = log.append(&idempotent(5, 0, 3, 1), &INFO);
    assert!(matches!(ahead, Err(AppendError::OutOfOrderSequence { last_sequence: 1, .. })), "{ahead:?}");
    assert!(!log.append(&idempotent(5, 0, 2, 1), &INFO).unwrap().duplicate);
    fixture.restart();
    assert!(fixture.log().append(&idempotent(5, 0, 2, 1), &INFO).unwrap().duplicate);
}

#[test]
fn what_was_cut_off_stays_so_after_a_power_cut() {
    for seed in 1..30 {
        let (mut fixture, log) = on(seed);
        for n in 0..6 {
            let info = AppendInfo { leader_epoch: LeaderEpoch(n), ..INFO };
            log.append(&batch(2, 0), &info).unwrap();
            if n == 3 {
                log.roll().unwrap();
            }
        }
        fixture.sync();
        if seed % 2 == 0 {
            fixture.directory.checkpoint(i64::MAX).unwrap();
            fixture.directory.root().set_cleaned_to(&partition(), Some(Offset(8))).unwrap();
        }
        log.truncate_to(Offset(4)).unwrap();
        assert!(fixture.directory.root().cleaned_to(&partition()).is_none_or(|to| to == Offset(4)));
        assert_eq!(
            (log.recovery_point().min(Offset(4)), log.durable_end()),
            (log.recovery_point(), Offset(4))
        );
        fixture.crash();
        let log = fixture.log();
        assert_eq!(read_all(&log, 0, 1000), "0+2 2+2", "{seed}");
        let epochs: Vec<i32> = log.leader_epochs().unwrap().iter().map(|it| it.epoch.0).collect();
        assert_eq!(epochs, [0, 1], "{seed}");
    }
}

#[test]
fn reads_find_what_was_appended_where_other_batches_were_cut_off() {
    let (_fixture, log) = on(1);
    for _ in 0..4 {
        log.append(&batch(2, 500), &INFO).unwrap();
    }
    for from in 0..8 {
        log.read(Offset(from), 100, Offset(8), true).unwrap();
    }
    assert_eq!(log.max_timestamp().unwrap().unwrap().timestamp, 501);
    log.truncate_to(Offset(2)).unwrap();
    for _ in 0..6 {
        log.append(&batch(1, 400), &INFO).unwrap();
    }
    for from in 2..8 {
        let read = log.read(Offset(from), 1, Offset(8), true).unwrap();
        let bytes = read.records.to_bytes().unwrap();
        let first = batches(&bytes).next().unwrap().unwrap();
        first.check_crc().unwrap();
        assert_eq!(first.base_offset(), Offset(from));
    }
    assert_eq!(log.offset_for_timestamp(500).unwrap().map(|it| it.offset), Some(Offset(0)));
    assert_eq!(log.offset_for_timestamp(502).unwrap(), None);
}

#[test]
fn a_log_that_began_anew_knows_nothing_of_what_was_before() {
    let (mut fixture, log) = on(1);
    log.append(&batch(1, 0), &INFO).unwrap();
    log.append(&idempotent(5, 0, 0, 1), &INFO).unwrap();
    transact(&log, 0);
    log.roll().unwrap();
    log.append(&batch(1, 0), &INFO).unwrap();
    fixture.sync();
    log.on_high_watermark(Offset(4));
    fixture.directory.checkpoint(i64::MAX).unwrap();
    fixture.directory.root().set_cleaned_to(&partition(), Some(Offset(3))).unwrap();
    log.truncate_fully_and_start_at(Offset(100)).unwrap();
    for is_restarted in [false, true] {
        let log = fixture.log();
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(100), Offset(100)));
        assert_eq!((log.first_unstable_offset().unwrap(), log.producers().unwrap()), (None, Vec::new()));
        assert_eq!(log.leader_epochs().unwrap(), []);
        assert_eq!(fixture.directory.root().cleaned_to(&partition()), None);
        if !is_restarted {
            fixture.restart();
        }
    }
    let log = fixture.log();
    log.append(&batch(1, 0), &INFO).unwrap();
    log.truncate_fully_and_start_at(Offset(50)).unwrap();
    log.append(&batch(1, 0), &INFO).unwrap();
    let known = |log: &Log| log.leader_epochs().unwrap().iter().map(|it| it.start.0).collect::<Vec<_>>();
    assert_eq!(known(&log), [50], "the epoch begins with the first record, though it is the same");
}

#[test]
fn a_power_cut_while_a_log_begins_anew_leaves_what_was_or_what_is_to_be() {
    let mut outcomes = std::collections::BTreeSet::new();
    for (seed, changes) in (1..5).flat_map(|seed| (0..60).map(move |changes| (seed, changes))) {
        let (mut fixture, log) = on(seed);
        for _ in 0..3 {
            log.append(&batch(2, 0), &INFO).unwrap();
            log.roll().unwrap();
        }
        log.append(&batch(2, 0), &INFO).unwrap();
        fixture.sync();
        fixture.directory.checkpoint(i64::MAX).unwrap();
        // To where it would not be seen by the offsets alone.
        let to = Offset([100, 3][seed as usize % 2]);
        fixture.simulated.cut_power_after(changes);
        let is_done = log.truncate_fully_and_start_at(to).is_ok();
        fixture.crash();
        let log = fixture.log();
        let found = (log.log_start_offset(), log.log_end_offset());
        outcomes.insert((is_done, found == (to, to)));
        assert!(!is_done || found == (to, to), "{seed} {changes}: {found:?}");
        let end = log.append(&batch(1, 0), &INFO).unwrap().last_offset;
        assert_eq!(end, found.1, "{seed} {changes}");
        let all = read_all(&log, found.0.0, 1000);
        assert!(all.ends_with(&format!("{end}+1")), "{seed} {changes}: {all}");
    }
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
}

#[test]
fn a_power_cut_while_segments_are_deleted_leaves_none_without_its_aborted_transactions() {
    let mut outcomes = std::collections::BTreeSet::new();
    for (seed, changes) in (1..5).flat_map(|seed| (0..30).map(move |changes| (seed, changes))) {
        let (mut fixture, log) = on(seed);
        transact(&log, 0);
        end(&log, false);
        log.roll().unwrap();
        log.append(&batch(1, 0), &INFO).unwrap();
        fixture.sync();
        fixture.directory.checkpoint(i64::MAX).unwrap();
        fixture.simulated.cut_power_after(changes);
        let _ = log.retain(&Retention { bytes: Some(1), ms: None }, Offset(2), 5000);
        fixture.crash();
        let log = fixture.log();
        let start = log.log_start_offset();
        outcomes.insert(start);
        let told = if start == Offset(0) { vec![(0, 1)] } else { Vec::new() };
        assert_eq!(aborted(&log), told, "{seed} {changes}");
    }
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [Offset(0), Offset(2)]);
}
