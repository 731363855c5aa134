//! The rules: (history, time, rules) to a value and its next deadline. Nothing here remembers anything.

pub mod dormancy;
pub mod golden;
pub mod tier;
mod version;

use std::sync::Arc;

use crate::domain::{Tier, Zone};
use crate::settings::{Faults, Unsound, settings};

settings! {
    /// The business rules, versioned. Days are calendar days of `zone` unless said.
    pub struct Rules {
        /// Must grow with every change of the rules; every user is then judged again. A member that is behind leaves
        /// its partitions unserved.
        pub generation: u32 = 1,
        /// Fold in silence what a new generation changes for users, instead of announcing it.
        pub quiet: bool = false,
        /// IANA name; divides days and months.
        pub zone: String = "Asia/Shanghai".to_owned(),
        /// The ladder, from the lowest rung: your own cut-offs.
        pub rungs: Vec<Rung> = Rung::ladder(),
        /// A rung is kept until that many days after it was last earned.
        pub hold_days: u32 = 7,
        /// Silence (24 h days) after which a user is dormant.
        pub dormant_days: u32 = 90,
        /// Silence (24 h days) after which a user is lost.
        pub lost_days: u32 = 180,
        /// θ: how sure a warning must be that the silence will last to `dormant_days`; of ten warned users so many go
        /// dormant.
        pub confidence: f64 = 0.7,
        /// No warning before that silence, in days of 24 h.
        pub min_silence_days: f64 = 7.0,
        /// A user without key activity is at risk that long (24 h days) after registration.
        pub golden_risk_days: u32 = 150,
        /// A user without key activity is lost that many calendar months after registration.
        pub golden_lost_months: u32 = 6,
        /// A borrower's stages wait until that long (24 h days) after an open due date.
        pub due_grace_days: u32 = 3,
        /// The model that forecasts dormancy.
        pub model: Model = Model::default(),
    }
}

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

settings! {
    /// Parameters of the MBG/NBD model, in days (Batislam et al. 2007).
    #[derive(Copy)]
    pub struct Model {
        /// Shape of the gamma prior of the rate of activity; above 0.
        pub r: f64 = 0.525,
        /// Scale of the gamma prior of the rate of activity, in days; above 0.
        pub alpha: f64 = 43.28,
        /// First parameter of the beta prior of leaving after an activity; above 0.
        pub a: f64 = 0.891,
        /// Second parameter of the beta prior of leaving after an activity; above 0.
        pub b: f64 = 1.614,
    }
}

const fn one() -> u32 {
    1
}

impl Rules {
    /// How long a day stays in a user's history.
    pub const HORIZON_DAYS: u32 = 180;
    /// A window of the ladder.
    pub const WINDOW_DAYS: u32 = 30;
    /// A ladder's rungs at the most.
    pub const MAX_RUNGS: usize = 32;
    /// A rung's name at the most.
    pub const MAX_NAME_BYTES: usize = 64;
    /// A silence's stages at the most, in days.
    const MAX_SILENCE_DAYS: u32 = 3650;

    /// The faults of the rules by themselves, by their keys in `[rules]`.
    pub fn check(&self, faults: &mut Faults) {
        faults.unless(self.generation >= 1, "generation", "must be at least 1");
        if let Err(unknown) = Zone::new(&self.zone) {
            faults.unless(false, "zone", unknown.to_string());
        }
        self.check_ladder(faults);
        self.check_stages(faults);
        self.check_forecast(faults);
    }

    fn check_ladder(&self, faults: &mut Faults) {
        faults.unless(
            (1..=Self::MAX_RUNGS).contains(&self.rungs.len()),
            "rungs",
            format!("there must be 1 to {}, not {}", Self::MAX_RUNGS, self.rungs.len()),
        );
        for (i, rung) in self.rungs.iter().enumerate() {
            let mut unless = |holds, key: &str, what: String| faults.unless(holds, &format!("rungs[{i}].{key}"), what);
            unless(
                is_tier_name(&rung.name),
                "name",
                format!(
                    "{:?} must be 1 to {} bytes without control characters, quotes or backslashes",
                    rung.name,
                    Self::MAX_NAME_BYTES
                ),
            );
            let is_ours = ["inactive", "new", Ruleset::RETIRED].contains(&rung.name.as_str());
            unless(!is_ours, "name", format!("{:?} is taken", rung.name));
            if let Some(other) = self.rungs[..i].iter().position(|other| other.name == rung.name) {
                unless(false, "name", format!("{:?} is taken by rungs[{other}].name", rung.name));
            }
            unless(
                (1..=Self::WINDOW_DAYS).contains(&rung.active_days),
                "active_days",
                format!("must be 1 to {}, not {}", Self::WINDOW_DAYS, rung.active_days),
            );
            unless(rung.windows >= 1, "windows", "must be at least 1".to_owned());
            unless(rung.amount >= 0, "amount", "must not be negative".to_owned());
            // A day that is held looks back over the hold, to the active day before it, and over that day's windows.
            let needs = u64::from(self.hold_days) + u64::from(Self::WINDOW_DAYS) * (1 + u64::from(rung.windows));
            unless(
                needs <= u64::from(Self::HORIZON_DAYS),
                "windows",
                format!(
                    "{} windows, a window before them and hold_days take {needs} days; the history has {}",
                    rung.windows,
                    Self::HORIZON_DAYS
                ),
            );
        }
    }

