//! Incremental fetch sessions (KIP-227): what a consumer asked for is remembered, so that its next
//! requests name only what changed and the answers only what moved.
//!
//! A core: time comes in as milliseconds, nothing here knows partitions, logs or tasks.
//! Kafka's own name: `FetchSession`, `FetchManager`.

use crate::topics::TopicKey;
use ottla_protocol::ErrorCode;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a consumer asks of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The topic, as the request named it.
    pub topic: TopicKey,
    /// The partition's index.
    pub partition: i32,
    /// The offset to read from.
    pub fetch_offset: i64,
    /// The epoch the client believes current, or -1.
    pub current_leader_epoch: i32,
    /// The epoch of the last record the client has, or -1 (KIP-595).
    pub last_fetched_epoch: i32,
    /// The follower's log start offset, or -1 from a consumer.
    pub log_start_offset: i64,
    /// At most so many bytes of this partition.
    pub max_bytes: i32,
}

/// A partition of a session, without what may change.
type Key = (TopicKey, i32);

/// What the session last told the client of a partition; a difference makes it part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The high watermark, -1 before the first answer and after an error.
    pub high_watermark: i64,
    /// The log start offset, -1 before the first answer.
    pub log_start_offset: i64,
}

const UNTOLD: Told = Told { high_watermark: -1, log_start_offset: -1 };

/// One partition's part of an answer, as far as a session must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the answer tells.
    pub told: Told,
    /// Whether there are records.
    pub has_records: bool,
    /// Whether there is an error.
    pub has_error: bool,
    /// Whether a diverging epoch or a preferred replica is named: these must be told at once.
    pub urgent: bool,
}

/// A remembered fetch.
#[derive(Debug)]
struct Session {
    /// The epoch that the next request must carry.
    next_epoch: i32,
    /// Whether the topics are named by id.
    uses_ids: bool,
    /// Whether a follower made it: those evict consumers' sessions.
    privileged: bool,
    created_ms: i64,
    /// Place in the order of answers → partition. Those with records move to the end, for fairness.
    order: BTreeMap<u64, (Arc<Wanted>, Told)>,
    places: HashMap<Key, u64>,
    place_next: u64,
}

impl Session {
    /// Adds `wanted` at the end, or changes what is asked of a partition that is known, in its place.
    fn want(&mut self, wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.partition);
        match self.places.get(&key).and_then(|place| self.order.get_mut(place)) {
            Some((known, _)) => *known = Arc::new(wanted),
            None => self.add(key, wanted, UNTOLD),
        }
    }

    fn add(&mut self, key: Key, wanted: Wanted, told: Told) {
        self.places.insert(key, self.place_next);
        self.order.insert(self.place_next, (Arc::new(wanted), told));
        self.place_next += 1;
    }

    fn forget(&mut self, key: &Key) {
        if let Some(place) = self.places.remove(key) {
            self.order.remove(&place);
        }
    }

    /// Remembers what an answer tells of all partitions, in their order; says which of them must be in an incremental
    /// answer. Of a session of thousands most have no news, and nothing is changed for those.
    fn tell(&mut self, outcomes: &[Outcome]) -> Vec<bool> {
        assert_eq!(self.order.len(), outcomes.len(), "nothing came in between");
        let mut moving = Vec::new();
        let included = self
            .order
            .iter_mut()
            .zip(outcomes)
            .map(|((place, (_, told)), outcome)| {
                let news =
                    outcome.has_records || outcome.has_error || outcome.urgent || *told != outcome.told;
                if news {
                    *told = remembered(outcome);
                }
                if outcome.has_records {
                    moving.push(*place);
                }
                news
            })
            .collect();
        for place in moving {
            let Some((wanted, told)) = self.order.remove(&place) else { continue };
            if let Some(place) = self.places.get_mut(&(wanted.topic.clone(), wanted.partition)) {
                *place = self.place_next;
            }
            self.order.insert(self.place_next, (wanted, told));
            self.place_next += 1;
        }
        included
    }

    fn wanted(&self) -> Vec<Arc<Wanted>> {
        self.order.values().map(|(wanted, _)| Arc::clone(wanted)).collect()
    }
}

