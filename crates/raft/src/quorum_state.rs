//! What a voter must remember of elections: the content of the `quorum-state` file.

use ottla_ids::{NodeId, QuorumEpoch, Uuid};
use serde::{Deserialize, Serialize};

use crate::voters::VoterKey;

/// The last election this node took part in or heard of. To be durable before anyone hears of it: a
/// voter that forgets its vote could give two in one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuorumState {
    /// Who leads, when known.
    pub leader: Option<NodeId>,
    /// The epoch all of this is about.
    pub epoch: QuorumEpoch,
    /// Whom this node voted for in this epoch.
    pub voted: Option<VoterKey>,
}

/// The content of a `quorum-state` file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QuorumStateError {
    /// It is not the JSON that Kafka writes.
    #[error("not the content of a quorum-state file: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It was written by a newer release.
    #[error("quorum-state has data_version {0}, this build reads 0 and 1")]
    UnknownVersion(i16),
    /// A field holds what Kafka never writes.
    #[error("quorum-state has {field} {value}")]
    BadField {
        /// The field's name in the file.
        field: &'static str,
        /// What it holds.
        value: String,
    },
}

/// Version 1, of `kraft.version` 1; the order of the fields is Kafka's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version1 {
    leader_id: i32,
    leader_epoch: i32,
    voted_id: i32,
    voted_directory_id: String,
    #[serde(rename = "data_version")]
    data_version: i16,
}

/// What both versions have; version 0 has the cluster's id, an offset and the voters besides.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyVersion {
    leader_id: i32,
    leader_epoch: i32,
    #[serde(default = "nobody")]
    voted_id: i32,
    #[serde(default)]
    voted_directory_id: String,
    #[serde(rename = "data_version", default)]
    data_version: i16,
}

const NOBODY: i32 = -1;

fn nobody() -> i32 {
    NOBODY
}

impl QuorumState {
    /// The file's content, version 1: one line of JSON without a line end.
    pub fn to_json(&self) -> String {
        let file = Version1 {
            leader_id: self.leader.map_or(NOBODY, |node| node.0),
            leader_epoch: self.epoch.0,
            voted_id: self.voted.map_or(NOBODY, |voted| voted.id.0),
            voted_directory_id: self.voted.map_or(Uuid::ZERO, |voted| voted.directory_id).to_string(),
            data_version: 1,
        };
        serde_json::to_string(&file).expect("five plain fields can always be written as JSON")
    }

    /// Reads version 0 or 1.
    pub fn from_json(text: &str) -> Result<QuorumState, QuorumStateError> {
        let file: AnyVersion = serde_json::from_str(text)?;
        if !(0..=1).contains(&file.data_version) {
            return Err(QuorumStateError::UnknownVersion(file.data_version));
        }
        if file.leader_epoch < 0 {
            let value = file.leader_epoch.to_string();
            return Err(QuorumStateError::BadField { field: "leaderEpoch", value });
        }
        let directory_id = if file.voted_directory_id.is_empty() {
            Uuid::ZERO
        } else {
            file.voted_directory_id.parse().map_err(|_| QuorumStateError::BadField {
                field: "votedDirectoryId",
                value: file.voted_directory_id.clone(),
            })?
        };
        Ok(QuorumState {
            leader: (file.leader_id >= 0).then_some(NodeId(file.leader_id)),
            epoch: QuorumEpoch(file.leader_epoch),
            voted: (file.voted_id >= 0).then_some(VoterKey { id: NodeId(file.voted_id), directory_id }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KAFKAS: &str = "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\
        \"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}";

    #[test]
    fn the_content_is_kafkas_to_the_byte() {
        let state = QuorumState { leader: Some(NodeId(1)), epoch: QuorumEpoch(1), voted: None };
        assert_eq!(state.to_json(), KAFKAS);
        assert_eq!(QuorumState::from_json(KAFKAS).unwrap(), state);
    }

    #[test]
    fn version_0_is_read() {
        let text = "{\"clusterId\":\"\",\"leaderId\":3,\"leaderEpoch\":7,\"votedId\":3,\"appliedOffset\":0,\
            \"currentVoters\":[{\"voterId\":3}],\"data_version\":0}";
        let voted = VoterKey { id: NodeId(3), directory_id: Uuid::ZERO };
        assert_eq!(
            QuorumState::from_json(text).unwrap(),
            QuorumState { leader: Some(NodeId(3)), epoch: QuorumEpoch(7), voted: Some(voted) },
        );
    }

    #[test]
    fn a_vote_survives() {
        let voted = VoterKey { id: NodeId(2), directory_id: Uuid::from_u128(0x1234_5678_9abc) };
        let state = QuorumState { leader: None, epoch: QuorumEpoch(9), voted: Some(voted) };
        assert_eq!(QuorumState::from_json(&state.to_json()).unwrap(), state);
    }

    #[test]
    fn damaged_and_newer_files_are_refused() {
        for text in [
            "",
            "{}",
            "{\"leaderId\":1}",
            "{\"leaderId\":1,\"leaderEpoch\":-3,\"data_version\":1}",
            "{\"leaderId\":1,\"leaderEpoch\":1,\"votedDirectoryId\":\"?\",\"data_version\":1}",
            "{\"leaderId\":1,\"leaderEpoch\":1,\"data_version\":2}",
        ] {
            assert!(QuorumState::from_json(text).is_err(), "{text}");
        }
    }
}
