//! Replays a partition's log into an empty core.

use crate::core::{Core, RecordFailure};
use crate::log::{LogError, PartitionLog};
use ottla_ids::{Offset, ProducerId};
use ottla_records::{BatchError, BatchView, EndTransactionMarker, batches};

/// Bytes of the log that are in memory at once, unless a single batch is larger.
const READ_SIZE: usize = 1 << 20;

/// The records of one batch may take this much when decompressed. Batches of internal topics are written by
/// coordinators and are small; more than this is damage.
const BATCH_SIZE_MAX: usize = 100 << 20;

/// Why a partition could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The log could not be read.
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    /// A batch is damaged.
    #[error("the batch at or after offset {at} is damaged")]
    Batch {
        at: Offset,
        #[source]
        source: BatchError,
    },
    /// A record is damaged.
    #[error("the record at offset {at} cannot be understood")]
    Record {
        at: Offset,
        #[source]
        source: RecordFailure,
    },
    /// The log gave less than a whole batch.
    #[error("the log gives nothing at offset {at} though it ends at {end}")]
    Gap { at: Offset, end: Offset },
}

/// What was loaded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub records: u64,
    /// Records of kinds that are not known here.
    pub unknown: u64,
    pub bytes: u64,
}

/// Replays `log` from its start to its present end.
pub(crate) async fn load<C: Core>(core: &mut C, log: &impl PartitionLog) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded::default();
    let mut next = log.start();
    let end = log.end();
    // What is not committed could still be lost, and so must not be acted upon.
    log.wait_committed(end).await?;
    while next < end {
        let bytes = log.read(next, READ_SIZE).await?;
        let before = next;
        for batch in batches(&bytes) {
            let batch = batch.map_err(|source| LoadError::Batch { at: next, source })?;
            replay_batch(core, &batch, before, &mut loaded)?;
            next = batch.next_offset();
        }
        if next <= before {
            return Err(LoadError::Gap { at: before, end });
        }
        loaded.bytes += bytes.len() as u64;
        // A long log must not keep others from their turn.
        tokio::task::yield_now().await;
    }
    Ok(loaded)
}

fn replay_batch<C: Core>(
    core: &mut C,
    batch: &BatchView<'_>,
    from: Offset,
    loaded: &mut Loaded,
) -> Result<(), LoadError> {
    let damaged = |source| LoadError::Batch { at: batch.base_offset(), source };
    batch.check_crc().map_err(damaged)?;
    let producer = Some(batch.producer_id()).filter(|_| batch.is_transactional());
    let records = batch.records(BATCH_SIZE_MAX).map_err(damaged)?;
    for record in records.iter() {
        let record = record.map_err(damaged)?;
        if record.offset < from {
            continue;
        }
        let change = if batch.is_control() {
            ended(batch.producer_id(), &record)
                .map_err(damaged)?
                .and_then(|(producer, committed)| C::transaction_ended(producer, committed))
        } else {
            let decoded = C::decode(record.key, record.value, producer)
                .map_err(|source| LoadError::Record { at: record.offset, source })?;
            loaded.unknown += u64::from(decoded.is_none());
            decoded
        };
        if let Some(change) = change {
            core.replay(&change);
        }
        loaded.records += 1;
    }
    Ok(())
}

/// The transaction that a control record ends, if it is of that kind.
fn ended(
    producer: ProducerId,
    record: &ottla_records::RecordView<'_>,
) -> Result<Option<(ProducerId, bool)>, BatchError> {
    let marker =
        EndTransactionMarker::parse(record.key.unwrap_or_default(), record.value.unwrap_or_default())?;
    Ok(marker.map(|marker| (producer, marker.commit)))
}
