//! The name that was probably meant.

use crate::key::Key;
use crate::{broker, topic};

/// The longest name that is compared; what is longer is no typing error.
const NAME_LENGTH_MAX: usize = 128;

/// The broker key nearest to `name`, if one is near enough to have been meant. Topic keys count too:
/// `retention.ms` in a broker's file becomes a hint at `log.retention.ms`.
pub fn nearest_name(name: &str) -> Option<&'static str> {
    if let Some(key) = topic::key(name) {
        return key.broker_keys.first().map(|broker_key| broker_key.name);
    }
    nearest(name, broker::KEYS.iter().filter(|key| !key.internal).map(|key| key.name))
}

/// The topic key nearest to `name`, if one is near enough to have been meant. Broker keys count too:
/// `log.retention.ms` for a topic becomes a hint at `retention.ms`.
pub fn nearest_topic_name(name: &str) -> Option<&'static str> {
    let is_default_of = |key: &&Key| key.broker_keys.iter().any(|broker_key| broker_key.name == name);
    if let Some(key) = topic::KEYS.iter().find(is_default_of) {
        return Some(key.name);
    }
    nearest(name, topic::KEYS.iter().map(|key| key.name))
}

fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if name.is_empty() || name.len() > NAME_LENGTH_MAX {
        return None;
    }
    // A third of the name may be wrong; more, and any short name would be near to some other.
    let most = (name.chars().count() / 3).max(1);
    let normal = normal_form(name);
    known
        .map(|candidate| (distance(&normal, &normal_form(candidate)), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, candidate)| (*distance, candidate.len().abs_diff(name.len())))
        .map(|(_, candidate)| candidate)
}

/// Case and the choice between `.`, `_` and `-` are no typing errors.
fn normal_form(name: &str) -> Vec<char> {
    let normal = |c: char| if matches!(c, '_' | '-') { '.' } else { c.to_ascii_lowercase() };
    name.chars().map(normal).collect()
}

/// How many characters must be put in, taken out, changed or swapped with their neighbour.
fn distance(one: &[char], two: &[char]) -> usize {
    let mut before = vec![0; two.len() + 1];
    let mut last: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in two.iter().enumerate() {
            let changed = last[j] + usize::from(a != b);
            let mut least = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == two[j - 1] && one[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_is_recognised() {
        for (typed, meant) in [
            ("log.retention.hour", "log.retention.hours"),
            ("log.dirz", "log.dirs"),
            ("num.partition", "num.partitions"),
            ("advertised.listener", "advertised.listeners"),
            ("LOG_SEGMENT_BYTES", "log.segment.bytes"),
            ("nmu.partitions", "num.partitions"),
            ("retention.ms", "log.retention.ms"),
        ] {
            assert_eq!(nearest_name(typed), Some(meant), "{typed}");
        }
        for (typed, meant) in [
            ("retention.bites", "retention.bytes"),
            ("log.retention.hours", "retention.ms"),
            ("log.cleaner.min.cleanable.ratio", "min.cleanable.dirty.ratio"),
        ] {
            assert_eq!(nearest_topic_name(typed), Some(meant), "{typed}");
        }
    }

    #[test]
    fn a_name_that_resembles_nothing_gets_no_hint() {
        for name in ["", "x", "zookeeper.connect.my.dear", &"a".repeat(1000)] {
            assert_eq!(nearest_name(name), None, "{name}");
        }
    }
}
