//! Day buckets: what a user did on each of the last 180 days, as sums that do not depend on the order of arrival.
//!
//! Sums are signed, so a refund may come before its payment; first and last times are minima and maxima. A day leaves
//! by the user's own newest event. May break if a bucket ever learns something that can't be added in any order.

use super::{Fact, Moment};
use crate::domain::{Body, DAY_MS, Day, Event, Timestamp, Token};
use crate::state::keep::{Earliest, Latest, day};
use crate::state::varint::{Reader, put_signed, put_unsigned, put_wide};
use crate::state::{Affected, StateError, event_time};

/// One day. It is active while at least one key activity stands on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayBucket {
    /// The calendar day, in the zone of the rules.
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
    /// Whether a key activity stands on the day.
    pub const fn is_active(&self) -> bool {
        self.transactions > 0
    }
}

/// The last 180 days by day number, and what survives of earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// In order of day, at most one a day.
    pub(in crate::state) days: Vec<DayBucket>,
    /// The scenes of `days`, sorted; at most [`Self::MAX_SCENES`], what is over shares the last bit of a bucket.
    pub(in crate::state) scenes: Vec<u32>,
    /// The day of the first key activity ever.
    pub(in crate::state) first_day: Earliest<Day>,
    /// Active days that have left.
    pub(in crate::state) left_days: u32,
    /// The latest time of the latest active day that has left.
    pub(in crate::state) left_latest: Latest<Timestamp>,
}

impl History {
    /// How long a day stays.
    pub const HORIZON_DAYS: i32 = 180;
    /// Scenes told apart within the history.
    pub const MAX_SCENES: usize = 63;
    const OTHER_SCENES: u64 = 1 << Self::MAX_SCENES;

    /// The days with a transaction or a refund, in order; at most 180 and those that refunds name ahead of their time.
    pub fn days(&self) -> &[DayBucket] {
        &self.days
    }

    /// The day of the first key activity ever.
    pub const fn first_day(&self) -> Option<Day> {
        self.first_day.get()
    }

    /// L: the latest time of the latest active day.
    pub fn last_activity(&self) -> Option<Timestamp> {
        self.days.iter().rev().find(|bucket| bucket.is_active()).map_or(self.left_latest.get(), |bucket| bucket.latest)
    }

    /// Active days ever.
    pub fn active_days(&self) -> u32 {
        let held = self.days.iter().filter(|bucket| bucket.is_active()).count();
        self.left_days.saturating_add(held as u32)
    }

    /// Adds a key activity; says whether the day became active by it.
    pub(in crate::state) fn add(&mut self, day: Day, at: Timestamp, amount: i64, scene: Option<Token>) -> bool {
        let scenes = scene.map_or(0, |scene| self.scene_bit(scene));
        self.first_day.add(day);
        let bucket = self.bucket(day);
        bucket.transactions = bucket.transactions.saturating_add(1);
        bucket.amount = bucket.amount.saturating_add(i128::from(amount));
        bucket.latest = bucket.latest.max(Some(at));
        bucket.scenes |= scenes;
        bucket.transactions == 1
    }

    /// Takes an amount, and of a full refund one transaction, from a day; says whether the day ceased to be active by
    /// it.
    fn refund(&mut self, day: Day, amount: i64, full: bool) -> bool {
        let bucket = self.bucket(day);
        bucket.amount = bucket.amount.saturating_sub(i128::from(amount));
        if full {
            bucket.transactions = bucket.transactions.saturating_sub(1);
        }
        full && bucket.transactions == 0
    }

