//! A node's first start: what `kafka-storage format --standalone` writes.
//!
//! ```text
//! <log dir>/bootstrap.checkpoint                                      levels of features (metadata dir only)
//! <log dir>/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint   who votes (metadata dir only)
//! <log dir>/meta.properties                                           last: with it, a folder is formatted
//! ```
//!
//! A folder that belongs to another cluster or node is never touched.

use crate::METADATA_FOLDER;
use crate::error::QuorumError;
use crate::frames::error_text;
use crate::snapshot::{Snapshot, parse_snapshot, snapshot_bytes, write_synced};
use ottla_controller::bootstrap_features;
use ottla_ids::{NodeId, Offset, QuorumEpoch, Uuid};
use ottla_metadata::{METADATA_VERSION, MetadataRecord, MetadataVersion};
use ottla_raft::{SnapshotId, Voter, VoterEndpoint, VoterKey, VoterSet};
use ottla_storage::{Disk, META_PROPERTIES, MetaProperties, StorageError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// In a formatted log directory: the records with which its metadata log begins, as a snapshot.
const BOOTSTRAP: &str = "bootstrap.checkpoint";

/// What a node is told about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `node.id`.
    pub node: NodeId,
    /// The cluster it is to belong to; `None` for whatever the folders say, or a random one at the first start.
    pub cluster_id: Option<String>,
}

/// What the folders say, now that all of them are formatted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formatted {
    /// The cluster's id.
    pub cluster_id: String,
    /// The ids of the log directories, in the order of the folders; of one that cannot be used, why not.
    pub directories: Vec<Result<Uuid, String>>,
    /// Whether the metadata log was created just now.
    pub is_first_start: bool,
}

