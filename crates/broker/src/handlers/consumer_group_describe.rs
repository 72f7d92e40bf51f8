//! ConsumerGroupDescribe (key 69), versions 0–1 (KIP-848): consumer groups, their members, what these have and are
//! to have. v1 says which protocol a member speaks (KIP-1099).

use super::describe_groups::ALL_OPERATIONS;
use ottla_coordinator::GroupCoordinator;
use ottla_groups::consumer::{self, assignor::Partitions};
use ottla_metadata::Image;
use ottla_protocol::messages::consumer_group_describe::{
    Assignment, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup, Member,
    TopicPartitions,
};
use ottla_protocol::{ErrorCode, Text};

/// A member that speaks the classic protocol.
const CLASSIC: i8 = 0;
/// A member that speaks the consumer protocol.
const CONSUMER: i8 = 1;

/// Answers ConsumerGroupDescribe in version `version`.
pub async fn consumer_group_describe(
    version: i16,
    request: ConsumerGroupDescribeRequest,
    image: &Image,
    groups: &GroupCoordinator,
) -> ConsumerGroupDescribeResponse {
    let described = groups.describe_consumers(request.group_ids).await;
    let groups = described.into_iter().map(|(group_id, described)| match described {
        Ok(description) => {
            let operations = if request.include_authorized_operations { ALL_OPERATIONS } else { i32::MIN };
            described_group(version, description, operations, image)
        }
        Err(refused) => DescribedGroup {
            group_id,
            error_code: ErrorCode::from(refused.refusal).into(),
            error_message: Some(refused.message).filter(|it| !it.is_empty()).map(Text::from),
            ..Default::default()
        },
    });
    ConsumerGroupDescribeResponse { groups: groups.collect(), ..Default::default() }
}

/// The answer while `group.version` is 0.
pub fn not_enabled(request: ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse {
    let refused = |group_id| DescribedGroup {
        group_id,
        error_code: ErrorCode::UnsupportedVersion.into(),
        ..Default::default()
    };
    let groups = request.group_ids.into_iter().map(refused).collect();
    ConsumerGroupDescribeResponse { groups, ..Default::default() }
}

fn described_group(
    version: i16,
    description: consumer::Description,
    authorized_operations: i32,
    image: &Image,
) -> DescribedGroup {
    let members = description.members.into_iter().map(|described| {
        let (subscription, current) = (described.member.subscription, described.member.current);
        let assigned = current.assigned.iter();
        let assigned = assigned.map(|(topic, partitions)| (*topic, partitions.keys().copied().collect()));
        let member_type = if subscription.classic.is_some() { CLASSIC } else { CONSUMER };
        Member {
            member_id: described.id,
            member_epoch: current.epoch,
            assignment: assignment(&assigned.collect(), image),
            target_assignment: assignment(&described.target, image),
            subscribed_topic_regex: subscription.regex.clone(),
            subscribed_topic_names: subscription.topics.into_iter().collect(),
            instance_id: subscription.instance_id,
            rack_id: subscription.rack_id,
            client_id: subscription.client_id,
            client_host: subscription.client_host,
            member_type: if version >= 1 { member_type } else { Member::default().member_type },
            ..Default::default()
        }
    });
    DescribedGroup {
        group_id: description.group,
        group_state: Text::from_static(description.state),
        group_epoch: description.epoch,
        assignment_epoch: description.assignment_epoch,
        assignor_name: Text::from_static(description.assignor),
        members: members.collect(),
        authorized_operations,
        ..Default::default()
    }
}

/// Topics that are no more are left out: they have no name.
fn assignment(partitions: &Partitions, image: &Image) -> Assignment {
    let topics = partitions.iter().filter_map(|(id, partitions)| {
        Some(TopicPartitions {
            topic_id: *id,
            topic_name: image.topic_by_id(*id)?.name.clone(),
            partitions: partitions.iter().copied().collect(),
            ..Default::default()
        })
    });
    Assignment { topic_partitions: topics.collect(), ..Default::default() }
}
