//! What a running broker may be told: Kafka's rules for dynamic broker configurations, in Kafka's words
//! (KIP-226; `DynamicBrokerConfig`).
//!
//! What is decided here is written to the metadata and takes effect without a restart. So nothing may pass
//! that would be stored and then do nothing: beyond Kafka's own rules, a changed value is refused when it is
//! of a key that Ottla does not honour, and when only a restart could make it act.

use crate::broker;
use crate::broker_config::{BrokerConfig, Source};
use crate::contradictions::contradictions;
use crate::key::{Key, Support, Update};
use crate::value::InvalidConfig;
use std::collections::{BTreeMap, BTreeSet};

/// Whom dynamic configurations are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One broker, named by its id.
    Broker,
    /// All of them: the broker with the empty name.
    Cluster,
}

/// Keys of a topic's family that Kafka lets be told only with a listener's prefix (`listener.name.…`).
const ONLY_PER_LISTENER: &str = "ssl.";

/// Sizes of Kafka's thread pools, which it changes by no more than a factor of two at a time.
const THREAD_COUNTS: [&str; 5] = [
    "background.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
];

/// What has to be listened on: Kafka opens and closes listeners as it runs, Ottla only when it starts.
const LISTENERS: [&str; 2] = ["listener.security.protocol.map", "listeners"];

/// The key that is told to a running broker under this name, if there is one.
pub fn key(name: &str) -> Option<&'static Key> {
    broker::key(name).or_else(|| broker::dynamic_only_key(name))
}

/// Whether Kafka changes the key in a running broker and Ottla needs a restart for it.
pub(crate) fn changes_by_restart(name: &str) -> bool {
    LISTENERS.contains(&name)
}

/// Whether the settings `all` may take the place of those that `broker` has in the layer of `scope`; the broker as it
/// is then.
///
/// # Errors
/// Kafka's text; the error code is INVALID_REQUEST, as in Kafka.
pub fn validate_dynamic(
    all: &BTreeMap<&str, &str>,
    scope: Scope,
    broker: &BrokerConfig,
) -> Result<BrokerConfig, InvalidConfig> {
    let among =
        |is: &dyn Fn(&str) -> bool| -> Vec<&str> { all.keys().copied().filter(|name| is(name)).collect() };
    let none = |names: Vec<&str>, problem: &str| match names.as_slice() {
        [] => Ok(()),
        names => Err(InvalidConfig::new(format!("{problem}: [{}]", names.join(", ")))),
    };
    let is_fixed = |name: &str| key(name).is_some_and(|key| key.update == Update::ReadOnly);
    none(among(&is_fixed), "Cannot update these configs dynamically")?;
    none(
        among(&|name| name.starts_with(ONLY_PER_LISTENER) && key(name).is_some()),
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )?;
    for (name, text) in all {
        if let Some(key) = key(name) {
            key.parse(text)?;
        }
    }
    if scope == Scope::Cluster {
        let is_of_one = |name: &str| {
            name.starts_with("listener.name.") || key(name).is_some_and(|key| key.update == Update::PerBroker)
        };
        none(
            among(&is_of_one),
            "Cannot update these configs at default cluster level, broker id must be specified",
        )?;
    }

    let after = match scope {
        Scope::Broker => broker.with_own(all.iter().map(|(name, text)| (*name, *text))),
        Scope::Cluster => broker.with_cluster(all.iter().map(|(name, text)| (*name, *text))),
    };
    check_together(broker, &after)?;
    let layer = if scope == Scope::Broker { Source::DynamicBroker } else { Source::DynamicDefaultBroker };
    let changed = |name: &str, text: &str| broker.text_in(layer, name) != Some(text);
    for (name, text) in all.iter().filter(|(name, text)| changed(name, text)) {
        check_support(name, text)?;
    }
    Ok(after)
}

