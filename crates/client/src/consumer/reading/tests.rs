//! Fetch answers made of real batches, and what a consumer makes of them.

use super::{Aborted, ConsumerRecord, Reading, Start};
use bytes::{Bytes, BytesMut};
use ottla_ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};
use ottla_records::{BatchBuilder, Compression, EndTransactionMarker, HEADER_SIZE, retained_empty};

fn partition() -> TopicPartition {
    TopicPartition::new("greetings", 0)
}

/// A batch with one record for each of `offsets`; its value says which.
fn batch(offsets: &[i64], compression: Compression) -> Bytes {
    let base = Offset(offsets[0]);
    let mut builder = BatchBuilder::new(base, compression);
    for offset in offsets {
        builder.append_at(Offset(*offset), 7, None, Some(format!("v{offset}").as_bytes()), &[]).unwrap();
    }
    builder.finish().unwrap()
}

/// What a compaction leaves of a batch whose records are all superseded.
fn emptied(first: i64, last: i64) -> Bytes {
    let whole = batch(&[first, last], Compression::None);
    let header = ottla_records::BatchHeader::parse(&whole).unwrap();
    let bytes: [u8; HEADER_SIZE] = retained_empty(&header);
    Bytes::copy_from_slice(&bytes)
}

/// What a transaction ends with.
fn control(offset: i64) -> Bytes {
    let mut builder = BatchBuilder::control(Offset(offset));
    let marker = EndTransactionMarker { commit: true, coordinator_epoch: 0 };
    builder.append_control(7, marker.control_type(), &marker.value()).unwrap();
    builder.finish().unwrap()
}

fn answer(batches: &[Bytes]) -> Bytes {
    let mut bytes = BytesMut::new();
    batches.iter().for_each(|it| bytes.extend_from_slice(it));
    bytes.freeze()
}

fn offsets(records: &[ConsumerRecord]) -> Vec<i64> {
    records.iter().map(|it| it.offset).collect()
}

/// Reads `batches`, fetched from `start`: which offsets come, and where it then stands.
fn check(start: i64, batches: &[Bytes], expected: &[i64], position: i64) {
    let mut reading = Reading::new(partition(), Start::Offset(start));
    assert_eq!(reading.wants(), Some(start));
    reading.on_fetched(start, answer(batches), Aborted::default()).unwrap();
    let mut records = Vec::new();
    reading.hand_out(usize::MAX, &mut records).unwrap();
    assert_eq!(offsets(&records), expected);
    assert_eq!(reading.position(), Some(position));
    assert_eq!(reading.wants(), Some(position));
}

#[test]
fn records_come_in_order_from_every_codec() {
    for codec in Compression::ALL {
        check(0, &[batch(&[0, 1], codec), batch(&[2], codec)], &[0, 1, 2], 3);
    }
}

#[test]
fn a_batch_may_begin_before_the_offset_that_was_asked_for() {
    check(1, &[batch(&[0, 1, 2], Compression::Gzip)], &[1, 2], 3);
}

#[test]
fn compaction_leaves_holes_and_empty_batches() {
    check(0, &[batch(&[0, 5], Compression::None), batch(&[9], Compression::Zstd)], &[0, 5, 9], 10);
    check(0, &[emptied(0, 6)], &[], 7);
    check(0, &[emptied(0, 6), batch(&[8], Compression::None)], &[8], 9);
}

#[test]
fn control_batches_are_no_records_but_take_offsets() {
    check(0, &[batch(&[0], Compression::None), control(1)], &[0], 2);
    check(1, &[control(1)], &[], 2);
}

#[test]
fn a_batch_that_was_cut_off_is_fetched_again() {
    let cut = batch(&[1, 2, 3], Compression::None);
    check(0, &[batch(&[0], Compression::None), cut.slice(..cut.len() - 1)], &[0], 1);
    check(0, &[batch(&[0], Compression::None), cut.slice(..5)], &[0], 1);
}

#[test]
fn the_position_is_that_of_the_next_record_to_hand_out() {
    let mut reading = Reading::new(partition(), Start::Offset(0));
    reading
        .on_fetched(0, answer(&[batch(&[0, 3], Compression::Lz4), emptied(4, 5)]), Aborted::default())
        .unwrap();
    assert_eq!((reading.position(), reading.wants()), (Some(0), Some(6)));
    let mut records = Vec::new();
    reading.hand_out(1, &mut records).unwrap();
    assert_eq!(reading.position(), Some(1));
    reading.hand_out(1, &mut records).unwrap();
    assert_eq!(reading.position(), Some(4));
    assert!(reading.has_arrived(), "the empty batch was not looked at yet");
    reading.hand_out(1, &mut records).unwrap();
    assert_eq!((reading.position(), offsets(&records)), (Some(6), vec![0, 3]));
    assert!(!reading.has_arrived());
}