    /// Lets days up to and including `edge` leave.
    fn let_leave(&mut self, edge: Day) {
        let leaving = self.days.iter().take_while(|bucket| bucket.day <= edge).count();
        if leaving == 0 {
            return;
        }
        for bucket in self.days.drain(..leaving).filter(DayBucket::is_active) {
            self.left_days = self.left_days.saturating_add(1);
            bucket.latest.into_iter().for_each(|latest| _ = self.left_latest.add(latest));
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

impl Fact for History {
    #[inline]
    fn fold(&mut self, event: &Event, moment: &Moment<'_>) -> Affected {
        if let Body::PaymentRefunded { original_time, amount, full, auto: false, .. } = event.body {
            let day = moment.day(original_time);
            if day <= moment.edge {
                return Affected::NONE;
            }
            let ceased = self.refund(day, amount, full);
            return Affected::SUMS | Affected::REVERSAL | Affected::SILENCE.when(full) | Affected::DAYS.when(ceased);
        }
        let Some(KeyActivity { amount, scene }) = KeyActivity::of(&event.body) else { return Affected::NONE };
        let began = self.add(moment.day(event.time), event.time, amount, scene);
        Affected::SUMS | Affected::SILENCE | Affected::DAYS.when(began)
    }

    fn leave(&mut self, edge: Day) {
        self.let_leave(edge);
    }

    fn is_empty(&self) -> bool {
        let nothing_left = self.left_days == 0 && self.left_latest.is_empty();
        self.days.is_empty() && self.first_day.is_empty() && self.scenes.is_empty() && nothing_left
    }

    fn put(&self, out: &mut Vec<u8>, base: i64) {
        let flag = |present: bool, bit: u64| if present { bit } else { 0 };
        let has_left = self.left_days != 0 || !self.left_latest.is_empty();
        let flags = flag(!self.first_day.is_empty(), FIRST_DAY)
            | flag(has_left, LEFT)
            | flag(!self.scenes.is_empty(), SCENES)
            | (self.days.len() as u64) << FLAGS;
        put_unsigned(out, flags);
        self.first_day.put(out, base);
        if has_left {
            put_unsigned(out, u64::from(self.left_days) << 1 | u64::from(!self.left_latest.is_empty()));
            self.left_latest.put(out, base);
        }
        let mut previous = 0;
        for bucket in &self.days {
            put_signed(out, i64::from(bucket.day.0) - previous);
            previous = i64::from(bucket.day.0);
            put_signed(out, i64::from(bucket.transactions));
            put_wide(out, bucket.amount);
            // In the day's own terms a time is small: local midnight is within 14 h of the day number's.
            put_signed(out, bucket.latest.map_or(i64::MIN, |at| at.millis() - previous * DAY_MS));
            put_unsigned(out, bucket.scenes);
        }
        if !self.scenes.is_empty() {
            put_unsigned(out, self.scenes.len() as u64);
            self.scenes.iter().for_each(|scene| out.extend_from_slice(&scene.to_le_bytes()));
        }
    }

    fn read(&mut self, from: &mut Reader<'_>, base: i64) -> Result<(), StateError> {
        let flags = from.unsigned()?;
        let has = |bit: u64| flags & bit != 0;
        self.first_day = if has(FIRST_DAY) { Earliest::read(from, base)? } else { Earliest::default() };
        (self.left_days, self.left_latest) = (0, Latest::default());
        if has(LEFT) {
            let left = from.unsigned()?;
            self.left_days = u32::try_from(left >> 1).map_err(|_| StateError::Damaged("too many days"))?;
            self.left_latest = if left & 1 != 0 { Latest::read(from, base)? } else { Latest::default() };
        }
        self.read_days(flags >> FLAGS, from)?;
        self.scenes.clear();
        if has(SCENES) {
            self.read_scenes(from)?;
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.days.clear();
        self.scenes.clear();
        (self.first_day, self.left_days, self.left_latest) = (Earliest::default(), 0, Latest::default());
    }
}

const FIRST_DAY: u64 = 1;
const LEFT: u64 = 1 << 1;
const SCENES: u64 = 1 << 2;
/// Bits of flags, below the number of days.
const FLAGS: u32 = 3;
/// A history has at most 180 days and a few that a refund names ahead of its time.
const MAX_DAYS: u64 = 256;

/// Both versions of the state have days and scenes in these bytes.
impl History {
    pub(in crate::state) fn read_days(&mut self, count: u64, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.days.clear();
        if count > MAX_DAYS {
            return Err(StateError::Damaged("a count out of range"));
        }
        let mut number = 0i64;
        for place in 0..count {
            let step = from.signed()?;
            if place > 0 && step <= 0 {
                return Err(StateError::Damaged("days out of order"));
            }
            number = number.saturating_add(step);
            let transactions =
                i32::try_from(from.signed()?).map_err(|_| StateError::Damaged("too many transactions"))?;
            let amount = from.wide()?;
            let day = day(number)?;
            let within = from.signed()?;
            let latest =
                if within == i64::MIN { None } else { Some(event_time(within.saturating_add(number * DAY_MS))?) };
            self.days.push(DayBucket { day, transactions, amount, latest, scenes: from.unsigned()? });
        }
        Ok(())
    }

    pub(in crate::state) fn read_scenes(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.scenes.clear();
        for _ in 0..from.count(Self::MAX_SCENES as u64)? {
            self.scenes.push(u32::from_le_bytes(from.fixed()?));
        }
        Ok(())
    }
}

/// A completed transaction that the user made: the only thing that earns a tier or ends a silence.
struct KeyActivity {
    amount: i64,
    scene: Option<Token>,
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
