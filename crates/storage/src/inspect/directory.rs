//! What is in a log directory beside its partitions: whose it is, its checkpoints, and what does not belong there.

use super::check::Expected;
use super::entries::read_offset_checkpoint;
use super::finding::{Answer, Finding, Findings};
use super::names::{FileKind, FileMark, FileName, FolderKind, folder_kind};
use crate::checkpoint::{CLEANER_OFFSETS, HIGH_WATERMARKS, LOG_STARTS, Offsets, RECOVERY_POINTS};
use crate::disk::{Disk, Lock};
use crate::error::{Context, StorageError};
use crate::journal::{JOURNAL, Preview, preview};
use crate::meta_properties::{META_PROPERTIES, MetaProperties};
use ottla_ids::{TopicId, TopicPartition};
use std::path::{Path, PathBuf};

/// What a log directory's own files say.
#[derive(Debug, Default)]
pub struct DirectoryFiles {
    /// Whose it is; `None` where that cannot be read, or it is not formatted.
    pub meta: Option<MetaProperties>,
    /// Whether it was closed in order.
    pub is_clean: bool,
    /// Whether there is a journal: what was acknowledged may be only in it until the next start.
    pub has_journal: bool,
    /// The partitions that have a folder, by name.
    pub partitions: Vec<TopicPartition>,
    recovery_points: Offsets,
    log_starts: Offsets,
    high_watermarks: Offsets,
    cleaned_to: Offsets,
}

/// A log directory without its partitions.
#[derive(Debug, Default)]
pub struct CheckedDirectory {
    /// What its files say.
    pub files: DirectoryFiles,
    /// What is wrong or remarkable.
    pub findings: Findings,
}

impl DirectoryFiles {
    /// What the directory says about one of its partitions.
    pub fn expected(&self, partition: &TopicPartition, topic_id: Option<TopicId>, is_live: bool) -> Expected {
        let of = |offsets: &Offsets| offsets.get(partition).copied();
        Expected {
            recovery_point: of(&self.recovery_points),
            log_start: of(&self.log_starts),
            // What is missing below it may be in the journal.
            high_watermark: of(&self.high_watermarks).filter(|_| !self.has_journal),
            cleaned_to: of(&self.cleaned_to),
            topic_id,
            is_clean: self.is_clean,
            is_live,
        }
    }
}

/// Looks at a log directory's own files.
///
/// # Errors
/// Where the disk fails, or there is no such directory.
pub fn look_at_directory(disk: &Disk, path: &Path, is_live: bool) -> Result<CheckedDirectory, StorageError> {
    let mut names = disk.list(path).at("list", path)?;
    names.sort();
    let mut findings = Findings::default();
    let mut files = DirectoryFiles::default();
    for entry in &names {
        let place = path.join(&entry.name);
        if entry.is_folder {
            if entry.name == JOURNAL {
                files.has_journal = true;
                // A running server goes on writing it.
                if is_live {
                    findings.add(journal(place, "is a journal".to_owned()));
                }
                continue;
            }
            let (what, advice) = match folder_kind(&entry.name) {
                FolderKind::Partition(partition) => {
                    files.partitions.push(partition);
                    continue;
                }
                FolderKind::Deleted => {
                    ("is of a deleted partition", "nothing: it is removed soon after the next start")
                }
                FolderKind::Stray => (
                    "was set aside, since it belonged to no partition",
                    "remove it when nobody misses its records",
                ),
                FolderKind::Future => (
                    "is a partition on its way here from another log directory",
                    "nothing: the move goes on after the next start",
                ),
                FolderKind::Unknown => {
                    ("is no folder of a log directory", "remove it, or leave it: it disturbs nobody")
                }
            };
            findings.add(Finding::about(place, Answer::LeftAlone, what).advise(advice));
            continue;
        }
        let name = FileName::parse(&entry.name);
        match (name.kind, name.mark) {
            (FileKind::Unknown, _) => findings.add(
                Finding::about(place, Answer::LeftAlone, "is no file of a log directory")
                    .advise("remove it, or leave it: it disturbs nobody"),
            ),
            (FileKind::CleanShutdown, _) => files.is_clean = true,
            (_, FileMark::Temporary) if !is_live => findings.add(
                Finding::about(place, Answer::LeftAlone, "is left from an interrupted write")
                    .advise("nothing: it is written over"),
            ),
            _ => {}
        }
    }
    files.partitions.sort();
    match MetaProperties::read(disk, path) {
        Ok(Some(meta)) => files.meta = Some(meta),
        Ok(None) => findings.add(
            Finding::about(
                path.join(META_PROPERTIES),
                Answer::Refused,
                "is missing: the directory is not formatted",
            )
            .advise(
                "restore it; cluster.id and node.id are those of the cluster's other directories and nodes",
            ),
        ),
        Err(StorageError::InvalidFile { path, reason }) => {
            findings.add(Finding::about(path, Answer::Refused, reason).advise(
                "restore it; cluster.id and node.id are those of the cluster's other directories and nodes",
            ))
        }
        Err(error) => return Err(error),
    }
    let has_partitions = !files.partitions.is_empty();
    let mut read = |name: &str| -> Result<Offsets, StorageError> {
        let place = path.join(name);
        if has_partitions && name == RECOVERY_POINTS && !disk.exists(&place).at("look at", &place)? {
            findings.add(Finding::about(place, Answer::Rebuilt, "is missing").advise(CONSEQUENCE));
            return Ok(Offsets::new());
        }
        match read_offset_checkpoint(disk, &place) {
            Ok(offsets) => Ok(offsets),
            Err(StorageError::InvalidFile { path, reason }) => {
                findings.add(Finding::about(path, Answer::Rebuilt, reason).advise(CONSEQUENCE));
                Ok(Offsets::new())
            }
            Err(error) => Err(error),
        }
    };
    files.recovery_points = read(RECOVERY_POINTS)?;
    files.log_starts = read(LOG_STARTS)?;
    files.high_watermarks = read(HIGH_WATERMARKS)?;
    files.cleaned_to = read(CLEANER_OFFSETS)?;
    if files.has_journal && !is_live {
        look_at_journal(disk, path, &files, &mut findings)?;
    }
    Ok(CheckedDirectory { files, findings })
}

