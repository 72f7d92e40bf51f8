//! The handle that the rest of the node holds.

use crate::driver::{Clock, Decided, Driver, Job, Limits, Parts, QuorumStatus, Reply};
use crate::error::{DecideError, QuorumError};
use crate::log::MetadataLog;
use arc_swap::ArcSwap;
use ottla_configs::BrokerConfig;
use ottla_controller::{Controller, ControllerRegistration, ProducerIdBlock, Random, Refusal, Registration};
use ottla_ids::{BrokerEpoch, NodeId, Offset, ProducerId, QuorumEpoch, Uuid};
use ottla_metadata::{Endpoint, Image, MetadataRecord};
use ottla_protocol::{ErrorCode, Text};
use ottla_raft::{Voter, VoterEndpoint, VoterKey, VoterSet};
use ottla_state_machine::Decision;
use ottla_storage::Disk;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// How many decisions may wait for the writer; the next one waits to be let in.
pub const WAITING_MAX: usize = 1024;

/// How often the writer looks whether a snapshot is due while there is nothing to decide.
const IDLE_INTERVAL: Duration = Duration::from_secs(60);

/// What a node says of itself to the quorum.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// `node.id`.
    pub node: NodeId,
    /// The cluster's id, as [`crate::format()`] found or made it.
    pub cluster_id: String,
    /// Where the files are.
    pub disk: Disk,
    /// The log directory with the metadata log.
    pub metadata_dir: PathBuf,
    /// The id of that directory.
    pub metadata_directory_id: Uuid,
    /// The ids of all log directories.
    pub directory_ids: Vec<Uuid>,
    /// Where clients and neighbours reach this node: `advertised.listeners` without the controllers'.
    pub endpoints: Vec<Endpoint>,
    /// Where other controllers would reach it: `controller.listener.names` among the listeners.
    pub controller_endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<Text>,
    /// The configuration file.
    pub configs: BrokerConfig,
    /// `controller.quorum.append.linger.ms`: how long decisions are collected before they are written together.
    pub append_linger: Duration,
    /// When snapshots are taken.
    pub limits: Limits,
}

/// The metadata quorum as one node sees it. Clones are the same quorum.
#[derive(Clone)]
pub struct Quorum {
    shared: Arc<Shared>,
}

struct Shared {
    node: NodeId,
    cluster_id: Text,
    status: Arc<ArcSwap<QuorumStatus>>,
    /// What this node says of itself, should it have to say it again.
    registration: (ControllerRegistration, Registration),
    broker_epoch: BrokerEpoch,
    image: Arc<ArcSwap<Image>>,
    images: Arc<watch::Sender<Arc<Image>>>,
    end_offset: Arc<AtomicI64>,
    failure: Arc<OnceLock<Arc<str>>>,
    /// A place among those that wait for the writer.
    places: Arc<Semaphore>,
    writer: Sender<Message>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    producer_ids: tokio::sync::Mutex<Option<ProducerIdBlock>>,
    /// Topics that some request is creating, so that others need not.
    topics_in_creation: Mutex<BTreeSet<Text>>,
}

enum Message {
    Decide(Job, OwnedSemaphorePermit),
    Stop,
}

impl Quorum {
    /// Loads the metadata, takes the lead, registers this node and trusts it to be alive; all of that is
    /// durable when this returns. Blocks on the disk; the folders are formatted already. `wall_ms` tells the
    /// time, in ms since 1970.
    ///
    /// # Errors
    /// The log is damaged or has other voters, the disk fails, or the node may not register.
    pub fn open<L: MetadataLog>(
        log: L,
        settings: NodeSettings,
        wall_ms: fn() -> i64,
    ) -> Result<Quorum, QuorumError> {
        let random = Random::from_ids(Uuid::random(), Uuid::random());
        Quorum::open_with(log, settings, random, Box::new(wall_ms))
    }

