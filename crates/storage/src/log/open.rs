//! Opening a log: what is in its folder, what a crash left of it, what the writer must know.

use super::append::read_marker;
use super::damage;
use super::transactions::{load_aborted, restore_aborted};
use super::{Boundaries, Epochs, Log, View, Writer};
use crate::aborted::AbortedTransaction;
use crate::checkpoint::{PARTITION_METADATA, partition_metadata, read_partition_metadata};
use crate::commit::{CommitQueue, InQueue};
use crate::config::LogConfig;
use crate::directory::Root;
use crate::epochs::{LEADER_EPOCHS, LeaderEpochs};
use crate::error::{Context, StorageError};
use crate::index::Growing;
use crate::producers::{Producers, decode, encode};
use crate::segment::{DELETED, Folder, Segment};
use crate::sync::{Dirt, Mutex, RwLock};
use ottla_ids::{Offset, TopicId, TopicPartition};
use ottla_records::{BatchHeader, BatchView};
use std::collections::BTreeSet;
use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Read at once when records are checked after a crash.
const CHECK_CHUNK: usize = 1 << 20;
/// More bytes than this no control batch has.
const CONTROL_SIZE_MAX: usize = 1 << 20;

/// What the log directory knows of a log before it is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub recovery_point: Option<Offset>,
    pub log_start: Option<Offset>,
    /// Below this offset compaction may have left gaps between segments.
    pub cleaned_to: Option<Offset>,
    /// Whether the directory was closed in order.
    pub is_clean: bool,
}

/// What had to be done to open a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Bytes of records that were read and checked, since they lay behind the recovery point.
    pub checked_bytes: u64,
    /// Bytes of a torn tail that were cut off.
    pub cut_bytes: u64,
}

/// What is in a log's folder: looked at once, since a start after a crash does this for thousands of logs.
#[derive(Debug, Default)]
struct Listing {
    segments: BTreeSet<Offset>,
    /// Producer snapshots, ascending.
    snapshots: Vec<Offset>,
    /// The segments with an index of aborted transactions.
    aborted: BTreeSet<Offset>,
    /// Whether the leader epochs were ever written.
    has_epochs: bool,
}

/// What a log is opened with.
pub(crate) struct Opening<'a> {
    pub root: &'a Arc<Root>,
    pub queue: &'a Arc<CommitQueue>,
    pub partition: &'a TopicPartition,
    pub topic_id: TopicId,
    pub config: LogConfig,
    pub tag: u64,
    pub known: Known,
    /// Whether what lies in the folder is durable, though a crash may have come before a sync: all of the file
    /// system was synced since.
    pub is_durable: bool,
    /// Where it is noted that all of the file system must be synced before anyone reads the log; `None`: it is
    /// synced before it is opened.
    pub unsynced: Option<&'a AtomicBool>,
}

impl Log {
    /// Opens the log in the partition's folder, which is created if there is none.
    pub(crate) fn open(opening: &Opening<'_>) -> Result<Arc<Log>, StorageError> {
        let path = opening.root.path.join(opening.partition.to_string());
        let disk = opening.root.disk.clone();
        Log::open_in(opening, Arc::new(Folder { disk, path, files: opening.root.files() }))
    }

