//! Decisions as sentences: a cluster, what is asked, what comes of it.
//!
//! A cluster is told as `1 2@rack 3! 4~` (`!` fenced, `~` in controlled shutdown), followed by topics that
//! are created first. What comes of a request is its refusal, or the records it writes.

use crate::{Controller, CreatedTopic, Random, Registration, Through, TopicToDelete, bootstrap_features};
use ottla_configs::BrokerConfig;
use ottla_ids::{BrokerEpoch, NodeId, Offset, Uuid};
use ottla_metadata::{Endpoint, Image, MetadataRecord, VersionRange};
use ottla_protocol::Text;
use ottla_protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use ottla_protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use ottla_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use ottla_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use ottla_protocol::records::metadata::{
    BrokerRegistrationChangeRecord, FeatureLevelRecord, PartitionChangeRecord,
};
use ottla_state_machine::{Decision, Machine};

mod cordons;
mod elections;
mod features;
mod unregister;

/// A cluster whose log is kept, so that the law can be checked after every step.
struct Cluster {
    image: Image,
    log: Vec<MetadataRecord>,
    configs: BrokerConfig,
    random: Random,
}

impl Cluster {
    fn empty() -> Cluster {
        Cluster {
            image: Image::default(),
            log: Vec::new(),
            configs: BrokerConfig::default(),
            random: Random::new(7),
        }
    }

    fn new(brokers: &str) -> Cluster {
        let mut cluster = Cluster::empty();
        cluster.decide(|controller| controller.activate(bootstrap_features()));
        for word in brokers.split_whitespace() {
            let (fenced, stopping) = (word.contains('!'), word.contains('~'));
            let word = word.trim_end_matches(['!', '~']);
            let (id, rack) = word.split_once('@').map_or((word, None), |(id, rack)| (id, Some(rack)));
            let id: i32 = id.parse().unwrap();
            let mut registration = registration(id);
            registration.rack = rack.map(Text::from);
            let epoch = cluster.decide(|controller| controller.register_broker(&registration)).unwrap();
            if !fenced {
                cluster.decide(|controller| controller.unfence_broker(NodeId(id), epoch)).unwrap();
            }
            if stopping {
                cluster.write(MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
                    broker_id: id,
                    broker_epoch: epoch.0,
                    in_controlled_shutdown: 1,
                    ..BrokerRegistrationChangeRecord::default()
                }));
            }
        }
        cluster
    }

    fn with_topics(mut self, topics: &str) -> Cluster {
        let answers = self.decide(|controller| controller.create_topics(&topics_of(topics))).unwrap();
        answers.into_iter().for_each(|answer| drop(answer.unwrap()));
        self
    }

    fn write(&mut self, record: MetadataRecord) {
        self.image.replay(&record);
        self.log.push(record);
    }

    fn set_feature(&mut self, name: &'static str, feature_level: i16) {
        self.write(level_of(name, feature_level));
    }

    fn decide<Answer>(
        &mut self,
        decide: impl FnOnce(&mut Controller<'_>) -> Decision<Answer, MetadataRecord>,
    ) -> Answer {
        let next_offset = Offset(self.log.len() as i64);
        let mut controller = Controller {
            image: &self.image,
            node: NodeId(1),
            configs: &self.configs,
            next_offset,
            now_ms: 1_000,
            random: &mut self.random,
        };
        let Decision { records, answer } = decide(&mut controller);
        records.into_iter().for_each(|record| self.write(record));
        self.check_laws();
        answer
    }

    fn check_laws(&self) {
        let mut replayed = Image::default();
        self.log.iter().for_each(|record| replayed.replay(record));
        assert_eq!(replayed, self.image, "the living image equals its log, replayed");
        let mut restored = Image::default();
        self.image.to_records().iter().for_each(|record| restored.replay(record));
        assert_eq!(restored, self.image, "a snapshot gives the image back");
    }

    fn epoch(&self, id: i32) -> BrokerEpoch {
        self.image.broker(NodeId(id)).unwrap().epoch
    }

    /// `name: 0=1,2* 1=2*,3` with the leader starred; replicas outside the ISR in brackets.
    fn topic(&self, name: &str) -> String {
        let Some(topic) = self.image.topic(name) else { return "gone".to_owned() };
        let partition = |(index, partition): (&i32, &std::sync::Arc<ottla_metadata::Partition>)| {
            let replica = |node: &NodeId| {
                let star = if partition.leader == Some(*node) { "*" } else { "" };
                if partition.isr.contains(node) { format!("{node}{star}") } else { format!("({node}{star})") }
            };
            let replicas: Vec<String> = partition.replicas.iter().map(replica).collect();
            format!("{index}={}", replicas.join(","))
        };
        topic.partitions.iter().map(partition).collect::<Vec<_>>().join(" ")
    }
}

fn directory(id: i32) -> Uuid {
    Uuid::from_u128(1_000_000 + id as u128)
}