/// What a session remembers of an answer: after an error the high watermark counts as untold, so that recovery is told too.
fn remembered(outcome: &Outcome) -> Told {
    if outcome.has_error { Told { high_watermark: -1, ..outcome.told } } else { outcome.told }
}

/// The next epoch of a session: 1 follows the highest (Kafka's `FetchMetadata.nextEpoch`).
fn epoch_after(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

/// What a request asks of the session cache.
#[derive(Debug)]
pub struct Ask {
    /// 0: none yet.
    pub session_id: i32,
    /// 0: begin one, -1: none wanted (and close the named one), otherwise: go on.
    pub session_epoch: i32,
    /// Whether the request names topics by id.
    pub uses_ids: bool,
    /// Whether a follower asks.
    pub from_follower: bool,
    /// Partitions added, or asked for differently.
    pub wanted: Vec<Wanted>,
    /// Partitions to forget.
    pub forgotten: Vec<(TopicKey, i32)>,
}

/// How one fetch is to be answered.
#[derive(Debug)]
pub enum Context {
    /// Everything asked for is answered, and a session begins if there is room.
    Begin {
        /// What to read.
        wanted: Vec<Arc<Wanted>>,
        /// Whether the topics are named by id.
        uses_ids: bool,
        /// Whether a follower asks.
        from_follower: bool,
    },
    /// Everything asked for is answered; nothing is remembered.
    Sessionless {
        /// What to read.
        wanted: Vec<Arc<Wanted>>,
    },
    /// Only what is new is answered.
    Incremental {
        /// What to read: all partitions of the session, in its order.
        wanted: Vec<Arc<Wanted>>,
        /// The session.
        session_id: i32,
        /// The epoch of this request.
        epoch: i32,
    },
}

impl Context {
    /// What to read, in order.
    pub fn wanted(&self) -> &[Arc<Wanted>] {
        match self {
            Context::Begin { wanted, .. }
            | Context::Sessionless { wanted }
            | Context::Incremental { wanted, .. } => wanted,
        }
    }
}

/// What goes into the answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Tell {
    /// The session id of the answer, 0 when nothing is remembered.
    pub session_id: i32,
    /// A top-level error, when the session went away meanwhile.
    pub error: Option<ErrorCode>,
    /// For each partition read, in order: whether it is part of the answer.
    pub included: Vec<bool>,
}

/// The sessions of all connections.
///
/// Bounded by `max.incremental.fetch.session.cache.slots`; when full, a session unused for
/// [`FetchSessions::EVICTION_MS`] gives way, or a smaller one to a larger; otherwise the new fetch
/// stays without a session, which costs bytes, not correctness.
#[derive(Debug)]
pub struct FetchSessions {
    slots: usize,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    sessions: HashMap<i32, Entry>,
    /// (last used, id), oldest first.
    by_use: BTreeMap<(i64, i32), ()>,
    /// (privileged, partitions, id) of sessions older than the eviction time, least first.
    seed: u32,
    evictions: u64,
}

