//! The state machine: one node's part in the quorum.
//!
//! ```text
//!               alone, or votes of a majority
//!  Unattached ────────────► Candidate ───────────► Leader
//!      ▲                                              │ stops
//!      └──────────────────── Resigned ◄───────────────┘
//! ```

use crate::control::ControlRecord;
use crate::quorum_state::QuorumState;
use crate::voters::{Voter, VoterKey, VoterSet};
use ottla_ids::{NodeId, Offset, QuorumEpoch};
use std::collections::{BTreeMap, BTreeSet};

/// How far a log reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPosition {
    /// The offset after its last record.
    pub end_offset: Offset,
    /// The epoch of its last record; 0 when there is none.
    pub last_epoch: QuorumEpoch,
}

/// What a node is in the present epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Knows of no leader that it could follow.
    Unattached,
    /// Wants to lead and counts votes.
    Candidate {
        /// Who voted for it, itself included.
        granted: BTreeSet<NodeId>,
    },
    /// Leads.
    Leader {
        /// Where its epoch begins: nothing counts as committed before a record from here on is.
        epoch_start: Offset,
        /// How far each voter has the log durably.
        durable_ends: BTreeMap<NodeId, Offset>,
    },
    /// Led, and gave it up.
    Resigned,
}

/// What the caller must now make true, in this order. The default is "nothing changed".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// To be durable before anything else happens.
    pub quorum_state: Option<QuorumState>,
    /// To be appended as one control batch in the present epoch.
    pub append: Vec<ControlRecord>,
    /// Everything before it is committed.
    pub high_watermark: Option<Offset>,
}

/// One node's part in the quorum.
///
/// Invariants: `epoch` and `high_watermark` never go back; a leader's `high_watermark` lies beyond its
/// `epoch_start`.
#[derive(Clone, Debug)]
pub struct Raft {
    local: VoterKey,
    voters: VoterSet,
    epoch: QuorumEpoch,
    role: Role,
    high_watermark: Option<Offset>,
}

impl Raft {
    /// A node starts. `remembered` is what its `quorum-state` file holds, if there is one; `log` is how
    /// far its log and snapshots reach; `voters` is the last set they name, `voters_in_log` whether it
    /// stands in the log or in a snapshot of it rather than only in the one that formatting wrote.
    ///
    /// A voter that is alone becomes the leader at once, in an epoch that is above all it ever saw, and
    /// writes who leads and, if need be, who votes (Kafka's `LeaderState.appendStartOfEpochControlRecords`).
    /// `local` are its endpoints as they are now: when they differ from those in `voters`, the log is to
    /// say so.
    pub fn start(
        local: Voter,
        voters: VoterSet,
        voters_in_log: bool,
        kraft_version: i16,
        remembered: Option<QuorumState>,
        log: LogPosition,
    ) -> (Raft, Changed) {
        let remembered = remembered.unwrap_or_default();
        let epoch = remembered.epoch.max(log.last_epoch);
        let mut raft = Raft { local: local.key, voters, epoch, role: Role::Unattached, high_watermark: None };
        if !raft.voters.is_only(local.key) {
            return (raft, Changed::default());
        }
        raft.epoch = QuorumEpoch(epoch.0.saturating_add(1));
        raft.role = Role::Candidate { granted: BTreeSet::from([local.key.id]) };
        let mut changed = raft.on_vote_counted(log.end_offset);
        if kraft_version > 0 {
            let voters = raft.voters.with(Voter { key: local.key, ..local });
            if !voters_in_log || voters != raft.voters {
                raft.voters = voters.clone();
                changed.append.push(ControlRecord::KRaftVersion(kraft_version));
                changed.append.push(ControlRecord::Voters(voters));
            }
        }
        (raft, changed)
    }

