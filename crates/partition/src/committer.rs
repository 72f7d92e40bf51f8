//! The threads that make appends durable: two per log directory.
//!
//! The first waits for appends, syncs everything that was appended meanwhile in one step, and moves the high
//! watermarks of what became durable. A thread and not a task, since a sync blocks; one, since a second
//! sync of the same disk would only wait for the first. The second thread syncs in the background what the
//! first has only written to the journal.

use crate::partitions::Partitions;
use ottla_storage::{CommitQueue, LogDirectory};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// Starts the threads of one directory, which end when its commit queue is shut down or when the disk fails; the
/// one that is returned ends last.
pub(crate) fn spawn(
    directory: Arc<LogDirectory>,
    partitions: Weak<Partitions>,
) -> std::io::Result<JoinHandle<()>> {
    let of_queue = Arc::clone(directory.commit_queue());
    let background =
        std::thread::Builder::new().name("journal-write-back".into()).spawn(move || write_back(&of_queue))?;
    std::thread::Builder::new().name("group-commit".into()).spawn(move || {
        run(&directory, &partitions);
        directory.commit_queue().shut_down();
        // A panic of it was told by the panic hook.
        let _ = background.join();
    })
}

/// Frees full files of the journal. A failure takes the directory offline, which the other thread is told by
/// its next round.
fn write_back(queue: &CommitQueue) {
    while !queue.is_shut_down() {
        if queue.wait_and_write_back().is_err() {
            return;
        }
    }
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