/// What the next start will make of the journal.
fn look_at_journal(
    disk: &Disk,
    directory: &Path,
    files: &DirectoryFiles,
    findings: &mut Findings,
) -> Result<(), StorageError> {
    let place = directory.join(JOURNAL);
    let Preview { rounds, entries, bytes, logs, damaged, refused } =
        preview(disk, directory, &files.recovery_points)?;
    if let Some((path, position, reason)) = refused {
        let refused = Finding { position, ..Finding::about(path, Answer::Refused, reason) };
        findings.add(refused.advise(
            "restore the file; without it acknowledged records are missing, and the server starts once the journal's \
             folder is moved away",
        ));
        return Ok(());
    }
    findings.add(journal(
        place,
        format!("is a journal (rounds {rounds}, appends {entries}, bytes {bytes}, partitions {logs})"),
    ));
    for (partition, reason) in damaged {
        let place = directory.join(partition.to_string());
        findings.add(
            Finding::about(place, Answer::Isolated, reason)
                .advise("restore the segment, or delete the topic and create it anew"),
        );
    }
    Ok(())
}

fn journal(place: PathBuf, what: String) -> Finding {
    Finding::about(place, Answer::LeftAlone, format!("{what}: what was acknowledged may still be only in it"))
        .advise(
            "keep it with the directory: the next start of Ottla replays it; Apache Kafka must not have the directory \
             before Ottla was stopped in order",
        )
}

const CONSEQUENCE: &str =
    "nothing: it is made anew; records deleted before the log's start may be there again";

/// Who works in a log directory.
#[derive(Debug)]
pub enum Holder {
    /// Nobody, and nobody begins to while the lock is held; without one where there is no lock file, or none that
    /// may be written.
    Nobody(Option<Lock>),
    /// A server: another process has the lock.
    Server,
}

/// Takes a directory's lock for as long as it is looked at; no file is created.
///
/// # Errors
/// Where the lock file cannot be looked at.
pub fn hold(disk: &Disk, path: &Path) -> Result<Holder, StorageError> {
    let lock = path.join(crate::directory::LOCK);
    if !disk.exists(&lock).at("look at", &lock)? {
        return Ok(Holder::Nobody(None));
    }
    match disk.lock(&lock) {
        Ok(Some(lock)) => Ok(Holder::Nobody(Some(lock))),
        Ok(None) => Ok(Holder::Server),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Ok(Holder::Nobody(None))
        }
        Err(error) => Err(error).at("lock", &lock),
    }
}
