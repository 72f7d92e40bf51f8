//! The owner of one partition: the only one who touches its core.

use crate::core::{Core, Effects, EncodedRecord, Now, Unavailable};
use crate::load::{LoadError, load};
use crate::log::{LogError, PartitionLog};
use crate::runtime::Options;
use bytes::Bytes;
use ottla_ids::Offset;
use ottla_records::{BatchBuilder, Compression};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Requests that are decided in one go before timers and commits have their turn.
const TURN_MAX: usize = 256;

/// Timers that fire in one go before requests have their turn.
const TIMERS_MAX: usize = 256;

/// Room that is left in a batch for its header and for the headers of its records.
const BATCH_OVERHEAD: usize = 128;
/// The most that a record's length, offset, timestamp, key and value lengths and header count take.
const RECORD_OVERHEAD: usize = 32;

/// Who asked, to be told.
pub(crate) type Reply<C> = oneshot::Sender<Result<<C as Core>::Answer, Unavailable>>;

/// A request on its way to the owner.
pub(crate) struct Message<C: Core> {
    pub request: C::Request,
    pub reply: Reply<C>,
}

/// Answers that wait until the log is committed up to `until`.
struct Parked<C: Core> {
    until: Offset,
    deadline: Instant,
    answers: Vec<(Reply<C>, C::Answer)>,
}

/// Decisions that are to be written together.
struct Pending<C: Core> {
    records: Vec<EncodedRecord>,
    size: usize,
    effects: Vec<Effects<C>>,
}

/// Why the partition cannot be served any more.
enum Over {
    /// This node does not lead it, or its log is damaged: time alone changes nothing.
    Gone,
    /// Its log could not be read or written. That may be over later.
    Failed,
}

/// Whether a partition answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its log is being replayed.
    Loading,
    /// It answers.
    Loaded,
    /// Its log failed, and is tried again after a while.
    Failed,
}

/// The requests for one partition; held by its owner.
type Requests<C> = Arc<Mutex<mpsc::Receiver<Message<C>>>>;

/// What an owner needs to begin.
pub(crate) struct Setup<C: Core, L> {
    /// The partition's name, for the log.
    pub name: String,
    pub log: L,
    pub options: Options,
    pub phase: watch::Sender<Phase>,
    pub requests: mpsc::Receiver<Message<C>>,
    /// Closed when the owner is to stop.
    pub stopped: watch::Receiver<()>,
}

/// How long after a failure a partition is loaded again; twice as long after each further one.
const RESTART_DELAY: Duration = Duration::from_secs(1);
/// The longest such time.
const RESTART_DELAY_MAX: Duration = Duration::from_secs(30);

/// Owns a partition until told to stop or until it is lost. Should its log fail, or a request reveal a bug, those
/// who wait are told to look for the coordinator again, and so is who asks until the partition is loaded anew.
pub(crate) async fn own<C: Core, L: PartitionLog>(setup: Setup<C, L>, new_core: impl Fn() -> C) {
    let Setup { name, log, options, phase, requests, mut stopped } = setup;
    let (log, phase) = (Arc::new(log), Arc::new(phase));
    let requests = Arc::new(Mutex::new(requests));
    let mut delay = RESTART_DELAY;
    loop {
        let owner = Owner {
            name: name.clone(),
            core: new_core(),
            log: log.clone(),
            options: options.clone(),
            phase: phase.clone(),
            started: Instant::now(),
            calls: 0,
            waiting: HashMap::new(),
            pending: Pending::default(),
            write_at: None,
            parked: VecDeque::new(),
            written: Offset::ZERO,
        };
        match tokio::spawn(owner.run(requests.clone(), stopped.clone())).await {
            Ok(Err(Over::Failed)) => warn!("{name} is loaded again in {} s", delay.as_secs()),
            Err(failure) if failure.is_panic() => {
                error!(
                    "the coordinator of {name} failed by a bug; it is loaded again in {} s",
                    delay.as_secs()
                );
            }
            Ok(Err(Over::Gone)) => return warn!("{name} is not served here any more"),
            Ok(Ok(())) | Err(_) => return,
        }
        if phase.send_replace(Phase::Failed) == Phase::Loaded {
            delay = RESTART_DELAY;
        }
        tokio::select! {
            biased;
            _ = stopped.changed() => return,
            () = tokio::time::sleep(delay) => {}
            () = refuse_all(&requests) => return,
        }
        delay = (delay * 2).min(RESTART_DELAY_MAX);
        phase.send_replace(Phase::Loading);
    }
}

