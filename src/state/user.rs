//! A user: the history that events leave, and what was last announced about it.
//!
//! [`User::apply`] is the fold. Everything it keeps is a sum, a minimum, a maximum or a latest-by-event-time, so that any
//! interleaving of the same events within the horizon leaves the same history. The announced tier and stage, the sequence and the
//! remembered ids do depend on the order; they are the engine's to set, but for the ids.

use super::{History, Loans, Remembered};
use crate::domain::{Body, DAY_MS, Event, EventId, Stage, Tier, Timestamp, Zone};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// 0, or the instant (ms) of the erasure after which the user came back.
    pub incarnation: i64,
    /// Outputs made so far.
    pub sequence: u64,
    /// None: nothing was announced yet, which stands for `inactive`.
    pub announced: Option<Tier>,
    /// The stage announced in this episode.
    pub stage: Stage,
    pub registered: Option<Timestamp>,
    /// The first event other than `message.*`.
    pub first_seen: Option<Timestamp>,
    /// The newest event time.
    pub newest: Option<Timestamp>,
    pub history: History,
    pub loans: Loans,
    pub remembered: Remembered,
    pub deadlines: Deadlines,
    /// Sections that a newer program wrote, kept as they are.
    pub(super) later_sections: Vec<u8>,
}

/// When something about the user becomes true if nothing happens: functions of history and rules, kept to save their computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadlines {
    /// The start of the first day with another tier.
    pub tier: Option<Timestamp>,
    pub stage: Option<(Timestamp, Stage)>,
}

impl Deadlines {
    /// How much later a deadline is looked at again that has fired and would be due at once.
    const MOVES_ON_MS: i64 = DAY_MS;

    /// To be called once the tier's deadline at `due` has fired and the next is planned: makes it a later one. What fires is due
    /// no longer, or whoever fires deadlines would never end.
    pub fn tier_fired(&mut self, due: Timestamp) {
        self.tier = self.tier.map(|next| Self::after(due, next));
    }

    /// The same for the stage's.
    pub fn stage_fired(&mut self, due: Timestamp) {
        self.stage = self.stage.map(|(next, stage)| (Self::after(due, next), stage));
    }

    fn after(due: Timestamp, next: Timestamp) -> Timestamp {
        if next > due { next } else { due.plus_millis(Self::MOVES_ON_MS) }
    }

    pub fn next(&self) -> Option<Timestamp> {
        let stage = self.stage.map(|(at, _)| at);
        match (self.tier, stage) {
            (Some(tier), Some(stage)) => Some(tier.min(stage)),
            (tier, stage) => tier.or(stage),
        }
    }
}

/// What an event changed: only what depends on it is computed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// The set of active days, or the registration.
    pub days: bool,
    /// A day's transactions, amount or scenes.
    pub sums: bool,
    /// What stages are counted from: L, active days ever, loans, the golden window's start.
    pub silence: bool,
    /// A refund took something back.
    pub reversal: bool,
}

impl User {
    /// A user of whom nothing is known but, if so, when it was erased before.
    pub fn new(erased_at: Option<Timestamp>) -> Self {
        Self { incarnation: erased_at.map_or(0, Timestamp::millis), ..Self::default() }
    }

    /// The tier that others know of.
    pub fn announced_tier(&self) -> Tier {
        self.announced.unwrap_or(Tier::INACTIVE)
    }

    /// Whether `at` lies on a day that has left the user's history.
    pub fn has_left(&self, at: Timestamp, zone: &Zone) -> bool {
        self.newest.is_some_and(|newest| zone.day(at) <= zone.day(newest).minus(History::HORIZON_DAYS))
    }

    /// Whether the event was seen before. A duplicate leaves no trace, else outputs would depend on what is committed when.
    pub fn recognises(&self, event: &Event) -> bool {
        let newest = self.newest_with(event);
        let known = |id| self.remembered.contains(id, newest);
        known(event.id) || refunded_in_full(event).is_some_and(known)
    }

