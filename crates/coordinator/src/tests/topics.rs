//! A cluster without topics.

use ottla_groups::consumer::assignor::TopicView;
use ottla_groups::consumer::{TopicMetadata, Topics};
use ottla_ids::TopicId;
use ottla_protocol::Text;
use std::sync::Arc;

#[derive(Debug)]
struct NoTopics;

pub(super) fn no_topics() -> Arc<dyn Topics> {
    Arc::new(NoTopics)
}

impl TopicView for NoTopics {
    fn partitions(&self, _: &TopicId) -> Option<i32> {
        None
    }
}

impl Topics for NoTopics {
    fn version(&self) -> i64 {
        1
    }

    fn topic(&self, _: &str) -> Option<TopicMetadata> {
        None
    }

    fn name(&self, _: &TopicId) -> Option<Text> {
        None
    }

    fn names(&self) -> Vec<Text> {
        Vec::new()
    }

    fn racks(&self, _: &TopicId, _: i32) -> Vec<Text> {
        Vec::new()
    }
}
