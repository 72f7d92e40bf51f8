//! Whether a topic may have these settings: Kafka's checks, in Kafka's words (`LogConfig.validate`).

use crate::key::Support;
use crate::topic;
use crate::topic_config::TopicDefaults;
use crate::value::{InvalidConfig, Value};
use std::collections::BTreeMap;

/// Checks the settings that a topic would have, all together: those it keeps and those that are new.
/// Used for CreateTopics, IncrementalAlterConfigs and AlterConfigs alike.
///
/// The error code of a refusal is INVALID_CONFIG.
pub fn validate_topic<'a>(
    settings: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    defaults: &TopicDefaults,
) -> Result<(), InvalidConfig> {
    let settings: BTreeMap<&str, Option<&str>> = settings.into_iter().collect();
    let nulls: Vec<&str> =
        settings.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
    if !nulls.is_empty() {
        return Err(InvalidConfig::new(format!(
            "Null value not supported for topic configs: {}",
            nulls.join(",")
        )));
    }
    if let Some(name) = settings.keys().find(|name| topic::key(name).is_none()) {
        return Err(InvalidConfig::new(format!("Unknown topic config name: {name}")));
    }
    let mut values = BTreeMap::new();
    for key in topic::KEYS {
        if let Some(Some(text)) = settings.get(key.name) {
            values.insert(key.name, key.parse(text)?);
        }
    }
    let value = |name: &str| values.get(name).or_else(|| defaults.value(name));
    let long = |name: &str| match value(name) {
        Some(Value::Long(number)) => *number,
        _ => 0,
    };
    let (least, most) = (long("min.compaction.lag.ms"), long("max.compaction.lag.ms"));
    if least > most {
        return Err(InvalidConfig::new(format!(
            "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
        )));
    }
    if value("remote.storage.enable") == Some(&Value::Boolean(true)) {
        return Err(InvalidConfig::new(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote \
             log storage.",
        ));
    }
    // Whatever else the table refuses; its own default is always welcome.
    for (name, value) in &values {
        let key = topic::key(name).expect("taken from the table");
        if let Support::Refused(reason) = key.support
            && Some(value) != key.default_value().as_ref()
        {
            return Err(InvalidConfig::value(name, value, reason));
        }
    }
    Ok(())
}
