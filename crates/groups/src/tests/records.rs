//! Records in Kafka's bytes.

use crate::classic::{Metadata, StoredMember};
use crate::{Batch, Commit, Record};
use bytes::Bytes;
use ottla_ids::{ProducerId, Uuid};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// `record` has these bytes as key and value, both ways.
#[track_caller]
fn check(record: Record, key: &str, value: Option<&str>) {
    let (key, value) = (hex(key), value.map(hex));
    let encoded = record.encode().unwrap();
    assert_eq!(
        (encoded.key.to_vec(), encoded.value.map(|value| value.to_vec())),
        (key.clone(), value.clone())
    );
    let decoded = Record::decode(Some(&key), value.as_deref(), Batch::Plain).unwrap();
    assert_eq!(decoded, Some(record));
}

fn commit() -> Commit {
    Commit {
        offset: 5,
        leader_epoch: 2,
        metadata: "m".into(),
        committed_at_ms: 0x0102,
        expires_at_ms: None,
        topic_id: Uuid::ZERO,
    }
}

fn offset(commit: Option<Commit>) -> Record {
    Record::Offset { group: "g".into(), topic: "t".into(), partition: 3, commit }
}

const OFFSET_KEY: &str = "0001 0001 67 0001 74 00000003";

#[test]
fn an_offset_is_written_in_version_3() {
    check(
        offset(Some(commit())),
        OFFSET_KEY,
        Some("0003 0000000000000005 00000002 0001 6d 0000000000000102"),
    );
}

#[test]
fn an_offset_that_says_when_it_expires_is_written_in_version_1() {
    let commit = Commit { expires_at_ms: Some(0x0304), leader_epoch: -1, ..commit() };
    check(
        offset(Some(commit)),
        OFFSET_KEY,
        Some("0001 0000000000000005 0001 6d 0000000000000102 0000000000000304"),
    );
}

#[test]
fn an_offset_of_a_topic_with_an_id_is_written_in_version_4() {
    let commit = Commit { topic_id: Uuid::from_u128(7), ..commit() };
    check(
        offset(Some(commit)),
        OFFSET_KEY,
        Some(
            "0004 0000000000000005 00000002 02 6d 0000000000000102
             01 00 10 00000000000000000000000000000007",
        ),
    );
}

#[test]
fn an_offset_that_is_forgotten_is_a_tombstone() {
    check(offset(None), OFFSET_KEY, None);
}

#[test]
fn a_group_is_written_in_version_3() {
    let member = StoredMember {
        member_id: "a".into(),
        instance_id: Some("i".into()),
        client_id: "c".into(),
        client_host: "/h".into(),
        rebalance_timeout_ms: 7,
        session_timeout_ms: 8,
        subscription: Bytes::from_static(b"s"),
        assignment: Bytes::from_static(b"xy"),
    };
    let metadata = Metadata {
        protocol_type: "consumer".into(),
        generation: 4,
        protocol: Some("range".into()),
        leader: Some("a".into()),
        state_since_ms: Some(9),
        members: vec![member],
    };
    check(
        Record::Classic { group: "g".into(), metadata: Some(metadata) },
        "0002 0001 67",
        Some(
            "0003 0008 636f6e73756d6572 00000004 0005 72616e6765 0001 61 0000000000000009
             00000001
             0001 61 0001 69 0001 63 0002 2f68 00000007 00000008 00000001 73 00000002 7879",
        ),
    );
}

#[test]
fn an_empty_group_has_neither_protocol_nor_leader() {
    let metadata = Metadata { state_since_ms: None, ..Metadata::default() };
    check(
        Record::Classic { group: "g".into(), metadata: Some(metadata) },
        "0002 0001 67",
        Some("0003 0000 00000000 ffff ffff ffffffffffffffff 00000000"),
    );
}

#[test]
fn offsets_of_old_are_read() {
    for (key_version, value, leader_epoch) in [
        (0, "0000 0000000000000005 0001 6d 0000000000000102", -1),
        (1, "0000 0000000000000005 0001 6d 0000000000000102", -1),
        (1, "0001 0000000000000005 0001 6d 0000000000000102 ffffffffffffffff", -1),
        (1, "0002 0000000000000005 0001 6d 0000000000000102", -1),
        (1, "0003 0000000000000005 00000002 0001 6d 0000000000000102", 2),
    ] {
        let key = hex(&format!("000{key_version} 0001 67 0001 74 00000003"));
        let read = Record::decode(Some(&key), Some(&hex(value)), Batch::Plain).unwrap();
        assert_eq!(read, Some(offset(Some(Commit { leader_epoch, ..commit() }))), "{value}");
    }
}

#[test]
fn groups_of_old_are_read() {
    // Version 0: no rebalance timeout, for which the session timeout stood; no instance id; no time.
    let value = "0000 0008 636f6e73756d6572 00000004 0005 72616e6765 0001 61
                 00000001 0001 61 0001 63 0002 2f68 00000008 00000001 73 00000000";
    let read = Record::decode(Some(&hex("0002 0001 67")), Some(&hex(value)), Batch::Plain).unwrap();
    let Some(Record::Classic { metadata: Some(metadata), .. }) = read else { panic!("{read:?}") };
    assert_eq!(metadata.state_since_ms, None);
    assert_eq!(metadata.members[0].rebalance_timeout_ms, 8);
}

#[test]
fn an_offset_in_a_transaction_is_pending() {
    let value = "0003 0000000000000005 00000002 0001 6d 0000000000000102";
    let batch = Batch::Transactional(ProducerId(7));
    let read = Record::decode(Some(&hex(OFFSET_KEY)), Some(&hex(value)), batch).unwrap();
    assert!(matches!(read, Some(Record::PendingOffset { producer: ProducerId(7), .. })), "{read:?}");
}

#[test]
fn kinds_that_are_not_known_are_passed_over() {
    for kind in ["0003 0001 67", "0011 0001 67", "7fff 00", "8000"] {
        let read = Record::decode(Some(&hex(kind)), Some(&[0, 0, 0]), Batch::Plain);
        assert!(matches!(read, Ok(None) | Err(_)), "{kind}");
    }
    assert!(matches!(Record::decode(Some(&hex("7fff")), None, Batch::Plain), Ok(None)));
}

#[test]
fn damaged_records_are_refused() {
    for (key, value) in [
        (None, Some("0003")),
        (Some(""), None),
        (Some("00"), None),
        (Some("0001 0001"), None),
        (Some("0002 0005 67"), None),
        (Some(OFFSET_KEY), Some("")),
        (Some(OFFSET_KEY), Some("0003 00")),
        (Some(OFFSET_KEY), Some("0009 0000000000000005")),
        (Some("0002 0001 67"), Some("0003 0000 00000000 ffff ffff ffffffffffffffff 7fffffff")),
    ] {
        let (key, value) = (key.map(hex), value.map(hex));
        let read = Record::decode(key.as_deref(), value.as_deref(), Batch::Plain);
        assert!(read.is_err(), "{key:?} {value:?} {read:?}");
    }
}

#[test]
fn a_text_that_is_too_long_cannot_be_written() {
    let record =
        Record::Offset { group: "g".repeat(32_768).into(), topic: "t".into(), partition: 0, commit: None };
    assert!(record.encode().is_err());
}
