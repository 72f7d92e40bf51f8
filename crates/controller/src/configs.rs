//! IncrementalAlterConfigs (Kafka's `ConfigAdminManager`, `ConfigurationControlManager` and
//! `ControllerConfigurationValidator`).
//!
//! Each resource stands or falls alone; what can be changed is written as one batch. Topics can be
//! changed. What a running broker, its loggers, a group or a subscription to client metrics would be told
//! is refused, since nothing would act on it yet.

use crate::controller::{Controller, check_record_count};
use crate::refusal::Refusal;
use crate::topic_name::validate_topic_name;
use ottla_configs::{Kind, TopicDefaults, topic, validate_topic};
use ottla_metadata::{ConfigResource, MetadataRecord, ResourceType};
use ottla_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use ottla_protocol::records::metadata::ConfigRecord;
use ottla_protocol::{ErrorCode, Text};
use ottla_state_machine::Decision;
use std::collections::{BTreeMap, BTreeSet};

/// What is to be done with a key (Kafka's `AlterConfigOp.OpType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
}

impl Operation {
    fn from_id(id: i8) -> Result<Operation, Refusal> {
        match id {
            0 => Ok(Operation::Set),
            1 => Ok(Operation::Delete),
            2 => Ok(Operation::Append),
            3 => Ok(Operation::Subtract),
            other => Err(Refusal::new(ErrorCode::InvalidRequest, format!("Unknown operations type {other}"))),
        }
    }
}

