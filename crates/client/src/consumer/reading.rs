//! One partition as a consumer reads it: what has arrived, what was handed out, what comes next.
//!
//! A core: it knows neither sockets nor time.

use super::aborted::Aborted;
use crate::error::ClientError;
use bytes::Bytes;
use ottla_ids::TopicPartition;
use ottla_records::{BatchError, BatchView, batches};
use std::collections::VecDeque;

/// The records of one batch take no more than this, decompressed.
const BATCH_BYTES_MAX: usize = 256 << 20;

/// So many answers wait to be handed out, per partition: one that is read from, one behind it.
const ARRIVED_MAX: usize = 2;

/// Where to begin reading a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first record that is still there.
    Beginning,
    /// Behind the last record.
    End,
    /// At this offset.
    Offset(i64),
    /// At the first record of this time or later, in ms since 1970; behind the last where there is none.
    Timestamp(i64),
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Where it lies.
    pub partition: TopicPartition,
    /// Its place there.
    pub offset: i64,
    /// In ms since 1970; -1 where there is none.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// A partition that is read.
///
/// Invariant: `position <= next_fetch`, and what lies between is in `records` and `arrived`.
#[derive(Debug)]
pub(super) struct Reading {
    partition: TopicPartition,
    /// Where to begin, until that is known as an offset.
    start: Option<Start>,
    /// The offset of the next record to hand out.
    position: i64,
    /// The offset to fetch from next.
    next_fetch: i64,
    /// What has arrived, batches not looked into yet, and what of it was aborted.
    arrived: VecDeque<(Bytes, Aborted)>,
    /// The records of the batch that is being handed out.
    records: VecDeque<ConsumerRecord>,
    /// The position once `records` is empty.
    behind_batch: i64,
    /// All before was handed out by polls before the last one.
    pub(super) processed: Option<i64>,
    /// What the group knows.
    pub(super) committed: Option<i64>,
}

impl Reading {
    pub(super) fn new(partition: TopicPartition, start: Start) -> Reading {
        let mut reading = Reading {
            partition,
            start: None,
            position: 0,
            next_fetch: 0,
            arrived: VecDeque::new(),
            records: VecDeque::new(),
            behind_batch: 0,
            processed: None,
            committed: None,
        };
        reading.restart(start);
        reading
    }

    /// Goes on at `start`; what has arrived is dropped.
    pub(super) fn restart(&mut self, start: Start) {
        self.arrived.clear();
        self.records.clear();
        match start {
            Start::Offset(offset) => {
                self.start = None;
                self.position = offset;
                self.next_fetch = offset;
                self.behind_batch = offset;
            }
            other => self.start = Some(other),
        }
    }

    /// Where to begin, while that is not known as an offset.
    pub(super) fn unresolved(&self) -> Option<Start> {
        self.start
    }

    /// The offset of the next record to hand out.
    pub(super) fn position(&self) -> Option<i64> {
        self.start.is_none().then_some(self.position)
    }

    /// What to fetch next, unless enough is here.
    pub(super) fn wants(&self) -> Option<i64> {
        (self.start.is_none() && self.arrived.len() < ARRIVED_MAX).then_some(self.next_fetch)
    }

    /// Whether something can be handed out without a fetch.
    pub(super) fn has_arrived(&self) -> bool {
        !self.arrived.is_empty() || !self.records.is_empty()
    }

    /// The answer to a fetch from `offset`.
    ///
    /// # Errors
    /// [`ClientError::Damaged`] when there is something and it is not a batch.
    pub(super) fn on_fetched(
        &mut self,
        offset: i64,
        bytes: Bytes,
        aborted: Aborted,
    ) -> Result<(), ClientError> {
        // An answer to a question from before a restart.
        if self.start.is_some() || offset != self.next_fetch || bytes.is_empty() {
            return Ok(());
        }
        let mut end = None;
        for batch in batches(&bytes) {
            match batch {
                Ok(batch) => end = Some(batch.header().next_offset().0),
                // Brokers cut the last batch off where the answer is full.
                Err(BatchError::Truncated { .. }) if end.is_some() => break,
                // A damaged batch behind good ones is met again, by the fetch that begins with it.
                Err(_) if end.is_some() => break,
                Err(error) => return Err(self.damaged(offset, &error)),
            }
        }
        if let Some(end) = end {
            self.next_fetch = end.max(self.next_fetch);
            self.arrived.push_back((bytes, aborted));
        }
        Ok(())
    }

    /// Hands out up to `records_max` records into `out`.
    ///
    /// # Errors
    /// [`ClientError::Damaged`]; what was handed out before counts, and the position is at the damage.
    pub(super) fn hand_out(
        &mut self,
        records_max: usize,
        out: &mut Vec<ConsumerRecord>,
    ) -> Result<(), ClientError> {
        let mut left = records_max;
        while left > 0 {
            if let Some(record) = self.records.pop_front() {
                self.position = if self.records.is_empty() { self.behind_batch } else { record.offset + 1 };
                out.push(record);
                left -= 1;
            } else {
                match self.open_batch() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        // Fetched again: it may have been damaged on its way.
                        self.restart(Start::Offset(self.position));
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks into the next batch that has arrived; whether there was one. Without records (a compacted
    /// batch, a control batch, an aborted one) the position moves on right here.
    fn open_batch(&mut self) -> Result<bool, ClientError> {
        let Some((bytes, mut aborted)) = self.arrived.pop_front() else { return Ok(false) };
        let batch = match BatchView::parse(&bytes) {
            Ok(batch) => batch,
            // The rest of an answer; it begins the next one.
            Err(_) => return Ok(!self.arrived.is_empty()),
        };
        let size = batch.size();
        let base = batch.header().base_offset().0;
        self.behind_batch = batch.header().next_offset().0.max(self.position);
        let is_hidden = aborted.hides(&batch) || batch.header().is_control();
        if !is_hidden && self.position < self.behind_batch {
            batch.check_crc().map_err(|error| self.damaged(base, &error))?;
            let records = batch.records(BATCH_BYTES_MAX).map_err(|error| self.damaged(base, &error))?;
            for record in &records {
                let record = record.map_err(|error| self.damaged(base, &error))?;
                // A batch may begin before the offset that was asked for.
                if record.offset.0 < self.position {
                    continue;
                }
                self.records.push_back(ConsumerRecord {
                    partition: self.partition.clone(),
                    offset: record.offset.0,
                    timestamp_ms: record.timestamp,
                    key: record.key.map(Bytes::copy_from_slice),
                    value: record.value.map(Bytes::copy_from_slice),
                    headers: record
                        .headers
                        .map(|it| (it.key_text().into_owned(), it.value.map(Bytes::copy_from_slice)))
                        .collect(),
                });
            }
        }
        if self.records.is_empty() {
            self.position = self.behind_batch;
        }
        let rest = bytes.slice(size.min(bytes.len())..);
        if !rest.is_empty() {
            self.arrived.push_front((rest, aborted));
        }
        Ok(true)
    }

    fn damaged(&self, offset: i64, error: &BatchError) -> ClientError {
        ClientError::Damaged {
            topic: self.partition.topic.to_string(),
            partition: self.partition.partition,
            offset,
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
