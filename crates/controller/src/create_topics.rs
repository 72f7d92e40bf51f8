//! CreateTopics (Kafka's `ReplicationControlManager.createTopics`).
//!
//! Each topic stands or falls alone, but what can be created is written as one batch. Checked in this
//! order: duplicates, the whole request's size, names, collisions, existence, null configurations,
//! configurations, assignment or counts, placement.

use crate::controller::{Controller, decide_each};
use crate::placement;
use crate::refusal::Refusal;
use crate::topic_name::validate_topic_name;
use ottla_configs::describe::{Entry, created_topic};
use ottla_configs::{BrokerConfig, TopicDefaults, validate_topic};
use ottla_ids::{NodeId, TopicId};
use ottla_metadata::{MetadataRecord, Partition, ResourceType};
use ottla_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use ottla_protocol::records::metadata::{ConfigRecord, TopicRecord};
use ottla_protocol::{ErrorCode, Text};
use ottla_state_machine::Decision;
use std::collections::{BTreeMap, BTreeSet};

/// How many partitions one request may create (Kafka's `MAX_PARTITIONS_PER_BATCH`).
pub const PARTITIONS_PER_REQUEST_MAX: i64 = 10_000;

/// A topic that is created once its records are committed, or would be.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatedTopic {
    /// Its new id.
    pub id: TopicId,
    /// How many partitions it gets.
    pub partition_count: i32,
    /// How many replicas each has.
    pub replication_factor: i16,
    /// Its configurations, defaults too, by key (KIP-525).
    pub configs: Vec<Entry>,
}

