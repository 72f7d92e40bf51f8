//! What the cluster decides: topics, leaders, brokers, configurations, features, producer ids.
//!
//! Every decision is a method of [`Controller`], which looks at an image and a request and answers with
//! a [`Decision`](ottla_state_machine::Decision): the records to write and the answer to give once they
//! are committed. Rules, their order and their texts are those of Kafka 4.3 (`ReplicationControlManager`,
//! `ClusterControlManager`, `ConfigurationControlManager`, `ProducerIdControlManager`).
//!
//! This crate knows no log, no clock and no chance: the time, the next offset and a source of random
//! numbers are handed in. Start with [`Controller`], then any file of a request's name.

mod assignment;
mod automatic_topics;
mod brokers;
mod configs;
mod controller;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod directories;
mod elect_leaders;
mod features;
mod placement;
mod producer_ids;
mod random;
mod reassignments;
mod refusal;
mod topic_name;
mod unregister;
mod update_features;

pub use crate::brokers::{ControllerRegistration, Registration};
pub use crate::configs::Through;
pub use crate::controller::{Controller, RECORDS_PER_REQUEST_MAX};
pub use crate::create_topics::{CreatedTopic, PARTITIONS_PER_REQUEST_MAX};
pub use crate::delete_topics::{DeletedTopic, TopicToDelete};
pub use crate::elect_leaders::{ElectedPartition, ElectedTopic};
pub use crate::features::bootstrap_features;
pub use crate::placement::{PlacementError, UsableBroker, place};
pub use crate::producer_ids::{PRODUCER_IDS_PER_BLOCK, ProducerIdBlock};
pub use crate::random::Random;
pub use crate::refusal::Refusal;
pub use crate::topic_name::{INTERNAL_TOPICS, TopicNameError, is_internal_topic, validate_topic_name};
pub use crate::update_features::UpdatedFeatures;

#[cfg(test)]
mod tests;