    pub(crate) fn open_with<L: MetadataLog>(
        log: L,
        settings: NodeSettings,
        mut random: Random,
        clock: Clock,
    ) -> Result<Quorum, QuorumError> {
        let node = settings.node;
        let image = Arc::new(ArcSwap::from_pointee(Image::default()));
        let images = Arc::new(watch::Sender::new(image.load_full()));
        let end_offset = Arc::new(AtomicI64::new(0));
        // Filled in once the node leads.
        let status = Arc::new(ArcSwap::from_pointee(QuorumStatus {
            leader: None,
            epoch: QuorumEpoch::default(),
            kraft_version: 0,
            voters: VoterSet::default(),
        }));
        let publish = {
            let (image, images, end_offset) = (image.clone(), images.clone(), end_offset.clone());
            let status = status.clone();
            Box::new(move |new: &Image, end: Offset, changed: Option<QuorumStatus>| {
                if let Some(changed) = changed {
                    status.store(Arc::new(changed));
                }
                let new = Arc::new(new.clone());
                image.store(new.clone());
                end_offset.store(end.0, Ordering::Release);
                images.send_replace(new);
            })
        };
        let refused = Arc::new(Mutex::new(None));
        let registration = registration(&settings, &mut random);
        let jobs = start_jobs(node, &registration, &refused);
        let key = VoterKey { id: node, directory_id: settings.metadata_directory_id };
        let endpoints = settings.controller_endpoints.iter().map(|endpoint| VoterEndpoint {
            listener: endpoint.listener.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
        });
        let voter = Voter { key, endpoints: endpoints.collect(), kraft_versions: (0, 1) };
        // Before kraft.version 1 the log names no voters, and a voter has no directory.
        let static_key = VoterKey { id: node, directory_id: Uuid::ZERO };
        let parts = Parts {
            log,
            disk: settings.disk,
            log_dir: settings.metadata_dir,
            static_voters: VoterSet::new([Voter { key: static_key, ..voter.clone() }]),
            voter,
            configs: settings.configs,
            limits: settings.limits,
            clock,
            random,
            publish,
        };
        let linger = settings.append_linger;
        let driver = Driver::start(parts, jobs)?;
        if let Some(refusal) = refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(QuorumError::Registration(refusal));
        }
        let broker_epoch = image.load().broker(node).map_or(BrokerEpoch(-1), |broker| broker.epoch);
        status.store(Arc::new(driver.status()));
        let failure = Arc::new(OnceLock::new());
        let writers_failure = failure.clone();
        let (writer, messages) = channel();
        let thread = std::thread::Builder::new()
            .name("metadata-writer".to_owned())
            .spawn(move || write(driver, &messages, linger, &writers_failure))
            .map_err(|error| QuorumError::Io {
                action: "start a thread for",
                path: PathBuf::from(crate::METADATA_FOLDER),
                source: error,
            })?;
        Ok(Quorum {
            shared: Arc::new(Shared {
                node,
                cluster_id: Text::from(settings.cluster_id),
                status,
                registration,
                broker_epoch,
                image,
                images,
                end_offset,
                failure,
                places: Arc::new(Semaphore::new(WAITING_MAX)),
                writer,
                thread: Mutex::new(Some(thread)),
                producer_ids: tokio::sync::Mutex::new(None),
                topics_in_creation: Mutex::new(BTreeSet::new()),
            }),
        })
    }

    /// The image now: decided and durable.
    pub fn image(&self) -> Arc<Image> {
        self.shared.image.load_full()
    }

    /// The images to come; the present one counts as seen.
    pub fn watch(&self) -> watch::Receiver<Arc<Image>> {
        self.shared.images.subscribe()
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &Text {
        &self.shared.cluster_id
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.shared.node
    }

    /// The epoch of this node's registration.
    pub fn broker_epoch(&self) -> BrokerEpoch {
        self.shared.broker_epoch
    }

    /// Who leads the quorum and who votes.
    pub fn status(&self) -> Arc<QuorumStatus> {
        self.shared.status.load_full()
    }

    /// What this node said of itself at its start.
    pub(crate) fn registration(&self) -> &(ControllerRegistration, Registration) {
        &self.shared.registration
    }

    /// The offset after the last durable metadata record; clients are told it as the features' epoch.
    pub fn offset(&self) -> Offset {
        Offset(self.shared.end_offset.load(Ordering::Acquire))
    }

    /// Why nothing is decided any more until a restart: the log could not be written.
    pub fn failure(&self) -> Option<Arc<str>> {
        self.shared.failure.get().cloned()
    }

    /// Makes a decision: `decide` sees all that was decided before it. When this returns, its records are
    /// durable and the image has them. Waits while [`WAITING_MAX`] decisions wait already.
    ///
    /// # Errors
    /// The quorum stopped or its log failed; see [`DecideError`].
    pub async fn decide<Answer, Decide>(&self, decide: Decide) -> Result<Answer, DecideError>
    where
        Answer: Send + 'static,
        Decide: FnOnce(&mut Controller<'_>) -> Decision<Answer, MetadataRecord> + Send + 'static,
    {
        self.decide_and_name(decide, |_| false).await
    }

    /// As [`Quorum::decide`]; where `names_voters` says so of the answer, `kraft.version` is raised to 1 in the same
    /// step, so that both are durable or none.
    pub(crate) async fn decide_and_name<Answer, Decide>(
        &self,
        decide: Decide,
        names_voters: fn(&Answer) -> bool,
    ) -> Result<Answer, DecideError>
    where
        Answer: Send + 'static,
        Decide: FnOnce(&mut Controller<'_>) -> Decision<Answer, MetadataRecord> + Send + 'static,
    {
        let places = self.shared.places.clone();
        let place = places.acquire_owned().await.map_err(|_| DecideError::Stopped)?;
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |controller| {
            let Decision { records, answer } = decide(controller);
            let names_voters = names_voters(&answer);
            let reply: Reply = Box::new(move |result| {
                // Nobody waits any more when the client went away; what is written stays written.
                let _ = sender.send(result.map(|()| answer));
            });
            Decided { records, names_voters, reply }
        });
        self.shared.writer.send(Message::Decide(job, place)).map_err(|_| DecideError::Stopped)?;
        // The sender goes away unused when the writer stopped or the decision panicked.
        receiver.await.unwrap_or(Err(if self.is_stopped() { DecideError::Stopped } else { DecideError::Bug }))
    }

    /// A producer id that nobody ever had. Asks the controller for the next block when this node's is
    /// used up.
    ///
    /// # Errors
    /// As [`Quorum::decide`].
    pub async fn next_producer_id(&self) -> Result<Result<ProducerId, Refusal>, DecideError> {
        let mut block = self.shared.producer_ids.lock().await;
        if block.is_none_or(|block| block.count == 0) {
            let (node, epoch) = (self.shared.node, self.shared.broker_epoch);
            match self.decide(move |controller| controller.allocate_producer_ids(node, epoch)).await? {
                Ok(next) => *block = Some(next),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        let Some(current) = block.as_mut() else {
            return Ok(Err(Refusal::of(ErrorCode::UnknownServerError)));
        };
        let id = current.first;
        *current = ProducerIdBlock { first: ProducerId(id.0.saturating_add(1)), count: current.count - 1 };
        Ok(Ok(id))
    }

    /// Says that `name` is being created, unless somebody else does already; `false` then. Ends with
    /// [`Quorum::end_creation`].
    pub(crate) fn begin_creation(&self, name: &Text) -> bool {
        let mut topics = self.shared.topics_in_creation.lock().unwrap_or_else(PoisonError::into_inner);
        topics.insert(name.detached())
    }

    /// `name` is no longer being created.
    pub(crate) fn end_creation(&self, name: &Text) {
        let mut topics = self.shared.topics_in_creation.lock().unwrap_or_else(PoisonError::into_inner);
        topics.remove(name);
    }

    /// Ends the writer: what waits is decided and answered first. Blocks until it has ended.
    pub fn stop(&self) {
        self.shared.places.close();
        let _ = self.shared.writer.send(Message::Stop);
        let thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the metadata writer had panicked");
        }
    }

    fn is_stopped(&self) -> bool {
        self.shared.places.is_closed()
    }
}

impl std::fmt::Debug for Quorum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quorum")
            .field("node", &self.shared.node)
            .field("cluster_id", &self.shared.cluster_id)
            .field("end_offset", &self.offset())
            .finish_non_exhaustive()
    }
}

