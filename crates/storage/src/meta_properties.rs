//! `meta.properties`: which cluster and node a log directory belongs to, and its own id (KIP-631, KIP-858).

use crate::disk::Disk;
use crate::error::{Context, StorageError};
use ottla_ids::{NodeId, Uuid};
use std::path::Path;

/// The file's name in a log directory.
pub const META_PROPERTIES: &str = "meta.properties";

/// What a log directory says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// `cluster.id`: 22 characters of base64 by custom, any text by right.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: NodeId,
    /// `directory.id`; absent in directories of Kafka before 3.7.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// Reads the file of log directory `folder`; `None` if there is none.
    ///
    /// # Errors
    /// [`StorageError::InvalidFile`] where a key is missing or malformed, or the version is not 0 or 1.
    pub fn read(disk: &Disk, folder: &Path) -> Result<Option<MetaProperties>, StorageError> {
        let path = folder.join(META_PROPERTIES);
        let Some(bytes) = disk.read(&path).at("read", &path)? else { return Ok(None) };
        parse(&String::from_utf8_lossy(&bytes))
            .map(Some)
            .map_err(|reason| StorageError::InvalidFile { path, reason })
    }

    /// Replaces the file of log directory `folder`; durable when it returns.
    pub fn write(&self, disk: &Disk, folder: &Path) -> Result<(), StorageError> {
        let mut text = String::from("#\n");
        if let Some(id) = self.directory_id {
            text.push_str(&format!("directory.id={id}\n"));
        }
        text.push_str(&format!("node.id={}\nversion=1\ncluster.id={}\n", self.node_id, self.cluster_id));
        disk.replace(&folder.join(META_PROPERTIES), text.as_bytes())
    }
}

fn parse(text: &str) -> Result<MetaProperties, String> {
    let value = |key: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
        let mut pairs = lines.filter_map(|line| line.split_once('='));
        // As in Java, the last line of a key wins.
        pairs.rfind(|(found, _)| found.trim() == key).map(|(_, value)| value.trim())
    };
    let version = value("version").ok_or("version is missing")?;
    let node_key = match version {
        "0" => "broker.id",
        "1" => "node.id",
        other => return Err(format!("unknown version '{other}'")),
    };
    let cluster_id = value("cluster.id").ok_or("cluster.id is missing")?.to_owned();
    let node_id = value(node_key).ok_or_else(|| format!("{node_key} is missing"))?;
    let node_id = node_id.parse().map_err(|_| format!("malformed {node_key} '{node_id}'"))?;
    let directory_id = match value("directory.id") {
        None => None,
        Some(id) => Some(id.parse().map_err(|_| format!("malformed directory.id '{id}'"))?),
    };
    Ok(MetaProperties { cluster_id, node_id: NodeId(node_id), directory_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_kafka_is_read() {
        let text = "#\n#Tue Nov 24 16:00:00 UTC 2026\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\n\
                    directory.id=_m2cRIDkRXG0RzUMDGgFjw\nnode.id=1\nversion=1\n";
        let meta = parse(text).unwrap();
        assert_eq!(meta.cluster_id, "MkU3OEVBNTcwNTJENDM2Qk");
        assert_eq!(meta.node_id, NodeId(1));
        assert_eq!(meta.directory_id.unwrap().to_string(), "_m2cRIDkRXG0RzUMDGgFjw");
    }

    #[test]
    fn what_is_written_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(MetaProperties::read(&Disk::Real, folder.path()).unwrap(), None);
        for directory_id in [None, Some(Uuid::random())] {
            let meta = MetaProperties { cluster_id: "c".to_owned(), node_id: NodeId(3), directory_id };
            meta.write(&Disk::Real, folder.path()).unwrap();
            assert_eq!(MetaProperties::read(&Disk::Real, folder.path()).unwrap(), Some(meta));
        }
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        for (text, named) in [
            ("node.id=1\ncluster.id=c\n", "version"),
            ("version=2\n", "version"),
            ("version=1\nnode.id=1\n", "cluster.id"),
            ("version=1\ncluster.id=c\n", "node.id"),
            ("version=1\ncluster.id=c\nnode.id=x\n", "node.id"),
            ("version=1\ncluster.id=c\nnode.id=1\ndirectory.id=-\n", "directory.id"),
        ] {
            assert!(parse(text).unwrap_err().contains(named), "{text:?}");
        }
    }
}
