//! Which leader epoch began at which offset: `leader-epoch-checkpoint` (KIP-101).

use crate::checkpoint::lines;
use ottla_ids::{LeaderEpoch, Offset};
use std::fmt::Write as _;

/// The file's name in a partition's folder.
pub(crate) const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";

/// A leader epoch and the first offset that was appended in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The first offset of the epoch.
    pub start: Offset,
}

/// The epochs of one log, both epoch and start strictly ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaderEpochs {
    entries: Vec<EpochStart>,
}

impl LeaderEpochs {
    pub fn parse(text: &str) -> Result<LeaderEpochs, String> {
        let mut epochs = LeaderEpochs::default();
        for line in lines(text)? {
            let mut words = line.split_whitespace().map(str::parse::<i64>);
            match (words.next(), words.next(), words.next()) {
                (Some(Ok(epoch)), Some(Ok(start)), None) if i32::try_from(epoch).is_ok() => {
                    epochs.assign(LeaderEpoch(epoch as i32), Offset(start));
                }
                _ => return Err(format!("malformed line '{line}'")),
            }
        }
        Ok(epochs)
    }

    pub fn to_text(&self) -> String {
        let mut text = format!("0\n{}\n", self.entries.len());
        for entry in &self.entries {
            let _ = writeln!(text, "{} {}", entry.epoch, entry.start);
        }
        text
    }

    pub fn entries(&self) -> &[EpochStart] {
        &self.entries
    }

    pub fn latest(&self) -> Option<EpochStart> {
        self.entries.last().copied()
    }

    /// Notes that `epoch` has an append at `start`; returns whether that was news. Entries that contradict
    /// it are dropped, as they are from a tail that was cut.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if epoch.0 < 0 {
            return false;
        }
        if let Some(latest) = self.latest()
            && latest.epoch == epoch
            && latest.start <= start
        {
            return false;
        }
        self.entries.retain(|entry| entry.epoch < epoch && entry.start < start);
        self.entries.push(EpochStart { epoch, start });
        true
    }

    /// The largest epoch up to `requested`, and the offset behind its last; `None` where that is not known
    /// (Kafka's `LeaderEpochFileCache.endOffsetFor`).
    pub fn end_offset(&self, requested: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        let latest = self.latest()?;
        if requested.0 < 0 || latest.epoch < requested {
            return None;
        }
        if latest.epoch == requested {
            return Some((requested, log_end));
        }
        let higher = self.entries.partition_point(|entry| entry.epoch <= requested);
        let end = self.entries.get(higher)?.start;
        let floor = higher.checked_sub(1).and_then(|floor| self.entries.get(floor));
        Some((floor.map_or(requested, |entry| entry.epoch), end))
    }

    /// The epoch in which `offset` was appended.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let higher = self.entries.partition_point(|entry| entry.start <= offset);
        higher.checked_sub(1).and_then(|floor| self.entries.get(floor)).map(|entry| entry.epoch)
    }

    /// Forgets what began at `end` or behind it; returns whether there was something.
    pub fn truncate_from_end(&mut self, end: Offset) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.start < end);
        self.entries.len() != before
    }

    /// Forgets what ended before `start`; the epoch in which `start` lies begins there then.
    pub fn truncate_from_start(&mut self, start: Offset) -> bool {
        let behind = self.entries.partition_point(|entry| entry.start <= start);
        let Some(floor) = behind.checked_sub(1) else { return false };
        if floor == 0 && self.entries.first().is_some_and(|first| first.start == start) {
            return false;
        }
        self.entries.drain(..floor);
        if let Some(first) = self.entries.first_mut() {
            first.start = start;
        }
        true
    }

    pub fn clear(&mut self) -> bool {
        let any = !self.entries.is_empty();
        self.entries.clear();
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(text: &str) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        for pair in text.split_whitespace() {
            let (epoch, start) = pair.split_once('@').unwrap();
            epochs.assign(LeaderEpoch(epoch.parse().unwrap()), Offset(start.parse().unwrap()));
        }
        epochs
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let epochs = epochs("1@0 3@10 4@30");
        let end = |epoch| epochs.end_offset(LeaderEpoch(epoch), Offset(50)).map(|(e, o)| (e.0, o.0));
        assert_eq!(end(4), Some((4, 50)));
        assert_eq!(end(3), Some((3, 30)));
        assert_eq!(end(2), Some((1, 10)));
        assert_eq!(end(1), Some((1, 10)));
        assert_eq!(end(0), Some((0, 0)));
        assert_eq!(end(5), None);
        assert_eq!(end(-1), None);
    }

    #[test]
    fn what_contradicts_a_new_epoch_is_dropped() {
        assert_eq!(epochs("1@0 3@10 4@30 2@20"), epochs("1@0 2@20"));
        assert_eq!(epochs("1@0 3@10 4@5"), epochs("1@0 4@5"));
        assert_eq!(epochs("1@0 1@10"), epochs("1@0"));
        assert_eq!(epochs("1@7 1@3"), epochs("1@3"));
    }

    #[test]
    fn both_ends_can_be_cut() {
        let mut cut = epochs("1@0 3@10 4@30");
        assert!(!cut.truncate_from_end(Offset(31)));
        assert!(cut.truncate_from_end(Offset(30)));
        assert_eq!(cut, epochs("1@0 3@10"));
        assert!(cut.truncate_from_start(Offset(12)));
        assert_eq!(cut, epochs("3@12"));
        assert!(!cut.truncate_from_start(Offset(12)));
        assert_eq!(cut.epoch_at(Offset(20)), Some(LeaderEpoch(3)));
        assert_eq!(cut.epoch_at(Offset(11)), None);
    }

    #[test]
    fn text_is_kafkas_and_comes_back() {
        let some = epochs("0@0 5@100");
        assert_eq!(some.to_text(), "0\n2\n0 0\n5 100\n");
        assert_eq!(LeaderEpochs::parse(&some.to_text()), Ok(some));
        assert!(LeaderEpochs::parse("0\n1\n0\n").is_err());
    }
}
