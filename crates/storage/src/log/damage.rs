//! What is done about damage: what was derived from the records is made anew, and records that a recovery has
//! to cut off are kept where somebody can look for what is missing.

use crate::disk::File;
use crate::epochs::{LEADER_EPOCHS, LeaderEpochs};
use crate::error::{Context, StorageError};
use crate::inspect::BatchFile;
use crate::producers::{ProducerState, Producers};
use crate::segment::{Folder, Segment};
use ottla_ids::Offset;
use std::io::IoSlice;
use std::sync::Arc;

/// Copied at once.
const CHUNK: usize = 1 << 20;
/// Producers of a snapshot, those that wrote last, whose batches are compared with the log.
const PRODUCERS_COMPARED: usize = 4;

/// The leader epochs in a folder's file; from the records where the file is missing or malformed.
pub(super) fn read_epochs(folder: &Folder, segments: &[Arc<Segment>]) -> Result<LeaderEpochs, StorageError> {
    let path = folder.path.join(LEADER_EPOCHS);
    if let Some(bytes) = folder.disk.read(&path).at("read", &path)? {
        match LeaderEpochs::parse(&String::from_utf8_lossy(&bytes)) {
            Ok(epochs) => return Ok(epochs),
            Err(reason) => tracing::warn!("{} is made anew: {reason}", path.display()),
        }
    }
    epochs_of_records(segments)
}

/// Epochs never fall, so a segment that begins in the same one as the next has no other.
fn epochs_of_records(segments: &[Arc<Segment>]) -> Result<LeaderEpochs, StorageError> {
    let mut epochs = LeaderEpochs::default();
    let first = |segment: &Segment| -> Result<_, StorageError> {
        Ok(segment.headers(0, segment.size()?)?.next().ok().flatten().map(|(_, header)| header))
    };
    for (index, segment) in segments.iter().enumerate() {
        let Some(header) = first(segment)? else { continue };
        epochs.assign(header.leader_epoch(), header.base_offset());
        let next = match segments.get(index + 1) {
            Some(next) => first(next)?,
            None => None,
        };
        if next.is_some_and(|next| next.leader_epoch() == header.leader_epoch()) {
            continue;
        }
        let mut walk = segment.headers(0, segment.size()?)?;
        // Damaged records are told of where they are read.
        while let Ok(Some((_, header))) = walk.next() {
            epochs.assign(header.leader_epoch(), header.base_offset());
        }
    }
    Ok(epochs)
}

/// What in a snapshot contradicts the records: it is another partition's, or of a log that this is not.
pub(super) fn contradiction(
    producers: &Producers,
    segments: &[Arc<Segment>],
    end: Offset,
) -> Result<Option<String>, StorageError> {
    let Some(first) = segments.first().map(|segment| segment.base) else { return Ok(None) };
    let mut newest: Vec<&ProducerState> = producers
        .states()
        .filter(|state| state.batches().last().is_some_and(|it| first <= it.last_offset))
        .collect();
    newest.sort_by_key(|state| std::cmp::Reverse(state.batches().last().map(|it| it.last_offset)));
    for state in newest.into_iter().take(PRODUCERS_COMPARED) {
        let Some(batch) = state.batches().last() else { continue };
        let told = |what: String| Ok(Some(format!("producer {}: {what}", state.producer_id)));
        if end <= batch.last_offset {
            return told(format!("offset {} lies behind the log's end {end}", batch.last_offset));
        }
        let index = segments.partition_point(|it| it.base <= batch.last_offset).saturating_sub(1);
        let Some(segment) = segments.get(index) else { continue };
        let found = match segment.find(batch.last_offset, segment.size()?) {
            Ok(found) => found,
            Err(StorageError::Corrupt { .. }) => continue,
            Err(error) => return Err(error),
        };
        // A batch that is not there any more, compaction has removed.
        let Some((_, header)) = found.filter(|(_, it)| it.base_offset() <= batch.last_offset) else {
            continue;
        };
        let is_its = header.producer_id() == state.producer_id
            && header.last_offset() == batch.last_offset
            && header.last_sequence() == batch.last_sequence;
        if !is_its {
            return told(format!("the batch at offset {} is not its", batch.last_offset));
        }
    }
    Ok(None)
}

/// Keeps what a recovery is about to cut off `segment` at `position`, where the log ends at `end`, if whole
/// batches are in it: in `<end>.log.cut`, durable when it returns. A torn end alone is nothing to keep.
pub(super) fn keep_tail(
    folder: &Folder,
    segment: &Segment,
    position: u64,
    end: Offset,
) -> Result<(), StorageError> {
    let path = segment.path();
    let mut batches = BatchFile::open(&folder.disk, &path)?;
    batches.seek(position);
    if batches.skip_damage()?.is_none() {
        return Ok(());
    }
    let size = batches.size();
    let source = segment.file()?;
    let kept = folder.file(end, CUT);
    let target = folder.disk.create(&kept).at("create", &kept)?;
    copy(&source, &target, position, size).at("copy", &kept)?;
    target.sync().at("sync", &kept)?;
    folder.disk.sync_folder(&folder.path).at("sync folder", &folder.path)?;
    tracing::error!(
        "{}: whole batches lie behind the damage at byte {position} (offset {end}); the {} bytes from there on are \
         kept in {}",
        path.display(),
        size - position,
        kept.display()
    );
    Ok(())
}

/// Sets a whole segment aside that a recovery drops: its records in `<base>.log.cut`, unless they are empty.
pub(super) fn keep_segment(folder: &Folder, segment: &Segment) -> Result<(), StorageError> {
    let path = segment.path();
    if segment.size()? > 0 {
        let kept = folder.file(segment.base, CUT);
        segment.close_file();
        folder.disk.rename(&path, &kept).at("rename", &path)?;
        tracing::error!("{} is set aside as {}", path.display(), kept.display());
    }
    segment.remove()
}

/// The ending of what a recovery has set aside.
const CUT: &str = ".log.cut";

fn copy(source: &File, target: &File, from: u64, to: u64) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut position = from;
    while position < to {
        let wanted = usize::try_from(to - position).unwrap_or(CHUNK).min(CHUNK);
        let read = source.read_at(buffer.get_mut(..wanted).unwrap_or_default(), position)?;
        if read == 0 {
            break;
        }
        target.write_all_at(&mut [IoSlice::new(buffer.get(..read).unwrap_or_default())], position - from)?;
        position += read as u64;
    }
    Ok(())
}
