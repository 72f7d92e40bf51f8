//! One fetch session: what its client wants of each partition, what it was told last, and which partitions the next
//! answer must look at.
//!
//! An answer costs what is *open*, not what is in the session. A partition is open until a look has found that
//! there is nothing to tell of it and that this stays so until it changes; then its watch tells when it does, and opens
//! it again.
//!
//! ```text
//!               wanted, or wanted differently;
//!               its watch has noted a change; another View
//!             ┌────────────────────────────────────────────┐
//!             ▼                                            │
//!           open ── looked at: nothing to tell, settled ─▶ quiet
//!             ▲ │
//!             └─┘ looked at: records, an error, cut by a limit, …
//! ```

use super::{Key, Wanted};
use ottla_metadata::Image;
use ottla_partition::{Isolation, Watch, Watched};
use std::collections::{BTreeSet, HashMap};
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
    /// Whether every look would find this again until the partition, what is wanted of it, or the [`View`] changes:
    /// the client has all that it may read, whatever the limits of the fetch.
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

/// What the answers of all partitions depend on beside the partitions: with another one, all are looked at.
#[derive(Clone, Debug)]
pub struct View {
    /// The metadata: which topics there are and who leads. It is not kept.
    pub image: Weak<Image>,
    /// The isolation level of the request.
    pub isolation: Isolation,
    /// The follower that asks, or a negative number.
    pub replica: i32,
}

impl PartialEq for View {
    fn eq(&self, other: &View) -> bool {
        self.image.ptr_eq(&other.image) && self.isolation == other.isolation && self.replica == other.replica
    }
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
    numbers: HashMap<Key, u32>,
    /// (place, number) of the partitions that the next answer looks at, in its order. Those with records move to the
    /// end, for fairness.
    open: BTreeSet<(u64, u32)>,
    place_next: u64,
    watch: Arc<Watch>,
    /// The view in which the partitions that are not open were looked at.
    view: Option<View>,
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
            numbers: HashMap::new(),
            open: BTreeSet::new(),
            place_next: 0,
            watch: Arc::default(),
            view: None,
        }
    }

    /// How many partitions there are.
    pub(super) fn size(&self) -> usize {
        self.numbers.len()
    }

    /// Notes the changes of all partitions of the session.
    pub(super) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Adds `wanted` at the end, or changes what is asked of a partition that is known, in its place.
    pub(super) fn want(&mut self, mut wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.partition);
        let Some(number) = self.numbers.get(&key).copied() else { return self.add(wanted, UNTOLD) };
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
        self.numbers.insert((wanted.topic.clone(), wanted.partition), number);
        self.open.insert((place, number));
        if let Some(slot) = self.slots.get_mut(number as usize) {
            *slot = Some(Slot { wanted: Arc::new(wanted), told, place, watched: None });
        }
    }

    pub(super) fn forget(&mut self, key: &Key) {
        let Some(number) = self.numbers.remove(key) else { return };
        if let Some(slot) = self.slots.get_mut(number as usize).and_then(Option::take) {
            self.open.remove(&(slot.place, number));
            // A change that was noted of it opens the next one of this number in vain.
            self.free.push(number);
        }
    }

    /// The partitions to look at, in the order of the answer. What has changed is taken from the watch here, so a change that
    /// comes later opens its partition again, whatever the look found.
    pub(super) fn looks(&mut self, view: &View) -> Vec<Look> {
        let has_changed = self.watch.take();
        if self.view.as_ref() != Some(view) {
            self.view = Some(view.clone());
            let all = self.slots.iter().zip(0..);
            self.open = all.filter_map(|(slot, number)| Some((slot.as_ref()?.place, number))).collect();
        } else {
            for number in has_changed {
                if let Some(Some(slot)) = self.slots.get(number as usize) {
                    self.open.insert((slot.place, number));
                }
            }
        }
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
