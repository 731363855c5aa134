//! A set of days.

use super::day;
use crate::domain::Day;
use crate::state::StateError;
use crate::state::varint::{Reader, put_signed, put_unsigned};

/// The days added, as a bit each, of the 64 that end with the latest of them. No fact of today keeps one; those of the
/// profile will (visits, check-ins, courses).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayBits {
    last: Day,
    /// Bit n: the day n before `last`. 0: there is none.
    bits: u64,
}

impl Default for DayBits {
    fn default() -> Self {
        Self { last: Day(0), bits: 0 }
    }
}

impl DayBits {
    /// How many days are kept: those further before the latest are forgotten.
    pub const DAYS: i32 = 64;

    /// Whether there is no day.
    pub const fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// Adds a day; returns whether it is new.
    pub fn add(&mut self, day: Day) -> bool {
        if self.is_empty() {
            *self = Self { last: day, bits: 1 };
            return true;
        }
        let ahead = day.since(self.last);
        if ahead > 0 {
            self.bits = self.bits.checked_shl(ahead.cast_unsigned()).unwrap_or(0) | 1;
            self.last = day;
            return true;
        }
        let bit = 1u64.checked_shl(ahead.unsigned_abs()).unwrap_or(0);
        let is_new = bit != 0 && self.bits & bit == 0;
        self.bits |= bit;
        is_new
    }

    /// Forgets the days up to and including `edge`.
    pub fn leave(&mut self, edge: Day) {
        let kept = self.last.since(edge).clamp(0, Self::DAYS).cast_unsigned();
        self.bits &= 1u64.checked_shl(kept).map_or(u64::MAX, |above| above - 1);
        if self.bits == 0 {
            *self = Self::default();
        }
    }

    /// How many days lie after `from` and up to `to`.
    pub fn count(&self, from: Day, to: Day) -> u32 {
        let mut window = *self;
        window.leave(from);
        if window.is_empty() {
            return 0;
        }
        let beyond = window.last.since(to).clamp(0, Self::DAYS).cast_unsigned();
        window.bits.checked_shr(beyond).unwrap_or(0).count_ones()
    }

    /// The latest day.
    pub fn last(&self) -> Option<Day> {
        (!self.is_empty()).then_some(self.last)
    }

    /// Appends the days, of which there must be one: an empty set has no bytes.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_signed(out, i64::from(self.last.0));
        // The first bit is the latest day's own.
        put_unsigned(out, self.bits >> 1);
    }

    /// Reads a set that is not empty.
    ///
    /// # Errors
    /// The bytes end early, or no event lies on a day.
    pub fn read(from: &mut Reader<'_>) -> Result<Self, StateError> {
        let last = day(from.signed()?)?;
        let bits = from.unsigned()?;
        if bits >> (Self::DAYS - 1) != 0 {
            return Err(StateError::Damaged("too many days"));
        }
        Ok(Self { last, bits: bits << 1 | 1 })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::state::keep::check::{reads_back, shuffled};

    proptest! {
        #[test]
        fn any_order_gives_the_same(days in prop::collection::vec(0..120i32, 1..40), edge in 0..130i32, seed: u64) {
            let fold = |days: &[i32]| {
                let mut bits = DayBits::default();
                days.iter().for_each(|&day| _ = bits.add(Day(day)));
                bits
            };
            let mut bits = fold(&days);
            prop_assert_eq!(bits, fold(&shuffled(&days, seed)));
            reads_back(&bits, DayBits::put, DayBits::read);
            let last = *days.iter().max().unwrap();
            let expected: BTreeSet<_> = days.iter().copied().filter(|day| *day > last - DayBits::DAYS).collect();
            for from in [0, 30, 70, 119] {
                let within = expected.range(from + 1..=from + 30).count() as u32;
                prop_assert_eq!(bits.count(Day(from), Day(from + 30)), within, "from {}", from);
            }
            bits.leave(Day(edge));
            prop_assert_eq!(bits.count(Day(-1), Day(200)), expected.range(edge + 1..).count() as u32);
            prop_assert_eq!(bits.is_empty(), edge >= last);
        }
    }
}