fn registration(id: i32) -> Registration {
    Registration {
        node: NodeId(id),
        incarnation_id: Uuid::from_u128(2_000_000 + id as u128),
        endpoints: vec![Endpoint {
            listener: Text::from("PLAINTEXT"),
            host: Text::from("localhost"),
            port: 9092,
            security_protocol: 0,
        }],
        features: Registration::known_features(),
        rack: None,
        directories: vec![directory(id)],
    }
}

/// `name/partitions/replicas key=value 0=1,2 1=2,3`, one topic a line.
fn topics_of(text: &str) -> CreateTopicsRequest {
    let topic = |line: &str| {
        let mut words = line.split_whitespace();
        let mut parts = words.next().unwrap_or_default().split('/');
        let mut topic = CreatableTopic {
            name: Text::from(parts.next().unwrap()),
            num_partitions: parts.next().map_or(-1, |text| text.parse().unwrap()),
            replication_factor: parts.next().map_or(-1, |text| text.parse().unwrap()),
            ..CreatableTopic::default()
        };
        for word in words {
            let (key, value) = word.split_once('=').unwrap();
            match key.parse() {
                Ok(partition_index) => topic.assignments.push(CreatableReplicaAssignment {
                    partition_index,
                    broker_ids: nodes(value),
                    ..CreatableReplicaAssignment::default()
                }),
                Err(_) => topic.configs.push(CreatableTopicConfig {
                    name: Text::from(key),
                    value: (value != "null").then(|| Text::from(value)),
                    ..CreatableTopicConfig::default()
                }),
            }
        }
        topic
    };
    CreateTopicsRequest { topics: text.lines().map(topic).collect(), ..CreateTopicsRequest::default() }
}

fn nodes(text: &str) -> Vec<i32> {
    text.split(',').filter(|id| !id.is_empty()).map(|id| id.parse().unwrap()).collect()
}

/// Creates topics on a cluster; per topic what it is then, or the refusal.
#[track_caller]
fn check_create(brokers: &str, topics: &str, expected: &str) {
    check_create_on(Cluster::new(brokers), topics, expected);
}

#[track_caller]
fn check_create_on(mut cluster: Cluster, topics: &str, expected: &str) {
    let request = topics_of(topics);
    let found = match cluster.decide(|controller| controller.create_topics(&request)) {
        Err(refusal) => format!("all {refusal}"),
        Ok(answers) => request
            .topics
            .iter()
            .zip(answers)
            .map(|(topic, answer)| match answer {
                Ok(created) => {
                    assert_eq!(cluster.image.topic(&topic.name).unwrap().id, created.id);
                    cluster.topic(&topic.name)
                }
                Err(refusal) => refusal.to_string(),
            })
            .collect::<Vec<_>>()
            .join("\n"),
    };
    assert_eq!(found, expected);
}

#[test]
fn a_topic_gets_what_the_configuration_says_by_default() {
    check_create("1", "flights", "0=1*");
    let mut cluster = Cluster::new("1");
    cluster.configs = BrokerConfig::new([("num.partitions", "3")]).unwrap();
    check_create_on(cluster, "flights", "0=1* 1=1* 2=1*");
}

#[test]
fn names_are_refused_as_kafka_does() {
    check_create(
        "1",
        "a+b/1/1\n../1/1",
        "InvalidTopicException: Topic name is invalid: 'a+b' contains one or more characters other than ASCII \
         alphanumerics, '.', '_' and '-'\n\
         InvalidTopicException: Topic name is invalid: '..' is not allowed",
    );
}

#[test]
fn a_name_that_collides_or_exists_is_refused() {
    check_create_on(
        Cluster::new("1").with_topics("a.b/1/1"),
        "a_b/1/1\na.b/1/1\na-b/1/1",
        "InvalidTopicException: Topic 'a_b' collides with existing topic: a.b\n\
         TopicAlreadyExists: Topic 'a.b' already exists.\n\
         0=1*",
    );
}

#[test]
fn a_name_given_twice_is_refused() {
    check_create(
        "1",
        "a/1/1\nb/1/1\na/2/1",
        "InvalidRequest: Duplicate topic name.\n0=1*\nInvalidRequest: Duplicate topic name.",
    );
}

#[test]
fn the_metadata_topic_is_nobodys_to_create() {
    check_create(
        "1",
        "__cluster_metadata/1/1",
        "InvalidRequest: Creation of internal topic __cluster_metadata is prohibited.",
    );
}

#[test]
fn counts_that_cannot_be_are_refused() {
    check_create(
        "1",
        "a/0/1\nb/-2/1\nc/1/0\nd/1/-2\ne/1/2",
        "InvalidPartitions: Number of partitions was set to an invalid non-positive value.\n\
         InvalidPartitions: Number of partitions was set to an invalid non-positive value.\n\
         InvalidReplicationFactor: Replication factor must be larger than 0, or -1 to use the default value.\n\
         InvalidReplicationFactor: Replication factor must be larger than 0, or -1 to use the default value.\n\
         InvalidReplicationFactor: Unable to replicate the partition 2 time(s): The target replication factor \
         of 2 cannot be reached because only 1 broker(s) are registered or some brokers have all their log \
         directories cordoned.",
    );
}

