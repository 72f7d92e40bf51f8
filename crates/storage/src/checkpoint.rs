//! Kafka's small text files: offset checkpoints of a log directory, `partition.metadata`, and the line
//! format that both checkpoints and leader epochs have.
//!
//! ```text
//! 0                     version
//! 2                     how many lines follow
//! flights 0 336776      topic, partition, offset
//! flights 1 12
//! ```

use crate::disk::Disk;
use crate::error::{Context, StorageError};
use ottla_ids::{Offset, TopicId, TopicPartition};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Below this offset all of a partition is synced, its indexes and producer state too.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// Where the logs start whose start is not that of their first segment.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// The high watermarks.
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
/// Where the part of each compacted log begins that is not compacted yet.
pub const CLEANER_OFFSETS: &str = "cleaner-offset-checkpoint";
/// In a partition's folder: the topic's id.
pub const PARTITION_METADATA: &str = "partition.metadata";

/// Offsets by partition, as an offset checkpoint holds them.
pub type Offsets = BTreeMap<TopicPartition, Offset>;

/// Reads an offset checkpoint; a missing one is empty.
pub(crate) fn read_offsets(disk: &Disk, path: &Path) -> Result<Offsets, StorageError> {
    let Some(text) = read_text(disk, path)? else { return Ok(Offsets::new()) };
    parse_offsets(&text).map_err(|reason| StorageError::InvalidFile { path: path.to_owned(), reason })
}

/// Replaces an offset checkpoint; durable when it returns.
pub(crate) fn write_offsets(disk: &Disk, path: &Path, offsets: &Offsets) -> Result<(), StorageError> {
    disk.replace(path, offsets_text(offsets).as_bytes())
}

/// What an offset checkpoint holds.
pub(crate) fn offsets_text(offsets: &Offsets) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for (partition, offset) in offsets {
        let _ = writeln!(text, "{} {} {offset}", partition.topic, partition.partition);
    }
    text
}

fn read_text(disk: &Disk, path: &Path) -> Result<Option<String>, StorageError> {
    let Some(bytes) = disk.read(path).at("read", path)? else { return Ok(None) };
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| StorageError::InvalidFile { path: path.to_owned(), reason: "it is not text".to_owned() })
}

fn parse_offsets(text: &str) -> Result<Offsets, String> {
    let mut offsets = Offsets::new();
    for line in lines(text)? {
        let mut words = line.split_whitespace();
        let entry = (|| {
            let topic = words.next()?;
            let partition = words.next()?.parse().ok()?;
            let offset = words.next()?.parse().ok()?;
            words.next().is_none().then(|| (TopicPartition::new(topic, partition), Offset(offset)))
        })();
        let (partition, offset) = entry.ok_or_else(|| format!("malformed line '{line}'"))?;
        offsets.insert(partition, offset);
    }
    Ok(offsets)
}

/// The lines behind version and count, which are checked.
pub(crate) fn lines(text: &str) -> Result<Vec<&str>, String> {
    let mut all = text.lines();
    match all.next() {
        None => return Ok(Vec::new()),
        Some(version) if version.trim() == "0" => {}
        Some(version) => return Err(format!("unknown version '{version}'")),
    }
    let count = all.next().ok_or("the line with the count is missing")?;
    let count: usize = count.trim().parse().map_err(|_| format!("malformed count '{count}'"))?;
    let lines: Vec<&str> = all.filter(|line| !line.is_empty()).collect();
    if lines.len() != count {
        return Err(format!("{count} lines expected, {} found", lines.len()));
    }
    Ok(lines)
}

/// Reads a folder's `partition.metadata`. `None` if there is none, or if a power cut left less than all of it:
/// then nothing in the folder had been acked yet.
pub(crate) fn read_partition_metadata(disk: &Disk, folder: &Path) -> Result<Option<TopicId>, StorageError> {
    let path = folder.join(PARTITION_METADATA);
    let Some(bytes) = disk.read(&path).at("read", &path)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let whole = partition_metadata(TopicId::ZERO);
    let written = text.trim_end_matches('\0');
    let common = whole.len() - TopicId::ZERO.to_string().len();
    let (same, _) = written.split_at(written.floor_char_boundary(common));
    if written.len() < whole.len() && whole.starts_with(same) {
        return Ok(None);
    }
    let id = (|| {
        let mut lines = text.lines();
        let version = lines.next()?.strip_prefix("version:")?.trim();
        let id = lines.next()?.strip_prefix("topic_id:")?.trim().parse().ok()?;
        (version == "0" && lines.next().is_none()).then_some(id)
    })();
    match id {
        Some(id) => Ok(Some(id)),
        None => Err(StorageError::InvalidFile { path, reason: format!("unexpected content {text:?}") }),
    }
}

/// The content of a `partition.metadata`.
pub(crate) fn partition_metadata(topic_id: TopicId) -> String {
    format!("version: 0\ntopic_id: {topic_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_kafka_writes_them() {
        let offsets = parse_offsets("0\n2\nflights 0 336776\nflights 1 12\n").unwrap();
        assert_eq!(offsets.len(), 2);
        assert_eq!(offsets[&TopicPartition::new("flights", 0)], Offset(336776));
        assert_eq!(parse_offsets("").unwrap(), Offsets::new());
    }

    #[test]
    fn damaged_offsets_are_refused() {
        for text in ["1\n0\n", "0\n", "0\n2\na 0 1\n", "0\n1\na 0\n", "0\n1\na 0 1 2\n", "0\nx\n"] {
            assert!(parse_offsets(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_torn_topic_id_is_none_and_a_wrong_one_an_error() {
        let disk = Disk::Simulated(crate::disk::SimulatedDisk::new(0));
        let id = TopicId::from_u128(12345);
        let whole = partition_metadata(id);
        let read = |content: &[u8]| {
            let file = disk.create(Path::new("/partition.metadata")).unwrap();
            file.write_all_at(&mut [std::io::IoSlice::new(content)], 0).unwrap();
            read_partition_metadata(&disk, Path::new("/"))
        };
        assert_eq!(read(whole.as_bytes()).unwrap(), Some(id));
        for size in 0..whole.len() {
            let mut torn = whole.as_bytes()[..size].to_vec();
            assert_eq!(read(&torn).unwrap(), None, "{size}");
            torn.resize(whole.len(), 0);
            assert_eq!(read(&torn).unwrap(), None, "{size}");
        }
        assert!(read(b"version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ").is_err());
        assert!(read(b"something else").is_err());
    }

    #[test]
    fn what_is_written_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RECOVERY_POINTS);
        assert_eq!(read_offsets(&Disk::Real, &path).unwrap(), Offsets::new());
        let offsets: Offsets =
            (0..3).map(|n| (TopicPartition::new("a-b", n), Offset(i64::from(n) * 7))).collect();
        write_offsets(&Disk::Real, &path, &offsets).unwrap();
        assert_eq!(read_offsets(&Disk::Real, &path).unwrap(), offsets);
    }
}
