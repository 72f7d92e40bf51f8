//! What the cluster knows about one broker.

use ottla_ids::{BrokerEpoch, NodeId, Uuid};
use ottla_protocol::Text;
use ottla_protocol::records::metadata::{
    BrokerRegistrationChangeRecord, RegisterBrokerRecord,
    register_broker::{BrokerEndpoint, BrokerFeature},
};
use std::collections::{BTreeMap, BTreeSet};

/// Where clients and neighbours reach a broker by one of its listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name, such as `PLAINTEXT`.
    pub listener: Text,
    /// The advertised host.
    pub host: Text,
    /// The advertised port.
    pub port: u16,
    /// Kafka's id of the security protocol: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// The levels of a feature that a node supports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest supported level.
    pub min: i16,
    /// The highest supported level.
    pub max: i16,
}

impl VersionRange {
    /// Whether `level` lies in the range.
    pub fn contains(self, level: i16) -> bool {
        self.min <= level && level <= self.max
    }
}

/// Whether a broker may lead and take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerState {
    /// Registered, but not (or no longer) trusted to be alive: it leads nothing, and clients do not see it.
    Fenced,
    /// Alive.
    Active,
    /// Alive and about to stop: it gets no new leadership.
    InControlledShutdown,
}

/// A broker's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// `node.id`.
    pub id: NodeId,
    /// The offset of the registration's record in the metadata log; a request with another is stale.
    pub epoch: BrokerEpoch,
    /// Names one run of the broker's process.
    pub incarnation_id: Uuid,
    /// By which listeners it is reached, in the order it registered them.
    pub endpoints: Vec<Endpoint>,
    /// What it supports, by feature name.
    pub features: BTreeMap<Text, VersionRange>,
    /// `broker.rack`.
    pub rack: Option<Text>,
    /// Not trusted to be alive.
    pub fenced: bool,
    /// About to stop.
    pub in_controlled_shutdown: bool,
    /// Registered in the days of ZooKeeper migration; kept so that a snapshot says so again.
    pub is_migrating_zk_broker: bool,
    /// The ids of its log directories that are online.
    pub directories: Vec<Uuid>,
    /// Directories that take no new partitions (KIP-1066); `None` when the broker does not say.
    pub cordoned_directories: Option<Vec<Uuid>>,
}

impl Broker {
    /// Whether it may lead and take part.
    pub fn state(&self) -> BrokerState {
        if self.fenced {
            BrokerState::Fenced
        } else if self.in_controlled_shutdown {
            BrokerState::InControlledShutdown
        } else {
            BrokerState::Active
        }
    }

    /// The endpoint behind listener `name`.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| &*endpoint.listener == name)
    }

    /// Whether some directory takes new partitions. A broker that never spoke of directories has one.
    pub fn has_uncordoned_directories(&self) -> bool {
        match &self.cordoned_directories {
            Some(cordoned) if !self.directories.is_empty() => {
                self.directories.iter().any(|directory| !cordoned.contains(directory))
            }
            _ => true,
        }
    }

    /// Whether these directories, in any order, are those that take no new partitions. A broker that does not say
    /// has none.
    pub fn cordons_exactly(&self, directories: &[Uuid]) -> bool {
        let said: BTreeSet<&Uuid> = self.cordoned_directories.iter().flatten().collect();
        said == directories.iter().collect()
    }

    pub(crate) fn from_record(record: &RegisterBrokerRecord) -> Broker {
        Broker {
            id: NodeId(record.broker_id),
            epoch: BrokerEpoch(record.broker_epoch),
            incarnation_id: record.incarnation_id,
            endpoints: record
                .end_points
                .iter()
                .map(|endpoint| Endpoint {
                    listener: endpoint.name.detached(),
                    host: endpoint.host.detached(),
                    port: endpoint.port,
                    security_protocol: endpoint.security_protocol,
                })
                .collect(),
            features: record
                .features
                .iter()
                .map(|feature| {
                    let range = VersionRange {
                        min: feature.min_supported_version,
                        max: feature.max_supported_version,
                    };
                    (feature.name.detached(), range)
                })
                .collect(),
            rack: record.rack.as_ref().map(Text::detached),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            is_migrating_zk_broker: record.is_migrating_zk_broker,
            directories: record.log_dirs.clone(),
            cordoned_directories: record.cordoned_log_dirs.clone(),
        }
    }

    pub(crate) fn to_record(&self) -> RegisterBrokerRecord {
        RegisterBrokerRecord {
            broker_id: self.id.0,
            is_migrating_zk_broker: self.is_migrating_zk_broker,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch.0,
            end_points: self
                .endpoints
                .iter()
                .map(|endpoint| BrokerEndpoint {
                    name: endpoint.listener.clone(),
                    host: endpoint.host.clone(),
                    port: endpoint.port,
                    security_protocol: endpoint.security_protocol,
                    ..BrokerEndpoint::default()
                })
                .collect(),
            features: self
                .features
                .iter()
                .map(|(name, range)| BrokerFeature {
                    name: name.clone(),
                    min_supported_version: range.min,
                    max_supported_version: range.max,
                    ..BrokerFeature::default()
                })
                .collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.directories.clone(),
            cordoned_log_dirs: self.cordoned_directories.clone(),
            ..RegisterBrokerRecord::default()
        }
    }

    /// What `record` changes: fields it leaves at their default stay as they are.
    pub(crate) fn apply(&mut self, record: &BrokerRegistrationChangeRecord) {
        match record.fenced {
            0 => {}
            fenced => self.fenced = fenced > 0,
        }
        match record.in_controlled_shutdown {
            0 => {}
            in_controlled_shutdown => self.in_controlled_shutdown = in_controlled_shutdown > 0,
        }
        if !record.log_dirs.is_empty() {
            self.directories = record.log_dirs.clone();
        }
        if let Some(cordoned) = &record.cordoned_log_dirs {
            self.cordoned_directories = Some(cordoned.clone());
        }
    }
}
