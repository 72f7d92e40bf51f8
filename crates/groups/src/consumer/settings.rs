//! The broker's configuration as far as consumer groups go.

use super::assignor::Assignor;

/// Limits and intervals of a broker's consumer groups. Names and defaults are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What a group can have of its own.
    pub group: GroupSettings,
    /// `group.consumer.max.size`: members of one group.
    pub max_size: usize,
    /// `group.consumer.assignors`: those that members may ask for, the default first. Not empty.
    pub assignors: Vec<Assignor>,
}

/// What a group can be configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// `consumer.session.timeout.ms`: how long a member may be silent.
    pub session_timeout_ms: i32,
    /// `consumer.heartbeat.interval.ms`: how often a member is to be heard of.
    pub heartbeat_interval_ms: i32,
    /// `consumer.assignment.interval.ms`: the least time between two makings of targets.
    pub assignment_interval_ms: i32,
}

impl Default for GroupSettings {
    fn default() -> GroupSettings {
        GroupSettings {
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 5_000,
            assignment_interval_ms: 1_000,
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            group: GroupSettings::default(),
            max_size: i32::MAX as usize,
            assignors: Assignor::ALL.to_vec(),
        }
    }
}

impl Settings {
    /// The assignor of groups whose members ask for none.
    pub fn default_assignor(&self) -> Assignor {
        self.assignors.first().copied().unwrap_or(Assignor::Uniform)
    }
}
