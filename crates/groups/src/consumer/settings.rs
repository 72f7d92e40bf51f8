//! The broker's configuration as far as consumer groups go.

use super::assignor::Assignor;
use ottla_protocol::Text;
use std::fmt;

/// Limits and intervals of a broker's consumer groups. Names and defaults are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `group.consumer.max.size`: members of one group.
    pub max_size: usize,
    /// `group.consumer.assignors`: those that members may ask for, the default first. Not empty.
    pub assignors: Vec<Assignor>,
    /// `group.consumer.migration.policy`.
    pub migration: Migration,
}

/// Which way groups with members go from one protocol to the other: the values of `group.consumer.migration.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migration {
    /// Both ways.
    Bidirectional,
    /// From the classic protocol to the consumer protocol only.
    Upgrade,
    /// From the consumer protocol to the classic protocol only.
    Downgrade,
    /// Not at all; nor do members of the classic protocol join a consumer group with members.
    Disabled,
}

impl Migration {
    /// The policy of this name, whatever the case of its letters.
    pub fn named(name: &str) -> Option<Migration> {
        let all = [
            ("bidirectional", Migration::Bidirectional),
            ("upgrade", Migration::Upgrade),
            ("downgrade", Migration::Downgrade),
            ("disabled", Migration::Disabled),
        ];
        all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, policy)| policy)
    }

    /// Whether a classic group with members may become a consumer group.
    pub fn allows_upgrade(self) -> bool {
        matches!(self, Migration::Bidirectional | Migration::Upgrade)
    }

    /// Whether a consumer group with members may become a classic group.
    pub fn allows_downgrade(self) -> bool {
        matches!(self, Migration::Bidirectional | Migration::Downgrade)
    }
}

/// What each group is configured with, at one moment: a value that is handed in with a log, while requests bring what
/// is theirs.
pub trait GroupConfigs: fmt::Debug + Send + Sync {
    /// What `group` is configured with, by itself or with all others.
    fn of(&self, group: &Text) -> GroupSettings;
}

/// Every group is configured with the same.
impl GroupConfigs for GroupSettings {
    fn of(&self, _: &Text) -> GroupSettings {
        *self
    }
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
            max_size: i32::MAX as usize,
            assignors: Assignor::ALL.to_vec(),
            migration: Migration::Bidirectional,
        }
    }
}

impl Settings {
    /// The assignor of groups whose members ask for none.
    pub fn default_assignor(&self) -> Assignor {
        self.assignors.first().copied().unwrap_or(Assignor::Uniform)
    }
}
