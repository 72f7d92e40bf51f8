//! Settings of a broker that are right by themselves and wrong together.

use crate::broker_config::{BrokerConfig, CORDONED, CORDONED_ALL};
use crate::group_config::GROUP_BOUNDS;

/// What contradicts itself in this configuration, all layers of it, as Kafka says it
/// (`KafkaConfig.validateValues`); empty when nothing does.
pub fn contradictions(broker: &BrokerConfig) -> Vec<String> {
    let mut problems = Vec::new();
    let mut require = |holds: bool, problem: &str| {
        if !holds {
            problems.push(problem.to_owned());
        }
    };
    // The topic keys' own checks would let these values of broker keys pass as "not set".
    if let Some(number) = broker.first_number(&[("log.roll.ms", 1), ("log.roll.hours", 3_600_000)]) {
        require(1 <= number, "log.roll.ms must be greater than or equal to 1");
    }
    let jitter = [("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", 3_600_000)];
    if let Some(number) = broker.first_number(&jitter) {
        require(0 <= number, "log.roll.jitter.ms must be greater than or equal to 0");
    }
    let retention =
        [("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)];
    if let Some(number) = broker.first_number(&retention) {
        require(number != 0, "log.retention.ms must be unlimited (-1) or, greater than or equal to 1");
    }
    let flush = [("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)];
    if let Some(number) = broker.first_number(&flush) {
        require(0 <= number, "log.flush.interval.ms must be greater than or equal to 0");
    }
    let defaults = broker.topic_defaults();
    require(
        defaults.config().min_compaction_lag_ms <= defaults.config().max_compaction_lag_ms,
        "log.cleaner.min.compaction.lag.ms must not be greater than log.cleaner.max.compaction.lag.ms",
    );
    let threads = i64::from(broker.int("log.cleaner.threads").max(1));
    require(
        broker.long("log.cleaner.dedupe.buffer.size") / threads > 1 << 20,
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    );
    let (queued, request) = (broker.long("queued.max.request.bytes"), broker.int("socket.request.max.bytes"));
    require(
        queued <= 0 || i64::from(request) <= queued,
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
    );
    let overrides = broker.find_text("max.connections.per.ip.overrides").unwrap_or_default();
    require(
        broker.int("max.connections.per.ip") != 0 || !overrides.is_empty(),
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
    );
    if let Err(problem) = connection_overrides(&overrides) {
        require(false, &problem);
    }
    let codec = broker.int("offsets.topic.compression.codec");
    require((0..=4).contains(&codec), &format!("Unknown compression type id: {codec}"));
    problems.extend(contradiction_of_cordons(broker));
    problems.extend(contradictions_of_groups(broker));
    problems
}

/// What is wrong with `cordoned.log.dirs`: entries are compared as they were written, as Kafka does.
fn contradiction_of_cordons(broker: &BrokerConfig) -> Option<String> {
    let cordoned = broker.find_list(CORDONED).unwrap_or_default();
    if cordoned.iter().any(|entry| entry == CORDONED_ALL) {
        let problem = format!("When {CORDONED} is set to {CORDONED_ALL}, it must not contain other values");
        return (cordoned.len() > 1).then_some(problem);
    }
    let known = broker.log_dirs();
    let missing: Vec<String> = cordoned.into_iter().filter(|entry| !known.contains(entry)).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "All entries in {CORDONED} must be present in log.dirs or log.dir. Missing entries : {}",
            missing.join(", ")
        )
    })
}

/// Bounds of what consumer groups are told (`GroupCoordinatorConfig`).
fn contradictions_of_groups(broker: &BrokerConfig) -> Vec<String> {
    let mut problems = Vec::new();
    let mut require = |left: &str, holds: fn(i32, i32) -> bool, words: &str, right: &str| {
        if !holds(broker.int(left), broker.int(right)) {
            problems.push(format!("{left} must be {words} {right}"));
        }
    };
    let at_least = |left, right| right <= left;
    let at_most = |left, right| left <= right;
    let (heartbeat, session) = ("group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms");
    for (key, least, most) in GROUP_BOUNDS {
        let value = &format!("group.{key}");
        require(most, at_least, "greater than or equal to", least);
        require(value, at_least, "greater than or equal to", least);
        require(value, at_most, "less than or equal to", most);
        if *value == session {
            require(heartbeat, |left, right| left < right, "less than", session);
        }
    }
    problems
}

/// The parts of `max.connections.per.ip.overrides`, which is `host:count,host:count`: each host's name or
/// address, without the brackets of IPv6, and how many connections it may have.
///
/// # Errors
/// What is wrong with it.
pub fn connection_overrides(text: &str) -> Result<Vec<(&str, u32)>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            parse_override(entry).ok_or_else(|| {
                format!(
                    "max.connections.per.ip.overrides contains '{entry}', which is not in the form host:count"
                )
            })
        })
        .collect()
}

fn parse_override(entry: &str) -> Option<(&str, u32)> {
    let (name, count) = entry.rsplit_once(':')?;
    let name = name.trim().trim_start_matches('[').trim_end_matches(']');
    Some((name, count.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_groups_must_fit_together() {
        assert_eq!(contradictions(&BrokerConfig::default()), Vec::<String>::new());
        let broker = BrokerConfig::new([
            ("group.consumer.session.timeout.ms", "4000"),
            ("group.consumer.min.session.timeout.ms", "3000"),
            ("group.consumer.max.assignment.interval.ms", "500"),
            ("offsets.topic.compression.codec", "5"),
        ]);
        assert_eq!(
            contradictions(&broker.expect("each is valid")),
            [
                "Unknown compression type id: 5",
                "group.consumer.heartbeat.interval.ms must be less than group.consumer.session.timeout.ms",
                "group.consumer.assignment.interval.ms must be less than or equal to \
                 group.consumer.max.assignment.interval.ms",
            ]
        );
    }

    #[test]
    fn only_log_directories_are_cordoned() {
        let check = |cordoned: &str, expected: Result<&[&str], &str>| {
            let broker = BrokerConfig::new([("log.dirs", "/a,/b,c"), (CORDONED, cordoned)]).expect("valid");
            match expected {
                Ok(paths) => {
                    assert_eq!(contradictions(&broker), Vec::<String>::new());
                    assert_eq!(broker.cordoned_log_dirs(), paths);
                }
                Err(problem) => assert_eq!(contradictions(&broker), [problem]),
            }
        };
        check("", Ok(&[]));
        check(" /b , /b,c", Ok(&["/b", "c"]));
        check("*", Ok(&["/a", "/b", "c"]));
        check("*,/b", Err("When cordoned.log.dirs is set to *, it must not contain other values"));
        check(
            "/a/,/b,/d",
            Err(
                "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : /a/, /d",
            ),
        );
        let alone = BrokerConfig::new([("log.dir", "/d"), (CORDONED, "*")]).expect("valid");
        assert_eq!(alone.cordoned_log_dirs(), ["/d"]);
    }

    #[test]
    fn connection_overrides_are_hosts_with_counts() {
        assert_eq!(
            connection_overrides("127.0.0.1:100, [::1]:2,,host : 3 "),
            Ok(vec![("127.0.0.1", 100), ("::1", 2), ("host", 3)])
        );
        for wrong in ["host", "host:", "host:-1", "host:many"] {
            assert!(connection_overrides(wrong).is_err_and(|error| error.contains(wrong)), "{wrong}");
        }
    }
}
