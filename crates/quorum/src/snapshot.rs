//! Snapshots of the image, as files.
//!
//! ```text
//! control batch   SnapshotHeader, and from kraft.version 1 on KRaftVersion, KRaftVoters
//! data batches    the records that make the image
//! control batch   SnapshotFooter
//! ```
//!
//! Offsets count from 0; batches carry the epoch of the snapshot's name. The file is written under
//! another name, synced, and renamed: what has the final name is whole.

use crate::error::QuorumError;
use crate::frames::{control_batch, data_batch};
use ottla_ids::{Offset, QuorumEpoch};
use ottla_metadata::{MetadataRecord, MetadataVersion};
use ottla_raft::{ControlRecord, SnapshotId, VoterSet};
use ottla_storage::Disk;
use std::io::IoSlice;
use std::path::{Path, PathBuf};

/// How many records one batch of a snapshot has at most (Kafka's `MAX_RECORDS_IN_BATCH` of its writer).
const RECORDS_PER_BATCH_MAX: usize = 1024;

/// What a snapshot says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The time of the newest record it contains, in ms since 1970.
    pub last_contained_log_timestamp: i64,
    /// The level of `kraft.version`.
    pub kraft_version: i16,
    /// Who votes; kept from `kraft.version` 1 on.
    pub voters: Option<VoterSet>,
    /// What makes the image.
    pub records: Vec<MetadataRecord>,
}

/// The file's bytes. `epoch` goes into the batches, `metadata_version` decides in which versions records
/// are written.
pub fn snapshot_bytes(
    snapshot: &Snapshot,
    epoch: QuorumEpoch,
    metadata_version: MetadataVersion,
    now_ms: i64,
) -> Result<Vec<u8>, QuorumError> {
    let mut header = vec![ControlRecord::SnapshotHeader {
        last_contained_log_timestamp: snapshot.last_contained_log_timestamp,
    }];
    if snapshot.kraft_version > 0 {
        header.push(ControlRecord::KRaftVersion(snapshot.kraft_version));
        header.extend(snapshot.voters.clone().map(ControlRecord::Voters));
    }
    let mut bytes = Vec::new();
    let mut offset = Offset::ZERO;
    bytes.extend_from_slice(&control_batch(offset, epoch, now_ms, &header)?);
    offset = offset.plus(header.len() as i64);
    for records in snapshot.records.chunks(RECORDS_PER_BATCH_MAX) {
        bytes.extend_from_slice(&data_batch(offset, epoch, now_ms, records, metadata_version)?);
        offset = offset.plus(records.len() as i64);
    }
    bytes.extend_from_slice(&control_batch(offset, epoch, now_ms, &[ControlRecord::SnapshotFooter])?);
    Ok(bytes)
}

/// The path of snapshot `id` in the metadata folder.
pub fn snapshot_path(folder: &Path, id: SnapshotId) -> PathBuf {
    folder.join(format!("{id}{}", SnapshotId::SUFFIX))
}

/// Writes a snapshot; it is durable and whole when this returns.
pub fn write_snapshot(disk: &Disk, folder: &Path, id: SnapshotId, bytes: &[u8]) -> Result<(), QuorumError> {
    let part = folder.join(format!("{id}{}", SnapshotId::PART_SUFFIX));
    let path = snapshot_path(folder, id);
    write_synced(disk, &part, bytes).inspect_err(|_| {
        // On a full disk, what was written of it would take the room that others wait for.
        let _ = disk.remove_file(&part);
    })?;
    disk.rename(&part, &path).map_err(|error| QuorumError::io("rename", &part, error))?;
    disk.sync_folder(folder).map_err(|error| QuorumError::io("sync", folder, error))
}

/// Writes a new file, whose content is durable when this returns; its name is not.
pub(crate) fn write_synced(disk: &Disk, path: &Path, bytes: &[u8]) -> Result<(), QuorumError> {
    let file = disk.create(path).map_err(|error| QuorumError::io("create", path, error))?;
    file.write_all_at(&mut [IoSlice::new(bytes)], 0)
        .map_err(|error| QuorumError::io("write", path, error))?;
    file.sync().map_err(|error| QuorumError::io("sync", path, error))
}

/// The finished snapshots in the metadata folder, oldest first. Removes what was left unfinished.
pub fn list_snapshots(disk: &Disk, folder: &Path) -> Result<Vec<SnapshotId>, QuorumError> {
    if !disk.exists(folder).map_err(|error| QuorumError::io("look at", folder, error))? {
        return Ok(Vec::new());
    }
    let mut ids = Vec::new();
    for entry in disk.list(folder).map_err(|error| QuorumError::io("list", folder, error))? {
        if let Some(id) = SnapshotId::from_file_name(&entry.name) {
            ids.push(id);
        } else if entry.name.ends_with(SnapshotId::PART_SUFFIX) || entry.name.ends_with(".checkpoint.deleted")
        {
            let path = folder.join(&entry.name);
            disk.remove_file(&path).map_err(|error| QuorumError::io("remove", &path, error))?;
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Reads a snapshot.
///
/// # Errors
/// It is damaged, or does not end with a footer: then it was never finished.
pub fn read_snapshot(disk: &Disk, folder: &Path, id: SnapshotId) -> Result<Snapshot, QuorumError> {
    let path = snapshot_path(folder, id);
    let bytes = disk.read(&path).map_err(|error| QuorumError::io("read", &path, error))?;
    parse_snapshot(&path, &bytes.unwrap_or_default())
}

/// What the bytes of the snapshot at `path` say; fails as [`read_snapshot`] does.
pub(crate) fn parse_snapshot(path: &Path, bytes: &[u8]) -> Result<Snapshot, QuorumError> {
    let mut snapshot = Snapshot::default();
    let mut has_footer = false;
    crate::frames::read_batches(path, bytes, &mut |item| {
        match item {
            crate::frames::Item::Control(ControlRecord::SnapshotHeader { last_contained_log_timestamp }) => {
                snapshot.last_contained_log_timestamp = last_contained_log_timestamp;
            }
            crate::frames::Item::Control(ControlRecord::KRaftVersion(version)) => {
                snapshot.kraft_version = version;
            }
            crate::frames::Item::Control(ControlRecord::Voters(voters)) => snapshot.voters = Some(voters),
            crate::frames::Item::Control(ControlRecord::SnapshotFooter) => has_footer = true,
            crate::frames::Item::Control(ControlRecord::LeaderChange { .. }) => {}
            crate::frames::Item::Data(record) => snapshot.records.push(record),
        }
        Ok(())
    })?;
    if !has_footer {
        return Err(QuorumError::Damaged {
            path: path.to_owned(),
            at: Offset::ZERO,
            reason: "a snapshot ends with a footer, this one does not".to_owned(),
        });
    }
    Ok(snapshot)
}
