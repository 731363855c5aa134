//! The tier of a user on a day, and the first day after it with another one.
//!
//! `raw(d)` is the highest rung whose conditions hold for the windows that end on d; `earned(d)` is `raw(d)` on an
//! active day, else the lower of `raw(d)` and `earned(d−1)`, so that nobody rises by being silent; the tier is the
//! highest rung earned on any of the days `d−hold … d`, so that nobody flaps.

use super::{Ruleset, Rung};
use crate::domain::{Day, Tier, Timestamp};
use crate::state::{DayBucket, History};

/// A tier and, if nothing else happens, the start of the first day on which it is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierOnDay {
    /// The tier on the day asked for.
    pub tier: Tier,
    /// When it is another; `None` where it stays until the user does something.
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
        let (mut earned, mut highest, mut last_age) = (0, 0, 0);
        for age in (0..=self.first_age_that_matters(hold)).rev() {
            earned = self.earned(age, earned);
            if age <= hold && earned >= highest {
                (highest, last_age) = (earned, age);
            }
        }
        if highest == 0 {
            return None;
        }
        // Nothing else happening, what is earned never rises again: the rung stands until the hold after it was last
        // earned.
        let mut last_earned = self.day.minus(last_age);
        if last_age == 0 {
            let days = (1..).take_while(|&days| self.raw(-days, highest) >= highest).last().unwrap_or(0);
            last_earned = self.day.plus(days);
        }
        Some((highest, last_earned.plus(hold + 1)))
    }

    /// From an active day on, `earned` depends on nothing earlier; a window without one earns nothing.
    fn first_age_that_matters(&self, hold: i32) -> i32 {
        (hold..hold + Ruleset::WINDOW).find(|&age| self.is_active(age)).unwrap_or(hold)
    }

    fn earned(&self, age: i32, before: Level) -> Level {
        if self.is_active(age) {
            self.raw(age, 1)
        } else if before == 0 {
            0
        } else {
            before.min(self.raw(age, 1))
        }
    }

    /// The highest rung whose conditions hold for the windows that end on the day of that age, 0 if it is below
    /// `lowest`. An age below 0 is a day to come.
    fn raw(&self, age: i32, lowest: Level) -> Level {
        let in_first = self.days_in_window(age);
        let rungs = &self.rules.rungs()[usize::from(lowest) - 1..];
        let met = |rung: &Rung| in_first >= rung.active_days && self.meets(rung, age);
        rungs.iter().rposition(met).map_or(0, |index| index as Level + lowest)
    }

    fn meets(&self, rung: &Rung, age: i32) -> bool {
        if rung.windows == 1 && !rung.asks_for_sums() {
            return true;
        }
        (0..rung.windows as i32).map(|row| age + row * Ruleset::WINDOW).all(|end| {
            self.days_in_window(end) >= rung.active_days && (!rung.asks_for_sums() || self.sums(end).meet(rung))
        })
    }

    fn sums(&self, age: i32) -> Sums {
        let last = self.day.minus(age);
        Sums::of(self.buckets, last.minus(Ruleset::WINDOW), last)
    }

    /// Active days in the window that ends on the day of that age.
    fn days_in_window(&self, age: i32) -> u32 {
        const WINDOW: u64 = (1 << Ruleset::WINDOW) - 1;
        let Ok(from) = usize::try_from(age) else {
            // A window that reaches `-age` days into the future, where nothing has happened yet.
            return (self.bits[0] & WINDOW.checked_shr(age.unsigned_abs()).unwrap_or(0)).count_ones();
        };
        let (word, shift) = (from / 64, from % 64);
        let bits = |word: usize| self.bits.get(word).copied().unwrap_or(0);
        let above = if shift == 0 { 0 } else { bits(word + 1) << (64 - shift) };
        ((bits(word) >> shift | above) & WINDOW).count_ones()
    }

    fn is_active(&self, age: i32) -> bool {
        (0..Self::BITS).contains(&age) && self.bits[age as usize / 64] >> (age % 64) & 1 == 1
    }
}

