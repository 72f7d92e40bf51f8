//! Topics: create, delete, list and describe them.

use crate::cluster::{Cluster, TopicMetadata};
use crate::error::ClientError;
use ottla_ids::TopicId;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use ottla_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use ottla_protocol::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A topic to create.
#[derive(Clone, Debug, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; `None`: what the cluster is set up for (`num.partitions`).
    pub partitions: Option<i32>,
    /// How many copies of each; `None`: what the cluster is set up for (`default.replication.factor`).
    pub replication_factor: Option<i16>,
    /// Its configuration, where it differs from the defaults.
    pub configs: Vec<(String, String)>,
}

/// A topic that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; zero where the broker does not tell.
    pub id: TopicId,
    /// How many partitions; -1 where the broker does not tell.
    pub partitions: i32,
    /// How many copies of each; -1 where the broker does not tell.
    pub replication_factor: i16,
}

/// One configuration key of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// The key.
    pub name: String,
    /// The value in force; `None` where it is secret.
    pub value: Option<String>,
    /// Whether it was set for this very topic.
    pub is_set: bool,
}

/// What became of each topic, in the order asked for.
pub type Outcomes<T> = Vec<(String, Result<T, ClientError>)>;

/// The resource type of a topic.
const TOPIC_RESOURCE: i8 = 2;
/// The source of a value that was set for the topic itself (`DYNAMIC_TOPIC_CONFIG`).
const SET_FOR_THE_TOPIC: i8 = 1;

/// Administers the topics of a cluster.
#[derive(Clone, Debug)]
pub struct Admin {
    cluster: Cluster,
}

impl Admin {
    /// For the topics of `cluster`.
    pub fn new(cluster: Cluster) -> Admin {
        Admin { cluster }
    }

    fn timeout_ms(&self) -> i32 {
        self.cluster.config().request_timeout.as_millis() as i32
    }

    /// Creates topics. What became of each is in the answer; the error is that nothing could be asked.
    pub async fn create_topics(&self, topics: &[NewTopic]) -> Result<Outcomes<CreatedTopic>, ClientError> {
        let request = CreateTopicsRequest {
            topics: topics
                .iter()
                .map(|topic| CreatableTopic {
                    name: topic.name.as_str().into(),
                    num_partitions: topic.partitions.unwrap_or(-1),
                    replication_factor: topic.replication_factor.unwrap_or(-1),
                    configs: topic
                        .configs
                        .iter()
                        .map(|(name, value)| CreatableTopicConfig {
                            name: name.as_str().into(),
                            value: Some(value.as_str().into()),
                            ..Default::default()
                        })
                        .collect(),
                    ..Default::default()
                })
                .collect(),
            timeout_ms: self.timeout_ms(),
            ..Default::default()
        };
        let response = self.cluster.ask(&request).await?;
        let outcome = |name: &str| {
            let what = || format!("creating topic '{name}'");
            let Some(answer) = response.topics.iter().find(|it| *it.name == *name) else {
                return Err(unanswered(what()));
            };
            match ErrorCode::from(answer.error_code) {
                ErrorCode::None => Ok(CreatedTopic {
                    id: answer.topic_id,
                    partitions: answer.num_partitions,
                    replication_factor: answer.replication_factor,
                }),
                code => Err(ClientError::refused(what(), code, answer.error_message.as_deref())),
            }
        };
        Ok(topics.iter().map(|it| (it.name.clone(), outcome(&it.name))).collect())
    }

    /// Deletes topics with all their records. What became of each is in the answer; the error is that
    /// nothing could be asked.
    pub async fn delete_topics(&self, names: &[String]) -> Result<Outcomes<()>, ClientError> {
        let ask = || async {
            let connection = self.cluster.any().await?;
            let mut request = DeleteTopicsRequest { timeout_ms: self.timeout_ms(), ..Default::default() };
            // Version 6 came with deletion by id, and with it another list.
            if connection.version::<DeleteTopicsRequest>()? >= 6 {
                request.topics = names
                    .iter()
                    .map(|name| DeleteTopicState { name: Some(name.as_str().into()), ..Default::default() })
                    .collect();
            } else {
                request.topic_names = names.iter().map(|name| name.as_str().into()).collect();
            }
            connection.call(&request, self.cluster.config().request_timeout).await
        };
        let response = self.cluster.retry(ask).await?;
        let outcome = |name: &str| {
            let what = || format!("deleting topic '{name}'");
            let Some(answer) = response.responses.iter().find(|it| it.name.as_deref() == Some(name)) else {
                return Err(unanswered(what()));
            };
            self.cluster.forget(name);
            match ErrorCode::from(answer.error_code) {
                ErrorCode::None => Ok(()),
                code => Err(ClientError::refused(what(), code, answer.error_message.as_deref())),
            }
        };
        Ok(names.iter().map(|name| (name.clone(), outcome(name))).collect())
    }

    /// All topics, by name.
    pub async fn topics(&self) -> Result<BTreeMap<String, Arc<TopicMetadata>>, ClientError> {
        self.cluster.topics().await
    }

    /// The topic `name` as it is now.
    pub async fn topic(&self, name: &str) -> Result<Arc<TopicMetadata>, ClientError> {
        self.cluster.forget(name);
        self.cluster.topic(name, false).await
    }

    /// The configuration in force for each of the topics `names`, by key.
    pub async fn topic_configs(&self, names: &[String]) -> Result<Outcomes<Vec<TopicConfig>>, ClientError> {
        let request = DescribeConfigsRequest {
            resources: names
                .iter()
                .map(|name| DescribeConfigsResource {
                    resource_type: TOPIC_RESOURCE,
                    resource_name: name.as_str().into(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        let response = self.cluster.ask(&request).await?;
        let outcome = |name: &str| {
            let what = || format!("describing the configuration of topic '{name}'");
            let Some(answer) = response.results.iter().find(|it| *it.resource_name == *name) else {
                return Err(unanswered(what()));
            };
            if answer.error_code != 0 {
                let code = answer.error_code.into();
                return Err(ClientError::refused(what(), code, answer.error_message.as_deref()));
            }
            let mut configs: Vec<TopicConfig> = answer
                .configs
                .iter()
                .map(|it| TopicConfig {
                    name: it.name.to_string(),
                    value: it.value.as_ref().map(ToString::to_string),
                    is_set: it.config_source == SET_FOR_THE_TOPIC,
                })
                .collect();
            configs.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(configs)
        };
        Ok(names.iter().map(|name| (name.clone(), outcome(name))).collect())
    }
}

fn unanswered(what: String) -> ClientError {
    ClientError::refused(what, ErrorCode::UnknownServerError, Some("the broker's answer does not mention it"))
}
