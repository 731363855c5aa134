//! The ways of keeping that facts are made of: each gives the same for any order of the same additions.
//!
//! | way | keeps |
//! |---|---|
//! | [`Earliest`] | the least value: a first time, with what breaks its ties |
//! | [`Latest`] | the greatest value |
//! | [`DayBits`] | a set of days, 64 at most |
//! | [`DayCounts`] | a count a day, 255 at most |
//! | [`TopK`] | of entries by key, the K that rank highest |
//!
//! Each is one file with one codec. Must not know: events, users, which fact uses it. May break if something is kept
//! that depends on the order of arrival.

mod day_bits;
mod day_counts;
mod earliest;
mod latest;
mod top;

pub use day_bits::DayBits;
pub use day_counts::DayCounts;
pub use earliest::Earliest;
pub use latest::Latest;
pub use top::{Ranked, TopK};

use super::varint::{Reader, put_signed};
use super::{StateError, event_time};
use crate::domain::{DAY_MS, Day, Timestamp};

/// A value that can be kept: ordered, so that ties have one answer, and with stored bytes.
pub trait Kept: Copy + Ord {
    /// Appends its bytes. Times are stored relative to `base` (ms), the user's newest event time.
    fn put(self, out: &mut Vec<u8>, base: i64);

    /// Reads what [`Self::put`] wrote with the same `base`.
    ///
    /// # Errors
    /// The bytes end early, or the value is none that a fold can leave.
    fn read(from: &mut Reader<'_>, base: i64) -> Result<Self, StateError>;
}

impl Kept for Timestamp {
    #[inline]
    fn put(self, out: &mut Vec<u8>, base: i64) {
        put_signed(out, base - self.millis());
    }

    #[inline]
    fn read(from: &mut Reader<'_>, base: i64) -> Result<Self, StateError> {
        event_time(base.saturating_sub(from.signed()?))
    }
}

impl Kept for Day {
    fn put(self, out: &mut Vec<u8>, _base: i64) {
        put_signed(out, i64::from(self.0));
    }

    fn read(from: &mut Reader<'_>, _base: i64) -> Result<Self, StateError> {
        day(from.signed()?)
    }
}

impl<A: Kept, B: Kept> Kept for (A, B) {
    #[inline]
    fn put(self, out: &mut Vec<u8>, base: i64) {
        self.0.put(out, base);
        self.1.put(out, base);
    }

    #[inline]
    fn read(from: &mut Reader<'_>, base: i64) -> Result<Self, StateError> {
        Ok((A::read(from, base)?, B::read(from, base)?))
    }
}

/// The days of event times: a zone moves them by one at most, a refund names one ahead.
const MAX_DAY: i64 = Timestamp::MAX.millis() / DAY_MS + 2;

/// A stored day number.
///
/// # Errors
/// No event lies on it.
pub(super) fn day(number: i64) -> Result<Day, StateError> {
    let known = (-2..=MAX_DAY).contains(&number);
    if known { Ok(Day(number as i32)) } else { Err(StateError::Damaged("a day out of range")) }
}

#[cfg(test)]
pub(super) mod check {
    use std::fmt::Debug;

    use super::*;

    /// Some order of so many additions, decided by `seed`.
    pub fn shuffled<T: Clone>(items: &[T], seed: u64) -> Vec<T> {
        let mut order: Vec<_> = items.iter().cloned().enumerate().collect();
        order.sort_by_key(|(i, _)| (*i as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        order.into_iter().map(|(_, item)| item).collect()
    }

    /// What is written reads back as it was, to the last byte.
    pub fn reads_back<T: Debug + PartialEq>(
        value: &T,
        put: impl Fn(&T, &mut Vec<u8>),
        read: impl Fn(&mut Reader<'_>) -> Result<T, StateError>,
    ) {
        let mut bytes = Vec::new();
        put(value, &mut bytes);
        let mut from = Reader::new(&bytes);
        assert_eq!(read(&mut from).as_ref(), Ok(value));
        assert!(from.is_empty(), "{} bytes are left", bytes.len());
    }
}
