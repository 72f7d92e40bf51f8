//! How long a partition of `__consumer_offsets` takes to load:
//! `cargo run --release -p ottla-coordinator --example load_offsets [OFFSETS [RECORDS-A-BATCH]]`
//!
//! Makes a partition with a million committed offsets in memory (1,000 groups, each with 10 topics of 100
//! partitions), has a group coordinator lead it, and waits until it answers.

use bytes::Bytes;
use ottla_coordinator::{GroupCoordinator, LogError, PartitionLog, Written};
use ottla_groups::{Commit, ListFilter, Record, Settings};
use ottla_ids::{LeaderEpoch, Offset, Uuid};
use ottla_protocol::Text;
use ottla_records::{BatchBuilder, Compression};
use std::time::{Duration, Instant};

const TOPICS: usize = 10;
const PARTITIONS: usize = 100;

/// A log that is only read.
struct Log {
    /// Each batch by its first offset.
    batches: Vec<(Offset, Bytes)>,
    end: Offset,
}

impl PartitionLog for Log {
    async fn append(&self, _batch: Bytes, _now_ms: i64) -> Result<Written, LogError> {
        Err(LogError::NotEnoughReplicas)
    }

    async fn read(&self, from: Offset, size_max: usize) -> Result<Bytes, LogError> {
        let first = self.batches.partition_point(|(base, _)| *base < from);
        let mut read = Vec::with_capacity(size_max);
        for (_, batch) in &self.batches[first..] {
            if !read.is_empty() && read.len() + batch.len() > size_max {
                break;
            }
            read.extend_from_slice(batch);
        }
        Ok(read.into())
    }

    fn start(&self) -> Offset {
        Offset::ZERO
    }

    fn end(&self) -> Offset {
        self.end
    }

    fn committed(&self) -> Offset {
        self.end
    }

    async fn wait_committed(&self, _offset: Offset) -> Result<(), LogError> {
        Ok(())
    }

    fn batch_size_max(&self) -> usize {
        1 << 20
    }
}

fn make(offsets: usize, a_batch: usize) -> Log {
    let mut log = Log { batches: Vec::new(), end: Offset::ZERO };
    for from in (0..offsets).step_by(a_batch) {
        let mut batch = BatchBuilder::new(log.end, Compression::None);
        for at in from..offsets.min(from + a_batch) {
            let record = Record::Offset {
                group: Text::from(format!("group-{:05}", at / (TOPICS * PARTITIONS))),
                topic: Text::from(format!("a-topic-of-usual-length-{}", at / PARTITIONS % TOPICS)),
                partition: (at % PARTITIONS) as i32,
                commit: Some(Commit {
                    offset: at as i64 * 1_000,
                    leader_epoch: 3,
                    metadata: Text::new(),
                    committed_at_ms: 1_700_000_000_000,
                    expires_at_ms: None,
                    topic_id: Uuid::from_u128(7),
                }),
            };
            let encoded = record.encode().expect("it fits");
            batch.append(0, Some(&encoded.key), encoded.value.as_deref(), &[]).expect("it fits");
        }
        log.batches.push((log.end, batch.finish().expect("it fits")));
        log.end = log.end.plus(offsets.min(from + a_batch) as i64 - from as i64);
    }
    log
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|number| number.parse::<usize>().expect("a number"));
    let offsets = arguments.next().unwrap_or(1_000_000);
    let a_batch = arguments.next().unwrap_or(PARTITIONS);
    let log = make(offsets, a_batch);
    let bytes: usize = log.batches.iter().map(|(_, batch)| batch.len()).sum();
    let batches = log.batches.len();
    let groups = GroupCoordinator::new(Settings::default(), 1, Duration::from_secs(5), || 1_700_000_000_000);
    let start = Instant::now();
    groups.lead(0, LeaderEpoch(0), log);
    assert!(groups.wait_loaded(0, Duration::from_secs(600)).await, "it is loaded");
    let took = start.elapsed();
    let found = groups.list_groups(ListFilter::default()).await.expect("it is loaded").len();
    println!("{offsets} offsets, {bytes} bytes in {batches} batches: {took:.0?}; {found} groups");
}
