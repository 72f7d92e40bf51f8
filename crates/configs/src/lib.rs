//! Apache Kafka's configuration keys: names, kinds, defaults, what is valid, how they are described, and
//! what Ottla does with each.
//!
//! The tables [`topic::KEYS`] and [`broker::KEYS`] (and two small ones for groups and client metrics) say
//! everything; [`key`] is their notation.
//! [`BrokerConfig`] holds what a broker was told, [`TopicConfig`] what counts for a topic as plain
//! fields, [`validate_topic`], [`validate_group`] and [`validate_dynamic`] refuse what Kafka refuses in Kafka's words, and
//! [`describe`] answers DescribeConfigs. The crate knows no files, no requests and no metadata: settings come in as texts.

pub mod broker;
pub mod client_metrics;
pub mod describe;
pub mod group;
pub mod key;
pub mod reference;
pub mod topic;

mod broker_config;
mod contradictions;
mod dynamic;
mod group_config;
mod nearest;
mod support;
mod topic_config;
mod validate;
mod value;

pub use crate::broker_config::{BrokerConfig, Source};
pub use crate::contradictions::{connection_overrides, contradictions};
pub use crate::dynamic::{Scope, key as dynamic_key, validate_dynamic};
pub use crate::group_config::{GROUP_BOUNDS, check_group_support, validate_group};
pub use crate::key::{Key, Kind, Support};
pub use crate::nearest::{nearest_name, nearest_topic_name};
pub use crate::topic_config::{
    CleanupPolicy, MessageTimestampType, ThrottledReplicas, TopicCompression, TopicConfig, TopicDefaults,
};
pub use crate::validate::validate_topic;
pub use crate::value::{InvalidConfig, Value, host_and_port};

#[cfg(test)]
mod tests {
    use super::*;

    fn all_keys() -> impl Iterator<Item = &'static Key> {
        let tables = [topic::KEYS, broker::KEYS, broker::DYNAMIC_ONLY, group::KEYS, client_metrics::KEYS];
        tables.into_iter().flatten()
    }

    #[test]
    fn the_tables_are_in_the_order_of_their_names() {
        for keys in [topic::KEYS, broker::KEYS, broker::DYNAMIC_ONLY, group::KEYS, client_metrics::KEYS] {
            assert!(keys.is_sorted_by(|one, two| one.name < two.name), "lookups search by halves");
        }
    }

    #[test]
    fn every_default_is_valid() {
        for key in all_keys() {
            for default in [key.default, key.kafka_default] {
                if let Some(text) = default.text() {
                    key.parse(text).unwrap_or_else(|error| panic!("{error}"));
                }
            }
        }
    }

    #[test]
    fn every_topic_key_has_a_default_on_every_broker() {
        let broker = BrokerConfig::default();
        for key in topic::KEYS {
            assert_eq!(broker.topic_default(key), (key.default_value(), Source::Default), "{}", key.name);
            assert!(key.default_value().is_some(), "{}", key.name);
        }
    }

    #[test]
    fn docs_are_sentences() {
        for key in all_keys() {
            assert!(key.doc.ends_with('.') && key.doc.len() > 15, "{}: {}", key.name, key.doc);
        }
    }
}
