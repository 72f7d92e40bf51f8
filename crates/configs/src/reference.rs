//! The reference of all keys as Markdown, for `docs/reference/configs.md`.

use crate::dynamic::changes_by_restart;
use crate::key::{Key, Support, Update, Valid};
use crate::{broker, topic};
use std::fmt::{self, Write as _};

/// What stands before the keys.
const INTRODUCTION: &str = "\
# Configuration keys

<!-- Generated from the tables in crates/configs; do not edit. Anew: cargo xtask docs -->

Ottla reads Apache Kafka 4.3's keys: a node's from a file in the format of `server.properties`
(`ottla serve --config FILE`) and from `--set key=value`, a topic's from the client that creates or
changes it. `--print-config` shows what is in force and where it was set.

No value is accepted and then ignored. Each key is one of these:

| | |
|---|---|
| **honoured** | A value takes effect. |
| **kept** | A value is checked, stored and described, as by Apache Kafka, and waits for something Ottla does not do yet, which is named. Only where waiting is safe: data is kept longer than asked for, never shorter. |
| **no counterpart** | A value is accepted and said at start to do nothing: it sizes a part of Apache Kafka that Ottla does not need. |
| **not honoured** | A value other than Apache Kafka's default stops the start with a message that names the key. The default itself promises nothing new and is accepted. |

A name that is no key stops the start too, with the nearest name that is one. Values are checked, and
refused, in Apache Kafka's own words.

## Where a node listens

| setting | listens on | clients are told |
|---|---|---|
| none | 127.0.0.1:9092: this machine only | 127.0.0.1:9092 |
| `--listen 10.0.0.5:9092` | that address | 10.0.0.5:9092 |
| `listeners=PLAINTEXT://:9092` or `--listen :9092` | every interface | the name of the machine, which must resolve |
| `--listen 0.0.0.0:9092` with `--set advertised.listeners=PLAINTEXT://localhost:9092` | every interface | localhost:9092 |
| `--listen 0.0.0.0:9092` alone | refused, as by Apache Kafka: clients cannot be told `0.0.0.0` | |

A client first connects to an address it was given, and then to the one it is told. Without any setting
both work on the machine itself, and nothing is opened to the network by trying Ottla out. In a container
whose port is published, listen on `0.0.0.0` and advertise the name by which clients reach the published
port: `localhost` for those on the same machine.

A listener that is named in `controller.listener.names` answers as a controller does, to tools that are given
`--bootstrap-controller`. Other controllers have no business there as long as the node is the whole cluster.

## What changes while the node runs

A key marked *changes while the node runs* is told to one broker, or to all, as in Apache Kafka (KIP-226), and acts at
once; nothing is restarted:

```
kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type brokers --entity-name 1 --add-config log.retention.ms=3600000
kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type brokers --entity-default --add-config message.max.bytes=2000000
```

What is told to one broker goes before what is told to all, which goes before the file, which goes before the default;
`--describe --all` shows each with its source. It is kept in the cluster's metadata and counts after a restart too. A
key of any other kind is refused with Apache Kafka's text, and so is a value that would be stored and then do nothing:
of a key that is not honoured, of a name that is no key, of single listeners (`listener.name.…`). `listeners` and
`listener.security.protocol.map` change with a restart only.

The levels of the node's loggers change with `--entity-type broker-loggers --entity-name 1 --add-config
ottla_network=DEBUG` (or `root`), until the next start; `--describe` names the loggers.

";

/// The whole reference.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str("\n## Keys of a topic\n");
    for key in topic::KEYS {
        item(&mut text, key, false);
    }
    text.push_str("\n## Keys of a node\n");
    let shown = |key: &&Key| !key.internal;
    let keys = || broker::KEYS.iter().filter(shown);
    for key in keys().filter(|key| matches!(key.support, Support::Honoured | Support::Kept(_))) {
        item(&mut text, key, key.update != Update::ReadOnly && !changes_by_restart(key.name));
    }
    text.push_str("\n## Keys of a node that are set only while it runs\n");
    for key in broker::DYNAMIC_ONLY {
        item(&mut text, key, true);
    }
    text.push_str("\n## Keys of a node without a counterpart\n\n| key | why it does nothing |\n|---|---|\n");
    for key in keys() {
        if let Support::NoCounterpart(reason) = key.support {
            let _ = writeln!(text, "| `{}` | {reason} |", key.name);
        }
    }
    text.push_str(
        "\n## Keys of a node that are not honoured\n\n| key | accepted | why no other value is | what it is for \
         |\n|---|---|---|---|\n",
    );
    for key in keys() {
        if let Support::Refused(reason) = key.support {
            let _ = writeln!(text, "| `{}` | {} | {reason} | {} |", key.name, default(key), key.doc);
        }
    }
    text
}

/// One key in full; whether it changes while the node runs.
fn item(text: &mut String, key: &Key, is_live: bool) {
    let _ = writeln!(text, "\n### {}\n\n{}\n", key.name, key.doc);
    let kafka = match key.kafka_default.text() {
        _ if key.default == key.kafka_default => String::new(),
        Some(kafka) => format!(" (Apache Kafka: `{kafka}`)"),
        None => " (Apache Kafka: none, the key is required)".to_owned(),
    };
    let mut facts = vec![key.kind.name().to_lowercase(), format!("default {}{kafka}", default(key))];
    let valid = key.valid.to_string();
    if !valid.is_empty() {
        facts.push(valid);
    }
    if !key.broker_keys.is_empty() {
        let names: Vec<String> =
            key.broker_keys.iter().map(|broker_key| format!("`{}`", broker_key.name)).collect();
        facts.push(format!("a node's default: {}", names.join(", ")));
    }
    if is_live {
        facts.push("changes while the node runs".to_owned());
    }
    facts.push(match key.support {
        Support::Honoured => "honoured".to_owned(),
        Support::Kept(reason) => format!("kept: {reason}"),
        Support::NoCounterpart(reason) => format!("no counterpart: {reason}"),
        Support::Refused(reason) => format!("not honoured: {reason}"),
    });
    let _ = writeln!(text, "{}", facts.join(" · "));
}

/// The default as code.
fn default(key: &Key) -> String {
    match key.default.text() {
        None => "none".to_owned(),
        Some("") => "empty".to_owned(),
        Some(text) => format!("`{text}`"),
    }
}

impl fmt::Display for Valid {
    /// What is valid, for people; empty where the kind says all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| format!("`{text}`")).collect();
            texts.join(", ")
        };
        match self {
            Valid::Any => Ok(()),
            Valid::AtLeast(least) => write!(f, "at least {least}"),
            Valid::Between(least, most) => write!(f, "{least} to {most}"),
            Valid::Fraction(least, most) => write!(f, "{least} to {most}"),
            Valid::GzipLevel => f.write_str("1 to 9, or -1"),
            Valid::OneOf(texts) => write!(f, "one of {}", codes(texts)),
            Valid::OneOfIgnoringCase(texts) => write!(f, "one of {}, in any case", codes(texts)),
            Valid::NonEmpty => f.write_str("not empty"),
            Valid::Distinct { empty: true } => f.write_str("may be empty"),
            Valid::Distinct { empty: false } => f.write_str("not empty"),
            Valid::Subset { of, empty: true } => write!(f, "any of {}, or empty", codes(of)),
            Valid::Subset { of, empty: false } => write!(f, "any of {}", codes(of)),
            Valid::ThrottledReplicas => f.write_str("`*` or `partition:broker,…`"),
            Valid::QuorumVoters => f.write_str("`id@host:port,…`"),
            Valid::BootstrapServers => f.write_str("`host:port,…`"),
        }
    }
}
