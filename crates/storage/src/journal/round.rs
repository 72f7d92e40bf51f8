//! The bytes of one round of the journal: written as a whole, or, after a power cut, not there.
//!
//! ```text
//! round    magic "OTJ1" · CRC-32C of what follows · size · entries · sequence (8) · floor (8)     32 bytes
//!          entry · entry · … · zeros up to a multiple of 4096
//! entry    kind (1) · length of the topic's name (1) · 0 (2) · partition (4) · topic id (16)      48 bytes
//!          segment's base offset (8) · position in it (4) · size (4) · end offset (8)
//!          the topic's name · the bytes
//! ```
//!
//! Numbers are big-endian, of 4 bytes where not said otherwise. Rounds are numbered without a gap. The *floor*
//! is the oldest round that was still needed when this one was written: what lies below it is void.

use ottla_ids::{Offset, TopicId, TopicPartition, Uuid};

/// Rounds begin at multiples of this, and are written in multiples of it: what a disk writes at least.
pub(crate) const BLOCK: usize = 4096;
/// The largest round, in bytes.
pub(crate) const ROUND_SIZE_MAX: usize = 1 << 20;
const MAGIC: [u8; 4] = *b"OTJ1";
const ROUND_HEADER: usize = 32;
const ENTRY_HEADER: usize = 48;
/// Behind the magic and the CRC, which the CRC does not cover.
const CHECKED_FROM: usize = 8;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key<'a> {
    pub topic_id: TopicId,
    pub topic: &'a str,
    pub partition: i32,
}

impl Key<'_> {
    pub fn of(topic_id: TopicId, partition: &TopicPartition) -> Key<'_> {
        Key { topic_id, topic: &partition.topic, partition: partition.partition }
    }

    pub fn partition(&self) -> TopicPartition {
        TopicPartition::new(self.topic, self.partition)
    }
}

/// Where the bytes of an entry belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The segment's base offset.
    pub segment: Offset,
    /// In the segment's file, in bytes.
    pub position: u32,
    /// No record of the bytes has this offset or a greater one.
    pub end: Offset,
}

/// One entry of a round that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// These bytes are in a log.
    Append { key: Key<'a>, place: Place, bytes: &'a [u8] },
    /// What earlier rounds say of a log is void.
    Forget { key: Key<'a> },
}

/// Collects a round in memory that a disk can take without a copy.
#[derive(Debug)]
pub(crate) struct RoundBuffer {
    memory: Vec<u8>,
    /// Where the round begins in `memory`: at a multiple of [`BLOCK`].
    start: usize,
    size: usize,
    entries: u32,
}

impl RoundBuffer {
    /// Takes up to [`ROUND_SIZE_MAX`] bytes.
    pub fn new() -> RoundBuffer {
        RoundBuffer::of(ROUND_SIZE_MAX)
    }

    /// Takes no entries to speak of.
    pub fn small() -> RoundBuffer {
        RoundBuffer::of(BLOCK)
    }

    fn of(size: usize) -> RoundBuffer {
        let memory = vec![0; size + BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK);
        assert!(start < BLOCK, "bytes can be aligned");
        RoundBuffer { memory, start, size: ROUND_HEADER, entries: 0 }
    }

