//! Which part of a log is to be cleaned, and how much it wants it (Kafka's `LogCleanerManager.cleanableOffsets`).

use ottla_ids::Offset;

/// How long records wait before they are compacted, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionLag {
    /// `min.compaction.lag.ms`: so long a segment is left alone after its newest record.
    pub min_ms: i64,
    /// `max.compaction.lag.ms`: so long after its first record a segment is cleaned however little is to be won.
    pub max_ms: i64,
}

/// A part of a log that may be cleaned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleanable {
    /// All before it was cleaned.
    pub first_dirty: Offset,
    /// Where the first segment begins that has to be left alone.
    pub first_uncleanable: Offset,
    /// Bytes before the first dirty offset.
    pub clean_bytes: u64,
    /// Bytes of the part.
    pub cleanable_bytes: u64,
    /// Whether `max.compaction.lag.ms` is over.
    pub is_overdue: bool,
}

impl Cleanable {
    /// Which part of both is dirty, from 0 to 1; 0 for an empty log.
    pub fn dirty_ratio(&self) -> f64 {
        let total = self.clean_bytes + self.cleanable_bytes;
        if total == 0 { 0.0 } else { self.cleanable_bytes as f64 / total as f64 }
    }

    /// Whether it is to be cleaned, with `min.cleanable.dirty.ratio`.
    pub fn is_due(&self, min_dirty_ratio: f64) -> bool {
        self.cleanable_bytes > 0 && (self.is_overdue || self.dirty_ratio() > min_dirty_ratio)
    }
}

/// What is to be known of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentFacts {
    pub base: Offset,
    pub size: u64,
    /// The greatest timestamp of its first batch; only looked at with a greatest lag.
    pub first_ms: Option<i64>,
    /// The time of its newest record; only looked at with a least lag.
    pub newest_ms: Option<i64>,
}

/// The part that may be cleaned of a log whose segments, but for the active one, are `closed`. `cleaned_to` is
/// where the last cleaning ended, `bound` where what is committed, decided and recoverable ends.
pub(crate) fn choose(
    closed: &[SegmentFacts],
    (log_start, log_end): (Offset, Offset),
    active: Offset,
    cleaned_to: Option<Offset>,
    bound: Offset,
    lag: CompactionLag,
    now_ms: i64,
) -> Cleanable {
    // A checkpoint that does not fit the log, as after a truncation, counts for nothing.
    let first_dirty = cleaned_to.filter(|to| log_start <= *to && *to <= log_end).unwrap_or(log_start);
    let floor = |offset: Offset| closed.partition_point(|segment| segment.base <= offset).saturating_sub(1);
    let dirty = closed.get(floor(first_dirty)..).filter(|_| first_dirty < active).unwrap_or_default();
    let too_new = dirty.iter().find(|segment| {
        lag.min_ms > 0 && segment.newest_ms.is_some_and(|newest| newest > now_ms.saturating_sub(lag.min_ms))
    });
    let bound = too_new.map_or(bound, |segment| bound.min(segment.base)).min(active).max(first_dirty);
    let first_uncleanable = match closed.get(floor(bound)) {
        Some(segment) if bound < active => segment.base,
        _ => active,
    };
    let until = closed.partition_point(|segment| segment.base < first_uncleanable);
    let from = floor(first_dirty.min(first_uncleanable)).min(until);
    let bytes = |segments: &[SegmentFacts]| segments.iter().map(|segment| segment.size).sum();
    let clean_until = closed.partition_point(|segment| segment.base < first_dirty);
    let overdue_ms = now_ms.saturating_sub(lag.max_ms.max(0));
    Cleanable {
        first_dirty,
        first_uncleanable,
        clean_bytes: bytes(closed.get(..clean_until).unwrap_or_default()),
        cleanable_bytes: match first_dirty < first_uncleanable {
            true => bytes(closed.get(from..until).unwrap_or_default()),
            false => 0,
        },
        is_overdue: dirty
            .iter()
            .filter_map(|segment| segment.first_ms.filter(|first| *first > 0))
            .any(|first| first < overdue_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: CompactionLag = CompactionLag { min_ms: 0, max_ms: i64::MAX };

    /// Five closed segments of ten offsets and 100 bytes, a second apart; the active one begins at 50.
    fn check(cleaned_to: Option<i64>, bound: i64, lag: CompactionLag) -> (i64, i64, u64, u64, bool) {
        let closed: Vec<SegmentFacts> = (0..5)
            .map(|n| SegmentFacts {
                base: Offset(n * 10),
                size: 100,
                first_ms: Some(n * 1000 + 1),
                newest_ms: Some(n * 1000 + 900),
            })
            .collect();
        let cleaned_to = cleaned_to.map(Offset);
        let found =
            choose(&closed, (Offset(0), Offset(60)), Offset(50), cleaned_to, Offset(bound), lag, 10_000);
        let Cleanable { first_dirty, first_uncleanable, clean_bytes, cleanable_bytes, is_overdue } = found;
        (first_dirty.0, first_uncleanable.0, clean_bytes, cleanable_bytes, is_overdue)
    }

    #[test]
    fn all_closed_segments_below_the_bound_may_be_cleaned() {
        assert_eq!(check(None, 60, LAG), (0, 50, 0, 500, false));
        assert_eq!(check(Some(20), 60, LAG), (20, 50, 200, 300, false));
        assert_eq!(check(Some(20), 45, LAG), (20, 40, 200, 200, false), "whole segments");
        assert_eq!(check(Some(25), 60, LAG), (25, 50, 300, 300, false), "one may count as both");
        assert_eq!(check(Some(50), 60, LAG), (50, 50, 500, 0, false));
        assert_eq!(check(Some(70), 60, LAG), (0, 50, 0, 500, false), "a checkpoint behind the end");
        assert_eq!(check(None, 5, LAG), (0, 0, 0, 0, false));
    }

    #[test]
    fn records_younger_than_the_least_lag_are_left_alone() {
        assert_eq!(check(None, 60, CompactionLag { min_ms: 7000, ..LAG }), (0, 30, 0, 300, false));
        assert_eq!(check(None, 60, CompactionLag { min_ms: 20_000, ..LAG }), (0, 0, 0, 0, false));
    }

    #[test]
    fn records_older_than_the_greatest_lag_make_the_log_overdue() {
        assert!(!check(Some(20), 60, CompactionLag { max_ms: 8000, ..LAG }).4);
        assert!(check(Some(20), 60, CompactionLag { max_ms: 7900, ..LAG }).4);
        let overdue =
            Cleanable { cleanable_bytes: 1, clean_bytes: 99, is_overdue: true, ..Cleanable::default() };
        assert!(overdue.is_due(0.5) && !Cleanable { is_overdue: false, ..overdue }.is_due(0.5));
    }
}