/// What Kafka checks of the configuration as a whole, as it would be `after` the change.
fn check_together(before: &BrokerConfig, after: &BrokerConfig) -> Result<(), InvalidConfig> {
    // What was wrong before, as in a directory that comes from elsewhere, is not held against the change.
    let known: BTreeSet<String> = contradictions(before).into_iter().collect();
    if let Some(problem) = contradictions(after).into_iter().find(|problem| !known.contains(problem)) {
        return Err(InvalidConfig::new(format!("requirement failed: {problem}")));
    }
    for name in THREAD_COUNTS {
        let (old, new) = (before.int(name), after.int(name));
        let wrong = |reason: &str| {
            InvalidConfig::new(format!(
                "Dynamic thread count update validation failed for {name}={new}, {reason} the current value {old}"
            ))
        };
        if new < old / 2 {
            return Err(wrong("value should be at least half"));
        }
        if i64::from(new) > i64::from(old) * 2 {
            return Err(wrong("value should not be greater than double"));
        }
    }
    let (old, new) = (before.int("log.cleaner.threads"), after.int("log.cleaner.threads"));
    if new < 1 {
        return Err(InvalidConfig::new("Log cleaner threads should be at least 1"));
    }
    if new < old / 2 {
        return Err(InvalidConfig::new(format!(
            "Log cleaner threads cannot be reduced to less than half the current value {old}"
        )));
    }
    if i64::from(new) > i64::from(old) * 2 {
        return Err(InvalidConfig::new(format!(
            "Log cleaner threads cannot be increased to more than double the current value {old}"
        )));
    }
    for (local, whole, unlimited) in [
        ("log.local.retention.ms", after.topic_defaults().config().retention_ms, "log.retention.ms"),
        ("log.local.retention.bytes", after.topic_defaults().config().retention_bytes, "log.retention.bytes"),
    ] {
        let number = after.long(local);
        if whole < 0 || number == -2 {
            continue;
        }
        if number == -1 {
            let reason = format!("Value must not be -1 as {unlimited} value is set as {whole}.");
            return Err(InvalidConfig::value(local, number, reason));
        }
        if whole < number {
            let reason = format!("Value must not be more than {unlimited} property value: {whole}");
            return Err(InvalidConfig::value(local, number, reason));
        }
    }
    Ok(())
}

