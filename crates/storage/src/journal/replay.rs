//! After a crash: what the journal holds is written to where it belongs.

use super::round::{BLOCK, Entry, Key, Place, Round};
use super::{JOURNAL, remove_folder};
use crate::checkpoint::{Offsets, PARTITION_METADATA, partition_metadata, read_partition_metadata};
use crate::directory::EACH_MAX;
use crate::disk::Disk;
use crate::error::{Context, StorageError};
use crate::open_files::OpenFiles;
use crate::segment::Folder;
use ottla_ids::TopicPartition;
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::{Path, PathBuf};

/// What a replay did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// Rounds in the journal that were still needed.
    pub rounds: u64,
    /// Bytes of records written to segments.
    pub bytes: u64,
    /// Whether all of the file system was made durable then.
    pub has_synced_all: bool,
    /// Logs whose segments lack what was durable before: their bytes were not written.
    pub damaged: BTreeMap<TopicPartition, String>,
}

/// Writes the journal of a directory to its segments, makes that durable, and removes the journal. What lies
/// below a log's recovery point is in its segments already, and may have been compacted since.
///
/// # Errors
/// [`StorageError::Corrupt`] where a round in the middle is unreadable: what was acked is missing then, and
/// nothing was changed. And where files cannot be read or written.
pub(crate) fn replay(
    disk: &Disk,
    directory: &Path,
    recovery_points: &Offsets,
) -> Result<Replayed, StorageError> {
    let folder = directory.join(JOURNAL);
    if !disk.exists(&folder).at("look at", &folder)? {
        return Ok(Replayed::default());
    }
    let files = read_files(disk, &folder)?;
    let rounds = needed_rounds(&files)?;
    let replayed = apply(disk, directory, recovery_points, &rounds)?;
    remove_folder(disk, &folder)?;
    Ok(replayed)
}

/// The journal's files with their content: as much as a journal has.
fn read_files(disk: &Disk, folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, StorageError> {
    let mut files = Vec::new();
    for entry in disk.list(folder).at("list", folder)? {
        let path = folder.join(&entry.name);
        if entry.name.bytes().all(|byte| byte.is_ascii_digit())
            && let Some(bytes) = disk.read(&path).at("read", &path)?
        {
            files.push((path, bytes));
        }
    }
    Ok(files)
}

/// What a replay would do.
#[derive(Debug, Default)]
pub(crate) struct Preview {
    /// Rounds that are still needed.
    pub rounds: usize,
    /// Entries with records that lie behind their log's recovery point.
    pub entries: usize,
    /// Bytes of these records.
    pub bytes: u64,
    /// The logs that they are of.
    pub logs: usize,
    /// Logs whose segments lack what was durable before, and why they would be isolated.
    pub damaged: BTreeMap<TopicPartition, String>,
    /// Why nothing would be replayed, and the server would not start: the file, the byte where there is one, and
    /// what is wrong.
    pub refused: Option<(PathBuf, Option<u64>, String)>,
}

/// Looks at the journal of a directory, without changing anything.
///
/// # Errors
/// Where files cannot be read.
pub(crate) fn preview(
    disk: &Disk,
    directory: &Path,
    recovery_points: &Offsets,
) -> Result<Preview, StorageError> {
    let files = read_files(disk, &directory.join(JOURNAL))?;
    let mut preview = Preview::default();
    let looked = needed_rounds(&files).and_then(|rounds| {
        preview.rounds = rounds.len();
        by_log(&rounds, recovery_points)
    });
    let logs = match looked {
        Ok(logs) => logs,
        Err(Unreadable { path, position, reason }) => {
            preview.refused = Some((path, Some(position), reason));
            return Ok(preview);
        }
    };
    for (key, entries) in logs {
        let path = directory.join(key.partition().to_string());
        match read_partition_metadata(disk, &path) {
            Ok(found) if found.is_none_or(|found| found == key.topic_id) => {}
            Ok(_) => continue,
            Err(StorageError::InvalidFile { path, reason }) => {
                preview.refused = Some((path, None, reason));
                return Ok(preview);
            }
            Err(error) => return Err(error),
        }
        preview.logs += 1;
        preview.entries += entries.len();
        let folder = Folder { disk: disk.clone(), path, files: OpenFiles::of_process() };
        let mut sizes: BTreeMap<PathBuf, u64> = BTreeMap::new();
        for (place, bytes) in entries {
            let path = folder.file(place.segment, ".log");
            let size = match sizes.get(&path) {
                Some(size) => *size,
                None if disk.exists(&path).at("look at", &path)? => {
                    disk.open(&path).at("open", &path)?.size().at("look at", &path)?
                }
                None => 0,
            };
            let position = u64::from(place.position);
            if size < position {
                preview.damaged.insert(key.partition(), lacks(&path, size, position));
                break;
            }
            preview.bytes += bytes.len() as u64;
            sizes.insert(path, size.max(position + bytes.len() as u64));
        }
    }
    Ok(preview)
}

/// A round, and where it was found.
struct Found<'a> {
    round: Round<'a>,
    path: &'a Path,
    position: u64,
}

