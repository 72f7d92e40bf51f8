//! The thread that makes appends durable: one per log directory.
//!
//! It waits for appends, syncs everything that was appended meanwhile in one step, and moves the high
//! watermarks of what became durable. A thread and not a task, since a sync blocks; one, since a second
//! sync of the same disk would only wait for the first.

use crate::partitions::Partitions;
use ottla_storage::LogDirectory;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// Starts the thread of one directory. It ends when the directory's commit queue is shut down, or when the disk
/// fails.
pub(crate) fn spawn(
    directory: Arc<LogDirectory>,
    partitions: Weak<Partitions>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("group-commit".into()).spawn(move || run(&directory, &partitions))
}

fn run(directory: &LogDirectory, partitions: &Weak<Partitions>) {
    let queue = directory.commit_queue();
    loop {
        let synced = queue.wait_and_sync();
        let Some(partitions) = partitions.upgrade() else { return };
        match synced {
            Ok(synced) => {
                for it in synced {
                    partitions.on_durable(it.log_tag, it.durable_end);
                }
                if queue.is_shut_down() {
                    return; // all that waited was synced before
                }
            }
            Err(error) => {
                // After a failed sync nobody knows what the disk holds: the directory is given up, never
                // tried again as if nothing had happened.
                tracing::error!(
                    directory = %directory.path().display(), %error,
                    "the log directory is offline: its partitions are refused until the disk is repaired and the broker restarted"
                );
                partitions.on_offline(directory);
                return;
            }
        }
    }
}
