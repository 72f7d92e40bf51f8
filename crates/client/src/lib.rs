//! An async Kafka client: what neighbours of a cluster, and the command line, reach it with.
//!
//! [`Cluster`] finds brokers and connects to them; [`Producer`] sends records in batches, idempotently;
//! [`Consumer`] reads partitions, alone or as a member of a group; [`Admin`] creates, lists, describes
//! and deletes topics. It works against any Kafka cluster, not only ours, and knows nothing of how
//! brokers work inside.
//!
//! Start reading at [`Cluster`].

mod cluster;
mod connection;
mod error;

mod partitioner;
mod producer;

mod assignor;
mod consumer;
mod offsets;

mod admin;

#[cfg(test)]
mod tests;

pub use admin::{Admin, CreatedTopic, NewTopic, Outcomes, TopicConfig};
pub use assignor::{Assignment, GroupMember, range_assign};
pub use cluster::{ClientConfig, Cluster, PartitionMetadata, TopicMetadata};
pub use connection::Connection;
pub use consumer::{Consumer, ConsumerConfig, ConsumerRecord, GroupConfig, OffsetReset, Start};
pub use error::ClientError;
pub use offsets::{IsolationLevel, OffsetSpec};
pub use partitioner::{murmur2, partition_for_key};
pub use producer::{Delivery, Placed, Producer, ProducerConfig, Record, RequiredAcks};

pub use ottla_ids::TopicPartition;
pub use ottla_records::{Codec, Compression};
