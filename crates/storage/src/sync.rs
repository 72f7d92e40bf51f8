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
