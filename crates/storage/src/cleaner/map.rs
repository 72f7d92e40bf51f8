//! The last offset of each key, in a bounded table of hashes (Kafka's `SkimpyOffsetMap`).

use ottla_ids::Offset;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Bytes of one key in the map: 16 of its hash, 8 of its offset. As many as Apache Kafka needs.
pub(crate) const SLOT_SIZE: usize = 24;

/// Hashes keys to 128 bits. Its secret is random, so that nobody can choose keys that collide: of two such keys
/// compaction would keep one.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyHasher(RandomState, RandomState);

impl KeyHasher {
    fn hash(&self, key: &[u8]) -> (u64, u64) {
        let half = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            hasher.write(key);
            hasher.finish()
        };
        (half(&self.0), half(&self.1))
    }
}

/// A key's hash and its offset plus one; all zero when free, which fresh memory is without being touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    hash: (u64, u64),
    offset: u64,
}

/// The keys of the part of a log that is being cleaned.
#[derive(Debug)]
pub(crate) struct OffsetMap {
    hasher: KeyHasher,
    slots: Vec<Slot>,
    /// Keys in it.
    len: usize,
    /// The map is full with so many.
    len_max: usize,
    /// All records up to here are in the map.
    latest: Option<Offset>,
}

impl OffsetMap {
    /// A map of at most `bytes`, of which the part `load_factor` is used; no larger than `keys` need. It holds
    /// at least one key.
    pub fn new(bytes: usize, load_factor: f64, keys: u64, hasher: KeyHasher) -> OffsetMap {
        let load_factor = load_factor.clamp(0.01, 0.99);
        let needed = (keys as f64 / load_factor).ceil() as usize;
        let slots = (bytes / SLOT_SIZE).min(needed.saturating_add(1)).max(2);
        let len_max = ((slots as f64 * load_factor) as usize).clamp(1, slots - 1);
        OffsetMap { hasher, slots: vec![Slot::default(); slots], len: 0, len_max, latest: None }
    }

    /// Notes that a key's last record so far is at `offset`; `false` if the map is full.
    pub fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        if self.len >= self.len_max {
            return false;
        }
        let hash = self.hasher.hash(key);
        let place = self.place(hash);
        if let Some(slot) = self.slots.get_mut(place) {
            self.len += usize::from(slot.offset == 0);
            *slot = Slot { hash, offset: offset.0.max(0).unsigned_abs() + 1 };
        }
        true
    }

    /// The offset of a key's last record, if it is in the map.
    pub fn get(&self, key: &[u8]) -> Option<Offset> {
        let slot = self.slots.get(self.place(self.hasher.hash(key)))?;
        slot.offset.checked_sub(1).map(|offset| Offset(offset as i64))
    }

    /// All records up to `offset` are in the map.
    pub fn reach(&mut self, offset: Offset) {
        self.latest = self.latest.max(Some(offset));
    }

    /// Up to where records are in the map.
    pub fn latest(&self) -> Option<Offset> {
        self.latest
    }

    /// Where the hash is, or the free slot for it. There is one, since the map is never full to the last slot.
    fn place(&self, hash: (u64, u64)) -> usize {
        let slots = self.slots.len();
        let mut place = (hash.0 % slots as u64) as usize;
        while let Some(slot) = self.slots.get(place) {
            if slot.offset == 0 || slot.hash == hash {
                break;
            }
            place = (place + 1) % slots;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_offset_of_each_key_is_found_until_the_map_is_full() {
        let mut map = OffsetMap::new(100 * SLOT_SIZE, 0.9, 1000, KeyHasher::default());
        for offset in 0..90 {
            assert!(map.put(format!("k{}", offset % 89).as_bytes(), Offset(offset)));
        }
        assert_eq!(map.get(b"k0"), Some(Offset(89)));
        assert_eq!(map.get(b"k88"), Some(Offset(88)));
        assert_eq!(map.get(b"k89"), None);
        assert!(map.put(b"new", Offset(90)));
        assert!(!map.put(b"k0", Offset(91)), "90 of 100 slots are in use");
        assert_eq!(map.get(b"k0"), Some(Offset(89)));
    }

    #[test]
    fn a_map_is_no_larger_than_its_keys_need_and_never_empty() {
        assert_eq!(OffsetMap::new(1 << 30, 0.5, 10, KeyHasher::default()).slots.len(), 21);
        let mut smallest = OffsetMap::new(0, 0.9, 10, KeyHasher::default());
        assert!(smallest.put(b"a", Offset(0)) && !smallest.put(b"b", Offset(1)));
        assert_eq!((smallest.get(b"a"), smallest.get(b"b")), (Some(Offset(0)), None));
    }
}
