//! What groups are asked, and what they answer: Kafka's requests without versions and wire shapes.

use crate::{Refusal, consumer};
use bytes::Bytes;
use ottla_ids::Uuid;
use ottla_protocol::Text;
use std::sync::Arc;

/// Names one call to the core, so that its answer finds its way back. Chosen by the caller, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Everything a partition's groups can be asked.
#[derive(Clone, Debug)]
pub enum Request {
    /// JoinGroup. The answer may come when the rebalance completes.
    Join(Box<Join>),
    /// SyncGroup. The answer may come when the leader has sent the assignment.
    Sync(Sync),
    /// Heartbeat.
    Heartbeat(Heartbeat),
    /// LeaveGroup.
    Leave(Leave),
    /// ConsumerGroupHeartbeat.
    ConsumerHeartbeat(Box<consumer::Heartbeat>),
    /// ConsumerGroupDescribe: these, which all live on this partition.
    DescribeConsumers(Vec<Text>),
    /// OffsetCommit.
    CommitOffsets(CommitOffsets),
    /// OffsetFetch, of one group.
    FetchOffsets(FetchOffsets),
    /// OffsetDelete.
    DeleteOffsets(DeleteOffsets),
    /// DeleteGroups: these, which all live on this partition.
    DeleteGroups(Vec<Text>),
    /// DescribeGroups: these, which all live on this partition.
    DescribeGroups(Vec<Text>),
    /// ListGroups.
    ListGroups(ListFilter),
    /// These topics are no more: their offsets go.
    TopicsDeleted(Vec<DeletedTopic>),
}

impl Request {
    /// Whether its decision neither sees nor is seen by others of this kind, so that many can be decided
    /// before the first of them is written.
    pub fn is_independent(&self) -> bool {
        matches!(self, Request::CommitOffsets(_))
    }
}

/// The answers to [`Request`]s, variant for variant.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Request::Join`].
    Join(Box<JoinAnswer>),
    /// To [`Request::Sync`].
    Sync(SyncAnswer),
    /// To [`Request::Heartbeat`].
    Heartbeat(Result<(), Refusal>),
    /// To [`Request::Leave`]: what became of each member, in the order asked.
    Leave(Result<Vec<Left>, Refusal>),
    /// To [`Request::ConsumerHeartbeat`].
    ConsumerHeartbeat(Result<consumer::HeartbeatAnswer, consumer::Refused>),
    /// To [`Request::DescribeConsumers`], in the order asked.
    DescribeConsumers(Vec<Result<consumer::Description, consumer::Refused>>),
    /// To [`Request::CommitOffsets`]: what became of each partition, in the order asked.
    CommitOffsets(Result<Vec<TopicOutcome>, Refusal>),
    /// To [`Request::FetchOffsets`].
    FetchOffsets(Result<Vec<FetchedTopic>, Refusal>),
    /// To [`Request::DeleteOffsets`]: what became of each partition, in the order asked.
    DeleteOffsets(Result<Vec<TopicOutcome>, Refusal>),
    /// To [`Request::DeleteGroups`], in the order asked.
    DeleteGroups(Vec<(Text, Option<Refusal>)>),
    /// To [`Request::DescribeGroups`], in the order asked.
    DescribeGroups(Vec<Description>),
    /// To [`Request::ListGroups`].
    ListGroups(Vec<Listed>),
    /// To [`Request::TopicsDeleted`].
    TopicsDeleted,
}

/// A member wants to be in a group.
#[derive(Clone, Debug)]
pub struct Join {
    /// The group; not empty.
    pub group: Text,
    /// The member's id, or empty if it has none yet.
    pub member_id: Text,
    /// `group.instance.id` of a static member (KIP-345).
    pub instance_id: Option<Text>,
    /// What the client calls itself.
    pub client_id: Text,
    /// Where the client is, as Kafka writes it: `/192.0.2.1`.
    pub client_host: Text,
    /// How long the member may be silent.
    pub session_timeout_ms: i32,
    /// How long the member may take to join again when the group rebalances.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect`, …
    pub protocol_type: Text,
    /// What the member can do, what it likes best first.
    pub protocols: Vec<Protocol>,
    /// Why it joins (KIP-800), for the log.
    pub reason: Option<Text>,
    /// The client can join again with an id it is given (KIP-394; version 4 and later).
    pub requires_member_id: bool,
    /// The client understands that a leader need not assign anew (KIP-814; version 9 and later).
    pub skips_assignment: bool,
    /// Makes the member's id unique, should it need one. Random.
    pub fresh_id: Uuid,
    /// The cluster's topics as they are now.
    pub cluster: Arc<dyn consumer::Topics>,
    /// What the group is configured with, should it be a consumer group.
    pub settings: consumer::GroupSettings,
}