/// Formats the log directories of a first start, or checks that all of them are this node's.
///
/// `metadata_dir` is the one with the metadata log (`metadata.log.dir`, or the first of `log.dirs`), in the list
/// or not; `endpoints` are the node's controller listeners, for the voters' record. Either all folders are
/// checked before anything is written, or nothing is. A folder that cannot be read or written is left out, as
/// in Kafka (`MetaPropertiesEnsemble`), unless it is the metadata log's.
///
/// # Errors
/// A folder of another cluster or node, one that is not formatted while others are, two with the same id, and
/// a metadata folder that cannot be read or written.
pub fn format(
    disk: &Disk,
    log_dirs: &[PathBuf],
    metadata_dir: &Path,
    identity: &Identity,
    endpoints: &[VoterEndpoint],
    now_ms: i64,
) -> Result<Formatted, QuorumError> {
    // A folder whose disk is not mounted must not be created on the disk below.
    let mut folders: Vec<&Path> = log_dirs.iter().map(PathBuf::as_path).collect();
    if !folders.contains(&metadata_dir) {
        folders.push(metadata_dir);
    }
    let mut found = Vec::with_capacity(folders.len());
    for folder in &folders {
        match MetaProperties::read(disk, folder) {
            Ok(meta) => found.push(Ok(meta)),
            Err(error @ StorageError::Io { .. }) if *folder != metadata_dir => {
                found.push(Err(error_text(&error)))
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut cluster_id = identity.cluster_id.clone().map(|id| (id, None));
    for (folder, meta) in folders.iter().zip(&found) {
        let Ok(Some(meta)) = meta else { continue };
        let path = folder.join(META_PROPERTIES);
        if meta.node_id != identity.node {
            return Err(QuorumError::OtherNode { path, found: meta.node_id, expected: identity.node });
        }
        match &cluster_id {
            Some((expected, _)) if *expected == meta.cluster_id => {}
            Some((expected, Some(other))) => {
                return Err(QuorumError::TwoClusters {
                    path,
                    found: meta.cluster_id.clone(),
                    other_path: PathBuf::clone(other),
                    other: expected.clone(),
                });
            }
            Some((expected, None)) => {
                return Err(QuorumError::OtherCluster {
                    path,
                    found: meta.cluster_id.clone(),
                    expected: expected.clone(),
                });
            }
            None => cluster_id = Some((meta.cluster_id.clone(), Some(path))),
        }
    }
    check_all_or_none(&folders, &found, identity.node)?;
    let cluster_id = cluster_id.map_or_else(|| Uuid::random().to_string(), |(id, _)| id);

    let mut directories = Vec::with_capacity(folders.len());
    let mut is_first_start = false;
    for (folder, meta) in folders.iter().zip(found) {
        let is_metadata_dir = *folder == metadata_dir;
        let meta = match meta {
            Ok(meta) => meta,
            Err(reason) => {
                directories.push(Err(reason));
                continue;
            }
        };
        let known = meta.as_ref().and_then(|meta| meta.directory_id);
        let directory_id = known.unwrap_or_else(Uuid::random);
        if known.is_some() {
            directories.push(Ok(directory_id));
            continue;
        }
        let is_new_metadata_dir = is_metadata_dir && meta.is_none();
        is_first_start |= is_new_metadata_dir;
        let write = || {
            create_durably(disk, folder)?;
            if is_new_metadata_dir {
                let key = VoterKey { id: identity.node, directory_id };
                write_metadata_dir(disk, folder, key, endpoints, now_ms)?;
            }
            let meta = MetaProperties {
                cluster_id: cluster_id.clone(),
                node_id: identity.node,
                directory_id: Some(directory_id),
            };
            Ok(meta.write(disk, folder)?)
        };
        match write() {
            Ok(()) => directories.push(Ok(directory_id)),
            Err(error @ (QuorumError::Io { .. } | QuorumError::Storage(_))) if !is_metadata_dir => {
                directories.push(Err(error_text(&error)));
            }
            Err(error) => return Err(error),
        }
    }
    directories.truncate(log_dirs.len());
    Ok(Formatted { cluster_id, directories, is_first_start })
}

/// Either all log directories are new, or none is; and no two have the same id.
fn check_all_or_none(
    folders: &[&Path],
    found: &[Result<Option<MetaProperties>, String>],
    node: NodeId,
) -> Result<(), QuorumError> {
    let known = || {
        let all = folders.iter().zip(found);
        all.filter_map(|(folder, meta)| Some((*folder, meta.as_ref().ok()?.as_ref()?)))
    };
    let Some((_, some)) = known().next() else { return Ok(()) };
    for (folder, meta) in folders.iter().zip(found) {
        if matches!(meta, Ok(None)) {
            let (path, cluster_id) = (folder.to_path_buf(), some.cluster_id.clone());
            return Err(QuorumError::NotFormatted { path, cluster_id, node });
        }
    }
    let mut ids: BTreeMap<Uuid, &Path> = BTreeMap::new();
    for (folder, meta) in known() {
        let Some(id) = meta.directory_id else { continue };
        if let Some(other) = ids.insert(id, folder) {
            let (path, other_path) = (folder.to_owned(), other.to_owned());
            return Err(QuorumError::TwoDirectories { id, path, other_path });
        }
    }
    Ok(())
}

/// Creates a folder and its parents, where they do not exist; their names survive a power cut.
fn create_durably(disk: &Disk, folder: &Path) -> Result<(), QuorumError> {
    let mut created = Vec::new();
    for ancestor in folder.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()) {
        if disk.exists(ancestor).map_err(|error| QuorumError::io("look at", ancestor, error))? {
            break;
        }
        created.push(ancestor);
    }
    disk.create_folders(folder).map_err(|error| QuorumError::io("create", folder, error))?;
    for parent in created.into_iter().filter_map(Path::parent) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        disk.sync_folder(parent).map_err(|error| QuorumError::io("sync", parent, error))?;
    }
    Ok(())
}

/// The two checkpoints. A folder without `meta.properties` is formatted anew, so what is in the metadata
/// folder of one is refused: it could be somebody's only copy.
fn write_metadata_dir(
    disk: &Disk,
    log_dir: &Path,
    key: VoterKey,
    endpoints: &[VoterEndpoint],
    now_ms: i64,
) -> Result<(), QuorumError> {
    let folder = log_dir.join(METADATA_FOLDER);
    let voters_path = folder.join(format!("{}{}", SnapshotId::BOOTSTRAP, SnapshotId::SUFFIX));
    if disk.exists(&folder).map_err(|error| QuorumError::io("look at", &folder, error))? {
        let entries = disk.list(&folder).map_err(|error| QuorumError::io("list", &folder, error))?;
        if let Some(entry) = entries.iter().find(|entry| entry.name.ends_with(".log")) {
            return Err(QuorumError::Unformatted {
                path: log_dir.join(META_PROPERTIES),
                log: folder.join(&entry.name),
            });
        }
    } else {
        disk.create_folder(&folder).map_err(|error| QuorumError::io("create", &folder, error))?;
    }
    let bootstrap = Snapshot {
        last_contained_log_timestamp: 0,
        kraft_version: 0,
        voters: None,
        records: bootstrap_features(),
    };
    let path = log_dir.join(BOOTSTRAP);
    let bytes = snapshot_bytes(&bootstrap, QuorumEpoch(0), MetadataVersion::LATEST, now_ms)?;
    // Its name becomes durable with that of `meta.properties`, before which the folder is not formatted.
    write_synced(disk, &path, &bytes)?;

    let voter = Voter { key, endpoints: endpoints.to_vec(), kraft_versions: (0, 1) };
    let voters = Snapshot {
        last_contained_log_timestamp: now_ms,
        kraft_version: 1,
        voters: Some(VoterSet::new([voter])),
        records: Vec::new(),
    };
    let bytes = snapshot_bytes(&voters, QuorumEpoch(0), MetadataVersion::LATEST, now_ms)?;
    disk.replace(&voters_path, &bytes)?;
    Ok(())
}

/// The records with which the empty metadata log of the formatted directory `log_dir` begins: what its
/// `bootstrap.checkpoint` says (Kafka's `BootstrapDirectory`), or without one the default levels of features.
///
/// # Errors
/// The file is damaged or was never finished, or says no `metadata.version`.
pub(crate) fn read_bootstrap(disk: &Disk, log_dir: &Path) -> Result<Vec<MetadataRecord>, QuorumError> {
    let path = log_dir.join(BOOTSTRAP);
    let bytes = disk.read(&path).map_err(|error| QuorumError::io("read", &path, error))?;
    let Some(bytes) = bytes else { return Ok(bootstrap_features()) };
    let records = parse_snapshot(&path, &bytes)?.records;
    let has_version = records.iter().any(
        |record| matches!(record, MetadataRecord::FeatureLevel(feature) if *feature.name == *METADATA_VERSION),
    );
    if !has_version {
        let reason = format!("it gives {METADATA_VERSION} no level");
        return Err(QuorumError::Damaged { path, at: Offset::ZERO, reason });
    }
    Ok(records)
}
