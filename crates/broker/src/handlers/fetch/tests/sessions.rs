//! The law of fetch sessions: an answer that looks at what is open only is the answer of the walk over all partitions of
//! the session; and who waits is woken whenever that walk finds enough.

use super::super::read::{Limits, Part, is_enough, look_or_wait, outcome, outcomes, read_all, targets};
use super::super::{Answered, Fetched, ask, fetch, respond};
use super::world::{PARTITIONS, World};
use super::{NODE, Random};
use crate::call::Call;
use crate::fetch_sessions::{Ask, Context, FetchSessions, Tell, Told, Wanted};
use crate::topics::{self, TopicKey};
use ottla_metadata::{Image, MetadataRecord};
use ottla_partition::{Partition, Partitions};
use ottla_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, ForgottenTopic};
use ottla_protocol::records::metadata::ProducerIdsRecord;
use ottla_protocol::{ErrorCode, Payload};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

const FETCH_MAX_BYTES: usize = 1 << 20;
/// Longer than any test: who is not woken waits for ever.
const LONG_MS: i32 = 3_600_000;

fn call(by_id: bool) -> Call {
    Call::of_version(if by_id { 17 } else { 12 })
}

/// All that an answer says, with the records themselves.
fn told(fetched: &Fetched) -> String {
    let records: Vec<_> = fetched.ranges.iter().map(|range| range.to_bytes().unwrap()).collect();
    format!("{:#?}\n{records:?}", fetched.response)
}

/// A session the plain way: a list of partitions, all of which are read for each answer.
#[derive(Default)]
struct Plain(Vec<(Arc<Wanted>, Told)>);

impl Plain {
    fn ask(&mut self, ask: Ask) {
        for wanted in ask.wanted {
            let is_it = |it: &Wanted| it.topic == wanted.topic && it.partition == wanted.partition;
            match self.0.iter_mut().find(|(it, _)| is_it(it)) {
                Some((known, _)) => *known = Arc::new(wanted),
                None => self.0.push((Arc::new(wanted), Told { high_watermark: -1, log_start_offset: -1 })),
            }
        }
        let forgotten = ask.forgotten;
        self.0.retain(|(it, _)| !forgotten.contains(&(it.topic.clone(), it.partition)));
    }

    fn walk(&self, world: &World, limits: &Limits) -> Vec<Part> {
        let wanted: Vec<_> = self.0.iter().map(|(wanted, _)| Arc::clone(wanted)).collect();
        read_all(&wanted, &targets(&wanted, -1, &world.image(), &world.partitions), limits)
    }

    /// The answer.
    fn tell(
        &mut self,
        parts: Vec<Part>,
        limits: &Limits,
        is_first: bool,
    ) -> (Vec<Arc<Wanted>>, Vec<bool>, Vec<Part>) {
        let (mut stay, mut moved, mut included) = (Vec::new(), Vec::new(), Vec::new());
        let all: Vec<_> = self.0.iter().map(|(wanted, _)| Arc::clone(wanted)).collect();
        for ((wanted, told), part) in std::mem::take(&mut self.0).into_iter().zip(&parts) {
            let outcome = outcome(&wanted, part, limits.isolation);
            let is_news = outcome.has_records || outcome.has_error || outcome.urgent || told != outcome.told;
            included.push(is_first || is_news);
            let mut told = outcome.told;
            if outcome.has_error {
                told.high_watermark = -1;
            }
            if outcome.has_records && !is_first {
                moved.push((wanted, told))
            } else {
                stay.push((wanted, told))
            }
        }
        self.0 = [stay, moved].concat();
        (all, included, parts)
    }
}

/// A consumer, and what its session should be.
struct Client {
    by_id: bool,
    session_id: i32,
    session_epoch: i32,
    plain: Plain,
    /// What its last answer had records or errors of.
    heard: Vec<(TopicKey, i32)>,
}

impl Client {
    fn new(by_id: bool) -> Client {
        Client { by_id, session_id: 0, session_epoch: 0, plain: Plain::default(), heard: Vec::new() }
    }

    fn key(&self, world: &World, topic: &'static str) -> TopicKey {
        if self.by_id { TopicKey::Id(world.topic_id(topic)) } else { TopicKey::Name(topic.into()) }
    }

