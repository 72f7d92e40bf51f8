//! Reading again what has moved gives the answer of the plain walk over all partitions.

use super::read::{Limits, Part, is_enough, read_all, read_moved};
use crate::errors::Refusal;
use crate::fetch_sessions::Wanted;
use crate::topics::TopicKey;
use ottla_configs::BrokerConfig;
use ottla_ids::{NodeId, Offset, Uuid};
use ottla_metadata::{Image, MetadataRecord};
use ottla_partition::{Acks, Directories, Isolation, Origin, Partition, Partitions};
use ottla_protocol::Text;
use ottla_protocol::records::metadata::{PartitionRecord, TopicRecord};
use ottla_records::{BatchBuilder, Compression};
use ottla_state_machine::Machine;
use ottla_storage::{DirectoryOptions, Disk, LogDirectory, SimulatedDisk};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod rules;
mod sessions;
mod world;

const NODE: NodeId = NodeId(1);
const NOW_MS: i64 = 1_700_000_000_000;
const PARTITIONS: i32 = 6;

/// Xorshift: the same for the same seed.
struct Random(u64);

impl Random {
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn all() -> (Arc<Partitions>, Vec<Arc<Partition>>) {
    let options = DirectoryOptions { cluster_id: Some("c".to_owned()), node_id: NODE };
    let disk = Disk::Simulated(SimulatedDisk::new(1));
    let directory = LogDirectory::open(disk, Path::new("/data"), &options).unwrap();
    let partitions =
        Partitions::start(NODE, Directories::one(directory).unwrap(), BrokerConfig::default()).unwrap();
    let topic_id = Uuid::from_u128(1000);
    let mut image = Image::default();
    let name = Text::from_static("t");
    image.replay(&MetadataRecord::Topic(TopicRecord { name, topic_id, ..TopicRecord::default() }));
    for partition_id in 0..PARTITIONS {
        image.replay(&MetadataRecord::Partition(PartitionRecord {
            partition_id,
            topic_id,
            replicas: vec![NODE.0],
            isr: vec![NODE.0],
            leader: NODE.0,
            ..PartitionRecord::default()
        }));
    }
    let topic = image.topic("t").unwrap();
    let all = (0..PARTITIONS).map(|index| partitions.get_or_open(&image, topic, index).unwrap()).collect();
    (partitions, all)
}

/// One record of so many bytes, durable when it returns.
async fn append(partition: &Partition, size: usize) {
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None);
    builder.append(NOW_MS, None, Some(&vec![7; size]), &[]).unwrap();
    let origin = Origin::Client { transactional_id: None, produce_version: 13 };
    let end = partition.append(&builder.finish().unwrap(), Acks::All, origin, NOW_MS).unwrap().wait;
    if let Some(end) = end {
        partition.ticket(end).reached().await.unwrap();
    }
}

/// All that an answer says of a partition.
fn said(part: &Part) -> String {
    match part {
        Ok(read) => format!(
            "{:?} {} {} {} {:?} {:?}",
            read.records.to_bytes().unwrap(),
            read.high_watermark,
            read.last_stable_offset,
            read.log_start_offset,
            read.aborted,
            read.diverging
        ),
        Err(refusal) => format!("{:?}", refusal.code),
    }
}

#[tokio::test]
async fn what_has_moved_is_read_as_the_plain_walk_reads_it() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (_partitions, all) = all();
    let targets: Vec<Result<Arc<Partition>, Refusal>> = all.into_iter().map(Ok).collect();
    for round in 0..60 {
        let wanted: Vec<Arc<Wanted>> = targets
            .iter()
            .zip(0..)
            .map(|(target, partition)| {
                let end = target.as_ref().unwrap().log_end_offset().0;
                // Mostly at the end, as readers that wait are; now and then before it, or out of range.
                let fetch_offset = match random.below(12) {
                    0 => end + 1,
                    1 => (end - 1).max(0),
                    _ => end,
                };
                let max_bytes = [0, 150, 1 << 20][random.below(3) as usize];
                Arc::new(Wanted {
                    topic: TopicKey::Name("t".into()),
                    partition,
                    fetch_offset,
                    current_leader_epoch: -1,
                    last_fetched_epoch: -1,
                    log_start_offset: -1,
                    max_bytes,
                })
            })
            .collect();
        let limits = Limits {
            max_bytes: [100, 400, 1 << 20][random.below(3) as usize],
            min_bytes: 1 << 20,
            isolation: [Isolation::ReadUncommitted, Isolation::ReadCommitted][random.below(2) as usize],
            wait: Duration::ZERO,
        };
        let mut parts = read_all(&wanted, &targets, &limits);
        for _ in 0..3 {
            if is_enough(&parts, &limits) {
                break;
            }
            for _ in 0..random.below(3) {
                let target = targets[random.below(PARTITIONS as u64) as usize].as_ref().unwrap();
                append(target, random.below(200) as usize).await;
            }
            if random.below(4) == 0 {
                let target = targets[random.below(PARTITIONS as u64) as usize].as_ref().unwrap();
                target.delete_records(random.below(3) as i64, NOW_MS).ok();
            }
            let has_moved = read_moved(&wanted, &targets, &limits, &mut parts);
            let plain = read_all(&wanted, &targets, &limits);
            let (found, expected): (Vec<String>, Vec<String>) =
                (parts.iter().map(said).collect(), plain.iter().map(said).collect());
            assert_eq!(found, expected, "round {round}, moved: {has_moved}");
        }
    }
}
