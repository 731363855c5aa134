//! Day buckets: what a user did on each of the last 180 days, as sums that do not depend on the order of arrival.
//!
//! Sums are signed, so a refund may come before its payment; first and last times are minima and maxima. A day leaves
//! by the user's own newest event. May break if a bucket ever learns something that can't be added in any order.

use crate::domain::{Day, Timestamp, Token};

/// One day. It is active while at least one key activity stands on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayBucket {
    pub day: Day,
    /// Key activities less full refunds.
    pub transactions: i32,
    /// Minor units, less refunds. 128 bits: 10,000 amounts of 10^15 are more than 64 hold.
    pub amount: i128,
    /// The latest key activity, refunded or not; none on a day that only refunds name.
    pub latest: Option<Timestamp>,
    /// Places in the table of scenes that the history keeps.
    pub scenes: u64,
}

impl DayBucket {
    pub const fn is_active(&self) -> bool {
        self.transactions > 0
    }
}

/// The last 180 days by day number, and what survives of earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// In order of day, at most one a day.
    pub(super) days: Vec<DayBucket>,
    /// The scenes of `days`, sorted; at most [`Self::MAX_SCENES`], what is over shares the last bit of a bucket.
    pub(super) scenes: Vec<u32>,
    /// The day of the first key activity ever.
    pub(super) first_day: Option<Day>,
    /// Active days that have left.
    pub(super) left_days: u32,
    /// The latest time of the latest active day that has left.
    pub(super) left_latest: Option<Timestamp>,
}

impl History {
    /// How long a day stays.
    pub const HORIZON_DAYS: i32 = 180;
    /// Scenes told apart within the history.
    pub const MAX_SCENES: usize = 63;
    const OTHER_SCENES: u64 = 1 << Self::MAX_SCENES;

    pub fn days(&self) -> &[DayBucket] {
        &self.days
    }

    pub fn first_day(&self) -> Option<Day> {
        self.first_day
    }

    /// L: the latest time of the latest active day.
    pub fn last_activity(&self) -> Option<Timestamp> {
        self.days.iter().rev().find(|bucket| bucket.is_active()).map_or(self.left_latest, |bucket| bucket.latest)
    }

    /// Active days ever.
    pub fn active_days(&self) -> u32 {
        let held = self.days.iter().filter(|bucket| bucket.is_active()).count();
        self.left_days.saturating_add(held as u32)
    }

    /// Adds a key activity; says whether the day became active by it.
    pub(super) fn add(&mut self, day: Day, at: Timestamp, amount: i64, scene: Option<Token>) -> bool {
        let scenes = scene.map_or(0, |scene| self.scene_bit(scene));
        self.first_day = Some(self.first_day.map_or(day, |first| first.min(day)));
        let bucket = self.bucket(day);
        bucket.transactions = bucket.transactions.saturating_add(1);
        bucket.amount = bucket.amount.saturating_add(i128::from(amount));
        bucket.latest = bucket.latest.max(Some(at));
        bucket.scenes |= scenes;
        bucket.transactions == 1
    }

    /// Takes an amount, and of a full refund one transaction, from a day; says whether the day ceased to be active by it.
    pub(super) fn refund(&mut self, day: Day, amount: i64, full: bool) -> bool {
        let bucket = self.bucket(day);
        bucket.amount = bucket.amount.saturating_sub(i128::from(amount));
        if full {
            bucket.transactions = bucket.transactions.saturating_sub(1);
        }
        full && bucket.transactions == 0
    }

    /// Lets days up to and including `edge` leave.
    pub(super) fn leave(&mut self, edge: Day) {
        let leaving = self.days.iter().take_while(|bucket| bucket.day <= edge).count();
        if leaving == 0 {
            return;
        }
        for bucket in self.days.drain(..leaving).filter(DayBucket::is_active) {
            self.left_days = self.left_days.saturating_add(1);
            self.left_latest = self.left_latest.max(bucket.latest);
        }
        self.forget_scenes();
    }

