//! What consumer groups are asked, and what they answer.

use super::assignor::Partitions;
use super::member::Member;
use super::settings::GroupSettings;
use super::topics::Topics;
use crate::Refusal;
use ottla_ids::Uuid;
use ottla_protocol::Text;
use std::sync::Arc;

/// ConsumerGroupHeartbeat: a member joins, says that it is there and what it has, or leaves.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The group.
    pub group: Text,
    /// The member's id; empty if it has none yet, which version 0 allows.
    pub member_id: Text,
    /// Whether the member must have an id (version 1 and later).
    pub requires_member_id: bool,
    /// The member's epoch; see [`super::member`] for those that join and leave.
    pub epoch: i32,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Text>,
    /// Where the client stands; `None`: as before.
    pub rack_id: Option<Text>,
    /// How long the member may take to give partitions back; -1: as before.
    pub rebalance_timeout_ms: i32,
    /// The topics it names; `None`: as before.
    pub topics: Option<Vec<Text>>,
    /// The regular expression by which it names topics; `None`: as before.
    pub regex: Option<Text>,
    /// The assignor it asks for; `None`: as before.
    pub assignor: Option<Text>,
    /// What it has; `None`: as it said before.
    pub reported: Option<Partitions>,
    /// What the client calls itself.
    pub client_id: Text,
    /// Where the client is.
    pub client_host: Text,
    /// The member's id, should it have none. Random.
    pub fresh_id: Uuid,
    /// The cluster's topics as they are now.
    pub cluster: Arc<dyn Topics>,
    /// What the group is configured with.
    pub settings: GroupSettings,
}

/// The answer to [`Heartbeat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatAnswer {
    /// The member's id.
    pub member_id: Text,
    /// The member's epoch from now on.
    pub epoch: i32,
    /// When it is to be heard of again; 0 when it left.
    pub heartbeat_interval_ms: i32,
    /// What it may read from now on; `None`: as before.
    pub assignment: Option<Partitions>,
}

/// Why a heartbeat was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The kind.
    pub refusal: Refusal,
    /// What a person should read.
    pub message: String,
}

impl Refused {
    /// With a message for people.
    pub fn new(refusal: Refusal, message: impl Into<String>) -> Refused {
        Refused { refusal, message: message.into() }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused::new(refusal, refusal.to_string())
    }
}

/// One consumer group, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The group.
    pub group: Text,
    /// Kafka's name of the state.
    pub state: &'static str,
    /// The group's epoch.
    pub epoch: i32,
    /// The epoch its targets are of.
    pub assignment_epoch: i32,
    /// The assignor in use.
    pub assignor: &'static str,
    /// The members.
    pub members: Vec<DescribedMember>,
}

/// One member of a consumer group, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member's id.
    pub id: Text,
    /// Who it is and what it has.
    pub member: Member,
    /// What it is to have.
    pub target: Partitions,
}
