//! DeleteTopics (Kafka's `ControllerApis.deleteTopics` and `ReplicationControlManager.deleteTopics`).

use crate::controller::{Controller, check_record_count};
use crate::refusal::Refusal;
use ottla_ids::TopicId;
use ottla_metadata::MetadataRecord;
use ottla_protocol::records::metadata::RemoveTopicRecord;
use ottla_protocol::{ErrorCode, Text};
use ottla_state_machine::Decision;
use std::collections::{BTreeMap, BTreeSet};

/// How a request names a topic that is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicToDelete {
    /// By name, or
    pub name: Option<Text>,
    /// by id; zero when by name.
    pub id: TopicId,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// The topic's name, when it is known or was given.
    pub name: Option<Text>,
    /// The topic's id, when it is known or was given; zero otherwise.
    pub id: TopicId,
    /// Whether it is deleted.
    pub result: Result<(), Refusal>,
}

impl Controller<'_> {
    /// Deletes topics by name or id. A topic that is named twice, in whatever way, is not deleted; the
    /// answer has one entry for each such name or id, then, as for all others.
    ///
    /// # Errors
    /// All is refused while `delete.topic.enable` is false, and what is too large.
    pub fn delete_topics(
        &mut self,
        topics: &[TopicToDelete],
    ) -> Decision<Result<Vec<DeletedTopic>, Refusal>, MetadataRecord> {
        if !self.configs.boolean("delete.topic.enable") {
            return Decision::answer(Err(Refusal::of(ErrorCode::TopicDeletionDisabled)));
        }
        let mut answers = Vec::with_capacity(topics.len());
        let mut refuse = |name: Option<&Text>, id: TopicId, refusal: Refusal| {
            answers.push(DeletedTopic { name: name.cloned(), id, result: Err(refusal) });
        };
        let mut name_counts: BTreeMap<&Text, usize> = BTreeMap::new();
        let mut id_counts: BTreeMap<TopicId, usize> = BTreeMap::new();
        for topic in topics {
            match &topic.name {
                None if topic.id.is_zero() => refuse(
                    None,
                    topic.id,
                    Refusal::new(ErrorCode::InvalidRequest, "Neither topic name nor id were specified."),
                ),
                None => *id_counts.entry(topic.id).or_default() += 1,
                Some(name) if topic.id.is_zero() => *name_counts.entry(name).or_default() += 1,
                Some(name) => refuse(
                    Some(name),
                    topic.id,
                    Refusal::new(
                        ErrorCode::InvalidRequest,
                        "You may not specify both topic name and topic id.",
                    ),
                ),
            }
        }
        let mut doomed: BTreeMap<TopicId, Text> = BTreeMap::new();
        let mut twice: BTreeSet<TopicId> = BTreeSet::new();
        for (id, count) in id_counts {
            if count > 1 {
                twice.insert(id);
                refuse(None, id, Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic id."));
            } else if let Some(topic) = self.image.topic_by_id(id) {
                doomed.insert(id, topic.name.clone());
            } else {
                refuse(None, id, Refusal::of(ErrorCode::UnknownTopicId));
            }
        }
        for (name, count) in name_counts {
            if count > 1 {
                let refusal = Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
                refuse(Some(name), TopicId::ZERO, refusal);
            } else if let Some(topic) = self.image.topic(name) {
                if twice.contains(&topic.id) || doomed.insert(topic.id, name.clone()).is_some() {
                    doomed.remove(&topic.id);
                    let message = "The provided topic name maps to an ID that was already supplied.";
                    refuse(Some(name), topic.id, Refusal::new(ErrorCode::InvalidRequest, message));
                }
            } else {
                refuse(Some(name), TopicId::ZERO, Refusal::of(ErrorCode::UnknownTopicOrPartition));
            }
        }
        if let Err(refusal) = check_record_count(doomed.len()) {
            return Decision::answer(Err(refusal));
        }
        let mut records = Vec::with_capacity(doomed.len());
        for (id, name) in doomed {
            records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord {
                topic_id: id,
                ..RemoveTopicRecord::default()
            }));
            answers.push(DeletedTopic { name: Some(name), id, result: Ok(()) });
        }
        Decision::write(records, Ok(answers))
    }
}
