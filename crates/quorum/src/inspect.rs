//! A look at a metadata log that nobody may change: what is in a directory before it is taken over.

use crate::METADATA_FOLDER;
use crate::driver::load;
use crate::error::QuorumError;
use crate::format::read_bootstrap;
use crate::log::{LogError, MetadataLog};
use bytes::Bytes;
use ottla_ids::{NodeId, Offset, QuorumEpoch};
use ottla_metadata::Image;
use ottla_records::{BatchHeader, HEADER_SIZE, batches};
use ottla_state_machine::Machine as _;
use ottla_storage::{Disk, File};
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// Read at once when batch headers are walked, in bytes.
const WALK_SIZE: usize = 256 << 10;

/// What a metadata log says.
#[derive(Debug)]
pub struct Inspection {
    /// The cluster.
    pub image: Image,
    /// The level of `kraft.version`.
    pub kraft_version: i16,
    /// Who votes, if the log or a snapshot says: before `kraft.version` 1 the configuration does.
    pub voters: Vec<NodeId>,
}

/// Reads the metadata of the log directory `log_dir`, and changes nothing there. Of a formatted one in which no node
/// ever ran it is that with which the log will begin.
///
/// # Errors
/// The log is damaged, or cannot be read.
pub fn inspect(disk: &Disk, log_dir: &Path) -> Result<Inspection, QuorumError> {
    let folder = log_dir.join(METADATA_FOLDER);
    let mut log = ReadOnlyLog::open(disk, &folder)?;
    let loaded = load(disk, &folder, &mut log)?;
    let mut image = loaded.image.visible().clone();
    if image.metadata_version().is_none() {
        read_bootstrap(disk, log_dir)?.iter().for_each(|record| image.replay(record));
    }
    Ok(Inspection {
        image,
        kraft_version: loaded.kraft_version,
        voters: loaded.voters.iter().map(|voter| voter.key.id).collect(),
    })
}

/// The segments of a log, which are only read.
struct ReadOnlyLog {
    /// Ascending by base offset.
    segments: Vec<ReadOnlySegment>,
    end: Offset,
    /// An offset at which a batch begins, and where: in which segment, at which byte.
    near: Cell<(Offset, usize, u64)>,
}

struct ReadOnlySegment {
    base: Offset,
    path: PathBuf,
    file: File,
    size: u64,
}

impl ReadOnlySegment {
    /// Walks the batches from `position` on, where one begins, up to the first that `is_it`; that one and where
    /// it begins, or the offset behind the last one.
    fn find(
        &self,
        mut position: u64,
        mut end: Offset,
        is_it: impl Fn(&BatchHeader) -> bool,
    ) -> Result<Result<(u64, BatchHeader), Offset>, LogError> {
        let mut buffer = vec![0; WALK_SIZE];
        let (mut start, mut filled) = (position, 0);
        while position < self.size {
            let mut at = (position - start) as usize;
            if filled < at + HEADER_SIZE {
                (start, at) = (position, 0);
                filled =
                    self.file.read_at(&mut buffer, start).map_err(|error| self.failed(position, &error))?;
            }
            let header = BatchHeader::parse(buffer.get(at..filled).unwrap_or_default())
                .map_err(|error| self.failed(position, &error))?;
            if is_it(&header) {
                return Ok(Ok((position, header)));
            }
            position += header.size() as u64;
            end = header.next_offset();
        }
        Ok(Err(end))
    }

    fn failed(&self, position: u64, reason: &dyn std::fmt::Display) -> LogError {
        LogError::Failed(format!("{} at byte {position}: {reason}", self.path.display()))
    }
}

impl ReadOnlyLog {
    fn open(disk: &Disk, folder: &Path) -> Result<ReadOnlyLog, QuorumError> {
        let io = |action, path: &Path, error| QuorumError::io(action, path, error);
        let mut segments = Vec::new();
        // Formatting for a static quorum makes no folder.
        let entries = match disk.exists(folder).map_err(|error| io("look at", folder, error))? {
            true => disk.list(folder).map_err(|error| io("list", folder, error))?,
            false => Vec::new(),
        };
        for entry in entries {
            let Some(digits) = entry.name.strip_suffix(".log").filter(|_| !entry.is_folder) else { continue };
            let Ok(base) = digits.parse::<i64>() else { continue };
            let path = folder.join(&entry.name);
            let file = disk.open(&path).map_err(|error| io("open", &path, error))?;
            let size = file.size().map_err(|error| io("look at", &path, error))?;
            segments.push(ReadOnlySegment { base: Offset(base), path, file, size });
        }
        segments.sort_by_key(|segment| segment.base);
        let first = segments.first().map_or(Offset::ZERO, |segment| segment.base);
        let mut log = ReadOnlyLog { segments, end: first, near: Cell::new((first, 0, 0)) };
        if let Some(last) = log.segments.last() {
            let damaged = |error: LogError| QuorumError::Damaged {
                path: last.path.clone(),
                at: last.base,
                reason: error.to_string(),
            };
            log.end = last.find(0, last.base, |_| false).map_err(damaged)?.err().unwrap_or(last.base);
        }
        Ok(log)
    }
}

impl MetadataLog for ReadOnlyLog {
    fn start_offset(&self) -> Offset {
        self.segments.first().map_or(Offset::ZERO, |segment| segment.base)
    }

    fn end_offset(&self) -> Offset {
        self.end
    }

    fn read(&self, from: Offset, size_max: usize) -> Result<Bytes, LogError> {
        let index = self.segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
        let Some(segment) = self.segments.get(index) else { return Ok(Bytes::new()) };
        let (offset, near_index, near_position) = self.near.get();
        let position = if near_index == index && offset <= from { near_position } else { 0 };
        let found = segment.find(position, from, |header| from <= header.last_offset())?;
        let Ok((position, header)) = found else { return Ok(Bytes::new()) };
        let wanted = header.size().max(size_max);
        let left = usize::try_from(segment.size - position).unwrap_or(usize::MAX);
        let mut bytes = vec![0; wanted.min(left)];
        let read =
            segment.file.read_at(&mut bytes, position).map_err(|error| segment.failed(position, &error))?;
        bytes.truncate(read);
        let mut whole = 0;
        for batch in batches(&bytes).map_while(Result::ok) {
            self.near.set((batch.header().base_offset(), index, position + whole as u64));
            whole += batch.size();
        }
        bytes.truncate(whole);
        Ok(bytes.into())
    }

    fn append(&mut self, _: &[u8], _: QuorumEpoch) -> Result<(), LogError> {
        Err(read_only())
    }

    fn sync(&mut self) -> Result<(), LogError> {
        Err(read_only())
    }

    fn roll(&mut self) -> Result<(), LogError> {
        Err(read_only())
    }

    fn delete_before(&mut self, _: Offset) -> Result<(), LogError> {
        Err(read_only())
    }

    /// Only the snapshot counts from there on; on disk all stays as it is.
    fn restart_at(&mut self, offset: Offset) -> Result<(), LogError> {
        self.segments.clear();
        self.end = offset;
        Ok(())
    }

    fn size(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }
}

fn read_only() -> LogError {
    LogError::Failed("the log is only looked at".to_owned())
}
