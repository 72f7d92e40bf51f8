//! A thread that works now and then until it is told to stop.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Tells a thread to stop, and lets it sleep until then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    fn now(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether the thread is to stop.
    pub(crate) fn is_now(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for so long, or until the thread is to stop; says whether it is.
    pub(crate) fn sleep(&self, time: Duration) -> bool {
        // A time that cannot be added to now is for ever.
        let until = Instant::now().checked_add(time);
        let mut is_now = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_now {
            let left =
                until.map_or(Duration::from_secs(3600), |it| it.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            is_now = self.0.1.wait_timeout(is_now, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *is_now
    }
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Worker {
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts it.
    pub(crate) fn start(name: &str, work: impl FnOnce(&Stop) + Send + 'static) -> std::io::Result<Worker> {
        let stop = Stop::default();
        let seen = stop.clone();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || work(&seen))?;
        Ok(Worker { stop, thread })
    }

    /// Lets it end what it is at, and waits for that.
    pub(crate) fn stop(self) {
        self.stop.now();
        if self.thread.join().is_err() {
            tracing::error!("a thread that keeps house had panicked");
        }
    }
}