/// Whether a new value would act in a node that runs.
fn check_support(name: &str, text: &str) -> Result<(), InvalidConfig> {
    if name.starts_with("listener.name.") {
        return Err(InvalidConfig::new(format!(
            "{name} is not honoured: settings of single listeners are not served yet"
        )));
    }
    let Some(key) = key(name) else {
        // Kafka keeps such a name for plug-ins, which Ottla does not load.
        return Err(InvalidConfig::new(format!("Unknown broker config name: {name}")));
    };
    if changes_by_restart(name) {
        return Err(InvalidConfig::new(format!(
            "{name} cannot be changed while the node runs: change its file or command line and start it again"
        )));
    }
    match key.support {
        Support::Honoured | Support::Kept(_) | Support::NoCounterpart(_) => Ok(()),
        Support::Refused(reason) => {
            if key.parse(text).is_ok_and(|value| key.promises_nothing(&value)) {
                return Ok(());
            }
            Err(InvalidConfig::new(format!("{name} is not honoured: {reason}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(scope: Scope, file: &[(&str, &str)], all: &[(&str, &str)], expected: &str) {
        let broker = BrokerConfig::new(file.iter().copied()).expect("valid settings");
        let found = match validate_dynamic(&all.iter().copied().collect(), scope, &broker) {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.message,
        };
        assert_eq!(found, expected, "{all:?}");
    }

    #[test]
    fn what_kafka_changes_in_a_running_broker_is_taken() {
        for setting in [
            ("log.retention.ms", "3600000"),
            ("log.segment.bytes", "2097152"),
            ("compression.type", "zstd"),
            ("max.connections", "10"),
            ("num.io.threads", "16"),
            ("leader.replication.throttled.rate", "500"),
        ] {
            check(Scope::Broker, &[], &[setting], "ok");
            check(Scope::Cluster, &[], &[setting], "ok");
        }
    }

    #[test]
    fn what_kafka_refuses_is_refused_in_its_words() {
        for (all, refusal) in [
            (
                vec![("node.id", "5"), ("log.retention.hours", "5")],
                "Cannot update these configs dynamically: [log.retention.hours, node.id]",
            ),
            (
                vec![("ssl.keystore.location", "x")],
                "These security configs can be dynamically updated only per-listener using the listener prefix: \
                 [ssl.keystore.location]",
            ),
            (
                vec![("log.retention.ms", "x")],
                "Invalid value x for configuration log.retention.ms: Not a number of type LONG",
            ),
            (
                vec![("log.segment.bytes", "5")],
                "Invalid value 5 for configuration log.segment.bytes: Value must be at least 1048576",
            ),
            (
                vec![("leader.replication.throttled.rate", "-5")],
                "Invalid value -5 for configuration leader.replication.throttled.rate: Value must be at least 0",
            ),
            (
                vec![("log.retention.ms", "0")],
                "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
            ),
            (
                vec![("log.roll.ms", "0")],
                "requirement failed: log.roll.ms must be greater than or equal to 1",
            ),
            (
                vec![("max.connections.per.ip", "0")],
                "requirement failed: max.connections.per.ip can be set to zero only if \
                 max.connections.per.ip.overrides property is set.",
            ),
            (
                vec![("num.io.threads", "100")],
                "Dynamic thread count update validation failed for num.io.threads=100, value should not be \
                 greater than double the current value 8",
            ),
            (
                vec![("num.network.threads", "0")],
                "Invalid value 0 for configuration num.network.threads: Value must be at least 1",
            ),
            (
                vec![("num.io.threads", "1")],
                "Dynamic thread count update validation failed for num.io.threads=1, value should be at least \
                 half the current value 8",
            ),
            (
                vec![("log.cleaner.threads", "10")],
                "Log cleaner threads cannot be increased to more than double the current value 1",
            ),
            (
                vec![("log.local.retention.ms", "999999999999")],
                "Invalid value 999999999999 for configuration log.local.retention.ms: Value must not be more than \
                 log.retention.ms property value: 604800000",
            ),
            (
                vec![("log.local.retention.bytes", "-1"), ("log.retention.bytes", "100")],
                "Invalid value -1 for configuration log.local.retention.bytes: Value must not be -1 as \
                 log.retention.bytes value is set as 100.",
            ),
        ] {
            check(Scope::Broker, &[], &all, refusal);
        }
        check(
            Scope::Cluster,
            &[],
            &[("listeners", "PLAINTEXT://:9")],
            "Cannot update these configs at default cluster level, broker id must be specified: [listeners]",
        );
    }

    #[test]
    fn nothing_is_stored_that_would_then_do_nothing() {
        for (setting, refusal) in [
            (("no.such.key", "1"), "Unknown broker config name: no.such.key"),
            (
                ("listener.name.plaintext.max.connections", "1"),
                "listener.name.plaintext.max.connections is not honoured: settings of single listeners are not \
                 served yet",
            ),
            (
                ("listeners", "PLAINTEXT://:9"),
                "listeners cannot be changed while the node runs: change its file or command line and start it \
                 again",
            ),
            (
                ("log.flush.interval.ms", "-1"),
                "requirement failed: log.flush.interval.ms must be greater than or equal to 0",
            ),
        ] {
            check(Scope::Broker, &[], &[setting], refusal);
        }
    }

    #[test]
    fn what_is_there_already_is_not_asked_again() {
        let stored = [("no.such.key", "1"), ("log.flush.interval.ms", "-1")];
        let broker = BrokerConfig::default().with_dynamic([], stored);
        let all = stored.into_iter().chain([("log.retention.ms", "5")]).collect();
        let after = validate_dynamic(&all, Scope::Broker, &broker).expect("the new setting is right");
        assert_eq!(after.topic_defaults().config().retention_ms, 5);
    }
}
