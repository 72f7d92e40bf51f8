//! The small files: indexes, producer snapshots, leader epochs, offset checkpoints.

use crate::checkpoint::{Offsets, read_offsets, read_partition_metadata};
use crate::disk::Disk;
use crate::epochs::EpochStart;
use crate::error::{Context, StorageError};
use crate::producers::{ProducerState, decode};
use ottla_ids::{LeaderEpoch, Offset, ProducerId, TopicId};
use std::path::Path;

/// An entry of an offset index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetIndexEntry {
    /// The last offset of a batch.
    pub offset: Offset,
    /// Where the batch begins in the segment's file.
    pub position: i32,
}

/// An entry of a time index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeIndexEntry {
    /// The greatest timestamp up to there, in ms since 1970.
    pub timestamp: i64,
    /// The last offset of the batch that has it.
    pub offset: Offset,
}

/// An entry of a transaction index: an aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedEntry {
    /// The format's version; 0 is the only one.
    pub version: i16,
    /// The producer.
    pub producer_id: ProducerId,
    /// The transaction's first offset.
    pub first_offset: Offset,
    /// The offset of the marker that aborted it.
    pub last_offset: Offset,
    /// The last stable offset once the marker was written.
    pub last_stable_offset: Offset,
}

/// What is in an index file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexContent<E> {
    /// The entries, without the zeros at the end of a file that was preallocated.
    pub entries: Vec<E>,
    /// Bytes behind the last whole entry, or zeros behind the last entry that says something.
    pub spare_bytes: u64,
    /// Bytes of the file.
    pub size: u64,
}

/// What is in a producer snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotContent {
    /// The producers, by id.
    pub producers: Vec<ProducerState>,
}

fn bytes_of(disk: &Disk, path: &Path) -> Result<Vec<u8>, StorageError> {
    let bytes = disk.read(path).at("read", path)?;
    bytes.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound)).at("read", path)
}

fn index<const SIZE: usize, E>(bytes: &[u8], entry: impl Fn(&[u8; SIZE]) -> E) -> IndexContent<E> {
    let mut chunks: Vec<&[u8; SIZE]> = bytes.as_chunks().0.iter().collect();
    // The first entry may well be all zeros: a segment's first batch.
    while chunks.len() > 1 && chunks.last().is_some_and(|it| **it == [0; SIZE]) {
        chunks.pop();
    }
    let is_sparse =
        bytes.len() > SIZE && chunks.len() == 1 && chunks.first().is_some_and(|it| **it == [0; SIZE]);
    if is_sparse {
        chunks.pop();
    }
    let used = chunks.len() * SIZE;
    IndexContent {
        entries: chunks.into_iter().map(entry).collect(),
        spare_bytes: (bytes.len() - used) as u64,
        size: bytes.len() as u64,
    }
}

fn field<const AT: usize, const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.get(AT..AT + N).and_then(|it| it.try_into().ok()).unwrap_or([0; N])
}

/// Reads an `.index`; `base` is the offset in its name.
///
/// # Errors
/// Where it cannot be read. Whether the entries make sense is for the caller to see.
pub fn read_offset_index(
    disk: &Disk,
    path: &Path,
    base: Offset,
) -> Result<IndexContent<OffsetIndexEntry>, StorageError> {
    Ok(index(&bytes_of(disk, path)?, |bytes: &[u8; 8]| OffsetIndexEntry {
        offset: base.plus(i64::from(i32::from_be_bytes(field::<0, 4>(bytes)))),
        position: i32::from_be_bytes(field::<4, 4>(bytes)),
    }))
}

/// Reads a `.timeindex`; `base` is the offset in its name.
///
/// # Errors
/// As [`read_offset_index`].
pub fn read_time_index(
    disk: &Disk,
    path: &Path,
    base: Offset,
) -> Result<IndexContent<TimeIndexEntry>, StorageError> {
    Ok(index(&bytes_of(disk, path)?, |bytes: &[u8; 12]| TimeIndexEntry {
        timestamp: i64::from_be_bytes(field::<0, 8>(bytes)),
        offset: base.plus(i64::from(i32::from_be_bytes(field::<8, 4>(bytes)))),
    }))
}

