//! One fetch session: what its client wants of each partition, what it was told last, and which partitions the next
//! answer must look at.
//!
//! An answer costs what is *open*, not what is in the session. A partition is open until a look has found that
//! there is nothing to tell of it and that this stays so until it changes; then its watch tells when it does, and opens
//! it again.
//!
//! ```text
//!               wanted, or wanted differently;
//!               its watch has noted a change;
//!               its topic, or the way of looking, is another
//!             ┌────────────────────────────────────────────┐
//!             ▼                                            │
//!           open ── looked at: nothing to tell, settled ─▶ quiet
//!             ▲ │
//!             └─┘ looked at: records, an error, cut by a limit, …
//! ```

use super::{Key, Wanted};
use crate::topics::{self, TopicKey};
use ottla_metadata::{Image, Topic};
use ottla_partition::{Isolation, Watch, Watched};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Weak};

/// What the session last told the client of a partition; a difference makes it part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The high watermark, -1 before the first answer and after an error.
    pub high_watermark: i64,
    /// The log start offset, -1 before the first answer.
    pub log_start_offset: i64,
}

pub(super) const UNTOLD: Told = Told { high_watermark: -1, log_start_offset: -1 };

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
    /// Whether every look would find this again until the partition, its topic's part of the metadata, what is wanted of
    /// it, or the way of looking changes: the client has all that it may read, whatever the limits of the fetch.
    pub is_settled: bool,
}

impl Outcome {
    fn is_told_always(&self) -> bool {
        self.has_records || self.has_error || self.urgent
    }

    fn is_news_after(&self, told: Told) -> bool {
        self.is_told_always() || told != self.told
    }

    /// What a session remembers of an answer: after an error the high watermark counts as untold, so that recovery is told
    /// too.
    pub(super) fn remembered(&self) -> Told {
        if self.has_error { Told { high_watermark: -1, ..self.told } } else { self.told }
    }
}

/// What the answers of all partitions depend on beside the partitions.
#[derive(Clone, Debug)]
pub struct View {
    /// The metadata: which topics there are and who leads. Of a partition only its topic's part counts.
    pub image: Arc<Image>,
    /// How it is looked: in another way, all partitions are looked at.
    pub way: Way,
}

/// What of a request decides what a look finds, whatever the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The isolation level.
    pub isolation: Isolation,
    /// The follower that asks, or a negative number.
    pub replica: i32,
}

/// A partition that an answer must look at.
#[derive(Debug)]
pub struct Look {
    /// What is wanted of it.
    pub wanted: Arc<Wanted>,
    /// How the session hears of its changes. Who looks sees to it first that the partition which it looks at is watched.
    pub watched: Option<Watched>,
    /// The number by which its changes are noted.
    pub number: u32,
    place: u64,
}

/// A partition of the session.
#[derive(Debug)]
struct Slot {
    wanted: Arc<Wanted>,
    told: Told,
    /// In the order of answers.
    place: u64,
    /// Invariant: there, unless the partition is open.
    watched: Option<Watched>,
}

/// A topic of the session.
#[derive(Debug, Default)]
struct Named {
    /// Its part of the metadata by which its partitions that are not open were looked at; none where it was not there. It
    /// is not kept alive, but nothing else comes to its address while this points there.
    seen: Option<Weak<Topic>>,
    /// Partition → number.
    numbers: BTreeMap<i32, u32>,
}

impl Named {
    fn is_seen(&self, topic: Option<&Arc<Topic>>) -> bool {
        self.seen.as_ref().map(Weak::as_ptr) == topic.map(Arc::as_ptr)
    }
}

/// A remembered fetch.
///
/// Bounded by what its requests have named and not forgotten.
#[derive(Debug)]
pub(super) struct Session {
    /// The epoch that the next request must carry.
    pub next_epoch: i32,
    /// Whether the topics are named by id.
    pub uses_ids: bool,
    /// Whether a follower made it: those evict consumers' sessions.
    pub privileged: bool,
    pub created_ms: i64,
    /// By their numbers; those of forgotten partitions are `free`.
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    /// Invariant: each has partitions.
    topics: HashMap<TopicKey, Named>,
    /// (place, number) of the partitions that the next answer looks at, in its order. Those with records move to the
    /// end, for fairness.
    open: BTreeSet<(u64, u32)>,
    place_next: u64,
    watch: Arc<Watch>,
    /// The metadata by which all topics were last compared. It is not kept alive.
    image: Weak<Image>,
    /// The way in which the partitions that are not open were looked at; none before the first look.
    way: Option<Way>,
}

impl Session {
    pub(super) fn new(uses_ids: bool, privileged: bool, now_ms: i64) -> Session {
        Session {
            next_epoch: 1,
            uses_ids,
            privileged,
            created_ms: now_ms,
            slots: Vec::new(),
            free: Vec::new(),
            topics: HashMap::new(),
            open: BTreeSet::new(),
            place_next: 0,
            watch: Arc::default(),
            image: Weak::new(),
            way: None,
        }
    }

