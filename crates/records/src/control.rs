//! Control records: what brokers tell each other through a log, and consumers never see.
//!
//! A control record's key is its type; its value is a versioned schema that the caller encodes. Only the
//! marker that ends a transaction (KIP-98) is small and fixed enough to be known here.

use crate::error::BatchError;

/// What a control record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlType {
    /// The producer's transaction is aborted.
    Abort,
    /// The producer's transaction is committed.
    Commit,
    /// A KRaft leader begins its epoch.
    LeaderChange,
    /// The first record of a KRaft snapshot.
    SnapshotHeader,
    /// The last record of a KRaft snapshot.
    SnapshotFooter,
    /// `kraft.version` from here on (KIP-853).
    KRaftVersion,
    /// The voters from here on (KIP-853).
    KRaftVoters,
    /// A type that a later version may give a meaning; to be skipped.
    Unknown(i16),
}

impl ControlType {
    /// Reads a control record's key: a version and a type, both `i16`. Later versions may append to it.
    ///
    /// # Errors
    /// [`BatchError::InvalidRecord`] where the key is shorter or its version negative.
    pub fn parse_key(key: &[u8]) -> Result<ControlType, BatchError> {
        let invalid = |reason| BatchError::InvalidRecord { index: 0, reason };
        let Some(&[v0, v1, t0, t1]) = key.first_chunk() else {
            return Err(invalid("a control record's key has at least four bytes"));
        };
        if i16::from_be_bytes([v0, v1]) < 0 {
            return Err(invalid("a control record's key has a negative version"));
        }
        Ok(match i16::from_be_bytes([t0, t1]) {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            2 => ControlType::LeaderChange,
            3 => ControlType::SnapshotHeader,
            4 => ControlType::SnapshotFooter,
            5 => ControlType::KRaftVersion,
            6 => ControlType::KRaftVoters,
            other => ControlType::Unknown(other),
        })
    }

    /// The key of a control record of this type, at version 0.
    pub fn key(self) -> [u8; 4] {
        let id: i16 = match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::LeaderChange => 2,
            ControlType::SnapshotHeader => 3,
            ControlType::SnapshotFooter => 4,
            ControlType::KRaftVersion => 5,
            ControlType::KRaftVoters => 6,
            ControlType::Unknown(id) => id,
        };
        let [t0, t1] = id.to_be_bytes();
        [0, 0, t0, t1]
    }
}

/// Ends one producer's transaction in one partition (Kafka's `EndTransactionMarker`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Whether the transaction is committed; aborted otherwise.
    pub commit: bool,
    /// The leader epoch of the transaction coordinator that wrote it; a lower one is fenced.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// Reads the marker from its record's key and value; `None` for control records of other types.
    ///
    /// # Errors
    /// [`BatchError::InvalidRecord`] where key or value are too short or of a negative version.
    pub fn parse(key: &[u8], value: &[u8]) -> Result<Option<EndTransactionMarker>, BatchError> {
        let commit = match ControlType::parse_key(key)? {
            ControlType::Commit => true,
            ControlType::Abort => false,
            _ => return Ok(None),
        };
        let invalid = |reason| BatchError::InvalidRecord { index: 0, reason };
        let Some(&[v0, v1, e0, e1, e2, e3]) = value.first_chunk() else {
            return Err(invalid("an end transaction marker's value has at least six bytes"));
        };
        if i16::from_be_bytes([v0, v1]) < 0 {
            return Err(invalid("an end transaction marker has a negative version"));
        }
        Ok(Some(EndTransactionMarker { commit, coordinator_epoch: i32::from_be_bytes([e0, e1, e2, e3]) }))
    }

    /// The type of the marker's record.
    pub fn control_type(&self) -> ControlType {
        if self.commit { ControlType::Commit } else { ControlType::Abort }
    }

    /// The value of the marker's record, at version 0.
    pub fn value(&self) -> [u8; 6] {
        let [e0, e1, e2, e3] = self.coordinator_epoch.to_be_bytes();
        [0, 0, e0, e1, e2, e3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_come_back_from_their_keys() {
        for id in -1..=8i16 {
            let [t0, t1] = id.to_be_bytes();
            let key = [0, 0, t0, t1];
            let read = ControlType::parse_key(&key).unwrap();
            assert_eq!(read.key(), key);
            assert_eq!(matches!(read, ControlType::Unknown(_)), !(0..=6).contains(&id), "{id}");
        }
    }

    #[test]
    fn markers_come_back_and_short_ones_are_refused() {
        let marker = EndTransactionMarker { commit: true, coordinator_epoch: 7 };
        let key = marker.control_type().key();
        assert_eq!(EndTransactionMarker::parse(&key, &marker.value()), Ok(Some(marker)));
        assert_eq!(EndTransactionMarker::parse(&ControlType::LeaderChange.key(), b""), Ok(None));
        assert!(EndTransactionMarker::parse(&key, &marker.value()[..5]).is_err());
        assert!(EndTransactionMarker::parse(&key[..3], &marker.value()).is_err());
        assert!(ControlType::parse_key(&[0xff, 0xff, 0, 0]).is_err());
    }
}