impl Controller<'_> {
    /// Creates topics: per topic of the request, in its order, what it gets or why it gets nothing. A
    /// name that is there twice is refused twice.
    ///
    /// # Errors
    /// The request as a whole is refused when it is too large.
    pub fn create_topics(
        &mut self,
        request: &CreateTopicsRequest,
    ) -> Decision<Result<Vec<Result<CreatedTopic, Refusal>>, Refusal>, MetadataRecord> {
        if let Err(refusal) = self.check_partition_total(request) {
            return Decision::answer(Err(refusal));
        }
        let configs = self.effective_configs();
        let defaults = configs.topic_defaults();
        decide_each(
            &request.topics,
            |it| &it.name,
            request.validate_only,
            |topic, records| self.create_topic(topic, &configs, &defaults, records),
        )
    }

    fn check_partition_total(&self, request: &CreateTopicsRequest) -> Result<(), Refusal> {
        let mut total: i64 = 0;
        for topic in &request.topics {
            total += match topic.num_partitions {
                _ if !topic.assignments.is_empty() => topic.assignments.len() as i64,
                -1 => i64::from(self.configs.int("num.partitions")),
                count => i64::from(count.max(0)),
            };
            if total > PARTITIONS_PER_REQUEST_MAX {
                let message = "Excessively large number of partitions per request.";
                return Err(Refusal::new(ErrorCode::PolicyViolation, message));
            }
        }
        Ok(())
    }

    fn create_topic(
        &mut self,
        topic: &CreatableTopic,
        broker: &BrokerConfig,
        defaults: &TopicDefaults,
        records: &mut Vec<MetadataRecord>,
    ) -> Result<CreatedTopic, Refusal> {
        self.check_new_name(&topic.name)?;
        let configs = self.checked_configs(topic, defaults)?;
        let partitions = if topic.assignments.is_empty() {
            self.placed_partitions(topic)?
        } else {
            self.assigned_partitions(topic)?
        };
        let id = self.random.next_id();
        let created = CreatedTopic {
            id,
            partition_count: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication_factor: partitions
                .first()
                .map_or(0, |partition| i16::try_from(partition.replicas.len()).unwrap_or(i16::MAX)),
            configs: created_topic(configs.iter().map(|(key, value)| (key.as_str(), value.as_str())), broker),
        };
        records.push(MetadataRecord::Topic(TopicRecord {
            name: topic.name.clone(),
            topic_id: id,
            ..TopicRecord::default()
        }));
        // Kafka's readers expect a topic's configurations between the topic and its partitions.
        records.extend(configs.into_iter().map(|(key, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: ResourceType::Topic.id(),
                resource_name: topic.name.clone(),
                name: key.clone(),
                value: Some(value.clone()),
                ..ConfigRecord::default()
            })
        }));
        records.extend(
            (0..)
                .zip(&partitions)
                .map(|(index, partition)| MetadataRecord::Partition(partition.to_record(id, index))),
        );
        Ok(created)
    }

    fn check_new_name(&self, name: &Text) -> Result<(), Refusal> {
        if **name == *"__cluster_metadata" {
            let message = "Creation of internal topic __cluster_metadata is prohibited.";
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        // Existence overwrites what was found before, as in Kafka: of all complaints it is the clearest.
        if self.image.topic(name).is_some() {
            let message = format!("Topic '{name}' already exists.");
            return Err(Refusal::new(ErrorCode::TopicAlreadyExists, message));
        }
        if let Some(other) = self.image.colliding_topic(name) {
            let message = format!("Topic '{name}' collides with existing topic: {other}");
            return Err(Refusal::new(ErrorCode::InvalidTopicException, message));
        }
        validate_topic_name(name)
            .map_err(|error| Refusal::new(ErrorCode::InvalidTopicException, error.to_string()))
    }

    /// The topic's configurations by key; of two values of one key the later counts.
    fn checked_configs<'a>(
        &self,
        topic: &'a CreatableTopic,
        defaults: &TopicDefaults,
    ) -> Result<BTreeMap<&'a Text, &'a Text>, Refusal> {
        let settings = topic.configs.iter().map(|config| (config.name.as_str(), config.value.as_deref()));
        validate_topic(settings, defaults)
            .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string()))?;
        Ok(topic.configs.iter().filter_map(|config| Some((&config.name, config.value.as_ref()?))).collect())
    }

    fn assigned_partitions(&self, topic: &CreatableTopic) -> Result<Vec<Partition>, Refusal> {
        if topic.replication_factor != -1 {
            return Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            ));
        }
        if topic.num_partitions != -1 {
            return Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            ));
        }
        let mut partitions: BTreeMap<i32, Partition> = BTreeMap::new();
        let mut replica_count = None;
        for assignment in &topic.assignments {
            let index = assignment.partition_index;
            if partitions.contains_key(&index) {
                return Err(Refusal::new(
                    ErrorCode::InvalidReplicaAssignment,
                    format!("Found multiple manual partition assignments for partition {index}"),
                ));
            }
            let replicas: Vec<NodeId> = assignment.broker_ids.iter().copied().map(NodeId).collect();
            self.check_manual_assignment(&replicas, replica_count)?;
            replica_count = Some(replicas.len());
            let partition = self.new_partition(replicas).ok_or_else(|| all_fenced_in_assignment(index))?;
            partitions.insert(index, partition);
        }
        let indexes: BTreeSet<i32> = partitions.keys().copied().collect();
        if !indexes.into_iter().eq(0..i32::try_from(partitions.len()).unwrap_or(i32::MAX)) {
            return Err(Refusal::new(
                ErrorCode::InvalidReplicaAssignment,
                "partitions should be a consecutive 0-based integer sequence",
            ));
        }
        Ok(partitions.into_values().collect())
    }

    fn placed_partitions(&mut self, topic: &CreatableTopic) -> Result<Vec<Partition>, Refusal> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            return Err(Refusal::new(
                ErrorCode::InvalidReplicationFactor,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            return Err(Refusal::new(
                ErrorCode::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
        let or_default = |asked, default| if asked == -1 { default } else { asked };
        let partition_count = or_default(topic.num_partitions, self.configs.int("num.partitions"));
        let replication_factor = match topic.replication_factor {
            -1 => i16::try_from(self.configs.int("default.replication.factor")).unwrap_or(i16::MAX),
            asked => asked,
        };
        let refuse = |reason: &str| {
            Refusal::new(
                ErrorCode::InvalidReplicationFactor,
                format!("Unable to replicate the partition {replication_factor} time(s): {reason}"),
            )
        };
        let brokers: Vec<placement::UsableBroker> = self.usable_brokers().collect();
        let partition_count = usize::try_from(partition_count).unwrap_or(0);
        let placed = placement::place(brokers, partition_count, replication_factor, self.random)
            .map_err(|error| refuse(&error.to_string()))?;
        placed
            .into_iter()
            .map(|replicas| self.new_partition(replicas).ok_or_else(|| refuse(ALL_FENCED)))
            .collect()
    }
}

/// All replicas of a placement turned out to be fenced or stopping.
pub(crate) const ALL_FENCED: &str = "All brokers are currently fenced or in controlled shutdown.";

pub(crate) fn all_fenced_in_assignment(index: i32) -> Refusal {
    Refusal::new(
        ErrorCode::InvalidReplicaAssignment,
        format!(
            "All brokers specified in the manual partition assignment for partition {index} are fenced or in \
             controlled shutdown."
        ),
    )
}