    /// The next request: mostly it reads on where logs end, as consumers do that have all there is, and leaves alone what
    /// it had errors of.
    fn request(&mut self, world: &World, random: &mut Random) -> FetchRequest {
        let image = world.image();
        let (mut wanted, mut forgotten) = (BTreeMap::new(), Vec::new());
        for (key, index) in std::mem::take(&mut self.heard) {
            let topic = topics::find(&image, &key).ok();
            let led = topic.and_then(|it| topics::partition(&image, it, index, &world.partitions).ok());
            match led.filter(|it| !it.is_offline()) {
                _ if random.below(8) == 0 => {}
                Some(led) => drop(wanted.insert((said_key(&key), index), (key, plain_wish(&led)))),
                None => forgotten.push((key, index)),
            }
        }
        let news =
            if self.session_epoch == 0 { 1 + random.below(12) } else { random.below(4).saturating_sub(1) };
        for _ in 0..news {
            let (topic, index) = (world.some_topic(random), random.below(PARTITIONS as u64) as i32);
            let key = self.key(world, topic);
            let wish = match world.partition(topic, index) {
                Some(led) => some_wish(&led, random),
                None if random.below(8) == 0 => FetchPartition { partition: index, ..Default::default() },
                None => continue,
            };
            wanted.insert((said_key(&key), index), (key, wish));
        }
        if self.session_epoch > 0 && random.below(6) == 0 {
            let topic = world.some_topic(random);
            forgotten.push((self.key(world, topic), random.below(PARTITIONS as u64) as i32));
        }
        let names = |key: TopicKey| match key {
            TopicKey::Name(name) => (name, Default::default()),
            TopicKey::Id(id) => (Default::default(), id),
        };
        let topics = wanted.into_values().map(|(key, wish)| {
            let (topic, topic_id) = names(key);
            FetchTopic { topic, topic_id, partitions: vec![wish], ..FetchTopic::default() }
        });
        let forgotten = forgotten.into_iter().map(|(key, index)| {
            let (topic, topic_id) = names(key);
            ForgottenTopic { topic, topic_id, partitions: vec![index], ..ForgottenTopic::default() }
        });
        FetchRequest {
            topics: topics.collect(),
            forgotten_topics_data: forgotten.collect(),
            session_id: self.session_id,
            session_epoch: self.session_epoch,
            max_wait_ms: 0,
            min_bytes: random.one_of(&[1, 1, 1, 1, 0, 500]),
            max_bytes: random.one_of(&[1 << 20, 1 << 20, 300, 0]),
            isolation_level: i8::from(self.by_id ^ (random.below(12) == 0)),
            ..FetchRequest::default()
        }
    }

    /// What the walk over all partitions answers now, and whether that is enough for who waits.
    fn expect(&self, world: &World, limits: &Limits) -> (Vec<Part>, bool) {
        let parts = self.plain.walk(world, limits);
        let is_enough = is_enough(&parts, limits);
        (parts, is_enough)
    }

    /// Compares an answer with that of the walk, and remembers it.
    fn check(
        &mut self,
        world: &World,
        request: &FetchRequest,
        parts: Vec<Part>,
        fetched: &Fetched,
        story: &str,
    ) {
        let is_first = request.session_epoch == 0;
        let limits = Limits::of(request, FETCH_MAX_BYTES);
        let is_over = self.plain.0.is_empty() && !is_first;
        let (wanted, included, parts) = self.plain.tell(parts, &limits, is_first);
        let session_id = fetched.response.session_id;
        assert_eq!(session_id == 0, is_over, "{story}");
        let tell = Tell { session_id, error: None, included };
        let expected = respond(&call(self.by_id), Answered { wanted, parts, tell, image: world.image() }, -1);
        assert_eq!(told(fetched), told(&expected), "{story}");
        let topics = fetched.response.responses.iter();
        let parts = topics.flat_map(|it| it.partitions.iter().map(move |part| (it, part)));
        let heard =
            parts.filter(|(_, it)| it.error_code != 0 || it.records.as_ref().is_some_and(|it| it.size() > 0));
        self.heard = heard
            .map(|(it, part)| {
                let key =
                    if self.by_id { TopicKey::Id(it.topic_id) } else { TopicKey::Name(it.topic.clone()) };
                (key, part.partition_index)
            })
            .collect();
        (self.session_id, self.session_epoch) =
            if is_over { (0, 0) } else { (session_id, request.session_epoch + 1) };
    }
}

fn said_key(key: &TopicKey) -> String {
    format!("{key:?}")
}

/// To read on where the log ends.
fn plain_wish(led: &Partition) -> FetchPartition {
    FetchPartition {
        partition: led.name().partition,
        fetch_offset: led.high_watermark().0,
        current_leader_epoch: led.leader_epoch().0,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    }
}