    /// Opens the log in a folder, which is created if there is none.
    pub(crate) fn open_in(opening: &Opening<'_>, folder: Arc<Folder>) -> Result<Arc<Log>, StorageError> {
        let mut is_new = take_topic_id(&folder, opening)?;

        let listing = tidy(&folder)?;
        let mut segments: Vec<Arc<Segment>> =
            listing.segments.iter().map(|base| Arc::new(Segment::existing(&folder, *base))).collect();
        let durable = opening.known.recovery_point.unwrap_or(Offset::ZERO);
        let start = opening.known.log_start.unwrap_or(Offset::ZERO);
        if segments.is_empty() && start < durable {
            let reason = format!(
                "no segment is there, but the log was durable up to offset {durable}: restore the folder, or \
                 delete the topic"
            );
            return Err(StorageError::Corrupt {
                path: folder.path.clone(),
                position: 0,
                offset: start,
                reason,
            });
        }
        let mut has_new_names = is_new;
        let mut is_fresh = false;
        if segments.is_empty() {
            let base = opening.known.log_start.unwrap_or(Offset::ZERO);
            let segment = Segment::create(&folder, base)?;
            opening.config.reserve().map_or(Ok(()), |size| segment.reserve(size))?;
            segments.push(Arc::new(segment));
            has_new_names = true;
            is_fresh = true;
        }
        let first_base = segments.first().map_or(Offset::ZERO, |segment| segment.base);
        let last_base = segments.last().map_or(Offset::ZERO, |segment| segment.base);
        let log_start = opening.known.log_start.unwrap_or(first_base).max(first_base);

        let mut opened = Opened {
            log_end: last_base,
            durable_position: None,
            recovery_point: last_base,
            unrecoverable_bytes: 0,
            growing: Growing::default(),
            recovery: Recovery::default(),
            epochs: Epochs::default(),
            has_markers: false,
        };
        let mut is_loaded = false;
        match opening.known.recovery_point {
            _ if is_fresh => {
                // The file was just created: no reader needs it open.
                opened.durable_position = Some((last_base, 0));
            }
            Some(recovery_point) if opening.known.is_clean && last_base <= recovery_point => {
                opened.log_end = recovery_point;
                opened.recovery_point = recovery_point;
            }
            Some(left) if opening.known.is_clean => {
                let path = folder.file(last_base, ".log");
                let reason =
                    format!("the segment begins behind offset {left}, where a clean stop left the log");
                return Err(StorageError::Corrupt { path, position: 0, offset: last_base, reason });
            }
            point => {
                let point = if opening.known.is_clean { last_base } else { point.unwrap_or(first_base) };
                opened = recover(&folder, &listing, &mut segments, point.max(first_base), opening)
                    .inspect_err(|_| opening.root.note_half_recovered())?;
                is_loaded = true;
                // Without a recovery point nobody has synced the names yet, unless there was something to check.
                let names_are_synced = opening.known.recovery_point.is_some()
                    || first_base < opened.log_end
                    || opening.is_durable;
                is_new |= !names_are_synced;
                has_new_names = !names_are_synced;
            }
        }
        if opened.log_end < log_start {
            // All that is left lies before the start, as when what was synced last was a deletion.
            let producers = encode(&load_producers(&folder, &segments, log_start)?);
            folder.disk.replace(&folder.file(log_start, ".snapshot"), &producers)?;
            for segment in segments.drain(..).rev() {
                segment.remove()?;
            }
            let segment = Segment::create(&folder, log_start)?;
            opening.config.reserve().map_or(Ok(()), |size| segment.reserve(size))?;
            segments.push(Arc::new(segment));
            opened.log_end = log_start;
            opened.recovery_point = log_start;
            opened.durable_position = Some((log_start, 0));
            opened.growing = Growing::default();
            opened.epochs = Epochs::default();
            has_new_names = true;
        }
        let Some(active) = segments.last().cloned() else {
            return Err(StorageError::InvalidFile {
                path: folder.path.clone(),
                reason: "no segment".to_owned(),
            });
        };
        if is_loaded || is_fresh {
            active.set_growing(std::mem::take(&mut opened.growing));
        }
        if is_loaded {
            let has_index = |base: Offset| listing.aborted.contains(&base);
            restore_aborted(
                &folder,
                &segments,
                opened.recovery_point,
                log_start,
                opened.has_markers,
                has_index,
            )?;
        }
        let size = if is_loaded { active.size()? } else { 0 };
        active.close_file();

        let view = View {
            segments,
            log_start,
            log_end: opened.log_end,
            durable_end: opened.log_end,
            durable_position: opened.durable_position,
            secured: opened.durable_position,
            synced_end: opened.log_end,
            recovery_point: opened.recovery_point,
            unrecoverable_bytes: opened.unrecoverable_bytes,
            unrecoverable_since_ms: None,
            unflushed_since_ms: None,
            first_unstable: None,
            is_loaded: is_fresh && last_base == Offset::ZERO,
            next_marker: None,
            truncations: 0,
            departures: 0,
            is_new,
            deleted: Vec::new(),
            is_durable_first: opening.config.is_durable_first(),
            is_given_up: false,
        };
        let names = Dirt::default();
        if has_new_names {
            names.mark();
        }
        let writer = Writer {
            config: opening.config,
            active,
            size,
            log_end: opened.log_end,
            producers: Producers::default(),
            // The producers are still to be loaded, unless there never were any: an empty log that does not start at
            // zero may have a snapshot of what was before.
            is_loaded: is_fresh && last_base == Offset::ZERO,
            latest_epoch: None,
            first_timestamp: None,
            first_append_ms: None,
            unflushed_records: 0,
            is_closed: false,
            is_told: false,
        };
        if is_fresh {
            opened.epochs.cache = Some(LeaderEpochs::default());
        }
        opening.root.note_unrecoverable(opened.unrecoverable_bytes);
        let log = Arc::new_cyclic(|me: &Weak<Log>| Log {
            me: me.clone(),
            root: Arc::clone(opening.root),
            queue: Arc::clone(opening.queue),
            partition: opening.partition.clone(),
            topic_id: opening.topic_id,
            tag: opening.tag,
            folder,
            in_queue: InQueue::default(),
            journaled: AtomicU64::new(0),
            journaled_in: AtomicU64::new(0),
            names,
            in_appended: InQueue::default(),
            maintenance: Mutex::new(()),
            cleaning: Mutex::new(()),
            writer: Mutex::new(writer),
            epochs: Mutex::new(opened.epochs),
            view: RwLock::new(view),
            boundaries: Mutex::new(Boundaries::default()),
            high_watermark: AtomicI64::new(0),
            recovery: opened.recovery,
        });
        if opened.unrecoverable_bytes > 0 {
            opening.root.note_appended(&log);
        }
        Ok(log)
    }

