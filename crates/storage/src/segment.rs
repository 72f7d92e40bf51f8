//! One segment of a log: `%020d.log` with its indexes.
//!
//! A segment's files are opened when they are first used, and its indexes read when first looked into.

use crate::aborted::{AbortedIndex, AbortedTransaction, IndexFile};
use crate::disk::{Disk, File};
use crate::error::{Context, StorageError};
use crate::index::{Growing, IndexEntry, OffsetEntry, Paged, TimeEntry, valid_entries};
use crate::open_files::{HeldFile, OpenFiles};
use crate::sync::{Dirt, Mutex, RwLock};
use ottla_ids::Offset;
use ottla_records::{BatchHeader, HEADER_SIZE};
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Read at once when batch headers are walked: several small batches, or one header.
const CHUNK: usize = 4096;
/// A larger segment without a single index entry has lost its index.
const INDEXLESS_SIZE_MAX: u64 = 64 << 10;
const SIZE_UNKNOWN: u64 = u64::MAX;

/// A partition's folder.
#[derive(Debug)]
pub(crate) struct Folder {
    pub disk: Disk,
    pub path: PathBuf,
    /// Where its segments' files are held open.
    pub files: Arc<OpenFiles>,
}

impl Folder {
    /// The path of the file that belongs to `offset`.
    pub fn file(&self, offset: Offset, suffix: &str) -> PathBuf {
        self.path.join(format!("{:020}{suffix}", offset.0))
    }
}

/// A segment. What lies behind `size` is being written.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The first offset that it may hold.
    pub base: Offset,
    folder: Arc<Folder>,
    file: Arc<HeldFile>,
    /// Bytes of whole batches; [`SIZE_UNKNOWN`] until the file was looked at.
    size: AtomicU64,
    /// Whether something was written since the last sync.
    pub dirt: Dirt,
    /// Whether room was taken for more than it holds.
    has_reserve: AtomicBool,
    index: RwLock<Index>,
    aborted: AbortedIndex,
    /// Held while index files are written.
    index_files: Mutex<()>,
    /// What its files' names end in. Held while files are opened by name or renamed, so that nobody opens the
    /// file of another segment that has taken the name since.
    mark: RwLock<&'static str>,
}

#[derive(Debug)]
enum Index {
    Unloaded,
    Growing(Growing),
    Closed(Arc<Closed>),
}

#[derive(Debug)]
struct Closed {
    offsets: Paged<OffsetEntry>,
    times: Paged<TimeEntry>,
}

impl Segment {
    /// The segment of an existing file.
    pub fn existing(folder: &Arc<Folder>, base: Offset) -> Segment {
        Segment {
            base,
            folder: Arc::clone(folder),
            file: HeldFile::closed(),
            size: AtomicU64::new(SIZE_UNKNOWN),
            dirt: Dirt::default(),
            has_reserve: AtomicBool::new(false),
            index: RwLock::new(Index::Unloaded),
            aborted: AbortedIndex::existing(),
            index_files: Mutex::new(()),
            mark: RwLock::new(""),
        }
    }

    /// Creates the file of an empty segment, and drops what another of this name may have left.
    pub fn create(folder: &Arc<Folder>, base: Offset) -> Result<Segment, StorageError> {
        let segment = Segment::existing(folder, base);
        segment.remove_indexes()?;
        let path = segment.path();
        let file = folder.disk.create(&path).at("create", &path)?;
        segment.file.set(&folder.files, file);
        segment.size.store(0, Ordering::Release);
        segment.dirt.mark();
        segment.aborted.set_empty();
        *segment.index.write() = Index::Growing(Growing::default());
        Ok(segment)
    }

    /// Creates the files of a segment that is to replace others: their names end in `.cleaned` until it does.
    pub fn create_cleaned(folder: &Arc<Folder>, base: Offset) -> Result<Segment, StorageError> {
        let segment = Segment::existing(folder, base);
        *segment.mark.write() = CLEANED;
        // One that was given up may have left files of these names.
        segment.remove()?;
        let path = segment.path();
        let file = folder.disk.create(&path).at("create", &path)?;
        segment.file.set(&folder.files, file);
        segment.size.store(0, Ordering::Release);
        *segment.index.write() = Index::Growing(Growing::default());
        Ok(segment)
    }