#[test]
fn too_many_partitions_are_refused_as_a_whole() {
    let refusal = "all PolicyViolation: Excessively large number of partitions per request.";
    check_create("1", "a/10001/1", refusal);
    check_create("1", "a/6000/1\nb/6000/1", refusal);
    check_create(
        "1",
        "a/10000/1",
        "all PolicyViolation: Unable to perform excessively large batch operation.",
    );
}

#[test]
fn configurations_are_checked_and_written_before_the_partitions() {
    let mut cluster = Cluster::new("1").with_topics("a/1/1 cleanup.policy=compact retention.ms=1000");
    assert_eq!(cluster.image.topic_configs("a").unwrap().len(), 2);
    let kinds: Vec<&str> = cluster.log.iter().rev().take(4).map(|record| record.name()).collect();
    assert_eq!(kinds, ["PartitionRecord", "ConfigRecord", "ConfigRecord", "TopicRecord"]);
    let request = topics_of("b/1/1 retention.ms=soon\nc/1/1 no.such.key=1\nd/1/1 retention.ms=null");
    let answers = cluster.decide(|controller| controller.create_topics(&request)).unwrap();
    for answer in answers {
        assert_eq!(answer.unwrap_err().code, ottla_protocol::ErrorCode::InvalidConfig);
    }
}

#[test]
fn validate_only_writes_nothing() {
    let mut cluster = Cluster::new("1");
    let before = cluster.log.len();
    let request = CreateTopicsRequest { validate_only: true, ..topics_of("a/3/1") };
    let answers = cluster.decide(|controller| controller.create_topics(&request)).unwrap();
    assert_eq!(answers[0].as_ref().unwrap().partition_count, 3);
    assert_eq!(cluster.log.len(), before);
}

#[test]
fn manual_assignments_are_taken_as_they_are() {
    check_create("1 2 3", "a 0=1,2 1=3,1", "0=1*,2 1=3*,1");
    check_create("1! 2 3~", "a 0=1,2 1=3,2", "0=(1),2* 1=(3),2*");
}

#[test]
fn manual_assignments_that_cannot_be_are_refused() {
    let refused = |topic: &str, message: &str| check_create("1 2! 3", topic, message);
    refused(
        "a/1 0=1",
        "InvalidRequest: A manual partition assignment was specified, but numPartitions was not set to -1.",
    );
    refused(
        "a/-1/1 0=1",
        "InvalidRequest: A manual partition assignment was specified, but replication factor was not set to -1.",
    );
    refused(
        "a 0=1 0=3",
        "InvalidReplicaAssignment: Found multiple manual partition assignments for partition 0",
    );
    refused(
        "a 0=1 2=3",
        "InvalidReplicaAssignment: partitions should be a consecutive 0-based integer sequence",
    );
    refused(
        "a 0=",
        "InvalidReplicaAssignment: The manual partition assignment includes an empty replica list.",
    );
    refused(
        "a 0=9",
        "InvalidReplicaAssignment: The manual partition assignment includes broker 9, but no such broker is \
         registered.",
    );
    refused(
        "a 0=1,1",
        "InvalidReplicaAssignment: The manual partition assignment includes the broker 1 more than once.",
    );
    refused(
        "a 0=1 1=1,3",
        "InvalidReplicaAssignment: The manual partition assignment includes a partition with 2 replica(s), but \
         this is not consistent with previous partitions, which have 1 replica(s).",
    );
    refused(
        "a 0=2",
        "InvalidReplicaAssignment: All brokers specified in the manual partition assignment for partition 0 are \
         fenced or in controlled shutdown.",
    );
}

#[test]
fn without_a_live_broker_nothing_is_placed() {
    check_create(
        "1!",
        "a/1/1",
        "InvalidReplicationFactor: Unable to replicate the partition 1 time(s): All brokers are currently fenced, \
         or have all their log directories cordoned.",
    );
    check_create(
        "1~",
        "a/1/1",
        "InvalidReplicationFactor: Unable to replicate the partition 1 time(s): All brokers are currently fenced \
         or in controlled shutdown.",
    );
}

#[test]
fn an_internal_topic_fits_the_cluster_it_is_in() {
    let names = [Text::from("__consumer_offsets"), Text::from("__transaction_state"), Text::from("mine")];
    let shapes = |cluster: &mut Cluster| -> Vec<(i32, i16)> {
        let answers = cluster.decide(|controller| controller.create_automatically(&names)).unwrap();
        let shape = |topic: CreatedTopic| (topic.partition_count, topic.replication_factor);
        answers.into_iter().map(|answer| answer.map(shape).unwrap()).collect()
    };
    assert_eq!(shapes(&mut Cluster::new("1 2 3 4")), [(50, 3), (50, 3), (1, 1)], "as configured");
    let mut cluster = Cluster::new("1 2");
    assert_eq!(shapes(&mut cluster), [(50, 2), (50, 2), (1, 1)]);
    let configs = cluster.image.topic_configs("__transaction_state").unwrap();
    assert_eq!(configs.get("min.insync.replicas").map(Text::as_str), Some("2"));
}

