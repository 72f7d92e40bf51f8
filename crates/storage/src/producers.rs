//! What a log knows of its idempotent and transactional producers (KIP-98): each one's last five batches, by
//! which duplicates are found, and its open transaction.
//!
//! The rules are Kafka's `ProducerStateManager` and `ProducerAppendInfo`. [`Producers::check`] decides and
//! changes nothing; what it returns is given to [`Producers::apply`] once the batch is written.

mod snapshot;

use crate::aborted::AbortedTransaction;
use ottla_ids::{Offset, ProducerEpoch, ProducerId};
use ottla_records::{BatchHeader, EndTransactionMarker};
use std::collections::{BTreeMap, HashMap};

pub(crate) use snapshot::{decode, encode};

/// Batches remembered of each producer: as many as a client may have in flight.
pub const CACHED_BATCHES: usize = 5;

/// Whose append it is; it decides how strictly it is checked (Kafka's `AppendOrigin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A producing client: duplicates are answered, sequences checked.
    Client,
    /// The leader of the partition, whose log is copied as it is.
    Replication,
    /// A coordinator of this cluster, or the leader of the metadata quorum.
    Coordinator,
}

/// A batch of a producer, as far as it is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProducerBatch {
    /// Sequence number of the last record.
    pub last_sequence: i32,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// Last offset less first offset.
    pub offset_delta: i32,
    /// The batch's greatest timestamp, in ms since 1970.
    pub timestamp: i64,
}

impl ProducerBatch {
    /// Sequence number of the first record.
    pub fn first_sequence(&self) -> i32 {
        let sequence = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        if sequence < 0 { (sequence + i64::from(i32::MAX) + 1) as i32 } else { sequence as i32 }
    }

    /// Offset of the first record.
    pub fn first_offset(&self) -> Offset {
        self.last_offset.plus(-i64::from(self.offset_delta))
    }
}

/// What is known of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its newest incarnation.
    pub epoch: ProducerEpoch,
    /// Its last batches in that incarnation, oldest first; only the first `batch_count` are set.
    batches: [ProducerBatch; CACHED_BATCHES],
    batch_count: u8,
    /// The newest epoch of the transaction coordinator that wrote a marker for it; -1 if none did.
    pub coordinator_epoch: i32,
    /// Timestamp of its last batch or marker, in ms since 1970.
    pub last_timestamp: i64,
    /// Where its open transaction begins, if it has one.
    pub transaction_start: Option<Offset>,
}

impl ProducerState {
    fn new(producer_id: ProducerId) -> ProducerState {
        ProducerState {
            producer_id,
            epoch: ProducerEpoch::NONE,
            batches: [ProducerBatch::default(); CACHED_BATCHES],
            batch_count: 0,
            coordinator_epoch: -1,
            last_timestamp: -1,
            transaction_start: None,
        }
    }

    /// Its last batches, oldest first.
    pub fn batches(&self) -> &[ProducerBatch] {
        self.batches.get(..usize::from(self.batch_count)).unwrap_or_default()
    }

    /// Sequence number of its newest record; -1 with none.
    pub fn last_sequence(&self) -> i32 {
        self.batches().last().map_or(-1, |batch| batch.last_sequence)
    }

    fn duplicate_of(&self, header: &BatchHeader) -> Option<ProducerBatch> {
        if header.producer_epoch() != self.epoch {
            return None;
        }
        let same = |batch: &&ProducerBatch| {
            batch.first_sequence() == header.base_sequence() && batch.last_sequence == header.last_sequence()
        };
        self.batches().iter().find(same).copied()
    }

    fn update_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batch_count = 0;
        }
    }

    fn add_batch(&mut self, epoch: ProducerEpoch, batch: ProducerBatch) {
        self.update_epoch(epoch);
        if usize::from(self.batch_count) == CACHED_BATCHES {
            self.batches.rotate_left(1);
            self.batch_count -= 1;
        }
        if let Some(slot) = self.batches.get_mut(usize::from(self.batch_count)) {
            *slot = batch;
            self.batch_count += 1;
        }
        self.last_timestamp = batch.timestamp;
    }
}

