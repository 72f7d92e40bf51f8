//! The thread that deletes what is kept no longer: it marks segments as deleted by their topic's retention, and
//! later removes the files of deleted segments and topics.
//!
//! A thread of its own, since removing a large file may take the file system long, and nothing waits for it.

use crate::partitions::Partitions;
use crate::worker::{Stop, Worker};
use ottla_ids::TopicPartition;
use ottla_storage::{Retained, StorageError};
use std::sync::Weak;
use std::time::Duration;

/// How often deleted files are looked for whose delay is over.
const REMOVAL_INTERVAL: Duration = Duration::from_secs(1);

/// Tells the time, in ms since 1970.
pub type Clock = fn() -> i64;

/// When the log's retention is looked at.
#[derive(Clone, Copy, Debug)]
pub struct RetentionSettings {
    /// `log.initial.task.delay.ms`: how long after the start it is looked at first.
    pub initial_delay: Duration,
    /// `log.retention.check.interval.ms`: how often it is.
    pub check_interval: Duration,
}

/// Starts the thread.
pub(crate) fn spawn(
    partitions: Weak<Partitions>,
    settings: RetentionSettings,
    clock: Clock,
) -> std::io::Result<Worker> {
    Worker::start("retention", move |stop| run(&partitions, settings, clock, stop))
}

fn run(partitions: &Weak<Partitions>, settings: RetentionSettings, clock: Clock, stop: &Stop) {
    let mut until_check = settings.initial_delay;
    loop {
        let pause = until_check.min(REMOVAL_INTERVAL);
        if stop.sleep(pause) {
            return;
        }
        let Some(partitions) = partitions.upgrade() else { return };
        until_check = until_check.saturating_sub(pause);
        if until_check.is_zero() {
            until_check = settings.check_interval;
            partitions.retain(clock());
        }
        if stop.is_now() {
            return;
        }
        partitions.remove_deleted(clock());
    }
}

impl Partitions {
    /// Marks as deleted what the topics' retention does not keep. Blocks.
    pub fn retain(&self, now_ms: i64) {
        for partition in self.all() {
            if partition.is_offline() {
                continue;
            }
            match partition.retain(now_ms) {
                Ok(retained) => tell(partition.name(), &retained),
                // Its topic was deleted meanwhile.
                Err(StorageError::Closed { .. }) => {}
                Err(error) => {
                    tracing::error!(partition = %partition.name(), %error, "old segments could not be deleted")
                }
            }
        }
    }
}

fn tell(partition: &TopicPartition, retained: &Retained) {
    if retained.deleted_segments > 0 {
        tracing::info!(
            %partition, segments = retained.deleted_segments, log_start_offset = retained.log_start.0,
            "retention deleted the oldest segments"
        );
    }
}
