//! `metadata.version` and the other features: what a level allows to write, and what this build supports.

use crate::broker::VersionRange;
use ottla_protocol::records::metadata::MetadataRecord;

/// The feature that says which records may be written.
pub const METADATA_VERSION: &str = "metadata.version";
/// The feature with which the whole cluster needs a `min.insync.replicas`, and remembers who may lead without loss
/// (KIP-966).
pub const ELR_VERSION: &str = "eligible.leader.replicas.version";
/// The feature with which groups may speak the consumer protocol (KIP-848).
pub const GROUP_VERSION: &str = "group.version";
/// The feature that the quorum itself keeps, in control records; no feature record ever names it.
pub const KRAFT_VERSION: &str = "kraft.version";

/// A level of the feature `metadata.version`; names are Kafka's (`4.3-IV0` is 30).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(pub i16);

/// The levels that brought new records or fields (Kafka's `didMetadataChange`).
const RECORDS_CHANGED_AT: &[i16] = &[7, 8, 11, 13, 14, 15, 17, 23, 30];

impl MetadataVersion {
    /// `3.3-IV3`, the lowest that Kafka 4 still reads.
    pub const MINIMUM: MetadataVersion = MetadataVersion(7);
    /// `4.3-IV0`, what a new cluster starts with.
    pub const LATEST: MetadataVersion = MetadataVersion(30);

    /// Replicas' directories are in the records (KIP-858, from `3.7-IV2`).
    pub fn has_directories(self) -> bool {
        self.0 >= 17
    }

    /// Changes larger than one batch may be written as a transaction (KIP-868, from `3.6-IV1`).
    pub fn has_transactions(self) -> bool {
        self.0 >= 13
    }

    /// Eligible leader replicas are in the records (KIP-966, from `4.0-IV1`).
    pub fn has_elr(self) -> bool {
        self.0 >= 23
    }

    /// Controllers register themselves (KIP-919, from `3.7-IV0`).
    pub fn has_controller_registration(self) -> bool {
        self.0 >= 15
    }

    /// Cordoned log directories are in the records (KIP-1066, from `4.3-IV0`).
    pub fn has_cordoned_directories(self) -> bool {
        self.0 >= 30
    }

    /// Whether a cluster at this level may have records that one at the lower level `other` cannot read (Kafka's
    /// `MetadataVersion.checkIfMetadataChanged`).
    pub fn loses_records_at(self, other: MetadataVersion) -> bool {
        RECORDS_CHANGED_AT.iter().any(|level| other.0 < *level && *level <= self.0)
    }

    /// In which version `record` is to be written, so that every node that supports this level reads it
    /// (Kafka's `registerBrokerRecordVersion` and its like).
    pub fn record_version(self, record: &MetadataRecord) -> i16 {
        match record {
            MetadataRecord::RegisterBroker(_) => {
                if self.has_cordoned_directories() {
                    4
                } else if self.has_directories() {
                    3
                } else if self.0 >= 8 {
                    2
                } else {
                    1
                }
            }
            MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => {
                if self.has_elr() {
                    2
                } else if self.has_directories() {
                    1
                } else {
                    0
                }
            }
            // The lowest version that has the fields the record uses, as Kafka writes it.
            MetadataRecord::BrokerRegistrationChange(change) => {
                if change.cordoned_log_dirs.is_some() {
                    3
                } else if !change.log_dirs.is_empty() {
                    2
                } else if change.in_controlled_shutdown != 0 {
                    1
                } else {
                    0
                }
            }
            _ => 0,
        }
    }
}

/// A feature that this build knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name, such as `group.version`.
    pub name: &'static str,
    /// The levels at which a log is replayed and goes on: those of Apache Kafka 4.3. A node says at its
    /// registration that it can live with them.
    pub known: VersionRange,
    /// Whether what the levels mean is served. Only such a feature is told to clients as supported and may be
    /// set to another level; the level of any other stays in the log for Apache Kafka.
    pub is_served: bool,
    /// The level that a newly formatted cluster has; `kraft.version`'s is kept by the quorum itself.
    pub default_level: i16,
}

const fn feature(name: &'static str, known: (i16, i16), is_served: bool, default_level: i16) -> Feature {
    Feature { name, known: VersionRange { min: known.0, max: known.1 }, is_served, default_level }
}

/// What Apache Kafka 4.3 supports, and what its format command finalizes.
pub const FEATURES: &[Feature] = &[
    feature(METADATA_VERSION, (7, 30), true, 30),
    feature(ELR_VERSION, (0, 1), true, 1),
    feature(GROUP_VERSION, (0, 1), true, 1),
    feature(KRAFT_VERSION, (0, 1), true, 1),
    feature("share.version", (0, 1), false, 1),
    feature("streams.version", (0, 1), false, 1),
    feature("transaction.version", (0, 2), false, 2),
];

/// The feature of this name, when this build knows it.
pub fn feature_of(name: &str) -> Option<&'static Feature> {
    FEATURES.iter().find(|feature| feature.name == name)
}

#[cfg(test)]
mod tests {
    use super::MetadataVersion;

    #[test]
    fn a_way_down_that_would_lose_records_is_none() {
        let may_go = |from, to| !MetadataVersion(from).loses_records_at(MetadataVersion(to));
        assert!(may_go(29, 23) && may_go(26, 25) && may_go(22, 17) && may_go(10, 8) && may_go(7, 7));
        assert!(!may_go(30, 29) && !may_go(29, 22) && !may_go(17, 15) && !may_go(8, 7) && !may_go(15, 14));
    }
}
