//! The effective configuration, for `--print-config`.

use crate::config::ServerConfig;
use crate::config::settings::Origin;
use ottla_configs::{Support, broker};
use std::fmt::Write as _;

/// One key and its effective value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The key.
    pub name: &'static str,
    /// Its value in Kafka's text form; none where there is none. `[hidden]` for a secret.
    pub value: Option<String>,
    /// Where it was set; none: it is the default.
    pub origin: Option<Origin>,
    /// Apache Kafka's default, where Ottla's is another.
    pub kafka_default: Option<&'static str>,
    /// Whether it acts: `honoured`, `kept` for later, or `no counterpart`.
    pub support: &'static str,
}

impl ServerConfig {
    /// The log directories, for people.
    pub fn folders(&self) -> String {
        let folders: Vec<String> = self.log_dirs.iter().map(|folder| folder.display().to_string()).collect();
        folders.join(", ")
    }

    /// Every key that is honoured or set, by name, with its effective value.
    pub fn effective(&self) -> Vec<Effective> {
        let describe = |key: &'static ottla_configs::Key| {
            let origin = self.origins.get(key.name).cloned();
            let support = match key.support {
                Support::Honoured => "honoured",
                Support::Kept(_) => "kept",
                Support::NoCounterpart(_) => "no counterpart",
                Support::Refused(_) => "not honoured",
            };
            if origin.is_none() && key.support != Support::Honoured {
                return None;
            }
            let value = self.broker.value(key.name).map(|value| value.to_text());
            let value = if key.is_sensitive() { value.map(|_| "[hidden]".to_owned()) } else { value };
            let kafka_default = if key.default == key.kafka_default {
                None
            } else {
                Some(key.kafka_default.text().unwrap_or("none"))
            };
            Some(Effective { name: key.name, value, origin, kafka_default, support })
        };
        broker::KEYS.iter().filter_map(describe).collect()
    }

    /// The effective configuration as a file in the properties format, with where each value comes from in
    /// comments: what is set first, then the defaults, as comments too. Fed back by `--config`, it gives the
    /// same again.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for listener in &self.listeners.broker {
            let told = match &listener.advertised {
                Some(told) => format!("clients are told {told}"),
                None => "clients are not told".to_owned(),
            };
            let _ = writeln!(text, "# Listens on {listener}; {told}");
        }
        let _ = writeln!(text, "# Keeps its data in {}", self.folders());
        if !self.log_dirs.contains(&self.metadata_dir) {
            let _ = writeln!(text, "# Keeps the metadata log in {}", self.metadata_dir.display());
        }
        text.push('\n');
        let all = self.effective();
        let (set, defaults): (Vec<&Effective>, Vec<&Effective>) =
            all.iter().partition(|one| one.origin.is_some());
        for one in set {
            let origin = one.origin.as_ref().map(Origin::to_string).unwrap_or_default();
            let _ =
                writeln!(text, "# {origin}{}", if one.support == "honoured" { "" } else { ", does not act" });
            let _ = writeln!(text, "{}", line(one));
        }
        text.push_str("\n# Not set: these are the defaults\n");
        for one in defaults {
            let kafka = one.kafka_default.map(|default| format!("   (Apache Kafka's: {default})"));
            let _ = writeln!(text, "#{}{}", line(one), kafka.unwrap_or_default());
        }
        text
    }

    /// The effective configuration as a JSON array of objects with `name`, `value`, `origin` and `support`.
    pub fn to_json(&self) -> String {
        let object = |one: &Effective| {
            serde_json::json!({
                "name": one.name,
                "value": one.value,
                "origin": one.origin.as_ref().map_or("default".to_owned(), Origin::to_string),
                "support": one.support,
            })
        };
        let all: Vec<serde_json::Value> = self.effective().iter().map(object).collect();
        format!("{:#}", serde_json::Value::Array(all))
    }
}

/// `name=value` in the properties format.
fn line(one: &Effective) -> String {
    format!("{}={}", one.name, escape(one.value.as_deref().unwrap_or_default()))
}

/// The value as the properties format wants it: ASCII, backslashes doubled, no leading space.
fn escape(value: &str) -> String {
    let mut text = String::new();
    for (index, c) in value.chars().enumerate() {
        match c {
            '\\' => text.push_str("\\\\"),
            ' ' if index == 0 => text.push_str("\\ "),
            ' '..='~' => text.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text
}
