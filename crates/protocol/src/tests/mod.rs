//! What holds for all messages at all versions.

#[allow(dead_code, reason = "the tests ask for less than the generator")]
#[path = "../../../../xtask/src/codegen/schema.rs"]
mod schema;
mod seeded;
mod stream;

mod bounds;
mod frames;
mod golden;
mod records;
mod round_trips;
mod tags;

use std::path::Path;

use crate::catalogue::{ALL, Entry};

/// The row of the message with this name.
fn entry(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name)
}

/// The schema of all messages.
fn schemas() -> Vec<schema::Message> {
    seeded::schemas(&Path::new(env!("CARGO_MANIFEST_DIR")).join("schema"))
}
