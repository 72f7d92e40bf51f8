//! Refusals become Kafka's numbers here, and only here, by matches without a wildcard: a new way to
//! refuse does not compile until it has its number.

use ottla_partition::{AppendError, DeleteRecordsError, MoveError, OpenError};
use ottla_protocol::{ErrorCode, Text};
use ottla_quorum::DecideError;
use ottla_records::{ProduceError, RecordError};
use ottla_storage::{ReadError, StorageError};

/// Why one partition, topic or resource of a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Kafka's number.
    pub code: ErrorCode,
    /// What a person should read; `None` where Kafka's own text of the code says all.
    pub message: Option<String>,
    /// Which records of a batch were wrong, and why.
    pub record_errors: Vec<RecordError>,
}

impl Refusal {
    /// A refusal with a message for people.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: Some(message.into()), record_errors: Vec::new() }
    }

    /// The number and the text of an answer that may be a refusal.
    pub fn code_and_message(refusal: Option<Refusal>) -> (i16, Option<Text>) {
        match refusal {
            None => (0, None),
            Some(refusal) => (refusal.code.into(), refusal.message.map(Text::from)),
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Refusal {
        Refusal { code, message: None, record_errors: Vec::new() }
    }
}

/// A code from the error's own match, its message from its text.
macro_rules! refusal {
    ($error:ty, $code:ident) => {
        impl From<$error> for Refusal {
            fn from(error: $error) -> Refusal {
                Refusal::new($code(&error), error.to_string())
            }
        }
    };
}

refusal!(StorageError, storage);
refusal!(ReadError, read);
refusal!(OpenError, open);
refusal!(DeleteRecordsError, delete_records);
refusal!(MoveError, relocate);
refusal!(DecideError, decide);

impl From<ottla_controller::Refusal> for Refusal {
    fn from(refusal: ottla_controller::Refusal) -> Refusal {
        Refusal::new(refusal.code, refusal.message)
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Refusal {
        let code = append(&error);
        match error {
            AppendError::Records(error) => Refusal {
                code,
                message: error.response_message().map(str::to_owned),
                record_errors: error.record_errors().to_vec(),
            },
            error @ AppendError::TransactionNotVerified => Refusal::new(code, error.to_string()),
            // What ails the disk, for people; clients try again.
            AppendError::Log(ottla_storage::AppendError::Storage(error)) => {
                Refusal::new(code, error.to_string())
            }
            // Clients show the text they have for the code, as Kafka lets them.
            AppendError::NoTransactionalId | AppendError::NotEnoughReplicas { .. } | AppendError::Log(_) => {
                code.into()
            }
        }
    }
}

fn storage(error: &StorageError) -> ErrorCode {
    match error {
        StorageError::Closed { .. } => ErrorCode::NotLeaderOrFollower,
        StorageError::Io { .. }
        | StorageError::TopicIdMismatch { .. }
        | StorageError::DiskFull { .. }
        | StorageError::Offline { .. }
        | StorageError::Corrupt { .. }
        | StorageError::InvalidFile { .. }
        | StorageError::Locked { .. }
        | StorageError::NotFormatted { .. }
        | StorageError::WrongCluster { .. }
        | StorageError::WrongNode { .. }
        | StorageError::TwoFolders { .. }
        | StorageError::UnexpectedMetadataLog { .. } => ErrorCode::KafkaStorageError,
    }
}

fn read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Storage(error) => storage(error),
    }
}

fn open(error: &OpenError) -> ErrorCode {
    match error {
        OpenError::NotHere { .. } => ErrorCode::NotLeaderOrFollower,
        OpenError::Isolated { .. } => ErrorCode::KafkaStorageError,
        OpenError::Storage(error) => storage(error),
    }
}

fn relocate(error: &MoveError) -> ErrorCode {
    match error {
        MoveError::NameTooLong { .. } => ErrorCode::InvalidTopicException,
        MoveError::UnknownDirectory { .. } => ErrorCode::LogDirNotFound,
        MoveError::Cordoned { .. } => ErrorCode::InvalidReplicaAssignment,
        MoveError::Unknown { .. } => ErrorCode::UnknownTopicOrPartition,
        MoveError::NotHere { .. } => ErrorCode::ReplicaNotAvailable,
        MoveError::Storage(error) => storage(error),
    }
}

fn delete_records(error: &DeleteRecordsError) -> ErrorCode {
    match error {
        DeleteRecordsError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        DeleteRecordsError::Compacted => ErrorCode::PolicyViolation,
        DeleteRecordsError::Storage(error) => storage(error),
    }
}

fn append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::Records(error) => records(error),
        AppendError::TransactionNotVerified => ErrorCode::InvalidTxnState,
        AppendError::NoTransactionalId => ErrorCode::TransactionalIdAuthorizationFailed,
        AppendError::NotEnoughReplicas { .. } => ErrorCode::NotEnoughReplicas,
        AppendError::Log(error) => log_append(error),
    }
}

fn log_append(error: &ottla_storage::AppendError) -> ErrorCode {
    use ottla_storage::AppendError as E;
    match error {
        E::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        E::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        E::InvalidTransactionState { .. } => ErrorCode::InvalidTxnState,
        E::TransactionCoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        E::TooLarge { .. } => ErrorCode::RecordListTooLarge,
        E::Malformed { .. } => ErrorCode::CorruptMessage,
        E::UnexpectedOffset { .. } => ErrorCode::UnknownServerError,
        E::Storage(error) => storage(error),
    }
}

fn decide(error: &DecideError) -> ErrorCode {
    match error {
        DecideError::Stopped => ErrorCode::NotController,
        DecideError::Failed(_) | DecideError::NoRoom(_) => ErrorCode::KafkaStorageError,
        DecideError::TooLarge { .. } => ErrorCode::PolicyViolation,
        DecideError::Bug => ErrorCode::UnknownServerError,
    }
}

fn records(error: &ProduceError) -> ErrorCode {
    match error {
        ProduceError::CorruptMessage { .. } | ProduceError::MalformedBatch { .. } => {
            ErrorCode::CorruptMessage
        }
        ProduceError::InvalidRecord { .. } => ErrorCode::InvalidRecord,
        ProduceError::InvalidTimestamp { .. } => ErrorCode::InvalidTimestamp,
        ProduceError::MessageTooLarge { .. } => ErrorCode::MessageTooLarge,
        ProduceError::UnsupportedCompressionType { .. } => ErrorCode::UnsupportedCompressionType,
    }
}
