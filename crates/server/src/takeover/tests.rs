//! Folders as Apache Kafka may leave them; the whole way is gone by `compat/swap`.

use super::*;
use ottla_ids::Offset;
use ottla_metadata::MetadataRecord;
use ottla_protocol::Text;
use ottla_protocol::records::group::consumer_group_member_metadata::ClassicMemberMetadata;
use ottla_protocol::records::group::{
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, OffsetCommitKey, OffsetCommitValue,
    ShareGroupMemberMetadataKey,
};
use ottla_protocol::records::metadata::{
    ClientQuotaRecord, ConfigRecord, FeatureLevelRecord, PartitionRecord, TopicRecord,
};
use ottla_protocol::records::share::{ShareSnapshotKey, ShareSnapshotValue};
use ottla_protocol::records::transaction::{TransactionLogKey, TransactionLogValue};
use ottla_records::{BatchBuilder, Compression};
use ottla_state_machine::Machine as _;

const NODE: NodeId = NodeId(1);

/// A segment of these records.
fn segment(folder: &Path, records: &[(Bytes, Option<Bytes>)]) -> Vec<PathBuf> {
    let mut content = Vec::new();
    for (offset, (key, value)) in records.iter().enumerate() {
        let mut builder = BatchBuilder::new(Offset(offset as i64), Compression::None);
        builder.append(0, Some(key), value.as_deref(), &[]).unwrap();
        content.extend(builder.finish().unwrap());
    }
    let path = folder.join("00000000000000000000.log");
    std::fs::write(&path, content).unwrap();
    vec![path]
}

fn transaction(id: &'static str, status: Option<i8>) -> (Bytes, Option<Bytes>) {
    let key = TransactionLogKey { transactional_id: Text::from_static(id) };
    let value = |status| TransactionLogValue { transaction_status: status, ..Default::default() };
    let record = TransactionRecord::TransactionLog(key, status.map(value));
    (record.encode_key().unwrap(), record.encode_value(1).unwrap())
}

#[test]
fn a_transaction_that_has_not_ended_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = segment(
        folder.path(),
        &[
            transaction("ended", Some(1)),
            transaction("open", Some(4)),
            transaction("gone", Some(1)),
            transaction("ended", Some(4)),
            transaction("open", Some(1)),
            transaction("gone", None),
            transaction("aborting", Some(3)),
        ],
    );
    let reasons = open_transactions(&log).unwrap();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(
        reasons[0].contains("transaction of aborting is under way, in state PrepareAbort"),
        "{reasons:?}"
    );
    assert!(reasons[1].contains("transaction of open is under way, in state Ongoing"), "{reasons:?}");
    assert!(reasons[1].contains(&folder.path().display().to_string()), "{reasons:?}");
}

fn member(group: &'static str, is_there: bool) -> (Bytes, Option<Bytes>) {
    let key = ShareGroupMemberMetadataKey {
        group_id: Text::from_static(group),
        member_id: Text::from_static("member"),
    };
    let record = GroupRecord::ShareGroupMemberMetadata(key, is_there.then(Default::default));
    (record.encode_key().unwrap(), record.encode_value(0).unwrap())
}

#[test]
fn groups_with_members_that_cannot_go_on_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let key = OffsetCommitKey { group: Text::from_static("classic"), ..Default::default() };
    let record = GroupRecord::OffsetCommit(key, Some(OffsetCommitValue::default()));
    let consumer = GroupRecord::ConsumerGroupMemberMetadata(
        ConsumerGroupMemberMetadataKey { group_id: Text::from_static("consumer"), ..Default::default() },
        // A migration under way goes on.
        Some(ConsumerGroupMemberMetadataValue {
            classic_member_metadata: Some(ClassicMemberMetadata::default()),
            ..Default::default()
        }),
    );
    let consumer = (consumer.encode_key().unwrap(), consumer.encode_value(0).unwrap());
    let classic = (record.encode_key().unwrap(), record.encode_value(4).unwrap());
    let log = segment(
        folder.path(),
        &[classic, consumer, member("left", true), member("alive", true), member("left", false)],
    );
    let reasons = group_members(&log).unwrap();
    assert!(reasons[0].starts_with("share group alive has members"), "{reasons:?}");
    assert_eq!(reasons.len(), 1, "{reasons:?}");
}

#[test]
fn share_groups_in_use_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = |group, is_there: bool| {
        let key = ShareSnapshotKey { group_id: Text::from_static(group), ..Default::default() };
        let record = ShareRecord::ShareSnapshot(key, is_there.then(ShareSnapshotValue::default));
        (record.encode_key().unwrap(), record.encode_value(0).unwrap())
    };
    let log =
        segment(folder.path(), &[snapshot("gone", true), snapshot("used", true), snapshot("gone", false)]);
    let reasons = share_state(&log).unwrap();
    assert!(reasons[0].starts_with("share group used is in use"), "{reasons:?}");
    assert_eq!(reasons.len(), 1, "{reasons:?}");
}

fn topic(name: &'static str, id: u128, replicas: &[i32]) -> [MetadataRecord; 2] {
    let topic_id = ottla_ids::Uuid::from_u128(1000 + id);
    [
        MetadataRecord::Topic(TopicRecord { name: Text::from_static(name), topic_id, ..Default::default() }),
        MetadataRecord::Partition(PartitionRecord {
            topic_id,
            partition_id: 0,
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
            leader: 1,
            ..Default::default()
        }),
    ]
}

fn inspection(records: &[MetadataRecord], voters: &[i32]) -> Inspection {
    let mut image = Image::default();
    records.iter().for_each(|record| image.replay(record));
    Inspection { image, kraft_version: 1, voters: voters.iter().map(|id| NodeId(*id)).collect() }
}

