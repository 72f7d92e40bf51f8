//! Reading: from an offset to a range of a file.

use super::{Log, View};
use crate::directory::Root;
use crate::disk::File;
use crate::error::{Context, ReadError, StorageError};
use crate::segment::Segment;
use bytes::Bytes;
use ottla_ids::Offset;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Where about so many batches fit into a read, or fewer, going from one to the next is cheaper than the index of a
/// closed segment, of which a page is read from its file.
const FEW_BATCHES: u64 = 8;

/// A part of a file of the operating system.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file, which stays readable even if it is removed from its folder.
    pub file: Arc<std::fs::File>,
    /// Where the range begins, in bytes.
    pub position: u64,
    /// Its size in bytes.
    pub size: usize,
    /// Whose bytes they are, for [`FileRange::refused`].
    segment: Arc<Segment>,
    root: Arc<Root>,
}

impl FileRange {
    /// Whoever sent the range could not read it: its directory goes offline where another read with this error would
    /// take it offline.
    pub fn refused(&self, error: io::Error) {
        let refused = Err::<(), _>(error).at("read", &self.segment.path());
        if let Err(error) = refused {
            let error = self.root.fail_if_unreadable(error);
            tracing::warn!(%error, "records could not be sent");
        }
    }
}

/// Whole batches, one behind the other.
#[derive(Clone, Debug)]
pub enum RecordRange {
    /// In a file, to be sent from there.
    File(FileRange),
    /// In memory: nothing, or read from a simulated disk.
    Bytes(Bytes),
}

