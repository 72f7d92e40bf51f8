//! Leaders are elected on request.

use super::*;
use ottla_protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};

/// Asks for an election of partition 0 of topic `t`: what the topic is then, or why there was none.
#[track_caller]
fn check_elect(cluster: &mut Cluster, kind: &str, expected: &str) {
    let asked = vec![TopicPartitions { topic: Text::from("t"), partitions: vec![0], ..Default::default() }];
    let request = ElectLeadersRequest {
        election_type: if kind == "preferred" { 0 } else { 1 },
        topic_partitions: Some(asked),
        ..Default::default()
    };
    let answers = cluster.decide(|controller| controller.elect_leaders(&request)).unwrap();
    let found = match &answers[0].partitions[0].result {
        Err(refusal) => refusal.to_string(),
        Ok(()) => cluster.topic("t"),
    };
    assert_eq!(found, expected);
}

/// Partition 0 of topic `t` becomes something else.
fn change(cluster: &mut Cluster, change: PartitionChangeRecord) {
    let topic_id = cluster.image.topic("t").unwrap().id;
    cluster.write(MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition_id: 0,
        topic_id,
        ..change
    }));
}

fn fence(cluster: &mut Cluster, id: i32, fenced: i8) {
    let broker_epoch = cluster.epoch(id).0;
    cluster.write(MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
        broker_id: id,
        broker_epoch,
        fenced,
        ..BrokerRegistrationChangeRecord::default()
    }));
}

const NOT_NEEDED: &str = "ElectionNotNeeded: Leader election not needed for topic partition.";
const NOT_PREFERRED: &str = "PreferredLeaderNotAvailable: The preferred leader was not available.";
const NOBODY: &str = "EligibleLeadersNotAvailable: Eligible topic partition leaders are not available.";

#[test]
fn who_leads_as_it_should_is_not_elected() {
    let mut cluster = Cluster::new("1 2").with_topics("t 0=1,2");
    check_elect(&mut cluster, "preferred", NOT_NEEDED);
    check_elect(&mut cluster, "unclean", NOT_NEEDED);
}

#[test]
fn leadership_goes_back_to_the_preferred_replica_when_it_is_in_sync() {
    let mut cluster = Cluster::new("1 2").with_topics("t 0=1,2");
    change(&mut cluster, PartitionChangeRecord { leader: 2, ..Default::default() });
    check_elect(&mut cluster, "unclean", NOT_NEEDED);
    check_elect(&mut cluster, "preferred", "0=1*,2");
    change(&mut cluster, PartitionChangeRecord { leader: 2, isr: Some(vec![2]), ..Default::default() });
    check_elect(&mut cluster, "preferred", NOT_PREFERRED);
    change(&mut cluster, PartitionChangeRecord { isr: Some(vec![1, 2]), ..Default::default() });
    fence(&mut cluster, 1, 1);
    check_elect(&mut cluster, "preferred", NOT_PREFERRED);
    fence(&mut cluster, 1, -1);
    check_elect(&mut cluster, "preferred", "0=1*,2");
}

#[test]
fn a_preferred_election_gives_a_partition_without_leader_whoever_has_all() {
    let mut cluster = Cluster::new("1! 2").with_topics("t 0=1,2");
    change(&mut cluster, PartitionChangeRecord { leader: -1, ..Default::default() });
    check_elect(&mut cluster, "preferred", "0=(1),2*");
}

#[test]
fn an_unclean_election_takes_a_replica_that_is_alive_though_it_may_lack_records() {
    let mut cluster = Cluster::new("1 2").with_topics("t 0=1,2");
    change(&mut cluster, PartitionChangeRecord { leader: -1, isr: Some(vec![1]), ..Default::default() });
    fence(&mut cluster, 1, 1);
    check_elect(&mut cluster, "preferred", NOT_PREFERRED);
    check_elect(&mut cluster, "unclean", "0=(1),2*");
    let partition = cluster.image.topic("t").unwrap().partition(0).unwrap().clone();
    assert_eq!(partition.leader_recovery_state, ottla_metadata::LeaderRecoveryState::Recovering);
}

#[test]
fn nobody_is_elected_when_nobody_is_alive() {
    let mut cluster = Cluster::new("1").with_topics("t 0=1");
    change(&mut cluster, PartitionChangeRecord { leader: -1, ..Default::default() });
    fence(&mut cluster, 1, 1);
    check_elect(&mut cluster, "unclean", NOBODY);
    check_elect(&mut cluster, "preferred", NOT_PREFERRED);
}

#[test]
fn a_replica_in_a_directory_that_is_gone_does_not_lead() {
    let mut cluster = Cluster::new("1").with_topics("t 0=1");
    let gone = vec![Uuid::from_u128(777)];
    change(&mut cluster, PartitionChangeRecord { leader: -1, directories: Some(gone), ..Default::default() });
    check_elect(&mut cluster, "unclean", NOBODY);
}

#[test]
fn an_eligible_replica_is_elected_without_loss() {
    let mut cluster = Cluster::new("1 2").with_topics("t min.insync.replicas=2 0=1,2");
    let eligible = PartitionChangeRecord {
        leader: -1,
        isr: Some(Vec::new()),
        eligible_leader_replicas: Some(vec![1, 2]),
        last_known_elr: Some(vec![1]),
        ..Default::default()
    };
    change(&mut cluster, eligible);
    fence(&mut cluster, 1, 1);
    check_elect(&mut cluster, "preferred", "0=(1),2*");
    let partition = cluster.image.topic("t").unwrap().partition(0).unwrap().clone();
    assert_eq!(partition.eligible_leader_replicas, [NodeId(1)]);
    assert_eq!(partition.last_known_elr, []);
    assert_eq!(partition.leader_recovery_state, ottla_metadata::LeaderRecoveryState::Recovered);
}

#[test]
fn of_all_partitions_those_are_told_that_were_in_need() {
    let mut cluster = Cluster::new("1 2").with_topics("t 0=1,2 1=1,2\nu 0=1");
    change(&mut cluster, PartitionChangeRecord { leader: 2, ..Default::default() });
    let request = ElectLeadersRequest { election_type: 0, topic_partitions: None, ..Default::default() };
    let answers = cluster.decide(|controller| controller.elect_leaders(&request)).unwrap();
    let told: Vec<(&str, usize)> =
        answers.iter().map(|topic| (topic.name.as_str(), topic.partitions.len())).collect();
    assert_eq!(told, [("t", 1), ("u", 0)]);
    assert_eq!(cluster.topic("t"), "0=1*,2 1=1*,2");
}

#[test]
fn what_is_not_there_and_an_unknown_kind_are_refused() {
    let mut cluster = Cluster::new("1").with_topics("u 0=1");
    check_elect(&mut cluster, "preferred", "UnknownTopicOrPartition: No such topic as t");
    let mut cluster = Cluster::new("1").with_topics("t 0=1");
    let asked = vec![TopicPartitions { topic: Text::from("t"), partitions: vec![4], ..Default::default() }];
    let request = ElectLeadersRequest { topic_partitions: Some(asked), ..Default::default() };
    let answers = cluster.decide(|controller| controller.elect_leaders(&request)).unwrap();
    let refusal = answers[0].partitions[0].result.clone().unwrap_err();
    assert_eq!(refusal.to_string(), "UnknownTopicOrPartition: No such partition as t-4");
    let request = ElectLeadersRequest { election_type: 2, topic_partitions: None, ..Default::default() };
    let refusal = cluster.decide(|controller| controller.elect_leaders(&request)).unwrap_err();
    assert_eq!(refusal.to_string(), "InvalidRequest: Unknown election type 2");
}