    /// Makes the writer know what an append needs: at a clean start nothing of it was read.
    pub(super) fn load(&self, writer: &mut Writer) -> Result<(), StorageError> {
        if writer.is_loaded {
            return Ok(());
        }
        self.load_files(writer).map_err(|error| self.root.fail_if_unreadable(error)).inspect_err(|error| {
            if matches!(error, StorageError::Corrupt { .. }) && !std::mem::replace(&mut writer.is_told, true)
            {
                tracing::error!("{} is isolated; `ottla log check` tells more: {error}", self.partition);
            }
        })
    }

    fn load_files(&self, writer: &mut Writer) -> Result<(), StorageError> {
        self.check_open(writer)?;
        let segment = Arc::clone(&writer.active);
        let size = segment.size()?;
        // After a recovery the entries are there already.
        if segment.with_growing(|_| ()).is_none() {
            let interval = writer.config.index_interval_bytes;
            let (growing, from) = segment.resume_index(writer.log_end, size, interval)?;
            let scan = segment.scan_index(from, size, growing, interval)?;
            let end = match (scan.end, scan.growing.offsets.last()) {
                (end, Some(last)) if end == segment.base => {
                    segment.base.plus(i64::from(last.relative)).plus(1)
                }
                (end, _) => end,
            };
            if end.max(self.log_start_offset()) != writer.log_end {
                let reason =
                    format!("the segment ends at offset {end}, where a clean stop left {}", writer.log_end);
                return Err(segment.damage(size, end, reason));
            }
            segment.set_growing(scan.growing);
        }
        writer.size = size;
        if writer.first_timestamp.is_none() {
            let first = segment.headers(0, size)?.next()?;
            writer.first_timestamp =
                first.map(|(_, header)| header.max_timestamp()).filter(|timestamp| *timestamp >= 0);
        }
        let segments = self.view.read().segments.clone();
        writer.producers = load_producers(&self.folder, &segments, writer.log_end)?;
        load_aborted(&self.folder, &segments, &segment)?;
        writer.latest_epoch =
            self.with_epochs(|epochs| (epochs.latest().map(|latest| latest.epoch), false))?;
        {
            let mut view = self.view.write();
            self.publish_unstable(writer, &mut view);
            view.is_loaded = true;
            if view.secured.is_none() {
                view.secured = Some((segment.base, size));
            }
            if view.durable_position.is_none() && view.durable_end == view.log_end {
                view.durable_position = Some((segment.base, size));
            }
        }
        writer.is_loaded = true;
        // Markers below the high watermark count. It is looked at behind the view, in which whoever tells a new one
        // looks behind that.
        writer.producers.on_high_watermark(Offset(self.high_watermark.load(Ordering::Acquire)));
        self.publish_unstable(writer, &mut self.view.write());
        Ok(())
    }
}

