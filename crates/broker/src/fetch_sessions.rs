//! Incremental fetch sessions (KIP-227): what a consumer asked for is remembered, so that its next
//! requests name only what changed and the answers only what moved.
//!
//! Here is who has a session; what one is, and which partitions an answer looks at, is in `session.rs`.
//!
//! A core: time comes in as milliseconds, nothing here reads partitions or logs. Of a partition it is only
//! known by whom its changes are noted ([`Watch`]).
//! Kafka's own name: `FetchSession`, `FetchManager`.

mod session;

pub use session::{Look, Outcome, Told, View, Way};

use crate::topics::TopicKey;
use ottla_partition::Watch;
use ottla_protocol::ErrorCode;
use session::Session;
use std::collections::{BTreeSet, HashMap, HashSet};
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
    Incremental(Incremental),
}

/// A request that goes on with a session.
#[derive(Debug)]
pub struct Incremental {
    session: Arc<Mutex<Session>>,
    session_id: i32,
    /// The epoch of this request.
    epoch: i32,
    watch: Arc<Watch>,
}

impl Incremental {
    /// The session that the request goes on with.
    pub fn session_id(&self) -> i32 {
        self.session_id
    }

    /// The partitions to look at now, in the order of the answer: of all others there is nothing to tell. What is looked
    /// at is given back to [`Incremental::settle`] or [`FetchSessions::tell`].
    ///
    /// # Errors
    /// INVALID_FETCH_SESSION_EPOCH where another request has gone on with the session meanwhile.
    pub fn looks(&self, view: &View) -> Result<Vec<Look>, ErrorCode> {
        Ok(self.lock()?.looks(view))
    }

    /// Nothing is told yet: the request waits for [`Incremental::watch`] and looks again. What has nothing to tell now is
    /// looked at again when it has changed.
    ///
    /// # Errors
    /// As [`Incremental::looks`].
    pub fn settle(&self, looks: Vec<Look>, outcomes: &[Outcome]) -> Result<(), ErrorCode> {
        self.lock()?.settle(looks, outcomes);
        Ok(())
    }

    /// Notes what changes in the session's partitions; what was noted is taken by [`Incremental::looks`].
    pub fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    fn lock(&self) -> Result<MutexGuard<'_, Session>, ErrorCode> {
        let session = lock(&self.session);
        if session.next_epoch == epoch_after(self.epoch) {
            Ok(session)
        } else {
            Err(ErrorCode::InvalidFetchSessionEpoch)
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
    /// For each partition read or looked at, in order: whether it is part of the answer.
    pub included: Vec<bool>,
}

impl Tell {
    /// An answer without partitions.
    fn failure(session_id: i32, error: ErrorCode, count: usize) -> Tell {
        Tell { session_id, error: Some(error), included: vec![false; count] }
    }

    /// An answer with all that was read.
    fn all(session_id: i32, count: usize) -> Tell {
        Tell { session_id, error: None, included: vec![true; count] }
    }
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
    by_use: BTreeSet<(i64, i32)>,
    /// What the next new id is made of.
    seed: u32,
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

