//! Frames and headers.

use bytes::Bytes;

use crate::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::messages::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
use crate::messages::metadata::MetadataRequest;
use crate::{
    ApiKey, ErrorCode, HeaderError, Payload, decode_from, decode_request_header, decode_response_header,
    encode_request_frame, encode_response_frame,
};

#[test]
fn a_request_frame_is_read_as_it_was_written() {
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    for version in ApiKey::Metadata.valid_versions().skip(1) {
        let frame = encode_request_frame(7, Some("me".into()), version, &request).expect("it can be encoded");
        let (length, rest) = frame.bytes.split_at(4);
        assert_eq!(length, u32::try_from(rest.len()).expect("small").to_be_bytes());
        let (key, header, mut reader) = decode_request_header(frame.bytes.slice(4..)).expect("a header");
        assert_eq!((key, header.request_api_version, header.correlation_id), (ApiKey::Metadata, version, 7));
        assert_eq!(header.client_id.as_deref(), Some("me"));
        assert_eq!(decode_from(&mut reader, version), Ok(request.clone()));
        assert_eq!(reader.left(), 0);
    }
}

#[test]
fn the_client_id_keeps_its_old_form_in_a_flexible_header() {
    let frame = encode_request_frame(1, Some("c".into()), 3, &ApiVersionsRequest::default()).expect("fits");
    assert_eq!(frame.bytes[4..], *b"\x00\x12\x00\x03\x00\x00\x00\x01\x00\x01c\x00\x01\x01\x00");
}

#[test]
fn an_answer_to_api_versions_always_has_the_oldest_header() {
    let response = ApiVersionsResponse { error_code: 35, ..ApiVersionsResponse::default() };
    let frame = encode_response_frame(9, ApiKey::ApiVersions, 4, &response).expect("fits");
    let (header, mut reader) =
        decode_response_header(frame.bytes.slice(4..), ApiKey::ApiVersions, 4).expect("a header");
    assert_eq!(header.correlation_id, 9);
    assert_eq!(decode_from(&mut reader, 4), Ok(response));
    assert_eq!(frame.bytes[4..10], [0, 0, 0, 9, 0, 35]);
}

#[test]
fn the_header_of_a_version_from_the_future_can_be_read() {
    let frame = Bytes::from_static(b"\x00\x12\x00\x63\x00\x00\x00\x05\x00\x01c\x00more");
    let (key, header, reader) = decode_request_header(frame).expect("a header");
    assert_eq!((key, header.request_api_version), (ApiKey::ApiVersions, 99));
    assert_eq!(reader.left(), 4);
}

#[test]
fn a_retired_key_is_not_known() {
    let frame = Bytes::from_static(b"\x00\x04\x00\x00\x00\x00\x00\x05\xff\xff");
    assert_eq!(decode_request_header(frame).map(|(key, ..)| key), Err(HeaderError::UnknownApiKey(4)));
}

#[test]
fn gaps_are_where_the_bytes_would_be() {
    let response = |payload: fn(u8) -> Payload| FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic: "t".into(),
            partitions: (1..=3)
                .map(|size| PartitionData { records: Some(payload(size)), ..PartitionData::default() })
                .collect(),
            ..FetchableTopicResponse::default()
        }],
        ..FetchResponse::default()
    };
    let whole = response(|size| Payload::Bytes(Bytes::from(vec![size; usize::from(size) * 100])));
    let holes =
        response(|size| Payload::Elsewhere { size: usize::from(size) * 100, ticket: usize::from(size) });
    for version in [4, 12] {
        let whole = encode_response_frame(5, ApiKey::Fetch, version, &whole).expect("fits");
        let holes = encode_response_frame(5, ApiKey::Fetch, version, &holes).expect("fits");
        assert!(whole.gaps.is_empty());
        let mut filled = Vec::new();
        let mut from = 0;
        for gap in &holes.gaps {
            filled.extend_from_slice(&holes.bytes[from..gap.position]);
            filled.extend(std::iter::repeat_n(gap.ticket as u8, gap.size));
            from = gap.position;
        }
        filled.extend_from_slice(&holes.bytes[from..]);
        assert_eq!(filled, whole.bytes);
    }
}

#[test]
fn every_key_and_error_is_found_by_its_number() {
    for key in ApiKey::ALL {
        assert_eq!(ApiKey::from_i16(key as i16), Some(key));
    }
    for error in ErrorCode::ALL {
        assert_eq!(ErrorCode::from(error as i16), error);
    }
    assert_eq!(ErrorCode::from(9999), ErrorCode::UnknownServerError);
    assert_eq!(ErrorCode::UnknownTopicOrPartition.name(), "UNKNOWN_TOPIC_OR_PARTITION");
}

#[test]
fn produce_is_offered_from_zero_and_taken_from_three() {
    assert_eq!(ApiKey::Produce.advertised_versions(), 0..=13);
    assert_eq!(ApiKey::Produce.valid_versions(), 3..=13);
    assert_eq!(ApiKey::InitProducerId.stable_versions(), 0..=5);
}