    /// One block of zeros, aligned: no round.
    pub fn zeros(&self) -> &[u8] {
        self.memory.get(self.start..self.start + BLOCK).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub fn clear(&mut self) {
        self.size = ROUND_HEADER;
        self.entries = 0;
    }

    /// Bytes that the round takes on disk.
    pub fn padded_size(&self) -> usize {
        self.size.next_multiple_of(BLOCK)
    }

    /// Adds bytes of a log: the caller fills what is returned. `None` if the round is full.
    pub fn append(&mut self, key: &Key<'_>, place: &Place, size: usize) -> Option<&mut [u8]> {
        self.add(0, key, place, size)
    }

    /// Makes void what earlier rounds say of a log.
    pub fn forget(&mut self, key: &Key<'_>) {
        let nowhere = Place { segment: Offset::ZERO, position: 0, end: Offset::ZERO };
        let fits = self.add(1, key, &nowhere, 0).is_some();
        assert!(fits, "a round of one entry without bytes has room");
    }

    /// Takes the last entry back, whose bytes were `size`.
    pub fn undo(&mut self, key: &Key<'_>, size: usize) {
        self.size -= ENTRY_HEADER + key.topic.len() + size;
        self.entries -= 1;
    }

    fn add(&mut self, kind: u8, key: &Key<'_>, place: &Place, size: usize) -> Option<&mut [u8]> {
        let head = ENTRY_HEADER + key.topic.len();
        let name_length = u8::try_from(key.topic.len()).ok()?;
        let room = self.memory.len() - BLOCK - self.size;
        if room < head.checked_add(size)? {
            return None;
        }
        let from = self.start + self.size;
        let (header, bytes) = self.memory.get_mut(from..from + head + size)?.split_at_mut(head);
        let mut put = Put { to: header };
        put.bytes(&[kind, name_length, 0, 0]);
        put.bytes(&key.partition.to_be_bytes());
        put.bytes(key.topic_id.as_bytes());
        put.bytes(&place.segment.0.to_be_bytes());
        put.bytes(&place.position.to_be_bytes());
        put.bytes(&(size as u32).to_be_bytes());
        put.bytes(&place.end.0.to_be_bytes());
        put.bytes(key.topic.as_bytes());
        self.size += head + size;
        self.entries += 1;
        Some(bytes)
    }

    /// The round, whole and aligned.
    pub fn finish(&mut self, sequence: u64, floor: u64) -> &[u8] {
        let padded = self.padded_size();
        let size = self.size;
        let entries = self.entries;
        let round = self.memory.get_mut(self.start..self.start + padded).unwrap_or_default();
        if let Some(padding) = round.get_mut(size..) {
            padding.fill(0);
        }
        let mut put = Put { to: round };
        put.bytes(&MAGIC);
        put.bytes(&[0; 4]);
        put.bytes(&(size as u32).to_be_bytes());
        put.bytes(&entries.to_be_bytes());
        put.bytes(&sequence.to_be_bytes());
        put.bytes(&floor.to_be_bytes());
        let crc = crc32c::crc32c(round.get(CHECKED_FROM..size).unwrap_or_default());
        if let Some(place) = round.get_mut(4..CHECKED_FROM) {
            place.copy_from_slice(&crc.to_be_bytes());
        }
        round
    }
}

/// Writes one thing behind the other.
struct Put<'a> {
    to: &'a mut [u8],
}

impl Put<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        let (now, rest) = std::mem::take(&mut self.to).split_at_mut(bytes.len());
        now.copy_from_slice(bytes);
        self.to = rest;
    }
}

/// A round that was read. Its CRC is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round<'a> {
    pub sequence: u64,
    pub floor: u64,
    entries: u32,
    body: &'a [u8],
    /// Bytes on disk, with the padding.
    pub padded_size: usize,
}

impl<'a> Round<'a> {
    /// The round at the beginning of `bytes`; `None` if there is none, or not all of it.
    pub fn parse(bytes: &'a [u8]) -> Option<Round<'a>> {
        let mut take = Take { from: bytes };
        if take.array::<4>()? != MAGIC {
            return None;
        }
        let crc = u32::from_be_bytes(take.array()?);
        let size = u32::from_be_bytes(take.array()?) as usize;
        let entries = u32::from_be_bytes(take.array()?);
        let sequence = u64::from_be_bytes(take.array()?);
        let floor = u64::from_be_bytes(take.array()?);
        if ROUND_SIZE_MAX < size || crc32c::crc32c(bytes.get(CHECKED_FROM..size)?) != crc {
            return None;
        }
        let body = bytes.get(ROUND_HEADER..size)?;
        Some(Round { sequence, floor, entries, body, padded_size: size.next_multiple_of(BLOCK) })
    }

    /// What is in the round; `None` for an entry that makes no sense, although the CRC is right.
    pub fn entries(&self) -> impl Iterator<Item = Option<Entry<'a>>> + use<'a> {
        let mut take = Take { from: self.body };
        (0..self.entries).map(move |_| take.entry())
    }
}

struct Take<'a> {
    from: &'a [u8],
}

