//! One partition: its users, timers and clocks, committed and in hand.
//!
//! The order of an event: S and W move, deadlines up to W fire, then the event is applied. A slice of timers that is full must be
//! committed before the rest fires; the event waits.

use std::collections::BTreeSet;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::announce::Announcer;
use super::clock::StreamClock;
use super::effect::{Reason, Signal};
use super::hand::{Content, Hand, Slot, count};
use super::store::{Users, hash};
use super::{Disposition, Engine, Handled, Slice};
use crate::domain::{Body, DAY_MS, Event, Input, Stage, Tier, Timestamp, UserId};
use crate::ingest::{self, Reject};
use crate::record::Coordinates;
use crate::rules::Rules;
use crate::state::codec::Header;
use crate::state::{Ladder, PartitionRecord, Population, StateError, User};
use crate::timers::{Key, Place, Timers};

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
        signals: &mut Vec<Signal>,
    ) -> Result<Handled, StateError> {
        if self.reevaluate(signals)? == Slice::Full {
            return Ok(Handled::TimersFirst);
        }
        let slot = self.hand.touch(event.user.as_bytes(), &self.users)?;
        if let Some(reject) = self.too_old(slot, event) {
            return Ok(Handled::Done(Disposition::Rejected(reject)));
        }
        self.hand.clock.advance(event.time, Some(input), &self.engine.settings);
        if self.fire(signals)? == Slice::Full {
            return Ok(Handled::TimersFirst);
        }
        if event.body == Body::Unknown {
            return Ok(Handled::Done(Disposition::Skipped));
        }
        self.apply(slot, event, at, signals).map(Handled::Done)
    }

    /// S moves to at least `stream_time`, if one is given; then what is due fires, one slice at the most.
    pub fn handle_time(
        &mut self,
        stream_time: Option<Timestamp>,
        signals: &mut Vec<Signal>,
    ) -> Result<Slice, StateError> {
        if self.reevaluate(signals)? == Slice::Full {
            return Ok(Slice::Full);
        }
        if let Some(stream_time) = stream_time {
            self.hand.clock.advance(stream_time, None, &self.engine.settings);
        }
        self.fire(signals)
    }

    /// Whether anything is in hand that a transaction must write.
    pub fn is_dirty(&self) -> bool {
        self.hand.clock != self.clock || self.hand.touched().iter().any(|touched| touched.dirty)
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

    fn too_old(&mut self, slot: Slot, event: &Event) -> Option<Reject> {
        let horizon_ms = i64::from(Rules::HORIZON_DAYS) * DAY_MS;
        let oldest = self.hand.clock.watermark.map(|watermark| watermark.minus_millis(horizon_ms));
        if oldest.is_some_and(|oldest| event.time < oldest) {
            return Some(Reject::new(ingest::Reason::TooOld, "older than the watermark less the horizon"));
        }
        let touched = self.hand.slot(slot);
        let left = touched.content == Content::User && touched.user.has_left(event.time, self.engine.rules.zone());
        left.then(|| Reject::new(ingest::Reason::TooOld, "on a day that has left the user's history"))
    }

    /// Fires what is due by W, in order of (deadline, user), until the slice is full.
    fn fire(&mut self, signals: &mut Vec<Signal>) -> Result<Slice, StateError> {
        let Some(watermark) = self.hand.clock.watermark else { return Ok(Slice::Complete) };
        loop {
            if self.hand.fired >= self.engine.settings.max_effects {
                return Ok(Slice::Full);
            }
            let Some((due, slot)) = self.hand.take_due(watermark, &self.users, &mut self.timers)? else {
                return Ok(Slice::Complete);
            };
            self.hand.fired += 1;
            match self.hand.slot(slot).content {
                Content::User => self.fire_user(due, slot, signals)?,
                Content::Erasure { .. } => {
                    self.hand.slot(slot).content = Content::Absent;
                    self.hand.erasures -= 1;
                }
                Content::Absent => {}
            }
            self.hand.changed(slot);
        }
    }

    /// Fires one deadline of a user; of two at one instant the tier's.
    fn fire_user(&mut self, due: Timestamp, slot: Slot, signals: &mut Vec<Signal>) -> Result<(), StateError> {
        let deadlines = self.hand.slot(slot).user.deadlines;
        let mut announcer = announcer(&self.engine, &mut self.hand, slot, due, None, signals)?;
        if deadlines.tier == Some(due) {
            let as_of = announcer.user.newest.map_or(due, |newest| newest.max(due));
            let day = announcer.rules.zone().day(as_of);
            announcer.tier(day, |from, _| if from == Tier::NEW { Reason::Calendar } else { Reason::Timer });
        } else if let Some((_, stage)) = deadlines.stage {
            announcer.stage(stage, Reason::Timer);
        }
        Ok(())
    }

    /// Re-evaluates users whose state older rules wrote, until the slice is full. A stage is never taken back.
    fn reevaluate(&mut self, signals: &mut Vec<Signal>) -> Result<Slice, StateError> {
        while self.hand.to_reevaluate > 0 {
            if self.hand.fired >= self.engine.settings.max_effects {
                return Ok(Slice::Full);
            }
            self.hand.to_reevaluate -= 1;
            self.hand.fired += 1;
            let key = self.users.read().held(self.outdated[self.hand.to_reevaluate]).copied_key();
            let slot = self.hand.touch(&key, &self.users)?;
            self.renumber(slot);
            if let Some(watermark) = self.hand.clock.watermark {
                let mut announcer = announcer(&self.engine, &mut self.hand, slot, watermark, None, signals)?;
                announcer.silent |= announcer.rules.rules().quiet;
                let as_of = announcer.user.newest.map_or(watermark, |newest| newest.max(watermark));
                let day = announcer.rules.zone().day(as_of);
                announcer.tier(day, |_, _| Reason::RuleChange);
                announcer.plan_stage();
                announcer.stages_due(watermark, Reason::RuleChange);
            }
            self.hand.changed(slot);
        }
        Ok(Slice::Complete)
    }

    /// Turns what was announced of a user under older rules into what it is called now.
    fn renumber(&mut self, slot: Slot) {
        let rules = &self.engine.rules;
        let touched = self.hand.slot(slot);
        let ladder = self.old_ladders.iter().find(|ladder| ladder.generation == touched.rules_generation);
        if let (Some(ladder), Some(announced)) = (ladder, &mut touched.user.announced) {
            *announced = rules.renumbered(*announced, &ladder.rungs);
        }
        touched.rules_generation = rules.generation();
    }

    /// Applies an event to its user, once all that was due has fired.
    fn apply(
        &mut self,
        slot: Slot,
        event: &Event,
        at: &Coordinates,
        signals: &mut Vec<Signal>,
    ) -> Result<Disposition, StateError> {
        let erased_at = self.erased_at(slot, &event.user)?;
        if erased_at.is_some_and(|erased_at| event.time <= erased_at) {
            return Ok(Disposition::Suppressed);
        }
        if event.body == Body::UserErased {
            self.erase(slot, event)?;
            return Ok(Disposition::Applied);
        }
        let touched = self.hand.slot(slot);
        if touched.content == Content::Absent {
            touched.content = Content::User;
            touched.user = User::new(erased_at);
            touched.rules_generation = self.engine.rules.generation();
        }
        if touched.user.recognises(event) {
            return Ok(Disposition::Duplicate);
        }
        self.fold(slot, event, at, signals)?;
        self.hand.changed(slot);
        Ok(Disposition::Applied)
    }

    /// Folds the event into its user and announces what follows.
    fn fold(
        &mut self,
        slot: Slot,
        event: &Event,
        at: &Coordinates,
        signals: &mut Vec<Signal>,
    ) -> Result<(), StateError> {
        let rules = &self.engine.rules;
        let watermark = self.hand.clock.watermark.unwrap_or(event.time);
        let user = &mut self.hand.slot(slot).user;
        let silent_since = user.history.last_activity();
        let changed = user.apply(event, rules.zone());
        let as_of = user.newest.map_or(watermark, |newest| newest.max(watermark));
        let tier_is_stale = changed.days
            || changed.sums && rules.asks_for_sums()
            || user.deadlines.tier.is_some_and(|due| due <= as_of);
        let late = event.time < watermark;
        let reversal = changed.reversal;

        let mut announcer = announcer(&self.engine, &mut self.hand, slot, as_of, Some(at), signals)?;
        if announcer.user.history.last_activity() > silent_since && announcer.user.stage != Stage::Active {
            announcer.cleared(silent_since, if late { Reason::LateData } else { Reason::Behaviour });
        }
        if tier_is_stale {
            let day = announcer.rules.zone().day(as_of);
            announcer.tier(day, |from, to| tier_reason(from, to, reversal, late));
        }
        if changed.silence {
            announcer.plan_stage();
            let otherwise = if late { Reason::LateData } else { Reason::Timer };
            announcer.stages_due(watermark, if reversal { Reason::Correction } else { otherwise });
        }
        Ok(())
    }

    /// When the user was erased, as far as that is remembered.
    fn erased_at(&mut self, slot: Slot, id: &UserId) -> Result<Option<Timestamp>, StateError> {
        let touched = self.hand.slot(slot);
        if touched.content == Content::User && touched.user.incarnation != 0 {
            return Ok(Some(Timestamp::of_millis(touched.user.incarnation)));
        }
        if touched.content == Content::User || self.hand.erasures == 0 {
            return Ok(None);
        }
        let marker = self.hand.touch(&erasure_key(id), &self.users)?;
        match self.hand.slot(marker).content {
            Content::Erasure { erased_at, .. } => Ok(Some(erased_at)),
            _ => Ok(None),
        }
    }

    /// Removes all that is held of a user, and remembers when, under a key that doesn't tell whose.
    fn erase(&mut self, slot: Slot, event: &Event) -> Result<(), StateError> {
        let generation = self.engine.rules.generation();
        // An erasure that comes late is remembered as long: what it suppresses is still to be read, whatever its own time.
        let stream_time = self.hand.clock.stream_time.map_or(event.time, |now| now.max(event.time));
        let forget_at = stream_time.plus_millis(self.engine.settings.retention_ms);
        self.hand.slot(slot).content = Content::Absent;
        self.hand.changed(slot);
        let marker = self.hand.touch(&erasure_key(&event.user), &self.users)?;
        let touched = self.hand.slot(marker);
        self.hand.erasures += usize::from(touched.content == Content::Absent);
        let touched = self.hand.slot(marker);
        touched.content = Content::Erasure { erased_at: event.time, forget_at };
        touched.rules_generation = generation;
        self.hand.changed(marker);
        Ok(())
    }
}

