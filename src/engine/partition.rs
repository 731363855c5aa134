//! One partition: its users, timers and clocks, committed and in hand.
//!
//! The order of an event: S and W move, deadlines up to W fire, then the event is applied. A slice of timers that is full must be
//! committed before the rest fires; the event waits. What fires is in `due`, what an event does in `apply`.

mod apply;
mod due;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::announce::Announcer;
use super::clock::StreamClock;
use super::effect::Effect;
use super::hand::{Hand, Slot, count};
use super::store::{Users, hash};
use super::{Disposition, Engine, Handled, Slice};
use crate::domain::{Body, Event, Input, Tier, Timestamp, UserId};
use crate::record::Coordinates;
use crate::rules::{Rules, Ruleset};
use crate::state::codec::Header;
use crate::state::{Ladder, PartitionRecord, Population, StateError};
use crate::timers::{Key, Place, Timer, Timers};

/// One change of the changelog; without a value it is a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// What is committed, and over it what is in hand.
#[derive(Debug)]
pub struct Partition {
    engine: Arc<Engine>,
    users: Arc<Users>,
    timers: Timers,
    clock: StreamClock,
    population: Population,
    /// Places of users whose state older rules wrote, from the last to the first; those that are done have been cut off.
    outdated: Vec<Place>,
    /// The ladders by which their tiers are numbered.
    old_ladders: Vec<Ladder>,
    erasures: usize,
    fired: u64,
    /// The latest deadline that was ever fired, as committed.
    last_fired: Option<Timer>,
    /// Deadlines fire in slices of at most that many.
    slice: usize,
    /// The committed record tells its rules by a scheme that can't be compared: it is to be written anew.
    is_record_outdated: bool,
    hand: Hand,
}

impl Partition {
    pub fn new(engine: Arc<Engine>) -> Self {
        let clock = StreamClock::new(engine.settings.silent_after_ms.len());
        let population = Population { by_tier: vec![0; engine.rules.tier_names().len()], ..Population::default() };
        Self {
            engine,
            users: Arc::default(),
            timers: Timers::default(),
            clock: clock.clone(),
            population: population.clone(),
            outdated: Vec::new(),
            old_ladders: Vec::new(),
            erasures: 0,
            fired: 0,
            last_fired: None,
            slice: usize::MAX,
            is_record_outdated: false,
            hand: Hand::new(clock, population),
        }
    }

