use super::*;
use ottla_ids::LeaderEpoch;
use ottla_records::{BatchBuilder, Compression};

/// A batch of `count` records by producer 7.
fn batch(offset: i64, epoch: i16, sequence: i32, count: i32, transactional: bool) -> BatchHeader {
    let mut builder = BatchBuilder::new(Offset(offset), Compression::None)
        .producer(ProducerId(7), ProducerEpoch(epoch), sequence)
        .transactional(transactional);
    for n in 0..count {
        builder.append(1000 + offset + i64::from(n), None, Some(b"v"), &[]).unwrap();
    }
    BatchHeader::parse(&builder.finish().unwrap()).unwrap()
}

fn marker(
    offset: i64,
    epoch: i16,
    commit: bool,
    coordinator_epoch: i32,
) -> (BatchHeader, EndTransactionMarker) {
    let marker = EndTransactionMarker { commit, coordinator_epoch };
    let bytes = BatchBuilder::end_transaction(
        Offset(offset),
        LeaderEpoch(0),
        offset,
        ProducerId(7),
        ProducerEpoch(epoch),
        marker,
    );
    (BatchHeader::parse(&bytes.unwrap()).unwrap(), marker)
}

/// Appends in the words `epoch:sequence+count@offset` and returns what each came to.
fn appends(text: &str) -> String {
    let mut producers = Producers::default();
    let mut results = Vec::new();
    for (offset, word) in text.split_whitespace().enumerate() {
        let (epoch, rest) = word.split_once(':').unwrap();
        let (sequence, count) = rest.split_once('+').unwrap();
        let offset = offset as i64 * 10;
        let header =
            batch(offset, epoch.parse().unwrap(), sequence.parse().unwrap(), count.parse().unwrap(), false);
        results.push(match producers.check(&header, None, Offset(offset), Origin::Client, None) {
            Ok(Checked::Append { state, ended }) => {
                producers.apply(state, ended);
                "ok".to_owned()
            }
            Ok(Checked::Duplicate(batch)) => format!("dup@{}", batch.first_offset()),
            Err(Refusal::OutOfOrderSequence { .. }) => "order".to_owned(),
            Err(Refusal::InvalidEpoch { .. }) => "epoch".to_owned(),
            Err(other) => format!("{other:?}"),
        });
    }
    results.join(" ")
}

#[test]
fn sequences_must_follow_each_other() {
    assert_eq!(appends("0:0+1 0:1+2 0:3+1 0:5+1"), "ok ok ok order");
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    assert_eq!(appends("4:100+1 4:101+1"), "ok ok");
}

#[test]
fn a_duplicate_of_one_of_the_last_five_batches_gets_its_offset() {
    assert_eq!(appends("0:0+1 0:1+1 0:2+1 0:3+1 0:4+1 0:0+1 0:4+1"), "ok ok ok ok ok dup@0 dup@40");
    assert_eq!(appends("0:0+1 0:1+1 0:2+1 0:3+1 0:4+1 0:5+1 0:0+1"), "ok ok ok ok ok ok order");
    assert_eq!(appends("0:0+2 0:0+1"), "ok order");
}

#[test]
fn a_newer_epoch_begins_at_zero_and_fences_the_older() {
    assert_eq!(appends("0:0+1 1:1+1 1:0+1 0:1+1 1:1+1"), "ok order ok epoch ok");
}

#[test]
fn sequences_wrap_behind_the_largest() {
    assert_eq!(appends("0:2147483646+2 0:0+1 0:2147483646+2 0:2+1"), "ok ok dup@0 order");
    assert_eq!(appends("0:2147483646+4 0:2+1 0:2147483646+4"), "ok ok dup@0");
}

#[test]
fn transactions_open_with_their_first_batch_and_end_with_a_marker() {
    let mut producers = Producers::default();
    producers.replay(&batch(0, 0, 0, 3, true), None);
    producers.replay(&batch(3, 0, 3, 1, true), None);
    assert_eq!(producers.first_unstable_offset(), Some(Offset(0)));
    let plain = batch(4, 0, 4, 1, false);
    assert_eq!(
        producers.check(&plain, None, Offset(4), Origin::Client, None),
        Err(Refusal::InvalidTransactionState)
    );
    let (header, end) = marker(4, 0, false, 2);
    producers.replay(&header, Some(end));
    assert_eq!(producers.first_unstable_offset(), Some(Offset(0)));
    producers.on_high_watermark(Offset(4));
    assert_eq!(producers.first_unstable_offset(), Some(Offset(0)));
    producers.on_high_watermark(Offset(5));
    assert_eq!(producers.first_unstable_offset(), None);
    let (header, end) = marker(5, 0, false, 1);
    assert_eq!(
        producers.check(&header, Some(end), Offset(5), Origin::Coordinator, None),
        Err(Refusal::CoordinatorFenced { coordinator_epoch: 1, current: 2 })
    );
}

#[test]
fn a_marker_of_a_newer_epoch_makes_the_next_sequence_zero() {
    let mut producers = Producers::default();
    producers.replay(&batch(0, 0, 0, 3, true), None);
    let (header, end) = marker(3, 1, true, 0);
    producers.replay(&header, Some(end));
    let next = |sequence| batch(4, 1, sequence, 1, true);
    let check = |header: &BatchHeader| producers.check(header, None, Offset(4), Origin::Client, None);
    assert!(matches!(check(&next(3)), Err(Refusal::OutOfOrderSequence { last_sequence: -1, .. })));
    assert!(matches!(check(&next(0)), Ok(Checked::Append { .. })));
}

#[test]
fn idle_producers_are_forgotten_unless_their_transaction_is_open() {
    let mut producers = Producers::default();
    producers.replay(&batch(0, 0, 0, 1, false), None);
    assert_eq!(producers.expire(1000 + 99, 100), 0);
    assert_eq!(producers.expire(1000 + 100, 100), 1);
    assert!(producers.is_empty());
    producers.replay(&batch(0, 0, 0, 1, true), None);
    assert_eq!(producers.expire(i64::MAX, 100), 0);
}

#[test]
fn a_snapshot_holds_the_last_batch_of_each_producer_and_its_open_transaction() {
    let mut producers = Producers::default();
    assert_eq!(decode(&encode(&producers)), Ok(producers.clone()));
    producers.replay(&batch(0, 0, 0, 3, true), None);
    assert_eq!(decode(&encode(&producers)), Ok(producers.clone()));
    producers.replay(&batch(3, 0, 3, 2, true), None);
    let read = decode(&encode(&producers)).unwrap();
    assert_eq!(read.first_unstable_offset(), Some(Offset(0)));
    let state = read.states().next().unwrap();
    assert_eq!(state.batches(), &producers.states().next().unwrap().batches()[1..]);
    assert_eq!(encode(&read), encode(&producers));
}

#[test]
fn damaged_snapshots_are_refused() {
    let mut producers = Producers::default();
    producers.replay(&batch(0, 0, 0, 3, true), None);
    let good = encode(&producers);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(decode(&bad).is_err(), "byte {at}");
        assert!(decode(&good[..at]).is_err(), "size {at}");
    }
}
