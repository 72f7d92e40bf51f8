//! The image of the cluster: everything the metadata log says, replayed into one immutable value.
//!
//! [`Image`] is a [`Machine`](ottla_state_machine::Machine) over Kafka's own metadata records; cloning
//! one costs a few pointers, so each reader holds the one it started with and is never surprised.
//! [`Image::changes_since`] tells what differs between two of them, and [`Image::to_records`] writes
//! one back as the records of a snapshot. Two laws hold: an image written as records and replayed is
//! the same image, and the living image equals its log, replayed.
//!
//! This crate decides nothing (that is `controller`) and knows no log (that is `quorum`); it does not
//! know the cluster's id either, which no record carries.

mod broker;
mod changes;
mod features;
mod image;
mod topic;

pub use crate::broker::{Broker, BrokerState, Endpoint, VersionRange};
pub use crate::changes::{Changes, TopicChange};
pub use crate::features::{
    ELR_VERSION, FEATURES, Feature, GROUP_VERSION, KRAFT_VERSION, METADATA_VERSION, MetadataVersion,
    feature_of,
};
pub use crate::image::{ConfigResource, Configs, Image, QuotaEntity, ResourceType};
pub use crate::topic::{DirectoryId, LeaderRecoveryState, Partition, Topic};
pub use ottla_protocol::records::metadata::MetadataRecord;