/// One way of dividing work that a member offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// `range`, `cooperative-sticky`, …
    pub name: Text,
    /// What the member tells the leader; opaque here but for the topics of a `consumer`.
    pub metadata: Bytes,
}

/// The answer to [`Join`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinAnswer {
    /// `None`: the member is in.
    pub refusal: Option<Refusal>,
    /// The generation joined; -1 when refused.
    pub generation: i32,
    /// The group's protocol type.
    pub protocol_type: Option<Text>,
    /// The protocol that the group chose.
    pub protocol_name: Option<Text>,
    /// The member that divides the work; empty when refused.
    pub leader: Text,
    /// The leader is to leave the assignment as it is.
    pub skip_assignment: bool,
    /// The id of the member that asked.
    pub member_id: Text,
    /// For the leader: all members.
    pub members: Vec<JoinedMember>,
}

impl JoinAnswer {
    /// The answer to a member that is not let in.
    pub fn refused(member_id: Text, refusal: Refusal) -> JoinAnswer {
        JoinAnswer {
            refusal: Some(refusal),
            generation: -1,
            protocol_type: None,
            protocol_name: None,
            leader: Text::default(),
            skip_assignment: false,
            member_id,
            members: Vec::new(),
        }
    }
}

/// What a leader learns of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member's id.
    pub member_id: Text,
    /// Its `group.instance.id`.
    pub instance_id: Option<Text>,
    /// Its metadata for the protocol chosen.
    pub metadata: Bytes,
}

/// A member asks for its assignment; the leader brings those of all.
#[derive(Clone, Debug)]
pub struct Sync {
    /// The group; not empty.
    pub group: Text,
    /// The generation the member joined.
    pub generation: i32,
    /// The member's id.
    pub member_id: Text,
    /// Its `group.instance.id`.
    pub instance_id: Option<Text>,
    /// The protocol type the member believes in; `None` is not compared.
    pub protocol_type: Option<Text>,
    /// The protocol the member believes in; `None` is not compared.
    pub protocol_name: Option<Text>,
    /// From the leader: member id and assignment.
    pub assignments: Vec<(Text, Bytes)>,
    /// The cluster's topics as they are now.
    pub cluster: Arc<dyn consumer::Topics>,
}

/// The answer to [`Sync`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncAnswer {
    /// `None`: `assignment` holds.
    pub refusal: Option<Refusal>,
    /// The group's protocol type.
    pub protocol_type: Option<Text>,
    /// The protocol that the group chose.
    pub protocol_name: Option<Text>,
    /// What the member is to work on; empty when the leader gave it nothing.
    pub assignment: Bytes,
}

impl SyncAnswer {
    /// The answer to a member that gets no assignment.
    pub fn refused(refusal: Refusal) -> SyncAnswer {
        SyncAnswer {
            refusal: Some(refusal),
            protocol_type: None,
            protocol_name: None,
            assignment: Bytes::new(),
        }
    }
}

/// A member says that it is alive, and asks whether it is still wanted as it is.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The group; not empty.
    pub group: Text,
    /// The generation the member joined.
    pub generation: i32,
    /// The member's id.
    pub member_id: Text,
    /// Its `group.instance.id`.
    pub instance_id: Option<Text>,
    /// The cluster's topics as they are now.
    pub cluster: Arc<dyn consumer::Topics>,
}

/// Members go, by themselves or removed by an operator.
#[derive(Clone, Debug)]
pub struct Leave {
    /// The group; not empty.
    pub group: Text,
    /// Who goes.
    pub members: Vec<Leaving>,
    /// The cluster's topics as they are now.
    pub cluster: Arc<dyn consumer::Topics>,
}

/// A member that goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaving {
    /// The member's id; empty to name a static member by its instance id alone.
    pub member_id: Text,
    /// Its `group.instance.id`.
    pub instance_id: Option<Text>,
    /// Why it goes (KIP-800), for the log.
    pub reason: Option<Text>,
}

/// What became of a [`Leaving`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// As asked.
    pub member_id: Text,
    /// As asked.
    pub instance_id: Option<Text>,
    /// `None`: it is gone.
    pub refusal: Option<Refusal>,
}

/// Offsets to remember.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitOffsets {
    /// The group; may be empty, as simple consumers of old do.
    pub group: Text,
    /// The member's generation; negative from who is no member.
    pub generation: i32,
    /// The member's id; empty from who is no member.
    pub member_id: Text,
    /// Its `group.instance.id`.
    pub instance_id: Option<Text>,
    /// How long to keep them, where the request says so (versions 2 to 4).
    pub retention_ms: Option<i64>,
    /// The client knows that a group may be missing (version 9 and later).
    pub knows_missing_groups: bool,
    /// The offsets, by topic.
    pub topics: Vec<CommitTopic>,
}

