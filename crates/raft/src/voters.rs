//! Who votes: the set that the log's `Voters` control records name.

use ottla_ids::{NodeId, Offset, Uuid};
use ottla_protocol::Text;
use std::collections::BTreeMap;

/// A voter's identity: a node that lost its disk is another voter, though its id is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoterKey {
    /// `node.id`.
    pub id: NodeId,
    /// The id of the directory its metadata log lies in; zero in a static quorum.
    pub directory_id: Uuid,
}

/// Where a voter is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterEndpoint {
    /// The controller listener's name.
    pub listener: Text,
    /// Host name or address.
    pub host: Text,
    /// Port.
    pub port: u16,
}

/// One voter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// Who.
    pub key: VoterKey,
    /// Where, one per controller listener.
    pub endpoints: Vec<VoterEndpoint>,
    /// The levels of `kraft.version` it supports, lowest and highest.
    pub kraft_versions: (i16, i16),
}

/// The voters by node id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoterSet {
    voters: BTreeMap<NodeId, Voter>,
}

impl VoterSet {
    /// The set of these voters; of two with one id the later counts.
    pub fn new(voters: impl IntoIterator<Item = Voter>) -> VoterSet {
        VoterSet { voters: voters.into_iter().map(|voter| (voter.key.id, voter)).collect() }
    }

    /// All voters by id.
    pub fn iter(&self) -> impl Iterator<Item = &Voter> {
        self.voters.values()
    }

    /// The voter with this node id, whatever its directory.
    pub fn get(&self, id: NodeId) -> Option<&Voter> {
        self.voters.get(&id)
    }

    /// Whether exactly this voter is in the set. A static quorum names no directories: there the node
    /// id is enough.
    pub fn contains(&self, key: VoterKey) -> bool {
        self.get(key.id).is_some_and(|voter| {
            voter.key.directory_id == key.directory_id || voter.key.directory_id.is_zero()
        })
    }

    /// Whether `key` votes and nobody else does.
    pub fn is_only(&self, key: VoterKey) -> bool {
        self.voters.len() == 1 && self.contains(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.voters.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.voters.is_empty()
    }

    /// How many votes win an election.
    pub fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    /// The same set with `voter` in the place of the one with its id.
    pub fn with(&self, voter: Voter) -> VoterSet {
        let mut voters = self.voters.clone();
        voters.insert(voter.key.id, voter);
        VoterSet { voters }
    }

    /// The largest offset up to which a majority has the log, `ends` being each voter's end; a voter
    /// that was not heard of has nothing. `None` without voters.
    pub fn majority_end(&self, ends: &BTreeMap<NodeId, Offset>) -> Option<Offset> {
        let mut sorted: Vec<Offset> =
            self.voters.keys().map(|id| ends.get(id).copied().unwrap_or(Offset::ZERO)).collect();
        sorted.sort_unstable_by(|one, other| other.cmp(one));
        sorted.get(self.voters.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voters(ids: &[i32]) -> VoterSet {
        VoterSet::new(ids.iter().map(|id| Voter {
            key: VoterKey { id: NodeId(*id), directory_id: Uuid::ZERO },
            endpoints: Vec::new(),
            kraft_versions: (0, 1),
        }))
    }

    #[track_caller]
    fn check(ends: &[(i32, i64)], expected: Option<i64>) {
        let ids: Vec<i32> = ends.iter().map(|(id, _)| *id).collect();
        let ends = ends.iter().map(|(id, end)| (NodeId(*id), Offset(*end))).collect();
        assert_eq!(voters(&ids).majority_end(&ends), expected.map(Offset));
    }

    #[test]
    fn what_a_majority_has_is_committed() {
        check(&[], None);
        check(&[(1, 7)], Some(7));
        check(&[(1, 7), (2, 3)], Some(3));
        check(&[(1, 7), (2, 3), (3, 5)], Some(5));
        check(&[(1, 7), (2, 0), (3, 0)], Some(0));
        check(&[(1, 9), (2, 8), (3, 7), (4, 6), (5, 5)], Some(7));
    }

    #[test]
    fn a_voter_that_was_not_heard_of_has_nothing() {
        let ends = BTreeMap::from([(NodeId(1), Offset(9))]);
        assert_eq!(voters(&[1, 2, 3]).majority_end(&ends), Some(Offset::ZERO));
    }

    #[test]
    fn a_node_that_lost_its_disk_is_another_voter() {
        let set = VoterSet::new([Voter {
            key: VoterKey { id: NodeId(1), directory_id: Uuid::from_u128(500) },
            endpoints: Vec::new(),
            kraft_versions: (0, 1),
        }]);
        assert!(set.contains(VoterKey { id: NodeId(1), directory_id: Uuid::from_u128(500) }));
        assert!(!set.contains(VoterKey { id: NodeId(1), directory_id: Uuid::from_u128(501) }));
    }
}
