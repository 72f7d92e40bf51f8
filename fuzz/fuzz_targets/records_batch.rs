//! Any bytes, looked at in all the ways in which record batches are looked at. The first byte says whether
//! length, magic and CRC are made right, so that what lies behind them is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_ids::{LeaderEpoch, Offset, TopicPartition};
use ottla_records::{
    Codec, Compression, HEADER_SIZE, ProduceRules, TimestampType, batches, first_record_at_or_after,
    max_timestamp_offset, patched_prefix, validate_produce,
};

const SIZE_MAX: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let Some((&mode, rest)) = input.split_first() else {
        return;
    };
    let mut bytes = rest.to_vec();
    if mode & 1 != 0 && bytes.len() > HEADER_SIZE {
        let length = (bytes.len() - 12) as i32;
        bytes[..8].fill(0);
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    for batch in batches(&bytes) {
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
        let mut patched = patched_prefix(&view, Offset(7), LeaderEpoch(1), Some(1)).to_vec();
        patched.extend_from_slice(view.body());
        let again = batches(&patched).next().expect("a batch").expect("still a batch");
        assert_eq!(again.check_crc().is_ok(), view.check_crc().is_ok());
    }
    let partition = TopicPartition::new("fuzz", 0);
    let compression = (mode & 2 != 0).then(|| Codec::from(Compression::ALL[usize::from(mode >> 4) % 5]));
    let rules = ProduceRules {
        partition: &partition,
        produce_version: 13,
        message_size_max: SIZE_MAX,
        compression,
        timestamp_type: if mode & 4 != 0 { TimestampType::LogAppendTime } else { TimestampType::CreateTime },
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        is_compacted: mode & 8 != 0,
        decompressed_size_max: SIZE_MAX,
        now: 1_700_000_000_000,
    };
    if let Ok(checked) = validate_produce(&bytes, &rules) {
        let view = batches(&checked.batch).next().expect("a batch").expect("a checked batch");
        view.check_crc().expect("its CRC is right");
        let records = view.records(SIZE_MAX).expect("its records were read before");
        let mut n = 0;
        for record in &records {
            assert_eq!(record.expect("each record was read before").offset, Offset(n));
            n += 1;
        }
        assert_eq!(n, i64::from(checked.record_count));
    }
});
