//! The image itself: maps, reading them, and replaying records into them.

use crate::broker::{Broker, BrokerState};
use crate::features::{METADATA_VERSION, MetadataVersion};
use crate::topic::{Partition, Topic};
use imbl::OrdMap;
use ottla_ids::{BrokerEpoch, NodeId, ProducerId, TopicId, Uuid};
use ottla_protocol::Text;
use ottla_protocol::records::metadata::MetadataRecord;
use ottla_protocol::records::metadata::{
    AccessControlEntryRecord, ClientQuotaRecord, ConfigRecord, DelegationTokenRecord, FeatureLevelRecord,
    ProducerIdsRecord, RegisterControllerRecord, TopicRecord, UserScramCredentialRecord,
    client_quota::EntityData,
};
use ottla_state_machine::Machine;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a configuration belongs to (Kafka's `ConfigResource.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// A topic, by name.
    Topic,
    /// A broker, by id; the empty name is the default of all brokers.
    Broker,
    /// A broker's logger levels; never in the log, only in requests.
    BrokerLogger,
    /// A subscription to clients' metrics (KIP-714).
    ClientMetrics,
    /// A group.
    Group,
    /// A type this build does not know; kept as it is.
    Other(i8),
}

impl ResourceType {
    /// The type of this number.
    pub fn from_id(id: i8) -> ResourceType {
        match id {
            2 => ResourceType::Topic,
            4 => ResourceType::Broker,
            8 => ResourceType::BrokerLogger,
            16 => ResourceType::ClientMetrics,
            32 => ResourceType::Group,
            other => ResourceType::Other(other),
        }
    }

    /// The number in records and requests.
    pub fn id(self) -> i8 {
        match self {
            ResourceType::Topic => 2,
            ResourceType::Broker => 4,
            ResourceType::BrokerLogger => 8,
            ResourceType::ClientMetrics => 16,
            ResourceType::Group => 32,
            ResourceType::Other(id) => id,
        }
    }
}

/// One thing that has configurations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// What kind of thing.
    pub kind: ResourceType,
    /// Which one.
    pub name: Text,
}

impl ConfigResource {
    /// Topic `name`.
    pub fn topic(name: impl Into<Text>) -> ConfigResource {
        ConfigResource { kind: ResourceType::Topic, name: name.into() }
    }

    /// One broker.
    pub fn broker(node: NodeId) -> ConfigResource {
        ConfigResource { kind: ResourceType::Broker, name: Text::from(node.0.to_string()) }
    }

    /// The default of all brokers.
    pub fn all_brokers() -> ConfigResource {
        ConfigResource { kind: ResourceType::Broker, name: Text::default() }
    }
}

/// The configurations set on one resource, by key. A resource without any has no entry in the image.
pub type Configs = OrdMap<Text, Text>;

/// Who a quota is for: pairs of a type (`user`, `client-id`, `ip`) and a name, `None` for the default,
/// sorted by type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaEntity(pub Vec<(Text, Option<Text>)>);

/// Everything the metadata log says at one point of it. Cloning is cheap; a clone never changes.
///
/// Topics iterate in the order of their names, brokers in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    pub(crate) brokers: OrdMap<NodeId, Arc<Broker>>,
    controllers: OrdMap<i32, Arc<RegisterControllerRecord>>,
    pub(crate) topics: OrdMap<Text, Arc<Topic>>,
    /// Invariant: names exactly the topics in `topics`.
    topic_names: OrdMap<TopicId, Text>,
    /// For each topic with a `.` or `_` in its name: the name with every `.` made a `_`, and the name.
    unified_names: OrdMap<Text, Text>,
    pub(crate) configs: OrdMap<ConfigResource, Configs>,
    /// Finalized levels; never zero, which means "not there".
    pub(crate) features: OrdMap<Text, i16>,
    next_producer_id: i64,
    acls: OrdMap<Uuid, Arc<AccessControlEntryRecord>>,
    quotas: OrdMap<QuotaEntity, OrdMap<Text, f64>>,
    scram_credentials: OrdMap<(Text, i8), Arc<UserScramCredentialRecord>>,
    delegation_tokens: OrdMap<Text, Arc<DelegationTokenRecord>>,
    /// The image before a metadata transaction (KIP-868) that has begun and not yet ended.
    before_transaction: Option<Arc<Image>>,
}

