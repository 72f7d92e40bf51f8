//! The controller hears of this node's log directories: where partitions were placed, and what failed
//! (KIP-858; Kafka's `AssignmentsManager` and the offline directories of its heartbeats).

use crate::Broker;
use std::time::Duration;

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
                Ok::<(), ottla_quorum::DecideError>(())
            };
            if let Err(error) = told.await {
                if matches!(error, ottla_quorum::DecideError::Stopped) {
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
