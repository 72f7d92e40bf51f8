#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_protocol::records::group::GroupRecord;
use ottla_protocol::records::metadata::MetadataRecord;
use ottla_protocol::records::remote_log::RemoteLogMetadataRecord;
use ottla_protocol::records::share::ShareRecord;
use ottla_protocol::records::transaction::TransactionRecord;

fuzz_target!(|input: &[u8]| {
    ottla_fuzz::chosen_message(input, |entry| entry.folder != "messages");
    let bytes = Bytes::copy_from_slice(input);
    if let Ok((record, version)) = MetadataRecord::decode_with_version(bytes.clone())
        && let Ok(again) = record.encode(version)
    {
        assert_eq!(MetadataRecord::decode(again), Ok(record));
    }
    let _ = RemoteLogMetadataRecord::decode(bytes.clone());
    let (key, value) = bytes.split_at(bytes.len() / 2);
    let (key, value) = (bytes.slice_ref(key), bytes.slice_ref(value));
    let _ = GroupRecord::decode(key.clone(), Some(value.clone()));
    let _ = TransactionRecord::decode(key.clone(), Some(value.clone()));
    let _ = ShareRecord::decode(key, Some(value));
});
