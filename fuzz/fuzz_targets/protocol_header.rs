#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_protocol::catalogue::ALL;
use ottla_protocol::decode_request_header;

fuzz_target!(|input: &[u8]| {
    let Ok((api_key, header, reader)) = decode_request_header(Bytes::copy_from_slice(input)) else { return };
    let version = header.request_api_version;
    let request = ALL.iter().find(|entry| entry.folder == "messages" && entry.key == Some(api_key as i16));
    let request = request.expect("every API key has a request, and it comes first");
    assert_eq!(request.versions.contains(&version), api_key.valid_versions().contains(&version));
    let _ = (request.round_trip)(reader.into_rest(), version);
});
