//! The tables, the checks and the descriptions against what Apache Kafka itself says: `testdata/`.

use ottla_configs::describe::{
    Entry, created_topic, describe_broker, describe_client_metrics, describe_cluster, describe_group,
    describe_topic,
};
use ottla_configs::key::Default;
use ottla_configs::{BrokerConfig, Key, Source, Support, broker, topic, validate_topic};
use std::collections::BTreeMap;

/// The rows of a file in `testdata/`, unescaped; `None` is Kafka's null.
fn rows(file: &'static str) -> impl Iterator<Item = Vec<Option<String>>> {
    file.lines().map(|line| line.split('\t').map(unescape).collect())
}

fn unescape(column: &str) -> Option<String> {
    if column == "\\0" {
        return None;
    }
    let mut text = String::new();
    let mut characters = column.chars();
    while let Some(c) = characters.next() {
        text.push(match c {
            '\\' => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                other => other.expect("a backslash escapes something"),
            },
            other => other,
        });
    }
    Some(text)
}

fn columns<const N: usize>(row: &[Option<String>]) -> [&str; N] {
    let texts: Vec<&str> = row.iter().map(|column| column.as_deref().unwrap_or("null")).collect();
    texts.try_into().unwrap_or_else(|texts| panic!("{N} columns: {texts:?}"))
}

fn key(table: &str, name: &str) -> &'static Key {
    let key = if table == "broker" { broker::key(name) } else { topic::key(name) };
    key.unwrap_or_else(|| panic!("there is no {table} key {name}"))
}

#[test]
fn the_tables_have_kafkas_names_types_defaults_and_update_modes() {
    let mut counts = BTreeMap::new();
    for row in rows(include_str!("../testdata/keys.tsv")) {
        let [table, name, kind, default, importance, internal, update] = columns(&row);
        // For Kafka's own tests of segments.
        if name == "internal.segment.bytes" {
            continue;
        }
        *counts.entry(table.to_owned()).or_insert(0) += 1;
        let key = key(table, name);
        let expected = match default {
            "required" => Default::Required,
            _ if row[3].is_none() => Default::Null,
            _ if key.kafka_default.text() == Some(default) => key.kafka_default,
            other => panic!("{name}: Kafka's default is {other}, not {:?}", key.kafka_default),
        };
        assert_eq!(key.kind.name(), kind, "{name}");
        assert_eq!(key.kafka_default, expected, "{name}");
        assert_eq!(format!("{:?}", key.importance).to_uppercase(), importance, "{name}");
        assert_eq!(key.internal, internal == "internal", "{name}");
        assert_eq!(key.update.name(), update, "{name}");
    }
    assert_eq!(counts.get("broker"), Some(&broker::KEYS.len()));
    assert_eq!(counts.get("topic"), Some(&topic::KEYS.len()));
}

