//! Generated users: events of a payments business, the same for the same seed on every machine.
//!
//! Users register, are active for weeks, go quiet, come back or don't; they pay, take refunds, draw and repay loans,
//! get campaigns. Who is active is zipf-like. Then the world's disorder: events that arrive late, twice or damaged.
//! Records come in the order in which they arrive; all of it streams, with 24 bytes held for a user.
//!
//! Must not know: where records go, the clock. Only `draw` decides what is random, so that no library's update can
//! change what a seed gives.

mod draw;
mod stream;
mod story;
mod text;

use std::fmt;

pub use stream::Generator;

use crate::domain::{Source, Timestamp};

/// What is generated.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub seed: u64,
    pub users: u32,
    /// The first event's time.
    pub start: Timestamp,
    /// How many days of event time the records take, about.
    pub days: u32,
    /// How many records there are, duplicates and damaged ones included. Together with `days`: how dense they are.
    pub records: u64,
    /// 0: all users are alike, towards 1: a few make most of the events.
    pub skew: f64,
    pub disorder: Disorder,
}

/// Shares of all records, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disorder {
    /// Arrive after events that are newer: most by minutes, some by days.
    pub late: f64,
    /// Arrive twice.
    pub duplicates: f64,
    /// Can't be used.
    pub bad: f64,
}

/// One record, in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub source: Source,
    /// When it arrives; its event may be older.
    pub arrival: Timestamp,
    /// The user's id: the record's key.
    pub user: UserNumber,
    /// tideline JSON on one line, or what became of it.
    pub value: Vec<u8>,
}

/// A generated user; its id is `u` and seven digits or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserNumber(pub u32);

impl fmt::Display for UserNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "u{:07}", self.0)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            users: 1_000,
            // 2026-01-01T00:00:00+08:00
            start: Timestamp::of_millis(1_767_196_800_000),
            days: 365,
            records: 100_000,
            skew: 0.5,
            disorder: Disorder::default(),
        }
    }
}

impl Default for Disorder {
    fn default() -> Self {
        Self { late: 0.02, duplicates: 0.005, bad: 0.002 }
    }
}

impl Settings {
    /// Every fault, each naming its setting.
    pub fn validate(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |sound: bool, fault: &str| {
            if !sound {
                faults.push(fault.to_owned());
            }
        };
        check(self.users >= 1, "users: must be at least 1");
        check((1..=36_500).contains(&self.days), "days: must be 1 to 36500");
        check(self.records >= 1, "records: must be at least 1");
        check((0.0..=0.95).contains(&self.skew), "skew: must be 0 to 0.95");
        let Disorder { late, duplicates, bad } = self.disorder;
        for (name, share) in [("late", late), ("duplicates", duplicates), ("bad", bad)] {
            check((0.0..=0.5).contains(&share), &format!("{name}: must be 0 to 0.5"));
        }
        faults
    }
}
