//! Turns text into requests and answers into text.

use super::harness_consumer::{self as consumers, Cluster};
use crate::consumer::{GroupSettings, Migration};
use crate::messages::*;
use crate::{Batch, Effects, Groups, Now, Record, Refusal, Settings, State};
use bytes::Bytes;
use ottla_ids::{ProducerId, Uuid};
use ottla_protocol::Text;
use ottla_state_machine::Machine;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Lets the events of `scenario` happen to groups with Kafka's default settings and compares what comes of it.
#[track_caller]
pub(super) fn check(scenario: &str) {
    let (expected, mut happened) = (normalized(scenario), String::new());
    let mut world = World::new(Settings::default());
    for line in expected.lines().filter(|line| !line.starts_with('>')) {
        world.event(line);
        happened.push_str(line);
        happened.push('\n');
        happened.push_str(&std::mem::take(&mut world.said));
    }
    world.check_laws();
    if happened != expected {
        panic!("it happened otherwise:\n{happened}\nexpected:\n{expected}");
    }
}

fn normalized(scenario: &str) -> String {
    let lines = scenario.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| format!("{}\n", line.split_whitespace().collect::<Vec<_>>().join(" "))).collect()
}

/// Groups, their log, and the clock.
pub(super) struct World {
    pub groups: Groups,
    pub log: Vec<Record>,
    settings: Settings,
    now_ms: i64,
    ids: u128,
    calls: u64,
    labels: BTreeMap<CallId, String>,
    said: String,
    next_write_fails: Option<Refusal>,
    cluster: Cluster,
}

/// Id numbers of members are recognised by this prefix of their UUID.
const ID_MARK: &str = "00000000-0000-0000-0000-";

impl World {
    pub fn new(settings: Settings) -> World {
        let mut world = World {
            groups: Groups::new(settings.clone(), Arc::new(GroupSettings::default())),
            log: Vec::new(),
            settings,
            now_ms: 0,
            ids: 0,
            calls: 0,
            labels: BTreeMap::new(),
            said: String::new(),
            next_write_fails: None,
            cluster: Cluster::default(),
        };
        world.load();
        world
    }

    /// As [`World::event`]; what is said of it.
    pub fn told(&mut self, line: &str) -> String {
        self.event(line);
        std::mem::take(&mut self.said)
    }

    /// Calls that are not answered yet.
    pub fn unanswered(&self) -> usize {
        self.labels.len()
    }

    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn load(&mut self) {
        let effects = self.groups.loaded(Now::at(self.now_ms));
        self.make_true(effects);
    }

    pub fn check_laws(&self) {
        let mut replayed = State::default();
        self.log.iter().for_each(|record| replayed.replay(record));
        assert_eq!(self.groups.state(), &replayed, "the living state equals its log, replayed");
        self.groups.check_invariants();
    }

    /// Lets the time pass; what is due happens at its time.
    pub fn advance(&mut self, to_ms: i64) {
        assert!(self.now_ms <= to_ms, "time does not go back");
        while let Some(due) = self.groups.deadline().filter(|due| *due <= to_ms) {
            self.now_ms = self.now_ms.max(due);
            let before = self.said.len();
            let effects = self.groups.on_time(Now::at(self.now_ms));
            self.make_true(effects);
            if before < self.said.len() {
                let heading = format!("> at {}:\n", duration(self.now_ms));
                self.said.insert_str(before, &heading);
            }
        }
        self.now_ms = to_ms;
    }

