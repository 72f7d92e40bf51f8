//! The standard library's locks, for which a panic of another holder is a panic of ours: what it left behind
//! may be half done.

pub(crate) use std::sync::{
    MutexGuard as Guard, RwLockReadGuard as ReadGuard, RwLockWriteGuard as WriteGuard,
};

const POISONED: &str = "a thread panicked while it held this lock";

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Mutex<T> {
        Mutex(std::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> Guard<'_, T> {
        self.0.lock().expect(POISONED)
    }

    /// `None` where somebody holds it.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::WouldBlock) => None,
            Err(std::sync::TryLockError::Poisoned(_)) => panic!("{POISONED}"),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(std::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub fn new(value: T) -> RwLock<T> {
        RwLock(std::sync::RwLock::new(value))
    }

    pub fn read(&self) -> ReadGuard<'_, T> {
        self.0.read().expect(POISONED)
    }

    pub fn write(&self) -> WriteGuard<'_, T> {
        self.0.write().expect(POISONED)
    }
}

/// Whether something must be synced, for several who sync at once: it is clean when a sync has ended that
/// began after the last change, not before.
#[derive(Debug, Default)]
pub(crate) struct Dirt {
    changes: std::sync::atomic::AtomicU64,
    synced: std::sync::atomic::AtomicU64,
}

impl Dirt {
    /// Notes a change.
    pub fn mark(&self) {
        self.changes.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    }

    /// What a sync that begins now makes clean, if there is something.
    pub fn pending(&self) -> Option<u64> {
        let changes = self.changes.load(std::sync::atomic::Ordering::Acquire);
        (self.synced.load(std::sync::atomic::Ordering::Acquire) < changes).then_some(changes)
    }

    /// Notes that the sync has ended that began with `pending`.
    pub fn done(&self, pending: u64) {
        self.synced.fetch_max(pending, std::sync::atomic::Ordering::AcqRel);
    }
}