/// Adds partitions to topic `t`: what it is then, or the refusal.
#[track_caller]
fn check_widen(mut cluster: Cluster, count: i32, assignments: Option<&str>, expected: &str) {
    let assignments = assignments.map(|text| {
        let assignment = |ids: &str| CreatePartitionsAssignment {
            broker_ids: nodes(ids),
            ..CreatePartitionsAssignment::default()
        };
        text.split_whitespace().map(assignment).collect()
    });
    let topic = CreatePartitionsTopic {
        name: Text::from("t"),
        count,
        assignments,
        ..CreatePartitionsTopic::default()
    };
    let request = CreatePartitionsRequest { topics: vec![topic], ..CreatePartitionsRequest::default() };
    let answers = cluster.decide(|controller| controller.create_partitions(&request)).unwrap();
    let found = match &answers[0] {
        Ok(()) => cluster.topic("t"),
        Err(refusal) => refusal.to_string(),
    };
    assert_eq!(found, expected);
}

#[test]
fn a_topic_is_widened() {
    check_widen(Cluster::new("1").with_topics("t/1/1"), 3, None, "0=1* 1=1* 2=1*");
    check_widen(Cluster::new("1 2").with_topics("t 0=1"), 2, Some("2"), "0=1* 1=2*");
}

#[test]
fn a_topic_is_never_narrowed() {
    let cluster = || Cluster::new("1 2").with_topics("t 0=1,2 1=1,2");
    check_widen(cluster(), 2, None, "InvalidPartitions: Topic already has 2 partition(s).");
    check_widen(
        cluster(),
        1,
        None,
        "InvalidPartitions: The topic t currently has 2 partition(s); 1 would not be an increase.",
    );
    check_widen(
        cluster(),
        4,
        Some("1,2"),
        "InvalidReplicaAssignment: Attempted to add 2 additional partition(s), but only 1 assignment(s) were \
         specified.",
    );
    check_widen(
        cluster(),
        3,
        Some("1"),
        "InvalidReplicaAssignment: The manual partition assignment includes a partition with 1 replica(s), but \
         this is not consistent with previous partitions, which have 2 replica(s).",
    );
    check_widen(
        Cluster::new("1"),
        4,
        None,
        "UnknownTopicOrPartition: This server does not host this topic-partition.",
    );
    check_widen(
        cluster(),
        i32::MAX,
        None,
        "PolicyViolation: Unable to perform excessively large batch operation.",
    );
}

/// Deletes topics: names, `#name` for a topic's id, `#?` for an unknown id.
#[track_caller]
fn check_delete(mut cluster: Cluster, topics: &str, expected: &str) {
    let topic = |word: &str| match word.strip_prefix('#') {
        Some("?") => TopicToDelete { name: None, id: Uuid::from_u128(77_777) },
        Some(name) => TopicToDelete { name: None, id: cluster.image.topic(name).unwrap().id },
        None => TopicToDelete { name: Some(Text::from(word)), id: Uuid::ZERO },
    };
    let topics: Vec<TopicToDelete> = topics.split_whitespace().map(topic).collect();
    let answers = cluster.decide(|controller| controller.delete_topics(&topics));
    let found = match answers {
        Err(refusal) => format!("all {refusal}"),
        Ok(answers) => {
            let mut lines: Vec<String> = answers
                .iter()
                .map(|answer| {
                    let name = answer.name.as_ref().map_or("?", Text::as_str);
                    match &answer.result {
                        Ok(()) => format!("{name} {}", cluster.topic(name)),
                        Err(refusal) => format!("{name} {refusal}"),
                    }
                })
                .collect();
            lines.sort();
            lines.join("\n")
        }
    };
    assert_eq!(found, expected);
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    check_delete(Cluster::new("1").with_topics("a/1/1\nb/1/1\nc/1/1"), "a #b", "a gone\nb gone");
}

#[test]
fn what_is_not_there_cannot_be_deleted() {
    check_delete(
        Cluster::new("1"),
        "a #?",
        "? UnknownTopicId: This server does not host this topic ID.\n\
         a UnknownTopicOrPartition: This server does not host this topic-partition.",
    );
}

#[test]
fn a_topic_named_twice_is_not_deleted() {
    let cluster = || Cluster::new("1").with_topics("a/1/1");
    check_delete(cluster(), "a a", "a InvalidRequest: Duplicate topic name.");
    check_delete(cluster(), "#a #a", "? InvalidRequest: Duplicate topic id.");
    check_delete(
        cluster(),
        "a #a",
        "a InvalidRequest: The provided topic name maps to an ID that was already supplied.",
    );
}

