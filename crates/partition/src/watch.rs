//! Who reads many partitions is told which of them have changed, and need not look at the others.

use crate::partition::Partition;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Notify;

/// Collects which of the partitions that it watches have changed; see [`Partition::watch`].
///
/// Who takes a change before looking at the partition misses none: a partition changes first, and is noted then.
///
/// Bounded by the partitions that are watched: each is noted once, however often it changes.
///
/// Its lock is taken under that of a partition's waiters, and neither is held while anything else is locked; so
/// partitions may be watched, let go of and taken under any lock of who watches.
#[derive(Debug, Default)]
pub struct Watch {
    changed: Mutex<Changed>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Changed {
    /// The numbers of those that have changed, each once.
    numbers: Vec<u32>,
    /// A bit for each number: whether it is in `numbers`.
    is_noted: Vec<u64>,
}

impl Changed {
    fn note(&mut self, number: u32) {
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        if self.is_noted.len() <= word {
            self.is_noted.resize(word + 1, 0);
        }
        if let Some(word) = self.is_noted.get_mut(word)
            && *word & bit == 0
        {
            *word |= bit;
            self.numbers.push(number);
        }
    }

    fn take(&mut self) -> Vec<u32> {
        for number in &self.numbers {
            if let Some(word) = self.is_noted.get_mut(*number as usize / 64) {
                *word &= !(1 << (number % 64));
            }
        }
        std::mem::take(&mut self.numbers)
    }
}

impl Watch {
    /// The numbers of the partitions that have changed since this was last asked, each once, in no order.
    pub fn take(&self) -> Vec<u32> {
        self.lock().take()
    }

    /// Waits until there is something to take. Any number of tasks may wait; all are woken.
    pub async fn changed(&self) {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            // From here on it is woken; what was noted before is seen.
            arrived.as_mut().enable();
            if !self.lock().numbers.is_empty() {
                return;
            }
            arrived.await;
        }
    }

    fn note(&self, number: u32) {
        let mut changed = self.lock();
        let is_first = changed.numbers.is_empty();
        changed.note(number);
        drop(changed);
        // Who waits was woken by the first, and who comes sees it.
        if is_first {
            self.arrived.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        // Nothing that runs under this lock panics half-way through a change.
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A partition that is watched for as long as this lives. It does not keep the partition.
#[derive(Debug)]
pub struct Watched {
    watch: Arc<Watch>,
    partition: Weak<Partition>,
    number: u32,
}

impl Watched {
    pub(crate) fn new(watch: &Arc<Watch>, partition: &Arc<Partition>, number: u32) -> Watched {
        Watched { watch: Arc::clone(watch), partition: Arc::downgrade(partition), number }
    }

    /// Whether it is this partition, and not one that had its name before.
    pub fn is_of(&self, partition: &Arc<Partition>) -> bool {
        // An address is not used again while somebody points to it.
        std::ptr::eq(self.partition.as_ptr(), Arc::as_ptr(partition))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(partition) = self.partition.upgrade() {
            partition.unwatch(&self.watch, self.number);
        }
    }
}

/// Who watches one partition, each under the number that it has given the partition.
///
/// Bounded by the fetch sessions that name the partition, and the fetches without a session that wait for it.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Vec<(Arc<Watch>, u32)>);

impl Watchers {
    pub(crate) fn add(&mut self, watch: &Arc<Watch>, number: u32) {
        self.0.push((Arc::clone(watch), number));
    }

    /// Takes one away that was added with these.
    pub(crate) fn remove(&mut self, watch: &Arc<Watch>, number: u32) {
        let is_it = |(it, its): &(Arc<Watch>, u32)| Arc::ptr_eq(it, watch) && *its == number;
        if let Some(place) = self.0.iter().position(is_it) {
            self.0.swap_remove(place);
        }
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
    }

    /// The partition has changed.
    pub(crate) fn note(&self) {
        for (watch, number) in &self.0 {
            watch.note(*number);
        }
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn a_change_is_taken_once_and_noted_once() {
        let watch = Arc::new(Watch::default());
        let mut watchers = Watchers::default();
        watchers.add(&watch, 3);
        watchers.add(&watch, 200);
        watchers.note();
        watchers.note();
        assert_eq!(watch.take(), [3, 200]);
        assert!(watch.take().is_empty());
        watchers.remove(&watch, 3);
        watchers.note();
        assert_eq!(watch.take(), [200]);
    }

    #[test]
    fn all_who_wait_are_woken_and_who_comes_late_need_not_wait() {
        let (watch, mut context) = (Watch::default(), Context::from_waker(Waker::noop()));
        let (mut one, mut other) = (pin!(watch.changed()), pin!(watch.changed()));
        assert_eq!(one.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(other.as_mut().poll(&mut context), Poll::Pending);
        watch.note(1);
        assert_eq!(one.as_mut().poll(&mut context), Poll::Ready(()));
        assert_eq!(other.as_mut().poll(&mut context), Poll::Ready(()));
        assert_eq!(pin!(watch.changed()).as_mut().poll(&mut context), Poll::Ready(()));
        watch.take();
        assert_eq!(pin!(watch.changed()).as_mut().poll(&mut context), Poll::Pending);
    }

    #[test]
    fn who_is_woken_in_vain_waits_for_the_next_change() {
        let (watch, mut context) = (Watch::default(), Context::from_waker(Waker::noop()));
        let mut late = pin!(watch.changed());
        assert_eq!(late.as_mut().poll(&mut context), Poll::Pending);
        watch.note(1);
        watch.take(); // by somebody else
        assert_eq!(late.as_mut().poll(&mut context), Poll::Pending);
        watch.note(1);
        assert_eq!(late.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
