//! What a consumer group is configured with: by itself, else for all brokers, else in this node's file.

use ottla_configs::BrokerConfig;
use ottla_groups::consumer::GroupSettings;
use ottla_ids::NodeId;
use ottla_metadata::{ConfigResource, Image, ResourceType};
use ottla_protocol::Text;

/// The settings of `group`, as `image` and the node's `configs` have them.
pub fn group_settings(configs: &BrokerConfig, image: &Image, node: NodeId, group: &Text) -> GroupSettings {
    let own = ConfigResource { kind: ResourceType::Group, name: group.clone() };
    let dynamic = [ConfigResource::broker(node), ConfigResource::all_brokers()];
    let setting = |key: &str| {
        let group_wide = format!("group.{key}");
        let told = image.config(&own, key);
        let told = told.or_else(|| dynamic.iter().find_map(|it| image.config(it, &group_wide)));
        // Values are checked when they are set; one that is no number does not count.
        told.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| configs.int(&group_wide))
    };
    GroupSettings {
        session_timeout_ms: setting("consumer.session.timeout.ms"),
        heartbeat_interval_ms: setting("consumer.heartbeat.interval.ms"),
        assignment_interval_ms: setting("consumer.assignment.interval.ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::records::metadata::{ConfigRecord, MetadataRecord};
    use ottla_state_machine::Machine;

    #[test]
    fn what_is_set_on_the_group_goes_before_what_is_set_on_brokers() {
        let configs = BrokerConfig::new([
            ("group.consumer.session.timeout.ms", "50000"),
            ("group.consumer.assignment.interval.ms", "7"),
        ])
        .expect("valid");
        let mut image = Image::default();
        for (resource_type, name, key, value) in [
            (ResourceType::Group, "g", "consumer.session.timeout.ms", "46000"),
            (ResourceType::Broker, "", "group.consumer.assignment.interval.ms", "8"),
        ] {
            image.replay(&MetadataRecord::Config(ConfigRecord {
                resource_type: resource_type.id(),
                resource_name: name.into(),
                name: key.into(),
                value: Some(value.into()),
                ..Default::default()
            }));
        }
        let settings = |group: &str| group_settings(&configs, &image, NodeId(1), &group.into());
        let expected = GroupSettings {
            session_timeout_ms: 46_000,
            heartbeat_interval_ms: 5_000,
            assignment_interval_ms: 8,
        };
        assert_eq!(settings("g"), expected);
        assert_eq!(settings("h"), GroupSettings { session_timeout_ms: 50_000, ..expected });
    }
}
