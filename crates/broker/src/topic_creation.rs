//! Topics that come by being asked for: internal ones when somebody first needs them, others as
//! `auto.create.topics.enable` allows.

use crate::handlers::find_coordinator::InternalTopics;
use crate::{Broker, Shared};
use ottla_coordinator::OFFSETS_TOPIC;
use ottla_metadata::Image;
use ottla_protocol::Text;
use ottla_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
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
        let name = Text::from_static(topic);
        if self.quorum.begin_creation(&name) {
            self.create(&name, self.offsets_topic(&name)).await;
        } else {
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
        for name in names {
            if !self.shared.quorum.begin_creation(&name) {
                continue;
            }
            let shared = Arc::clone(&self.shared);
            let name = name.detached();
            tokio::spawn(async move {
                let request = if *name == *OFFSETS_TOPIC {
                    shared.offsets_topic(&name)
                } else {
                    // -1: as `num.partitions` and `default.replication.factor` say.
                    let topic = CreatableTopic {
                        name: name.clone(),
                        num_partitions: -1,
                        replication_factor: -1,
                        ..Default::default()
                    };
                    CreateTopicsRequest { topics: vec![topic], ..Default::default() }
                };
                shared.create(&name, request).await;
            });
        }
    }
}

impl Shared {
    /// Creates the topic that [`Quorum::begin_creation`](ottla_quorum::Quorum::begin_creation) was said of.
    async fn create(&self, name: &Text, request: CreateTopicsRequest) {
        let created = self.quorum.create_topics(request).await;
        self.quorum.end_creation(name);
        match created {
            Ok(Ok(topics)) => {
                for refusal in topics.into_iter().filter_map(Result::err) {
                    tracing::debug!(topic = %name, reason = %refusal.message, "the topic was not created");
                }
            }
            Ok(Err(refusal)) => {
                tracing::debug!(topic = %name, reason = %refusal.message, "the topic was not created")
            }
            Err(error) => tracing::warn!(topic = %name, %error, "the topic was not created"),
        }
    }

    /// `__consumer_offsets` as Kafka makes it, with as many replicas as there are brokers for.
    fn offsets_topic(&self, name: &Text) -> CreateTopicsRequest {
        let alive = i16::try_from(self.quorum.image().alive_brokers().count()).unwrap_or(i16::MAX);
        let segment_bytes = self.settings.offsets_topic_segment_bytes.to_string();
        let configs = [
            ("compression.type", "producer"),
            ("cleanup.policy", "compact"),
            ("segment.bytes", segment_bytes.as_str()),
        ];
        let topic = CreatableTopic {
            name: name.clone(),
            num_partitions: self.settings.offsets_topic_partitions,
            replication_factor: self.settings.offsets_topic_replication_factor_max.min(alive.max(1)),
            configs: configs
                .iter()
                .map(|(key, value)| CreatableTopicConfig {
                    name: Text::from_static(key),
                    value: Some((*value).into()),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        CreateTopicsRequest { topics: vec![topic], ..Default::default() }
    }
}
