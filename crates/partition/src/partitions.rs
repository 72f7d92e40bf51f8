//! All partitions that live on this node.

use crate::cleaner::Cleaner;
use crate::committer;
use crate::directories::Directories;
use crate::isolated::Isolated;
use crate::moves::{AssignError, Assignments, Cluster, Moves};
use crate::news::News;
use crate::partition::Partition;
use crate::retention::{self, Clock, RetentionSettings};
use crate::rules::Rules;
use crate::worker::Worker;
use arc_swap::ArcSwap;
use ottla_configs::{BrokerConfig, TopicConfig, TopicDefaults};
use ottla_ids::{NodeId, Offset, TopicId, TopicPartition, Uuid};
use ottla_metadata::{Changes, ConfigResource, DirectoryId, Image, ResourceType, Topic};
use ottla_protocol::Text;
use ottla_storage::{Log, LogDirectory, Relocation, StorageError, Wanted};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// So many partitions are opened together, by those that nobody waits for.
const OPENED_TOGETHER: usize = 256;
/// How often it is looked, every 100 µs, whether nobody waits any more to open a partition.
const TRIES_TO_LET_IN: usize = 50;

/// The key for [`Partitions::move_rate`], which only the metadata sets.
const MOVE_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

/// Why a partition could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another node leads it, or none.
    #[error("partition {partition} is not led by this node")]
    NotHere {
        /// The partition.
        partition: TopicPartition,
    },
    /// Its log was found damaged before.
    #[error("partition {partition} is isolated until the next start: {reason}")]
    Isolated {
        /// The partition.
        partition: TopicPartition,
        /// What was found: the file, the byte, the offset.
        reason: Arc<str>,
    },
    /// The disk failed, or what is on it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a partition is not moved to another log directory.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The second folder that a move needs would have too long a name.
    #[error("the name of topic {topic} is too long to be moved between log directories")]
    NameTooLong {
        /// The topic.
        topic: Text,
    },
    /// No such directory is configured.
    #[error("log directory {path} is not in log.dirs")]
    UnknownDirectory {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The directory gets no new partitions (`cordoned.log.dirs`).
    #[error("log directory {path} is cordoned")]
    Cordoned {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// There is no such partition. When it is created, it is placed in the directory.
    #[error("partition {partition} does not exist yet; it will be placed in the log directory")]
    Unknown {
        /// The partition.
        partition: TopicPartition,
    },
    /// The partition has no copy on this node. When it gets one, it is placed in the directory.
    #[error("partition {partition} has no copy here yet; it will be placed in the log directory")]
    NotHere {
        /// The partition.
        partition: TopicPartition,
    },
    /// A directory failed.
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
    /// The image whose configurations were last followed.
    followed: ArcSwap<Image>,
    /// Tells the newest image, see [`Partitions::look_at`].
    newest: OnceLock<Newest>,
    /// Topics of which partitions were opened before they were followed; see [`Partitions::follow`].
    ahead: Mutex<Vec<Arc<Topic>>>,
    by_id: papaya::HashMap<(TopicId, i32), Arc<Partition>>,
    /// The tags under which logs tell what became durable.
    by_tag: papaya::HashMap<u64, Arc<Partition>>,
    tag_next: AtomicU64,
    isolated: Isolated,
    /// Held while a partition is opened, closed or deleted, so that nobody opens a folder twice.
    changing: Mutex<()>,
    /// How many wait for `changing` to open a partition that is wanted now.
    in_line: AtomicUsize,
    /// What the controller is to be told; see [`Partitions::news`].
    news: News,
    moves: Moves,
    /// Whether moves that the last stop interrupted were begun anew.
    has_resumed: AtomicBool,
    /// One thread for each directory.
    committers: Mutex<Vec<JoinHandle<()>>>,
    /// The threads that delete and clean.
    workers: Mutex<Vec<Worker>>,
    cleaner: Cleaner,
}

/// Where the newest image is to be had.
struct Newest(Box<dyn Fn() -> Arc<Image> + Send + Sync>);

impl std::fmt::Debug for Newest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Newest")
    }
}