    /// Finds the session that `ask` speaks of, changes it as asked, and says what to read.
    ///
    /// Errors are the top-level errors of the answer: FETCH_SESSION_ID_NOT_FOUND,
    /// INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR.
    pub fn context(&self, ask: Ask, now_ms: i64) -> Result<Context, ErrorCode> {
        let id = ask.session_id;
        if ask.session_epoch == 0 || ask.session_epoch == -1 {
            self.remove(id);
            let wanted = last_of_each(ask.wanted).into_iter().map(Arc::new).collect();
            return Ok(if ask.session_epoch == 0 {
                Context::Begin { wanted, uses_ids: ask.uses_ids, from_follower: ask.from_follower }
            } else {
                Context::Sessionless { wanted }
            });
        }
        let shared = self.find(id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let mut session = lock(&shared);
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
        if session.size() == 0 {
            drop(session);
            // Nothing left to fetch: the session ends, and what remains is an empty answer.
            self.remove(id);
            return Ok(Context::Sessionless { wanted: Vec::new() });
        }
        session.next_epoch = epoch_after(session.next_epoch);
        let (size, watch) = (session.size(), Arc::clone(session.watch()));
        drop(session);
        lock(&self.cache).touch(id, size, now_ms);
        Ok(Context::Incremental(Incremental {
            session: shared,
            session_id: id,
            epoch: ask.session_epoch,
            watch,
        }))
    }

    /// Remembers what the answer to a request tells that goes on with a session: one outcome for each partition that
    /// was looked at, in order.
    pub fn tell(&self, request: &Incremental, looks: Vec<Look>, outcomes: &[Outcome]) -> Tell {
        let (id, count) = (request.session_id, looks.len());
        if !self.find(id).is_some_and(|session| Arc::ptr_eq(&session, &request.session)) {
            return Tell::failure(id, ErrorCode::FetchSessionIdNotFound, count);
        }
        match request.lock() {
            Ok(mut session) => Tell { session_id: id, error: None, included: session.tell(looks, outcomes) },
            Err(error) => Tell::failure(id, error, count),
        }
    }

    /// Begins a session with what was read, if there is room.
    pub fn begin(
        &self,
        wanted: &[Arc<Wanted>],
        outcomes: &[Outcome],
        uses_ids: bool,
        from_follower: bool,
        now_ms: i64,
    ) -> Tell {
        assert_eq!(wanted.len(), outcomes.len(), "one outcome for each partition read");
        let mut cache = lock(&self.cache);
        let Some(room) = cache.make_room(self.slots, from_follower, wanted.len(), now_ms) else {
            return Tell::all(0, wanted.len());
        };
        let mut session = Session::new(uses_ids, from_follower, now_ms);
        for (wanted, outcome) in wanted.iter().zip(outcomes) {
            // The order stays that of the request until an incremental answer has records.
            session.add(Wanted::clone(wanted), outcome.remembered());
        }
        let id = cache.unused_id();
        cache.insert(id, session, now_ms);
        drop(cache);
        // It lets go of each of its partitions; nobody need wait for that.
        drop(room);
        Tell::all(id, wanted.len())
    }

    /// What the answer to a request without a session tells: all that was read.
    pub fn tell_all(wanted: &[Arc<Wanted>]) -> Tell {
        Tell::all(0, wanted.len())
    }

    fn find(&self, id: i32) -> Option<Arc<Mutex<Session>>> {
        lock(&self.cache).sessions.get(&id).map(|entry| Arc::clone(&entry.session))
    }

    fn remove(&self, id: i32) {
        let removed = lock(&self.cache).remove(id);
        // It lets go of each of its partitions; nobody need wait for that.
        drop(removed);
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
        self.by_use.insert((now_ms, id));
        let entry = Entry {
            last_used_ms: now_ms,
            created_ms: session.created_ms,
            privileged: session.privileged,
            size: session.size(),
            session: Arc::new(Mutex::new(session)),
        };
        self.sessions.insert(id, entry);
    }

    fn remove(&mut self, id: i32) -> Option<Entry> {
        let entry = self.sessions.remove(&id)?;
        self.by_use.remove(&(entry.last_used_ms, id));
        Some(entry)
    }

    fn touch(&mut self, id: i32, size: usize, now_ms: i64) {
        if let Some(entry) = self.sessions.get_mut(&id) {
            self.by_use.remove(&(entry.last_used_ms, id));
            entry.last_used_ms = now_ms;
            entry.size = size;
            self.by_use.insert((now_ms, id));
        }
    }

    /// Makes a slot free for a session of `size` partitions: the one that gave way, if one had to; `None` if all others
    /// have more right to theirs.
    fn make_room(
        &mut self,
        slots: usize,
        privileged: bool,
        size: usize,
        now_ms: i64,
    ) -> Option<Option<Entry>> {
        if slots == 0 {
            return None;
        }
        if self.sessions.len() < slots {
            return Some(None);
        }
        let stale = self
            .by_use
            .first()
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
        Some(self.remove(victim?))
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
