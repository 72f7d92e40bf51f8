//! The partitions whose logs are damaged: each is refused without another look, until the process starts again.
//! All others go on.

use ottla_ids::{TopicId, TopicPartition};
use ottla_storage::StorageError;
use std::sync::Arc;

/// Why partitions are not served; at most one entry for each partition of the node.
#[derive(Debug, Default)]
pub(crate) struct Isolated {
    reasons: papaya::HashMap<(TopicId, i32), Arc<str>>,
}

impl Isolated {
    /// Why a partition is not served, if it is not.
    pub fn reason(&self, topic_id: TopicId, index: i32) -> Option<Arc<str>> {
        self.reasons.pin().get(&(topic_id, index)).cloned()
    }

    /// Notes an error of opening a log that another try would meet again.
    pub fn note(&self, partition: &TopicPartition, topic_id: TopicId, error: &StorageError) {
        let is_lasting = matches!(
            error,
            StorageError::Corrupt { .. }
                | StorageError::InvalidFile { .. }
                | StorageError::TopicIdMismatch { .. }
                | StorageError::TwoFolders { .. }
        );
        if is_lasting {
            let reason: Arc<str> = error.to_string().into();
            tracing::error!(%partition, %reason, "the partition is isolated; `ottla log check` tells more");
            self.reasons.pin().insert((topic_id, partition.partition), reason);
        }
    }

    /// The topic is deleted; returns whether the partition was isolated.
    pub fn forget(&self, topic_id: TopicId, index: i32) -> bool {
        self.reasons.pin().remove(&(topic_id, index)).is_some()
    }
}
