//! The two laws, for any log of records; and what single records do.

use super::*;
use crate::Changes;
use bytes::Bytes;
use ottla_ids::{LeaderEpoch, PartitionEpoch};
use ottla_protocol::records::metadata::{
    AbortTransactionRecord, BeginTransactionRecord, BrokerRegistrationChangeRecord, ClearElrRecord,
    EndTransactionRecord, FenceBrokerRecord, NoOpRecord, PartitionChangeRecord, PartitionRecord,
    RegisterBrokerRecord, RemoveAccessControlEntryRecord, RemoveDelegationTokenRecord, RemoveTopicRecord,
    RemoveUserScramCredentialRecord, UnfenceBrokerRecord, UnregisterBrokerRecord,
    register_broker::{BrokerEndpoint, BrokerFeature},
};
use proptest::prelude::*;

fn id(number: u8) -> Uuid {
    Uuid::from_u128(1000 + u128::from(number))
}

fn name(number: u8) -> Text {
    Text::from(format!("topic-{number}"))
}

fn nodes() -> impl Strategy<Value = Vec<i32>> {
    proptest::collection::vec(0..4i32, 0..4)
}

/// Records about few things, so that they meet.
fn record() -> impl Strategy<Value = MetadataRecord> {
    let small = 0..4u8;
    let broker = (small.clone(), 0..3i64, any::<bool>(), any::<bool>(), proptest::option::of(small.clone()))
        .prop_map(|(node, epoch, fenced, in_controlled_shutdown, rack)| {
            MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker_id: i32::from(node),
                broker_epoch: epoch,
                incarnation_id: id(node),
                end_points: vec![BrokerEndpoint {
                    name: Text::from("PLAINTEXT"),
                    host: name(node),
                    port: 9092,
                    ..BrokerEndpoint::default()
                }],
                features: vec![BrokerFeature {
                    name: Text::from(METADATA_VERSION),
                    min_supported_version: 7,
                    max_supported_version: 30,
                    ..BrokerFeature::default()
                }],
                rack: rack.map(name),
                fenced,
                in_controlled_shutdown,
                log_dirs: vec![id(node)],
                cordoned_log_dirs: fenced.then(Vec::new),
                ..RegisterBrokerRecord::default()
            })
        });
    let broker_change =
        (small.clone(), 0..3i64, -1..2i8, -1..2i8).prop_map(|(node, epoch, fenced, stopping)| {
            MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
                broker_id: i32::from(node),
                broker_epoch: epoch,
                fenced,
                in_controlled_shutdown: stopping,
                log_dirs: if fenced == 0 { vec![id(9)] } else { Vec::new() },
                cordoned_log_dirs: (stopping == 0).then(|| vec![id(9)]),
                ..BrokerRegistrationChangeRecord::default()
            })
        });
    let fencing = (small.clone(), 0..3i64, 0..3u8).prop_map(|(node, epoch, kind)| {
        let node = i32::from(node);
        match kind {
            0 => MetadataRecord::FenceBroker(FenceBrokerRecord { id: node, epoch, ..Default::default() }),
            1 => MetadataRecord::UnfenceBroker(UnfenceBrokerRecord { id: node, epoch, ..Default::default() }),
            _ => MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
                broker_id: node,
                broker_epoch: epoch,
                ..Default::default()
            }),
        }
    });
    let topic = (small.clone(), small.clone()).prop_map(|(number, topic)| {
        MetadataRecord::Topic(TopicRecord {
            name: name(number),
            topic_id: id(topic),
            ..TopicRecord::default()
        })
    });
    let partition = (small.clone(), 0..3i32, nodes(), nodes(), proptest::option::of(nodes()), -1..3i32)
        .prop_map(|(topic, partition_id, replicas, isr, elr, leader)| {
            MetadataRecord::Partition(PartitionRecord {
                partition_id,
                topic_id: id(topic),
                directories: replicas.iter().map(|node| id(*node as u8)).collect(),
                replicas,
                isr,
                leader,
                leader_epoch: 3,
                partition_epoch: 4,
                eligible_leader_replicas: elr,
                ..PartitionRecord::default()
            })
        });
    let partition_change = (
        small.clone(),
        0..3i32,
        proptest::option::of(nodes()),
        proptest::option::of(nodes()),
        proptest::option::of(nodes()),
        -2..3i32,
        -1..2i8,
    )
        .prop_map(|(topic, partition_id, replicas, isr, elr, leader, leader_recovery_state)| {
            MetadataRecord::PartitionChange(PartitionChangeRecord {
                partition_id,
                topic_id: id(topic),
                replicas,
                isr,
                eligible_leader_replicas: elr.clone(),
                last_known_elr: elr,
                leader,
                leader_recovery_state,
                ..PartitionChangeRecord::default()
            })
        });
    let config =
        (prop_oneof![Just(2i8), Just(4), Just(16), Just(77)], small.clone(), small.clone(), any::<bool>())
            .prop_map(|(resource_type, resource, key, is_set)| {
                MetadataRecord::Config(ConfigRecord {
                    resource_type,
                    resource_name: name(resource),
                    name: Text::from(format!("key{key}")),
                    value: is_set.then(|| Text::from("value")),
                    ..ConfigRecord::default()
                })
            });
    let feature = (0..3usize, 0..3i16).prop_map(|(number, feature_level)| {
        let names = [METADATA_VERSION, "group.version", "abc.version"];
        MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: Text::from(names[number]),
            feature_level,
            ..FeatureLevelRecord::default()
        })
    });
    let quota = (small.clone(), any::<bool>(), any::<bool>()).prop_map(|(user, remove, is_pair)| {
        let entity = |kind: &str, name: Option<Text>| EntityData {
            entity_type: Text::from(kind),
            entity_name: name,
            ..EntityData::default()
        };
        let mut parts = vec![entity("user", (user > 0).then(|| name(user)))];
        if is_pair {
            parts.push(entity("client-id", None));
        }
        MetadataRecord::ClientQuota(ClientQuotaRecord {
            entity: parts,
            key: Text::from("producer_byte_rate"),
            value: f64::from(user),
            remove,
            ..ClientQuotaRecord::default()
        })
    });
    let rest = (small.clone(), 0..9u8).prop_map(|(number, kind)| match kind {
        0 => MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: id(number), ..Default::default() }),
        1 => MetadataRecord::ProducerIds(ProducerIdsRecord {
            next_producer_id: i64::from(number) * 1000,
            ..Default::default()
        }),
        2 => MetadataRecord::AccessControlEntry(AccessControlEntryRecord {
            id: id(number),
            principal: name(number),
            ..Default::default()
        }),
        3 => MetadataRecord::RemoveAccessControlEntry(RemoveAccessControlEntryRecord {
            id: id(number),
            ..Default::default()
        }),
        4 => MetadataRecord::UserScramCredential(UserScramCredentialRecord {
            name: name(number),
            mechanism: 1,
            salt: Bytes::from_static(b"salt"),
            ..Default::default()
        }),
        5 => MetadataRecord::RemoveUserScramCredential(RemoveUserScramCredentialRecord {
            name: name(number),
            mechanism: 1,
            ..Default::default()
        }),
        6 => MetadataRecord::DelegationToken(DelegationTokenRecord {
            token_id: name(number),
            renewers: vec![name(number)],
            ..Default::default()
        }),
        7 => MetadataRecord::RemoveDelegationToken(RemoveDelegationTokenRecord {
            token_id: name(number),
            ..Default::default()
        }),
        _ => MetadataRecord::RegisterController(RegisterControllerRecord {
            controller_id: i32::from(number),
            incarnation_id: id(number),
            ..Default::default()
        }),
    });
    let marks = (small, 0..6u8).prop_map(|(number, kind)| match kind {
        0 => MetadataRecord::BeginTransaction(BeginTransactionRecord::default()),
        1 => MetadataRecord::EndTransaction(EndTransactionRecord::default()),
        2 => MetadataRecord::AbortTransaction(AbortTransactionRecord::default()),
        3 => MetadataRecord::ClearElr(ClearElrRecord { topic_name: name(number), ..Default::default() }),
        4 => MetadataRecord::ClearElr(ClearElrRecord::default()),
        _ => MetadataRecord::NoOp(NoOpRecord::default()),
    });
    prop_oneof![
        1 => broker,
        1 => broker_change,
        1 => fencing,
        2 => topic,
        3 => partition,
        2 => partition_change,
        1 => config,
        1 => feature,
        1 => quota,
        1 => rest,
        1 => marks,
    ]
}

