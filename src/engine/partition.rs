//! One partition: its users, timers and clocks, committed, and over it the overlay of what is not.
//!
//! The order of an event: S and W move, deadlines up to W fire, then the event is applied. A slice of timers that is
//! full must be committed before the rest fires; the event waits. What fires is in `due`, what an event does in
//! `apply`.

mod apply;
mod due;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::announce::Announcer;
use super::clock::StreamClock;
use super::effect::Effect;
use super::overlay::{Overlay, Slot};
use super::store::key::{Key, Place, Timer};
use super::store::{Users, hash};
use super::timers::Timers;
use super::{Disposition, Engine, Handled, Slice};
use crate::domain::{Body, EventWithTexts, Input, Timestamp, UserId};
use crate::record::Coordinates;
use crate::rules::{Rules, Ruleset};
use crate::state::codec::{Header, decode_user};
use crate::state::{Cells, Ladder, PartitionRecord, Population, SectionDigest, StateError, User};

/// One change of the changelog; without a value it is a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The changelog's key.
    pub key: &'a [u8],
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// What is committed, and the overlay that a batch folds into.
#[derive(Debug)]
pub struct Partition {
    engine: Arc<Engine>,
    users: Arc<Users>,
    timers: Timers,
    clock: StreamClock,
    population: Population,
    /// Places of users whose state older rules wrote, from the last to the first; those that are done have been cut
    /// off.
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
    /// The first generation whose sections that decide outputs are those of the present rules.
    judged_since: u32,
    overlay: Overlay,
}

