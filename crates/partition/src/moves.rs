//! Partitions that move between log directories while they are used (KIP-113; Kafka's
//! `ReplicaAlterLogDirsManager`).
//!
//! A move copies in the background, stops appends for a moment to copy the rest, lets the metadata say where the
//! partition lies from now on, and goes on there. Who appends meanwhile waits; nobody else notices.

use crate::partition::Partition;
use crate::partitions::Partitions;
use ottla_ids::{TopicId, Uuid};
use ottla_storage::{LogDirectory, Relocation, StorageError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Copied at once, in bytes: how soon a move notices that it is no longer wanted.
const STEP_BYTES: u64 = 4 << 20;
/// With so few bytes left, appends are stopped to copy them.
const FINISH_BYTES: u64 = 1 << 20;
/// How long a move waits before it tries again what did not work: a full disk, metadata that lags.
const RETRY: Duration = Duration::from_millis(500);
/// At a limited rate, so much of a second is copied at once.
const STEPS_PER_SECOND: u64 = 10;

/// What the cluster's metadata says of where partitions of this node lie.
pub trait Assignments: Send + Sync + 'static {
    /// The directory of this node's copy, as far as the metadata has one.
    fn assigned(&self, topic: TopicId, index: i32) -> Option<Uuid>;

    /// Makes the metadata say that this node's copy lies in `directory`; durable when it returns. Blocks.
    ///
    /// # Errors
    /// See [`AssignError`].
    fn assign(&self, topic: TopicId, index: i32, directory: Uuid) -> Result<(), AssignError>;
}

/// Why the metadata does not name the new directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignError {
    /// It stays as it was.
    #[error("the metadata was not changed: {0}")]
    Refused(String),
    /// Only the next start of the node will tell.
    #[error("it is not known whether the metadata was changed: {0}")]
    Unknown(String),
}

type Key = (TopicId, i32);

/// What moves need of the world around.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub assignments: Arc<dyn Assignments>,
    /// The time, in ms since 1970.
    pub clock: fn() -> i64,
}

/// The moves that are wanted, and the threads that make them.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    state: Mutex<State>,
    changed: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Bounded by the partitions of the node: each has one move at most.
#[derive(Debug, Default)]
struct State {
    wanted: BTreeMap<Key, Wanted>,
    /// Wanted and not begun, in the order in which they were asked for.
    waiting: VecDeque<Key>,
    /// What a thread works on, maybe for a move that is no longer wanted.
    running: BTreeSet<Key>,
    next_number: u64,
    is_stopped: bool,
    /// When the next bytes may be copied; for `replica.alter.log.dirs.io.max.bytes.per.second`.
    free_at: Option<Instant>,
}

/// One move. Its number tells it from another one of the same partition.
#[derive(Clone, Debug)]
struct Wanted {
    destination: Arc<LogDirectory>,
    number: u64,
}

/// How a move ended.
enum End {
    /// The partition lies where it should, or never will.
    Over,
    /// Nobody wants it any more, or the node stops.
    Unwanted,
}

impl Moves {
    /// Wants the partition in `destination`; another move of it is given up.
    pub fn want(&self, key: Key, destination: Arc<LogDirectory>) {
        let mut state = self.lock();
        let same = |wanted: &Wanted| Arc::ptr_eq(&wanted.destination, &destination);
        if state.wanted.get(&key).is_some_and(same) {
            return;
        }
        state.next_number += 1;
        let number = state.next_number;
        state.wanted.insert(key, Wanted { destination, number });
        if !state.waiting.contains(&key) {
            state.waiting.push_back(key);
        }
        self.changed.notify_all();
    }

    /// Gives the partition's move up, if there is one; its copy is thrown away. Returns the destination of a move
    /// that no thread had begun.
    pub fn cancel(&self, key: Key) -> Option<Arc<LogDirectory>> {
        let mut state = self.lock();
        state.waiting.retain(|it| *it != key);
        let cancelled = state.wanted.remove(&key)?;
        self.changed.notify_all();
        (!state.running.contains(&key)).then_some(cancelled.destination)
    }