impl Image {
    /// The broker with this id, fenced or not.
    pub fn broker(&self, id: NodeId) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// All registered brokers, fenced ones too, by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.brokers.values()
    }

    /// The brokers that are not fenced, by id: those that clients are told of.
    pub fn alive_brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.brokers.values().filter(|broker| !broker.fenced)
    }

    /// Whether `id` may become a leader and join an ISR: neither fenced nor about to stop.
    pub fn is_active(&self, id: NodeId) -> bool {
        self.brokers.get(&id).is_some_and(|broker| broker.state() == BrokerState::Active)
    }

    /// The controllers' registrations, by node id.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<RegisterControllerRecord>> {
        self.controllers.values()
    }

    /// The registration of controller `id`.
    pub fn controller(&self, id: NodeId) -> Option<&Arc<RegisterControllerRecord>> {
        self.controllers.get(&id.0)
    }

    /// The topic of this name.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// The topic with this id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics.get(self.topic_names.get(&id)?)
    }

    /// All topics in the order of their names.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.values()
    }

    /// The topics whose names are not before `name`, in order.
    pub fn topics_from<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Arc<Topic>> + use<'a> {
        self.topics
            .range::<_, str>((std::ops::Bound::Included(name), std::ops::Bound::Unbounded))
            .map(|(_, topic)| topic)
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// The topic whose name differs from `name` only in `.` against `_`, or not at all (Kafka's names of
    /// metrics cannot tell such two apart).
    pub fn colliding_topic(&self, name: &str) -> Option<&Text> {
        self.unified_names.get(unified_name(name)?.as_str())
    }

    /// Partition `index` of topic `name`.
    pub fn partition(&self, name: &str, index: i32) -> Option<&Arc<Partition>> {
        self.topic(name)?.partition(index)
    }

    /// What is set on `resource`; `None` when nothing is.
    pub fn configs(&self, resource: &ConfigResource) -> Option<&Configs> {
        self.configs.get(resource)
    }

    /// What is set on topic `name`; `None` when nothing is.
    pub fn topic_configs(&self, name: &str) -> Option<&Configs> {
        self.configs.get(&ConfigResource::topic(name))
    }

    /// The value of `key` set on `resource` itself, without any default.
    pub fn config(&self, resource: &ConfigResource, key: &str) -> Option<&Text> {
        self.configs.get(resource)?.get(key)
    }

    /// What is set on `resource` itself: keys and values as texts.
    pub fn settings<'a>(
        &'a self,
        resource: &ConfigResource,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.configs(resource).into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// All resources that have configurations.
    pub fn all_configs(&self) -> impl Iterator<Item = (&ConfigResource, &Configs)> {
        self.configs.iter()
    }

    /// The finalized level of feature `name`; 0 when it is not enabled.
    pub fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// All finalized features by name, without those at level 0.
    pub fn features(&self) -> impl Iterator<Item = (&Text, i16)> {
        self.features.iter().map(|(name, level)| (name, *level))
    }

    /// The level that says which records may be written; `None` before the first one is.
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        self.features.get(METADATA_VERSION).copied().map(MetadataVersion)
    }

    /// The first producer id that was never handed out.
    pub fn next_producer_id(&self) -> ProducerId {
        ProducerId(self.next_producer_id)
    }

    /// All client quotas: who, which key, how much.
    pub fn quotas(&self) -> impl Iterator<Item = (&QuotaEntity, &OrdMap<Text, f64>)> {
        self.quotas.iter()
    }

    /// Whether a metadata transaction has begun and not yet ended.
    pub fn is_in_transaction(&self) -> bool {
        self.before_transaction.is_some()
    }

    /// What readers may see: the image itself, or the one before the transaction that is under way.
    pub fn visible(&self) -> &Image {
        self.before_transaction.as_deref().unwrap_or(self)
    }

    /// The records that make this image out of an empty one, in the order of Kafka's snapshots:
    /// features (`metadata.version` first), brokers and controllers, topics, configurations, quotas,
    /// producer ids, access control entries, SCRAM credentials, delegation tokens.
    ///
    /// Panics inside a transaction: a snapshot is of what is decided.
    pub fn to_records(&self) -> Vec<MetadataRecord> {
        assert!(!self.is_in_transaction(), "a snapshot is never taken inside a metadata transaction");
        let mut records = Vec::new();
        let level = |(name, level): (&Text, i16)| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: name.clone(),
                feature_level: level,
                ..FeatureLevelRecord::default()
            })
        };
        records.extend(self.features().filter(|(name, _)| **name == *METADATA_VERSION).map(level));
        records.extend(self.features().filter(|(name, _)| **name != *METADATA_VERSION).map(level));
        records
            .extend(self.brokers.values().map(|broker| MetadataRecord::RegisterBroker(broker.to_record())));
        records.extend(
            self.controllers.values().map(|record| MetadataRecord::RegisterController((**record).clone())),
        );
        for topic in self.topics.values() {
            records.push(MetadataRecord::Topic(TopicRecord {
                name: topic.name.clone(),
                topic_id: topic.id,
                ..TopicRecord::default()
            }));
            records.extend(
                topic.partitions.iter().map(|(index, partition)| {
                    MetadataRecord::Partition(partition.to_record(topic.id, *index))
                }),
            );
        }
        for (resource, configs) in &self.configs {
            records.extend(configs.iter().map(|(key, value)| {
                MetadataRecord::Config(ConfigRecord {
                    resource_type: resource.kind.id(),
                    resource_name: resource.name.clone(),
                    name: key.clone(),
                    value: Some(value.clone()),
                    ..ConfigRecord::default()
                })
            }));
        }
        for (entity, values) in &self.quotas {
            records.extend(values.iter().map(|(key, value)| {
                MetadataRecord::ClientQuota(ClientQuotaRecord {
                    entity: entity
                        .0
                        .iter()
                        .map(|(kind, name)| EntityData {
                            entity_type: kind.clone(),
                            entity_name: name.clone(),
                            ..EntityData::default()
                        })
                        .collect(),
                    key: key.clone(),
                    value: *value,
                    remove: false,
                    ..ClientQuotaRecord::default()
                })
            }));
        }
        if self.next_producer_id > 0 {
            records.push(MetadataRecord::ProducerIds(ProducerIdsRecord {
                broker_id: -1,
                broker_epoch: -1,
                next_producer_id: self.next_producer_id,
                ..ProducerIdsRecord::default()
            }));
        }
        records
            .extend(self.acls.values().map(|record| MetadataRecord::AccessControlEntry((**record).clone())));
        records.extend(
            self.scram_credentials
                .values()
                .map(|record| MetadataRecord::UserScramCredential((**record).clone())),
        );
        records.extend(
            self.delegation_tokens.values().map(|record| MetadataRecord::DelegationToken((**record).clone())),
        );
        records
    }

    /// Changes broker `id` when its registration has this epoch: a record about an earlier incarnation
    /// says nothing about the present one.
    fn change_broker(&mut self, id: i32, epoch: i64, change: impl FnOnce(&mut Broker)) {
        if let Some(broker) = self.brokers.get_mut(&NodeId(id))
            && broker.epoch == BrokerEpoch(epoch)
        {
            change(Arc::make_mut(broker));
        }
    }

    fn change_topic(&mut self, id: TopicId, change: impl FnOnce(&mut Topic)) {
        if let Some(name) = self.topic_names.get(&id)
            && let Some(topic) = self.topics.get_mut(name)
        {
            change(Arc::make_mut(topic));
        }
    }

    fn remove_topic(&mut self, id: TopicId) {
        if let Some(name) = self.topic_names.remove(&id) {
            self.topics.remove(&name);
            if let Some(unified) = unified_name(&name)
                && self.unified_names.get(unified.as_str()) == Some(&name)
            {
                self.unified_names.remove(unified.as_str());
            }
            self.configs.remove(&ConfigResource { kind: ResourceType::Topic, name });
        }
    }

    fn set_config(&mut self, record: &ConfigRecord) {
        let resource = ConfigResource {
            kind: ResourceType::from_id(record.resource_type),
            name: record.resource_name.detached(),
        };
        match &record.value {
            Some(value) => {
                self.configs.entry(resource).or_default().insert(record.name.detached(), value.detached());
            }
            None => {
                if let Some(configs) = self.configs.get_mut(&resource) {
                    configs.remove(&record.name);
                    if configs.is_empty() {
                        self.configs.remove(&resource);
                    }
                }
            }
        }
    }

    fn set_quota(&mut self, record: &ClientQuotaRecord) {
        let mut entity: Vec<(Text, Option<Text>)> = record
            .entity
            .iter()
            .map(|part| (part.entity_type.detached(), part.entity_name.as_ref().map(Text::detached)))
            .collect();
        entity.sort();
        let entity = QuotaEntity(entity);
        if record.remove {
            if let Some(values) = self.quotas.get_mut(&entity) {
                values.remove(&record.key);
                if values.is_empty() {
                    self.quotas.remove(&entity);
                }
            }
        } else {
            self.quotas.entry(entity).or_default().insert(record.key.detached(), record.value);
        }
    }

    fn clear_elr(&mut self, topic: &str) {
        let names: Vec<Text> = self
            .topics
            .values()
            .filter(|candidate| topic.is_empty() || *candidate.name == *topic)
            .filter(|candidate| candidate.partitions.values().any(|partition| partition.has_elr()))
            .map(|candidate| candidate.name.clone())
            .collect();
        for name in names {
            if let Some(topic) = self.topics.get_mut(&name) {
                for partition in Arc::make_mut(topic).partitions.values_mut() {
                    if partition.has_elr() {
                        Arc::make_mut(partition).clear_elr();
                    }
                }
            }
        }
    }
}

