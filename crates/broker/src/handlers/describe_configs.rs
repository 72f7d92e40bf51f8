//! DescribeConfigs (key 32), versions 1–4. What counts for a topic, a broker, a group or a subscription
//! to client metrics, key by key: the value, where it comes from and what it hides (KIP-226, KIP-525,
//! KIP-569). A broker is asked of itself; its empty name asks for what is set for all brokers. Entries
//! stand in the order of their names.

use crate::LogLevels;
use crate::errors::Refusal;
use ottla_configs::describe::{
    self, Entry, describe_broker, describe_client_metrics, describe_cluster, describe_group, describe_topic,
};
use ottla_configs::{BrokerConfig, Source};
use ottla_controller::validate_topic_name;
use ottla_ids::NodeId;
use ottla_metadata::{ConfigResource, Image, ResourceType};
use ottla_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};
use ottla_protocol::{ErrorCode, Text};

/// Answers DescribeConfigs on the node `node`, whose file and command line said `configs`.
pub fn describe_configs(
    request: &DescribeConfigsRequest,
    image: &Image,
    node: NodeId,
    configs: &BrokerConfig,
    log_levels: &LogLevels,
) -> DescribeConfigsResponse {
    let configs = effective(image, node, configs);
    let results = request
        .resources
        .iter()
        .map(|resource| {
            let (error, entries) = match entries(resource, image, node, &configs, log_levels) {
                Ok(entries) => (None, entries),
                Err(refusal) => (Some(refusal), Vec::new()),
            };
            let asked_for = |entry: &Entry| match resource.configuration_keys.as_deref() {
                None | Some([]) => true,
                Some(keys) => keys.iter().any(|key| **key == *entry.name),
            };
            let (error_code, error_message) = match error {
                // Kafka's text of no error is empty here, not null.
                None => (0, Text::default()),
                Some(Refusal { code, message, .. }) => {
                    (code.into(), message.map_or_else(Text::default, Text::from))
                }
            };
            DescribeConfigsResult {
                error_code,
                error_message: Some(error_message),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                configs: entries.into_iter().filter(asked_for).map(|entry| result(entry, request)).collect(),
                ..DescribeConfigsResult::default()
            }
        })
        .collect();
    DescribeConfigsResponse { results, ..DescribeConfigsResponse::default() }
}

/// The node's file with what the metadata says above it, for all brokers and for this one.
fn effective(image: &Image, node: NodeId, configs: &BrokerConfig) -> BrokerConfig {
    let (all, own) = (ConfigResource::all_brokers(), ConfigResource::broker(node));
    configs.with_dynamic(image.settings(&all), image.settings(&own))
}

fn entries(
    resource: &DescribeConfigsResource,
    image: &Image,
    node: NodeId,
    configs: &BrokerConfig,
    log_levels: &LogLevels,
) -> Result<Vec<Entry>, Refusal> {
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let kind = ResourceType::from_id(resource.resource_type);
    let name = resource.resource_name.as_str();
    let target = ConfigResource { kind, name: resource.resource_name.clone() };
    let own = || image.settings(&target);
    match kind {
        ResourceType::Topic => {
            validate_topic_name(name)
                .map_err(|error| Refusal::new(ErrorCode::InvalidTopicException, error.to_string()))?;
            if image.topic(name).is_none() {
                return Err(ErrorCode::UnknownTopicOrPartition.into());
            }
            Ok(describe_topic(own(), configs))
        }
        ResourceType::Broker if name.is_empty() => Ok(describe_cluster(configs)),
        ResourceType::Broker => {
            check_node(name, node, &format!("{node} or empty string,"))?;
            Ok(describe_broker(configs))
        }
        ResourceType::BrokerLogger if name.is_empty() => invalid("Broker id must not be empty"),
        ResourceType::BrokerLogger => {
            check_node(name, node, &node.to_string())?;
            Ok(log_levels.all().into_iter().map(|(name, level)| describe::logger(name, level)).collect())
        }
        ResourceType::ClientMetrics if name.is_empty() => {
            invalid("Client metrics subscription name must not be empty")
        }
        ResourceType::ClientMetrics => Ok(describe_client_metrics(own())),
        ResourceType::Group if name.is_empty() => invalid("Group name must not be empty"),
        ResourceType::Group => Ok(describe_group(own(), configs)),
        ResourceType::Other(_) => invalid(ErrorCode::InvalidRequest.message()),
    }
}

/// Whether `name` is this node's id; a broker tells of itself only.
fn check_node(name: &str, node: NodeId, expected: &str) -> Result<(), Refusal> {
    let message = match name.parse::<i32>() {
        Ok(id) if id == node.0 => return Ok(()),
        Ok(_) => format!("Unexpected broker id, expected {expected} but received {name}"),
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    };
    Err(Refusal::new(ErrorCode::InvalidRequest, message))
}

