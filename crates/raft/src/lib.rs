//! KRaft: who leads the metadata log and what of it is committed (KIP-595, KIP-853).
//!
//! Start with [`Raft`]: events and positions of the log go in, [`Changed`] comes out. Around it are
//! what it remembers ([`QuorumState`], the content of the `quorum-state` file), who votes
//! ([`VoterSet`]), the control records it writes ([`ControlRecord`]), and the names of snapshots
//! ([`SnapshotId`]).
//!
//! A voter that is alone elects itself: that is what one node needs. With more voters this core so far
//! waits for votes that no one collects; the exchange of votes and fetches between voters goes in here
//! and nowhere else.
//!
//! This crate knows no disk, no socket and no clock, and not what the records say.

mod control;
mod quorum_state;
mod raft;
mod snapshot;
mod voters;

pub use crate::control::{ControlRecord, ControlRecordError};
pub use crate::quorum_state::{QuorumState, QuorumStateError};
pub use crate::raft::{Changed, LogPosition, Raft, Role};
pub use crate::snapshot::SnapshotId;
pub use crate::voters::{Voter, VoterEndpoint, VoterKey, VoterSet};
