//! Building batches of our own: metadata, offsets, markers, and what our client produces.

use crate::compression::{self, Codec};
use crate::control::{ControlType, EndTransactionMarker};
use crate::header::{
    Attributes, BatchHeader, CRC_START, HEADER_SIZE, LENGTH_END, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
    put,
};
use crate::record::Header;
use crate::varint::{put_varint, put_varlong, varint_size, varlong_size};
use bytes::Bytes;
use ottla_ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// Why a batch cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A batch without records says nothing.
    #[error("a batch has at least one record")]
    Empty,
    /// The batch would be larger than its length field can say.
    #[error("a batch is at most 2 GiB")]
    TooLarge,
    /// Offsets ascend, and lie within 2^31 of the base offset.
    #[error("offset {offset} does not follow in a batch from {base_offset}")]
    InvalidOffset {
        /// The record's offset.
        offset: Offset,
        /// The batch's base offset.
        base_offset: Offset,
    },
    /// A codec failed, which only lack of memory makes it do.
    #[error("the records cannot be compressed")]
    Compression(#[source] std::io::Error),
}

/// Collects records and makes a batch of them.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    header: BatchHeader,
    codec: Codec,
    /// The header's room, then the records as they are appended, uncompressed.
    bytes: Vec<u8>,
    append_time: Option<i64>,
    /// The batch spans at least so many offsets behind its first; -1 for as many as it has records.
    last_offset_delta_min: i32,
    /// Stands in the place of the base timestamp (KIP-534).
    delete_horizon: Option<i64>,
}

impl BatchBuilder {
    /// A batch of data from `base_offset` on, of no producer id and no leader epoch.
    pub fn new(base_offset: Offset, codec: impl Into<Codec>) -> BatchBuilder {
        let codec = codec.into();
        BatchBuilder {
            header: BatchHeader {
                base_offset,
                length: 0,
                leader_epoch: LeaderEpoch::NONE,
                crc: 0,
                attributes: Attributes::default().with_compression(codec.compression()),
                compression: codec.compression(),
                last_offset_delta: -1,
                base_timestamp: NO_TIMESTAMP,
                max_timestamp: NO_TIMESTAMP,
                producer_id: ProducerId::NONE,
                producer_epoch: ProducerEpoch::NONE,
                base_sequence: NO_SEQUENCE,
                record_count: 0,
            },
            codec,
            bytes: vec![0; HEADER_SIZE],
            append_time: None,
            last_offset_delta_min: -1,
            delete_horizon: None,
        }
    }

    /// A batch for some of the records of another, as compaction leaves it: with its codec, producer, sequence
    /// numbers and offsets, to the last one. After `delete_horizon`, in ms since 1970, its tombstones and
    /// markers may go (KIP-534).
    pub fn retaining(original: &BatchHeader, delete_horizon: Option<i64>) -> BatchBuilder {
        let mut builder = BatchBuilder::new(original.base_offset, original.compression);
        builder.header.attributes = original.attributes.with_delete_horizon(delete_horizon.is_some());
        builder.header.leader_epoch = original.leader_epoch;
        builder.header.producer_id = original.producer_id;
        builder.header.producer_epoch = original.producer_epoch;
        builder.header.base_sequence = original.base_sequence;
        let has_append_time = original.timestamp_type() == TimestampType::LogAppendTime;
        builder.append_time = has_append_time.then_some(original.max_timestamp);
        builder.last_offset_delta_min = original.last_offset_delta;
        builder.delete_horizon = delete_horizon;
        builder
    }

    /// A batch of control records, uncompressed as Kafka's are.
    pub fn control(base_offset: Offset) -> BatchBuilder {
        let mut builder = BatchBuilder::new(base_offset, Codec::default());
        builder.header.attributes = builder.header.attributes.with_control(true);
        builder
    }

    /// A whole batch with the marker that ends a producer's transaction.
    ///
    /// # Errors
    /// None in practice; see [`BuildError`].
    pub fn end_transaction(
        base_offset: Offset,
        leader_epoch: LeaderEpoch,
        timestamp: i64,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        marker: EndTransactionMarker,
    ) -> Result<Bytes, BuildError> {
        let mut builder = BatchBuilder::control(base_offset)
            .leader_epoch(leader_epoch)
            .producer(producer_id, producer_epoch, NO_SEQUENCE)
            .transactional(true);
        builder.append_control(timestamp, marker.control_type(), &marker.value())?;
        builder.finish()
    }

    /// Sets the leader epoch.
    pub fn leader_epoch(mut self, leader_epoch: LeaderEpoch) -> BatchBuilder {
        self.header.leader_epoch = leader_epoch;
        self
    }

    /// Sets the producer and the sequence number of the first record.
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> BatchBuilder {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Sets whether the batch belongs to a transaction.
    pub fn transactional(mut self, on: bool) -> BatchBuilder {
        self.header.attributes = self.header.attributes.with_transactional(on);
        self
    }

    /// Appends a record at the next offset. `timestamp` is in ms since 1970, or -1 for none.
    ///
    /// # Errors
    /// [`BuildError::TooLarge`] and [`BuildError::InvalidOffset`]; the batch is as before then.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), BuildError> {
        self.append_at(self.next_offset(), timestamp, key, value, headers)
    }

