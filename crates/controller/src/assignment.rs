//! From brokers to a new partition's first state.

use crate::controller::Controller;
use crate::placement::UsableBroker;
use crate::refusal::Refusal;
use ottla_ids::{LeaderEpoch, NodeId, PartitionEpoch};
use ottla_metadata::{LeaderRecoveryState, Partition};
use ottla_protocol::ErrorCode;

impl Controller<'_> {
    /// The brokers that may get replicas of new partitions.
    pub(crate) fn usable_brokers(&self) -> impl Iterator<Item = UsableBroker> {
        self.image.brokers().filter(|broker| broker.has_uncordoned_directories()).map(|broker| UsableBroker {
            id: broker.id,
            rack: broker.rack.clone(),
            fenced: broker.fenced,
        })
    }

    /// The first state of a partition on these replicas: the first active one leads. `None` when none of
    /// them is active.
    pub(crate) fn new_partition(&self, replicas: Vec<NodeId>) -> Option<Partition> {
        let isr: Vec<NodeId> = replicas.iter().copied().filter(|node| self.image.is_active(*node)).collect();
        Some(Partition {
            directories: replicas.iter().map(|node| self.default_directory(*node)).collect(),
            leader: Some(*isr.first()?),
            replicas,
            isr,
            removing_replicas: Vec::new(),
            adding_replicas: Vec::new(),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
            eligible_leader_replicas: Vec::new(),
            last_known_elr: Vec::new(),
        })
    }

    /// Whether a client may ask for exactly these replicas; `expected_count` is how many the partitions
    /// before it have. Brokers with cordoned directories may be named, as in Kafka: who names them wants it so.
    pub(crate) fn check_manual_assignment(
        &self,
        replicas: &[NodeId],
        expected_count: Option<usize>,
    ) -> Result<(), Refusal> {
        let refuse = |message: String| Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        if replicas.is_empty() {
            return refuse("The manual partition assignment includes an empty replica list.".to_owned());
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        let mut before = None;
        for node in &sorted {
            if self.image.broker(*node).is_none() {
                return refuse(format!(
                    "The manual partition assignment includes broker {node}, but no such broker is registered."
                ));
            }
            if before == Some(node) {
                return refuse(format!(
                    "The manual partition assignment includes the broker {node} more than once."
                ));
            }
            before = Some(node);
        }
        match expected_count {
            Some(expected) if expected != replicas.len() => refuse(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this is not \
                 consistent with previous partitions, which have {expected} replica(s).",
                replicas.len()
            )),
            _ => Ok(()),
        }
    }
}