/// What stands in a window: sums over its active days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Days with at least one activity.
    pub active_days: u32,
    /// Transactions of those days, less those that were refunded in full.
    pub transactions: i64,
    /// Minor units, less what was refunded; may be below 0.
    pub amount: i128,
    /// Different scenes.
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
            && (rung.amount == 0 || self.amount >= i128::from(rung.amount))
            && self.scenes >= rung.scenes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Body, DAY_MS, Event, EventId, Origin, Source, Token, UserId};
    use crate::rules::Rules;
    use crate::state::User;

    const TODAY: i32 = 20_000;

    /// The contract's definition, word by word, day by day.
    struct Definition<'a> {
        days: &'a BTreeMap<i32, (i64, u64)>,
        rules: &'a Rules,
    }

    impl Definition<'_> {
        fn raw(&self, day: i32) -> usize {
            let rungs = &self.rules.rungs;
            (1..=rungs.len()).rev().find(|&level| self.meets(&rungs[level - 1], day)).unwrap_or(0)
        }

        fn meets(&self, rung: &Rung, day: i32) -> bool {
            (0..rung.windows as i32).all(|row| {
                let last = day - 30 * row;
                let window: Vec<_> = self.days.range(last - 29..=last).map(|(_, sums)| *sums).collect();
                let scenes: std::collections::BTreeSet<_> = window.iter().map(|(_, scene)| scene).collect();
                window.len() >= rung.active_days as usize
                    && window.iter().map(|(amount, _)| amount).sum::<i64>() >= rung.amount
                    && scenes.len() >= rung.scenes as usize
            })
        }

        /// Of each of the days from the first to the last.
        fn tiers(&self, first: i32, last: i32) -> Vec<Tier> {
            let start = first - 300;
            let mut earned = vec![0];
            for day in start + 1..=last {
                let raw = self.raw(day);
                let before = earned[earned.len() - 1];
                earned.push(if self.days.contains_key(&day) { raw } else { raw.min(before) });
            }
            let hold = self.rules.hold_days as usize;
            let held = |day: i32| earned[(day - start) as usize - hold..=(day - start) as usize].iter().max();
            (first..=last)
                .map(|day| match held(day) {
                    None | Some(0) => Tier::INACTIVE,
                    Some(&level) => Tier::rung(level as u8 - 1),
                })
                .collect()
        }
    }

    fn user(days: &BTreeMap<i32, (i64, u64)>, rules: &Ruleset) -> User {
        let mut user = User::default();
        for (&day, &(amount, scene)) in days {
            let event = Event {
                id: EventId(day as u64),
                user: UserId::new("u").unwrap(),
                source: Source::App,
                time: Timestamp::of_millis(i64::from(day) * DAY_MS),
                channel: Source::App.channel(),
                origin: Origin::Own,
                body: Body::PaymentCompleted {
                    amount,
                    scene: Some(Token(scene)),
                    merchant: None,
                    coupon: None,
                    auto: false,
                },
            };
            user.apply(&event, rules.zone());
        }
        user
    }

    fn ladders() -> impl Strategy<Value = Rules> {
        let sums = Rules {
            rungs: serde_json::from_str(
                r#"[{"name": "a", "active_days": 1}, {"name": "b", "active_days": 2, "amount": 9, "windows": 2},
                    {"name": "c", "active_days": 3, "scenes": 2}]"#,
            )
            .unwrap(),
            ..Rules::default()
        };
        prop::sample::select(vec![Rules::default(), Rules { hold_days: 0, ..Rules::default() }, sums])
            .prop_map(|rules| Rules { zone: "UTC".to_owned(), ..rules })
    }

    proptest! {
        #[test]
        fn the_tier_is_what_the_definition_says_until_it_says_something_else(
            rules in ladders(),
            days in prop::collection::btree_map(TODAY - 170..=TODAY, (0..9i64, 0..3u64), 0..70),
            quiet_days in 0..60i32,
        ) {
            let ruleset = Ruleset::new(rules.clone()).unwrap();
            let user = user(&days, &ruleset);
            let day = TODAY + quiet_days;
            let tiers = Definition { days: &days, rules: &rules }.tiers(day, day + 80);
            let got = tier_on(&user.facts.history, None, Day(day), &ruleset);
            prop_assert_eq!(got.tier, tiers[0]);
            let change = tiers.iter().position(|tier| *tier != got.tier);
            let until = change.map(|days| Timestamp::of_millis(i64::from(day + days as i32) * DAY_MS));
            prop_assert_eq!(got.until, until);
        }

        #[test]
        fn nobody_rises_by_being_silent(
            rules in ladders(),
            days in prop::collection::btree_map(TODAY - 170..=TODAY, (0..9i64, 0..3u64), 0..70),
        ) {
            let ruleset = Ruleset::new(rules).unwrap();
            let user = user(&days, &ruleset);
            let tiers: Vec<_> =
                (TODAY..TODAY + 80).map(|day| tier_on(&user.facts.history, None, Day(day), &ruleset).tier).collect();
            prop_assert!(tiers.is_sorted_by(|earlier, later| earlier >= later));
        }
    }
}
