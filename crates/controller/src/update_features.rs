//! Features are set to other levels (KIP-584, KIP-778; Kafka's `FeatureControlManager` and, for what ELR needs,
//! `ConfigurationControlManager`).
//!
//! A level may be set whose meaning is served. A feature that is not served keeps the level it has in the log, and
//! may be disabled: Apache Kafka heeds it when it gets the data back.

use crate::controller::{Controller, check_record_count};
use crate::features::{MIN_ISR, min_isr_of_all_brokers};
use crate::refusal::Refusal;
use ottla_metadata::{
    ConfigResource, ELR_VERSION, KRAFT_VERSION, METADATA_VERSION, MetadataRecord, MetadataVersion,
    ResourceType, VersionRange, feature_of,
};
use ottla_protocol::messages::update_features::UpdateFeaturesRequest;
use ottla_protocol::records::metadata::{ConfigRecord, FeatureLevelRecord};
use ottla_protocol::{ErrorCode, Text};
use ottla_state_machine::Decision;
use std::collections::BTreeMap;

/// What a client says of the direction (Kafka's `FeatureUpdate.UpgradeType`).
const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

/// ELR's level 1 needs the records of this `metadata.version`, `4.0-IV1`.
const ELR_NEEDS: MetadataVersion = MetadataVersion(23);

/// What comes of a request that is not refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdatedFeatures {
    /// The quorum is to raise its own `kraft.version` to this level; its log says so in control records.
    pub kraft_version: Option<i16>,
    /// `metadata.version` changed: registrations may say more or less at another level.
    pub metadata_version: bool,
}

