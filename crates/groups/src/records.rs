//! The records of `__consumer_offsets`, in Kafka's bytes.

use crate::classic::{Metadata, StoredMember};
use crate::consumer::Change;
use crate::state::Commit;
use bytes::Bytes;
use ottla_ids::{ProducerId, Uuid};
use ottla_protocol::records::RecordError as Unreadable;
use ottla_protocol::records::group::group_metadata::MemberMetadata;
use ottla_protocol::records::group::{
    GroupMetadataKey, GroupMetadataValue, GroupRecord, OffsetCommitKey, OffsetCommitValue,
};
use ottla_protocol::{EncodeError, Text};

/// One change of what is written down about groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A classic group's members and assignments; `None`: the group is deleted.
    Classic {
        /// The group.
        group: Text,
        /// What it is from now on.
        metadata: Option<Metadata>,
    },
    /// One change of a consumer group.
    Consumer {
        /// The group.
        group: Text,
        /// What changes.
        change: Change,
    },
    /// A group's offset in one partition; `None`: it is forgotten.
    Offset {
        /// The group.
        group: Text,
        /// The topic's name.
        topic: Text,
        /// The partition.
        partition: i32,
        /// What it is from now on.
        commit: Option<Commit>,
    },
    /// An offset that counts once its transaction commits. Read only: transactions are written elsewhere.
    PendingOffset {
        /// Whose transaction.
        producer: ProducerId,
        /// The group.
        group: Text,
        /// The topic's name.
        topic: Text,
        /// The partition.
        partition: i32,
        /// What it is to be.
        commit: Commit,
    },
    /// A transaction came to its end. Read only: transactions are written elsewhere.
    TransactionEnded {
        /// Whose transaction.
        producer: ProducerId,
        /// Whether its offsets count.
        committed: bool,
    },
}

/// What a record's batch says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// An ordinary batch.
    Plain,
    /// A batch of this producer's transaction.
    Transactional(ProducerId),
}

/// A record's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The key.
    pub key: Bytes,
    /// The value; `None` for a tombstone.
    pub value: Option<Bytes>,
}

