//! From what a request names to the partition that lives here, or why there is none.

use crate::errors::Refusal;
use ottla_ids::{LeaderEpoch, NodeId, TopicId};
use ottla_metadata::{Image, Topic};
use ottla_partition::{Partition, Partitions};
use ottla_protocol::{ErrorCode, Text};
use std::sync::Arc;

/// How a request names a topic: by name, or by id in later versions of many APIs (KIP-516).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicKey {
    /// By name.
    Name(Text),
    /// By id.
    Id(TopicId),
}

impl TopicKey {
    /// A copy that lets go of the frame in which the name came.
    pub fn detached(&self) -> TopicKey {
        match self {
            TopicKey::Name(name) => TopicKey::Name(name.detached()),
            TopicKey::Id(id) => TopicKey::Id(*id),
        }
    }
}

/// The topic that `key` names: UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID when there is none.
pub fn find<'a>(image: &'a Image, key: &TopicKey) -> Result<&'a Arc<Topic>, Refusal> {
    match key {
        TopicKey::Name(name) => image.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition.into()),
        TopicKey::Id(id) => image.topic_by_id(*id).ok_or(ErrorCode::UnknownTopicId.into()),
    }
}

/// Partition `index` of `topic`, if this node leads it.
pub fn partition(
    image: &Image,
    topic: &Topic,
    index: i32,
    partitions: &Partitions,
) -> Result<Arc<Partition>, Refusal> {
    let Some(state) = topic.partition(index) else { return Err(ErrorCode::UnknownTopicOrPartition.into()) };
    if state.leader != Some(partitions.node()) {
        // A copy whose log directory failed leads nothing, but the client is to know why.
        return Err(match partitions.offline_reason(topic, index) {
            Some(error) => error.into(),
            None => ErrorCode::NotLeaderOrFollower.into(),
        });
    }
    match partitions.get(topic.id, index) {
        Some(partition) => Ok(partition),
        None => Ok(may_block(|| partitions.get_or_open(image, topic, index))?),
    }
}

/// Runs what waits for the disk, while this thread's other tasks move to another one.
pub fn may_block<T>(action: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current().map(|it| it.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(action),
        // Where there is one thread only, nobody can take the tasks over.
        _ => action(),
    }
}

/// Whether the client's idea of the leader epoch is ours (KIP-320); -1 has no idea.
pub fn check_epoch(partition: &Partition, current_leader_epoch: i32) -> Result<(), Refusal> {
    let known = partition.leader_epoch();
    match LeaderEpoch(current_leader_epoch) {
        LeaderEpoch(..0) => Ok(()),
        epoch if epoch < known => Err(ErrorCode::FencedLeaderEpoch.into()),
        epoch if epoch > known => Err(ErrorCode::UnknownLeaderEpoch.into()),
        _ => Ok(()),
    }
}

/// Whether broker `node` keeps a copy of partition `index`.
pub fn is_replica(topic: &Topic, index: i32, node: i32) -> bool {
    topic.partition(index).is_some_and(|it| it.is_replica(NodeId(node)))
}

/// Who leads a partition, and where the clients of one listener reach it.
#[derive(Clone, Debug)]
pub struct Leader {
    /// The broker.
    pub node: NodeId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// Its advertised host.
    pub host: Text,
    /// Its advertised port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<Text>,
}

/// The leaders that the errors of one answer name (KIP-951), each broker once.
#[derive(Debug)]
pub struct LeaderHints<'a> {
    image: &'a Image,
    listener: &'a str,
    leaders: Vec<Leader>,
}

impl<'a> LeaderHints<'a> {
    /// None yet; clients of `listener` are to be told.
    pub fn new(image: &'a Image, listener: &'a str) -> LeaderHints<'a> {
        LeaderHints { image, listener, leaders: Vec::new() }
    }

    /// Who leads partition `index` of the topic that `key` names, and in which epoch; `None` unless `code`
    /// says that it is led elsewhere or in another epoch, and the leader can be reached.
    pub fn hint(&mut self, code: ErrorCode, key: &TopicKey, index: i32) -> Option<(NodeId, LeaderEpoch)> {
        if !matches!(code, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
            return None;
        }
        let leader = leader(self.image, key, index, self.listener)?;
        let hint = (leader.node, leader.epoch);
        if self.leaders.iter().all(|it| it.node != leader.node) {
            self.leaders.push(leader);
        }
        Some(hint)
    }

    /// Where those who were named are reached, as the answer's message says it.
    pub fn endpoints<Endpoint>(self, endpoint: impl Fn(Leader) -> Endpoint) -> Vec<Endpoint> {
        self.leaders.into_iter().map(endpoint).collect()
    }
}

/// The leader of partition `index` of the topic that `key` names, as clients of `listener` reach it.
fn leader(image: &Image, key: &TopicKey, index: i32, listener: &str) -> Option<Leader> {
    let state = find(image, key).ok()?.partition(index)?;
    let node = state.leader?;
    let broker = image.broker(node)?;
    let endpoint = broker.endpoint(listener)?;
    Some(Leader {
        node,
        epoch: state.leader_epoch,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: broker.rack.clone(),
    })
}
