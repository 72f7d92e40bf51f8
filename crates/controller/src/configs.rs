//! IncrementalAlterConfigs and AlterConfigs (Kafka's `ConfigAdminManager`, `ConfigurationControlManager` and
//! `ControllerConfigurationValidator`).
//!
//! Each resource stands or falls alone; what can be changed is written as one batch. Topics, brokers and groups
//! can be changed. What a subscription to client metrics would be told is refused, since nothing would act on
//! it yet; loggers are the node's own and do not come here.

use crate::controller::{Controller, check_record_count};
use crate::features::MIN_ISR;
use crate::refusal::Refusal;
use crate::topic_name::validate_topic_name;
use ottla_configs::{
    BrokerConfig, InvalidConfig, Key, Kind, Scope, TopicConfig, check_group_support, dynamic_key, topic,
    validate_dynamic, validate_group, validate_topic,
};
use ottla_metadata::{ConfigResource, ELR_VERSION, MetadataRecord, ResourceType, Topic};
use ottla_protocol::messages::alter_configs::AlterConfigsRequest;
use ottla_protocol::messages::incremental_alter_configs::IncrementalAlterConfigsRequest;
use ottla_protocol::records::metadata::ConfigRecord;
use ottla_protocol::{ErrorCode, Text};
use ottla_state_machine::Decision;
use std::collections::{BTreeMap, BTreeSet};

/// The key that lets a replica lead that lacks records.
const UNCLEAN: &str = "unclean.leader.election.enable";

/// The key that keeps new partitions from log directories.
const CORDONED: &str = "cordoned.log.dirs";

/// On whose listener a request for other configurations came (KIP-919).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// A broker's: it has looked at what concerns it alone.
    Broker,
    /// A controller's, who does not know a broker's directories.
    Controller,
}

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

/// What a request wants of one resource.
struct Wanted<'a> {
    target: ConfigResource,
    changes: Vec<Change<'a>>,
    /// What is not named goes away (AlterConfigs); otherwise it stays.
    replaces: bool,
}

/// What is wanted of one key.
struct Change<'a> {
    name: &'a Text,
    operation: i8,
    value: Option<&'a Text>,
}

/// What a resource would have, and the records that make it so.
struct Planned {
    all: BTreeMap<Text, Text>,
    records: Vec<MetadataRecord>,
}