    /// How many partitions there are.
    pub(super) fn size(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Notes the changes of all partitions of the session.
    pub(super) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Adds `wanted` at the end, or changes what is asked of a partition that is known, in its place.
    pub(super) fn want(&mut self, mut wanted: Wanted) {
        let known = self.topics.get(&wanted.topic).and_then(|it| it.numbers.get(&wanted.partition));
        let Some(number) = known.copied() else { return self.add(wanted, UNTOLD) };
        let Some(slot) = self.slots.get_mut(number as usize).and_then(Option::as_mut) else { return };
        wanted.topic = slot.wanted.topic.clone();
        slot.wanted = Arc::new(wanted);
        self.open.insert((slot.place, number));
    }

    /// Adds a partition at the end.
    pub(super) fn add(&mut self, mut wanted: Wanted, told: Told) {
        // A session outlives the frame of the request that named it.
        wanted.topic = wanted.topic.detached();
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("a request names fewer partitions than it has bytes")
        });
        let place = self.place_next;
        self.place_next += 1;
        let named = self.topics.entry(wanted.topic.clone()).or_insert_with(|| {
            // The next look compares it, even by the metadata of the last one.
            self.image = Weak::new();
            Named::default()
        });
        named.numbers.insert(wanted.partition, number);
        self.open.insert((place, number));
        if let Some(slot) = self.slots.get_mut(number as usize) {
            *slot = Some(Slot { wanted: Arc::new(wanted), told, place, watched: None });
        }
    }

    pub(super) fn forget(&mut self, (topic, partition): &Key) {
        let Some(named) = self.topics.get_mut(topic) else { return };
        let Some(number) = named.numbers.remove(partition) else { return };
        if named.numbers.is_empty() {
            self.topics.remove(topic);
        }
        if let Some(slot) = self.slots.get_mut(number as usize).and_then(Option::take) {
            self.open.remove(&(slot.place, number));
            // A change that was noted of it opens the next one of this number in vain.
            self.free.push(number);
        }
    }

    /// The partitions to look at, in the order of the answer. What has changed is taken from the watch here, so a change that
    /// comes later opens its partition again, whatever the look found.
    pub(super) fn looks(&mut self, view: &View) -> Vec<Look> {
        for number in self.watch.take() {
            if let Some(Some(slot)) = self.slots.get(number as usize) {
                self.open.insert((slot.place, number));
            }
        }
        self.see(view);
        let mut looks = Vec::with_capacity(self.open.len());
        for (place, number) in &self.open {
            if let Some(Some(slot)) = self.slots.get_mut(*number as usize) {
                looks.push(Look {
                    wanted: Arc::clone(&slot.wanted),
                    watched: slot.watched.take(),
                    number: *number,
                    place: *place,
                });
            }
        }
        looks
    }

    /// Opens what a look may find something else of than before, with this view: the partitions of topics that came, went or
    /// changed in whatever way. A change that is no topic's opens nothing.
    fn see(&mut self, view: &View) {
        let is_same_way = self.way == Some(view.way);
        if is_same_way && std::ptr::eq(self.image.as_ptr(), Arc::as_ptr(&view.image)) {
            return;
        }
        (self.image, self.way) = (Arc::downgrade(&view.image), Some(view.way));
        for (key, named) in &mut self.topics {
            let topic = topics::find(&view.image, key).ok();
            if is_same_way && named.is_seen(topic) {
                continue;
            }
            named.seen = topic.map(Arc::downgrade);
            for number in named.numbers.values() {
                if let Some(Some(slot)) = self.slots.get(*number as usize) {
                    self.open.insert((slot.place, *number));
                }
            }
        }
    }

    /// Nothing is told yet. What has nothing to tell, and will not until it changes, is not looked at again.
    pub(super) fn settle(&mut self, looks: Vec<Look>, outcomes: &[Outcome]) {
        for (look, outcome) in looks.into_iter().zip(outcomes) {
            let told = self.slot(look.number).told;
            self.give_back(look, outcome.is_settled && !outcome.is_news_after(told));
        }
    }

    /// Remembers what an answer tells of these partitions; says which of them must be in an incremental answer. Nobody
    /// else has changed the session since they were asked for.
    pub(super) fn tell(&mut self, looks: Vec<Look>, outcomes: &[Outcome]) -> Vec<bool> {
        assert_eq!(looks.len(), outcomes.len(), "each was looked at");
        let mut included = Vec::with_capacity(looks.len());
        for (look, outcome) in looks.into_iter().zip(outcomes) {
            let number = look.number;
            let slot = self.slot(number);
            let is_news = outcome.is_news_after(slot.told);
            if is_news {
                slot.told = outcome.remembered();
            }
            included.push(is_news);
            self.give_back(look, outcome.is_settled && !outcome.is_told_always());
            if outcome.has_records {
                self.move_to_end(number);
            }
        }
        included
    }

    /// Ends a look.
    fn give_back(&mut self, look: Look, is_quiet: bool) {
        let Look { watched, number, place, .. } = look;
        // Without a watch nobody would open it again.
        if is_quiet && watched.is_some() {
            self.open.remove(&(place, number));
        }
        self.slot(number).watched = watched;
    }

    fn move_to_end(&mut self, number: u32) {
        let place = self.place_next;
        self.place_next += 1;
        let before = std::mem::replace(&mut self.slot(number).place, place);
        if self.open.remove(&(before, number)) {
            self.open.insert((place, number));
        }
    }

    fn slot(&mut self, number: u32) -> &mut Slot {
        let slot = self.slots.get_mut(number as usize).and_then(Option::as_mut);
        slot.expect("nothing is forgotten while it is looked at")
    }
}
