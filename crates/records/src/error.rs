//! Why bytes are not a batch we can use.

use crate::compression::Compression;

/// Why bytes are not a usable record batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The slice ends within the batch. At the end of a fetch answer this is ordinary: the rest was cut off.
    #[error("the batch needs {needed} bytes, only {available} are there")]
    Truncated {
        /// Size of the batch in bytes, or of as much of it as must be there to know its size.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// The length field cannot be that of a batch.
    #[error("batch length {length} is smaller than the smallest batch")]
    InvalidLength {
        /// The length field: bytes after it.
        length: i32,
    },
    /// A message set of the formats before Kafka 0.11, which Kafka 4 does not write any more.
    #[error("message format v{magic} is not supported: only v2 is")]
    LegacyMagic {
        /// 0 or 1.
        magic: i8,
    },
    /// The magic byte names no format that exists.
    #[error("invalid magic found in record: {magic}")]
    UnknownMagic {
        /// The magic byte.
        magic: i8,
    },
    /// The attributes name no codec that exists.
    #[error("unknown compression type id: {id}")]
    UnknownCompression {
        /// The lowest three bits of the attributes.
        id: u8,
    },
    /// Counts or deltas of the header contradict each other.
    #[error("batch header with {record_count} records and last offset delta {last_offset_delta}")]
    InvalidCounts {
        /// Records in the batch, as the header says.
        record_count: i32,
        /// Last offset less base offset, as the header says.
        last_offset_delta: i32,
    },
    /// The bytes are not those that were written.
    #[error("record is corrupt (stored crc = {stored}, computed crc = {computed})")]
    CrcMismatch {
        /// CRC-32C in the header.
        stored: u32,
        /// CRC-32C of the bytes.
        computed: u32,
    },
    /// A record within the batch is not well formed.
    #[error("record {index} of the batch is malformed: {reason}")]
    InvalidRecord {
        /// Place of the record within its batch, from 0.
        index: i32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The compressed block is not one of its codec.
    #[error("{compression} data cannot be decompressed: {reason}")]
    Decompression {
        /// The codec of the batch.
        compression: Compression,
        /// What the codec says.
        reason: String,
    },
    /// The records take more room than the caller allows: perhaps a decompression bomb.
    #[error("the batch decompresses to more than {max} bytes")]
    DecompressedTooLarge {
        /// The caller's limit in bytes.
        max: usize,
    },
}
