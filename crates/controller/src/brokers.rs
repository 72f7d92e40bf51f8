//! Brokers come, are trusted, and are no longer (Kafka's `ClusterControlManager`).

use crate::controller::Controller;
use crate::directories::is_reachable;
use crate::refusal::Refusal;
use ottla_configs::TopicConfig;
use ottla_ids::{BrokerEpoch, NodeId, Uuid};
use ottla_metadata::{
    ConfigResource, DirectoryId, Endpoint, FEATURES, METADATA_VERSION, MetadataRecord, Partition, Topic,
    VersionRange,
};
use ottla_protocol::records::metadata::{
    BrokerRegistrationChangeRecord, PartitionChangeRecord, RegisterBrokerRecord, RegisterControllerRecord,
    register_broker::{BrokerEndpoint, BrokerFeature},
    register_controller::{ControllerEndpoint, ControllerFeature},
};
use ottla_protocol::{ErrorCode, Text};
use ottla_state_machine::Decision;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A broker asks to take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// `node.id`.
    pub node: NodeId,
    /// Names this run of the process.
    pub incarnation_id: Uuid,
    /// By which listeners it is reached.
    pub endpoints: Vec<Endpoint>,
    /// The levels of features that it can live with.
    pub features: Vec<(Text, VersionRange)>,
    /// `broker.rack`.
    pub rack: Option<Text>,
    /// The ids of its log directories.
    pub directories: Vec<Uuid>,
}

impl Registration {
    /// The features of this build: those that it can live with.
    pub fn known_features() -> Vec<(Text, VersionRange)> {
        FEATURES.iter().map(|feature| (Text::from_static(feature.name), feature.known)).collect()
    }
}

/// A controller tells the others of itself (KIP-919).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerRegistration {
    /// `node.id`.
    pub node: NodeId,
    /// Names this run of the process.
    pub incarnation_id: Uuid,
    /// By which controller listeners it is reached.
    pub endpoints: Vec<Endpoint>,
    /// What it supports.
    pub features: Vec<(Text, VersionRange)>,
}