    /// Appends a record at a given offset, which may leave a gap as compaction does.
    ///
    /// # Errors
    /// As [`BatchBuilder::append`].
    pub fn append_at(
        &mut self,
        offset: Offset,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), BuildError> {
        let invalid = BuildError::InvalidOffset { offset, base_offset: self.header.base_offset };
        let Some(offset_delta) = offset.0.checked_sub(self.header.base_offset.0) else {
            return Err(invalid);
        };
        let Ok(offset_delta) = i32::try_from(offset_delta) else {
            return Err(invalid);
        };
        if offset_delta <= self.header.last_offset_delta {
            return Err(invalid);
        }
        let is_first = self.header.record_count == 0;
        let first = self.delete_horizon.unwrap_or(timestamp);
        let base_timestamp = if is_first { first } else { self.header.base_timestamp };
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);

        let size = record_size(timestamp_delta, offset_delta, key, value, headers);
        let whole = self.bytes.len().saturating_add(size).saturating_add(varint_size(i32::MAX));
        // The header is within `whole`, the bytes up to the length field are not counted by it.
        let (Ok(_), Ok(size)) = (i32::try_from(whole), i32::try_from(size)) else {
            return Err(BuildError::TooLarge);
        };

        self.bytes.reserve(size as usize + varint_size(size));
        put_varint(&mut self.bytes, size);
        self.bytes.push(0);
        put_varlong(&mut self.bytes, timestamp_delta);
        put_varint(&mut self.bytes, offset_delta);
        put_bytes(&mut self.bytes, key);
        put_bytes(&mut self.bytes, value);
        put_varint(&mut self.bytes, headers.len() as i32);
        for header in headers {
            put_bytes(&mut self.bytes, Some(header.key));
            put_bytes(&mut self.bytes, header.value);
        }

        self.header.base_timestamp = base_timestamp;
        self.header.max_timestamp =
            if is_first { timestamp } else { self.header.max_timestamp.max(timestamp) };
        self.header.last_offset_delta = offset_delta;
        self.header.record_count += 1;
        Ok(())
    }

    /// Appends a control record; `value` is its schema, encoded, with the version in front.
    ///
    /// # Errors
    /// As [`BatchBuilder::append`].
    pub fn append_control(
        &mut self,
        timestamp: i64,
        kind: ControlType,
        value: &[u8],
    ) -> Result<(), BuildError> {
        assert!(self.header.is_control(), "control records go into a builder made for them");
        self.append(timestamp, Some(&kind.key()), Some(value), &[])
    }

    /// The offset that the next appended record gets.
    pub fn next_offset(&self) -> Offset {
        self.header.next_offset()
    }

    /// Records appended so far.
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.header.record_count == 0
    }

    /// Size of the batch so far in bytes, header included, before compression.
    pub fn uncompressed_size(&self) -> usize {
        self.bytes.len()
    }

    /// Makes the batch.
    ///
    /// # Errors
    /// [`BuildError::Empty`], [`BuildError::TooLarge`] and [`BuildError::Compression`].
    pub fn finish(mut self) -> Result<Bytes, BuildError> {
        if self.is_empty() {
            return Err(BuildError::Empty);
        }
        if let Some(append_time) = self.append_time {
            self.header.max_timestamp = append_time;
        }
        self.header.last_offset_delta = self.header.last_offset_delta.max(self.last_offset_delta_min);
        let mut bytes = self.bytes;
        if self.codec.compression() != compression::Compression::None {
            let mut compressed = vec![0; HEADER_SIZE];
            let records = bytes.get(HEADER_SIZE..).unwrap_or_default();
            compression::compress(self.codec, records, &mut compressed).map_err(BuildError::Compression)?;
            bytes = compressed;
        }
        seal(self.header, &mut bytes)?;
        Ok(bytes.into())
    }
}

/// Writes `header` to the front of a batch whose records are in place, with the length and CRC of what follows.
pub(crate) fn seal(mut header: BatchHeader, bytes: &mut [u8]) -> Result<(), BuildError> {
    header.length = i32::try_from(bytes.len() - LENGTH_END).map_err(|_| BuildError::TooLarge)?;
    let (front, body) =
        bytes.split_first_chunk_mut::<HEADER_SIZE>().expect("the caller left room for the header");
    let mut raw = header.to_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&raw[CRC_START..]), body);
    put::<17, 4>(&mut raw, crc.to_be_bytes());
    *front = raw;
    Ok(())
}

/// Size of a record in bytes without its leading size.
fn record_size(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header<'_>],
) -> usize {
    let headers_size: usize =
        headers.iter().map(|header| bytes_size(Some(header.key)) + bytes_size(header.value)).sum();
    let header_count = i32::try_from(headers.len()).unwrap_or(i32::MAX);
    1 + varlong_size(timestamp_delta)
        + varint_size(offset_delta)
        + bytes_size(key)
        + bytes_size(value)
        + varint_size(header_count)
        + headers_size
}

fn bytes_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint_size(i32::try_from(bytes.len()).unwrap_or(i32::MAX)) + bytes.len())
}

/// The caller has checked that the whole record is no larger than an `i32` can say.
fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
    }
}

/// What compaction keeps of a producer's last batch when all its records are gone: a header with no records,
/// so that sequence numbers and offsets are still known (Kafka's `DefaultRecordBatch.writeEmptyHeader`).
pub fn retained_empty(header: &BatchHeader) -> [u8; HEADER_SIZE] {
    let mut bytes = [0; HEADER_SIZE];
    let attributes = header.attributes.with_compression(compression::Compression::None);
    let empty = BatchHeader {
        attributes: attributes.with_delete_horizon(false),
        compression: compression::Compression::None,
        base_timestamp: NO_TIMESTAMP,
        record_count: 0,
        ..*header
    };
    seal(empty, &mut bytes).expect("a header is smaller than 2 GiB");
    bytes
}
