//! The partitions that live here, and the way to each.

use crate::core::{Core, Unavailable};
use crate::log::PartitionLog;
use crate::shard::{self, Message, Phase, Setup};
use ottla_ids::LeaderEpoch;
use ottla_records::Compression;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

/// Requests that wait for one partition's owner. Who asks when it is full waits until there is room.
const QUEUE_MAX: usize = 4_096;

/// How a coordinator runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The internal topic's name, for the log.
    pub topic: &'static str,
    /// How long an answer may wait for its records to be committed (`offsets.commit.timeout.ms`).
    pub commit_timeout: Duration,
    /// How long what does not depend on others waits for more to be written with it
    /// (`group.coordinator.append.linger.ms`). With zero, what has arrived is written at once.
    pub linger: Duration,
    /// How batches are compressed (`offsets.topic.compression.codec`).
    pub compression: Compression,
    /// The time, in ms since 1970.
    pub wall_ms: fn() -> i64,
}

/// One core for each partition of an internal topic that this node leads.
pub struct Coordinator<C: Core> {
    options: Options,
    new_core: Arc<dyn Fn() -> C + Send + Sync>,
    shards: RwLock<HashMap<i32, Shard<C>>>,
    /// Told when a partition is added.
    leading: watch::Sender<()>,
}

/// The way to a partition's owner. Dropping it ends the owner, and what it had not answered is answered with
/// [`Unavailable::NotCoordinator`].
struct Shard<C: Core> {
    epoch: LeaderEpoch,
    queue: mpsc::Sender<Message<C>>,
    phase: watch::Receiver<Phase>,
    _stop: watch::Sender<()>,
}

impl<C: Core> Coordinator<C> {
    /// A coordinator that leads nothing yet; `new_core` makes an empty core.
    pub fn new(options: Options, new_core: impl Fn() -> C + Send + Sync + 'static) -> Coordinator<C> {
        Coordinator {
            options,
            new_core: Arc::new(new_core),
            shards: RwLock::default(),
            leading: watch::Sender::new(()),
        }
    }

    /// This node leads `partition` in `epoch`: its log is loaded in the background. Saying it again, or of an
    /// epoch gone by, changes nothing. Must be called within a tokio runtime.
    pub fn lead(&self, partition: i32, epoch: LeaderEpoch, log: impl PartitionLog) {
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        let serves = |shard: &Shard<C>| !shard.queue.is_closed() && *shard.phase.borrow() != Phase::Failed;
        if shards.get(&partition).is_some_and(|shard| epoch <= shard.epoch && serves(shard)) {
            return;
        }
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let (stop, stopped) = watch::channel(());
        let (phase_sender, phase) = watch::channel(Phase::Loading);
        let setup = Setup {
            name: format!("{}-{partition}", self.options.topic),
            log,
            options: self.options.clone(),
            phase: phase_sender,
            requests,
            stopped,
        };
        let new_core = self.new_core.clone();
        tokio::spawn(shard::own(setup, move || new_core()));
        // The owner before, if any, ends as its entry is replaced.
        shards.insert(partition, Shard { epoch, queue, phase, _stop: stop });
        self.leading.send_replace(());
    }

    /// This node does not lead `partition` any more, as of `epoch`. What is not answered yet is answered with
    /// [`Unavailable::NotCoordinator`]. An epoch gone by changes nothing.
    pub fn resign(&self, partition: i32, epoch: LeaderEpoch) {
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        if shards.get(&partition).is_some_and(|shard| shard.epoch <= epoch) {
            shards.remove(&partition);
            info!("{}-{partition} is coordinated elsewhere from leader epoch {epoch} on", self.options.topic);
        }
    }

    /// This node leads nothing any more.
    pub fn resign_all(&self) {
        self.shards.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The partitions that live here, loaded or not.
    pub fn partitions(&self) -> Vec<i32> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let mut partitions: Vec<i32> = shards.keys().copied().collect();
        partitions.sort_unstable();
        partitions
    }

    /// Waits until `partition` is led by this node and loaded, but not longer than `timeout`. True if it is.
    pub async fn wait_loaded(&self, partition: i32, timeout: Duration) -> bool {
        let wait = async {
            let mut leading = self.leading.subscribe();
            loop {
                let phase = {
                    let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
                    shards.get(&partition).map(|shard| shard.phase.clone())
                };
                match phase {
                    // The sender goes when the partition cannot be loaded.
                    Some(mut phase) => return phase.wait_for(|it| *it == Phase::Loaded).await.is_ok(),
                    None => drop(leading.changed().await),
                }
            }
        };
        tokio::time::timeout(timeout, wait).await.unwrap_or(false)
    }

    /// Asks the core of `partition`. Returns once the answer may be given.
    pub async fn ask(&self, partition: i32, request: C::Request) -> Result<C::Answer, Unavailable> {
        let queue = {
            let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
            let shard = shards.get(&partition).ok_or(Unavailable::NotCoordinator)?;
            if shard.queue.is_closed() {
                return Err(Unavailable::NotCoordinator);
            }
            match *shard.phase.borrow() {
                Phase::Loading => return Err(Unavailable::Loading),
                Phase::Failed => return Err(Unavailable::NotCoordinator),
                Phase::Loaded => {}
            }
            shard.queue.clone()
        };
        let (reply, answer) = oneshot::channel();
        let sent = queue.send(Message { request, reply }).await;
        sent.map_err(|_| Unavailable::NotCoordinator)?;
        // Dropped with the owner when leadership is lost.
        answer.await.unwrap_or(Err(Unavailable::NotCoordinator))
    }
}
