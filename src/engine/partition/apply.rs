//! What an event does to its user, once all that was due has fired; and what remains of a user who was erased.

use xxhash_rust::xxh3::xxh3_128;

use super::{Partition, announcer};
use crate::domain::{Body, DAY_MS, Event, EventWithTexts, Stage, Tier, Timestamp, UserId};
use crate::engine::Disposition;
use crate::engine::effect::{Effect, OutputReason};
use crate::engine::overlay::{Content, Slot};
use crate::ingest::{self, Reject};
use crate::record::Coordinates;
use crate::rules::dormancy::next_stage;
use crate::rules::tier::tier_on;
use crate::rules::{Rules, Ruleset};
use crate::state::{Affected, StateError, User, UserDeadline};

impl Partition {
    /// Whether the event is older than what can be counted. An erasure never is; what an erasure suppresses isn't
    /// looked at.
    pub(super) fn too_old(&mut self, slot: Slot, event: &Event) -> Result<Option<Reject>, StateError> {
        let horizon_ms = i64::from(Rules::HORIZON_DAYS) * DAY_MS;
        let oldest = self.overlay.clock.watermark.map(|watermark| watermark.minus_millis(horizon_ms));
        let detail = if oldest.is_some_and(|oldest| event.time < oldest) {
            "older than the watermark less the horizon"
        } else {
            let entry = self.overlay.slot(slot);
            if entry.content != Content::User || !entry.user.has_left(event.time, self.engine.rules.zone()) {
                return Ok(None);
            }
            "on a day that has left the user's history"
        };
        let erased_at = self.erased_at(slot, &event.user)?;
        let counts = event.body == Body::UserErased || erased_at.is_some_and(|erased_at| event.time <= erased_at);
        Ok((!counts).then(|| Reject::new(ingest::RejectReason::TooOld, detail)))
    }

    /// Applies an event to its user, once all that was due has fired.
    pub(super) fn apply(
        &mut self,
        slot: Slot,
        told: EventWithTexts<'_>,
        at: &Coordinates,
        effects: &mut Vec<Effect>,
    ) -> Result<Disposition, StateError> {
        let event = told.event;
        let erased_at = self.erased_at(slot, &event.user)?;
        if erased_at.is_some_and(|erased_at| event.time <= erased_at) {
            return Ok(Disposition::Suppressed);
        }
        if event.body == Body::UserErased {
            self.erase(slot, event)?;
            return Ok(Disposition::Applied);
        }
        let entry = self.overlay.slot(slot);
        if entry.content == Content::Absent {
            entry.content = Content::User;
            entry.user = User::new(erased_at);
            entry.rules_generation = self.engine.rules.generation();
        }
        if entry.user.recognises(event) {
            return Ok(Disposition::Duplicate);
        }
        self.fold(slot, told, at, effects)?;
        self.overlay.changed(slot);
        Ok(Disposition::Applied)
    }

    /// Folds the event into its user and announces what follows.
    fn fold(
        &mut self,
        slot: Slot,
        told: EventWithTexts<'_>,
        at: &Coordinates,
        effects: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        let event = told.event;
        let rules = &self.engine.rules;
        let watermark = self.overlay.clock.watermark.unwrap_or(event.time);
        let user = &mut self.overlay.slot(slot).user;
        let silent_since = user.facts.history.last_activity();
        let is_sound = cfg!(debug_assertions)
            && disagreement(user, rules, user.newest.map_or(watermark, |newest| newest.max(watermark))).is_none();
        let affected = user.apply(told, rules.zone());
        let as_of = user.newest.map_or(watermark, |newest| newest.max(watermark));
        let of_tier = if rules.asks_for_sums() { Affected::DAYS | Affected::SUMS } else { Affected::DAYS };
        let tier_is_stale =
            affected.meets(of_tier) || user.deadlines.get(UserDeadline::Tier).is_some_and(|due| due <= as_of);
        let late = event.time < watermark;
        let reversal = affected.meets(Affected::REVERSAL);

        let mut announcer = announcer(&self.engine, &mut self.overlay, slot, as_of, Some(at), effects)?;
        if announcer.user.facts.history.last_activity() > silent_since && announcer.user.stage != Stage::Active {
            announcer.cleared(silent_since, if late { OutputReason::LateData } else { OutputReason::Behaviour });
        }
        if tier_is_stale {
            let day = announcer.rules.zone().day(as_of);
            announcer.tier(day, |from, to| tier_reason(from, to, reversal, late));
        }
        if affected.meets(Affected::SILENCE) {
            let otherwise = if late { OutputReason::LateData } else { OutputReason::Timer };
            announcer.stages_due(watermark, if reversal { OutputReason::Correction } else { otherwise });
        }
        if is_sound {
            let found = disagreement(announcer.user, announcer.rules, as_of);
            debug_assert!(found.is_none(), "a judgement that {affected:?} should have led to: {found:?}");
        }
        Ok(())
    }