impl Machine for Image {
    type Record = MetadataRecord;

    /// Replays one record. A record about something that is not there changes nothing: it cannot come
    /// from a log that Kafka's rules wrote, and a reader is no place to be strict.
    fn replay(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::RegisterBroker(record) => {
                self.brokers.insert(NodeId(record.broker_id), Arc::new(Broker::from_record(record)));
            }
            MetadataRecord::UnregisterBroker(record) => {
                let current = self.brokers.get(&NodeId(record.broker_id));
                if current.is_some_and(|broker| broker.epoch == BrokerEpoch(record.broker_epoch)) {
                    self.brokers.remove(&NodeId(record.broker_id));
                }
            }
            MetadataRecord::FenceBroker(record) => {
                self.change_broker(record.id, record.epoch, |broker| broker.fenced = true);
            }
            MetadataRecord::UnfenceBroker(record) => {
                self.change_broker(record.id, record.epoch, |broker| broker.fenced = false);
            }
            MetadataRecord::BrokerRegistrationChange(record) => {
                self.change_broker(record.broker_id, record.broker_epoch, |broker| broker.apply(record));
            }
            MetadataRecord::RegisterController(record) => {
                let kept = Arc::new(detached_controller(record));
                self.controllers.insert(record.controller_id, kept);
            }
            MetadataRecord::Topic(record) => {
                let name = record.name.detached();
                // Ids are never used twice; a log in which one is still names one topic by it.
                if self.topic_names.get(&record.topic_id).is_some_and(|other| *other != name) {
                    self.remove_topic(record.topic_id);
                }
                let topic = Topic { name: name.clone(), id: record.topic_id, partitions: BTreeMap::new() };
                if let Some(replaced) = self.topics.insert(name.clone(), Arc::new(topic)) {
                    self.topic_names.remove(&replaced.id);
                }
                if let Some(unified) = unified_name(&name) {
                    self.unified_names.insert(Text::from(unified), name.clone());
                }
                self.topic_names.insert(record.topic_id, name);
            }
            MetadataRecord::Partition(record) => self.change_topic(record.topic_id, |topic| {
                topic.partitions.insert(record.partition_id, Arc::new(Partition::from_record(record)));
            }),
            MetadataRecord::PartitionChange(record) => self.change_topic(record.topic_id, |topic| {
                if let Some(partition) = topic.partitions.get_mut(&record.partition_id) {
                    *partition = Arc::new(partition.changed_by(record));
                }
            }),
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record.topic_id),
            MetadataRecord::ClearElr(record) => self.clear_elr(&record.topic_name),
            MetadataRecord::Config(record) => self.set_config(record),
            MetadataRecord::FeatureLevel(record) => {
                if record.feature_level == 0 {
                    self.features.remove(&record.name);
                } else {
                    self.features.insert(record.name.detached(), record.feature_level);
                }
            }
            MetadataRecord::ProducerIds(record) => self.next_producer_id = record.next_producer_id,
            MetadataRecord::AccessControlEntry(record) => {
                self.acls.insert(record.id, Arc::new(detached_acl(record)));
            }
            MetadataRecord::RemoveAccessControlEntry(record) => {
                self.acls.remove(&record.id);
            }
            MetadataRecord::ClientQuota(record) => self.set_quota(record),
            MetadataRecord::UserScramCredential(record) => {
                let kept = detached_credential(record);
                self.scram_credentials.insert((kept.name.clone(), kept.mechanism), Arc::new(kept));
            }
            MetadataRecord::RemoveUserScramCredential(record) => {
                self.scram_credentials.remove(&(record.name.clone(), record.mechanism));
            }
            MetadataRecord::DelegationToken(record) => {
                let kept = detached_token(record);
                self.delegation_tokens.insert(kept.token_id.clone(), Arc::new(kept));
            }
            MetadataRecord::RemoveDelegationToken(record) => {
                self.delegation_tokens.remove(&record.token_id);
            }
            MetadataRecord::BeginTransaction(_) => {
                self.before_transaction = None;
                self.before_transaction = Some(Arc::new(self.clone()));
            }
            MetadataRecord::EndTransaction(_) => self.before_transaction = None,
            MetadataRecord::AbortTransaction(_) => {
                if let Some(before) = self.before_transaction.take() {
                    *self = (*before).clone();
                }
            }
            // Says only that the log is alive; the days of ZooKeeper migration are over.
            MetadataRecord::NoOp(_) | MetadataRecord::ZkMigrationState(_) => {}
        }
    }
}

