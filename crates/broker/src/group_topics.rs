//! The cluster's topics, as consumer groups look at them.

use ottla_groups::consumer::assignor::TopicView;
use ottla_groups::consumer::{TopicMetadata, Topics};
use ottla_ids::TopicId;
use ottla_metadata::Image;
use ottla_protocol::Text;
use std::sync::{Arc, Mutex, PoisonError};

/// The topics of one image.
#[derive(Debug)]
pub struct ImageTopics {
    image: Arc<Image>,
    version: i64,
}

/// Numbers the images that heartbeats come with, so that groups look at topics only when there is news.
#[derive(Debug, Default)]
pub struct LatestTopics(Mutex<Option<Arc<ImageTopics>>>);

impl LatestTopics {
    /// The topics of `image`, which is the present one.
    pub fn of(&self, image: &Arc<Image>) -> Arc<ImageTopics> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = match &*latest {
            Some(topics) if Arc::ptr_eq(&topics.image, image) => return Arc::clone(topics),
            Some(topics) => topics.version + 1,
            None => 1,
        };
        let topics = Arc::new(ImageTopics { image: Arc::clone(image), version });
        *latest = Some(Arc::clone(&topics));
        topics
    }
}

impl TopicView for ImageTopics {
    fn partitions(&self, topic: &TopicId) -> Option<i32> {
        self.image.topic_by_id(*topic).map(|topic| topic.partition_count())
    }
}

impl Topics for ImageTopics {
    fn version(&self) -> i64 {
        self.version
    }

    fn topic(&self, name: &str) -> Option<TopicMetadata> {
        let topic = self.image.topic(name)?;
        Some(TopicMetadata { id: topic.id, partitions: topic.partition_count() })
    }

    fn name(&self, id: &TopicId) -> Option<Text> {
        Some(self.image.topic_by_id(*id)?.name.clone())
    }

    fn names(&self) -> Vec<Text> {
        self.image.topics().map(|topic| topic.name.clone()).collect()
    }

    fn racks(&self, id: &TopicId, partition: i32) -> Vec<Text> {
        let partition = self.image.topic_by_id(*id).and_then(|topic| topic.partition(partition));
        let replicas = partition.into_iter().flat_map(|partition| &partition.replicas);
        let mut racks: Vec<Text> =
            replicas.filter_map(|node| self.image.broker(*node)?.rack.clone()).collect();
        racks.sort();
        racks
    }
}
