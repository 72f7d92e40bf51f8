//! Which neighbouring segments become one (Kafka's `Cleaner.groupSegmentsBySize`).

use ottla_ids::Offset;

/// A segment's extent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentSizes {
    pub base: Offset,
    /// Bytes of records.
    pub size: u64,
    /// Bytes of the index and of the time index, each of which is to fit.
    pub index_sizes: [u64; 2],
}

/// How many segments, in order, go into each new one: as many as fit into `size_max` and `index_size_max`, and
/// whose offsets, which end before `end`, the indexes of one segment can hold.
pub(crate) fn group(
    segments: &[SegmentSizes],
    size_max: u64,
    index_size_max: u64,
    end: Offset,
) -> Vec<usize> {
    let mut groups = Vec::new();
    let mut at = 0;
    while let Some(first) = segments.get(at) {
        let (mut size, mut index_sizes, mut count) = (first.size, first.index_sizes, 1);
        while let Some(next) = segments.get(at + count) {
            let last_offset = segments.get(at + count + 1).map_or(end, |after| after.base).plus(-1);
            let spans_too_much = last_offset.0 - first.base.0 > i64::from(i32::MAX);
            let [index, time] = index_sizes;
            let [next_index, next_time] = next.index_sizes;
            if size + next.size > size_max
                || (index + next_index).max(time + next_time) > index_size_max
                || (next.size > 0 && spans_too_much)
            {
                break;
            }
            size += next.size;
            index_sizes = [index + next_index, time + next_time];
            count += 1;
        }
        groups.push(count);
        at += count;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(segments: &[(i64, u64, u64)], end: i64) -> Vec<usize> {
        let both: Vec<_> = segments.iter().map(|(base, size, index)| (*base, *size, [*index; 2])).collect();
        check_both(&both, end)
    }

    fn check_both(segments: &[(i64, u64, [u64; 2])], end: i64) -> Vec<usize> {
        let segments: Vec<SegmentSizes> = segments
            .iter()
            .map(|(base, size, index_sizes)| SegmentSizes {
                base: Offset(*base),
                size: *size,
                index_sizes: *index_sizes,
            })
            .collect();
        group(&segments, 100, 50, Offset(end))
    }

    #[test]
    fn neighbours_become_one_while_records_and_indexes_fit() {
        assert_eq!(check(&[(0, 40, 1), (10, 60, 1), (20, 1, 1), (30, 99, 1)], 40), [2, 2]);
        assert_eq!(check(&[(0, 1, 30), (10, 1, 20), (20, 1, 1)], 40), [2, 1]);
        assert_eq!(check(&[(0, 500, 1), (10, 1, 1)], 40), [1, 1], "one that is too large stays alone");
        assert_eq!(check(&[], 0), [0_usize; 0]);
    }

    #[test]
    fn each_index_counts_for_itself() {
        assert_eq!(check_both(&[(0, 1, [40, 10]), (10, 1, [10, 40]), (20, 1, [0, 1])], 40), [2, 1]);
    }

    #[test]
    fn offsets_of_one_segment_are_within_two_to_the_31_of_its_base() {
        let far = i64::from(i32::MAX);
        assert_eq!(check(&[(0, 1, 1), (far, 1, 1)], far + 1), [2]);
        assert_eq!(check(&[(0, 1, 1), (far, 1, 1)], far + 2), [1, 1]);
        assert_eq!(check(&[(0, 1, 1), (10, 1, 1), (far + 2, 1, 1)], far + 9), [1, 2]);
        assert_eq!(check(&[(0, 1, 1), (far + 9, 0, 1)], far + 99), [2], "an empty one has no offsets");
    }
}
