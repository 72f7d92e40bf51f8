//! Where batches begin, for the offsets that were appended or read last: who reads on from there needs no
//! lookup.

use ottla_ids::Offset;

/// Remembered of the appends, and as many of the reads.
const REMEMBERED: usize = 16;

/// A batch's first offset, or the log's end, and where it is.
#[derive(Clone, Copy, Debug)]
struct Boundary {
    offset: Offset,
    /// The base offset of the segment.
    segment: Offset,
    position: u64,
}

/// The last few boundaries. Empty until the log is used, since most partitions are idle.
#[derive(Debug, Default)]
pub(super) struct Boundaries {
    appended: Ring,
    read: Ring,
    /// Truncations so far: what was read before one is not noted behind it.
    truncations: u64,
}

#[derive(Debug, Default)]
struct Ring {
    places: Vec<Boundary>,
    next: usize,
}

impl Ring {
    fn add(&mut self, boundary: Boundary) {
        if self.places.len() < REMEMBERED {
            self.places.push(boundary);
        } else if let Some(place) = self.places.get_mut(self.next) {
            *place = boundary;
        }
        self.next = (self.next + 1) % REMEMBERED;
    }
}

impl Boundaries {
    /// A batch with this first offset was appended.
    pub fn add_appended(&mut self, offset: Offset, segment: Offset, position: u64) {
        self.appended.add(Boundary { offset, segment, position });
    }

    /// A read that looked at the log after so many truncations ended before this offset.
    pub fn add_read(&mut self, offset: Offset, segment: Offset, position: u64, truncations: u64) {
        if truncations == self.truncations && self.find(offset, segment).is_none() {
            self.read.add(Boundary { offset, segment, position });
        }
    }

    /// Where in that segment the batch with this first offset begins.
    pub fn find(&self, offset: Offset, segment: Offset) -> Option<u64> {
        let all = self.appended.places.iter().chain(&self.read.places);
        let mut same = all.filter(|place| place.offset == offset && place.segment == segment);
        same.next().map(|place| place.position)
    }

    /// The log was truncated.
    pub fn clear(&mut self, truncations: u64) {
        *self = Boundaries { truncations, ..Boundaries::default() };
    }
}
