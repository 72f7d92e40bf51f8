//! Which batches belong to aborted transactions, and which markers have outlived theirs (Kafka's
//! `CleanedTransactionMetadata`).

use crate::aborted::AbortedTransaction;
use ottla_ids::{Offset, ProducerId};
use ottla_records::EndTransactionMarker;
use std::collections::{HashMap, HashSet};

/// What is known of transactions while a log is walked from its first batch on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transactions {
    /// Those to come, the one that begins first at the end.
    to_come: Vec<AbortedTransaction>,
    /// Those that have begun, and whether a batch of them was met.
    aborted: HashMap<ProducerId, (AbortedTransaction, bool)>,
    /// Producers of which a batch that is not aborted was met since their last marker.
    committed: HashSet<ProducerId>,
    /// Those whose marker was met, and batches of them before: what the index of the walked part must tell.
    pub ended: Vec<AbortedTransaction>,
}

impl Transactions {
    pub fn new(mut aborted: Vec<AbortedTransaction>) -> Transactions {
        aborted.sort_by_key(|it| std::cmp::Reverse(it.first_offset));
        Transactions { to_come: aborted, ..Transactions::default() }
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(next) = self.to_come.pop_if(|next| next.first_offset <= offset) {
            self.aborted.entry(next.producer_id).or_insert((next, false));
        }
    }

    /// A batch of data, of a transaction or not; whether it is aborted.
    pub fn on_batch(&mut self, producer: ProducerId, is_transactional: bool, last_offset: Offset) -> bool {
        self.begin_up_to(last_offset);
        if !is_transactional {
            return false;
        }
        match self.aborted.get_mut(&producer) {
            Some((_, is_met)) => {
                *is_met = true;
                true
            }
            None => {
                self.committed.insert(producer);
                false
            }
        }
    }

    /// A marker, or `None` for a control batch of which only the header is left; whether all records of its
    /// transaction are gone.
    pub fn on_marker(
        &mut self,
        producer: ProducerId,
        marker: Option<EndTransactionMarker>,
        last_offset: Offset,
    ) -> bool {
        self.begin_up_to(last_offset);
        match marker {
            None => true,
            Some(marker) if marker.commit => !self.committed.remove(&producer),
            Some(_) => match self.aborted.remove(&producer) {
                Some((transaction, true)) => {
                    self.ended.push(transaction);
                    false
                }
                _ => true,
            },
        }
    }
}
