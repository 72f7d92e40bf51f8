//! The records of consumer groups, in Kafka's bytes.

use super::assignor::Partitions;
use super::member::{ClassicMember, Current, MemberState, Owned, Subscription};
use bytes::Bytes;
use ottla_protocol::Text;
use ottla_protocol::records::group::consumer_group_current_member_assignment as current;
use ottla_protocol::records::group::consumer_group_member_metadata as metadata;
use ottla_protocol::records::group::consumer_group_target_assignment_member as target;
use ottla_protocol::records::group::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataKey, ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue, ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue, GroupRecord,
};
use std::collections::BTreeSet;

/// One change of what is written down about a consumer group. `None`: it is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The group's epoch; without it, the group.
    Epoch(Option<GroupEpoch>),
    /// What Kafka up to 4.0 knew of the topics: `true` for that it is there, which is only ever taken back.
    TopicMetadata(bool),
    /// Who a member is and what it wants.
    Member {
        /// The member's id.
        member: Text,
        /// From now on.
        subscription: Option<Box<Subscription>>,
    },
    /// Which epoch the targets are of.
    TargetEpoch(Option<TargetEpoch>),
    /// What a member is to have.
    Target {
        /// The member's id.
        member: Text,
        /// From now on.
        partitions: Option<Partitions>,
    },
    /// What a member has.
    Current {
        /// The member's id.
        member: Text,
        /// From now on.
        current: Option<Current>,
    },
    /// The topics that a regular expression stands for.
    Regex {
        /// The regular expression.
        regex: Text,
        /// From now on.
        resolved: Option<ResolvedRegex>,
    },
}

/// The epoch of a group that nobody has joined yet, and of its targets (Kafka's `ModernGroup` since 4.2): who joins a
/// new group is answered epoch 2.
pub(crate) const FIRST_EPOCH: i32 = 1;

/// A group's epoch, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupEpoch {
    /// Counts the changes of what members want and of the topics they read.
    pub epoch: i32,
    /// A hash over the topics that members read; 0 for none.
    pub metadata_hash: i64,
}

impl Default for GroupEpoch {
    fn default() -> GroupEpoch {
        GroupEpoch { epoch: FIRST_EPOCH, metadata_hash: 0 }
    }
}

/// Which epoch the targets are of, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetEpoch {
    /// The group's epoch they were made for.
    pub epoch: i32,
    /// When they were made, in milliseconds since 1970; 0 when unknown.
    pub made_at_ms: i64,
}

/// The topics that a regular expression stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedRegex {
    /// Their names.
    pub topics: BTreeSet<Text>,
    /// Which state of the cluster's metadata they were looked for in.
    pub version: i64,
    /// When, in milliseconds since 1970.
    pub resolved_at_ms: i64,
}

impl Change {
    /// The group and the change that a record tells of; `None` when it is of no consumer group.
    pub(crate) fn from_record(record: GroupRecord) -> Option<(Text, Change)> {
        Some(match record {
            GroupRecord::ConsumerGroupMetadata(key, value) => {
                let epoch =
                    value.map(|value| GroupEpoch { epoch: value.epoch, metadata_hash: value.metadata_hash });
                (key.group_id.detached(), Change::Epoch(epoch))
            }
            GroupRecord::ConsumerGroupPartitionMetadata(key, value) => {
                (key.group_id.detached(), Change::TopicMetadata(value.is_some()))
            }
            GroupRecord::ConsumerGroupMemberMetadata(key, value) => {
                let subscription = value.map(|value| Box::new(subscription_from(value)));
                let member = key.member_id.detached();
                (key.group_id.detached(), Change::Member { member, subscription })
            }
            GroupRecord::ConsumerGroupTargetAssignmentMetadata(key, value) => {
                let epoch = value.map(|value| TargetEpoch {
                    epoch: value.assignment_epoch,
                    made_at_ms: value.assignment_timestamp,
                });
                (key.group_id.detached(), Change::TargetEpoch(epoch))
            }
            GroupRecord::ConsumerGroupTargetAssignmentMember(key, value) => {
                let partitions = value.map(|value| {
                    let topics = value.topic_partitions.into_iter();
                    topics.map(|it| (it.topic_id, it.partitions.into_iter().collect())).collect()
                });
                let member = key.member_id.detached();
                (key.group_id.detached(), Change::Target { member, partitions })
            }
            GroupRecord::ConsumerGroupCurrentMemberAssignment(key, value) => {
                let current = value.map(current_from);
                let member = key.member_id.detached();
                (key.group_id.detached(), Change::Current { member, current })
            }
            GroupRecord::ConsumerGroupRegularExpression(key, value) => {
                let resolved = value.map(|value| ResolvedRegex {
                    topics: value.topics.iter().map(Text::detached).collect(),
                    version: value.version,
                    resolved_at_ms: value.timestamp,
                });
                let regex = key.regular_expression.detached();
                (key.group_id.detached(), Change::Regex { regex, resolved })
            }
            _ => return None,
        })
    }

