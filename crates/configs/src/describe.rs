//! What DescribeConfigs and CreateTopics tell of a topic or a broker (Kafka's `ConfigHelper` and
//! `KafkaConfigSchema`).

use crate::broker_config::{BrokerConfig, Source};
use crate::key::{Key, Kind};
use crate::{broker, client_metrics, group, topic};
use std::collections::BTreeMap;

/// One key as it is described.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key's name.
    pub name: String,
    /// Its value in Kafka's text form; none for a secret and where there is none.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: Source,
    /// Whether it cannot change while the broker runs.
    pub read_only: bool,
    /// Whether its value is a secret.
    pub sensitive: bool,
    /// Every place where a value stands, the one that counts first.
    pub synonyms: Vec<Synonym>,
    /// What it is parsed as; none for a key that is not known.
    pub kind: Option<Kind>,
    /// What it is for; none for a key that is not known.
    pub doc: Option<&'static str>,
}

/// A place where a value stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Synonym {
    /// The key's name there.
    pub name: String,
    /// The value there; none for a secret.
    pub value: Option<String>,
    /// Which place.
    pub source: Source,
}

/// Broker keys that stand for each other, the first one set wins. Kafka lists them as each other's
/// synonyms.
const FAMILIES: [&[&str]; 4] = [
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
];

/// The keys of a topic that has these settings, as DescribeConfigs tells them, by name.
pub fn describe_topic<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    broker: &BrokerConfig,
) -> Vec<Entry> {
    describe_heir(topic::KEYS, Source::Topic, settings.into_iter().collect(), broker)
}

/// The keys of a group that has these settings, as DescribeConfigs tells them, by name.
pub fn describe_group<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    broker: &BrokerConfig,
) -> Vec<Entry> {
    let mut entries = describe_heir(group::KEYS, Source::Group, settings.into_iter().collect(), broker);
    for entry in entries.iter_mut().filter(|entry| entry.synonyms.is_empty()) {
        // Unlike topics, groups name their own default as a synonym where no broker key gives one.
        let (name, value) = (entry.name.clone(), entry.value.clone());
        entry.synonyms.push(Synonym { name, value, source: Source::Default });
    }
    entries
}

/// The keys of a subscription to client metrics that has these settings, by name.
pub fn describe_client_metrics<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Entry> {
    let settings = settings.into_iter().collect();
    describe_heir(client_metrics::KEYS, Source::ClientMetrics, settings, &BrokerConfig::default())
}

/// The keys of something that has its own settings over those of the broker.
fn describe_heir(
    keys: &'static [Key],
    own_source: Source,
    settings: BTreeMap<&str, &str>,
    broker: &BrokerConfig,
) -> Vec<Entry> {
    let describe = |key: &'static Key| {
        let own = settings.get(key.name).and_then(|text| key.parse(text).ok());
        let mut synonyms = match key.broker_keys.first() {
            Some(first) => synonyms_of(first.name, broker),
            None => Vec::new(),
        };
        let value = own.or_else(|| broker.topic_default(key).0).map(|value| value.to_text());
        if settings.contains_key(key.name) {
            synonyms
                .insert(0, Synonym { name: key.name.to_owned(), value: value.clone(), source: own_source });
        }
        entry(key, value, synonyms, false)
    };
    let mut entries: Vec<Entry> = keys.iter().map(describe).collect();
    for (name, text) in settings {
        if keys.iter().all(|key| key.name != name) {
            let synonym = Synonym { name: name.to_owned(), value: None, source: own_source };
            entries.push(unknown_entry(name, text, false, vec![synonym]));
        }
    }
    entries
}

/// The effective values of a topic that has these settings, as CreateTopics answers them since
/// KIP-525, by name. Unlike [`describe_topic`], texts stand as they were set, and a value converted from
/// another unit has its source.
pub fn created_topic<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    broker: &BrokerConfig,
) -> Vec<Entry> {
    let settings: BTreeMap<&str, &str> = settings.into_iter().collect();
    let describe = |key: &'static Key| {
        let (value, source) = match settings.get(key.name) {
            Some(text) => (Some((*text).to_owned()), Source::Topic),
            None => broker.topic_default_text(key),
        };
        Entry { source, ..entry(key, value, Vec::new(), false) }
    };
    topic::KEYS.iter().map(describe).collect()
}

