//! Who is due next: the timers of one partition.
//!
//! ```text
//!              near_until (an hour's start)
//!   near: in order of (deadline, key)  |  far: by hour, unordered places
//!   ----------------------------------- ---------------------------------
//!   09:58 "u7"  10:02 "u1"  10:41 "u3" | 11h: [4, 9]  12h: [2]  next week: [1, 4]
//! ```
//!
//! A timer is armed at its user's deadline *or before it*. A deadline that moves later (as with nearly every payment)
//! leaves the timer where it is: whoever takes the timer compares it with the deadline and arms it again. So an event
//! rarely changes this structure. When an hour of `far` begins, the store says when each place is due, or that it has
//! moved away since.
//!
//! Must not know: why somebody is due. May break if a deadline moves earlier without [`Timers::rearm`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::store::key::{Key, Place, Timer};
use crate::domain::{HOUR_MS, Timestamp};

/// The armed timers of a partition, at most one a key.
#[derive(Debug)]
pub struct Timers {
    /// All timers before `near_until`, in order.
    near: BTreeSet<Timer>,
    near_until: Timestamp,
    /// By hour since 1970, the places whose timers may lie in it: one entry for each time that one was armed there.
    far: BTreeMap<i64, Vec<Place>>,
    far_entries: usize,
    armed: usize,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            near: BTreeSet::new(),
            near_until: Timestamp::of_millis(i64::MIN),
            far: BTreeMap::new(),
            far_entries: 0,
            armed: 0,
        }
    }
}

impl Timers {
    /// Above this number stale entries of `far` are cleared away, once they outnumber the others.
    const STALE_ENTRIES: usize = 10_000;

    /// Moves a key's timer from `from` (`None`: it had none) to `to` (`None`: disarmed). The store must say the same
    /// from now on.
    pub fn rearm(&mut self, place: Place, key: &Key, from: Option<Timestamp>, to: Option<Timestamp>) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.armed -= 1;
            if from < self.near_until {
                self.near.remove(&(from, *key));
            }
        }
        if let Some(to) = to {
            self.armed += 1;
            if to < self.near_until {
                self.near.insert((to, *key));
            } else {
                self.far.entry(hour(to)).or_default().push(place);
                self.far_entries += 1;
            }
        }
    }

    /// The first timer after `after`, up to and including `until`. `timer_of` asks the store for the timer of a place.
    pub fn first_after(
        &mut self,
        after: Option<&Timer>,
        until: Timestamp,
        timer_of: impl Fn(Place) -> Option<Timer>,
    ) -> Option<Timer> {
        loop {
            let next = match after {
                None => self.near.first(),
                Some(after) => self.near.range((Bound::Excluded(after), Bound::Unbounded)).next(),
            };
            if let Some(next) = next {
                return Some(*next).filter(|(at, _)| *at <= until);
            }
            let first = self.far.first_entry().filter(|first| *first.key() <= hour(until))?;
            let (begun, places) = first.remove_entry();
            self.far_entries -= places.len();
            self.near_until = Timestamp::of_millis((begun + 1).saturating_mul(HOUR_MS));
            self.near.extend(places.into_iter().filter_map(&timer_of).filter(|(at, _)| hour(*at) == begun));
        }
    }

    /// Whether stale entries outnumber the timers; then call [`Self::clear`] and arm all again.
    pub fn is_cluttered(&self) -> bool {
        self.far_entries > 2 * self.armed + Self::STALE_ENTRIES
    }

    /// Timers armed.
    pub fn len(&self) -> usize {
        self.armed
    }

    /// Disarms all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

const fn hour(at: Timestamp) -> i64 {
    at.millis().div_euclid(HOUR_MS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str) -> Key {
        Key::new(name.as_bytes()).unwrap()
    }

    const fn t(millis: i64) -> Timestamp {
        Timestamp::of_millis(millis)
    }

    /// A store, and the timers of its keys.
    #[derive(Default)]
    struct World {
        timers: Timers,
        keys: Vec<(Key, Option<Timestamp>)>,
    }

    impl World {
        fn arm(&mut self, place: usize, to: Option<Timestamp>) {
            let (key, armed) = &mut self.keys[place];
            self.timers.rearm(place as Place, key, *armed, to);
            *armed = to;
        }

        fn first_after(&mut self, after: Option<&Timer>, until: Timestamp) -> Option<Timer> {
            let keys = &self.keys;
            self.timers.first_after(after, until, |place| keys[place as usize].1.map(|at| (at, keys[place as usize].0)))
        }

        fn due(&mut self, until: Timestamp) -> Vec<Timer> {
            let mut order = Vec::new();
            while let Some(timer) = self.first_after(order.last(), until) {
                order.push(timer);
            }
            order
        }
    }

    #[test]
    fn timers_come_by_deadline_then_user() {
        let mut world = World::default();
        for (place, (at, name)) in [(5, "b"), (5, "a"), (3, "z"), (9, "c")].into_iter().enumerate() {
            world.keys.push((key(name), None));
            world.arm(place, Some(t(at)));
        }
        world.arm(2, Some(t(6)));
        world.arm(3, None);
        assert_eq!(world.due(t(6)), [(t(5), key("a")), (t(5), key("b")), (t(6), key("z"))]);
        assert_eq!(world.first_after(None, t(4)), None);
        assert_eq!(world.timers.len(), 3);
    }

    #[test]
    fn timers_that_move_earlier_and_earlier_do_not_pile_up() {
        let mut world = World::default();
        world.keys.push((key("a"), None));
        for step in (0..50_000).rev() {
            world.arm(0, Some(t(step * HOUR_MS)));
            if world.timers.is_cluttered() {
                world.timers.clear();
                world.keys[0].1 = None;
                world.arm(0, Some(t(step * HOUR_MS)));
            }
            assert!(world.timers.far_entries <= Timers::STALE_ENTRIES + 2);
        }
        assert_eq!(world.due(t(i64::MAX)), [(t(0), key("a"))]);
    }

    proptest! {
        /// Whatever is moved in between, and however far time has come: the order of a plain sort.
        #[test]
        fn any_moves_give_the_order_of_deadline_and_user(
            moves in prop::collection::vec((0..8usize, prop::option::of(0..40i64), 0..40i64), 1..60),
        ) {
            const STEP: i64 = HOUR_MS / 4;
            let mut world = World::default();
            world.keys.extend("hgfdecba".chars().map(|name| (key(&name.to_string()), None)));
            for (place, to, now) in moves {
                world.arm(place, to.map(|to| t(to * STEP)));
                let until = t(now * STEP);
                let armed = world.keys.iter();
                let mut expected: Vec<Timer> = armed.filter_map(|(key, at)| at.map(|at| (at, *key))).collect();
                prop_assert_eq!(world.timers.len(), expected.len());
                expected.retain(|(at, _)| *at <= until);
                expected.sort_unstable();
                prop_assert_eq!(world.due(until), expected);
            }
        }
    }
}