/// Now and then something else than that: before or behind the end, with an epoch that is not the log's, with a limit.
fn some_wish(led: &Partition, random: &mut Random) -> FetchPartition {
    let (end, epoch) = (led.high_watermark().0, led.leader_epoch().0);
    let fetch_offset = match random.below(24) {
        0 => end + 1,
        1 | 2 => (end - 1).max(0),
        3 => 0,
        4 => led.last_stable_offset().map_or(0, |it| it.0),
        _ => end,
    };
    let current_leader_epoch = match random.below(24) {
        0 => epoch + 1,
        1 => epoch - 1,
        2..12 => -1,
        _ => epoch,
    };
    FetchPartition {
        fetch_offset,
        current_leader_epoch,
        last_fetched_epoch: if random.below(6) == 0 { epoch - random.below(3) as i32 + 1 } else { -1 },
        partition_max_bytes: random.one_of(&[1 << 20, 1 << 20, 150, 0]),
        ..plain_wish(led)
    }
}

/// Polls once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

async fn play(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut world = World::new(seed);
    let sessions = FetchSessions::new(10);
    let mut clients = [Client::new(true), Client::new(false)];
    let mut story = format!("seed {seed}");
    for _ in 0..300 {
        for _ in 0..random.below(4) {
            let event = if random.below(6) == 0 {
                world.change_silently(&mut random)
            } else {
                world.happen(&mut random).await
            };
            story = format!("{story}, {event}");
        }
        let client = &mut clients[random.below(2) as usize];
        let mut request = client.request(&world, &mut random);
        if request.session_epoch > 0 && random.below(2) == 0 {
            request.max_wait_ms = LONG_MS;
        }
        story = format!("{story}\n fetch {request:?}");
        client.plain.ask(ask(&request, client.by_id, false));
        let limits = Limits::of(&request, FETCH_MAX_BYTES);
        let (newest, partitions) = (world.newest(), Arc::clone(&world.partitions));
        let call = call(client.by_id);
        let answer = fetch(&call, request.clone(), newest, &partitions, &sessions, FETCH_MAX_BYTES, || 0);
        let mut waiting = pin!(tokio::task::coop::unconstrained(answer));
        let mut answer = None;
        for turn in 0..4 {
            let (parts, is_enough) = client.expect(&world, &limits);
            let must_answer = is_enough || request.max_wait_ms == 0 || client.plain.0.is_empty();
            answer = poll_once(&mut waiting).await.map(|fetched| (fetched, parts));
            assert_eq!(answer.is_some(), must_answer, "turn {turn} of {story}");
            if answer.is_some() {
                break;
            }
            story = format!("{story}, then {}", world.happen(&mut random).await);
        }
        match answer {
            Some((fetched, parts)) => client.check(&world, &request, parts, &fetched, &story),
            // It never comes to an answer: what was noted for it must not be lost for the next.
            None => client.session_epoch += 1,
        }
        if random.below(3) == 0 && client.session_epoch > 1 {
            // The next request of the session came before this one's answer: with an older epoch nothing is answered.
            let stale = FetchRequest { session_epoch: client.session_epoch - 1, max_wait_ms: 0, ..request };
            let partitions = &world.partitions;
            let fetched = fetch(&call, stale, || world.image(), partitions, &sessions, 0, || 0).await;
            assert_eq!(fetched.response.error_code, i16::from(ErrorCode::InvalidFetchSessionEpoch));
        }
    }
    world.partitions.close(1).unwrap();
}

#[tokio::test]
async fn an_answer_of_what_is_open_is_that_of_the_walk_over_all() {
    for seed in 0..8 {
        play(seed).await;
    }
}

/// What an incremental fetch looks at; the answer is the next one's beginning.
async fn looked_at(world: &World, sessions: &FetchSessions, request: &mut FetchRequest) -> String {
    let Ok(Context::Incremental(incremental)) = sessions.context(ask(request, false, false), 0) else {
        panic!("the session is there");
    };
    let limits = Limits::of(request, FETCH_MAX_BYTES);
    let looked = look_or_wait(&incremental, -1, world.newest(), &world.partitions, &limits).await.unwrap();
    let names = looked.looks.iter().map(|look| match &look.wanted.topic {
        TopicKey::Name(name) => format!("{name}-{}", look.wanted.partition),
        TopicKey::Id(_) => panic!("this session names topics"),
    });
    let names: Vec<String> = names.collect();
    let outcomes = outcomes(looked.looks.iter().map(|look| &look.wanted), &looked.parts, limits.isolation);
    assert_eq!(sessions.tell(&incremental, looked.looks, &outcomes).error, None);
    request.topics.clear();
    request.session_epoch += 1;
    names.join(" ")
}