/// What speaks for the user in a slot at `time`.
fn announcer<'a>(
    engine: &'a Engine,
    hand: &'a mut Hand,
    slot: Slot,
    time: Timestamp,
    cause: Option<&'a Coordinates>,
    signals: &'a mut Vec<Signal>,
) -> Result<Announcer<'a>, StateError> {
    let touched = hand.slot(slot);
    let id = std::str::from_utf8(&touched.key).ok().and_then(UserId::new);
    let id = id.ok_or(StateError::Damaged("a key that is no user id"))?;
    let silent = engine.settings.emit_from.is_some_and(|from| time < from);
    Ok(Announcer { rules: &engine.rules, user: &mut touched.user, id, time, cause, silent, signals })
}

/// Why an event changed a tier.
fn tier_reason(from: Tier, to: Tier, reversal: bool, late: bool) -> Reason {
    let lower = to < from;
    if from == Tier::NEW {
        Reason::Calendar
    } else if lower && reversal {
        Reason::Correction
    } else if late {
        Reason::LateData
    } else if lower && to != Tier::NEW {
        Reason::Timer
    } else {
        Reason::Behaviour
    }
}

/// Where an erasure is remembered: no UTF-8, so no user's key, and a hash, so that nobody can read whose it was.
fn erasure_key(id: &UserId) -> [u8; 17] {
    let mut key = [0xfe; 17];
    key[1..].copy_from_slice(&xxh3_128(id.as_bytes()).to_be_bytes());
    key
}
