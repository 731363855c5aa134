//! What an announcement is founded on: figures of one user, as of the instant or the day for which it holds.
//!
//! A figure is a field here with what it is reckoned from, and a line of its description in `emit`.

use crate::domain::{DAY_MS, Day, Timestamp};
use crate::rules::Ruleset;
use crate::rules::dormancy::Silence;
use crate::rules::tier::Sums;
use crate::state::User;

/// Sums over active days of windows that end with the day as of which the tier holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TierEvidence {
    /// Whole days since L.
    pub days_since_last: Option<i32>,
    /// Of 30 days.
    pub active_days_30: u32,
    /// Of 90 days.
    pub active_days_90: u32,
    /// Of 30 days, less full refunds.
    pub transactions_30: i64,
    /// Of 90 days, less full refunds.
    pub transactions_90: i64,
    /// Of 30 days, minor units.
    pub amount_30: i128,
    /// Of 90 days, minor units.
    pub amount_90: i128,
    /// Distinct ones of 30 days.
    pub scenes_30: u32,
}

impl TierEvidence {
    /// As of `day`.
    pub(super) fn of(user: &User, day: Day, rules: &Ruleset) -> Self {
        let last_30 = Sums::of(user.facts.history.days(), day.minus(30), day);
        let last_90 = Sums::of(user.facts.history.days(), day.minus(90), day);
        Self {
            days_since_last: user.facts.history.last_activity().map(|last| day.since(rules.zone().day(last))),
            active_days_30: last_30.active_days,
            active_days_90: last_90.active_days,
            transactions_30: last_30.transactions,
            transactions_90: last_90.transactions,
            amount_30: last_30.amount,
            amount_90: last_90.amount,
            scenes_30: last_30.scenes,
        }
    }
}

/// What the model promised with a warning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// When the user will be dormant if the silence lasts; includes a borrower's wait.
    pub dormant_on: Timestamp,
    /// How sure the model is, 0 to 1.
    pub confidence: f64,
}

/// What is known of a silence, and of the user's activity before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SilenceEvidence {
    /// x: active days ever, less the first.
    pub repeat_days: u32,
    /// t_x: days from the first active day to the last.
    pub age_days: u32,
    /// To one decimal; none where there never was a key activity.
    pub silent_days: Option<f64>,
}

impl SilenceEvidence {
    /// As of `time`.
    pub(super) fn of(user: &User, time: Timestamp, rules: &Ruleset) -> Self {
        let last = user.facts.history.last_activity();
        let silence = last.map(|last| Silence::of(user, last, rules));
        Self {
            repeat_days: silence.map_or(0, |silence| silence.repeat_days),
            age_days: silence.map_or(0, |silence| silence.age_days),
            silent_days: last.map(|last| days_between(last, time)),
        }
    }
}

/// In days of 24 h, to one decimal.
pub(super) fn days_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.since(from) as f64 * 10.0 / DAY_MS as f64).round() / 10.0
}
