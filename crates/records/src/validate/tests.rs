use super::*;
use crate::{HEADER_SIZE, batches};
use ottla_ids::{ProducerEpoch, ProducerId};

const NOW: i64 = 1_700_000_000_000;

fn partition() -> TopicPartition {
    TopicPartition::new("flights", 3)
}

fn rules(partition: &TopicPartition) -> ProduceRules<'_> {
    ProduceRules {
        partition,
        produce_version: 13,
        message_size_max: 1_048_588,
        compression: None,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        is_compacted: false,
        decompressed_size_max: DECOMPRESSED_SIZE_MAX,
        now: NOW,
    }
}

/// `count` records, the last of which is the newest.
fn batch(compression: Compression, count: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::ZERO, compression);
    for index in 0..count {
        let header = Header { key: b"h", value: Some(b"1") };
        builder.append(NOW - count + index, Some(b"key"), Some(b"value value value"), &[header]).unwrap();
    }
    builder.finish().unwrap().to_vec()
}

/// Makes the CRC right again after a change.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn set<const SIZE: usize>(mut bytes: Vec<u8>, at: usize, value: [u8; SIZE]) -> Vec<u8> {
    bytes[at..at + SIZE].copy_from_slice(&value);
    sealed(bytes)
}

/// Offset, timestamp, key and value.
type Plain = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// The records of a batch whose CRC is right.
fn contents(bytes: &[u8]) -> Vec<Plain> {
    let view = BatchView::parse(bytes).unwrap();
    view.check_crc().unwrap();
    let records = view.records(DECOMPRESSED_SIZE_MAX).unwrap();
    let records = records.iter().map(|record| record.unwrap());
    records
        .map(|r| (r.offset.0, r.timestamp, r.key.map(<[u8]>::to_vec), r.value.map(<[u8]>::to_vec)))
        .collect()
}

#[test]
fn a_good_batch_goes_in_as_it_is() {
    let partition = partition();
    for compression in Compression::ALL {
        for count in [1, 2, 5000] {
            let bytes = batch(compression, count);
            let checked = validate_produce(&bytes, &rules(&partition)).unwrap();
            assert!(matches!(checked.batch, Cow::Borrowed(batch) if batch == bytes));
            assert_eq!(i64::from(checked.record_count), count);
            assert_eq!((checked.max_timestamp, checked.append_time), (NOW - 1, None));
        }
    }
}

#[test]
fn a_topic_with_a_codec_of_its_own_gets_it() {
    let partition = partition();
    for source in Compression::ALL {
        for target in Compression::ALL {
            let bytes = batch(source, 300);
            let rules = ProduceRules { compression: Some(target.into()), ..rules(&partition) };
            let checked = validate_produce(&bytes, &rules).unwrap();
            assert_eq!(matches!(checked.batch, Cow::Borrowed(_)), source == target);
            assert_eq!(BatchView::parse(&checked.batch).unwrap().compression(), target);
            assert_eq!(contents(&checked.batch), contents(&bytes), "{source} to {target}");
        }
    }
}

#[test]
fn a_batch_that_is_too_large_once_recompressed_is_refused() {
    let partition = partition();
    let bytes = batch(Compression::Zstd, 1000);
    let rules = ProduceRules {
        compression: Some(Compression::None.into()),
        message_size_max: bytes.len(),
        ..rules(&partition)
    };
    assert!(matches!(validate_produce(&bytes, &rules), Err(ProduceError::MessageTooLarge { .. })));
}