/// `name` with every `.` made a `_`; `None` when it has neither.
fn unified_name(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

// What is kept must not keep the log's read buffer alive, hence the copies below.

fn detached_controller(record: &RegisterControllerRecord) -> RegisterControllerRecord {
    let mut kept = record.clone();
    kept.unknown_tagged_fields.clear();
    for endpoint in &mut kept.end_points {
        endpoint.name = endpoint.name.detached();
        endpoint.host = endpoint.host.detached();
        endpoint.unknown_tagged_fields.clear();
    }
    for feature in &mut kept.features {
        feature.name = feature.name.detached();
        feature.unknown_tagged_fields.clear();
    }
    kept
}

fn detached_acl(record: &AccessControlEntryRecord) -> AccessControlEntryRecord {
    AccessControlEntryRecord {
        resource_name: record.resource_name.detached(),
        principal: record.principal.detached(),
        host: record.host.detached(),
        unknown_tagged_fields: Vec::new(),
        ..record.clone()
    }
}

fn detached_credential(record: &UserScramCredentialRecord) -> UserScramCredentialRecord {
    let copy = |bytes: &bytes::Bytes| bytes::Bytes::copy_from_slice(bytes);
    UserScramCredentialRecord {
        name: record.name.detached(),
        salt: copy(&record.salt),
        stored_key: copy(&record.stored_key),
        server_key: copy(&record.server_key),
        unknown_tagged_fields: Vec::new(),
        ..record.clone()
    }
}

fn detached_token(record: &DelegationTokenRecord) -> DelegationTokenRecord {
    DelegationTokenRecord {
        owner: record.owner.detached(),
        requester: record.requester.detached(),
        renewers: record.renewers.iter().map(Text::detached).collect(),
        token_id: record.token_id.detached(),
        unknown_tagged_fields: Vec::new(),
        ..record.clone()
    }
}

#[cfg(test)]
mod tests;
