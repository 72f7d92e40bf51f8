//! `metadata.version` and the other features: what a level allows to write, and what this build supports.

use crate::broker::VersionRange;
use ottla_protocol::records::metadata::MetadataRecord;

/// The feature that says which records may be written.
pub const METADATA_VERSION: &str = "metadata.version";

/// A level of the feature `metadata.version`; names are Kafka's (`4.3-IV0` is 30).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(pub i16);

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
    /// The levels that a node of this build supports and says so at its registration.
    pub supported: VersionRange,
    /// The level that a newly formatted cluster has; `kraft.version`'s is kept by the quorum itself.
    pub default_level: i16,
}

const fn feature(name: &'static str, min: i16, max: i16, default_level: i16) -> Feature {
    Feature { name, supported: VersionRange { min, max }, default_level }
}

/// What Apache Kafka 4.3 supports, and what its format command finalizes.
pub const SUPPORTED_FEATURES: &[Feature] = &[
    feature(METADATA_VERSION, 7, 30, 30),
    feature("eligible.leader.replicas.version", 0, 1, 1),
    feature("group.version", 0, 1, 1),
    feature("kraft.version", 0, 1, 1),
    feature("share.version", 0, 1, 1),
    feature("streams.version", 0, 1, 1),
    feature("transaction.version", 0, 2, 2),
];

/// The feature of this name, when this build knows it.
pub fn supported_feature(name: &str) -> Option<&'static Feature> {
    SUPPORTED_FEATURES.iter().find(|feature| feature.name == name)
}
