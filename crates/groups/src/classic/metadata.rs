//! What is written down of a classic group.

use bytes::Bytes;
use ottla_protocol::Text;

/// A classic group as its record has it: the last generation that got an assignment, or none if it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The protocol type; empty when none was ever set.
    pub protocol_type: Text,
    /// Counts the rebalances.
    pub generation: i32,
    /// The protocol chosen; `None` without members.
    pub protocol: Option<Text>,
    /// The member that divides the work; `None` without members.
    pub leader: Option<Text>,
    /// Since when the group is in this state, in milliseconds since 1970; `None` in records of old.
    pub state_since_ms: Option<i64>,
    /// The members.
    pub members: Vec<StoredMember>,
}

/// A member as the group's record has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredMember {
    /// The member's id.
    pub member_id: Text,
    /// Its `group.instance.id`.
    pub instance_id: Option<Text>,
    /// What the client calls itself.
    pub client_id: Text,
    /// Where the client is.
    pub client_host: Text,
    /// How long it may take to join again.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// Its metadata for the protocol chosen.
    pub subscription: Bytes,
    /// What it works on.
    pub assignment: Bytes,
}
