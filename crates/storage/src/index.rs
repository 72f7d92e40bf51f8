//! The sparse indexes of a segment: offset to file position, and timestamp to offset.
//!
//! ```text
//! .index       relative offset i32, position i32     8 bytes: a batch's last offset, and where it begins
//! .timeindex   timestamp i64, relative offset i32   12 bytes: the greatest timestamp so far, and the last
//!                                                             offset of the batch that has it
//! ```
//! Both ascend. The active segment's entries are in memory ([`Growing`]) and written now and then; of a closed
//! segment only every 512th entry is held ([`Paged`]), and a lookup reads the few KiB between two of them.

use crate::disk::File;
use std::io;

/// Entries between two that are held in memory.
const PAGE: usize = 512;

/// What an index holds.
pub(crate) trait IndexEntry: Copy + PartialEq + std::fmt::Debug {
    /// Bytes in the file.
    const SIZE: usize;
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
    fn append_to(&self, bytes: &mut Vec<u8>);
    /// Whether this entry may follow `last`.
    fn follows(&self, last: &Self) -> bool;
}

/// A batch, as the offset index names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// The batch's last offset less the segment's base offset.
    pub relative: u32,
    /// Where the batch begins in the file.
    pub position: u32,
}

/// The greatest timestamp up to some batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    /// In ms since 1970.
    pub timestamp: i64,
    /// The last offset of the batch that has it, less the segment's base offset.
    pub relative: u32,
}

impl IndexEntry for OffsetEntry {
    const SIZE: usize = 8;

    fn from_bytes(bytes: &[u8]) -> Option<OffsetEntry> {
        let (relative, rest) = bytes.split_first_chunk()?;
        let position = rest.first_chunk()?;
        let (relative, position) = (i32::from_be_bytes(*relative), i32::from_be_bytes(*position));
        Some(OffsetEntry { relative: relative.try_into().ok()?, position: position.try_into().ok()? })
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.relative.to_be_bytes());
        bytes.extend(self.position.to_be_bytes());
    }

    fn follows(&self, last: &OffsetEntry) -> bool {
        last.relative < self.relative && last.position < self.position
    }
}

impl IndexEntry for TimeEntry {
    const SIZE: usize = 12;

    fn from_bytes(bytes: &[u8]) -> Option<TimeEntry> {
        let (timestamp, rest) = bytes.split_first_chunk()?;
        let relative = i32::from_be_bytes(*rest.first_chunk()?);
        Some(TimeEntry { timestamp: i64::from_be_bytes(*timestamp), relative: relative.try_into().ok()? })
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.relative.to_be_bytes());
    }

    fn follows(&self, last: &TimeEntry) -> bool {
        last.timestamp < self.timestamp && last.relative <= self.relative
    }
}

/// The entries of an index file up to the first that cannot be right: a file that a crash left preallocated
/// ends in zeros.
pub(crate) fn valid_entries<E: IndexEntry>(bytes: &[u8]) -> Vec<E> {
    let mut entries: Vec<E> = Vec::with_capacity(bytes.len() / E::SIZE);
    for raw in bytes.chunks_exact(E::SIZE) {
        match E::from_bytes(raw) {
            Some(entry) if entries.last().is_none_or(|last| entry.follows(last)) => entries.push(entry),
            _ => break,
        }
    }
    entries
}

/// The index of a segment that grows no more.
#[derive(Clone, Debug)]
pub(crate) struct Paged<E> {
    count: usize,
    /// Every [`PAGE`]th entry.
    firsts: Vec<E>,
    last: Option<E>,
}

impl<E: IndexEntry> Paged<E> {
    /// The index whose file holds exactly these entries.
    pub fn new(entries: &[E]) -> Paged<E> {
        Paged {
            count: entries.len(),
            firsts: entries.iter().step_by(PAGE).copied().collect(),
            last: entries.last().copied(),
        }
    }

    pub fn last(&self) -> Option<E> {
        self.last
    }

