//! Topics that are created without a request of their own: because a client asked for their metadata, or
//! because a coordinator needs them (Kafka's `DefaultAutoTopicCreationManager`).

use crate::controller::Controller;
use crate::create_topics::CreatedTopic;
use crate::refusal::Refusal;
use ottla_configs::BrokerConfig;
use ottla_metadata::MetadataRecord;
use ottla_protocol::Text;
use ottla_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use ottla_state_machine::Decision;

/// The broker's configurations of an internal topic, by their keys, and the topic's own configurations.
struct InternalTopic {
    name: &'static str,
    partitions: &'static str,
    replication_factor: &'static str,
    min_insync_replicas: Option<&'static str>,
    segment_bytes: &'static str,
    fixed: &'static [(&'static str, &'static str)],
}

const INTERNAL: [InternalTopic; 3] = [
    InternalTopic {
        name: "__consumer_offsets",
        partitions: "offsets.topic.num.partitions",
        replication_factor: "offsets.topic.replication.factor",
        min_insync_replicas: None,
        segment_bytes: "offsets.topic.segment.bytes",
        fixed: &[("cleanup.policy", "compact"), ("compression.type", "producer")],
    },
    InternalTopic {
        name: "__transaction_state",
        partitions: "transaction.state.log.num.partitions",
        replication_factor: "transaction.state.log.replication.factor",
        min_insync_replicas: Some("transaction.state.log.min.isr"),
        segment_bytes: "transaction.state.log.segment.bytes",
        fixed: &[
            ("cleanup.policy", "compact"),
            ("compression.type", "uncompressed"),
            ("unclean.leader.election.enable", "false"),
        ],
    },
    InternalTopic {
        name: "__share_group_state",
        partitions: "share.coordinator.state.topic.num.partitions",
        replication_factor: "share.coordinator.state.topic.replication.factor",
        min_insync_replicas: Some("share.coordinator.state.topic.min.isr"),
        segment_bytes: "share.coordinator.state.topic.segment.bytes",
        fixed: &[("cleanup.policy", "delete"), ("compression.type", "uncompressed"), ("retention.ms", "-1")],
    },
];

impl Controller<'_> {
    /// Creates topics with what the broker's configuration says of topics of their names: per name, what
    /// the topic gets or why it gets nothing, as [`Controller::create_topics`] answers.
    ///
    /// Unlike Kafka's, an internal topic gets no more replicas than there are active brokers, so that one
    /// node just works.
    ///
    /// # Errors
    /// As [`Controller::create_topics`].
    pub fn create_automatically(
        &mut self,
        names: &[Text],
    ) -> Decision<Result<Vec<Result<CreatedTopic, Refusal>>, Refusal>, MetadataRecord> {
        let configs = self.effective_configs();
        let topics = names.iter().map(|name| self.automatic_topic(name, &configs)).collect();
        self.create_topics(&CreateTopicsRequest { topics, ..CreateTopicsRequest::default() })
    }

    fn automatic_topic(&self, name: &Text, configs: &BrokerConfig) -> CreatableTopic {
        let Some(internal) = INTERNAL.iter().find(|internal| *internal.name == **name) else {
            return CreatableTopic {
                name: name.clone(),
                num_partitions: -1,
                replication_factor: -1,
                ..CreatableTopic::default()
            };
        };
        let active = self.image.brokers().filter(|broker| self.image.is_active(broker.id)).count();
        let active = i32::try_from(active).unwrap_or(i32::MAX).max(1);
        let replicas = configs.int(internal.replication_factor).min(active);
        let setting = |name: &'static str, value: String| CreatableTopicConfig {
            name: Text::from_static(name),
            value: Some(Text::from(value)),
            ..CreatableTopicConfig::default()
        };
        let mut settings: Vec<CreatableTopicConfig> =
            internal.fixed.iter().map(|(name, value)| setting(name, (*value).to_owned())).collect();
        settings.push(setting("segment.bytes", configs.int(internal.segment_bytes).to_string()));
        if let Some(key) = internal.min_insync_replicas {
            settings.push(setting("min.insync.replicas", configs.int(key).min(replicas).to_string()));
        }
        CreatableTopic {
            name: name.clone(),
            num_partitions: configs.int(internal.partitions),
            replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
            configs: settings,
            ..CreatableTopic::default()
        }
    }
}
