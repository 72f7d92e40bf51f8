//! Moving a log to another log directory while it is written (KIP-113; Kafka's future replicas).
//!
//! ```text
//! copy     <destination>/t-0.<32 hex digits>-future grows until it has nearly all; the log is used meanwhile
//! seal     nothing is appended for a moment: the rest is copied, all of it is synced, and only then does the
//!          destination's recovery-point checkpoint name the log: from here on the copy is whole
//! (the caller makes the cluster's metadata say that the partition lies in the destination: that is the switch)
//! finish   <source>/t-0 becomes t-0.<32 hex digits>-delete, durably; then the copy becomes <destination>/t-0
//! ```
//!
//! A crash before the switch leaves the log where it was, and the copy begins anew. A crash behind it leaves a
//! whole copy, which [`LogDirectory::adopt_future`] puts in place when the log is next opened. At no time do two
//! folders have the log's name.
//!
//! Files are copied as they are, with indexes and snapshots: what compaction thinned out stays so, and producers
//! keep their places. Segments that retention removed or that the cleaner replaced meanwhile are noticed by
//! their identity.

use super::{Known, Log, Opening};
use crate::checkpoint::{PARTITION_METADATA, partition_metadata};
use crate::config::LogConfig;
use crate::directory::{LogDirectory, NAME_SIZE_MAX, Root, random_hex};
use crate::disk::{Disk, File};
use crate::epochs::LEADER_EPOCHS;
use crate::error::{Context, StorageError};
use crate::producers::encode;
use crate::segment::{Folder, Segment};
use ottla_ids::{Offset, TopicPartition};
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The ending of folders that are to take the place of a log in another directory.
pub(crate) const FUTURE: &str = "-future";
/// Copied by one read and one write, in bytes.
const CHUNK: usize = 1 << 20;
/// What lies beside a segment's records and is copied with them.
const SIDE_FILES: [&str; 4] = [".index", ".timeindex", ".txnindex", ".snapshot"];

/// A log on its way to another directory.
#[derive(Debug)]
pub struct Relocation {
    log: Arc<Log>,
    source: Arc<LogDirectory>,
    destination: Arc<LogDirectory>,
    /// The copy.
    folder: Arc<Folder>,
    copied: BTreeMap<Offset, Copied>,
    /// The log's truncations when the copy began: after another, nothing of it is trusted.
    truncations: u64,
    /// All below it was copied, as of the last look.
    end: Offset,
}

/// One segment of the copy.
#[derive(Debug)]
struct Copied {
    segment: Arc<Segment>,
    file: File,
    size: u64,
    /// Whether nothing will be added: the records are synced, and what lies beside them is copied.
    is_whole: bool,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyProgress {
    /// Bytes copied by this step.
    pub copied_bytes: u64,
    /// Bytes that are still to be copied, as of now.
    pub left_bytes: u64,
}

impl Relocation {
    /// Begins to copy an open log of `source` to `destination`. An unfinished copy that is there is thrown away.
    ///
    /// # Errors
    /// [`StorageError::InvalidFile`] where the partition has a folder in `destination`, or a name too long for
    /// the copy's; and where files cannot be written.
    pub fn begin(
        log: Arc<Log>,
        source: Arc<LogDirectory>,
        destination: Arc<LogDirectory>,
    ) -> Result<Relocation, StorageError> {
        let partition = log.partition().clone();
        let root = destination.root();
        root.check_online()?;
        let invalid =
            |path: PathBuf, reason: &str| StorageError::InvalidFile { path, reason: reason.to_owned() };
        let place = root.path.join(partition.to_string());
        if root.disk.exists(&place).at("look at", &place)? {
            return Err(invalid(place, "the partition has a folder in both directories"));
        }
        let Some(name) = future_name(&partition) else {
            return Err(invalid(place, "the topic's name is too long for a second folder"));
        };
        destination.discard_futures(&partition)?;
        let folder =
            Arc::new(Folder { disk: root.disk.clone(), path: root.path.join(name), files: root.files() });
        let create = || {
            root.disk.create_folder(&folder.path).at("create", &folder.path)?;
            let path = folder.path.join(PARTITION_METADATA);
            write_synced(&root.disk, &path, partition_metadata(log.topic_id()).as_bytes())?;
            folder.disk.sync_folder(&folder.path).at("sync folder", &folder.path)?;
            root.sync_names()
        };
        create().map_err(|error| root.fail_unless_full(error))?;
        let (truncations, start) = {
            let view = log.view.read();
            (view.truncations, view.segments.first().map_or(Offset::ZERO, |segment| segment.base))
        };
        destination.note_future(&partition, &folder.path, &log, start);
        Ok(Relocation { log, source, destination, folder, copied: BTreeMap::new(), truncations, end: start })
    }

