//! Entries by key, of which the highest are kept.

use crate::state::StateError;
use crate::state::varint::{Reader, put_unsigned};

/// An entry of a [`TopK`].
pub trait Ranked: Sized {
    /// What tells entries apart, and breaks the ties of ranks.
    type Key: Copy + Ord;
    /// By what entries are dropped, the lowest first. It may only rise while an entry is kept.
    type Rank: Ord;

    /// An entry that nothing is known of yet.
    fn new(key: Self::Key) -> Self;
    /// What the entry is of.
    fn key(&self) -> Self::Key;
    /// How high it ranks now.
    fn rank(&self) -> Self::Rank;
    /// Appends its bytes; times relative to `base` (ms).
    fn put(&self, out: &mut Vec<u8>, base: i64);
    /// Reads what [`Self::put`] wrote with the same `base`.
    ///
    /// # Errors
    /// The bytes end early, or the entry is none that a fold can leave.
    fn read(from: &mut Reader<'_>, base: i64) -> Result<Self, StateError>;
}

/// The K entries that rank highest, in order of key. Kept by loans.
///
/// What was dropped is forgotten: with more than K keys of which one changes several times, the order of arrival may
/// show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopK<E, const K: usize>(Vec<E>);

impl<E, const K: usize> Default for TopK<E, K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E: Ranked, const K: usize> TopK<E, K> {
    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries, in order of key.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.0.iter()
    }

    /// Changes the entry of a key, a new one where there is none; then drops the lowest if there are too many. Returns
    /// whether one was dropped.
    pub fn change(&mut self, key: E::Key, change: impl FnOnce(&mut E)) -> bool {
        let place = match self.0.binary_search_by_key(&key, E::key) {
            Ok(place) => place,
            Err(place) => {
                self.0.insert(place, E::new(key));
                place
            }
        };
        change(&mut self.0[place]);
        if self.0.len() <= K {
            return false;
        }
        let lowest = (0..self.0.len()).min_by_key(|&i| (self.0[i].rank(), self.0[i].key()));
        lowest.map(|lowest| self.0.remove(lowest)).is_some()
    }

    /// Forgets all entries, but not their memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Appends the entries.
    pub fn put(&self, out: &mut Vec<u8>, base: i64) {
        put_unsigned(out, self.0.len() as u64);
        self.0.iter().for_each(|entry| entry.put(out, base));
    }

    /// Reads into entries that are there already, whose memory is used again.
    ///
    /// # Errors
    /// The bytes end early, or there are more entries than K.
    pub fn read(&mut self, from: &mut Reader<'_>, base: i64) -> Result<(), StateError> {
        self.0.clear();
        for _ in 0..from.count(K as u64)? {
            self.0.push(E::read(from, base)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::state::keep::check::{reads_back, shuffled};

    /// A key, and the greatest number added for it.
    #[derive(Debug, Clone, PartialEq)]
    struct Entry(u8, u64);

    impl Ranked for Entry {
        type Key = u8;
        type Rank = u64;

        fn new(key: u8) -> Self {
            Self(key, 0)
        }

        fn key(&self) -> u8 {
            self.0
        }

        fn rank(&self) -> u64 {
            self.1
        }

        fn put(&self, out: &mut Vec<u8>, _base: i64) {
            out.push(self.0);
            put_unsigned(out, self.1);
        }

        fn read(from: &mut Reader<'_>, _base: i64) -> Result<Self, StateError> {
            Ok(Self(from.byte()?, from.unsigned()?))
        }
    }

    fn fold(added: &[(u8, u64)]) -> TopK<Entry, 4> {
        let mut top = TopK::<Entry, 4>::default();
        for &(key, number) in added {
            top.change(key, |entry| entry.1 = entry.1.max(number));
        }
        top
    }

    proptest! {
        /// With as many keys as are kept, however often they change; and with more, where each comes once.
        #[test]
        fn any_order_gives_the_same(
            few in prop::collection::vec((0..4u8, 0..9u64), 0..20),
            many in prop::collection::btree_map(0..20u8, 0..9u64, 0..20),
            seed: u64,
        ) {
            let many: Vec<_> = many.into_iter().collect();
            for added in [&few, &many] {
                let top = fold(added);
                prop_assert_eq!(&top, &fold(&shuffled(added, seed)));
                reads_back(&top, |it, out| it.put(out, 0), |from| {
                    let mut read = fold(&[(9, 9)]);
                    read.read(from, 0).map(|()| read)
                });
            }
            let mut ranked: Vec<_> = many.iter().map(|&(key, number)| (number, key)).collect();
            ranked.sort_unstable();
            let highest = ranked.split_off(ranked.len().saturating_sub(4));
            let mut kept: Vec<_> = fold(&many).iter().map(|entry| (entry.1, entry.0)).collect();
            kept.sort_unstable();
            prop_assert_eq!(kept, highest);
        }
    }
}
