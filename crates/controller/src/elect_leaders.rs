//! Leaders are elected because somebody asks for it (KIP-460; Kafka's `ReplicationControlManager.electLeaders` and
//! `PartitionChangeBuilder`): the preferred one, or any at all, though it may lack records.

use crate::controller::{Controller, NO_LEADER, check_record_count, numbers};
use crate::directories::is_reachable;
use crate::refusal::Refusal;
use ottla_configs::{TopicConfig, TopicDefaults};
use ottla_ids::NodeId;
use ottla_metadata::{ConfigResource, ELR_VERSION, LeaderRecoveryState, MetadataRecord, Partition, Topic};
use ottla_protocol::messages::elect_leaders::ElectLeadersRequest;
use ottla_protocol::records::metadata::PartitionChangeRecord;
use ottla_protocol::{ErrorCode, Text};
use ottla_state_machine::Decision;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Election {
    /// The first replica, if it has all records; where there is no leader, any replica that has.
    Preferred,
    /// Where there is no leader, any replica that is alive.
    Unclean,
}

/// The partitions of one topic, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectedTopic {
    /// Its name, which need not be that of a topic.
    pub name: Text,
    /// What became of each.
    pub partitions: Vec<ElectedPartition>,
}

/// What became of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectedPartition {
    /// Its index.
    pub index: i32,
    /// Why there was no election.
    pub result: Result<(), Refusal>,
}