/// All keys of a broker, as DescribeConfigs tells them, by name.
pub fn describe_broker(broker: &BrokerConfig) -> Vec<Entry> {
    let shown =
        |key: &&Key| !key.internal || broker.layers().iter().any(|(_, layer)| layer.contains_key(key.name));
    let mut entries: Vec<Entry> = broker::KEYS
        .iter()
        .filter(shown)
        .map(|key| {
            let value = broker.value(key.name).map(|value| value.to_text());
            entry(key, value, synonyms_of(key.name, broker), !is_dynamic(key.name))
        })
        .collect();
    for (source, layer) in broker.layers() {
        for (name, text) in layer {
            if broker::key(name).is_none() && !entries.iter().any(|entry| entry.name == *name) {
                let synonym = Synonym { name: name.clone(), value: None, source };
                entries.push(unknown_entry(name, text, !is_dynamic(name), vec![synonym]));
            }
        }
    }
    entries
}

/// What is set for all brokers, as DescribeConfigs tells it for the broker with the empty name, by name.
pub fn describe_cluster(broker: &BrokerConfig) -> Vec<Entry> {
    let describe = |(name, text): (&str, &str)| {
        let mut synonyms = synonyms_of(name, broker);
        synonyms.retain(|synonym| synonym.source == Source::DynamicDefaultBroker);
        match broker::key(name) {
            Some(key) => entry(key, Some(text.to_owned()), synonyms, !is_dynamic(name)),
            None => unknown_entry(name, text, !is_dynamic(name), synonyms),
        }
    };
    broker.all_cluster().map(describe).collect()
}

/// A logger of a broker with its level.
pub fn logger(name: &str, level: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        value: Some(level.to_owned()),
        source: Source::BrokerLogger,
        read_only: false,
        sensitive: false,
        synonyms: Vec::new(),
        kind: None,
        doc: None,
    }
}

fn entry(key: &'static Key, value: Option<String>, synonyms: Vec<Synonym>, read_only: bool) -> Entry {
    Entry {
        name: key.name.to_owned(),
        value: value.filter(|_| !key.is_sensitive()),
        source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
        read_only,
        sensitive: key.is_sensitive(),
        synonyms,
        kind: Some(key.kind),
        doc: Some(key.doc),
    }
}

/// A key that is set and not known might be a secret: its value is not told.
fn unknown_entry(name: &str, text: &str, read_only: bool, synonyms: Vec<Synonym>) -> Entry {
    let sensitive = broker::dynamic_only_key(name).is_none();
    Entry {
        name: name.to_owned(),
        value: Some(text.to_owned()).filter(|_| !sensitive),
        source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
        read_only,
        sensitive,
        synonyms,
        kind: None,
        doc: None,
    }
}

/// Whether Kafka lets the broker key change while the broker runs.
pub fn is_dynamic(name: &str) -> bool {
    match broker::key(name) {
        Some(key) => key.update != crate::key::Update::ReadOnly,
        None => broker::dynamic_only_key(name).is_some(),
    }
}

/// Where values for the broker key `name` stand. As in Kafka, the list begins with the first place that
/// has the very name: what stands before it under the name of another of the family is not told.
fn synonyms_of(name: &str, broker: &BrokerConfig) -> Vec<Synonym> {
    let alone = [name];
    let names = FAMILIES.iter().copied().find(|family| family.contains(&name)).unwrap_or(&alone);
    let sensitive = broker::key(name).or(broker::dynamic_only_key(name)).is_none_or(Key::is_sensitive);
    let synonym = |name: &str, value: &str, source| Synonym {
        name: name.to_owned(),
        value: Some(value.to_owned()).filter(|_| !sensitive),
        source,
    };
    let mut all = Vec::new();
    for (source, layer) in broker.layers() {
        all.extend(names.iter().filter_map(|name| Some(synonym(name, layer.get(*name)?, source))));
    }
    for name in names {
        if let Some(text) = broker::key(name).and_then(|key| key.default.text()) {
            all.push(synonym(name, text, Source::Default));
        }
    }
    let begin = all.iter().position(|synonym| synonym.name == name).unwrap_or(all.len());
    all.split_off(begin)
}
