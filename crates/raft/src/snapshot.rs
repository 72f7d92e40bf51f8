//! Snapshots are named by where they end.

use ottla_ids::{Offset, QuorumEpoch};
use std::fmt;

/// A snapshot of all that is before an offset (Kafka's `OffsetAndEpoch`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId {
    /// The offset after the last record it contains.
    pub end_offset: Offset,
    /// The epoch of the last record it contains.
    pub epoch: QuorumEpoch,
}

impl SnapshotId {
    /// The snapshot with which a dynamic quorum is formatted: no data, only who votes.
    pub const BOOTSTRAP: SnapshotId = SnapshotId { end_offset: Offset::ZERO, epoch: QuorumEpoch(0) };
    /// The end of a finished snapshot's file name.
    pub const SUFFIX: &str = ".checkpoint";
    /// The end of the name of a file that is still being written.
    pub const PART_SUFFIX: &str = ".checkpoint.part";

    /// The id in `name`, when it is that of a finished snapshot.
    pub fn from_file_name(name: &str) -> Option<SnapshotId> {
        let (offset, epoch) = name.strip_suffix(SnapshotId::SUFFIX)?.split_once('-')?;
        let is_number =
            |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(offset, 20) || !is_number(epoch, 10) {
            return None;
        }
        Some(SnapshotId { end_offset: Offset(offset.parse().ok()?), epoch: QuorumEpoch(epoch.parse().ok()?) })
    }
}

impl fmt::Display for SnapshotId {
    /// As in the file's name: `00000000000000000000-0000000000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:010}", self.end_offset.0, self.epoch.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_gives_the_id_back() {
        let id = SnapshotId { end_offset: Offset(4711), epoch: QuorumEpoch(3) };
        assert_eq!(id.to_string(), "00000000000000004711-0000000003");
        assert_eq!(SnapshotId::from_file_name(&format!("{id}.checkpoint")), Some(id));
    }

    #[test]
    fn other_files_are_no_snapshots() {
        for name in [
            "00000000000000004711-0000000003.checkpoint.part",
            "00000000000000004711-0000000003.checkpoint.deleted",
            "leader-epoch-checkpoint",
            "4711-3.checkpoint",
            "99999999999999999999-0000000003.checkpoint",
            "00000000000000004711-9999999999.checkpoint",
        ] {
            assert_eq!(SnapshotId::from_file_name(name), None, "{name}");
        }
    }
}
