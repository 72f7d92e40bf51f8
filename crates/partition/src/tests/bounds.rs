//! What a partition refuses, and up to where it tells and deletes.

use super::*;
use crate::DeleteRecordsError;

fn led(epoch: i32) -> ottla_metadata::Partition {
    let image = image(&[topic(1, "t"), led_by(1, 0, NODE.0, epoch)]);
    (**image.partition("t", 0).unwrap()).clone()
}

/// Three records, of which the first is committed.
fn partly_committed(settings: &[(&str, &str)]) -> ByHand {
    let it = ByHand::on(&SimulatedDisk::new(30), settings);
    append(&it.partition, &["a"]).unwrap();
    it.commit();
    append(&it.partition, &["b"]).unwrap();
    append(&it.partition, &["c"]).unwrap();
    it
}

#[test]
fn a_transaction_that_nobody_verified_is_refused() {
    let it = ByHand::on(&SimulatedDisk::new(31), &[]);
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None)
        .producer(ProducerId(7), ProducerEpoch(0), 0)
        .transactional(true);
    builder.append(NOW_MS, None, Some(b"a"), &[]).unwrap();
    let batch = builder.finish().unwrap();
    let produce = |transactional_id| {
        let origin = Origin::Client { transactional_id, produce_version: 13 };
        it.partition.append(&batch, Acks::All, origin, NOW_MS)
    };
    let unnamed = produce(None);
    assert!(matches!(unnamed, Err(AppendError::NoTransactionalId)), "{unnamed:?}");
    let named = produce(Some("id"));
    assert!(matches!(named, Err(AppendError::TransactionNotVerified)), "{named:?}");
    assert_eq!(it.partition.log_end_offset(), Offset::ZERO);
}

#[test]
fn records_are_deleted_up_to_the_high_watermark_and_no_further() {
    let it = partly_committed(&[]);
    for beyond in [2, -2] {
        let refused = it.partition.delete_records(beyond, NOW_MS);
        let is_out_of_range = matches!(
            refused,
            Err(DeleteRecordsError::OffsetOutOfRange { offset, high_watermark: Offset(1) }) if offset == beyond
        );
        assert!(is_out_of_range, "{refused:?}");
    }
    assert_eq!(it.partition.log_start_offset(), Offset::ZERO);
    assert_eq!(it.partition.delete_records(-1, NOW_MS).unwrap(), Offset(1), "all that is committed");
}

#[test]
fn retention_deletes_nothing_that_is_not_committed() {
    let it = partly_committed(&[("retention.ms", "1000")]);
    assert_eq!(it.partition.retain(NOW_MS + 10_000).unwrap().deleted_segments, 0);
    it.commit();
    assert_eq!(it.partition.retain(NOW_MS + 10_000).unwrap().log_start, Offset(3));
}

#[test]
fn neither_a_compacted_topic_nor_one_without_limits_loses_old_records() {
    let unlimited = [("retention.ms", "-1"), ("retention.bytes", "-1")];
    let compacted = [("cleanup.policy", "compact"), ("retention.ms", "1"), ("retention.bytes", "1")];
    for settings in [&unlimited[..], &compacted[..]] {
        let it = ByHand::on(&SimulatedDisk::new(34), settings);
        transact(&it.partition, 7, None);
        transact(&it.partition, 7, Some(true));
        it.partition.log().roll().unwrap();
        it.commit();
        assert_eq!(it.partition.retain(i64::MAX).unwrap().deleted_segments, 0, "{settings:?}");
    }
}

#[test]
fn offsets_are_found_only_where_consumers_see_them() {
    let it = partly_committed(&[]);
    let find =
        |spec| it.partition.find_offset(spec, Isolation::ReadUncommitted).unwrap().map(|it| it.offset.0);
    assert_eq!(find(OffsetSpec::Latest), Some(1));
    assert_eq!(find(OffsetSpec::Timestamp(NOW_MS)), Some(0));
    it.partition.delete_records(1, NOW_MS).unwrap();
    assert_eq!(find(OffsetSpec::Earliest), Some(1));
    assert_eq!((find(OffsetSpec::Timestamp(NOW_MS)), find(OffsetSpec::MaxTimestamp)), (None, None));
    it.commit();
    assert_eq!(find(OffsetSpec::Latest), Some(3));
    assert_eq!((find(OffsetSpec::Timestamp(NOW_MS)), find(OffsetSpec::MaxTimestamp)), (Some(1), Some(1)));
}

