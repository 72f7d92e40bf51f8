//! The records a cluster starts with, and its features (Kafka's `ActivationRecordsGenerator`).

use crate::controller::Controller;
use ottla_configs::BrokerConfig;
use ottla_metadata::{
    ELR_VERSION, FEATURES, KRAFT_VERSION, METADATA_VERSION, MetadataRecord, MetadataVersion, ResourceType,
};
use ottla_protocol::Text;
use ottla_protocol::records::metadata::{
    AbortTransactionRecord, BeginTransactionRecord, ConfigRecord, EndTransactionRecord, FeatureLevelRecord,
};
use ottla_state_machine::Decision;

/// The key that the whole cluster needs a value of while eligible leader replicas are on (KIP-966).
pub(crate) const MIN_ISR: &str = "min.insync.replicas";

/// The levels that formatting finalizes unless it is told others, in Kafka's order: `metadata.version`, then by name.
pub fn bootstrap_features() -> Vec<MetadataRecord> {
    let mut features: Vec<_> = FEATURES
        .iter()
        .filter(|feature| feature.name != KRAFT_VERSION && feature.default_level > 0)
        .collect();
    features.sort_by_key(|feature| (feature.name != METADATA_VERSION, feature.name));
    features
        .into_iter()
        .map(|feature| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: Text::from_static(feature.name),
                feature_level: feature.default_level,
                ..FeatureLevelRecord::default()
            })
        })
        .collect()
}

/// The cluster's `min.insync.replicas`, which ELR needs: the one of the configuration file.
pub(crate) fn min_isr_of_all_brokers(configs: &BrokerConfig) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: ResourceType::Broker.id(),
        resource_name: Text::default(),
        name: Text::from_static(MIN_ISR),
        value: Some(Text::from(configs.int(MIN_ISR).to_string())),
        ..ConfigRecord::default()
    })
}

impl Controller<'_> {
    /// What a controller writes before anything else when it becomes active: on an empty log the
    /// `bootstrap` records, from `metadata.version` 3.6 on in a metadata transaction (KIP-868); else the end of a
    /// transaction that its predecessor left open, if there is one.
    pub fn activate(&mut self, bootstrap: Vec<MetadataRecord>) -> Decision<(), MetadataRecord> {
        let mut records = Vec::new();
        if self.image.is_in_transaction() {
            records.push(MetadataRecord::AbortTransaction(AbortTransactionRecord {
                reason: Some(Text::from_static("Controller failover")),
                ..AbortTransactionRecord::default()
            }));
        }
        if self.image.visible().metadata_version().is_some() {
            return Decision::write(records, ());
        }
        let level_of = |name: &str| {
            bootstrap.iter().find_map(|record| match record {
                MetadataRecord::FeatureLevel(feature) if *feature.name == *name => {
                    Some(feature.feature_level)
                }
                _ => None,
            })
        };
        let has_elr = level_of(ELR_VERSION).is_some_and(|level| level > 0);
        let in_transaction =
            level_of(METADATA_VERSION).is_some_and(|level| MetadataVersion(level).has_transactions());
        if in_transaction {
            records.push(MetadataRecord::BeginTransaction(BeginTransactionRecord {
                name: Some(Text::from_static("Bootstrap records")),
                ..BeginTransactionRecord::default()
            }));
        }
        records.extend(bootstrap);
        if has_elr {
            records.push(min_isr_of_all_brokers(self.configs));
        }
        if in_transaction {
            records.push(MetadataRecord::EndTransaction(EndTransactionRecord::default()));
        }
        Decision::write(records, ())
    }
}
