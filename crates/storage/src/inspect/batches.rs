//! The batches of a file, one behind the other, CRCs compared.

use super::names::FileName;
use crate::disk::{Disk, File};
use crate::error::{Context, StorageError};
use ottla_ids::Offset;
use ottla_records::{BatchError, BatchHeader, BatchView, HEADER_SIZE};
use std::path::{Path, PathBuf};

/// A batch that claims to be larger is no batch: a segment's file holds at most 2³¹-1 bytes.
pub const BATCH_SIZE_MAX: usize = i32::MAX as usize;
/// Read at once.
const CHUNK: usize = 1 << 20;

/// What is wrong at one place of a file of batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchFileError {
    /// Where the bad batch begins, in bytes.
    pub position: u64,
    /// The offset behind the last good batch; with none before it, the one in the file's name.
    pub expected: Offset,
    /// What is wrong.
    pub error: BatchError,
}

/// A batch and where it begins, or what is wrong there; `None` at the file's end.
pub type NextBatch<'a> = Option<Result<(u64, BatchView<'a>), BatchFileError>>;

/// A file of batches, read from its start.
#[derive(Debug)]
pub struct BatchFile {
    file: File,
    path: PathBuf,
    size: u64,
    position: u64,
    expected: Offset,
    buffer: Vec<u8>,
    /// The position of the buffer's first byte.
    start: u64,
    filled: usize,
}