#[tokio::test]
async fn after_a_change_of_the_metadata_only_what_it_is_about_is_looked_at_again() {
    let mut world = World::new(1);
    let sessions = FetchSessions::new(1);
    let wish = |world: &World, topic: &'static str, indexes: std::ops::Range<i32>| FetchTopic {
        topic: topic.into(),
        partitions: indexes.map(|index| plain_wish(&world.partition(topic, index).unwrap())).collect(),
        ..FetchTopic::default()
    };
    let mut request =
        FetchRequest { session_epoch: 0, max_wait_ms: 0, max_bytes: 1 << 20, ..FetchRequest::default() };
    request.topics = vec![wish(&world, "a", 0..2), wish(&world, "b", 0..2)];
    let (newest, partitions) = (world.newest(), &world.partitions);
    let call = call(false);
    let begun = fetch(&call, request.clone(), newest, partitions, &sessions, FETCH_MAX_BYTES, || 0);
    request.session_id = begun.await.response.session_id;
    request.topics.clear();
    request.session_epoch = 1;
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "a-0 a-1 b-0 b-1");
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "");

    let next_producer_id = 1000;
    let ids = ProducerIdsRecord { next_producer_id, ..ProducerIdsRecord::default() };
    world.change(&[MetadataRecord::ProducerIds(ids)]);
    world.create("d");
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "");

    // The node has not followed it yet: nothing is noted of the partition.
    let partition = world.partition("b", 3).unwrap();
    world.elect(&partition, NODE.0);
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "b-0 b-1");
    world.follow();
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "");

    // One that is added is compared by the metadata that was there before.
    request.topics = vec![wish(&world, "c", 0..1)];
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "c-0");
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "");
    world.delete_topic("c");
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "c-0");
    // An error is told until it ends.
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "c-0");
    world.follow();
    world.create("c");
    world.follow();
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "c-0");
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "");

    request.isolation_level = 1;
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "a-0 a-1 b-0 b-1 c-0");
    assert_eq!(looked_at(&world, &sessions, &mut request).await, "");
    world.partitions.close(1).unwrap();
}

#[tokio::test]
async fn a_session_that_ends_watches_nothing() {
    let world = World::new(1);
    let call = call(false);
    let wishes = || World::all_partitions().filter_map(|(topic, index)| world.partition(topic, index));
    let topics = || {
        wishes().map(|it| FetchTopic {
            topic: (*it.name().topic).into(),
            partitions: vec![plain_wish(&it)],
            ..FetchTopic::default()
        })
    };
    for end in ["closed", "replaced", "forgotten", "evicted"] {
        let sessions = FetchSessions::new(1);
        let mut request =
            FetchRequest { session_id: 0, session_epoch: 0, max_wait_ms: 0, ..Default::default() };
        let ask_now = async |request: &FetchRequest, now_ms| {
            let partitions = &world.partitions;
            let newest = world.newest();
            let fetched =
                fetch(&call, request.clone(), newest, partitions, &sessions, FETCH_MAX_BYTES, || now_ms)
                    .await;
            assert_eq!(fetched.response.error_code, 0);
            fetched.response.session_id
        };
        request.topics = topics().collect();
        request.session_id = ask_now(&request, 0).await;
        request.topics.clear();
        request.session_epoch = 1;
        ask_now(&request, 0).await;
        request.session_epoch = 2;
        let Ok(Context::Incremental(waiting)) = sessions.context(ask(&request, false, false), 0) else {
            panic!("the session is there");
        };
        let watch = Arc::downgrade(waiting.watch());
        drop(waiting);
        assert!(watch.upgrade().is_some());
        request.session_epoch = 3;
        match end {
            "closed" => request.session_epoch = -1,
            "replaced" => request.session_epoch = 0,
            "forgotten" => {
                request.forgotten_topics_data = topics()
                    .map(|it| ForgottenTopic {
                        topic: it.topic,
                        partitions: vec![it.partitions[0].partition],
                        ..ForgottenTopic::default()
                    })
                    .collect();
            }
            _ => (request.session_id, request.session_epoch) = (0, 0),
        }
        ask_now(&request, FetchSessions::EVICTION_MS + 1).await;
        // Every partition that noted its changes for the session would keep this.
        assert!(watch.upgrade().is_none(), "{end}");
    }
    world.partitions.close(1).unwrap();
}

