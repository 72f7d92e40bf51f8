//! What is known of one configuration key.

use crate::value::Value;

/// A configuration key of Apache Kafka: what it is called, what it takes, and what Ottla does with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// The name, as in `server.properties` and in DescribeConfigs.
    pub name: &'static str,
    /// What its value is parsed as.
    pub kind: Kind,
    /// The value when none is set.
    pub default: Default,
    /// Apache Kafka's default, where Ottla's is another; equal to `default` otherwise.
    pub kafka_default: Default,
    /// What a value must satisfy beyond its kind.
    pub valid: Valid,
    /// Whether Apache Kafka lets it change while the broker runs.
    pub update: Update,
    /// Apache Kafka's importance; orders the reference.
    pub importance: Importance,
    /// Apache Kafka keeps the key out of its documentation and of DescribeConfigs.
    pub internal: bool,
    /// What Ottla does with a value that is not the default.
    pub support: Support,
    /// What the key is for, in a sentence or two.
    pub doc: &'static str,
    /// The broker keys that give a topic's or group's key its default, the first one set wins.
    pub broker_keys: &'static [BrokerKey],
}

/// A broker key that gives another key its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerKey {
    /// The broker key's name.
    pub name: &'static str,
    /// How many units of that key one unit of the broker key is: 3600000 for hours to
    /// milliseconds, 1 where nothing is to be converted.
    pub factor: i64,
}

/// What a value is parsed as (Kafka's `ConfigDef.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Boolean,
    /// Text, without white space around it.
    String,
    /// 32-bit integer.
    Int,
    /// 16-bit integer.
    Short,
    /// 64-bit integer.
    Long,
    /// 64-bit float.
    Double,
    /// Texts separated by commas.
    List,
    /// The name of a Java class.
    Class,
    /// A secret: never shown.
    Password,
}

impl Kind {
    /// Kafka's name, as in its error texts.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::String => "STRING",
            Kind::Int => "INT",
            Kind::Short => "SHORT",
            Kind::Long => "LONG",
            Kind::Double => "DOUBLE",
            Kind::List => "LIST",
            Kind::Class => "CLASS",
            Kind::Password => "PASSWORD",
        }
    }

    /// The number in DescribeConfigs' `ConfigType` (KIP-569); 0 there is "unknown".
    pub fn id(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::String => 2,
            Kind::Int => 3,
            Kind::Short => 4,
            Kind::Long => 5,
            Kind::Double => 6,
            Kind::List => 7,
            Kind::Class => 8,
            Kind::Password => 9,
        }
    }
}

/// The value of a key that is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// This one, in Kafka's text form.
    Value(&'static str),
    /// None: Kafka's `null`, mostly "derived from other keys".
    Null,
    /// Apache Kafka does not start without the key.
    Required,
}

impl Default {
    /// The text, if there is one.
    pub fn text(self) -> Option<&'static str> {
        match self {
            Default::Value(text) => Some(text),
            Default::Null | Default::Required => None,
        }
    }
}

/// What a value must satisfy beyond its kind (Kafka's `ConfigDef.Validator`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Valid {
    /// Whatever the kind allows.
    Any,
    /// A number not below this.
    AtLeast(i64),
    /// A number within these, both included.
    Between(i64, i64),
    /// A float within these, both included.
    Fraction(f64, f64),
    /// -1 (the library's own default) or 1 to 9.
    GzipLevel,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, in any case.
    OneOfIgnoringCase(&'static [&'static str]),
    /// Text that is not empty when set.
    NonEmpty,
    /// A list without empty values; duplicates in it go away.
    Distinct {
        /// Whether the list may be empty.
        empty: bool,
    },
    /// A list of some of these; duplicates in it go away.
    Subset {
        /// What may be in the list.
        of: &'static [&'static str],
        /// Whether the list may be empty.
        empty: bool,
    },
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
    /// A list of `id@host:port`.
    QuorumVoters,
    /// A list of `host:port`.
    BootstrapServers,
}

/// Whether Apache Kafka lets a broker key change while the broker runs (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Read at start only.
    ReadOnly,
    /// For one broker.
    PerBroker,
    /// For one broker or for all.
    ClusterWide,
}

impl Update {
    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Update::ReadOnly => "read-only",
            Update::PerBroker => "per-broker",
            Update::ClusterWide => "cluster-wide",
        }
    }
}

/// Apache Kafka's importance of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Most clusters set it.
    High,
    /// Some do.
    Medium,
    /// Few do.
    Low,
}

/// What Ottla does with a value that is not the default. No value is accepted and then ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It takes effect.
    Honoured,
    /// Checked, kept and shown; it acts on something Ottla does not do yet, named here. Only where
    /// waiting is on the safe side: data is kept longer than asked for, never shorter.
    Kept(&'static str),
    /// Accepted, and said so at start: it sizes a part that Apache Kafka has and Ottla does not need.
    NoCounterpart(&'static str),
    /// Refused by name, unless it is Apache Kafka's default; why, and what to do.
    Refused(&'static str),
}

impl Key {
    /// Whether a value of a refused key asks for nothing that is not there: Apache Kafka's default, or no reporter of
    /// metrics at all.
    pub fn promises_nothing(&self, value: &Value) -> bool {
        let kafkas = self.kafka_default.text().and_then(|text| self.parse(text).ok());
        kafkas.as_ref() == Some(value)
            || (self.name == "metric.reporters" && *value == Value::List(Vec::new()))
    }

    /// Whether its value is a secret.
    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }
}

/// A broker key in the unit of the key it gives a default to.
pub(crate) const fn same(name: &'static str) -> BrokerKey {
    BrokerKey { name, factor: 1 }
}

/// A broker key in minutes for a key in milliseconds.
pub(crate) const fn minutes(name: &'static str) -> BrokerKey {
    BrokerKey { name, factor: 60_000 }
}

/// A broker key in hours for a key in milliseconds.
pub(crate) const fn hours(name: &'static str) -> BrokerKey {
    BrokerKey { name, factor: 3_600_000 }
}

/// Kafka's default: ours, or the one that a row names beside it.
macro_rules! kafka_default {
    ($default:expr) => {
        $default
    };
    ($default:expr, $kafka:expr) => {
        $kafka
    };
}
pub(crate) use kafka_default;

/// The table of what inherits from the broker. Rows: name, kind, default, what is valid, support, the
/// broker keys that give the default (the first that is set wins), Apache Kafka's default where it
/// differs; then the doc.
macro_rules! inherited_keys {
    ($($name:literal, $kind:expr, $default:expr, $valid:expr, $support:expr, [$($broker_key:expr),*],
        $(kafka $kafka:expr,)? $doc:literal;)*) => {
        /// All of them, by name.
        pub static KEYS: &[Key] = &[$(Key {
            name: $name,
            kind: $kind,
            default: $default,
            kafka_default: $crate::key::kafka_default!($default $(, $kafka)?),
            valid: $valid,
            update: $crate::key::Update::ClusterWide,
            importance: $crate::key::Importance::Medium,
            internal: false,
            support: $support,
            doc: $doc,
            broker_keys: &[$($broker_key),*],
        }),*];
    };
}
pub(crate) use inherited_keys;