/// The producers' state as of `end`, where a segment begins or the log ends: that of the newest usable snapshot, and what was appended since.
pub(super) fn load_producers(
    folder: &Folder,
    segments: &[Arc<Segment>],
    end: Offset,
) -> Result<Producers, StorageError> {
    let mut producers = Producers::default();
    // Also what lies before the log's start counts: a producer does not lose its place with its records.
    let first = segments.first().map_or(Offset::ZERO, |segment| segment.base);
    let mut from = first;
    for offset in snapshots(folder)?.into_iter().rev().filter(|offset| *offset <= end) {
        let path = folder.file(offset, ".snapshot");
        let Some(bytes) = folder.disk.read(&path).at("read", &path)? else { continue };
        let reason = match decode(&bytes) {
            Ok(read) => match damage::contradiction(&read, segments, offset)? {
                None => {
                    producers = read;
                    from = offset.max(first);
                    break;
                }
                Some(contradiction) => contradiction,
            },
            Err(error) => error.to_string(),
        };
        tracing::warn!("{} is not used: {reason}", path.display());
        folder.disk.remove_file(&path).at("remove", &path)?;
    }
    let index = segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
    for segment in segments.get(index..).unwrap_or_default() {
        if from >= end || segment.base >= end {
            break;
        }
        let size = segment.size()?;
        let mut walk = segment.headers(segment.position_near(from)?.min(size), size)?;
        while let Some((position, header)) = walk.next()? {
            if header.last_offset() < from {
                continue;
            }
            if end <= header.base_offset() {
                break;
            }
            if header.has_producer_id() {
                replay(&mut producers, segment, position, &header)?;
            }
        }
    }
    Ok(producers)
}

/// What opening found out.
struct Opened {
    log_end: Offset,
    durable_position: Option<(Offset, u64)>,
    recovery_point: Offset,
    unrecoverable_bytes: u64,
    growing: Growing,
    recovery: Recovery,
    epochs: Epochs,
    /// Whether there are transaction markers behind the recovery point.
    has_markers: bool,
}

/// Reads the folder's topic id, or writes it, in a folder that is created if there is none. Returns whether it
/// was written.
fn take_topic_id(folder: &Folder, opening: &Opening<'_>) -> Result<bool, StorageError> {
    match read_partition_metadata(&folder.disk, &folder.path)? {
        Some(found) if found == opening.topic_id => Ok(false),
        Some(found) => Err(StorageError::TopicIdMismatch {
            partition: opening.partition.clone(),
            found,
            wanted: opening.topic_id,
        }),
        None => {
            match folder.disk.create_folder(&folder.path) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(error).at("create", &folder.path);
                }
                _ => {}
            }
            let path = folder.path.join(PARTITION_METADATA);
            let file = folder.disk.create(&path).at("create", &path)?;
            let text = partition_metadata(opening.topic_id);
            file.write_all_at(&mut [IoSlice::new(text.as_bytes())], 0).at("write", &path)?;
            Ok(true)
        }
    }
}

/// The offset that names a file of the log, and the rest of the name.
fn log_file(name: &str) -> Option<(Offset, &str)> {
    let (digits, suffix) = name.split_at_checked(20)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((Offset(digits.parse().ok()?), suffix))
}

