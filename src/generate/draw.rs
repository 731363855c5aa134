//! Draws from a seeded stream by fixed algorithms: integers and `libm` only, so that every machine draws the same.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// One stream of draws.
#[derive(Debug, Clone)]
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 0 to below 1, in steps of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        unit(self.number())
    }

    /// 0 to below `end`; the bias of at most `end`/2⁶⁴ is of no account here.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }

    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        first + self.below((last - first).max(0) as u64 + 1) as i64
    }

    pub fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// One of the items, by weight. The weights' sum must not be 0.
    pub fn pick<T: Copy>(&mut self, items: &[(u32, T)]) -> T {
        let mut left = self.below(items.iter().map(|(weight, _)| u64::from(*weight)).sum());
        for (weight, item) in items {
            match left.checked_sub(u64::from(*weight)) {
                None => return *item,
                Some(rest) => left = rest,
            }
        }
        items[items.len() - 1].1
    }

    /// A number of `count`, small ones more often: the inverse of a power law's distribution.
    pub fn skewed(&mut self, count: u32, skew: f64) -> u32 {
        let place = libm::pow(self.unit(), 1.0 / (1.0 - skew));
        ((place * f64::from(count)) as u32).min(count - 1)
    }
}

/// A user's own draws, small enough to hold for each: splitmix64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnDraw(pub u64);

impl OwnDraw {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Exponentially distributed with that mean, at least 1.
    pub fn exponential(&mut self, mean: i64) -> i64 {
        let share = 1.0 - unit(self.number());
        ((-libm::log(share) * mean as f64) as i64).max(1)
    }
}

fn unit(number: u64) -> f64 {
    (number >> 11) as f64 / (1u64 << 53) as f64
}
