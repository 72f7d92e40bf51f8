//! All partitions that live on this node.

use crate::committer;
use crate::partition::Partition;
use crate::rules::Rules;
use arc_swap::ArcSwap;
use ottla_configs::{BrokerConfig, TopicConfig, TopicDefaults};
use ottla_ids::{NodeId, Offset, TopicId, TopicPartition};
use ottla_metadata::{Changes, ConfigResource, Image, ResourceType, Topic};
use ottla_storage::{LogDirectory, StorageError};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Why a partition could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another node leads it, or none.
    #[error("partition {partition} is not led by this node")]
    NotHere {
        /// The partition.
        partition: TopicPartition,
    },
    /// The disk failed, or what is on it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The partitions of this node, by topic id and index.
///
/// A partition is opened when it is first used, and stays open: an idle one costs a few KiB.
#[derive(Debug)]
pub struct Partitions {
    node: NodeId,
    directory: Arc<LogDirectory>,
    /// The broker's file and command line.
    given: BrokerConfig,
    /// With what the metadata says above it.
    configs: ArcSwap<InForce>,
    by_id: papaya::HashMap<(TopicId, i32), Arc<Partition>>,
    /// The tags under which logs tell what became durable.
    by_tag: papaya::HashMap<u64, Arc<Partition>>,
    tag_next: AtomicU64,
    /// Held while a partition is opened, closed or deleted, so that nobody opens a folder twice.
    changing: Mutex<()>,
    offline: AtomicBool,
    committer: Mutex<Option<JoinHandle<()>>>,
}

/// The broker's configuration as it counts now.
#[derive(Debug)]
struct InForce {
    broker: BrokerConfig,
    defaults: TopicDefaults,
}

impl InForce {
    fn new(broker: BrokerConfig) -> InForce {
        InForce { defaults: broker.topic_defaults(), broker }
    }
}

