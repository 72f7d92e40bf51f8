//! A node's partitions on simulated disks, and what may happen to them.

use super::{NODE, NOW_MS, Random};
use bytes::Bytes;
use ottla_configs::BrokerConfig;
use ottla_ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Uuid};
use ottla_metadata::{Image, MetadataRecord};
use ottla_partition::{Acks, Directories, Origin, Partition, Partitions};
use ottla_protocol::Text;
use ottla_protocol::records::metadata::{
    PartitionChangeRecord, PartitionRecord, ProducerIdsRecord, RemoveTopicRecord, TopicRecord,
};
use ottla_records::{BatchBuilder, Compression, EndTransactionMarker};
use ottla_state_machine::Machine;
use ottla_storage::{DirectoryOptions, Disk, LogDirectory, SimulatedDisk};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

const OTHER_NODE: i32 = 2;
const CLIENT: Origin<'static> = Origin::Client { transactional_id: None, produce_version: 13 };
const TOPICS: [&str; 3] = ["a", "b", "c"];
pub const PARTITIONS: i32 = 4;
/// Retention deletes all by then.
const MUCH_LATER_MS: i64 = NOW_MS + 30 * 86_400_000;

pub struct World {
    pub partitions: Arc<Partitions>,
    newest: Arc<Mutex<Arc<Image>>>,
    followed: Arc<Image>,
    /// Where a part of the partitions lies; it may fail.
    mortal: SimulatedDisk,
    is_broken: bool,
    next_id: u128,
    next_producer: i64,
    /// Producers with an open transaction.
    transactions: BTreeMap<(Uuid, i32), Vec<i64>>,
}

fn open(disk: &SimulatedDisk, path: &str) -> Arc<LogDirectory> {
    let options = DirectoryOptions { cluster_id: Some("c".to_owned()), node_id: NODE };
    LogDirectory::open(Disk::Simulated(disk.clone()), Path::new(path), &options).unwrap()
}

/// One record of so many bytes.
fn record_of(size: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO, Compression::None);
    builder.append(NOW_MS, None, Some(&vec![7; size]), &[]).unwrap();
    builder.finish().unwrap()
}

impl World {
    pub fn new(seed: u64) -> World {
        let mortal = SimulatedDisk::new(seed);
        let directories = [open(&SimulatedDisk::new(seed), "/one"), open(&mortal, "/other")];
        let metadata = Arc::clone(&directories[0]);
        let members = directories.into_iter().map(|it| (it.path().to_owned(), Ok(it))).collect();
        let directories = Directories::new(members, metadata).unwrap();
        // As with Apache Kafka's own default, records count at once, without waiting for a thread.
        let configs = BrokerConfig::new([("log.flush.interval.messages", i64::MAX.to_string())]).unwrap();
        let partitions = Partitions::start(NODE, directories, configs).unwrap();
        let newest = Arc::new(Mutex::new(Arc::new(Image::default())));
        let looked_at = Arc::clone(&newest);
        partitions.look_at(move || Arc::clone(&looked_at.lock().unwrap()));
        let mut world = World {
            partitions,
            newest,
            followed: Arc::default(),
            mortal,
            is_broken: false,
            next_id: 1000,
            next_producer: 1,
            transactions: BTreeMap::new(),
        };
        TOPICS.iter().for_each(|name| world.create(name));
        world.follow();
        world
    }

    pub fn image(&self) -> Arc<Image> {
        Arc::clone(&self.newest.lock().unwrap())
    }

    /// The newest metadata, with these records.
    pub fn change(&mut self, records: &[MetadataRecord]) {
        let mut image = Image::clone(&self.image());
        records.iter().for_each(|record| image.replay(record));
        *self.newest.lock().unwrap() = Arc::new(image);
    }

    /// The node does what the newest metadata says.
    pub fn follow(&mut self) {
        let newest = self.image();
        self.partitions.follow(&newest, &newest.changes_since(&self.followed), NOW_MS);
        self.followed = newest;
    }

    /// The newest metadata has such a topic, which this node leads.
    pub fn create(&mut self, name: &'static str) {
        let topic_id = Uuid::from_u128(self.next_id);
        self.next_id += 1;
        let topic = TopicRecord { name: Text::from_static(name), topic_id, ..TopicRecord::default() };
        let mut records = vec![MetadataRecord::Topic(topic)];
        records.extend((0..PARTITIONS).map(|partition_id| {
            MetadataRecord::Partition(PartitionRecord {
                partition_id,
                topic_id,
                replicas: vec![NODE.0],
                isr: vec![NODE.0],
                leader: NODE.0,
                ..PartitionRecord::default()
            })
        }));
        self.change(&records);
    }