impl Partition {
    /// A partition that knows nobody, and no time.
    pub fn new(engine: Arc<Engine>) -> Self {
        let clock = StreamClock::new(engine.settings.silent_after_ms.len());
        let population = Population::new(engine.rules.tier_names().len());
        let judged_since = engine.rules.generation();
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
            judged_since,
            overlay: Overlay::new(clock, population),
        }
    }

    /// Takes over one changelog record of a user. Later records of a key replace earlier ones. The partition record is
    /// not one.
    ///
    /// # Errors
    /// The value is damaged, or of a version or with a section that is not known; or the key is longer than 64 bytes.
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

    /// Takes over clocks and population, and arms all timers. Call once, after all users. Users whose state older rules
    /// wrote are due for re-evaluation: that comes before anything else, in slices.
    ///
    /// # Errors
    /// The state of a user is damaged or of an unknown version.
    pub fn restore_position(&mut self, record: &PartitionRecord) -> Result<(), StateError> {
        self.clock = StreamClock::restore(record, self.engine.settings.silent_after_ms.len());
        self.is_record_outdated = record.digest_scheme != Ruleset::DIGEST_SCHEME;
        self.judged_since = judged_since(record, &self.engine.rules);
        let mut generations = BTreeSet::new();
        self.arm_all();
        let table = self.users.read();
        let mut users = 0;
        for (place, stored) in table.iter() {
            let header = stored.header()?;
            if !header.is_user() {
                self.erasures += 1;
                continue;
            }
            users += 1;
            if header.rules_generation < self.judged_since {
                self.outdated.push(place);
                generations.insert(header.rules_generation);
            }
        }
        // Generations that change no ladder leave none: the next one's is the same.
        let first = generations.first().copied().unwrap_or(u32::MAX);
        let old = record.ladders.iter().filter(|ladder| ladder.generation >= first);
        self.old_ladders = old.cloned().collect();
        self.outdated.sort_unstable_by(|a, b| table.entry(*b).key().cmp(table.entry(*a).key()));
        drop(table);
        self.population = Population::new(self.engine.rules.tier_names().len());
        match record.population.users() {
            Some(recorded) if recorded == users => self.population.merge(&record.population),
            // A record from before a dimension was counted, or of other users: a restore refuses a changelog that
            // lacks some.
            _ => self.count_all()?,
        }
        self.discard();
        Ok(())
    }

    /// Counts every user again.
    fn count_all(&mut self) -> Result<(), StateError> {
        let table = self.users.read();
        let mut user = User::default();
        for (_, stored) in table.iter() {
            if stored.header()?.is_user() {
                decode_user(stored.value(), &mut user)?;
                self.population.add(Cells::of(&user));
            }
        }
        Ok(())
    }

    /// S and W move, deadlines up to W fire, then the event is applied. `input` is whose silence it ends, `at` what
    /// `cause` names.
    ///
    /// # Errors
    /// The committed state of a user is damaged, or of a version or with a section that is not known.
    pub fn handle_event<'a>(
        &mut self,
        input: Input,
        event: impl Into<EventWithTexts<'a>>,
        at: &Coordinates,
        effects: &mut Vec<Effect>,
    ) -> Result<Handled, StateError> {
        let told: EventWithTexts<'_> = event.into();
        let event = told.event;
        self.overlay.is_firing = true;
        if self.reevaluate(effects)? == Slice::Full {
            return Ok(Handled::TimersFirst);
        }
        self.overlay.is_firing = false;
        let slot = self.overlay.load(event.user.as_bytes(), &self.users)?;
        if let Some(reject) = self.too_old(slot, event)? {
            return Ok(Handled::Done(Disposition::Rejected(reject)));
        }
        self.overlay.clock.advance(event.time, Some(input), &self.engine.settings);
        self.overlay.is_firing = true;
        if self.fire(effects)? == Slice::Full {
            return Ok(Handled::TimersFirst);
        }
        self.overlay.is_firing = false;
        if event.body == Body::Unknown {
            return Ok(Handled::Done(Disposition::Skipped));
        }
        self.apply(slot, told, at, effects).map(Handled::Done)
    }

    /// S moves to at least `stream_time`, if one is given; then what is due fires, one slice at the most.
    ///
    /// # Errors
    /// The committed state of a user is damaged, or of a version or with a section that is not known.
    pub fn handle_time(
        &mut self,
        stream_time: Option<Timestamp>,
        effects: &mut Vec<Effect>,
    ) -> Result<Slice, StateError> {
        if self.reevaluate(effects)? == Slice::Full {
            return Ok(Slice::Full);
        }
        if let Some(stream_time) = stream_time {
            self.overlay.clock.advance(stream_time, None, &self.engine.settings);
        }
        self.fire(effects)
    }

    /// Whether anything is uncommitted that a transaction must write.
    pub fn is_dirty(&self) -> bool {
        let is_changed = self.overlay.clock != self.clock || self.overlay.entries().iter().any(|entry| entry.dirty);
        is_changed || self.is_record_outdated
    }

    /// The uncommitted changes, a key each, encoded once, in the order in which the keys were loaded.
    pub fn changes(&mut self) -> impl Iterator<Item = Change<'_>> {
        self.overlay.encode();
        let dirty = self.overlay.entries().iter().filter(|entry| entry.dirty);
        dirty.map(|entry| Change { key: &entry.key, value: entry.value() })
    }

    /// Writes clocks, silence, rules and population, with what is uncommitted, into the record. Topics, offsets and who
    /// writes are the caller's.
    pub fn fill_record(&self, record: &mut PartitionRecord) {
        let rules = &self.engine.rules;
        self.overlay.clock.fill_record(record);
        record.zone = rules.zone().name().to_owned();
        record.horizon_days = Rules::HORIZON_DAYS;
        record.partitions = self.engine.settings.partitions;
        record.rules_generation = rules.generation();
        record.rules_digest = rules.version().to_owned();
        record.digest_scheme = Ruleset::DIGEST_SCHEME;
        let section = |(name, digest): (&str, &str)| SectionDigest { name: name.to_owned(), digest: digest.to_owned() };
        record.rules_sections = rules.sections().iter().map(section).collect();
        record.judged_since = self.judged_since;
        record.population = self.overlay.population.clone();
        let old_ladders = if self.overlay.to_reevaluate > 0 { self.old_ladders.as_slice() } else { &[] };
        let ladder = Ladder { generation: rules.generation(), rungs: rules.ladder() };
        record.ladders = old_ladders.iter().cloned().chain([ladder]).collect();
    }

    /// What is uncommitted becomes committed. Call after the transaction that wrote [`Self::changes`] has succeeded.
    pub fn install(&mut self) {
        self.overlay.encode();
        self.clock.clone_from(&self.overlay.clock);
        self.population.clone_from(&self.overlay.population);
        self.outdated.truncate(self.overlay.to_reevaluate);
        self.erasures = self.overlay.erasures;
        self.fired += self.overlay.fired as u64;
        self.last_fired = self.last_fired.max(self.overlay.last_fired);
        self.is_record_outdated = false;
        let taken_until = self.overlay.taken_until();
        let mut table = self.users.write();
        for entry in self.overlay.entries() {
            let (committed, due) = (entry.committed_timer, entry.deadline());
            let taken = committed.is_some_and(|at| Some(at) <= taken_until);
            let earlier = due.is_some_and(|due| committed.is_none_or(|at| due < at));
            let timer = if taken || earlier || due.is_none() { due } else { committed };
            let value = if entry.dirty { entry.value() } else { None };
            let place = match value {
                Some(value) => Some(table.put(entry.hash, &entry.key, entry.place, value)),
                None => entry.place,
            };
            // What was never committed, and is not to be.
            let Some(place) = place else { continue };
            if timer != committed {
                self.timers.rearm(place, &entry.key, committed, timer);
                table.arm(place, timer);
            }
            if entry.dirty && value.is_none() {
                table.remove(entry.hash, place);
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
            let stored = table.entry(place);
            // A free place has none.
            let due = stored.header().ok().and_then(|header| header.deadline);
            let key = stored.copied_key();
            table.arm(place, due);
            self.timers.rearm(place, &key, None, due);
        }
    }

    /// Forgets what is uncommitted.
    pub fn discard(&mut self) {
        self.overlay.clear();
        self.overlay.clock.clone_from(&self.clock);
        self.overlay.population.clone_from(&self.population);
        self.overlay.to_reevaluate = self.outdated.len();
        self.overlay.erasures = self.erasures;
    }

    /// Whether deadlines were being fired, rather than an event applied, when the last call went wrong.
    pub fn is_firing(&self) -> bool {
        self.overlay.is_firing
    }

    /// After a panic: forgets what is uncommitted, and arms all timers again, the only thing committed that a batch
    /// moves.
    pub fn distrust(&mut self) {
        self.discard();
        self.arm_all();
    }

    /// Whether the uncommitted batch moved time forward: a deadline has fired that is later than all before it, or
    /// fewer users are left to re-evaluate. A deadline that fires again and again is no step forward.
    pub fn comes_forward(&self) -> bool {
        self.overlay.last_fired > self.last_fired || self.overlay.to_reevaluate < self.outdated.len()
    }

    /// From now on slices hold no more than that, nor than the settings say.
    pub fn limit_slices(&mut self, effects: usize) {
        self.slice = effects.max(1);
    }

    /// Deadlines fired and users re-evaluated, uncommitted.
    pub fn fired_uncommitted(&self) -> usize {
        self.overlay.fired
    }

    pub(super) fn is_slice_full(&self) -> bool {
        self.overlay.fired >= self.engine.settings.max_effects.min(self.slice)
    }

    /// The committed users, to be read by anyone.
    pub fn users(&self) -> &Arc<Users> {
        &self.users
    }

    /// S, uncommitted.
    pub fn stream_time(&self) -> Option<Timestamp> {
        self.overlay.clock.stream_time
    }

    /// W, uncommitted.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.overlay.clock.watermark
    }

    /// By input: whether it is silent, and so holds W.
    pub fn silent(&self) -> &[bool] {
        self.overlay.clock.silent()
    }

    /// The users by tier and stage, as committed.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Keys, that is users and remembered erasures, as committed.
    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    /// Armed timers, as committed.
    pub fn timer_count(&self) -> usize {
        self.timers.len()
    }

    /// Deadlines fired and users re-evaluated since the partition was made, as committed.
    pub fn timers_fired(&self) -> u64 {
        self.fired
    }
}

