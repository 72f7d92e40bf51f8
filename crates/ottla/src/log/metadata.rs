//! The metadata log of a directory, as far as a check needs it: every record decoded, and what the cluster is by
//! the newest snapshot and what follows it.

use super::decode;
use bytes::Bytes;
use ottla_ids::Offset;
use ottla_metadata::Image;
use ottla_protocol::records::metadata::MetadataRecord;
use ottla_records::{BatchView, DECOMPRESSED_SIZE_MAX};
use ottla_state_machine::Machine as _;
use ottla_storage::inspect::{Answer, BatchFile, FileKind, FileMark, FileName, Finding, Findings};
use ottla_storage::{Disk, StorageError};
use std::path::Path;

/// The folder of the metadata log within a log directory.
pub const FOLDER: &str = "__cluster_metadata-0";

/// What the metadata log says.
pub struct Metadata {
    /// The cluster, up to the last record that could be read.
    pub image: Image,
    /// What is wrong with snapshots and records; damage of batches is a finding of the log's own check.
    pub findings: Findings,
}

const RESTORE: &str =
    "restore the file, or the whole folder, from a copy: without it nobody knows which topics there are";

/// Reads the metadata log in `folder`.
pub fn read(folder: &Path) -> Result<Metadata, StorageError> {
    let mut findings = Findings::default();
    let mut snapshots = Vec::new();
    let mut segments = Vec::new();
    let io = |source| StorageError::Io { path: folder.to_owned(), operation: "list", source };
    for entry in Disk::Real.list(folder).map_err(io)? {
        let name = FileName::parse(&entry.name);
        match (name.kind, name.mark, name.base) {
            (FileKind::MetadataSnapshot, FileMark::Live, Some(base)) => {
                snapshots.push((base, name.epoch, folder.join(&entry.name)));
            }
            (FileKind::Records, FileMark::Live, Some(base)) => {
                segments.push((base, folder.join(&entry.name)))
            }
            (FileKind::QuorumState, FileMark::Live, _) => {
                let path = folder.join(&entry.name);
                let text = std::fs::read(&path).unwrap_or_default();
                if let Err(error) = serde_json::from_slice::<serde_json::Value>(&text) {
                    findings.add(
                        Finding::about(path, Answer::Refused, format!("is not JSON: {error}"))
                            .advise("restore it; of a single node it may be removed, and is written anew"),
                    );
                }
            }
            _ => {}
        }
    }
    snapshots.sort();
    segments.sort();
    let mut image = Image::default();
    let mut from = Offset::ZERO;
    for (base, _, path) in snapshots {
        let mut of_snapshot = Image::default();
        if snapshot(&path, &mut of_snapshot, &mut findings)? {
            image = of_snapshot;
            from = base;
        }
    }
    for (_, path) in segments {
        each_batch(&path, |_, batch| {
            if from <= batch.base_offset() && !batch.is_control() {
                records(&path, batch, &mut image, &mut findings);
            }
        })?;
    }
    Ok(Metadata { image, findings })
}

/// Reads a snapshot; whether all of it is there.
fn snapshot(path: &Path, image: &mut Image, findings: &mut Findings) -> Result<bool, StorageError> {
    let (mut is_first, mut has_header, mut has_footer) = (true, false, false);
    let before = findings.kept().len();
    let wrong = each_batch(path, |_, batch| {
        if !batch.is_control() {
            records(path, batch, image, findings);
        }
        for name in control_names(batch) {
            has_header |= is_first && name == "SnapshotHeader";
            has_footer |= name == "SnapshotFooter";
        }
        is_first = false;
    })?;
    let damage = match wrong {
        Some((position, what)) => Some((position, what)),
        None if !has_header => Some((0, "does not begin with a snapshot's header".to_owned())),
        None if !has_footer => Some((0, "has no footer: its end is missing".to_owned())),
        None => None,
    };
    if let Some((position, what)) = &damage {
        findings.add(
            Finding::about(path.to_owned(), Answer::Refused, what.clone())
                .at(*position, Offset::ZERO)
                .advise(RESTORE),
        );
    }
    Ok(damage.is_none() && findings.kept().len() == before)
}

fn control_names(batch: &BatchView<'_>) -> Vec<String> {
    let mut names = Vec::new();
    if batch.is_control()
        && let Ok(records) = batch.records(DECOMPRESSED_SIZE_MAX)
    {
        for record in records.iter().flatten() {
            names.extend(decode::control(record.key, record.value).ok().map(|(name, _)| name));
        }
    }
    names
}

/// Hands over the batches; returns the first damage.
fn each_batch(
    path: &Path,
    mut each: impl FnMut(u64, &BatchView<'_>),
) -> Result<Option<(u64, String)>, StorageError> {
    let mut file = BatchFile::open(&Disk::Real, path)?;
    let mut wrong = None;
    loop {
        match file.next_batch()? {
            None => return Ok(wrong),
            Some(Ok((position, batch))) => each(position, &batch),
            Some(Err(error)) => {
                file.skip_damage()?;
                wrong.get_or_insert((error.position, error.error.to_string()));
            }
        }
    }
}

fn records(path: &Path, batch: &BatchView<'_>, image: &mut Image, findings: &mut Findings) {
    // Damaged records are findings of the check of the log itself.
    let Ok(records) = batch.records(DECOMPRESSED_SIZE_MAX) else { return };
    for record in records.iter().flatten() {
        match MetadataRecord::decode(Bytes::copy_from_slice(record.value.unwrap_or_default())) {
            Ok(record) => image.replay(&record),
            Err(error) => findings.add(
                Finding {
                    offset: Some(record.offset),
                    ..Finding::about(
                        path.to_owned(),
                        Answer::Refused,
                        format!("record {}: {error}", record.offset),
                    )
                }
                .advise("a newer release may have written it: start that one"),
            ),
        }
    }
}