    /// When the user was erased, as far as that is remembered.
    fn erased_at(&mut self, slot: Slot, id: &UserId) -> Result<Option<Timestamp>, StateError> {
        let entry = self.overlay.slot(slot);
        if entry.content == Content::User && entry.user.incarnation != 0 {
            return Ok(Some(Timestamp::of_millis(entry.user.incarnation)));
        }
        if entry.content == Content::User || self.overlay.erasures == 0 {
            return Ok(None);
        }
        let marker = self.overlay.load(&erasure_key(id), &self.users)?;
        match self.overlay.slot(marker).content {
            Content::Erasure { erased_at, .. } => Ok(Some(erased_at)),
            _ => Ok(None),
        }
    }

    /// Removes all that is stored of a user, and remembers when, under a key that doesn't tell whose.
    fn erase(&mut self, slot: Slot, event: &Event) -> Result<(), StateError> {
        let generation = self.engine.rules.generation();
        // An erasure that comes late is remembered as long: what it suppresses is still to be read, whatever its own
        // time.
        let stream_time = self.overlay.clock.stream_time.map_or(event.time, |now| now.max(event.time));
        let forget_at = stream_time.plus_millis(self.engine.settings.retention_ms);
        self.overlay.slot(slot).content = Content::Absent;
        self.overlay.changed(slot);
        let marker = self.overlay.load(&erasure_key(&event.user), &self.users)?;
        let entry = self.overlay.slot(marker);
        self.overlay.erasures += usize::from(entry.content == Content::Absent);
        let entry = self.overlay.slot(marker);
        entry.content = Content::Erasure { erased_at: event.time, forget_at };
        entry.rules_generation = generation;
        self.overlay.changed(marker);
        Ok(())
    }
}

/// The oracle of what events affect, asked before and after each where debug assertions are on (so in tests):
/// everything is judged again, whatever the event affected. Says what disagrees with what stands, as (stands, is true).
/// States that disagree before the event are not judged by it: a fuzzer makes such.
fn disagreement(user: &User, rules: &Ruleset, as_of: Timestamp) -> Option<String> {
    let now = tier_on(&user.facts.history, user.facts.registered.at(), rules.zone().day(as_of), rules);
    let tier = ((user.announced_tier(), user.deadlines.get(UserDeadline::Tier)), (now.tier, now.until));
    let stage = (user.deadlines.get(UserDeadline::Stage), next_stage(user, rules).map(|(due, _)| due));
    (tier.0 != tier.1 || stage.0 != stage.1).then(|| format!("tier {tier:?}, next stage {stage:?} as of {as_of}"))
}

/// Why an event changed a tier.
fn tier_reason(from: Tier, to: Tier, reversal: bool, late: bool) -> OutputReason {
    let lower = to < from;
    if from == Tier::NEW {
        OutputReason::Calendar
    } else if lower && reversal {
        OutputReason::Correction
    } else if late {
        OutputReason::LateData
    } else if lower && to != Tier::NEW {
        OutputReason::Timer
    } else {
        OutputReason::Behaviour
    }
}

/// Where an erasure is remembered: no UTF-8, so no user's key, and a hash, so that nobody can read whose it was.
fn erasure_key(id: &UserId) -> [u8; 17] {
    let mut key = [0xfe; 17];
    key[1..].copy_from_slice(&xxh3_128(id.as_bytes()).to_be_bytes());
    key
}