/// Answers whoever asks while nothing is loaded; returns when nobody can ask any more.
async fn refuse_all<C: Core>(requests: &Requests<C>) {
    let mut requests = requests.lock().await;
    while let Some(message) = requests.recv().await {
        drop(message.reply.send(Err(Unavailable::NotCoordinator)));
    }
}

/// The owner of one partition.
struct Owner<C: Core, L> {
    /// The partition's name, for the log.
    name: String,
    core: C,
    log: Arc<L>,
    options: Options,
    phase: Arc<watch::Sender<Phase>>,
    /// When [`Now::tick_ms`] was 0.
    started: Instant,
    calls: u64,
    /// Calls that the core has not answered. As many as there are clients that wait.
    waiting: HashMap<u64, Reply<C>>,
    /// Decided and not written yet: decisions that do not depend on each other, of one turn or of the time that
    /// they linger. No more than fits one batch.
    pending: Pending<C>,
    /// When `pending` is to be written, at the latest; set when something lingers.
    write_at: Option<Instant>,
    /// Answers by what they wait for, ascending. As many as there are clients that wait.
    parked: VecDeque<Parked<C>>,
    /// The end of what was written: an answer may depend on all of it.
    written: Offset,
}

impl<C: Core, L: PartitionLog> Owner<C, L> {
    /// Loads, then serves until told to stop or until the partition is lost. Whatever is not answered then is
    /// dropped, which those who wait take for "not the coordinator".
    async fn run(mut self, requests: Requests<C>, mut stopped: watch::Receiver<()>) -> Result<(), Over> {
        let mut requests = requests.lock_owned().await;
        tokio::select! {
            biased;
            _ = stopped.changed() => Ok(()),
            served = self.load_and_serve(&mut requests) => served,
        }
    }

