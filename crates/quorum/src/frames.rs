//! From records to batches and back.

use crate::error::QuorumError;
use bytes::Bytes;
use ottla_ids::{LeaderEpoch, Offset, QuorumEpoch};
use ottla_metadata::{MetadataRecord, MetadataVersion};
use ottla_raft::ControlRecord;
use ottla_records::{BatchBuilder, BatchView, Compression, ControlType, batches};
use std::path::Path;

/// How large one batch may be, in bytes (Kafka's `MAX_BATCH_SIZE_BYTES`).
pub(crate) const BATCH_SIZE_MAX: usize = 8 * 1024 * 1024;

/// How much a batch may decompress to, in bytes. Kafka writes none compressed.
const DECOMPRESSED_MAX: usize = 8 * BATCH_SIZE_MAX;

/// What a metadata log or snapshot holds.
#[derive(Debug)]
pub(crate) enum Item {
    /// For the quorum.
    Control(ControlRecord),
    /// For the image.
    Data(MetadataRecord),
}

/// One batch of control records.
pub(crate) fn control_batch(
    base_offset: Offset,
    epoch: QuorumEpoch,
    now_ms: i64,
    records: &[ControlRecord],
) -> Result<Bytes, QuorumError> {
    let mut builder = BatchBuilder::control(base_offset).leader_epoch(LeaderEpoch(epoch.0));
    for record in records {
        let kind = match record {
            ControlRecord::LeaderChange { .. } => ControlType::LeaderChange,
            ControlRecord::SnapshotHeader { .. } => ControlType::SnapshotHeader,
            ControlRecord::SnapshotFooter => ControlType::SnapshotFooter,
            ControlRecord::KRaftVersion(_) => ControlType::KRaftVersion,
            ControlRecord::Voters(_) => ControlType::KRaftVoters,
        };
        builder.append_control(now_ms, kind, &record.encode()?)?;
    }
    Ok(builder.finish()?)
}

/// One batch of metadata records, in the versions that `metadata_version` allows.
pub(crate) fn data_batch(
    base_offset: Offset,
    epoch: QuorumEpoch,
    now_ms: i64,
    records: &[MetadataRecord],
    metadata_version: MetadataVersion,
) -> Result<Bytes, QuorumError> {
    let mut builder = BatchBuilder::new(base_offset, Compression::None).leader_epoch(LeaderEpoch(epoch.0));
    for record in records {
        let value = record.encode(metadata_version.record_version(record))?;
        builder.append(now_ms, None, Some(&value), &[])?;
    }
    Ok(builder.finish()?)
}

/// How far [`read_batches`] came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadTo {
    /// The offset after the last batch; `None` when there was none.
    pub end_offset: Option<Offset>,
    /// The epoch of the last batch.
    pub last_epoch: QuorumEpoch,
    /// The newest timestamp.
    pub max_timestamp: i64,
}

/// Reads whole batches, in order; a rest that is not one is an error. `path` is for messages.
pub(crate) fn read_batches(
    path: &Path,
    bytes: &[u8],
    each: &mut dyn FnMut(Item) -> Result<(), QuorumError>,
) -> Result<ReadTo, QuorumError> {
    let mut read = ReadTo::default();
    for batch in batches(bytes) {
        let at = read.end_offset.unwrap_or(Offset::ZERO);
        let damaged = |reason: String| QuorumError::Damaged { path: path.to_owned(), at, reason };
        let batch = batch.map_err(|error| damaged(error.to_string()))?;
        batch.check_crc().map_err(|error| damaged(error.to_string()))?;
        read_batch(&batch, &damaged, each)?;
        let header = batch.header();
        read.end_offset = Some(header.next_offset());
        read.last_epoch = QuorumEpoch(header.leader_epoch().0);
        read.max_timestamp = read.max_timestamp.max(header.max_timestamp());
    }
    Ok(read)
}

fn read_batch(
    batch: &BatchView<'_>,
    damaged: &dyn Fn(String) -> QuorumError,
    each: &mut dyn FnMut(Item) -> Result<(), QuorumError>,
) -> Result<(), QuorumError> {
    let is_control = batch.header().is_control();
    let records = batch.records(DECOMPRESSED_MAX).map_err(|error| damaged(error.to_string()))?;
    for record in &records {
        let record = record.map_err(|error| damaged(error.to_string()))?;
        let value = Bytes::copy_from_slice(record.value.unwrap_or_default());
        if is_control {
            let key = record.key.unwrap_or_default();
            ControlType::parse_key(key).map_err(|error| damaged(error.to_string()))?;
            let kind = key.get(2..4).and_then(|bytes| bytes.try_into().ok()).map_or(-1, i16::from_be_bytes);
            let control = ControlRecord::decode(kind, value).map_err(|error| damaged(error_text(&error)))?;
            if let Some(control) = control {
                each(Item::Control(control))?;
            }
        } else {
            let record = MetadataRecord::decode(value).map_err(|error| damaged(error_text(&error)))?;
            each(Item::Data(record))?;
        }
    }
    Ok(())
}

/// An error with its causes, in one line.
pub(crate) fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
