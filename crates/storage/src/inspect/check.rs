//! Checks the folder of one partition: its batches, and whether all that was derived from them says the same.

use super::batches::BatchFile;
use super::entries::{
    AbortedEntry, IndexContent, OffsetIndexEntry, TimeIndexEntry, read_aborted_index, read_leader_epochs,
    read_offset_index, read_producer_snapshot, read_time_index, read_topic_id,
};
use super::finding::{Answer, Finding, Findings};
use super::names::{FileKind, FileMark, FileName};
use crate::checkpoint::PARTITION_METADATA;
use crate::disk::Disk;
use crate::epochs::{EpochStart, LEADER_EPOCHS};
use crate::error::{Context, StorageError};
use crate::producers::ProducerState;
use ottla_ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId};
use ottla_records::{BatchView, DECOMPRESSED_SIZE_MAX, EndTransactionMarker};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A closed segment with more bytes of records behind its last index entry than this has lost entries.
const UNINDEXED_BYTES_MAX: u64 = 64 << 10;

/// What the log directory says about a partition.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected {
    /// What the recovery point checkpoint says.
    pub recovery_point: Option<Offset>,
    /// What the log start checkpoint says.
    pub log_start: Option<Offset>,
    /// What the high watermark checkpoint says.
    pub high_watermark: Option<Offset>,
    /// Up to where the log was compacted.
    pub cleaned_to: Option<Offset>,
    /// The topic's id by the metadata log, where there is one.
    pub topic_id: Option<TopicId>,
    /// Whether the directory was closed in order.
    pub is_clean: bool,
    /// Whether a server works in the directory: what it may be changing is not looked at.
    pub is_live: bool,
}

/// What was gone through, and what is wrong.
#[derive(Debug, Default)]
pub struct CheckedLog {
    /// What is wrong or remarkable, in the order in which it was found.
    pub findings: Findings,
    /// Segments.
    pub segments: u64,
    /// Whole batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of records.
    pub bytes: u64,
    /// Where the first segment begins.
    pub first_offset: Offset,
    /// The offset behind the last good batch.
    pub end_offset: Offset,
}

/// A segment's files.
#[derive(Clone, Copy, Debug, Default)]
struct Files {
    has_index: bool,
    has_time_index: bool,
    has_transaction_index: bool,
}

/// Checks a partition's folder; `progress` is told how many bytes of records were read.
///
/// # Errors
/// Where the disk fails. What is wrong with the content is a finding.
pub fn check_partition(
    disk: &Disk,
    folder: &Path,
    expected: &Expected,
    progress: &mut dyn FnMut(u64),
) -> Result<CheckedLog, StorageError> {
    let mut names = disk.list(folder).at("list", folder)?;
    names.sort();
    let mut checked = CheckedLog::default();
    let mut segments: BTreeMap<Offset, Files> = BTreeMap::new();
    let mut orphans: Vec<(Offset, FileKind, PathBuf)> = Vec::new();
    let mut snapshots = BTreeSet::new();
    let mut interrupted: Vec<PathBuf> = Vec::new();
    for entry in &names {
        let path = folder.join(&entry.name);
        let name = FileName::parse(&entry.name);
        if entry.is_folder || name.kind == FileKind::Unknown {
            checked.findings.add(
                Finding::about(path, Answer::LeftAlone, "is no file of a log")
                    .advise("remove it, or leave it: it disturbs nobody"),
            );
            continue;
        }
        match (name.kind, name.mark, name.base) {
            (FileKind::Records, FileMark::Live, Some(base)) => {
                segments.entry(base).or_default();
            }
            (
                FileKind::OffsetIndex | FileKind::TimeIndex | FileKind::TransactionIndex,
                FileMark::Live,
                Some(base),
            ) => {
                orphans.push((base, name.kind, path));
            }
            (FileKind::ProducerSnapshot, FileMark::Live, Some(base)) => {
                snapshots.insert(base);
            }
            (FileKind::Records, FileMark::Cut, _) => {
                checked.findings.add(
                    Finding::about(path, Answer::LeftAlone, "was set aside by a recovery: damage lay before it, and whole batches in it")
                        .advise("look into it with `ottla log dump --records`, send again what is missing, and remove it"),
                );
            }
            (_, FileMark::Deleted | FileMark::Cleaned | FileMark::Swap | FileMark::Temporary, _) => {
                interrupted.push(path);
            }
            _ => {}
        }
    }
    if let Some(path) = interrupted.first().filter(|_| !expected.is_live) {
        let others = match interrupted.len() {
            1 => String::new(),
            count => format!(", and {} like it,", count - 1),
        };
        let what = format!("{others} is left from an interrupted deletion, cleaning or replacement");
        checked.findings.add(
            Finding::about(path.clone(), Answer::LeftAlone, what.trim_start_matches([',', ' ']))
                .advise("nothing: the next start finishes that"),
        );
    }
    for (base, kind, path) in orphans {
        match segments.get_mut(&base) {
            Some(files) => match kind {
                FileKind::OffsetIndex => files.has_index = true,
                FileKind::TimeIndex => files.has_time_index = true,
                _ => files.has_transaction_index = true,
            },
            None => checked.findings.add(
                Finding::about(path, Answer::Rebuilt, "is the index of a segment that is not there").advise(
                    "nothing: the next start removes it; if the segment should be there, restore it first",
                ),
            ),
        }
    }
    check_topic_id(disk, folder, expected, &mut checked)?;
    if segments.is_empty() {
        if expected.recovery_point.is_some_and(|point| Offset::ZERO < point) {
            let point = expected.recovery_point.unwrap_or_default();
            checked.findings.add(
                Finding::about(
                    folder.to_owned(),
                    Answer::Isolated,
                    format!("has no segment, but was durable up to offset {point}"),
                )
                .advise("restore the folder's files"),
            );
        }
        return Ok(checked);
    }
    Walk::new(disk, folder, expected, segments, snapshots, checked)?.run(progress)
}