    pub fn request(&mut self, label: String, request: Request) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        self.labels.insert(call, label);
        let effects = self.groups.handle(call, request, Now::at(self.now_ms));
        self.make_true(effects);
        call
    }

    /// What the coordinator's runtime does.
    fn make_true(&mut self, effects: Effects) {
        let mut outcome = Ok(());
        if !effects.records.is_empty() {
            if let Some(refusal) = self.next_write_fails.take() {
                outcome = Err(refusal);
            } else {
                for record in effects.records {
                    self.say_record(&record);
                    self.append(record);
                }
            }
        }
        for (call, answer) in effects.answers {
            let label = self.labels.remove(&call).expect("a call is answered once");
            let text = match outcome {
                Ok(()) => match consumers::spoken(&answer, &self.cluster) {
                    Some(text) => text,
                    None => spoken(&answer),
                },
                Err(refusal) => format!("{refusal:?}"),
            };
            let _ = writeln!(self.said, "> {label}: {}", shortened(&text));
        }
        if let Some(then) = effects.then {
            let effects = self.groups.then(then, outcome, Now::at(self.now_ms));
            self.make_true(effects);
        }
    }

    fn append(&mut self, record: Record) {
        self.groups.replay(&record);
        self.log.push(record);
    }

    /// What is in the log and in no other place survives.
    pub fn restart(&mut self) {
        self.check_laws();
        self.groups = Groups::new(self.settings.clone(), Arc::new(self.cluster.settings));
        self.log.iter().for_each(|record| self.groups.replay(record));
        for (_, label) in std::mem::take(&mut self.labels) {
            let _ = writeln!(self.said, "> {label}: NotCoordinator");
        }
        self.load();
    }

    fn say_record(&mut self, record: &Record) {
        // What is written is what is read.
        if let Ok(encoded) = record.encode() {
            let read = Record::decode(Some(&encoded.key), encoded.value.as_deref(), Batch::Plain);
            assert_eq!(read.expect("our own record is understood"), Some(record.clone()));
        }
        let text = match record {
            Record::Classic { group, metadata: None } => format!("log: group {group} is no more"),
            Record::Classic { group, metadata: Some(it) } => {
                let members = it.members.iter().map(|member| {
                    let instance =
                        member.instance_id.as_ref().map(|id| format!("({id})")).unwrap_or_default();
                    format!("{}{instance}={}", member.member_id, show(&member.assignment))
                });
                let members = members.collect::<Vec<_>>().join(" ");
                match &it.protocol {
                    None => format!("log: group {group} generation {} is empty", it.generation),
                    Some(protocol) => format!(
                        "log: group {group} generation {} of {protocol} led by {}: {members}",
                        it.generation,
                        it.leader.clone().unwrap_or_default(),
                    ),
                }
            }
            Record::Offset { group, topic, partition, commit } => match commit {
                None => format!("log: group {} forgets {topic}-{partition}", or_dash(group)),
                Some(commit) => {
                    format!("log: group {} at {topic}-{partition}={}", or_dash(group), commit.offset)
                }
            },
            Record::Consumer { group, change } => consumers::said_change(group, change, &self.cluster),
            Record::PendingOffset { .. } | Record::TransactionEnded { .. } => {
                String::from("log: transaction")
            }
        };
        let _ = writeln!(self.said, "> {}", shortened(&text));
    }

    pub fn event(&mut self, line: &str) {
        let mut words = line.split(' ');
        let time = words.next().expect("a line starts with a time");
        self.advance(milliseconds(time));
        let verb = words.next().expect("a line has an event");
        let words = Words::new(words);
        match verb {
            "join" => {
                let request = self.join(&words);
                self.request(format!("join {}", words.first()), request);
            }
            "sync" => {
                let sync = Request::Sync(Sync {
                    group: words.group(),
                    generation: words.number("gen").unwrap_or(1),
                    member_id: long(words.first()),
                    instance_id: words.text("static"),
                    cluster: Arc::new(self.cluster.clone()),
                    protocol_type: words.text("type"),
                    protocol_name: words.text("protocol"),
                    assignments: words
                        .plain(1)
                        .filter_map(|word| word.split_once(':'))
                        .map(|(member, work)| (long(member), consumers::work(work)))
                        .collect(),
                });
                self.request(format!("sync {}", words.first()), sync);
            }
            "beat" => {
                let heartbeat = Request::Heartbeat(Heartbeat {
                    group: words.group(),
                    generation: words.number("gen").unwrap_or(1),
                    member_id: long(words.first()),
                    instance_id: words.text("static"),
                    cluster: Arc::new(self.cluster.clone()),
                });
                self.request(format!("beat {}", words.first()), heartbeat);
            }
            "leave" => {
                let members = words.plain(0).map(|word| {
                    let (member, instance) = word.split_once(':').unwrap_or((word, ""));
                    Leaving {
                        member_id: if member == "-" { Text::default() } else { long(member) },
                        instance_id: Some(instance).filter(|it| !it.is_empty()).map(Text::from),
                        reason: None,
                    }
                });
                let leave = Request::Leave(Leave {
                    group: words.group(),
                    members: members.collect(),
                    cluster: Arc::new(self.cluster.clone()),
                });
                self.request("leave".to_owned(), leave);
            }
            "commit" => {
                let request = commit(&words);
                self.request("commit".to_owned(), request);
            }
            "fetch" => {
                let all = words.plain(0).any(|word| word == "all");
                let topics = words.plain(0).filter_map(partition_name).map(|(name, partition)| FetchTopic {
                    name,
                    topic_id: words.topic_id(),
                    partitions: vec![partition],
                });
                let fetch = Request::FetchOffsets(FetchOffsets {
                    group: words.group(),
                    require_stable: words.plain(0).any(|word| word == "stable"),
                    member_id: words.text("member").map(|id| long(&id)),
                    member_epoch: words.number("epoch").unwrap_or(-1),
                    topics: if all { None } else { Some(topics.collect()) },
                });
                self.request("fetch".to_owned(), fetch);
            }
            "forget" => {
                let topics = words.plain(0).filter_map(partition_name).map(|(name, at)| (name, vec![at]));
                let request = DeleteOffsets { group: words.group(), topics: topics.collect() };
                self.request("forget".to_owned(), Request::DeleteOffsets(request));
            }
            "delete" => {
                let groups = words.plain(0).map(Text::from).collect();
                self.request("delete".to_owned(), Request::DeleteGroups(groups));
            }
            "describe" => {
                let groups = words.plain(0).map(Text::from).collect();
                self.request("describe".to_owned(), Request::DescribeGroups(groups));
            }
            "list" => {
                let filter = ListFilter {
                    states: words.text("state").into_iter().collect(),
                    types: words.text("type").into_iter().collect(),
                };
                self.request("list".to_owned(), Request::ListGroups(filter));
            }
            "topic" => {
                for word in words.plain(0) {
                    self.cluster.set(word);
                }
            }
            "hello" | "alive" | "bye" => {
                self.ids += 1;
                let beat = consumers::heartbeat(verb, &words, &self.cluster, self.ids);
                let label = format!("{verb} {}", words.first());
                self.request(label, Request::ConsumerHeartbeat(Box::new(beat)));
            }
            "inspect" => {
                let groups = words.plain(0).map(Text::from).collect();
                self.request("inspect".to_owned(), Request::DescribeConsumers(groups));
            }
            "dropped" => {
                let topics = words
                    .plain(0)
                    .map(|name| DeletedTopic { name: Text::from(name), topic_id: words.topic_id() });
                let request = Request::TopicsDeleted(topics.collect());
                self.request("dropped".to_owned(), request);
            }
            // A producer's transaction, as its records are found in the log.
            "pending" => {
                let producer = ProducerId(words.number("producer").unwrap_or(1).into());
                for word in words.plain(0) {
                    let (at, offset) = word.split_once('=').expect("partition=offset");
                    let (topic, partition) = partition_name(at).expect("topic-partition");
                    let commit = crate::Commit {
                        offset: offset.parse().expect("an offset"),
                        leader_epoch: -1,
                        metadata: Text::default(),
                        committed_at_ms: self.now_ms,
                        expires_at_ms: None,
                        topic_id: Uuid::ZERO,
                    };
                    let group = words.group();
                    self.append(Record::PendingOffset { producer, group, topic, partition, commit });
                }
            }
            "commits" | "aborts" => {
                let producer = ProducerId(words.number("producer").unwrap_or(1).into());
                self.append(Record::TransactionEnded { producer, committed: verb == "commits" });
            }
            "restart" => self.restart(),
            "wait" => {}
            "unwritable" => self.next_write_fails = Some(Refusal::CoordinatorNotAvailable),
            "set" => {
                if let Some(interval) = words.text("interval") {
                    self.cluster.settings.assignment_interval_ms = ms(&interval);
                }
                if let Some(session) = words.text("session") {
                    self.cluster.settings.session_timeout_ms = ms(&session);
                }
                if let Some(size) = words.number("max-size") {
                    self.settings.max_size = usize::try_from(size).expect("a size");
                    self.settings.consumer.max_size = self.settings.max_size;
                }
                if let Some(policy) = words.text("migration") {
                    self.settings.consumer.migration = Migration::named(&policy).expect("a policy");
                }
                if let Some(delay) = words.text("delay") {
                    self.settings.initial_rebalance_delay_ms = ms(&delay);
                }
                self.groups.settings = self.settings.clone();
            }
            other => panic!("no such event: {other}"),
        }
    }

    fn join(&mut self, words: &Words<'_>) -> Request {
        self.ids += 1;
        let who = words.first();
        let version = words.number("v").unwrap_or(9);
        // `a` has no id yet, `a-1` has.
        let is_id = who.starts_with('#')
            || who.rsplit_once('-').is_some_and(|(_, number)| number.parse::<u64>().is_ok());
        let offered = words.text("offers").unwrap_or_else(|| Text::from("range"));
        let offered = offered.split(',').filter(|it| !it.is_empty()).map(|protocol| {
            let (name, metadata) = protocol.split_once(':').unwrap_or((protocol, "t"));
            let metadata = consumers::subscription(metadata, words.text("owns").as_deref());
            Protocol { name: Text::from(name), metadata }
        });
        let session = words.text("session").map_or(10_000, |it| ms(&it));
        Request::Join(Box::new(Join {
            group: words.group(),
            member_id: if is_id { long(who) } else { Text::default() },
            instance_id: words.text("static"),
            client_id: Text::from(if is_id { "client" } else { who }),
            client_host: Text::from("/192.0.2.1"),
            session_timeout_ms: session,
            rebalance_timeout_ms: words.text("rebalance").map_or(60_000, |it| ms(&it)),
            protocol_type: words.text("type").unwrap_or_else(|| Text::from("consumer")),
            protocols: offered.collect(),
            reason: None,
            requires_member_id: version >= 4,
            skips_assignment: version >= 9,
            fresh_id: Uuid::from_u128(self.ids),
            cluster: Arc::new(self.cluster.clone()),
            settings: self.cluster.settings,
        }))
    }
}

