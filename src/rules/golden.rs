//! The golden window: the first months of a user who has not done anything yet, and of whom no model knows.

use super::Ruleset;
use crate::domain::{DAY_MS, Stage, Timestamp};

/// The next stage after `stage` of a user without key activity; `start` is the registration or else the first event.
pub fn next_stage(start: Timestamp, stage: Stage, rules: &Ruleset) -> Option<(Timestamp, Stage)> {
    let at_risk = start.plus_millis(i64::from(rules.golden_risk_days()) * DAY_MS);
    match stage {
        Stage::Active => Some((at_risk, Stage::AtRisk)),
        Stage::AtRisk | Stage::Dormant => {
            Some((rules.zone().months_later(start, rules.golden_lost_months()), Stage::Lost))
        }
        Stage::Lost => None,
    }
}
