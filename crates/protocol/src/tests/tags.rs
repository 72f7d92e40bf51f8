//! Tagged fields as Kafka's generated code treats them.

use bytes::Bytes;

use crate::messages::fetch::FetchRequest;
use crate::records::metadata::PartitionRecord;
use crate::{DecodeError, EncodeError, RawTaggedField, decode_exact, encode};

/// A fetch request of version 17 up to its tagged fields.
const FETCH: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 5, 0, 0, 0, 6, 1, 1, 1];

fn fetch(tags: &[u8]) -> Result<FetchRequest, DecodeError> {
    decode_exact(Bytes::from([FETCH, tags].concat()), 17)
}

#[test]
fn a_tag_that_comes_twice_counts_as_it_came_last() {
    let request = fetch(b"\x02\x00\x02\x02a\x00\x02\x02b");
    assert_eq!(request.map(|it| it.cluster_id.map(String::from)), Ok(Some("b".to_owned())));
}

#[test]
fn known_tags_may_come_in_any_order() {
    let request = fetch(b"\x02\x01\x0d\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x02\x02a");
    let request = request.expect("Kafka takes it");
    assert_eq!(request.cluster_id.as_deref(), Some("a"));
    assert_eq!((request.replica_state.replica_id, request.replica_state.replica_epoch), (7, 8));
}

#[test]
fn unknown_tags_are_kept_and_must_rise_when_written() {
    let request = fetch(b"\x02\x41\x01x\x40\x00").expect("Kafka takes it");
    let field = |tag, data: &'static [u8]| RawTaggedField { tag, data: Bytes::from_static(data) };
    assert_eq!(request.unknown_tagged_fields, [field(0x41, b"x"), field(0x40, b"")]);
    assert_eq!(encode(&request, 17), Err(EncodeError::TagOrder { tag: 0x40 }));
}

#[test]
fn an_unknown_tag_with_the_number_of_a_known_one_is_refused() {
    let unknown_tagged_fields = vec![RawTaggedField { tag: 1, data: Bytes::new() }];
    let request = FetchRequest { unknown_tagged_fields, ..FetchRequest::default() };
    assert_eq!(encode(&request, 17), Err(EncodeError::TagOrder { tag: 1 }));
}

#[test]
fn tagged_fields_have_no_place_in_old_versions() {
    let unknown_tagged_fields = vec![RawTaggedField { tag: 64, data: Bytes::new() }];
    let request = FetchRequest { unknown_tagged_fields, ..FetchRequest::default() };
    assert_eq!(
        encode(&request, 11),
        Err(EncodeError::TaggedFields { structure: "FetchRequest", version: 11 })
    );
}

#[test]
fn a_tag_of_a_later_version_is_refused() {
    let record = PartitionRecord { directories: Vec::new(), ..PartitionRecord::default() };
    let mut bytes = encode(&record, 1).expect("it has version 1").to_vec();
    assert_eq!(bytes.pop(), Some(0));
    bytes.extend(b"\x01\x01\x01\x01");
    assert_eq!(
        decode_exact::<PartitionRecord>(Bytes::from(bytes), 1),
        Err(DecodeError::Tag { structure: "PartitionRecord", tag: 1, version: 1 })
    );
}

#[test]
fn the_size_of_a_known_tag_is_not_believed() {
    let request = fetch(b"\x01\x00\x63\x02a").expect("Kafka takes it");
    assert_eq!(request.cluster_id.as_deref(), Some("a"));
}

#[test]
fn a_negative_count_of_tags_is_none() {
    let request = fetch(b"\xff\xff\xff\xff\x0f").expect("Kafka takes it");
    assert!(request.unknown_tagged_fields.is_empty());
}