impl Controller<'_> {
    /// Registers a broker, fenced; its epoch is the offset that the registration's record gets. The same
    /// incarnation registering again (its endpoints changed, say) keeps its epoch and its state.
    ///
    /// # Errors
    /// Directories and features that cannot be, with Kafka's texts.
    pub fn register_broker(
        &mut self,
        registration: &Registration,
    ) -> Decision<Result<BrokerEpoch, Refusal>, MetadataRecord> {
        let checked = self
            .check_directories(registration.node, &registration.directories)
            .and_then(|()| self.check_features(&registration.features));
        if let Err(refusal) = checked {
            return Decision::answer(Err(refusal));
        }
        let same_incarnation = self
            .image
            .broker(registration.node)
            .filter(|broker| broker.incarnation_id == registration.incarnation_id);
        let epoch = same_incarnation.map_or(BrokerEpoch(self.next_offset.0), |broker| broker.epoch);
        let features = registration.features.iter().map(|(name, range)| BrokerFeature {
            name: name.clone(),
            min_supported_version: range.min,
            max_supported_version: range.max,
            ..BrokerFeature::default()
        });
        let endpoints = registration.endpoints.iter().map(|endpoint| BrokerEndpoint {
            name: endpoint.listener.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
            ..BrokerEndpoint::default()
        });
        let has_directories = self.metadata_version().has_directories();
        let record = MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: registration.node.0,
            incarnation_id: registration.incarnation_id,
            broker_epoch: epoch.0,
            end_points: endpoints.collect(),
            features: features.collect(),
            rack: registration.rack.clone(),
            fenced: same_incarnation.is_none_or(|broker| broker.fenced),
            in_controlled_shutdown: same_incarnation.is_some_and(|broker| broker.in_controlled_shutdown),
            log_dirs: if has_directories { registration.directories.clone() } else { Vec::new() },
            ..RegisterBrokerRecord::default()
        });
        let mut records = vec![record];
        if has_directories {
            records.extend(self.leave_unreachable(registration.node, &registration.directories));
        }
        Decision::write(records, Ok(epoch))
    }

    /// Trusts a registered broker to be alive. Partitions that have nobody to lead them and that it may
    /// lead without loss, or as the last one who did, get it as their leader; so do those that may lose
    /// records rather than stay without one (`unclean.leader.election.enable`).
    ///
    /// # Errors
    /// It is not registered, or was since by another incarnation.
    pub fn unfence_broker(
        &mut self,
        node: NodeId,
        epoch: BrokerEpoch,
    ) -> Decision<Result<(), Refusal>, MetadataRecord> {
        if let Err(refusal) = self.check_broker_epoch(node, epoch) {
            return Decision::answer(Err(refusal));
        }
        if self.image.is_active(node) {
            return Decision::answer(Ok(()));
        }
        let in_shutdown = self.image.broker(node).is_some_and(|broker| broker.in_controlled_shutdown);
        let mut records = vec![MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id: node.0,
            broker_epoch: epoch.0,
            fenced: -1,
            in_controlled_shutdown: if in_shutdown { -1 } else { 0 },
            ..BrokerRegistrationChangeRecord::default()
        })];
        let defaults = self.effective_configs().topic_defaults();
        for topic in self.image.topics() {
            if topic.partitions.values().all(|partition| partition.leader.is_some()) {
                continue;
            }
            let settings = self.image.settings(&ConfigResource::topic(topic.name.clone()));
            records.extend(self.elections(topic, node, &TopicConfig::resolve(settings, &defaults)));
        }
        Decision::write(records, Ok(()))
    }

    /// Gives `node` the partitions of `topic` that have no leader and that it may lead: those in directories
    /// that it can reach.
    pub(crate) fn elections(&self, topic: &Topic, node: NodeId, config: &TopicConfig) -> Vec<MetadataRecord> {
        let online = self.image.broker(node).map(|broker| broker.directories.as_slice()).unwrap_or_default();
        let elect = |(index, partition): (&i32, &Arc<Partition>)| {
            let change =
                elected(partition, node, config).filter(|_| is_reachable(partition, node, online))?;
            let change = PartitionChangeRecord { partition_id: *index, topic_id: topic.id, ..change };
            Some(MetadataRecord::PartitionChange(change))
        };
        topic.partitions.iter().filter_map(elect).collect()
    }

    /// Registers a controller; it replaces its earlier registration.
    ///
    /// # Errors
    /// The cluster's `metadata.version` is too old to have such registrations.
    pub fn register_controller(
        &mut self,
        registration: &ControllerRegistration,
    ) -> Decision<Result<(), Refusal>, MetadataRecord> {
        if !self.metadata_version().has_controller_registration() {
            return Decision::answer(Err(Refusal::new(
                ErrorCode::UnsupportedVersion,
                "The current MetadataVersion is too old to support controller registrations.",
            )));
        }
        let endpoints = registration.endpoints.iter().map(|endpoint| ControllerEndpoint {
            name: endpoint.listener.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
            ..ControllerEndpoint::default()
        });
        let features = registration.features.iter().map(|(name, range)| ControllerFeature {
            name: name.clone(),
            min_supported_version: range.min,
            max_supported_version: range.max,
            ..ControllerFeature::default()
        });
        let record = MetadataRecord::RegisterController(RegisterControllerRecord {
            controller_id: registration.node.0,
            incarnation_id: registration.incarnation_id,
            zk_migration_ready: false,
            end_points: endpoints.collect(),
            features: features.collect(),
            ..RegisterControllerRecord::default()
        });
        Decision::write(vec![record], Ok(()))
    }

    /// Whether a request of broker `node` comes from its present incarnation.
    pub(crate) fn check_broker_epoch(&self, node: NodeId, epoch: BrokerEpoch) -> Result<(), Refusal> {
        match self.image.broker(node) {
            None => Err(Refusal::new(
                ErrorCode::StaleBrokerEpoch,
                format!("No broker registration found for broker id {node}"),
            )),
            Some(broker) if broker.epoch != epoch => Err(Refusal::new(
                ErrorCode::StaleBrokerEpoch,
                format!("Expected broker epoch {}, but got broker epoch {epoch}", broker.epoch),
            )),
            Some(_) => Ok(()),
        }
    }

    fn check_directories(&self, node: NodeId, directories: &[Uuid]) -> Result<(), Refusal> {
        if !self.metadata_version().has_directories() {
            return Ok(());
        }
        let refuse = |message: String| Err(Refusal::new(ErrorCode::InvalidRegistration, message));
        if directories.is_empty() {
            return refuse("No directories specified in request".to_owned());
        }
        if directories.iter().any(|directory| DirectoryId::is_reserved(*directory)) {
            return refuse("Reserved directory ID in request".to_owned());
        }
        if directories.iter().collect::<BTreeSet<_>>().len() != directories.len() {
            return refuse("Duplicate directory ID in request".to_owned());
        }
        for other in self.image.brokers().filter(|broker| broker.id != node) {
            if let Some(directory) =
                directories.iter().find(|directory| other.directories.contains(directory))
            {
                return refuse(format!(
                    "Broker {} is already registered with directory {directory}",
                    other.id
                ));
            }
        }
        Ok(())
    }

    /// Every finalized level must be among those the broker supports.
    fn check_features(&self, features: &[(Text, VersionRange)]) -> Result<(), Refusal> {
        let refuse = |name: &str, level: i16, range: VersionRange| {
            Err(Refusal::new(
                ErrorCode::UnsupportedVersion,
                format!(
                    "Unable to register because the broker does not support finalized version {level} of {name}. \
                     The broker wants a version between {} and {}, inclusive.",
                    range.min, range.max
                ),
            ))
        };
        // The level of `kraft.version` is kept by the quorum; the image says 0, which no node refuses.
        for (name, range) in features {
            let level = self.image.feature(name);
            if !range.contains(level) {
                return refuse(name, level, *range);
            }
        }
        if !features.iter().any(|(name, _)| **name == *METADATA_VERSION) {
            return Err(Refusal::new(
                ErrorCode::InvalidRegistration,
                "Request features do not contain 'metadata.version'",
            ));
        }
        match self.image.features().find(|(name, _)| !features.iter().any(|(known, _)| known == *name)) {
            Some((name, level)) => refuse(name, level, VersionRange { min: 0, max: 0 }),
            None => Ok(()),
        }
    }
}

