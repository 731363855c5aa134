//! A user: the facts that events leave, and what was last announced about it.
//!
//! [`User::apply`] is the fold. Facts are such that any interleaving of the same events within the horizon leaves the
//! same. The announced tier and stage, the sequence and the remembered ids do depend on the order; they are the
//! engine's to set, but for the ids.

use super::facts::{Facts, History, Moment};
use super::{Affected, Deadlines, Remembered};
use crate::domain::{Body, Event, EventId, EventWithTexts, Stage, Tier, Timestamp, Zone};

/// All that is known of a user.
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
    /// The newest event time.
    pub newest: Option<Timestamp>,
    /// The ids of the last events.
    pub remembered: Remembered,
    /// When something becomes true if nothing happens.
    pub deadlines: Deadlines,
    /// What events leave in any order.
    pub facts: Facts,
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

    /// Whether the event was seen before. A duplicate leaves no trace, else outputs would depend on what is committed
    /// when.
    pub fn recognises(&self, event: &Event) -> bool {
        let newest = self.newest_with(event);
        let known = |id| self.remembered.contains(id, newest);
        known(event.id) || refunded_in_full(event).is_some_and(known)
    }

    fn newest_with(&self, event: &Event) -> Timestamp {
        self.newest.map_or(event.time, |newest| newest.max(event.time))
    }

    /// Folds an event that was not seen before; returns what it affected.
    pub fn apply<'a>(&mut self, event: impl Into<EventWithTexts<'a>>, zone: &Zone) -> Affected {
        let EventWithTexts { event, texts } = event.into();
        let newest = self.newest_with(event);
        self.newest = Some(newest);
        self.remembered.forget(newest);
        self.remembered.insert(event.id, newest);
        if let Some(original) = refunded_in_full(event) {
            self.remembered.insert(original, newest);
        }
        self.facts.fold(event, &Moment::new(newest, zone, texts))
    }
}

/// What a full refund takes back, whoever tells of it.
fn refunded_in_full(event: &Event) -> Option<EventId> {
    match event.body {
        Body::PaymentRefunded { original, full: true, .. } => original,
        _ => None,
    }
}
