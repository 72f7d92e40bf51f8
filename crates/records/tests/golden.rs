//! Batches of Apache Kafka's own clients and broker, and what Apache Kafka says to bad ones.
//! How the files were made: `testdata/README.md`.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

use ottla_ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};
use ottla_records::{
    BatchView, Codec, Compression, ControlType, DECOMPRESSED_SIZE_MAX, EndTransactionMarker, ProduceError,
    ProduceRules, RecordView, TimestampType, batches, validate_produce,
};
use std::fs;
use std::path::Path;

fn testdata(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Size and CRC-32 of the bytes.
fn sum(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "-".to_owned();
    };
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    format!("{}:{:x}", bytes.len(), crc.sum())
}

fn line(record: &RecordView<'_>) -> String {
    let mut line =
        format!("{} {} {} {}", record.offset, record.timestamp, sum(record.key), sum(record.value));
    for header in record.headers {
        line.push_str(&format!(" {}={}", header.key_text(), sum(header.value)));
    }
    line
}

/// All records of a segment, and a view of its first batch.
fn read(log: &[u8]) -> (Vec<String>, BatchView<'_>) {
    let mut lines = Vec::new();
    for batch in batches(log) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        let records = batch.records(1 << 20).unwrap();
        lines.extend(records.iter().map(|record| line(&record.unwrap())));

        let mut walked = Vec::new();
        let end: Option<()> = batch
            .walk(1 << 20, |record| {
                walked.push(line(&record));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(end, None);
        assert_eq!(walked, lines[lines.len() - walked.len()..]);
    }
    (lines, batches(log).next().unwrap().unwrap())
}

#[test]
fn what_other_clients_wrote_is_read_in_all_codecs() {
    let sample = String::from_utf8(testdata("sample.txt")).unwrap();
    let sample: Vec<&str> = sample.lines().collect();
    for client in ["java", "librdkafka", "franz-go"] {
        for compression in Compression::ALL {
            let log = testdata(&format!("{client}-{compression}.log"));
            let (lines, first) = read(&log);
            assert_eq!(lines, sample, "{client} {compression}");
            assert_eq!(first.compression(), compression, "{client}");
            assert!(first.has_producer_id());
        }
    }
}

#[test]
fn snappy_came_framed_and_raw() {
    let is_framed = |client: &str| {
        let log = testdata(&format!("{client}-snappy.log"));
        read(&log).1.body().starts_with(b"\x82SNAPPY\0")
    };
    assert!(is_framed("java") && !is_framed("franz-go") && !is_framed("librdkafka"));
}

#[test]
fn what_other_clients_wrote_passes_the_leaders_checks_and_is_recompressed() {
    let partition = TopicPartition::new("t", 0);
    for client in ["java", "librdkafka", "franz-go"] {
        for source in Compression::ALL {
            let log = testdata(&format!("{client}-{source}.log"));
            let (lines, _) = read(&log);
            for target in Compression::ALL {
                let rules =
                    ProduceRules { compression: Some(target.into()), ..rules("plain", 13, &partition) };
                let mut again = Vec::new();
                for batch in batches(&log) {
                    // As the client sent it: with offsets from 0.
                    let mut bytes = batch.unwrap().bytes().to_vec();
                    let base = bytes[..8].to_vec();
                    bytes[..8].fill(0);
                    let checked = validate_produce(&bytes, &rules).unwrap();
                    let mut appended = checked.batch.into_owned();
                    appended[..8].copy_from_slice(&base);
                    again.append(&mut appended);
                }
                assert_eq!(read(&again).0, lines, "{client} {source} to {target}");
            }
        }
    }
}

#[test]
fn the_time_of_the_append_stands_for_each_records_own() {
    let log = testdata("java-append-time.log");
    let (lines, first) = read(&log);
    assert_eq!(first.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(lines.len(), 5);
    let time = first.max_timestamp().to_string();
    assert!(lines.iter().all(|line| line.split(' ').nth(1) == Some(&time)));
}

#[test]
fn our_prefix_for_the_time_of_the_append_is_that_of_kafka() {
    let log = testdata("java-append-time.log");
    let (_, kafkas) = read(&log);
    // The batch as a topic without the setting would have it.
    let mut before = kafkas.bytes().to_vec();
    before[22] &= !0x08;
    before[35..43].copy_from_slice(&1i64.to_be_bytes());
    let crc = crc32c::crc32c(&before[21..]);
    before[17..21].copy_from_slice(&crc.to_be_bytes());
    let before = BatchView::parse(&before).unwrap();
    let ours = ottla_records::patched_prefix(
        &before,
        kafkas.base_offset(),
        kafkas.leader_epoch(),
        Some(kafkas.max_timestamp()),
    );
    assert_eq!(ours, kafkas.bytes()[..61]);
}

#[test]
fn transactions_end_with_their_markers() {
    let log = testdata("java-transaction.log");
    let mut seen = Vec::new();
    for batch in batches(&log) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        assert!(batch.is_transactional());
        if !batch.is_control() {
            seen.push(format!("{} records", batch.record_count()));
            continue;
        }
        assert_eq!((batch.base_sequence(), batch.last_sequence()), (-1, -1));
        let records = batch.records(1000).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        let marker =
            EndTransactionMarker::parse(record.key.unwrap(), record.value.unwrap()).unwrap().unwrap();
        seen.push(if marker.commit { "commit" } else { "abort" }.to_owned());

        // Kafka's writer pads nothing and adds nothing: ours makes the same bytes.
        let ours = ottla_records::BatchBuilder::end_transaction(
            batch.base_offset(),
            batch.leader_epoch(),
            batch.max_timestamp(),
            batch.producer_id(),
            batch.producer_epoch(),
            marker,
        );
        assert_eq!(ours.unwrap(), batch.bytes());
    }
    assert_eq!(seen, ["3 records", "commit", "2 records", "abort"]);
}

#[test]
fn what_compaction_left_of_a_batch_is_a_batch() {
    let log = testdata("java-empty.log");
    let (lines, batch) = read(&log);
    assert_eq!((lines.len(), batch.record_count(), batch.size()), (0, 0, 61));
    assert_eq!(
        (batch.base_offset(), batch.last_offset(), batch.next_offset()),
        (Offset(100), Offset(109), Offset(110))
    );
    assert_eq!((batch.producer_id(), batch.producer_epoch()), (ProducerId(4711), ProducerEpoch(3)));
    assert_eq!((batch.base_sequence(), batch.last_sequence()), (17, 26));
    assert_eq!(batch.leader_epoch(), LeaderEpoch(6));
    assert_eq!(ottla_records::max_timestamp_offset(&batch, 1000), Ok(None));
    assert_eq!(*ottla_records::retained_empty(batch.header()).as_slice(), *batch.bytes());
}

#[test]
fn a_kraft_snapshot_begins_and_ends_with_control_records() {
    let log = testdata("kraft-snapshot.log");
    let mut seen = Vec::new();
    for batch in batches(&log) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        for record in &batch.records(100_000).unwrap() {
            let record = record.unwrap();
            if batch.is_control() {
                seen.push(ControlType::parse_key(record.key.unwrap()).unwrap());
            }
        }
    }
    use ControlType::{KRaftVersion, KRaftVoters, SnapshotFooter, SnapshotHeader};
    assert_eq!(seen, [SnapshotHeader, KRaftVersion, KRaftVoters, SnapshotFooter]);
}