/// What a node says of itself, as a controller and as a broker.
fn registration(settings: &NodeSettings, random: &mut Random) -> (ControllerRegistration, Registration) {
    let controller = ControllerRegistration {
        node: settings.node,
        incarnation_id: random.next_id(),
        endpoints: settings.controller_endpoints.clone(),
        features: Registration::known_features(),
    };
    let broker = Registration {
        node: settings.node,
        incarnation_id: random.next_id(),
        endpoints: settings.endpoints.clone(),
        features: Registration::known_features(),
        rack: settings.rack.clone(),
        directories: settings.directory_ids.clone(),
    };
    (controller, broker)
}

/// What a node writes when it starts, to become durable in one step: its registrations, and that it is alive.
fn start_jobs(
    node: NodeId,
    registration: &(ControllerRegistration, Registration),
    refused: &Arc<Mutex<Option<Refusal>>>,
) -> Vec<Job> {
    let (controller, broker) = registration.clone();
    let refused = refused.clone();
    let note = move |decision: Decision<Result<(), Refusal>, MetadataRecord>| {
        let refused = refused.clone();
        let Decision { records, answer } = decision;
        let reply: Reply = Box::new(move |_| {
            if let Err(refusal) = answer {
                refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(refusal);
            }
        });
        Decided { records, names_voters: false, reply }
    };
    let (register, trust, enlist) = (note.clone(), note.clone(), note);
    vec![
        Box::new(move |decider| {
            // Before 3.7 controllers did not register.
            match decider.metadata_version().has_controller_registration() {
                true => enlist(decider.register_controller(&controller)),
                false => enlist(Decision::answer(Ok(()))),
            }
        }),
        Box::new(move |decider| register(decider.register_broker(&broker).map(|answer| answer.map(|_| ())))),
        Box::new(move |decider| {
            let epoch = decider.image.broker(node).map_or(BrokerEpoch(-1), |broker| broker.epoch);
            trust(decider.unfence_broker(node, epoch))
        }),
    ]
}

/// The writer's thread: takes what waits, decides it as one batch.
fn write<L: MetadataLog>(
    mut driver: Driver<L>,
    messages: &Receiver<Message>,
    linger: Duration,
    failure: &OnceLock<Arc<str>>,
) {
    loop {
        driver.tend();
        let first = match messages.recv_timeout(IDLE_INTERVAL) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let until = Instant::now() + linger;
        let mut is_last = false;
        let mut jobs = Vec::new();
        let mut places = Vec::new();
        let more = std::iter::from_fn(|| {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() { messages.try_recv().ok() } else { messages.recv_timeout(left).ok() }
        });
        // No more wait than there are places, so this ends.
        for message in std::iter::once(first).chain(more).take(WAITING_MAX) {
            match message {
                Message::Decide(job, place) => {
                    jobs.push(job);
                    places.push(place);
                }
                Message::Stop => {
                    is_last = true;
                    break;
                }
            }
        }
        driver.run(jobs);
        if let Some(reason) = driver.failure() {
            failure.get_or_init(|| reason.clone());
        }
        if is_last {
            break;
        }
    }
    driver.stop();
}