    /// Takes over one changelog record of a user. Later records of a key replace earlier ones. The partition record is not one.
    pub fn restore_user(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StateError> {
        let hash = hash(key);
        let mut table = self.users.write();
        let place = table.find(hash, key);
        match (value, place) {
            (Some(value), _) => {
                Header::read(value)?;
                let key = Key::new(key).ok_or(StateError::Damaged("a key too long"))?;
                table.put(hash, &key, place, value);
            }
            (None, Some(place)) => table.remove(hash, place),
            (None, None) => {}
        }
        Ok(())
    }

    /// Takes over clocks, and arms all timers. Call once, after all users. Users whose state older rules wrote are due for
    /// re-evaluation: that comes before anything else, in slices.
    pub fn restore_position(&mut self, record: &PartitionRecord) -> Result<(), StateError> {
        self.clock = StreamClock::restore(record, self.engine.settings.silent_after_ms.len());
        self.is_record_outdated = record.digest_scheme != Ruleset::DIGEST_SCHEME;
        let mut generations = BTreeSet::new();
        self.arm_all();
        let table = self.users.read();
        for (place, held) in table.iter() {
            let header = held.header()?;
            if !header.is_user() {
                self.erasures += 1;
                continue;
            }
            count(&mut self.population, Some((header.tier.unwrap_or(Tier::INACTIVE), header.stage)), 1);
            if header.rules_generation < self.engine.rules.generation() {
                self.outdated.push(place);
                generations.insert(header.rules_generation);
            }
        }
        let old = record.ladders.iter().filter(|ladder| generations.contains(&ladder.generation));
        self.old_ladders = old.cloned().collect();
        self.outdated.sort_unstable_by(|a, b| table.held(*b).key().cmp(table.held(*a).key()));
        drop(table);
        self.discard();
        Ok(())
    }

    /// S and W move, deadlines up to W fire, then the event is applied. `input` is whose silence it ends, `at` what `cause` names.
    pub fn handle_event(
        &mut self,
        input: Input,
        event: &Event,
        at: &Coordinates,
        effects: &mut Vec<Effect>,
    ) -> Result<Handled, StateError> {
        self.hand.is_firing = true;
        if self.reevaluate(effects)? == Slice::Full {
            return Ok(Handled::TimersFirst);
        }
        self.hand.is_firing = false;
        let slot = self.hand.touch(event.user.as_bytes(), &self.users)?;
        if let Some(reject) = self.too_old(slot, event)? {
            return Ok(Handled::Done(Disposition::Rejected(reject)));
        }
        self.hand.clock.advance(event.time, Some(input), &self.engine.settings);
        self.hand.is_firing = true;
        if self.fire(effects)? == Slice::Full {
            return Ok(Handled::TimersFirst);
        }
        self.hand.is_firing = false;
        if event.body == Body::Unknown {
            return Ok(Handled::Done(Disposition::Skipped));
        }
        self.apply(slot, event, at, effects).map(Handled::Done)
    }

    /// S moves to at least `stream_time`, if one is given; then what is due fires, one slice at the most.
    pub fn handle_time(
        &mut self,
        stream_time: Option<Timestamp>,
        effects: &mut Vec<Effect>,
    ) -> Result<Slice, StateError> {
        if self.reevaluate(effects)? == Slice::Full {
            return Ok(Slice::Full);
        }
        if let Some(stream_time) = stream_time {
            self.hand.clock.advance(stream_time, None, &self.engine.settings);
        }
        self.fire(effects)
    }

    /// Whether anything is in hand that a transaction must write.
    pub fn is_dirty(&self) -> bool {
        let is_changed = self.hand.clock != self.clock || self.hand.touched().iter().any(|touched| touched.dirty);
        is_changed || self.is_record_outdated
    }

    /// The keys changed in hand, each encoded once, in the order in which they were first touched.
    pub fn changes(&mut self) -> impl Iterator<Item = Change<'_>> {
        self.hand.encode();
        let dirty = self.hand.touched().iter().filter(|touched| touched.dirty);
        dirty.map(|touched| Change { key: &touched.key, value: touched.value() })
    }

    /// Writes clocks, silence, rules and population, as in hand, into the record. Topics, offsets and who writes are the caller's.
    pub fn fill_record(&self, record: &mut PartitionRecord) {
        let rules = &self.engine.rules;
        self.hand.clock.fill_record(record);
        record.zone = rules.zone().name().to_owned();
        record.horizon_days = Rules::HORIZON_DAYS;
        record.partitions = self.engine.settings.partitions;
        record.rules_generation = rules.generation();
        record.rules_digest = rules.version().to_owned();
        record.digest_scheme = Ruleset::DIGEST_SCHEME;
        record.population = self.hand.population.clone();
        let old_ladders = if self.hand.to_reevaluate > 0 { self.old_ladders.as_slice() } else { &[] };
        let ladder = Ladder { generation: rules.generation(), rungs: rules.ladder() };
        record.ladders = old_ladders.iter().cloned().chain([ladder]).collect();
    }

    /// What is in hand becomes what is committed. Call after the transaction that wrote [`Self::changes`] has succeeded.
    pub fn install(&mut self) {
        self.hand.encode();
        self.clock.clone_from(&self.hand.clock);
        self.population.clone_from(&self.hand.population);
        self.outdated.truncate(self.hand.to_reevaluate);
        self.erasures = self.hand.erasures;
        self.fired += self.hand.fired as u64;
        self.last_fired = self.last_fired.max(self.hand.last_fired);
        self.is_record_outdated = false;
        let taken_until = self.hand.taken_until();
        let mut table = self.users.write();
        for touched in self.hand.touched() {
            let (held, due) = (touched.held, touched.deadline());
            let taken = held.is_some_and(|armed| Some(armed) <= taken_until);
            let earlier = due.is_some_and(|due| held.is_none_or(|armed| due < armed));
            let armed = if taken || earlier || due.is_none() { due } else { held };
            let value = if touched.dirty { touched.value() } else { None };
            let place = match value {
                Some(value) => Some(table.put(touched.hash, &touched.key, touched.place, value)),
                None => touched.place,
            };
            // What was never committed, and is not to be.
            let Some(place) = place else { continue };
            if armed != held {
                self.timers.rearm(place, &touched.key, held, armed);
                table.arm(place, armed);
            }
            if touched.dirty && value.is_none() {
                table.remove(touched.hash, place);
            }
        }
        drop(table);
        if self.timers.is_cluttered() {
            self.arm_all();
        }
        self.discard();
    }