    /// Tells the newest metadata, however often the world changes.
    pub fn newest(&self) -> impl Fn() -> Arc<Image> + Send + Sync + 'static {
        let newest = Arc::clone(&self.newest);
        move || Arc::clone(&newest.lock().unwrap())
    }

    /// Names of topics that are there, and some that are not.
    pub fn some_topic(&self, random: &mut Random) -> &'static str {
        random.one_of(&TOPICS)
    }

    pub fn topic_id(&self, name: &str) -> Uuid {
        self.image().topic(name).map_or(Uuid::from_u128(7), |topic| topic.id)
    }

    pub fn partition(&self, topic: &str, index: i32) -> Option<Arc<Partition>> {
        self.partitions.get(self.image().topic(topic)?.id, index)
    }

    fn some_partition(&self, random: &mut Random) -> Option<Arc<Partition>> {
        let partition = self.partition(self.some_topic(random), random.below(PARTITIONS as u64) as i32)?;
        (!partition.is_offline()).then_some(partition)
    }

    /// All that there are at first.
    pub fn all_partitions() -> impl Iterator<Item = (&'static str, i32)> {
        TOPICS.iter().flat_map(|topic| (0..PARTITIONS).map(move |index| (*topic, index)))
    }

    /// One record of so many bytes, which is there when this returns.
    pub fn produce_now(partition: &Partition, size: usize) {
        let appended = partition.append(&record_of(size), Acks::All, CLIENT, NOW_MS).unwrap();
        assert_eq!(appended.wait, None);
    }

    /// A batch becomes durable, or the disk fails.
    async fn append(&self, partition: &Partition, batch: &[u8], origin: Origin<'_>) {
        let Ok(appended) = partition.append(batch, Acks::All, origin, NOW_MS) else { return };
        if let Some(end) = appended.wait {
            let _ = partition.ticket(end).reached().await;
            // Those who watch are told after those who wait.
            let _ = partition.ticket(end);
        }
    }

    /// Records of so many bytes.
    pub async fn produce(&self, partition: &Partition, size: usize) {
        self.append(partition, &record_of(size), CLIENT).await;
    }

    /// A transaction begins, or one ends.
    async fn transact(&mut self, partition: &Partition, random: &mut Random) {
        let open = self.transactions.entry((partition.topic_id(), partition.name().partition)).or_default();
        let batch = if open.len() < 2 && random.below(2) == 0 {
            let id = self.next_producer;
            self.next_producer += 1;
            open.push(id);
            let builder = BatchBuilder::new(Offset::ZERO, Compression::None);
            let mut builder = builder.producer(ProducerId(id), ProducerEpoch(0), 0).transactional(true);
            builder.append(NOW_MS, None, Some(b"in a transaction"), &[]).unwrap();
            builder.finish().unwrap()
        } else if let Some(id) = open.pop() {
            let marker = EndTransactionMarker { commit: random.below(2) == 0, coordinator_epoch: 0 };
            let (id, epoch) = (ProducerId(id), ProducerEpoch(0));
            BatchBuilder::end_transaction(Offset::ZERO, LeaderEpoch(0), NOW_MS, id, epoch, marker).unwrap()
        } else {
            return;
        };
        self.append(partition, &batch, Origin::Coordinator).await;
    }

    /// The newest metadata says that another node, or this one again, leads a partition in a new epoch.
    pub fn elect(&mut self, partition: &Partition, leader: i32) {
        self.change(&[MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: partition.name().partition,
            topic_id: partition.topic_id(),
            leader,
            ..PartitionChangeRecord::default()
        })]);
    }

    /// The newest metadata has no such topic.
    pub fn delete_topic(&mut self, name: &str) {
        let Some(id) = self.image().topic(name).map(|topic| topic.id) else { return };
        self.change(&[MetadataRecord::RemoveTopic(RemoveTopicRecord {
            topic_id: id,
            ..RemoveTopicRecord::default()
        })]);
    }

    /// One disk fails, and everybody is told.
    async fn break_disk(&mut self) {
        self.is_broken = true;
        self.mortal.fail_writes(Some(std::io::ErrorKind::Other));
        for partition in self.partitions.all() {
            self.produce(&partition, 1).await;
        }
        self.partitions.checkpoint(NOW_MS);
    }

    /// Something that a fetch which waits is told of.
    pub async fn happen(&mut self, random: &mut Random) -> &'static str {
        let Some(partition) = self.some_partition(random) else {
            let name = self.some_topic(random);
            if self.image().topic(name).is_none() {
                self.create(name);
            }
            self.follow();
            return "a topic is created";
        };
        match random.below(40) {
            0..20 => {
                self.produce(&partition, random.below(200) as usize).await;
                "records"
            }
            20..29 => {
                self.transact(&partition, random).await;
                "a transaction"
            }
            29..33 => {
                let to = [-1, 0, 1, partition.high_watermark().0][random.below(4) as usize];
                let _ = partition.delete_records(to, NOW_MS);
                "records are deleted"
            }
            33 => {
                self.partitions.retain(MUCH_LATER_MS);
                "retention"
            }
            34 | 35 => {
                self.elect(&partition, NODE.0);
                self.follow();
                "an epoch"
            }
            36 => {
                let name = partition.name().topic.to_string();
                self.delete_topic(&name);
                self.follow();
                "a topic is deleted"
            }
            37 => {
                let name = TOPICS.iter().find(|name| ***name == *partition.name().topic).unwrap();
                self.delete_topic(name);
                self.follow();
                self.create(name);
                self.follow();
                "a topic is made anew"
            }
            38 => {
                let next_producer_id = self.next_producer;
                self.change(&[MetadataRecord::ProducerIds(ProducerIdsRecord {
                    next_producer_id,
                    ..ProducerIdsRecord::default()
                })]);
                "other metadata"
            }
            _ if !self.is_broken && random.below(10) == 0 => {
                self.break_disk().await;
                "a disk fails"
            }
            _ => "nothing",
        }
    }

    /// What only the next fetch finds: metadata that the node has not followed yet, or follows without a word to its
    /// partitions.
    pub fn change_silently(&mut self, random: &mut Random) -> &'static str {
        let name = self.some_topic(random);
        let partition = self.some_partition(random);
        match (random.below(5), partition) {
            (0, Some(partition)) => self.elect(&partition, OTHER_NODE),
            (1, Some(partition)) => self.elect(&partition, NODE.0),
            (2, _) => self.delete_topic(name),
            (3, _) if self.image().topic(name).is_none() => self.create(name),
            _ => self.follow(),
        }
        "metadata"
    }
}