#[test]
fn with_deletion_switched_off_nothing_is_deleted() {
    let mut cluster = Cluster::new("1").with_topics("a/1/1");
    cluster.configs = BrokerConfig::new([("delete.topic.enable", "false")]).unwrap();
    check_delete(cluster, "a", "all TopicDeletionDisabled: Topic deletion is disabled.");
}

#[test]
fn a_deleted_topics_configurations_are_gone_with_it() {
    let mut cluster = Cluster::new("1").with_topics("a.b/1/1 retention.ms=1");
    let topics = [TopicToDelete { name: Some(Text::from("a.b")), id: Uuid::ZERO }];
    cluster.decide(|controller| controller.delete_topics(&topics)).unwrap();
    assert_eq!(cluster.image.topic_configs("a.b"), None);
    check_create_on(cluster, "a_b/1/1", "0=1*");
}

#[test]
fn the_broker_epoch_is_the_offset_of_its_record() {
    let cluster = Cluster::new("1 2");
    for id in [1, 2] {
        let epoch = cluster.epoch(id);
        let record = &cluster.log[epoch.0 as usize];
        assert!(matches!(record, MetadataRecord::RegisterBroker(record) if record.broker_id == id));
    }
}

#[test]
fn the_same_incarnation_keeps_its_epoch() {
    let mut cluster = Cluster::new("1");
    let epoch = cluster.epoch(1);
    let again = registration(1);
    assert_eq!(cluster.decide(|controller| controller.register_broker(&again)), Ok(epoch));
    assert!(cluster.image.is_active(NodeId(1)), "still unfenced");
    let other = Registration { incarnation_id: Uuid::from_u128(9_999_999), ..registration(1) };
    let newer = cluster.decide(|controller| controller.register_broker(&other)).unwrap();
    assert!(newer > epoch);
    assert!(!cluster.image.is_active(NodeId(1)), "another incarnation starts fenced");
}

#[track_caller]
fn check_registration(registration: Registration, expected: &str) {
    let mut cluster = Cluster::new("1");
    let answer = cluster.decide(|controller| controller.register_broker(&registration));
    assert_eq!(answer.unwrap_err().to_string(), expected);
}

#[test]
fn a_broker_whose_directories_cannot_be_is_refused() {
    let with = |directories: Vec<Uuid>| Registration { directories, ..registration(2) };
    check_registration(with(vec![]), "InvalidRegistration: No directories specified in request");
    check_registration(
        with(vec![Uuid::from_u128(1)]),
        "InvalidRegistration: Reserved directory ID in request",
    );
    check_registration(
        with(vec![directory(2), directory(2)]),
        "InvalidRegistration: Duplicate directory ID in request",
    );
    let taken =
        format!("InvalidRegistration: Broker 1 is already registered with directory {}", directory(1));
    check_registration(with(vec![directory(1)]), &taken);
}

#[test]
fn a_broker_that_lacks_a_feature_is_refused() {
    fn features(change: impl Fn(&mut Vec<(Text, VersionRange)>)) -> Registration {
        let mut registration = registration(2);
        change(&mut registration.features);
        registration
    }
    check_registration(
        features(|features| features.retain(|(name, _)| &**name != "metadata.version")),
        "InvalidRegistration: Request features do not contain 'metadata.version'",
    );
    check_registration(
        features(|features| features.retain(|(name, _)| &**name != "group.version")),
        "UnsupportedVersion: Unable to register because the broker does not support finalized version 1 of \
         group.version. The broker wants a version between 0 and 0, inclusive.",
    );
    check_registration(
        features(|features| {
            let found = features.iter_mut().find(|(name, _)| &**name == "metadata.version");
            found.unwrap().1.max = 29;
        }),
        "UnsupportedVersion: Unable to register because the broker does not support finalized version 30 of \
         metadata.version. The broker wants a version between 7 and 29, inclusive.",
    );
}

#[test]
fn a_stale_broker_is_not_trusted() {
    let mut cluster = Cluster::new("1!");
    let stale = BrokerEpoch(cluster.epoch(1).0 - 1);
    let answer = cluster.decide(|controller| controller.unfence_broker(NodeId(1), stale));
    assert_eq!(answer.unwrap_err().code, ottla_protocol::ErrorCode::StaleBrokerEpoch);
}

/// A partition that Kafka's controller left without a leader when its only broker stopped.
#[track_caller]
fn check_elected(change: PartitionChangeRecord, expected: &str) {
    let mut cluster = Cluster::new("1").with_topics("t/1/1");
    let topic_id = cluster.image.topic("t").unwrap().id;
    cluster.write(MetadataRecord::PartitionChange(PartitionChangeRecord {
        topic_id,
        partition_id: 0,
        leader: -1,
        ..change
    }));
    let again = Registration { incarnation_id: Uuid::from_u128(9_999_999), ..registration(1) };
    let epoch = cluster.decide(|controller| controller.register_broker(&again)).unwrap();
    cluster.decide(|controller| controller.unfence_broker(NodeId(1), epoch)).unwrap();
    let partition = cluster.image.partition("t", 0).unwrap();
    let found = format!(
        "{} epoch {} {:?} elr {:?} {:?}",
        cluster.topic("t"),
        partition.leader_epoch,
        partition.leader_recovery_state,
        partition.eligible_leader_replicas,
        partition.last_known_elr,
    );
    assert_eq!(found, expected);
}

