//! What every decision looks at.

use crate::random::Random;
use crate::refusal::Refusal;
use ottla_configs::BrokerConfig;
use ottla_ids::{NodeId, Offset, Uuid};
use ottla_metadata::{ConfigResource, DirectoryId, Image, MetadataRecord, MetadataVersion};
use ottla_protocol::{ErrorCode, Text};
use ottla_state_machine::Decision;
use std::collections::BTreeMap;

/// How many records one request may cause (Kafka's `MAX_RECORDS_PER_USER_OP`).
pub const RECORDS_PER_REQUEST_MAX: usize = 10_000;

/// The state, the time and the chance that a decision is made with. A decision changes none of the
/// state; it returns records.
#[derive(Debug)]
pub struct Controller<'a> {
    /// What is decided so far, not all of it committed yet.
    pub image: &'a Image,
    /// The node that decides: its own dynamic configurations give topics their defaults.
    pub node: NodeId,
    /// The node's configuration file.
    pub configs: &'a BrokerConfig,
    /// The offset that the first record of this decision will have.
    pub next_offset: Offset,
    /// The time, in ms since 1970.
    pub now_ms: i64,
    /// Chance: topic ids, and where placing starts.
    pub random: &'a mut Random,
}

impl Controller<'_> {
    /// The level that says which records may be written. The latest before the first one is finalized,
    /// which only the bootstrap itself sees.
    pub fn metadata_version(&self) -> MetadataVersion {
        self.image.metadata_version().unwrap_or(MetadataVersion::LATEST)
    }

    /// The node's configuration file with what the image says above it, for all brokers and for this one.
    pub fn effective_configs(&self) -> BrokerConfig {
        let (all, own) = (ConfigResource::all_brokers(), ConfigResource::broker(self.node));
        self.configs.with_dynamic(self.image.settings(&all), self.image.settings(&own))
    }

    /// The directory of a new replica on `node`: its only one, or its own choice (KIP-858).
    pub(crate) fn default_directory(&self, node: NodeId) -> Uuid {
        match self.image.broker(node).map(|broker| broker.directories.as_slice()) {
            None => DirectoryId::UNASSIGNED,
            Some([]) => DirectoryId::MIGRATING,
            Some([only]) => *only,
            Some(_) => DirectoryId::UNASSIGNED,
        }
    }
}

/// Kafka refuses what would take too many records as a whole.
pub(crate) fn check_record_count(count: usize) -> Result<(), Refusal> {
    if count <= RECORDS_PER_REQUEST_MAX {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::PolicyViolation, "Unable to perform excessively large batch operation."))
}

/// Decides on topic after topic of a request: the outcome of each, in the request's order, and the records of all as one
/// batch, none with `validate_only`. A name that is there twice is refused twice.
///
/// # Errors
/// The request as a whole is refused when it takes too many records.
pub(crate) fn decide_each<'a, Topic, Outcome>(
    topics: &'a [Topic],
    name: impl Fn(&'a Topic) -> &'a Text,
    validate_only: bool,
    mut decide: impl FnMut(&'a Topic, &mut Vec<MetadataRecord>) -> Result<Outcome, Refusal>,
) -> Decision<Result<Vec<Result<Outcome, Refusal>>, Refusal>, MetadataRecord> {
    let mut counts: BTreeMap<&Text, usize> = BTreeMap::new();
    topics.iter().for_each(|topic| *counts.entry(name(topic)).or_default() += 1);
    let mut records = Vec::new();
    let mut answers = Vec::with_capacity(topics.len());
    for topic in topics {
        answers.push(match counts.get(name(topic)) {
            Some(1) => decide(topic, &mut records),
            _ => Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.")),
        });
        if let Err(refusal) = check_record_count(records.len()) {
            return Decision::answer(Err(refusal));
        }
    }
    if validate_only {
        records.clear();
    }
    Decision::write(records, Ok(answers))
}

/// A leader field that says: nobody.
pub(crate) const NO_LEADER: i32 = -1;

/// The nodes as records have them.
pub(crate) fn numbers(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}
