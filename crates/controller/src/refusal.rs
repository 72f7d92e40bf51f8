//! What a client is told when it cannot have what it asks for.

use ottla_protocol::ErrorCode;

/// An error's number and its text (Kafka's `ApiError`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct Refusal {
    /// What kind of refusal.
    pub code: ErrorCode,
    /// What is wrong with what.
    pub message: String,
}

impl Refusal {
    /// A refusal with a text of its own.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }

    /// A refusal with the text that Kafka has for this error.
    pub fn of(code: ErrorCode) -> Refusal {
        Refusal { code, message: code.message().to_owned() }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Refusal {
        Refusal::of(code)
    }
}
