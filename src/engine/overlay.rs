//! The overlay: what a batch has changed and no transaction has committed yet.
//!
//! ```text
//!   load(key)    committed value --decode--> slot ----+
//!   apply, fire                       slot.user folds |  slots[0..used], found by hash
//!   changed(slot)           population, own timers <--+
//!   encode()     slot.user --encode--> slot.encoded --> the transaction --> install() | discard()
//! ```
//!
//! A key is decoded once a batch, when it is first loaded, and encoded once, when the batch is written. Slots and their
//! memory are used again from batch to batch. Nothing in here is true before the transaction that writes it has
//! succeeded.

use std::collections::BTreeSet;

use hashbrown::HashTable;

use super::clock::StreamClock;
use super::store::key::{Key, Place, Timer};
use super::store::{Users, hash};
use super::timers::Timers;
use crate::domain::Timestamp;
use crate::state::codec::{self, Kind};
use crate::state::{Cells, Population, StateError, User};

/// The index of a loaded key in the overlay.
pub(super) type Slot = usize;

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Content {
    #[default]
    Absent,
    User,
    /// Remembers that a user was erased, and when, until `forget_at`.
    Erasure {
        erased_at: Timestamp,
        forget_at: Timestamp,
    },
}

/// One loaded key: what is committed of it, and what the batch has made of it.
#[derive(Debug)]
pub(super) struct StagedEntry {
    pub key: Key,
    pub hash: u64,
    /// Its place in the store, if it is committed.
    pub place: Option<Place>,
    pub content: Content,
    /// Meaningful where `content` is a user.
    pub user: User,
    pub rules_generation: u32,
    /// Whether it differs from what is committed.
    pub dirty: bool,
    /// When its committed timer is due.
    pub committed_timer: Option<Timestamp>,
    /// Its earliest timer, committed or of the overlay, that was not taken yet.
    next_timer: Option<Timestamp>,
    /// As what the uncommitted population counts it.
    counted: Option<Cells>,
    /// Its value once encoded; empty for a tombstone. The memory is used again.
    encoded: Vec<u8>,
}

impl StagedEntry {
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.content {
            Content::Absent => None,
            Content::User => self.user.deadlines.next(),
            Content::Erasure { forget_at, .. } => Some(forget_at),
        }
    }

    /// The value to be written, once encoded; none is a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        (!self.encoded.is_empty()).then_some(&self.encoded)
    }

    fn cells(&self) -> Option<Cells> {
        (self.content == Content::User).then(|| Cells::of(&self.user))
    }
}

/// The uncommitted part of a partition.
#[derive(Debug)]
pub(super) struct Overlay {
    pub clock: StreamClock,
    pub population: Population,
    /// Deadlines fired and users re-evaluated.
    pub fired: usize,
    /// Keys still to be re-evaluated under new rules, from the end of the partition's list.
    pub to_reevaluate: usize,
    /// Whether deadlines are being fired or users re-evaluated: what goes wrong meanwhile is no event's fault.
    pub is_firing: bool,
    /// Erasures remembered, so that most look-ups for one need not be made.
    pub erasures: usize,
    slots: Vec<StagedEntry>,
    used: usize,
    index: HashTable<Slot>,
    timers: BTreeSet<Timer>,
    /// The last committed timer that was taken.
    taken: Option<Timer>,
    /// The latest deadline that was fired.
    pub last_fired: Option<Timer>,
}

impl Overlay {
    pub fn new(clock: StreamClock, population: Population) -> Self {
        Self {
            clock,
            population,
            fired: 0,
            to_reevaluate: 0,
            is_firing: false,
            erasures: 0,
            slots: Vec::new(),
            used: 0,
            index: HashTable::new(),
            timers: BTreeSet::new(),
            taken: None,
            last_fired: None,
        }
    }

    /// Forgets every loaded key; clock, population and counts are the caller's to set.
    pub fn clear(&mut self) {
        self.fired = 0;
        self.is_firing = false;
        self.used = 0;
        self.index.clear();
        self.timers.clear();
        self.taken = None;
        self.last_fired = None;
    }

    pub fn slot(&mut self, slot: Slot) -> &mut StagedEntry {
        &mut self.slots[slot]
    }

    pub fn entries(&self) -> &[StagedEntry] {
        &self.slots[..self.used]
    }

    /// Committed timers up to this one were taken; install arms their keys again.
    pub fn taken_until(&self) -> Option<Timestamp> {
        self.taken.as_ref().map(|(at, _)| *at)
    }

