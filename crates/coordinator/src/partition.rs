//! The partitions of this node, as a coordinator sees them.

use crate::log::{LogError, PartitionLog, Written};
use bytes::Bytes;
use ottla_ids::Offset;
use ottla_partition::{Acks, AppendError, Isolation, Origin, Partition};
use ottla_records::BatchView;
use ottla_storage::StorageError;
use std::sync::Arc;

/// Batches of several decisions are kept below Kafka's default of `max.message.bytes`, so that every consumer of an
/// internal topic can take them. A single decision that is larger is written nevertheless.
const BATCH_SIZE_MAX: usize = 1_048_588;

impl PartitionLog for Arc<Partition> {
    async fn append(&self, batch: Bytes, now_ms: i64) -> Result<Written, LogError> {
        let count = BatchView::parse(&batch).map(|batch| i64::from(batch.last_offset_delta()) + 1);
        let count = count.map_err(|error| LogError::Storage(error.into()))?;
        match Partition::append(self, &batch, Acks::All, Origin::Coordinator, now_ms) {
            Ok(appended) => Ok(Written { base: appended.base_offset, end: appended.base_offset.plus(count) }),
            Err(error) => Err(append_error(error)),
        }
    }

    async fn read(&self, from: Offset, size_max: usize) -> Result<Bytes, LogError> {
        let partition = self.clone();
        let read = tokio::task::spawn_blocking(move || -> Result<Bytes, LogError> {
            let read = Partition::read(&partition, from, size_max, Isolation::ReadUncommitted, true)
                .map_err(|error| LogError::Storage(error.into()))?;
            read.records.to_bytes().map_err(|error| LogError::Storage(error.into()))
        });
        // It is cancelled only when the process ends.
        read.await.map_err(|_| LogError::NotLeader)?
    }

    fn start(&self) -> Offset {
        self.log_start_offset()
    }

    fn end(&self) -> Offset {
        self.log_end_offset()
    }

    fn committed(&self) -> Offset {
        self.high_watermark()
    }

    async fn wait_committed(&self, offset: Offset) -> Result<(), LogError> {
        self.ticket(offset).reached().await.map_err(|offline| LogError::Storage(offline.into()))
    }

    fn batch_size_max(&self) -> usize {
        BATCH_SIZE_MAX
    }
}

fn append_error(error: AppendError) -> LogError {
    match error {
        AppendError::NotEnoughReplicas { .. } => LogError::NotEnoughReplicas,
        AppendError::Log(ottla_storage::AppendError::TooLarge { .. }) => LogError::TooLarge,
        // Nothing was changed; there may be room again later.
        AppendError::Log(ottla_storage::AppendError::Storage(error @ StorageError::DiskFull { .. })) => {
            LogError::Busy(error.into())
        }
        AppendError::Log(ottla_storage::AppendError::Storage(StorageError::Closed { .. })) => {
            LogError::NotLeader
        }
        other => LogError::Storage(other.into()),
    }
}