/// A record that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The record has no key.
    #[error("a record of __consumer_offsets has no key")]
    NoKey,
    /// The bytes are not those of its kind.
    #[error("a record of __consumer_offsets is damaged")]
    Damaged(#[source] Unreadable),
    /// A text is longer than the record's format can hold.
    #[error("a record of __consumer_offsets cannot be written")]
    NotWritable(#[source] EncodeError),
    /// Records of this kind are only read: Kafka does not write them any more.
    #[error("a record of this kind is not written any more")]
    Outdated,
    /// Records of transactions are written by who coordinates them.
    #[error("a record of a transaction is not written by a group")]
    OfTransaction,
}

/// The version of a classic group's value that is written: Kafka's, the newest that old brokers read.
const CLASSIC_VALUE_VERSION: i16 = 3;

impl Record {
    /// Reads a record. `None` when its kind is not known here, which is passed over as Kafka does.
    ///
    /// What is kept does not hold on to `key` and `value`.
    pub fn decode(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        batch: Batch,
    ) -> Result<Option<Record>, RecordError> {
        let key = Bytes::copy_from_slice(key.ok_or(RecordError::NoKey)?);
        let record = match GroupRecord::decode(key, value.map(Bytes::copy_from_slice)) {
            Ok(record) => record,
            Err(Unreadable::UnknownKind(_)) => return Ok(None),
            Err(error) => return Err(RecordError::Damaged(error)),
        };
        let (group, topic, partition, commit) = match record {
            GroupRecord::GroupMetadata(key, value) => {
                let metadata = value.map(metadata_from);
                return Ok(Some(Record::Classic { group: key.group.detached(), metadata }));
            }
            GroupRecord::OffsetCommit(key, value) => {
                let commit = value.map(|value| Commit {
                    offset: value.offset,
                    leader_epoch: value.leader_epoch,
                    metadata: value.metadata.detached(),
                    committed_at_ms: value.commit_timestamp,
                    expires_at_ms: Some(value.expire_timestamp).filter(|at| *at != -1),
                    topic_id: value.topic_id,
                });
                (key.group, key.topic, key.partition, commit)
            }
            // As Kafka wrote them before 0.9.
            GroupRecord::LegacyOffsetCommit(key, value) => {
                let commit = value.map(|value| Commit {
                    offset: value.offset,
                    leader_epoch: -1,
                    metadata: value.metadata.detached(),
                    committed_at_ms: value.commit_timestamp,
                    expires_at_ms: None,
                    topic_id: Uuid::ZERO,
                });
                (key.group, key.topic, key.partition, commit)
            }
            // Groups of kinds that are not served here are passed over.
            other => {
                let found = Change::from_record(other);
                return Ok(found.map(|(group, change)| Record::Consumer { group, change }));
            }
        };
        // Slices of this record's own copy of the key.
        Ok(Some(match (batch, commit) {
            (Batch::Transactional(producer), Some(commit)) => {
                Record::PendingOffset { producer, group, topic, partition, commit }
            }
            (_, commit) => Record::Offset { group, topic, partition, commit },
        }))
    }

    /// The record's bytes, in the versions that Kafka 4.3 writes.
    pub fn encode(&self) -> Result<Encoded, RecordError> {
        let (record, version) = match self {
            Record::Classic { group, metadata } => {
                let key = GroupMetadataKey { group: group.clone() };
                (GroupRecord::GroupMetadata(key, metadata.as_ref().map(value_of)), CLASSIC_VALUE_VERSION)
            }
            Record::Consumer { group, change } => (change.to_record(group).ok_or(RecordError::Outdated)?, 0),
            Record::Offset { group, topic, partition, commit } => {
                let key =
                    OffsetCommitKey { group: group.clone(), topic: topic.clone(), partition: *partition };
                let value = commit.as_ref().map(|commit| OffsetCommitValue {
                    offset: commit.offset,
                    leader_epoch: commit.leader_epoch,
                    metadata: commit.metadata.clone(),
                    commit_timestamp: commit.committed_at_ms,
                    expire_timestamp: commit.expires_at_ms.unwrap_or(-1),
                    topic_id: commit.topic_id,
                    unknown_tagged_fields: Vec::new(),
                });
                let version = commit.as_ref().map_or(0, offset_value_version);
                (GroupRecord::OffsetCommit(key, value), version)
            }
            Record::PendingOffset { .. } | Record::TransactionEnded { .. } => {
                return Err(RecordError::OfTransaction);
            }
        };
        Ok(Encoded {
            key: record.encode_key().map_err(RecordError::NotWritable)?,
            value: record.encode_value(version).map_err(RecordError::NotWritable)?,
        })
    }
}

/// Only version 1 can hold when an offset expires, only version 4 the topic's id.
fn offset_value_version(commit: &Commit) -> i16 {
    match commit.expires_at_ms {
        Some(_) => 1,
        None if commit.topic_id.is_zero() => 3,
        None => 4,
    }
}

fn metadata_from(value: GroupMetadataValue) -> Metadata {
    let members = value.members.into_iter().map(|member| StoredMember {
        member_id: member.member_id.detached(),
        instance_id: member.group_instance_id.map(|id| id.detached()),
        client_id: member.client_id.detached(),
        client_host: member.client_host.detached(),
        // Records older than version 1 have none: the session timeout served as both.
        rebalance_timeout_ms: match member.rebalance_timeout {
            -1 => member.session_timeout,
            timeout => timeout,
        },
        session_timeout_ms: member.session_timeout,
        subscription: Bytes::copy_from_slice(&member.subscription),
        assignment: Bytes::copy_from_slice(&member.assignment),
    });
    Metadata {
        members: members.collect(),
        protocol_type: value.protocol_type.detached(),
        generation: value.generation,
        protocol: value.protocol.map(|name| name.detached()),
        leader: value.leader.map(|id| id.detached()),
        state_since_ms: Some(value.current_state_timestamp).filter(|at| *at != -1),
    }
}

fn value_of(metadata: &Metadata) -> GroupMetadataValue {
    let members = metadata.members.iter().map(|member| MemberMetadata {
        member_id: member.member_id.clone(),
        group_instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: member.subscription.clone(),
        assignment: member.assignment.clone(),
        ..Default::default()
    });
    GroupMetadataValue {
        protocol_type: metadata.protocol_type.clone(),
        generation: metadata.generation,
        protocol: metadata.protocol.clone(),
        leader: metadata.leader.clone(),
        current_state_timestamp: metadata.state_since_ms.unwrap_or(-1),
        members: members.collect(),
        ..Default::default()
    }
}
