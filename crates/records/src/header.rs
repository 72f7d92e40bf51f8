//! The 61 bytes in front of every batch of magic 2.
//!
//! ```text
//!  0        8      12     16 17   21   23       27       35       43       51 53   57    61
//!  ├────────┼──────┼──────┼──┼────┼────┼────────┼────────┼────────┼────────┼──┼────┼─────┤
//!  base     length leader │  crc  attri last     base     max      producer │  base record
//!  offset   (after epoch  magic   butes offset   time-    time-    id       │  seq. count
//!           it)                         delta    stamp    stamp             producer epoch
//!                                 └───────── covered by the CRC, with all that follows ───►
//! ```
//! All numbers are big-endian. Offset and leader epoch lie outside of the CRC, so that a broker can assign
//! them without reading the batch.

use crate::compression::Compression;
use crate::error::BatchError;
use ottla_ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// Size of a batch's header in bytes; an empty batch is its header.
pub const HEADER_SIZE: usize = 61;
/// Bytes up to and including the length field, which counts what follows it.
pub const LENGTH_END: usize = 12;
/// The one format we read and write.
pub const MAGIC: i8 = 2;
/// Where the part begins that the CRC covers.
pub const CRC_START: usize = 21;
/// "No timestamp" (Kafka's `RecordBatch.NO_TIMESTAMP`).
pub const NO_TIMESTAMP: i64 = -1;
/// "No sequence": batches of producers that are not idempotent, and control batches.
pub const NO_SEQUENCE: i32 = -1;

const MAGIC_AT: usize = 16;
/// The smallest length field of any format (Kafka's `LegacyRecord.RECORD_OVERHEAD_V0`).
pub(crate) const LEGACY_LENGTH_MIN: i32 = 14;

/// Whose clock a batch's timestamps are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// Each record has the time its producer gave it.
    CreateTime,
    /// All records have the time of the append: the batch's maximum timestamp.
    LogAppendTime,
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(pub i16);

impl Attributes {
    const COMPRESSION: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// The codec; an error for the ids that no codec has.
    pub fn compression(self) -> Result<Compression, BatchError> {
        Compression::from_attributes(self.0)
    }

    /// Whose clock the timestamps are of.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the records are control records, which consumers do not see.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is the time from which compaction may drop the batch's tombstones.
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// These attributes with another codec.
    pub fn with_compression(self, compression: Compression) -> Attributes {
        Attributes(self.0 & !Self::COMPRESSION | i16::from(compression.id()))
    }

    /// These attributes with another clock.
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Attributes {
        self.with(Self::LOG_APPEND_TIME, timestamp_type == TimestampType::LogAppendTime)
    }

    /// These attributes with the transactional bit as given.
    pub fn with_transactional(self, on: bool) -> Attributes {
        self.with(Self::TRANSACTIONAL, on)
    }

    /// These attributes with the control bit as given.
    pub fn with_control(self, on: bool) -> Attributes {
        self.with(Self::CONTROL, on)
    }

    /// These attributes with the delete horizon bit as given.
    pub fn with_delete_horizon(self, on: bool) -> Attributes {
        self.with(Self::DELETE_HORIZON, on)
    }