    /// The last entry for which `is_before` holds, which must hold for a prefix of all.
    pub fn last_before(
        &self,
        is_before: impl Fn(&E) -> bool,
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<Option<E>> {
        if self.last.as_ref().is_none_or(&is_before) {
            return Ok(self.last);
        }
        let Some(page) = self.firsts.partition_point(&is_before).checked_sub(1) else { return Ok(None) };
        let from = page * PAGE;
        let mut bytes = vec![0; self.count.saturating_sub(from).min(PAGE) * E::SIZE];
        let read = open()?.read_at(&mut bytes, (from * E::SIZE) as u64)?;
        let entries = valid_entries::<E>(bytes.get(..read).unwrap_or_default());
        let index = entries.partition_point(&is_before);
        // At worst the page's first entry, which is in memory: reading starts earlier than it had to.
        Ok(index.checked_sub(1).and_then(|index| entries.get(index)).or(self.firsts.get(page)).copied())
    }
}

/// The indexes of the active segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Growing {
    pub offsets: Vec<OffsetEntry>,
    pub times: Vec<TimeEntry>,
    /// So many of the entries are in the files.
    pub offsets_written: usize,
    pub times_written: usize,
    /// The greatest timestamp so far, and the last offset of the batch that has it.
    pub largest: Option<TimeEntry>,
    /// Bytes of records since the last entry in the offset index.
    pub bytes_since_entry: u64,
}

impl Growing {
    /// Notes a batch that begins at `position`; `relative` is its last offset less the base offset.
    pub fn add(&mut self, relative: u32, position: u32, size: usize, max_timestamp: i64, interval: u32) {
        if self.largest.is_none_or(|largest| largest.timestamp < max_timestamp) {
            self.largest = Some(TimeEntry { timestamp: max_timestamp, relative });
        }
        if self.bytes_since_entry > u64::from(interval) {
            self.offsets.push(OffsetEntry { relative, position });
            self.add_time();
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += size as u64;
    }

    /// Notes the greatest timestamp so far, if it is greater than the last noted.
    pub fn add_time(&mut self) {
        if let Some(largest) = self.largest
            && self.times.last().map_or(largest.timestamp >= 0, |last| largest.follows(last))
        {
            self.times.push(largest);
        }
    }

    /// Whether one of the indexes has no room for another entry, with `bytes` for its file.
    pub fn is_full(&self, bytes: u32) -> bool {
        let bytes = bytes as usize;
        // The time index keeps room for the entry that closes it.
        self.offsets.len() >= bytes / OffsetEntry::SIZE || self.times.len() + 1 >= bytes / TimeEntry::SIZE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use std::io::IoSlice;
    use std::path::Path;

    #[test]
    fn a_closed_index_finds_what_the_whole_list_would() {
        let disk = Disk::Simulated(crate::disk::SimulatedDisk::new(0));
        for count in [0, 1, 2, 511, 512, 513, 5000] {
            let entries: Vec<OffsetEntry> =
                (0..count).map(|n| OffsetEntry { relative: n * 10 + 5, position: n * 4096 + 1 }).collect();
            let mut bytes = Vec::new();
            entries.iter().for_each(|entry| entry.append_to(&mut bytes));
            let file = disk.create(Path::new("/index")).unwrap();
            file.write_all_at(&mut [IoSlice::new(&bytes)], 0).unwrap();
            let paged = Paged::new(&entries);
            assert_eq!(valid_entries::<OffsetEntry>(&bytes), entries);
            for target in (0..count * 10 + 20).step_by(7) {
                let found = paged.last_before(|entry| entry.relative <= target, || Ok(file.clone())).unwrap();
                let expected = entries.iter().rfind(|entry| entry.relative <= target).copied();
                assert_eq!(found, expected, "{target} of {count}");
            }
        }
    }

    #[test]
    fn zeros_behind_the_entries_are_not_entries() {
        let mut bytes = Vec::new();
        OffsetEntry { relative: 3, position: 0 }.append_to(&mut bytes);
        OffsetEntry { relative: 9, position: 70 }.append_to(&mut bytes);
        bytes.extend([0; 80]);
        assert_eq!(valid_entries::<OffsetEntry>(&bytes).len(), 2);
        bytes.truncate(12);
        assert_eq!(valid_entries::<OffsetEntry>(&bytes).len(), 1);
    }

    #[test]
    fn an_entry_is_added_when_the_interval_is_passed() {
        let mut growing = Growing::default();
        for n in 0..10u32 {
            growing.add(n, n * 100, 100, i64::from(n % 4), 250);
        }
        let relatives: Vec<u32> = growing.offsets.iter().map(|entry| entry.relative).collect();
        assert_eq!(relatives, [3, 6, 9]);
        assert_eq!(growing.times, [TimeEntry { timestamp: 3, relative: 3 }]);
    }
}