#[test]
fn only_so_much_is_fetched_ahead() {
    let mut reading = Reading::new(partition(), Start::Offset(0));
    reading.on_fetched(0, batch(&[0], Compression::None), Aborted::default()).unwrap();
    reading.on_fetched(1, batch(&[1], Compression::None), Aborted::default()).unwrap();
    assert_eq!(reading.wants(), None);
    reading.hand_out(1, &mut Vec::new()).unwrap();
    assert_eq!(reading.wants(), Some(2));
}

#[test]
fn answers_to_questions_from_before_a_restart_are_dropped() {
    let mut reading = Reading::new(partition(), Start::Offset(0));
    reading.restart(Start::Beginning);
    assert_eq!((reading.position(), reading.wants()), (None, None));
    reading.on_fetched(0, batch(&[0], Compression::None), Aborted::default()).unwrap();
    reading.restart(Start::Offset(4));
    reading.on_fetched(0, batch(&[0], Compression::None), Aborted::default()).unwrap();
    assert!(!reading.has_arrived());
    assert_eq!(reading.position(), Some(4));
}

#[test]
fn damage_is_an_error_at_its_place_and_is_fetched_again() {
    let good = batch(&[0], Compression::None);
    let mut bad = batch(&[1], Compression::None).to_vec();
    *bad.last_mut().unwrap() ^= 1;
    let mut reading = Reading::new(partition(), Start::Offset(0));
    reading.on_fetched(0, answer(&[good, Bytes::from(bad)]), Aborted::default()).unwrap();
    let mut records = Vec::new();
    let error = reading.hand_out(usize::MAX, &mut records).unwrap_err();
    assert!(error.to_string().starts_with("records of greetings-0 at offset 1 are damaged"), "{error}");
    assert_eq!((offsets(&records), reading.wants()), (vec![0], Some(1)));

    let mut reading = Reading::new(partition(), Start::Offset(0));
    assert!(
        reading
            .on_fetched(
                0,
                Bytes::from_static(b"no batch at all, but long enough to look at"),
                Aborted::default()
            )
            .is_err()
    );
}

/// One record of a producer's transaction.
fn transactional(offset: i64, producer: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Offset(offset), Compression::None)
        .producer(ProducerId(producer), ProducerEpoch(0), 0)
        .transactional(true);
    builder.append(7, None, Some(b"v"), &[]).unwrap();
    builder.finish().unwrap()
}

fn ends(offset: i64, producer: i64, commit: bool) -> Bytes {
    let marker = EndTransactionMarker { commit, coordinator_epoch: 0 };
    let (offset, epoch) = (Offset(offset), LeaderEpoch(0));
    BatchBuilder::end_transaction(offset, epoch, 7, ProducerId(producer), ProducerEpoch(0), marker).unwrap()
}

#[test]
fn aborted_records_are_left_out_up_to_their_marker() {
    let batches = [
        transactional(0, 1),
        transactional(1, 2),
        batch(&[2], Compression::None),
        ends(3, 1, false),
        transactional(4, 1),
        ends(5, 2, true),
        ends(6, 1, true),
        transactional(7, 1),
    ];
    for (aborted, expected) in [
        (vec![], vec![0, 1, 2, 4, 7]),
        (vec![(1, 0)], vec![1, 2, 4, 7]),
        // The answer ends before the second marker.
        (vec![(1, 7), (1, 0)], vec![1, 2, 4]),
        // Begins and ends elsewhere.
        (vec![(2, 100), (3, 0)], vec![0, 1, 2, 4, 7]),
    ] {
        let mut reading = Reading::new(partition(), Start::Offset(0));
        let listed = Aborted::new(aborted.iter().copied());
        reading.on_fetched(0, answer(&batches), listed).unwrap();
        let mut records = Vec::new();
        reading.hand_out(usize::MAX, &mut records).unwrap();
        assert_eq!((offsets(&records), reading.position()), (expected, Some(8)), "{aborted:?}");
    }
}
