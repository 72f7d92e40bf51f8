//! Following the cluster: what the image says lives here is opened, led and coordinated here.

use crate::broker::{Broker, Shared};
use crate::topics::may_block;
use ottla_coordinator::OFFSETS_TOPIC;
use ottla_groups::DeletedTopic;
use ottla_metadata::Image;
use std::sync::Arc;

impl Broker {
    /// Follows the images until the quorum ends. Partitions are opened as they appear; those that existed
    /// before are opened in the background, so that a start need not wait for them.
    pub async fn follow(&self) {
        let mut images = self.shared.quorum.watch();
        let mut before = Arc::new(Image::default());
        loop {
            let image = images.borrow_and_update().clone();
            if before.topic_count() == 0 {
                // At a start: groups need not wait until all other partitions are opened.
                self.shared.lead_groups(&image).await;
            }
            self.shared.follow_cordons(&image, &before).await;
            let shared = Arc::clone(&self.shared);
            let step = {
                let image = Arc::clone(&image);
                tokio::task::spawn_blocking(move || shared.follow_step(&image, &before))
            };
            let deleted = step.await.unwrap_or_else(|_| {
                tracing::error!("following the cluster's metadata failed: some partitions may not be served");
                Vec::new()
            });
            self.shared.lead_groups(&image).await;
            if !deleted.is_empty() {
                // Their offsets go too; nothing waits for that.
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move { shared.groups.topics_deleted(deleted).await });
            }
            before = image;
            if images.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Shared {
    /// Opens and closes partitions; the topics that are no more.
    fn follow_step(&self, image: &Image, before: &Image) -> Vec<DeletedTopic> {
        let changes = image.changes_since(before);
        for (partition, error) in self.partitions.follow(image, &changes, self.clock.now_ms()) {
            tracing::error!(%partition, %error, "the partition is not served");
        }
        let deleted = changes.topics_deleted.iter();
        deleted.map(|topic| DeletedTopic { name: topic.name.clone(), topic_id: topic.id }).collect()
    }

    /// Coordinates the groups of every partition of `__consumer_offsets` that this node leads.
    pub(crate) async fn lead_groups(&self, image: &Image) {
        let Some(topic) = image.topic(OFFSETS_TOPIC) else { return self.groups.resign_all() };
        self.groups.set_partitions(topic.partition_count());
        for (index, state) in &topic.partitions {
            if state.leader != Some(self.partitions.node()) {
                self.groups.resign(*index, state.leader_epoch);
                continue;
            }
            match may_block(|| self.partitions.get_or_open(image, topic, *index)) {
                Ok(partition) => self.groups.lead(*index, state.leader_epoch, partition),
                Err(error) => {
                    tracing::error!(%error, "groups of {OFFSETS_TOPIC}-{index} are not coordinated")
                }
            }
        }
    }
}
