//! The rules: (history, time, rules) to a value and its next deadline. Nothing here remembers anything.
//!
//! They come in sections, each with a file for its keys, their check and their canonical bytes, and one for its
//! judgement: `ladder` with `tier`, `silence` with `dormancy`, `golden`, `model`. A condition is a key there and a line
//! of the judgement.

pub mod dormancy;
pub mod golden;
mod ladder;
mod model;
mod silence;
pub mod tier;
mod fields;
mod version;

pub use ladder::Rung;
pub use model::Model;
pub use version::{Section, Sections};

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

impl Rules {
    /// How long a day stays in a user's history.
    pub const HORIZON_DAYS: u32 = 180;
    /// A window of the ladder.
    pub const WINDOW_DAYS: u32 = 30;
    /// A ladder's rungs at the most.
    pub const MAX_RUNGS: usize = 32;
    /// A rung's name at the most.
    pub const MAX_NAME_BYTES: usize = 64;

    /// The faults of the rules by themselves, by their keys in `[rules]`.
    pub fn check(&self, faults: &mut Faults) {
        faults.unless(self.generation >= 1, "generation", "must be at least 1");
        if let Err(unknown) = Zone::new(&self.zone) {
            faults.unless(false, "zone", unknown.to_string());
        }
        ladder::check(self, faults);
        silence::check(self, faults);
        golden::check(self, faults);
        self.model.check(faults);
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
    sections: Sections,
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
        let (version, sections) = (version::version(&rules), Sections::of(&rules));
        Ok(Self(Arc::new(Compiled { rules, zone, asks_for_sums, tier_names, version, sections })))
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

    /// A digest of each section, by which it can be told what has changed.
    pub fn sections(&self) -> &Sections {
        &self.0.sections
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
