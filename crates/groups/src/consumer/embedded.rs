//! What consumers of the classic protocol tell each other through the coordinator: subscriptions and assignments
//! (Kafka's `ConsumerProtocol`), each after two bytes of version. Once their group is a consumer group, the
//! coordinator reads the ones and writes the others itself.

use super::assignor::Partitions;
use super::member::Owned;
use super::topics::Topics;
use bytes::{BufMut, Bytes, BytesMut};
use ottla_protocol::data::consumer_protocol_assignment::TopicPartition;
use ottla_protocol::data::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_protocol::{Message, Reader, Text, decode_from, encode};
use std::collections::BTreeSet;

/// What a member of the classic protocol wants to read.
#[derive(Debug)]
pub(super) struct Wish {
    pub topics: BTreeSet<Text>,
    pub rack_id: Option<Text>,
    /// What it had when it asked, as far as the topics exist.
    pub owned: Partitions,
}

/// Reads a subscription; `None` when it is none. Nothing of it keeps `metadata`.
pub(super) fn wish(metadata: &Bytes, cluster: &dyn Topics) -> Option<Wish> {
    let subscription: ConsumerProtocolSubscription = read(metadata)?;
    let owned = subscription.owned_partitions.iter().map(|it| (&it.topic, it.partitions.as_slice()));
    Some(Wish {
        topics: subscription.topics.iter().map(Text::detached).collect(),
        rack_id: subscription.rack_id.map(|rack| rack.detached()),
        owned: by_id(owned, cluster),
    })
}

/// Why the partitions of an assignment cannot be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The bytes are no assignment.
    Damaged,
    /// The assignor keeps something there that only it understands, which would be lost.
    OfAnAssignorOfItsOwn,
}

/// The partitions of an assignment, as far as they exist. No bytes are none.
pub(super) fn assigned(assignment: &Bytes, cluster: &dyn Topics) -> Result<Partitions, Unreadable> {
    if assignment.is_empty() {
        return Ok(Partitions::new());
    }
    let assignment: ConsumerProtocolAssignment = read(assignment).ok_or(Unreadable::Damaged)?;
    if assignment.user_data.is_some_and(|data| !data.is_empty()) {
        return Err(Unreadable::OfAnAssignorOfItsOwn);
    }
    let partitions = assignment.assigned_partitions.iter().map(|it| (&it.topic, it.partitions.as_slice()));
    Ok(by_id(partitions, cluster))
}

/// The assignment of `partitions`, in the version of the subscription that it answers; `None` when that is none, or
/// when it does not fit a request. Topics that are no more have no name and are left out.
pub(super) fn assignment<'a>(
    partitions: impl Iterator<Item = (&'a ottla_ids::TopicId, Vec<i32>)>,
    subscription: &Bytes,
    cluster: &dyn Topics,
) -> Option<Bytes> {
    let version = version(subscription)?.min(*ConsumerProtocolAssignment::VERSIONS.end());
    let partitions = partitions
        .filter_map(|(id, partitions)| Some(TopicPartition { topic: cluster.name(id)?, partitions }));
    let assignment =
        ConsumerProtocolAssignment { assigned_partitions: partitions.collect(), user_data: None };
    let body = encode(&assignment, version).ok()?;
    let mut bytes = BytesMut::with_capacity(2 + body.len());
    bytes.put_i16(version);
    bytes.put(body);
    Some(bytes.freeze())
}

/// What `owned` names, by topic.
pub(super) fn partitions_of(owned: &Owned) -> impl Iterator<Item = (&ottla_ids::TopicId, Vec<i32>)> {
    owned.iter().map(|(topic, partitions)| (topic, partitions.keys().copied().collect()))
}

fn version(bytes: &Bytes) -> Option<i16> {
    let version = bytes.first_chunk().map(|version| i16::from_be_bytes(*version))?;
    (0 <= version).then_some(version)
}

fn read<M: Message>(bytes: &Bytes) -> Option<M> {
    // Later versions only add fields at the end.
    let version = version(bytes)?.min(*M::VERSIONS.end());
    decode_from(&mut Reader::new(bytes.slice(2..)), version).ok()
}

fn by_id<'a>(named: impl Iterator<Item = (&'a Text, &'a [i32])>, cluster: &dyn Topics) -> Partitions {
    let mut partitions = Partitions::new();
    for (name, indexes) in named {
        let Some(topic) = cluster.topic(name) else { continue };
        let there = indexes.iter().copied().filter(|at| (0..topic.partitions).contains(at));
        partitions.entry(topic.id).or_default().extend(there);
    }
    partitions.retain(|_, indexes| !indexes.is_empty());
    partitions
}
