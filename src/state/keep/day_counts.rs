//! A count a day.

use super::day;
use crate::domain::Day;
use crate::state::StateError;
use crate::state::varint::{Reader, put_signed, put_unsigned};

/// How often each day was added, at most 255 times. No fact of today keeps one; those of the profile will (contacts,
/// responses).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayCounts {
    /// In order of day, no count is 0.
    days: Vec<(Day, u8)>,
}

impl DayCounts {
    /// As many days as stored bytes may have: whoever keeps counts lets days leave long before.
    pub const MAX_DAYS: u64 = 256;

    /// Whether there is no day.
    pub const fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// Adds one to a day; a count of 255 stays.
    pub fn add(&mut self, day: Day) {
        match self.days.binary_search_by_key(&day, |&(day, _)| day) {
            Ok(at) => self.days[at].1 = self.days[at].1.saturating_add(1),
            Err(at) => self.days.insert(at, (day, 1)),
        }
    }

    /// Forgets the days up to and including `edge`.
    pub fn leave(&mut self, edge: Day) {
        self.days.retain(|&(day, _)| day > edge);
    }

    /// The sum over the days after `from` and up to `to`.
    pub fn sum(&self, from: Day, to: Day) -> u32 {
        let within = self.days.iter().filter(|&&(day, _)| day > from && day <= to);
        within.map(|&(_, count)| u32::from(count)).sum()
    }

    /// Appends the counts.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_unsigned(out, self.days.len() as u64);
        let mut previous = 0;
        for &(day, count) in &self.days {
            put_signed(out, i64::from(day.0) - previous);
            previous = i64::from(day.0);
            out.push(count);
        }
    }

    /// Reads into counts that are there already, whose memory is used again.
    ///
    /// # Errors
    /// The bytes end early, or are none that [`Self::put`] writes.
    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.days.clear();
        let mut number = 0i64;
        for place in 0..from.count(Self::MAX_DAYS)? {
            let step = from.signed()?;
            if place > 0 && step <= 0 {
                return Err(StateError::Damaged("days out of order"));
            }
            number = number.saturating_add(step);
            match (day(number)?, from.byte()?) {
                (_, 0) => return Err(StateError::Damaged("a day without a count")),
                counted => self.days.push(counted),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::state::keep::check::{reads_back, shuffled};

    fn fold(days: &[i32]) -> DayCounts {
        let mut counts = DayCounts::default();
        days.iter().for_each(|&day| counts.add(Day(day)));
        counts
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same(days in prop::collection::vec(0..40i32, 1..60), edge in 0..45i32, seed: u64) {
            let mut counts = fold(&days);
            prop_assert_eq!(&counts, &fold(&shuffled(&days, seed)));
            reads_back(&counts, DayCounts::put, |from| {
                let mut read = fold(&[1, 2, 3]);
                read.read(from).map(|()| read)
            });
            let within = days.iter().filter(|&&day| day > 10 && day <= 25).count();
            prop_assert_eq!(counts.sum(Day(10), Day(25)), within as u32);
            counts.leave(Day(edge));
            prop_assert_eq!(counts.sum(Day(-1), Day(99)), days.iter().filter(|day| **day > edge).count() as u32);
        }
    }

    #[test]
    fn a_day_counts_to_255() {
        let counts = fold(&[3; 300]);
        assert_eq!(counts.sum(Day(2), Day(3)), 255);
    }
}
