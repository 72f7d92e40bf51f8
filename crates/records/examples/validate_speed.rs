//! How fast what producers send is checked, per codec and record size, in GB of stored and of plain records per
//! second on one core: `cargo run --release -p ottla-records --example validate_speed`.

use ottla_ids::{Offset, TopicPartition};
use ottla_records::{
    BatchBuilder, BatchView, Compression, DECOMPRESSED_SIZE_MAX, ProduceRules, TimestampType,
    validate_produce,
};
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

const MEASURE: Duration = Duration::from_millis(300);

fn main() -> Result<(), Box<dyn Error>> {
    let partition = TopicPartition::new("speed", 0);
    let rules = ProduceRules {
        partition: &partition,
        produce_version: 13,
        message_size_max: usize::MAX,
        compression: None,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        is_compacted: false,
        decompressed_size_max: DECOMPRESSED_SIZE_MAX,
        now: 1_700_000_000_000,
    };
    println!(
        "{:<7} {:>7} {:>8} {:>8} {:>9} {:>10} {:>10} {:>9}",
        "codec", "record", "batch", "stored", "us/batch", "stored", "plain", "crc only"
    );
    for compression in Compression::ALL {
        for (record_size, batch_size) in [(100, 16_384), (100, 1_000_000), (1024, 16_384), (1024, 1_000_000)]
        {
            let batch = batch(compression, record_size, batch_size)?;
            let stored = batch.len();
            let view = BatchView::parse(&batch)?;
            let plain = view.records(DECOMPRESSED_SIZE_MAX)?.size();
            let crc = per_call(|| black_box(view.check_crc().is_ok()));
            let check = per_call(|| black_box(validate_produce(black_box(&batch), &rules).is_ok()));
            let speed = |bytes: usize, time: f64| bytes as f64 / time / 1e9;
            println!(
                "{:<7} {:>7} {:>8} {:>8} {:>9.1} {:>5.2} GB/s {:>5.2} GB/s {:>4.1} GB/s",
                compression.name(),
                record_size,
                batch_size,
                stored,
                check * 1e6,
                speed(stored, check),
                speed(plain, check),
                speed(stored, crc)
            );
        }
    }
    Ok(())
}

/// Seconds per call.
fn per_call(mut call: impl FnMut() -> bool) -> f64 {
    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < MEASURE {
        assert!(call(), "the batch is good");
        calls += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

/// A batch of JSON-like records.
fn batch(
    compression: Compression,
    record_size: usize,
    batch_size: usize,
) -> Result<bytes::Bytes, Box<dyn Error>> {
    let mut builder = BatchBuilder::new(Offset::ZERO, compression);
    let mut seed = 1u64;
    let mut value = String::new();
    while builder.uncompressed_size() + record_size < batch_size {
        value.clear();
        while value.len() < record_size {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            value.push_str(&format!("{{\"n\":{},\"name\":\"row\"}}", seed >> 40));
        }
        value.truncate(record_size);
        let key = (seed >> 48).to_string();
        builder.append(1_700_000_000_000, Some(key.as_bytes()), Some(value.as_bytes()), &[])?;
    }
    Ok(builder.finish()?)
}
