//! The topics of the cluster, as a consumer group needs to know them.

use super::assignor::TopicView;
use ottla_ids::TopicId;
use ottla_protocol::Text;
use std::collections::BTreeSet;
use std::fmt;
use twox_hash::XxHash3_64;

/// What a group knows of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// The topic's id.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
}

/// The topics of the cluster at one moment: a value that is handed in with a request.
pub trait Topics: TopicView + fmt::Debug + Send + Sync {
    /// Grows whenever anything below may have changed; offsets of the metadata log do.
    fn version(&self) -> i64;
    /// The topic with this name.
    fn topic(&self, name: &str) -> Option<TopicMetadata>;
    /// The name of the topic with this id.
    fn name(&self, id: &TopicId) -> Option<Text>;
    /// The names of all topics.
    fn names(&self) -> Vec<Text>;
    /// The racks of the brokers with a replica of a partition, sorted; those without one are left out.
    fn racks(&self, id: &TopicId, partition: i32) -> Vec<Text>;
}

/// A hash over the topics with these names; it changes when one of them comes, goes, or gets partitions. 0 when
/// none of them exists. Kafka's `Utils.computeGroupHash`, bit for bit, so that a group does not change when
/// its broker does.
pub fn metadata_hash(names: &BTreeSet<&Text>, topics: &dyn Topics) -> i64 {
    let mut bytes = Vec::new();
    for name in names {
        if let Some(topic) = topics.topic(name) {
            bytes.extend(topic_hash(name, topic, topics).to_le_bytes());
        }
    }
    if bytes.is_empty() { 0 } else { XxHash3_64::oneshot(&bytes).cast_signed() }
}

/// Kafka's `Utils.computeTopicHash`: a version, the id as two numbers, the name in UTF-16, …; little-endian.
fn topic_hash(name: &str, topic: TopicMetadata, topics: &dyn Topics) -> u64 {
    let mut bytes = vec![0];
    let (high, low) = topic.id.as_bytes().split_at(8);
    bytes.extend(high.iter().rev());
    bytes.extend(low.iter().rev());
    put_text(&mut bytes, name);
    bytes.extend(topic.partitions.to_le_bytes());
    for partition in 0..topic.partitions {
        bytes.extend(partition.to_le_bytes());
        for rack in topics.racks(&topic.id, partition) {
            bytes.extend(java_length(&rack).to_le_bytes());
            put_text(&mut bytes, &rack);
        }
    }
    XxHash3_64::oneshot(&bytes)
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes.extend(java_length(text).to_le_bytes());
}

fn java_length(text: &str) -> i32 {
    i32::try_from(text.encode_utf16().count()).unwrap_or(i32::MAX)
}