#[derive(Debug)]
struct Entry {
    session: Arc<Mutex<Session>>,
    last_used_ms: i64,
    created_ms: i64,
    privileged: bool,
    size: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change below leaves the maps whole, so a panic elsewhere does not make them wrong.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FetchSessions {
    /// A session unused for so long gives way to any other (Kafka's
    /// `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
    pub const EVICTION_MS: i64 = 120_000;

    /// A cache of at most `slots` sessions.
    pub fn new(slots: usize) -> FetchSessions {
        let seed = std::collections::hash_map::RandomState::new();
        let seed = std::hash::BuildHasher::hash_one(&seed, slots) as u32;
        FetchSessions { slots, cache: Mutex::new(Cache { seed, ..Cache::default() }) }
    }

    /// How many sessions are remembered.
    pub fn count(&self) -> usize {
        lock(&self.cache).sessions.len()
    }

    /// How many sessions gave way to others since the start.
    pub fn evictions(&self) -> u64 {
        lock(&self.cache).evictions
    }

    /// Finds the session that `ask` speaks of, changes it as asked, and says what to read.
    ///
    /// Errors are the top-level errors of the answer: FETCH_SESSION_ID_NOT_FOUND,
    /// INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR.
    pub fn context(&self, ask: Ask, now_ms: i64) -> Result<Context, ErrorCode> {
        let mut cache = lock(&self.cache);
        if ask.session_epoch == 0 || ask.session_epoch == -1 {
            if ask.session_id != 0 {
                cache.remove(ask.session_id);
            }
            let wanted = last_of_each(ask.wanted).into_iter().map(Arc::new).collect();
            return Ok(if ask.session_epoch == 0 {
                Context::Begin { wanted, uses_ids: ask.uses_ids, from_follower: ask.from_follower }
            } else {
                Context::Sessionless { wanted }
            });
        }
        let id = ask.session_id;
        let Some(entry) = cache.sessions.get(&id) else {
            return Err(ErrorCode::FetchSessionIdNotFound);
        };
        let session = Arc::clone(&entry.session);
        let mut session = lock(&session);
        if session.next_epoch != ask.session_epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_ids != ask.uses_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        for wanted in ask.wanted {
            session.want(wanted);
        }
        for key in &ask.forgotten {
            session.forget(key);
        }
        if session.order.is_empty() {
            // Nothing left to fetch: the session ends, and what remains is an empty answer.
            cache.remove(id);
            return Ok(Context::Sessionless { wanted: Vec::new() });
        }
        session.next_epoch = epoch_after(session.next_epoch);
        let size = session.order.len();
        let wanted = session.wanted();
        drop(session);
        cache.touch(id, size, now_ms);
        Ok(Context::Incremental { wanted, session_id: id, epoch: ask.session_epoch })
    }

    /// Remembers what the answer to `context` tells, one outcome for each partition read, in order.
    pub fn tell(&self, context: &Context, outcomes: &[Outcome], now_ms: i64) -> Tell {
        assert_eq!(context.wanted().len(), outcomes.len(), "one outcome for each partition read");
        match context {
            Context::Sessionless { .. } => {
                Tell { session_id: 0, error: None, included: vec![true; outcomes.len()] }
            }
            Context::Begin { wanted, uses_ids, from_follower } => {
                let session_id = self.begin(wanted, outcomes, *uses_ids, *from_follower, now_ms);
                Tell { session_id, error: None, included: vec![true; outcomes.len()] }
            }
            Context::Incremental { session_id, epoch, .. } => {
                let session =
                    lock(&self.cache).sessions.get(session_id).map(|entry| Arc::clone(&entry.session));
                let Some(session) = session else {
                    return Tell {
                        session_id: *session_id,
                        error: Some(ErrorCode::FetchSessionIdNotFound),
                        included: vec![false; outcomes.len()],
                    };
                };
                let mut session = lock(&session);
                if session.next_epoch != epoch_after(*epoch) {
                    return Tell {
                        session_id: *session_id,
                        error: Some(ErrorCode::InvalidFetchSessionEpoch),
                        included: vec![false; outcomes.len()],
                    };
                }
                // No other request came in between, so the order is that in which was read.
                Tell { session_id: *session_id, error: None, included: session.tell(outcomes) }
            }
        }
    }

    /// Begins a session if there is room; its id, or 0.
    fn begin(
        &self,
        wanted: &[Arc<Wanted>],
        outcomes: &[Outcome],
        uses_ids: bool,
        privileged: bool,
        now_ms: i64,
    ) -> i32 {
        let mut cache = lock(&self.cache);
        if !cache.make_room(self.slots, privileged, wanted.len(), now_ms) {
            return 0;
        }
        let mut session = Session {
            next_epoch: 1,
            uses_ids,
            privileged,
            created_ms: now_ms,
            order: BTreeMap::new(),
            places: HashMap::new(),
            place_next: 0,
        };
        for (wanted, outcome) in wanted.iter().zip(outcomes) {
            // A session outlives the frame of the request that began it.
            let mut wanted = Wanted::clone(wanted);
            if let TopicKey::Name(name) = &wanted.topic {
                wanted.topic = TopicKey::Name(name.detached());
            }
            // The order stays that of the request until an incremental answer has records.
            let key = (wanted.topic.clone(), wanted.partition);
            session.add(key, wanted, remembered(outcome));
        }
        let id = cache.unused_id();
        cache.insert(id, session, now_ms);
        id
    }
}

/// The last of each partition named, in the order of the first naming (Kafka: a map).
fn last_of_each(wanted: Vec<Wanted>) -> Vec<Wanted> {
    let mut seen = HashSet::with_capacity(wanted.len());
    if wanted.iter().all(|it| seen.insert((it.topic.clone(), it.partition))) {
        return wanted;
    }
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut kept: Vec<Wanted> = Vec::new();
    for it in wanted {
        match places.get(&(it.topic.clone(), it.partition)).and_then(|place| kept.get_mut(*place)) {
            Some(slot) => *slot = it,
            None => {
                places.insert((it.topic.clone(), it.partition), kept.len());
                kept.push(it);
            }
        }
    }
    kept
}

impl Cache {
    fn insert(&mut self, id: i32, session: Session, now_ms: i64) {
        self.by_use.insert((now_ms, id), ());
        let entry = Entry {
            last_used_ms: now_ms,
            created_ms: session.created_ms,
            privileged: session.privileged,
            size: session.order.len(),
            session: Arc::new(Mutex::new(session)),
        };
        self.sessions.insert(id, entry);
    }

