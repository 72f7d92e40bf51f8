//! A batch, a producer, an aborted transaction: as the lines of `kafka-dump-log`, and as JSON.

use super::decode::{self, Decoder};
use crate::output::{CANNOT_WRITE, put_bytes};
use anyhow::{Context as _, Result};
use ottla_records::{BatchView, DECOMPRESSED_SIZE_MAX, RecordView, TimestampType};
use ottla_storage::ProducerState;
use ottla_storage::inspect::AbortedEntry;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::Write;

/// How much of a batch is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Its header.
    Batches,
    /// Its records, without what they say.
    Records,
    /// Its records, and what they say.
    Contents,
}

fn time_name(batch: &BatchView<'_>) -> &'static str {
    match batch.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn optional(value: Option<i64>) -> String {
    value.map_or("OptionalLong.empty".to_owned(), |it| format!("OptionalLong[{it}]"))
}

fn size(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |it| it.len() as i64)
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A record's sequence number, which wraps around to 0.
fn sequence(batch: &BatchView<'_>, record: &RecordView<'_>) -> i64 {
    let base = i64::from(batch.base_sequence());
    if base < 0 { -1 } else { (base + record.offset.0 - batch.base_offset().0) & i64::from(i32::MAX) }
}

/// Writes a batch as Kafka's tool does; returns what is wrong with its records.
pub fn batch_text(
    batch: &BatchView<'_>,
    position: u64,
    detail: Detail,
    decoder: Decoder,
    out: &mut dyn Write,
) -> Result<Option<String>> {
    writeln!(
        out,
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
         producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {} \
         position: {position} {}: {} size: {} magic: 2 compresscodec: {} crc: {} isvalid: true",
        batch.base_offset(),
        batch.last_offset(),
        batch.record_count(),
        batch.base_sequence(),
        if batch.base_sequence() < 0 { -1 } else { batch.last_sequence() },
        batch.producer_id(),
        batch.producer_epoch(),
        batch.leader_epoch(),
        batch.is_transactional(),
        batch.is_control(),
        optional(batch.delete_horizon()),
        time_name(batch),
        batch.max_timestamp(),
        batch.size(),
        batch.compression(),
        batch.crc(),
    )
    .context(CANNOT_WRITE)?;
    if detail == Detail::Batches {
        return Ok(None);
    }
    let records = match batch.records(DECOMPRESSED_SIZE_MAX) {
        Ok(records) => records,
        Err(error) => return Ok(Some(error.to_string())),
    };
    for record in &records {
        let record = match record {
            Ok(record) => record,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let headers: Vec<_> = record.headers.map(|it| it.key_text().into_owned()).collect();
        let mut line = format!(
            "| offset: {} {}: {} keySize: {} valueSize: {} sequence: {} headerKeys: [{}]",
            record.offset,
            time_name(batch),
            record.timestamp,
            size(record.key),
            size(record.value),
            sequence(batch, &record),
            headers.join(","),
        );
        if batch.is_control() {
            control_text(&record, &mut line);
        } else if detail == Detail::Contents {
            contents_text(decoder, &record, &mut line);
        }
        writeln!(out, "{line}").context(CANNOT_WRITE)?;
    }
    Ok(None)
}

// Writing to a string cannot fail.

fn control_text(record: &RecordView<'_>, line: &mut String) {
    let _ = match decode::control(record.key, record.value) {
        Ok((name, Some(said))) if name == "COMMIT" || name == "ABORT" => {
            write!(line, " endTxnMarker: {name} coordinatorEpoch: {}", said["coordinatorEpoch"])
        }
        Ok((name, Some(said))) if name == "LeaderChange" => write!(line, " LeaderChange: {said}"),
        Ok((name, Some(said))) => write!(line, " {name} {said}"),
        Ok((name, None)) => write!(line, " controlType: {name}"),
        Err(error) => write!(line, " control record that cannot be read: {error}"),
    };
}

fn contents_text(decoder: Decoder, record: &RecordView<'_>, line: &mut String) {
    if decoder == Decoder::None {
        if let Some(key) = record.key {
            let _ = write!(line, " key: {}", lossy(key));
        }
        if let Some(value) = record.value {
            let _ = write!(line, " payload: {}", lossy(value));
        }
        return;
    }
    match decode::record(decoder, record.key, record.value) {
        Ok(decoded) => {
            let has_key = decoded.key.is_some();
            if let Some(key) = decoded.key {
                let _ = write!(line, " key: {key}");
            }
            match decoded.value {
                Some(value) => {
                    let _ = write!(line, " payload: {value}");
                }
                None if has_key => line.push_str(" payload: <DELETE>"),
                None => {}
            }
        }
        Err(error) => {
            let _ = write!(line, " key: Error at offset {}, skipping. {error}", record.offset);
        }
    }
}

/// Writes a batch as one line of JSON; returns what is wrong with its records.
pub fn batch_json(
    batch: &BatchView<'_>,
    position: u64,
    detail: Detail,
    decoder: Decoder,
    out: &mut dyn Write,
) -> Result<Option<String>> {
    let mut wrong = None;
    let mut object = json!({
        "base_offset": batch.base_offset().0,
        "last_offset": batch.last_offset().0,
        "count": batch.record_count(),
        "position": position,
        "size": batch.size(),
        "crc": batch.crc(),
        "compression": batch.compression().to_string(),
        "timestamp_type": time_name(batch),
        "max_timestamp": batch.max_timestamp(),
        "leader_epoch": batch.leader_epoch().0,
        "producer_id": batch.producer_id().0,
        "producer_epoch": batch.producer_epoch().0,
        "base_sequence": batch.base_sequence(),
        "is_transactional": batch.is_transactional(),
        "is_control": batch.is_control(),
        "delete_horizon": batch.delete_horizon(),
    });
    if detail > Detail::Batches {
        let mut shown = Vec::new();
        match batch.records(DECOMPRESSED_SIZE_MAX) {
            Err(error) => wrong = Some(error.to_string()),
            Ok(records) => {
                for record in &records {
                    match record {
                        Ok(record) => shown.push(record_json(batch, &record, detail, decoder)),
                        Err(error) => {
                            wrong = Some(error.to_string());
                            break;
                        }
                    }
                }
            }
        }
        object["records"] = Value::Array(shown);
    }
    writeln!(out, "{object}").context(CANNOT_WRITE)?;
    Ok(wrong)
}

fn record_json(batch: &BatchView<'_>, record: &RecordView<'_>, detail: Detail, decoder: Decoder) -> Value {
    let mut object = Map::new();
    object.insert("offset".to_owned(), json!(record.offset.0));
    object.insert("timestamp".to_owned(), json!(record.timestamp));
    object.insert("sequence".to_owned(), json!(sequence(batch, record)));
    object.insert("key_size".to_owned(), json!(size(record.key)));
    object.insert("value_size".to_owned(), json!(size(record.value)));
    if batch.is_control() {
        match decode::control(record.key, record.value) {
            Ok((name, said)) => {
                object.insert("control".to_owned(), json!(name));
                object.insert("value".to_owned(), said.unwrap_or_default());
            }
            Err(error) => {
                object.insert("error".to_owned(), json!(error));
            }
        }
        return Value::Object(object);
    }
    if detail == Detail::Contents {
        match decoder {
            Decoder::None | Decoder::Auto => {
                put_bytes(&mut object, "key", record.key);
                put_bytes(&mut object, "value", record.value);
            }
            _ => match decode::record(decoder, record.key, record.value) {
                Ok(decoded) => {
                    object.insert("key".to_owned(), decoded.key.unwrap_or_default());
                    object.insert("value".to_owned(), decoded.value.unwrap_or_default());
                }
                Err(error) => {
                    object.insert("error".to_owned(), json!(error.to_string()));
                    put_bytes(&mut object, "key", record.key);
                    put_bytes(&mut object, "value", record.value);
                }
            },
        }
    }
    let headers = record.headers.map(|header| {
        let mut shown = Map::new();
        shown.insert("key".to_owned(), json!(header.key_text()));
        if detail == Detail::Contents {
            put_bytes(&mut shown, "value", header.value);
        }
        Value::Object(shown)
    });
    object.insert("headers".to_owned(), Value::Array(headers.collect()));
    Value::Object(object)
}

/// A producer of a snapshot, as Kafka's tool shows it.
pub fn producer_text(state: &ProducerState) -> String {
    let mut line = format!(
        "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} lastTimestamp: {}",
        state.producer_id,
        state.epoch,
        state.coordinator_epoch,
        optional(state.transaction_start.map(|it| it.0)),
        state.last_timestamp,
    );
    if let Some(batch) = state.batches().first() {
        let _ = write!(
            line,
            " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
            batch.first_sequence(),
            batch.last_sequence,
            batch.last_offset,
            batch.offset_delta,
            batch.timestamp,
        );
    }
    line
}

/// A producer of a snapshot.
pub fn producer_json(state: &ProducerState) -> Value {
    let batch = state.batches().first().map(|batch| {
        json!({
            "first_sequence": batch.first_sequence(),
            "last_sequence": batch.last_sequence,
            "first_offset": batch.first_offset().0,
            "last_offset": batch.last_offset.0,
            "timestamp": batch.timestamp,
        })
    });
    json!({
        "producer_id": state.producer_id.0,
        "producer_epoch": state.epoch.0,
        "coordinator_epoch": state.coordinator_epoch,
        "transaction_start": state.transaction_start.map(|it| it.0),
        "last_timestamp": state.last_timestamp,
        "last_batch": batch,
    })
}

/// An aborted transaction, as Kafka's tool shows it.
pub fn aborted_text(entry: &AbortedEntry) -> String {
    format!(
        "version: {} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
        entry.version, entry.producer_id, entry.first_offset, entry.last_offset, entry.last_stable_offset
    )
}

/// An aborted transaction.
pub fn aborted_json(entry: &AbortedEntry) -> Value {
    json!({
        "version": entry.version,
        "producer_id": entry.producer_id.0,
        "first_offset": entry.first_offset.0,
        "last_offset": entry.last_offset.0,
        "last_stable_offset": entry.last_stable_offset.0,
    })
}
