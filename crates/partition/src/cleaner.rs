//! The threads that compact logs: each takes the log that wants it most, cleans it, and takes the next (Kafka's
//! `LogCleaner`). What is cleaned, and how, are rules of `ottla-storage`.

use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::retention::Clock;
use crate::rules::Rules;
use crate::worker::{Stop, Worker};
use ottla_configs::BrokerConfig;
use ottla_ids::TopicId;
use ottla_storage::{CleanError, Cleanable, Cleaned, Cleaning, StorageError};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A throttled thread looks so often whether it is to stop.
const NAP: Duration = Duration::from_millis(100);
/// How often a thread that is one too many looks whether it is needed.
const IDLE: Duration = Duration::from_secs(1);
/// After so long a log that could not be compacted is tried again, if no configuration has changed before: each try
/// reads all that is new in it.
const UNCLEANABLE_RETRY: Duration = Duration::from_secs(600);

/// What the threads share.
#[derive(Debug, Default)]
pub(crate) struct Cleaner {
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Threads that were started.
    threads: usize,
    /// What is being cleaned.
    in_progress: HashSet<(TopicId, i32)>,
    /// What failed in a way that will not change by itself (Kafka's `uncleanable-partitions-count`). None of them is
    /// of a partition that is gone.
    uncleanable: HashMap<(TopicId, i32), Failed>,
    /// Until when the bytes that were read and written take, at the rate that is allowed.
    busy_until: Option<Instant>,
}

/// What there was when a log could not be compacted.
#[derive(Debug)]
struct Failed {
    at: Instant,
    /// The topic's configuration.
    rules: Arc<Rules>,
    settings: Settings,
}

impl Failed {
    /// Whether something has changed since that may help.
    fn is_to_be_tried(&self, partition: &Partition, settings: &Settings, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= UNCLEANABLE_RETRY
            || !Arc::ptr_eq(&self.rules, &partition.rules())
            || self.settings != *settings
    }
}

/// `log.cleaner.*` as it counts now.
#[derive(Clone, Debug, PartialEq)]
struct Settings {
    threads: usize,
    backoff: Duration,
    map_bytes: usize,
    load_factor: f64,
    buffer_bytes: usize,
    bytes_per_second: f64,
}

impl Settings {
    fn of(broker: &BrokerConfig) -> Settings {
        let size = |number: i64| usize::try_from(number).unwrap_or(0);
        let threads = size(broker.int("log.cleaner.threads").into());
        let share = threads.max(1);
        Settings {
            threads,
            backoff: Duration::from_millis(broker.long("log.cleaner.backoff.ms").max(0).unsigned_abs()),
            map_bytes: size(broker.long("log.cleaner.dedupe.buffer.size")) / share,
            load_factor: broker.double("log.cleaner.io.buffer.load.factor"),
            // Half of it is for what is read, half for what is written.
            buffer_bytes: size(broker.int("log.cleaner.io.buffer.size").into()) / share / 2,
            bytes_per_second: broker.double("log.cleaner.io.max.bytes.per.second"),
        }
    }
}

impl Cleaner {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait after reading or writing so many bytes.
    fn pause(&self, bytes: usize, bytes_per_second: f64, now: Instant) -> Duration {
        let seconds = bytes as f64 / bytes_per_second.max(1.0);
        let mut shared = self.lock();
        let from = shared.busy_until.filter(|until| now < *until).unwrap_or(now);
        let until = Duration::try_from_secs_f64(seconds).ok().and_then(|it| from.checked_add(it));
        let until = until.unwrap_or(from);
        shared.busy_until = Some(until);
        until.saturating_duration_since(now)
    }
}

impl Partitions {
    /// Starts the threads that compact logs, as many as `log.cleaner.threads` says, unless `log.cleaner.enable`
    /// is false.
    pub fn start_cleaner(self: &Arc<Self>, clock: Clock) -> std::io::Result<()> {
        let broker = self.broker_config();
        if !broker.boolean("log.cleaner.enable") {
            return Ok(());
        }
        self.start_cleaner_threads(Settings::of(&broker).threads, clock)
    }

    fn start_cleaner_threads(self: &Arc<Self>, threads: usize, clock: Clock) -> std::io::Result<()> {
        let mut shared = self.cleaner().lock();
        while shared.threads < threads {
            let (me, number) = (Arc::downgrade(self), shared.threads);
            let worker = Worker::start("log-cleaner", move |stop| run(&me, number, clock, stop))?;
            self.add_worker(worker);
            shared.threads += 1;
        }
        Ok(())
    }