#[test]
fn a_partition_without_a_leader_gets_the_broker_that_comes_back() {
    let change =
        |isr: Option<Vec<i32>>, elr: Option<Vec<i32>>, last: Option<Vec<i32>>| PartitionChangeRecord {
            isr,
            eligible_leader_replicas: elr,
            last_known_elr: last,
            ..PartitionChangeRecord::default()
        };
    check_elected(change(None, None, None), "0=1* epoch 2 Recovered elr [] []");
    check_elected(change(Some(vec![]), Some(vec![1]), Some(vec![1])), "0=1* epoch 2 Recovered elr [] []");
    check_elected(change(Some(vec![]), None, Some(vec![1])), "0=1* epoch 2 Recovering elr [] []");
    check_elected(change(Some(vec![]), None, None), "0=(1) epoch 1 Recovered elr [] []");
}

#[test]
fn a_replica_that_lacks_records_leads_only_where_the_topic_says_so() {
    let leaderless = |cluster: &mut Cluster| {
        let topic_id = cluster.image.topic("t").unwrap().id;
        cluster.write(MetadataRecord::PartitionChange(PartitionChangeRecord {
            topic_id,
            partition_id: 0,
            leader: -1,
            isr: Some(vec![]),
            ..PartitionChangeRecord::default()
        }));
    };
    let alter_of = |cluster: &mut Cluster, kind: i8, name: &str, value: &str| {
        let request = IncrementalAlterConfigsRequest {
            resources: vec![AlterConfigsResource {
                resource_type: kind,
                resource_name: name.into(),
                configs: vec![AlterableConfig {
                    name: "unclean.leader.election.enable".into(),
                    value: Some(value.into()),
                    ..AlterableConfig::default()
                }],
                ..AlterConfigsResource::default()
            }],
            ..IncrementalAlterConfigsRequest::default()
        };
        cluster.decide(|controller| controller.incremental_alter_configs(&request, Through::Broker))
    };
    let alter = |cluster: &mut Cluster, value: &str| alter_of(cluster, 2, "t", value);
    let state = |cluster: &Cluster| {
        let recovery = cluster.image.partition("t", 0).unwrap().leader_recovery_state;
        format!("{} {recovery:?}", cluster.topic("t"))
    };

    // Told while it is without a leader: it gets one at once.
    let mut cluster = Cluster::new("1").with_topics("t/1/1");
    leaderless(&mut cluster);
    alter(&mut cluster, "false");
    assert_eq!(state(&cluster), "0=(1) Recovered");
    alter(&mut cluster, "true");
    assert_eq!(state(&cluster), "0=1* Recovering");

    // Told to all brokers: the topics that do not say otherwise get one, too.
    for (own, expected) in [(None, "0=1* Recovering"), (Some("false"), "0=(1) Recovered")] {
        let mut cluster = Cluster::new("1").with_topics("t/1/1");
        own.into_iter().for_each(|own| drop(alter(&mut cluster, own)));
        leaderless(&mut cluster);
        alter_of(&mut cluster, 4, "", "true");
        assert_eq!(state(&cluster), expected);
    }

    // Told before: when its broker comes back.
    let mut cluster = Cluster::new("1").with_topics("t/1/1");
    alter(&mut cluster, "true");
    leaderless(&mut cluster);
    let again = Registration { incarnation_id: Uuid::from_u128(9_999_999), ..registration(1) };
    let epoch = cluster.decide(|controller| controller.register_broker(&again)).unwrap();
    cluster.decide(|controller| controller.unfence_broker(NodeId(1), epoch)).unwrap();
    assert_eq!(state(&cluster), "0=1* Recovering");
}

#[test]
fn producer_ids_come_in_blocks_that_never_overlap() {
    let mut cluster = Cluster::new("1");
    let epoch = cluster.epoch(1);
    for first in [0, 1000, 2000] {
        let block = cluster.decide(|controller| controller.allocate_producer_ids(NodeId(1), epoch)).unwrap();
        assert_eq!((block.first.0, block.count), (first, 1000));
    }
    let stale = cluster.decide(|controller| controller.allocate_producer_ids(NodeId(1), BrokerEpoch(-1)));
    assert_eq!(stale.unwrap_err().code, ottla_protocol::ErrorCode::StaleBrokerEpoch);
}

fn level_of(feature: &'static str, feature_level: i16) -> MetadataRecord {
    let name = Text::from_static(feature);
    MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level, ..Default::default() })
}

