//! The controller hears of this node's log directories: where partitions were placed, and what failed
//! (KIP-858; Kafka's `AssignmentsManager` and the offline directories of its heartbeats).

use crate::Broker;
use ottla_ids::{TopicId, Uuid};
use ottla_partition::{AssignError, Assignments};
use ottla_quorum::{DecideError, Quorum};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How many placements are told at once (Kafka's `MAX_ASSIGNMENTS_PER_REQUEST`).
const PLACED_MAX: usize = 2250;
/// How long to wait after the controller could not be told.
const RETRY: Duration = Duration::from_secs(1);

impl Broker {
    /// Tells the controller what happens to the log directories, until the node stops.
    pub async fn report_directories(&self) {
        let (quorum, news) = (&self.shared.quorum, self.shared.partitions.news());
        let (node, epoch) = (quorum.node(), quorum.broker_epoch());
        loop {
            let report = news.next(PLACED_MAX).await;
            let (placed, failed) = (report.placed.clone(), report.failed.clone());
            let told = async {
                if !placed.is_empty() {
                    let placed = quorum.decide(move |it| it.assign_directories(node, epoch, &placed)).await?;
                    log_refusal(placed);
                }
                if !failed.is_empty() {
                    let failed = quorum.decide(move |it| it.fail_directories(node, epoch, &failed)).await?;
                    log_refusal(failed);
                }
                Ok::<(), DecideError>(())
            };
            if let Err(error) = told.await {
                if matches!(error, DecideError::Stopped) {
                    return;
                }
                tracing::warn!(%error, "the metadata does not know yet where partitions lie");
                news.put_back(report);
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn log_refusal(told: Result<(), ottla_controller::Refusal>) {
    if let Err(refusal) = told {
        tracing::error!(%refusal, "the controller does not take the state of this node's log directories");
    }
}

/// What the quorum says of where this node's partitions lie, for the threads that move them.
struct QuorumAssignments {
    quorum: Quorum,
    runtime: Handle,
}

impl Assignments for QuorumAssignments {
    fn assigned(&self, topic: TopicId, index: i32) -> Option<Uuid> {
        let image = self.quorum.image();
        image.topic_by_id(topic)?.partition(index)?.directory(self.quorum.node())
    }

    fn assign(&self, topic: TopicId, index: i32, directory: Uuid) -> Result<(), AssignError> {
        let (node, epoch) = (self.quorum.node(), self.quorum.broker_epoch());
        let placed = [(topic, index, directory)];
        let decided = self.quorum.decide(move |it| it.assign_directories(node, epoch, &placed));
        match self.runtime.block_on(decided) {
            Ok(Ok(())) if self.assigned(topic, index) == Some(directory) => Ok(()),
            Ok(Ok(())) => Err(AssignError::Refused("the partition is gone".to_owned())),
            Ok(Err(refusal)) => Err(AssignError::Refused(refusal.to_string())),
            Err(error @ (DecideError::Stopped | DecideError::NoRoom(_) | DecideError::TooLarge { .. })) => {
                Err(AssignError::Refused(error.to_string()))
            }
            Err(error @ (DecideError::Failed(_) | DecideError::Bug)) => {
                Err(AssignError::Unknown(error.to_string()))
            }
        }
    }
}

impl Broker {
    /// Starts the threads that move partitions between log directories. Within a tokio runtime.
    ///
    /// # Errors
    /// The operating system gives no more threads.
    pub fn start_moves(&self) -> std::io::Result<()> {
        let assignments =
            QuorumAssignments { quorum: self.shared.quorum.clone(), runtime: Handle::current() };
        self.shared.partitions.start_moves(Arc::new(assignments), || crate::Clock.now_ms())
    }
}
