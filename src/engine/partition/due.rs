//! What time does to users: deadlines that fire, and what a new generation of rules makes of everybody. In slices.
//!
//! May break if a deadline that has fired is still due: [`crate::state::Deadlines::fired`] moves it on.

use std::sync::Arc;

use super::{Announcer, Partition, announcer};
use crate::domain::{Tier, Timestamp};
use crate::engine::Slice;
use crate::engine::effect::{Effect, OutputReason};
use crate::engine::overlay::{Content, Slot};
use crate::rules::Ruleset;
use crate::state::{StateError, UserDeadline};

impl Partition {
    /// Fires what is due by W, in order of (deadline, user), until the slice is full.
    pub(super) fn fire(&mut self, effects: &mut Vec<Effect>) -> Result<Slice, StateError> {
        let Some(watermark) = self.overlay.clock.watermark else { return Ok(Slice::Complete) };
        loop {
            if self.is_slice_full() {
                return Ok(Slice::Full);
            }
            let Some((due, slot)) = self.overlay.take_due(watermark, &self.users, &mut self.timers)? else {
                return Ok(Slice::Complete);
            };
            self.overlay.fired += 1;
            match self.overlay.slot(slot).content {
                Content::User => self.fire_user(due, slot, effects)?,
                Content::Erasure { erased_at, .. } => self.forget(due, slot, erased_at),
                Content::Absent => {}
            }
            self.overlay.changed(slot);
        }
    }

    /// Forgets an erasure, unless erasures are remembered for longer now than when it came.
    fn forget(&mut self, due: Timestamp, slot: Slot, erased_at: Timestamp) {
        let forget_at = erased_at.plus_millis(self.engine.settings.retention_ms);
        if forget_at > due {
            self.overlay.slot(slot).content = Content::Erasure { erased_at, forget_at };
        } else {
            self.overlay.slot(slot).content = Content::Absent;
            self.overlay.erasures -= 1;
        }
    }

    /// Fires one deadline of a user: of two at one instant the first in the order of [`UserDeadline`]. Of that kind the
    /// user has none then but a later one, so that all that is due by W is fired after so many calls, whatever the
    /// rules make of it.
    fn fire_user(&mut self, due: Timestamp, slot: Slot, effects: &mut Vec<Effect>) -> Result<(), StateError> {
        let Some(deadline) = self.overlay.slot(slot).user.deadlines.due_at(due) else { return Ok(()) };
        let mut announcer = announcer(&self.engine, &mut self.overlay, slot, due, None, effects)?;
        match deadline {
            UserDeadline::Tier => on_tier_due(&mut announcer, due),
            UserDeadline::Stage => on_stage_due(&mut announcer, due),
        }
        announcer.user.deadlines.fired(deadline, due);
        Ok(())
    }

    /// Re-evaluates users whose state older rules wrote, until the slice is full. A stage is never taken back.
    pub(super) fn reevaluate(&mut self, effects: &mut Vec<Effect>) -> Result<Slice, StateError> {
        while self.overlay.to_reevaluate > 0 {
            if self.is_slice_full() {
                return Ok(Slice::Full);
            }
            self.overlay.to_reevaluate -= 1;
            self.overlay.fired += 1;
            let key = self.users.read().entry(self.outdated[self.overlay.to_reevaluate]).copied_key();
            let slot = self.overlay.load(&key, &self.users)?;
            let retired = self.renumber(slot);
            if let Some(watermark) = self.overlay.clock.watermark {
                let mut announcer = announcer(&self.engine, &mut self.overlay, slot, watermark, None, effects)?;
                announcer.silent |= announcer.rules.rules().quiet;
                announcer.retired = retired;
                let as_of = announcer.user.newest.map_or(watermark, |newest| newest.max(watermark));
                let day = announcer.rules.zone().day(as_of);
                announcer.tier(day, |_, _| OutputReason::RuleChange);
                announcer.stages_due(watermark, OutputReason::RuleChange);
            }
            self.overlay.changed(slot);
        }
        Ok(Slice::Complete)
    }

    /// Turns what was announced of a user under older rules into what it is called now. The name of a tier that is no
    /// more.
    fn renumber(&mut self, slot: Slot) -> Option<Arc<str>> {
        let rules = &self.engine.rules;
        let entry = self.overlay.slot(slot);
        let ladder = self
            .old_ladders
            .iter()
            .filter(|ladder| ladder.generation >= entry.rules_generation)
            .min_by_key(|it| it.generation);
        entry.rules_generation = rules.generation();
        let (ladder, announced) = (&ladder?.rungs, entry.user.announced.as_mut()?);
        let name = ladder.get(announced.rung_index()?).map_or(Ruleset::RETIRED, String::as_str);
        match rules.rung_named(name) {
            Some(tier) => {
                *announced = tier;
                None
            }
            None => {
                *announced = rules.retired();
                Some(name.into())
            }
        }
    }
}

/// The day has come on which the tier is another, and plans the next.
fn on_tier_due(announcer: &mut Announcer<'_>, due: Timestamp) {
    let as_of = announcer.user.newest.map_or(due, |newest| newest.max(due));
    let day = announcer.rules.zone().day(as_of);
    announcer.tier(day, |from, _| if from == Tier::NEW { OutputReason::Calendar } else { OutputReason::Timer });
}

/// The silence has reached its next stage, and plans the one after it.
fn on_stage_due(announcer: &mut Announcer<'_>, due: Timestamp) {
    if let Some((_, stage)) = announcer.plan_stage().filter(|(at, _)| *at <= due) {
        announcer.stage(stage, OutputReason::Timer);
    }
}
