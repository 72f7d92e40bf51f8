//! Topics that come by being asked for: internal ones when somebody first needs them, others as
//! `auto.create.topics.enable` allows. What they are made like is the controller's rule.

use crate::broker::{Broker, Shared};
use crate::handlers::find_coordinator::InternalTopics;
use ottla_coordinator::OFFSETS_TOPIC;
use ottla_metadata::Image;
use ottla_protocol::Text;
use std::sync::Arc;
use std::time::Duration;

/// How long a request that needs an internal topic waits for somebody else to make it.
const WAIT: Duration = Duration::from_secs(2);

impl InternalTopics for Shared {
    fn image(&self) -> Arc<Image> {
        self.quorum.image()
    }

    async fn make(&self, topic: &'static str) {
        // Transactions and share groups have no coordinator here yet: their topics are not made.
        if topic != OFFSETS_TOPIC {
            return;
        }
        let by_others = self.quorum.create_automatically(vec![Text::from_static(topic)]).await;
        if !by_others.is_empty() {
            let mut images = self.quorum.watch();
            // When it takes longer the client asks again.
            let _ = tokio::time::timeout(WAIT, images.wait_for(|image| image.topic(topic).is_some())).await;
        }
        // So that the client's next request finds its group's coordinator at work.
        self.lead_groups(&self.quorum.image()).await;
    }
}

impl Broker {
    /// Begins to create `names`, each unless somebody does already; the clients ask again.
    pub(crate) fn create_in_background(&self, names: Vec<Text>) {
        if names.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        // The request's frame need not stay for as long as this takes.
        let names: Vec<Text> = names.iter().map(Text::detached).collect();
        tokio::spawn(async move { shared.quorum.create_automatically(names).await });
    }
}