/// Removes what an interrupted deletion or cleaning left (Kafka's `LogLoader`), and lists the segments. Files
/// that are not the log's are left alone.
fn tidy(folder: &Folder) -> Result<Listing, StorageError> {
    let mut names = folder.disk.list(&folder.path).at("list", &folder.path)?;
    if names.iter().filter_map(|entry| log_file(&entry.name)).any(|(_, suffix)| !OURS.contains(&suffix)) {
        finish_cleaning(folder, &names)?;
        names = folder.disk.list(&folder.path).at("list", &folder.path)?;
    }
    let has_epochs = names.iter().any(|entry| entry.name == LEADER_EPOCHS);
    let mut listing = Listing { has_epochs, ..Listing::default() };
    let files = || names.iter().filter(|entry| !entry.is_folder).filter_map(|entry| log_file(&entry.name));
    for (offset, suffix) in files() {
        match suffix {
            ".log" => drop(listing.segments.insert(offset)),
            ".snapshot" => listing.snapshots.push(offset),
            ".txnindex" => drop(listing.aborted.insert(offset)),
            _ => {}
        }
    }
    listing.snapshots.sort();
    for (offset, suffix) in files() {
        if [".index", ".timeindex", ".txnindex"].contains(&suffix) && !listing.segments.contains(&offset) {
            let path = folder.file(offset, suffix);
            folder.disk.remove_file(&path).at("remove", &path)?;
        }
    }
    Ok(listing)
}

/// What the names of a log's files end in.
const OURS: [&str; 5] = [".log", ".index", ".timeindex", ".txnindex", ".snapshot"];

/// Removes the files of deleted segments and of a cleaning that was not ready, and completes one that was.
fn finish_cleaning(folder: &Folder, names: &[crate::disk::Entry]) -> Result<(), StorageError> {
    let files = || names.iter().filter(|entry| !entry.is_folder).filter_map(|entry| log_file(&entry.name));
    let remove = |offset, suffix: &str| {
        let path = folder.file(offset, suffix);
        folder.disk.remove_file(&path).at("remove", &path)
    };
    let stem = |suffix: &str, mark: &str| {
        suffix.strip_suffix(mark).filter(|stem| OURS.contains(stem)).map(str::to_owned)
    };
    let mut first_cleaned = None;
    for (offset, suffix) in files() {
        if stem(suffix, DELETED).is_some() {
            remove(offset, suffix)?;
        } else if stem(suffix, ".cleaned").is_some() {
            first_cleaned = Some(first_cleaned.unwrap_or(offset).min(offset));
            remove(offset, suffix)?;
        }
    }
    let mut segments: BTreeSet<Offset> =
        files().filter(|(_, suffix)| *suffix == ".log").map(|(offset, _)| offset).collect();
    finish_swap(folder, names, first_cleaned, &mut segments)
}

/// Completes the replacement of segments by cleaned ones that a crash interrupted, or takes it back where not
/// all of them were ready.
fn finish_swap(
    folder: &Folder,
    names: &[crate::disk::Entry],
    first_cleaned: Option<Offset>,
    segments: &mut BTreeSet<Offset>,
) -> Result<(), StorageError> {
    let mut swapped: Vec<(Offset, String)> = Vec::new();
    for (offset, suffix) in names.iter().filter_map(|entry| log_file(&entry.name)) {
        let Some(stem) = suffix.strip_suffix(".swap") else { continue };
        let path = folder.file(offset, suffix);
        // Records get the name last, so without them nothing was ready.
        let is_ready = folder.disk.exists(&folder.file(offset, ".log.swap")).at("look at", &folder.path)?;
        if first_cleaned.is_some_and(|first| first <= offset) || !is_ready {
            folder.disk.remove_file(&path).at("remove", &path)?;
        } else {
            swapped.push((offset, stem.to_owned()));
        }
    }
    // What a replacement spans, the replaced segments are in.
    for (base, stem) in swapped.iter().filter(|(_, stem)| stem == ".log") {
        let path = folder.file(*base, &format!("{stem}.swap"));
        let end = end_of_file(folder, &path, *base)?;
        for old in segments.range(*base..end.max(base.plus(1))).copied().collect::<Vec<_>>() {
            Segment::existing(
                &Arc::new(Folder {
                    disk: folder.disk.clone(),
                    path: folder.path.clone(),
                    files: Arc::clone(&folder.files),
                }),
                old,
            )
            .remove()?;
            segments.remove(&old);
        }
        segments.insert(*base);
    }
    for (offset, stem) in &swapped {
        let (from, to) = (folder.file(*offset, &format!("{stem}.swap")), folder.file(*offset, stem));
        folder.disk.rename(&from, &to).at("rename", &from)?;
    }
    if !swapped.is_empty() {
        folder.disk.sync_folder(&folder.path).at("sync folder", &folder.path)?;
    }
    Ok(())
}

