//! What a group can refuse.

use ottla_protocol::ErrorCode;

/// Why a request about a group was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// The group id is empty where one is needed, or too long to be written down.
    #[error("the group id is not valid")]
    InvalidGroupId,
    /// There is no such group.
    #[error("the group does not exist")]
    GroupIdNotFound,
    /// The group still has members.
    #[error("the group is not empty")]
    NonEmptyGroup,
    /// The group has no such member.
    #[error("the group has no such member")]
    UnknownMemberId,
    /// Join again, with the member id in this answer (KIP-394).
    #[error("the member must join again with the id it was given")]
    MemberIdRequired,
    /// Another member took this `group.instance.id` over (KIP-345).
    #[error("another member uses this group instance id now")]
    FencedInstanceId,
    /// The generation is not the group's present one.
    #[error("the generation is not the present one")]
    IllegalGeneration,
    /// The group is rebalancing: join again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// The member's protocol type or protocols do not go with the group's.
    #[error("the member's protocols do not go with the group's")]
    InconsistentGroupProtocol,
    /// The session timeout lies outside `group.min.session.timeout.ms` and `group.max.session.timeout.ms`.
    #[error("the session timeout is not within the bounds of this broker")]
    InvalidSessionTimeout,
    /// The group has `group.max.size` members.
    #[error("the group is full")]
    GroupMaxSizeReached,
    /// The metadata of a committed offset is longer than `offset.metadata.max.bytes`.
    #[error("the metadata of a committed offset is too large")]
    OffsetMetadataTooLarge,
    /// A transaction has offsets of this partition in the making.
    #[error("an open transaction is about to commit an offset of this partition")]
    UnstableOffsetCommit,
    /// The offsets of a topic that the group reads cannot be deleted.
    #[error("the group is subscribed to the topic")]
    GroupSubscribedToTopic,
    /// The request contradicts itself or leaves out what it must say.
    #[error("the request is not valid")]
    InvalidRequest,
    /// The member is in another epoch: it has to give everything up and join again (KIP-848).
    #[error("the member's epoch is not the present one, so it must join again")]
    FencedMemberEpoch,
    /// The member has gone on to another epoch (KIP-848).
    #[error("the member's epoch is not the present one")]
    StaleMemberEpoch,
    /// The static member that has this `group.instance.id` did not leave yet (KIP-848).
    #[error("another member still uses this group instance id")]
    UnreleasedInstanceId,
    /// There is no such assignor (KIP-848).
    #[error("there is no such assignor")]
    UnsupportedAssignor,
    /// The regular expression is not one of RE2's (KIP-848).
    #[error("the regular expression is not valid")]
    InvalidRegularExpression,
    /// A member of a consumer group needs a later version of the request.
    #[error("members of consumer groups need a later version of this request")]
    UnsupportedVersion,
    /// This node does not coordinate the group.
    #[error("this broker does not coordinate the group")]
    NotCoordinator,
    /// The group cannot be served for the moment: ask again.
    #[error("the coordinator is not available for the moment")]
    CoordinatorNotAvailable,
    /// This node is still reading the group's partition: ask again.
    #[error("the coordinator is still loading the group")]
    CoordinatorLoadInProgress,
    /// What was to be written down cannot be: it is too large or not encodable.
    #[error("the group's state could not be written down")]
    NotWritable,
}

impl From<Refusal> for ErrorCode {
    fn from(refusal: Refusal) -> ErrorCode {
        match refusal {
            Refusal::InvalidGroupId => ErrorCode::InvalidGroupId,
            Refusal::GroupIdNotFound => ErrorCode::GroupIdNotFound,
            Refusal::NonEmptyGroup => ErrorCode::NonEmptyGroup,
            Refusal::UnknownMemberId => ErrorCode::UnknownMemberId,
            Refusal::MemberIdRequired => ErrorCode::MemberIdRequired,
            Refusal::FencedInstanceId => ErrorCode::FencedInstanceId,
            Refusal::IllegalGeneration => ErrorCode::IllegalGeneration,
            Refusal::RebalanceInProgress => ErrorCode::RebalanceInProgress,
            Refusal::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
            Refusal::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
            Refusal::GroupMaxSizeReached => ErrorCode::GroupMaxSizeReached,
            Refusal::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
            Refusal::UnstableOffsetCommit => ErrorCode::UnstableOffsetCommit,
            Refusal::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
            Refusal::InvalidRequest => ErrorCode::InvalidRequest,
            Refusal::FencedMemberEpoch => ErrorCode::FencedMemberEpoch,
            Refusal::StaleMemberEpoch => ErrorCode::StaleMemberEpoch,
            Refusal::UnreleasedInstanceId => ErrorCode::UnreleasedInstanceId,
            Refusal::UnsupportedAssignor => ErrorCode::UnsupportedAssignor,
            Refusal::InvalidRegularExpression => ErrorCode::InvalidRegularExpression,
            Refusal::UnsupportedVersion => ErrorCode::UnsupportedVersion,
            Refusal::NotCoordinator => ErrorCode::NotCoordinator,
            Refusal::CoordinatorNotAvailable => ErrorCode::CoordinatorNotAvailable,
            Refusal::CoordinatorLoadInProgress => ErrorCode::CoordinatorLoadInProgress,
            Refusal::NotWritable => ErrorCode::UnknownServerError,
        }
    }
}