fn check_topic_id(
    disk: &Disk,
    folder: &Path,
    expected: &Expected,
    checked: &mut CheckedLog,
) -> Result<(), StorageError> {
    let path = folder.join(PARTITION_METADATA);
    match read_topic_id(disk, folder) {
        Ok(Some(found)) => {
            if let Some(wanted) = expected.topic_id.filter(|wanted| *wanted != found) {
                checked.findings.add(
                    Finding::about(path, Answer::Isolated, format!("is of topic id {found}, but the topic's id is {wanted}"))
                        .advise("these are the files of another topic: put each topic's folder back under its own name"),
                );
            }
        }
        Ok(None) => checked.findings.add(
            Finding::about(path, Answer::Rebuilt, "is missing, or not all there")
                .advise("nothing: it is written when the partition is opened"),
        ),
        Err(StorageError::InvalidFile { path, reason }) => checked.findings.add(
            Finding::about(path, Answer::Isolated, reason)
                .advise("remove the file if the folder's records are the topic's: it is written anew"),
        ),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The last batch of a producer, as its records tell.
#[derive(Clone, Copy, Debug)]
struct LastBatch {
    epoch: ProducerEpoch,
    last_sequence: i32,
    last_offset: Offset,
}

/// Goes through the segments, oldest first.
struct Walk<'a> {
    disk: &'a Disk,
    folder: &'a Path,
    expected: &'a Expected,
    checked: CheckedLog,
    segments: Vec<(Offset, Files)>,
    /// Snapshots that the walk has not come to yet.
    snapshots: BTreeSet<Offset>,
    epochs: Option<Vec<EpochStart>>,
    epochs_differ: bool,
    /// There is no file of epochs, and no batch with an epoch was met yet.
    lacks_epochs: bool,
    producers: HashMap<ProducerId, LastBatch>,
    open_transactions: HashMap<ProducerId, Offset>,
    /// The offset behind the last good batch.
    end: Offset,
    /// Where whatever lies behind is cut at the next start.
    is_cut: bool,
}

/// What is compared with the batches of one segment as they pass.
struct Compared {
    base: Offset,
    offsets: Option<IndexContent<OffsetIndexEntry>>,
    times: Option<IndexContent<TimeIndexEntry>>,
    next_offset_entry: usize,
    next_time_entry: usize,
    largest_timestamp: i64,
    aborted: Vec<AbortedEntry>,
    /// Markers of aborts: which producer's, by offset.
    abort_markers: BTreeMap<Offset, ProducerId>,
    wrong_offsets: Option<(Offset, String)>,
    wrong_times: Option<(Offset, String)>,
}

impl<'a> Walk<'a> {
    fn new(
        disk: &'a Disk,
        folder: &'a Path,
        expected: &'a Expected,
        segments: BTreeMap<Offset, Files>,
        snapshots: BTreeSet<Offset>,
        checked: CheckedLog,
    ) -> Result<Walk<'a>, StorageError> {
        let segments: Vec<_> = segments.into_iter().collect();
        let first = segments.first().map_or(Offset::ZERO, |(base, _)| *base);
        let mut walk = Walk {
            disk,
            folder,
            expected,
            checked,
            segments,
            snapshots,
            epochs: None,
            epochs_differ: false,
            lacks_epochs: false,
            producers: HashMap::new(),
            open_transactions: HashMap::new(),
            end: first,
            is_cut: false,
        };
        walk.checked.first_offset = first;
        let path = folder.join(LEADER_EPOCHS);
        match read_leader_epochs(disk, &path) {
            Ok(epochs) => {
                let ascends = epochs
                    .windows(2)
                    .all(|it| matches!(it, [a, b] if a.epoch < b.epoch && a.start <= b.start));
                if !ascends {
                    walk.add(
                        Finding::about(path, Answer::Unnoticed, "does not ascend").advise(REMOVE_EPOCHS),
                    );
                } else {
                    walk.epochs = Some(epochs);
                }
            }
            Err(StorageError::InvalidFile { path, reason }) => {
                walk.add(Finding::about(path, Answer::Rebuilt, reason).advise(NOTHING_REBUILT));
            }
            // A running server writes it with its first recovery point.
            Err(StorageError::Io { source, .. })
                if expected.is_live && source.kind() == std::io::ErrorKind::NotFound => {}
            // A log without records has none either: the first one that bears an epoch tells.
            Err(StorageError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                walk.lacks_epochs = true;
            }
            Err(error) => return Err(error),
        }
        // What was there before the first segment, its snapshot tells.
        if walk.snapshots.contains(&first)
            && let Ok(content) = read_producer_snapshot(disk, &walk.path(first, ".snapshot"))
        {
            for state in content.producers {
                if let Some(start) = state.transaction_start {
                    walk.open_transactions.insert(state.producer_id, start);
                }
            }
        }
        Ok(walk)
    }

    fn add(&mut self, finding: Finding) {
        self.checked.findings.add(finding);
    }

    fn path(&self, base: Offset, ending: &str) -> PathBuf {
        self.folder.join(format!("{:020}{ending}", base.0))
    }

    fn run(mut self, progress: &mut dyn FnMut(u64)) -> Result<CheckedLog, StorageError> {
        let segments = std::mem::take(&mut self.segments);
        for (index, (base, files)) in segments.iter().enumerate() {
            let is_active = index + 1 == segments.len();
            if is_active && self.expected.is_live {
                break;
            }
            self.between_segments(*base, index);
            match self.segment(*base, *files, is_active, progress) {
                Err(StorageError::Io { source, .. })
                    if self.expected.is_live && source.kind() == std::io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
        if !self.expected.is_live {
            let end = self.end;
            self.snapshots_up_to(end, true)?;
            self.checkpoints();
        }
        self.checked.end_offset = self.end;
        Ok(self.checked)
    }

    fn between_segments(&mut self, base: Offset, index: usize) {
        if index == 0 || base == self.end {
            return;
        }
        let path = self.path(base, ".log");
        if base < self.end {
            let what = format!("begins at offset {base}, but the segment before it ends at {}", self.end);
            self.add(Finding::about(path, Answer::Unreadable, what).at(0, base).advise(RESTORE));
            return;
        }
        let is_cleaned = self.expected.cleaned_to.is_some_and(|to| base <= to);
        let from = self.end.max(self.expected.log_start.unwrap_or(Offset::ZERO));
        if is_cleaned || base <= from || base.0 - from.0 > i64::from(i32::MAX) {
            return;
        }
        let what = format!(
            "begins at offset {base}, but the segment before it ends at {from}: what lay between is missing"
        );
        let is_behind = self.expected.recovery_point.is_some_and(|point| point <= self.end);
        let finding = if is_behind && !self.expected.is_clean {
            self.is_cut = true;
            Finding::about(path, Answer::Cut, what).at(0, self.end).advise(CUT)
        } else {
            Finding::about(path, Answer::Unnoticed, what).at(0, self.end).advise(RESTORE)
        };
        self.add(finding);
    }

    fn segment(
        &mut self,
        base: Offset,
        files: Files,
        is_active: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), StorageError> {
        let path = self.path(base, ".log");
        let mut file = BatchFile::open(self.disk, &path)?;
        let mut compared = self.compared(base, files)?;
        let recovery_from = self.recovery_from(&compared);
        self.end = self.end.max(base);
        let (mut told, mut damage) = (0, None);
        loop {
            let position = file.position();
            match file.next_batch()? {
                None => break,
                Some(Ok((position, batch))) => {
                    self.batch(&path, position, &batch, &mut compared)?;
                    told += batch.size() as u64;
                    if told > 1 << 20 {
                        progress(told);
                        told = 0;
                    }
                }
                Some(Err(error)) => {
                    let next = file.skip_damage()?;
                    damage.get_or_insert((position, next));
                    self.damage(&path, position, next, file.size(), recovery_from, error.error.to_string());
                    progress(next.unwrap_or(file.size()) - position);
                }
            }
        }
        progress(told);
        self.checked.segments += 1;
        self.checked.bytes += file.size();
        self.offset_index(&compared, &file, is_active, files, damage.is_some());
        self.time_index(&compared, is_active, files, damage.is_some());
        self.transaction_index(&compared);
        Ok(())
    }

    /// From which byte on of this segment the next start reads and checks; `None`: it does not.
    fn recovery_from(&self, compared: &Compared) -> Option<u64> {
        let point = self.expected.recovery_point?;
        if self.expected.is_clean {
            return None;
        }
        let below =
            compared.offsets.iter().flat_map(|it| &it.entries).take_while(|it| it.offset < point).last();
        let from = below.map_or(0, |it| u64::try_from(it.position).unwrap_or(0));
        (compared.base >= point || below.is_some() || self.end <= point).then_some(from)
    }

    fn damage(
        &mut self,
        path: &Path,
        position: u64,
        next: Option<u64>,
        size: u64,
        recovery_from: Option<u64>,
        what: String,
    ) {
        let end = self.end;
        let until = match next {
            Some(next) => format!("{what}; the next whole batch begins at byte {next}"),
            None => format!("{what}; nothing that could be read lies behind it in the file of {size} bytes"),
        };
        let point = self.expected.recovery_point.unwrap_or(Offset::ZERO);
        let finding = if self.expected.is_clean || recovery_from.is_none_or(|from| position < from) {
            Finding::about(path.to_owned(), Answer::Unreadable, until).advise(RESTORE)
        } else if end < point {
            let until = format!("{until}; it was durable: the recovery point is {point}");
            Finding::about(path.to_owned(), Answer::Isolated, until).advise(RESTORE)
        } else {
            self.is_cut = true;
            Finding::about(path.to_owned(), Answer::Cut, until).advise(CUT)
        };
        self.add(finding.at(position, end));
    }

    fn compared(&mut self, base: Offset, files: Files) -> Result<Compared, StorageError> {
        let offsets = match files.has_index {
            true => Some(read_offset_index(self.disk, &self.path(base, ".index"), base)?),
            false => None,
        };
        let times = match files.has_time_index {
            true => Some(read_time_index(self.disk, &self.path(base, ".timeindex"), base)?),
            false => None,
        };
        let mut aborted = Vec::new();
        if files.has_transaction_index {
            let path = self.path(base, ".txnindex");
            let content = read_aborted_index(self.disk, &path)?;
            let bad = content.entries.iter().position(|it| {
                it.version != 0
                    || it.last_offset < it.first_offset
                    || it.first_offset.0 < 0
                    || it.last_offset < base
            });
            if let Some(bad) = bad {
                let what = format!("entry {bad} cannot be right");
                self.add(
                    Finding::about(path, Answer::Rebuilt, what)
                        .at(bad as u64 * 34, base)
                        .advise(NOTHING_REBUILT),
                );
            } else if content.spare_bytes > 0 {
                let at = content.size - content.spare_bytes;
                let what = format!("{} bytes at its end are no entry", content.spare_bytes);
                self.add(Finding::about(path, Answer::Rebuilt, what).at(at, base).advise(NOTHING_REBUILT));
            }
            aborted = content.entries;
        }
        Ok(Compared {
            base,
            offsets,
            times,
            next_offset_entry: 0,
            next_time_entry: 0,
            largest_timestamp: -1,
            aborted,
            abort_markers: BTreeMap::new(),
            wrong_offsets: None,
            wrong_times: None,
        })
    }

    fn batch(
        &mut self,
        path: &Path,
        position: u64,
        batch: &BatchView<'_>,
        compared: &mut Compared,
    ) -> Result<(), StorageError> {
        self.checked.batches += 1;
        let base = batch.base_offset();
        if base < self.end {
            let what =
                format!("the batch begins at offset {base}, but what is before it ends at {}", self.end);
            self.add(
                Finding::about(path.to_owned(), Answer::Unreadable, what).at(position, base).advise(RESTORE),
            );
        }
        self.records(path, position, batch, compared);
        compared.at(position, batch);
        self.epoch(batch.leader_epoch(), base);
        if batch.has_producer_id() {
            if !batch.is_control() {
                let last = LastBatch {
                    epoch: batch.producer_epoch(),
                    last_sequence: batch.last_sequence(),
                    last_offset: batch.last_offset(),
                };
                self.producers.insert(batch.producer_id(), last);
                if batch.is_transactional() {
                    self.open_transactions.entry(batch.producer_id()).or_insert(base);
                }
            } else if let Some(last) = self.producers.get_mut(&batch.producer_id()) {
                last.epoch = last.epoch.max(batch.producer_epoch());
            }
        }
        self.end = batch.next_offset().max(self.end);
        let next = self.end;
        self.snapshots_up_to(next, false)
    }

    fn records(&mut self, path: &Path, position: u64, batch: &BatchView<'_>, compared: &mut Compared) {
        let (mut last, mut count) = (batch.base_offset().plus(-1), 0);
        let mut marker = None;
        let walked = batch.walk(DECOMPRESSED_SIZE_MAX, |record| {
            count += 1;
            if record.offset <= last || batch.last_offset() < record.offset {
                return ControlFlow::Break(record.offset);
            }
            last = record.offset;
            if batch.is_control() {
                marker = EndTransactionMarker::parse(
                    record.key.unwrap_or_default(),
                    record.value.unwrap_or_default(),
                )
                .ok()
                .flatten();
            }
            ControlFlow::Continue(())
        });
        self.checked.records += count;
        let wrong = match walked {
            Ok(None) => None,
            Ok(Some(offset)) => Some(format!("record {offset} is out of order in its batch")),
            Err(error) => Some(error.to_string()),
        };
        if let Some(wrong) = wrong {
            let what = format!("the CRC is right, but {wrong}: it was written so");
            self.add(
                Finding::about(path.to_owned(), Answer::Unreadable, what)
                    .at(position, batch.base_offset())
                    .advise(RESTORE),
            );
        }
        if let Some(marker) = marker {
            let id = batch.producer_id();
            let began = self.open_transactions.remove(&id);
            if !marker.commit {
                compared.abort_markers.insert(batch.base_offset(), id);
                let is_noted = compared
                    .aborted
                    .iter()
                    .any(|it| it.producer_id == id && it.last_offset == batch.base_offset());
                if began.is_some() && !is_noted {
                    let what = format!(
                        "lacks the transaction of producer {id} that was aborted at offset {}",
                        batch.base_offset()
                    );
                    let index = self.path(compared.base, ".txnindex");
                    self.add(Finding::about(index, Answer::Unnoticed, what).advise(REMOVE_TRANSACTIONS));
                }
            }
        }
    }

    fn epoch(&mut self, epoch: LeaderEpoch, base: Offset) {
        if 0 <= epoch.0 && std::mem::take(&mut self.lacks_epochs) {
            let path = self.folder.join(LEADER_EPOCHS);
            self.add(Finding::about(path, Answer::Rebuilt, "is missing").advise(NOTHING_REBUILT));
        }
        let Some(epochs) = &self.epochs else { return };
        // Entries of what is deleted are gone.
        let is_deleted = self.expected.log_start.is_some_and(|start| base < start);
        // Those behind the recovery point, a recovery makes from the records.
        let is_made_anew =
            !self.expected.is_clean && self.expected.recovery_point.is_some_and(|point| point <= base);
        if self.epochs_differ || epoch.0 < 0 || is_deleted || is_made_anew {
            return;
        }
        let known =
            epochs.partition_point(|it| it.start <= base).checked_sub(1).and_then(|index| epochs.get(index));
        let is_right = known.is_some_and(|known| known.epoch == epoch);
        if !is_right {
            self.epochs_differ = true;
            let says = known.map_or("nothing".to_owned(), |it| format!("epoch {}", it.epoch));
            let what = format!("says {says} of offset {base}, whose batch is of leader epoch {epoch}");
            let path = self.folder.join(LEADER_EPOCHS);
            let advice = "nothing on a single node; if the records are right, remove the file while the server is \
                          down, and it is made anew from them";
            self.add(Finding::about(path, Answer::Unnoticed, what).advise(advice));
        }
    }

    fn offset_index(
        &mut self,
        compared: &Compared,
        file: &BatchFile,
        is_active: bool,
        files: Files,
        is_damaged: bool,
    ) {
        let path = self.path(compared.base, ".index");
        let is_needed = !is_active || self.expected.is_clean;
        let Some(content) = &compared.offsets else {
            if is_needed && file.size() > 0 && !files.has_index {
                self.add(Finding::about(path, Answer::Rebuilt, "is missing").advise(NOTHING_REBUILT));
            }
            return;
        };
        let mut wrong = compared.wrong_offsets.clone();
        if wrong.is_none()
            && let Some(entry) = content.entries.get(compared.next_offset_entry)
            && (is_needed || u64::try_from(entry.position).is_ok_and(|it| it < file.size()))
        {
            wrong = Some((
                entry.offset,
                format!(
                    "entry {} names byte {}, where no batch begins",
                    compared.next_offset_entry, entry.position
                ),
            ));
        }
        if let Some((offset, what)) = wrong {
            if !is_damaged {
                let at = compared.next_offset_entry as u64 * 8;
                self.add(Finding::about(path, Answer::Rebuilt, what).at(at, offset).advise(NOTHING_REBUILT));
            }
            return;
        }
        if is_active {
            return;
        }
        if content.spare_bytes > 0 {
            let what = format!("{} bytes at its end are no entry", content.spare_bytes);
            let at = content.size - content.spare_bytes;
            self.add(
                Finding::about(path, Answer::Rebuilt, what).at(at, compared.base).advise(NOTHING_REBUILT),
            );
            return;
        }
        let positions = content.entries.iter().map(|it| u64::try_from(it.position).unwrap_or(0));
        let widest =
            positions.clone().zip(positions.clone().skip(1)).map(|(one, next)| next - one).max().unwrap_or(0);
        let covered = content.entries.last().map_or(0, |it| u64::try_from(it.position).unwrap_or(0));
        if file.size() - covered > widest.max(1) * 4 + UNINDEXED_BYTES_MAX {
            let what = format!("says nothing of the last {} bytes of records", file.size() - covered);
            let answer = if content.entries.is_empty() { Answer::Rebuilt } else { Answer::LeftAlone };
            let advice = "remove it, and it is made anew; until then lookups are right, but slower";
            self.add(Finding::about(path, answer, what).advise(advice));
        }
    }

    fn time_index(&mut self, compared: &Compared, is_active: bool, files: Files, is_damaged: bool) {
        let path = self.path(compared.base, ".timeindex");
        let is_needed = !is_active || self.expected.is_clean;
        if is_damaged
            || compared.largest_timestamp < 0
                && compared.times.as_ref().is_none_or(|it| it.entries.is_empty())
        {
            return;
        }
        let Some(content) = &compared.times else {
            if is_needed && !files.has_time_index {
                self.add(Finding::about(path, Answer::Rebuilt, "is missing").advise(NOTHING_REBUILT));
            }
            return;
        };
        let mut wrong = compared.wrong_times.clone();
        if wrong.is_none()
            && is_needed
            && let Some(entry) = content.entries.get(compared.next_time_entry)
        {
            wrong = Some((
                entry.offset,
                format!(
                    "entry {} names offset {}, which is not in the segment",
                    compared.next_time_entry, entry.offset
                ),
            ));
        }
        let last = content.entries.last().map_or(-1, |it| it.timestamp);
        if wrong.is_none() && is_needed && last < compared.largest_timestamp {
            let what =
                format!("ends at timestamp {last}, but the records reach {}", compared.largest_timestamp);
            wrong = Some((compared.base, what));
        }
        if let Some((offset, what)) = wrong {
            let at = compared.next_time_entry as u64 * 12;
            self.add(Finding::about(path, Answer::Rebuilt, what).at(at, offset).advise(NOTHING_REBUILT));
        }
    }

    fn transaction_index(&mut self, compared: &Compared) {
        if self.expected.cleaned_to.is_some() {
            return; // compaction removes markers whose transactions it has removed
        }
        let unknown = compared
            .aborted
            .iter()
            .enumerate()
            .find(|(_, it)| compared.abort_markers.get(&it.last_offset) != Some(&it.producer_id));
        if let Some((number, entry)) = unknown {
            let what = format!(
                "entry {number} says that producer {} aborted at offset {}, where no such marker is",
                entry.producer_id, entry.last_offset
            );
            let path = self.path(compared.base, ".txnindex");
            let finding =
                Finding::about(path, Answer::Unnoticed, what).at(number as u64 * 34, entry.last_offset);
            self.add(finding.advise(REMOVE_TRANSACTIONS));
        }
    }

    /// Compares the snapshots up to `offset` with what the records before them say; at the log's end, all.
    fn snapshots_up_to(&mut self, offset: Offset, is_end: bool) -> Result<(), StorageError> {
        while let Some(at) = self.snapshots.first().copied() {
            let path = self.path(at, ".snapshot");
            if offset < at && !is_end {
                return Ok(());
            }
            self.snapshots.pop_first();
            if offset < at {
                let what = format!("is of offset {at}, but the log ends at {offset}");
                let answer = if self.expected.is_clean { Answer::LeftAlone } else { Answer::Rebuilt };
                self.add(Finding::about(path, answer, what).advise("nothing: it is not used"));
                continue;
            }
            match read_producer_snapshot(self.disk, &path) {
                Ok(content) if at == offset => self.snapshot(path, at, &content.producers),
                // Within a batch's offsets, or before the log's first segment: there is nothing to compare with.
                Ok(_) => {}
                Err(StorageError::InvalidFile { path, reason }) => {
                    self.add(Finding::about(path, Answer::Rebuilt, reason).advise(NOTHING_REBUILT));
                }
                Err(StorageError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, path: PathBuf, at: Offset, states: &[ProducerState]) {
        let first = self.checked.first_offset;
        let wrong = states.iter().find_map(|state| {
            let batch = state.batches().last()?;
            if at <= batch.last_offset {
                return Some(format!("producer {} is said to have written offset {}, which lies behind the snapshot", state.producer_id, batch.last_offset));
            }
            if batch.last_offset < first {
                return None;
            }
            match self.producers.get(&state.producer_id) {
                Some(last) if last.last_offset == batch.last_offset && last.last_sequence == batch.last_sequence && last.epoch <= state.epoch => None,
                // The cleaner may have taken the batch away.
                _ if self.expected.cleaned_to.is_some_and(|to| batch.last_offset < to) => None,
                Some(last) => Some(format!(
                    "the last batch of producer {} is said to end at offset {} with sequence {}, but ends at {} with {}",
                    state.producer_id, batch.last_offset, batch.last_sequence, last.last_offset, last.last_sequence
                )),
                None => Some(format!(
                    "producer {} is said to have written offset {}, which is not its: the snapshot or the records are another partition's",
                    state.producer_id, batch.last_offset
                )),
            }
        });
        if let Some(what) = wrong {
            // Only the newest is read, and seen to be wrong; older ones are for cutting back.
            let answer = if self.snapshots.is_empty() { Answer::Rebuilt } else { Answer::Unnoticed };
            self.add(Finding::about(path, answer, what).advise(
                "if the records are right, remove the snapshot: it is made anew; if they are another partition's, \
                 restore them",
            ));
        }
    }

    /// What the directory's checkpoints say of this log.
    fn checkpoints(&mut self) {
        let end = self.end;
        let Expected { recovery_point, log_start, high_watermark, cleaned_to, is_clean, .. } = *self.expected;
        let folder = self.folder.to_owned();
        let start = log_start.unwrap_or(Offset::ZERO).max(self.checked.first_offset);
        if let Some(point) = recovery_point
            && end.max(start) < point
        {
            let what =
                format!("ends at offset {end}, but was durable up to {point}: the end of the log is missing");
            self.add(Finding::about(folder.clone(), Answer::Isolated, what).advise(RESTORE));
        } else if let Some(point) = recovery_point
            && is_clean
            && point < end
        {
            let what = format!(
                "ends at offset {end}, but a stop in order left it at {point}: it was changed since, or is another's"
            );
            self.add(Finding::about(folder.clone(), Answer::Isolated, what).advise(
                "restore the folder, or remove .kafka_cleanshutdown to have it recovered as after a crash",
            ));
        }
        if let Some(mark) = high_watermark
            && end < mark
            && !self.is_cut
            && recovery_point.is_none_or(|point| point <= end)
        {
            let what = format!("ends at offset {end}, but consumers may have read up to {mark}");
            self.add(Finding::about(folder.clone(), Answer::Unnoticed, what).advise(RESTORE));
        }
        if let Some(to) = cleaned_to
            && end < to
        {
            let what = format!("ends at offset {end}, but is said to be compacted up to {to}");
            self.add(Finding::about(folder, Answer::LeftAlone, what).advise("nothing: it is compacted anew"));
        }
    }
}

impl Compared {
    fn at(&mut self, position: u64, batch: &BatchView<'_>) {
        let entries = self.offsets.as_ref().map_or(&[][..], |it| &it.entries);
        if self.wrong_offsets.is_none()
            && let Some(entry) = entries.get(self.next_offset_entry)
        {
            let named = u64::try_from(entry.position).unwrap_or(u64::MAX);
            if named == position {
                if entry.offset == batch.last_offset() {
                    self.next_offset_entry += 1;
                } else {
                    let what = format!(
                        "entry {} for offset {} names byte {position}, where the batch ends at offset {}",
                        self.next_offset_entry,
                        entry.offset,
                        batch.last_offset()
                    );
                    self.wrong_offsets = Some((entry.offset, what));
                }
            } else if named < position {
                let what = format!(
                    "entry {} for offset {} names byte {}, where no batch begins",
                    self.next_offset_entry, entry.offset, entry.position
                );
                self.wrong_offsets = Some((entry.offset, what));
            }
        }
        self.largest_timestamp = self.largest_timestamp.max(batch.max_timestamp());
        let entries = self.times.as_ref().map_or(&[][..], |it| &it.entries);
        while self.wrong_times.is_none()
            && let Some(entry) = entries.get(self.next_time_entry)
            && entry.offset <= batch.last_offset()
        {
            if entry.offset < batch.base_offset() || entry.timestamp != self.largest_timestamp {
                let what = format!(
                    "entry {} says timestamp {} for offset {}, but the greatest up to there is {}",
                    self.next_time_entry, entry.timestamp, entry.offset, self.largest_timestamp
                );
                self.wrong_times = Some((entry.offset, what));
                break;
            }
            self.next_time_entry += 1;
        }
    }
}

const NOTHING_REBUILT: &str = "nothing: it is made anew from the records when it is needed";
const REMOVE_EPOCHS: &str = "remove it while the server is down: it is made anew from the records";
const REMOVE_TRANSACTIONS: &str =
    "restore the file; consumers that read committed records only would see what was aborted";
const RESTORE: &str = "restore the file from a copy or another replica; all else of the log can be read";
const CUT: &str = "nothing if a crash came before: what was never acknowledged is cut at the next start, and whole \
                   batches behind it are set aside in a .cut file";
