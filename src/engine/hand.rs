//! What is in hand: the overlay that a batch folds into, over what is committed.
//!
//! A key is decoded when it is first touched and encoded once, when the batch is written. Slots and their memory are used
//! again from batch to batch. Nothing in here is true before the transaction that writes it has succeeded.

use std::collections::BTreeSet;

use hashbrown::HashTable;

use super::clock::StreamClock;
use super::store::{Users, hash};
use crate::domain::{Stage, Tier, Timestamp};
use crate::state::codec::{self, Kind};
use crate::state::{Population, StateError, User};
use crate::timers::{Key, Place, Timer, Timers};

/// The place of a touched key in the hand.
pub(super) type Slot = usize;

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Content {
    #[default]
    Absent,
    User,
    /// Remembers that a user was erased, and when, until the given time.
    Erasure {
        erased_at: Timestamp,
        forget_at: Timestamp,
    },
}

#[derive(Debug)]
pub(super) struct Touched {
    pub key: Key,
    pub hash: u64,
    /// Where it stands in the store, if it is committed.
    pub place: Option<Place>,
    pub content: Content,
    /// Meaningful where `content` is a user.
    pub user: User,
    pub rules_generation: u32,
    /// Whether it differs from what is committed.
    pub dirty: bool,
    /// Where its committed timer stands.
    pub held: Option<Timestamp>,
    /// Its earliest timer, committed or in hand, that was not taken yet.
    armed: Option<Timestamp>,
    /// Where the population in hand counts it.
    counted: Option<(Tier, Stage)>,
    /// Its value once encoded; empty for a tombstone. The memory is used again.
    encoded: Vec<u8>,
}

impl Touched {
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

    fn standing(&self) -> Option<(Tier, Stage)> {
        (self.content == Content::User).then(|| (self.user.announced_tier(), self.user.stage))
    }
}

#[derive(Debug)]
pub(super) struct Hand {
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
    slots: Vec<Touched>,
    used: usize,
    index: HashTable<Slot>,
    timers: BTreeSet<Timer>,
    /// The last committed timer that was taken.
    taken: Option<Timer>,
    /// The latest deadline that was fired.
    pub last_fired: Option<Timer>,
}

impl Hand {
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

    /// Forgets what was touched; clock, population and counts are the caller's to set.
    pub fn clear(&mut self) {
        self.fired = 0;
        self.is_firing = false;
        self.used = 0;
        self.index.clear();
        self.timers.clear();
        self.taken = None;
        self.last_fired = None;
    }

    pub fn slot(&mut self, slot: Slot) -> &mut Touched {
        &mut self.slots[slot]
    }

    pub fn touched(&self) -> &[Touched] {
        &self.slots[..self.used]
    }

    /// The last committed timer that was taken: those up to it must be armed anew when the hand is installed.
    pub fn taken_until(&self) -> Option<Timestamp> {
        self.taken.as_ref().map(|(at, _)| *at)
    }