/// The offset behind the last batch of a file of whole batches.
fn end_of_file(folder: &Folder, path: &std::path::Path, base: Offset) -> Result<Offset, StorageError> {
    let file = folder.disk.open(path).at("open", path)?;
    let size = file.size().at("look at", path)?;
    let (mut position, mut end) = (0, base);
    let mut buffer = [0; ottla_records::HEADER_SIZE];
    while position < size {
        let read = file.read_at(&mut buffer, position).at("read", path)?;
        let header = BatchHeader::parse(buffer.get(..read).unwrap_or_default()).map_err(|error| {
            StorageError::Corrupt { path: path.to_owned(), position, offset: end, reason: error.to_string() }
        })?;
        position += header.size() as u64;
        end = header.next_offset();
    }
    Ok(end)
}

/// The offsets of the producer snapshots in a folder, ascending.
pub(super) fn snapshots(folder: &Folder) -> Result<Vec<Offset>, StorageError> {
    let names = folder.disk.list(&folder.path).at("list", &folder.path)?;
    let files = names.iter().filter_map(|entry| log_file(&entry.name));
    let mut offsets: Vec<Offset> =
        files.filter(|(_, suffix)| *suffix == ".snapshot").map(|(offset, _)| offset).collect();
    offsets.sort();
    Ok(offsets)
}

