//! All partitions that live on this node.

use crate::committer;
use crate::directories::Directories;
use crate::news::News;
use crate::partition::Partition;
use crate::retention::{self, Clock, RetentionSettings};
use crate::rules::Rules;
use crate::worker::Worker;
use arc_swap::ArcSwap;
use ottla_configs::{BrokerConfig, TopicConfig, TopicDefaults};
use ottla_ids::{NodeId, Offset, TopicId, TopicPartition};
use ottla_metadata::{Changes, ConfigResource, DirectoryId, Image, ResourceType, Topic};
use ottla_storage::{LogDirectory, StorageError};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
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
    directories: Directories,
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
    /// What the controller is to be told; see [`Partitions::news`].
    news: News,
    /// One thread for each directory.
    committers: Mutex<Vec<JoinHandle<()>>>,
    /// The threads that delete and clean.
    workers: Mutex<Vec<Worker>>,
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
    /// The partitions in `directories`, none of them opened yet, and the threads that make appends durable.
    pub fn start(
        node: NodeId,
        directories: Directories,
        configs: BrokerConfig,
    ) -> std::io::Result<Arc<Partitions>> {
        let partitions = Arc::new(Partitions {
            node,
            directories,
            configs: ArcSwap::from_pointee(InForce::new(configs.clone())),
            given: configs,
            by_id: papaya::HashMap::new(),
            by_tag: papaya::HashMap::new(),
            tag_next: AtomicU64::new(1),
            changing: Mutex::new(()),
            news: News::default(),
            committers: Mutex::new(Vec::new()),
            workers: Mutex::default(),
        });
        for directory in partitions.directories.opened() {
            let thread = committer::spawn(directory, Arc::downgrade(&partitions))?;
            partitions.committers.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(partitions)
    }

    /// Starts the thread that deletes by retention and removes what was deleted.
    pub fn start_retention(
        self: &Arc<Self>,
        settings: RetentionSettings,
        clock: Clock,
    ) -> std::io::Result<()> {
        let worker = retention::spawn(Arc::downgrade(self), settings, clock)?;
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        Ok(())
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The log directories.
    pub fn directories(&self) -> &Directories {
        &self.directories
    }

    /// What the controller is to be told: partitions that were placed, directories that failed.
    pub fn news(&self) -> &News {
        &self.news
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
        let assigned = state.directory(self.node);
        let directory = match self.directories.home(&name) {
            Some(directory) => directory,
            None => {
                let is_free =
                    [None, Some(DirectoryId::UNASSIGNED), Some(DirectoryId::LOST)].contains(&assigned);
                self.directories.place(&name, assigned.filter(|_| !is_free))?
            }
        };
        let log = directory.open_log(&name, topic.id, rules.log, tag)?;
        if assigned != Some(directory.id()) {
            self.news.placed(topic.id, index, directory.id());
        }
        let partition = Arc::new(Partition::new(name, topic.id, log, state, rules));
        self.by_tag.pin().insert(tag, Arc::clone(&partition));
        self.by_id.pin().insert((topic.id, index), Arc::clone(&partition));
        if directory.offline_reason().is_some() {
            partition.fail(); // it failed while the log was opened, and does not tell it again
        }
        Ok(partition)
    }

    /// The broker's configuration as it counts now: its file and what the followed metadata says above it.
    pub fn broker_config(&self) -> BrokerConfig {
        self.configs.load().broker.clone()
    }

    /// Why the directory of a partition that this node does not lead, but has a copy of, cannot be used.
    /// `None` where it can, or where the copy lies elsewhere.
    pub fn offline_reason(&self, topic: &Topic, index: i32) -> Option<StorageError> {
        let id = topic.partition(index)?.directory(self.node)?;
        match self.get(topic.id, index) {
            Some(partition) => partition.offline_error(),
            None if DirectoryId::is_reserved(id) => None,
            None => self.directories.missing(id),
        }
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
        let Some(directory) = self.directories.home(&name) else { return Ok(()) };
        if directory.topic_id(&name)? == Some(topic.id) {
            directory.delete_log(&name, now_ms)?;
            self.directories.forget(&name);
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

    /// This directory failed: nothing in it can be used until the node starts again. The others go on.
    pub(crate) fn on_offline(&self, directory: &LogDirectory) {
        if !self.news.failed(directory.id()) {
            return; // it was known
        }
        for partition in self.all().iter().filter(|it| it.directory_path() == directory.path()) {
            partition.fail();
        }
    }

    /// Directories in which a write failed take their partitions with them.
    fn notice_failures(&self) {
        self.directories.failed().iter().for_each(|directory| self.on_offline(directory));
    }

    /// The partitions that are open.
    pub fn all(&self) -> Vec<Arc<Partition>> {
        self.by_id.pin().values().cloned().collect()
    }

    /// Work that time brings: syncs by `flush.ms`, and recovery points. Blocks; to be called about ten times
    /// a second by a thread that may.
    pub fn checkpoint(&self, now_ms: i64) {
        self.notice_failures();
        for directory in self.directories.opened().iter().filter(|it| it.offline_reason().is_none()) {
            if let Err(error) = directory.checkpoint(now_ms) {
                complain(directory, "advancing recovery points", &error);
            }
        }
    }

    /// Work that time brings, less often: forgets idle producers, writes the high watermarks. Blocks; to be
    /// called every few seconds by a thread that may.
    pub fn tidy(&self, now_ms: i64) {
        let mut marks: BTreeMap<Box<Path>, Vec<(TopicPartition, Offset)>> = BTreeMap::new();
        for partition in self.all().iter().filter(|it| !it.is_offline()) {
            partition.log().expire_producers(now_ms);
            let mark = (partition.name().clone(), partition.high_watermark());
            match marks.get_mut(partition.directory_path()) {
                Some(marks) => marks.push(mark),
                None => drop(marks.insert(partition.directory_path().into(), vec![mark])),
            }
        }
        for directory in self.directories.opened().iter().filter(|it| it.offline_reason().is_none()) {
            let marks = marks.remove(directory.path()).unwrap_or_default();
            if let Err(error) = directory.write_high_watermarks(marks) {
                complain(directory, "writing high watermarks", &error);
            }
        }
    }

    /// Removes the files of segments and topics that were deleted long enough ago. Blocks, and may take long.
    pub fn remove_deleted(&self, now_ms: i64) {
        for directory in self.directories.opened().iter().filter(|it| it.offline_reason().is_none()) {
            if let Err(error) = directory.remove_deleted(now_ms) {
                complain(directory, "removing deleted files", &error);
            }
        }
    }

    /// Stops the committers after they have synced what waits, and closes all logs: the next start finds
    /// clean directories. A directory that failed is left as it is.
    ///
    /// # Errors
    /// The first one; the other directories are closed all the same.
    pub fn close(&self, broker_epoch: i64) -> Result<(), StorageError> {
        let workers = std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        workers.into_iter().for_each(Worker::stop);
        let opened = self.directories.opened();
        opened.iter().for_each(|directory| directory.commit_queue().shut_down());
        let threads = std::mem::take(&mut *self.committers.lock().unwrap_or_else(PoisonError::into_inner));
        // A panic of a thread was told by the panic hook; its directory is then not clean.
        let panicked = threads.into_iter().filter_map(|thread| thread.join().err()).count();
        if panicked > 0 {
            return Ok(());
        }
        let mut result = Ok(());
        for directory in opened.iter().filter(|it| it.offline_reason().is_none()) {
            result = result.and(directory.close(broker_epoch));
        }
        result
    }
}

fn complain(directory: &LogDirectory, what: &str, error: &StorageError) {
    tracing::error!(directory = %directory.path().display(), %error, "{what} failed");
}
