//! The control records of a metadata log: what voters tell each other through it.

use crate::voters::{Voter, VoterEndpoint, VoterKey, VoterSet};
use bytes::Bytes;
use ottla_ids::NodeId;
use ottla_protocol::records::control::{
    KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
    leader_change as leader, voters as voter,
};
use ottla_protocol::{DecodeError, EncodeError, decode_exact, encode};

/// One control record of the metadata log or of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// A leader begins its epoch.
    LeaderChange {
        /// Who.
        leader: NodeId,
        /// Who may vote.
        voters: Vec<NodeId>,
        /// Who voted for it.
        granting: Vec<NodeId>,
    },
    /// The first record of a snapshot.
    SnapshotHeader {
        /// The time of the newest record that the snapshot contains, in ms since 1970.
        last_contained_log_timestamp: i64,
    },
    /// The last record of a snapshot.
    SnapshotFooter,
    /// The level of `kraft.version` from here on.
    KRaftVersion(i16),
    /// The voters from here on. They count from the moment the record is appended, committed or not.
    Voters(VoterSet),
}

/// A control record's value cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ControlRecordError {
    /// Its bytes are not those of its kind.
    #[error("a control record of kind {kind} is not valid")]
    Decode {
        /// The number in the record's key.
        kind: i16,
        /// What is wrong.
        source: DecodeError,
    },
    /// A newer release wrote it.
    #[error("a control record of kind {kind} has version {version}, this build reads version 0")]
    UnknownVersion {
        /// The number in the record's key.
        kind: i16,
        /// The version in its value.
        version: i16,
    },
}

const LEADER_CHANGE: i16 = 2;
const SNAPSHOT_HEADER: i16 = 3;
const SNAPSHOT_FOOTER: i16 = 4;
const KRAFT_VERSION: i16 = 5;
const KRAFT_VOTERS: i16 = 6;

/// The version that this build writes of all of them, as Kafka 4.3 does.
const VERSION: i16 = 0;

impl ControlRecord {
    /// The number in the record's key.
    pub fn kind(&self) -> i16 {
        match self {
            ControlRecord::LeaderChange { .. } => LEADER_CHANGE,
            ControlRecord::SnapshotHeader { .. } => SNAPSHOT_HEADER,
            ControlRecord::SnapshotFooter => SNAPSHOT_FOOTER,
            ControlRecord::KRaftVersion(_) => KRAFT_VERSION,
            ControlRecord::Voters(_) => KRAFT_VOTERS,
        }
    }

    /// The record's value.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        match self {
            ControlRecord::LeaderChange { leader, voters, granting } => {
                let list = |nodes: &[NodeId]| {
                    nodes
                        .iter()
                        .map(|node| leader::Voter { voter_id: node.0, ..leader::Voter::default() })
                        .collect()
                };
                let message = LeaderChangeMessage {
                    version: VERSION,
                    leader_id: leader.0,
                    voters: list(voters),
                    granting_voters: list(granting),
                    ..LeaderChangeMessage::default()
                };
                encode(&message, VERSION)
            }
            ControlRecord::SnapshotHeader { last_contained_log_timestamp } => {
                let message = SnapshotHeaderRecord {
                    version: VERSION,
                    last_contained_log_timestamp: *last_contained_log_timestamp,
                    ..SnapshotHeaderRecord::default()
                };
                encode(&message, VERSION)
            }
            ControlRecord::SnapshotFooter => {
                encode(&SnapshotFooterRecord { version: VERSION, ..SnapshotFooterRecord::default() }, VERSION)
            }
            ControlRecord::KRaftVersion(level) => {
                let message = KRaftVersionRecord {
                    version: VERSION,
                    kraft_version: *level,
                    ..KRaftVersionRecord::default()
                };
                encode(&message, VERSION)
            }
            ControlRecord::Voters(voters) => {
                let message = VotersRecord {
                    version: VERSION,
                    voters: voters.iter().map(voter_to_message).collect(),
                    ..VotersRecord::default()
                };
                encode(&message, VERSION)
            }
        }
    }

    /// Reads the value of a record of this kind; `None` for a kind that is to be skipped.
    pub fn decode(kind: i16, value: Bytes) -> Result<Option<ControlRecord>, ControlRecordError> {
        // Every value begins with its version, which also is the version it is encoded in.
        let version = value.first_chunk().map_or(VERSION, |bytes| i16::from_be_bytes(*bytes));
        let highest = if kind == LEADER_CHANGE { 1 } else { 0 };
        if !(0..=highest).contains(&version) {
            return Err(ControlRecordError::UnknownVersion { kind, version });
        }
        let invalid = |source| ControlRecordError::Decode { kind, source };
        Ok(Some(match kind {
            LEADER_CHANGE => {
                let message: LeaderChangeMessage = decode_exact(value, version).map_err(invalid)?;
                let list =
                    |voters: &[leader::Voter]| voters.iter().map(|voter| NodeId(voter.voter_id)).collect();
                ControlRecord::LeaderChange {
                    leader: NodeId(message.leader_id),
                    voters: list(&message.voters),
                    granting: list(&message.granting_voters),
                }
            }
            SNAPSHOT_HEADER => {
                let message: SnapshotHeaderRecord = decode_exact(value, version).map_err(invalid)?;
                let last_contained_log_timestamp = message.last_contained_log_timestamp;
                ControlRecord::SnapshotHeader { last_contained_log_timestamp }
            }
            SNAPSHOT_FOOTER => {
                decode_exact::<SnapshotFooterRecord>(value, version).map_err(invalid)?;
                ControlRecord::SnapshotFooter
            }
            KRAFT_VERSION => {
                let message: KRaftVersionRecord = decode_exact(value, version).map_err(invalid)?;
                ControlRecord::KRaftVersion(message.kraft_version)
            }
            KRAFT_VOTERS => {
                let message: VotersRecord = decode_exact(value, version).map_err(invalid)?;
                ControlRecord::Voters(VoterSet::new(message.voters.iter().map(voter_from_message)))
            }
            _ => return Ok(None),
        }))
    }
}

