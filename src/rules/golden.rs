//! The golden window: the first months of a user who has not done anything yet, and of whom no model knows.

use super::fields::Fields;
use super::{Rules, Ruleset, silence};
use crate::domain::{DAY_MS, Stage, Timestamp};
use crate::settings::Faults;

/// The next stage after `stage` of a user without key activity; `start` is the registration or else the first event.
pub fn next_stage(start: Timestamp, stage: Stage, rules: &Ruleset) -> Option<(Timestamp, Stage)> {
    let at_risk = start.plus_millis(i64::from(rules.golden_risk_days()) * DAY_MS);
    let lost = rules.zone().months_later(start, rules.golden_lost_months());
    match stage {
        // No warning of what has happened.
        Stage::Active if at_risk < lost => Some((at_risk, Stage::AtRisk)),
        Stage::Active | Stage::AtRisk | Stage::Dormant => Some((lost, Stage::Lost)),
        Stage::Lost => None,
    }
}

/// The faults of its keys in `[rules]`.
pub(super) fn check(rules: &Rules, faults: &mut Faults) {
    silence::check_days("golden_risk_days", rules.golden_risk_days, faults);
    faults.unless(
        (1..=120).contains(&rules.golden_lost_months),
        "golden_lost_months",
        format!("must be 1 to 120, not {}", rules.golden_lost_months),
    );
}

/// The bytes that stand for it.
pub(super) fn fields(rules: &Rules) -> Fields {
    let mut fields = Fields::default();
    fields.number(1, rules.golden_risk_days, 150);
    fields.number(2, rules.golden_lost_months, 6);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_user_is_lost_at_the_same_local_time_and_not_warned_of_it_afterwards() {
        let start = at("2025-08-31T09:00:00+08:00");
        let lost = (at("2026-02-28T09:00:00+08:00"), Stage::Lost);
        // days until at risk, stage, what comes next
        let cases = [
            (150, Stage::Active, Some((at("2026-01-28T09:00:00+08:00"), Stage::AtRisk))),
            (150, Stage::AtRisk, Some(lost)),
            (150, Stage::Dormant, Some(lost)),
            (150, Stage::Lost, None),
            (180, Stage::Active, Some((at("2026-02-27T09:00:00+08:00"), Stage::AtRisk))),
            (181, Stage::Active, Some(lost)),
            (900, Stage::Active, Some(lost)),
        ];
        for (golden_risk_days, stage, next) in cases {
            let rules = Ruleset::new(Rules { golden_risk_days, ..Rules::default() }).unwrap();
            assert_eq!(next_stage(start, stage, &rules), next, "at risk after {golden_risk_days} days, {stage:?}");
        }
    }
}