    /// The directory to which the log moves.
    pub fn destination(&self) -> &Arc<LogDirectory> {
        &self.destination
    }

    /// Copies at most about `bytes_max` bytes of records, without any lock of the log.
    ///
    /// # Errors
    /// Where files cannot be read or written. [`StorageError::DiskFull`] leaves the copy as it is: it goes on when
    /// there is room.
    pub fn copy(&mut self, bytes_max: u64) -> Result<CopyProgress, StorageError> {
        let (segments, log_end, truncations) = {
            let view = self.log.view.read();
            (view.segments.clone(), view.log_end, view.truncations)
        };
        match self.copy_segments(&segments, truncations, bytes_max, false) {
            Ok(progress) => {
                let incomplete = segments.iter().find(|segment| !self.has_all_of(segment));
                self.end = incomplete.map_or(log_end, |segment| segment.base);
                self.destination.advance_future(self.log.partition(), self.end);
                Ok(progress)
            }
            // A segment may be deleted while it is read.
            Err(StorageError::Io { path, source, .. })
                if source.kind() == std::io::ErrorKind::NotFound
                    && path.parent() == Some(self.log.folder.path.as_path())
                    && self.source.root().check_online().is_ok() =>
            {
                Ok(CopyProgress { copied_bytes: 0, left_bytes: u64::MAX })
            }
            Err(error) => Err(error),
        }
    }

    fn has_all_of(&self, segment: &Segment) -> bool {
        let copied = self.copied.get(&segment.base);
        copied.is_some_and(|copied| segment.size().is_ok_and(|size| size <= copied.size))
    }

    /// `is_last`: nothing is appended meanwhile, so the active segment is made whole, too.
    fn copy_segments(
        &mut self,
        segments: &[Arc<Segment>],
        truncations: u64,
        bytes_max: u64,
        is_last: bool,
    ) -> Result<CopyProgress, StorageError> {
        let is_other_log = truncations != self.truncations;
        self.truncations = truncations;
        let is_current = |copied: &Copied| {
            !is_other_log && segments.iter().any(|segment| Arc::ptr_eq(segment, &copied.segment))
        };
        let old: Vec<Offset> =
            self.copied.iter().filter(|(_, copied)| !is_current(copied)).map(|(base, _)| *base).collect();
        for base in old {
            self.drop_copy(base)?;
        }
        let destination = self.destination.root();
        let mut progress = CopyProgress { copied_bytes: 0, left_bytes: 0 };
        let last_base = segments.last().map(|segment| segment.base);
        for segment in segments {
            let size = segment.size()?;
            if !self.copied.contains_key(&segment.base) {
                let path = self.folder.file(segment.base, ".log");
                let file = destination.disk.create(&path).at("create", &path)?;
                let copied = Copied { segment: Arc::clone(segment), file, size: 0, is_whole: false };
                self.copied.insert(segment.base, copied);
            }
            let Some(copied) = self.copied.get_mut(&segment.base) else { continue };
            if copied.is_whole {
                continue;
            }
            let budget =
                bytes_max.saturating_sub(progress.copied_bytes).min(size.saturating_sub(copied.size));
            progress.copied_bytes += copied.add(budget, &self.folder, self.source.root())?;
            progress.left_bytes += size.saturating_sub(copied.size);
            let is_closed = Some(segment.base) != last_base || is_last;
            if is_closed && copied.size >= size {
                copied.complete(&self.log.folder, &self.folder)?;
            }
        }
        Ok(progress)
    }

    /// Forgets a segment of the copy.
    fn drop_copy(&mut self, base: Offset) -> Result<(), StorageError> {
        self.copied.remove(&base);
        for suffix in SIDE_FILES.iter().chain(&[".log"]) {
            let path = self.folder.file(base, suffix);
            self.folder.disk.remove_file(&path).at("remove", &path)?;
        }
        Ok(())
    }