/// A record's batch for each, so that a reader counts batches.
const RECORDS_EACH: usize = 400;
const WRITERS: usize = 2;
const READERS: usize = 3;
/// A reader that is not woken hangs; so long is it waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// The batches in the records of an answer.
fn batches(mut records: &[u8]) -> i64 {
    let mut count = 0;
    while let Some(length) = records.get(8..12) {
        let length = i32::from_be_bytes(length.try_into().unwrap());
        records = &records[12 + length as usize..];
        count += 1;
    }
    count
}

/// Reads until it has `total` records; a fetch of a reader that hangs up is given up while it waits.
async fn read_all_that_comes(
    partitions: Arc<Partitions>,
    newest: impl Fn() -> Arc<Image> + Send + Sync,
    sessions: Arc<FetchSessions>,
    (isolation_level, hangs_up): (i8, bool),
    total: i64,
) {
    let mut positions: BTreeMap<(String, i32), i64> = BTreeMap::new();
    for (topic, partition) in World::all_partitions() {
        positions.insert((topic.to_owned(), partition), 0);
    }
    let mut dirty: Vec<(String, i32)> = positions.keys().cloned().collect();
    let (mut session_id, mut session_epoch) = (0, 0);
    while positions.values().sum::<i64>() < total {
        let topics = std::mem::take(&mut dirty).into_iter().map(|key| {
            let fetch_offset = positions[&key];
            let partition = FetchPartition {
                partition: key.1,
                fetch_offset,
                current_leader_epoch: -1,
                last_fetched_epoch: -1,
                partition_max_bytes: 2000,
                ..FetchPartition::default()
            };
            FetchTopic { topic: key.0.as_str().into(), partitions: vec![partition], ..FetchTopic::default() }
        });
        let request = FetchRequest {
            topics: topics.collect(),
            session_id,
            session_epoch,
            isolation_level,
            // The one that begins the session is not given up, or there would be none.
            max_wait_ms: if session_epoch == 0 { 0 } else { LONG_MS },
            min_bytes: 1,
            max_bytes: 6000,
            ..FetchRequest::default()
        };
        let call = call(false);
        let fetch = fetch(&call, request, &newest, &partitions, &sessions, FETCH_MAX_BYTES, || 0);
        let patience = if hangs_up { Duration::from_micros(300) } else { PATIENCE };
        let Ok(fetched) = tokio::time::timeout(patience, fetch).await else {
            assert!(hangs_up, "a reader was not woken: it has {positions:?}");
            session_epoch += 1;
            continue;
        };
        assert_eq!(fetched.response.error_code, 0);
        (session_id, session_epoch) = (fetched.response.session_id, session_epoch + 1);
        for topic in fetched.response.responses {
            for part in topic.partitions {
                assert_eq!(part.error_code, 0);
                if let Some(Payload::Elsewhere { ticket, .. }) = part.records {
                    let key = (topic.topic.to_string(), part.partition_index);
                    let count = batches(&fetched.ranges[ticket].to_bytes().unwrap());
                    assert!(count > 0, "no part of a batch: what is asked for is larger");
                    *positions.get_mut(&key).unwrap() += count;
                    dirty.push(key);
                }
            }
        }
    }
    assert_eq!(positions.values().sum::<i64>(), total);
}

/// Writers, a leader that changes epochs, and readers on threads of their own: each reader gets all there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_misses_what_is_written_while_it_looks() {
    let mut world = World::new(1);
    let sessions = Arc::new(FetchSessions::new(READERS));
    let total = (WRITERS * RECORDS_EACH) as i64;
    let mut readers = Vec::new();
    for kind in [(0, false), (1, false), (0, true)] {
        let (partitions, newest) = (Arc::clone(&world.partitions), world.newest());
        readers.push(tokio::spawn(read_all_that_comes(
            partitions,
            newest,
            Arc::clone(&sessions),
            kind,
            total,
        )));
    }
    let all: Vec<_> =
        World::all_partitions().filter_map(|(topic, index)| world.partition(topic, index)).collect();
    let writers = (1..=WRITERS as u64).map(|seed| {
        let all = all.clone();
        std::thread::spawn(move || {
            let mut random = Random(seed);
            for _ in 0..RECORDS_EACH {
                let partition = &all[random.below(all.len() as u64) as usize];
                World::produce_now(partition, random.below(100) as usize);
                if random.below(3) == 0 {
                    std::thread::yield_now();
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    for partition in all.iter().cycle().take(50) {
        world.elect(partition, NODE.0);
        world.follow();
        tokio::task::yield_now().await;
    }
    writers.into_iter().for_each(|it| it.join().unwrap());
    for reader in readers {
        tokio::time::timeout(PATIENCE, reader).await.expect("a reader was not woken").unwrap();
    }
    world.partitions.close(1).unwrap();
}
