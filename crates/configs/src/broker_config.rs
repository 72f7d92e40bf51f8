//! What a broker is told: its file and command line, and what the cluster's metadata says on top.

use crate::broker;
use crate::key::{Key, Kind};
use crate::topic_config::TopicDefaults;
use crate::value::{InvalidConfig, Value};
use std::collections::BTreeMap;

/// The log directories that get no new partitions.
pub(crate) const CORDONED: &str = "cordoned.log.dirs";
/// An entry of [`CORDONED`] that stands for all log directories.
pub(crate) const CORDONED_ALL: &str = "*";

/// A broker's configuration in Kafka's own keys and texts: three layers over the defaults.
///
/// What is for this broker alone goes before what is for all brokers, which goes before what the file
/// and the command line say (KIP-226).
///
/// Invariant: every name of the static layer is in [`broker::KEYS`] and its text parses. The dynamic
/// layers come from the metadata log, where others may have written names and texts we do not know;
/// what does not parse counts as not set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BrokerConfig {
    own: BTreeMap<String, String>,
    cluster: BTreeMap<String, String>,
    given: BTreeMap<String, String>,
}

/// Where a value comes from; the numbers are DescribeConfigs' `ConfigSource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The topic's own configuration.
    Topic = 1,
    /// The metadata, for this broker alone.
    DynamicBroker = 2,
    /// The metadata, for all brokers.
    DynamicDefaultBroker = 3,
    /// The file or the command line.
    StaticBroker = 4,
    /// No one set it.
    Default = 5,
    /// A broker's log level.
    BrokerLogger = 6,
    /// A subscription to client metrics.
    ClientMetrics = 7,
    /// A group's own configuration.
    Group = 8,
}

impl Source {
    /// The number in DescribeConfigs' `ConfigSource`.
    pub fn id(self) -> i8 {
        self as i8
    }
}

impl BrokerConfig {
    /// The configuration with these settings in its static layer; of two settings of one key the later
    /// wins. Checks names and values by themselves, and reports all that is wrong.
    pub fn new<N: Into<String>, V: Into<String>>(
        settings: impl IntoIterator<Item = (N, V)>,
    ) -> Result<BrokerConfig, Vec<InvalidConfig>> {
        let mut config = BrokerConfig::default();
        for (name, value) in settings {
            config.given.insert(name.into(), value.into());
        }
        // One setting by two names: whichever is there is told under both.
        for (name, other) in [("node.id", "broker.id"), ("broker.id", "node.id")] {
            if let (Some(value), None) = (config.given.get(name), config.given.get(other)) {
                let value = value.clone();
                config.given.insert(other.to_owned(), value);
            }
        }
        let check = |(name, text): (&String, &String)| match broker::key(name) {
            Some(key) => key.parse(text).err(),
            None => Some(InvalidConfig::new(format!("Unknown broker config name: {name}"))),
        };
        let wrong: Vec<InvalidConfig> = config.given.iter().filter_map(check).collect();
        if wrong.is_empty() { Ok(config) } else { Err(wrong) }
    }

    /// The same static layer under these dynamic ones: what the metadata says for all brokers and for
    /// this one.
    pub fn with_dynamic<'a>(
        &self,
        cluster: impl IntoIterator<Item = (&'a str, &'a str)>,
        own: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> BrokerConfig {
        let layer = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        BrokerConfig {
            own: own.into_iter().map(layer).collect(),
            cluster: cluster.into_iter().map(layer).collect(),
            given: self.given.clone(),
        }
    }