    /// Arms everybody at their deadline, and nothing else.
    fn arm_all(&mut self) {
        self.timers.clear();
        let mut table = self.users.write();
        for place in table.places() {
            let held = table.held(place);
            // A free place has none.
            let due = held.header().ok().and_then(|header| header.deadline);
            let key = held.copied_key();
            table.arm(place, due);
            self.timers.rearm(place, &key, None, due);
        }
    }

    /// What is in hand is forgotten.
    pub fn discard(&mut self) {
        self.hand.clear();
        self.hand.clock.clone_from(&self.clock);
        self.hand.population.clone_from(&self.population);
        self.hand.to_reevaluate = self.outdated.len();
        self.hand.erasures = self.erasures;
    }

    /// Whether deadlines were being fired, rather than an event applied, when the last call went wrong.
    pub fn is_firing(&self) -> bool {
        self.hand.is_firing
    }

    /// After a panic: what is in hand is forgotten, and timers are armed anew, the only thing committed that a batch moves.
    pub fn distrust(&mut self) {
        self.discard();
        self.arm_all();
    }

    /// Whether time does what it should in what is in hand: a deadline has fired that is later than all before it, or fewer users
    /// are left to re-evaluate. One that fires again and again is no step forward.
    pub fn comes_forward(&self) -> bool {
        self.hand.last_fired > self.last_fired || self.hand.to_reevaluate < self.outdated.len()
    }

    /// From now on slices hold no more than that, nor than the settings say.
    pub fn limit_slices(&mut self, effects: usize) {
        self.slice = effects.max(1);
    }

    /// Deadlines fired and users re-evaluated in hand.
    pub fn fired_in_hand(&self) -> usize {
        self.hand.fired
    }

    pub(super) fn is_slice_full(&self) -> bool {
        self.hand.fired >= self.engine.settings.max_effects.min(self.slice)
    }

    /// The committed users, to be read by anyone.
    pub fn users(&self) -> &Arc<Users> {
        &self.users
    }

    /// S, as in hand.
    pub fn stream_time(&self) -> Option<Timestamp> {
        self.hand.clock.stream_time
    }

    /// W, as in hand.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.hand.clock.watermark
    }

    /// By input: whether it is silent, and so holds W.
    pub fn silent(&self) -> &[bool] {
        self.hand.clock.silent()
    }

    /// As committed.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Users held, and erasures remembered, as committed.
    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    /// Timers that stand, as committed.
    pub fn timer_count(&self) -> usize {
        self.timers.len()
    }

    /// Deadlines fired and users re-evaluated since the partition was made, as committed.
    pub fn timers_fired(&self) -> u64 {
        self.fired
    }
}

/// What speaks for the user in a slot at `time`.
fn announcer<'a>(
    engine: &'a Engine,
    hand: &'a mut Hand,
    slot: Slot,
    time: Timestamp,
    cause: Option<&'a Coordinates>,
    effects: &'a mut Vec<Effect>,
) -> Result<Announcer<'a>, StateError> {
    let touched = hand.slot(slot);
    let id = std::str::from_utf8(&touched.key).ok().and_then(UserId::new);
    let id = id.ok_or(StateError::Damaged("a key that is no user id"))?;
    let silent = engine.settings.emit_from.is_some_and(|from| time < from);
    Ok(Announcer { rules: &engine.rules, user: &mut touched.user, id, time, cause, retired: None, silent, effects })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineSettings;

    #[test]
    fn a_deadline_that_fires_again_is_no_step_forward() {
        let settings = EngineSettings { silent_after_ms: vec![None], max_effects: 1, ..EngineSettings::default() };
        let mut partition = Partition::new(Engine::new(settings).expect("the default rules are sound"));
        let at = |ms: i64| Some((Timestamp::of_millis(ms), Key::default()));
        partition.last_fired = at(5);
        for (fired, is_step) in [(None, false), (at(4), false), (at(5), false), (at(6), true)] {
            partition.hand.last_fired = fired;
            partition.hand.fired = usize::from(fired.is_some());
            assert_eq!(partition.comes_forward(), is_step, "{fired:?}");
        }
    }
}