/// What makes `node` the leader of a partition that has none, when it may be: as an in-sync or an
/// eligible replica, or, when there is nobody else left, as the last one known to be eligible (KIP-966).
/// Once there are `min.insync.replicas` again, nobody is eligible beside them. Where the topic lets it lose
/// records, as any replica.
fn elected(partition: &Partition, node: NodeId, config: &TopicConfig) -> Option<PartitionChangeRecord> {
    if partition.leader.is_some() {
        return None;
    }
    if partition.isr.contains(&node) {
        return Some(PartitionChangeRecord { leader: node.0, ..PartitionChangeRecord::default() });
    }
    let eligible = partition.eligible_leader_replicas.contains(&node);
    let last_known = partition.isr.is_empty()
        && partition.eligible_leader_replicas.is_empty()
        && partition.last_known_elr == [node];
    let unclean = config.unclean_leader_election_enable && partition.replicas.contains(&node);
    if !eligible && !last_known && !unclean {
        return None;
    }
    let min_isr = usize::try_from(config.min_insync_replicas).unwrap_or(1);
    // Who else was eligible has records that this one lacks.
    let is_enough = (!eligible && !last_known) || min_isr.min(partition.replicas.len()) <= 1;
    let left = |nodes: &[NodeId]| -> Option<Vec<i32>> {
        let stays = |other: &&NodeId| !is_enough && **other != node;
        let left: Vec<i32> = nodes.iter().filter(stays).map(|other| other.0).collect();
        (left.len() != nodes.len()).then_some(left)
    };
    Some(PartitionChangeRecord {
        leader: node.0,
        isr: Some(vec![node.0]),
        leader_recovery_state: if eligible { -1 } else { 1 },
        eligible_leader_replicas: left(&partition.eligible_leader_replicas),
        last_known_elr: left(&partition.last_known_elr),
        ..PartitionChangeRecord::default()
    })
}
