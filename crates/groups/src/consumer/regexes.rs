//! Subscriptions by regular expression: which topics they stand for, as topics come and go.
//!
//! Kafka resolves expressions in the background and tells members later; here a heartbeat that brings a new one
//! resolves it, which is bounded ([`TopicPattern`]). All expressions of a group are resolved anew together, so
//! that news leads to one rebalance. Kafka's `GroupMetadataManager.maybeUpdateRegularExpressions`.

use super::change::{Change, ResolvedRegex};
use super::group::Group;
use super::member::Subscription;
use super::messages::Refused;
use super::pattern::TopicPattern;
use super::topics::Topics;
use crate::{Now, Refusal};
use ottla_protocol::Text;
use std::collections::BTreeMap;

/// Expressions are not resolved anew for new topics sooner than this after they were last (Kafka's
/// `REGEX_BATCH_REFRESH_MIN_INTERVAL_MS`).
const REFRESH_INTERVAL_MIN_MS: i64 = 10_000;

/// The regular expressions of a group with the topics they stand for.
pub(super) type Regexes = BTreeMap<Text, ResolvedRegex>;

/// What a heartbeat makes of a group's regular expressions.
pub(super) struct Resolved {
    /// From now on.
    pub regexes: Regexes,
    /// The records that say what changed.
    pub changes: Vec<Change>,
    /// Topics came or went for some of them.
    pub is_news: bool,
    /// News may be left for a later heartbeat.
    pub is_put_off: bool,
}

/// The group's regular expressions once its member has `subscription` instead of `before`; `None` where there are
/// none. `cluster_is_news`: topics may have come or gone since they were resolved.
pub(super) fn resolve(
    group: &Group,
    before: &Subscription,
    subscription: &Subscription,
    cluster: &dyn Topics,
    cluster_is_news: bool,
    now: Now,
) -> Result<Option<Resolved>, Refused> {
    let (old, new) = (before.regex(), subscription.regex());
    if group.regexes().is_empty() && new.is_none() {
        return Ok(None);
    }
    let mut regexes = group.regexes().clone();
    let mut changes = Vec::new();
    if let Some(old) = old.filter(|old| Some(*old) != new)
        && group.count_with_regex(old) <= 1
        && regexes.remove(old).is_some()
    {
        changes.push(Change::Regex { regex: old.clone(), resolved: None });
    }
    let resolved_at_ms = regexes.values().map(|it| it.resolved_at_ms).max().unwrap_or(i64::MIN);
    let refresh_at_ms = resolved_at_ms.saturating_add(REFRESH_INTERVAL_MIN_MS);
    let is_put_off = cluster_is_news && now.wall_ms < refresh_at_ms;
    let mut due: Vec<Text> = Vec::new();
    if cluster_is_news && !is_put_off {
        due.extend(regexes.keys().cloned());
    }
    if let Some(new) = new.filter(|new| !regexes.contains_key(*new)) {
        due.push(new.clone());
    }
    let names = if due.is_empty() { Vec::new() } else { cluster.names() };
    let mut is_news = false;
    for regex in due {
        let pattern = TopicPattern::compile(&regex).map_err(|error| {
            let message =
                format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {error}.");
            Refused::new(Refusal::InvalidRegularExpression, message)
        });
        let pattern = match pattern {
            Ok(pattern) => pattern,
            // What a log of Kafka's holds was valid there: the others need not suffer for it.
            Err(_) if Some(&regex) != new => continue,
            Err(refused) => return Err(refused),
        };
        let topics = pattern.matching(&names);
        if regexes.get(&regex).is_some_and(|before| before.topics == topics) {
            continue;
        }
        is_news = true;
        // The version is Kafka's metadata offset, by which it would see that there is news: always.
        let resolved = ResolvedRegex { topics, version: 0, resolved_at_ms: now.wall_ms };
        regexes.insert(regex.clone(), resolved.clone());
        changes.push(Change::Regex { regex, resolved: Some(resolved) });
    }
    Ok(Some(Resolved { regexes, changes, is_news, is_put_off }))
}

/// The topics that a subscription names, or its regular expression stands for.
pub(super) fn topics_of<'a>(
    subscription: &'a Subscription,
    regexes: &'a Regexes,
) -> impl Iterator<Item = &'a Text> {
    let resolved = subscription.regex().and_then(|regex| regexes.get(regex));
    subscription.topics.iter().chain(resolved.into_iter().flat_map(|it| &it.topics))
}
