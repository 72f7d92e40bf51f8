//! One enum per log, of all the records that can stand in it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::schema::{Kind, Message};
use super::{BANNER, Files, Source, only, structures};

pub(super) struct Log {
    pub(super) folder: &'static str,
    pub(super) name: &'static str,
    about: &'static str,
}

/// Logs whose records are framed with kind and version.
pub(super) const FRAMED: [Log; 2] = [
    Log {
        folder: "metadata",
        name: "MetadataRecord",
        about: "A record of `__cluster_metadata` and of its snapshots: one change of the cluster.",
    },
    Log {
        folder: "remote_log",
        name: "RemoteLogMetadataRecord",
        about: "A record of `__remote_log_metadata`: what happened to a segment in remote storage.",
    },
];

/// Logs of coordinators: key and value, each with a prefix of two bytes.
pub(super) const KEYED: [Log; 3] = [
    Log {
        folder: "group",
        name: "GroupRecord",
        about: "A record of `__consumer_offsets`: groups of every kind, and their offsets.",
    },
    Log {
        folder: "transaction",
        name: "TransactionRecord",
        about: "A record of `__transaction_state`: where a transactional id stands.",
    },
    Log {
        folder: "share",
        name: "ShareRecord",
        about: "A record of `__share_group_state`: what a share group has had of a partition.",
    },
];

pub fn files(sources: &[Source], files: &mut Files) -> Result<()> {
    let mut out = String::from(BANNER);
    out.push_str(
        "//! The records of Kafka's own logs, a module per log and in it a file per kind of record.\n\n",
    );
    out.push_str("pub mod control;\n");
    for log in FRAMED.iter().chain(&KEYED) {
        writeln!(out, "pub mod {};", log.folder)?;
    }
    out.push_str("\nmod framing;\n\npub use framing::RecordError;\n");
    files.insert("records/mod.rs".into(), out);
    files.insert("records/control/mod.rs".into(), structures::map_of_modules("records/control", sources)?);
    for log in &FRAMED {
        files.insert(Path::new("records").join(log.folder).join("mod.rs"), framed(log, sources)?);
    }
    for log in &KEYED {
        files.insert(Path::new("records").join(log.folder).join("mod.rs"), keyed(log, sources)?);
    }
    Ok(())
}

pub(super) fn of_log<'a>(log: &Log, sources: &'a [Source], kind: Kind) -> Vec<(&'a Source, &'a Message)> {
    let folder = format!("records/{}", log.folder);
    let mut all: Vec<_> = sources
        .iter()
        .filter(|source| source.folder == folder)
        .filter_map(|source| Some((source, only(source, kind)?)))
        .collect();
    all.sort_by_key(|(_, message)| message.key);
    all
}

fn head(log: &Log, sources: &[(&Source, &Message)], imports: &str) -> Result<String> {
    let mut out = String::from(BANNER);
    writeln!(out, "//! {}\n", log.about)?;
    let mut sources: Vec<&Source> = sources.iter().map(|(source, _)| *source).collect();
    sources.sort_by(|one, other| one.module.cmp(&other.module));
    for source in &sources {
        writeln!(out, "pub mod {};", source.module)?;
    }
    out.push('\n');
    for source in &sources {
        writeln!(out, "pub use {}::{{{}}};", source.module, structures::message_names(source))?;
    }
    writeln!(out, "\nuse bytes::Bytes;\n\n{imports}\n")?;
    Ok(out)
}