fn commit(words: &Words<'_>) -> Request {
    let topics = words.plain(0).filter_map(|word| word.split_once('=')).filter_map(|(at, offset)| {
        let (name, partition) = partition_name(at)?;
        let (offset, metadata) = offset.split_once('@').map_or((offset, None), |(it, text)| (it, Some(text)));
        let offset = offset.parse().ok()?;
        let metadata = metadata.map(|text| match text.strip_prefix("x*") {
            Some(count) => Text::from("x".repeat(count.parse().expect("a count"))),
            None => Text::from(text),
        });
        let partitions = vec![CommitPartition { partition, offset, leader_epoch: -1, metadata }];
        Some(CommitTopic { name, topic_id: words.topic_id(), partitions })
    });
    Request::CommitOffsets(CommitOffsets {
        group: words.group(),
        generation: words.number("gen").unwrap_or(-1),
        member_id: words.text("member").map(|id| long(&id)).unwrap_or_default(),
        instance_id: words.text("static"),
        retention_ms: words.text("keep").map(|it| ms(&it).into()),
        knows_missing_groups: words.number("v").unwrap_or(9) >= 9,
        topics: topics.collect(),
    })
}

/// The words after the verb: plain ones, and those of the form `key=value` with a key known here.
pub(super) struct Words<'a> {
    plain: Vec<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

