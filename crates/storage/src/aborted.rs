//! `%020d.txnindex`: the transactions that abort markers in a segment end, in Kafka's format version 0.
//!
//! ```text
//! 0        2           10           18           26               34
//! ├────────┼───────────┼────────────┼────────────┼────────────────┤  per aborted transaction
//! version   producer id first offset last offset  last stable
//! i16       i64         i64          i64 (marker) offset i64
//! ```
//! Entries stand in the order of their markers, so `last offset` rises. `last stable offset` is the one right
//! behind the marker: no transaction that a later entry tells of begins before it. A segment without aborted
//! transactions has no such file.

use crate::error::{Context, StorageError};
use crate::segment::Folder;
use crate::sync::Mutex;
use ottla_ids::{Offset, ProducerId};
use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;

/// The suffix of the file.
pub(crate) const SUFFIX: &str = ".txnindex";

/// Entries read at once.
const CHUNK_ENTRIES: u64 = 64;

/// An aborted transaction, as far as it lies in one partition (Kafka's `AbortedTxn`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The producer.
    pub producer_id: ProducerId,
    /// The transaction's first offset.
    pub first_offset: Offset,
    /// The offset of the abort marker.
    pub last_offset: Offset,
    /// The partition's last stable offset once the marker counts.
    pub last_stable_offset: Offset,
}

impl AbortedTransaction {
    /// Bytes of an entry.
    pub const SIZE: usize = 34;
    const VERSION: i16 = 0;

    /// An entry of the file; `None` if it is of an unknown version or no transaction.
    pub fn decode(entry: &[u8; AbortedTransaction::SIZE]) -> Option<AbortedTransaction> {
        let (version, rest) = entry.split_first_chunk::<2>()?;
        let (fields, []) = rest.as_chunks::<8>() else { return None };
        let [producer_id, first, last, stable] = fields else { return None };
        let offset = |bytes: &[u8; 8]| Offset(i64::from_be_bytes(*bytes));
        let read = AbortedTransaction {
            producer_id: ProducerId(i64::from_be_bytes(*producer_id)),
            first_offset: offset(first),
            last_offset: offset(last),
            last_stable_offset: offset(stable),
        };
        let is_possible = i16::from_be_bytes(*version) == AbortedTransaction::VERSION
            && 0 <= read.first_offset.0
            && read.first_offset < read.last_offset;
        is_possible.then_some(read)
    }

    /// Appends the entry to `bytes`.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(AbortedTransaction::VERSION.to_be_bytes());
        bytes.extend(self.producer_id.0.to_be_bytes());
        bytes.extend(self.first_offset.0.to_be_bytes());
        bytes.extend(self.last_offset.0.to_be_bytes());
        bytes.extend(self.last_stable_offset.0.to_be_bytes());
    }
}

/// The entries of a whole file; `None` if it is damaged.
pub(crate) fn decode_all(bytes: &[u8]) -> Option<Vec<AbortedTransaction>> {
    let (chunks, []) = bytes.as_chunks::<{ AbortedTransaction::SIZE }>() else { return None };
    let entries: Vec<AbortedTransaction> =
        chunks.iter().map(AbortedTransaction::decode).collect::<Option<_>>()?;
    entries.is_sorted_by(|a, b| a.last_offset < b.last_offset).then_some(entries)
}

fn encode_all(entries: &[AbortedTransaction]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * AbortedTransaction::SIZE);
    entries.iter().for_each(|entry| entry.encode(&mut bytes));
    bytes
}

/// The aborted transactions of one segment. The file is opened when it is needed, and only counted in memory.
#[derive(Debug)]
pub(crate) struct AbortedIndex {
    /// Entries in the file, once it was looked at. The file is changed under this lock only.
    count: Mutex<Option<u64>>,
}

impl AbortedIndex {
    /// That of a segment that was there before; the file is looked at when it is needed.
    pub fn existing() -> AbortedIndex {
        AbortedIndex { count: Mutex::new(None) }
    }

    /// The file was removed.
    pub fn set_empty(&self) {
        *self.count.lock() = Some(0);
    }

    /// Looks at the file, unless that was done; where it is damaged, it is written anew with what `rebuild`
    /// finds in the records.
    pub fn load(
        &self,
        file: &IndexFile<'_>,
        rebuild: impl FnOnce() -> Result<Vec<AbortedTransaction>, StorageError>,
    ) -> Result<u64, StorageError> {
        let mut count = self.count.lock();
        if let Some(count) = *count {
            return Ok(count);
        }
        let entries = match file.read()?.as_deref().map(decode_all) {
            None => 0,
            Some(Some(entries)) => entries.len(),
            Some(None) => {
                tracing::warn!("{} is damaged: it is made anew from the records", file.path().display());
                let entries = rebuild()?;
                file.write(0, &entries)?;
                entries.len()
            }
        };
        Ok(*count.insert(entries as u64))
    }