#[test]
fn metadata_that_needs_what_is_not_served_is_named() {
    let feature = |name, feature_level| {
        MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: Text::from_static(name),
            feature_level,
            ..Default::default()
        })
    };
    let usual = [feature("metadata.version", 30), feature("transaction.version", 2)];
    assert_eq!(of_metadata(&inspection(&usual, &[1]), NODE), [""; 0]);
    assert_eq!(of_metadata(&inspection(&usual, &[]), NODE), [""; 0], "a static quorum");
    let tiered = MetadataRecord::Config(ConfigRecord {
        resource_type: 2,
        resource_name: Text::from_static("tiered"),
        name: Text::from_static("remote.storage.enable"),
        value: Some(Text::from_static("true")),
        ..Default::default()
    });
    let quota = MetadataRecord::ClientQuota(ClientQuotaRecord {
        entity: vec![ottla_protocol::records::metadata::client_quota::EntityData {
            entity_type: Text::from_static("user"),
            entity_name: None,
            ..Default::default()
        }],
        key: Text::from_static("producer_byte_rate"),
        value: 1000.0,
        ..Default::default()
    });
    let mut records = vec![feature("metadata.version", 31), feature("other.version", 1)];
    records.extend(topic("here", 1, &[1]));
    records.extend(topic("spread", 2, &[1, 2, 3]));
    records.extend(topic("tiered", 3, &[1]));
    records.extend([tiered, quota]);
    let reasons = of_metadata(&inspection(&records, &[1, 2, 3]), NODE);
    for (reason, beginning) in reasons.iter().zip([
        "the metadata quorum has other voters (2, 3)",
        "feature metadata.version is at level 31, of which this build knows 30",
        "feature other.version is at level 1, of which this build knows none",
        "topic spread has replicas on other brokers (2, 3)",
        "topic tiered has remote.storage.enable=true",
        "there is a client quota for user <default>",
    ]) {
        assert!(reason.starts_with(beginning), "{reason}");
    }
    assert_eq!(reasons.len(), 6, "{reasons:?}");
}

/// Which brokers are needed for a partition beside node 1: `replicas isr elr last-known-elr`.
#[track_caller]
fn check_needed(partition: &str, expected: &[i32]) {
    let lists: Vec<Vec<NodeId>> = partition
        .split(' ')
        .map(|ids| ids.split(',').filter_map(|id| id.parse().ok()).map(NodeId).collect())
        .collect();
    let [replicas, isr, eligible_leader_replicas, last_known_elr] = lists.try_into().unwrap();
    let partition =
        Partition { replicas, isr, eligible_leader_replicas, last_known_elr, ..Default::default() };
    let needed: Vec<i32> = brokers_that_are_needed(&partition, NODE).iter().map(|id| id.0).collect();
    assert_eq!(needed, expected);
}

#[test]
fn a_replica_elsewhere_that_is_not_in_sync_keeps_nothing_from_being_served() {
    check_needed("1 1 - -", &[]);
    check_needed("1,2 1 - -", &[]);
    // On its way to broker 2, which is not there.
    check_needed("2,1 1 - -", &[]);
    check_needed("1,2 - 1,2 -", &[]);
    check_needed("1,2 - - 1", &[]);
}

#[test]
fn a_replica_elsewhere_that_has_what_this_one_lacks_is_needed() {
    check_needed("1,2,3 1,2 - -", &[2]);
    check_needed("2,3 2 - -", &[2, 3]);
    check_needed("1,2 2 - -", &[2]);
    check_needed("1,2 - 2 -", &[2]);
}

#[test]
fn old_message_formats_are_named_and_nothing_that_is_not_the_clusters_is_looked_at() {
    let data = tempfile::tempdir().unwrap();
    let mut records = Vec::new();
    records.extend(topic("old", 1, &[1]));
    records.extend(topic("new", 2, &[1]));
    let image = inspection(&records, &[1]).image;
    for (name, magic) in [("old-0", 1), ("new-0", 2), ("gone-0", 1), ("old-0.0123-delete", 0)] {
        let folder = data.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let mut batch = vec![0; 80];
        batch[MAGIC_AT] = magic;
        std::fs::write(folder.join("00000000000000000007.log"), batch).unwrap();
    }
    let reasons = of_logs(data.path(), &image).unwrap();
    assert!(reasons[0].starts_with("topic old has records in the old message format 1"), "{reasons:?}");
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    // Nobody but this program starts where a journal is: the folder was looked at before it was made.
    std::fs::create_dir(data.path().join(JOURNAL)).unwrap();
    assert!(of_logs(data.path(), &image).unwrap().is_empty());
}

#[test]
fn a_folder_that_is_not_formatted_is_a_first_start() {
    let data = tempfile::tempdir().unwrap();
    let folders = [data.path().to_owned()];
    check(&folders, data.path(), NODE).unwrap();
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_of_another_node_is_not_looked_through() {
    let data = tempfile::tempdir().unwrap();
    let folders = [data.path().to_owned()];
    let meta = MetaProperties { cluster_id: "c".to_owned(), node_id: NodeId(2), directory_id: None };
    meta.write(&Disk::Real, data.path()).unwrap();
    let log = data.path().join("__cluster_metadata-0");
    std::fs::create_dir(&log).unwrap();
    std::fs::write(log.join("00000000000000000000.log"), "damaged").unwrap();
    std::fs::write(data.path().join(CLEAN_SHUTDOWN), "").unwrap();
    assert!(check(&folders, data.path(), NodeId(2)).is_err());
    // Who opens it says whose it is.
    check(&folders, data.path(), NODE).unwrap();
}
