//! What a consumer group is configured with: by itself, else for all brokers, else in this node's file.

use ottla_configs::{BrokerConfig, GROUP_BOUNDS};
use ottla_groups::consumer::{GroupConfigs, GroupSettings};
use ottla_ids::NodeId;
use ottla_metadata::{ConfigResource, GROUP_VERSION, Image, ResourceType};
use ottla_protocol::Text;
use ottla_quorum::Quorum;
use std::sync::Arc;

/// What groups are configured with at present, whenever that is asked; `configs` is the node's file.
pub fn group_configs(
    quorum: Quorum,
    configs: BrokerConfig,
) -> impl Fn() -> Arc<dyn GroupConfigs> + Send + Sync {
    let configs = Arc::new(configs);
    move || {
        let (configs, image) = (Arc::clone(&configs), quorum.image());
        Arc::new(ImageGroupConfigs { configs, image, node: quorum.node() })
    }
}

/// What groups are configured with in one image.
#[derive(Debug)]
struct ImageGroupConfigs {
    configs: Arc<BrokerConfig>,
    image: Arc<Image>,
    node: NodeId,
}

impl GroupConfigs for ImageGroupConfigs {
    fn of(&self, group: &Text) -> GroupSettings {
        group_settings(&self.configs, &self.image, self.node, group)
    }
}

/// Whether groups may speak the consumer protocol (KIP-848): a cluster whose `group.version` is 0 does not know it, and
/// a node serves it when `group.coordinator.rebalance.protocols` names it.
pub fn consumer_groups_enabled(configs: &BrokerConfig, image: &Image) -> bool {
    let protocols = configs.find_list("group.coordinator.rebalance.protocols").unwrap_or_default();
    image.feature(GROUP_VERSION) > 0 && protocols.iter().any(|protocol| protocol == "consumer")
}

/// The settings of `group`, as `image` and the node's `configs` have them. What a group was given when the bounds were
/// wider counts as the bound that it is beyond (Kafka's `GroupConfig.evaluate`).
pub fn group_settings(configs: &BrokerConfig, image: &Image, node: NodeId, group: &Text) -> GroupSettings {
    let own = ConfigResource { kind: ResourceType::Group, name: group.clone() };
    let dynamic = [ConfigResource::broker(node), ConfigResource::all_brokers()];
    // Values are checked when they are set; one that is no number does not count.
    let number = |value: &Text| value.trim().parse::<i32>().ok();
    let setting = |key: &str| {
        let of_brokers = format!("group.{key}");
        let told = || dynamic.iter().find_map(|it| number(image.config(it, &of_brokers)?));
        match image.config(&own, key).and_then(number) {
            Some(own) => bounded(configs, key, own),
            None => told().unwrap_or_else(|| configs.int(&of_brokers)),
        }
    };
    GroupSettings {
        session_timeout_ms: setting("consumer.session.timeout.ms"),
        heartbeat_interval_ms: setting("consumer.heartbeat.interval.ms"),
        assignment_interval_ms: setting("consumer.assignment.interval.ms"),
    }
}

/// A group's own value, within what the node's file allows.
fn bounded(configs: &BrokerConfig, key: &str, value: i32) -> i32 {
    match GROUP_BOUNDS.iter().find(|(name, ..)| *name == key) {
        // The node does not start when the one is beyond the other.
        Some((_, least, most)) => value.min(configs.int(most)).max(configs.int(least)),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::records::metadata::FeatureLevelRecord;
    use ottla_protocol::records::metadata::{ConfigRecord, MetadataRecord};
    use ottla_state_machine::Machine;

    #[test]
    fn the_consumer_protocol_is_served_where_the_cluster_and_the_node_have_it() {
        let mut image = Image::default();
        let node = |protocols| {
            BrokerConfig::new([("group.coordinator.rebalance.protocols", protocols)]).expect("valid")
        };
        assert!(!consumer_groups_enabled(&BrokerConfig::default(), &image));
        image.replay(&MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: GROUP_VERSION.into(),
            feature_level: 1,
            ..FeatureLevelRecord::default()
        }));
        assert!(consumer_groups_enabled(&BrokerConfig::default(), &image));
        assert!(consumer_groups_enabled(&node("classic,consumer"), &image));
        assert!(!consumer_groups_enabled(&node("classic"), &image));
    }

    #[test]
    fn what_is_set_on_the_group_goes_before_what_is_set_on_brokers() {
        let configs = BrokerConfig::new([
            ("group.consumer.session.timeout.ms", "50000"),
            ("group.consumer.assignment.interval.ms", "7"),
        ])
        .expect("valid");
        let image = image(&[
            (ResourceType::Group, "g", "consumer.session.timeout.ms", "46000"),
            (ResourceType::Broker, "", "group.consumer.assignment.interval.ms", "8"),
        ]);
        let settings = |group: &str| group_settings(&configs, &image, NodeId(1), &group.into());
        let expected = GroupSettings {
            session_timeout_ms: 46_000,
            heartbeat_interval_ms: 5_000,
            assignment_interval_ms: 8,
        };
        assert_eq!(settings("g"), expected);
        assert_eq!(settings("h"), GroupSettings { session_timeout_ms: 50_000, ..expected });
    }

    /// Apache Kafka 4.3.1, started again with other bounds, answers heartbeats so.
    #[test]
    fn what_a_group_was_given_counts_within_the_bounds_of_today() {
        let image = image(&[
            (ResourceType::Group, "low", "consumer.session.timeout.ms", "3500"),
            (ResourceType::Group, "low", "consumer.heartbeat.interval.ms", "600"),
            (ResourceType::Group, "low", "consumer.assignment.interval.ms", "0"),
            (ResourceType::Group, "high", "consumer.session.timeout.ms", "60000"),
            (ResourceType::Group, "high", "consumer.heartbeat.interval.ms", "15000"),
            (ResourceType::Group, "high", "consumer.assignment.interval.ms", "15000"),
        ]);
        let configs = BrokerConfig::new([
            ("group.consumer.max.session.timeout.ms", "50000"),
            ("group.consumer.max.heartbeat.interval.ms", "9000"),
            ("group.consumer.min.assignment.interval.ms", "100"),
            ("group.consumer.max.assignment.interval.ms", "1000"),
        ]);
        let configs = configs.expect("valid");
        let settings = |group: &str| {
            let it = group_settings(&configs, &image, NodeId(1), &group.into());
            [it.session_timeout_ms, it.heartbeat_interval_ms, it.assignment_interval_ms]
        };
        assert_eq!(settings("low"), [45_000, 5_000, 100]);
        assert_eq!(settings("high"), [50_000, 9_000, 1_000]);
    }

    /// The metadata in which these keys are set: kind, name, key, value.
    fn image(settings: &[(ResourceType, &str, &str, &str)]) -> Image {
        let mut image = Image::default();
        for (resource_type, name, key, value) in settings {
            image.replay(&MetadataRecord::Config(ConfigRecord {
                resource_type: resource_type.id(),
                resource_name: (*name).into(),
                name: (*key).into(),
                value: Some((*value).into()),
                ..Default::default()
            }));
        }
        image
    }
}