const KEYS: [&str; 24] = [
    "migration",
    "reads",
    "regex",
    "epoch",
    "owns",
    "by",
    "rack",
    "interval",
    "gen",
    "static",
    "type",
    "protocol",
    "offers",
    "session",
    "rebalance",
    "v",
    "group",
    "member",
    "keep",
    "state",
    "producer",
    "max-size",
    "delay",
    "id",
];

impl<'a> Words<'a> {
    fn new(words: impl Iterator<Item = &'a str>) -> Words<'a> {
        let (mut plain, mut named) = (Vec::new(), BTreeMap::new());
        for word in words {
            match word.split_once('=').filter(|(key, _)| KEYS.contains(key)) {
                Some((key, value)) => drop(named.insert(key, value)),
                None => plain.push(word),
            }
        }
        Words { plain, named }
    }

    pub fn first(&self) -> &'a str {
        self.plain.first().copied().unwrap_or_default()
    }

    fn plain(&self, skip: usize) -> impl Iterator<Item = &'a str> {
        self.plain.iter().copied().skip(skip)
    }

    pub fn text(&self, key: &str) -> Option<Text> {
        self.named.get(key).map(|value| Text::from(*value))
    }

    pub fn number(&self, key: &str) -> Option<i32> {
        self.named.get(key).map(|value| value.parse().expect("a number"))
    }

    pub fn group(&self) -> Text {
        self.text("group").unwrap_or_else(|| Text::from("g"))
    }

    fn topic_id(&self) -> Uuid {
        self.number("id").map_or(Uuid::ZERO, |id| Uuid::from_u128(u128::try_from(id).expect("an id")))
    }
}

