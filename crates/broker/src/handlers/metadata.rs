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
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
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
        Err(code) => return Described { response: refused(request, code), missing },
        Ok(Asked::All) => {
            image.topics().filter(|topic| has_partitions(topic)).map(|topic| view.topic(topic)).collect()
        }
        Ok(Asked::Ids(ids)) => view.by_id(&ids),
        Ok(Asked::Names(names)) => {
            let creates = creates_topics && request.allow_auto_topic_creation;
            view.by_name(names, creates, &mut missing)
        }
    };
    if request.include_topic_authorized_operations {
        topics.iter_mut().for_each(|topic| topic.topic_authorized_operations = TOPIC_OPERATIONS);
    }
    let brokers: Vec<MetadataResponseBroker> =
        image.alive_brokers().filter_map(|broker| view.broker(broker)).collect();
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
    let names: BTreeSet<&Text> = topics.iter().filter_map(|topic| topic.name.as_ref()).collect();
    if topics.iter().any(|topic| topic.name.is_none()) {
        // Neither a name nor an id. Kafka's own code fails here, and says so.
        return Err(ErrorCode::UnknownServerError);
    }
    Ok(Asked::Names(names))
}

/// The request as a whole cannot be answered: each topic of it says so, and nothing else is told.
fn refused(request: &MetadataRequest, code: ErrorCode) -> MetadataResponse {
    let topic = |topic: &MetadataRequestTopic| MetadataResponseTopic {
        error_code: code.into(),
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    };
    MetadataResponse {
        topics: request.topics.iter().flatten().map(topic).collect(),
        error_code: code.into(),
        ..MetadataResponse::default()
    }
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
            name: None,
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
                || self
                    .image
                    .broker(**node)
                    .is_none_or(|broker| !is_online(broker, partition.directory(**node)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::MetadataRecord;
    use ottla_protocol::records::metadata::register_broker::BrokerEndpoint;
    use ottla_protocol::records::metadata::{PartitionRecord, RegisterBrokerRecord, TopicRecord};
    use ottla_state_machine::Machine;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(1000 + number)
    }

    fn broker(node: i32, listeners: &[&'static str], fenced: bool) -> MetadataRecord {
        let endpoint = |name: &&'static str| BrokerEndpoint {
            name: Text::from_static(name),
            host: Text::from(format!("host{node}")),
            port: 9092,
            ..BrokerEndpoint::default()
        };
        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: node,
            end_points: listeners.iter().map(endpoint).collect(),
            log_dirs: vec![id(node as u128)],
            fenced,
            ..RegisterBrokerRecord::default()
        })
    }

    fn topic(number: u128, name: &'static str) -> MetadataRecord {
        let name = Text::from_static(name);
        MetadataRecord::Topic(TopicRecord { name, topic_id: id(number), ..TopicRecord::default() })
    }

    fn partition(topic: u128, index: i32, leader: i32, replicas: &[i32]) -> MetadataRecord {
        MetadataRecord::Partition(PartitionRecord {
            partition_id: index,
            topic_id: id(topic),
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
            directories: replicas.iter().map(|node| id(*node as u128)).collect(),
            leader,
            leader_epoch: 4,
            partition_epoch: 4,
            ..PartitionRecord::default()
        })
    }

    /// Two live brokers, of which the second lacks a listener, and a fenced one.
    fn image() -> Image {
        let mut image = Image::default();
        for record in [
            broker(1, &["PLAINTEXT", "INSIDE"], false),
            broker(2, &["INSIDE"], false),
            broker(3, &["PLAINTEXT", "INSIDE"], true),
            topic(1, "here"),
            partition(1, 0, 1, &[1, 3]),
            topic(2, "elsewhere"),
            partition(2, 0, 2, &[2]),
            topic(3, "headless"),
            partition(3, 0, -1, &[3]),
            topic(4, "__consumer_offsets"),
            partition(4, 0, 1, &[1]),
        ] {
            image.replay(&record);
        }
        image
    }

    fn ask(names: &[&str]) -> MetadataRequest {
        let topic = |name: &&str| MetadataRequestTopic {
            name: Some(Text::from(*name)),
            ..MetadataRequestTopic::default()
        };
        MetadataRequest { topics: Some(names.iter().map(topic).collect()), ..MetadataRequest::default() }
    }

    /// `name error: partition=leader error replicas(offline)`, one topic a line; topics to create at the end.
    #[track_caller]
    fn check(version: i16, request: &MetadataRequest, expected: &str) {
        let described = metadata(&Call::of_version(version), request, &image(), &Text::from("cluster"), true);
        let topic = |topic: &MetadataResponseTopic| {
            let mut line = format!(
                "{} {}:",
                topic.name.as_ref().map_or("?", Text::as_str),
                ErrorCode::from(topic.error_code).name()
            );
            for it in &topic.partitions {
                let code = ErrorCode::from(it.error_code).name();
                line.push_str(&format!(" {code} leader {} {:?}", it.leader_id, it.replica_nodes));
                line.push_str(&format!(" offline {:?}", it.offline_replicas));
            }
            line
        };
        let mut found: Vec<String> = described.response.topics.iter().map(topic).collect();
        found.extend(described.missing.iter().map(|name| format!("create {name}")));
        assert_eq!(found.join("\n"), expected);
    }

    #[test]
    fn only_live_brokers_with_the_clients_listener_are_told() {
        let described = metadata(&Call::of_version(13), &ask(&[]), &image(), &Text::from("cluster"), true);
        let nodes: Vec<i32> = described.response.brokers.iter().map(|broker| broker.node_id).collect();
        assert_eq!(nodes, [1]);
        assert_eq!(described.response.cluster_id, Some(Text::from("cluster")));
        assert_eq!(described.response.controller_id, 1);
    }

    #[test]
    fn a_partition_is_told_as_the_client_can_reach_it() {
        check(13, &ask(&["here"]), "here NONE: NONE leader 1 [1, 3] offline [3]");
        check(13, &ask(&["elsewhere"]), "elsewhere NONE: LISTENER_NOT_FOUND leader -1 [2] offline [2]");
        check(5, &ask(&["elsewhere"]), "elsewhere NONE: LEADER_NOT_AVAILABLE leader -1 [2] offline [2]");
        check(13, &ask(&["headless"]), "headless NONE: LEADER_NOT_AVAILABLE leader -1 [3] offline [3]");
        check(0, &ask(&["here"]), "here NONE: REPLICA_NOT_AVAILABLE leader 1 [1] offline [3]");
    }

    #[test]
    fn all_topics_are_null_and_in_version_0_empty() {
        let all = "__consumer_offsets NONE: NONE leader 1 [1] offline []\n\
            elsewhere NONE: LISTENER_NOT_FOUND leader -1 [2] offline [2]\n\
            headless NONE: LEADER_NOT_AVAILABLE leader -1 [3] offline [3]\n\
            here NONE: NONE leader 1 [1, 3] offline [3]";
        check(13, &MetadataRequest { topics: None, ..MetadataRequest::default() }, all);
        check(1, &ask(&[]), "");
        let described = metadata(&Call::of_version(0), &ask(&[]), &image(), &Text::from("cluster"), true);
        assert_eq!(described.response.topics.len(), 4);
    }

    #[test]
    fn a_topic_that_is_not_there_is_created_if_all_allow_it() {
        let request = ask(&["new", "a b", "here"]);
        let both = "here NONE: NONE leader 1 [1, 3] offline [3]\n\
            a b INVALID_TOPIC_EXCEPTION:\n\
            new UNKNOWN_TOPIC_OR_PARTITION:";
        check(13, &request, &format!("{both}\ncreate new"));
        check(13, &MetadataRequest { allow_auto_topic_creation: false, ..request.clone() }, both);
        let described = metadata(&Call::of_version(13), &request, &image(), &Text::from("cluster"), false);
        assert!(described.missing.is_empty());
    }

    #[test]
    fn topics_are_found_by_id_from_version_12_on() {
        let by_id = |topic_id| MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                topic_id,
                name: None,
                ..MetadataRequestTopic::default()
            }]),
            ..MetadataRequest::default()
        };
        check(12, &by_id(id(1)), "here NONE: NONE leader 1 [1, 3] offline [3]");
        check(12, &by_id(id(99)), "? UNKNOWN_TOPIC_ID:");
        check(11, &by_id(id(1)), " INVALID_REQUEST:");
        check(12, &by_id(Uuid::ZERO), " UNKNOWN_SERVER_ERROR:");
    }
}
