//! Why the metadata of a cluster cannot be had, or cannot be changed.

use ottla_ids::{NodeId, Offset, Uuid};
use ottla_storage::StorageError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The quorum cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum QuorumError {
    /// A folder belongs to another node.
    #[error(
        "{} belongs to node {found}, but this node is {expected}: set node.id={found}, or give this node an \
         empty folder of its own",
        path.display()
    )]
    OtherNode {
        /// The folder's `meta.properties`.
        path: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who we are.
        expected: NodeId,
    },
    /// A folder belongs to another cluster than the one asked for.
    #[error(
        "{} belongs to cluster {found}, but this node is to be one of cluster {expected}: leave the cluster id \
         out to go on with {found}, or give this node an empty folder of its own",
        path.display()
    )]
    OtherCluster {
        /// The folder's `meta.properties`.
        path: PathBuf,
        /// Which cluster's it is.
        found: String,
        /// Which one was asked for.
        expected: String,
    },
    /// Two of the folders belong to different clusters.
    #[error(
        "{} belongs to cluster {found}, but {} to cluster {other}: remove one of the two folders from log.dirs",
        path.display(), other_path.display()
    )]
    TwoClusters {
        /// One folder's `meta.properties`.
        path: PathBuf,
        /// Its cluster.
        found: String,
        /// The other folder's `meta.properties`.
        other_path: PathBuf,
        /// Its cluster.
        other: String,
    },
    /// A log directory that is not formatted, beside others that are (Kafka refuses it too).
    #[error(
        "No `meta.properties` found in {path}, though other log directories of this node have one: is its disk \
         mounted? To add it as a new log directory, create {path}/meta.properties with the lines version=1, \
         cluster.id={cluster_id} and node.id={node}",
        path = path.display()
    )]
    NotFormatted {
        /// The log directory.
        path: PathBuf,
        /// The cluster of the others.
        cluster_id: String,
        /// This node.
        node: NodeId,
    },
    /// Two log directories have the same id, as when somebody copied one.
    #[error(
        "Found duplicate directory ID {id} in {} and {}: remove one of the two folders from log.dirs",
        path.display(), other_path.display()
    )]
    TwoDirectories {
        /// The id.
        id: Uuid,
        /// One log directory.
        path: PathBuf,
        /// The other.
        other_path: PathBuf,
    },
    /// A metadata log without the file that says whose it is.
    #[error(
        "{} is missing, but there is a metadata log in {}: bring the file back (it has version=1, cluster.id, \
         node.id and directory.id), or give this node an empty folder",
        path.display(), log.display()
    )]
    Unformatted {
        /// The missing file.
        path: PathBuf,
        /// What is there.
        log: PathBuf,
    },
    /// The operating system refuses.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The log directory cannot be used.
    #[error("the metadata log cannot be used")]
    Storage(#[from] StorageError),
    /// Something in the log or a snapshot is not what Kafka writes.
    #[error("{} is damaged at {at}: {reason}", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// Where in it: an offset.
        at: Offset,
        /// What is wrong.
        reason: String,
    },
    /// The log's beginning was removed, and no snapshot has what was in it.
    #[error(
        "the metadata log in {} begins at offset {log_start}, but there is no snapshot that reaches so far: \
         copy the newest *.checkpoint file from another node, or from a backup",
        path.display()
    )]
    SnapshotMissing {
        /// The log's folder.
        path: PathBuf,
        /// Where it begins.
        log_start: Offset,
    },
    /// The quorum has voters that this build does not talk to.
    #[error(
        "the metadata log in {} names {voters} voters, and node {node} cannot lead it alone: quorums of several \
         voters are not supported yet",
        path.display()
    )]
    NotAlone {
        /// The log's folder.
        path: PathBuf,
        /// How many there are.
        voters: usize,
        /// Who we are.
        node: NodeId,
    },
    /// A record cannot be written.
    #[error("a metadata record cannot be encoded")]
    Encode(#[from] ottla_protocol::EncodeError),
    /// A batch cannot be built.
    #[error("a metadata batch cannot be built")]
    Build(#[from] ottla_records::BuildError),
    /// The controller refused this node itself.
    #[error("this node cannot be registered: {0}")]
    Registration(ottla_controller::Refusal),
}

impl QuorumError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> QuorumError {
        QuorumError::Io { action, path: path.to_owned(), source }
    }
}

/// A decision was not made, or it is not known to be durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DecideError {
    /// The quorum stopped before it decided.
    #[error("the metadata quorum is stopping")]
    Stopped,
    /// The log could not be written: nothing more is decided until a restart, and what this decision was
    /// is known only then.
    #[error("the metadata log failed: {0}")]
    Failed(Arc<str>),
    /// There is no room on the metadata log's disk; nothing was written, and nothing is decided until there is.
    #[error("the metadata log cannot grow: {0}")]
    NoRoom(Arc<str>),
    /// The decision's records do not fit into one batch; nothing was written.
    #[error("a decision of {size} bytes is larger than a metadata batch may be")]
    TooLarge {
        /// Their size, in bytes.
        size: usize,
    },
    /// The decision panicked; nothing was written.
    #[error("the decision failed, which is a bug")]
    Bug,
}