/// The rounds from the last one's floor on, in order.
fn needed_rounds(files: &[(PathBuf, Vec<u8>)]) -> Result<Vec<Found<'_>>, Unreadable> {
    let mut found: Vec<Found<'_>> = Vec::new();
    // Rounds that do not follow the one before them: older ones, or such that follow a damaged one.
    let mut strays: Vec<Found<'_>> = Vec::new();
    for (path, bytes) in files {
        let mut next = None;
        let mut position = 0;
        while let Some(rest) = bytes.get(position..).filter(|rest| !rest.is_empty()) {
            let Some(round) = Round::parse(rest) else {
                next = next.or(Some(0));
                position += BLOCK;
                continue;
            };
            let it = Found { round, path, position: position as u64 };
            position += round.padded_size;
            if next.is_none_or(|next| next == round.sequence) {
                next = Some(round.sequence + 1);
                found.push(it);
            } else {
                strays.push(it);
            }
        }
    }
    found.sort_by_key(|found| found.round.sequence);
    let floor = found.last().map_or(0, |last| last.round.floor);
    let end = found.last().map_or(1, |last| last.round.sequence + 1);
    found.retain(|found| floor <= found.round.sequence);
    for pair in found.windows(2) {
        if let [before, after] = pair
            && before.round.sequence + 1 != after.round.sequence
        {
            let position = before.position + before.round.padded_size as u64;
            let reason = format!("round {} is missing", before.round.sequence + 1);
            return Err(unreadable(before.path, position, &reason));
        }
    }
    if let Some(first) = found.first().filter(|first| first.round.sequence != floor) {
        return Err(unreadable(first.path, 0, &format!("rounds from {floor} on are missing")));
    }
    // A round is begun when the one before it is complete: only the last can have been torn.
    if let Some(stray) = strays.iter().find(|stray| end < stray.round.sequence) {
        let reason = format!("round {end} is missing, but {} is here", stray.round.sequence);
        return Err(unreadable(stray.path, stray.position, &reason));
    }
    Ok(found)
}

/// A round in the middle cannot be read.
struct Unreadable {
    path: PathBuf,
    position: u64,
    reason: String,
}

impl From<Unreadable> for StorageError {
    fn from(error: Unreadable) -> StorageError {
        let Unreadable { path, position, reason } = error;
        StorageError::InvalidFile { path, reason: format!("at byte {position}: {reason}") }
    }
}

fn unreadable(path: &Path, position: u64, reason: &str) -> Unreadable {
    let reason = format!("the journal, which holds acked records, is damaged: {reason}");
    Unreadable { path: path.to_owned(), position, reason }
}

/// Why a segment of `size` bytes cannot be completed from `position` on.
fn lacks(path: &Path, size: u64, position: u64) -> String {
    format!(
        "{} has {size} bytes, but more than {position} were durable: the journal cannot be replayed",
        path.display()
    )
}

