//! What a coordinator is told by a partition of this node.

use crate::log::{LogError, PartitionLog, Written};
use bytes::Bytes;
use ottla_configs::BrokerConfig;
use ottla_ids::{NodeId, Offset, Uuid};
use ottla_metadata::{Image, MetadataRecord};
use ottla_partition::{Directories, Partition, Partitions};
use ottla_protocol::Text;
use ottla_protocol::records::metadata::{ConfigRecord, PartitionRecord, RemoveTopicRecord, TopicRecord};
use ottla_records::{BatchBuilder, Compression, batches};
use ottla_state_machine::Machine;
use ottla_storage::{DirectoryOptions, Disk, LogDirectory, SimulatedDisk};
use std::io;
use std::path::Path;
use std::sync::Arc;

const NOW_MS: i64 = 1_700_000_000_000;
const TOPIC_ID: Uuid = Uuid::from_u128(1001);

struct World {
    disk: SimulatedDisk,
    image: Image,
    partitions: Arc<Partitions>,
    partition: Arc<Partition>,
}

impl World {
    fn new(replicas: i32, settings: &[(&'static str, &'static str)]) -> World {
        let disk = SimulatedDisk::new(1);
        let options = DirectoryOptions { cluster_id: Some("cluster".to_owned()), node_id: NodeId(1) };
        let directory = LogDirectory::open(Disk::Simulated(disk.clone()), Path::new("/data"), &options);
        let directories = Directories::one(directory.unwrap()).unwrap();
        let partitions = Partitions::start(NodeId(1), directories, BrokerConfig::default()).unwrap();
        let mut image = Image::default();
        let name = Text::from_static("t");
        image.replay(&MetadataRecord::Topic(TopicRecord { name, topic_id: TOPIC_ID, ..Default::default() }));
        image.replay(&MetadataRecord::Partition(PartitionRecord {
            topic_id: TOPIC_ID,
            partition_id: 0,
            replicas: (1..=replicas).collect(),
            isr: vec![1],
            directories: vec![Uuid::from_u128(9); replicas as usize],
            leader: 1,
            ..Default::default()
        }));
        for (name, value) in settings {
            image.replay(&MetadataRecord::Config(ConfigRecord {
                resource_type: 2,
                resource_name: Text::from_static("t"),
                name: Text::from_static(name),
                value: Some(Text::from_static(value)),
                ..Default::default()
            }));
        }
        let partition = partitions.get_or_open(&image, image.topic("t").unwrap(), 0).unwrap();
        World { disk, image, partitions, partition }
    }

    async fn append(&self, batch: Bytes) -> Result<Written, LogError> {
        PartitionLog::append(&self.partition, batch, NOW_MS).await
    }
}

fn batch(values: &[&[u8]]) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None);
    for value in values {
        builder.append(NOW_MS, Some(b"key"), Some(value), &[]).unwrap();
    }
    builder.finish().unwrap()
}

#[tokio::test]
async fn what_is_written_ends_behind_its_last_record_and_is_committed_there() {
    let world = World::new(1, &[]);
    for n in 0..2 {
        let written = world.append(batch(&[b"a", b"b"])).await.unwrap();
        assert_eq!(written, Written { base: Offset(2 * n), end: Offset(2 * n + 2) });
        world.partition.wait_committed(written.end).await.unwrap();
        assert_eq!((world.partition.committed(), world.partition.end()), (written.end, written.end));
    }
    let read = PartitionLog::read(&world.partition, Offset(2), 1 << 20).await.unwrap();
    assert_eq!(batches(&read).next().unwrap().unwrap().base_offset(), Offset(2));
    world.partitions.close(1).unwrap();
}

#[tokio::test]
async fn what_a_partition_refuses_for_now_is_told_from_what_it_refuses_for_good() {
    let short = World::new(3, &[("min.insync.replicas", "2")]);
    let refused = short.append(batch(&[b"a"])).await;
    assert!(matches!(refused, Err(LogError::NotEnoughReplicas)), "{refused:?}");

    let world = World::new(1, &[("segment.bytes", "1048576")]);
    let refused = world.append(batch(&[&vec![7; 1 << 20]])).await;
    assert!(matches!(refused, Err(LogError::TooLarge)), "{refused:?}");
    world.disk.set_room(Some(0));
    let refused = world.append(batch(&[b"a"])).await;
    assert!(matches!(refused, Err(LogError::Busy(_))), "{refused:?}");
    world.disk.set_room(None);
    world.append(batch(&[b"a"])).await.unwrap();

    let mut gone = world.image.clone();
    gone.replay(&MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: TOPIC_ID, ..Default::default() }));
    let before = Image::default();
    world.partitions.follow(&world.image, &world.image.changes_since(&before), NOW_MS);
    world.partitions.follow(&gone, &gone.changes_since(&world.image), NOW_MS);
    let refused = world.append(batch(&[b"a"])).await;
    assert!(matches!(refused, Err(LogError::NotLeader)), "{refused:?}");

    let broken = World::new(1, &[]);
    broken.disk.fail_writes(Some(io::ErrorKind::Other));
    let refused = broken.append(batch(&[b"a"])).await;
    assert!(matches!(refused, Err(LogError::Storage(_))), "{refused:?}");
}
