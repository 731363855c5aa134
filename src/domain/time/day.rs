//! A calendar day as a number.

use super::civil::{civil_from_days, days_from_civil};

/// A calendar day of a zone, as days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub i32);

impl Day {
    /// So many days later.
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    /// So many days earlier.
    pub const fn minus(self, days: i32) -> Self {
        Self(self.0 - days)
    }

    /// Days from `earlier` to this day; negative if it is later.
    pub const fn since(self, earlier: Self) -> i32 {
        self.0 - earlier.0
    }

    /// The first day of the calendar month after this day's.
    pub fn next_month(self) -> Self {
        let (year, month, _) = civil_from_days(i64::from(self.0));
        let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        Self(days_from_civil(year, month, 1) as i32)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{Timestamp, Zone};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_month_follows_december() {
        let zone = Zone::new("UTC").unwrap();
        let day = zone.day(at("2025-12-30T00:00:00Z"));
        assert_eq!(zone.day_start(day.next_month()), at("2026-01-01T00:00:00Z"));
    }
}