impl Controller<'_> {
    /// Changes configurations: for each resource of the request, in its order, whether it is changed. With
    /// `validate_only`, whether it would be.
    pub fn incremental_alter_configs(
        &mut self,
        request: &IncrementalAlterConfigsRequest,
    ) -> Decision<Vec<Result<(), Refusal>>, MetadataRecord> {
        let mut counts: BTreeMap<(i8, &Text), usize> = BTreeMap::new();
        for resource in &request.resources {
            *counts.entry((resource.resource_type, &resource.resource_name)).or_default() += 1;
        }
        let defaults = self.effective_configs().topic_defaults();
        let mut records = Vec::new();
        let mut answers = Vec::with_capacity(request.resources.len());
        for resource in &request.resources {
            let count = counts.get(&(resource.resource_type, &resource.resource_name));
            let changes = if count.is_some_and(|count| *count > 1) {
                Err(Refusal::new(ErrorCode::InvalidRequest, "Each resource must appear at most once."))
            } else {
                self.alter_resource(resource, &defaults)
            };
            answers.push(changes.map(|changes| records.extend(changes)));
        }
        if let Err(refusal) = check_record_count(records.len()) {
            return Decision::answer(answers.into_iter().map(|_| Err(refusal.clone())).collect());
        }
        if request.validate_only {
            records.clear();
        }
        Decision::write(records, answers)
    }

    fn alter_resource(
        &self,
        resource: &AlterConfigsResource,
        defaults: &TopicDefaults,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidRequest, message));
        let mut names = BTreeSet::new();
        if !resource.configs.iter().all(|config| names.insert(&config.name)) {
            return invalid("Error due to duplicate config keys".to_owned());
        }
        let delete = 1;
        let null = |config: &&AlterableConfig| config.config_operation != delete && config.value.is_none();
        let nulls: Vec<&str> = resource.configs.iter().filter(null).map(|config| &*config.name).collect();
        if !nulls.is_empty() {
            return invalid(format!("Null value not supported for : {}", nulls.join(", ")));
        }
        match ResourceType::from_id(resource.resource_type) {
            ResourceType::Topic => self.alter_topic(resource, defaults),
            ResourceType::Broker => self.alter_broker(resource).map(|()| Vec::new()),
            ResourceType::BrokerLogger => {
                self.check_node(&resource.resource_name, "Unexpected node id. Expected")?;
                invalid("Log levels of a running broker cannot be changed yet; set them when it starts".into())
            }
            ResourceType::ClientMetrics => invalid(
                "Subscriptions to client metrics are not honoured yet, since clients' metrics are not collected"
                    .to_owned(),
            ),
            ResourceType::Group if resource.resource_name.is_empty() => {
                invalid("Default group resources are not allowed.".to_owned())
            }
            ResourceType::Group => Err(Refusal::new(
                ErrorCode::InvalidConfig,
                "Configurations of single groups are not honoured yet: they act on the newer group protocols \
                 (KIP-848, KIP-932, KIP-1071), which are not served",
            )),
            ResourceType::Other(id) => invalid(format!("Unknown resource type {id}")),
        }
    }

    /// A running broker takes no new configuration; only what changes nothing is fine.
    fn alter_broker(&self, resource: &AlterConfigsResource) -> Result<(), Refusal> {
        if !resource.resource_name.is_empty() {
            self.check_node(&resource.resource_name, "Unexpected broker id, expected")?;
        }
        let target = ConfigResource { kind: ResourceType::Broker, name: resource.resource_name.clone() };
        let changes = |config: &&AlterableConfig| {
            let current = self.image.config(&target, &config.name);
            !matches!(Operation::from_id(config.config_operation), Ok(Operation::Delete)) || current.is_some()
        };
        let names: Vec<&str> = resource.configs.iter().filter(changes).map(|config| &*config.name).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorCode::InvalidRequest,
            format!(
                "Cannot update these configs dynamically: [{}]. A running broker does not take new \
                 configurations yet; set them in its file or on its command line and start it again",
                names.join(", ")
            ),
        ))
    }

    /// Whether `name` is this node's id.
    fn check_node(&self, name: &str, otherwise: &str) -> Result<(), Refusal> {
        let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidRequest, message));
        match name.parse::<i32>() {
            Ok(id) if id == self.node.0 => Ok(()),
            Ok(_) => invalid(format!("{otherwise} {}, but received {name}", self.node)),
            Err(_) => invalid(format!("Node id must be an integer, but it is: {name}")),
        }
    }

    fn alter_topic(
        &self,
        resource: &AlterConfigsResource,
        defaults: &TopicDefaults,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let name = &resource.resource_name;
        let current = self.image.topic_configs(name);
        let mut all: BTreeMap<&str, Text> = BTreeMap::new();
        for (key, value) in current.into_iter().flatten() {
            all.insert(key, value.clone());
        }
        let mut records = Vec::new();
        for config in &resource.configs {
            let old = all.get(config.name.as_str()).cloned();
            let new = new_value(config, old.as_ref())?;
            if new == old {
                continue;
            }
            match &new {
                Some(value) => all.insert(&config.name, value.clone()),
                None => all.remove(config.name.as_str()),
            };
            records.push(MetadataRecord::Config(ConfigRecord {
                resource_type: ResourceType::Topic.id(),
                resource_name: name.detached(),
                name: config.name.detached(),
                value: new.map(|value| value.detached()),
                ..ConfigRecord::default()
            }));
        }
        if name.is_empty() {
            let message = "Default topic resources are not allowed.";
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        validate_topic_name(name)
            .map_err(|error| Refusal::new(ErrorCode::InvalidTopicException, error.to_string()))?;
        validate_topic(all.iter().map(|(key, value)| (*key, Some(value.as_str()))), defaults)
            .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.message))?;
        if self.image.topic(name).is_none() {
            let message = format!("The topic '{name}' does not exist.");
            return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, message));
        }
        Ok(records)
    }
}

