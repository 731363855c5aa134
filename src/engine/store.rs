//! Committed users: a key of the changelog to the very bytes that the changelog holds for it.
//!
//! ```text
//!   index: hash -> place     entries[place]: timer, 8 bytes | one allocation, 16 bytes beside it:
//!   ("u1", 0) ("u2", 1)       0  09:58   [ 2 | unused 5 | u1 | header 16, body | 5 unused ]
//!                             1  never   [ 2 | unused 0 | u2 | header 16, body ]
//!   free: [2]                 2          [ ]
//! ```
//!
//! Written by the partition's lane alone, a whole batch under one lock; read by any thread, which so sees only what is
//! committed, whole transactions. The index takes nine bytes for each of its buckets. One exception:
//! [`Entry::timer_at`] may be moved during a batch (`overlay::move_on`), since a timer anywhere at or before the
//! deadline is right.

pub(super) mod key;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use key::{Key, Place, Timer};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher as _;

use crate::domain::{Timestamp, UserId};
use crate::state::codec::{Header, Kind, decode_user};
use crate::state::{StateError, User};

/// The committed users of a partition, shared with the threads that read them.
#[derive(Debug, Default)]
pub struct Users(RwLock<Table>);

impl Users {
    /// Keys: users and remembered erasures.
    pub fn len(&self) -> usize {
        self.read().index.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A user as committed; `None` where it is not known.
    ///
    /// # Errors
    /// The stored bytes are damaged or of an unknown version.
    pub fn user(&self, id: &UserId) -> Result<Option<User>, StateError> {
        let table = self.read();
        let Some(place) = table.find(hash(id.as_bytes()), id.as_bytes()) else { return Ok(None) };
        let mut user = User::default();
        decode_user(table.entry(place).value(), &mut user)?;
        Ok(Some(user))
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same on every machine: the core has no randomness.
pub(super) fn hash(key: &[u8]) -> u64 {
    FixedState::default().hash_one(key)
}

#[derive(Debug, Default)]
pub(super) struct Table {
    /// Places, with the part of the hash that the index goes by: growing then touches no key.
    index: HashTable<(u32, Place)>,
    entries: Vec<Entry>,
    free: Vec<Place>,
}

/// The entry of a key at its place.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// Length of the key, number of unused bytes; the key, the value, the unused bytes. Empty: a free place.
    bytes: Box<[u8]>,
    timer_at: TimerAt,
}

/// When the key's timer is due, at its next deadline or before it. [`Timestamp::NEVER`]: it has none.
#[derive(Debug, Clone, Copy)]
struct TimerAt(Timestamp);

impl Default for TimerAt {
    fn default() -> Self {
        Self(Timestamp::NEVER)
    }
}

impl Table {
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Place> {
        let hash = hash as u32;
        let found =
            self.index.find(spread(hash), |&(of, place)| of == hash && self.entries[place as usize].key() == key);
        found.map(|&(_, place)| place)
    }

    pub fn entry(&self, place: Place) -> &Entry {
        &self.entries[place as usize]
    }

    /// Every place there is, free ones too.
    pub fn places(&self) -> std::ops::Range<Place> {
        0..self.entries.len() as Place
    }

    /// The entries that are not free, by place.
    pub fn iter(&self) -> impl Iterator<Item = (Place, &Entry)> {
        (0..).zip(&self.entries).filter(|(_, entry)| !entry.bytes.is_empty())
    }

    /// The timer of a place; `None` where it is free or has no timer.
    pub fn timer(&self, place: Place) -> Option<Timer> {
        let entry = self.entries.get(place as usize)?;
        Some((entry.timer_at()?, entry.copied_key()))
    }

    /// Sets the value of a key; `place` is what [`Self::find`] gave for it. Its timer stays where it is. Returns its
    /// place.
    pub fn put(&mut self, hash: u64, key: &Key, place: Option<Place>, value: &[u8]) -> Place {
        if let Some(place) = place {
            self.entries[place as usize].replace(value);
            return place;
        }
        let entry = Entry { bytes: pack(key, value), timer_at: TimerAt::default() };
        let place = match self.free.pop() {
            Some(place) => {
                self.entries[place as usize] = entry;
                place
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as Place
            }
        };
        let hash = hash as u32;
        self.index.insert_unique(spread(hash), (hash, place), |&(hash, _)| spread(hash));
        place
    }

    pub fn remove(&mut self, hash: u64, place: Place) {
        let hash = hash as u32;
        if let Ok(found) = self.index.find_entry(spread(hash), |&(_, of)| of == place) {
            found.remove();
            self.entries[place as usize] = Entry::default();
            self.free.push(place);
        }
    }

    /// Records when the timer of a place is due; `None`: it has none.
    pub fn arm(&mut self, place: Place, at: Option<Timestamp>) {
        self.entries[place as usize].timer_at = TimerAt(at.unwrap_or(Timestamp::NEVER));
    }
}

/// The index goes by the upper bits as well, of which 32 stored ones have none.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Entry {
    /// Bytes before the key.
    const HEAD: usize = 2;
    /// A value that would leave more bytes unused is moved to an allocation of its own size.
    const MOST_UNUSED: usize = 47;

    pub fn key(&self) -> &[u8] {
        match *self.bytes {
            [length, _, ref rest @ ..] => &rest[..usize::from(length)],
            _ => &[],
        }
    }

    pub fn copied_key(&self) -> Key {
        // It was one when it was put here.
        Key::new(self.key()).unwrap_or_default()
    }

    pub fn value(&self) -> &[u8] {
        match *self.bytes {
            [length, unused, ref rest @ ..] => &rest[usize::from(length)..rest.len() - usize::from(unused)],
            _ => &[],
        }
    }

    pub fn timer_at(&self) -> Option<Timestamp> {
        (self.timer_at.0 != Timestamp::NEVER).then_some(self.timer_at.0)
    }

    pub fn header(&self) -> Result<Header, StateError> {
        Header::read_stored(self.value())
    }

    fn replace(&mut self, value: &[u8]) {
        let at = Self::HEAD + self.key().len();
        match self.bytes.len().checked_sub(at + value.len()) {
            Some(unused) if unused <= Self::MOST_UNUSED => {
                self.bytes[1] = unused as u8;
                self.bytes[at..at + value.len()].copy_from_slice(value);
            }
            _ => self.bytes = pack(self.key(), value),
        }
    }
}

/// With room to grow where an allocator would leave it unused: after a multiple of 16 bytes and 8 more.
fn pack(key: &[u8], value: &[u8]) -> Box<[u8]> {
    let length = Entry::HEAD + key.len() + value.len();
    let room = (length + 7) / 16 * 16 + 8;
    let mut bytes = Vec::with_capacity(room);
    // A key has at most 64 bytes.
    bytes.extend([key.len() as u8, (room - length) as u8]);
    bytes.extend(key);
    bytes.extend(value);
    bytes.resize(room, 0);
    bytes.into()
}

impl Header {
    pub(super) fn is_user(&self) -> bool {
        self.kind == Kind::User
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_held_until_it_is_removed(
            deeds in prop::collection::vec((0..20u8, prop::option::of(1..300usize)), 1..200),
        ) {
            let mut table = Table::default();
            let mut expected = BTreeMap::new();
            for (number, (name, length)) in deeds.into_iter().enumerate() {
                let key = Key::new(&vec![name; usize::from(name)]).unwrap();
                let hash = hash(&key);
                let place = table.find(hash, &key);
                prop_assert_eq!(place.is_some(), expected.contains_key(&key));
                match length {
                    Some(length) => {
                        let value = vec![number as u8; length];
                        let place = table.put(hash, &key, place, &value);
                        table.arm(place, Some(Timestamp::of_millis(number as i64)));
                        expected.insert(key, (value, number as i64));
                    }
                    None => {
                        place.into_iter().for_each(|place| table.remove(hash, place));
                        expected.remove(&key);
                    }
                }
                let held: BTreeMap<_, _> = table
                    .iter()
                    .map(|(place, entry)| {
                        let at = table.timer(place).unwrap().0.millis();
                        (entry.copied_key(), (entry.value().to_vec(), at))
                    })
                    .collect();
                prop_assert_eq!(&held, &expected);
                prop_assert_eq!(table.index.len(), expected.len());
            }
        }
    }
}