/// What is to be written to each log, in order.
type ByLog<'a> = BTreeMap<Key<'a>, Vec<(Place, &'a [u8])>>;

/// What these rounds have of each log behind its recovery point.
fn by_log<'a>(rounds: &[Found<'a>], recovery_points: &Offsets) -> Result<ByLog<'a>, Unreadable> {
    let mut logs: ByLog<'a> = BTreeMap::new();
    for found in rounds {
        for entry in found.round.entries() {
            match entry {
                Some(Entry::Append { key, place, bytes }) => {
                    logs.entry(key).or_default().push((place, bytes))
                }
                Some(Entry::Forget { key }) => drop(logs.remove(&key)),
                None => return Err(unreadable(found.path, found.position, "an entry makes no sense")),
            }
        }
    }
    logs.retain(|key, entries| {
        let recovery_point = recovery_points.get(&key.partition());
        entries.retain(|(place, _)| recovery_point.is_none_or(|point| *point < place.end));
        !entries.is_empty()
    });
    Ok(logs)
}

fn apply(
    disk: &Disk,
    directory: &Path,
    recovery_points: &Offsets,
    rounds: &[Found<'_>],
) -> Result<Replayed, StorageError> {
    let logs = by_log(rounds, recovery_points)?;
    let mut replayed = Replayed { rounds: rounds.len() as u64, ..Replayed::default() };
    let mut touched = Touched::default();
    for (key, entries) in logs {
        let partition = key.partition();
        match write(disk, directory, &key, &entries, &mut touched)? {
            Written::Bytes(bytes) => replayed.bytes += bytes,
            Written::Damaged(reason) => drop(replayed.damaged.insert(partition, reason)),
        }
    }
    replayed.has_synced_all = touched.sync(disk, directory)?;
    Ok(replayed)
}

enum Written {
    Bytes(u64),
    /// Nothing, or not all.
    Damaged(String),
}

fn write(
    disk: &Disk,
    directory: &Path,
    key: &Key<'_>,
    entries: &[(Place, &[u8])],
    touched: &mut Touched,
) -> Result<Written, StorageError> {
    let path = directory.join(key.partition().to_string());
    let folder = Folder { disk: disk.clone(), path, files: OpenFiles::of_process() };
    match read_partition_metadata(disk, &folder.path)? {
        Some(found) if found == key.topic_id => {}
        // Another topic of this name, which was created since.
        Some(_) => return Ok(Written::Bytes(0)),
        None => {
            if !disk.exists(&folder.path).at("look at", &folder.path)? {
                disk.create_folder(&folder.path).at("create", &folder.path)?;
            }
            let path = folder.path.join(PARTITION_METADATA);
            let file = disk.create(&path).at("create", &path)?;
            let text = partition_metadata(key.topic_id);
            file.write_all_at(&mut [IoSlice::new(text.as_bytes())], 0).at("write", &path)?;
            touched.files.push(path);
        }
    }
    let mut written = 0;
    let mut open = None;
    for (place, bytes) in entries {
        let path = folder.file(place.segment, ".log");
        let (file, size) = match open.take() {
            Some((opened, file, size)) if opened == path => (file, size),
            _ => {
                touched.files.push(path.clone());
                let file = disk.open_or_create(&path).at("open", &path)?;
                let size = file.size().at("look at", &path)?;
                (file, size)
            }
        };
        let position = u64::from(place.position);
        if size < position {
            return Ok(Written::Damaged(lacks(&path, size, position)));
        }
        file.write_all_at(&mut [IoSlice::new(bytes)], position).at("write", &path)?;
        written += bytes.len() as u64;
        open = Some((path, file, size.max(position + bytes.len() as u64)));
    }
    touched.folders.push(folder.path);
    Ok(Written::Bytes(written))
}

/// What is to be synced before the journal may go.
#[derive(Debug, Default)]
struct Touched {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Touched {
    /// Returns whether the whole file system was synced.
    fn sync(&self, disk: &Disk, directory: &Path) -> Result<bool, StorageError> {
        if self.files.is_empty() {
            return Ok(false);
        }
        if self.files.len() > EACH_MAX && disk.sync_file_system(directory).at("sync", directory)? {
            return Ok(true);
        }
        for path in &self.files {
            disk.open(path).at("open", path)?.sync().at("sync", path)?;
        }
        for path in &self.folders {
            disk.sync_folder(path).at("sync folder", path)?;
        }
        disk.sync_folder(directory).at("sync folder", directory)?;
        Ok(false)
    }
}