/// What becomes of a key that has the value `old`, or none of its own.
fn new_value(config: &AlterableConfig, old: Option<&Text>) -> Result<Option<Text>, Refusal> {
    let operation = Operation::from_id(config.config_operation)?;
    let value = config.value.as_deref().unwrap_or_default();
    let word = match operation {
        Operation::Set => return Ok(config.value.clone()),
        Operation::Delete => return Ok(None),
        Operation::Append => "APPEND",
        Operation::Subtract => "SUBTRACT",
    };
    let key = topic::key(&config.name).filter(|key| key.kind == Kind::List).ok_or_else(|| {
        let message = format!("Can't {word} to key {} because its type is not LIST.", config.name);
        Refusal::new(ErrorCode::InvalidConfig, message)
    })?;
    let old = old.map(Text::as_str).or(key.default.text()).unwrap_or_default();
    let mut parts: Vec<&str> = old.split(',').filter(|part| !part.is_empty()).collect();
    for part in java_split(value) {
        let at = parts.iter().position(|existing| *existing == part);
        match (operation, at) {
            (Operation::Append, None) => parts.push(part),
            (Operation::Subtract, Some(at)) => {
                parts.remove(at);
            }
            _ => {}
        }
    }
    Ok(Some(Text::from(parts.join(","))))
}

