//! The levels of the node's loggers, which an administrator may change while it runs (KIP-412; Kafka's
//! `RuntimeLoggerManager`). They are the process's own: nothing of them is written down, and the next start has
//! those of its environment.

use crate::errors::Refusal;
use ottla_ids::NodeId;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::incremental_alter_configs::AlterConfigsResource;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The logger of all that has no level of its own.
const ROOT: &str = "root";

/// The parts of Ottla that log, by name.
const LOGGERS: [&str; 8] = [
    "ottla",
    "ottla_broker",
    "ottla_coordinator",
    "ottla_network",
    "ottla_partition",
    "ottla_quorum",
    "ottla_server",
    "ottla_storage",
];

/// From which weight on messages are shown (Kafka's `LogLevelConfig`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// Nothing that Ottla says is fatal only: shows nothing.
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    /// By its name in any case; in requests only capitals are right.
    fn parse(name: &str) -> Option<Level> {
        Some(match name.to_ascii_uppercase().as_str() {
            "FATAL" | "OFF" => Level::Fatal,
            "ERROR" => Level::Error,
            "WARN" => Level::Warn,
            "INFO" => Level::Info,
            "DEBUG" => Level::Debug,
            "TRACE" => Level::Trace,
            _ => return None,
        })
    }

    /// Kafka's name, and that of a filter's directive.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Level::Fatal => ("FATAL", "off"),
            Level::Error => ("ERROR", "error"),
            Level::Warn => ("WARN", "warn"),
            Level::Info => ("INFO", "info"),
            Level::Debug => ("DEBUG", "debug"),
            Level::Trace => ("TRACE", "trace"),
        }
    }
}

/// The loggers' levels, and how they are made to count.
pub struct LogLevels {
    levels: Mutex<Levels>,
    apply: Box<dyn Fn(&str) + Send + Sync>,
}

#[derive(Clone, Debug)]
struct Levels {
    root: Level,
    /// Those that differ from the root's.
    own: BTreeMap<String, Level>,
    /// Directives that say more than a level; they stay as they were given.
    others: Vec<String>,
}

impl LogLevels {
    /// Levels that begin as `filter` says, such as `warn,ottla_network=debug`; `apply` is given the whole
    /// filter after every change, in the same form.
    pub fn new(filter: &str, apply: impl Fn(&str) + Send + Sync + 'static) -> LogLevels {
        let mut levels = Levels { root: Level::Error, own: BTreeMap::new(), others: Vec::new() };
        for directive in filter.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            match (directive.split_once('='), Level::parse(directive)) {
                (None, Some(level)) => levels.root = level,
                (Some((name, level)), _) if LOGGERS.contains(&name) && Level::parse(level).is_some() => {
                    levels.own.extend(Level::parse(level).map(|level| (name.to_owned(), level)));
                }
                _ => levels.others.push(directive.to_owned()),
            }
        }
        LogLevels { levels: Mutex::new(levels), apply: Box::new(apply) }
    }

    /// Every logger and its level, by name.
    pub(crate) fn all(&self) -> Vec<(&'static str, &'static str)> {
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let level = |name: &str| levels.own.get(name).copied().unwrap_or(levels.root).names().0;
        LOGGERS.into_iter().map(|name| (name, level(name))).chain([(ROOT, levels.root.names().0)]).collect()
    }

    /// Changes the levels of node `node` as a request says of a resource of the type BROKER_LOGGER: all of
    /// them or none.
    pub(crate) fn change(
        &self,
        resource: &AlterConfigsResource,
        node: NodeId,
        validate_only: bool,
    ) -> Result<(), Refusal> {
        let request = |message: String| Refusal::new(ErrorCode::InvalidRequest, message);
        let config = |message: String| Refusal::new(ErrorCode::InvalidConfig, message);
        let name = &resource.resource_name;
        match name.parse::<i32>() {
            Ok(id) if id == node.0 => {}
            Ok(_) => {
                return Err(request(format!("Unexpected node id. Expected {node}, but received {name}")));
            }
            Err(_) => return Err(request(format!("Node id must be an integer, but it is: {name}"))),
        }
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = levels.clone();
        for it in &resource.configs {
            let name = it.name.as_str();
            let exists = || match name == ROOT || LOGGERS.contains(&name) {
                true => Ok(()),
                false => Err(config(format!("Logger {name} does not exist!"))),
            };
            match it.config_operation {
                0 => {
                    exists()?;
                    let text = it.value.as_deref().unwrap_or_default();
                    let level = Level::parse(text).filter(|level| level.names().0 == text).ok_or_else(|| {
                        config(format!(
                            "Cannot set the log level of {name} to {text} as it is not a supported log level. \
                             Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"
                        ))
                    })?;
                    match name {
                        ROOT => changed.root = level,
                        name => drop(changed.own.insert(name.to_owned(), level)),
                    }
                }
                1 => {
                    exists()?;
                    if name == ROOT {
                        return Err(request(
                            "Removing the log level of the root logger is not allowed".into(),
                        ));
                    }
                    changed.own.remove(name);
                }
                operation @ (2 | 3) => {
                    let word = if operation == 2 { "APPEND" } else { "SUBTRACT" };
                    return Err(request(format!(
                        "{word} operation is not allowed for the BROKER_LOGGER resource"
                    )));
                }
                other => return Err(request(format!("Unknown operations type {other}"))),
            }
        }
        if !validate_only {
            *levels = changed;
            (self.apply)(&levels.to_string());
        }
        Ok(())
    }
}

