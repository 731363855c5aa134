//! The ladder: its keys, their check, and the bytes that stand for them. `tier` judges by it.

use super::fields::Fields;
use super::{Rules, Ruleset};
use crate::settings::{Faults, settings};

settings! {
    /// A rung's conditions; each must hold in each of `windows` windows of 30 days in a row.
    #[derive(Eq)]
    pub struct Rung {
        /// As outputs and metrics name it: 1 to 64 bytes, unique; `inactive`, `new` and `retired` are taken.
        pub name: String,
        /// Active days in a window, at least; 1 to 30.
        pub active_days: u32,
        /// Transactions in a window, at least; 0 asks for none.
        #[serde(default)]
        pub transactions: u32,
        /// Their amount in a window, at least, in minor units.
        #[serde(default)]
        pub amount: i64,
        /// Different scenes in a window, at least; 0 asks for none.
        #[serde(default)]
        pub scenes: u32,
        /// How many windows of 30 days in a row, the last of which ends today.
        #[serde(default = "one")]
        pub windows: u32,
    }
}

const fn one() -> u32 {
    1
}

impl Rung {
    /// The contract's four.
    pub(super) fn ladder() -> Vec<Self> {
        let rung = |name: &str, active_days, windows| Self {
            name: name.to_owned(),
            active_days,
            transactions: 0,
            amount: 0,
            scenes: 0,
            windows,
        };
        vec![rung("low", 1, 1), rung("regular", 4, 1), rung("high", 10, 1), rung("loyal", 10, 3)]
    }

    /// Whether active days alone don't settle it.
    pub(super) fn asks_for_sums(&self) -> bool {
        self.transactions > 0 || self.amount > 0 || self.scenes > 0
    }
}

/// The faults of its keys in `[rules]`.
pub(super) fn check(rules: &Rules, faults: &mut Faults) {
    faults.unless(
        (1..=Rules::MAX_RUNGS).contains(&rules.rungs.len()),
        "rungs",
        format!("there must be 1 to {}, not {}", Rules::MAX_RUNGS, rules.rungs.len()),
    );
    for (i, rung) in rules.rungs.iter().enumerate() {
        let mut unless = |holds, key: &str, what: String| faults.unless(holds, &format!("rungs[{i}].{key}"), what);
        unless(
            is_tier_name(&rung.name),
            "name",
            format!(
                "{:?} must be 1 to {} bytes without control characters, quotes or backslashes",
                rung.name,
                Rules::MAX_NAME_BYTES
            ),
        );
        let is_ours = ["inactive", "new", Ruleset::RETIRED].contains(&rung.name.as_str());
        unless(!is_ours, "name", format!("{:?} is taken", rung.name));
        if let Some(other) = rules.rungs[..i].iter().position(|other| other.name == rung.name) {
            unless(false, "name", format!("{:?} is taken by rungs[{other}].name", rung.name));
        }
        unless(
            (1..=Rules::WINDOW_DAYS).contains(&rung.active_days),
            "active_days",
            format!("must be 1 to {}, not {}", Rules::WINDOW_DAYS, rung.active_days),
        );
        unless(rung.windows >= 1, "windows", "must be at least 1".to_owned());
        unless(rung.amount >= 0, "amount", "must not be negative".to_owned());
        // A day that is held looks back over the hold, to the active day before it, and over that day's windows.
        let needs = u64::from(rules.hold_days) + u64::from(Rules::WINDOW_DAYS) * (1 + u64::from(rung.windows));
        unless(
            needs <= u64::from(Rules::HORIZON_DAYS),
            "windows",
            format!(
                "{} windows, a window before them and hold_days take {needs} days; the history has {}",
                rung.windows,
                Rules::HORIZON_DAYS
            ),
        );
    }
}

/// The bytes that stand for it. A rung's tags: name 1, then its conditions.
pub(super) fn fields(rules: &Rules) -> Fields {
    let mut fields = Fields::default();
    fields.text(1, &rules.zone, "Asia/Shanghai");
    fields.number(2, rules.hold_days, 7);
    rules.rungs.iter().for_each(|rung| fields.part(3, &fields_of(rung)));
    fields
}

fn fields_of(rung: &Rung) -> Fields {
    // By name, so that a new one can't be forgotten here.
    let Rung { name, active_days, transactions, amount, scenes, windows } = rung;
    let mut fields = Fields::default();
    fields.text(1, name, "");
    fields.number(2, *active_days, 0);
    fields.number(3, *transactions, 0);
    fields.number(4, *amount, 0);
    fields.number(5, *scenes, 0);
    fields.number(6, *windows, 1);
    fields
}

/// Names of tiers stand in outputs, metric labels and queries: nothing in one needs escaping anywhere.
fn is_tier_name(name: &str) -> bool {
    let is_plain = |letter: char| !letter.is_control() && !matches!(letter, '"' | '\'' | '\\' | '`');
    (1..=Rules::MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(is_plain)
}
