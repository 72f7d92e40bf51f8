//! Retention: which of the oldest segments have to go, by `retention.ms` and `retention.bytes`.
//!
//! The rules are Kafka's (`UnifiedLog.deleteOldSegments`): first what lies before the log's start, then what is
//! too much, then what is too old, always from the oldest on and never beyond the high watermark. The active
//! segment goes too when all of it is expired; an empty one follows it then.

use super::Log;
use crate::error::StorageError;
use crate::segment::Segment;
use ottla_ids::Offset;
use std::sync::Arc;

/// How long and how much of a log is kept. The default keeps everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// `retention.ms`: a segment whose newest record is older goes.
    pub ms: Option<i64>,
    /// `retention.bytes`: the oldest segments go for as long as the others have at least so many bytes.
    pub bytes: Option<u64>,
}

/// What retention has deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// So many segments are marked as deleted.
    pub deleted_segments: usize,
    /// The first offset that may be read now.
    pub log_start: Offset,
}

/// What retention looks at. Segments are numbered from the oldest on.
struct Facts<'a> {
    /// The segments' base offsets.
    bases: &'a [Offset],
    log_start: Offset,
    log_end: Offset,
    high_watermark: Offset,
    now_ms: i64,
}

impl Facts<'_> {
    /// The offset behind a segment.
    fn end(&self, index: usize) -> Offset {
        self.bases.get(index + 1).copied().unwrap_or(self.log_end)
    }

    /// How many of the oldest segments go. `size` and `newest_ms` look at one, the latter for the time of its
    /// newest record, if that is known; they are asked no more than needed.
    fn expired<E>(
        &self,
        retention: &Retention,
        mut size: impl FnMut(usize) -> Result<u64, E>,
        mut newest_ms: impl FnMut(usize) -> Result<Option<i64>, E>,
    ) -> Result<usize, E> {
        let mut count = 0;
        // An empty active segment, and what is not committed, stays whatever else holds.
        let may_go = |index: usize, size: &mut dyn FnMut(usize) -> Result<u64, E>| -> Result<bool, E> {
            let is_active = index + 1 == self.bases.len();
            Ok(index < self.bases.len()
                && self.end(index) <= self.high_watermark
                && !(is_active && size(index)? == 0))
        };
        while count + 1 < self.bases.len() && self.end(count) <= self.log_start && may_go(count, &mut size)? {
            count += 1;
        }
        if let Some(bytes) = retention.bytes {
            let mut total: u64 = 0;
            for index in count..self.bases.len() {
                total += size(index)?;
            }
            while may_go(count, &mut size)? && total - size(count)? >= bytes {
                total -= size(count)?;
                count += 1;
            }
        }
        if let Some(ms) = retention.ms {
            while may_go(count, &mut size)?
                && newest_ms(count)?.is_some_and(|newest| self.now_ms.saturating_sub(newest) > ms)
            {
                count += 1;
            }
        }
        Ok(count)
    }
}

impl Log {
    /// Marks as deleted what `retention` does not keep, and what lies before the log's start; the files go later
    /// ([`crate::LogDirectory::remove_deleted`]). Nothing at or behind the high watermark is deleted.
    ///
    /// # Errors
    /// Where a segment cannot be looked at, or files cannot be written or renamed.
    pub fn retain(
        &self,
        retention: &Retention,
        high_watermark: Offset,
        now_ms: i64,
    ) -> Result<Retained, StorageError> {
        let _maintenance = self.maintenance.lock();
        self.root.check_online()?;
        self.check_open(&self.writer.lock())?;
        let (segments, log_start, log_end) = {
            let view = self.view.read();
            (view.segments.clone(), view.log_start, view.log_end)
        };
        let bases: Vec<Offset> = segments.iter().map(|segment| segment.base).collect();
        let facts = Facts { bases: &bases, log_start, log_end, high_watermark, now_ms };
        let at = |index: usize| segments.get(index).expect("asked for segments there are");
        let mut count = facts.expired(
            retention,
            |index| at(index).size(),
            |index| self.newest_ms(at(index), index + 1 == segments.len()),
        )?;
        if count == segments.len() {
            let mut writer = self.writer.lock();
            self.load(&mut writer)?;
            if writer.log_end == log_end && Arc::ptr_eq(&writer.active, at(count - 1)) {
                self.roll_locked(&mut writer, log_end)?;
            } else {
                // It was appended to meanwhile.
                count -= 1;
            }
        }
        self.delete_oldest(count, now_ms)?;
        let log_start = self.log_start_offset();
        if count > 0 {
            self.with_epochs(|epochs| ((), epochs.truncate_from_start(log_start)))?;
        }
        Ok(Retained { deleted_segments: count, log_start })
    }