impl Controller<'_> {
    /// Elects leaders of the partitions of the request, in its order; or of all partitions, and then those that
    /// have the leader they are to have are left out.
    ///
    /// # Errors
    /// The request as a whole is refused when it asks for an unknown kind of election or is too large.
    pub fn elect_leaders(
        &mut self,
        request: &ElectLeadersRequest,
    ) -> Decision<Result<Vec<ElectedTopic>, Refusal>, MetadataRecord> {
        let election = match request.election_type {
            0 => Election::Preferred,
            1 => Election::Unclean,
            other => {
                let message = format!("Unknown election type {other}");
                return Decision::answer(Err(Refusal::new(ErrorCode::InvalidRequest, message)));
            }
        };
        let defaults = self.effective_configs().topic_defaults();
        let mut records = Vec::new();
        let mut elect = |name: &Text, topic: Option<&Topic>, index| {
            let result = self.elect(name, topic, index, election, &defaults);
            ElectedPartition {
                index,
                result: result.map(|record| records.push(MetadataRecord::PartitionChange(record))),
            }
        };
        let topics: Vec<ElectedTopic> = match &request.topic_partitions {
            Some(topics) => topics
                .iter()
                .map(|asked| {
                    let topic = self.image.topic(&asked.topic).map(|it| &**it);
                    let partitions = asked.partitions.iter().map(|index| elect(&asked.topic, topic, *index));
                    ElectedTopic { partitions: partitions.collect(), name: asked.topic.clone() }
                })
                .collect(),
            None => self
                .image
                .topics()
                .map(|topic| {
                    let all = topic.partitions.keys().map(|index| elect(&topic.name, Some(topic), *index));
                    let is_news = |it: &ElectedPartition| {
                        it.result.as_ref().err().is_none_or(|it| it.code != ErrorCode::ElectionNotNeeded)
                    };
                    ElectedTopic { partitions: all.filter(is_news).collect(), name: topic.name.clone() }
                })
                .collect(),
        };
        match check_record_count(records.len()) {
            Ok(()) => Decision::write(records, Ok(topics)),
            Err(refusal) => Decision::answer(Err(refusal)),
        }
    }

    fn elect(
        &self,
        name: &str,
        topic: Option<&Topic>,
        index: i32,
        election: Election,
        defaults: &TopicDefaults,
    ) -> Result<PartitionChangeRecord, Refusal> {
        let unknown = |what: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, what);
        let topic = topic.ok_or_else(|| unknown(format!("No such topic as {name}")))?;
        let partition =
            topic.partition(index).ok_or_else(|| unknown(format!("No such partition as {name}-{index}")))?;
        let is_needed = match election {
            Election::Preferred => partition.leader != partition.preferred_leader(),
            Election::Unclean => partition.leader.is_none(),
        };
        if !is_needed {
            return Err(ErrorCode::ElectionNotNeeded.into());
        }
        let config =
            TopicConfig::resolve(self.image.settings(&ConfigResource::topic(topic.name.clone())), defaults);
        let min_isr = usize::try_from(config.min_insync_replicas).unwrap_or(1).min(partition.replicas.len());
        match self.election(partition, election, min_isr) {
            Some(change) => Ok(PartitionChangeRecord { partition_id: index, topic_id: topic.id, ..change }),
            None if election == Election::Preferred => Err(ErrorCode::PreferredLeaderNotAvailable.into()),
            None => Err(ErrorCode::EligibleLeadersNotAvailable.into()),
        }
    }

    /// What the election changes; `None` when there is nobody to elect.
    fn election(
        &self,
        partition: &Partition,
        election: Election,
        min_isr: usize,
    ) -> Option<PartitionChangeRecord> {
        let has_elr = self.image.feature(ELR_VERSION) > 0;
        // Once enough are in sync, nobody is eligible beside them.
        let mut elr = match has_elr && partition.isr.len() >= min_isr {
            true => Vec::new(),
            false => partition.eligible_leader_replicas.clone(),
        };
        let (leader, is_unclean) = self.candidate(partition, election, &elr, has_elr);
        let mut record = PartitionChangeRecord::default();
        let mut isr = partition.isr.clone();
        if leader != partition.leader {
            record.leader = leader.map_or(NO_LEADER, |node| node.0);
            if let Some(node) = leader
                && (is_unclean || elr.contains(&node))
            {
                isr = vec![node];
                elr.retain(|other| *other != node);
            }
            if is_unclean && partition.leader_recovery_state != LeaderRecoveryState::Recovering {
                record.leader_recovery_state = LeaderRecoveryState::Recovering.id();
            }
        }
        if is_unclean || !has_elr {
            elr.clear();
        }
        record.eligible_leader_replicas = (elr != partition.eligible_leader_replicas).then(|| numbers(&elr));
        record.isr = (isr != partition.isr).then(|| numbers(&isr));
        if has_elr && leader != partition.leader {
            record.last_known_elr = match (leader, partition.leader) {
                (None, Some(last)) if partition.last_known_elr.is_empty() => Some(vec![last.0]),
                (Some(_), _) if !partition.last_known_elr.is_empty() => Some(Vec::new()),
                _ => None,
            };
        }
        (record != PartitionChangeRecord::default()).then_some(record)
    }

    /// Who is to lead, and whether it may lack records.
    fn candidate(
        &self,
        partition: &Partition,
        election: Election,
        elr: &[NodeId],
        has_elr: bool,
    ) -> (Option<NodeId>, bool) {
        let isr = &partition.isr;
        let may_lead = |node: &NodeId| {
            let online = self.image.broker(*node).map(|broker| broker.directories.as_slice());
            self.image.is_active(*node) && is_reachable(partition, *node, online.unwrap_or_default())
        };
        let has_all =
            |node: &NodeId| (isr.contains(node) || (isr.is_empty() && elr.contains(node))) && may_lead(node);
        let first = match election {
            Election::Preferred => partition.preferred_leader(),
            Election::Unclean => None,
        };
        let clean = first.filter(has_all).or_else(|| partition.leader.filter(has_all));
        if let Some(node) = clean.or_else(|| partition.replicas.iter().copied().find(has_all)) {
            return (Some(node), false);
        }
        let last_known = match partition.last_known_elr.as_slice() {
            [node] if has_elr && isr.is_empty() && elr.is_empty() => Some(*node).filter(may_lead),
            _ => None,
        };
        let unclean = match election {
            Election::Preferred => last_known,
            Election::Unclean => last_known.or_else(|| partition.replicas.iter().copied().find(may_lead)),
        };
        (unclean, unclean.is_some())
    }
}
