//! The threads that compact logs: each takes the log that wants it most, cleans it, and takes the next (Kafka's
//! `LogCleaner`). What is cleaned, and how, are rules of `ottla-storage`.

use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::retention::Clock;
use crate::worker::{Stop, Worker};
use ottla_configs::BrokerConfig;
use ottla_ids::TopicId;
use ottla_storage::{CleanError, Cleanable, Cleaned, Cleaning, StorageError};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A throttled thread looks so often whether it is to stop.
const NAP: Duration = Duration::from_millis(100);
/// How often a thread that is one too many looks whether it is needed.
const IDLE: Duration = Duration::from_secs(1);

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
    /// What failed in a way that will not change by itself; tried again after a restart.
    uncleanable: HashSet<(TopicId, i32)>,
    /// Until when the bytes that were read and written take, at the rate that is allowed.
    busy_until: Option<Instant>,
}

/// `log.cleaner.*` as it counts now.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    fn clean_one(&self, settings: &Settings, clock: Clock, stop: &Stop) -> bool {
        let Some((partition, cleanable)) = self.filthiest(clock()) else { return false };
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
        let is_lasting = result.as_ref().is_err_and(CleanError::is_lasting);
        {
            let mut shared = self.cleaner().lock();
            shared.in_progress.remove(&id);
            if is_lasting {
                shared.uncleanable.insert(id);
            }
        }
        tell(&partition, &result, started.elapsed());
        result.is_ok()
    }

    /// Takes the log with the greatest part to be cleaned, among those that are due.
    fn filthiest(&self, now_ms: i64) -> Option<(Arc<Partition>, Cleanable)> {
        let mut shared = self.cleaner().lock();
        let mut best: Option<(Arc<Partition>, Cleanable)> = None;
        for partition in self.all() {
            let id = (partition.topic_id(), partition.name().partition);
            if !partition.is_compacted()
                || partition.is_offline()
                || shared.in_progress.contains(&id)
                || shared.uncleanable.contains(&id)
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
                Err(error) => {
                    tracing::error!(partition = %partition.name(), %error, "the log is not compacted");
                    shared.uncleanable.insert(id);
                }
            }
        }
        if let Some((partition, _)) = &best {
            shared.in_progress.insert((partition.topic_id(), partition.name().partition));
        }
        best
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
            } else if partitions.clean_one(&settings, clock, stop) {
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
        Err(error) => {
            tracing::error!(partition = %partition.name(), %error, "compaction of the log failed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_together_keep_to_the_rate() {
        let cleaner = Cleaner::default();
        let now = Instant::now();
        assert_eq!(cleaner.pause(500, 1000.0, now), Duration::from_millis(500));
        assert_eq!(cleaner.pause(500, 1000.0, now), Duration::from_secs(1));
        assert_eq!(cleaner.pause(100, 1000.0, now + Duration::from_secs(2)), Duration::from_millis(100));
        assert_eq!(cleaner.pause(usize::MAX, f64::MAX, now + Duration::from_secs(9)), Duration::ZERO);
    }

    #[test]
    fn threads_share_the_memory() {
        let settings = |pairs: &[(&str, &str)]| {
            Settings::of(&BrokerConfig::new(pairs.iter().copied()).expect("valid settings"))
        };
        let one = settings(&[]);
        assert_eq!((one.threads, one.map_bytes, one.buffer_bytes), (1, 128 << 20, 256 << 10));
        let four = settings(&[("log.cleaner.threads", "4")]);
        assert_eq!((four.threads, four.map_bytes, four.buffer_bytes), (4, 32 << 20, 64 << 10));
    }
}
