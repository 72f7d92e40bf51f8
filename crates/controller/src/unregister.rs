//! A broker leaves the cluster for good (KIP-631; Kafka's `ReplicationControlManager.unregisterBroker`).

use crate::controller::{Controller, NO_LEADER, check_record_count, numbers};
use crate::refusal::Refusal;
use ottla_configs::TopicConfig;
use ottla_ids::NodeId;
use ottla_metadata::{ConfigResource, ELR_VERSION, MetadataRecord, Partition};
use ottla_protocol::ErrorCode;
use ottla_protocol::records::metadata::{PartitionChangeRecord, UnregisterBrokerRecord};
use ottla_state_machine::Decision;

impl Controller<'_> {
    /// Forgets the registration of `node`. It leads nothing any more and is in sync nowhere; what is assigned to it
    /// stays so. Whether it is alive is not asked, as in Kafka: one that is takes part again after its next start.
    ///
    /// # Errors
    /// It is not registered, or too many partitions would change at once.
    pub fn unregister_broker(&mut self, node: NodeId) -> Decision<Result<(), Refusal>, MetadataRecord> {
        let Some(broker) = self.image.broker(node) else {
            let message = format!("Broker ID {node} is not currently registered");
            return Decision::answer(Err(Refusal::new(ErrorCode::BrokerIdNotRegistered, message)));
        };
        let defaults = self.effective_configs().topic_defaults();
        let mut records = Vec::new();
        for topic in self.image.topics() {
            if !topic.partitions.values().any(|partition| partition.isr.contains(&node)) {
                continue;
            }
            let settings = self.image.settings(&ConfigResource::topic(topic.name.clone()));
            let min_isr = TopicConfig::resolve(settings, &defaults).min_insync_replicas;
            for (index, partition) in &topic.partitions {
                let Some(change) = self.leave(partition, node, min_isr) else { continue };
                records.push(MetadataRecord::PartitionChange(PartitionChangeRecord {
                    partition_id: *index,
                    topic_id: topic.id,
                    ..change
                }));
            }
        }
        records.push(MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
            broker_id: node.0,
            broker_epoch: broker.epoch.0,
            ..UnregisterBrokerRecord::default()
        }));
        match check_record_count(records.len()) {
            Ok(()) => Decision::write(records, Ok(())),
            Err(refusal) => Decision::answer(Err(refusal)),
        }
    }

    /// What makes `node` neither the leader of a partition nor one of those in sync. The last one in sync stays
    /// eligible to lead (KIP-966), or in sync where the cluster does not know who is eligible.
    fn leave(&self, partition: &Partition, node: NodeId, min_isr: i32) -> Option<PartitionChangeRecord> {
        if !partition.isr.contains(&node) {
            return None;
        }
        let mut change = PartitionChangeRecord::default();
        let isr: Vec<NodeId> = partition.isr.iter().copied().filter(|other| *other != node).collect();
        let has_elr = self.image.feature(ELR_VERSION) > 0;
        if has_elr || !isr.is_empty() {
            change.isr = Some(numbers(&isr));
        }
        if partition.leader == Some(node) {
            let may_lead = |other: &&NodeId| isr.contains(other) && self.image.is_active(**other);
            change.leader = partition.replicas.iter().find(may_lead).map_or(NO_LEADER, |other| other.0);
        }
        let enough = usize::try_from(min_isr).unwrap_or(1).min(partition.replicas.len());
        if has_elr && isr.len() < enough {
            let mut eligible = partition.eligible_leader_replicas.clone();
            eligible.extend(partition.isr.iter().filter(|other| !isr.contains(other)));
            eligible.sort_unstable();
            eligible.dedup();
            eligible.retain(|other| !isr.contains(other));
            change.eligible_leader_replicas =
                (eligible != partition.eligible_leader_replicas).then(|| numbers(&eligible));
        }
        (change != PartitionChangeRecord::default()).then_some(change)
    }
}