    /// A candidate with enough votes leads. Its vote for itself and its victory are remembered in one
    /// step: nobody else can be elected in this epoch.
    fn on_vote_counted(&mut self, log_end: Offset) -> Changed {
        let Role::Candidate { granted } = &self.role else { return Changed::default() };
        if granted.len() < self.voters.majority() {
            return Changed::default();
        }
        let leader_change = ControlRecord::LeaderChange {
            leader: self.local.id,
            voters: self.voters.iter().map(|voter| voter.key.id).collect(),
            granting: granted.iter().copied().collect(),
        };
        self.role = Role::Leader { epoch_start: log_end, durable_ends: BTreeMap::new() };
        Changed {
            quorum_state: Some(QuorumState { leader: Some(self.local.id), epoch: self.epoch, voted: None }),
            append: vec![leader_change],
            high_watermark: None,
        }
    }

    /// `node` has the log durably up to `end`. Kafka's leader counts itself before it synced; this one
    /// must not: the log's answers are given when they cannot be lost.
    pub fn on_durable(&mut self, node: NodeId, end: Offset) -> Changed {
        let Role::Leader { epoch_start, durable_ends } = &mut self.role else { return Changed::default() };
        let known = durable_ends.entry(node).or_insert(end);
        *known = end.max(*known);
        let committed = self.voters.majority_end(durable_ends).filter(|end| *end > *epoch_start);
        if committed <= self.high_watermark {
            return Changed::default();
        }
        self.high_watermark = committed;
        Changed { high_watermark: committed, ..Changed::default() }
    }

    /// The quorum goes to `kraft.version` 1 (KIP-853): from here on the log says who votes, and with which
    /// directories. Only a leader alone can: it knows the directory of every voter.
    ///
    /// Nothing changes unless this node leads and is the only voter.
    pub fn name_voters(&mut self) -> Changed {
        let Some(voter) = self.voters.get(self.local.id).filter(|_| self.voters.is_only(self.local)) else {
            return Changed::default();
        };
        if !self.is_leader() {
            return Changed::default();
        }
        self.voters = VoterSet::new([Voter { key: self.local, ..voter.clone() }]);
        let append = vec![ControlRecord::KRaftVersion(1), ControlRecord::Voters(self.voters.clone())];
        Changed { append, ..Changed::default() }
    }

    /// The node stops leading, as at a graceful stop. Nothing needs to be remembered: the epoch stays.
    pub fn resign(&mut self) {
        if self.is_leader() {
            self.role = Role::Resigned;
        }
    }

