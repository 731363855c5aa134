//! A committed table read in slices, while its lane goes on: what API queries and exports walk with.
//!
//! A slice is copied under the table's read lock; whoever holds one holds no lock. So a lane's install waits for at
//! most one bounded copy a reader, however slow readers are (a waiting writer goes before new readers).
//!
//! What a walk sees: each slice is of one moment between two batches, for a batch is installed under one write lock.
//! Between two slices batches may be installed. A key that is held from the walk's first slice to its last is seen
//! exactly once, for it keeps its place; one that comes, goes or comes back meanwhile may be seen or not. A slice may
//! be empty before the end.
//!
//! Must not know: what the bytes mean.

use super::store::Users;
use super::store::key::Place;

/// Entries of a table as they were at one moment, in order of place, copied. Kept by its reader for the next slice, so
/// that a walk allocates once.
#[derive(Debug, Clone, Default)]
pub struct TableSlice {
    /// Key, value, key, value …
    bytes: Vec<u8>,
    /// Where in `bytes` each key and each value ends.
    ends: Vec<(usize, usize)>,
}

/// Where a walk goes on; the default: at the table's begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableCursor(Place);

impl TableSlice {
    /// Places that one slice looks at, free ones too: at most so many keys.
    pub const MAX_PLACES: usize = 256;
    /// No further key is copied once there are as many bytes: at most so many, and one entry's.
    pub const MAX_BYTES: usize = 64 << 10;

    /// Key and value, as in the changelog.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let begins = std::iter::once(0).chain(self.ends.iter().map(|&(_, end)| end));
        begins.zip(&self.ends).map(|(begin, &(key, end))| (&self.bytes[begin..key], &self.bytes[key..end]))
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((key_end, self.bytes.len()));
    }
}

impl Users {
    /// Copies the entries from `cursor` on into `slice`, in place of what it held. Says where the next slice begins;
    /// None at the table's end.
    pub fn read_slice(&self, cursor: TableCursor, slice: &mut TableSlice) -> Option<TableCursor> {
        slice.clear();
        let table = self.read();
        for (looked_at, place) in (cursor.0..table.places().end).enumerate() {
            if looked_at >= TableSlice::MAX_PLACES || slice.bytes.len() >= TableSlice::MAX_BYTES {
                return Some(TableCursor(place));
            }
            let entry = table.entry(place);
            if !entry.key().is_empty() {
                slice.push(entry.key(), entry.value());
            }
        }
        None
    }

    /// The bytes of each key, in order of key: the same as the changelog's last values, of one moment only while
    /// nothing is installed. For tools and tests that want all of a table; whoever serves others walks it by
    /// [`Self::read_slice`].
    pub fn snapshot(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let (mut all, mut slice) = (Vec::with_capacity(self.len()), TableSlice::default());
        let mut cursor = Some(TableCursor::default());
        while let Some(from) = cursor {
            cursor = self.read_slice(from, &mut slice);
            all.extend(slice.iter().map(|(key, value)| (key.to_vec(), value.to_vec())));
        }
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use proptest::prelude::*;

    use super::super::store::hash;
    use super::*;
    use crate::engine::store::key::Key;

    fn key(number: u32) -> Key {
        Key::new(&number.to_be_bytes()).unwrap()
    }

    /// As a lane does: the whole batch under one lock.
    fn install(users: &Users, batch: impl IntoIterator<Item = (u32, Option<Vec<u8>>)>) {
        let mut table = users.write();
        for (number, value) in batch {
            let key = key(number);
            let place = table.find(hash(&key), &key);
            match value {
                Some(value) => _ = table.put(hash(&key), &key, place, &value),
                None => place.into_iter().for_each(|place| table.remove(hash(&key), place)),
            }
        }
    }

    /// The keys of each slice, with what `between` does after each.
    fn walk(users: &Users, mut between: impl FnMut(&TableSlice)) {
        let (mut slice, mut cursor) = (TableSlice::default(), Some(TableCursor::default()));
        while let Some(from) = cursor {
            cursor = users.read_slice(from, &mut slice);
            between(&slice);
        }
    }

    proptest! {
        #[test]
        fn what_is_held_all_the_while_is_seen_once_whatever_comes_and_goes_between_slices(
            held in 0..2_000u32,
            batches in prop::collection::vec(prop::collection::vec((0..3_000u32, any::<bool>()), 0..100), 0..12),
        ) {
            let users = Users::default();
            install(&users, (0..held).map(|number| (number, Some(vec![7; 9]))));
            let mut stays: BTreeSet<u32> = (0..held).collect();
            let (mut seen, mut batches) = (BTreeMap::new(), batches.into_iter());
            walk(&users, |slice| {
                for (key, _) in slice.iter() {
                    *seen.entry(u32::from_be_bytes(key.try_into().unwrap())).or_insert(0) += 1;
                }
                let batch = batches.next().unwrap_or_default();
                let deeds = batch.iter().map(|&(number, stays)| (number, stays.then(|| vec![8; 200])));
                install(&users, deeds);
                batch.iter().filter(|(_, stays)| !stays).for_each(|(number, _)| _ = stays.remove(number));
            });
            for number in stays {
                prop_assert_eq!(seen.get(&number), Some(&1), "key {}", number);
            }
        }
    }

    #[test]
    fn a_slice_holds_a_bounded_number_of_keys_and_bytes() {
        let users = Users::default();
        install(&users, (0..1_000).map(|number| (number, Some(vec![1; 20]))));
        install(&users, (1_000..2_000).map(|number| (number, Some(vec![1; 5_000]))));
        let mut sizes = Vec::new();
        walk(&users, |slice| sizes.push((slice.len(), slice.bytes.len())));
        assert_eq!(sizes.iter().map(|(keys, _)| keys).sum::<usize>(), 2_000);
        for (keys, bytes) in sizes {
            assert!(
                keys <= TableSlice::MAX_PLACES && bytes < TableSlice::MAX_BYTES + 5_004,
                "{keys} keys, {bytes} bytes"
            );
        }
    }

    /// Were a lock held with the slice, the install would never return: both are on this thread.
    #[test]
    fn whoever_holds_a_slice_holds_no_lock() {
        let users = Users::default();
        install(&users, [(1, Some(vec![1]))]);
        let mut slice = TableSlice::default();
        assert_eq!(users.read_slice(TableCursor::default(), &mut slice), None);
        install(&users, [(1, Some(vec![2]))]);
        assert_eq!(slice.iter().next(), Some((&1u32.to_be_bytes()[..], &[1u8][..])), "as it was");
    }

    /// Every batch writes its number to all keys; two numbers in one slice would be half a batch.
    #[test]
    fn no_slice_shows_half_a_batch() {
        const KEYS: u32 = 600;
        let (users, installed, is_over) = (Users::default(), AtomicU32::new(0), AtomicBool::new(false));
        let batch = |number: u32| (0..KEYS).map(move |key| (key, Some(number.to_be_bytes().to_vec())));
        install(&users, batch(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let number = installed.load(Ordering::Relaxed) + 1;
                    install(&users, batch(number));
                    installed.store(number, Ordering::Relaxed);
                }
            });
            while installed.load(Ordering::Relaxed) < 200 {
                let mut keys = 0;
                walk(&users, |slice| {
                    let numbers: BTreeSet<_> = slice.iter().map(|(_, value)| value.to_vec()).collect();
                    assert!(numbers.len() <= 1, "batches {numbers:?} in one slice");
                    keys += slice.len();
                });
                assert_eq!(keys, KEYS as usize);
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
}
