//! What can go wrong between us and a cluster.

use ottla_protocol::{DecodeError, EncodeError, ErrorCode};
use std::io;

/// Why something asked of the cluster was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// No bootstrap server, or not the broker that was needed, could be reached.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the operating system said.
        reason: String,
    },
    /// The address is not `host:port`.
    #[error("'{address}' is not an address: expected host:port")]
    Address {
        /// What was given.
        address: String,
    },
    /// The connection ended before the answer came.
    #[error("the connection to {address} ended before the answer came: {reason}")]
    Disconnected {
        /// Host and port.
        address: String,
        /// Why, as far as is known.
        reason: String,
    },
    /// No answer within the time allowed.
    #[error("no answer from {address} within {after_ms} ms")]
    TimedOut {
        /// Host and port, or what was waited for.
        address: String,
        /// The time allowed.
        after_ms: u64,
    },
    /// The broker speaks no version of this request that we speak too.
    #[error("the broker at {address} does not serve {api} in any version that this client speaks")]
    NotServed {
        /// Host and port.
        address: String,
        /// The request's name.
        api: &'static str,
    },
    /// The broker's answer cannot be read.
    #[error("the answer of {address} cannot be read: {source}")]
    Decode {
        /// Host and port.
        address: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The request cannot be written in the version agreed on.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The broker refused.
    #[error("{what}: {} ({})", message.as_deref().unwrap_or(code.message()), code.name())]
    Refused {
        /// What was asked for.
        what: String,
        /// Kafka's error.
        code: ErrorCode,
        /// The broker's own words, if it had some.
        message: Option<String>,
    },
    /// The cluster has no such topic, and was not asked to create it.
    #[error("there is no topic '{topic}'")]
    NoSuchTopic {
        /// The topic.
        topic: String,
    },
    /// The topic has no such partition.
    #[error(
        "topic '{topic}' has {partition_count} partition(s), counted from 0: there is no partition {partition}"
    )]
    NoSuchPartition {
        /// The topic.
        topic: String,
        /// What was asked for.
        partition: i32,
        /// How many there are.
        partition_count: usize,
    },
    /// A record cannot be sent as it is.
    #[error("{0}")]
    Record(String),
    /// What was fetched is damaged.
    #[error("records of {topic}-{partition} at offset {offset} are damaged: {reason}")]
    Damaged {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The first offset of the damaged batch, as far as it can be read.
        offset: i64,
        /// What is wrong.
        reason: String,
    },
    /// The log has no such offset (any more), and no rule says where to go on instead.
    #[error("{topic}-{partition} has no offset {offset}: it was deleted, or is not yet written")]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// What was asked for.
        offset: i64,
    },
    /// The group has committed nothing for the partition, and no rule says where to begin.
    #[error("the group has no committed offset for {topic}-{partition}, and no reset policy is set")]
    NoOffset {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// The producer or consumer was closed.
    #[error("closed")]
    Closed,
}

impl ClientError {
    /// The broker refused `what` with `code`.
    pub fn refused(what: impl Into<String>, code: ErrorCode, message: Option<&str>) -> ClientError {
        ClientError::Refused { what: what.into(), code, message: message.map(str::to_owned) }
    }

    /// Kafka's error, when the broker refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Refused { code, .. } => Some(*code),
            ClientError::NoSuchTopic { .. } => Some(ErrorCode::UnknownTopicOrPartition),
            _ => None,
        }
    }

    /// Whether the same request may succeed when it is sent again, perhaps to another broker.
    pub fn is_retriable(&self) -> bool {
        match self {
            ClientError::Connect { .. } | ClientError::Disconnected { .. } | ClientError::TimedOut { .. } => {
                true
            }
            ClientError::Refused { code, .. } => code.is_retriable(),
            _ => false,
        }
    }
}

/// The error of the operating system, in words; its number says nothing more.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