    fn newest_with(&self, event: &Event) -> Timestamp {
        self.newest.map_or(event.time, |newest| newest.max(event.time))
    }

    /// Folds an event that was not seen before.
    pub fn apply(&mut self, event: &Event, zone: &Zone) -> Changed {
        let newest = self.newest_with(event);
        let edge = zone.day(newest).minus(History::HORIZON_DAYS);
        self.newest = Some(newest);
        self.remembered.forget(newest);
        self.remembered.insert(event.id, newest);
        if let Some(original) = refunded_in_full(event) {
            self.remembered.insert(original, newest);
        }
        let mut changed = Changed::default();
        if !matches!(event.body, Body::Message { .. }) && self.first_seen.is_none_or(|first| event.time < first) {
            self.first_seen = Some(event.time);
            changed.silence = true;
        }
        match event.body {
            Body::UserRegistered => {
                let registered = self.registered.map_or(event.time, |first| first.min(event.time));
                changed.days |= self.registered != Some(registered);
                changed.silence |= self.registered != Some(registered);
                self.registered = Some(registered);
            }
            Body::PaymentRefunded { original_time, amount, full, auto: false, .. } => {
                let day = zone.day(original_time);
                if day > edge {
                    let ceased = self.history.refund(day, amount, full);
                    changed = Changed { days: ceased, sums: true, silence: changed.silence || full, reversal: true };
                }
            }
            Body::LoanDueScheduled { loan, due } => {
                self.loans.schedule(loan, event.time, due);
                changed.silence = true;
            }
            Body::LoanRepaid { loan, .. } => {
                self.loans.repay(loan, event.time);
                changed.silence = true;
            }
            _ => {}
        }
        if let Some(activity) = KeyActivity::of(&event.body) {
            let began = self.history.add(zone.day(event.time), event.time, activity.amount, activity.scene);
            changed.days |= began;
            changed.sums = true;
            changed.silence = true;
        }
        self.history.leave(edge);
        changed
    }
}

/// What a full refund takes back, whoever tells of it.
fn refunded_in_full(event: &Event) -> Option<EventId> {
    match event.body {
        Body::PaymentRefunded { original, full: true, .. } => original,
        _ => None,
    }
}

/// A completed transaction that the user made: the only thing that earns a tier or ends a silence.
struct KeyActivity {
    amount: i64,
    scene: Option<crate::domain::Token>,
}

impl KeyActivity {
    /// None for process activity, and for what the bank does by itself.
    fn of(body: &Body) -> Option<Self> {
        match *body {
            Body::PaymentCompleted { amount, scene, auto: false, .. } => Some(Self { amount, scene }),
            Body::WealthBought { amount, auto: false, .. }
            | Body::LoanDrawn { amount, auto: false, .. }
            | Body::LoanRepaid { amount, auto: false, .. }
            | Body::BillPaid { amount, auto: false, .. } => Some(Self { amount, scene: None }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As rules would that find, at the deadline's own instant, the same deadline again, or an earlier one.
    #[test]
    fn what_has_fired_is_due_later_or_no_longer_whatever_the_rules_make_of_it() {
        let t = |millis| Timestamp::of_millis(millis);
        for (next, after) in [(4, 5 + DAY_MS), (5, 5 + DAY_MS), (6, 6)] {
            let planned = Deadlines { tier: Some(t(next)), stage: Some((t(next), Stage::Lost)) };
            let (mut of_tier, mut of_stage) = (planned, planned);
            of_tier.tier_fired(t(5));
            of_stage.stage_fired(t(5));
            assert_eq!(of_tier, Deadlines { tier: Some(t(after)), ..planned });
            assert_eq!(of_stage, Deadlines { stage: Some((t(after), Stage::Lost)), ..planned });
        }
        let mut none = Deadlines::default();
        none.tier_fired(t(5));
        none.stage_fired(t(5));
        assert_eq!(none, Deadlines::default());
    }
}