/// What is opened together in one directory.
struct Opening<'a> {
    directory: Arc<LogDirectory>,
    wanted: Vec<Wanted>,
    states: Vec<(&'a ottla_metadata::Partition, Arc<Rules>)>,
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
            followed: ArcSwap::default(),
            newest: OnceLock::new(),
            ahead: Mutex::default(),
            by_id: papaya::HashMap::new(),
            by_tag: papaya::HashMap::new(),
            tag_next: AtomicU64::new(1),
            isolated: Isolated::default(),
            changing: Mutex::new(()),
            in_line: AtomicUsize::new(0),
            news: News::default(),
            moves: Moves::default(),
            has_resumed: AtomicBool::new(false),
            committers: Mutex::new(Vec::new()),
            workers: Mutex::default(),
            cleaner: Cleaner::default(),
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
        self.add_worker(worker);
        Ok(())
    }

    pub(crate) fn add_worker(&self, worker: Worker) {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }

    /// What the threads that clean share.
    pub(crate) fn cleaner(&self) -> &Cleaner {
        &self.cleaner
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

    /// From now on `newest` tells the newest image, by which partitions are opened: requests may come with older
    /// ones.
    pub fn look_at(&self, newest: impl Fn() -> Arc<Image> + Send + Sync + 'static) {
        // Set once, by who has made these partitions.
        let _ = self.newest.set(Newest(Box::new(newest)));
    }

    /// The newest image, if somebody tells it.
    fn newest(&self) -> Option<Arc<Image>> {
        self.newest.get().map(|newest| newest.0())
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
        let not_here = || OpenError::NotHere { partition: name.clone() };
        self.in_line.fetch_add(1, Ordering::AcqRel);
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.in_line.fetch_sub(1, Ordering::AcqRel);
        if let Some(partition) = self.get(topic.id, index) {
            return Ok(partition); // somebody was faster
        }
        if let Some(reason) = self.isolated.reason(topic.id, index) {
            return Err(OpenError::Isolated { partition: name, reason });
        }
        // A request may have come with an older image. What counts is whether the topic is there now: of one that was
        // deleted meanwhile nobody would close the partition, and the next topic of its name would find its folder.
        let newest = self.newest();
        let image = newest.as_deref().unwrap_or(image);
        let topic = image.topic_by_id(topic.id).ok_or_else(not_here)?;
        let leads = |it: &&Arc<ottla_metadata::Partition>| it.leader == Some(self.node);
        let state = topic.partition(index).filter(leads).ok_or_else(not_here)?;
        let followed = self.followed.load();
        let known = followed.topic(&topic.name);
        if known.is_some_and(|known| known.id != topic.id) {
            return Err(not_here()); // the folder is that of a deleted topic, until its deletion is followed
        }
        if known.is_none() {
            self.ahead.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(topic));
        }
        // Changes of configuration are followed in what is open: later ones than these find this partition.
        let rules = Arc::new(self.rules(if known.is_some() { &followed } else { image }, &topic.name));
        let wanted = self.wanted(name, topic.id, &rules);
        let directory = self.directory_of(&wanted.partition, state)?;
        let log = directory.open_log(&wanted.partition, wanted.topic_id, wanted.config, wanted.tag);
        let log = self.answer_damage(log, &directory, &wanted, image)?;
        Ok(self.add(log, &directory, state, rules))
    }

    /// What is done where a log cannot be opened: a folder of a topic that is deleted since is set aside, one of
    /// another topic that the cluster has is not touched; a damaged log is isolated.
    fn answer_damage(
        &self,
        opened: Result<Arc<Log>, StorageError>,
        directory: &LogDirectory,
        wanted: &Wanted,
        image: &Image,
    ) -> Result<Arc<Log>, StorageError> {
        let name = &wanted.partition;
        let opened = match opened {
            Err(StorageError::TopicIdMismatch { found, .. }) if image.topic_by_id(found).is_none() => {
                tracing::error!(%name, topic_id = %found, "the folder is of a topic that is gone: it is set aside");
                directory.set_aside_stray(name)?;
                directory.open_log(name, wanted.topic_id, wanted.config, wanted.tag)
            }
            opened => opened,
        };
        opened.inspect_err(|error| self.isolated.note(name, wanted.topic_id, error))
    }

    fn wanted(&self, partition: TopicPartition, topic_id: TopicId, rules: &Rules) -> Wanted {
        let tag = self.tag_next.fetch_add(1, Ordering::Relaxed);
        Wanted { partition, topic_id, config: rules.log, tag }
    }

    /// The directory in which the partition lies, or is to lie from now on.
    fn directory_of(
        &self,
        name: &TopicPartition,
        state: &ottla_metadata::Partition,
    ) -> Result<Arc<LogDirectory>, StorageError> {
        let assigned = state.directory(self.node);
        let home = match assigned.and_then(|id| self.directories.by_id(id)) {
            Some(named) => self.end_move(name, &named)?,
            None => self.directories.home(name),
        };
        if let Some(directory) = home {
            return Ok(directory);
        }
        let is_free = [None, Some(DirectoryId::UNASSIGNED), Some(DirectoryId::LOST)].contains(&assigned);
        self.directories.place(name, assigned.filter(|_| !is_free))
    }

    /// Leads a log that was opened.
    fn add(
        &self,
        log: Arc<Log>,
        directory: &LogDirectory,
        state: &ottla_metadata::Partition,
        rules: Arc<Rules>,
    ) -> Arc<Partition> {
        let partition = Arc::new(Partition::new(log, state, rules));
        let (topic_id, index) = (partition.topic_id(), partition.name().partition);
        if state.directory(self.node) != Some(directory.id()) {
            self.news.placed(topic_id, index, directory.id());
        }
        self.by_tag.pin().insert(partition.log().tag(), Arc::clone(&partition));
        self.by_id.pin().insert((topic_id, index), Arc::clone(&partition));
        if directory.offline_reason().is_some() {
            partition.fail(); // it failed while the log was opened, and does not tell it again
        }
        partition
    }

    /// Opens those of these partitions that this node leads, [`OPENED_TOGETHER`] at a time: who wants one of
    /// them meanwhile waits for a few milliseconds.
    fn open_all(&self, image: &Image, all: &[(&Topic, i32)], failed: &mut Vec<(TopicPartition, OpenError)>) {
        let mut rules: Option<(TopicId, Arc<Rules>)> = None;
        for some in all.chunks(OPENED_TOGETHER) {
            let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
            let mut by_directory: BTreeMap<Uuid, Opening<'_>> = BTreeMap::new();
            for (topic, index) in some {
                let Some(state) = topic.partition(*index).filter(|it| it.leader == Some(self.node)) else {
                    continue;
                };
                if let Some(partition) = self.get(topic.id, *index) {
                    partition.lead_as(state);
                    continue;
                }
                // They come topic by topic.
                let of_topic = match &rules {
                    Some((id, rules)) if *id == topic.id => Arc::clone(rules),
                    _ => Arc::new(self.rules(image, &topic.name)),
                };
                rules = Some((topic.id, Arc::clone(&of_topic)));
                let name = TopicPartition::new(&topic.name, *index);
                match self.directory_of(&name, state) {
                    Ok(directory) => {
                        let opening = by_directory.entry(directory.id()).or_insert_with(|| Opening {
                            directory,
                            wanted: Vec::new(),
                            states: Vec::new(),
                        });
                        opening.wanted.push(self.wanted(name, topic.id, &of_topic));
                        opening.states.push((state, of_topic));
                    }
                    Err(error) => failed.push((name, error.into())),
                }
            }
            for Opening { directory, wanted, states } in by_directory.into_values() {
                let opened = directory.open_logs(&wanted);
                for ((wanted, log), (state, rules)) in wanted.into_iter().zip(opened).zip(states) {
                    match self.answer_damage(log, &directory, &wanted, image) {
                        Ok(log) => drop(self.add(log, &directory, state, rules)),
                        Err(error) => failed.push((wanted.partition, error.into())),
                    }
                }
            }
            drop(_changing);
            self.let_others_in();
        }
    }

    /// A mutex may be taken again by who has just left it; this lets those have it who wait.
    fn let_others_in(&self) {
        for _ in 0..TRIES_TO_LET_IN {
            if self.in_line.load(Ordering::Acquire) == 0 {
                return;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// The folder's directory, once a move is at its end that a crash interrupted: `named` is the directory that
    /// the metadata names.
    fn end_move(
        &self,
        name: &TopicPartition,
        named: &Arc<LogDirectory>,
    ) -> Result<Option<Arc<LogDirectory>>, StorageError> {
        let home = self.directories.home(name);
        if home.as_ref().is_some_and(|home| Arc::ptr_eq(home, named)) || !named.has_whole_future(name)? {
            return Ok(home);
        }
        if let Some(home) = home {
            // Of a log that is not open, the folder is removed at the next opportunity.
            home.delete_log(name, 0)?;
        }
        named.adopt_future(name)?;
        self.directories.set_home(name, named);
        Ok(Some(Arc::clone(named)))
    }

    /// Starts the threads that move partitions between log directories
    /// (`num.replica.alter.log.dirs.threads`). `clock` gives the time in ms since 1970.
    ///
    /// # Errors
    /// The operating system gives no more threads.
    pub fn start_moves(
        self: &Arc<Self>,
        assignments: Arc<dyn Assignments>,
        clock: fn() -> i64,
    ) -> std::io::Result<()> {
        let count = self.given.find_int("num.replica.alter.log.dirs.threads");
        let count = count.and_then(|count| usize::try_from(count).ok());
        let count = count.unwrap_or(self.directories.states().len()).max(1);
        self.moves.start(self, &Cluster { assignments, clock }, count)
    }

    /// Stops moving partitions: what is under way begins anew at the next start. Blocks until the threads ended. To
    /// be called while the metadata can still be changed.
    pub fn stop_moves(&self) {
        self.moves.stop();
    }

    pub(crate) fn moves(&self) -> &Moves {
        &self.moves
    }

    /// Most bytes a second that moves copy (`replica.alter.log.dirs.io.max.bytes.per.second`); `None`: no limit.
    pub(crate) fn move_rate(&self) -> Option<u64> {
        let rate = self.configs.load().broker.dynamic_long(MOVE_RATE)?;
        u64::try_from(rate).ok().filter(|rate| *rate < i64::MAX as u64)
    }

    /// Wants partition `index` of `topic` in another log directory: the move goes on in the background. Wanting it
    /// where it is gives a move up.
    ///
    /// # Errors
    /// See [`MoveError`].
    pub fn move_to(&self, image: &Image, topic: &Text, index: i32, path: &Path) -> Result<(), MoveError> {
        let name = TopicPartition::new(topic, index);
        if !LogDirectory::can_move(&name) {
            return Err(MoveError::NameTooLong { topic: topic.clone() });
        }
        let destination = match self.directories.by_path(path) {
            None => return Err(MoveError::UnknownDirectory { path: path.to_owned() }),
            Some(Err(reason)) => return Err(StorageError::Offline { path: path.to_owned(), reason }.into()),
            Some(Ok(directory)) if self.directories.is_cordoned(&directory) => {
                return Err(MoveError::Cordoned { path: path.to_owned() });
            }
            Some(Ok(directory)) => directory,
        };
        let known = image.topic(topic).filter(|topic| topic.partition(index).is_some());
        if let Some(error) = known.and_then(|topic| self.offline_reason(topic, index)) {
            return Err(error.into());
        }
        let opened = known.map(|topic| self.get_or_open(image, topic, index));
        let partition = match opened {
            Some(Ok(partition)) => partition,
            Some(Err(OpenError::Storage(error))) => return Err(error.into()),
            Some(Err(OpenError::Isolated { reason, .. })) => {
                let path = PathBuf::from(name.to_string());
                return Err(StorageError::InvalidFile { path, reason: reason.to_string() }.into());
            }
            Some(Err(OpenError::NotHere { .. })) => {
                self.directories.prefer(&name, &destination);
                return Err(MoveError::NotHere { partition: name });
            }
            None => {
                self.directories.prefer(&name, &destination);
                return Err(MoveError::Unknown { partition: name });
            }
        };
        let key = (partition.topic_id(), index);
        // Nobody switches meanwhile.
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.directories.home(&name).is_some_and(|home| Arc::ptr_eq(&home, &destination)) {
            self.give_up_move(key, &name);
        } else {
            self.moves.want(key, destination);
        }
        Ok(())
    }

    fn give_up_move(&self, key: (TopicId, i32), name: &TopicPartition) {
        // A thread that has begun it throws its copy away itself.
        let Some(destination) = self.moves.cancel(key) else { return };
        if let Err(error) = destination.discard_futures(name) {
            complain(&destination, "removing the copy of a move that was given up", &error);
        }
    }

    /// Puts the copy in the place of the partition's log. Returns it when that has to be tried again.
    pub(crate) fn switch(
        &self,
        cluster: &Cluster,
        partition: &Arc<Partition>,
        mut relocation: Relocation,
        is_wanted: impl Fn() -> bool,
    ) -> Result<Option<Relocation>, StorageError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let _switching = partition.switching();
        if !is_wanted() {
            return Ok(Some(relocation));
        }
        match relocation.seal() {
            Ok(()) => {}
            Err(error) if error.is_disk_full() => {
                tracing::warn!(partition = %partition.name(), %error, "the move waits for room");
                return Ok(Some(relocation));
            }
            Err(error) => {
                relocation.discard()?;
                return Err(error);
            }
        }
        let destination = Arc::clone(relocation.destination());
        let (topic_id, index) = (partition.topic_id(), partition.name().partition);
        match cluster.assignments.assign(topic_id, index, destination.id()) {
            Ok(()) => {}
            Err(error @ AssignError::Refused(_)) => {
                tracing::warn!(partition = %partition.name(), %error, "the move waits");
                relocation.unseal().inspect_err(|_| partition.fail())?;
                return Ok(Some(relocation));
            }
            Err(error @ AssignError::Unknown(_)) => {
                // Neither of the two folders may be written to: the next start knows which one counts.
                partition.fail();
                let path = destination.path().join(partition.name().to_string());
                return Err(StorageError::InvalidFile { path, reason: error.to_string() });
            }
        }
        let (tag, old_tag) = (self.tag_next.fetch_add(1, Ordering::Relaxed), partition.log().tag());
        self.by_tag.pin().insert(tag, Arc::clone(partition));
        let log = relocation
            .finish(tag, self.folders_due_ms((cluster.clock)()))
            .inspect_err(|_| partition.fail())?;
        self.directories.set_home(partition.name(), &destination);
        partition.set_log(log);
        self.by_tag.pin().remove(&old_tag);
        Ok(None)
    }

    /// Begins moves anew that the last stop interrupted, and removes copies that nobody wants.
    fn resume_moves(&self, image: &Image) {
        if self.has_resumed.swap(true, Ordering::AcqRel) {
            return;
        }
        for directory in self.directories.online() {
            let futures = directory.futures().unwrap_or_else(|error| {
                complain(&directory, "looking for unfinished moves", &error);
                Vec::new()
            });
            for name in futures {
                let topic =
                    image.topic(&name.topic).filter(|topic| topic.partition(name.partition).is_some());
                match (topic, self.directories.home(&name)) {
                    // Its log is in a directory that is offline.
                    (Some(_), None) => {}
                    (Some(topic), Some(home)) if !Arc::ptr_eq(&home, &directory) => {
                        self.moves.want((topic.id, name.partition), Arc::clone(&directory));
                    }
                    _ => {
                        if let Err(error) = directory.discard_futures(&name) {
                            complain(&directory, "removing an unfinished copy", &error);
                        }
                    }
                }
            }
        }
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
        self.followed.store(Arc::new(image.clone()));
        if changes.configs_changed.iter().any(|it| *it == all || *it == own) {
            self.configs.store(Arc::new(InForce::new(self.broker_config_in(image))));
            for partition in self.all() {
                partition.set_rules(Arc::new(self.rules(image, &partition.name().topic)));
            }
            return;
        }
        for resource in changes.configs_changed.iter().filter(|it| it.kind == ResourceType::Topic) {
            let Some(topic) = image.topic(&resource.name) else { continue };
            let rules = Arc::new(self.rules(image, &topic.name));
            for index in topic.partitions.keys() {
                if let Some(partition) = self.get(topic.id, *index) {
                    partition.set_rules(Arc::clone(&rules));
                }
            }
        }
    }

    /// The entries of `log.dirs` that are to be cordoned by this image; `None` where it says the same as `before`.
    pub fn cordoned_in(&self, image: &Image, before: &Image) -> Option<Vec<String>> {
        let (all, own) = (ConfigResource::all_brokers(), ConfigResource::broker(self.node));
        let is_first = before.metadata_version().is_none();
        if !is_first && [&all, &own].into_iter().all(|it| image.configs(it) == before.configs(it)) {
            return None;
        }
        Some(self.broker_config_in(image).cordoned_log_dirs())
    }

    /// This broker's configuration, with what was changed in the running cluster.
    fn broker_config_in(&self, image: &Image) -> BrokerConfig {
        let (all, own) = (ConfigResource::all_brokers(), ConfigResource::broker(self.node));
        self.given.with_dynamic(image.settings(&all), image.settings(&own))
    }

    /// Follows the cluster: new partitions are opened, those of deleted topics go away, configurations
    /// take effect. An error concerns the partition it names; the others are followed all the same.
    pub fn follow(&self, image: &Image, changes: &Changes, now_ms: i64) -> Vec<(TopicPartition, OpenError)> {
        let mut failed = Vec::new();
        let unseen = self.gone_unseen(image);
        for topic in changes.topics_deleted.iter().chain(&unseen) {
            if let Err((name, error)) = self.delete(topic, now_ms) {
                failed.push((name, error.into()));
            }
        }
        // Behind the deletions: until then a new topic of a deleted one's name is not opened.
        self.follow_configs(image, changes);
        let created = changes
            .topics_created
            .iter()
            .flat_map(|topic| topic.partitions.keys().map(move |index| (&**topic, *index)));
        let changed = changes
            .topics_changed
            .iter()
            .flat_map(|change| change.partitions.iter().map(move |(index, ..)| (&*change.topic, *index)));
        let all: Vec<(&Topic, i32)> = created.chain(changed).collect();
        self.open_all(image, &all, &mut failed);
        self.resume_moves(image);
        failed
    }

    /// Topics that were created and deleted again between two images that were followed, of which a partition was
    /// opened in between.
    fn gone_unseen(&self, image: &Image) -> Vec<Arc<Topic>> {
        // Nobody opens a partition meanwhile, and what is newer than this image is followed later.
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.newest();
        let newest = newest.as_deref().unwrap_or(image);
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.retain(|topic| image.topic_by_id(topic.id).is_none());
        ahead.extract_if(.., |topic| newest.topic_by_id(topic.id).is_none()).collect()
    }

    /// When folders that are deleted now are to be removed: as in Apache Kafka by the broker's setting, whatever
    /// `file.delete.delay.ms` of the topic says.
    fn folders_due_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.configs.load().broker.long("log.segment.delete.delay.ms"))
    }

    /// The folders of a topic that is gone are renamed at once and removed later.
    fn delete(&self, topic: &Topic, now_ms: i64) -> Result<(), (TopicPartition, StorageError)> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_directory: BTreeMap<Uuid, (Arc<LogDirectory>, Vec<TopicPartition>)> = BTreeMap::new();
        for index in topic.partitions.keys() {
            let partition = self.by_id.pin().remove(&(topic.id, *index)).cloned();
            if let Some(partition) = partition {
                self.by_tag.pin().remove(&partition.log().tag());
                partition.fail();
            }
            let name = TopicPartition::new(&topic.name, *index);
            let is_isolated = self.isolated.forget(topic.id, *index);
            self.give_up_move((topic.id, *index), &name);
            // A folder of that name may by now be another topic's, which was created since.
            let Some(directory) = self.directories.home(&name) else { continue };
            let is_its_own = match directory.topic_id(&name) {
                Ok(id) => id.is_none_or(|id| id == topic.id),
                Err(StorageError::InvalidFile { .. }) if is_isolated => true,
                Err(error) => return Err((name, error)),
            };
            if is_its_own {
                let (_, names) =
                    by_directory.entry(directory.id()).or_insert_with(|| (directory, Vec::new()));
                names.push(name);
            }
        }
        for (directory, names) in by_directory.into_values() {
            let first = names.first().cloned().unwrap_or_else(|| TopicPartition::new(&topic.name, 0));
            directory.delete_logs(&names, self.folders_due_ms(now_ms)).map_err(|error| (first, error))?;
            names.iter().for_each(|name| self.directories.forget(name));
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
        self.checkpoint_where(now_ms, |_| true);
    }

    /// As [`Partitions::checkpoint`], as far as it is urgent ([`LogDirectory::is_checkpoint_urgent`]).
    pub fn checkpoint_if_urgent(&self, now_ms: i64) {
        self.checkpoint_where(now_ms, LogDirectory::is_checkpoint_urgent);
    }

    fn checkpoint_where(&self, now_ms: i64, wants: impl Fn(&LogDirectory) -> bool) {
        self.notice_failures();
        let opened = self.directories.opened();
        for directory in opened.iter().filter(|it| it.offline_reason().is_none() && wants(it)) {
            if let Err(error) = directory.checkpoint(now_ms) {
                complain(directory, "advancing recovery points", &error);
            }
        }
    }

    /// Work that time brings, less often: forgets idle producers, writes the high watermarks. Blocks; to be
    /// called every few seconds by a thread that may.
    pub fn tidy(&self, now_ms: i64) {
        let mut marks: BTreeMap<PathBuf, Vec<(TopicPartition, Offset)>> = BTreeMap::new();
        for partition in self.all().iter().filter(|it| !it.is_offline()) {
            partition.log().expire_producers(now_ms);
            let mark = (partition.name().clone(), partition.high_watermark());
            marks.entry(partition.directory_path()).or_default().push(mark);
        }
        for directory in self.directories.opened().iter().filter(|it| it.offline_reason().is_none()) {
            let marks = marks.remove(directory.path()).unwrap_or_default();
            if let Err(error) = directory.write_high_watermarks(marks) {
                complain(directory, "writing high watermarks", &error);
            }
        }
    }

    /// Keeps some room in each directory for what must be written on a disk that is full to the last byte. Blocks.
    pub fn keep_ballast(&self) {
        for directory in self.directories.opened().iter().filter(|it| it.offline_reason().is_none()) {
            if let Err(error) = directory.keep_ballast() {
                complain(directory, "keeping room for a full disk", &error);
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
        self.stop_moves();
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
