//! Offsets by what they stand for: where a partition begins and ends, and what came at a time.

use crate::cluster::Cluster;
use crate::error::ClientError;
use futures_util::future::try_join_all;
use ottla_ids::{NodeId, TopicPartition};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use std::collections::{BTreeMap, HashMap};

/// What to find the offset of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffsetSpec {
    /// The first record that is still there.
    Earliest,
    /// Behind the last record that consumers may see.
    Latest,
    /// The first record of this time or later, in ms since 1970.
    Timestamp(i64),
}

impl OffsetSpec {
    /// The number that ListOffsets knows it by.
    fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Earliest => -2,
            OffsetSpec::Latest => -1,
            OffsetSpec::Timestamp(timestamp_ms) => timestamp_ms.max(0),
        }
    }
}

/// Which records of transactions a reader sees. The names are Kafka's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// All, also those of open and aborted transactions.
    #[default]
    ReadUncommitted,
    /// Up to the first open transaction.
    ReadCommitted,
}

impl IsolationLevel {
    pub(crate) fn number(self) -> i8 {
        match self {
            IsolationLevel::ReadUncommitted => 0,
            IsolationLevel::ReadCommitted => 1,
        }
    }
}

impl Cluster {
    /// The offset of each of `wanted`, asked of the partitions' leaders, again while the errors are ones
    /// that pass. A time after the last record has no entry in the answer.
    pub async fn list_offsets(
        &self,
        wanted: &[(TopicPartition, OffsetSpec)],
        isolation: IsolationLevel,
    ) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
        self.retry(|| self.list_offsets_once(wanted, isolation)).await
    }

    async fn list_offsets_once(
        &self,
        wanted: &[(TopicPartition, OffsetSpec)],
        isolation: IsolationLevel,
    ) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
        let mut by_leader: HashMap<NodeId, BTreeMap<&str, Vec<ListOffsetsPartition>>> = HashMap::new();
        for (partition, spec) in wanted {
            let leader = self.leader(partition).await?;
            let entry = ListOffsetsPartition {
                partition_index: partition.partition,
                timestamp: spec.timestamp(),
                ..Default::default()
            };
            by_leader.entry(leader).or_default().entry(&partition.topic).or_default().push(entry);
        }
        let asked =
            by_leader.into_iter().map(|(leader, topics)| self.list_of_leader(leader, topics, isolation));
        let answers = try_join_all(asked).await?;
        Ok(answers.into_iter().flatten().collect())
    }

    async fn list_of_leader(
        &self,
        leader: NodeId,
        topics: BTreeMap<&str, Vec<ListOffsetsPartition>>,
        isolation: IsolationLevel,
    ) -> Result<Vec<(TopicPartition, i64)>, ClientError> {
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: isolation.number(),
            topics: topics
                .iter()
                .map(|(name, partitions)| ListOffsetsTopic {
                    name: (*name).into(),
                    partitions: partitions.clone(),
                    ..Default::default()
                })
                .collect(),
            timeout_ms: self.config().request_timeout.as_millis() as i32,
            ..Default::default()
        };
        let asked = async { self.node(leader).await?.call(&request, self.config().request_timeout).await };
        let response = asked.await.inspect_err(|_| {
            // The leader may be gone: who leads is asked for anew.
            topics.keys().for_each(|name| self.forget(name));
        })?;
        let mut found = Vec::new();
        for topic in &response.topics {
            for it in &topic.partitions {
                let partition = TopicPartition::new(&topic.name, it.partition_index);
                match ErrorCode::from(it.error_code) {
                    ErrorCode::None if it.offset >= 0 => found.push((partition, it.offset)),
                    ErrorCode::None => {}
                    code => {
                        self.forget(&topic.name);
                        return Err(ClientError::refused(
                            format!("listing offsets of {partition}"),
                            code,
                            None,
                        ));
                    }
                }
            }
        }
        Ok(found)
    }

    /// Who leads `partition`.
    pub(crate) async fn leader(&self, partition: &TopicPartition) -> Result<NodeId, ClientError> {
        let topic = self.topic(&partition.topic, false).await?;
        let Some(known) = topic.partitions.get(&partition.partition) else {
            return Err(ClientError::NoSuchPartition {
                topic: topic.name.clone(),
                partition: partition.partition,
                partition_count: topic.partitions.len(),
            });
        };
        known.leader.ok_or_else(|| {
            self.forget(&partition.topic);
            ClientError::refused(
                format!("finding the leader of {partition}"),
                ErrorCode::LeaderNotAvailable,
                None,
            )
        })
    }
}