fn framed(log: &Log, sources: &[Source]) -> Result<String> {
    let all = of_log(log, sources, Kind::Record);
    let name = log.name;
    let mut out = head(
        log,
        &all,
        "use super::framing::{RecordError, decode_body, encode_framed, split_frame};
         use crate::message::Message as _;
         use crate::sink::EncodeError;",
    )?;
    let variant = |message: &Message| message.name.trim_end_matches("Record").to_owned();
    writeln!(
        out,
        "/// {}\n#[allow(clippy::large_enum_variant, reason = \"lives briefly, between log and state\")]
         #[derive(Clone, Debug, PartialEq{})]\npub enum {name} {{",
        log.about,
        if log.folder == "metadata" { "" } else { ", Eq" }
    )?;
    for (_, message) in &all {
        writeln!(
            out,
            "/// Kind {}, versions {}–{}.\n{}({}),",
            message.key.context("a record has a kind")?,
            message.versions.first,
            message.versions.last,
            variant(message),
            message.name
        )?;
    }
    writeln!(out, "}}\n\nimpl {name} {{")?;
    match_on(&mut out, "/// The number of its kind.\npub fn kind(&self) -> i16", &all, |message| {
        (format!("{name}::{}(_)", variant(message)), message.key.unwrap_or_default().to_string())
    })?;
    match_on(
        &mut out,
        "/// Kafka's name of its kind.\npub fn name(&self) -> &'static str",
        &all,
        |message| (format!("{name}::{}(_)", variant(message)), format!("{}::NAME", message.name)),
    )?;
    match_on(
        &mut out,
        "/// The highest version its kind has.\npub fn version_max(&self) -> i16",
        &all,
        |message| (format!("{name}::{}(_)", variant(message)), format!("*{}::VERSIONS.end()", message.name)),
    )?;
    out.push_str(
        "/// Reads a record's value. An unknown kind is an error: state that misses a record is wrong.
        pub fn decode(value: Bytes) -> Result<Self, RecordError> {
            Ok(Self::decode_with_version(value)?.0)
        }

        /// Reads a record's value, and tells the version it was written in.
        pub fn decode_with_version(value: Bytes) -> Result<(Self, i16), RecordError> {
            let (kind, version, body) = split_frame(value)?;
            let record = match kind {\n",
    );
    for (_, message) in &all {
        writeln!(
            out,
            "{} => {name}::{}(decode_body(body, version)?),",
            message.key.unwrap_or_default(),
            variant(message)
        )?;
    }
    out.push_str("_ => return Err(RecordError::UnknownKind(kind)),\n};\nOk((record, version))\n}\n\n");
    match_on(
        &mut out,
        "/// A record's value, in the given version of its kind.\npub fn encode(&self, version: i16) -> Result<Bytes, EncodeError>",
        &all,
        |message| {
            (
                format!("{name}::{}(record)", variant(message)),
                format!("encode_framed({}, record, version)", message.key.unwrap_or_default()),
            )
        },
    )?;
    out.push_str("}\n\n");
    for (_, message) in &all {
        writeln!(
            out,
            "impl From<{0}> for {name} {{\nfn from(record: {0}) -> {name} {{\n{name}::{1}(record)\n}}\n}}\n",
            message.name,
            variant(message)
        )?;
    }
    Ok(out)
}

fn keyed(log: &Log, sources: &[Source]) -> Result<String> {
    let all = of_log(log, sources, Kind::Key);
    let name = log.name;
    let mut out = head(
        log,
        &all,
        "use super::framing::{RecordError, decode_key, decode_value, encode_key, encode_value, split_prefix};
         use crate::message::Message as _;
         use crate::sink::EncodeError;",
    )?;
    let base = |message: &Message| message.name.trim_end_matches("Key").to_owned();
    writeln!(
        out,
        "/// {} A value of `None` is a tombstone: what the key names is no more.
         #[allow(clippy::large_enum_variant, reason = \"lives briefly, between log and state\")]
         #[derive(Clone, Debug, PartialEq, Eq)]\npub enum {name} {{",
        log.about
    )?;
    for (source, message) in &all {
        let value = only(source, Kind::Value).context("a key has a value")?;
        writeln!(
            out,
            "/// Kind {}, value versions {}–{}.\n{base}({base}Key, Option<{base}Value>),",
            message.key.context("a record has a kind")?,
            value.versions.first,
            value.versions.last,
            base = base(message)
        )?;
    }
    writeln!(out, "}}\n\nimpl {name} {{")?;
    match_on(&mut out, "/// The number of its kind.\npub fn kind(&self) -> i16", &all, |message| {
        (format!("{name}::{}(..)", base(message)), message.key.unwrap_or_default().to_string())
    })?;
    match_on(
        &mut out,
        "/// Kafka's name of its kind.\npub fn name(&self) -> &'static str",
        &all,
        |message| (format!("{name}::{}(..)", base(message)), format!("{:?}", base(message))),
    )?;
    match_on(
        &mut out,
        "/// Whether it says that what its key names is no more.\npub fn is_tombstone(&self) -> bool",
        &all,
        |message| (format!("{name}::{}(_, value)", base(message)), "value.is_none()".to_owned()),
    )?;
    match_on(
        &mut out,
        "/// The highest version its value has.\npub fn version_max(&self) -> i16",
        &all,
        |message| {
            (format!("{name}::{}(..)", base(message)), format!("*{}Value::VERSIONS.end()", base(message)))
        },
    )?;
    out.push_str(
        "/// Reads a record. Kafka skips the ones it knows not, [`RecordError::UnknownKind`], and so must a
        /// caller that loads a log: a later version may have written them.
        pub fn decode(key: Bytes, value: Option<Bytes>) -> Result<Self, RecordError> {
            let (kind, key) = split_prefix(key)?;
            Ok(match kind {\n",
    );
    for (_, message) in &all {
        writeln!(
            out,
            "{} => {name}::{}(decode_key(key)?, decode_value(value)?),",
            message.key.unwrap_or_default(),
            base(message)
        )?;
    }
    out.push_str("_ => return Err(RecordError::UnknownKind(i32::from(kind))),\n})\n}\n\n");
    match_on(
        &mut out,
        "/// The record's key.\npub fn encode_key(&self) -> Result<Bytes, EncodeError>",
        &all,
        |message| {
            (
                format!("{name}::{}(key, _)", base(message)),
                format!("encode_key({}, key)", message.key.unwrap_or_default()),
            )
        },
    )?;
    match_on(
        &mut out,
        "/// The record's value, in the given version of its kind; `None` for a tombstone.\npub fn encode_value(&self, version: i16) -> Result<Option<Bytes>, EncodeError>",
        &all,
        |message| {
            (
                format!("{name}::{}(_, value)", base(message)),
                "encode_value(value.as_ref(), version)".to_owned(),
            )
        },
    )?;
    out.push_str("}\n");
    Ok(out)
}

/// A method that is one `match` over all kinds.
fn match_on(
    out: &mut String,
    signature: &str,
    all: &[(&Source, &Message)],
    arm: impl Fn(&Message) -> (String, String),
) -> Result<()> {
    writeln!(out, "{signature} {{\nmatch self {{")?;
    for (_, message) in all {
        let (pattern, value) = arm(message);
        writeln!(out, "{pattern} => {value},")?;
    }
    out.push_str("}\n}\n\n");
    Ok(())
}