#[test]
fn append_time_is_told_and_may_not_be_claimed() {
    let partition = partition();
    let rules = ProduceRules { timestamp_type: TimestampType::LogAppendTime, ..rules(&partition) };
    let bytes = batch(Compression::Lz4, 3);
    let checked = validate_produce(&bytes, &rules).unwrap();
    assert_eq!((checked.append_time, checked.max_timestamp), (Some(NOW), NOW));

    let claimed = set(bytes, 21, [0, 0b1011]);
    match validate_produce(&claimed, &rules) {
        Err(ProduceError::InvalidTimestamp { record_errors, .. }) => assert_eq!(record_errors.len(), 3),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_header_with_a_wrong_newest_time_is_mended() {
    let partition = partition();
    for compression in Compression::ALL {
        let bytes = set(batch(compression, 3), 35, 5i64.to_be_bytes());
        let checked = validate_produce(&bytes, &rules(&partition)).unwrap();
        assert_eq!(checked.max_timestamp, NOW - 1);
        let view = BatchView::parse(&checked.batch).unwrap();
        assert_eq!(view.max_timestamp(), NOW - 1);
        assert_eq!(contents(&checked.batch), contents(&bytes));
    }
}

#[test]
fn records_with_offsets_of_their_own_are_numbered_anew_or_refused() {
    let partition = partition();
    for source in Compression::ALL {
        let mut builder = BatchBuilder::new(Offset::ZERO, source)
            .producer(ProducerId(9), ProducerEpoch(1), 40)
            .transactional(true);
        builder.append_at(Offset(2), NOW, Some(b"a"), None, &[]).unwrap();
        builder.append_at(Offset(5), NOW, Some(b"b"), None, &[]).unwrap();
        let bytes = set(builder.finish().unwrap().to_vec(), 23, 1i32.to_be_bytes());
        for target in Compression::ALL {
            let rules = ProduceRules { compression: Some(target.into()), ..rules(&partition) };
            let result = validate_produce(&bytes, &rules);
            if source == target && source != Compression::None {
                assert!(matches!(result, Err(ProduceError::InvalidRecord { .. })));
                continue;
            }
            let checked = result.unwrap();
            let view = BatchView::parse(&checked.batch).unwrap();
            assert_eq!((view.producer_id(), view.base_sequence()), (ProducerId(9), 40));
            assert!(view.is_transactional() && view.compression() == target);
            assert_eq!(contents(&checked.batch).iter().map(|r| r.0).collect::<Vec<_>>(), [0, 1]);
        }
    }
}

#[test]
fn records_without_key_are_told_one_by_one_in_a_compacted_topic() {
    let partition = partition();
    let rules = ProduceRules { is_compacted: true, ..rules(&partition) };
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::Gzip);
    for key in [Some(&b"k"[..]), None, Some(b""), None] {
        builder.append(NOW, key, Some(b"v"), &[]).unwrap();
    }
    let error = validate_produce(&builder.finish().unwrap(), &rules).unwrap_err();
    let message = |index| RecordError {
        batch_index: index,
        message: "Compacted topic cannot accept message without key in topic partition flights-3".to_owned(),
    };
    match error {
        ProduceError::InvalidRecord { record_errors, .. } => {
            assert_eq!(record_errors, [message(1), message(3)])
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn record_errors_are_bounded_and_counted() {
    let partition = partition();
    let rules = ProduceRules { is_compacted: true, ..rules(&partition) };
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::Zstd);
    for _ in 0..5000 {
        builder.append(NOW, None, Some(b"v"), &[]).unwrap();
    }
    match validate_produce(&builder.finish().unwrap(), &rules).unwrap_err() {
        ProduceError::InvalidRecord { record_errors, message } => {
            assert_eq!(record_errors.len(), RECORD_ERRORS_MAX);
            assert!(message.contains("5000 record errors in total"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn times_out_of_range_are_refused_and_no_time_is_not() {
    let partition = partition();
    let rules =
        ProduceRules { timestamp_before_max_ms: 1000, timestamp_after_max_ms: 500, ..rules(&partition) };
    for (time, is_in) in [
        (NOW, true),
        (NOW - 1000, true),
        (NOW - 1001, false),
        (NOW + 500, true),
        (NOW + 501, false),
        (-1, true),
        (0, false),
    ] {
        let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None);
        builder.append(time, Some(b"k"), None, &[]).unwrap();
        let bytes = builder.finish().unwrap();
        let result = validate_produce(&bytes, &rules);
        assert_eq!(result.is_ok(), is_in, "{time}");
        if let Err(error) = result {
            assert!(matches!(error, ProduceError::InvalidTimestamp { .. }), "{error:?}");
        }
    }
}

#[test]
fn more_or_fewer_records_than_told_are_refused() {
    let partition = partition();
    for compression in Compression::ALL {
        for told in [1, 2, 4, 1000] {
            let bytes = set(batch(compression, 3), 57, i32::to_be_bytes(told));
            let bytes = set(bytes, 23, i32::to_be_bytes(told - 1));
            let error = validate_produce(&bytes, &rules(&partition)).unwrap_err();
            assert!(matches!(error, ProduceError::InvalidRecord { .. }), "{error:?}");
        }
    }
}

#[test]
fn a_bomb_is_too_large() {
    let partition = partition();
    let rules = ProduceRules { decompressed_size_max: 1 << 20, ..rules(&partition) };
    for compression in Compression::ALL.into_iter().skip(1) {
        let mut builder = BatchBuilder::new(Offset::ZERO, compression);
        builder.append(NOW, None, Some(&vec![0; 8 << 20]), &[]).unwrap();
        let error = validate_produce(&builder.finish().unwrap(), &rules).unwrap_err();
        assert!(matches!(error, ProduceError::MessageTooLarge { .. }), "{error:?}");
    }
}

#[test]
fn no_changed_byte_of_a_batch_passes_unseen() {
    let partition = partition();
    for compression in Compression::ALL {
        let good = batch(compression, 3);
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                match validate_produce(&bytes, &rules(&partition)) {
                    // The leader epoch lies outside of the CRC; the broker sets it.
                    Ok(_) => assert!((12..16).contains(&at), "{compression} byte {at} bit {bit}"),
                    Err(ProduceError::CorruptMessage { .. }) => assert!(at >= 8),
                    Err(ProduceError::MalformedBatch { .. }) => assert!((8..12).contains(&at) || at == 16),
                    Err(ProduceError::InvalidRecord { .. }) => {
                        assert!(at < 17, "{compression} byte {at} bit {bit}")
                    }
                    Err(other) => panic!("{compression} byte {at} bit {bit}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn no_change_under_a_right_crc_breaks_anything() {
    let partition = partition();
    for compression in Compression::ALL {
        let good = batch(compression, 3);
        for at in 21..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let bytes = sealed(bytes);
                if let Ok(checked) = validate_produce(&bytes, &rules(&partition)) {
                    assert!(!contents(&checked.batch).is_empty());
                }
            }
        }
    }
}

#[test]
fn bytes_behind_the_batch_are_left_out_unless_they_are_a_batch() {
    let partition = partition();
    let bytes = batch(Compression::None, 3);
    for cut in [0, 5, 11, HEADER_SIZE, bytes.len() - 1] {
        let more = [&bytes[..], &bytes[..cut]].concat();
        let checked = validate_produce(&more, &rules(&partition)).unwrap();
        assert_eq!(checked.batch, bytes, "cut to {cut}");
    }
    let two = [&bytes[..], &bytes[..]].concat();
    assert_eq!(batches(&two).count(), 2);
    assert!(matches!(
        validate_produce(&two, &rules(&partition)),
        Err(ProduceError::InvalidRecord { message, .. }) if message.contains("exactly one")
    ));
}
