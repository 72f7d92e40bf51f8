//! The layers of settings: the file, then `--set`, then the other switches; and what is refused.

use crate::config::listeners::is_endpoint;
use ottla_configs::{BrokerConfig, Support, broker, nearest_name};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What the command line says about configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `--config`: a file in the format of Kafka's `server.properties`.
    pub file: Option<PathBuf>,
    /// `--set`, each as `key=value`; of two with the same key the later wins.
    pub set: Vec<String>,
    /// `--data`: the data folder; the same as setting `log.dirs`.
    pub data: Option<PathBuf>,
    /// `--listen`: `HOST:PORT`, `:PORT`, `PORT`, or as in `listeners`: where clients connect; replaces the client
    /// listeners of the file.
    pub listen: Option<String>,
}

/// Where a setting was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In this file, on this line.
    File(PathBuf, usize),
    /// By `--set`.
    Set,
    /// By this switch.
    Switch(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(file, line) => write!(f, "{}:{line}", file.display()),
            Origin::Set => f.write_str("--set"),
            Origin::Switch(switch) => f.write_str(switch),
        }
    }
}

/// The configuration cannot be used. Tells everything that is wrong, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct ConfigError {
    /// What is wrong with which setting, and what to do.
    pub problems: Vec<String>,
}

impl ConfigError {
    fn one(problem: String) -> ConfigError {
        ConfigError { problems: vec![problem] }
    }
}

/// A setting and where it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    value: String,
    origin: Origin,
}

/// All settings in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    by_name: BTreeMap<String, Setting>,
}

/// The largest file that is read as configuration.
const FILE_SIZE_MAX: u64 = 4 * 1024 * 1024;

impl Settings {
    /// Reads the file and puts the command line over it.
    pub fn read(options: &Options) -> Result<Settings, ConfigError> {
        let mut settings = Settings::default();
        if let Some(file) = &options.file {
            settings.read_file(file)?;
        }
        for setting in &options.set {
            let Some((name, value)) = setting.split_once('=') else {
                return Err(ConfigError::one(format!("--set {setting}: expected key=value")));
            };
            settings.put(name.trim(), value, Origin::Set);
        }
        if let Some(data) = &options.data {
            let Some(data) = data.to_str().filter(|data| !data.contains(',')) else {
                return Err(ConfigError::one(format!(
                    "--data {}: the folder's name must be UTF-8 without commas",
                    data.display()
                )));
            };
            settings.put("log.dirs", data, Origin::Switch("--data"));
        }
        if let Some(address) = &options.listen {
            settings.listen(address)?;
        }
        Ok(settings)
    }

    fn put(&mut self, name: &str, value: &str, origin: Origin) {
        self.by_name.insert(name.to_owned(), Setting { value: value.to_owned(), origin });
    }

    fn read_file(&mut self, file: &Path) -> Result<(), ConfigError> {
        let failed = |error: &dyn fmt::Display| ConfigError::one(format!("{}: {error}", file.display()));
        let size = std::fs::metadata(file).map_err(|error| failed(&error))?.len();
        if size > FILE_SIZE_MAX {
            return Err(failed(&format_args!("{size} bytes are too many for a configuration file")));
        }
        let bytes = std::fs::read(file).map_err(|error| failed(&error))?;
        for (line, name, value) in read_properties(&bytes).map_err(|error| failed(&error))? {
            self.put(&name, &value, Origin::File(file.to_owned(), line));
        }
        Ok(())
    }

    /// `--listen`: the client listener of the command line, beside the controller listeners of the file.
    fn listen(&mut self, address: &str) -> Result<(), ConfigError> {
        let given = address;
        let address = match address.split_once("://") {
            Some(_) => address.to_owned(),
            None if address.bytes().all(|byte| byte.is_ascii_digit()) => format!("PLAINTEXT://:{address}"),
            None => format!("PLAINTEXT://{address}"),
        };
        if !address.split(',').all(|listener| is_endpoint(listener.trim())) {
            return Err(ConfigError::one(format!(
                "--listen {given}: expected HOST:PORT as in 127.0.0.1:9092 or [::1]:9092, or :PORT for every \
                 interface, with a port up to 65535"
            )));
        }
        let plain = |name: &str| self.by_name.get(name).map(|setting| setting.value.as_str());
        let names = plain("controller.listener.names").unwrap_or("CONTROLLER");
        let names: Vec<&str> = names.split(',').map(str::trim).collect();
        let is_controllers =
            |listener: &&str| listener.split_once("://").is_some_and(|(name, _)| names.contains(&name));
        let mut listeners = vec![address.as_str()];
        let given = plain("listeners").unwrap_or_default();
        listeners.extend(given.split(',').map(str::trim).filter(is_controllers));
        let listeners = listeners.join(",");
        self.put("listeners", &listeners, Origin::Switch("--listen"));
        Ok(())
    }

    /// Refuses names that are not known, values that Kafka refuses, and values whose effect is not
    /// there yet.
    pub fn check(&self) -> Result<BrokerConfig, ConfigError> {
        let problems: Vec<String> =
            self.by_name.iter().filter_map(|(name, setting)| problem_with(name, setting)).collect();
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        let values = self.by_name.iter().map(|(name, setting)| (name.as_str(), setting.value.as_str()));
        BrokerConfig::new(values)
            .map_err(|wrong| ConfigError { problems: wrong.into_iter().map(|error| error.message).collect() })
    }

