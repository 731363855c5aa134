//! Who is due next.
//!
//! Every user with a deadline is armed at it *or before it*. A deadline that moves later (as with nearly every payment) leaves the
//! timer where it is: who takes it compares it with the user's real deadline and arms anew. So an event rarely touches this structure.
//!
//! Must not know: why somebody is due. May break if a deadline moves earlier without a call of [`Timers::rearm`].

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::domain::Timestamp;

/// A user's key, shared with the store.
pub type Key = Arc<[u8]>;

/// A timer: when, and whose. Ordered by both.
pub type Timer = (Timestamp, Key);

#[derive(Debug, Default)]
pub struct Timers(BTreeSet<Timer>);

impl Timers {
    /// Moves a user's timer from where it stood, if it had one, to `to`.
    pub fn rearm(&mut self, key: &Key, from: Option<Timestamp>, to: Option<Timestamp>) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.0.remove(&(from, key.clone()));
        }
        if let Some(to) = to {
            self.0.insert((to, key.clone()));
        }
    }

    /// The first timer after `after`, up to and including `until`.
    pub fn first_after(&self, after: Option<&Timer>, until: Timestamp) -> Option<&Timer> {
        let next = match after {
            None => self.0.first(),
            Some(after) => self.0.range((Bound::Excluded(after), Bound::Unbounded)).next(),
        };
        next.filter(|(at, _)| *at <= until)
    }

    pub fn pop_first(&mut self) -> Option<Timer> {
        self.0.pop_first()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::from(name.as_bytes())
    }

    const fn t(millis: i64) -> Timestamp {
        Timestamp::of_millis(millis)
    }

    #[test]
    fn timers_come_by_deadline_then_user() {
        let mut timers = Timers::default();
        for (at, name) in [(5, "b"), (5, "a"), (3, "z"), (9, "c")] {
            timers.rearm(&key(name), None, Some(t(at)));
        }
        timers.rearm(&key("z"), Some(t(3)), Some(t(6)));
        timers.rearm(&key("c"), Some(t(9)), None);
        let mut order = Vec::new();
        let mut after = None;
        while let Some(timer) = timers.first_after(after.as_ref(), t(6)) {
            order.push(timer.clone());
            after = Some(timer.clone());
        }
        assert_eq!(order, [(t(5), key("a")), (t(5), key("b")), (t(6), key("z"))]);
        assert_eq!(timers.first_after(None, t(4)), None);
    }
}
