//! The controller hears of this node's log directories: where partitions were placed, and what failed
//! (KIP-858; Kafka's `AssignmentsManager` and the offline directories of its heartbeats).

use crate::broker::{Broker, Shared};
use ottla_ids::{TopicId, Uuid};
use ottla_metadata::{Image, MetadataVersion};
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
    /// Cordons the log directories that are to be, and sees that the controller knows it: to be called before anybody
    /// can ask for new partitions. Later changes are followed with the rest of the metadata.
    pub async fn cordon_directories(&self) {
        let image = self.shared.quorum.image();
        self.shared.follow_cordons(&image, &Image::default()).await;
    }

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

impl Shared {
    /// Cordons the log directories that are to be by `image`, the one after `before`. The controller is told first:
    /// where DescribeLogDirs says that directories are cordoned, it gives this node nothing more for them.
    pub(crate) async fn follow_cordons(&self, image: &Image, before: &Image) {
        let directories = self.partitions.directories();
        match self.partitions.cordoned_in(image, before) {
            None => self.tell_cordoned(image, directories.cordoned()).await,
            Some(entries) => {
                self.tell_cordoned(image, directories.ids_of(&entries)).await;
                directories.cordon(&entries);
            }
        }
    }

    /// Tells the controller which log directories are cordoned, where the metadata says otherwise. What it could not
    /// be told it is told at the next change of the metadata.
    async fn tell_cordoned(&self, image: &Image, cordoned: Vec<Uuid>) {
        let (node, epoch) = (self.quorum.node(), self.quorum.broker_epoch());
        let can_say = image.metadata_version().is_some_and(MetadataVersion::has_cordoned_directories);
        if !can_say || image.broker(node).is_none_or(|broker| broker.cordons_exactly(&cordoned)) {
            return;
        }
        match self.quorum.decide(move |it| it.cordon_directories(node, epoch, &cordoned)).await {
            Ok(told) => log_refusal(told),
            Err(DecideError::Stopped) => {}
            Err(error) => {
                tracing::warn!(%error, "the metadata does not know yet which directories are cordoned")
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
