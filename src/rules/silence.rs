//! The silence: its keys, their check, and the bytes that stand for them. `dormancy` judges by it.

use super::Rules;
use super::fields::Fields;
use crate::settings::Faults;

/// A silence's stages at the most, in days.
pub(super) const MAX_SILENCE_DAYS: u32 = 3650;

/// The faults of its keys in `[rules]`.
pub(super) fn check(rules: &Rules, faults: &mut Faults) {
    for (key, days) in [("dormant_days", rules.dormant_days), ("lost_days", rules.lost_days)] {
        check_days(key, days, faults);
    }
    faults.unless(
        rules.lost_days >= rules.dormant_days,
        "lost_days",
        format!("{} is before dormant_days, {}", rules.lost_days, rules.dormant_days),
    );
    let what = format!("must be at most 365, not {}", rules.due_grace_days);
    faults.unless(rules.due_grace_days <= 365, "due_grace_days", what);
    faults.unless(
        rules.confidence > 0.0 && rules.confidence < 1.0,
        "confidence",
        format!("must lie between 0 and 1, not {}", rules.confidence),
    );
    faults.unless(
        rules.min_silence_days.is_finite() && rules.min_silence_days >= 0.0,
        "min_silence_days",
        format!("must be 0 or more, not {}", rules.min_silence_days),
    );
}

/// The fault of a length of a silence, in days.
pub(super) fn check_days(key: &str, days: u32, faults: &mut Faults) {
    let what = format!("must be 1 to {MAX_SILENCE_DAYS}, not {days}");
    faults.unless((1..=MAX_SILENCE_DAYS).contains(&days), key, what);
}

/// The bytes that stand for it.
pub(super) fn fields(rules: &Rules) -> Fields {
    let mut fields = Fields::default();
    fields.number(1, rules.dormant_days, 90);
    fields.number(2, rules.lost_days, 180);
    fields.real(3, rules.confidence, 0.7);
    fields.real(4, rules.min_silence_days, 7.0);
    fields.number(5, rules.due_grace_days, 3);
    fields
}