    /// The record that tells of this change of `group`; `None` for what is not written any more.
    pub(crate) fn to_record(&self, group: &Text) -> Option<GroupRecord> {
        let group_id = group.clone();
        Some(match self {
            Change::Epoch(epoch) => {
                let value = epoch.map(|it| ConsumerGroupMetadataValue {
                    epoch: it.epoch,
                    metadata_hash: it.metadata_hash,
                    unknown_tagged_fields: Vec::new(),
                });
                GroupRecord::ConsumerGroupMetadata(ConsumerGroupMetadataKey { group_id }, value)
            }
            Change::TopicMetadata(true) => return None,
            Change::TopicMetadata(false) => GroupRecord::ConsumerGroupPartitionMetadata(
                ConsumerGroupPartitionMetadataKey { group_id },
                None,
            ),
            Change::Member { member, subscription } => GroupRecord::ConsumerGroupMemberMetadata(
                ConsumerGroupMemberMetadataKey { group_id, member_id: member.clone() },
                subscription.as_deref().map(value_of_subscription),
            ),
            Change::TargetEpoch(epoch) => {
                let value = epoch.map(|it| ConsumerGroupTargetAssignmentMetadataValue {
                    assignment_epoch: it.epoch,
                    assignment_timestamp: it.made_at_ms,
                    unknown_tagged_fields: Vec::new(),
                });
                let key = ConsumerGroupTargetAssignmentMetadataKey { group_id };
                GroupRecord::ConsumerGroupTargetAssignmentMetadata(key, value)
            }
            Change::Target { member, partitions } => {
                let value = partitions.as_ref().map(|it| ConsumerGroupTargetAssignmentMemberValue {
                    topic_partitions: it
                        .iter()
                        .map(|(topic, partitions)| target::TopicPartition {
                            topic_id: *topic,
                            partitions: partitions.iter().copied().collect(),
                            ..Default::default()
                        })
                        .collect(),
                    unknown_tagged_fields: Vec::new(),
                });
                let key = ConsumerGroupTargetAssignmentMemberKey { group_id, member_id: member.clone() };
                GroupRecord::ConsumerGroupTargetAssignmentMember(key, value)
            }
            Change::Current { member, current } => GroupRecord::ConsumerGroupCurrentMemberAssignment(
                ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id: member.clone() },
                current.as_ref().map(value_of_current),
            ),
            Change::Regex { regex, resolved } => {
                let key = ConsumerGroupRegularExpressionKey { group_id, regular_expression: regex.clone() };
                let value = resolved.as_ref().map(|it| ConsumerGroupRegularExpressionValue {
                    topics: it.topics.iter().cloned().collect(),
                    version: it.version,
                    timestamp: it.resolved_at_ms,
                    unknown_tagged_fields: Vec::new(),
                });
                GroupRecord::ConsumerGroupRegularExpression(key, value)
            }
        })
    }

    /// Whether the change takes something away.
    pub(crate) fn is_tombstone(&self) -> bool {
        match self {
            Change::Epoch(it) => it.is_none(),
            Change::TopicMetadata(present) => !present,
            Change::Member { subscription, .. } => subscription.is_none(),
            Change::TargetEpoch(it) => it.is_none(),
            Change::Target { partitions, .. } => partitions.is_none(),
            Change::Current { current, .. } => current.is_none(),
            Change::Regex { resolved, .. } => resolved.is_none(),
        }
    }
}