/// Reads a `.txnindex`.
///
/// # Errors
/// As [`read_offset_index`].
pub fn read_aborted_index(disk: &Disk, path: &Path) -> Result<IndexContent<AbortedEntry>, StorageError> {
    Ok(index(&bytes_of(disk, path)?, |bytes: &[u8; 34]| AbortedEntry {
        version: i16::from_be_bytes(field::<0, 2>(bytes)),
        producer_id: ProducerId(i64::from_be_bytes(field::<2, 8>(bytes))),
        first_offset: Offset(i64::from_be_bytes(field::<10, 8>(bytes))),
        last_offset: Offset(i64::from_be_bytes(field::<18, 8>(bytes))),
        last_stable_offset: Offset(i64::from_be_bytes(field::<26, 8>(bytes))),
    }))
}

/// Reads a producer snapshot, its CRC compared.
///
/// # Errors
/// [`StorageError::InvalidFile`] where it is not one that can be used.
pub fn read_producer_snapshot(disk: &Disk, path: &Path) -> Result<SnapshotContent, StorageError> {
    let producers = decode(&bytes_of(disk, path)?)
        .map_err(|error| StorageError::InvalidFile { path: path.to_owned(), reason: error.to_string() })?;
    let mut producers: Vec<ProducerState> = producers.states().cloned().collect();
    producers.sort_by_key(|state| state.producer_id);
    Ok(SnapshotContent { producers })
}

/// Reads a `leader-epoch-checkpoint`, entry by entry as it is written.
///
/// # Errors
/// [`StorageError::InvalidFile`] where a line is malformed or their number is not the one it tells.
pub fn read_leader_epochs(disk: &Disk, path: &Path) -> Result<Vec<EpochStart>, StorageError> {
    let bytes = bytes_of(disk, path)?;
    let text = String::from_utf8_lossy(&bytes);
    let entries = crate::checkpoint::lines(&text).and_then(|lines| {
        lines
            .into_iter()
            .map(|line| {
                let mut words = line.split_whitespace();
                let epoch = words.next().and_then(|it| it.parse().ok()).map(LeaderEpoch);
                let start = words.next().and_then(|it| it.parse().ok()).map(Offset);
                match (epoch, start, words.next()) {
                    (Some(epoch), Some(start), None) => Ok(EpochStart { epoch, start }),
                    _ => Err(format!("malformed line '{line}'")),
                }
            })
            .collect()
    });
    entries.map_err(|reason| StorageError::InvalidFile { path: path.to_owned(), reason })
}

/// Reads an offset checkpoint; a missing one is empty.
///
/// # Errors
/// [`StorageError::InvalidFile`] where a line is malformed or their number is not the one it tells.
pub fn read_offset_checkpoint(disk: &Disk, path: &Path) -> Result<Offsets, StorageError> {
    read_offsets(disk, path)
}

/// Reads the topic id in a partition's folder; `None` where there is none, or only the beginning of one.
///
/// # Errors
/// [`StorageError::InvalidFile`] where the file holds something else.
pub fn read_topic_id(disk: &Disk, folder: &Path) -> Result<Option<TopicId>, StorageError> {
    read_partition_metadata(disk, folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimulatedDisk;
    use std::io::IoSlice;

    #[test]
    fn zeros_behind_the_entries_are_spare() {
        let disk = Disk::Simulated(SimulatedDisk::new(0));
        let path = Path::new("/00000000000000000100.index");
        let entries = |bytes: &[u8]| {
            disk.create(path).unwrap().write_all_at(&mut [IoSlice::new(bytes)], 0).unwrap();
            let content = read_offset_index(&disk, path, Offset(100)).unwrap();
            let entries: Vec<_> = content.entries.iter().map(|it| (it.offset.0, it.position)).collect();
            (entries, content.spare_bytes)
        };
        let one = [0, 0, 0, 3, 0, 0, 1, 0];
        assert_eq!(entries(&one), (vec![(103, 256)], 0));
        assert_eq!(entries(&[&one[..], &[0; 24]].concat()), (vec![(103, 256)], 24));
        assert_eq!(entries(&[&one[..], &[0; 3]].concat()), (vec![(103, 256)], 3));
        assert_eq!(entries(&[0; 8]), (vec![(100, 0)], 0));
        assert_eq!(entries(&[0; 80]), (vec![], 80));
        assert_eq!(entries(&[]), (vec![], 0));
    }
}