    fn bucket(&mut self, day: Day) -> &mut DayBucket {
        // Nearly always the last one, or a new one after it.
        let at = self.days.iter().rposition(|bucket| bucket.day <= day).map_or(0, |i| i + 1);
        if at > 0 && self.days[at - 1].day == day {
            return &mut self.days[at - 1];
        }
        self.days.insert(at, DayBucket { day, transactions: 0, amount: 0, latest: None, scenes: 0 });
        &mut self.days[at]
    }

    fn scene_bit(&mut self, scene: Token) -> u64 {
        let scene = scene.0 as u32;
        match self.scenes.binary_search(&scene) {
            Ok(place) => 1 << place,
            Err(place) if place == Self::MAX_SCENES => Self::OTHER_SCENES,
            Err(place) => {
                self.scenes.insert(place, scene);
                for bucket in &mut self.days {
                    bucket.scenes = insert_bit(bucket.scenes, place);
                }
                self.scenes.truncate(Self::MAX_SCENES);
                1 << place
            }
        }
    }

    /// Drops the scenes that no day names any more.
    fn forget_scenes(&mut self) {
        let named = self.days.iter().fold(0, |all, bucket| all | bucket.scenes);
        for place in (0..self.scenes.len()).rev() {
            if named >> place & 1 == 0 {
                self.scenes.remove(place);
                for bucket in &mut self.days {
                    bucket.scenes = remove_bit(bucket.scenes, place);
                }
            }
        }
    }
}

/// Makes room for a new bit at `place`: the ones from there on move up; the last but one joins the last ("others").
fn insert_bit(bits: u64, place: usize) -> u64 {
    let others = bits & History::OTHER_SCENES;
    let below = bits & ((1 << place) - 1);
    let above = (bits & !History::OTHER_SCENES) >> place << place;
    below | above << 1 | others
}

/// Closes the gap of a bit that is 0 at `place`; "others" stays.
fn remove_bit(bits: u64, place: usize) -> u64 {
    let others = bits & History::OTHER_SCENES;
    let below = bits & ((1 << place) - 1);
    let above = (bits & !History::OTHER_SCENES) >> (place + 1) << place;
    below | above | others
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i32, hour: i64) -> Timestamp {
        Timestamp::of_millis(i64::from(day) * 86_400_000 + hour * 3_600_000)
    }

    #[test]
    fn a_refund_before_its_payment_leaves_the_day_inactive() {
        let mut history = History::default();
        assert!(!history.refund(Day(10), 500, true));
        assert!(!history.add(Day(10), at(10, 9), 500, None));
        assert_eq!(history.last_activity(), None);
        assert_eq!(history.days()[0].amount, 0);
        assert_eq!(history.first_day(), Some(Day(10)));
    }

    #[test]
    fn what_left_still_counts_as_ever() {
        let mut history = History::default();
        history.add(Day(1), at(1, 9), 1, None);
        history.add(Day(2), at(2, 9), 1, None);
        history.leave(Day(1));
        assert_eq!(history.active_days(), 2);
        history.leave(Day(2));
        assert_eq!((history.active_days(), history.last_activity()), (2, Some(at(2, 9))));
        assert!(history.days().is_empty());
    }

    #[test]
    fn scenes_do_not_depend_on_the_order_in_which_they_came() {
        let scenes: Vec<Token> = (0..80).map(|i| Token::of(&format!("scene {i}"))).collect();
        let fold = |order: &mut dyn Iterator<Item = usize>| {
            let mut history = History::default();
            for i in order {
                history.add(Day(i as i32 % 7), at(i as i32 % 7, 1), 1, Some(scenes[i]));
            }
            history
        };
        assert_eq!(fold(&mut (0..80)), fold(&mut (0..80).rev()));
    }

    #[test]
    fn a_scene_is_forgotten_with_its_last_day() {
        let mut history = History::default();
        history.add(Day(1), at(1, 1), 1, Some(Token::of("food")));
        history.add(Day(1), at(1, 1), 1, Some(Token::of("rent")));
        history.add(Day(2), at(2, 1), 1, Some(Token::of("rent")));
        history.leave(Day(1));
        assert_eq!(history.scenes.len(), 1);
        assert_eq!(history.days()[0].scenes, 1);
    }
}
