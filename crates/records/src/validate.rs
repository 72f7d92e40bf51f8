//! What a producer sent, checked as Kafka's leader checks it (`ProduceRequest.validateRecords`, then
//! `UnifiedLog.analyzeAndValidateRecords`, then `LogValidator`), in one pass over the bytes for the CRC and
//! one over the records.

use crate::builder::{self, BatchBuilder, BuildError};
use crate::compression::{self, Codec, Compression};
use crate::error::BatchError;
use crate::header::{
    HEADER_SIZE, LEGACY_LENGTH_MIN, LENGTH_END, NO_TIMESTAMP, TimestampType, size_of_batch_at,
};
use crate::record::{Header, RecordView};
use crate::view::{BatchView, reheaded};
use ottla_ids::{Offset, TopicPartition};
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::ops::ControlFlow;

/// What one batch may decompress to unless its topic lets in more: a client that is refused for it sends its
/// records in smaller batches.
pub const DECOMPRESSED_SIZE_MAX: usize = 256 << 20;
/// How many refused records are told of one by one; the rest are counted.
pub const RECORD_ERRORS_MAX: usize = 1000;
/// The first version of Produce that knows zstd (KIP-110).
const ZSTD_PRODUCE_VERSION: i16 = 7;

/// What a topic asks of a batch that a client sends to one of its partitions.
#[derive(Clone, Copy, Debug)]
pub struct ProduceRules<'a> {
    /// The partition, named in errors.
    pub partition: &'a TopicPartition,
    /// The version of the Produce request: zstd may come from version 7 on.
    pub produce_version: i16,
    /// `max.message.bytes`: the largest batch, in bytes as it is stored.
    pub message_size_max: usize,
    /// `compression.type` with its level; `None` is `producer`: as the client had it.
    pub compression: Option<Codec>,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// Whether `cleanup.policy` has `compact`: each record needs a key then.
    pub is_compacted: bool,
    /// What the batch may decompress to, in bytes; [`DECOMPRESSED_SIZE_MAX`] is a good choice.
    pub decompressed_size_max: usize,
    /// The time, in ms since 1970.
    pub now: i64,
}

/// A batch that may be appended.
#[derive(Clone, Debug)]
pub struct Checked<'a> {
    /// The batch: the client's bytes, or what had to be made of them.
    pub batch: Cow<'a, [u8]>,
    /// What the log is to set as the time of the append, where the topic wants that.
    pub append_time: Option<i64>,
    /// Records in the batch.
    pub record_count: i32,
    /// The greatest timestamp of the records, or the time of the append; in ms since 1970.
    pub max_timestamp: i64,
}

/// A record that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// The record's place in its batch, from 0.
    pub batch_index: i32,
    /// Why, in Kafka's words.
    pub message: String,
}

impl ProduceError {
    /// The refused records one by one; empty where it is the batch that is wrong.
    pub fn record_errors(&self) -> &[RecordError] {
        match self {
            ProduceError::InvalidRecord { record_errors, .. }
            | ProduceError::InvalidTimestamp { record_errors, .. } => record_errors,
            ProduceError::CorruptMessage { .. }
            | ProduceError::MalformedBatch { .. }
            | ProduceError::MessageTooLarge { .. }
            | ProduceError::UnsupportedCompressionType { .. } => &[],
        }
    }

    /// The message to go with the error in the response, where Kafka gives one; else clients show the text
    /// they have for the error code.
    pub fn response_message(&self) -> Option<&str> {
        match self {
            ProduceError::InvalidRecord { message, record_errors }
            | ProduceError::InvalidTimestamp { message, record_errors } => {
                (!record_errors.is_empty()).then_some(message)
            }
            ProduceError::MalformedBatch { message } => Some(message),
            ProduceError::CorruptMessage { .. }
            | ProduceError::MessageTooLarge { .. }
            | ProduceError::UnsupportedCompressionType { .. } => None,
        }
    }
}

impl fmt::Display for RecordError {
    /// As Kafka writes it into the message for the whole batch.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordError(batchIndex={}, message='{}')", self.batch_index, self.message)
    }
}

