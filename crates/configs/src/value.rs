//! From text to value and back, with Kafka's rules and Kafka's words (`ConfigDef.parseType` and its
//! validators).

use crate::key::{Key, Kind, Valid};
use std::collections::BTreeSet;
use std::fmt;

/// A parsed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Boolean`].
    Boolean(bool),
    /// Of [`Kind::String`], [`Kind::Class`] or [`Kind::Password`].
    Text(String),
    /// Of [`Kind::Int`].
    Int(i32),
    /// Of [`Kind::Short`].
    Short(i16),
    /// Of [`Kind::Long`].
    Long(i64),
    /// Of [`Kind::Double`].
    Double(f64),
    /// Of [`Kind::List`].
    List(Vec<String>),
}

/// Kafka's refusal of a value or a name, in Kafka's words; its error code is INVALID_CONFIG.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidConfig {
    /// What is wrong, as Kafka says it.
    pub message: String,
}

impl InvalidConfig {
    /// A refusal with this text.
    pub fn new(message: impl Into<String>) -> InvalidConfig {
        InvalidConfig { message: message.into() }
    }

    /// "Invalid value … for configuration …", as Kafka's `ConfigException(name, value, reason)`.
    pub fn value(name: &str, value: impl fmt::Display, reason: impl fmt::Display) -> InvalidConfig {
        InvalidConfig { message: format!("Invalid value {value} for configuration {name}: {reason}") }
    }
}

/// White space as Java's `String.trim` sees it: everything up to the space character.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

impl Key {
    /// Parses and checks `text`, as Kafka does when it reads it from a file or a request.
    pub fn parse(&self, text: &str) -> Result<Value, InvalidConfig> {
        let mut value = parse_kind(self.name, text, self.kind)?;
        if let (Value::List(values), Valid::Distinct { .. } | Valid::Subset { .. }) = (&mut value, self.valid)
        {
            // Since KIP-1161 duplicates in such lists go away silently.
            let mut seen = BTreeSet::new();
            values.retain(|value| seen.insert(value.clone()));
        }
        self.check(&value)?;
        Ok(value)
    }

    /// The parsed default; none where Kafka has `null` or requires the key.
    pub fn default_value(&self) -> Option<Value> {
        let text = self.default.text()?;
        Some(parse_kind(self.name, text, self.kind).expect("a test parses every default of the tables"))
    }

    /// Applies the key's validator.
    fn check(&self, value: &Value) -> Result<(), InvalidConfig> {
        let name = self.name;
        match self.valid {
            Valid::Any => Ok(()),
            Valid::AtLeast(least) => match value.number() {
                Some(number) if number < least as f64 => {
                    Err(InvalidConfig::value(name, value, format_args!("Value must be at least {least}")))
                }
                _ => Ok(()),
            },
            Valid::Between(least, most) => match value.number() {
                Some(number) if number < least as f64 => {
                    Err(InvalidConfig::value(name, value, format_args!("Value must be at least {least}")))
                }
                Some(number) if number > most as f64 => {
                    Err(InvalidConfig::value(name, value, format_args!("Value must be no more than {most}")))
                }
                _ => Ok(()),
            },
            Valid::Fraction(least, most) => match value.number() {
                Some(number) if number < least => Err(InvalidConfig::value(
                    name,
                    value,
                    format_args!("Value must be at least {}", short_double(least)),
                )),
                Some(number) if number > most => Err(InvalidConfig::value(
                    name,
                    value,
                    format_args!("Value must be no more than {}", short_double(most)),
                )),
                _ => Ok(()),
            },
            Valid::GzipLevel => match value {
                Value::Int(level) if *level == -1 || (1 <= *level && *level <= 9) => Ok(()),
                _ => Err(InvalidConfig::value(name, value, "Value must be between 1 and 9 or equal to -1")),
            },
            Valid::OneOf(texts) => match value {
                Value::Text(text) if texts.contains(&text.as_str()) => Ok(()),
                _ => Err(InvalidConfig::value(
                    name,
                    value,
                    format_args!("String must be one of: {}", texts.join(", ")),
                )),
            },
            Valid::OneOfIgnoringCase(texts) => match value {
                Value::Text(text) if texts.iter().any(|known| known.eq_ignore_ascii_case(text)) => Ok(()),
                _ => Err(InvalidConfig::value(
                    name,
                    value,
                    format_args!("String must be one of (case insensitive): {}", texts.join(", ")),
                )),
            },
            Valid::NonEmpty => match value {
                Value::Text(text) if text.is_empty() => {
                    Err(InvalidConfig::value(name, value, "String must be non-empty"))
                }
                _ => Ok(()),
            },
            Valid::Distinct { empty } => check_list(name, value, &[], empty),
            Valid::Subset { of, empty } => check_list(name, value, of, empty),
            Valid::ThrottledReplicas => match value {
                Value::List(replicas) if are_throttled_replicas(replicas) => Ok(()),
                _ => Err(InvalidConfig::value(
                    name,
                    value,
                    format_args!(
                        "{name} must be the literal '*' or a list of replicas in the following format: \
                         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
                    ),
                )),
            },
            Valid::QuorumVoters => {
                value.list().iter().try_for_each(|voter| check_voter(name, voter).map_err(InvalidConfig::new))
            }
            Valid::BootstrapServers => {
                match value.list().iter().find(|server| host_and_port(server).is_none()) {
                    None => Ok(()),
                    Some(server) => Err(InvalidConfig::new(format!(
                        "Failed to parse host name from {server} for the configuration {name}. Each entry \
                         should be in the form \"{{host}}:{{port}}\""
                    ))),
                }
            }
        }
    }
}

