//! The slower compressor of LZ4, for `compression.lz4.level`: it looks at more places where the bytes at hand
//! occurred before, twice as many a level, and prefers a longer match that begins one byte later.
//!
//! As in Kafka (lz4-java's high compressor), which uses the fast one at level 9, the default, only.

use std::io;
use twox_hash::XxHash32;

/// Bytes of a block. Every place in it is within a match's reach.
const BLOCK: usize = 64 << 10;
/// The level at which the fast compressor is used.
pub(super) const LEVEL_FAST: i32 = 9;
const HASH_BITS: u32 = 15;
const MATCH_MIN: usize = 4;
/// The last bytes of a block are no part of a match…
const LAST_LITERALS: usize = 5;
/// …and no match begins among these.
const LAST_MATCH: usize = 12;
/// No place in a block.
const NOWHERE: u32 = u32::MAX;
/// The top bit of a block's size: it is stored as it is.
const STORED: u32 = 1 << 31;

/// Appends `input` as a frame of independent blocks of 64 KiB to `out`, at a level from 1 to 17.
pub(super) fn compress(level: i32, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    // Version 1, independent blocks without checksums; blocks of 64 KiB.
    let descriptor = [0b0110_0000, 4 << 4];
    out.extend_from_slice(&[0x04, 0x22, 0x4d, 0x18]);
    out.extend_from_slice(&descriptor);
    out.push((XxHash32::oneshot(0, &descriptor) >> 8) as u8);
    let mut places = Places::new(1 << (level.clamp(1, 17) - 1));
    let mut block = Vec::with_capacity(BLOCK);
    for input in input.chunks(BLOCK) {
        block.clear();
        places.clear();
        compress_block(input, &mut places, &mut block);
        let is_stored = input.len() <= block.len();
        let (bytes, mark) = if is_stored { (input, STORED) } else { (&block[..], 0) };
        out.extend_from_slice(&(bytes.len() as u32 | mark).to_le_bytes());
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(&[0; 4]);
    Ok(())
}

/// Where in the block four bytes occurred before, the last place first.
struct Places {
    last: Vec<u32>,
    /// For each place, the one before it with the same hash.
    before: Vec<u32>,
    /// How many places are looked at.
    attempts_max: u32,
}

/// An earlier place where the same bytes are.
#[derive(Clone, Copy)]
struct Found {
    place: usize,
    length: usize,
}

impl Places {
    fn new(attempts_max: u32) -> Places {
        Places { last: vec![NOWHERE; 1 << HASH_BITS], before: vec![NOWHERE; BLOCK], attempts_max }
    }

    fn clear(&mut self) {
        self.last.fill(NOWHERE);
    }

    /// Remembers what is at `place`.
    fn add(&mut self, input: &[u8], place: usize) {
        let Some(hash) = hash(input, place) else { return };
        if let (Some(last), Some(before)) = (self.last.get_mut(hash), self.before.get_mut(place)) {
            *before = std::mem::replace(last, place as u32);
        }
    }

    /// The longest of the places that begin as the bytes from `place` on do.
    fn find(&self, input: &[u8], place: usize) -> Option<Found> {
        let wanted = input.get(place..input.len().checked_sub(LAST_LITERALS)?)?;
        let mut candidate = *self.last.get(hash(input, place)?)?;
        let mut best: Option<Found> = None;
        for _ in 0..self.attempts_max {
            if candidate == NOWHERE {
                break;
            }
            let there = input.get(candidate as usize..)?;
            let (tried, reached) = best.map_or((0, MATCH_MIN), |best| (best.length, best.length + 1));
            // Where the byte that would make it longer differs, the others need not be compared.
            if wanted.get(tried) == there.get(tried) {
                let length = wanted.iter().zip(there).take_while(|(one, other)| one == other).count();
                if reached <= length {
                    best = Some(Found { place: candidate as usize, length });
                }
                if length == wanted.len() {
                    break;
                }
            }
            candidate = *self.before.get(candidate as usize)?;
        }
        best
    }
}

fn hash(input: &[u8], place: usize) -> Option<usize> {
    let bytes = input.get(place..)?.first_chunk::<4>()?;
    Some((u32::from_le_bytes(*bytes).wrapping_mul(2_654_435_761) >> (32 - HASH_BITS)) as usize)
}

fn compress_block(input: &[u8], places: &mut Places, out: &mut Vec<u8>) {
    // What lies before `done` is written.
    let (mut place, mut done) = (0, 0);
    let end = input.len().saturating_sub(LAST_MATCH);
    while place < end {
        let found = places.find(input, place);
        places.add(input, place);
        let Some(mut found) = found else {
            place += 1;
            continue;
        };
        while place + 1 < end
            && let Some(later) = places.find(input, place + 1).filter(|later| found.length < later.length)
        {
            place += 1;
            places.add(input, place);
            found = later;
        }
        let literals = input.get(done..place).unwrap_or_default();
        put_sequence(literals, Some((place - found.place, found.length)), out);
        for covered in place + 1..place + found.length {
            places.add(input, covered);
        }
        place += found.length;
        done = place;
    }
    put_sequence(input.get(done..).unwrap_or_default(), None, out);
}

/// Literals, and then so many bytes from so far back; the last sequence has none of these.
fn put_sequence(literals: &[u8], copy: Option<(usize, usize)>, out: &mut Vec<u8>) {
    let copied = copy.map_or(0, |(_, length)| length - MATCH_MIN);
    out.push(((literals.len().min(15) << 4) | copied.min(15)) as u8);
    put_rest(literals.len(), out);
    out.extend_from_slice(literals);
    if let Some((distance, _)) = copy {
        out.extend_from_slice(&(distance as u16).to_le_bytes());
        put_rest(copied, out);
    }
}

/// What of a length does not fit into the token's four bits.
fn put_rest(length: usize, out: &mut Vec<u8>) {
    let Some(mut rest) = length.checked_sub(15) else { return };
    while rest >= 255 {
        out.push(255);
        rest -= 255;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, Compression, compress as compress_with, decompress};
    use proptest::prelude::*;

    fn compressed(level: i32, input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let codec = Codec::with_level(Compression::Lz4, level).expect("a level of lz4");
        compress_with(codec, input, &mut out).expect("the codecs take any input");
        out
    }

    #[track_caller]
    fn check(level: i32, input: &[u8]) {
        let out = compressed(level, input);
        let back = decompress(Compression::Lz4, &out, input.len()).expect("it is a frame");
        assert!(&back[..] == input, "{} bytes at level {level}", input.len());
        let mut other = Vec::new();
        let mut reader = lz4_flex::frame::FrameDecoder::new(&out[..]);
        std::io::Read::read_to_end(&mut reader, &mut other).expect("others read it too");
        assert!(other == input, "{} bytes at level {level}", input.len());
    }

    #[test]
    fn frames_of_every_level_are_read() {
        let text: Vec<u8> =
            (0..50_000u32).flat_map(|n| (n.wrapping_mul(n) % 997).to_string().into_bytes()).collect();
        for level in [1, 5, 9, 10, 17] {
            for size in [0, 1, 4, 5, 12, 13, 14, 100, 65_535, 65_536, 65_537, 100_000] {
                check(level, &text[..size]);
                check(level, &vec![7; size]);
            }
        }
    }

    #[test]
    fn higher_levels_store_less() {
        let mut state = 1u32;
        let mut words = Vec::new();
        for _ in 0..8_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            words.extend_from_slice(format!("word{} ", (state >> 16) % 700).as_bytes());
        }
        let sizes: Vec<usize> = [1, 3, 6].map(|level| compressed(level, &words).len()).into();
        assert!(sizes.is_sorted_by(|one, two| two < one), "{sizes:?}");
    }

    proptest! {
        #[test]
        fn anything_comes_back(input in proptest::collection::vec(0..4u8, 0..600), level in 1..=17i32) {
            check(level, &input);
        }
    }
}
