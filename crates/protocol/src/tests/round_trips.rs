//! Bytes made from the schema, and bytes made of nothing, through all decoders and encoders.

use bytes::Bytes;
use proptest::prelude::*;

use super::seeded::{Random, Seeded};
use super::{entry, schemas};
use crate::catalogue::{ALL, RoundTripError};

#[test]
fn seeded_messages_of_the_schema_come_back_byte_for_byte() {
    for message in schemas() {
        let entry = entry(&message.name).expect("generated from the same schema");
        for version in message.versions.first..=message.versions.last {
            for seed in 0..40 {
                let bytes = Bytes::from(Seeded::new(&message, version, seed).bytes());
                let again = (entry.round_trip)(bytes.clone(), version);
                assert_eq!(again, Ok(bytes), "{} version {version} seed {seed}", message.name);
            }
        }
    }
}

#[test]
fn a_message_cut_short_anywhere_is_an_error() {
    for message in schemas() {
        let entry = entry(&message.name).expect("generated from the same schema");
        for version in message.versions.first..=message.versions.last {
            let bytes = Bytes::from(Seeded::new(&message, version, 7).bytes());
            for size in 0..bytes.len() {
                let outcome = (entry.round_trip)(bytes.slice(..size), version);
                assert!(
                    matches!(outcome, Err(RoundTripError::Decode(_))),
                    "{} version {version} cut to {size} of {}: {outcome:?}",
                    message.name,
                    bytes.len()
                );
            }
        }
    }
}

#[test]
fn a_message_with_damaged_bytes_is_an_error_or_another_message_and_never_a_panic() {
    let mut random = Random::new(11);
    for message in schemas() {
        let entry = entry(&message.name).expect("generated from the same schema");
        for version in message.versions.first..=message.versions.last {
            for seed in 0..20 {
                let mut bytes = Seeded::new(&message, version, seed).bytes();
                if bytes.is_empty() {
                    continue;
                }
                for _ in 0..=random.below(3) {
                    let place = random.below(bytes.len());
                    bytes[place] = random.next() as u8;
                }
                // Whatever could be read can be written again, and then reads the same.
                if let Ok(again) = (entry.round_trip)(Bytes::from(bytes), version) {
                    assert_eq!((entry.round_trip)(again.clone(), version), Ok(again));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        for entry in ALL {
            for version in entry.versions.clone() {
                let _ = (entry.round_trip)(bytes.clone(), version);
            }
        }
    }
}