    /// Finds a key, or decodes it from what is committed.
    pub fn touch(&mut self, key: &[u8], users: &Users) -> Result<Slot, StateError> {
        let hash = hash(key);
        if let Some(slot) = self.find(hash, key) {
            return Ok(slot);
        }
        let key = Key::new(key).ok_or(StateError::Damaged("a key too long"))?;
        let slot = self.next_slot();
        let touched = &mut self.slots[slot];
        touched.dirty = false;
        touched.encoded.clear();
        (touched.key, touched.hash) = (key, hash);
        let table = users.read();
        touched.place = table.find(hash, &key);
        match touched.place {
            Some(place) => {
                let held = table.held(place);
                touched.held = held.armed();
                let header = held.header()?;
                touched.rules_generation = header.rules_generation;
                touched.content = match header.kind {
                    Kind::User => {
                        codec::decode_user(held.value(), &mut touched.user)?;
                        Content::User
                    }
                    Kind::Erasure => {
                        let erased_at = codec::decode_erasure(held.value())?;
                        Content::Erasure { erased_at, forget_at: header.deadline.unwrap_or(Timestamp::NEVER) }
                    }
                };
            }
            None => {
                touched.held = None;
                touched.content = Content::Absent;
            }
        }
        touched.armed = touched.held;
        touched.counted = touched.standing();
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
            self.slots.push(Touched {
                key: Key::default(),
                hash: 0,
                place: None,
                content: Content::Absent,
                user: User::default(),
                rules_generation: 0,
                dirty: false,
                held: None,
                armed: None,
                counted: None,
                encoded: Vec::new(),
            });
        }
        self.used
    }

    /// To be called after a change: counts the user where it stands now, and arms its timer if it is due earlier.
    pub fn changed(&mut self, slot: Slot) {
        let touched = &mut self.slots[slot];
        touched.dirty = true;
        touched.encoded.clear();
        let now = touched.standing();
        let before = std::mem::replace(&mut touched.counted, now);
        count(&mut self.population, before, -1);
        count(&mut self.population, now, 1);
        self.arm(slot);
    }

    /// Makes sure that a timer stands at or before the key's deadline.
    fn arm(&mut self, slot: Slot) {
        let touched = &mut self.slots[slot];
        let Some(due) = touched.deadline() else { return };
        if touched.armed.is_none_or(|armed| due < armed) {
            self.timers.insert((due, touched.key));
            touched.armed = Some(due);
        }
    }

    /// Takes the next key that is due by `until`, in order of (deadline, key); its deadline is the time given with it.
    pub fn take_due(
        &mut self,
        until: Timestamp,
        users: &Users,
        committed: &mut Timers,
    ) -> Result<Option<(Timestamp, Slot)>, StateError> {
        loop {
            let first = committed.first_after(self.taken.as_ref(), until, |place| users.read().timer(place));
            let in_hand = self.timers.first().copied().filter(|(at, _)| *at <= until);
            let from_committed = match (first, in_hand) {
                (None, None) => return Ok(None),
                (Some(first), Some(in_hand)) => first <= in_hand,
                (first, _) => first.is_some(),
            };
            let timer = if from_committed { first } else { self.timers.pop_first() };
            let Some((at, key)) = timer else { return Ok(None) };
            let slot = match self.find(hash(&key), &key) {
                Some(slot) => slot,
                None if move_on(at, &key, users, committed)? => continue,
                None => self.touch(&key, users)?,
            };
            if self.slots[slot].armed == Some(at) {
                self.slots[slot].armed = None;
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
        let dirty = self.slots[..self.used].iter_mut().filter(|touched| touched.dirty);
        for touched in dirty.filter(|touched| touched.encoded.is_empty()) {
            let (generation, out) = (touched.rules_generation, &mut touched.encoded);
            match touched.content {
                Content::Absent => {}
                Content::User => codec::encode_user(&touched.user, generation, out),
                Content::Erasure { erased_at, forget_at } => {
                    codec::encode_erasure(erased_at, forget_at, generation, out);
                }
            }
        }
    }
}

/// Moves the committed timer of a key that nobody has touched right away, if it isn't due yet. Says whether it did.
fn move_on(at: Timestamp, key: &Key, users: &Users, committed: &mut Timers) -> Result<bool, StateError> {
    let mut table = users.write();
    let Some(place) = table.find(hash(key), key) else { return Ok(false) };
    let due = table.held(place).header()?.deadline;
    if due == Some(at) {
        return Ok(false);
    }
    committed.rearm(place, key, Some(at), due);
    table.arm(place, due);
    Ok(true)
}

/// Adds to, or takes from, the users who stand at a tier and a stage.
pub(super) fn count(population: &mut Population, standing: Option<(Tier, Stage)>, by: i64) {
    let Some((tier, stage)) = standing else { return };
    let tier = usize::from(tier.0);
    if population.by_tier.len() <= tier {
        population.by_tier.resize(tier + 1, 0);
    }
    population.by_tier[tier] = population.by_tier[tier].saturating_add_signed(by);
    population.by_stage[stage as usize] = population.by_stage[stage as usize].saturating_add_signed(by);
}