fn rules<'a>(topic: &str, version: i16, partition: &'a TopicPartition) -> ProduceRules<'a> {
    let (before, after) = if topic == "narrow" { (1000, 1000) } else { (i64::MAX, 3_600_000) };
    ProduceRules {
        partition,
        produce_version: version,
        message_size_max: if topic.starts_with("small") { 300 } else { 1_048_588 },
        compression: (topic == "small-uncompressed").then_some(Codec::from(Compression::None)),
        timestamp_type: if topic == "append-time" {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        },
        timestamp_before_max_ms: before,
        timestamp_after_max_ms: after,
        is_compacted: topic == "compacted",
        decompressed_size_max: DECOMPRESSED_SIZE_MAX,
        now: 1_795_538_000_000,
    }
}

/// Kafka's number of an error.
fn code(error: &ProduceError) -> i16 {
    match error {
        ProduceError::CorruptMessage { .. } | ProduceError::MalformedBatch { .. } => 2,
        ProduceError::MessageTooLarge { .. } => 10,
        ProduceError::InvalidTimestamp { .. } => 32,
        ProduceError::UnsupportedCompressionType { .. } => 76,
        ProduceError::InvalidRecord { .. } => 87,
    }
}

#[test]
fn bad_batches_are_refused_as_kafka_refuses_them() {
    let refusals = String::from_utf8(testdata("refusals.tsv")).unwrap();
    let mut n = 0;
    for row in refusals.lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let &[name, topic, version, kafkas_code, message, record_errors, hex] = columns.as_slice() else {
            panic!("{row}");
        };
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let partition = TopicPartition::new(topic, 0);
        let mut rules = rules(topic, version.parse().unwrap(), &partition);
        // What is out of range is said with the time it was then: the end of the range less what is allowed.
        if let Some((_, range)) = record_errors.rsplit_once("within [") {
            let end: i64 = range.trim_end_matches(']').split(", ").nth(1).unwrap().parse().unwrap();
            rules.now = end - rules.timestamp_after_max_ms;
        }
        let result = validate_produce(&bytes, &rules);
        let kafkas_code: i16 = kafkas_code.parse().unwrap();
        match &result {
            Ok(_) => assert_eq!(kafkas_code, 0, "{name}"),
            // Where Kafka stumbles (UNKNOWN_SERVER_ERROR), we say what is wrong.
            Err(error) if kafkas_code == -1 => assert!([76, 87].contains(&code(error)), "{name}: {error:?}"),
            Err(error) => {
                assert_eq!(code(error), kafkas_code, "{name}: {error:?}");
                assert_eq!(error.response_message().unwrap_or("null"), message, "{name}");
                let errors: Vec<String> = error
                    .record_errors()
                    .iter()
                    .map(|error| format!("{}={}", error.batch_index, error.message))
                    .collect();
                let errors = if errors.is_empty() { "-".to_owned() } else { errors.join(";") };
                assert_eq!(errors, record_errors, "{name}");
            }
        }
        n += 1;
    }
    assert!(n > 150, "only {n}");
}