    /// Cleans the log that wants it most; whether there was one. Blocks.
    fn clean_one(&self, settings: &Settings, clock: Clock, now: Instant, stop: &Stop) -> bool {
        let Some((partition, cleanable)) = self.filthiest(settings, clock(), now) else { return false };
        let id = (partition.topic_id(), partition.name().partition);
        let cleaning = Cleaning {
            delete_retention_ms: 0,
            map_bytes: settings.map_bytes,
            load_factor: settings.load_factor,
            buffer_bytes: settings.buffer_bytes,
        };
        let mut pace = |bytes: usize| {
            let mut left = self.cleaner().pause(bytes, settings.bytes_per_second, Instant::now());
            loop {
                // A partition that goes away waits for this thread to notice.
                if stop.is_now() || partition.is_offline() {
                    return ControlFlow::Break(());
                }
                if left.is_zero() || stop.sleep(left.min(NAP)) {
                    return if stop.is_now() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
                }
                left = left.saturating_sub(NAP);
            }
        };
        let started = Instant::now();
        let result = partition.clean(&cleanable, cleaning, clock(), &mut pace);
        let mut shared = self.cleaner().lock();
        shared.in_progress.remove(&id);
        match &result {
            Ok(_) => drop(shared.uncleanable.remove(&id)),
            Err(error) if error.is_lasting() => shared.give_up(&partition, settings, now, error),
            Err(_) => {}
        }
        drop(shared);
        tell(&partition, &result, started.elapsed());
        result.is_ok()
    }

    /// Takes the log with the greatest part to be cleaned, among those that are due.
    fn filthiest(
        &self,
        settings: &Settings,
        now_ms: i64,
        now: Instant,
    ) -> Option<(Arc<Partition>, Cleanable)> {
        let mut shared = self.cleaner().lock();
        let mut best: Option<(Arc<Partition>, Cleanable)> = None;
        let all = self.all();
        if !shared.uncleanable.is_empty() {
            let ids: HashSet<_> = all.iter().map(|it| (it.topic_id(), it.name().partition)).collect();
            shared.uncleanable.retain(|id, _| ids.contains(id));
        }
        for partition in all {
            let id = (partition.topic_id(), partition.name().partition);
            let failed = shared.uncleanable.get(&id);
            if !partition.is_compacted()
                || partition.is_offline()
                || shared.in_progress.contains(&id)
                || failed.is_some_and(|failed| !failed.is_to_be_tried(&partition, settings, now))
            {
                continue;
            }
            match partition.cleanable(now_ms) {
                Ok(Some(cleanable))
                    if best.as_ref().is_none_or(|(_, it)| it.dirty_ratio() < cleanable.dirty_ratio()) =>
                {
                    best = Some((partition, cleanable));
                }
                Ok(_) | Err(StorageError::Closed { .. }) => {}
                Err(error) => shared.give_up(&partition, settings, now, &error),
            }
        }
        if let Some((partition, _)) = &best {
            shared.in_progress.insert((partition.topic_id(), partition.name().partition));
        }
        best
    }
}

impl Shared {
    /// Leaves a log alone until something changes, and says so: it grows from now on.
    fn give_up(
        &mut self,
        partition: &Partition,
        settings: &Settings,
        now: Instant,
        error: &dyn std::error::Error,
    ) {
        let failed = Failed { at: now, rules: partition.rules(), settings: settings.clone() };
        self.uncleanable.insert((partition.topic_id(), partition.name().partition), failed);
        tracing::error!(
            partition = %partition.name(), %error, uncleanable_partitions = self.uncleanable.len(),
            retry_minutes = UNCLEANABLE_RETRY.as_secs() / 60,
            "the log cannot be compacted and grows until it can: see what `ottla log check` says of it; it is tried \
             again after that time, or when a configuration of the topic or of the log cleaner changes"
        );
    }
}

fn run(partitions: &Weak<Partitions>, number: usize, clock: Clock, stop: &Stop) {
    loop {
        let pause = {
            let Some(partitions) = partitions.upgrade() else { return };
            let settings = Settings::of(&partitions.broker_config());
            if number == 0
                && let Err(error) = partitions.start_cleaner_threads(settings.threads, clock)
            {
                tracing::error!(%error, "log.cleaner.threads: no more threads could be started");
            }
            if settings.threads <= number {
                IDLE
            } else if partitions.clean_one(&settings, clock, Instant::now(), stop) {
                Duration::ZERO
            } else {
                settings.backoff
            }
        };
        if stop.sleep(pause) {
            return;
        }
    }
}

fn tell(partition: &Partition, result: &Result<Cleaned, CleanError>, time: Duration) {
    match result {
        Ok(cleaned) => tracing::info!(
            partition = %partition.name(), clean_to = cleaned.end.0, bytes_before = cleaned.bytes_before,
            bytes_after = cleaned.bytes_after, ms = time.as_millis(), "the log was compacted"
        ),
        Err(CleanError::Interrupted) => {}
        // It was told of already.
        Err(error) if error.is_lasting() => {}
        Err(error) => {
            tracing::error!(partition = %partition.name(), %error, "compaction of the log failed for now")
        }
    }
}

#[cfg(test)]
mod tests;