/// Java's `String.split(",")`: without empty parts at the end, but with one for an empty text.
fn java_split(text: &str) -> impl Iterator<Item = &str> {
    let end = if text.is_empty() { text } else { text.trim_end_matches(',') };
    let nothing = end.is_empty() && !text.is_empty();
    end.split(',').filter(move |_| !nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use ottla_configs::BrokerConfig;
    use ottla_ids::{NodeId, Offset, Uuid};
    use ottla_metadata::Image;
    use ottla_protocol::records::metadata::TopicRecord;
    use ottla_state_machine::Machine as _;

    /// An image with the topics `t` and `u`, where `t` has these configurations.
    fn image(configs: &[(&str, &str)]) -> Image {
        let mut image = Image::default();
        for (name, id) in [("t", 7), ("u", 8)] {
            image.replay(&MetadataRecord::Topic(TopicRecord {
                name: name.into(),
                topic_id: Uuid::from_u128(id),
                ..TopicRecord::default()
            }));
        }
        for (name, value) in configs {
            image.replay(&MetadataRecord::Config(ConfigRecord {
                resource_type: 2,
                resource_name: "t".into(),
                name: (*name).into(),
                value: Some((*value).into()),
                ..ConfigRecord::default()
            }));
        }
        image
    }

    fn decide(
        image: &Image,
        request: &IncrementalAlterConfigsRequest,
    ) -> Decision<Vec<Result<(), Refusal>>, MetadataRecord> {
        let configs = BrokerConfig::default();
        let mut random = Random::from_ids(Uuid::from_u128(1), Uuid::from_u128(2));
        let mut controller = Controller {
            image,
            node: NodeId(1),
            configs: &configs,
            next_offset: Offset::ZERO,
            now_ms: 0,
            random: &mut random,
        };
        controller.incremental_alter_configs(request)
    }

    /// A resource: its type, its name, and `op key=value` each; without `=` the value is null.
    fn resource(kind: i8, name: &str, changes: &[&str]) -> AlterConfigsResource {
        let change = |change: &&str| {
            let (operation, setting) = change.split_once(' ').expect("an operation and a key");
            let operation = match operation {
                "set" => 0,
                "delete" => 1,
                "append" => 2,
                "subtract" => 3,
                number => number.parse().expect("a number of an operation"),
            };
            let (name, value) = match setting.split_once('=') {
                Some((name, value)) => (name, Some(value.into())),
                None => (setting, None),
            };
            AlterableConfig {
                name: name.into(),
                config_operation: operation,
                value,
                ..AlterableConfig::default()
            }
        };
        AlterConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configs: changes.iter().map(change).collect(),
            ..AlterConfigsResource::default()
        }
    }

    fn request(resources: Vec<AlterConfigsResource>) -> IncrementalAlterConfigsRequest {
        IncrementalAlterConfigsRequest { resources, ..IncrementalAlterConfigsRequest::default() }
    }

    /// What `changes` make of the topic `t` with `configs`: its configurations afterwards, or the refusal.
    fn check(configs: &[(&str, &str)], changes: &[&str], expected: &str) {
        let mut image = image(configs);
        let Decision { records, answer } = decide(&image, &request(vec![resource(2, "t", changes)]));
        let found = match &answer[..] {
            [Err(refusal)] => {
                assert!(records.is_empty(), "nothing is written of what is refused");
                format!("{} {}", i16::from(refusal.code), refusal.message)
            }
            [Ok(())] => {
                records.iter().for_each(|record| image.replay(record));
                let configs = image.topic_configs("t").into_iter().flatten();
                let configs: Vec<String> = configs.map(|(key, value)| format!("{key}={value}")).collect();
                format!("{} written; {}", records.len(), configs.join(" "))
            }
            other => panic!("one answer, not {other:?}"),
        };
        assert_eq!(found, expected, "{changes:?}");
    }

    #[test]
    fn keys_are_set_and_deleted() {
        check(&[], &["set retention.ms=5"], "1 written; retention.ms=5");
        check(&[("retention.ms", "5")], &["set retention.ms=6"], "1 written; retention.ms=6");
        check(&[("retention.ms", "5")], &["delete retention.ms"], "1 written; ");
        check(&[], &["set segment.ms=5", "set retention.ms=7"], "2 written; retention.ms=7 segment.ms=5");
    }

    #[test]
    fn what_changes_nothing_is_not_written() {
        check(&[("retention.ms", "5")], &["set retention.ms=5"], "0 written; retention.ms=5");
        check(&[], &["delete segment.bytes"], "0 written; ");
        check(&[], &["delete segment.bytes=7"], "0 written; ");
        check(&[], &["delete foo"], "0 written; ");
        check(&[], &[], "0 written; ");
    }

    #[test]
    fn lists_grow_and_shrink() {
        check(&[], &["append cleanup.policy=compact"], "1 written; cleanup.policy=delete,compact");
        let both = ("cleanup.policy", "delete,compact");
        check(&[both], &["append cleanup.policy=compact"], "0 written; cleanup.policy=delete,compact");
        check(&[both], &["subtract cleanup.policy=delete"], "1 written; cleanup.policy=compact");
        check(&[both], &["subtract cleanup.policy=compact,delete"], "1 written; cleanup.policy=");
        check(
            &[("cleanup.policy", "")],
            &["append cleanup.policy=compact, delete"],
            "1 written; cleanup.policy=compact, delete",
        );
        check(
            &[("leader.replication.throttled.replicas", "0:1,1:2")],
            &["subtract leader.replication.throttled.replicas=0:1,5:5"],
            "1 written; leader.replication.throttled.replicas=1:2",
        );
    }

    #[test]
    fn wrong_changes_of_topics_are_refused_as_kafka_does() {
        for (changes, refusal) in [
            (vec!["set foo=5"], "40 Unknown topic config name: foo"),
            (
                vec!["set retention.ms", "set retention.bytes"],
                "42 Null value not supported for : retention.ms, retention.bytes",
            ),
            (vec!["append cleanup.policy"], "42 Null value not supported for : cleanup.policy"),
            (vec!["set retention.ms=5", "delete retention.ms"], "42 Error due to duplicate config keys"),
            (
                vec!["append retention.ms=5"],
                "40 Can't APPEND to key retention.ms because its type is not LIST.",
            ),
            (vec!["subtract foo=5"], "40 Can't SUBTRACT to key foo because its type is not LIST."),
            (
                vec!["set retention.ms=7", "set segment.bytes=5"],
                "40 Invalid value 5 for configuration segment.bytes: Value must be at least 1048576",
            ),
            (
                vec!["set remote.storage.enable=true"],
                "40 Tiered Storage functionality is disabled in the broker. Topic cannot be configured with \
                 remote log storage.",
            ),
            (
                vec!["set min.compaction.lag.ms=10", "set max.compaction.lag.ms=5"],
                "40 conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
            ),
            (vec!["9 retention.ms=5"], "42 Unknown operations type 9"),
        ] {
            check(&[], &changes, refusal);
        }
    }

    #[test]
    fn a_change_is_checked_together_with_what_is_there() {
        check(
            &[("max.compaction.lag.ms", "5")],
            &["set min.compaction.lag.ms=10"],
            "40 conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        );
    }

    fn check_resource(kind: i8, name: &str, change: &str, expected: &str) {
        let answer = decide(&image(&[]), &request(vec![resource(kind, name, &[change])])).answer;
        let found = match &answer[..] {
            [Err(refusal)] => format!("{} {}", i16::from(refusal.code), refusal.message),
            other => format!("{other:?}"),
        };
        assert!(found.starts_with(expected), "{kind} {name}: {found}");
    }

    #[test]
    fn what_cannot_be_changed_is_refused() {
        for (kind, name, change, refusal) in [
            (2, "nope", "set retention.ms=5", "3 The topic 'nope' does not exist."),
            (2, "nope", "set retention.ms=x", "40 Invalid value x for configuration retention.ms"),
            (2, "", "set retention.ms=5", "42 Default topic resources are not allowed."),
            (2, "a b", "set retention.ms=5", "17 Topic name is invalid: 'a b' contains"),
            (2, "__cluster_metadata", "set retention.ms=5", "3 The topic '__cluster_metadata' does not"),
            (
                4,
                "1",
                "set log.retention.ms=5",
                "42 Cannot update these configs dynamically: [log.retention.ms]",
            ),
            (4, "", "append log.cleanup.policy=compact", "42 Cannot update these configs dynamically"),
            (4, "1", "delete log.retention.ms", "[Ok(())]"),
            (4, "2", "set log.retention.ms=5", "42 Unexpected broker id, expected 1, but received 2"),
            (4, "x", "set log.retention.ms=5", "42 Node id must be an integer, but it is: x"),
            (8, "2", "set kafka=INFO", "42 Unexpected node id. Expected 1, but received 2"),
            (8, "1", "set kafka=INFO", "42 Log levels of a running broker cannot be changed"),
            (16, "m", "set interval.ms=5", "42 Subscriptions to client metrics are not honoured yet"),
            (32, "g", "set consumer.session.timeout.ms=5", "40 Configurations of single groups are not"),
            (32, "", "set consumer.session.timeout.ms=5", "42 Default group resources are not allowed."),
            (0, "x", "set a=5", "42 Unknown resource type 0"),
            (99, "x", "set a=5", "42 Unknown resource type 99"),
            (-1, "x", "set a=5", "42 Unknown resource type -1"),
        ] {
            check_resource(kind, name, change, refusal);
        }
    }

    #[test]
    fn each_resource_stands_alone_and_none_may_be_there_twice() {
        let resources = vec![
            resource(2, "t", &["set retention.ms=5"]),
            resource(2, "u", &["set retention.ms=6"]),
            resource(2, "t", &["set retention.bytes=7"]),
        ];
        let Decision { records, answer } = decide(&image(&[]), &request(resources));
        let twice = Refusal::new(ErrorCode::InvalidRequest, "Each resource must appear at most once.");
        assert_eq!(answer, [Err(twice.clone()), Ok(()), Err(twice)]);
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn validating_writes_nothing() {
        let mut request = request(vec![resource(2, "t", &["set retention.ms=5"])]);
        request.validate_only = true;
        assert_eq!(decide(&image(&[]), &request), Decision::answer(vec![Ok(())]));
    }

    #[test]
    fn texts_are_split_as_java_splits_them() {
        let split = |text| java_split(text).collect::<Vec<_>>();
        assert_eq!(split("a,b"), ["a", "b"]);
        assert_eq!(split("a,,b,,"), ["a", "", "b"]);
        assert_eq!(split(""), [""]);
        assert_eq!(split(",,"), [""; 0]);
    }
}
