//! Metadata (key 3), versions 0–13. Which brokers there are, and where which partition is led. v1 tells
//! "all topics" (null) from "none" (empty); v10 has topic ids, v12 asks by them (KIP-516).
//!
//! A topic that is not there is created when the client and `auto.create.topics.enable` allow it; this
//! answer still says UNKNOWN_TOPIC_OR_PARTITION, and the client asks again. The controller's id is that
//! of a live broker, not of the controller (KIP-590): brokers take every request.

use crate::call::Call;
use ottla_controller::{is_internal_topic, validate_topic_name};
use ottla_ids::NodeId;
use ottla_metadata::{Broker, DirectoryId, Image, Partition, Topic};
use ottla_protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use ottla_protocol::{ErrorCode, Text, Uuid};
use std::collections::BTreeSet;

/// Every operation on a topic, as bits: what a client may do while nobody forbids anything.
pub const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// Every operation on the cluster, as bits.
pub const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

/// An answer, and the topics that are to be created for the next one.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// What the client is told now.
    pub response: MetadataResponse,
    /// To be created; the client asks again.
    pub missing: Vec<Text>,
}

/// Answers Metadata. `creates_topics` is `auto.create.topics.enable`.
pub fn metadata(
    call: &Call,
    request: &MetadataRequest,
    image: &Image,
    cluster_id: &Text,
    creates_topics: bool,
) -> Described {
    let view = View { image, call };
    let mut missing = Vec::new();
    let mut topics = match asked(call, request) {
        Err(refusal) => refused(request, refusal),
        Ok(Asked::All) => image.topics().filter(|topic| has_partitions(topic)).map(|topic| view.topic(topic)).collect(),
        Ok(Asked::Ids(ids)) => view.by_id(&ids),
        Ok(Asked::Names(names)) => {
            let creates = creates_topics && request.allow_auto_topic_creation;
            view.by_name(names, creates, &mut missing)
        }
    };
    if request.include_topic_authorized_operations {
        topics.iter_mut().for_each(|topic| topic.topic_authorized_operations = TOPIC_OPERATIONS);
    }
    let brokers: Vec<MetadataResponseBroker> = image.alive_brokers().filter_map(|broker| view.broker(broker)).collect();
    let controller_id = image.alive_brokers().next().map_or(-1, |broker| broker.id.0);
    let mut response = MetadataResponse {
        brokers,
        cluster_id: Some(cluster_id.clone()),
        controller_id,
        topics,
        ..MetadataResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    Described { response, missing }
}

/// Which topics a request is about.
enum Asked<'a> {
    All,
    Names(BTreeSet<&'a Text>),
    Ids(BTreeSet<Uuid>),
}

/// Ids win where both are given. Versions before 12 know names only, though 10 and 11 have the fields.
fn asked<'a>(call: &Call, request: &'a MetadataRequest) -> Result<Asked<'a>, ErrorCode> {
    let topics = match &request.topics {
        None => return Ok(Asked::All),
        Some(topics) if topics.is_empty() && call.api_version == 0 => return Ok(Asked::All),
        Some(topics) => topics,
    };
    if call.api_version < 12 && topics.iter().any(|topic| topic.name.is_none() || !topic.topic_id.is_zero()) {
        return Err(ErrorCode::InvalidRequest);
    }
    let ids: BTreeSet<Uuid> = topics.iter().map(|topic| topic.topic_id).filter(|id| !id.is_zero()).collect();
    if !ids.is_empty() {
        return Ok(Asked::Ids(ids));
    }
    Ok(Asked::Names(topics.iter().filter_map(|topic| topic.name.as_ref()).collect()))
}

fn refused(request: &MetadataRequest, code: ErrorCode) -> Vec<MetadataResponseTopic> {
    let topic = |topic: &MetadataRequestTopic| MetadataResponseTopic {
        error_code: code.into(),
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    };
    request.topics.iter().flatten().map(topic).collect()
}

/// A topic is there once its partitions are: both come in one batch, so this only ever hides a damaged log.
fn has_partitions(topic: &Topic) -> bool {
    !topic.partitions.is_empty()
}

/// The image as a client sees it that came in by one listener.
pub(crate) struct View<'a> {
    pub image: &'a Image,
    pub call: &'a Call,
}