#[test]
fn an_empty_log_gets_the_bootstrap_records_in_a_transaction() {
    let mut cluster = Cluster::empty();
    cluster.decide(|controller| controller.activate(bootstrap_features()));
    let kinds: Vec<&str> = cluster.log.iter().map(|record| record.name()).collect();
    assert_eq!(kinds.first(), Some(&"BeginTransactionRecord"));
    assert_eq!(kinds.last(), Some(&"EndTransactionRecord"));
    assert_eq!(kinds.len(), 9);
    assert_eq!(cluster.image.feature("transaction.version"), 2);
    cluster.decide(|controller| controller.activate(bootstrap_features()));
    assert_eq!(cluster.log.len(), 9, "the second time there is nothing to do");
}

#[test]
fn an_empty_log_begins_with_the_levels_that_formatting_chose() {
    let activated = |levels: &[(&'static str, i16)]| {
        let mut cluster = Cluster::empty();
        let bootstrap = levels.iter().map(|(name, level)| level_of(name, *level)).collect();
        cluster.decide(|controller| controller.activate(bootstrap));
        cluster.log.iter().map(|record| record.name()).collect::<Vec<_>>().join(" ")
    };
    let transaction = |within| format!("BeginTransactionRecord {within} EndTransactionRecord");
    assert_eq!(activated(&[("metadata.version", 12)]), "FeatureLevelRecord", "3.6-IV0 has no transactions");
    assert_eq!(activated(&[("metadata.version", 13)]), transaction("FeatureLevelRecord"));
    let with_elr =
        |level| activated(&[("metadata.version", 30), ("eligible.leader.replicas.version", level)]);
    assert_eq!(with_elr(0), transaction("FeatureLevelRecord FeatureLevelRecord"));
    assert_eq!(with_elr(1), transaction("FeatureLevelRecord FeatureLevelRecord ConfigRecord"));
}

#[test]
fn a_transaction_that_a_predecessor_left_open_is_aborted() {
    let mut cluster = Cluster::empty();
    let mut whole = Cluster::empty();
    whole.decide(|controller| controller.activate(bootstrap_features()));
    // The predecessor died in the middle of the bootstrap.
    whole.log[..4].iter().for_each(|record| cluster.write(record.clone()));
    assert!(cluster.image.is_in_transaction());
    assert_eq!(cluster.image.visible().metadata_version(), None);
    let mut records = Vec::new();
    {
        let mut controller = Controller {
            image: &cluster.image,
            node: NodeId(1),
            configs: &cluster.configs,
            next_offset: Offset(4),
            now_ms: 0,
            random: &mut cluster.random,
        };
        records.extend(controller.activate(bootstrap_features()).records);
    }
    records.into_iter().for_each(|record| cluster.write(record));
    assert_eq!(cluster.image, whole.image);
}

/// Broker 1 with two directories, and a topic whose partition `index` lies in directory `index`.
fn two_directories() -> Cluster {
    let mut cluster = Cluster::empty();
    cluster.decide(|controller| controller.activate(bootstrap_features()));
    let directories = vec![directory(1), directory(2)];
    let registration = Registration { directories, ..registration(1) };
    let epoch = cluster.decide(|controller| controller.register_broker(&registration)).unwrap();
    cluster.decide(|controller| controller.unfence_broker(NodeId(1), epoch)).unwrap();
    let mut cluster = cluster.with_topics("t/2/1");
    let unassigned = cluster.image.partition("t", 0).unwrap().directories.clone();
    assert_eq!(unassigned, [ottla_metadata::DirectoryId::UNASSIGNED], "the broker chooses");
    let id = cluster.image.topic("t").unwrap().id;
    let placed = [(id, 0, directory(1)), (id, 1, directory(2)), (id, 7, directory(1)), (Uuid::ZERO, 0, id)];
    cluster.decide(|controller| controller.assign_directories(NodeId(1), epoch, &placed)).unwrap();
    cluster
}

#[test]
fn a_broker_tells_where_its_replicas_lie() {
    let mut cluster = two_directories();
    for index in [0, 1] {
        let partition = cluster.image.partition("t", index).unwrap();
        assert_eq!(partition.directories, [directory(index + 1)]);
        assert_eq!(partition.leader_epoch.0, 0, "nobody's leadership changed");
    }
    let (written, epoch) = (cluster.log.len(), cluster.epoch(1));
    let same = [(cluster.image.topic("t").unwrap().id, 0, directory(1))];
    cluster.decide(|controller| controller.assign_directories(NodeId(1), epoch, &same)).unwrap();
    assert_eq!(cluster.log.len(), written, "what is known is not written again");
    let stale = BrokerEpoch(epoch.0 - 1);
    cluster.decide(|controller| controller.assign_directories(NodeId(1), stale, &same)).unwrap_err();
}

#[test]
fn what_lies_in_a_failed_directory_has_no_leader_until_the_directory_is_back() {
    let mut cluster = two_directories();
    let epoch = cluster.epoch(1);
    let failed = [directory(2)];
    cluster.decide(|controller| controller.fail_directories(NodeId(1), epoch, &failed)).unwrap();
    assert_eq!(cluster.topic("t"), "0=1* 1=1");
    assert_eq!(cluster.image.broker(NodeId(1)).unwrap().directories, [directory(1)]);
    let written = cluster.log.len();
    cluster.decide(|controller| controller.fail_directories(NodeId(1), epoch, &failed)).unwrap();
    let both = [directory(1), directory(2)];
    cluster.decide(|controller| controller.fail_directories(NodeId(1), epoch, &both)).unwrap();
    assert_eq!(cluster.log.len(), written, "it is known, and the last one is not taken");

    let mut start = |incarnation: u128, directories: Vec<Uuid>| {
        let incarnation_id = Uuid::from_u128(incarnation);
        let again = Registration { incarnation_id, directories, ..registration(1) };
        let epoch = cluster.decide(|controller| controller.register_broker(&again)).unwrap();
        cluster.decide(|controller| controller.unfence_broker(NodeId(1), epoch)).unwrap();
        cluster.topic("t")
    };
    assert_eq!(start(10, vec![directory(1)]), "0=1* 1=1", "without the disk");
    assert_eq!(start(11, both.to_vec()), "0=1* 1=1*", "with it");
    assert_eq!(start(12, vec![directory(2)]), "0=1 1=1*", "without the other one");
}

/// Asks for partition 0 of topic `t` on `replicas` (`cancel` gives its reassignment up): what the topic is then, with
/// those on their way in as `+` and out as `-`, or the refusal.
#[track_caller]
fn check_reassign(cluster: &mut Cluster, replicas: &str, may_change_count: bool, expected: &str) {
    let partition = ReassignablePartition {
        partition_index: 0,
        replicas: (replicas != "cancel").then(|| nodes(replicas)),
        ..ReassignablePartition::default()
    };
    let topic = ReassignableTopic {
        name: Text::from("t"),
        partitions: vec![partition],
        ..ReassignableTopic::default()
    };
    let request = AlterPartitionReassignmentsRequest {
        allow_replication_factor_change: may_change_count,
        topics: vec![topic],
        ..AlterPartitionReassignmentsRequest::default()
    };
    let answers = cluster.decide(|controller| controller.alter_partition_reassignments(&request)).unwrap();
    let found = match &answers[0] {
        Err(refusal) => refusal.to_string(),
        Ok(()) => {
            let partition = cluster.image.topic("t").unwrap().partition(0).unwrap();
            let signed = |sign: &str, nodes: &[NodeId]| -> String {
                nodes.iter().map(|node| format!(" {sign}{node}")).collect()
            };
            assert_eq!(partition.directories.len(), partition.replicas.len());
            cluster.topic("t")
                + &signed("+", &partition.adding_replicas)
                + &signed("-", &partition.removing_replicas)
        }
    };
    assert_eq!(found, expected);
}

#[test]
fn a_reassignment_waits_for_new_replicas_and_can_be_given_up() {
    let mut cluster = Cluster::new("1 2 3").with_topics("t 0=1,2");
    check_reassign(
        &mut cluster,
        "cancel",
        true,
        "NoReassignmentInProgress: No partition reassignment is in progress.",
    );
    check_reassign(&mut cluster, "3,2", true, "0=(3),2,1* +3 -1");
    check_reassign(&mut cluster, "3,2", true, "0=(3),2,1* +3 -1");
    check_reassign(&mut cluster, "cancel", true, "0=2,1*");
}

#[test]
fn a_reassignment_to_replicas_in_sync_is_done_at_once() {
    let mut cluster = Cluster::new("1 2").with_topics("t 0=1,2");
    check_reassign(&mut cluster, "1,2", true, "0=1*,2");
    check_reassign(&mut cluster, "2,1", true, "0=2,1*");
    // The leader goes: another one leads, in a new epoch.
    let epoch = |cluster: &Cluster| cluster.image.topic("t").unwrap().partition(0).unwrap().leader_epoch.0;
    let before = epoch(&cluster);
    check_reassign(&mut cluster, "2", true, "0=2*");
    assert_eq!(epoch(&cluster), before + 1);
}

#[test]
fn reassignments_that_cannot_be() {
    let mut cluster = Cluster::new("1 2").with_topics("t 0=1");
    let refused =
        |what: &str| format!("InvalidReplicaAssignment: The manual partition assignment includes {what}");
    check_reassign(&mut cluster, "", true, &refused("an empty replica list."));
    check_reassign(&mut cluster, "9", true, &refused("broker 9, but no such broker is registered."));
    check_reassign(&mut cluster, "1,1", true, &refused("the broker 1 more than once."));
    check_reassign(
        &mut cluster,
        "1,2",
        false,
        "InvalidReplicationFactor: The replication factor is changed from 1 to 2",
    );
    check_reassign(&mut cluster, "2", false, "0=(2),1* +2 -1");
}