    /// Adds entries behind those that are there, without a sync. [`AbortedIndex::load`] came before.
    pub fn append(&self, file: &IndexFile<'_>, entries: &[AbortedTransaction]) -> Result<(), StorageError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut count = self.count.lock();
        let before = count.unwrap_or(0);
        file.write(before, entries)?;
        *count = Some(before + entries.len() as u64);
        Ok(())
    }

    /// Leaves the entries whose marker lies below `end`, and takes `then` for the rest; a damaged file counts as
    /// empty from its first bad entry on.
    pub fn truncate(
        &self,
        file: &IndexFile<'_>,
        end: Offset,
        then: &[AbortedTransaction],
    ) -> Result<(), StorageError> {
        let mut count = self.count.lock();
        let bytes = file.read()?;
        let (chunks, _) = bytes.as_deref().unwrap_or_default().as_chunks::<{ AbortedTransaction::SIZE }>();
        let mut before = Offset(-1);
        let is_kept = |entry: &AbortedTransaction| {
            let is_next = before < entry.last_offset && entry.last_offset < end;
            before = entry.last_offset;
            is_next
        };
        let kept = chunks.iter().map_while(AbortedTransaction::decode).take_while(is_kept).count() as u64;
        let size = bytes.map(|bytes| bytes.len() as u64);
        let is_right = size.unwrap_or(0) == kept * AbortedTransaction::SIZE as u64;
        if kept == 0 && then.is_empty() {
            file.remove()?;
        } else if !is_right || !then.is_empty() {
            file.write(kept, then)?;
        }
        *count = Some(kept + then.len() as u64);
        Ok(())
    }

    /// Adds to `found` the transactions that have records between `from` and `end`; whether those of later
    /// segments are known to begin behind that. [`AbortedIndex::load`] came before.
    pub fn collect(
        &self,
        file: &IndexFile<'_>,
        from: Offset,
        end: Offset,
        found: &mut Vec<AbortedTransaction>,
    ) -> Result<bool, StorageError> {
        let count = self.count.lock().unwrap_or(0);
        if count == 0 {
            return Ok(false);
        }
        let path = file.path();
        let opened = file.folder.disk.open(&path).at("open", &path)?;
        let read = |entry: u64, entries: u64| {
            let mut bytes = vec![0; entries as usize * AbortedTransaction::SIZE];
            let position = entry * AbortedTransaction::SIZE as u64;
            let filled = opened.read_at(&mut bytes, position).at("read", &path)?;
            bytes.truncate(filled);
            let (chunks, _) = bytes.as_chunks::<{ AbortedTransaction::SIZE }>();
            let read: Option<Vec<AbortedTransaction>> =
                chunks.iter().map(AbortedTransaction::decode).collect();
            read.ok_or_else(|| StorageError::Corrupt {
                path: path.clone(),
                position,
                offset: from,
                reason: "an entry of the aborted-transaction index cannot be read".to_owned(),
            })
        };
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            match read(middle, 1)?.first() {
                Some(entry) if entry.last_offset < from => low = middle + 1,
                _ => high = middle,
            }
        }
        while low < count {
            let chunk = read(low, CHUNK_ENTRIES.min(count - low))?;
            // Cut since: what was asked for is not there any more either.
            if chunk.is_empty() {
                break;
            }
            low += chunk.len() as u64;
            for entry in chunk {
                if from <= entry.last_offset && entry.first_offset < end {
                    found.push(entry);
                }
                if end <= entry.last_stable_offset {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The file of an [`AbortedIndex`].
pub(crate) struct IndexFile<'a> {
    pub folder: &'a Arc<Folder>,
    /// The segment's base offset.
    pub base: Offset,
    /// What the names of the segment's files end in.
    pub mark: &'static str,
}

impl IndexFile<'_> {
    fn path(&self) -> PathBuf {
        self.folder.file(self.base, &format!("{SUFFIX}{}", self.mark))
    }

    fn read(&self) -> Result<Option<Vec<u8>>, StorageError> {
        let path = self.path();
        self.folder.disk.read(&path).at("read", &path)
    }

    fn remove(&self) -> Result<(), StorageError> {
        let path = self.path();
        self.folder.disk.remove_file(&path).at("remove", &path)
    }

    /// Writes entries behind the first `kept`, which end the file. After an error they end it, too.
    fn write(&self, kept: u64, entries: &[AbortedTransaction]) -> Result<(), StorageError> {
        let path = self.path();
        let from = kept * AbortedTransaction::SIZE as u64;
        let file = self.folder.disk.open_or_create(&path).at("open", &path)?;
        let bytes = encode_all(entries);
        let written = file.write_all_at(&mut [IoSlice::new(&bytes)], from).at("write", &path);
        let end = from + if written.is_ok() { bytes.len() as u64 } else { 0 };
        if file.size().at("look at", &path)? != end {
            file.set_size(end).at("cut", &path)?;
        }
        written
    }
}

#[cfg(test)]
mod tests;
