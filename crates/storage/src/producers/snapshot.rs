//! `%020d.snapshot`: the producers' state as of the offset that names the file, in Kafka's format version 1.
//!
//! ```text
//! 0       2       6      10
//! ├───────┼───────┼──────┼─ per producer, 46 bytes ────────────────────────────────────────────────────┐
//! version  CRC-32C count  id i64, epoch i16, last sequence i32, last offset i64, offset delta i32,
//! i16      u32     i32    timestamp i64, coordinator epoch i32, transaction start i64 (-1: none)
//!                  └─ covered by the CRC ─►
//! ```
//! Only the newest batch of each producer is kept, as in Kafka.

use super::{CACHED_BATCHES, ProducerBatch, ProducerState, Producers};
use ottla_ids::{Offset, ProducerEpoch, ProducerId};

const VERSION: i16 = 1;
const ENTRY_SIZE: usize = 46;
const COVERED_FROM: usize = 6;

/// Why a file is no producer snapshot that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("the producer snapshot is cut off")]
    Truncated,
    #[error("producer snapshot of unknown version {0}")]
    UnknownVersion(i16),
    #[error("the producer snapshot's CRC is wrong")]
    CrcMismatch,
}

/// The content of a snapshot file.
pub(crate) fn encode(producers: &Producers) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10 + producers.states.len() * ENTRY_SIZE);
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend((producers.states.len() as i32).to_be_bytes());
    let mut states: Vec<&ProducerState> = producers.states().collect();
    states.sort_by_key(|state| state.producer_id);
    for state in states {
        let none =
            ProducerBatch { last_sequence: -1, last_offset: Offset(-1), offset_delta: 0, timestamp: -1 };
        let batch = state.batches().last().copied().unwrap_or(none);
        bytes.extend(state.producer_id.0.to_be_bytes());
        bytes.extend(state.epoch.0.to_be_bytes());
        bytes.extend(batch.last_sequence.to_be_bytes());
        bytes.extend(batch.last_offset.0.to_be_bytes());
        bytes.extend(batch.offset_delta.to_be_bytes());
        bytes.extend(state.last_timestamp.to_be_bytes());
        bytes.extend(state.coordinator_epoch.to_be_bytes());
        bytes.extend(state.transaction_start.map_or(-1, |start| start.0).to_be_bytes());
    }
    let crc = crc32c::crc32c(bytes.get(COVERED_FROM..).unwrap_or_default());
    if let Some(field) = bytes.get_mut(2..COVERED_FROM) {
        field.copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

/// Reads the content of a snapshot file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Producers, SnapshotError> {
    let mut input = Input(bytes);
    let version = i16::from_be_bytes(input.take()?);
    if version != VERSION {
        return Err(SnapshotError::UnknownVersion(version));
    }
    let crc = u32::from_be_bytes(input.take()?);
    if crc32c::crc32c(input.0) != crc {
        return Err(SnapshotError::CrcMismatch);
    }
    let count = i32::from_be_bytes(input.take()?);
    let mut producers = Producers::default();
    for _ in 0..count {
        let producer_id = ProducerId(i64::from_be_bytes(input.take()?));
        let epoch = ProducerEpoch(i16::from_be_bytes(input.take()?));
        let last_sequence = i32::from_be_bytes(input.take()?);
        let last_offset = Offset(i64::from_be_bytes(input.take()?));
        let offset_delta = i32::from_be_bytes(input.take()?);
        let timestamp = i64::from_be_bytes(input.take()?);
        let coordinator_epoch = i32::from_be_bytes(input.take()?);
        let start = i64::from_be_bytes(input.take()?);
        let mut batches = [ProducerBatch::default(); CACHED_BATCHES];
        let has_batch = last_offset.0 >= 0;
        if has_batch && let Some(first) = batches.first_mut() {
            *first = ProducerBatch { last_sequence, last_offset, offset_delta, timestamp };
        }
        producers.restore(ProducerState {
            producer_id,
            epoch,
            batches,
            batch_count: u8::from(has_batch),
            coordinator_epoch,
            last_timestamp: timestamp,
            transaction_start: (start >= 0).then_some(Offset(start)),
        });
    }
    Ok(producers)
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (field, rest) = self.0.split_first_chunk().ok_or(SnapshotError::Truncated)?;
        self.0 = rest;
        Ok(*field)
    }
}