impl Partitions {
    /// The partitions in `directory`, none of them opened yet, and the thread that makes appends durable.
    pub fn start(
        node: NodeId,
        directory: Arc<LogDirectory>,
        configs: BrokerConfig,
    ) -> std::io::Result<Arc<Partitions>> {
        let partitions = Arc::new(Partitions {
            node,
            directory: Arc::clone(&directory),
            configs: ArcSwap::from_pointee(InForce::new(configs.clone())),
            given: configs,
            by_id: papaya::HashMap::new(),
            by_tag: papaya::HashMap::new(),
            tag_next: AtomicU64::new(1),
            changing: Mutex::new(()),
            offline: AtomicBool::new(false),
            committer: Mutex::new(None),
        });
        let thread = committer::spawn(directory, Arc::downgrade(&partitions))?;
        *partitions.committer.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(partitions)
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The log directory.
    pub fn directory(&self) -> &Arc<LogDirectory> {
        &self.directory
    }

    /// Whether the log directory failed.
    pub fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Acquire)
    }

    /// The partition, if it is open.
    pub fn get(&self, topic_id: TopicId, index: i32) -> Option<Arc<Partition>> {
        self.by_id.pin().get(&(topic_id, index)).cloned()
    }

    /// The partition `index` of `topic`, opened now if it was not: created, or loaded and recovered.
    pub fn get_or_open(&self, image: &Image, topic: &Topic, index: i32) -> Result<Arc<Partition>, OpenError> {
        match self.get(topic.id, index) {
            Some(partition) => Ok(partition),
            None => self.open(image, topic, index),
        }
    }

    fn open(&self, image: &Image, topic: &Topic, index: i32) -> Result<Arc<Partition>, OpenError> {
        let name = TopicPartition::new(&topic.name, index);
        let leads = |it: &&Arc<ottla_metadata::Partition>| it.leader == Some(self.node);
        let Some(state) = topic.partition(index).filter(leads) else {
            return Err(OpenError::NotHere { partition: name });
        };
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(partition) = self.get(topic.id, index) {
            return Ok(partition); // somebody was faster
        }
        let rules = self.rules(image, &topic.name);
        let tag = self.tag_next.fetch_add(1, Ordering::Relaxed);
        let log = self.directory.open_log(&name, topic.id, rules.log, tag)?;
        let partition = Arc::new(Partition::new(name, topic.id, log, state, rules));
        if self.is_offline() {
            partition.fail();
        }
        self.by_tag.pin().insert(tag, Arc::clone(&partition));
        self.by_id.pin().insert((topic.id, index), Arc::clone(&partition));
        Ok(partition)
    }

    /// The broker's configuration as it counts now: its file and what the followed metadata says above it.
    pub fn broker_config(&self) -> BrokerConfig {
        self.configs.load().broker.clone()
    }

    /// The effective configuration of a topic on this node.
    pub fn config(&self, image: &Image, topic: &str) -> TopicConfig {
        let settings = image.settings(&ConfigResource::topic(topic));
        TopicConfig::resolve(settings, &self.configs.load().defaults)
    }

    fn rules(&self, image: &Image, topic: &str) -> Rules {
        let expiration_ms = self.configs.load().broker.int("producer.id.expiration.ms");
        Rules::of(&self.config(image, topic), expiration_ms.into())
    }

    /// Configurations of this broker, of all brokers, and of topics take effect in what is open.
    fn follow_configs(&self, image: &Image, changes: &Changes) {
        let (all, own) = (ConfigResource::all_brokers(), ConfigResource::broker(self.node));
        // Nobody opens a partition by the old configuration meanwhile.
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.configs_changed.iter().any(|it| *it == all || *it == own) {
            let broker = self.given.with_dynamic(image.settings(&all), image.settings(&own));
            self.configs.store(Arc::new(InForce::new(broker)));
            for partition in self.all() {
                partition.set_rules(self.rules(image, &partition.name().topic));
            }
            return;
        }
        for resource in changes.configs_changed.iter().filter(|it| it.kind == ResourceType::Topic) {
            let Some(topic) = image.topic(&resource.name) else { continue };
            let rules = self.rules(image, &topic.name);
            for index in topic.partitions.keys() {
                if let Some(partition) = self.get(topic.id, *index) {
                    partition.set_rules(rules.clone());
                }
            }
        }
    }

    /// Follows the cluster: new partitions are opened, those of deleted topics go away, configurations
    /// take effect. An error concerns the partition it names; the others are followed all the same.
    pub fn follow(&self, image: &Image, changes: &Changes, now_ms: i64) -> Vec<(TopicPartition, OpenError)> {
        let mut failed = Vec::new();
        self.follow_configs(image, changes);
        for topic in &changes.topics_deleted {
            for index in topic.partitions.keys() {
                if let Err(error) = self.delete(topic, *index, now_ms) {
                    failed.push((TopicPartition::new(&topic.name, *index), error.into()));
                }
            }
        }
        let created =
            changes.topics_created.iter().map(|topic| (topic, topic.partitions.keys().copied().collect()));
        let changed = changes
            .topics_changed
            .iter()
            .map(|change| (&change.topic, change.partitions.iter().map(|(index, ..)| *index).collect()));
        for (topic, indexes) in created.chain(changed) {
            let indexes: Vec<i32> = indexes;
            for index in indexes {
                match self.get_or_open(image, topic, index) {
                    Ok(partition) => {
                        if let Some(state) = topic.partition(index) {
                            partition.lead_as(state);
                        }
                    }
                    Err(OpenError::NotHere { .. }) => {}
                    Err(error) => failed.push((TopicPartition::new(&topic.name, index), error)),
                }
            }
        }
        failed
    }

    /// The folder of a partition whose topic is gone is renamed at once and removed later.
    fn delete(&self, topic: &Topic, index: i32, now_ms: i64) -> Result<(), StorageError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let partition = self.by_id.pin().remove(&(topic.id, index)).cloned();
        if let Some(partition) = partition {
            self.by_tag.pin().remove(&partition.log().tag());
            partition.fail();
        }
        let name = TopicPartition::new(&topic.name, index);
        // A folder of that name may by now be another topic's, which was created since.
        if self.directory.topic_id(&name)? == Some(topic.id) {
            self.directory.delete_log(&name, now_ms)?;
        }
        Ok(())
    }

    /// What the committer tells: the log with this tag is durable up to `end`.
    pub(crate) fn on_durable(&self, tag: u64, end: Offset) {
        // Logs that are not a partition's, as the metadata log, have tags that nobody here knows.
        let partition = self.by_tag.pin().get(&tag).cloned();
        if let Some(partition) = partition {
            partition.advance(end);
        }
    }

    /// The directory failed.
    pub(crate) fn on_offline(&self) {
        self.offline.store(true, Ordering::Release);
        for partition in self.all() {
            partition.fail();
        }
    }

    /// The partitions that are open.
    pub fn all(&self) -> Vec<Arc<Partition>> {
        self.by_id.pin().values().cloned().collect()
    }

    /// Work that time brings: syncs by `flush.ms`, and recovery points. Blocks; to be called about ten times
    /// a second by a thread that may.
    pub fn checkpoint(&self, now_ms: i64) {
        if self.is_offline() {
            return;
        }
        if let Err(error) = self.directory.checkpoint(now_ms) {
            self.complain("advancing recovery points", &error);
        }
    }

    /// Work that time brings, less often: removes what was deleted, forgets idle producers, writes the high
    /// watermarks. Blocks; to be called every few seconds by a thread that may.
    pub fn tidy(&self, now_ms: i64) {
        if self.is_offline() {
            return;
        }
        let partitions = self.all();
        for partition in &partitions {
            partition.log().expire_producers(now_ms);
        }
        let marks = partitions.iter().map(|it| (it.name().clone(), it.high_watermark()));
        if let Err(error) = self.directory.write_high_watermarks(marks) {
            self.complain("writing high watermarks", &error);
        }
        if let Err(error) = self.directory.remove_deleted(now_ms) {
            self.complain("removing deleted files", &error);
        }
    }

    fn complain(&self, what: &str, error: &StorageError) {
        tracing::error!(directory = %self.directory.path().display(), %error, "{what} failed");
    }

    /// Stops the committer after it has synced what waits, and closes all logs: the next start finds a
    /// clean directory.
    pub fn close(&self, broker_epoch: i64) -> Result<(), StorageError> {
        self.directory.commit_queue().shut_down();
        let thread = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread was told by the panic hook; the directory is then not clean.
            if thread.join().is_err() {
                return Ok(());
            }
        }
        self.directory.close(broker_epoch)
    }
}
