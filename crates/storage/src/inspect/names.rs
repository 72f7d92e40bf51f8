//! What a file or folder is by its name.

use crate::checkpoint::{CLEANER_OFFSETS, HIGH_WATERMARKS, LOG_STARTS, PARTITION_METADATA, RECOVERY_POINTS};
use crate::epochs::LEADER_EPOCHS;
use crate::meta_properties::META_PROPERTIES;
use ottla_ids::{LeaderEpoch, Offset, TopicPartition};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Record batches of a log.
    Records,
    /// Offset to position.
    OffsetIndex,
    /// Timestamp to offset.
    TimeIndex,
    /// Aborted transactions.
    TransactionIndex,
    /// The producers' state as of the offset in the name.
    ProducerSnapshot,
    /// A snapshot of the metadata log, or the bootstrap records of one: record batches.
    MetadataSnapshot,
    /// Which leader epoch began where.
    LeaderEpochs,
    /// Offsets by partition.
    OffsetCheckpoint,
    /// The topic id of a partition's folder.
    PartitionMetadata,
    /// Whose log directory it is.
    MetaProperties,
    /// The vote of a metadata log's replica.
    QuorumState,
    /// Left by a stop in order.
    CleanShutdown,
    /// What excludes a second process.
    Lock,
    /// Room that is kept for a full disk.
    Ballast,
    /// Nothing that is known here.
    Unknown,
}

/// What has become of a file, as the end of its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileMark {
    /// In use.
    Live,
    /// To be removed.
    Deleted,
    /// Being written by the log cleaner.
    Cleaned,
    /// About to replace what it is named after.
    Swap,
    /// Being written, to replace the file of the name without it.
    Temporary,
    /// Set aside by a recovery that found damage before it.
    Cut,
}

/// A file's name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileName {
    /// What it holds.
    pub kind: FileKind,
    /// What has become of it.
    pub mark: FileMark,
    /// The offset that the name begins with.
    pub base: Option<Offset>,
    /// The epoch in the name of a metadata snapshot.
    pub epoch: Option<LeaderEpoch>,
}

impl FileName {
    /// Takes a name apart; every name is something, if only unknown.
    pub fn parse(name: &str) -> FileName {
        const MARKS: [(&str, FileMark); 6] = [
            (".deleted", FileMark::Deleted),
            (".cleaned", FileMark::Cleaned),
            (".swap", FileMark::Swap),
            (".tmp", FileMark::Temporary),
            (".part", FileMark::Temporary),
            (".cut", FileMark::Cut),
        ];
        let marked = MARKS.iter().find_map(|(ending, mark)| Some((name.strip_suffix(ending)?, *mark)));
        let (stem, mark) = marked.unwrap_or((name, FileMark::Live));
        let plain = |kind| FileName { kind, mark, base: None, epoch: None };
        match stem {
            RECOVERY_POINTS | LOG_STARTS | HIGH_WATERMARKS | CLEANER_OFFSETS => {
                return plain(FileKind::OffsetCheckpoint);
            }
            LEADER_EPOCHS => return plain(FileKind::LeaderEpochs),
            PARTITION_METADATA => return plain(FileKind::PartitionMetadata),
            META_PROPERTIES => return plain(FileKind::MetaProperties),
            "quorum-state" => return plain(FileKind::QuorumState),
            "bootstrap.checkpoint" => return plain(FileKind::MetadataSnapshot),
            ".kafka_cleanshutdown" => return plain(FileKind::CleanShutdown),
            ".lock" => return plain(FileKind::Lock),
            crate::ballast::BALLAST => return plain(FileKind::Ballast),
            _ => {}
        }
        let unknown = plain(FileKind::Unknown);
        let Some((digits, ending)) = stem.split_at_checked(20) else { return unknown };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return unknown;
        }
        let Ok(base) = digits.parse().map(Offset) else { return unknown };
        let of = |kind| FileName { kind, mark, base: Some(base), epoch: None };
        match ending {
            ".log" => of(FileKind::Records),
            ".index" => of(FileKind::OffsetIndex),
            ".timeindex" => of(FileKind::TimeIndex),
            ".txnindex" => of(FileKind::TransactionIndex),
            ".snapshot" => of(FileKind::ProducerSnapshot),
            _ => {
                let epoch = ending.strip_prefix('-').and_then(|it| it.strip_suffix(".checkpoint"));
                match epoch.filter(|it| it.len() == 10).and_then(|it| it.parse().ok()) {
                    Some(epoch) => {
                        FileName { epoch: Some(LeaderEpoch(epoch)), ..of(FileKind::MetadataSnapshot) }
                    }
                    None => unknown,
                }
            }
        }
    }
}

/// What a folder within a log directory is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderKind {
    /// A partition's log.
    Partition(TopicPartition),
    /// The log of a deleted partition, to be removed.
    Deleted,
    /// A log that belongs to no partition of its node.
    Stray,
    /// The log of a partition that is being moved here from another directory.
    Future,
    /// Nothing that is known here.
    Unknown,
}

/// What a folder within a log directory is.
pub fn folder_kind(name: &str) -> FolderKind {
    for (ending, kind) in
        [("-delete", FolderKind::Deleted), ("-stray", FolderKind::Stray), ("-future", FolderKind::Future)]
    {
        if name.ends_with(ending) {
            return kind;
        }
    }
    crate::directory::parse_partition(name).map_or(FolderKind::Unknown, FolderKind::Partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_in_a_file() {
        let check = |name: &str, kind, mark, base: Option<i64>| {
            let parsed = FileName::parse(name);
            assert_eq!((parsed.kind, parsed.mark, parsed.base.map(|it| it.0)), (kind, mark, base), "{name}");
        };
        check("00000000000000000012.log", FileKind::Records, FileMark::Live, Some(12));
        check("00000000000000000012.log.deleted", FileKind::Records, FileMark::Deleted, Some(12));
        check("00000000000000000012.index.swap", FileKind::OffsetIndex, FileMark::Swap, Some(12));
        check("00000000000000000012.timeindex", FileKind::TimeIndex, FileMark::Live, Some(12));
        check("00000000000000000012.log.cut", FileKind::Records, FileMark::Cut, Some(12));
        check(
            "00000000000000000075-0000000001.checkpoint",
            FileKind::MetadataSnapshot,
            FileMark::Live,
            Some(75),
        );
        check("bootstrap.checkpoint", FileKind::MetadataSnapshot, FileMark::Live, None);
        check("recovery-point-offset-checkpoint.tmp", FileKind::OffsetCheckpoint, FileMark::Temporary, None);
        check("notes.txt", FileKind::Unknown, FileMark::Live, None);
        check("99999999999999999999.log", FileKind::Unknown, FileMark::Live, None);
    }

    #[test]
    fn folders_are_partitions_or_what_is_left_of_them() {
        assert_eq!(folder_kind("a-b-3"), FolderKind::Partition(TopicPartition::new("a-b", 3)));
        assert_eq!(folder_kind("a-0.0123-delete"), FolderKind::Deleted);
        assert_eq!(folder_kind("a-0.0123-stray"), FolderKind::Stray);
        assert_eq!(folder_kind("lost+found"), FolderKind::Unknown);
    }
}