/// A transaction that a marker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedTransaction {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its first offset.
    pub first_offset: Offset,
    /// The marker's offset.
    pub last_offset: Offset,
    /// Whether it was aborted.
    pub is_aborted: bool,
}

/// What [`Producers::check`] makes of a batch. Nothing has changed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// The batch is already in the log.
    Duplicate(ProducerBatch),
    /// It may be appended, after which the producer's state is this.
    Append { state: ProducerState, ended: Option<EndedTransaction> },
}

/// Why a batch may not be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    OutOfOrderSequence { sequence: i32, last_sequence: i32 },
    InvalidEpoch { current: ProducerEpoch },
    InvalidTransactionState,
    CoordinatorFenced { coordinator_epoch: i32, current: i32 },
}

/// All producers of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    /// Boxed, since a table has room for four at least, and most partitions have one producer or none: five hundred
    /// bytes less for each of thousands of partitions.
    states: HashMap<ProducerId, Box<ProducerState>>,
    /// Open transactions by their first offset.
    open: BTreeMap<Offset, ProducerId>,
    /// Ended transactions whose marker is not below the high watermark yet, by their first offset.
    ended: BTreeMap<Offset, EndedTransaction>,
}

impl Producers {
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    pub fn states(&self) -> impl Iterator<Item = &ProducerState> {
        self.states.values().map(Box::as_ref)
    }

    /// What the batch, which would get `base_offset`, does to its producer's state. `staged` is that state
    /// after earlier batches of the same append, if there were any.
    pub fn check(
        &self,
        header: &BatchHeader,
        marker: Option<EndTransactionMarker>,
        base_offset: Offset,
        origin: Origin,
        staged: Option<&ProducerState>,
    ) -> Result<Checked, Refusal> {
        let id = header.producer_id();
        let known = staged.or_else(|| self.states.get(&id).map(Box::as_ref));
        if origin == Origin::Client
            && let Some(batch) = known.and_then(|state| state.duplicate_of(header))
        {
            return Ok(Checked::Duplicate(batch));
        }
        let mut state = known.cloned().unwrap_or_else(|| ProducerState::new(id));
        let epoch = header.producer_epoch();
        if epoch < state.epoch && origin != Origin::Replication {
            return Err(Refusal::InvalidEpoch { current: state.epoch });
        }
        if let Some(marker) = marker {
            if marker.coordinator_epoch < state.coordinator_epoch && origin != Origin::Replication {
                return Err(Refusal::CoordinatorFenced {
                    coordinator_epoch: marker.coordinator_epoch,
                    current: state.coordinator_epoch,
                });
            }
            state.update_epoch(epoch);
            state.coordinator_epoch = marker.coordinator_epoch;
            state.last_timestamp = header.max_timestamp();
            let ended = state.transaction_start.take().map(|first_offset| EndedTransaction {
                producer_id: id,
                first_offset,
                last_offset: base_offset,
                is_aborted: !marker.commit,
            });
            return Ok(Checked::Append { state, ended });
        }
        if origin == Origin::Client {
            check_sequence(&state, epoch, header.base_sequence())?;
        }
        let batch = ProducerBatch {
            last_sequence: header.last_sequence(),
            last_offset: base_offset.plus(i64::from(header.last_offset_delta())),
            offset_delta: header.last_offset_delta(),
            timestamp: header.max_timestamp(),
        };
        state.add_batch(epoch, batch);
        match (state.transaction_start, header.is_transactional()) {
            (Some(_), false) => return Err(Refusal::InvalidTransactionState),
            (None, true) => state.transaction_start = Some(base_offset),
            _ => {}
        }
        Ok(Checked::Append { state, ended: None })
    }

    /// Takes over what [`Producers::check`] returned for a batch that is written now.
    pub fn apply(&mut self, state: ProducerState, ended: Option<EndedTransaction>) {
        if let Some(ended) = ended {
            self.open.remove(&ended.first_offset);
            self.ended.insert(ended.first_offset, ended);
        }
        if let Some(start) = state.transaction_start {
            self.open.insert(start, state.producer_id);
        }
        self.put(state);
    }

