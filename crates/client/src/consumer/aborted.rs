//! Which batches of a fetch answer belong to aborted transactions.
//!
//! A core. A broker lists the transactions that were aborted within the answer, each with its first offset; from
//! there on all transactional batches of its producer are hidden, up to its abort marker (Kafka's
//! `CompletedFetch`).

use ottla_records::{BatchView, EndTransactionMarker};
use std::collections::HashSet;

/// A marker takes no more than this, decompressed.
const MARKER_BYTES_MAX: usize = 64 << 10;

/// The aborted transactions of one answer, while its batches are looked into one after the other.
#[derive(Debug, Default)]
pub(super) struct Aborted {
    /// First offset and producer of those that begin further on, the latest first.
    ahead: Vec<(i64, i64)>,
    /// Producers whose records are aborted where the answer is being read.
    producers: HashSet<i64>,
}

impl Aborted {
    /// From producers and first offsets, in any order.
    pub(super) fn new(transactions: impl IntoIterator<Item = (i64, i64)>) -> Aborted {
        let mut ahead: Vec<(i64, i64)> =
            transactions.into_iter().map(|(producer, first)| (first, producer)).collect();
        ahead.sort_unstable_by(|a, b| b.cmp(a));
        Aborted { ahead, producers: HashSet::new() }
    }

    /// Whether the next batch of the answer is to be left out. To be asked for every batch, in order.
    pub(super) fn hides(&mut self, batch: &BatchView<'_>) -> bool {
        let header = batch.header();
        while let Some((_, producer)) = self.ahead.pop_if(|(first, _)| *first <= header.last_offset().0) {
            self.producers.insert(producer);
        }
        let producer = header.producer_id().0;
        if header.is_control() {
            if is_abort(batch) {
                self.producers.remove(&producer);
            }
            return false;
        }
        header.is_transactional() && self.producers.contains(&producer)
    }
}

fn is_abort(batch: &BatchView<'_>) -> bool {
    let Ok(records) = batch.records(MARKER_BYTES_MAX) else { return false };
    let Some(Ok(record)) = records.iter().next() else { return false };
    let marker =
        EndTransactionMarker::parse(record.key.unwrap_or_default(), record.value.unwrap_or_default());
    matches!(marker, Ok(Some(EndTransactionMarker { commit: false, .. })))
}