fn voter_to_message(voter: &Voter) -> voter::Voter {
    voter::Voter {
        voter_id: voter.key.id.0,
        voter_directory_id: voter.key.directory_id,
        endpoints: voter
            .endpoints
            .iter()
            .map(|endpoint| voter::Endpoint {
                name: endpoint.listener.clone(),
                host: endpoint.host.clone(),
                port: endpoint.port,
                ..voter::Endpoint::default()
            })
            .collect(),
        kraft_version_feature: voter::KRaftVersionFeature {
            min_supported_version: voter.kraft_versions.0,
            max_supported_version: voter.kraft_versions.1,
            ..voter::KRaftVersionFeature::default()
        },
        ..voter::Voter::default()
    }
}

fn voter_from_message(message: &voter::Voter) -> Voter {
    let feature = &message.kraft_version_feature;
    Voter {
        key: VoterKey { id: NodeId(message.voter_id), directory_id: message.voter_directory_id },
        endpoints: message
            .endpoints
            .iter()
            .map(|endpoint| VoterEndpoint {
                listener: endpoint.name.detached(),
                host: endpoint.host.detached(),
                port: endpoint.port,
            })
            .collect(),
        kraft_versions: (feature.min_supported_version, feature.max_supported_version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::Text;

    fn hex(text: &str) -> Bytes {
        let digits: Vec<u8> =
            text.bytes().filter_map(|byte| char::from(byte).to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// Values as Apache Kafka 4.3.1 wrote them for a standalone node 1.
    #[track_caller]
    fn check(kind: i16, kafkas: &str, record: ControlRecord) {
        let bytes = hex(kafkas);
        assert_eq!(record.kind(), kind);
        assert_eq!(record.encode().unwrap(), bytes);
        assert_eq!(ControlRecord::decode(kind, bytes).unwrap(), Some(record));
    }

    #[test]
    fn values_are_kafkas_to_the_byte() {
        check(
            2,
            "0000 00000001 02 00000001 00 02 00000001 00 00",
            ControlRecord::LeaderChange {
                leader: NodeId(1),
                voters: vec![NodeId(1)],
                granting: vec![NodeId(1)],
            },
        );
        check(
            3,
            "0000 000001a20e4e10c1 00",
            ControlRecord::SnapshotHeader { last_contained_log_timestamp: 1_795_536_326_849 },
        );
        check(4, "0000 00", ControlRecord::SnapshotFooter);
        check(5, "0000 0001 00", ControlRecord::KRaftVersion(1));
        let voter = Voter {
            key: VoterKey { id: NodeId(1), directory_id: "vqN_6Nt6S5GYkVvOkYw2ew".parse().unwrap() },
            endpoints: vec![VoterEndpoint {
                listener: Text::from("CONTROLLER"),
                host: Text::from("127.0.0.1"),
                port: 21601,
            }],
            kraft_versions: (0, 1),
        };
        check(
            6,
            "0000 02 00000001 bea37fe8db7a4b9198915bce918c367b 02 0b434f4e54524f4c4c4552 0a3132372e302e302e31 \
             5461 00 0000 0001 00 00 00",
            ControlRecord::Voters(VoterSet::new([voter])),
        );
    }

    #[test]
    fn unknown_kinds_are_skipped_and_newer_versions_refused() {
        assert_eq!(ControlRecord::decode(77, hex("0000 00")).unwrap(), None);
        assert!(ControlRecord::decode(5, hex("0001 0001 00")).is_err());
        assert!(ControlRecord::decode(5, hex("0000 00")).is_err());
    }
}
