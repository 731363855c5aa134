//! The least value that was ever added.

use super::Kept;
use crate::state::StateError;
use crate::state::varint::Reader;

/// The least of the values added; none before the first. Kept by the first registration, the first event, the first
/// active day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earliest<T>(Option<T>);

impl<T> Default for Earliest<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Kept> Earliest<T> {
    /// The least value; none before the first.
    pub const fn get(&self) -> Option<T> {
        self.0
    }

    /// Whether nothing was added.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds a value; returns whether it is the least from now on, and was not before.
    #[inline]
    pub fn add(&mut self, value: T) -> bool {
        let is_first = self.0.is_none_or(|least| value < least);
        if is_first {
            self.0 = Some(value);
        }
        is_first
    }

    /// Appends the value, which there must be: an empty one has no bytes.
    #[inline]
    pub fn put(&self, out: &mut Vec<u8>, base: i64) {
        if let Some(value) = self.0 {
            value.put(out, base);
        }
    }

    /// Reads one that is not empty.
    ///
    /// # Errors
    /// As those of the value.
    #[inline]
    pub fn read(from: &mut Reader<'_>, base: i64) -> Result<Self, StateError> {
        T::read(from, base).map(|value| Self(Some(value)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Timestamp;
    use crate::state::keep::check::{reads_back, shuffled};

    proptest! {
        #[test]
        fn any_order_gives_the_same(times in prop::collection::vec((0..9i64, 0..3i64), 1..9), seed: u64) {
            let fold = |times: &[(i64, i64)]| {
                let mut earliest = Earliest::default();
                times.iter().for_each(|&(a, b)| _ = earliest.add((Timestamp::of_millis(a), Timestamp::of_millis(b))));
                earliest
            };
            let earliest = fold(&times);
            prop_assert_eq!(earliest, fold(&shuffled(&times, seed)));
            let (a, b) = *times.iter().min().unwrap();
            prop_assert_eq!(earliest.get(), Some((Timestamp::of_millis(a), Timestamp::of_millis(b))));
            reads_back(&earliest, |it, out| it.put(out, 7), |from| Earliest::read(from, 7));
        }
    }
}