impl Controller<'_> {
    /// Changes configurations key by key: for each resource of the request, in its order, whether it is
    /// changed. With `validate_only`, whether it would be.
    pub fn incremental_alter_configs(
        &mut self,
        request: &IncrementalAlterConfigsRequest,
        through: Through,
    ) -> Decision<Vec<Result<(), Refusal>>, MetadataRecord> {
        let wanted = request.resources.iter().map(|resource| Wanted {
            target: target(resource.resource_type, &resource.resource_name),
            changes: resource
                .configs
                .iter()
                .map(|config| Change {
                    name: &config.name,
                    operation: config.config_operation,
                    value: config.value.as_ref(),
                })
                .collect(),
            replaces: false,
        });
        self.alter_all(&wanted.collect::<Vec<_>>(), request.validate_only, through)
    }

    /// As [`Controller::incremental_alter_configs`], but a resource then has what the request says of it and
    /// nothing else.
    pub fn alter_configs(
        &mut self,
        request: &AlterConfigsRequest,
        through: Through,
    ) -> Decision<Vec<Result<(), Refusal>>, MetadataRecord> {
        let wanted = request.resources.iter().map(|resource| Wanted {
            target: target(resource.resource_type, &resource.resource_name),
            changes: resource
                .configs
                .iter()
                .map(|config| Change { name: &config.name, operation: 0, value: config.value.as_ref() })
                .collect(),
            replaces: true,
        });
        self.alter_all(&wanted.collect::<Vec<_>>(), request.validate_only, through)
    }

    fn alter_all(
        &self,
        wanted: &[Wanted<'_>],
        validate_only: bool,
        through: Through,
    ) -> Decision<Vec<Result<(), Refusal>>, MetadataRecord> {
        let mut counts: BTreeMap<&ConfigResource, usize> = BTreeMap::new();
        wanted.iter().for_each(|wanted| *counts.entry(&wanted.target).or_default() += 1);
        let configs = self.effective_configs();
        let mut records = Vec::new();
        let mut answers = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let changes = if counts.get(&wanted.target).is_some_and(|count| *count > 1) {
                Err(Refusal::new(ErrorCode::InvalidRequest, "Each resource must appear at most once."))
            } else {
                self.alter(wanted, &configs, through)
            };
            answers.push(changes.map(|changes| records.extend(changes)));
        }
        if let Err(refusal) = check_record_count(records.len()) {
            return Decision::answer(answers.into_iter().map(|_| Err(refusal.clone())).collect());
        }
        if validate_only {
            records.clear();
        }
        Decision::write(records, answers)
    }

    fn alter(
        &self,
        wanted: &Wanted<'_>,
        configs: &BrokerConfig,
        through: Through,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidRequest, message));
        let mut names = BTreeSet::new();
        if !wanted.changes.iter().all(|change| names.insert(change.name)) {
            return invalid("Error due to duplicate config keys".to_owned());
        }
        let delete = 1;
        let nulls = wanted.changes.iter().filter(|it| it.operation != delete && it.value.is_none());
        let nulls: Vec<&str> = nulls.map(|change| &**change.name).collect();
        if !nulls.is_empty() {
            return invalid(format!("Null value not supported for : {}", nulls.join(", ")));
        }
        match wanted.target.kind {
            ResourceType::Topic => self.alter_topic(wanted, configs),
            ResourceType::Broker => self.alter_broker(wanted, configs, through),
            ResourceType::ClientMetrics => invalid(
                "Subscriptions to client metrics are not honoured yet, since clients' metrics are not collected"
                    .to_owned(),
            ),
            ResourceType::Group if wanted.target.name.is_empty() => {
                invalid("Default group resources are not allowed.".to_owned())
            }
            ResourceType::Group => self.alter_group(wanted, configs),
            // Nothing is kept of them: whoever asks changes its own, once it knows that the request is in order.
            ResourceType::BrokerLogger if !wanted.replaces => Ok(Vec::new()),
            kind @ (ResourceType::BrokerLogger | ResourceType::Other(_)) => {
                invalid(format!("Unknown resource type {}", kind.id()))
            }
        }
    }

    /// A broker, or with the empty name all of them. A broker is told by itself what it alone does.
    fn alter_broker(
        &self,
        wanted: &Wanted<'_>,
        configs: &BrokerConfig,
        through: Through,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let invalid = |message: String| Refusal::new(ErrorCode::InvalidRequest, message);
        let name = &wanted.target.name;
        let scope = if name.is_empty() { Scope::Cluster } else { Scope::Broker };
        if scope == Scope::Broker {
            match name.parse::<i32>() {
                Ok(id) if id == self.node.0 => {}
                Ok(_) => {
                    let node = self.node;
                    return Err(invalid(format!(
                        "Unexpected broker id, expected {node}, but received {name}"
                    )));
                }
                Err(_) => return Err(invalid(format!("Node id must be an integer, but it is: {name}"))),
            }
        }
        let mut planned = self.plan(wanted, |operation, name| {
            let Some(key) = dynamic_key(name) else { return Err(format!("Unknown config name: {name}")) };
            let word = if operation == Operation::Append { "append" } else { "subtract" };
            list_key(key).ok_or_else(|| format!("Config value {word} is not allowed for config key: {name}"))
        })?;
        let all = planned.all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let after = validate_dynamic(&all, scope, configs).map_err(|error| invalid(error.message))?;
        if self.image.feature(ELR_VERSION) > 0 {
            let names_it = wanted.changes.iter().any(|change| **change.name == *MIN_ISR);
            let problem = match scope {
                Scope::Broker if names_it => {
                    Some("Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
                }
                Scope::Cluster if (names_it || wanted.replaces) && !planned.all.contains_key(MIN_ISR) => {
                    Some("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
                }
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(Refusal::new(ErrorCode::InvalidConfig, problem));
            }
        }
        self.check_cordons(wanted, &planned, through)?;
        if wanted.changes.iter().any(|change| **change.name == *UNCLEAN) && self.image.is_active(self.node) {
            let defaults = after.topic_defaults();
            for topic in self.image.topics().filter(|topic| is_without_leader(topic)) {
                let settings = self.image.settings(&ConfigResource::topic(topic.name.clone()));
                let config = TopicConfig::resolve(settings, &defaults);
                planned.records.extend(self.elections(topic, self.node, &config));
            }
        }
        Ok(planned.records)
    }

    /// Whether a broker may be told which directories are cordoned: not before `metadata.version` 4.3, not even that
    /// none are, and through a controller only fewer of them.
    fn check_cordons(&self, wanted: &Wanted<'_>, planned: &Planned, through: Through) -> Result<(), Refusal> {
        let old = self.image.configs(&wanted.target).and_then(|configs| configs.get(CORDONED));
        let new = planned.all.get(CORDONED);
        let is_named = wanted.changes.iter().any(|change| **change.name == *CORDONED);
        if !is_named && old == new {
            return Ok(());
        }
        let refuse = |message: &str| Err(Refusal::new(ErrorCode::InvalidConfig, message));
        if !self.metadata_version().has_cordoned_directories() {
            return refuse(
                "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= \
                 4.3-IV0",
            );
        }
        let entries = |text: &Text| -> BTreeSet<String> {
            text.split(',').map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty()).collect()
        };
        let (old, new) = (old.map(entries).unwrap_or_default(), new.map(entries).unwrap_or_default());
        if through == Through::Controller && !new.is_subset(&old) {
            // Two spaces, as in Kafka.
            return refuse(
                "When updating cordoned.log.dirs via controllers,  the new value must be a subset of the current \
                 configuration value.",
            );
        }
        Ok(())
    }

    fn alter_topic(
        &self,
        wanted: &Wanted<'_>,
        configs: &BrokerConfig,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let name = &wanted.target.name;
        let mut planned = self.plan(wanted, |operation, name| {
            let word = if operation == Operation::Append { "APPEND" } else { "SUBTRACT" };
            topic::key(name)
                .and_then(list_key)
                .ok_or_else(|| format!("Can't {word} to key {name} because its type is not LIST."))
        })?;
        if name.is_empty() {
            let message = "Default topic resources are not allowed.";
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        validate_topic_name(name)
            .map_err(|error| Refusal::new(ErrorCode::InvalidTopicException, error.to_string()))?;
        let all = planned.all.iter().map(|(key, value)| (key.as_str(), Some(value.as_str())));
        let defaults = configs.topic_defaults();
        validate_topic(all, &defaults)
            .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.message))?;
        let Some(topic) = self.image.topic(name) else {
            let message = format!("The topic '{name}' does not exist.");
            return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, message));
        };
        if wanted.changes.iter().any(|change| **change.name == *UNCLEAN) && self.image.is_active(self.node) {
            // A partition that waits for a leader need not wait longer.
            let all = planned.all.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let config = TopicConfig::resolve(all, &defaults);
            planned.records.extend(self.elections(topic, self.node, &config));
        }
        Ok(planned.records)
    }

    fn alter_group(
        &self,
        wanted: &Wanted<'_>,
        configs: &BrokerConfig,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let planned = self.plan(wanted, |operation, name| {
            // No key of a group is a list.
            let word = if operation == Operation::Append { "APPEND" } else { "SUBTRACT" };
            Err(format!("Can't {word} to key {name} because its type is not LIST."))
        })?;
        let all = planned.all.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let refusal = |error: InvalidConfig| Refusal::new(ErrorCode::InvalidConfig, error.message);
        validate_group(all, configs).map_err(refusal)?;
        for change in &wanted.changes {
            if let Some(value) = planned.all.get(change.name) {
                check_group_support(change.name, value).map_err(refusal)?;
            }
        }
        Ok(planned.records)
    }

    /// Works out what a resource would have. `list` finds the key of a list that is to grow or shrink, or says
    /// why there is none.
    fn plan(
        &self,
        wanted: &Wanted<'_>,
        list: impl Fn(Operation, &str) -> Result<&'static Key, String>,
    ) -> Result<Planned, Refusal> {
        let mut all: BTreeMap<Text, Text> = BTreeMap::new();
        for (key, value) in self.image.configs(&wanted.target).into_iter().flatten() {
            all.insert(key.clone(), value.clone());
        }
        let not_named: Vec<Text> = match wanted.replaces {
            true => {
                all.keys().filter(|key| !wanted.changes.iter().any(|it| it.name == *key)).cloned().collect()
            }
            false => Vec::new(),
        };
        let mut records = Vec::new();
        let record = |name: &Text, value: Option<Text>| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: wanted.target.kind.id(),
                resource_name: wanted.target.name.detached(),
                name: name.detached(),
                value: value.map(|value| value.detached()),
                ..ConfigRecord::default()
            })
        };
        for change in &wanted.changes {
            let old = all.get(change.name).cloned();
            let new = new_value(change, old.as_ref(), &list)?;
            // A broker that is told again what it has reads its files again (KAFKA-14136).
            let tells_again = wanted.target.kind == ResourceType::Broker && new.is_some();
            if new == old && !tells_again {
                continue;
            }
            match &new {
                Some(value) => all.insert(change.name.clone(), value.clone()),
                None => all.remove(change.name),
            };
            records.push(record(change.name, new));
        }
        for name in not_named {
            all.remove(&name);
            records.push(record(&name, None));
        }
        Ok(Planned { all, records })
    }
}