fn subscription_from(value: ConsumerGroupMemberMetadataValue) -> Subscription {
    Subscription {
        instance_id: value.instance_id.map(|id| id.detached()),
        rack_id: value.rack_id.map(|id| id.detached()),
        client_id: value.client_id.detached(),
        client_host: value.client_host.detached(),
        topics: value.subscribed_topic_names.iter().map(Text::detached).collect(),
        regex: value.subscribed_topic_regex.map(|regex| regex.detached()),
        rebalance_timeout_ms: value.rebalance_timeout_ms,
        assignor: value.server_assignor.map(|name| name.detached()),
        classic: value.classic_member_metadata.map(|it| ClassicMember {
            session_timeout_ms: it.session_timeout_ms,
            protocols: it
                .supported_protocols
                .into_iter()
                .map(|it| (it.name.detached(), Bytes::copy_from_slice(&it.metadata)))
                .collect(),
        }),
    }
}

fn value_of_subscription(subscription: &Subscription) -> ConsumerGroupMemberMetadataValue {
    ConsumerGroupMemberMetadataValue {
        instance_id: subscription.instance_id.clone(),
        rack_id: subscription.rack_id.clone(),
        client_id: subscription.client_id.clone(),
        client_host: subscription.client_host.clone(),
        subscribed_topic_names: subscription.topics.iter().cloned().collect(),
        subscribed_topic_regex: subscription.regex.clone(),
        rebalance_timeout_ms: subscription.rebalance_timeout_ms,
        server_assignor: subscription.assignor.clone(),
        classic_member_metadata: subscription.classic.as_ref().map(|it| metadata::ClassicMemberMetadata {
            session_timeout_ms: it.session_timeout_ms,
            supported_protocols: it
                .protocols
                .iter()
                .map(|(name, metadata)| metadata::ClassicProtocol {
                    name: name.clone(),
                    metadata: metadata.clone(),
                    ..Default::default()
                })
                .collect(),
            unknown_tagged_fields: Vec::new(),
        }),
        unknown_tagged_fields: Vec::new(),
    }
}

fn current_from(value: ConsumerGroupCurrentMemberAssignmentValue) -> Current {
    let epoch = value.member_epoch;
    Current {
        epoch,
        previous_epoch: value.previous_member_epoch,
        state: MemberState::from_id(value.state),
        assigned: owned_from(value.assigned_partitions, epoch),
        revoking: owned_from(value.partitions_pending_revocation, epoch),
    }
}

/// Where a record does not say in which epochs partitions were assigned (Kafka up to 4.2), they count as
/// assigned in the member's.
fn owned_from(topics: Vec<current::TopicPartitions>, member_epoch: i32) -> Owned {
    let mut owned = Owned::new();
    for topic in topics {
        let epochs = topic.assignment_epochs.unwrap_or_default();
        let partitions = topic.partitions.iter().enumerate();
        let partitions =
            partitions.map(|(at, partition)| (*partition, epochs.get(at).copied().unwrap_or(member_epoch)));
        owned.entry(topic.topic_id).or_default().extend(partitions);
    }
    owned.retain(|_, partitions| !partitions.is_empty());
    owned
}

fn value_of_current(current: &Current) -> ConsumerGroupCurrentMemberAssignmentValue {
    let topics = |owned: &Owned| {
        owned
            .iter()
            .map(|(topic, partitions)| current::TopicPartitions {
                topic_id: *topic,
                partitions: partitions.keys().copied().collect(),
                assignment_epochs: Some(partitions.values().copied().collect()),
                unknown_tagged_fields: Vec::new(),
            })
            .collect()
    };
    ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: current.epoch,
        previous_member_epoch: current.previous_epoch,
        state: current.state.id(),
        assigned_partitions: topics(&current.assigned),
        partitions_pending_revocation: topics(&current.revoking),
        unknown_tagged_fields: Vec::new(),
    }
}
