//! What happened to this node's log directories, for the controller: it is told of them in batches, since
//! thousands of partitions may be placed at once.

use ottla_ids::{TopicId, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Placements and failures that the controller does not know yet.
///
/// Bounded by the partitions and directories of the node: newer news of one replaces older.
#[derive(Debug, Default)]
pub struct News {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    placed: BTreeMap<(TopicId, i32), Uuid>,
    /// All that ever failed: none comes back while the node runs.
    failed: BTreeSet<Uuid>,
    /// Whether the controller was told of all that failed.
    failures_are_told: bool,
}

/// What the controller is to be told at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In which directory partitions lie, where the metadata does not say so yet (KIP-858).
    pub placed: Vec<(TopicId, i32, Uuid)>,
    /// The ids of all directories that failed; empty when the controller knows them.
    pub failed: Vec<Uuid>,
}

impl News {
    /// Waits until there is something to tell, and takes it: at most `placed_max` placements.
    pub async fn next(&self, placed_max: usize) -> Report {
        loop {
            let report = self.take(placed_max);
            if report != Report::default() {
                return report;
            }
            // A permit is kept when something arrives between the look and the wait.
            self.arrived.notified().await;
        }
    }

    fn take(&self, placed_max: usize) -> Report {
        let mut state = self.lock();
        let mut report = Report::default();
        while report.placed.len() < placed_max
            && let Some(((topic, index), directory)) = state.placed.pop_first()
        {
            report.placed.push((topic, index, directory));
        }
        if !state.failures_are_told {
            state.failures_are_told = true;
            report.failed = state.failed.iter().copied().collect();
        }
        report
    }

    /// A report could not be delivered: it is told again, unless newer news replaced it.
    pub fn put_back(&self, report: Report) {
        let mut state = self.lock();
        for (topic, index, directory) in report.placed {
            state.placed.entry((topic, index)).or_insert(directory);
        }
        state.failures_are_told &= report.failed.is_empty();
        drop(state);
        self.arrived.notify_one();
    }

    pub(crate) fn placed(&self, topic: TopicId, index: i32, directory: Uuid) {
        self.lock().placed.insert((topic, index), directory);
        self.arrived.notify_one();
    }

    /// Returns whether this is new.
    pub(crate) fn failed(&self, directory: Uuid) -> bool {
        let mut state = self.lock();
        let is_new = state.failed.insert(directory);
        state.failures_are_told &= !is_new;
        drop(state);
        self.arrived.notify_one();
        is_new
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under this lock panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(100 + number)
    }

    #[test]
    fn placements_are_told_in_batches_and_the_newest_of_each_partition() {
        let news = News::default();
        assert_eq!(news.take(2), Report::default());
        news.placed(id(1), 0, id(8));
        news.placed(id(1), 0, id(9));
        news.placed(id(1), 1, id(8));
        news.placed(id(1), 2, id(8));
        assert_eq!(news.take(2).placed, [(id(1), 0, id(9)), (id(1), 1, id(8))]);
        assert_eq!(news.take(2).placed, [(id(1), 2, id(8))]);
        assert_eq!(news.take(2), Report::default());
    }

    #[test]
    fn what_could_not_be_told_is_told_again_unless_it_is_old() {
        let news = News::default();
        news.placed(id(1), 0, id(8));
        assert!(news.failed(id(7)));
        assert!(!news.failed(id(7)));
        let report = news.take(10);
        assert_eq!((report.placed.len(), report.failed.len()), (1, 1));
        news.placed(id(1), 0, id(9));
        news.put_back(report);
        assert_eq!(news.take(10), Report { placed: vec![(id(1), 0, id(9))], failed: vec![id(7)] });
        assert_eq!(news.take(10), Report::default());
    }

    #[test]
    fn a_further_failure_is_told_with_those_before() {
        let news = News::default();
        news.failed(id(7));
        news.take(10);
        news.failed(id(6));
        assert_eq!(news.take(10).failed, [id(6), id(7)]);
    }
}