/// Why a batch is refused. Each variant is one of Kafka's errors, with its message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// `CORRUPT_MESSAGE`: the bytes are not those that were sent; sending again may help.
    #[error("{message}")]
    CorruptMessage {
        /// What is wrong.
        message: String,
    },
    /// `CORRUPT_MESSAGE`: the bytes do not even begin as a batch does.
    #[error("{message}")]
    MalformedBatch {
        /// What is wrong.
        message: String,
    },
    /// `INVALID_RECORD`: the batch or its records break a rule; sending again does not help.
    #[error("{message}")]
    InvalidRecord {
        /// What is wrong.
        message: String,
        /// The refused records, at most [`RECORD_ERRORS_MAX`]; none where it is the batch that is wrong.
        record_errors: Vec<RecordError>,
    },
    /// `INVALID_TIMESTAMP`: records are too old or too new.
    #[error("{message}")]
    InvalidTimestamp {
        /// What is wrong.
        message: String,
        /// The refused records, at most [`RECORD_ERRORS_MAX`].
        record_errors: Vec<RecordError>,
    },
    /// `MESSAGE_TOO_LARGE`: the client may send its records in smaller batches.
    #[error("{message}")]
    MessageTooLarge {
        /// What is wrong.
        message: String,
    },
    /// `UNSUPPORTED_COMPRESSION_TYPE`: the codec does not exist, or not for this version of the request.
    #[error("{message}")]
    UnsupportedCompressionType {
        /// What is wrong.
        message: String,
    },
}

/// Checks `records`, what a client sent for one partition, and does to them what the topic asks.
///
/// # Errors
/// See [`ProduceError`]; nothing of a refused batch may be appended.
pub fn validate_produce<'a>(
    records: &'a [u8],
    rules: &ProduceRules<'_>,
) -> Result<Checked<'a>, ProduceError> {
    let view = only_batch(records, rules)?;
    check_batch(&view, rules)?;

    let source = view.compression();
    let target = rules.compression.unwrap_or_else(|| Codec::from(source));
    let mut check = RecordCheck::new(&view, rules);
    // A topic with a codec of its own needs the plain records; else they need only pass by.
    let plain = if target.compression() == source {
        let walk = view.walk(rules.decompressed_size_max, |record| check.on_record(&record));
        walk.map_err(|error| refused(error, rules))?;
        None
    } else {
        let plain = compression::decompress(source, view.body(), rules.decompressed_size_max)
            .map_err(|error| refused(error, rules))?;
        view.walk_plain(&plain, |record| check.on_record(&record)).map_err(|error| refused(error, rules))?;
        Some(plain)
    };
    let seen = check.finish()?;

    let batch = match plain {
        // Kafka fails here too, where it would have to number anew what it has not decompressed.
        None if !seen.is_in_order && source != Compression::None => {
            return Err(invalid(format!(
                "The records of the batch do not have the offsets 0 to {} in topic partition {}",
                view.last_offset_delta(),
                rules.partition
            )));
        }
        _ if !seen.is_in_order => renumbered(&view, target, rules)?,
        Some(plain) => recompressed(&view, target, &plain, &seen, rules)?,
        None => with_true_times(&view, &seen, rules),
    };
    let is_rewritten = matches!(batch, Cow::Owned(_));
    if is_rewritten && batch.len() > rules.message_size_max {
        return Err(ProduceError::MessageTooLarge {
            message: format!(
                "Message batch size is {} bytes in append to partition {} which exceeds the maximum configured size of {}.",
                batch.len(),
                rules.partition,
                rules.message_size_max
            ),
        });
    }
    let append_time = (rules.timestamp_type == TimestampType::LogAppendTime).then_some(rules.now);
    Ok(Checked {
        batch,
        append_time,
        record_count: view.record_count(),
        max_timestamp: append_time.unwrap_or(seen.max_timestamp),
    })
}