/// `t-0`
pub(super) fn partition_name(word: &str) -> Option<(Text, i32)> {
    let (topic, partition) = word.rsplit_once('-')?;
    Some((Text::from(topic), partition.parse().ok()?))
}

/// `a-1`, or `#1` as consumer groups give ids out → the whole id.
pub(super) fn long(id: &str) -> Text {
    if let Some(number) = id.strip_prefix('#') {
        return Text::from(Uuid::from_u128(number.parse().expect("a number")).to_string());
    }
    match id.rsplit_once('-').map(|(name, number)| (name, number.parse::<u128>())) {
        Some((name, Ok(number))) => Text::from(format!("{name}-{}", uuid::Uuid::from_u128(number))),
        _ => Text::from(id),
    }
}

/// Whole ids → `a-1`.
fn shortened(text: &str) -> String {
    let mut short = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(ID_MARK) {
        let (number, after) = after.split_at(12);
        short.push_str(before);
        let _ = write!(short, "{}", u64::from_str_radix(number, 16).expect("a number"));
        rest = after;
    }
    short += rest;
    for number in (1..=MADE_IDS_MAX).rev() {
        short = short.replace(&Uuid::from_u128(number).to_string(), &format!("#{number}"));
    }
    short
}

/// Ids given out by consumer groups are recognised up to this number.
const MADE_IDS_MAX: u128 = 20;