#[test]
fn a_leaders_epoch_never_goes_back_and_ends_where_the_log_does() {
    let it = ByHand::on(&SimulatedDisk::new(32), &[]);
    append(&it.partition, &["a"]).unwrap();
    it.partition.lead_as(&led(5));
    it.partition.lead_as(&led(4));
    assert_eq!(it.partition.leader_epoch(), LeaderEpoch(5));
    let end = |epoch| it.partition.end_offset_for_epoch(LeaderEpoch(epoch)).unwrap();
    // Nothing was appended in it yet.
    assert_eq!(end(5), Some((LeaderEpoch(5), Offset(1))));
    append(&it.partition, &["b"]).unwrap();
    it.commit();
    assert_eq!((end(5), end(4)), (Some((LeaderEpoch(5), Offset(2))), Some((LeaderEpoch(0), Offset(1)))));
    assert_eq!(end(6), None);
    let first = it.partition.find_offset(OffsetSpec::Earliest, Isolation::ReadUncommitted).unwrap().unwrap();
    assert_eq!(first.leader_epoch, LeaderEpoch(0), "that of the record, not of who leads now");
}

#[test]
fn who_has_read_all_is_told_of_a_failed_disk_at_once() {
    let it = partly_committed(&[]);
    it.disk.fail_writes(Some(io::ErrorKind::Other));
    append(&it.partition, &["d"]).unwrap_err();
    let read = it.partition.read(Offset(1), 1000, Isolation::ReadUncommitted, true);
    assert!(read.as_ref().is_err_and(|error| error.to_string().contains("is offline")), "{read:?}");
}

#[test]
fn nothing_of_an_open_transaction_and_behind_it_is_compacted() {
    let it = ByHand::on(&SimulatedDisk::new(33), &[("cleanup.policy", "compact")]);
    let keyed = |value: &str| {
        let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None);
        builder.append(NOW_MS, Some(b"key"), Some(value.as_bytes()), &[]).unwrap();
        it.partition.append(&builder.finish().unwrap(), Acks::All, Origin::Coordinator, NOW_MS).unwrap();
        it.partition.log().roll().unwrap();
    };
    keyed("a");
    transact(&it.partition, 7, None);
    keyed("b");
    let end = || {
        it.commit();
        it.directory.checkpoint(i64::MAX).unwrap();
        it.partition.cleanable(NOW_MS + 1).unwrap().map(|it| it.first_uncleanable)
    };
    assert_eq!(end(), Some(Offset(1)));
    transact(&it.partition, 7, Some(true));
    it.partition.log().roll().unwrap();
    assert_eq!(end(), Some(Offset(4)));
}

#[test]
fn idle_producers_are_forgotten_in_time() {
    let partitions = start(&SimulatedDisk::new(35));
    let image = image(&[topic(1, "t"), led_by(1, 0, NODE.0, 0)]);
    let partition = partitions.get_or_open(&image, image.topic("t").unwrap(), 0).unwrap();
    let mut builder =
        BatchBuilder::new(Offset::ZERO, Compression::None).producer(ProducerId(7), ProducerEpoch(0), 0);
    builder.append(NOW_MS, None, Some(b"a"), &[]).unwrap();
    let origin = Origin::Client { transactional_id: None, produce_version: 13 };
    partition.append(&builder.finish().unwrap(), Acks::All, origin, NOW_MS).unwrap();
    // `producer.id.expiration.ms` is a day.
    for (now_ms, known) in [(NOW_MS + 86_399_999, 1), (NOW_MS + 86_400_000, 0)] {
        partitions.tidy(now_ms);
        assert_eq!(partition.producers().unwrap().len(), known);
    }
    partitions.close(1).unwrap();
}
