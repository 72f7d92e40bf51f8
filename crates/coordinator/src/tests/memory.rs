//! A partition in memory, which refuses and delays as it is told.

use crate::log::{LogError, PartitionLog, Written};
use bytes::Bytes;
use ottla_ids::Offset;
use ottla_records::{Compression, batches};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// A partition in memory. Clones are the same partition.
#[derive(Clone)]
pub(super) struct MemoryLog {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<watch::Sender<()>>,
}

struct Inner {
    /// First offset, offset after the last, bytes.
    batches: Vec<(Offset, Offset, Bytes)>,
    start: Offset,
    committed: Offset,
    hold_commits: bool,
    hold_reads: bool,
    fail_reads: bool,
    read_size: Option<usize>,
    refuse: Option<LogError>,
    batch_size_max: usize,
    largest: usize,
}

impl Default for MemoryLog {
    fn default() -> MemoryLog {
        let inner = Inner {
            batches: Vec::new(),
            start: Offset::ZERO,
            committed: Offset::ZERO,
            hold_commits: false,
            hold_reads: false,
            fail_reads: false,
            read_size: None,
            refuse: None,
            batch_size_max: 1 << 20,
            largest: 0,
        };
        MemoryLog { inner: Arc::new(Mutex::new(inner)), changed: Arc::new(watch::Sender::new(())) }
    }
}

impl MemoryLog {
    pub fn hold_commits(&self, hold: bool) {
        let mut inner = self.inner();
        inner.hold_commits = hold;
        if !hold {
            inner.committed = inner.end();
        }
        drop(inner);
        self.changed.send_replace(());
    }

    /// While commits are held, lets those before `offset` through.
    pub fn commit_to(&self, offset: Offset) {
        self.inner().committed = offset;
        self.changed.send_replace(());
    }

    pub fn hold_reads(&self, hold: bool) {
        self.inner().hold_reads = hold;
        self.changed.send_replace(());
    }

    pub fn fail_reads(&self, fail: bool) {
        self.inner().fail_reads = fail;
    }

    /// How many have hold of it.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.inner)
    }

    pub fn read_one_batch_at_a_time(&self) {
        self.inner().read_size = Some(1);
    }

    /// The next append is refused.
    pub fn refuse(&self, error: LogError) {
        self.inner().refuse = Some(error);
    }

    pub fn cut_before(&self, offset: Offset) {
        self.inner().start = offset;
    }

    pub fn batch_size_max(&self, size: usize) {
        self.inner().batch_size_max = size;
    }

    pub fn batches(&self) -> usize {
        self.inner().batches.len()
    }

    pub fn largest_batch(&self) -> usize {
        self.inner().largest
    }

    /// How the batches are compressed.
    pub fn compressions(&self) -> Vec<Compression> {
        let inner = self.inner();
        let all = inner.batches.iter().flat_map(|(_, _, batch)| batches(batch));
        all.map(|batch| batch.unwrap().compression()).collect()
    }

    /// Appends what somebody else wrote, whatever it is.
    pub fn put(&self, batch: Bytes) {
        let mut inner = self.inner();
        let base = inner.end();
        let count = batches(&batch).next().and_then(Result::ok).map_or(1, |it| it.next_offset().0);
        let mut bytes = batch.to_vec();
        bytes[..8].copy_from_slice(&base.0.to_be_bytes());
        inner.largest = inner.largest.max(bytes.len());
        inner.batches.push((base, base.plus(count), bytes.into()));
        if !inner.hold_commits {
            inner.committed = inner.end();
        }
        drop(inner);
        self.changed.send_replace(());
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    async fn wait_until(&self, holds: impl Fn(&Inner) -> bool) {
        let mut changed = self.changed.subscribe();
        while !holds(&self.inner()) {
            changed.changed().await.unwrap();
        }
    }
}

impl Inner {
    fn end(&self) -> Offset {
        self.batches.last().map_or(Offset::ZERO, |(_, end, _)| *end)
    }
}

impl PartitionLog for MemoryLog {
    async fn append(&self, batch: Bytes, _now_ms: i64) -> Result<Written, LogError> {
        let refused = self.inner().refuse.take();
        if let Some(error) = refused {
            return Err(error);
        }
        let base = self.inner().end();
        self.put(batch);
        Ok(Written { base, end: self.inner().end() })
    }

    async fn read(&self, from: Offset, size_max: usize) -> Result<Bytes, LogError> {
        self.wait_until(|inner| !inner.hold_reads).await;
        let inner = self.inner();
        if inner.fail_reads {
            return Err(LogError::Storage("it is broken".into()));
        }
        let size_max = inner.read_size.unwrap_or(size_max);
        let mut read = Vec::new();
        for (_, end, bytes) in &inner.batches {
            if *end <= from {
                continue;
            }
            if !read.is_empty() && read.len() + bytes.len() > size_max {
                break;
            }
            read.extend_from_slice(bytes);
        }
        Ok(read.into())
    }

    fn start(&self) -> Offset {
        self.inner().start
    }

    fn end(&self) -> Offset {
        self.inner().end()
    }

    fn committed(&self) -> Offset {
        self.inner().committed
    }

    async fn wait_committed(&self, offset: Offset) -> Result<(), LogError> {
        self.wait_until(|inner| offset <= inner.committed).await;
        Ok(())
    }

    fn batch_size_max(&self) -> usize {
        self.inner().batch_size_max
    }
}