    fn check_stages(&self, faults: &mut Faults) {
        for (key, days) in [
            ("dormant_days", self.dormant_days),
            ("lost_days", self.lost_days),
            ("golden_risk_days", self.golden_risk_days),
        ] {
            let what = format!("must be 1 to {}, not {days}", Self::MAX_SILENCE_DAYS);
            faults.unless((1..=Self::MAX_SILENCE_DAYS).contains(&days), key, what);
        }
        faults.unless(
            self.lost_days >= self.dormant_days,
            "lost_days",
            format!("{} is before dormant_days, {}", self.lost_days, self.dormant_days),
        );
        faults.unless(
            (1..=120).contains(&self.golden_lost_months),
            "golden_lost_months",
            format!("must be 1 to 120, not {}", self.golden_lost_months),
        );
        let what = format!("must be at most 365, not {}", self.due_grace_days);
        faults.unless(self.due_grace_days <= 365, "due_grace_days", what);
    }

    fn check_forecast(&self, faults: &mut Faults) {
        faults.unless(
            self.confidence > 0.0 && self.confidence < 1.0,
            "confidence",
            format!("must lie between 0 and 1, not {}", self.confidence),
        );
        faults.unless(
            self.min_silence_days.is_finite() && self.min_silence_days >= 0.0,
            "min_silence_days",
            format!("must be 0 or more, not {}", self.min_silence_days),
        );
        let model = self.model;
        for (key, value) in [("r", model.r), ("alpha", model.alpha), ("a", model.a), ("b", model.b)] {
            let what = format!("must be above 0, not {value}");
            faults.unless(value.is_finite() && value > 0.0, &format!("model.{key}"), what);
        }
    }
}

/// Names of tiers stand in outputs, metric labels and queries: nothing in one needs escaping anywhere.
fn is_tier_name(name: &str) -> bool {
    let is_plain = |letter: char| !letter.is_control() && !matches!(letter, '"' | '\'' | '\\' | '`');
    (1..=Rules::MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(is_plain)
}

impl Rung {
    /// The contract's four.
    fn ladder() -> Vec<Self> {
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
    fn asks_for_sums(&self) -> bool {
        self.transactions > 0 || self.amount > 0 || self.scenes > 0
    }
}

/// Rules that were found to be sound, with what is derived from them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ruleset(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    rules: Rules,
    zone: Zone,
    asks_for_sums: bool,
    tier_names: Vec<String>,
    version: String,
}

impl Ruleset {
    /// Stands for a tier of which no ladder is known.
    pub const RETIRED: &str = "retired";
    /// How [`Self::version`] is made: versions of different schemes can't be compared.
    pub const DIGEST_SCHEME: u32 = version::DIGEST_SCHEME;
    const WINDOW: i32 = Rules::WINDOW_DAYS as i32;

    /// # Errors
    ///
    /// Every fault of the rules, if there are any.
    pub fn new(mut rules: Rules) -> Result<Self, Unsound> {
        let mut faults = Faults::default();
        faults.within("rules", |faults| rules.check(faults));
        faults.into_result()?;
        let zone = Zone::new(&rules.zone).map_err(|unknown| Unsound::of("rules.zone", unknown.to_string()))?;
        zone.name().clone_into(&mut rules.zone);
        let names = rules.rungs.iter().map(|rung| rung.name.clone());
        let tier_names = ["inactive".to_owned(), "new".to_owned()].into_iter().chain(names).collect();
        let asks_for_sums = rules.rungs.iter().any(Rung::asks_for_sums);
        let version = version::version(&rules);
        Ok(Self(Arc::new(Compiled { rules, zone, asks_for_sums, tier_names, version })))
    }

    /// The rules as they were given, with the zone as the database spells it.
    pub fn rules(&self) -> &Rules {
        &self.0.rules
    }

    /// The zone that divides days and months.
    pub fn zone(&self) -> &Zone {
        &self.0.zone
    }

    /// Eight hex digits that stand for the rules; neither their generation nor how they are announced changes it.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Grows with every change of the rules.
    pub fn generation(&self) -> u32 {
        self.0.rules.generation
    }

    /// `inactive`, `new`, or the rung's name.
    pub fn tier_name(&self, tier: Tier) -> &str {
        self.0.tier_names.get(usize::from(tier.0)).map_or(Self::RETIRED, String::as_str)
    }

    /// The tier of a rung.
    pub fn rung_named(&self, name: &str) -> Option<Tier> {
        self.rungs().iter().position(|rung| rung.name == name).map(|index| Tier::rung(index as u8))
    }

    /// Stands, until its user is judged anew, for a tier that the ladder no longer has: above all of it.
    pub fn retired(&self) -> Tier {
        Tier::rung(self.rungs().len() as u8)
    }

    /// The names of its rungs, from the lowest.
    pub fn ladder(&self) -> Vec<String> {
        self.rungs().iter().map(|rung| rung.name.clone()).collect()
    }

    /// By [`Tier`].
    pub fn tier_names(&self) -> &[String] {
        &self.0.tier_names
    }

    /// Whether a tier depends on more than the set of active days.
    pub fn asks_for_sums(&self) -> bool {
        self.0.asks_for_sums
    }

    fn rungs(&self) -> &[Rung] {
        &self.0.rules.rungs
    }

    fn hold_days(&self) -> i32 {
        self.0.rules.hold_days as i32
    }

    fn dormant_days(&self) -> u32 {
        self.0.rules.dormant_days
    }

    fn lost_days(&self) -> u32 {
        self.0.rules.lost_days
    }

    fn golden_risk_days(&self) -> u32 {
        self.0.rules.golden_risk_days
    }

    fn golden_lost_months(&self) -> u32 {
        self.0.rules.golden_lost_months
    }

    fn due_grace_days(&self) -> u32 {
        self.0.rules.due_grace_days
    }

    fn min_silence_days(&self) -> f64 {
        self.0.rules.min_silence_days
    }

    /// θ: how sure a warning must be, above 0 and below 1.
    pub fn confidence(&self) -> f64 {
        self.0.rules.confidence
    }

    fn model(&self) -> &Model {
        &self.0.rules.model
    }
}
