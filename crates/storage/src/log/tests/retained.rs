//! What is left of a log whose oldest records go.

use super::*;

/// Lets all segments go that are below the high watermark.
const NOTHING: Retention = Retention { bytes: Some(1), ms: None };

/// Segments of one batch of two records each, each of a leader epoch of its own.
fn of_epochs(count: i32) -> (Fixture, Arc<Log>) {
    let fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    for epoch in 0..count {
        log.append(&batch(2, 0), &AppendInfo { leader_epoch: LeaderEpoch(epoch), ..INFO }).unwrap();
        log.roll().unwrap();
    }
    fixture.sync();
    (fixture, log)
}

fn epochs(log: &Log) -> Vec<(i32, i64)> {
    log.leader_epochs().unwrap().iter().map(|it| (it.epoch.0, it.start.0)).collect()
}

#[test]
fn leader_epochs_go_with_the_records_of_theirs() {
    let (mut fixture, log) = of_epochs(5);
    log.retain(&NOTHING, Offset(4), 0).unwrap();
    assert_eq!((log.log_start_offset(), epochs(&log)), (Offset(4), vec![(2, 4), (3, 6), (4, 8)]));
    log.delete_records(Offset(7), 0).unwrap();
    assert_eq!((log.log_start_offset(), epochs(&log)), (Offset(7), vec![(3, 7), (4, 8)]));
    fixture.restart();
    assert_eq!(epochs(&fixture.log()), [(3, 7), (4, 8)]);
    // The file may be older than the start that is remembered.
    fixture.directory.root().set_offsets(&partition(), None, Some(Offset(8))).unwrap();
    fixture.restart();
    assert_eq!(epochs(&fixture.log()), [(4, 8)]);
}

#[test]
fn a_producer_keeps_its_place_though_all_it_wrote_is_gone() {
    for seed in 1..20 {
        let simulated = SimulatedDisk::new(seed);
        let mut fixture = Fixture { directory: open(&simulated), simulated, config: LogConfig::default() };
        let log = fixture.log();
        log.append(&idempotent(5, 0, 0, 2), &INFO).unwrap();
        log.roll().unwrap();
        log.append(&batch(1, 0), &INFO).unwrap();
        fixture.sync();
        log.retain(&NOTHING, Offset(2), 0).unwrap();
        assert_eq!(log.log_start_offset(), Offset(2));
        fixture.directory.remove_deleted(i64::MAX).unwrap();
        log.append(&batch(1, 0), &INFO).unwrap();
        fixture.sync();
        fixture.crash();
        let log = fixture.log();
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(2), Offset(4)), "{seed}");
        assert!(log.append(&idempotent(5, 0, 0, 2), &INFO).unwrap().duplicate, "{seed}");
    }
}

#[test]
fn aborted_transactions_are_not_told_of_a_read_before_segments_went() {
    type Go = fn(&Log);
    let goes: [Go; 2] = [
        |log| assert_eq!(log.delete_records(Offset(4), 0).unwrap(), Offset(4)),
        |log| assert_eq!(log.retain(&NOTHING, Offset(4), 0).unwrap().log_start, Offset(4)),
    ];
    for go in goes {
        let (_fixture, log) = of_epochs(3);
        let read = log.read(Offset(0), 1, Offset(6), true).unwrap();
        assert_eq!(log.aborted_transactions(Offset(0), &read).unwrap(), Some(Vec::new()));
        go(&log);
        assert_eq!(log.aborted_transactions(Offset(0), &read).unwrap(), None, "it is to be read again");
    }
}

#[test]
fn a_snapshot_that_contradicts_the_records_is_not_used() {
    let mut fixture = Fixture::new(LogConfig::default());
    let other = TopicPartition::new("other", 0);
    let open_other = |fixture: &Fixture| {
        fixture.directory.open_log(&other, ottla_ids::Uuid::from_u128(7), fixture.config, 1).unwrap()
    };
    let (log, another) = (fixture.log(), open_other(&fixture));
    for sequence in 0..4 {
        log.append(&idempotent(5, 0, sequence, 1), &INFO).unwrap();
        let own = if sequence % 3 == 0 { batch(1, 0) } else { idempotent(5, 0, sequence - 1, 1) };
        another.append(&own, &INFO).unwrap();
    }
    drop((log, another));
    fixture.directory.close(3).unwrap();
    let disk = Disk::Simulated(fixture.simulated.clone());
    let of = |folder: &str| Path::new("/data").join(folder).join("00000000000000000004.snapshot");
    for (from, to) in [("other-0", "flights-0"), ("flights-0", "other-0")] {
        let content = disk.read(&of(from)).unwrap().unwrap();
        disk.replace(&of(to).with_extension("new"), &content).unwrap();
    }
    for folder in ["flights-0", "other-0"] {
        disk.rename(&of(folder).with_extension("new"), &of(folder)).unwrap();
    }
    fixture.directory = open(&fixture.simulated);
    assert!(fixture.log().append(&idempotent(5, 0, 3, 1), &INFO).unwrap().duplicate);
    assert!(!open_other(&fixture).append(&idempotent(5, 0, 2, 1), &INFO).unwrap().duplicate);
}