impl RecordRange {
    /// Size in bytes.
    pub fn size(&self) -> usize {
        match self {
            RecordRange::File(range) => range.size,
            RecordRange::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// The records in memory, read from the file if they are there.
    ///
    /// # Errors
    /// Where the file cannot be read, or was cut in the meantime.
    pub fn to_bytes(&self) -> Result<Bytes, StorageError> {
        match self {
            RecordRange::Bytes(bytes) => Ok(bytes.clone()),
            RecordRange::File(range) => {
                let file = File::Real(Arc::clone(&range.file));
                read_exactly(&file, range.position, range.size).at("read", &PathBuf::from("a segment"))
            }
        }
    }
}

/// What a read found.
#[derive(Clone, Debug)]
pub struct LogRead {
    /// Whole batches of one segment. The first may begin before the offset that was asked for.
    pub records: RecordRange,
    /// Where to read on: behind the last batch, or the offset that was asked for if there is none yet.
    pub next_offset: Offset,
    /// The first offset that may be read.
    pub log_start: Offset,
    /// The offset that the next record gets.
    pub log_end: Offset,
    /// See [`Log::durable_end`].
    pub durable_end: Offset,
    /// The base offset of the segment that the records are in; `None` without records.
    pub(super) segment: Option<Offset>,
    /// How often segments had left the log before.
    pub(super) departures: u64,
}

/// Where to look, taken from the view at one moment.
struct Place {
    segment: Arc<Segment>,
    /// The base offset of the next segment, if there is one.
    next_base: Option<Offset>,
    /// Where in the segment what may be read ends, if that is known without looking.
    limit: Option<u64>,
    truncations: u64,
}

impl Log {
    /// Reads batches from the one that holds `from` on, as many as fit into `max_bytes` and lie below
    /// `visible_end`, all from one segment. With `at_least_one_batch` the first is returned whole even if it
    /// is larger than `max_bytes`.
    ///
    /// Nothing is copied: on a real disk the answer is a part of a file.
    ///
    /// # Errors
    /// [`ReadError::OffsetOutOfRange`] for offsets before the log's start or behind its end. Between
    /// `visible_end` and the log's end there is nothing to read, which is no error.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        visible_end: Offset,
        at_least_one_batch: bool,
    ) -> Result<LogRead, ReadError> {
        let mut answer = {
            let view = self.view.read();
            if from < view.log_start || view.log_end < from {
                return Err(self.out_of_range(from, &view));
            }
            LogRead {
                records: RecordRange::Bytes(Bytes::new()),
                next_offset: from,
                log_start: view.log_start,
                log_end: view.log_end,
                durable_end: view.durable_end,
                segment: None,
                departures: view.departures,
            }
        };
        self.root.check_online().map_err(ReadError::Storage)?;
        let end = visible_end.min(answer.log_end);
        let mut at = from;
        while at < end {
            let place = {
                let view = self.view.read();
                if from < view.log_start || view.log_end < from {
                    return Err(self.out_of_range(from, &view));
                }
                place(&view, at, end)
            };
            match self.read_segment(&place, from, end, max_bytes, at_least_one_batch) {
                Ok(Some((records, next_offset))) => {
                    answer.segment = (!records.is_empty()).then_some(place.segment.base);
                    answer.records = records;
                    answer.next_offset = next_offset;
                    return Ok(answer);
                }
                // Nothing from here on in this segment, as after compaction.
                Ok(None) => match place.next_base {
                    Some(base) => at = base,
                    None => break,
                },
                // Removed since the view was looked at: deleted or cleaned, so the view is another now.
                Err(StorageError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && !self.has_segment(&place.segment) => {}
                Err(error) => return Err(self.root.fail_if_unreadable(error).into()),
            }
        }
        // No batch between `from` and what may be read: the reader goes on behind the gap.
        answer.next_offset = answer.next_offset.max(end);
        Ok(answer)
    }

    /// Whether the segment is still part of the log.
    pub(super) fn has_segment(&self, segment: &Arc<Segment>) -> bool {
        self.view.read().segments.iter().any(|other| Arc::ptr_eq(other, segment))
    }

    fn out_of_range(&self, offset: Offset, view: &View) -> ReadError {
        ReadError::OffsetOutOfRange {
            partition: self.partition.clone(),
            offset,
            log_start: view.log_start,
            log_end: view.log_end,
        }
    }

    /// The range in this segment, and where to read on; `None` if no batch from `from` on is in it.
    fn read_segment(
        &self,
        place: &Place,
        from: Offset,
        end: Offset,
        max_bytes: usize,
        at_least_one_batch: bool,
    ) -> Result<Option<(RecordRange, Offset)>, StorageError> {
        let segment = &place.segment;
        let (limit, behind) = self.limit(place, end)?;
        let known = self.boundaries.lock().find(from, segment.base);
        let start = match known {
            Some(position) if position < limit => position,
            _ => match segment.find(from, limit)? {
                Some((position, _)) => position,
                None => return Ok(None),
            },
        };
        let (stop, next) = if limit - start <= max_bytes as u64 {
            (limit, behind)
        } else {
            self.last_whole_batch(segment, start, limit, max_bytes as u64, at_least_one_batch, from)?
        };
        self.boundaries.lock().add_read(next, segment.base, stop, place.truncations);
        let size = (stop - start) as usize;
        let records = match segment.file()? {
            File::Real(file) => {
                let (segment, root) = (Arc::clone(segment), Arc::clone(&self.root));
                RecordRange::File(FileRange { file, position: start, size, segment, root })
            }
            file => RecordRange::Bytes(read_exactly(&file, start, size).at("read", &segment.path())?),
        };
        Ok(Some((records, next)))
    }

    /// Where in the segment what lies below `end` stops, and the offset there.
    fn limit(&self, place: &Place, end: Offset) -> Result<(u64, Offset), StorageError> {
        let segment = &place.segment;
        if let Some(next_base) = place.next_base
            && next_base <= end
        {
            return Ok((segment.size()?, next_base));
        }
        if let Some(limit) = place.limit {
            return Ok((limit, end));
        }
        if let Some(position) = self.boundaries.lock().find(end, segment.base) {
            return Ok((position, end));
        }
        let size = segment.size()?;
        match segment.find(end, size)? {
            Some((position, header)) => Ok((position, header.base_offset().min(end))),
            None => Ok((size, end)),
        }
    }

    /// Where the last batch ends that begins at or behind `start` and fits into `max_bytes`, and the offset
    /// behind it.
    fn last_whole_batch(
        &self,
        segment: &Segment,
        start: u64,
        limit: u64,
        max_bytes: u64,
        at_least_one_batch: bool,
        from: Offset,
    ) -> Result<(u64, Offset), StorageError> {
        let most = start + max_bytes;
        let near = match segment.headers(start, limit)?.next()? {
            Some((_, first)) if max_bytes / FEW_BATCHES <= first.size() as u64 => start,
            // From the last indexed batch that may fit; it does if another follows it before `most`.
            _ => segment.position_up_to(most)?.max(start),
        };
        let mut walk = segment.headers(near, limit)?;
        let mut best = (near, None);
        while let Some((position, header)) = walk.next()? {
            let batch_end = position + header.size() as u64;
            let is_first = position == start && at_least_one_batch;
            if batch_end > most && !is_first {
                if best.1.is_none() {
                    best.1 = Some(header.base_offset());
                }
                break;
            }
            best = (batch_end, Some(header.next_offset()));
            if batch_end >= most {
                break;
            }
        }
        Ok((best.0, best.1.unwrap_or(from).max(from)))
    }
}

fn place(view: &View, at: Offset, end: Offset) -> Place {
    let index = view.segment_index(at);
    let segment = Arc::clone(view.segments.get(index).unwrap_or_else(|| view.active()));
    let next_base = view.segments.get(index + 1).map(|next| next.base);
    let limit = if end == view.durable_end {
        view.durable_position.filter(|(base, _)| *base == segment.base).map(|(_, position)| position)
    } else {
        None
    };
    Place { segment, next_base, limit, truncations: view.truncations }
}

fn read_exactly(file: &File, position: u64, size: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; size];
    if file.read_at(&mut bytes, position)? < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.into())
}