fn result(entry: Entry, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
    let Entry { name, value, source, read_only, sensitive, synonyms, kind, doc } = entry;
    let synonym = |synonym: describe::Synonym| DescribeConfigsSynonym {
        name: Text::from(synonym.name),
        value: synonym.value.map(Text::from),
        source: synonym.source.id(),
        ..DescribeConfigsSynonym::default()
    };
    let synonyms = if request.include_synonyms { synonyms } else { Vec::new() };
    DescribeConfigsResourceResult {
        name: Text::from(name),
        value: value.map(Text::from),
        read_only,
        config_source: source.id(),
        is_sensitive: sensitive,
        synonyms: synonyms.into_iter().map(synonym).collect(),
        config_type: kind.map_or(0, |kind| kind.id()),
        documentation: match source {
            // Kafka's loggers have an empty one, asked for or not.
            Source::BrokerLogger => Some(Text::default()),
            _ => doc.filter(|_| request.include_documentation).map(Text::from_static),
        },
        ..DescribeConfigsResourceResult::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_ids::Uuid;
    use ottla_metadata::MetadataRecord;
    use ottla_protocol::records::metadata::{ConfigRecord, TopicRecord};
    use ottla_state_machine::Machine as _;

    /// The topic `t` with a retention of its own, and a default for all brokers.
    fn image() -> Image {
        let mut image = Image::default();
        image.replay(&MetadataRecord::Topic(TopicRecord {
            name: "t".into(),
            topic_id: Uuid::from_u128(7),
            ..TopicRecord::default()
        }));
        for (kind, name, key, value) in [(2, "t", "retention.ms", "5"), (4, "", "min.insync.replicas", "1")] {
            image.replay(&MetadataRecord::Config(ConfigRecord {
                resource_type: kind,
                resource_name: name.into(),
                name: key.into(),
                value: Some(value.into()),
                ..ConfigRecord::default()
            }));
        }
        image
    }

    fn describe(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResult {
        let request = DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type: kind,
                resource_name: name.into(),
                configuration_keys: keys.map(|keys| keys.iter().map(|key| Text::from(*key)).collect()),
                ..DescribeConfigsResource::default()
            }],
            include_synonyms: true,
            ..DescribeConfigsRequest::default()
        };
        let configs = BrokerConfig::new([("log.segment.bytes", "2097152")]).expect("valid settings");
        let mut response =
            describe_configs(&request, &image(), NodeId(1), &configs, &LogLevels::new("warn", |_| {}));
        assert_eq!(response.results.len(), 1);
        response.results.remove(0)
    }

    /// The described entries as `key=value@source`, or the error.
    fn check(kind: i8, name: &str, keys: &[&str], expected: &str) {
        let result = describe(kind, name, Some(keys));
        let entries = result.configs.iter().map(|entry| {
            format!("{}={}@{}", entry.name, entry.value.as_deref().unwrap_or("null"), entry.config_source)
        });
        let found = match (result.error_code, result.error_message.as_deref()) {
            (0, Some("")) => entries.collect::<Vec<_>>().join(" "),
            (code, message) => format!("{code} {}", message.unwrap_or("null")),
        };
        assert_eq!(found, expected, "{kind} {name}");
    }

    #[test]
    fn keys_are_told_with_their_values_and_sources() {
        check(
            2,
            "t",
            &["retention.ms", "segment.bytes", "min.insync.replicas", "flush.messages", "foo"],
            "flush.messages=1@5 min.insync.replicas=1@3 retention.ms=5@1 segment.bytes=2097152@4",
        );
        check(
            4,
            "1",
            &["log.segment.bytes", "ssl.key.password"],
            "log.segment.bytes=2097152@4 ssl.key.password=null@5",
        );
        check(4, "", &[], "min.insync.replicas=1@3");
        check(32, "g", &["consumer.session.timeout.ms"], "consumer.session.timeout.ms=45000@5");
        check(16, "m", &["interval.ms"], "interval.ms=300000@5");
        check(8, "1", &["root", "ottla_broker"], "ottla_broker=WARN@6 root=WARN@6");
    }

    #[test]
    fn no_keys_are_all_keys() {
        for keys in [None, Some(&[][..])] {
            assert_eq!(describe(2, "t", keys).configs.len(), 33);
            assert_eq!(describe(4, "1", keys).configs.len(), 340);
        }
    }

    #[test]
    fn what_cannot_be_described_is_refused_as_kafka_does() {
        for (kind, name, refusal) in [
            (2, "nope", "3 "),
            (2, "", "17 Topic name is invalid: the empty string is not allowed"),
            (4, "2", "42 Unexpected broker id, expected 1 or empty string, but received 2"),
            (4, "x", "42 Broker id must be an integer, but it is: x"),
            (8, "", "42 Broker id must not be empty"),
            (8, "2", "42 Unexpected broker id, expected 1 but received 2"),
            (16, "", "42 Client metrics subscription name must not be empty"),
            (32, "", "42 Group name must not be empty"),
            (
                99,
                "x",
                "42 This most likely occurs because of a request being malformed by the client library or the \
                 message was sent to an incompatible broker. See the broker logs for more details.",
            ),
        ] {
            check(kind, name, &[], refusal);
        }
    }
}