    /// Takes over a batch that is in the log already. Returns the transaction that it aborts, if it does.
    pub fn replay(
        &mut self,
        header: &BatchHeader,
        marker: Option<EndTransactionMarker>,
    ) -> Option<AbortedTransaction> {
        if !header.has_producer_id() || (header.is_control() && marker.is_none()) {
            return None;
        }
        let checked = self.check(header, marker, header.base_offset(), Origin::Replication, None);
        let Ok(Checked::Append { state, ended }) = checked else { return None };
        let aborted = ended.and_then(|ended| self.aborted(&ended, &[]));
        self.apply(state, ended);
        aborted
    }

    /// The entry of the aborted-transaction index for a transaction that a marker ends and that is still open
    /// here, if the marker aborts it. `earlier` is what batches of the same append before it do.
    pub fn aborted(
        &self,
        ended: &EndedTransaction,
        earlier: &[&(ProducerState, Option<EndedTransaction>)],
    ) -> Option<AbortedTransaction> {
        if !ended.is_aborted {
            return None;
        }
        let was_ended = |first: Offset| {
            earlier.iter().any(|(_, other)| other.is_some_and(|other| other.first_offset == first))
        };
        let open = self.open.iter().map(|(first, id)| (*first, *id));
        let begun = earlier
            .iter()
            .filter_map(|(state, _)| state.transaction_start.map(|first| (first, state.producer_id)));
        // Kafka's `lastStableOffset(CompletedTxn)`: the first transaction of another producer.
        let others = open.chain(begun).filter(|(first, id)| *id != ended.producer_id && !was_ended(*first));
        let first_other = others.map(|(first, _)| first).min();
        Some(AbortedTransaction {
            producer_id: ended.producer_id,
            first_offset: ended.first_offset,
            last_offset: ended.last_offset,
            last_stable_offset: first_other.unwrap_or(ended.last_offset.plus(1)),
        })
    }

    /// The first offset that a committed-only reader may not pass: that of an open transaction, or of an ended
    /// one whose marker is not below the high watermark.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        let open = self.open.keys().next();
        let ended = self.ended.keys().next();
        open.into_iter().chain(ended).min().copied()
    }

    /// Once the high watermark is behind this marker, the first unstable offset may move.
    pub fn next_marker(&self) -> Option<Offset> {
        self.ended.values().next().map(|ended| ended.last_offset)
    }

    /// The markers below the high watermark count.
    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        while let Some(first) = self.ended.first_entry()
            && first.get().last_offset < high_watermark
        {
            first.remove();
        }
    }

    /// Forgets producers without an open transaction that were idle for `expiration_ms`; returns how many.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) -> usize {
        let before = self.states.len();
        self.states.retain(|_, state| {
            state.transaction_start.is_some() || now_ms.saturating_sub(state.last_timestamp) < expiration_ms
        });
        before - self.states.len()
    }

    fn put(&mut self, state: ProducerState) {
        match self.states.get_mut(&state.producer_id) {
            Some(known) => **known = state,
            None => drop(self.states.insert(state.producer_id, Box::new(state))),
        }
    }

    /// Takes over a producer from a snapshot.
    fn restore(&mut self, state: ProducerState) {
        if let Some(start) = state.transaction_start {
            self.open.insert(start, state.producer_id);
        }
        self.put(state);
    }
}

/// Whether a client's batch in `epoch` may begin with `sequence`.
fn check_sequence(state: &ProducerState, epoch: ProducerEpoch, sequence: i32) -> Result<(), Refusal> {
    let last_sequence = state.last_sequence();
    // Nothing is known of the producer: perhaps retention has removed all it wrote, so any number may be next.
    if state.epoch == ProducerEpoch::NONE {
        return Ok(());
    }
    let in_order = if epoch != state.epoch {
        sequence == 0
    } else {
        i64::from(sequence) == i64::from(last_sequence) + 1 || (sequence == 0 && last_sequence == i32::MAX)
    };
    if in_order { Ok(()) } else { Err(Refusal::OutOfOrderSequence { sequence, last_sequence }) }
}

#[cfg(test)]
mod tests;