/// Checks what lies behind the recovery point, cuts a torn tail, and makes durable what is left.
///
/// What lies below the recovery point was synced: where that is damaged, or not there, it is an error.
fn recover(
    folder: &Arc<Folder>,
    listing: &Listing,
    segments: &mut Vec<Arc<Segment>>,
    recovery_point: Offset,
    opening: &Opening<'_>,
) -> Result<Opened, StorageError> {
    let interval = opening.config.index_interval_bytes;
    // The segment that ends at the recovery point got its last index entry when the next began.
    let floor = segments.partition_point(|segment| segment.base < recovery_point).saturating_sub(1);
    // A log cut within its first batch ends where it starts, with nothing on disk to show it.
    let log_start = opening.known.log_start.unwrap_or(Offset::ZERO);
    let was_durable = |offset: Offset| offset.max(log_start) < recovery_point;
    // Those of what is checked, the records tell; without anything before that, there are no others.
    let mut epochs = if listing.has_epochs || Offset::ZERO < recovery_point {
        damage::read_epochs(folder, segments)?
    } else {
        LeaderEpochs::default()
    };
    let mut is_dirty = epochs.truncate_from_end(recovery_point);
    let mut recovery = Recovery::default();
    let mut growing = Growing::default();
    let mut end = segments.get(floor).map_or(recovery_point, |segment| segment.base);
    let mut unrecoverable_bytes = 0;
    let mut torn_at = None;
    let mut has_markers = false;
    let mut has_leftover = false;
    let mut index = floor;
    while let Some(segment) = segments.get(index).cloned() {
        if index > floor && segment.base < end && segment.size()? == 0 {
            // It was made and, for want of room, removed again: the one before it grew on.
            segment.remove()?;
            segments.remove(index);
            has_leftover = true;
            continue;
        }
        let gap = segment.base.0 - end.max(log_start).0;
        let is_cleaned = opening.known.cleaned_to.is_some_and(|to| segment.base <= to);
        if index > floor && 0 < gap && gap <= i64::from(i32::MAX) && !is_cleaned && !opening.known.is_clean {
            // The segment before it has lost its tail, so nothing here was ever durable. A leap larger than a
            // segment can span is one of the leader whose log this is a copy of.
            tracing::warn!("{}: dropped: the log before it ends at {end}", segment.path().display());
            torn_at = Some(index - 1);
            break;
        }
        if index > floor
            && let Some(before) = segments.get(index - 1)
        {
            before.set_growing(std::mem::take(&mut growing));
            before.write_last_indexes()?;
            before.seal();
        }
        let size = segment.size()?;
        let (resumed, from) = if index == floor {
            segment.resume_index(recovery_point, size, interval)?
        } else {
            (Growing::default(), 0)
        };
        if let Some(last) = resumed.offsets.last() {
            end = segment.base.plus(i64::from(last.relative)).plus(1);
        } else {
            end = end.max(segment.base);
        }
        let mut check = Check { segment: &segment, interval, growing: resumed, end, position: from };
        let damage = check.run(size, |header| {
            if header.base_offset() >= recovery_point {
                is_dirty |= epochs.assign(header.leader_epoch(), header.base_offset());
                has_markers |= header.is_control() && header.has_producer_id();
            }
        })?;
        recovery.checked_bytes += check.position - from;
        let position = check.position;
        growing = check.growing;
        end = check.end;
        if let Some(reason) = damage {
            if was_durable(end) || opening.known.is_clean {
                return Err(segment.damage(position, end, reason));
            }
            tracing::warn!(
                "{}: cut off at byte {position} (offset {end}): {reason}; what follows was never durable",
                segment.path().display()
            );
            recovery.cut_bytes += size - position;
            damage::keep_tail(folder, &segment, position, end)?;
            let path = segment.path();
            segment.file()?.set_size(position).at("cut", &path)?;
            segment.set_size(position);
            torn_at = Some(index);
        }
        unrecoverable_bytes += position - from;
        if torn_at.is_some() {
            break;
        }
        index += 1;
    }
    if let Some(index) = torn_at {
        for segment in segments.drain(index + 1..).rev() {
            recovery.cut_bytes += segment.size()?;
            damage::keep_segment(folder, &segment)?;
        }
    }
    let Some(active) = segments.last() else {
        return Err(StorageError::InvalidFile { path: folder.path.clone(), reason: "no segment".to_owned() });
    };
    let size = active.size()?;
    if was_durable(end) {
        let reason = format!("the log ends here, but was durable up to offset {recovery_point}");
        return Err(active.damage(size, end, reason));
    }
    if opening.config.preallocate {
        // What was reserved behind the records did not go away with the process.
        active.file()?.set_size(size).at("cut", &active.path())?;
    }
    is_dirty |= epochs.truncate_from_end(end);
    let is_unsynced = end > recovery_point && !opening.is_durable;
    let mut must_sync = is_unsynced || torn_at.is_some() || has_leftover;
    for offset in listing.snapshots.iter().copied().filter(|offset| *offset > recovery_point) {
        // Those behind the recovery point may be torn.
        let path = folder.file(offset, ".snapshot");
        let bytes = folder.disk.read(&path).at("read", &path)?.unwrap_or_default();
        if offset <= end.max(log_start) && decode(&bytes).is_ok() {
            continue;
        }
        // A power cut must not bring it back once the log has grown beyond it.
        must_sync = true;
        folder.disk.remove_file(&path).at("remove", &path)?;
    }
    if let Some(unsynced) = opening.unsynced
        && must_sync
    {
        unsynced.store(true, Ordering::Relaxed);
    } else if must_sync {
        for segment in segments.iter().skip(floor) {
            segment.file()?.sync().at("sync", &segment.path())?;
            segment.close_file();
        }
        let path = folder.path.join(PARTITION_METADATA);
        folder.disk.open(&path).at("open", &path)?.sync().at("sync", &path)?;
        folder.disk.sync_folder(&folder.path).at("sync folder", &folder.path)?;
        opening.root.sync_names()?;
    }
    Ok(Opened {
        log_end: end,
        durable_position: Some((active.base, size)),
        recovery_point,
        unrecoverable_bytes,
        growing,
        recovery,
        epochs: Epochs { cache: Some(epochs), is_dirty },
        has_markers,
    })
}

