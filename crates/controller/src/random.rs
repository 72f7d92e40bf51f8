//! Chance, handed in: a decision is the same for the same seed.

use ottla_ids::Uuid;

/// A small generator of random numbers (xoshiro256++). Not for secrets.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The generator with this seed.
    pub fn new(seed: u64) -> Random {
        let mut seed = seed;
        let state = std::array::from_fn(|_| {
            // splitmix64 spreads the seed over the state and never leaves it all zero.
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = seed;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        });
        Random { state }
    }

    /// The generator whose state is made of two random ids, so of all the chance that they hold.
    pub fn from_ids(one: Uuid, other: Uuid) -> Random {
        let word = |id: Uuid, high: bool| {
            let number = u128::from_be_bytes(*id.as_bytes());
            (if high { number >> 64 } else { number }) as u64
        };
        Random { state: [word(one, true) | 1, word(one, false), word(other, true), word(other, false)] }
    }

    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "there is no number below zero");
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Puts the items into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// A random id as [`Uuid::random`] makes them: version 4, not reserved, its text without a leading `-`.
    pub fn next_id(&mut self) -> Uuid {
        loop {
            let number = (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64());
            let number = number & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
            let id = Uuid::from_u128(number);
            if !id.to_string().starts_with('-') {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (mut one, mut two) = (Random::new(7), Random::new(7));
        assert!((0..10).all(|_| one.next_u64() == two.next_u64()));
    }

    #[test]
    fn ids_are_of_version_4() {
        let mut random = Random::new(1);
        for _ in 0..100 {
            let bytes = *random.next_id().as_bytes();
            assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (4, 2));
        }
    }

    #[test]
    fn every_number_below_the_bound_comes_up() {
        let mut random = Random::new(3);
        let mut seen = [0; 5];
        (0..1000).for_each(|_| seen[random.below(5)] += 1);
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
    }
}