    /// Starts the threads.
    pub fn start(
        &self,
        partitions: &Arc<Partitions>,
        cluster: &Cluster,
        count: usize,
    ) -> std::io::Result<()> {
        for _ in 0..count {
            let (partitions, cluster) = (Arc::downgrade(partitions), cluster.clone());
            let work = move || work(&partitions, &cluster);
            let thread = std::thread::Builder::new().name("log-dir-move".into()).spawn(work)?;
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(())
    }

    /// Stops the threads: a move that is under way begins anew at the next start.
    pub fn stop(&self) {
        self.lock().is_stopped = true;
        self.changed.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread that moves partitions had panicked");
            }
        }
    }

    /// The next move; waits for one. `None`: the node stops.
    fn next(&self) -> Option<(Key, Wanted)> {
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return None;
            }
            let index = state.waiting.iter().position(|key| !state.running.contains(key));
            if let Some(key) = index.and_then(|index| state.waiting.remove(index))
                && let Some(wanted) = state.wanted.get(&key).cloned()
            {
                state.running.insert(key);
                return Some((key, wanted));
            }
            if index.is_none() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn done(&self, key: Key, number: u64) {
        let mut state = self.lock();
        state.running.remove(&key);
        if state.wanted.get(&key).is_some_and(|wanted| wanted.number == number) {
            state.wanted.remove(&key);
        }
        self.changed.notify_all();
    }

    fn is_wanted(&self, key: Key, number: u64) -> bool {
        let state = self.lock();
        !state.is_stopped && state.wanted.get(&key).is_some_and(|wanted| wanted.number == number)
    }

    fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Waits, or until the move is no longer wanted.
    fn pause(&self, key: Key, number: u64, time: Duration) {
        let until = Instant::now() + time;
        let mut state = self.lock();
        loop {
            let is_wanted =
                !state.is_stopped && state.wanted.get(&key).is_some_and(|wanted| wanted.number == number);
            let left = until.saturating_duration_since(Instant::now());
            if !is_wanted || left.is_zero() {
                return;
            }
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How long to wait after `bytes` were copied, so that all moves together keep to `rate` bytes a second.
    fn charge(&self, bytes: u64, rate: u64) -> Duration {
        let now = Instant::now();
        let mut state = self.lock();
        let from = state.free_at.map_or(now, |free_at| free_at.max(now));
        let free_at = from + Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        state.free_at = Some(free_at);
        free_at.saturating_duration_since(now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under this lock panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread's work, until the node stops.
fn work(partitions: &Weak<Partitions>, cluster: &Cluster) {
    loop {
        let Some(partitions) = partitions.upgrade() else { return };
        let moves = partitions.moves();
        let Some((key, wanted)) = moves.next() else { return };
        let Some(partition) = partitions.get(key.0, key.1) else {
            moves.done(key, wanted.number);
            continue;
        };
        let to = wanted.destination.path().display();
        match carry_out(&partitions, cluster, key, &wanted, &partition) {
            Ok(End::Over) => tracing::info!(partition = %partition.name(), directory = %to, "moved"),
            Ok(End::Unwanted) => {
                tracing::info!(partition = %partition.name(), directory = %to, "the move is given up");
            }
            Err(error) => {
                tracing::error!(partition = %partition.name(), directory = %to, %error, "the move failed");
            }
        }
        moves.done(key, wanted.number);
    }
}

/// Makes one move.
fn carry_out(
    partitions: &Partitions,
    cluster: &Cluster,
    key: Key,
    wanted: &Wanted,
    partition: &Arc<Partition>,
) -> Result<End, StorageError> {
    let (moves, number) = (partitions.moves(), wanted.number);
    let source = loop {
        if !moves.is_wanted(key, number) {
            return Ok(End::Unwanted);
        }
        let Some(source) = partitions.directories().home(partition.name()) else { return Ok(End::Over) };
        if Arc::ptr_eq(&source, &wanted.destination) {
            return Ok(End::Over);
        }
        // A whole copy counts where the metadata names its directory: it must name the other one until then.
        if cluster.assignments.assigned(key.0, key.1) == Some(source.id()) {
            break source;
        }
        moves.pause(key, number, RETRY);
    };
    let log = partition.log_arc();
    let mut relocation = loop {
        match Relocation::begin(Arc::clone(&log), Arc::clone(&source), Arc::clone(&wanted.destination)) {
            Ok(relocation) => break relocation,
            Err(error) if error.is_disk_full() && moves.is_wanted(key, number) => {
                moves.pause(key, number, RETRY);
            }
            Err(error) => return Err(error),
        }
    };
    let mut is_flushed = false;
    loop {
        if !moves.is_wanted(key, number) {
            // A stopped node remembers by the folder alone what was to be moved.
            let thrown_away = if moves.is_stopped() { relocation.reset() } else { relocation.discard() };
            return thrown_away.map(|()| End::Unwanted);
        }
        let rate = partitions.move_rate();
        let step = rate.map_or(STEP_BYTES, |rate| (rate / STEPS_PER_SECOND).clamp(1 << 16, STEP_BYTES));
        let copied = relocation.copy(step);
        let left = match copied {
            Ok(progress) => {
                if let Some(rate) = rate {
                    moves.pause(key, number, moves.charge(progress.copied_bytes, rate));
                }
                progress.left_bytes
            }
            Err(error) if error.is_disk_full() => {
                tracing::warn!(partition = %partition.name(), %error, "the move waits for room");
                moves.pause(key, number, RETRY);
                continue;
            }
            Err(error) => {
                discard_after(&error, relocation);
                return Err(error);
            }
        };
        if left > FINISH_BYTES {
            is_flushed = false;
            continue;
        }
        if !is_flushed {
            // So that little is to be synced while appends wait.
            relocation.flush()?;
            is_flushed = true;
            continue;
        }
        match partitions.switch(cluster, partition, relocation, || moves.is_wanted(key, number))? {
            None => return Ok(End::Over),
            Some(again) => {
                relocation = again;
                moves.pause(key, number, RETRY);
            }
        }
    }
}

fn discard_after(error: &StorageError, relocation: Relocation) {
    if let Err(other) = relocation.discard() {
        tracing::warn!(%error, %other, "the unfinished copy of a move stays until the next start");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{NODE, NOW_MS, append, id, image, led_by, open_at, topic};
    use crate::{Directories, Isolation, MoveError};
    use ottla_configs::BrokerConfig;
    use ottla_ids::Offset;
    use ottla_metadata::Image;
    use ottla_protocol::Text;
    use ottla_storage::SimulatedDisk;
    use std::path::Path;

    /// The metadata of a test: where partitions lie, and whether it can be changed.
    #[derive(Default)]
    struct Metadata {
        assigned: Mutex<BTreeMap<Key, Uuid>>,
        refusals: Mutex<u32>,
    }

    impl Assignments for Metadata {
        fn assigned(&self, topic: TopicId, index: i32) -> Option<Uuid> {
            self.assigned.lock().unwrap().get(&(topic, index)).copied()
        }

        fn assign(&self, topic: TopicId, index: i32, directory: Uuid) -> Result<(), AssignError> {
            let mut refusals = self.refusals.lock().unwrap();
            if *refusals > 0 {
                *refusals -= 1;
                return Err(AssignError::Refused("no room".to_owned()));
            }
            self.assigned.lock().unwrap().insert((topic, index), directory);
            Ok(())
        }
    }

    struct Node {
        partitions: Arc<Partitions>,
        metadata: Arc<Metadata>,
        image: Image,
    }

    /// A node with two directories on one disk.
    fn start(disk: &SimulatedDisk, metadata: &Arc<Metadata>) -> Node {
        let opened = ["/a", "/b"].map(|path| open_at(disk, path));
        let members = opened.iter().map(|it| (it.path().to_owned(), Ok(Arc::clone(it)))).collect();
        let directories = Directories::new(members, Arc::clone(&opened[0])).unwrap();
        let partitions = Partitions::start(NODE, directories, BrokerConfig::default()).unwrap();
        let mut records = [topic(1, "t"), led_by(1, 0, NODE.0, 0)];
        if let (ottla_metadata::MetadataRecord::Partition(record), Some(directory)) =
            (&mut records[1], metadata.assigned(id(1), 0))
        {
            record.directories = vec![directory];
        }
        let node = Node { partitions, metadata: Arc::clone(metadata), image: image(&records) };
        let changes = node.image.changes_since(&Image::default());
        assert!(node.partitions.follow(&node.image, &changes, NOW_MS).is_empty());
        if metadata.assigned(id(1), 0).is_none() {
            metadata.assign(id(1), 0, opened[0].id()).unwrap();
        }
        node
    }

    impl Node {
        fn serve(&self) {
            let metadata = Arc::clone(&self.metadata);
            self.partitions.start_moves(metadata, || NOW_MS).unwrap();
        }

        fn partition(&self) -> Arc<Partition> {
            self.partitions.get(id(1), 0).unwrap()
        }

        fn move_to(&self, path: &str) -> Result<(), MoveError> {
            self.partitions.move_to(&self.image, &Text::from_static("t"), 0, Path::new(path))
        }

        fn wait_until_in(&self, path: &str) {
            while self.partition().directory_path() != Path::new(path) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }

        fn records(&self) -> i64 {
            let partition = self.partition();
            let (mut at, end) = (Offset::ZERO, partition.high_watermark());
            while at < end {
                let read = partition.read(at, 1 << 20, Isolation::ReadUncommitted, true).unwrap();
                for batch in ottla_records::batches(&read.records.to_bytes().unwrap()) {
                    let batch = batch.unwrap();
                    assert_eq!(batch.base_offset(), at);
                    at = batch.next_offset();
                }
            }
            at.0
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_partition_moves_while_it_is_written() {
        let disk = SimulatedDisk::new(31);
        let node = start(&disk, &Arc::default());
        node.serve();
        let writer = tokio::spawn({
            let partition = node.partition();
            async move {
                for count in 1..=200 {
                    append(&partition, &["a"]).unwrap();
                    partition.ticket(Offset(count)).reached().await.unwrap();
                }
            }
        });
        *node.metadata.refusals.lock().unwrap() = 1;
        for path in ["/b", "/a", "/b"] {
            node.move_to(path).unwrap();
            tokio::task::block_in_place(|| node.wait_until_in(path));
        }
        writer.await.unwrap();
        assert_eq!(node.records(), 200);
        node.partitions.close(1).unwrap();

        let again = start(&disk, &node.metadata);
        assert_eq!(again.partition().directory_path(), Path::new("/b"));
        assert_eq!(again.records(), 200);
        again.partitions.close(1).unwrap();
    }

    #[test]
    fn a_move_that_a_stop_interrupts_begins_anew() {
        let disk = SimulatedDisk::new(32);
        let node = start(&disk, &Arc::default());
        append(&node.partition(), &["a"]).unwrap();
        // As long as the metadata names no directory, the move waits; as long as it cannot change, it copies.
        *node.metadata.refusals.lock().unwrap() = u32::MAX;
        node.serve();
        node.move_to("/b").unwrap();
        let destination = node.partitions.directories().online()[1].clone();
        while destination.futures().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        node.partitions.close(1).unwrap();
        *node.metadata.refusals.lock().unwrap() = 0;

        let again = start(&disk, &node.metadata);
        assert_eq!(again.partition().directory_path(), Path::new("/a"));
        append(&again.partition(), &["b"]).unwrap();
        while again.partition().high_watermark() < Offset(2) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let watch = Arc::new(crate::Watch::default());
        let _watched = again.partition().watch(&watch, 1);
        again.serve();
        again.wait_until_in("/b");
        // Readers are told, since that directory may work or not.
        while watch.take().is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(again.partition().log_end_offset(), Offset(2));
        again.partitions.close(1).unwrap();
    }

    #[test]
    fn a_move_that_a_crash_interrupts_once_the_metadata_names_the_new_directory_is_ended_by_the_next_start() {
        let disk = SimulatedDisk::new(35);
        let node = start(&disk, &Arc::default());
        append(&node.partition(), &["a"]).unwrap();
        let [source, destination] = &node.partitions.directories().online()[..] else { panic!("two") };
        let log = node.partition().log_arc();
        let mut relocation = Relocation::begin(log, Arc::clone(source), Arc::clone(destination)).unwrap();
        while relocation.copy(STEP_BYTES).unwrap().left_bytes > 0 {}
        relocation.seal().unwrap();
        node.metadata.assign(id(1), 0, destination.id()).unwrap();
        disk.power_cut();

        // Of the two folders one is left: with both nothing would start again.
        for _ in 0..2 {
            let again = start(&disk, &node.metadata);
            assert_eq!(again.partition().directory_path(), Path::new("/b"));
            assert_eq!(again.records(), 1);
            again.partitions.close(1).unwrap();
        }
    }

    #[test]
    fn an_unfinished_copy_of_a_partition_that_is_gone_is_removed() {
        let disk = SimulatedDisk::new(36);
        let node = start(&disk, &Arc::default());
        append(&node.partition(), &["a"]).unwrap();
        let [source, destination] = &node.partitions.directories().online()[..] else { panic!("two") };
        let log = node.partition().log_arc();
        let mut relocation = Relocation::begin(log, Arc::clone(source), Arc::clone(destination)).unwrap();
        relocation.copy(STEP_BYTES).unwrap();
        relocation.flush().unwrap();
        assert!(disk.kill_process());

        let opened = ["/a", "/b"].map(|path| open_at(&disk, path));
        assert_eq!(opened[1].futures().unwrap().len(), 1);
        let members = opened.iter().map(|it| (it.path().to_owned(), Ok(Arc::clone(it)))).collect();
        let directories = Directories::new(members, Arc::clone(&opened[0])).unwrap();
        let partitions = Partitions::start(NODE, directories, BrokerConfig::default()).unwrap();
        let empty = Image::default();
        assert!(partitions.follow(&empty, &empty.changes_since(&empty), NOW_MS).is_empty());
        assert_eq!(opened[1].futures().unwrap(), []);
        partitions.close(1).unwrap();
    }

    #[test]
    fn asking_for_the_present_directory_gives_a_move_up() {
        let node = start(&SimulatedDisk::new(33), &Arc::default());
        *node.metadata.refusals.lock().unwrap() = u32::MAX;
        node.serve();
        let destination = node.partitions.directories().online()[1].clone();
        node.move_to("/b").unwrap();
        while destination.futures().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        node.move_to("/a").unwrap();
        while !destination.futures().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        append(&node.partition(), &["a"]).unwrap();
        assert_eq!(node.partition().directory_path(), Path::new("/a"));
        node.partitions.close(1).unwrap();
    }

    #[test]
    fn what_cannot_be_moved_is_told_as_kafka_does() {
        let node = start(&SimulatedDisk::new(34), &Arc::default());
        assert!(matches!(node.move_to("/c"), Err(MoveError::UnknownDirectory { .. })));
        let ask = |topic: &str, index| {
            node.partitions.move_to(&node.image, &Text::from(topic), index, Path::new("/b"))
        };
        assert!(matches!(ask("t", 7), Err(MoveError::Unknown { .. })));
        assert!(matches!(ask(&"x".repeat(249), 0), Err(MoveError::NameTooLong { .. })));
        node.partitions.directories().cordon(&["/b".to_owned()]);
        assert!(matches!(ask("t", 0), Err(MoveError::Cordoned { .. })));
        assert!(matches!(ask("t", 7), Err(MoveError::Cordoned { .. })));
        node.partitions.directories().cordon(&[]);
        // A partition that is created later is placed where it was asked for.
        assert!(matches!(ask("later", 0), Err(MoveError::Unknown { .. })));
        let image = image(&[topic(2, "later"), led_by(2, 0, NODE.0, 0)]);
        let later = node.partitions.get_or_open(&image, image.topic("later").unwrap(), 0).unwrap();
        assert_eq!(later.directory_path(), Path::new("/b"));
        node.partitions.close(1).unwrap();
    }
}