/// The one batch there may be. Bytes behind it that are no whole batch are left out, as Kafka does.
fn only_batch<'a>(records: &'a [u8], rules: &ProduceRules<'_>) -> Result<BatchView<'a>, ProduceError> {
    let version = rules.produce_version;
    let none = || {
        invalid(format!(
            "Produce requests with version {version} must have at least one record batch per partition"
        ))
    };
    let view = match BatchView::parse_unchecked(records) {
        Ok(view) => view,
        Err(BatchError::Truncated { .. }) => return Err(none()),
        Err(BatchError::LegacyMagic { .. }) => {
            return Err(invalid(format!(
                "Produce requests with version {version} are only allowed to contain record batches with magic version 2"
            )));
        }
        Err(error) => return Err(malformed(error)),
    };
    if version < ZSTD_PRODUCE_VERSION && view.compression() == Compression::Zstd {
        return Err(ProduceError::UnsupportedCompressionType {
            message: format!(
                "Produce requests with version {version} are not allowed to use ZStandard compression"
            ),
        });
    }
    let behind = records.get(view.size()..).unwrap_or_default();
    match size_of_batch_at(behind) {
        Ok(size) if behind.len() < size => Ok(view),
        Err(BatchError::Truncated { .. }) if behind.len() < LENGTH_END => Ok(view),
        Ok(_) | Err(BatchError::LegacyMagic { .. }) => Err(invalid(format!(
            "Produce requests with version {version} are only allowed to contain exactly one record batch per partition"
        ))),
        Err(error) => Err(malformed(error)),
    }
}

/// What can be said of the batch before its records are looked at.
fn check_batch(view: &BatchView<'_>, rules: &ProduceRules<'_>) -> Result<(), ProduceError> {
    let partition = rules.partition;
    let base_offset = view.base_offset();
    if base_offset != Offset::ZERO {
        return Err(invalid(format!(
            "The baseOffset of the record batch in the append to {partition} should be 0, but it is {base_offset}"
        )));
    }
    if view.size() > rules.message_size_max {
        return Err(ProduceError::MessageTooLarge {
            message: format!(
                "The record batch size in the append to {partition} is {} bytes which exceeds the maximum configured value of {}.",
                view.size(),
                rules.message_size_max
            ),
        });
    }
    if view.check_crc().is_err() {
        return Err(ProduceError::CorruptMessage {
            message: format!(
                "Record is corrupt (stored crc = {}) in topic partition {partition}.",
                view.crc()
            ),
        });
    }
    if let Err(error) = view.attributes().compression() {
        return Err(ProduceError::UnsupportedCompressionType { message: error.to_string() });
    }

    let last_offset_delta = i64::from(view.last_offset_delta());
    let count = view.record_count();
    if last_offset_delta < 0 {
        return Err(invalid(format!(
            "Batch has an invalid offset range: [0, {last_offset_delta}] in topic partition {partition}"
        )));
    }
    if count <= 0 {
        return Err(invalid(format!(
            "Invalid reported count for record batch: {count} in topic partition {partition}"
        )));
    }
    if last_offset_delta + 1 != i64::from(count) {
        return Err(invalid(format!(
            "Inconsistent batch offset range [0, {last_offset_delta}] and count of records {count} in topic partition {partition}"
        )));
    }
    if view.is_control() {
        return Err(invalid(format!(
            "Clients are not allowed to write control records in topic partition {partition}"
        )));
    }
    if view.has_producer_id() && view.base_sequence() < 0 {
        return Err(invalid(format!(
            "Invalid sequence number {} in record batch with producerId {} in topic partition {partition}",
            view.base_sequence(),
            view.producer_id()
        )));
    }
    Ok(())
}

/// What the walk over the records is to find out.
struct RecordCheck<'a> {
    rules: &'a ProduceRules<'a>,
    /// Whether timestamps are to be within a range around now.
    has_time_range: bool,
    is_append_time_batch: bool,
    /// What Kafka calls a record of such a batch in its errors.
    record_name: &'static str,
    /// The next record's place in the batch.
    index: i32,
    seen: Seen,
    record_errors: Vec<RecordError>,
    record_errors_n: usize,
    has_timestamp_error: bool,
}

/// What the walk over the records has found out.
struct Seen {
    /// Whether offsets go 0, 1, 2 and so on.
    is_in_order: bool,
    max_timestamp: i64,
}