impl BatchFile {
    /// Opens a file for reading, as large as it is now.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(disk: &Disk, path: &Path) -> Result<BatchFile, StorageError> {
        let file = disk.open_to_read(path).at("open", path)?;
        let size = file.size().at("look at", path)?;
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let base = FileName::parse(name).base.unwrap_or(Offset::ZERO);
        Ok(BatchFile {
            file,
            path: path.to_owned(),
            size,
            position: 0,
            expected: base,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
        })
    }

    /// Bytes of the file, as it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where the next batch begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at `position`, where a batch should begin.
    pub fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// The next batch and where it begins, its CRC compared; `None` at the end. After damage it stays where it
    /// is: [`BatchFile::skip_damage`] goes on.
    ///
    /// # Errors
    /// Where the file cannot be read. What is wrong with its content is the inner error.
    pub fn next_batch(&mut self) -> Result<NextBatch<'_>, StorageError> {
        if self.position >= self.size {
            return Ok(None);
        }
        let position = self.position;
        let expected = self.expected;
        let bad = |error| Ok(Some(Err(BatchFileError { position, expected, error })));
        let left = usize::try_from(self.size - position).unwrap_or(usize::MAX);
        let bytes = self.bytes_at(position, HEADER_SIZE.min(left))?;
        let size = match BatchHeader::parse(bytes) {
            Ok(header) => header.size(),
            Err(error) => return bad(error),
        };
        if size > left || size > BATCH_SIZE_MAX {
            return bad(BatchError::Truncated { needed: size, available: left });
        }
        let bytes = self.bytes_at(position, size)?;
        let checked =
            BatchView::parse(bytes).and_then(|batch| batch.check_crc().map(|()| batch.next_offset()));
        match checked {
            Err(error) => bad(error),
            Ok(next) => {
                self.position = position + size as u64;
                self.expected = next;
                let start = (position - self.start) as usize;
                let bytes = self.buffer.get(start..start + size).unwrap_or_default();
                match BatchView::parse(bytes) {
                    Ok(batch) => Ok(Some(Ok((position, batch)))),
                    Err(error) => bad(error),
                }
            }
        }
    }

    /// Finds the next whole batch with the right CRC behind the damage at the current position, and goes there;
    /// `None`, at the file's end, where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn skip_damage(&mut self) -> Result<Option<u64>, StorageError> {
        let (least, size) = (self.expected, self.size);
        let mut candidate = self.position + 1;
        while candidate + HEADER_SIZE as u64 <= self.size {
            let window = usize::try_from(self.size - candidate).unwrap_or(usize::MAX).min(CHUNK);
            let bytes = self.bytes_at(candidate, window)?;
            // Magic 2 stands 16 bytes behind a batch's start.
            let found = bytes.windows(HEADER_SIZE).position(|it| {
                it.get(16) == Some(&2)
                    && BatchHeader::parse(it).is_ok_and(|header| {
                        least <= header.base_offset()
                            && header.base_offset().0 - least.0 <= i64::from(i32::MAX)
                            && header.size() as u64 <= size
                    })
            });
            let Some(found) = found else {
                candidate += (window + 1 - HEADER_SIZE) as u64;
                continue;
            };
            candidate += found as u64;
            self.position = candidate;
            let expected = self.expected;
            let is_batch = matches!(self.next_batch()?, Some(Ok(_)));
            self.expected = expected;
            self.position = candidate;
            if is_batch {
                return Ok(Some(candidate));
            }
            candidate += 1;
        }
        self.position = self.size;
        Ok(None)
    }

    /// `count` bytes from `position` on, fewer only where the file has shrunk since.
    fn bytes_at(&mut self, position: u64, count: usize) -> Result<&[u8], StorageError> {
        let is_there = self.start <= position && position + count as u64 <= self.start + self.filled as u64;
        if !is_there {
            let left = usize::try_from(self.size.saturating_sub(position)).unwrap_or(usize::MAX);
            let wanted = count.max(CHUNK).min(left);
            if self.buffer.len() < wanted || self.buffer.len() > wanted.max(CHUNK) {
                self.buffer = vec![0; wanted];
            }
            let target = self.buffer.get_mut(..wanted).unwrap_or_default();
            self.filled = self.file.read_at(target, position).at("read", &self.path)?;
            self.start = position;
        }
        let from = (position - self.start) as usize;
        let to = (from + count).min(self.filled);
        Ok(self.buffer.get(from..to).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimulatedDisk;
    use ottla_records::{BatchBuilder, Compression};
    use std::io::IoSlice;

    fn batch(offset: i64, size: usize) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Offset(offset), Compression::None);
        builder.append(1, None, Some(&vec![7; size]), &[]).unwrap();
        builder.finish().unwrap().to_vec()
    }

    fn walk(bytes: &[u8]) -> String {
        let disk = Disk::Simulated(SimulatedDisk::new(0));
        let path = Path::new("/00000000000000000000.log");
        disk.create(path).unwrap().write_all_at(&mut [IoSlice::new(bytes)], 0).unwrap();
        let mut file = BatchFile::open(&disk, path).unwrap();
        let mut seen = String::new();
        loop {
            match file.next_batch().unwrap() {
                None => return seen,
                Some(Ok((position, batch))) => seen.push_str(&format!("{}@{position} ", batch.base_offset())),
                Some(Err(error)) => {
                    seen.push_str(&format!("bad@{} ", error.position));
                    file.skip_damage().unwrap();
                }
            }
        }
    }

    #[test]
    fn damage_is_told_and_what_lies_behind_it_is_found() {
        let (one, two, three) = (batch(0, 100), batch(1, 3 << 20), batch(2, 10));
        let all = [one.clone(), two.clone(), three].concat();
        let third = one.len() + two.len();
        assert_eq!(walk(&all), format!("0@0 1@{} 2@{third} ", one.len()));
        for byte in [8, 11, 16, 17, 40, 61, 150] {
            let mut bytes = all.clone();
            bytes[byte] ^= 0x10;
            assert_eq!(walk(&bytes), format!("bad@0 1@{} 2@{third} ", one.len()), "byte {byte}");
        }
        let mut bytes = all.clone();
        bytes[one.len() + 5000] ^= 1;
        assert_eq!(walk(&bytes), format!("0@0 bad@{} 2@{third} ", one.len()));
        assert_eq!(walk(&all[..third + 20]), format!("0@0 1@{} bad@{third} ", one.len()));
        assert_eq!(walk(&[0; 300]), "bad@0 ");
    }
}
