//! `ApiKey` and `ErrorCode`.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::schema::Kind;
use super::{BANNER, Source, names, only};

/// The requests, by key.
fn requests(sources: &[Source]) -> Vec<&super::Message> {
    let mut requests: Vec<_> = sources.iter().filter_map(|source| only(source, Kind::Request)).collect();
    requests.sort_by_key(|request| request.key);
    requests
}

pub fn api_keys(sources: &[Source]) -> Result<String> {
    let requests = requests(sources);
    let mut out = String::from(BANNER);
    out.push_str(
        "//! [`ApiKey`]: all requests there are. Keys 4 to 7 were used between brokers before KRaft, and are retired.

        use std::fmt;
        use std::ops::RangeInclusive;

        /// Names a request and its response. The number is the API key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {\n",
    );
    let base = |name: &str| name.trim_end_matches("Request").to_owned();
    for request in &requests {
        let key = request.key.context("a request has a key")?;
        writeln!(
            out,
            "/// Key {key}, versions {}–{}.\n{} = {key},",
            request.versions.first,
            request.versions.last,
            base(&request.name)
        )?;
    }
    out.push_str("}\n\nimpl ApiKey {\n/// All of them, by number.\n");
    writeln!(out, "pub const ALL: [ApiKey; {}] = [", requests.len())?;
    for request in &requests {
        writeln!(out, "ApiKey::{},", base(&request.name))?;
    }
    out.push_str("];\n\n/// The key with this number, or `None`.\npub fn from_i16(number: i16) -> Option<ApiKey> {\nSome(match number {\n");
    for request in &requests {
        writeln!(out, "{} => ApiKey::{},", request.key.unwrap_or_default(), base(&request.name))?;
    }
    out.push_str("_ => return None,\n})\n}\n\n/// Kafka's name, such as `ListOffsets`.\npub fn name(self) -> &'static str {\nmatch self {\n");
    for request in &requests {
        let name = base(&request.name);
        writeln!(out, "ApiKey::{name} => {name:?},")?;
    }
    out.push_str("}\n}\n\n/// All versions that can be decoded and encoded, the unstable one included.\npub fn valid_versions(self) -> RangeInclusive<i16> {\nmatch self {\n");
    for request in &requests {
        writeln!(
            out,
            "ApiKey::{} => {}..={},",
            base(&request.name),
            request.versions.first,
            request.versions.last
        )?;
    }
    out.push_str("}\n}\n\n/// The versions offered unless `unstable.api.versions.enable` is set.\npub fn stable_versions(self) -> RangeInclusive<i16> {\nmatch self {\n");
    for request in requests.iter().filter(|request| request.latest_unstable) {
        writeln!(
            out,
            "ApiKey::{} => {}..={},",
            base(&request.name),
            request.versions.first,
            request.versions.last - 1
        )?;
    }
    out.push_str(
        "_ => self.valid_versions(),\n}\n}\n\n/// The versions named in ApiVersions. Produce is offered from 0, since librdkafka takes its support of
        /// compression codecs from that (KAFKA-18659); requests below `valid_versions` are refused all the same.
        pub fn advertised_versions(self) -> RangeInclusive<i16> {
        match self {
        ApiKey::Produce => 0..=*self.stable_versions().end(),
        _ => self.stable_versions(),
        }
        }

        /// The first version with compact lengths and tagged fields.
        fn flexible_from(self) -> Option<i16> {\nmatch self {\n",
    );
    for request in &requests {
        writeln!(out, "ApiKey::{} => {:?},", base(&request.name), request.flexible)?;
    }
    out.push_str(
        "}
        }

        /// Whether this version has compact lengths and tagged fields.
        pub fn is_flexible(self, version: i16) -> bool {
            self.flexible_from().is_some_and(|first| version >= first)
        }

        /// The version of the header before a request; also tells it for versions that do not exist yet.
        pub fn request_header_version(self, version: i16) -> i16 {
            if self.is_flexible(version) { 2 } else { 1 }
        }

        /// The version of the header before a response. ApiVersions keeps the oldest, so that clients can
        /// read it before they know what the server understands.
        pub fn response_header_version(self, version: i16) -> i16 {
            i16::from(self != ApiKey::ApiVersions && self.is_flexible(version))
        }\n\n",
    );
    out.push_str(
        "}

        impl fmt::Display for ApiKey {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }\n",
    );
    Ok(out)
}

struct Error<'a> {
    code: i16,
    name: &'a str,
    variant: String,
    flags: Vec<&'a str>,
    message: &'a str,
}