impl<'a> RecordCheck<'a> {
    fn new(view: &BatchView<'_>, rules: &'a ProduceRules<'a>) -> RecordCheck<'a> {
        RecordCheck {
            rules,
            has_time_range: rules.timestamp_type == TimestampType::CreateTime,
            is_append_time_batch: view.timestamp_type() == TimestampType::LogAppendTime,
            record_name: if view.compression() == Compression::None {
                "DefaultRecord"
            } else {
                "PartialDefaultRecord"
            },
            index: 0,
            seen: Seen { is_in_order: true, max_timestamp: NO_TIMESTAMP },
            record_errors: Vec::new(),
            record_errors_n: 0,
            has_timestamp_error: false,
        }
    }

    #[inline(always)]
    fn on_record(&mut self, record: &RecordView<'_>) -> ControlFlow<Infallible> {
        self.seen.is_in_order &= record.offset.0 == i64::from(self.index);
        self.seen.max_timestamp = self.seen.max_timestamp.max(record.timestamp);
        if self.rules.is_compacted && record.key.is_none() {
            self.refuse(no_key(self.rules));
        } else if self.has_time_range && record.timestamp != NO_TIMESTAMP {
            // Wraps where Kafka's arithmetic does.
            let age = self.rules.now.wrapping_sub(record.timestamp);
            if age > self.rules.timestamp_before_max_ms
                || age.wrapping_neg() > self.rules.timestamp_after_max_ms
            {
                self.has_timestamp_error = true;
                self.refuse(out_of_range(record, self.rules));
            }
        } else if self.is_append_time_batch {
            self.has_timestamp_error = true;
            self.refuse(append_time_set(record, self.record_name));
        }
        self.index += 1;
        ControlFlow::Continue(())
    }

    #[cold]
    fn refuse(&mut self, message: String) {
        self.record_errors_n += 1;
        if self.record_errors.len() < RECORD_ERRORS_MAX {
            self.record_errors.push(RecordError { batch_index: self.index, message });
        }
    }

    fn finish(self) -> Result<Seen, ProduceError> {
        if self.record_errors_n == 0 {
            return Ok(self.seen);
        }
        let record_errors = self.record_errors;
        if self.has_timestamp_error {
            let message = "One or more records have been rejected due to invalid timestamp".to_owned();
            return Err(ProduceError::InvalidTimestamp { message, record_errors });
        }
        let first: Vec<String> = record_errors.iter().take(3).map(RecordError::to_string).collect();
        let message = format!(
            "One or more records have been rejected due to {} record errors in total, and only showing the first three errors at most: [{}]",
            self.record_errors_n,
            first.join(", ")
        );
        Err(ProduceError::InvalidRecord { message, record_errors })
    }
}

/// The batch as it is, or with a header that tells the truth about its records' times.
fn with_true_times<'a>(view: &BatchView<'a>, seen: &Seen, rules: &ProduceRules<'_>) -> Cow<'a, [u8]> {
    // The log sets the time of the append anyway.
    let is_true = rules.timestamp_type == TimestampType::LogAppendTime
        || view.timestamp_type() == TimestampType::CreateTime && view.max_timestamp() == seen.max_timestamp;
    if is_true {
        return Cow::Borrowed(view.bytes());
    }
    let mut header = *view.header();
    header.attributes = header.attributes.with_timestamp_type(TimestampType::CreateTime);
    header.max_timestamp = seen.max_timestamp;
    let mut bytes = view.bytes().to_vec();
    if let Some(front) = bytes.first_chunk_mut::<HEADER_SIZE>() {
        *front = reheaded(view, header);
    }
    Cow::Owned(bytes)
}

/// The batch with its records in another codec.
fn recompressed<'a>(
    view: &BatchView<'_>,
    target: Codec,
    plain: &[u8],
    seen: &Seen,
    rules: &ProduceRules<'_>,
) -> Result<Cow<'a, [u8]>, ProduceError> {
    let failed = |error| unbuildable(BuildError::Compression(error), rules);
    let mut bytes = vec![0; HEADER_SIZE];
    compression::compress(target, plain, &mut bytes).map_err(failed)?;
    let mut header = *view.header();
    header.compression = target.compression();
    header.attributes = header
        .attributes
        .with_compression(target.compression())
        .with_timestamp_type(TimestampType::CreateTime)
        .with_delete_horizon(false);
    header.max_timestamp = seen.max_timestamp;
    builder::seal(header, &mut bytes).map_err(|error| unbuildable(error, rules))?;
    Ok(Cow::Owned(bytes))
}

