//! What the records of Kafka's own topics say, as JSON in the form of Kafka's `kafka-dump-log`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::ValueEnum;
use ottla_protocol::data::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_protocol::json::ToJson;
use ottla_protocol::records::RecordError;
use ottla_protocol::records::control::{
    KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
};
use ottla_protocol::records::group::GroupRecord;
use ottla_protocol::records::metadata::MetadataRecord;
use ottla_protocol::records::remote_log::RemoteLogMetadataRecord;
use ottla_protocol::records::share::ShareRecord;
use ottla_protocol::records::transaction::TransactionRecord;
use ottla_protocol::{Message, decode_from};
use ottla_records::{ControlType, EndTransactionMarker};
use serde_json::{Value, json};
use std::path::Path;

/// As what records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decoder {
    /// By the name of the file's folder.
    Auto,
    /// Bytes, shown as text where they are text.
    None,
    /// Groups and their offsets: __consumer_offsets.
    Offsets,
    /// Transactions: __transaction_state.
    Transactions,
    /// The cluster's metadata: __cluster_metadata and its snapshots.
    Metadata,
    /// Share groups: __share_group_state.
    Shares,
    /// Tiered storage: __remote_log_metadata.
    RemoteLog,
}

impl Decoder {
    /// What the place of a file says about its records, unless something else is asked for.
    pub fn of(self, path: &Path) -> Decoder {
        if self != Decoder::Auto {
            return self;
        }
        let text = |part: Option<&std::ffi::OsStr>| part.map(|it| it.to_string_lossy().into_owned());
        let file = text(path.file_name()).unwrap_or_default();
        // A path such as `x.log` has no parent that says something, but the working directory does.
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = text(whole.parent().and_then(Path::file_name)).unwrap_or_default();
        let topic = folder.rsplit_once('-').map_or("", |(topic, _)| topic);
        match topic {
            _ if file.contains(".checkpoint") => Decoder::Metadata,
            "__consumer_offsets" => Decoder::Offsets,
            "__transaction_state" => Decoder::Transactions,
            "__cluster_metadata" => Decoder::Metadata,
            "__share_group_state" => Decoder::Shares,
            "__remote_log_metadata" => Decoder::RemoteLog,
            _ => Decoder::None,
        }
    }
}

/// A record's key and value, taken apart.
pub struct Decoded {
    /// `{"type":…,"data":…}`; none where the log has no keys.
    pub key: Option<Value>,
    /// `{"version":…,"data":…}`; none for a tombstone.
    pub value: Option<Value>,
}

