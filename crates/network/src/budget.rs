//! The bytes of large frames that may be in memory at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::Stats;
use crate::stats::{add, subtract};

/// `queued.max.request.bytes`, counted in KiB so that any bound fits a semaphore. Who waits first is
/// served first, whatever its size.
pub(crate) struct Budget {
    kib: u32,
    free: Arc<Semaphore>,
    stats: Arc<Stats>,
}

/// A part of the budget; given back when dropped.
pub(crate) struct Charge {
    _permit: OwnedSemaphorePermit,
    size: u64,
    stats: Arc<Stats>,
}

impl Drop for Charge {
    fn drop(&mut self) {
        subtract(&self.stats.request_bytes_now, self.size);
    }
}

/// A place in the queue for a part of the budget.
pub(crate) struct Waiting {
    size: usize,
    permit: Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>,
}

impl Budget {
    pub(crate) fn new(max_bytes: usize, stats: Arc<Stats>) -> Budget {
        let kib = u32::try_from(max_bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, u32::MAX / 2);
        Budget { kib, free: Arc::new(Semaphore::new(kib as usize)), stats }
    }

    /// Takes `size` bytes, or a place in the queue for them.
    pub(crate) fn take(&self, size: usize) -> Result<Charge, Waiting> {
        // A frame beyond the whole budget takes it all: it must be possible to receive it.
        let kib = u32::try_from(size.div_ceil(1024)).unwrap_or(u32::MAX).min(self.kib);
        match self.free.clone().try_acquire_many_owned(kib) {
            Ok(permit) => Ok(self.charge(permit, size)),
            Err(_) => {
                add(&self.stats.waited_for_request_bytes, 1);
                Err(Waiting { size, permit: Box::pin(self.free.clone().acquire_many_owned(kib)) })
            }
        }
    }

    /// The part `waiting` stands in line for, when it is its turn.
    pub(crate) fn poll(&self, cx: &mut Context<'_>, waiting: &mut Waiting) -> Poll<Charge> {
        match waiting.permit.as_mut().poll(cx) {
            Poll::Ready(permit) => {
                let permit = permit.expect("the semaphore is never closed");
                Poll::Ready(self.charge(permit, waiting.size))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn charge(&self, permit: OwnedSemaphorePermit, size: usize) -> Charge {
        add(&self.stats.request_bytes_now, size as u64);
        Charge { _permit: permit, size: size as u64, stats: self.stats.clone() }
    }
}
