//! Drives `raft` and `controller` over the metadata log `__cluster_metadata-0`, and publishes the image.
//!
//! A decision goes this way, and every other change of the cluster's metadata too:
//!
//! ```text
//!  decide ─► waits ─► writer thread: decide all that waits, each on the state the one before leaves
//!                                    ─► one append ─► one sync ─► publish the image ─► answer
//! ```
//!
//! [`format()`] makes the folders of a first start, [`Quorum::open`] loads the newest snapshot and the log
//! behind it, takes the lead, registers this node and gives the handle that everybody else holds: the
//! image now ([`Quorum::image`]), the images to come ([`Quorum::watch`]), and a way to change it
//! ([`Quorum::decide`]).
//!
//! A node alone writes no `NoOpRecord`s. Kafka's controller writes one every 500 ms
//! (`metadata.max.idle.interval.ms`), by which other nodes notice that they fall behind; nobody is
//! behind here, Kafka's tools do not miss them, and a laptop's disk may sleep.
//!
//! This crate knows no rule of what may be decided, and no client.

mod driver;
mod error;
mod format;
mod frames;
mod handle;
mod inspect;
mod log;
mod operations;
mod snapshot;

pub use crate::driver::{Limits, QuorumStatus};
pub use crate::error::{DecideError, QuorumError};
pub use crate::format::{Formatted, Identity, format};
pub use crate::handle::{NodeSettings, Quorum, WAITING_MAX};
pub use crate::inspect::{Inspection, inspect};
pub use crate::log::{LogError, MetadataLog, MetadataSegments, StorageLog};
pub use crate::snapshot::{Snapshot, list_snapshots, read_snapshot};
pub use ottla_raft::{Voter, VoterEndpoint, VoterSet};

/// The folder of the metadata log in its log directory.
pub const METADATA_FOLDER: &str = "__cluster_metadata-0";
/// The name of the metadata log's topic; it is not in the image, and nobody may create it.
pub const METADATA_TOPIC: &str = "__cluster_metadata";

#[cfg(test)]
mod tests;