/// Offsets of one topic to remember.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitTopic {
    /// The topic's name.
    pub name: Text,
    /// The topic's id; zero when the client named it by name only.
    pub topic_id: Uuid,
    /// The offsets.
    pub partitions: Vec<CommitPartition>,
}

/// One offset to remember.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitPartition {
    /// The partition.
    pub partition: i32,
    /// The next offset the group wants to read.
    pub offset: i64,
    /// The leader epoch of the last record read; -1 when unknown.
    pub leader_epoch: i32,
    /// What the client wants to remember with it.
    pub metadata: Option<Text>,
}

/// What became of the partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicOutcome {
    /// The topic's name.
    pub name: Text,
    /// The topic's id, as asked.
    pub topic_id: Uuid,
    /// Partition, and why it was refused (`None`: it was not).
    pub partitions: Vec<(i32, Option<Refusal>)>,
}

/// Which offsets are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchOffsets {
    /// The group.
    pub group: Text,
    /// Partitions with offsets of an open transaction are refused rather than answered with what was before.
    pub require_stable: bool,
    /// The member that asks, if it says so; then its epoch must be the present one.
    pub member_id: Option<Text>,
    /// That member's epoch; negative from who is no member.
    pub member_epoch: i32,
    /// The partitions wanted; `None` for all that there are.
    pub topics: Option<Vec<FetchTopic>>,
}

/// Partitions of one topic whose offsets are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchTopic {
    /// The topic's name.
    pub name: Text,
    /// The topic's id; zero when it does not matter. An offset committed for another id does not count.
    pub topic_id: Uuid,
    /// The partitions.
    pub partitions: Vec<i32>,
}

/// The offsets of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    /// The topic's name.
    pub name: Text,
    /// The topic's id, as asked; zero when all were wanted.
    pub topic_id: Uuid,
    /// The offsets.
    pub partitions: Vec<FetchedPartition>,
}

/// One remembered offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedPartition {
    /// The partition.
    pub partition: i32,
    /// The offset; -1 when there is none.
    pub offset: i64,
    /// Its leader epoch; -1 when unknown.
    pub leader_epoch: i32,
    /// What was remembered with it.
    pub metadata: Text,
    /// Why there is no answer.
    pub refusal: Option<Refusal>,
}

/// Offsets to forget.
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteOffsets {
    /// The group; not empty.
    pub group: Text,
    /// Topic and partitions.
    pub topics: Vec<(Text, Vec<i32>)>,
}

/// A topic that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name.
    pub name: Text,
    /// Its id.
    pub topic_id: Uuid,
}

/// One group, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The group.
    pub group: Text,
    /// [`Refusal::GroupIdNotFound`] when there is no such classic group.
    pub refusal: Option<Refusal>,
    /// What is to be said of the refusal, in Kafka's words; empty for nothing.
    pub message: String,
    /// Kafka's name of the state: `Empty`, `PreparingRebalance`, …; `Dead` when there is none.
    pub state: &'static str,
    /// The protocol type; empty when none was ever set.
    pub protocol_type: Text,
    /// The protocol chosen; empty unless the group is stable.
    pub protocol: Text,
    /// The members.
    pub members: Vec<DescribedMember>,
}

impl Description {
    /// There is nothing to say about `group` but why, and what `message` says.
    pub fn refused(group: Text, refusal: Refusal, message: String) -> Description {
        Description {
            group,
            refusal: Some(refusal),
            message,
            state: "Dead",
            protocol_type: Text::default(),
            protocol: Text::default(),
            members: Vec::new(),
        }
    }
}

/// One member, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member's id.
    pub member_id: Text,
    /// Its `group.instance.id`.
    pub instance_id: Option<Text>,
    /// What the client calls itself.
    pub client_id: Text,
    /// Where the client is.
    pub client_host: Text,
    /// Its metadata for the protocol chosen; empty unless the group is stable.
    pub metadata: Bytes,
    /// What it works on; empty unless the group is stable.
    pub assignment: Bytes,
}

/// Which groups are to be listed. Case does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// States; empty for any.
    pub states: Vec<Text>,
    /// Types; empty for any.
    pub types: Vec<Text>,
}

/// One group in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The group.
    pub group: Text,
    /// Its protocol type; empty for a group that only stores offsets.
    pub protocol_type: Text,
    /// Kafka's name of the state.
    pub state: &'static str,
    /// Kafka's name of the type.
    pub group_type: &'static str,
}