    /// Bytes of its index and of its time index.
    pub fn index_sizes(&self) -> Result<[u64; 2], StorageError> {
        let size = |suffix: &str| match self.open_named(suffix) {
            Ok(file) => file.size(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        };
        let sizes = size(".index").and_then(|index| Ok([index, size(".timeindex")?]));
        sizes.at("look at", &self.index_path())
    }

    /// The content of its index of aborted transactions, if it has one.
    pub fn read_aborted(&self) -> Result<Option<Vec<u8>>, StorageError> {
        let mark = self.mark.read();
        let path = self.named(".txnindex", *mark);
        self.folder.disk.read(&path).at("read", &path)
    }

    /// Writes the index of aborted transactions of a new segment, where there are any.
    pub fn write_aborted(&self, aborted: &[AbortedTransaction]) -> Result<(), StorageError> {
        if aborted.is_empty() {
            return Ok(());
        }
        let path = self.named(".txnindex", *self.mark.read());
        let mut bytes = Vec::with_capacity(aborted.len() * AbortedTransaction::SIZE);
        aborted.iter().for_each(|it| it.encode(&mut bytes));
        let file = self.folder.disk.create(&path).at("create", &path)?;
        file.write_all_at(&mut [IoSlice::new(&bytes)], 0).at("write", &path)
    }

    /// Takes the room that the segment may come to need (`preallocate`). Its size stays that of its records: a
    /// reader, or a recovery, sees nothing of it. A file system that cannot reserve leaves it at that.
    ///
    /// # Errors
    /// There is no room for `size` bytes.
    pub fn reserve(&self, size: u64) -> Result<(), StorageError> {
        match self.file()?.reserve(size) {
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                tracing::warn!("{}: cannot be preallocated on this file system", self.path().display());
                Ok(())
            }
            reserved => {
                self.has_reserve.store(true, Ordering::Release);
                reserved.at("preallocate", &self.path())
            }
        }
    }

    /// Whether [`Segment::reserve`] took room that was not given back.
    pub fn has_reserve(&self) -> bool {
        self.has_reserve.load(Ordering::Acquire)
    }

    /// Gives back the room that [`Segment::reserve`] took beyond the `size` bytes of its records.
    pub fn give_back_reserve(&self, size: u64) -> Result<(), StorageError> {
        if !self.has_reserve.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.file()?.set_size(size).at("cut", &self.path())
    }

    pub fn path(&self) -> PathBuf {
        self.named(".log", *self.mark.read())
    }

    /// The transactions that abort markers in the segment end, and the file that holds them.
    pub fn aborted(&self) -> (&AbortedIndex, IndexFile<'_>) {
        (&self.aborted, IndexFile { folder: &self.folder, base: self.base, mark: *self.mark.read() })
    }

    fn index_path(&self) -> PathBuf {
        self.named(".index", *self.mark.read())
    }

    fn time_index_path(&self) -> PathBuf {
        self.named(".timeindex", *self.mark.read())
    }

    fn named(&self, suffix: &str, mark: &str) -> PathBuf {
        self.folder.file(self.base, &format!("{suffix}{mark}"))
    }

    /// Opens one of its files under the name it has now.
    fn open_named(&self, suffix: &str) -> std::io::Result<File> {
        let mark = self.mark.read();
        self.folder.disk.open(&self.named(suffix, *mark))
    }

    /// The records' file, opened if need be.
    pub fn file(&self) -> Result<File, StorageError> {
        let opened = self.file.get(&self.folder.files, || self.open_named(".log"));
        opened.map_or_else(|error| Err(error).at("open", &self.path()), Ok)
    }

    /// Closes the file until it is used again.
    pub fn close_file(&self) {
        self.file.close();
    }

    /// Closes the file for good: its folder has another name, or is gone. Whoever still holds the segment takes no
    /// room on the disk with it, and does not open what may have its name by now.
    pub fn give_up(&self) {
        *self.mark.write() = DELETED;
        self.close_file();
    }

    /// Bytes of whole batches.
    pub fn size(&self) -> Result<u64, StorageError> {
        match self.size.load(Ordering::Acquire) {
            SIZE_UNKNOWN => {
                let size = self.file()?.size().at("look at", &self.path())?;
                self.size.store(size, Ordering::Release);
                Ok(size)
            }
            size => Ok(size),
        }
    }

