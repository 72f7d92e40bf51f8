//! Which way of making appends durable is cheaper: a sync of each file, or one write to the journal for all.

/// What it would take to make one log durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// Files and folders to be synced.
    pub syncs: u64,
    /// Bytes that are not durable; `None` where the journal cannot take them.
    pub bytes: Option<u64>,
}

/// What the disk takes for each way, measured when the journal is made and from then on; in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Costs {
    /// A write to the journal, beside its bytes.
    journal: f64,
    /// A sync of a file that has grown, beside its bytes.
    sync: f64,
    /// A byte.
    byte: f64,
}

/// How much one measurement counts.
const WEIGHT: f64 = 1.0 / 32.0;
/// A measurement counts as no more than so many times what was expected: disks stall now and then.
const OUTLIER: f64 = 4.0;

impl Default for Costs {
    /// Those of an ordinary virtual disk.
    fn default() -> Costs {
        Costs { journal: 140_000.0, sync: 250_000.0, byte: 1.0 }
    }
}

impl Costs {
    /// From measurements of single operations.
    pub fn measured(journal_ns: f64, sync_ns: f64, byte_ns: f64) -> Costs {
        Costs { journal: journal_ns.max(1.0), sync: sync_ns.max(1.0), byte: byte_ns.max(0.001) }
    }

    /// For each log, whether the journal is the cheaper way, in the company of the others. What the journal
    /// takes is written twice, and the logs it takes share one write.
    pub fn choose(&self, needs: &[Need]) -> Vec<bool> {
        let is_cheaper = |need: &Need| {
            need.bytes.is_some_and(|bytes| bytes as f64 * self.byte < need.syncs as f64 * self.sync)
        };
        let chosen: Vec<bool> = needs.iter().map(is_cheaper).collect();
        let both = needs.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
        let (mut by_sync, mut by_journal) = (0.0, self.journal);
        for (need, _) in both {
            by_sync += need.syncs as f64 * self.sync;
            by_journal += need.bytes.unwrap_or(0) as f64 * self.byte;
        }
        if by_journal < by_sync { chosen } else { vec![false; needs.len()] }
    }

    /// A write of so many bytes to the journal took so long.
    pub fn on_journal(&mut self, bytes: u64, took_ns: f64) {
        let base = took_ns - bytes as f64 * self.byte;
        self.journal = blend(self.journal, base);
    }

    /// So many syncs of so many bytes took so long.
    pub fn on_syncs(&mut self, syncs: u64, bytes: u64, took_ns: f64) {
        if syncs > 0 {
            let base = (took_ns - bytes as f64 * self.byte) / syncs as f64;
            self.sync = blend(self.sync, base);
        }
    }
}

fn blend(expected: f64, measured: f64) -> f64 {
    let measured = measured.clamp(expected / OUTLIER, expected * OUTLIER);
    expected + (measured - expected) * WEIGHT
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs { journal: 100.0, sync: 150.0, byte: 0.01 };

    fn check(needs: &[(u64, Option<u64>)], chosen: &[bool]) {
        let needs: Vec<Need> =
            needs.iter().map(|(syncs, bytes)| Need { syncs: *syncs, bytes: *bytes }).collect();
        assert_eq!(COSTS.choose(&needs), chosen, "{needs:?}");
    }

    #[test]
    fn one_small_append_goes_the_way_of_the_cheaper_sync() {
        check(&[(1, Some(500))], &[true]);
        check(&[(1, Some(6_000))], &[false]);
    }

    #[test]
    fn many_small_appends_share_one_write() {
        check(&[(1, Some(6_000)), (1, Some(6_000))], &[true, true]);
    }

    #[test]
    fn a_large_append_among_small_ones_is_synced_by_itself() {
        check(&[(1, Some(100)), (1, Some(1_000_000)), (1, Some(100))], &[true, false, true]);
    }

    #[test]
    fn what_the_journal_cannot_take_is_synced() {
        check(&[(1, None)], &[false]);
        check(&[(1, None), (1, Some(10))], &[false, true]);
    }

    #[test]
    fn a_new_partition_with_its_folders_is_worth_a_journal_write() {
        check(&[(4, Some(30_000))], &[true]);
    }

    #[test]
    fn measurements_move_the_costs_and_a_stall_does_not_throw_them() {
        let mut costs = COSTS;
        costs.on_journal(0, 1e9);
        assert!(costs.journal < 110.0);
        (0..500).for_each(|_| costs.on_journal(1_000, 60.0));
        assert!((49.0..51.0).contains(&costs.journal), "{costs:?}");
        (0..500).for_each(|_| costs.on_syncs(10, 1_000, 410.0));
        assert!((39.0..41.0).contains(&costs.sync), "{costs:?}");
    }
}