/// Kafka's `ValidList`: emptiness, then each value.
fn check_list(name: &str, value: &Value, of: &[&str], empty: bool) -> Result<(), InvalidConfig> {
    let Value::List(values) = value else { return Ok(()) };
    let allowed = || {
        if of.is_empty() { "any non-empty value".to_owned() } else { format!("[{}]", of.join(", ")) }
    };
    if values.is_empty() && !empty {
        return Err(InvalidConfig::new(format!(
            "Configuration '{name}' must not be empty. Valid values include: {}",
            allowed()
        )));
    }
    for value in values {
        if value.is_empty() {
            return Err(InvalidConfig::new(format!("Configuration '{name}' values must not be empty.")));
        }
        if !of.is_empty() && !of.contains(&value.as_str()) {
            return Err(InvalidConfig::value(
                name,
                value,
                format_args!("String must be one of: {}", of.join(", ")),
            ));
        }
    }
    Ok(())
}

/// Whether this is a list of `partition:broker`, `*` alone, or nothing. A list that is empty when its
/// entries are joined by commas and trimmed of them counts as nothing, as in Kafka.
fn are_throttled_replicas(replicas: &[String]) -> bool {
    let joined = replicas.join(",");
    let joined = joined.trim_matches(|c: char| c <= ' ');
    if joined == "*" {
        return true;
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let pair = |text: &str| {
        text.split_once(':').is_some_and(|(partition, broker)| digits(partition) && digits(broker))
    };
    let mut entries = joined.split(',').collect::<Vec<_>>();
    while entries.last().is_some_and(|entry| entry.is_empty()) {
        entries.pop();
    }
    entries.iter().all(|entry| pair(entry))
}

/// Whether this is `id@host:port`; else what is wrong.
fn check_voter(name: &str, voter: &str) -> Result<(), String> {
    let form = "Each entry should be in the form `{id}@{host}:{port}`.";
    let (id, address) = voter
        .split_once('@')
        .filter(|(_, address)| !address.contains('@'))
        .ok_or_else(|| format!("Invalid configuration value for {name}. {form}"))?;
    id.parse::<i32>().map_err(|_| format!("Failed to parse voter ID as an integer from {id}"))?;
    host_and_port(address).ok_or_else(|| {
        format!("Failed to parse host name from entry {voter} for the configuration {name}. {form}")
    })?;
    Ok(())
}

/// Splits `host:port` (`[::1]:9092` for IPv6, without the brackets in the result), with an optional
/// `NAME://` before it. The host may be empty, as in Kafka's `Utils.getHost`.
pub fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let address = match address.split_once("://") {
        Some((_, rest)) => rest,
        None => address,
    };
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']')?,
        None => host,
    };
    let character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if !host.chars().all(character) {
        return None;
    }
    Some((host, port.parse().ok()?))
}

/// Parses `text` as a value of `kind`.
fn parse_kind(name: &str, text: &str, kind: Kind) -> Result<Value, InvalidConfig> {
    let trimmed = trim(text);
    let not_a_number =
        || InvalidConfig::value(name, text, format_args!("Not a number of type {}", kind.name()));
    match kind {
        Kind::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
        Kind::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
        Kind::Boolean => Err(InvalidConfig::value(name, text, "Expected value to be either true or false")),
        Kind::String | Kind::Class | Kind::Password => Ok(Value::Text(trimmed.to_owned())),
        Kind::Int => trimmed.parse().map(Value::Int).map_err(|_| not_a_number()),
        Kind::Short => trimmed.parse().map(Value::Short).map_err(|_| not_a_number()),
        Kind::Long => trimmed.parse().map(Value::Long).map_err(|_| not_a_number()),
        Kind::Double => parse_double(trimmed).map(Value::Double).ok_or_else(not_a_number),
        Kind::List if trimmed.is_empty() => Ok(Value::List(Vec::new())),
        Kind::List => {
            let space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r');
            let values = trimmed.split(',').map(|value| value.trim_matches(space).to_owned());
            Ok(Value::List(values.collect()))
        }
    }
}

/// Java's `Double.parseDouble`, but for hexadecimal floats.
fn parse_double(text: &str) -> Option<f64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    match digits {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(sign * f64::INFINITY),
        _ => {}
    }
    let digits = digits.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(digits);
    let first = *digits.as_bytes().first()?;
    if !(first.is_ascii_digit() || first == b'.') {
        return None;
    }
    digits.parse::<f64>().ok().map(|number| sign * number)
}

/// The text of a bound in Kafka's messages: without a fraction where there is none.
fn short_double(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.0}") } else { java_double(number) }
}

/// Java's `Double.toString`.
fn java_double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => text,
    }
}

impl Value {
    /// The number, for range checks.
    fn number(&self) -> Option<f64> {
        match self {
            Value::Int(number) => Some(f64::from(*number)),
            Value::Short(number) => Some(f64::from(*number)),
            // Bounds are small; rounding at the far end of i64 moves nothing across one.
            Value::Long(number) => Some(*number as f64),
            Value::Double(number) => Some(*number),
            Value::Boolean(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// The list, or an empty one for a value of another kind.
    pub fn list(&self) -> &[String] {
        match self {
            Value::List(values) => values,
            _ => &[],
        }
    }

    /// The value in Kafka's canonical text (`ConfigDef.convertToString`): lists joined by a bare comma.
    pub fn to_text(&self) -> String {
        match self {
            Value::List(values) => values.join(","),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Value {
    /// As Java prints the object, which is how it stands in error texts: a list in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(value) => value.fmt(f),
            Value::Text(text) => text.fmt(f),
            Value::Int(number) => number.fmt(f),
            Value::Short(number) => number.fmt(f),
            Value::Long(number) => number.fmt(f),
            Value::Double(number) => java_double(*number).fmt(f),
            Value::List(values) => write!(f, "[{}]", values.join(", ")),
        }
    }
}