    pub fn set_size(&self, size: u64) {
        self.size.store(size, Ordering::Release);
    }

    /// An offset less the base offset, if the indexes can hold it.
    pub fn relative(&self, offset: Offset) -> Option<u32> {
        let relative = offset.0.checked_sub(self.base.0)?;
        i32::try_from(relative).ok()?.try_into().ok()
    }

    /// As [`Segment::relative`], for comparisons: what is out of range counts as the nearest bound.
    fn clamped(&self, offset: Offset) -> Option<u32> {
        let relative = offset.0.checked_sub(self.base.0)?;
        u32::try_from(relative.min(i64::from(u32::MAX))).ok()
    }

    /// Damage in this segment's records.
    pub fn damage(&self, position: u64, offset: Offset, reason: String) -> StorageError {
        StorageError::Corrupt { path: self.path(), position, offset, reason }
    }

    /// Walks the batch headers from `position`, where one begins, to `limit`, where one ends.
    pub fn headers(&self, position: u64, limit: u64) -> Result<HeaderWalk<'_>, StorageError> {
        Ok(HeaderWalk {
            segment: self,
            file: self.file()?,
            position,
            limit,
            expected: self.base,
            buffer: [0; CHUNK],
            buffer_position: 0,
            filled: 0,
        })
    }

    /// The first batch before `limit` that holds `offset` or lies behind it, and where it begins.
    pub fn find(&self, offset: Offset, limit: u64) -> Result<Option<(u64, BatchHeader)>, StorageError> {
        let mut headers = self.headers(self.position_near(offset)?.min(limit), limit)?;
        while let Some((position, header)) = headers.next()? {
            if header.last_offset() >= offset {
                return Ok(Some((position, header)));
            }
        }
        Ok(None)
    }

    /// A position from which reading comes to the batch that holds `offset`: a batch begins there.
    pub fn position_near(&self, offset: Offset) -> Result<u64, StorageError> {
        let Some(target) = self.clamped(offset) else { return Ok(0) };
        self.position_of_last(|entry| entry.relative <= target)
    }

    /// The greatest indexed position up to `position`: a batch begins there.
    pub fn position_up_to(&self, position: u64) -> Result<u64, StorageError> {
        self.position_of_last(|entry| u64::from(entry.position) <= position)
    }

    /// An offset of the segment such that all records before it are older than `timestamp`.
    pub fn offset_near_time(&self, timestamp: i64) -> Result<Offset, StorageError> {
        let is_before = |entry: &TimeEntry| entry.timestamp < timestamp;
        let entry = {
            let index = self.loaded_index()?;
            match &*index {
                Index::Growing(growing) => {
                    let found = growing.times.partition_point(is_before).checked_sub(1);
                    found.and_then(|found| growing.times.get(found)).copied()
                }
                Index::Closed(closed) => {
                    let closed = Arc::clone(closed);
                    drop(index);
                    let path = self.time_index_path();
                    closed.times.last_before(is_before, || self.open_named(".timeindex")).at("read", &path)?
                }
                Index::Unloaded => None,
            }
        };
        let Some(entry) = entry else { return Ok(self.base) };
        let offset = self.base.plus(i64::from(entry.relative));
        let found = self.find(offset, self.size()?)?;
        if found.is_none_or(|(_, header)| header.max_timestamp() == entry.timestamp) {
            return Ok(offset);
        }
        tracing::warn!("{}: an entry has another batch's time", self.time_index_path().display());
        let is_growing = self.with_growing(|growing| {
            growing.times.clear();
            growing.times_written = 0;
            growing.add_time();
        });
        if is_growing.is_none() {
            self.make_index_anew("the time index is wrong")?;
        }
        Ok(self.base)
    }

    /// The greatest timestamp, and the last offset of the batch that has it; `None` in an empty segment.
    pub fn largest_timestamp(&self) -> Result<Option<(i64, Offset)>, StorageError> {
        let index = self.loaded_index()?;
        let entry = match &*index {
            Index::Growing(growing) => growing.largest,
            Index::Closed(closed) => closed.times.last(),
            Index::Unloaded => None,
        };
        Ok(entry.map(|entry| (entry.timestamp, self.base.plus(i64::from(entry.relative)))))
    }

    /// Where the batch begins that the last entry names for which `is_before` holds; 0 with none.
    fn position_of_last(&self, is_before: impl Fn(&OffsetEntry) -> bool) -> Result<u64, StorageError> {
        let Some(entry) = self.last_offset_entry(&is_before)? else { return Ok(0) };
        if self.is_right(&entry)? {
            return Ok(u64::from(entry.position));
        }
        self.make_index_anew("an entry names no batch")?;
        Ok(self.last_offset_entry(is_before)?.map_or(0, |entry| u64::from(entry.position)))
    }

    /// Whether an entry names a batch and its last offset.
    fn is_right(&self, entry: &OffsetEntry) -> Result<bool, StorageError> {
        let mut bytes = [0; HEADER_SIZE];
        let read = self.file()?.read_at(&mut bytes, u64::from(entry.position)).at("read", &self.path())?;
        let header = BatchHeader::parse(bytes.get(..read).unwrap_or_default());
        Ok(header.is_ok_and(|header| self.relative(header.last_offset()) == Some(entry.relative)))
    }

    /// An entry of the index was wrong. That of a closed segment is made anew; the active segment's goes on
    /// without its older entries.
    fn make_index_anew(&self, reason: &str) -> Result<(), StorageError> {
        tracing::warn!("{} is made anew: {reason}", self.index_path().display());
        let is_growing = self.with_growing(|growing| {
            growing.offsets.clear();
            growing.offsets_written = 0;
        });
        if is_growing.is_none() {
            let closed = self.scan_closed_index(self.size()?)?;
            *self.index.write() = Index::Closed(closed);
        }
        Ok(())
    }

    fn last_offset_entry(
        &self,
        is_before: impl Fn(&OffsetEntry) -> bool,
    ) -> Result<Option<OffsetEntry>, StorageError> {
        let index = self.loaded_index()?;
        match &*index {
            Index::Growing(growing) => {
                let found = growing.offsets.partition_point(is_before).checked_sub(1);
                Ok(found.and_then(|found| growing.offsets.get(found)).copied())
            }
            Index::Closed(closed) => {
                let closed = Arc::clone(closed);
                drop(index);
                let path = self.index_path();
                closed.offsets.last_before(is_before, || self.open_named(".index")).at("read", &path)
            }
            Index::Unloaded => Ok(None),
        }
    }

    fn loaded_index(&self) -> Result<crate::sync::ReadGuard<'_, Index>, StorageError> {
        let index = self.index.read();
        if !matches!(*index, Index::Unloaded) {
            return Ok(index);
        }
        drop(index);
        let closed = self.read_closed_index()?;
        let mut index = self.index.write();
        if matches!(*index, Index::Unloaded) {
            *index = Index::Closed(closed);
        }
        drop(index);
        Ok(self.index.read())
    }

    /// Reads the index files of a closed segment, or makes them anew where they cannot be right.
    fn read_closed_index(&self) -> Result<Arc<Closed>, StorageError> {
        let size = self.size()?;
        let (offsets, times) = self.read_index_files()?;
        if let (Some(offsets), Some(times)) = (offsets, times)
            && offsets.last().is_none_or(|last| u64::from(last.position) < size)
            && (size == 0 || !times.is_empty())
            && (size <= INDEXLESS_SIZE_MAX || !offsets.is_empty())
            && self.is_covered(&offsets, times.last(), size)?
        {
            return Ok(Arc::new(Closed { offsets: Paged::new(&offsets), times: Paged::new(&times) }));
        }
        self.scan_closed_index(size)
    }

    fn scan_closed_index(&self, size: u64) -> Result<Arc<Closed>, StorageError> {
        let mut growing = self.scan_index(0, size, Growing::default(), 4096)?.growing;
        growing.add_time();
        self.write_index_files(&mut growing)?;
        Ok(Arc::new(Closed { offsets: Paged::new(&growing.offsets), times: Paged::new(&growing.times) }))
    }

    /// Whether no batch behind the last entry of the time index has a greater timestamp. One that lost its end
    /// would let retention delete too early.
    fn is_covered(
        &self,
        offsets: &[OffsetEntry],
        last: Option<&TimeEntry>,
        size: u64,
    ) -> Result<bool, StorageError> {
        let Some(last) = last else { return Ok(true) };
        let before = offsets.partition_point(|entry| entry.relative <= last.relative).checked_sub(1);
        let from = before.and_then(|index| offsets.get(index)).map_or(0, |entry| u64::from(entry.position));
        let mut headers = self.headers(from, size)?;
        // Damaged records are told of where they are read.
        while let Ok(Some((_, header))) = headers.next() {
            if header.max_timestamp() > last.timestamp {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The entries of the index files; `None` where a file is missing or holds something else.
    #[expect(clippy::type_complexity, reason = "two lists that may both be missing")]
    fn read_index_files(&self) -> Result<(Option<Vec<OffsetEntry>>, Option<Vec<TimeEntry>>), StorageError> {
        Ok((self.read_index_file(&self.index_path())?, self.read_index_file(&self.time_index_path())?))
    }

    fn read_index_file<E: IndexEntry>(&self, path: &Path) -> Result<Option<Vec<E>>, StorageError> {
        let Some(bytes) = self.folder.disk.read(path).at("read", path)? else { return Ok(None) };
        let entries = valid_entries(&bytes);
        Ok((entries.len() * E::SIZE == bytes.len()).then_some(entries))
    }

    /// Makes index entries for the batches from `position` on, which are not checked beyond their headers.
    pub fn scan_index(
        &self,
        position: u64,
        limit: u64,
        mut growing: Growing,
        interval: u32,
    ) -> Result<Scan, StorageError> {
        let mut headers = self.headers(position, limit)?;
        let mut end = self.base;
        while let Some((position, header)) = headers.next()? {
            let Some(relative) = self.relative(header.last_offset()) else {
                let reason = format!("offset {} is out of the segment's range", header.last_offset());
                return Err(self.damage(position, end, reason));
            };
            growing.add(relative, position as u32, header.size(), header.max_timestamp(), interval);
            end = header.next_offset();
        }
        Ok(Scan { growing, end })
    }

    /// The batch that holds `offset`, looked for from `position` on, where a batch begins.
    fn batch_at(
        &self,
        position: u64,
        offset: Offset,
        limit: u64,
    ) -> Result<Option<BatchHeader>, StorageError> {
        let mut headers = self.headers(position.min(limit), limit)?;
        while let Some((_, header)) = headers.next()? {
            if offset <= header.last_offset() {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Prepares the segment to grow on from what its index files say of what lies below `limit` and `below`;
    /// returns where the first batch is that they do not speak of.
    pub fn resume_index(
        &self,
        below: Offset,
        limit: u64,
        interval: u32,
    ) -> Result<(Growing, u64), StorageError> {
        if below <= self.base || limit == 0 {
            return Ok((Growing::default(), 0)); // no entry can count
        }
        let read = |path: PathBuf| self.folder.disk.read(&path).at("read", &path);
        let mut growing = Growing::default();
        let offsets = read(self.index_path())?.unwrap_or_default();
        let is_below = |relative: u32| self.base.0 + i64::from(relative) < below.0;
        growing.offsets = valid_entries(&offsets);
        growing.offsets.retain(|entry| is_below(entry.relative) && u64::from(entry.position) < limit);
        let times = read(self.time_index_path())?.unwrap_or_default();
        growing.times = valid_entries(&times);
        // An entry for times is made with one for offsets, of which it names the same or an earlier batch.
        let last = growing.offsets.last().map(|entry| entry.relative);
        growing.times.retain(|entry| last.is_some_and(|last| entry.relative <= last));
        // One that was torn may look like an older one.
        while let Some(entry) = growing.times.last() {
            let offset = self.base.plus(i64::from(entry.relative));
            let near = growing.offsets.iter().rfind(|it| it.relative <= entry.relative);
            match self.batch_at(near.map_or(0, |near| u64::from(near.position)), offset, limit) {
                Ok(Some(header)) if header.max_timestamp() == entry.timestamp => break,
                Ok(_) | Err(StorageError::Corrupt { .. }) => growing.times.pop(),
                Err(error) => return Err(error),
            };
        }
        if growing.times.is_empty() {
            growing.offsets.clear();
        }
        growing.offsets_written = growing.offsets.len();
        growing.times_written = growing.times.len();
        growing.largest = growing.times.last().copied();
        let Some(last) = growing.offsets.last() else { return Ok((growing, 0)) };
        let from = u64::from(last.position);
        let header = match self.headers(from, limit)?.next() {
            Ok(Some((_, header))) if self.relative(header.last_offset()) == Some(last.relative) => header,
            // The index is wrong, and if the records are, a walk from the start tells where.
            Ok(_) | Err(StorageError::Corrupt { .. }) => return Ok((Growing::default(), 0)),
            Err(error) => return Err(error),
        };
        // That batch has its entry already.
        let mut counted = growing.clone();
        counted.bytes_since_entry = 0;
        counted.add(last.relative, last.position, header.size(), header.max_timestamp(), interval);
        Ok((counted, from + header.size() as u64))
    }

    /// Puts the entries of the active segment in place.
    pub fn set_growing(&self, growing: Growing) {
        *self.index.write() = Index::Growing(growing);
    }

    /// Runs `change` on the entries of the active segment.
    pub fn with_growing<T>(&self, change: impl FnOnce(&mut Growing) -> T) -> Option<T> {
        match &mut *self.index.write() {
            Index::Growing(growing) => Some(change(growing)),
            _ => None,
        }
    }

    /// Whether an index has no room for another entry.
    pub fn is_index_full(&self, bytes: u32) -> bool {
        match &*self.index.read() {
            Index::Growing(growing) => growing.is_full(bytes),
            _ => false,
        }
    }

    /// Writes the entries that are not in the files yet, without syncing them.
    pub fn write_indexes(&self) -> Result<(), StorageError> {
        let _files = self.index_files.lock();
        let copy = match &*self.index.read() {
            Index::Growing(growing) => Growing {
                offsets: growing.offsets.get(growing.offsets_written..).unwrap_or_default().to_vec(),
                times: growing.times.get(growing.times_written..).unwrap_or_default().to_vec(),
                offsets_written: growing.offsets_written,
                times_written: growing.times_written,
                ..Growing::default()
            },
            _ => return Ok(()),
        };
        self.append_entries(&self.index_path(), &copy.offsets, copy.offsets_written)?;
        self.append_entries(&self.time_index_path(), &copy.times, copy.times_written)?;
        self.with_growing(|growing| {
            growing.offsets_written = copy.offsets_written + copy.offsets.len();
            growing.times_written = copy.times_written + copy.times.len();
        });
        Ok(())
    }

    fn append_entries<E: IndexEntry>(
        &self,
        path: &Path,
        entries: &[E],
        written: usize,
    ) -> Result<(), StorageError> {
        let file = self.folder.disk.open_or_create(path).at("open", path)?;
        let mut bytes = Vec::with_capacity(entries.len() * E::SIZE);
        entries.iter().for_each(|entry| entry.append_to(&mut bytes));
        let from = (written * E::SIZE) as u64;
        file.write_all_at(&mut [IoSlice::new(&bytes)], from).at("write", path)?;
        let size = from + bytes.len() as u64;
        if file.size().at("look at", path)? != size {
            file.set_size(size).at("cut", path)?;
        }
        Ok(())
    }

    /// Writes both index files as a whole.
    fn write_index_files(&self, growing: &mut Growing) -> Result<(), StorageError> {
        let _files = self.index_files.lock();
        self.append_entries(&self.index_path(), &growing.offsets, 0)?;
        self.append_entries(&self.time_index_path(), &growing.times, 0)?;
        growing.offsets_written = growing.offsets.len();
        growing.times_written = growing.times.len();
        Ok(())
    }

    /// Completes the indexes and writes them. The segment may grow on.
    pub fn write_last_indexes(&self) -> Result<(), StorageError> {
        self.with_growing(Growing::add_time);
        self.write_indexes()
    }

    /// The segment grows no more: its indexes, which are written, are let go.
    pub fn seal(&self) {
        let mut index = self.index.write();
        if let Index::Growing(growing) = &*index {
            let closed = Closed { offsets: Paged::new(&growing.offsets), times: Paged::new(&growing.times) };
            *index = Index::Closed(Arc::new(closed));
        }
    }

    /// Makes the index files durable, where there are any.
    pub fn sync_indexes(&self) -> Result<(), StorageError> {
        let _files = self.index_files.lock();
        for path in [self.index_path(), self.time_index_path(), self.named(".txnindex", *self.mark.read())] {
            match self.folder.disk.open(&path) {
                Ok(file) => file.sync().at("sync", &path)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).at("open", &path),
            }
        }
        Ok(())
    }

    /// Removes the index files.
    pub fn remove_indexes(&self) -> Result<(), StorageError> {
        for suffix in [".index", ".timeindex", ".txnindex"] {
            let path = self.folder.file(self.base, suffix);
            self.folder.disk.remove_file(&path).at("remove", &path)?;
        }
        Ok(())
    }

    /// Gives all its files names that end in `mark`; it stays readable. Records come last, so that they never
    /// have a name without their indexes having it; and first where the name is taken from them as deleted: that
    /// the aborted transactions are missing, which have no index without them, would not be seen.
    pub fn rename(&self, mark: &'static str) -> Result<(), StorageError> {
        let mut current = self.mark.write();
        let mut suffixes = [".index", ".timeindex", ".txnindex", ".log"];
        if mark == DELETED {
            suffixes.reverse();
        }
        for suffix in suffixes {
            let (from, to) = (self.named(suffix, *current), self.named(suffix, mark));
            match self.folder.disk.rename(&from, &to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).at("rename", &from);
                }
                _ => {}
            }
        }
        *current = mark;
        Ok(())
    }

    /// Gives all its files the suffix that marks them as deleted; it stays readable.
    pub fn mark_deleted(&self) -> Result<(), StorageError> {
        self.rename(DELETED)
    }

    /// Removes all its files.
    pub fn remove(&self) -> Result<(), StorageError> {
        self.close_file();
        let mark = self.mark.read();
        for suffix in [".log", ".index", ".timeindex", ".txnindex"] {
            let path = self.named(suffix, *mark);
            self.folder.disk.remove_file(&path).at("remove", &path)?;
        }
        Ok(())
    }

    /// When its records were last written to, in ms since 1970; `None` where the disk does not know.
    pub fn modified_ms(&self) -> Result<Option<i64>, StorageError> {
        self.file()?.modified_ms().at("look at", &self.path())
    }
}

/// The suffix of files that a cleaning has not completed.
const CLEANED: &str = ".cleaned";

/// The suffix of files that are to be removed.
pub(crate) const DELETED: &str = ".deleted";

/// What [`Segment::scan_index`] found.
pub(crate) struct Scan {
    pub growing: Growing,
    /// The offset behind the last batch; the segment's base offset with none.
    pub end: Offset,
}

/// See [`Segment::headers`].
pub(crate) struct HeaderWalk<'s> {
    segment: &'s Segment,
    file: File,
    position: u64,
    limit: u64,
    /// The offset behind the last batch, for error messages.
    expected: Offset,
    buffer: [u8; CHUNK],
    buffer_position: u64,
    filled: usize,
}

impl HeaderWalk<'_> {
    /// The next batch, and where it begins.
    pub fn next(&mut self) -> Result<Option<(u64, BatchHeader)>, StorageError> {
        if self.position >= self.limit {
            return Ok(None);
        }
        let position = self.position;
        let in_buffer = position.checked_sub(self.buffer_position).map(|start| start as usize);
        let start = match in_buffer {
            Some(start) if start + HEADER_SIZE <= self.filled => start,
            _ => {
                self.filled =
                    self.file.read_at(&mut self.buffer, position).at("read", &self.segment.path())?;
                self.buffer_position = position;
                0
            }
        };
        let bytes = self.buffer.get(start..self.filled).unwrap_or_default();
        let header = BatchHeader::parse(bytes)
            .map_err(|error| self.segment.damage(position, self.expected, error.to_string()))?;
        if position + header.size() as u64 > self.limit {
            let reason = format!("the batch of {} bytes reaches beyond the end", header.size());
            return Err(self.segment.damage(position, self.expected, reason));
        }
        self.position += header.size() as u64;
        self.expected = header.next_offset();
        Ok(Some((position, header)))
    }
}