    /// What is accepted and does not act, in sentences: one for each reason.
    pub fn notes(&self, config: &BrokerConfig) -> Vec<String> {
        let mut no_counterpart: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut kept: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for name in self.by_name.keys() {
            let Some(key) = broker::key(name) else { continue };
            // A default promises nothing new.
            if config.value(name) == key.kafka_default.text().and_then(|text| key.parse(text).ok()) {
                continue;
            }
            match key.support {
                Support::NoCounterpart(reason) => no_counterpart.entry(reason).or_default().push(name),
                Support::Kept(reason) => kept.entry(reason).or_default().push(name),
                Support::Honoured | Support::Refused(_) => {}
            }
        }
        let no_counterpart = no_counterpart
            .iter()
            .map(|(reason, names)| format!("{}: nothing to set here ({reason})", names.join(", ")));
        let kept =
            kept.iter().map(|(reason, names)| format!("{}: kept for later ({reason})", names.join(", ")));
        no_counterpart.chain(kept).collect()
    }

    /// Where each setting was made.
    pub fn into_origins(self) -> BTreeMap<String, Origin> {
        self.by_name.into_iter().map(|(name, setting)| (name, setting.origin)).collect()
    }
}

/// Why the setting cannot be accepted, if so.
fn problem_with(name: &str, setting: &Setting) -> Option<String> {
    let Setting { value, origin } = setting;
    let Some(key) = broker::key(name) else {
        if broker::dynamic_only_key(name).is_some() {
            return Some(format!(
                "{origin}: {name} can only be changed while a broker runs, never from a file"
            ));
        }
        if name.starts_with("listener.name.") {
            return Some(format!(
                "{origin}: {name}: settings of single listeners are not honoured yet; set the key for all \
                 listeners, without the prefix listener.name.<listener>."
            ));
        }
        if let Some(what) = key_of_others(name) {
            return Some(format!("{origin}: {name} is not a key of Apache Kafka 4.3: {what}"));
        }
        let hint = match nearest_name(name) {
            Some(near) => format!("; did you mean {near}?"),
            None => "; docs/reference/configs.md lists all".to_owned(),
        };
        return Some(format!("{origin}: {name} is not a configuration key{hint}"));
    };
    let parsed = match key.parse(value) {
        Ok(parsed) => parsed,
        Err(error) => return Some(format!("{origin}: {error}")),
    };
    match key.support {
        Support::Refused(reason) => (!key.promises_nothing(&parsed)).then(|| {
            let default = match key.kafka_default.text() {
                Some("") => "an empty value".to_owned(),
                Some(text) => text.to_owned(),
                None => "no value".to_owned(),
            };
            format!("{origin}: {name} is not honoured: {reason} (accepted: {default}, or leave it out)")
        }),
        Support::Honoured | Support::Kept(_) | Support::NoCounterpart(_) => None,
    }
}

/// What to do with a key that other servers have, or that older versions had; files have them still.
fn key_of_others(name: &str) -> Option<&'static str> {
    Some(match name {
        "inter.broker.protocol.version" => {
            "metadata.version took its place, which kafka-features changes; take it out"
        }
        "log.message.format.version" | "message.format.version" => {
            "records have one format since Apache Kafka 0.11; take it out"
        }
        "log.message.timestamp.difference.max.ms" => {
            "log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms took its place"
        }
        "broker.id.generation.enable" | "reserved.broker.max.id" => {
            "nodes have the id that node.id says; take it out"
        }
        "controlled.shutdown.max.retries" | "controlled.shutdown.retry.backoff.ms" => {
            "it went in 4.0; take it out"
        }
        "leader.imbalance.per.broker.percentage"
        | "offsets.commit.required.acks"
        | "auto.include.jmx.reporter" => "it went in 4.0; take it out",
        "delegation.token.master.key" => "delegation tokens are not served yet; take it out",
        "allow.everyone.if.no.acl.found" | "super.users" => {
            "it belongs to an authorizer, and access control is not served yet; take it out"
        }
        _ if name.starts_with("zookeeper.") => "there is no ZooKeeper any more; take it out",
        _ if name.starts_with("confluent.") => "it is a key of Confluent's server; take it out",
        _ => return None,
    })
}

/// The settings of a file in Java's properties format, with their line numbers, in the file's order.
///
/// Such a file is Latin-1; characters beyond it are written `\uXXXX`.
fn read_properties(bytes: &[u8]) -> Result<Vec<(usize, String, String)>, String> {
    // The reader takes Latin-1 for Windows-1252, which differs from it; escapes are the same in both.
    let mut ascii = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii() {
            ascii.push(*byte);
        } else {
            ascii.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        }
    }
    let mut settings = Vec::new();
    for line in java_properties::PropertiesIter::new(ascii.as_slice()) {
        let line = line.map_err(|error| error.to_string())?;
        let number = line.line_number();
        if let java_properties::LineContent::KVPair(name, value) = line.consume_content() {
            settings.push((number, name, value));
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_properties(file: &[u8], expected: &[(usize, &str, &str)]) {
        let settings = read_properties(file).expect("the file parses");
        let settings: Vec<(usize, &str, &str)> =
            settings.iter().map(|(line, name, value)| (*line, name.as_str(), value.as_str())).collect();
        assert_eq!(settings, expected);
    }

    #[test]
    fn properties_are_read_as_java_reads_them() {
        check_properties(
            b"# comment\n! comment\n\nnode.id=1\n  log.dirs = /a \\\n   ,/b\nbroker.rack:r\\u00e9\nempty\n",
            &[(4, "node.id", "1"), (5, "log.dirs", "/a ,/b"), (7, "broker.rack", "ré"), (8, "empty", "")],
        );
    }

    #[test]
    fn bytes_beyond_ascii_are_latin_1() {
        check_properties(b"broker.rack=K\xF6ln\x80\n", &[(1, "broker.rack", "Köln\u{80}")]);
    }

    #[test]
    fn a_damaged_escape_is_an_error() {
        assert!(read_properties(b"broker.rack=\\u12\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(file in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = read_properties(&file);
        }
    }
}
