//! Records as JSON, with the names and the order of Kafka's generated `*JsonConverter` classes.

use std::fmt::Write as _;

use anyhow::Result;

use super::logs::{FRAMED, KEYED, of_log};
use super::names;
use super::schema::{Field, Kind, Structure};
use super::structures::{Emitter, When};
use super::{BANNER, Source};

pub fn file(sources: &[Source]) -> Result<String> {
    let mut out = String::from(BANNER);
    out.push_str(
        "//! How each record, and each part of one, becomes JSON.

        use super::{ToJson, put};
        use crate::records::group::GroupRecord;
        use crate::records::metadata::MetadataRecord;
        use crate::records::remote_log::RemoteLogMetadataRecord;
        use crate::records::share::ShareRecord;
        use crate::records::transaction::TransactionRecord;
        use ottla_ids::Uuid;
        use serde_json::{Map, Value};\n\n",
    );
    for log in &FRAMED {
        let name = log.name;
        writeln!(
            out,
            "impl ToJson for {name} {{\nfn to_json(&self, version: i16) -> Value {{\nmatch self {{"
        )?;
        for (_, message) in of_log(log, sources, Kind::Record) {
            writeln!(out, "{name}::{}(it) => it.to_json(version),", message.name.trim_end_matches("Record"))?;
        }
        out.push_str("}\n}\n}\n\n");
    }
    for log in &KEYED {
        let name = log.name;
        let all = of_log(log, sources, Kind::Key);
        writeln!(
            out,
            "impl {name} {{\n/// The record's key as JSON.\npub fn key_to_json(&self) -> Value {{\nmatch self {{"
        )?;
        for (_, message) in &all {
            writeln!(out, "{name}::{}(key, _) => key.to_json(0),", message.name.trim_end_matches("Key"))?;
        }
        out.push_str(
            "}\n}\n\n/// The record's value as JSON, with the fields of a version; `None` for a tombstone.
            pub fn value_to_json(&self, version: i16) -> Option<Value> {\nmatch self {\n",
        );
        for (_, message) in &all {
            writeln!(
                out,
                "{name}::{}(_, value) => value.as_ref().map(|it| it.to_json(version)),",
                message.name.trim_end_matches("Key")
            )?;
        }
        out.push_str("}\n}\n}\n\n");
    }
    let is_shown = |source: &&Source| source.folder.starts_with("records/") || source.folder == "data";
    for source in sources.iter().filter(is_shown) {
        for message in &source.messages {
            let emitter = Emitter { source, message };
            for structure in &message.structures {
                emitter.json(structure, &mut out)?;
            }
        }
    }
    Ok(out)
}

impl Emitter<'_> {
    fn json(&self, structure: &Structure, out: &mut String) -> Result<()> {
        let place = format!("crate::{}::{}", self.source.folder.replace('/', "::"), self.source.module);
        let mut body = String::new();
        for field in &structure.fields {
            let put = format!(
                "put(&mut object, {:?}, &self.{}, version);",
                kafkas(field),
                names::field(&field.name)
            );
            let condition = match (When::within(field.versions, structure.versions), field.tag) {
                (When::Never, _) => continue,
                (When::Always, None) => None,
                (When::If(condition), None) => Some(condition),
                (When::Always, Some(_)) => Some(self.says_something(field)),
                (When::If(condition), Some(_)) => {
                    Some(format!("{condition} && ({})", self.says_something(field)))
                }
            };
            match condition {
                None => writeln!(body, "{put}")?,
                Some(condition) => writeln!(body, "if {condition} {{ {put} }}")?,
            }
        }
        let version = if body.is_empty() { "_version" } else { "version" };
        let object = if body.is_empty() { "object" } else { "mut object" };
        writeln!(
            out,
            "impl ToJson for {place}::{} {{
                fn to_json(&self, {version}: i16) -> Value {{
                    let {object} = Map::new();
                    {body}Value::Object(object)
                }}
            }}\n",
            self.rust_name(&structure.name)
        )?;
        Ok(())
    }

    /// Whether a field is not at its default, in words that need no import of its type.
    fn says_something(&self, field: &Field) -> String {
        match field.r#type.structure() {
            Some(name) => self
                .is_set(field)
                .replace(&format!("{}::default()", self.rust_name(name)), "Default::default()"),
            None => self.is_set(field),
        }
    }
}

/// A field's name as Kafka writes it in JSON.
fn kafkas(field: &Field) -> String {
    let (first, rest) = field.name.split_at(field.name.len().min(1));
    first.to_ascii_lowercase() + rest
}