fn spoken(answer: &Answer) -> String {
    match answer {
        Answer::Join(answer) => spoken_join(answer),
        Answer::Sync(SyncAnswer { refusal: Some(refusal), .. }) => format!("{refusal:?}"),
        Answer::Sync(answer) => show(&answer.assignment),
        Answer::Heartbeat(Ok(())) => "ok".to_owned(),
        Answer::Heartbeat(Err(refusal))
        | Answer::Leave(Err(refusal))
        | Answer::CommitOffsets(Err(refusal))
        | Answer::FetchOffsets(Err(refusal))
        | Answer::DeleteOffsets(Err(refusal)) => format!("{refusal:?}"),
        Answer::Leave(Ok(left)) => {
            let left = left.iter().map(|left| {
                let instance = left.instance_id.as_ref().map(|id| format!(":{id}")).unwrap_or_default();
                format!("{}{instance} {}", or_dash(&left.member_id), outcome(left.refusal))
            });
            left.collect::<Vec<_>>().join(", ")
        }
        Answer::CommitOffsets(Ok(topics)) | Answer::DeleteOffsets(Ok(topics)) => {
            let partitions = topics.iter().flat_map(|topic| {
                let name = &topic.name;
                topic.partitions.iter().map(move |(at, refusal)| format!("{name}-{at} {}", outcome(*refusal)))
            });
            partitions.collect::<Vec<_>>().join(", ")
        }
        Answer::FetchOffsets(Ok(topics)) => {
            let partitions = topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(move |it| {
                    let metadata =
                        if it.metadata.is_empty() { String::new() } else { format!("@{}", it.metadata) };
                    match it.refusal {
                        None => format!("{}-{}={}{metadata}", topic.name, it.partition, it.offset),
                        Some(refusal) => format!("{}-{} {refusal:?}", topic.name, it.partition),
                    }
                })
            });
            let mut partitions: Vec<_> = partitions.collect();
            partitions.sort();
            or_dash(&partitions.join(", ")).to_owned()
        }
        Answer::DeleteGroups(groups) => {
            let groups = groups.iter().map(|(group, refusal)| format!("{group} {}", outcome(*refusal)));
            groups.collect::<Vec<_>>().join(", ")
        }
        Answer::DescribeGroups(groups) => {
            let groups = groups.iter().map(|group| {
                let members = group.members.iter().map(|member| {
                    let instance =
                        member.instance_id.as_ref().map(|id| format!("({id})")).unwrap_or_default();
                    let sizes = format!("{}+{}", member.metadata.len(), member.assignment.len());
                    format!(" {}{instance} {sizes}", member.member_id)
                });
                let refusal = group.refusal.map(|refusal| format!(" {refusal:?}")).unwrap_or_default();
                let (state, of) = (group.state, or_dash(&group.protocol_type));
                let members = members.collect::<String>();
                format!("{} {state} {of} {}{members}{refusal}", group.group, or_dash(&group.protocol))
            });
            groups.collect::<Vec<_>>().join(", ")
        }
        Answer::ListGroups(groups) => {
            let mut groups: Vec<_> = groups
                .iter()
                .map(|it| {
                    format!("{} {} {} {}", it.group, it.group_type, it.state, or_dash(&it.protocol_type))
                })
                .collect();
            groups.sort();
            or_dash(&groups.join(", ")).to_owned()
        }
        Answer::TopicsDeleted => "ok".to_owned(),
        Answer::ConsumerHeartbeat(_) | Answer::DescribeConsumers(_) => {
            unreachable!("said in harness_consumer")
        }
    }
}

fn spoken_join(answer: &JoinAnswer) -> String {
    if let Some(refusal) = answer.refusal {
        let id = if answer.member_id.is_empty() { String::new() } else { format!(" {}", answer.member_id) };
        return format!("{refusal:?}{id}");
    }
    let mut text = format!(
        "{} in generation {} of {} led by {}",
        answer.member_id,
        answer.generation,
        answer.protocol_name.clone().unwrap_or_default(),
        or_dash(&answer.leader),
    );
    if !answer.members.is_empty() {
        let members = answer.members.iter().map(|member| {
            let instance = member.instance_id.as_ref().map(|id| format!("({id})")).unwrap_or_default();
            format!(" {}{instance}", member.member_id)
        });
        let _ = write!(text, ":{}", members.collect::<String>());
    }
    if answer.skip_assignment {
        text.push_str(", keeps the assignment");
    }
    text
}

fn outcome(refusal: Option<Refusal>) -> String {
    refusal.map_or("ok".to_owned(), |refusal| format!("{refusal:?}"))
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn show(bytes: &Bytes) -> String {
    consumers::shown_work(bytes).unwrap_or_else(|| or_dash(&String::from_utf8_lossy(bytes)).to_owned())
}

/// `10s`, `3500ms`, `2m`, `1h`, `7d`, and sums such as `1m30s`.
fn milliseconds(text: &str) -> i64 {
    let mut total = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).expect("a unit");
        let (number, unit) = rest.split_at(digits);
        let unit_size = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(unit_size);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            other => panic!("no such unit: {other} in {text}"),
        };
        total += number.parse::<i64>().expect("a number") * factor;
        rest = after;
    }
    total
}

pub(super) fn ms(text: &str) -> i32 {
    i32::try_from(milliseconds(text)).expect("a short time")
}

fn duration(ms: i64) -> String {
    match ms {
        _ if ms % 1_000 != 0 => format!("{ms}ms"),
        _ => format!("{}s", ms / 1_000),
    }
}
