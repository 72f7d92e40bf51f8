//! Regular expressions that members subscribe with: RE2 syntax, as Apache Kafka takes it (KIP-848).
//!
//! Kafka compiles them with RE2/J; here they become expressions of the `regex` crate, whose running time is
//! bounded likewise. The two differ at the edges (`\Q…\E`, octal, `[a&&b]`, `a**`), so the expression is read
//! by RE2/J's grammar and written anew in what both mean alike; what RE2/J refuses is refused in its words.

mod classes;
#[cfg(test)]
mod tests;
mod translate;

use ottla_protocol::Text;
use std::collections::BTreeSet;

/// A compiled expression may take so many bytes; a larger one is refused. `.{200}` takes about 4 KiB.
const SIZE_MAX: usize = 1024 * 1024;

/// What is remembered of matches under way, in bytes for each thread that matches.
const CACHE_MAX: usize = 256 * 1024;

/// A regular expression over names of topics, compiled. It must match the whole name.
///
/// Names of topics are ASCII, so what is not never matches. (RE2/J lets `(?i)` make an exception for the
/// Kelvin sign and the long s.)
#[derive(Clone, Debug)]
pub struct TopicPattern(regex::bytes::Regex);

/// The expression is not valid, or too large. The text says what is wrong, as Kafka's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPattern(pub &'static str);

const TOO_LARGE: InvalidPattern = InvalidPattern("expression is too large");

impl TopicPattern {
    /// Compiles an expression. Its size is bounded, so compiling takes milliseconds at most.
    pub fn compile(expression: &str) -> Result<TopicPattern, InvalidPattern> {
        let translated = translate::translate(expression)?;
        regex::bytes::RegexBuilder::new(&format!("\\A(?:{translated})\\z"))
            .unicode(false)
            .nest_limit(2 * translate::DEPTH_MAX + 10)
            .size_limit(SIZE_MAX)
            .dfa_size_limit(CACHE_MAX)
            .build()
            .map(TopicPattern)
            .map_err(|_| TOO_LARGE)
    }

    /// Whether the whole name matches.
    pub fn matches(&self, topic: &str) -> bool {
        self.0.is_match(topic.as_bytes())
    }

    /// Those of `topics` that match.
    pub fn matching<'a>(&self, topics: impl IntoIterator<Item = &'a Text>) -> BTreeSet<Text> {
        topics.into_iter().filter(|topic| self.matches(topic)).cloned().collect()
    }
}