impl<'a> Take<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (now, rest) = self.from.split_at_checked(count)?;
        self.from = rest;
        Some(now)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        let [kind, name_length, 0, 0] = self.array()? else { return None };
        let partition = i32::from_be_bytes(self.array()?);
        let topic_id = Uuid::from_bytes(self.array()?);
        let segment = Offset(i64::from_be_bytes(self.array()?));
        let position = u32::from_be_bytes(self.array()?);
        let size = u32::from_be_bytes(self.array()?) as usize;
        let end = Offset(i64::from_be_bytes(self.array()?));
        let topic = std::str::from_utf8(self.bytes(usize::from(name_length))?).ok()?;
        let bytes = self.bytes(size)?;
        let key = Key { topic_id, topic, partition };
        // The name becomes one of a folder.
        let is_safe = !topic.is_empty() && !topic.contains(['/', '\0']) && 0 <= partition && 0 <= segment.0;
        match kind {
            0 if is_safe => Some(Entry::Append { key, place: Place { segment, position, end }, bytes }),
            1 if is_safe => Some(Entry::Forget { key }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(topic: &str) -> Key<'_> {
        Key { topic_id: Uuid::from_u128(7), topic, partition: 3 }
    }

    const PLACE: Place = Place { segment: Offset(100), position: 77, end: Offset(120) };

    fn round() -> Vec<u8> {
        let mut buffer = RoundBuffer::new();
        buffer.append(&key("cities"), &PLACE, 5).unwrap().copy_from_slice(b"Delhi");
        buffer.append(&key("rivers"), &PLACE, 4).unwrap().copy_from_slice(b"Nile");
        buffer.undo(&key("rivers"), 4);
        buffer.forget(&key("lakes"));
        buffer.finish(42, 40).to_vec()
    }

    #[test]
    fn a_round_is_read_as_it_was_written() {
        let bytes = round();
        assert_eq!(bytes.len(), BLOCK);
        let read = Round::parse(&bytes).unwrap();
        assert_eq!((read.sequence, read.floor, read.padded_size), (42, 40, BLOCK));
        let entries: Vec<_> = read.entries().collect();
        let append = Entry::Append { key: key("cities"), place: PLACE, bytes: b"Delhi" };
        assert_eq!(entries, [Some(append), Some(Entry::Forget { key: key("lakes") })]);
    }

    #[test]
    fn a_round_is_aligned_for_direct_writes() {
        let mut buffer = RoundBuffer::new();
        buffer.forget(&key("t"));
        assert_eq!(buffer.finish(1, 1).as_ptr().align_offset(BLOCK), 0);
    }

    #[test]
    fn a_full_round_takes_no_more() {
        let mut buffer = RoundBuffer::new();
        assert!(buffer.append(&key("t"), &PLACE, ROUND_SIZE_MAX).is_none());
        assert!(buffer.append(&key("t"), &PLACE, ROUND_SIZE_MAX - ROUND_HEADER - ENTRY_HEADER - 1).is_some());
        assert!(buffer.append(&key("t"), &PLACE, 0).is_none());
        assert_eq!(buffer.finish(1, 1).len(), ROUND_SIZE_MAX);
    }

    #[test]
    fn no_change_of_a_byte_passes_for_a_round() {
        let bytes = round();
        let size = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
        for position in 0..size {
            let mut changed = bytes.clone();
            changed[position] ^= 0x10;
            assert!(Round::parse(&changed).is_none(), "byte {position}");
        }
        for size in 0..size {
            assert!(Round::parse(&bytes[..size]).is_none(), "{size} bytes");
        }
    }

    #[test]
    fn entries_that_make_no_sense_are_not_followed() {
        for name in ["../x", "a/b", "a\0"] {
            let mut buffer = RoundBuffer::new();
            buffer.append(&key(name), &PLACE, 1).unwrap();
            let bytes = buffer.finish(1, 1).to_vec();
            assert_eq!(Round::parse(&bytes).unwrap().entries().collect::<Vec<_>>(), [None], "{name}");
        }
    }
}
