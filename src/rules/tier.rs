//! The tier of a user on a day, and the first day after it with another one.
//!
//! `raw(d)` is the highest rung whose conditions hold for the windows that end on d; `earned(d)` is `raw(d)` on an active day,
//! else the lower of `raw(d)` and `earned(d−1)`, so that nobody rises by being silent; the tier is the highest rung earned on any
//! of the days `d−hold … d`, so that nobody flaps.

use super::{Ruleset, Rung};
use crate::domain::{Day, Tier, Timestamp};
use crate::state::{DayBucket, History};

/// A tier and, if nothing else happens, the start of the first day on which it is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierOnDay {
    pub tier: Tier,
    pub until: Option<Timestamp>,
}

/// The tier of a user with this history and registration on `day`.
pub fn tier_on(history: &History, registered: Option<Timestamp>, day: Day, rules: &Ruleset) -> TierOnDay {
    if let Some(end) = registered.and_then(|at| month_of_registration_end(at, day, rules)) {
        return TierOnDay { tier: Tier::NEW, until: Some(rules.zone().day_start(end)) };
    }
    let activity = Activity::new(history, day, rules);
    let Some((level, until)) = activity.standing() else {
        return TierOnDay { tier: Tier::INACTIVE, until: None };
    };
    TierOnDay { tier: Tier::rung(level - 1), until: Some(rules.zone().day_start(until)) }
}

/// The first day of the next month, if `day` lies in the calendar month of registration and not before it.
fn month_of_registration_end(registered: Timestamp, day: Day, rules: &Ruleset) -> Option<Day> {
    let first = rules.zone().day(registered);
    let end = first.next_month();
    (first <= day && day < end).then_some(end)
}

/// A rung as a number: 0 for none, 1 for the lowest.
type Level = u8;

/// Active days as bits by age: bit 0 is `day`, bit n the day n before it.
struct Activity<'a> {
    bits: [u64; 3],
    day: Day,
    buckets: &'a [DayBucket],
    rules: &'a Ruleset,
}

impl<'a> Activity<'a> {
    const BITS: i32 = 192;

    fn new(history: &'a History, day: Day, rules: &'a Ruleset) -> Self {
        let mut bits = [0; 3];
        for bucket in history.days().iter().rev().filter(|bucket| bucket.is_active()) {
            let age = day.since(bucket.day);
            if age >= Self::BITS {
                break;
            }
            if age >= 0 {
                bits[age as usize / 64] |= 1 << (age % 64);
            }
        }
        Self { bits, day, buckets: history.days(), rules }
    }

    /// The tier's rung on `day` and the first day with another one; none when no rung stands.
    fn standing(&self) -> Option<(Level, Day)> {
        let hold = self.rules.hold_days();
        let mut held = Held::new(hold);
        let first = (hold..hold + Ruleset::WINDOW).find(|&age| self.is_active(age)).unwrap_or(hold);
        let mut earned = 0;
        for age in (0..=first).rev() {
            earned = self.earned(age, earned);
            held.push(earned);
        }
        let now = held.highest();
        if now == 0 {
            return None;
        }
        // Nothing else happening, what is earned never rises again: it ends at the latest a window and a hold from now.
        let mut days = 0;
        while held.highest() == now {
            days += 1;
            earned = self.earned(-days, earned);
            held.push(earned);
        }
        Some((now, self.day.plus(days)))
    }

    fn earned(&self, age: i32, before: Level) -> Level {
        if self.is_active(age) {
            self.raw(age)
        } else if before == 0 {
            0
        } else {
            before.min(self.raw(age))
        }
    }

    /// The highest rung whose conditions hold for the windows that end on the day of that age; an age below 0 is a day to come.
    fn raw(&self, age: i32) -> Level {
        let in_first = self.days_in_window(age);
        if in_first == 0 {
            return 0;
        }
        let met = |rung: &Rung| in_first >= rung.active_days && self.meets(rung, age);
        self.rules.rungs().iter().rposition(met).map_or(0, |index| index as Level + 1)
    }

    fn meets(&self, rung: &Rung, age: i32) -> bool {
        (0..rung.windows as i32).map(|row| age + row * Ruleset::WINDOW).all(|end| {
            self.days_in_window(end) >= rung.active_days && (!rung.asks_for_sums() || self.sums(end).meet(rung))
        })
    }

    fn sums(&self, age: i32) -> Sums {
        let last = self.day.minus(age);
        Sums::of(self.buckets, last.minus(Ruleset::WINDOW), last)
    }

    fn days_in_window(&self, age: i32) -> u32 {
        self.younger_than(age + Ruleset::WINDOW) - self.younger_than(age)
    }

    /// Active days of an age below `age`.
    fn younger_than(&self, age: i32) -> u32 {
        let mut left = age.clamp(0, Self::BITS) as u32;
        let mut count = 0;
        for &word in &self.bits {
            let take = left.min(64);
            let mask = if take == 64 { u64::MAX } else { (1 << take) - 1 };
            count += (word & mask).count_ones();
            left -= take;
        }
        count
    }

    fn is_active(&self, age: i32) -> bool {
        (0..Self::BITS).contains(&age) && self.bits[age as usize / 64] >> (age % 64) & 1 == 1
    }
}

/// The rungs earned on the last `hold + 1` days.
struct Held {
    recent: [Level; Held::MAX],
    /// How many days count.
    days: usize,
    next: usize,
}

impl Held {
    const MAX: usize = 128;

    fn new(hold_days: i32) -> Self {
        Self { recent: [0; Self::MAX], days: (hold_days as usize + 1).min(Self::MAX), next: 0 }
    }

    fn push(&mut self, earned: Level) {
        self.recent[self.next] = earned;
        self.next = (self.next + 1) % self.days;
    }

    fn highest(&self) -> Level {
        self.recent[..self.days].iter().copied().max().unwrap_or(0)
    }
}

/// What stands in a window: sums over its active days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    pub active_days: u32,
    pub transactions: i64,
    pub amount: i64,
    pub scenes: u32,
}

impl Sums {
    /// Of the days in `(after, last]`.
    pub fn of(buckets: &[DayBucket], after: Day, last: Day) -> Self {
        let mut sums = Self::default();
        let mut scenes = 0u64;
        let window =
            buckets.iter().rev().skip_while(|bucket| bucket.day > last).take_while(|bucket| bucket.day > after);
        for bucket in window.filter(|bucket| bucket.is_active()) {
            sums.active_days += 1;
            sums.transactions += i64::from(bucket.transactions);
            sums.amount = sums.amount.saturating_add(bucket.amount);
            scenes |= bucket.scenes;
        }
        sums.scenes = scenes.count_ones();
        sums
    }

    fn meet(&self, rung: &Rung) -> bool {
        self.transactions >= i64::from(rung.transactions)
            && (rung.amount == 0 || self.amount >= rung.amount)
            && self.scenes >= rung.scenes
    }
}