pub fn error_codes(text: &str) -> Result<String> {
    let mut errors = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (head, message) = line.split_once('|').with_context(|| format!("no `|` in {line:?}"))?;
        let mut words = head.split_whitespace();
        let code = words.next().context("a code")?.parse()?;
        let name = words.next().context("a name")?;
        errors.push(Error {
            code,
            name,
            variant: names::camel_case(name),
            flags: words.collect(),
            message: message.trim(),
        });
    }
    let mut out = String::from(BANNER);
    out.push_str(
        "//! [`ErrorCode`]: all errors a response can name.

        use std::fmt;

        /// An error as the protocol numbers it.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {\n",
    );
    for error in &errors {
        if error.code == 0 {
            out.push_str("/// No error.\n#[default]\n");
        } else {
            writeln!(out, "/// {} ({}).", error.name, error.code)?;
        }
        writeln!(out, "{} = {},", error.variant, error.code)?;
    }
    out.push_str("}\n\nimpl ErrorCode {\n/// All of them, by number.\n");
    writeln!(out, "pub const ALL: [ErrorCode; {}] = [", errors.len())?;
    for error in &errors {
        writeln!(out, "ErrorCode::{},", error.variant)?;
    }
    out.push_str("];\n\n/// Kafka's name, such as `UNKNOWN_TOPIC_OR_PARTITION`.\npub fn name(self) -> &'static str {\nmatch self {\n");
    for error in &errors {
        writeln!(out, "ErrorCode::{} => {:?},", error.variant, error.name)?;
    }
    out.push_str("}\n}\n\n/// What Kafka says about it where there is nothing more to say.\npub fn message(self) -> &'static str {\nmatch self {\n");
    for error in &errors {
        writeln!(out, "ErrorCode::{} => {:?},", error.variant, error.message)?;
    }
    out.push_str("}\n}\n\n");
    for (flag, function, about) in [
        (
            "retriable",
            "is_retriable",
            "Whether the same request may succeed later (Kafka's `RetriableException`).",
        ),
        ("refresh", "asks_for_refresh", "Whether a client should first ask again who leads or coordinates."),
    ] {
        writeln!(out, "/// {about}\npub fn {function}(self) -> bool {{\nmatches!(self,")?;
        let names: Vec<String> = errors
            .iter()
            .filter(|error| error.flags.contains(&flag))
            .map(|error| format!("ErrorCode::{}", error.variant))
            .collect();
        writeln!(out, "{})\n}}\n", names.join(" | "))?;
    }
    out.push_str(
        "}

        impl From<i16> for ErrorCode {
            /// A number that is not known counts as [`ErrorCode::UnknownServerError`], as it does in Kafka.
            fn from(code: i16) -> ErrorCode {
                match code {\n",
    );
    for error in errors.iter().filter(|error| error.code != -1) {
        writeln!(out, "{} => ErrorCode::{},", error.code, error.variant)?;
    }
    out.push_str(
        "_ => ErrorCode::UnknownServerError,
                }
            }
        }

        impl From<ErrorCode> for i16 {
            fn from(error: ErrorCode) -> i16 {
                error as i16
            }
        }

        impl fmt::Display for ErrorCode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }\n",
    );
    Ok(out)
}