    /// The time of a segment's newest record; without timestamps that of its last write.
    fn newest_ms(&self, segment: &Arc<Segment>, is_active: bool) -> Result<Option<i64>, StorageError> {
        if is_active {
            self.load(&mut self.writer.lock())?;
        }
        match segment.largest_timestamp()? {
            Some((timestamp, _)) if timestamp >= 0 => Ok(Some(timestamp)),
            _ => segment.modified_ms(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of ten offsets each, by size and age of the newest record in ms; the last is the active one.
    fn check(segments: &[(u64, i64)], log_start: i64, high_watermark: i64, retention: Retention) -> usize {
        let bases: Vec<Offset> = (0..segments.len()).map(|index| Offset(index as i64 * 10)).collect();
        let facts = Facts {
            bases: &bases,
            log_start: Offset(log_start),
            log_end: Offset(segments.len() as i64 * 10),
            high_watermark: Offset(high_watermark),
            now_ms: 1_000_000,
        };
        let newest = |index: usize| Ok::<_, ()>(Some(1_000_000 - segments[index].1));
        facts.expired(&retention, |index| Ok(segments[index].0), newest).unwrap()
    }

    const KEEP: Retention = Retention { ms: None, bytes: None };

    fn ms(ms: i64) -> Retention {
        Retention { ms: Some(ms), ..KEEP }
    }

    fn bytes(bytes: u64) -> Retention {
        Retention { bytes: Some(bytes), ..KEEP }
    }

    #[test]
    fn without_limits_only_what_lies_before_the_start_goes() {
        let segments = [(100, 500), (100, 400), (100, 300)];
        assert_eq!(check(&segments, 0, 30, KEEP), 0);
        assert_eq!(check(&segments, 19, 30, KEEP), 1);
        assert_eq!(check(&segments, 20, 30, KEEP), 2);
        assert_eq!(check(&segments, 30, 30, KEEP), 2, "the active one stays");
    }

    #[test]
    fn too_old_segments_go_up_to_the_first_that_is_not() {
        assert_eq!(check(&[(1, 500), (1, 400), (1, 300)], 0, 30, ms(350)), 2);
        assert_eq!(check(&[(1, 500), (1, 400), (1, 300)], 0, 30, ms(400)), 1, "older, not as old");
        assert_eq!(check(&[(1, 300), (1, 500), (1, 500)], 0, 30, ms(350)), 0);
        assert_eq!(check(&[(1, 500), (1, 500), (1, 500)], 0, 30, ms(350)), 3, "the active one, too");
        assert_eq!(check(&[(1, 500), (1, 500), (0, 500)], 0, 20, ms(350)), 2, "unless it is empty");
        assert_eq!(check(&[(1, -500), (1, 500)], 0, 20, ms(0)), 0, "a time to come is not old");
    }

    #[test]
    fn what_is_left_has_at_least_the_bytes_to_be_kept() {
        assert_eq!(check(&[(100, 0), (100, 0), (100, 0)], 0, 30, bytes(150)), 1);
        assert_eq!(check(&[(100, 0), (100, 0), (100, 0)], 0, 30, bytes(200)), 1);
        assert_eq!(check(&[(100, 0), (100, 0), (100, 0)], 0, 30, bytes(201)), 0);
        assert_eq!(check(&[(100, 0), (100, 0), (100, 0)], 0, 30, bytes(0)), 3);
    }

    #[test]
    fn nothing_at_or_behind_the_high_watermark_goes() {
        let segments = [(100, 500), (100, 400), (100, 300)];
        assert_eq!(check(&segments, 0, 19, ms(0)), 1);
        assert_eq!(check(&segments, 0, 9, bytes(0)), 0);
        assert_eq!(check(&segments, 0, 29, ms(0)), 2);
    }

    #[test]
    fn both_limits_count_together() {
        let both = Retention { ms: Some(350), bytes: Some(250) };
        assert_eq!(check(&[(100, 500), (100, 400), (100, 300), (100, 0)], 0, 40, both), 2);
    }
}