#[test]
fn values_are_taken_and_refused_as_kafka_does_and_in_its_words() {
    let mut differences = Vec::new();
    for row in rows(include_str!("../testdata/values.tsv")) {
        let [table, name, value, outcome, text] = columns(&row);
        let (our_outcome, our_text) = match key(table, name).parse(value) {
            Ok(parsed) => ("ok", parsed.to_text()),
            Err(error) => ("refused", error.message),
        };
        if (our_outcome, our_text.as_str()) != (outcome, text) {
            differences
                .push(format!("{name}={value}\n  Kafka: {outcome} {text}\n  we: {our_outcome} {our_text}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn settings_of_topics_are_refused_in_kafkas_words() {
    let defaults = BrokerConfig::default().topic_defaults();
    for row in rows(include_str!("../testdata/topics.tsv")) {
        let [settings, outcome] = columns(&row);
        let pairs = settings.split(';').filter_map(|setting| setting.split_once('='));
        let found = match validate_topic(pairs.map(|(name, value)| (name, Some(value))), &defaults) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.message,
        };
        assert_eq!(found, outcome, "{settings}");
    }
}

#[test]
fn null_is_no_value_of_a_topic() {
    let defaults = BrokerConfig::default().topic_defaults();
    let error = validate_topic([("segment.bytes", None), ("retention.ms", None)], &defaults);
    let error = error.expect_err("nulls");
    assert_eq!(error.message, "Null value not supported for topic configs: retention.ms,segment.bytes");
}

/// A row of `described.tsv` but for the resource.
fn show(entry: &Entry) -> String {
    let source = |source: Source| match source {
        Source::Topic => "DYNAMIC_TOPIC_CONFIG",
        Source::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        Source::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        Source::StaticBroker => "STATIC_BROKER_CONFIG",
        Source::Default => "DEFAULT_CONFIG",
        other => panic!("{other:?} belongs to no topic and no broker"),
    };
    let null = || "null".to_owned();
    let synonyms: Vec<String> = entry
        .synonyms
        .iter()
        .map(|synonym| {
            let value = synonym.value.clone().unwrap_or_else(null);
            format!("{}={value}@{}", synonym.name, source(synonym.source))
        })
        .collect();
    format!(
        "{}\t{}\t{}\t{}\t{}\t{}\t{}",
        entry.name,
        entry.value.clone().unwrap_or_else(null),
        source(entry.source),
        entry.read_only,
        entry.sensitive,
        entry.kind.map_or("null", |kind| kind.name()),
        synonyms.join("; ")
    )
}

/// Keys whose values belong to the node that was asked, that Kafka derives from others, or whose default is our own.
const OF_THE_NODE: [&str; 19] = [
    "advertised.listeners",
    "broker.id",
    "controller.listener.names",
    "controller.quorum.append.linger.ms",
    "controller.quorum.bootstrap.servers",
    "group.initial.rebalance.delay.ms",
    "listeners",
    "log.dir",
    "log.dirs",
    "log.flush.interval.messages",
    "flush.messages",
    "node.id",
    "offsets.topic.replication.factor",
    "process.roles",
    "share.coordinator.state.topic.min.isr",
    "share.coordinator.state.topic.replication.factor",
    "socket.receive.buffer.bytes",
    "transaction.state.log.min.isr",
    "transaction.state.log.replication.factor",
];

#[test]
fn topics_and_brokers_are_described_as_kafka_describes_them() {
    let given = [
        ("log.retention.hours", "24"),
        ("log.roll.ms", "3600000"),
        ("log.segment.bytes", "2097152"),
        ("compression.type", "zstd"),
        ("message.max.bytes", "2000000"),
        ("log.cleanup.policy", "compact , delete"),
        ("broker.rack", "r1"),
        ("delegation.token.secret.key", "secret"),
        ("max.connections.per.ip.overrides", "127.0.0.1:100"),
    ];
    let node = BrokerConfig::new(given).expect("Kafka took these, too");
    let node = node.with_dynamic([("min.insync.replicas", "1")], []);
    let own = [
        ("retention.ms", "1000"),
        ("cleanup.policy", "compact , delete"),
        ("segment.bytes", "3145728"),
        ("compression.type", "gzip"),
        ("min.insync.replicas", "2"),
        ("leader.replication.throttled.replicas", "*"),
    ];
    let ours = BTreeMap::from([
        ("created plain", created_topic([], &node)),
        ("created own", created_topic(own, &node)),
        ("TOPIC plain", describe_topic([], &node)),
        ("TOPIC own", describe_topic(own, &node)),
        ("BROKER 1", describe_broker(&node)),
        ("BROKER ", describe_cluster(&node)),
    ]);
    let mut kafkas: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows(include_str!("../testdata/described.tsv")) {
        let texts: [&str; 8] = columns(&row);
        if !OF_THE_NODE.contains(&texts[1]) {
            kafkas.entry(texts[0].to_owned()).or_default().push(texts[1..].join("\t"));
        }
    }
    assert_eq!(kafkas.len(), ours.len());
    for (resource, entries) in ours {
        let created = resource.starts_with("created");
        let shown: Vec<String> = entries
            .into_iter()
            .filter(|entry| !OF_THE_NODE.contains(&entry.name.as_str()))
            // CreateTopics tells no types.
            .map(|entry| show(&Entry { kind: entry.kind.filter(|_| !created), ..entry }))
            .collect();
        for (our, kafka) in shown.iter().zip(&kafkas[resource]) {
            assert_eq!(our, kafka, "{resource}");
        }
        assert_eq!(shown.len(), kafkas[resource].len(), "{resource}");
    }
}

#[test]
fn what_is_refused_is_never_a_default() {
    for key in topic::KEYS.iter().chain(broker::KEYS) {
        if let Support::Refused(reason) = key.support {
            assert_eq!(key.default, key.kafka_default, "{} is refused: {reason}", key.name);
        }
    }
}

#[test]
fn groups_and_client_metrics_are_described_as_kafka_describes_them() {
    let broker = BrokerConfig::default();
    let shown = |entries: Vec<Entry>, source: Source| -> Vec<String> {
        let texts = |entry: Entry| {
            let synonyms: Vec<String> = entry
                .synonyms
                .iter()
                .map(|one| format!("{}={}@{:?}", one.name, one.value.clone().unwrap_or_default(), one.source))
                .collect();
            format!("{}={} {}", entry.name, entry.value.unwrap_or_default(), synonyms.join(" "))
        };
        let special = |entry: &Entry| entry.source == source;
        entries.into_iter().filter(special).map(texts).collect()
    };
    let group = describe_group([("consumer.session.timeout.ms", "50000")], &broker);
    assert_eq!(group.len(), 17);
    assert_eq!(
        shown(group.clone(), Source::Group),
        ["consumer.session.timeout.ms=50000 consumer.session.timeout.ms=50000@Group \
          group.consumer.session.timeout.ms=45000@Default"]
    );
    let defaults = shown(group, Source::Default);
    assert_eq!(
        defaults[..2],
        [
            "consumer.assignment.interval.ms=1000 group.consumer.assignment.interval.ms=1000@Default",
            "consumer.heartbeat.interval.ms=5000 group.consumer.heartbeat.interval.ms=5000@Default",
        ]
    );
    assert!(
        defaults
            .contains(&"share.auto.offset.reset=latest share.auto.offset.reset=latest@Default".to_owned())
    );
    let metrics = describe_client_metrics([("interval.ms", "1000")]);
    assert_eq!(
        shown(metrics.clone(), Source::ClientMetrics),
        ["interval.ms=1000 interval.ms=1000@ClientMetrics"]
    );
    assert_eq!(shown(metrics, Source::Default), ["match= ", "metrics= "]);
}