/// Checks the batches of one segment, CRCs too.
struct Check<'a> {
    segment: &'a Segment,
    interval: u32,
    growing: Growing,
    /// The offset behind the last good batch.
    end: Offset,
    /// Where the last good batch ends.
    position: u64,
}

impl Check<'_> {
    /// Goes on to `size`; returns what is wrong with the batch at `position`, if there is a bad one.
    fn run(
        &mut self,
        size: u64,
        mut on_batch: impl FnMut(&BatchHeader),
    ) -> Result<Option<String>, StorageError> {
        let file = self.segment.file()?;
        let path = self.segment.path();
        let mut buffer =
            vec![0; CHECK_CHUNK.min(usize::try_from(size - self.position).unwrap_or(CHECK_CHUNK))];
        while self.position < size {
            let filled = file.read_at(&mut buffer, self.position).at("read", &path)?;
            let mut rest = buffer.get(..filled).unwrap_or_default();
            let before = self.position;
            while !rest.is_empty() {
                let batch = match BatchView::parse(rest) {
                    Ok(batch) => batch,
                    // Not all of it is in the buffer.
                    Err(_) if self.position > before && self.position + (rest.len() as u64) < size => break,
                    Err(ottla_records::BatchError::Truncated { needed, .. })
                        if needed > buffer.len() && self.position + needed as u64 <= size =>
                    {
                        break;
                    }
                    Err(error) => return Ok(Some(error.to_string())),
                };
                if let Err(error) = batch.check_crc() {
                    return Ok(Some(error.to_string()));
                }
                if batch.base_offset() < self.end {
                    return Ok(Some(format!("offset {} follows {}", batch.base_offset(), self.end)));
                }
                let Some(relative) = self.segment.relative(batch.last_offset()) else {
                    return Ok(Some(format!("offset {} is out of the segment's range", batch.last_offset())));
                };
                let position = u32::try_from(self.position).unwrap_or(u32::MAX);
                self.growing.add(relative, position, batch.size(), batch.max_timestamp(), self.interval);
                on_batch(batch.header());
                self.end = batch.next_offset();
                self.position += batch.size() as u64;
                rest = rest.get(batch.size()..).unwrap_or_default();
            }
            if self.position == before {
                // One batch is larger than the buffer.
                let left = usize::try_from(size - self.position).unwrap_or(usize::MAX);
                if buffer.len() >= left {
                    return Ok(Some("the batch reaches beyond the end of the file".to_owned()));
                }
                let larger = (buffer.len() * 4).min(left);
                buffer.resize(larger, 0);
            }
        }
        Ok(None)
    }
}

/// Takes over a batch of a producer that begins at `position`. Returns the transaction that it aborts, if it does.
pub(super) fn replay(
    producers: &mut Producers,
    segment: &Segment,
    position: u64,
    header: &BatchHeader,
) -> Result<Option<AbortedTransaction>, StorageError> {
    if !header.is_control() {
        return Ok(producers.replay(header, None));
    }
    let damage = |reason: String| segment.damage(position, header.base_offset(), reason);
    if header.size() > CONTROL_SIZE_MAX {
        return Err(damage(format!("a control batch of {} bytes", header.size())));
    }
    let mut bytes = vec![0; header.size()];
    let read = segment.file()?.read_at(&mut bytes, position).at("read", &segment.path())?;
    let batch = BatchView::parse(bytes.get(..read).unwrap_or_default()).map_err(|e| damage(e.to_string()))?;
    let marker = read_marker(&batch).map_err(|error| damage(error.to_string()))?;
    Ok(producers.replay(header, marker))
}