fn replayed(records: &[MetadataRecord]) -> Image {
    let mut image = Image::default();
    records.iter().for_each(|record| image.replay(record));
    image
}

/// Records as they come back from a log: written and read in the versions of the latest level.
fn through_bytes(records: &[MetadataRecord]) -> Vec<MetadataRecord> {
    let written = |record: &MetadataRecord| {
        let bytes = record.encode(MetadataVersion::LATEST.record_version(record)).unwrap();
        MetadataRecord::decode(bytes).unwrap()
    };
    records.iter().map(written).collect()
}

proptest! {
    #[test]
    fn an_image_written_as_records_and_replayed_is_the_same(records in proptest::collection::vec(record(), 0..80)) {
        let image = replayed(&records);
        let image = image.visible();
        prop_assert_eq!(&replayed(&image.to_records()), image);
        prop_assert_eq!(&replayed(&through_bytes(&image.to_records())), image);
    }

    #[test]
    fn the_names_of_topics_and_their_ids_agree(records in proptest::collection::vec(record(), 0..80)) {
        let image = replayed(&records);
        for topic in image.topics() {
            prop_assert_eq!(image.topic_by_id(topic.id), Some(topic));
        }
        prop_assert_eq!(image.topic_names.len(), image.topics.len());
    }

    #[test]
    fn an_aborted_transaction_leaves_nothing(
        before in proptest::collection::vec(record(), 0..30),
        inside in proptest::collection::vec(record(), 0..30),
    ) {
        let is_mark = |record: &MetadataRecord| matches!(
            record,
            MetadataRecord::BeginTransaction(_) | MetadataRecord::EndTransaction(_) | MetadataRecord::AbortTransaction(_)
        );
        let plain = |records: Vec<MetadataRecord>| -> Vec<MetadataRecord> {
            records.into_iter().filter(|record| !is_mark(record)).collect()
        };
        let mut image = replayed(&plain(before));
        let unchanged = image.clone();
        image.replay(&MetadataRecord::BeginTransaction(BeginTransactionRecord::default()));
        plain(inside).iter().for_each(|record| image.replay(record));
        prop_assert_eq!(image.visible(), &unchanged, "readers see nothing of it");
        image.replay(&MetadataRecord::AbortTransaction(AbortTransactionRecord::default()));
        prop_assert_eq!(&image, &unchanged);
    }

    #[test]
    fn changes_are_all_that_differs(
        before in proptest::collection::vec(record(), 0..60),
        after in proptest::collection::vec(record(), 0..10),
    ) {
        let old = replayed(&before);
        let mut new = old.clone();
        after.iter().for_each(|record| new.replay(record));
        let (old, new) = (old.visible().clone(), new.visible().clone());
        let changes = new.changes_since(&old);
        let names = |topics: &[Arc<Topic>]| topics.iter().map(|topic| topic.id).collect::<Vec<_>>();
        for topic in new.topics() {
            let is_new = old.topic(&topic.name).is_none_or(|before| before.id != topic.id);
            prop_assert_eq!(names(&changes.topics_created).contains(&topic.id), is_new);
            let changed = changes.topics_changed.iter().find(|change| change.topic.id == topic.id);
            let differs = !is_new
                && topic.partitions.iter().any(|(index, it)| old.partition(&topic.name, *index) != Some(it));
            prop_assert_eq!(changed.is_some(), differs);
        }
        for topic in old.topics() {
            let is_gone = new.topic(&topic.name).is_none_or(|after| after.id != topic.id);
            prop_assert_eq!(names(&changes.topics_deleted).contains(&topic.id), is_gone);
        }
        prop_assert_eq!(new.changes_since(&new), Changes::default());
    }
}

