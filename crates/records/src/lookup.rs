//! Finding records by their time within a batch (ListOffsets).

use crate::error::BatchError;
use crate::view::BatchView;
use ottla_ids::Offset;
use std::ops::ControlFlow;

/// A record that was asked for by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundRecord {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp in ms since 1970.
    pub timestamp: i64,
}

/// The batch's first record from `from` on that is not older than `timestamp` (in ms since 1970), if
/// there is one; decompresses at most `size_max` bytes, and no further than the record.
///
/// # Errors
/// As [`BatchView::walk`].
pub fn first_record_at_or_after(
    view: &BatchView<'_>,
    timestamp: i64,
    from: Offset,
    size_max: usize,
) -> Result<Option<FoundRecord>, BatchError> {
    if view.max_timestamp() < timestamp || view.last_offset() < from {
        return Ok(None);
    }
    view.walk(size_max, |record| {
        if timestamp <= record.timestamp && from <= record.offset {
            return ControlFlow::Break(FoundRecord { offset: record.offset, timestamp: record.timestamp });
        }
        ControlFlow::Continue(())
    })
}

/// The offset of the batch's first record whose timestamp is the batch's greatest (ListOffsets
/// `MAX_TIMESTAMP`, KIP-734); `None` where compaction has taken it away.
///
/// # Errors
/// As [`BatchView::walk`].
pub fn max_timestamp_offset(view: &BatchView<'_>, size_max: usize) -> Result<Option<Offset>, BatchError> {
    view.walk(size_max, |record| {
        if record.timestamp == view.max_timestamp() {
            return ControlFlow::Break(record.offset);
        }
        ControlFlow::Continue(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, Compression};

    /// Records at offsets 10 to 13.
    fn check(times: [i64; 4], compression: Compression) -> impl Fn(i64, i64) -> Option<(i64, i64)> {
        let mut builder = BatchBuilder::new(Offset(10), compression);
        for time in times {
            builder.append(time, None, Some(b"value"), &[]).unwrap();
        }
        let bytes = builder.finish().unwrap();
        move |timestamp, from| {
            let view = BatchView::parse(&bytes).unwrap();
            let found = first_record_at_or_after(&view, timestamp, Offset(from), 1000).unwrap();
            found.map(|found| (found.offset.0, found.timestamp))
        }
    }

    #[test]
    fn the_first_record_that_is_not_older_is_found() {
        for compression in Compression::ALL {
            let find = check([5, 3, 9, 7], compression);
            assert_eq!(find(0, 0), Some((10, 5)));
            assert_eq!(find(6, 0), Some((12, 9)));
            assert_eq!(find(6, 13), Some((13, 7)));
            assert_eq!(find(10, 0), None);
            assert_eq!(find(0, 14), None);
        }
    }

    #[test]
    fn the_first_of_the_newest_records_is_found() {
        let mut builder = BatchBuilder::new(Offset(10), Compression::Lz4);
        for time in [5, 9, 9] {
            builder.append(time, None, Some(b"value"), &[]).unwrap();
        }
        let bytes = builder.finish().unwrap();
        let view = BatchView::parse(&bytes).unwrap();
        assert_eq!(max_timestamp_offset(&view, 1000), Ok(Some(Offset(11))));
    }
}