impl fmt::Display for Levels {
    /// As a filter of directives.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.names().1)?;
        self.others.iter().try_for_each(|directive| write!(f, ",{directive}"))?;
        self.own.iter().try_for_each(|(name, level)| write!(f, ",{name}={}", level.names().1))
    }
}

impl fmt::Debug for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLevels").field("levels", &self.levels).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::Text;
    use ottla_protocol::messages::incremental_alter_configs::AlterableConfig;
    use std::sync::Arc;

    /// What `changes` (operation, logger and level each) make of the filter `warn,ottla_network=debug`.
    fn check(name: &str, changes: &[(i8, &str, &str)], expected: &str) {
        let applied = Arc::new(Mutex::new("nothing".to_owned()));
        let levels = LogLevels::new("warn,ottla_network=debug,hyper[span]=info", {
            let applied = Arc::clone(&applied);
            move |filter| *applied.lock().unwrap() = filter.to_owned()
        });
        let change = |(operation, name, level): &(i8, &str, &str)| AlterableConfig {
            name: Text::from(*name),
            config_operation: *operation,
            value: Some(Text::from(*level)),
            ..AlterableConfig::default()
        };
        let resource = AlterConfigsResource {
            resource_type: 8,
            resource_name: name.into(),
            configs: changes.iter().map(change).collect(),
            ..AlterConfigsResource::default()
        };
        let found = match levels.change(&resource, NodeId(1), false) {
            Ok(()) => applied.lock().unwrap().clone(),
            Err(refusal) => {
                assert_eq!(*applied.lock().unwrap(), "nothing");
                format!("{} {}", i16::from(refusal.code), refusal.message.unwrap_or_default())
            }
        };
        assert_eq!(found, expected, "{changes:?}");
    }

    #[test]
    fn levels_are_set_and_taken_away() {
        let rest = "hyper[span]=info";
        check("1", &[(0, "root", "INFO")], &format!("info,{rest},ottla_network=debug"));
        check("1", &[(1, "ottla_network", "")], &format!("warn,{rest}"));
        check(
            "1",
            &[(0, "ottla_storage", "FATAL")],
            &format!("warn,{rest},ottla_network=debug,ottla_storage=off"),
        );
    }

    #[test]
    fn wrong_changes_are_refused_in_kafkas_words() {
        for (changes, refusal) in [
            (vec![(0, "kafka", "INFO")], "40 Logger kafka does not exist!"),
            (vec![(0, "root", "INFO"), (1, "kafka", "")], "40 Logger kafka does not exist!"),
            (
                vec![(0, "root", "info")],
                "40 Cannot set the log level of root to info as it is not a supported log level. Valid log levels \
                 are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
            ),
            (vec![(1, "root", "")], "42 Removing the log level of the root logger is not allowed"),
            (vec![(2, "root", "INFO")], "42 APPEND operation is not allowed for the BROKER_LOGGER resource"),
            (vec![(7, "root", "INFO")], "42 Unknown operations type 7"),
        ] {
            check("1", &changes, refusal);
        }
        check("2", &[(0, "root", "INFO")], "42 Unexpected node id. Expected 1, but received 2");
        check("x", &[(0, "root", "INFO")], "42 Node id must be an integer, but it is: x");
    }

    #[test]
    fn every_logger_is_told_with_the_level_that_counts() {
        let all = LogLevels::new("info,ottla_network=debug", |_| {}).all();
        assert_eq!(all.len(), 9);
        assert!(all.is_sorted());
        for expected in [("ottla_network", "DEBUG"), ("ottla_storage", "INFO"), ("root", "INFO")] {
            assert!(all.contains(&expected), "{expected:?}");
        }
    }
}
