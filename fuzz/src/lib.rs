//! What the fuzz targets share.

use bytes::Bytes;
use ottla_protocol::catalogue::{ALL, Entry, RoundTripError};

/// Takes the first two bytes as the choice of a message among those that `wanted` says, and of its
/// version; the rest is the message. What can be read must come back the same when read again.
pub fn chosen_message(input: &[u8], wanted: impl Fn(&Entry) -> bool) {
    let [message, version, body @ ..] = input else { return };
    let entries: Vec<&Entry> = ALL.iter().filter(|entry| wanted(entry)).collect();
    let entry = entries[usize::from(*message) % entries.len()];
    let versions: Vec<i16> = entry.versions.clone().collect();
    let version = versions[usize::from(*version) % versions.len()];
    match (entry.round_trip)(Bytes::copy_from_slice(body), version) {
        Ok(again) => assert_eq!((entry.round_trip)(again.clone(), version), Ok(again), "{}", entry.name),
        Err(RoundTripError::Decode(_)) => {}
        // Tagged fields that Kafka reads in any order are written in rising order only.
        Err(RoundTripError::Encode(ottla_protocol::EncodeError::TagOrder { .. })) => {}
        // A string of replaced bytes can be longer than it came, and too long.
        Err(RoundTripError::Encode(ottla_protocol::EncodeError::TextTooLong { .. })) => {}
        Err(error) => panic!("{} version {version}: {error:?}", entry.name),
    }
}
