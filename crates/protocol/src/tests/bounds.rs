//! Lengths and counts that cannot be true are refused before anything is reserved for them.

use bytes::Bytes;

use crate::message::checked_write;
use crate::messages::fetch::FetchRequest;
use crate::messages::metadata::MetadataRequest;
use crate::messages::produce::ProduceRequest;
use crate::messages::sasl_handshake::SaslHandshakeRequest;
use crate::sink::size_of;
use crate::{DecodeError, EncodeError, Message, Payload, decode_exact, encode};

#[track_caller]
fn refused<M: Message + PartialEq + std::fmt::Debug>(version: i16, hex: &str, because: DecodeError) {
    let digits: Vec<u8> = hex.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex digits"))
        .collect();
    assert_eq!(decode_exact::<M>(Bytes::from(bytes), version), Err(because));
}

#[test]
fn an_array_that_cannot_fit_is_refused() {
    refused::<MetadataRequest>(1, "7fffffff", DecodeError::Count { count: i32::MAX as usize, left: 0 });
    refused::<MetadataRequest>(9, "ffffffff07", DecodeError::Count { count: i32::MAX as usize - 1, left: 0 });
    refused::<MetadataRequest>(1, "00000003 0001", DecodeError::Count { count: 3, left: 2 });
}

#[test]
fn a_string_or_bytes_longer_than_the_frame_are_refused() {
    refused::<SaslHandshakeRequest>(0, "0005 61", DecodeError::TooShort { needed: 5, left: 1 });
    refused::<ProduceRequest>(
        9,
        "00 0001 00000000 02 02 61 02 00000000 ff7f 00",
        DecodeError::TooShort { needed: 16382, left: 1 },
    );
}

#[test]
fn null_is_refused_where_there_is_none() {
    refused::<SaslHandshakeRequest>(0, "ffff", DecodeError::Null { field: "Mechanism" });
    refused::<MetadataRequest>(0, "ffffffff", DecodeError::Null { field: "Topics" });
}

#[test]
fn a_number_of_more_than_five_bytes_is_refused() {
    refused::<MetadataRequest>(9, "ffffffffff01", DecodeError::Varint);
}

#[test]
fn a_version_that_does_not_exist_is_refused_both_ways() {
    refused::<ProduceRequest>(2, "", DecodeError::Version { message: "ProduceRequest", version: 2 });
    assert_eq!(
        encode(&ProduceRequest::default(), 14),
        Err(EncodeError::Version { message: "ProduceRequest", version: 14 })
    );
}

#[test]
fn what_follows_a_message_is_refused() {
    refused::<SaslHandshakeRequest>(
        0,
        "0001 61 00",
        DecodeError::Trailing { message: "SaslHandshakeRequest", left: 1 },
    );
}

#[test]
fn a_field_that_a_version_lacks_must_not_be_set_unless_it_is_ignorable() {
    let request = FetchRequest { rack_id: "a".into(), session_id: 4, ..FetchRequest::default() };
    assert!(encode(&request, 4).is_ok());
    let request = FetchRequest { replica_id: 3, ..FetchRequest::default() };
    assert!(encode(&request, 14).is_ok());
    assert_eq!(
        encode(&request, 15),
        Err(EncodeError::Field { structure: "FetchRequest", field: "ReplicaId", version: 15 })
    );
}

#[test]
fn a_string_longer_than_kafka_allows_is_refused() {
    let mechanism = "a".repeat(0x8000);
    let request = SaslHandshakeRequest { mechanism: mechanism.into() };
    assert_eq!(encode(&request, 0), Err(EncodeError::TextTooLong { size: 0x8000 }));
}

#[test]
fn payload_from_elsewhere_is_counted_and_needs_a_frame() {
    use crate::messages::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
    let partition = |records| PartitionData { records: Some(records), ..PartitionData::default() };
    let response = |records| FetchResponse {
        responses: vec![FetchableTopicResponse {
            partitions: vec![partition(records)],
            ..FetchableTopicResponse::default()
        }],
        ..FetchResponse::default()
    };
    let elsewhere = response(Payload::Elsewhere { size: 1000, ticket: 3 });
    let here = response(Payload::Bytes(Bytes::from(vec![7; 1000])));
    let size = |response| size_of(|sizer| checked_write(response, sizer, 16));
    assert_eq!(size(&elsewhere), size(&here));
    assert_eq!(encode(&elsewhere, 16), Err(EncodeError::PayloadElsewhere));
}
