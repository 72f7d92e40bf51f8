//! Features go to other levels.

use super::*;
use crate::UpdatedFeatures;
use ottla_protocol::messages::update_features::{FeatureUpdateKey, UpdateFeaturesRequest};
use ottla_protocol::records::metadata::ConfigRecord;

/// `group.version=0 metadata.version=30`, all in one direction.
fn request_of(updates: &str, upgrade_type: i8) -> UpdateFeaturesRequest {
    let update = |word: &str| {
        let (name, level) = word.split_once('=').unwrap();
        FeatureUpdateKey {
            feature: Text::from(name),
            max_version_level: level.parse().unwrap(),
            upgrade_type,
            ..Default::default()
        }
    };
    UpdateFeaturesRequest { feature_updates: updates.split(' ').map(update).collect(), ..Default::default() }
}

/// Sets features; the levels that changed in the image, or the refusal. The quorum is at `kraft.version` 1.
#[track_caller]
fn check(cluster: &mut Cluster, direction: &str, updates: &str, expected: &str) {
    let upgrade_type = match direction {
        "up" => 1,
        "down" => 2,
        "unsafely down" => 3,
        _ => 0,
    };
    let levels = |cluster: &Cluster| -> std::collections::BTreeMap<String, i16> {
        let names = updates.split(' ').map(|word| word.split_once('=').unwrap().0);
        names.map(|name| (name.to_owned(), cluster.image.feature(name))).collect()
    };
    let before = levels(cluster);
    let request = request_of(updates, upgrade_type);
    let checked = cluster.decide(|controller| {
        let request = UpdateFeaturesRequest { validate_only: true, ..request.clone() };
        controller.update_features(&request, 1)
    });
    assert_eq!(levels(cluster), before, "only checked");
    let updated = cluster.decide(|controller| controller.update_features(&request, 1));
    assert_eq!(checked.err(), updated.clone().err(), "a check answers as the change does");
    let found = match updated {
        Err(refusal) => refusal.to_string(),
        Ok(_) => {
            let after = levels(cluster);
            let changed = after.iter().filter(|(name, level)| before.get(*name) != Some(level));
            changed.map(|(name, level)| format!("{name}={level}")).collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(found, expected);
}

fn invalid(level: &str, name: &str, reason: &str) -> String {
    format!("InvalidUpdateVersion: Invalid update version {level} for feature {name}. {reason}")
}

#[test]
fn a_feature_goes_down_only_when_that_is_asked_for() {
    let mut cluster = Cluster::new("1");
    let refused = "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
                   unsafe downgrade.";
    check(&mut cluster, "up", "group.version=0", &invalid("0", "group.version", refused));
    check(&mut cluster, "down", "group.version=0", "group.version=0");
    check(&mut cluster, "down", "group.version=0", "");
    let refused = "Can't downgrade to a newer version.";
    check(&mut cluster, "down", "group.version=1", &invalid("1", "group.version", refused));
    check(&mut cluster, "up", "group.version=1", "group.version=1");
    check(&mut cluster, "unsafely down", "group.version=0", "group.version=0");
}

#[test]
fn levels_that_are_not_served_cannot_be_set() {
    let mut cluster = Cluster::new("1");
    let refused = |level, name, reason: &str| invalid(level, name, &format!("Local controller 1 {reason}"));
    check(
        &mut cluster,
        "up",
        "group.version=2",
        &refused("2", "group.version", "only supports versions 0-1"),
    );
    check(
        &mut cluster,
        "up",
        "metadata.version=31",
        &refused("31", "metadata.version", "only supports versions 7-30"),
    );
    check(
        &mut cluster,
        "down",
        "metadata.version=6",
        &refused("6", "metadata.version", "only supports versions 7-30"),
    );
    check(&mut cluster, "up", "no.such=1", &refused("1", "no.such", "does not support this feature."));
    check(&mut cluster, "down", "no.such=0", &invalid("0", "no.such", "Feature no.such not found."));
    check(
        &mut cluster,
        "up",
        "group.version=-1",
        &invalid("-1", "group.version", "A feature version cannot be less than 0."),
    );
    check(
        &mut cluster,
        "?",
        "group.version=1",
        &invalid("1", "group.version", "The controller does not support the given upgrade type."),
    );
}

#[test]
fn a_feature_that_is_not_served_stays_or_goes() {
    let mut cluster = Cluster::new("1");
    let refused = "Local controller 1 does not support this feature.";
    check(&mut cluster, "up", "share.version=1 streams.version=1 transaction.version=2", "");
    check(&mut cluster, "down", "transaction.version=1", &invalid("1", "transaction.version", refused));
    check(&mut cluster, "down", "transaction.version=0", "transaction.version=0");
    check(&mut cluster, "up", "transaction.version=2", &invalid("2", "transaction.version", refused));
}

#[test]
fn another_broker_must_support_the_level_too() {
    let mut cluster = Cluster::new("1");
    let mut other = registration(2);
    other.features.retain(|(name, _)| **name != *"group.version");
    cluster.set_feature("group.version", 0);
    cluster.decide(|controller| controller.register_broker(&other)).unwrap();
    let refused = "Broker 2 does not support this feature.";
    check(&mut cluster, "up", "group.version=1", &invalid("1", "group.version", refused));
}

#[test]
fn all_features_of_a_request_change_or_none() {
    let mut cluster = Cluster::new("1");
    cluster.set_feature("metadata.version", 29);
    cluster.set_feature("group.version", 0);
    let request = "group.version=1 metadata.version=30 no.such=1";
    let refused = "Local controller 1 does not support this feature.";
    check(&mut cluster, "up", request, &invalid("1", "no.such", refused));
    check(&mut cluster, "up", "group.version=1 metadata.version=30", "group.version=1 metadata.version=30");
}

#[test]
fn the_metadata_version_goes_down_only_where_no_record_is_lost() {
    let mut cluster = Cluster::new("1");
    let refused = |to: i16, reason: &str| {
        format!("InvalidUpdateVersion: Unsupported metadata.version downgrade from 30 to {to}. {reason}")
    };
    let loses = "Refusing to perform the requested downgrade because it might delete metadata information.";
    check(&mut cluster, "down", "metadata.version=29", &refused(29, loses));
    let unsafely = "Unsafe metadata downgrade is not supported in this version.";
    check(&mut cluster, "unsafely down", "metadata.version=7", &refused(7, unsafely));
    cluster.set_feature("metadata.version", 26);
    check(&mut cluster, "down", "metadata.version=24", "metadata.version=24");
}

#[test]
fn elr_brings_one_min_insync_replicas_for_all_brokers() {
    let mut cluster = Cluster::new("1");
    cluster.configs = BrokerConfig::new([("min.insync.replicas", "3")]).unwrap();
    check(&mut cluster, "down", "eligible.leader.replicas.version=0", "eligible.leader.replicas.version=0");
    let mut of = |name: &'static str, value: Option<&'static str>| {
        cluster.write(MetadataRecord::Config(ConfigRecord {
            resource_type: 4,
            resource_name: Text::from_static(name),
            name: Text::from_static("min.insync.replicas"),
            value: value.map(Text::from_static),
            ..Default::default()
        }));
    };
    of("", None);
    of("1", Some("2"));
    check(&mut cluster, "up", "eligible.leader.replicas.version=1", "eligible.leader.replicas.version=1");
    let min_isr = |resource| cluster.image.config(&resource, "min.insync.replicas").map(|it| it.to_string());
    assert_eq!(min_isr(ottla_metadata::ConfigResource::all_brokers()).as_deref(), Some("3"));
    assert_eq!(min_isr(ottla_metadata::ConfigResource::broker(NodeId(1))), None);
}

#[test]
fn elr_needs_a_metadata_version_that_knows_it() {
    let mut cluster = Cluster::new("1");
    cluster.set_feature("metadata.version", 22);
    cluster.set_feature("eligible.leader.replicas.version", 0);
    let refused = "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version \
                   level 23";
    let name = "eligible.leader.replicas.version";
    check(&mut cluster, "up", "eligible.leader.replicas.version=1", &invalid("1", name, refused));
    let both = "eligible.leader.replicas.version=1 metadata.version=23";
    check(&mut cluster, "up", both, both);
}

#[test]
fn the_quorum_itself_raises_its_level() {
    let mut cluster = Cluster::new("1");
    let mut update = |direction, level, kraft_version| {
        let request = request_of(&format!("kraft.version={level}"), direction);
        let decided = cluster.decide(|controller| controller.update_features(&request, kraft_version));
        decided.map_err(|refusal| refusal.to_string())
    };
    let raised = UpdatedFeatures { kraft_version: Some(1), metadata_version: false };
    assert_eq!(update(1, 1, 0), Ok(raised));
    assert_eq!(update(1, 1, 1), Ok(UpdatedFeatures::default()));
    let refused = invalid("0", "kraft.version", "Can't downgrade the version of this feature.");
    assert_eq!(update(2, 0, 1), Err(refused));
    assert_eq!(cluster.image.feature("kraft.version"), 0, "no record of the log names it");
}