/// Takes a record apart; what is wrong with it is the error.
pub fn record(decoder: Decoder, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Decoded, RecordError> {
    let copy = Bytes::copy_from_slice;
    let (raw_key, raw_value) = (key.map(copy), value.map(copy));
    let key = raw_key.unwrap_or_default();
    match decoder {
        Decoder::Offsets => {
            let record = GroupRecord::decode(key, raw_value.clone())?;
            let shown =
                |version| record.value_to_json(version).map(|it| with_protocol_of_consumers(&record, it));
            Ok(keyed(record.kind(), record.key_to_json(), raw_value, shown))
        }
        Decoder::Transactions => {
            let record = TransactionRecord::decode(key, raw_value.clone())?;
            Ok(keyed(record.kind(), record.key_to_json(), raw_value, |it| record.value_to_json(it)))
        }
        Decoder::Shares => {
            let record = ShareRecord::decode(key, raw_value.clone())?;
            Ok(keyed(record.kind(), record.key_to_json(), raw_value, |it| record.value_to_json(it)))
        }
        Decoder::Metadata => {
            let (record, version) = MetadataRecord::decode_with_version(raw_value.unwrap_or_default())?;
            Ok(framed(record.name(), version, record.to_json(version)))
        }
        Decoder::RemoteLog => {
            let (record, version) =
                RemoteLogMetadataRecord::decode_with_version(raw_value.unwrap_or_default())?;
            Ok(framed(record.name(), version, record.to_json(version)))
        }
        Decoder::Auto | Decoder::None => Ok(Decoded { key: None, value: None }),
    }
}

fn keyed(kind: i16, key: Value, raw: Option<Bytes>, value: impl Fn(i16) -> Option<Value>) -> Decoded {
    let version = raw.as_deref().and_then(|it| it.first_chunk()).map_or(0, |it| i16::from_be_bytes(*it));
    Decoded {
        key: Some(json!({ "type": kind.to_string(), "data": key })),
        value: value(version).map(|data| json!({ "version": version.to_string(), "data": data })),
    }
}

fn framed(name: &str, version: i16, data: Value) -> Decoded {
    Decoded { key: None, value: Some(json!({ "type": screaming(name), "version": version, "data": data })) }
}

/// `FeatureLevelRecord` becomes `FEATURE_LEVEL_RECORD`.
fn screaming(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

/// The members of a classic group of consumers carry their subscriptions and assignments as bytes within
/// bytes: these are taken apart, too, as Kafka's tool does.
fn with_protocol_of_consumers(record: &GroupRecord, mut value: Value) -> Value {
    let is_of_consumers =
        matches!(record, GroupRecord::GroupMetadata(_, Some(it)) if it.protocol_type == "consumer");
    if is_of_consumers && let Some(members) = value.get_mut("members").and_then(Value::as_array_mut) {
        for member in members {
            replace::<ConsumerProtocolSubscription>(member, "subscription");
            replace::<ConsumerProtocolAssignment>(member, "assignment");
        }
    }
    value
}

fn replace<M: Message + ToJson>(object: &mut Value, name: &str) {
    let Some(field) = object.get_mut(name) else { return };
    let bytes = field.as_str().and_then(|it| STANDARD.decode(it).ok()).unwrap_or_default();
    let Some(version) = bytes.first_chunk().map(|it| i16::from_be_bytes(*it)) else { return };
    // A newer version only adds fields at the end.
    let version = version.clamp(*M::VERSIONS.start(), *M::VERSIONS.end());
    let mut reader = ottla_protocol::Reader::new(Bytes::copy_from_slice(bytes.get(2..).unwrap_or_default()));
    if let Ok(message) = decode_from::<M>(&mut reader, version) {
        *field = message.to_json(version);
    }
}

/// A control record: the words for its type, and what it says as JSON.
pub fn control(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(String, Option<Value>), String> {
    let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
    let kind = ControlType::parse_key(key).map_err(|it| it.to_string())?;
    let marker = EndTransactionMarker::parse(key, value).map_err(|it| it.to_string())?;
    if let Some(marker) = marker {
        let name = if marker.commit { "COMMIT" } else { "ABORT" };
        return Ok((name.to_owned(), Some(json!({ "coordinatorEpoch": marker.coordinator_epoch }))));
    }
    let said = match kind {
        ControlType::LeaderChange => ("LeaderChange", message::<LeaderChangeMessage>(value)?),
        ControlType::SnapshotHeader => ("SnapshotHeader", message::<SnapshotHeaderRecord>(value)?),
        ControlType::SnapshotFooter => ("SnapshotFooter", message::<SnapshotFooterRecord>(value)?),
        ControlType::KRaftVersion => ("KRaftVersion", message::<KRaftVersionRecord>(value)?),
        ControlType::KRaftVoters => ("KRaftVoters", message::<VotersRecord>(value)?),
        ControlType::Unknown(id) => return Ok((format!("UNKNOWN({id})"), None)),
        ControlType::Abort | ControlType::Commit => return Err("a marker without its value".to_owned()),
    };
    Ok((said.0.to_owned(), Some(said.1)))
}

/// Control records begin with the version they are written in.
fn message<M: Message + ToJson>(value: &[u8]) -> Result<Value, String> {
    let version = value.first_chunk().map_or(0, |it| i16::from_be_bytes(*it));
    let version = version.clamp(*M::VERSIONS.start(), *M::VERSIONS.end());
    let mut reader = ottla_protocol::Reader::new(Bytes::copy_from_slice(value));
    let message: M = decode_from(&mut reader, version).map_err(|it| it.to_string())?;
    Ok(message.to_json(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_tells_what_records_are() {
        let of = |path: &str| Decoder::Auto.of(Path::new(path));
        assert_eq!(of("/data/__consumer_offsets-12/00000000000000000000.log"), Decoder::Offsets);
        assert_eq!(
            of("/data/__cluster_metadata-0/00000000000000000075-0000000001.checkpoint"),
            Decoder::Metadata
        );
        assert_eq!(of("/data/bootstrap.checkpoint"), Decoder::Metadata);
        assert_eq!(of("/data/flights-0/00000000000000000000.log"), Decoder::None);
        assert_eq!(Decoder::Offsets.of(Path::new("/tmp/copy.log")), Decoder::Offsets);
    }

    #[test]
    fn names_are_kafkas() {
        assert_eq!(screaming("BrokerRegistrationChangeRecord"), "BROKER_REGISTRATION_CHANGE_RECORD");
    }
}