impl View<'_> {
    fn by_id(&self, ids: &BTreeSet<Uuid>) -> Vec<MetadataResponseTopic> {
        let find = |id: &Uuid| self.image.topic_by_id(*id);
        let unknown = ids.iter().filter(|id| find(id).is_none()).map(|id| MetadataResponseTopic {
            error_code: ErrorCode::UnknownTopicId.into(),
            topic_id: *id,
            ..MetadataResponseTopic::default()
        });
        unknown.chain(ids.iter().filter_map(find).map(|topic| self.topic(topic))).collect()
    }

    fn by_name(
        &self,
        names: BTreeSet<&Text>,
        creates: bool,
        missing: &mut Vec<Text>,
    ) -> Vec<MetadataResponseTopic> {
        let mut topics = Vec::with_capacity(names.len());
        let mut absent = Vec::new();
        for name in names {
            match self.image.topic(name).filter(|topic| has_partitions(topic)) {
                Some(topic) => topics.push(self.topic(topic)),
                None => absent.push(name),
            }
        }
        for name in absent {
            let is_valid = validate_topic_name(name).is_ok();
            let code =
                if is_valid { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::InvalidTopicException };
            if is_valid && creates {
                missing.push(name.clone());
            }
            topics.push(MetadataResponseTopic {
                error_code: code.into(),
                name: Some(name.clone()),
                is_internal: is_internal_topic(name),
                ..MetadataResponseTopic::default()
            });
        }
        topics
    }

    fn topic(&self, topic: &Topic) -> MetadataResponseTopic {
        MetadataResponseTopic {
            name: Some(topic.name.clone()),
            topic_id: topic.id,
            is_internal: is_internal_topic(&topic.name),
            partitions: topic
                .partitions
                .iter()
                .map(|(index, partition)| self.partition(*index, partition))
                .collect(),
            ..MetadataResponseTopic::default()
        }
    }

    fn partition(&self, index: i32, partition: &Partition) -> MetadataResponsePartition {
        let all = self.call.api_version > 0;
        let leader = self.leader(partition);
        let replica_nodes = self.nodes(&partition.replicas, all);
        let isr_nodes = self.nodes(&partition.isr, all);
        let is_incomplete =
            replica_nodes.len() < partition.replicas.len() || isr_nodes.len() < partition.isr.len();
        let code = match leader {
            Some(_) if is_incomplete => ErrorCode::ReplicaNotAvailable,
            Some(_) => ErrorCode::None,
            // Older clients do not know that a leader may lack a listener.
            None if self.call.api_version >= 6
                && partition.leader.is_some_and(|leader| self.image.broker(leader).is_some()) =>
            {
                ErrorCode::ListenerNotFound
            }
            None => ErrorCode::LeaderNotAvailable,
        };
        MetadataResponsePartition {
            error_code: code.into(),
            partition_index: index,
            leader_id: leader.map_or(-1, |leader| leader.0),
            leader_epoch: partition.leader_epoch.0,
            replica_nodes,
            isr_nodes,
            offline_replicas: self.offline(partition),
            ..MetadataResponsePartition::default()
        }
    }

    /// The leader, when the client can reach it.
    pub(crate) fn leader(&self, partition: &Partition) -> Option<NodeId> {
        let leader = partition.leader?;
        self.image.broker(leader)?.endpoint(&self.call.listener).map(|_| leader)
    }

    /// All of these nodes, or those that the client can reach.
    pub(crate) fn nodes(&self, nodes: &[NodeId], all: bool) -> Vec<i32> {
        nodes.iter().filter(|node| all || self.is_reachable(**node)).map(|node| node.0).collect()
    }

    fn is_reachable(&self, node: NodeId) -> bool {
        self.image
            .broker(node)
            .is_some_and(|broker| !broker.fenced && broker.endpoint(&self.call.listener).is_some())
    }

    /// The replicas that cannot be reached, or whose directory is not online.
    pub(crate) fn offline(&self, partition: &Partition) -> Vec<i32> {
        let is_offline = |node: &&NodeId| {
            !self.is_reachable(**node)
                || self.image.broker(**node).is_none_or(|broker| !is_online(broker, partition.directory(**node)))
        };
        partition.replicas.iter().filter(is_offline).map(|node| node.0).collect()
    }

    fn broker(&self, broker: &Broker) -> Option<MetadataResponseBroker> {
        let endpoint = broker.endpoint(&self.call.listener)?;
        Some(MetadataResponseBroker {
            node_id: broker.id.0,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: broker.rack.clone(),
            ..MetadataResponseBroker::default()
        })
    }
}

/// Whether a replica's directory is among those that its broker has online. Where the directory is not
/// known, the broker is asked nothing (Kafka's `DirectoryId.isOnline`).
fn is_online(broker: &Broker, directory: Option<Uuid>) -> bool {
    match directory {
        None | Some(DirectoryId::UNASSIGNED | DirectoryId::MIGRATING) => true,
        Some(DirectoryId::LOST) => false,
        Some(directory) => broker.directories.is_empty() || broker.directories.contains(&directory),
    }
}