/// Whether some partition of the topic has no leader.
fn is_without_leader(topic: &Topic) -> bool {
    topic.partitions.values().any(|partition| partition.leader.is_none())
}

fn target(kind: i8, name: &Text) -> ConfigResource {
    ConfigResource { kind: ResourceType::from_id(kind), name: name.clone() }
}

fn list_key(key: &'static Key) -> Option<&'static Key> {
    (key.kind == Kind::List).then_some(key)
}

/// What becomes of a key that has the value `old`, or none of its own.
fn new_value(
    change: &Change<'_>,
    old: Option<&Text>,
    list: &impl Fn(Operation, &str) -> Result<&'static Key, String>,
) -> Result<Option<Text>, Refusal> {
    let operation = Operation::from_id(change.operation)?;
    match operation {
        Operation::Set => return Ok(change.value.cloned()),
        Operation::Delete => return Ok(None),
        Operation::Append | Operation::Subtract => {}
    }
    let key =
        list(operation, change.name).map_err(|message| Refusal::new(ErrorCode::InvalidConfig, message))?;
    let old = old.map(Text::as_str).or(key.default.text()).unwrap_or_default();
    let mut parts: Vec<&str> = old.split(',').filter(|part| !part.is_empty()).collect();
    for part in java_split(change.value.map(Text::as_str).unwrap_or_default()) {
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
    use ottla_protocol::messages::alter_configs;
    use ottla_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
    use ottla_protocol::records::metadata::{FeatureLevelRecord, TopicRecord};
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
        controller.incremental_alter_configs(request, Through::Broker)
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
            (4, "1", "set node.id=5", "42 Cannot update these configs dynamically: [node.id]"),
            (4, "1", "delete node.id", "[Ok(())]"),
            (
                4,
                "1",
                "set log.retention.ms=x",
                "42 Invalid value x for configuration log.retention.ms: Not a",
            ),
            (
                4,
                "1",
                "append log.retention.ms=5",
                "40 Config value append is not allowed for config key: log.",
            ),
            (4, "1", "append no.such=5", "40 Unknown config name: no.such"),
            (
                4,
                "",
                "set listeners=PLAINTEXT://:1",
                "42 Cannot update these configs at default cluster level, ",
            ),
            (4, "1", "9 log.retention.ms=5", "42 Unknown operations type 9"),
            (4, "1", "delete log.retention.ms", "[Ok(())]"),
            (4, "2", "set log.retention.ms=5", "42 Unexpected broker id, expected 1, but received 2"),
            (4, "x", "set log.retention.ms=5", "42 Node id must be an integer, but it is: x"),
            (8, "1", "set kafka=INFO", "[Ok(())]"),
            (16, "m", "set interval.ms=5", "42 Subscriptions to client metrics are not honoured yet"),
            (32, "g", "set consumer.session.timeout.ms=5", "40 consumer.session.timeout.ms must be greater"),
            (32, "g", "set foo=5", "40 Unknown group config name: foo"),
            (32, "g", "append consumer.session.timeout.ms=5", "40 Can't APPEND to key consumer.session."),
            (32, "g", "set share.session.timeout.ms=46000", "40 Invalid value 46000 for configuration share"),
            (32, "g", "delete foo", "[Ok(())]"),
            (32, "", "set consumer.session.timeout.ms=5", "42 Default group resources are not allowed."),
            (0, "x", "set a=5", "42 Unknown resource type 0"),
            (99, "x", "set a=5", "42 Unknown resource type 99"),
            (-1, "x", "set a=5", "42 Unknown resource type -1"),
        ] {
            check_resource(kind, name, change, refusal);
        }
    }

    /// What `changes` make of the broker with this name, where ELR is on or not: its configurations
    /// afterwards, or the refusal.
    fn check_broker(elr: i16, name: &str, before: &[(&str, &str)], changes: &[&str], expected: &str) {
        let mut image = image(&[]);
        image.replay(&MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: ELR_VERSION.into(),
            feature_level: elr,
            ..FeatureLevelRecord::default()
        }));
        for (key, value) in before {
            image.replay(&MetadataRecord::Config(ConfigRecord {
                resource_type: 4,
                resource_name: name.into(),
                name: (*key).into(),
                value: Some((*value).into()),
                ..ConfigRecord::default()
            }));
        }
        let Decision { records, answer } = decide(&image, &request(vec![resource(4, name, changes)]));
        let found = match &answer[..] {
            [Err(refusal)] => format!("{} {}", i16::from(refusal.code), refusal.message),
            _ => {
                records.iter().for_each(|record| image.replay(record));
                let target = ConfigResource { kind: ResourceType::Broker, name: name.into() };
                image
                    .settings(&target)
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        };
        assert_eq!(found, expected, "{name}: {changes:?}");
    }

    #[test]
    fn brokers_are_told_one_by_one_or_all_together() {
        for name in ["1", ""] {
            check_broker(0, name, &[], &["set log.retention.ms=5"], "log.retention.ms=5");
            check_broker(0, name, &[("log.retention.ms", "5")], &["delete log.retention.ms"], "");
            check_broker(
                0,
                name,
                &[("log.retention.ms", "5")],
                &["append log.cleanup.policy=compact"],
                "log.cleanup.policy=delete,compact log.retention.ms=5",
            );
        }
    }

    #[test]
    fn the_cluster_has_a_min_isr_as_long_as_there_are_eligible_leader_replicas() {
        let broker = "40 Broker-level min.insync.replicas cannot be altered while ELR is enabled.";
        let cluster = "40 Cluster-level min.insync.replicas cannot be removed while ELR is enabled.";
        check_broker(1, "1", &[], &["set min.insync.replicas=1"], broker);
        check_broker(1, "1", &[], &["delete min.insync.replicas"], broker);
        check_broker(1, "", &[("min.insync.replicas", "1")], &["delete min.insync.replicas"], cluster);
        check_broker(1, "", &[], &["set min.insync.replicas=2"], "min.insync.replicas=2");
        check_broker(0, "1", &[], &["set min.insync.replicas=1"], "min.insync.replicas=1");
        check_broker(0, "", &[("min.insync.replicas", "1")], &["delete min.insync.replicas"], "");
    }

    #[test]
    fn the_older_request_replaces_all_that_is_set() {
        let alter = |kind: i8, name: &str, configs: &[(&str, &str)]| {
            let mut image = image(&[("retention.ms", "5"), ("segment.ms", "6")]);
            let (controller_configs, mut random) =
                (BrokerConfig::default(), Random::from_ids(Uuid::from_u128(1), Uuid::from_u128(2)));
            let mut controller = Controller {
                image: &image.clone(),
                node: NodeId(1),
                configs: &controller_configs,
                next_offset: Offset::ZERO,
                now_ms: 0,
                random: &mut random,
            };
            let configs = configs.iter().map(|(name, value)| alter_configs::AlterableConfig {
                name: (*name).into(),
                value: Some((*value).into()),
                ..Default::default()
            });
            let resource = alter_configs::AlterConfigsResource {
                resource_type: kind,
                resource_name: name.into(),
                configs: configs.collect(),
                ..Default::default()
            };
            let request = AlterConfigsRequest { resources: vec![resource], ..Default::default() };
            let Decision { records, answer } = controller.alter_configs(&request, Through::Broker);
            match &answer[..] {
                [Err(refusal)] => format!("{} {}", i16::from(refusal.code), refusal.message),
                _ => {
                    records.iter().for_each(|record| image.replay(record));
                    let configs = image
                        .settings(&ConfigResource::topic(name))
                        .map(|(key, value)| format!("{key}={value}"));
                    configs.collect::<Vec<_>>().join(" ")
                }
            }
        };
        assert_eq!(alter(2, "t", &[("retention.ms", "7")]), "retention.ms=7");
        assert_eq!(alter(2, "t", &[]), "");
        assert_eq!(alter(2, "t", &[("foo", "7")]), "40 Unknown topic config name: foo");
        assert_eq!(alter(8, "1", &[("root", "INFO")]), "42 Unknown resource type 8");
        assert_eq!(alter(99, "1", &[]), "42 Unknown resource type 99");
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