    /// Stops appends, which are refused with [`StorageError::Closed`] from here on, and makes the copy whole and
    /// durable. To be followed by [`Relocation::finish`], or by [`Relocation::unseal`].
    ///
    /// # Errors
    /// As [`Relocation::copy`]. Appends go on then.
    pub fn seal(&mut self) -> Result<(), StorageError> {
        let log = Arc::clone(&self.log);
        let _maintenance = log.maintenance.lock();
        let mut writer = log.writer.lock();
        self.source.root().check_online()?;
        self.destination.root().check_online()?;
        log.check_open(&writer)?;
        log.load(&mut writer)?;
        writer.active.write_last_indexes().map_err(|error| self.source.root().fail_unless_full(error))?;
        let (segments, end, start, truncations) = {
            let view = log.view.read();
            (view.segments.clone(), view.log_end, view.log_start, view.truncations)
        };
        self.copy_segments(&segments, truncations, u64::MAX, true)?;
        let root = Arc::clone(self.destination.root());
        write_synced(&root.disk, &self.folder.file(end, ".snapshot"), &encode(&writer.producers))?;
        let epochs = log.with_epochs(|epochs| (epochs.to_text(), false))?;
        write_synced(&root.disk, &self.folder.path.join(LEADER_EPOCHS), epochs.as_bytes())?;
        root.disk.sync_folder(&self.folder.path).at("sync folder", &self.folder.path)?;
        self.check_copy(end, start, writer.config)?;
        // What is in the checkpoint is whole; see `adopt_future`.
        let first_base = segments.first().map_or(Offset::ZERO, |segment| segment.base);
        root.set_offsets(log.partition(), Some(end), (first_base < start).then_some(start))
            .map_err(|error| root.fail_unless_full(error))?;
        root.set_cleaned_to(log.partition(), self.source.root().cleaned_to(log.partition()))?;
        writer.is_closed = true;
        self.end = end;
        Ok(())
    }

    /// Opens the copy as the next start would, and loads it: what cannot be used must not take the log's place.
    fn check_copy(&self, end: Offset, start: Offset, config: LogConfig) -> Result<(), StorageError> {
        let known = Known {
            recovery_point: Some(end),
            log_start: Some(start),
            cleaned_to: self.source.root().cleaned_to(self.log.partition()),
            is_clean: true,
        };
        let opening = Opening {
            root: self.destination.root(),
            queue: self.destination.commit_queue(),
            partition: self.log.partition(),
            topic_id: self.log.topic_id(),
            config,
            tag: self.log.tag(),
            known,
            is_durable: false,
            unsynced: None,
        };
        let copy = Log::open_in(&opening, Arc::clone(&self.folder))?;
        copy.load(&mut copy.writer.lock())?;
        let size = (copy.log_end_offset(), copy.size()?);
        let expected = (end, self.log.size()?);
        copy.close_for_deletion();
        if size == expected {
            return Ok(());
        }
        let path = self.folder.path.clone();
        let reason = format!("the copy ends at {size:?}, the log at {expected:?} (offset, bytes)");
        Err(StorageError::InvalidFile { path, reason })
    }

    /// The switch was not made: appends to the log go on where they were, and so may the copy.
    ///
    /// # Errors
    /// Where the destination cannot durably forget that the copy is whole: the log stays closed then.
    pub fn unseal(&mut self) -> Result<(), StorageError> {
        self.destination.root().forget_offsets_durably(self.log.partition())?;
        // The active segment grows again.
        if let Some((base, _)) = self.copied.pop_last() {
            self.drop_copy(base)?;
        }
        self.log.writer.lock().is_closed = false;
        Ok(())
    }

    /// Makes durable what was copied so far, so that [`Relocation::seal`] has little to sync.
    ///
    /// # Errors
    /// Where the copy cannot be synced: the destination goes offline.
    pub fn flush(&self) -> Result<(), StorageError> {
        for copied in self.copied.values().filter(|copied| !copied.is_whole) {
            let path = self.folder.file(copied.segment.base, ".log");
            copied.file.sync().at("sync", &path).map_err(|error| self.destination.root().fail(error))?;
        }
        Ok(())
    }