impl Controller<'_> {
    /// Sets features to other levels, all of them or none. `kraft_version` is the level that the quorum keeps.
    ///
    /// # Errors
    /// A level that is not served here or by another node, a way down that is not asked for or loses records, and
    /// what depends on another feature; with Kafka's texts.
    pub fn update_features(
        &mut self,
        request: &UpdateFeaturesRequest,
        kraft_version: i16,
    ) -> Decision<Result<UpdatedFeatures, Refusal>, MetadataRecord> {
        match self.feature_records(request, kraft_version) {
            Err(refusal) => Decision::answer(Err(refusal)),
            Ok(_) if request.validate_only => Decision::answer(Ok(UpdatedFeatures::default())),
            Ok((records, updated)) => Decision::write(records, Ok(updated)),
        }
    }

    fn feature_records(
        &self,
        request: &UpdateFeaturesRequest,
        kraft_version: i16,
    ) -> Result<(Vec<MetadataRecord>, UpdatedFeatures), Refusal> {
        // Of two about one feature the later counts.
        let wanted: BTreeMap<&str, (i16, i8)> = request
            .feature_updates
            .iter()
            .map(|it| (it.feature.as_str(), (it.max_version_level, it.upgrade_type)))
            .collect();
        check_record_count(wanted.len())?;
        let metadata_version = match wanted.get(METADATA_VERSION) {
            Some((level, _)) => MetadataVersion(*level),
            None => self.metadata_version(),
        };
        let mut records = Vec::new();
        let mut updated = UpdatedFeatures::default();
        for (name, (level, direction)) in &wanted {
            let invalid = |reason: &str| invalid_level(name, *level, reason);
            let before = match *name {
                KRAFT_VERSION => kraft_version,
                _ => self.image.feature(name),
            };
            self.check_level(name, *level, before, *direction).map_err(|reason| invalid(&reason))?;
            match *name {
                KRAFT_VERSION if *level < before => {
                    return Err(invalid("Can't downgrade the version of this feature."));
                }
                KRAFT_VERSION => {
                    updated.kraft_version = (before < *level).then_some(*level);
                    continue;
                }
                METADATA_VERSION => {
                    check_way_down(before, *level, *direction)?;
                    updated.metadata_version = before != *level;
                }
                ELR_VERSION if *level > 0 && metadata_version < ELR_NEEDS => {
                    return Err(invalid(&format!(
                        "{name} could not be set to {level} because it depends on {METADATA_VERSION} level {}",
                        ELR_NEEDS.0
                    )));
                }
                name if feature_of(name).is_none() => {
                    return Err(invalid(&format!("Feature {name} not found.")));
                }
                _ => {}
            }
            if *name == ELR_VERSION && *level > 0 {
                records.extend(self.min_isr_for_elr());
            }
            records.push(MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: Text::from(*name),
                feature_level: *level,
                ..FeatureLevelRecord::default()
            }));
        }
        check_record_count(records.len())?;
        Ok((records, updated))
    }

    /// Whether every node supports `level`, and the way to it is the one asked for; else why not.
    fn check_level(&self, name: &str, level: i16, before: i16, direction: i8) -> Result<(), String> {
        if ![UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE].contains(&direction) {
            return Err("The controller does not support the given upgrade type.".to_owned());
        }
        if level < 0 {
            return Err("A feature version cannot be less than 0.".to_owned());
        }
        // What stands in the log already may stay: it is no promise of this build.
        let feature = feature_of(name);
        let stays = level == before && feature.is_some_and(|it| !it.is_served);
        if !stays {
            let served = feature.filter(|it| it.is_served).map_or(NOT_SUPPORTED, |it| it.known);
            check_supported(level, &format!("Local controller {}", self.node), served)?;
            for broker in self.image.brokers() {
                let known = broker.features.get(name).copied().unwrap_or(NOT_SUPPORTED);
                check_supported(level, &format!("Broker {}", broker.id), known)?;
            }
        }
        if level < before && direction == UPGRADE {
            return Err(
                "Can't downgrade the version of this feature without setting the upgrade type to either \
                        safe or unsafe downgrade."
                    .to_owned(),
            );
        }
        if before < level && direction != UPGRADE {
            return Err("Can't downgrade to a newer version.".to_owned());
        }
        Ok(())
    }

    /// With ELR the whole cluster has one `min.insync.replicas`, and no broker another.
    fn min_isr_for_elr(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        if self.image.config(&ConfigResource::all_brokers(), MIN_ISR).is_none() {
            records.push(min_isr_of_all_brokers(self.configs));
        }
        let of_one = self.image.all_configs().filter(|(resource, configs)| {
            resource.kind == ResourceType::Broker
                && !resource.name.is_empty()
                && configs.contains_key(MIN_ISR)
        });
        records.extend(of_one.map(|(resource, _)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: ResourceType::Broker.id(),
                resource_name: resource.name.clone(),
                name: Text::from_static(MIN_ISR),
                value: None,
                ..ConfigRecord::default()
            })
        }));
        records
    }
}

/// The range of a node that does not say anything of a feature.
const NOT_SUPPORTED: VersionRange = VersionRange { min: 0, max: 0 };

fn check_supported(level: i16, who: &str, range: VersionRange) -> Result<(), String> {
    let VersionRange { min, max } = range;
    match max {
        _ if range.contains(level) => Ok(()),
        0 => Err(format!("{who} does not support this feature.")),
        _ if min == max => Err(format!("{who} only supports versions {min}")),
        _ => Err(format!("{who} only supports versions {min}-{max}")),
    }
}

/// `metadata.version` goes down only where no record would become unreadable.
fn check_way_down(before: i16, level: i16, direction: i8) -> Result<(), Refusal> {
    if before <= level || !MetadataVersion(before).loses_records_at(MetadataVersion(level)) {
        return Ok(());
    }
    let reason = match direction {
        UNSAFE_DOWNGRADE => "Unsafe metadata downgrade is not supported in this version.",
        _ => "Refusing to perform the requested downgrade because it might delete metadata information.",
    };
    Err(Refusal::new(
        ErrorCode::InvalidUpdateVersion,
        format!("Unsupported metadata.version downgrade from {before} to {level}. {reason}"),
    ))
}

fn invalid_level(name: &str, level: i16, reason: &str) -> Refusal {
    Refusal::new(
        ErrorCode::InvalidUpdateVersion,
        format!("Invalid update version {level} for feature {name}. {reason}"),
    )
}
