//! The frames around records of Kafka's own logs, as Kafka's serializers read and write them.

use bytes::Bytes;

use crate::records::RecordError;
use crate::records::group::{
    ConsumerGroupMetadataKey, ConsumerGroupMetadataValue, GroupMetadataKey, GroupRecord, OffsetCommitKey,
    OffsetCommitValue,
};
use crate::records::metadata::{MetadataRecord, NoOpRecord, TopicRecord};
use crate::{DecodeError, Uuid};

fn metadata(bytes: &'static [u8]) -> Result<MetadataRecord, RecordError> {
    MetadataRecord::decode(Bytes::from_static(bytes))
}

fn group(key: &'static [u8], value: Option<&'static [u8]>) -> Result<GroupRecord, RecordError> {
    GroupRecord::decode(Bytes::from_static(key), value.map(Bytes::from_static))
}

#[test]
fn a_metadata_record_tells_its_kind_and_version_in_a_frame() {
    assert_eq!(metadata(&[1, 20, 0, 0]), Ok(NoOpRecord::default().into()));
    let topic =
        TopicRecord { name: "flights".into(), topic_id: Uuid::from_u128(7), ..TopicRecord::default() };
    let record = MetadataRecord::from(topic);
    let bytes = record.encode(0).expect("it has version 0");
    assert_eq!(bytes[..4], [1, 2, 0, 8]);
    assert_eq!(MetadataRecord::decode_with_version(bytes), Ok((record, 0)));
}

#[test]
fn a_metadata_record_that_is_not_known_or_not_whole_is_refused() {
    assert_eq!(metadata(&[1, 99, 0, 0]), Err(RecordError::UnknownKind(99)));
    assert_eq!(metadata(&[0, 20, 0, 0]), Err(RecordError::UnknownFrame(0)));
    assert_eq!(metadata(&[2, 20, 0, 0]), Err(RecordError::UnknownFrame(2)));
    let trailing = DecodeError::Trailing { message: "NoOpRecord", left: 1 };
    assert_eq!(metadata(&[1, 20, 0, 0, 9]), Err(RecordError::Decode(trailing)));
}

#[test]
fn an_offset_commit_is_laid_out_as_in_consumer_offsets() {
    let record = GroupRecord::OffsetCommit(
        OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 2 },
        Some(OffsetCommitValue {
            offset: 5,
            leader_epoch: 1,
            commit_timestamp: 9,
            ..OffsetCommitValue::default()
        }),
    );
    let key = record.encode_key().expect("a key");
    assert_eq!(key, &b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x02"[..]);
    let value = record.encode_value(3).expect("it has version 3");
    assert_eq!(
        value.as_deref(),
        Some(&b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09"[..])
    );
    assert_eq!(GroupRecord::decode(key, value), Ok(record));
}

#[test]
fn a_value_of_none_is_a_tombstone() {
    let record = group(&[0, 2, 0, 1, b'g'], None).expect("a tombstone");
    assert_eq!(record, GroupRecord::GroupMetadata(GroupMetadataKey { group: "g".into() }, None));
    assert!(record.is_tombstone());
    assert_eq!(record.encode_value(3), Ok(None));
}

#[test]
fn a_coordinator_skips_kinds_it_knows_not_and_refuses_versions_it_knows_not() {
    assert_eq!(group(&[0, 99, 0, 1, b'g'], None), Err(RecordError::UnknownKind(99)));
    let version = DecodeError::Version { message: "ConsumerGroupMetadataValue", version: 7 };
    assert_eq!(group(&[0, 3, 0, 1, b'g'], Some(&[0, 7, 0, 0, 0, 5, 0])), Err(RecordError::Decode(version)));
}

#[test]
fn what_follows_a_coordinators_key_or_value_does_not_matter() {
    let record = GroupRecord::ConsumerGroupMetadata(
        ConsumerGroupMetadataKey { group_id: "g".into() },
        Some(ConsumerGroupMetadataValue { epoch: 5, ..ConsumerGroupMetadataValue::default() }),
    );
    assert_eq!(group(&[0, 3, 0, 1, b'g', 9, 9], Some(&[0, 0, 0, 0, 0, 5, 0, 9, 9])), Ok(record));
}