/// Since which generation users were judged as the present rules judge. A change that decides no output needs a new
/// generation, too, but nobody is judged anew for it.
fn judged_since(record: &PartitionRecord, rules: &Ruleset) -> u32 {
    let is_same = record.digest_scheme == Ruleset::DIGEST_SCHEME && record.rules_digest == rules.version();
    match (is_same, record.judged_since) {
        (false, _) => rules.generation(),
        (true, 0) => record.rules_generation,
        (true, since) => since,
    }
}

/// The announcer for the user in a slot, at `time`.
fn announcer<'a>(
    engine: &'a Engine,
    overlay: &'a mut Overlay,
    slot: Slot,
    time: Timestamp,
    cause: Option<&'a Coordinates>,
    effects: &'a mut Vec<Effect>,
) -> Result<Announcer<'a>, StateError> {
    let entry = overlay.slot(slot);
    let id = std::str::from_utf8(&entry.key).ok().and_then(UserId::new);
    let id = id.ok_or(StateError::Damaged("a key that is no user id"))?;
    let silent = engine.settings.emit_from.is_some_and(|from| time < from);
    Ok(Announcer { rules: &engine.rules, user: &mut entry.user, id, time, cause, retired: None, silent, effects })
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
            partition.overlay.last_fired = fired;
            partition.overlay.fired = usize::from(fired.is_some());
            assert_eq!(partition.comes_forward(), is_step, "{fired:?}");
        }
    }
}