    /// The same with these settings for this broker alone.
    pub(crate) fn with_own<'a>(&self, own: impl IntoIterator<Item = (&'a str, &'a str)>) -> BrokerConfig {
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        BrokerConfig { own, ..self.clone() }
    }

    /// The same with these settings for all brokers.
    pub(crate) fn with_cluster<'a>(
        &self,
        cluster: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> BrokerConfig {
        let cluster = cluster.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        BrokerConfig { cluster, ..self.clone() }
    }

    /// The text that the layer `source` has for `name`.
    pub(crate) fn text_in(&self, source: Source, name: &str) -> Option<&str> {
        let layer = self.layers().into_iter().find(|(layer, _)| *layer == source);
        layer.and_then(|(_, layer)| layer.get(name)).map(String::as_str)
    }

    /// The number that counts among keys that stand for each other, times its factor; none where none is set.
    /// The layer goes before the order of the keys.
    pub(crate) fn first_number(&self, keys: &[(&str, i64)]) -> Option<i64> {
        let of = |layer: &BTreeMap<String, String>| {
            keys.iter().find_map(|(name, factor)| {
                let number = layer.get(*name)?.trim().parse::<i64>().ok()?;
                Some(number.saturating_mul(*factor))
            })
        };
        self.layers().into_iter().find_map(|(_, layer)| of(layer))
    }

    /// The text that the file or the command line gives for `name`.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// Every setting for all brokers, by name.
    pub(crate) fn all_cluster(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cluster.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The layers in the order of their priority.
    pub(crate) fn layers(&self) -> [(Source, &BTreeMap<String, String>); 3] {
        [
            (Source::DynamicBroker, &self.own),
            (Source::DynamicDefaultBroker, &self.cluster),
            (Source::StaticBroker, &self.given),
        ]
    }

    /// The value that is set for `key` in any layer, and in which.
    fn set(&self, key: &Key) -> Option<(Value, Source)> {
        self.layers().into_iter().find_map(|(source, layer)| {
            let value = key.parse(layer.get(key.name)?).ok()?;
            Some((value, source))
        })
    }

    /// The value of the key `name`: what is set, else the default, else none.
    ///
    /// # Panics
    /// When there is no such key: the caller names keys of the table only.
    pub fn value(&self, name: &str) -> Option<Value> {
        let key = known(name);
        self.set(key).map(|(value, _)| value).or_else(|| key.default_value())
    }

    /// The value of an INT or SHORT key, if it has one. Panics on a key of another kind.
    pub fn find_int(&self, name: &str) -> Option<i32> {
        match self.value(name)? {
            Value::Int(number) => Some(number),
            Value::Short(number) => Some(i32::from(number)),
            other => panic!("{name} is no integer but {other}"),
        }
    }

    /// The value of an INT or SHORT key that always has one.
    pub fn int(&self, name: &str) -> i32 {
        self.find_int(name).expect("the key has a default")
    }

    /// The value of a LONG key, if it has one. Panics on a key of another kind.
    pub fn find_long(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Long(number) => Some(number),
            other => panic!("{name} is no long but {other}"),
        }
    }

    /// The value of a LONG key that always has one.
    pub fn long(&self, name: &str) -> i64 {
        self.find_long(name).expect("the key has a default")
    }

    /// The value of a LONG key that only the metadata sets ([`broker::DYNAMIC_ONLY`]); `None` unless it does.
    pub fn dynamic_long(&self, name: &str) -> Option<i64> {
        match self.set(broker::dynamic_only_key(name)?)?.0 {
            Value::Long(number) => Some(number),
            _ => None,
        }
    }

    /// The value of a DOUBLE key that always has one. Panics on a key of another kind.
    pub fn double(&self, name: &str) -> f64 {
        match self.value(name) {
            Some(Value::Double(value)) => value,
            other => panic!("{name} is no double but {other:?}"),
        }
    }

    /// The value of a BOOLEAN key. Panics on a key of another kind.
    pub fn boolean(&self, name: &str) -> bool {
        match self.value(name) {
            Some(Value::Boolean(value)) => value,
            other => panic!("{name} is no boolean but {other:?}"),
        }
    }

    /// The value of a STRING key, if it has one. Panics on a key of another kind.
    pub fn find_text(&self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            other => panic!("{name} is no text but {other}"),
        }
    }

    /// The value of a LIST key, if it has one. Panics on a key of another kind.
    pub fn find_list(&self, name: &str) -> Option<Vec<String>> {
        match self.value(name)? {
            Value::List(values) => Some(values),
            other => panic!("{name} is no list but {other}"),
        }
    }

    /// `log.dirs`, or else `log.dir`: the entries as they were given.
    pub fn log_dirs(&self) -> Vec<String> {
        self.find_list("log.dirs").or_else(|| self.find_list("log.dir")).unwrap_or_default()
    }

    /// Those of [`BrokerConfig::log_dirs`] that get no new partitions (`cordoned.log.dirs`).
    pub fn cordoned_log_dirs(&self) -> Vec<String> {
        let cordoned = self.find_list(CORDONED).unwrap_or_default();
        if cordoned.iter().any(|entry| entry == CORDONED_ALL) { self.log_dirs() } else { cordoned }
    }

    /// The default that this broker gives the topic key `key`, converted to the topic key's unit, and
    /// where it comes from. A value of the broker that the topic key does not take counts as not set.
    pub(crate) fn topic_default(&self, key: &Key) -> (Option<Value>, Source) {
        match self.topic_default_set(key) {
            Some((value, source, _)) => (Some(value), source),
            None => (key.default_value(), Source::Default),
        }
    }

    /// The same as text: as it was set, unless it had to be converted.
    pub(crate) fn topic_default_text(&self, key: &Key) -> (Option<String>, Source) {
        match self.topic_default_set(key) {
            Some((_, source, text)) => (Some(text), source),
            None => (key.default.text().map(str::to_owned), Source::Default),
        }
    }

    fn topic_default_set(&self, key: &Key) -> Option<(Value, Source, String)> {
        for (source, layer) in self.layers() {
            for broker_key in key.broker_keys {
                let known = known(broker_key.name);
                let Some(text) = layer.get(known.name) else { continue };
                let Some(value) =
                    known.parse(text).ok().and_then(|value| convert(key, value, broker_key.factor))
                else {
                    continue;
                };
                let text = if broker_key.factor == 1 { text.clone() } else { value.to_text() };
                return Some((value, source, text));
            }
        }
        None
    }

    /// What topics get that say nothing themselves.
    pub fn topic_defaults(&self) -> TopicDefaults {
        TopicDefaults::of(self)
    }
}

/// The broker key of this name, which must exist.
fn known(name: &str) -> &'static Key {
    broker::key(name).unwrap_or_else(|| panic!("there is no broker key {name}"))
}

/// A broker key's value as the topic key's: in its kind and unit. Negative times mean "for ever".
fn convert(key: &Key, value: Value, factor: i64) -> Option<Value> {
    let value = match (key.kind, value) {
        (Kind::Long, Value::Int(number)) => Value::Long(i64::from(number).saturating_mul(factor)),
        (Kind::Long, Value::Long(number)) => Value::Long(number.saturating_mul(factor)),
        (_, value) => value,
    };
    let value = match value {
        Value::Long(number) if key.name == "retention.ms" && number < 0 => Value::Long(-1),
        other => other,
    };
    key.parse(&value.to_text()).ok()
}
