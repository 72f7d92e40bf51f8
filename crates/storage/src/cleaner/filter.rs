//! What compaction leaves of a batch (Kafka's `Cleaner.cleanInto` and `MemoryRecords.filterTo`).

use super::map::OffsetMap;
use super::transactions::Transactions;
use ottla_ids::{Offset, ProducerEpoch, ProducerId};
use ottla_records::{
    BatchBuilder, BatchError, BatchHeader, BatchView, DECOMPRESSED_SIZE_MAX, EndTransactionMarker,
    RecordView, retained_empty,
};
use std::collections::HashMap;

/// What a producer that is still known did last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastRecord {
    /// Its last offset of data; `None` if a marker is all there is of it.
    pub data: Option<Offset>,
    pub epoch: ProducerEpoch,
}

/// Decides batch by batch, in the order of the log.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    pub map: &'a OffsetMap,
    pub transactions: Transactions,
    pub last_records: &'a HashMap<ProducerId, LastRecord>,
    /// Where this round of cleaning ends: the batch that ends there stays, if only as a header.
    pub round_end: Offset,
    pub now_ms: i64,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
}

impl Filter<'_> {
    /// Appends to `out` what is left of the batch, whose CRC was checked; returns the header of that, if there
    /// is anything.
    pub fn batch(
        &mut self,
        batch: &BatchView<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<BatchHeader>, BatchError> {
        let is_past = batch.delete_horizon().is_some_and(|horizon| horizon <= self.now_ms);
        // Whether its transaction was aborted or, of a marker, has no records left.
        let is_void = match batch.is_control() {
            true => {
                let marker = marker(batch)?;
                let is_gone = self.transactions.on_marker(batch.producer_id(), marker, batch.last_offset());
                // Control records of other kinds stay.
                is_gone && (marker.is_some() || batch.record_count() == 0)
            }
            false => {
                self.transactions.on_batch(batch.producer_id(), batch.is_transactional(), batch.last_offset())
            }
        };
        let drops_all = is_void && (!batch.is_control() || is_past);
        let keeps_header = self.is_last_of_producer(batch) || batch.next_offset() == self.round_end;
        if drops_all && !keeps_header {
            return Ok(None);
        }
        if !drops_all && batch.record_count() > 0 {
            let kept = self.records(batch, batch.is_control() && is_void, is_past, out)?;
            if kept.is_some() {
                return Ok(kept);
            }
        }
        if !keeps_header {
            return Ok(None);
        }
        let header = retained_empty(batch.header());
        out.extend_from_slice(&header);
        BatchHeader::parse(&header).map(Some)
    }

    /// As [`Filter::batch`], for the records of a batch some of which may stay.
    fn records(
        &self,
        batch: &BatchView<'_>,
        is_void_marker: bool,
        is_past: bool,
        out: &mut Vec<u8>,
    ) -> Result<Option<BatchHeader>, BatchError> {
        let records = batch.records(DECOMPRESSED_SIZE_MAX)?;
        let (mut kept, mut count, mut has_tombstones) = (0, 0, false);
        for record in &records {
            let record = record?;
            count += 1;
            if batch.is_control() || self.keeps(&record, is_past) {
                kept += 1;
                has_tombstones |= record.value.is_none();
            }
        }
        if kept == 0 {
            return Ok(None);
        }
        let sets_horizon = (has_tombstones || is_void_marker) && batch.delete_horizon().is_none();
        if kept == count && !sets_horizon {
            out.extend_from_slice(batch.bytes());
            return Ok(Some(*batch.header()));
        }
        let horizon = match sets_horizon {
            true => Some(self.now_ms.saturating_add(self.delete_retention_ms)),
            false => batch.delete_horizon(),
        };
        let mut builder = BatchBuilder::retaining(batch.header(), horizon);
        for record in &records {
            let record = record?;
            if batch.is_control() || self.keeps(&record, is_past) {
                let headers: Vec<_> = record.headers.collect();
                let added =
                    builder.append_at(record.offset, record.timestamp, record.key, record.value, &headers);
                added.map_err(|_| BatchError::InvalidRecord {
                    index: 0,
                    reason: "its offset does not follow the one before, or the batch becomes too large",
                })?;
            }
        }
        let bytes = builder.finish().map_err(|_| BatchError::InvalidRecord {
            index: 0,
            reason: "what is left of the batch cannot be written",
        })?;
        out.extend_from_slice(&bytes);
        BatchHeader::parse(&bytes).map(Some)
    }

    /// Whether a record of data stays.
    fn keeps(&self, record: &RecordView<'_>, is_past: bool) -> bool {
        if self.map.latest().is_none_or(|latest| latest < record.offset) {
            return true;
        }
        // A record without a key, which the topic took before it was compacted, can never be replaced.
        let Some(key) = record.key else { return false };
        let is_last = self.map.get(key).is_none_or(|last| last <= record.offset);
        is_last && (record.value.is_some() || !is_past)
    }

    /// Whether the batch holds the sequence number, or the epoch, that its producer goes on from.
    fn is_last_of_producer(&self, batch: &BatchHeader) -> bool {
        batch.has_producer_id()
            && self.last_records.get(&batch.producer_id()).is_some_and(|last| match last.data {
                Some(offset) => batch.last_offset() == offset,
                None => batch.is_control() && batch.producer_epoch() == last.epoch,
            })
    }
}

/// The marker in a control batch; `None` if only its header is left.
pub(crate) fn marker(batch: &BatchView<'_>) -> Result<Option<EndTransactionMarker>, BatchError> {
    let records = batch.records(DECOMPRESSED_SIZE_MAX)?;
    let Some(record) = records.iter().next() else { return Ok(None) };
    let record = record?;
    match (record.key, record.value) {
        (Some(key), Some(value)) => EndTransactionMarker::parse(key, value),
        _ => Ok(None),
    }
}