    /// Whether this node leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader { .. })
    }

    /// Who leads, when known.
    pub fn leader(&self) -> Option<NodeId> {
        self.is_leader().then_some(self.local.id)
    }

    /// The present epoch: batches are appended with it.
    pub fn epoch(&self) -> QuorumEpoch {
        self.epoch
    }

    /// Everything before it is committed; `None` until that is known in this epoch.
    pub fn high_watermark(&self) -> Option<Offset> {
        self.high_watermark
    }

    /// Who votes.
    pub fn voters(&self) -> &VoterSet {
        &self.voters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voters::VoterEndpoint;
    use ottla_ids::Uuid;
    use ottla_protocol::Text;

    fn voter(id: i32, port: u16) -> Voter {
        Voter {
            key: VoterKey { id: NodeId(id), directory_id: Uuid::from_u128(1000 + id as u128) },
            endpoints: vec![VoterEndpoint {
                listener: Text::from("CONTROLLER"),
                host: Text::from("localhost"),
                port,
            }],
            kraft_versions: (0, 1),
        }
    }

    fn at(end_offset: i64, last_epoch: i32) -> LogPosition {
        LogPosition { end_offset: Offset(end_offset), last_epoch: QuorumEpoch(last_epoch) }
    }

    fn leader_change() -> ControlRecord {
        ControlRecord::LeaderChange { leader: NodeId(1), voters: vec![NodeId(1)], granting: vec![NodeId(1)] }
    }

    #[test]
    fn a_voter_alone_leads_at_once_and_writes_who_votes() {
        let set = VoterSet::new([voter(1, 9093)]);
        let (raft, changed) = Raft::start(voter(1, 9093), set.clone(), false, 1, None, at(0, 0));
        assert!(raft.is_leader());
        assert_eq!(raft.epoch(), QuorumEpoch(1));
        let state = QuorumState { leader: Some(NodeId(1)), epoch: QuorumEpoch(1), voted: None };
        assert_eq!(
            changed,
            Changed {
                quorum_state: Some(state),
                append: vec![leader_change(), ControlRecord::KRaftVersion(1), ControlRecord::Voters(set)],
                high_watermark: None,
            },
        );
    }

    #[test]
    fn a_restart_takes_an_epoch_above_file_and_log() {
        for (remembered, log, expected) in [(4, 4, 5), (6, 4, 7), (4, 6, 7)] {
            let state = QuorumState { leader: Some(NodeId(1)), epoch: QuorumEpoch(remembered), voted: None };
            let set = VoterSet::new([voter(1, 9093)]);
            let (raft, changed) = Raft::start(voter(1, 9093), set, true, 1, Some(state), at(50, log));
            assert_eq!(raft.epoch(), QuorumEpoch(expected));
            assert_eq!(changed.append, [leader_change()]);
        }
    }

    #[test]
    fn an_endpoint_that_moved_is_written_to_the_log() {
        let set = VoterSet::new([voter(1, 9093)]);
        let (raft, changed) = Raft::start(voter(1, 9999), set, true, 1, None, at(50, 1));
        let moved = VoterSet::new([voter(1, 9999)]);
        assert_eq!(
            changed.append,
            [leader_change(), ControlRecord::KRaftVersion(1), ControlRecord::Voters(moved.clone())],
        );
        assert_eq!(*raft.voters(), moved);
    }

    #[test]
    fn a_static_quorum_of_one_becomes_one_whose_log_names_the_voter() {
        let key = VoterKey { directory_id: Uuid::ZERO, ..voter(1, 9093).key };
        let fixed = VoterSet::new([Voter { key, ..voter(1, 9093) }]);
        let (mut raft, changed) = Raft::start(voter(1, 9093), fixed, false, 0, None, at(0, 0));
        assert_eq!(changed.append, [leader_change()], "at level 0 the log names nobody");
        let named = VoterSet::new([voter(1, 9093)]);
        assert_eq!(
            raft.name_voters(),
            Changed {
                append: vec![ControlRecord::KRaftVersion(1), ControlRecord::Voters(named.clone())],
                ..Changed::default()
            },
        );
        assert_eq!(*raft.voters(), named);
        raft.resign();
        assert_eq!(raft.name_voters(), Changed::default(), "who does not lead writes nothing");
    }

    #[test]
    fn nothing_is_committed_before_a_record_of_the_own_epoch_is() {
        let set = VoterSet::new([voter(1, 9093)]);
        let (mut raft, _) = Raft::start(voter(1, 9093), set, true, 1, None, at(50, 1));
        assert_eq!(raft.on_durable(NodeId(1), Offset(50)), Changed::default());
        assert_eq!(raft.high_watermark(), None);
        assert_eq!(raft.on_durable(NodeId(1), Offset(51)).high_watermark, Some(Offset(51)));
        assert_eq!(raft.on_durable(NodeId(1), Offset(51)), Changed::default());
        assert_eq!(raft.on_durable(NodeId(1), Offset(48)), Changed::default(), "never goes back");
        assert_eq!(raft.high_watermark(), Some(Offset(51)));
    }

    #[test]
    fn with_other_voters_a_node_does_not_elect_itself() {
        let set = VoterSet::new([voter(1, 9093), voter(2, 9094), voter(3, 9095)]);
        let (raft, changed) = Raft::start(voter(1, 9093), set, true, 1, None, at(50, 1));
        assert_eq!(raft.role, Role::Unattached);
        assert_eq!(changed, Changed::default());
    }

    #[test]
    fn a_node_that_is_no_voter_does_not_lead() {
        let set = VoterSet::new([voter(2, 9094)]);
        let (raft, changed) = Raft::start(voter(1, 9093), set, true, 1, None, at(50, 1));
        assert!(!raft.is_leader());
        assert_eq!(changed, Changed::default());
    }
}
