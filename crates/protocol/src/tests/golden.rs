//! Bytes that Kafka's own classes wrote: `testdata/README.md` tells how.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{entry, schemas, stream};
use crate::catalogue::ALL;

const KAFKA: &[u8] = include_bytes!("../../testdata/kafka-4.3.1-messages.bin");
const REFUSALS: &str = include_str!("../../testdata/kafka-4.3.1-refusals.txt");

#[test]
fn every_message_of_kafka_comes_back_byte_for_byte() {
    for item in stream::read(Bytes::from_static(KAFKA)).expect("the committed stream is whole") {
        let entry = entry(&item.name).unwrap_or_else(|| panic!("{} is not known", item.name));
        assert_eq!(entry.key.unwrap_or(-1), item.key, "the key of {}", item.name);
        let again = (entry.round_trip)(item.bytes.clone(), item.version);
        assert_eq!(again, Ok(item.bytes), "{} version {}", item.name, item.version);
    }
}

#[test]
fn every_version_of_every_message_is_one_of_kafkas_and_the_other_way_round() {
    let theirs: BTreeSet<(String, i16)> = stream::read(Bytes::from_static(KAFKA))
        .expect("the committed stream is whole")
        .into_iter()
        .map(|item| (item.name, item.version))
        .collect();
    let ours: BTreeSet<(String, i16)> = ALL
        .iter()
        .flat_map(|entry| entry.versions.clone().map(|version| (entry.name.to_owned(), version)))
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn a_field_is_refused_in_a_version_without_it_where_kafka_refuses_it() {
    let schemas = schemas();
    for line in REFUSALS.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, version, structure, field, verdict] = words[..] else { panic!("damaged line {line:?}") };
        let version: i16 = version.parse().expect("a version");
        let message = schemas.iter().find(|message| message.name == name).expect(name);
        let structure = structure.strip_suffix("Data").filter(|it| *it == name).unwrap_or(structure);
        let part = message.structures.iter().find(|part| part.name == structure).expect(line);
        let Some(field) = part.fields.iter().find(|it| it.name.eq_ignore_ascii_case(field)) else {
            assert_eq!(
                line.split(' ').nth(3),
                Some("partitionMaxBytes"),
                "only this one is in no version left"
            );
            continue;
        };
        assert!(!field.versions.contains(version), "{line}");
        assert_eq!(if field.ignorable { "ignored" } else { "refused" }, verdict, "{line}");
    }
}