    fn with(self, bit: i16, on: bool) -> Attributes {
        Attributes(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// The header of a batch: all that is known of it without touching its records.
///
/// The codec is one that exists, counts and deltas are not negative; nothing else is promised
/// before [`crate::BatchView::check_crc`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub(crate) base_offset: Offset,
    /// The length field: bytes after it.
    pub(crate) length: i32,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) crc: u32,
    pub(crate) attributes: Attributes,
    /// That of `attributes`; none where they name no codec, which [`BatchHeader::parse`] refuses.
    pub(crate) compression: Compression,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: ProducerId,
    pub(crate) producer_epoch: ProducerEpoch,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`, which may end anywhere behind it.
    ///
    /// # Errors
    /// As [`size_of_batch_at`], and where the codec does not exist or the counts are negative.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let header = BatchHeader::parse_unchecked(bytes)?;
        header.attributes.compression()?;
        if header.record_count < 0 || header.last_offset_delta < 0 {
            return Err(BatchError::InvalidCounts {
                record_count: header.record_count,
                last_offset_delta: header.last_offset_delta,
            });
        }
        Ok(header)
    }

    /// As [`BatchHeader::parse`], with whatever codec and counts are there: before the CRC is checked, they
    /// may be the damage.
    pub(crate) fn parse_unchecked(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        size_of_batch_at(bytes)?;
        let raw: &[u8; HEADER_SIZE] = bytes
            .first_chunk()
            .ok_or(BatchError::Truncated { needed: HEADER_SIZE, available: bytes.len() })?;
        let attributes = Attributes(i16::from_be_bytes(field::<21, 2>(raw)));
        Ok(BatchHeader {
            base_offset: Offset(i64::from_be_bytes(field::<0, 8>(raw))),
            length: i32::from_be_bytes(field::<8, 4>(raw)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field::<12, 4>(raw))),
            crc: u32::from_be_bytes(field::<17, 4>(raw)),
            attributes,
            compression: attributes.compression().unwrap_or_default(),
            last_offset_delta: i32::from_be_bytes(field::<23, 4>(raw)),
            base_timestamp: i64::from_be_bytes(field::<27, 8>(raw)),
            max_timestamp: i64::from_be_bytes(field::<35, 8>(raw)),
            producer_id: ProducerId(i64::from_be_bytes(field::<43, 8>(raw))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field::<51, 2>(raw))),
            base_sequence: i32::from_be_bytes(field::<53, 4>(raw)),
            record_count: i32::from_be_bytes(field::<57, 4>(raw)),
        })
    }

    /// The header as its 61 bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_SIZE] {
        let mut raw = [0; HEADER_SIZE];
        put::<0, 8>(&mut raw, self.base_offset.0.to_be_bytes());
        put::<8, 4>(&mut raw, self.length.to_be_bytes());
        put::<12, 4>(&mut raw, self.leader_epoch.0.to_be_bytes());
        put::<16, 1>(&mut raw, MAGIC.to_be_bytes());
        put::<17, 4>(&mut raw, self.crc.to_be_bytes());
        put::<21, 2>(&mut raw, self.attributes.0.to_be_bytes());
        put::<23, 4>(&mut raw, self.last_offset_delta.to_be_bytes());
        put::<27, 8>(&mut raw, self.base_timestamp.to_be_bytes());
        put::<35, 8>(&mut raw, self.max_timestamp.to_be_bytes());
        put::<43, 8>(&mut raw, self.producer_id.0.to_be_bytes());
        put::<51, 2>(&mut raw, self.producer_epoch.0.to_be_bytes());
        put::<53, 4>(&mut raw, self.base_sequence.to_be_bytes());
        put::<57, 4>(&mut raw, self.record_count.to_be_bytes());
        raw
    }

    /// Size of the whole batch in bytes, this header included.
    pub fn size(&self) -> usize {
        LENGTH_END + self.length as usize
    }

    /// The batch's first offset. After compaction its first record may lie behind it.
    pub fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// The batch's last offset. After compaction its last record may lie before it.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The offset behind the batch: where a reader goes on.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// Last offset less base offset.
    pub fn last_offset_delta(&self) -> i32 {
        self.last_offset_delta
    }

    /// The epoch of the leader that appended the batch; [`LeaderEpoch::NONE`] as a producer sends it.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The CRC-32C that the header names. Whether it is true says [`crate::BatchView::check_crc`].
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The attribute bits.
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// The codec of the records.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Whose clock the timestamps are of.
    pub fn timestamp_type(&self) -> TimestampType {
        self.attributes.timestamp_type()
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes.is_transactional()
    }

    /// Whether the records are control records, which consumers do not see.
    pub fn is_control(&self) -> bool {
        self.attributes.is_control()
    }

    /// Whether the base timestamp is a delete horizon.
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes.has_delete_horizon()
    }

    /// When compaction may drop the batch's tombstones and markers, in ms since 1970 (KIP-534).
    pub fn delete_horizon(&self) -> Option<i64> {
        self.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// What the records' timestamps are relative to, in ms since 1970.
    pub fn base_timestamp(&self) -> i64 {
        self.base_timestamp
    }

    /// The greatest timestamp of the records, or the time of the append; in ms since 1970.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// The producer, or [`ProducerId::NONE`].
    pub fn producer_id(&self) -> ProducerId {
        self.producer_id
    }

    /// Whether an idempotent or transactional producer sent it.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id.0 > ProducerId::NONE.0
    }

    /// The producer's incarnation, or [`ProducerEpoch::NONE`].
    pub fn producer_epoch(&self) -> ProducerEpoch {
        self.producer_epoch
    }

    /// The sequence number of the first record, or [`NO_SEQUENCE`].
    pub fn base_sequence(&self) -> i32 {
        self.base_sequence
    }

    /// The sequence number of the last record, or [`NO_SEQUENCE`]. Sequences wrap from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        let sum = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        if sum > i64::from(i32::MAX) { (sum - i64::from(i32::MAX) - 1) as i32 } else { sum as i32 }
    }

    /// Records in the batch, which compaction makes fewer than the offsets it covers; 0 in a batch that
    /// is kept for its sequence numbers only.
    pub fn record_count(&self) -> i32 {
        self.record_count
    }
}

/// Size in bytes of the batch at the front of `bytes`, of which only a part need be there.
///
/// # Errors
/// [`BatchError::Truncated`] with fewer than the 17 bytes that say what it is, [`BatchError::InvalidLength`],
/// [`BatchError::LegacyMagic`] and [`BatchError::UnknownMagic`].
pub fn size_of_batch_at(bytes: &[u8]) -> Result<usize, BatchError> {
    let truncated = BatchError::Truncated { needed: MAGIC_AT + 1, available: bytes.len() };
    let Some(prefix) = bytes.first_chunk::<{ MAGIC_AT + 1 }>() else {
        return Err(truncated);
    };
    let length = i32::from_be_bytes([prefix[8], prefix[9], prefix[10], prefix[11]]);
    if length < LEGACY_LENGTH_MIN {
        return Err(BatchError::InvalidLength { length });
    }
    match prefix[MAGIC_AT] as i8 {
        MAGIC => {}
        magic @ (0 | 1) => return Err(BatchError::LegacyMagic { magic }),
        magic => return Err(BatchError::UnknownMagic { magic }),
    }
    if length < (HEADER_SIZE - LENGTH_END) as i32 {
        return Err(BatchError::InvalidLength { length });
    }
    Ok(LENGTH_END + length as usize)
}

/// The `SIZE` bytes at `AT`.
fn field<const AT: usize, const SIZE: usize>(raw: &[u8; HEADER_SIZE]) -> [u8; SIZE] {
    const { assert!(AT + SIZE <= HEADER_SIZE) };
    let mut value = [0; SIZE];
    value.copy_from_slice(&raw[AT..AT + SIZE]);
    value
}

/// Writes the `SIZE` bytes at `AT`.
pub(crate) fn put<const AT: usize, const SIZE: usize>(raw: &mut [u8; HEADER_SIZE], value: [u8; SIZE]) {
    const { assert!(AT + SIZE <= HEADER_SIZE) };
    raw[AT..AT + SIZE].copy_from_slice(&value);
}