    /// Empties the copy, before it was sealed: its folder still says where the log is to go. Apache Kafka would
    /// go on with it.
    ///
    /// # Errors
    /// Where files cannot be removed.
    pub fn reset(mut self) -> Result<(), StorageError> {
        let bases: Vec<Offset> = self.copied.keys().copied().collect();
        bases.into_iter().try_for_each(|base| self.drop_copy(base))?;
        self.folder.disk.sync_folder(&self.folder.path).at("sync folder", &self.folder.path)
    }

    /// Throws the copy away, before it was sealed.
    ///
    /// # Errors
    /// Where it cannot be removed; it is when the partition next moves, or the directory is next opened.
    pub fn discard(self) -> Result<(), StorageError> {
        self.destination.discard_futures(self.log.partition())
    }

    /// Puts the copy in place of the log, whose folder is removed from `due_ms` on. The metadata says already that the
    /// partition lies in the destination.
    ///
    /// `tag` is how [`crate::Synced`] names the log from now on.
    ///
    /// # Errors
    /// Where folders cannot be renamed, or the copy not opened: then the next start of the node goes on here.
    pub fn finish(self, tag: u64, due_ms: i64) -> Result<Arc<Log>, StorageError> {
        let partition = self.log.partition();
        let config = self.log.config();
        // First and durably: two folders of one name would be refused by the next start.
        self.source.delete_log(partition, due_ms)?;
        self.destination.adopt_future(partition)?;
        self.destination.open_moved(partition, self.log.topic_id(), config, tag)
    }
}

impl Copied {
    /// Copies up to `bytes` more of the segment's records.
    fn add(&mut self, bytes: u64, folder: &Folder, source: &Root) -> Result<u64, StorageError> {
        let from = self.segment.file().map_err(|error| source.fail_if_unreadable(error))?;
        let path = folder.file(self.segment.base, ".log");
        let mut left = bytes;
        let mut buffer = vec![0; CHUNK.min(usize::try_from(bytes).unwrap_or(CHUNK))];
        while left > 0 {
            let size = buffer.len().min(usize::try_from(left).unwrap_or(CHUNK));
            let chunk = buffer.get_mut(..size).unwrap_or_default();
            let read = from.read_at(chunk, self.size).at("read", &self.segment.path());
            let read = read.map_err(|error| source.fail_if_unreadable(error))?;
            if read == 0 {
                let reason = "the file is shorter than the records that were written to it".to_owned();
                return Err(self.segment.damage(self.size, self.segment.base, reason));
            }
            let chunk = chunk.get(..read).unwrap_or_default();
            self.file.write_all_at(&mut [IoSlice::new(chunk)], self.size).at("write", &path)?;
            self.size += read as u64;
            left -= read as u64;
        }
        Ok(bytes)
    }

    /// Nothing will be added: syncs the records, and copies what lies beside them.
    fn complete(&mut self, from: &Folder, to: &Folder) -> Result<(), StorageError> {
        let path = to.file(self.segment.base, ".log");
        self.file.sync().at("sync", &path)?;
        for suffix in SIDE_FILES {
            let path = from.file(self.segment.base, suffix);
            let Some(bytes) = from.disk.read(&path).at("read", &path)? else { continue };
            write_synced(&to.disk, &to.file(self.segment.base, suffix), &bytes)?;
        }
        self.is_whole = true;
        Ok(())
    }
}

fn write_synced(disk: &Disk, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let file = disk.create(path).at("create", path)?;
    file.write_all_at(&mut [IoSlice::new(bytes)], 0).at("write", path)?;
    file.sync().at("sync", path)
}

/// A new name for the copy of a partition's log (Kafka's `logFutureDirName`); `None` where it would be too long.
fn future_name(partition: &TopicPartition) -> Option<String> {
    let name = format!("{partition}.{}{FUTURE}", random_hex());
    (name.len() <= NAME_SIZE_MAX).then_some(name)
}

/// Whether a partition's name leaves room for the folder of a copy.
pub(crate) fn can_have_future(partition: &TopicPartition) -> bool {
    future_name(partition).is_some()
}

/// The partition whose copy has this name.
pub(crate) fn parse_future(name: &str) -> Option<TopicPartition> {
    let (partition, id) = name.strip_suffix(FUTURE)?.rsplit_once('.')?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { crate::directory::parse_partition(partition) } else { None }
}

#[cfg(test)]
mod tests;
