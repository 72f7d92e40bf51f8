//! Whether a group may have these settings: Kafka's checks, in Kafka's words (`GroupConfig.validate`).

use crate::broker_config::BrokerConfig;
use crate::group;
use crate::key::Support;
use crate::value::{InvalidConfig, Value};
use std::collections::BTreeMap;

/// Each key of a group with bounds, and the broker keys that say the least and the most.
pub const GROUP_BOUNDS: [(&str, &str, &str); 3] = [
    (
        "consumer.heartbeat.interval.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    (
        "consumer.session.timeout.ms",
        "group.consumer.min.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ),
    (
        "consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
];

/// Checks the settings that a group would have, all together: those it keeps and those that are new.
///
/// # Errors
/// Kafka's text; the error code is INVALID_CONFIG.
pub fn validate_group<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    broker: &BrokerConfig,
) -> Result<(), InvalidConfig> {
    let settings: BTreeMap<&str, &str> = settings.into_iter().collect();
    let key = |name: &str| group::KEYS.iter().find(|key| key.name == name);
    if let Some(name) = settings.keys().find(|name| key(name).is_none()) {
        return Err(InvalidConfig::new(format!("Unknown group config name: {name}")));
    }
    let mut values = BTreeMap::new();
    for key in group::KEYS {
        if let Some(text) = settings.get(key.name) {
            values.insert(key.name, key.parse(text)?);
        }
    }
    let number = |name: &str| {
        let inherited = || broker.topic_default(key(name)?).0;
        match values.get(name).cloned().or_else(inherited) {
            Some(Value::Int(number)) => number,
            _ => 0,
        }
    };
    for (name, least, most) in GROUP_BOUNDS {
        let wrong = |what: &str, bound: &str| {
            Err(InvalidConfig::new(format!("{name} must be {what} than or equal to {bound}")))
        };
        if !values.contains_key(name) {
            continue;
        }
        if number(name) < broker.int(least) {
            return wrong("greater", least);
        }
        if broker.int(most) < number(name) {
            return wrong("less", most);
        }
    }
    let (session, heartbeat) = ("consumer.session.timeout.ms", "consumer.heartbeat.interval.ms");
    let named = values.contains_key(session) || values.contains_key(heartbeat);
    if named && number(session) <= number(heartbeat) {
        return Err(InvalidConfig::new(format!("{session} must be greater than {heartbeat}")));
    }
    Ok(())
}

/// Whether something acts on a new value of a group's key, which is known and has been checked.
///
/// # Errors
/// What is missing; the error code is INVALID_CONFIG.
pub fn check_group_support(name: &str, text: &str) -> Result<(), InvalidConfig> {
    let Some(key) = group::KEYS.iter().find(|key| key.name == name) else { return Ok(()) };
    match key.support {
        Support::Refused(reason) if key.parse(text).ok() != key.default_value() => {
            Err(InvalidConfig::value(name, text, reason))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(broker: &[(&str, &str)], settings: &[(&str, &str)], expected: &str) {
        let broker = BrokerConfig::new(broker.iter().copied()).expect("valid settings");
        let found = validate_group(settings.iter().copied(), &broker);
        let found = found.map_or_else(|error| error.message, |()| "ok".to_owned());
        assert_eq!(found, expected, "{settings:?}");
    }

    /// The texts are Apache Kafka 4.3.1's answers to the same settings.
    #[test]
    fn settings_are_refused_as_kafka_refuses_them() {
        let too_small = "must be greater than or equal to group.consumer.min";
        let too_large = "must be less than or equal to group.consumer.max";
        for (name, value, expected) in [
            ("consumer.session.timeout.ms", "45001", "ok".to_owned()),
            (
                "consumer.session.timeout.ms",
                "44999",
                format!("consumer.session.timeout.ms {too_small}.session.timeout.ms"),
            ),
            (
                "consumer.session.timeout.ms",
                "60001",
                format!("consumer.session.timeout.ms {too_large}.session.timeout.ms"),
            ),
            (
                "consumer.heartbeat.interval.ms",
                "4999",
                format!("consumer.heartbeat.interval.ms {too_small}.heartbeat.interval.ms"),
            ),
            (
                "consumer.heartbeat.interval.ms",
                "15001",
                format!("consumer.heartbeat.interval.ms {too_large}.heartbeat.interval.ms"),
            ),
            (
                "consumer.heartbeat.interval.ms",
                "0",
                "Invalid value 0 for configuration consumer.heartbeat.interval.ms: Value must be at least 1"
                    .to_owned(),
            ),
            (
                "consumer.heartbeat.interval.ms",
                "x",
                "Invalid value x for configuration consumer.heartbeat.interval.ms: Not a number of type INT"
                    .to_owned(),
            ),
            (
                "consumer.assignment.interval.ms",
                "15001",
                format!("consumer.assignment.interval.ms {too_large}.assignment.interval.ms"),
            ),
            (
                "consumer.assignment.interval.ms",
                "-1",
                "Invalid value -1 for configuration consumer.assignment.interval.ms: Value must be at least 0"
                    .to_owned(),
            ),
            ("consumer.assignment.interval.ms", "0", "ok".to_owned()),
            ("foo", "1", "Unknown group config name: foo".to_owned()),
        ] {
            check(&[], &[(name, value)], &expected);
        }
        check(
            &[
                ("group.consumer.min.session.timeout.ms", "1000"),
                ("group.consumer.max.heartbeat.interval.ms", "50000"),
            ],
            &[("consumer.session.timeout.ms", "20000"), ("consumer.heartbeat.interval.ms", "20000")],
            "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms",
        );
    }

    #[test]
    fn what_nothing_acts_on_is_refused_by_name() {
        let refusal = |name, value| check_group_support(name, value).map_err(|error| error.message);
        assert_eq!(
            refusal("share.session.timeout.ms", "45001").unwrap_err(),
            "Invalid value 45001 for configuration share.session.timeout.ms: share groups are not served yet"
        );
        assert_eq!(refusal("share.session.timeout.ms", "45000"), Ok(()), "its default changes nothing");
    }
}