#[test]
fn naming_a_leader_begins_an_epoch_and_every_change_counts() {
    let mut image = replayed(&[
        MetadataRecord::Topic(TopicRecord { name: name(1), topic_id: id(1), ..TopicRecord::default() }),
        MetadataRecord::Partition(PartitionRecord {
            partition_id: 0,
            topic_id: id(1),
            replicas: vec![1, 2],
            isr: vec![1, 2],
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            ..PartitionRecord::default()
        }),
    ]);
    let change = |record: PartitionChangeRecord| {
        MetadataRecord::PartitionChange(PartitionChangeRecord { partition_id: 0, topic_id: id(1), ..record })
    };
    image.replay(&change(PartitionChangeRecord { isr: Some(vec![1]), ..PartitionChangeRecord::default() }));
    let partition = image.partition(&name(1), 0).unwrap();
    assert_eq!((partition.leader_epoch, partition.partition_epoch), (LeaderEpoch(0), PartitionEpoch(1)));
    image.replay(&change(PartitionChangeRecord { leader: 1, ..PartitionChangeRecord::default() }));
    let partition = image.partition(&name(1), 0).unwrap();
    assert_eq!((partition.leader_epoch, partition.partition_epoch), (LeaderEpoch(1), PartitionEpoch(2)));
    assert_eq!(partition.isr, [NodeId(1)]);
    image.replay(&change(PartitionChangeRecord { leader: -1, ..PartitionChangeRecord::default() }));
    assert_eq!(image.partition(&name(1), 0).unwrap().leader, None);
}

#[test]
fn a_record_about_an_earlier_incarnation_says_nothing() {
    let broker = |epoch| {
        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: 1,
            broker_epoch: epoch,
            fenced: false,
            ..RegisterBrokerRecord::default()
        })
    };
    let mut image = replayed(&[broker(5), broker(9)]);
    image.replay(&MetadataRecord::FenceBroker(FenceBrokerRecord { id: 1, epoch: 5, ..Default::default() }));
    assert!(image.is_active(NodeId(1)));
    image.replay(&MetadataRecord::FenceBroker(FenceBrokerRecord { id: 1, epoch: 9, ..Default::default() }));
    assert!(!image.is_active(NodeId(1)));
    assert_eq!(image.alive_brokers().count(), 0);
}