    async fn load_and_serve(&mut self, requests: &mut mpsc::Receiver<Message<C>>) -> Result<(), Over> {
        let started = Instant::now();
        match load(&mut self.core, &*self.log).await {
            Ok(loaded) => {
                let took_ms = started.elapsed().as_millis();
                if loaded.unknown > 0 {
                    warn!(
                        "{} has {} records of kinds not known here, which are left alone",
                        self.name, loaded.unknown
                    );
                }
                info!(
                    "loaded {}: {} records, {} bytes, {took_ms} ms",
                    self.name, loaded.records, loaded.bytes
                );
            }
            Err(failure) => {
                error!("{} cannot be loaded and is not served: {}", self.name, chain(&failure));
                return Err(match failure {
                    LoadError::Log(LogError::NotLeader) => Over::Gone,
                    LoadError::Log(_) => Over::Failed,
                    LoadError::Batch { .. } | LoadError::Record { .. } | LoadError::Gap { .. } => Over::Gone,
                });
            }
        }
        self.written = self.log.end();
        let effects = self.core.loaded(self.now());
        self.make_true(effects).await?;
        self.phase.send_replace(Phase::Loaded);
        // Kept across turns: a wait that is begun anew each time would leave its place in the partition's list of
        // those who wait behind.
        let mut commit: Option<(Offset, Waiting)> = None;
        loop {
            let deadline = self.deadline();
            let until = self.parked.front().map(|parked| parked.until);
            if commit.as_ref().map(|(until, _)| *until) != until {
                commit = until.map(|until| {
                    let log = self.log.clone();
                    let wait: Waiting = Box::pin(async move { log.wait_committed(until).await });
                    (until, wait)
                });
            }
            tokio::select! {
                biased;
                committed = reached(&mut commit) => {
                    commit = None;
                    committed.map_err(|failure| self.lost(&failure))?;
                    self.release();
                }
                // Never at once, or a core whose time has always come would let no one else have a turn.
                () = sleep_until(deadline), if deadline.is_none_or(|at| at > Instant::now()) => {}
                () = std::future::ready(()), if deadline.is_some_and(|at| at <= Instant::now()) => {
                    self.on_time().await?;
                    if let Ok(message) = requests.try_recv() {
                        self.serve(message, requests).await?;
                    }
                }
                message = requests.recv() => match message {
                    Some(message) => self.serve(message, requests).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Decides about a request and those that have arrived with it.
    async fn serve(
        &mut self,
        first: Message<C>,
        requests: &mut mpsc::Receiver<Message<C>>,
    ) -> Result<(), Over> {
        let mut next = Some(first);
        let mut left = TURN_MAX;
        while let Some(Message { request, reply }) = next.take() {
            let independent = C::is_independent(&request);
            if !independent {
                // It may see what was decided before it, so that must be true first.
                self.write_pending().await?;
            }
            self.calls += 1;
            self.waiting.insert(self.calls, reply);
            let effects = self.core.handle(self.calls, request, self.now());
            if independent && effects.then.is_none() && !effects.divisible {
                self.add(effects).await?;
            } else {
                self.write_pending().await?;
                self.make_true(effects).await?;
            }
            left -= 1;
            if left > 0 {
                next = requests.try_recv().ok();
            }
        }
        if self.options.linger.is_zero() || self.pending.records.is_empty() {
            self.write_pending().await?;
        } else if self.write_at.is_none() {
            self.write_at = Some(Instant::now() + self.options.linger);
        }
        Ok(())
    }

    /// Writes what was decided and lingers.
    async fn write_pending(&mut self) -> Result<(), Over> {
        self.write_at = None;
        let pending = std::mem::take(&mut self.pending);
        self.write(pending).await?;
        Ok(())
    }

    async fn on_time(&mut self) -> Result<(), Over> {
        self.give_up_late_answers();
        let core_is_due = self.core.deadline().is_some_and(|at| at <= self.now().tick_ms);
        if core_is_due || self.write_at.is_some_and(|at| at <= Instant::now()) {
            self.write_pending().await?;
        }
        for _ in 0..TIMERS_MAX {
            let now = self.now();
            if self.core.deadline().is_none_or(|at| at > now.tick_ms) {
                break;
            }
            let effects = self.core.on_time(now);
            self.make_true(effects).await?;
        }
        Ok(())
    }

    /// Writes what was decided, replays it, and does what follows from it.
    async fn make_true(&mut self, effects: Effects<C>) -> Result<(), Over> {
        let mut next = Some(effects);
        while let Some(effects) = next.take() {
            let mut pending = Pending::default();
            if effects.divisible {
                next = self.write_divided(effects).await?;
                continue;
            }
            next = match encode_all::<C>(&effects.records) {
                Ok((records, size)) => {
                    pending.records = records;
                    pending.size = size;
                    pending.effects.push(effects);
                    self.write(pending).await?
                }
                Err(failure) => {
                    error!("{} cannot write what was decided: {failure}", self.name);
                    self.settle(vec![effects], Err(Unavailable::NotWritable))
                }
            };
        }
        Ok(())
    }

    /// Adds a decision to those that are to be written together, which are written first if they fill a batch.
    async fn add(&mut self, effects: Effects<C>) -> Result<(), Over> {
        match encode_all::<C>(&effects.records) {
            Ok((records, size)) => {
                if !self.pending.records.is_empty()
                    && self.pending.size + size + BATCH_OVERHEAD > self.log.batch_size_max()
                {
                    self.write_pending().await?;
                }
                self.pending.records.extend(records);
                self.pending.size += size;
                self.pending.effects.push(effects);
            }
            Err(failure) => {
                error!("{} cannot write what was decided: {failure}", self.name);
                self.settle(vec![effects], Err(Unavailable::NotWritable));
            }
        }
        Ok(())
    }

    /// Writes a decision whose records are right one by one, in as many batches as it takes.
    async fn write_divided(&mut self, effects: Effects<C>) -> Result<Option<Effects<C>>, Over> {
        let limit = self.log.batch_size_max().saturating_sub(BATCH_OVERHEAD);
        let mut outcome = Ok(());
        let mut from = 0;
        while outcome.is_ok() && from < effects.records.len() {
            let mut part = Vec::new();
            let mut size = 0;
            let mut to = from;
            while let Some(record) = effects.records.get(to) {
                match C::encode(record) {
                    Ok(encoded) if part.is_empty() || size + size_of(&encoded) <= limit => {
                        size += size_of(&encoded);
                        part.push(encoded);
                    }
                    Ok(_) => break,
                    Err(failure) => error!("{} leaves out a record: {failure}", self.name),
                }
                to += 1;
            }
            outcome = self.append(&part).await?;
            if outcome.is_ok() {
                effects
                    .records
                    .get(from..to)
                    .unwrap_or_default()
                    .iter()
                    .for_each(|record| self.core.replay(record));
            }
            from = to;
        }
        // What was written is replayed already.
        Ok(self.settle(vec![Effects { records: Vec::new(), ..effects }], outcome))
    }

    /// Writes decisions as one batch.
    async fn write(&mut self, pending: Pending<C>) -> Result<Option<Effects<C>>, Over> {
        if pending.effects.is_empty() {
            return Ok(None);
        }
        let outcome = self.append(&pending.records).await?;
        Ok(self.settle(pending.effects, outcome))
    }

    /// Replays what was written and lets answers wait for its commit; or refuses what was not.
    fn settle(&mut self, effects: Vec<Effects<C>>, outcome: Result<(), Unavailable>) -> Option<Effects<C>> {
        let mut answers = Vec::new();
        let mut follows = None;
        for effects in effects {
            if outcome.is_ok() {
                effects.records.iter().for_each(|record| self.core.replay(record));
            }
            effects.notes.iter().for_each(|note| info!("{note}"));
            for (call, answer) in effects.answers {
                let Some(reply) = self.waiting.remove(&call) else { continue };
                match outcome {
                    Ok(()) => answers.push((reply, answer)),
                    // Nobody is left to tell when it fails.
                    Err(unavailable) => drop(reply.send(Err(unavailable))),
                }
            }
            if let Some(then) = effects.then {
                debug_assert!(follows.is_none(), "what others follow from is written alone");
                follows = Some(self.core.then(then, outcome, self.now()));
            }
        }
        self.park(answers);
        follows.filter(|effects| !effects.is_nothing())
    }

    /// Appends a batch. The outer error says that the partition is lost.
    async fn append(&mut self, records: &[EncodedRecord]) -> Result<Result<(), Unavailable>, Over> {
        if records.is_empty() {
            return Ok(Ok(()));
        }
        let batch = match build(records, self.options.compression, self.now().wall_ms) {
            Ok(batch) => batch,
            Err(failure) => {
                error!("{} cannot write a batch: {failure}", self.name);
                return Ok(Err(Unavailable::NotWritable));
            }
        };
        match self.log.append(batch, (self.options.wall_ms)()).await {
            Ok(written) => {
                assert!(self.written <= written.base, "only the owner writes to the partition's log");
                self.written = written.end;
                Ok(Ok(()))
            }
            Err(failure @ (LogError::NotLeader | LogError::Storage(_))) => Err(self.lost(&failure)),
            Err(failure @ (LogError::NotEnoughReplicas | LogError::Busy(_))) => {
                warn!("{} could not be written: {}", self.name, chain(&failure));
                Ok(Err(Unavailable::NotAvailable))
            }
            Err(failure @ LogError::TooLarge) => {
                error!("{} could not be written: {}", self.name, chain(&failure));
                Ok(Err(Unavailable::NotWritable))
            }
        }
    }

    fn lost(&self, failure: &LogError) -> Over {
        error!("{} is lost: {}", self.name, chain(failure));
        match failure {
            LogError::NotLeader => Over::Gone,
            _ => Over::Failed,
        }
    }

    /// Holds answers back until everything written so far is committed.
    fn park(&mut self, answers: Vec<(Reply<C>, C::Answer)>) {
        if answers.is_empty() {
            return;
        }
        let deadline = Instant::now() + self.options.commit_timeout;
        match self.parked.back_mut() {
            Some(last) if last.until == self.written => last.answers.extend(answers),
            _ => self.parked.push_back(Parked { until: self.written, deadline, answers }),
        }
        self.release();
    }

    /// Gives the answers whose records are committed.
    fn release(&mut self) {
        let committed = self.log.committed();
        while self.parked.front().is_some_and(|parked| parked.until <= committed) {
            for (reply, answer) in self.parked.pop_front().into_iter().flat_map(|parked| parked.answers) {
                // Whoever asked may be gone.
                drop(reply.send(Ok(answer)));
            }
        }
    }

    /// Those who have waited too long for a commit are told so. What was decided stays decided.
    fn give_up_late_answers(&mut self) {
        let now = Instant::now();
        while self.parked.front().is_some_and(|parked| parked.deadline <= now) {
            for (reply, _) in self.parked.pop_front().into_iter().flat_map(|parked| parked.answers) {
                drop(reply.send(Err(Unavailable::NotAvailable)));
            }
        }
    }

    /// When there is something to do though nobody asks.
    fn deadline(&self) -> Option<Instant> {
        let core = self
            .core
            .deadline()
            .map(|tick_ms| self.started + Duration::from_millis(u64::try_from(tick_ms).unwrap_or_default()));
        let parked = self.parked.front().map(|parked| parked.deadline);
        core.into_iter().chain(parked).chain(self.write_at).min()
    }

    fn now(&self) -> Now {
        Now {
            tick_ms: i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX),
            wall_ms: (self.options.wall_ms)(),
        }
    }
}

impl<C: Core> Default for Pending<C> {
    fn default() -> Pending<C> {
        Pending { records: Vec::new(), size: 0, effects: Vec::new() }
    }
}

/// The wait for a commit.
type Waiting = Pin<Box<dyn Future<Output = Result<(), LogError>> + Send>>;

async fn reached(commit: &mut Option<(Offset, Waiting)>) -> Result<(), LogError> {
    match commit {
        Some((_, wait)) => wait.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The records' bytes, and what they take at most in a batch.
fn encode_all<C: Core>(
    records: &[C::Record],
) -> Result<(Vec<EncodedRecord>, usize), crate::core::RecordFailure> {
    let encoded: Vec<EncodedRecord> = records.iter().map(C::encode).collect::<Result<_, _>>()?;
    let size = encoded.iter().map(size_of).sum();
    Ok((encoded, size))
}

fn size_of(record: &EncodedRecord) -> usize {
    RECORD_OVERHEAD + record.key.len() + record.value.as_ref().map_or(0, Bytes::len)
}

fn build(
    records: &[EncodedRecord],
    compression: Compression,
    timestamp_ms: i64,
) -> Result<Bytes, ottla_records::BuildError> {
    let mut batch = BatchBuilder::new(Offset::ZERO, compression);
    for record in records {
        batch.append(timestamp_ms, Some(&record.key), record.value.as_deref(), &[])?;
    }
    batch.finish()
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
