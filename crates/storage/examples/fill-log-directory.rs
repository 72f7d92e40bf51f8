//! Fills a log directory with what a log can hold, for Apache Kafka's `DumpLogSegments` to read:
//! `fill-log-directory DIR`. See `compat/storage/dump.sh`.

use ottla_ids::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, TopicPartition, Uuid};
use ottla_records::{BatchBuilder, Compression, EndTransactionMarker};
use ottla_storage::{AppendInfo, DirectoryOptions, Disk, LogConfig, LogDirectory, Origin};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: fill-log-directory DIR")?;
    let options =
        DirectoryOptions { cluster_id: Some("MkU3OEVBNTcwNTJENDM2Qk".to_owned()), node_id: NodeId(1) };
    let directory = LogDirectory::open(Disk::Real, Path::new(&folder), &options)?;
    let config = LogConfig { segment_bytes: 300_000, index_interval_bytes: 1000, ..LogConfig::default() };
    let log = directory.open_log(&TopicPartition::new("filled", 0), Uuid::random(), config, 0)?;
    let mut sequence = 0;
    for n in 0..2000i64 {
        let codec = Compression::ALL[n as usize % 5];
        let id = ProducerId(n % 3);
        let is_transactional = id.0 == 2;
        let count = 1 + (n % 7) as i32;
        let mut builder = BatchBuilder::new(Offset(0), codec).transactional(is_transactional);
        if id.0 == 1 {
            builder = builder.producer(id, ProducerEpoch(0), sequence);
            sequence += count;
        } else if is_transactional {
            builder = builder.producer(id, ProducerEpoch(n as i16), 0);
        }
        for record in 0..count {
            // Timestamps mostly rise, sometimes fall.
            let time = 1_700_000_000_000 + n * 100 - (n % 11) * 250 + i64::from(record);
            builder.append(time, Some(b"key"), Some(&vec![n as u8; (n % 400) as usize]), &[])?;
        }
        let origin = if is_transactional { Origin::Coordinator } else { Origin::Client };
        let info = AppendInfo {
            leader_epoch: LeaderEpoch((n / 500) as i32),
            append_time: (n % 13 == 0).then_some(1_700_000_000_000 + n * 100),
            origin,
            now_ms: 1_700_000_000_000 + n * 100,
        };
        log.append(&builder.finish()?, &info)?;
        if is_transactional {
            let marker = EndTransactionMarker { commit: true, coordinator_epoch: 0 };
            let bytes = BatchBuilder::end_transaction(
                Offset(0),
                LeaderEpoch(0),
                info.now_ms,
                id,
                ProducerEpoch(n as i16),
                marker,
            )?;
            log.append(&bytes, &info)?;
        }
        if n % 100 == 0 {
            directory.commit_queue().sync_waiting()?;
        }
    }
    directory.close(1)?;
    Ok(())
}