/// The batch with offsets that go 0, 1, 2 and so on, for clients that do not know better. (Kafka stores an
/// uncompressed batch as it is, and consumers stumble.)
fn renumbered<'a>(
    view: &BatchView<'_>,
    target: Codec,
    rules: &ProduceRules<'_>,
) -> Result<Cow<'a, [u8]>, ProduceError> {
    let mut new = BatchBuilder::new(Offset::ZERO, target)
        .leader_epoch(view.leader_epoch())
        .producer(view.producer_id(), view.producer_epoch(), view.base_sequence())
        .transactional(view.is_transactional());
    let mut headers: Vec<Header<'_>> = Vec::new();
    let records = view.records(rules.decompressed_size_max).map_err(|error| refused(error, rules))?;
    for record in &records {
        let record = record.map_err(|error| refused(error, rules))?;
        headers.clear();
        headers.extend(record.headers);
        new.append(record.timestamp, record.key, record.value, &headers)
            .map_err(|error| unbuildable(error, rules))?;
    }
    debug_assert_eq!(new.record_count(), view.record_count(), "the walk has counted them");
    let bytes = new.finish().map_err(|error| unbuildable(error, rules))?;
    Ok(Cow::Owned(bytes.into()))
}

fn invalid(message: String) -> ProduceError {
    ProduceError::InvalidRecord { message, record_errors: Vec::new() }
}

/// What Kafka says of a length or a magic that cannot be.
fn malformed(error: BatchError) -> ProduceError {
    let message = match error {
        BatchError::InvalidLength { length } if length < LEGACY_LENGTH_MIN => {
            format!("Record size {length} is less than the minimum record overhead ({LEGACY_LENGTH_MIN})")
        }
        BatchError::UnknownMagic { magic } => format!("Invalid magic found in record: {magic}"),
        // Long enough for an older format, too short for this one: Kafka finds the CRC wrong.
        other => return ProduceError::CorruptMessage { message: other.to_string() },
    };
    ProduceError::MalformedBatch { message }
}

/// What is said of records that cannot be read although the CRC is right: the client made them so, and
/// sending them again does not help. (Kafka answers `UNKNOWN_SERVER_ERROR` where it is the codec that fails.)
fn refused(error: BatchError, rules: &ProduceRules<'_>) -> ProduceError {
    let message = format!("{error} in topic partition {}", rules.partition);
    match error {
        BatchError::DecompressedTooLarge { .. } => ProduceError::MessageTooLarge { message },
        _ => invalid(message),
    }
}

/// What is said where the batch cannot be made anew: it would be too large.
fn unbuildable(error: BuildError, rules: &ProduceRules<'_>) -> ProduceError {
    ProduceError::MessageTooLarge { message: format!("{error} in topic partition {}", rules.partition) }
}

#[cold]
fn no_key(rules: &ProduceRules<'_>) -> String {
    format!("Compacted topic cannot accept message without key in topic partition {}", rules.partition)
}

#[cold]
fn out_of_range(record: &RecordView<'_>, rules: &ProduceRules<'_>) -> String {
    format!(
        "Timestamp {} of message with offset {} is out of range. The timestamp should be within [{}, {}]",
        record.timestamp,
        record.offset,
        rules.now.wrapping_sub(rules.timestamp_before_max_ms),
        rules.now.wrapping_add(rules.timestamp_after_max_ms)
    )
}

#[cold]
fn append_time_set(record: &RecordView<'_>, name: &str) -> String {
    let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    format!(
        "Invalid timestamp type in message {name}(offset={}, timestamp={}, key={} bytes, value={} bytes). Producer should not set timestamp type to LogAppendTime.",
        record.offset,
        record.timestamp,
        size(record.key),
        size(record.value)
    )
}

#[cfg(test)]
mod tests;
