//! The Rust half of the proof against Kafka's own message classes (`compat/java-protocol`).
//!
//! `protocol_proof check FILE` reads a stream of messages that Kafka's classes wrote, decodes and
//! encodes each and compares bytes. `protocol_proof write FILE SEED CASES` writes such a stream.

#[allow(dead_code, reason = "the proof asks for less than the generator")]
#[path = "../../../xtask/src/codegen/schema.rs"]
mod schema;
#[allow(dead_code, reason = "the tests ask for more")]
#[path = "../src/tests/seeded.rs"]
mod seeded;
#[path = "../src/tests/stream.rs"]
mod stream;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use ottla_protocol::catalogue::{ALL, Entry};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["check", file] => check(file),
        ["write", file, seed, cases] => write(file, seed.parse()?, cases.parse()?),
        _ => {
            eprintln!("usage: protocol_proof check FILE | write FILE SEED CASES");
            Ok(ExitCode::from(2))
        }
    }
}

fn entry(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name)
}

fn check(file: &str) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut missing: BTreeSet<(&str, i16)> =
        ALL.iter().flat_map(|entry| entry.versions.clone().map(|version| (entry.name, version))).collect();
    let mut wrong = 0;
    let items = stream::read(Bytes::from(fs::read(file)?))?;
    for item in &items {
        missing.remove(&(item.name.as_str(), item.version));
        if let Err(problem) = compare(item) {
            wrong += 1;
            println!("{} version {}: {problem}", item.name, item.version);
        }
    }
    for (name, version) in &missing {
        println!("never seen: {name} {version}");
    }
    println!("checked {} messages, {wrong} wrong, {} versions never seen", items.len(), missing.len());
    let good = !items.is_empty() && wrong == 0 && missing.is_empty();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compare(item: &stream::Item) -> Result<(), String> {
    let entry = entry(&item.name).ok_or("no such message here")?;
    if entry.key.unwrap_or(-1) != item.key {
        return Err(format!("the key is {:?} here and {} there", entry.key, item.key));
    }
    let again = (entry.round_trip)(item.bytes.clone(), item.version)
        .map_err(|error| format!("{error:?}\n  got  {:02x?}", item.bytes.as_ref()))?;
    if again != item.bytes {
        return Err(format!("differs\n  got  {:02x?}\n  want {:02x?}", again.as_ref(), item.bytes.as_ref()));
    }
    Ok(())
}

fn write(file: &str, seed: u64, cases: u64) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut out = Vec::new();
    let mut count = 0;
    for message in seeded::schemas(&Path::new(env!("CARGO_MANIFEST_DIR")).join("schema")) {
        let entry = entry(&message.name).ok_or("a message of the schema is not in the catalogue")?;
        for version in entry.versions.clone() {
            for case in 0..cases {
                let bytes = seeded::Seeded::new(&message, version, seed.wrapping_add(case)).bytes();
                // What goes to Kafka is what our encoder wrote, not what the schema says.
                let bytes = (entry.round_trip)(Bytes::from(bytes), version)
                    .map_err(|error| format!("{} version {version}: {error:?}", message.name))?;
                stream::write(&mut out, entry.name, entry.key.unwrap_or(-1), version, &bytes);
                count += 1;
            }
        }
    }
    fs::write(file, out)?;
    println!("wrote {count} messages");
    Ok(ExitCode::SUCCESS)
}
