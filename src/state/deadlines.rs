//! When something about a user becomes true if nothing happens: a table of named deadlines, of which the earliest is
//! armed.
//!
//! A new deadline is a row of [`UserDeadline`], a call of [`Deadlines::set`] where it is planned, and an arm where it
//! is due (`engine::partition::due`).

use crate::domain::{DAY_MS, Timestamp};

/// What a deadline is about. Of two at one instant the first in this order fires first. The order is that of stored
/// bytes, too: new ones come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum UserDeadline {
    /// The start of the first day with another tier.
    Tier = 0,
    /// The next stage of the user's silence.
    Stage = 1,
}

impl UserDeadline {
    /// All of them, in order.
    pub const ALL: [Self; 2] = [Self::Tier, Self::Stage];
}

/// A user's deadlines: functions of facts and rules, kept to save their computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadlines([Option<Timestamp>; UserDeadline::ALL.len()]);

impl Deadlines {
    /// How much later a deadline is looked at again that has fired and would be due at once.
    const MOVES_ON_MS: i64 = DAY_MS;

    /// When one is due; none where it never is.
    pub const fn get(&self, deadline: UserDeadline) -> Option<Timestamp> {
        self.0[deadline as usize]
    }

    /// Plans one, in place of what was planned.
    pub const fn set(&mut self, deadline: UserDeadline, at: Option<Timestamp>) {
        self.0[deadline as usize] = at;
    }

    /// The earliest.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.iter().flatten().min().copied()
    }

    /// The first that is due at that instant.
    pub fn due_at(&self, due: Timestamp) -> Option<UserDeadline> {
        UserDeadline::ALL.into_iter().find(|&deadline| self.get(deadline) == Some(due))
    }

    /// Call once the deadline at `due` has fired and its next is planned: makes that a later one. What fires must be
    /// due no longer, or whoever fires deadlines would never end.
    pub fn fired(&mut self, deadline: UserDeadline, due: Timestamp) {
        let later = |next: Timestamp| if next > due { next } else { due.plus_millis(Self::MOVES_ON_MS) };
        self.set(deadline, self.get(deadline).map(later));
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
            let planned = Deadlines([Some(t(next)); UserDeadline::ALL.len()]);
            for deadline in UserDeadline::ALL {
                let mut fired = planned;
                fired.fired(deadline, t(5));
                let mut expected = planned;
                expected.set(deadline, Some(t(after)));
                assert_eq!(fired, expected);
            }
        }
        let mut none = Deadlines::default();
        UserDeadline::ALL.into_iter().for_each(|deadline| none.fired(deadline, t(5)));
        assert_eq!(none, Deadlines::default());
    }

    #[test]
    fn the_earliest_is_next_and_of_two_at_once_the_first_in_order() {
        let t = |millis| Some(Timestamp::of_millis(millis));
        for (tier, stage, next, first) in [
            (None, None, None, None),
            (t(5), None, t(5), Some(UserDeadline::Tier)),
            (t(5), t(4), t(4), Some(UserDeadline::Stage)),
            (t(4), t(4), t(4), Some(UserDeadline::Tier)),
        ] {
            let deadlines = Deadlines([tier, stage]);
            assert_eq!(deadlines.next(), next);
            assert_eq!(next.and_then(|next| deadlines.due_at(next)), first);
        }
    }
}