    /// The slot of a key: the one that it was loaded into before, else a new one, decoded from what is committed. A key
    /// that is not committed is loaded as [`Content::Absent`].
    ///
    /// # Errors
    /// The committed bytes are damaged or of an unknown version, or the key is longer than 64 bytes.
    pub fn load(&mut self, key: &[u8], users: &Users) -> Result<Slot, StateError> {
        let hash = hash(key);
        if let Some(slot) = self.find(hash, key) {
            return Ok(slot);
        }
        let key = Key::new(key).ok_or(StateError::Damaged("a key too long"))?;
        let slot = self.next_slot();
        let entry = &mut self.slots[slot];
        entry.dirty = false;
        entry.encoded.clear();
        (entry.key, entry.hash) = (key, hash);
        let table = users.read();
        entry.place = table.find(hash, &key);
        match entry.place {
            Some(place) => {
                let stored = table.entry(place);
                entry.committed_timer = stored.timer_at();
                let header = stored.header()?;
                entry.rules_generation = header.rules_generation;
                entry.content = match header.kind {
                    Kind::User => {
                        codec::decode_user(stored.value(), &mut entry.user)?;
                        Content::User
                    }
                    Kind::Erasure => {
                        let erased_at = codec::decode_erasure(stored.value())?;
                        Content::Erasure { erased_at, forget_at: header.deadline.unwrap_or(Timestamp::NEVER) }
                    }
                };
            }
            None => {
                entry.committed_timer = None;
                entry.content = Content::Absent;
            }
        }
        entry.next_timer = entry.committed_timer;
        entry.counted = entry.cells();
        let slots = &self.slots;
        self.index.insert_unique(hash, slot, |&slot| slots[slot].hash);
        self.used += 1;
        Ok(slot)
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<Slot> {
        let is_it = |slot: &Slot| self.slots[*slot].hash == hash && *self.slots[*slot].key == *key;
        self.index.find(hash, is_it).copied()
    }

    fn next_slot(&mut self) -> Slot {
        if self.used == self.slots.len() {
            self.slots.push(StagedEntry {
                key: Key::default(),
                hash: 0,
                place: None,
                content: Content::Absent,
                user: User::default(),
                rules_generation: 0,
                dirty: false,
                committed_timer: None,
                next_timer: None,
                counted: None,
                encoded: Vec::new(),
            });
        }
        self.used
    }

    /// Call after each change of a slot: counts the user by what it is now, and arms its timer if it is due earlier.
    pub fn changed(&mut self, slot: Slot) {
        let entry = &mut self.slots[slot];
        entry.dirty = true;
        entry.encoded.clear();
        let now = entry.cells();
        let before = std::mem::replace(&mut entry.counted, now);
        if before != now {
            before.into_iter().for_each(|cells| self.population.take(cells));
            now.into_iter().for_each(|cells| self.population.add(cells));
        }
        self.arm(slot);
    }

    /// Makes sure that a timer is armed at or before the key's deadline.
    fn arm(&mut self, slot: Slot) {
        let entry = &mut self.slots[slot];
        let Some(due) = entry.deadline() else { return };
        if entry.next_timer.is_none_or(|at| due < at) {
            self.timers.insert((due, entry.key));
            entry.next_timer = Some(due);
        }
    }

    /// Takes the next key that is due by `until`, in order of (deadline, key), and returns it with its deadline.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn take_due(
        &mut self,
        until: Timestamp,
        users: &Users,
        committed: &mut Timers,
    ) -> Result<Option<(Timestamp, Slot)>, StateError> {
        loop {
            let first = committed.first_after(self.taken.as_ref(), until, |place| users.read().timer(place));
            let uncommitted = self.timers.first().copied().filter(|(at, _)| *at <= until);
            let from_committed = match (first, uncommitted) {
                (None, None) => return Ok(None),
                (Some(first), Some(uncommitted)) => first <= uncommitted,
                (first, _) => first.is_some(),
            };
            let timer = if from_committed { first } else { self.timers.pop_first() };
            let Some((at, key)) = timer else { return Ok(None) };
            let slot = match self.find(hash(&key), &key) {
                Some(slot) => slot,
                None if move_on(at, &key, users, committed)? => continue,
                None => self.load(&key, users)?,
            };
            if self.slots[slot].next_timer == Some(at) {
                self.slots[slot].next_timer = None;
            }
            let due = self.slots[slot].deadline() == Some(at);
            if from_committed {
                self.taken = Some((at, key));
            }
            if due {
                self.last_fired = self.last_fired.max(Some((at, key)));
                return Ok(Some((at, slot)));
            }
            self.arm(slot);
        }
    }

    /// Encodes what is dirty, each key once.
    pub fn encode(&mut self) {
        let dirty = self.slots[..self.used].iter_mut().filter(|entry| entry.dirty);
        for entry in dirty.filter(|entry| entry.encoded.is_empty()) {
            let (generation, out) = (entry.rules_generation, &mut entry.encoded);
            match entry.content {
                Content::Absent => {}
                Content::User => codec::encode_user(&entry.user, generation, out),
                Content::Erasure { erased_at, forget_at } => {
                    codec::encode_erasure(erased_at, forget_at, generation, out);
                }
            }
        }
    }
}

/// Moves the committed timer of a key that is not loaded to its deadline at once, if that is later. Returns whether it
/// did.
///
/// The one write to what is committed in the middle of a batch. It is sound whether or not the batch commits: a timer
/// may lie anywhere at or before the deadline, and only the committed deadline decides.
fn move_on(at: Timestamp, key: &Key, users: &Users, committed: &mut Timers) -> Result<bool, StateError> {
    let mut table = users.write();
    let Some(place) = table.find(hash(key), key) else { return Ok(false) };
    let due = table.entry(place).header()?.deadline;
    if due == Some(at) {
        return Ok(false);
    }
    committed.rearm(place, key, Some(at), due);
    table.arm(place, due);
    Ok(true)
}