    fn remove(&mut self, id: i32) {
        if let Some(entry) = self.sessions.remove(&id) {
            self.by_use.remove(&(entry.last_used_ms, id));
        }
    }

    fn touch(&mut self, id: i32, size: usize, now_ms: i64) {
        if let Some(entry) = self.sessions.get_mut(&id) {
            self.by_use.remove(&(entry.last_used_ms, id));
            entry.last_used_ms = now_ms;
            entry.size = size;
            self.by_use.insert((now_ms, id), ());
        }
    }

    /// Makes a slot free for a session of `size` partitions; false if all others have more right to theirs.
    fn make_room(&mut self, slots: usize, privileged: bool, size: usize, now_ms: i64) -> bool {
        if slots == 0 {
            return false;
        }
        if self.sessions.len() < slots {
            return true;
        }
        let stale = self
            .by_use
            .keys()
            .next()
            .filter(|(used_ms, _)| now_ms - used_ms > FetchSessions::EVICTION_MS)
            .map(|(_, id)| *id);
        let victim = stale.or_else(|| {
            // A session that has lived long enough, or a consumer's before a follower's, gives way
            // to one with more right: (privileged, size). The scan is bounded by the slots and only
            // runs when the cache is full.
            self.sessions
                .iter()
                .filter(|(_, it)| {
                    now_ms - it.created_ms > FetchSessions::EVICTION_MS || (privileged && !it.privileged)
                })
                .map(|(id, it)| (it.privileged, it.size, *id))
                .min()
                .filter(|(it_privileged, it_size, _)| (*it_privileged, *it_size) < (privileged, size))
                .map(|(_, _, id)| id)
        });
        match victim {
            Some(id) => {
                self.remove(id);
                self.evictions += 1;
                true
            }
            None => false,
        }
    }

    /// An id that no session has; not guessable from the last by accident (a client of a restarted
    /// broker must not meet a stranger's session).
    fn unused_id(&mut self) -> i32 {
        loop {
            // xorshift32: any non-zero state walks through all others.
            let mut x = self.seed.max(1);
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            self.seed = x;
            let id = (x >> 1) as i32;
            if id != 0 && !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests;
