//! What holds for all records and for any bytes.
#![expect(clippy::unwrap_used, reason = "a failed property fails the test")]

use ottla_ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};
use ottla_records::{
    BatchBuilder, BatchView, Compression, Header, ProduceRules, TimestampType, batches,
    first_record_at_or_after, max_timestamp_offset, patched_prefix, validate_produce,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::ops::ControlFlow;

const SIZE_MAX: usize = 1 << 20;
const NOW: i64 = 1_700_000_000_000;

/// A record with bytes of its own.
#[derive(Clone, Debug, PartialEq)]
struct Owned {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn bytes(size_max: usize) -> impl Strategy<Value = Vec<u8>> {
    // Bytes that compress and bytes that do not.
    prop_oneof![vec(any::<u8>(), 0..size_max), vec(Just(b'a'), 0..size_max * 10)]
}

fn record() -> impl Strategy<Value = Owned> {
    (
        1..5i64,
        prop_oneof![NOW - 10_000..NOW + 10_000, any::<i64>()],
        option::of(bytes(20)),
        option::of(bytes(300)),
        vec((".{0,8}", option::of(bytes(20))), 0..4),
    )
        .prop_map(|(offset, timestamp, key, value, headers)| Owned {
            offset,
            timestamp,
            key,
            value,
            headers,
        })
}

/// Records whose offsets ascend from `base` on; without gaps if `is_dense`.
fn records(base: i64, is_dense: bool) -> impl Strategy<Value = Vec<Owned>> {
    vec(record(), 1..60).prop_map(move |mut records| {
        let mut next = base;
        for record in &mut records {
            let step = if is_dense { 1 } else { record.offset };
            record.offset = next;
            next += step;
        }
        records
    })
}

fn compression() -> impl Strategy<Value = Compression> {
    prop::sample::select(&Compression::ALL[..])
}

fn build(base: i64, compression: Compression, records: &[Owned]) -> Vec<u8> {
    let mut builder =
        BatchBuilder::new(Offset(base), compression).producer(ProducerId(7), ProducerEpoch(1), 0);
    for record in records {
        let headers: Vec<Header<'_>> = record
            .headers
            .iter()
            .map(|(key, value)| Header { key: key.as_bytes(), value: value.as_deref() })
            .collect();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.append_at(Offset(record.offset), record.timestamp, key, value, &headers).unwrap();
    }
    builder.finish().unwrap().to_vec()
}

fn read(bytes: &[u8]) -> Vec<Owned> {
    let view = BatchView::parse(bytes).unwrap();
    view.check_crc().unwrap();
    let mut read = Vec::new();
    let all: Option<()> = view
        .walk(SIZE_MAX, |record| {
            read.push(Owned {
                offset: record.offset.0,
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record
                    .headers
                    .map(|header| (header.key_text().into_owned(), header.value.map(<[u8]>::to_vec)))
                    .collect(),
            });
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(all, None);
    let records = view.records(SIZE_MAX).unwrap();
    assert_eq!(records.iter().filter(|record| record.is_ok()).count(), read.len());
    read
}

/// Uses all that looks at bytes; nothing of it may panic.
fn look(bytes: &[u8], rules: &ProduceRules<'_>) {
    for batch in batches(bytes) {
        let Ok(view) = batch else {
            continue;
        };
        let _ = (view.check_crc(), view.last_offset(), view.next_offset(), view.last_sequence());
        if let Ok(records) = view.records(SIZE_MAX) {
            for record in records.iter().flatten() {
                let _ = record.headers.map(|header| header.key_text().len()).sum::<usize>();
            }
        }
        let _ = first_record_at_or_after(&view, 1, Offset(1), SIZE_MAX);
        let _ = max_timestamp_offset(&view, SIZE_MAX);
        let _ = patched_prefix(&view, Offset(1), LeaderEpoch(1), Some(1));
    }
    if let Ok(checked) = validate_produce(bytes, rules) {
        assert!(!read(&checked.batch).is_empty());
    }
}

fn rules(partition: &TopicPartition) -> ProduceRules<'_> {
    ProduceRules {
        partition,
        produce_version: 13,
        message_size_max: SIZE_MAX,
        compression: None,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        is_compacted: false,
        decompressed_size_max: SIZE_MAX,
        now: NOW,
    }
}

/// Makes the CRC of a batch right again.
fn seal(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
}

proptest! {
    #[test]
    fn what_is_built_is_read(compression in compression(), records in records(1 << 40, false)) {
        let bytes = build(1 << 40, compression, &records);
        prop_assert_eq!(read(&bytes), &records[..]);
        let view = BatchView::parse(&bytes).unwrap();
        prop_assert_eq!(view.max_timestamp(), records.iter().map(|record| record.timestamp).max().unwrap());
    }

    #[test]
    fn a_new_prefix_changes_what_it_says_and_no_more(
        compression in compression(),
        records in records(0, true),
        base in 0..i64::MAX / 2,
        append_time in option::of(0..i64::MAX),
    ) {
        let bytes = build(0, compression, &records);
        let view = BatchView::parse(&bytes).unwrap();
        let mut log = patched_prefix(&view, Offset(base), LeaderEpoch(9), append_time).to_vec();
        log.extend_from_slice(view.body());
        let expected: Vec<Owned> = records
            .iter()
            .map(|record| Owned {
                offset: record.offset + base,
                timestamp: append_time.unwrap_or(record.timestamp),
                ..record.clone()
            })
            .collect();
        prop_assert_eq!(read(&log), expected);
    }

    #[test]
    fn what_passes_the_checks_says_the_same_in_the_topics_codec(
        source in compression(),
        target in compression(),
        records in records(0, true),
    ) {
        let partition = TopicPartition::new("t", 0);
        let rules = ProduceRules { compression: Some(target.into()), ..rules(&partition) };
        let bytes = build(0, source, &records);
        if let Ok(checked) = validate_produce(&bytes, &rules) {
            prop_assert_eq!(read(&checked.batch), records);
            prop_assert_eq!(BatchView::parse(&checked.batch).unwrap().compression(), target);
        }
    }

    #[test]
    fn the_first_record_not_older_is_the_first(
        compression in compression(),
        records in records(100, false),
        timestamp in NOW - 10_000..NOW + 10_000,
        from in 90..200i64,
    ) {
        let bytes = build(100, compression, &records);
        let view = BatchView::parse(&bytes).unwrap();
        let found = first_record_at_or_after(&view, timestamp, Offset(from), SIZE_MAX).unwrap();
        let expected = records.iter().find(|record| timestamp <= record.timestamp && from <= record.offset);
        prop_assert_eq!(found.map(|found| found.offset.0), expected.map(|record| record.offset));
    }

    #[test]
    fn any_bytes_do_no_harm(mut bytes in vec(any::<u8>(), 0..300), is_magic in any::<bool>()) {
        let partition = TopicPartition::new("t", 0);
        if is_magic && bytes.len() > 61 {
            let length = (bytes.len() - 12) as i32;
            bytes[..8].fill(0);
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[16] = 2;
            seal(&mut bytes);
        }
        look(&bytes, &rules(&partition));
    }

    #[test]
    fn changed_batches_with_a_right_crc_do_no_harm(
        compression in compression(),
        records in records(0, true),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let partition = TopicPartition::new("t", 0);
        let mut bytes = build(0, compression, &records);
        for (at, byte) in changes {
            let at = 21 + at.index(bytes.len() - 21);
            bytes[at] = byte;
        }
        seal(&mut bytes);
        look(&bytes, &rules(&partition));
    }
}
