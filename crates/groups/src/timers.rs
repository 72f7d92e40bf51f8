//! What is to happen later, by deadline.

use crate::Now;
use ottla_protocol::Text;
use std::collections::{BTreeSet, HashMap};

/// Something that happens unless it is put off or cancelled in time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    /// A member of a classic group was not heard of for its session timeout.
    Session { group: Text, member: Text },
    /// A classic group has waited long enough for its members to join.
    Join { group: Text },
    /// A classic group has waited long enough for its members to ask for their assignment.
    Sync { group: Text },
    /// A member of a consumer group was not heard of for its session timeout.
    ConsumerSession { group: Text, member: Text },
    /// A member of a consumer group has had time enough to give partitions back.
    Revocation { group: Text, member: Text },
    /// A classic member of a consumer group was told to join again, and had time enough to.
    ConsumerJoin { group: Text, member: Text },
    /// A classic member of a consumer group has joined, and had time enough to ask for its assignment.
    ConsumerSync { group: Text, member: Text },
    /// Offsets that nobody uses are looked for.
    Expiry,
}

/// Deadlines in milliseconds of [`crate::Now::tick_ms`]. Each timer has at most one.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(i64, Timer)>,
    at: HashMap<Timer, i64>,
}

impl Timers {
    /// Sets `timer` to `at_ms`, whatever it was set to before.
    pub fn set(&mut self, timer: Timer, at_ms: i64) {
        if let Some(before) = self.at.insert(timer.clone(), at_ms) {
            self.due.remove(&(before, timer.clone()));
        }
        self.due.insert((at_ms, timer));
        debug_assert_eq!(self.due.len(), self.at.len(), "one deadline a timer");
    }

    /// A member of a consumer group may be silent for `session_ms` from now on.
    pub fn set_session(&mut self, group: &Text, member: &Text, session_ms: i64, now: Now) {
        let session = Timer::ConsumerSession { group: group.clone(), member: member.clone() };
        self.set(session, now.tick_ms.saturating_add(session_ms));
    }

    /// Sets `timer` to `at_ms` unless it is set.
    pub fn set_if_absent(&mut self, timer: Timer, at_ms: i64) {
        if !self.at.contains_key(&timer) {
            self.set(timer, at_ms);
        }
    }

    /// `timer` will not fire.
    pub fn cancel(&mut self, timer: &Timer) {
        if let Some(before) = self.at.remove(timer) {
            self.due.remove(&(before, timer.clone()));
        }
    }

    /// When [`Timers::pop`] has something to give, at the earliest.
    pub fn next(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A timer whose deadline is `now_ms` or before, the earliest first.
    pub fn pop(&mut self, now_ms: i64) -> Option<Timer> {
        if self.next()? > now_ms {
            return None;
        }
        let (_, timer) = self.due.pop_first()?;
        self.at.remove(&timer);
        Some(timer)
    }
}
