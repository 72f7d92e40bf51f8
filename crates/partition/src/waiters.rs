//! Who waits for a partition's high watermark: producers for their acks, consumers for records.

use crate::watch::{Watch, Watchers};
use ottla_ids::Offset;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The log directory of the partition went offline before the offset was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the log directory went offline while waiting for durability; see the broker's log for the disk error"
)]
pub struct Offline;

/// Waits until an offset is reached; ready at once when it already is.
#[derive(Debug)]
pub enum Ticket {
    /// Reached, or never to be.
    Ready(Result<(), Offline>),
    /// Woken when the high watermark passes it.
    Waiting(oneshot::Receiver<Result<(), Offline>>),
}

impl Ticket {
    /// Whether nothing is to be waited for.
    pub fn is_ready(&self) -> bool {
        matches!(self, Ticket::Ready(_))
    }

    /// Waits until the offset is reached or the directory is offline.
    pub async fn reached(self) -> Result<(), Offline> {
        match self {
            Ticket::Ready(result) => result,
            // The sender is only dropped with the partition, which is then no longer served here.
            Ticket::Waiting(receiver) => receiver.await.unwrap_or(Err(Offline)),
        }
    }
}

/// Those who wait, each for its own offset, and those who watch.
///
/// Tickets are bounded by what may be in flight: a connection has a bounded number of unanswered requests, and
/// each holds at most one entry a partition.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    acks: Vec<(Offset, oneshot::Sender<Result<(), Offline>>)>,
    watchers: Watchers,
}

impl Waiters {
    /// A ticket for the moment when the high watermark is at least `offset`.
    pub(crate) fn ticket(&mut self, offset: Offset) -> Ticket {
        let (sender, receiver) = oneshot::channel();
        self.acks.push((offset, sender));
        Ticket::Waiting(receiver)
    }

    /// `watch` is told of each change from here on, by this number.
    pub(crate) fn watch(&mut self, watch: &Arc<Watch>, number: u32) {
        self.watchers.add(watch, number);
    }

    /// `watch` is no longer interested.
    pub(crate) fn unwatch(&mut self, watch: &Arc<Watch>, number: u32) {
        self.watchers.remove(watch, number);
    }

    /// Tells those who watch that what they may read or are told of the partition has changed.
    pub(crate) fn changed(&self) {
        self.watchers.note();
    }

    /// Wakes all who watch, and then who waited for an offset up to `high_watermark`: whoever has an ack and asks for the
    /// record finds it, in a fetch session too, which looks at what is noted.
    pub(crate) fn wake(&mut self, high_watermark: Offset) {
        self.changed();
        for (_, sender) in self.acks.extract_if(.., |(offset, _)| *offset <= high_watermark) {
            // A receiver that is gone has hung up; nobody is left to tell.
            let _ = sender.send(Ok(()));
        }
    }

    /// Tells everyone that nothing will be reached any more.
    pub(crate) fn fail(&mut self) {
        self.changed();
        for (_, sender) in self.acks.drain(..) {
            let _ = sender.send(Err(Offline));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    fn poll(ticket: Ticket) -> Poll<Result<(), Offline>> {
        Box::pin(ticket.reached()).as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_ticket_is_ready_when_its_offset_is_reached_and_not_before() {
        let mut waiters = Waiters::default();
        let (three, five) = (waiters.ticket(Offset(3)), waiters.ticket(Offset(5)));
        waiters.wake(Offset(4));
        assert_eq!(poll(three), Poll::Ready(Ok(())));
        assert_eq!(poll(five), Poll::Pending);
    }

    #[test]
    fn tickets_fail_when_the_directory_does() {
        let mut waiters = Waiters::default();
        let ticket = waiters.ticket(Offset(3));
        waiters.fail();
        assert_eq!(poll(ticket), Poll::Ready(Err(Offline)));
    }

    /// Looks, when it is woken, whether a change is noted.
    struct Looks {
        watch: Arc<Watch>,
        has_seen: AtomicBool,
    }

    impl Wake for Looks {
        fn wake(self: Arc<Self>) {
            self.has_seen.store(self.watch.take() == [7], Ordering::Relaxed);
        }
    }

    #[test]
    fn a_change_is_noted_before_acks_leave() {
        for fails in [false, true] {
            let mut waiters = Waiters::default();
            let looks = Arc::new(Looks { watch: Arc::default(), has_seen: AtomicBool::new(false) });
            waiters.watch(&looks.watch, 7);
            let mut ticket = Box::pin(waiters.ticket(Offset(3)).reached());
            let waker = Waker::from(Arc::clone(&looks));
            assert_eq!(ticket.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
            if fails {
                waiters.fail();
            } else {
                waiters.wake(Offset(3));
            }
            assert!(looks.has_seen.load(Ordering::Relaxed));
        }
    }

    #[test]
    fn who_looked_away_is_not_kept() {
        let mut waiters = Waiters::default();
        let watch = Arc::new(Watch::default());
        waiters.watch(&watch, 7);
        waiters.unwatch(&watch, 7);
        assert_eq!(waiters.watchers.count(), 0);
    }
}
