//! The rules: (history, time, rules) to a value and its next deadline. Nothing here remembers anything.

use serde::{Deserialize, Serialize};

/// The business rules, versioned; the defaults are those of the contract. Days are calendar days of `zone` unless said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Grows with every change of the rules; a member that is behind leaves its partitions unserved.
    pub generation: u32,
    /// Of a new generation: announce what it changes for users, or fold it in silence.
    pub quiet: bool,
    /// IANA name; divides days and months. Default Asia/Shanghai.
    pub zone: String,
    /// The ladder, from the lowest rung.
    pub rungs: Vec<Rung>,
    /// A rung is kept for this many days after it was last earned. Default 7.
    pub hold_days: u32,
    /// Silence (24 h days) after which a user is dormant. Default 90.
    pub dormant_days: u32,
    /// Silence (24 h days) after which a user is lost. Default 180.
    pub lost_days: u32,
    /// θ: how sure a warning must be that the silence will last to `dormant_days`. Default 0.7.
    pub confidence: f64,
    /// No warning before this silence, in days of 24 h. Default 7.
    pub min_silence_days: f64,
    /// A user without key activity is at risk this long (24 h days) after registration. Default 150.
    pub golden_risk_days: u32,
    /// ... and lost this many calendar months after it. Default 6.
    pub golden_lost_months: u32,
    /// A borrower's stages wait until this long (24 h days) after an open due date. Default 3.
    pub due_grace_days: u32,
    pub model: Model,
}

/// A rung's conditions; each must hold in each of `windows` windows of 30 days in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    pub name: String,
    /// Active days, at least 1.
    pub active_days: u32,
    #[serde(default)]
    pub transactions: u32,
    /// Minor units.
    #[serde(default)]
    pub amount: i64,
    #[serde(default)]
    pub scenes: u32,
    #[serde(default = "one")]
    pub windows: u32,
}

/// Parameters of the MBG/NBD model, in days (Batislam et al. 2007).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    pub r: f64,
    pub alpha: f64,
    pub a: f64,
    pub b: f64,
}

const fn one() -> u32 {
    1
}

impl Rules {
    /// How long a day stays in a user's history.
    pub const HORIZON_DAYS: u32 = 180;
    /// A window of the ladder.
    pub const WINDOW_DAYS: u32 = 30;
}

impl Default for Rules {
    fn default() -> Self {
        let rung = |name: &str, active_days, windows| Rung {
            name: name.to_owned(),
            active_days,
            transactions: 0,
            amount: 0,
            scenes: 0,
            windows,
        };
        Self {
            generation: 1,
            quiet: false,
            zone: "Asia/Shanghai".to_owned(),
            rungs: vec![rung("low", 1, 1), rung("regular", 4, 1), rung("high", 10, 1), rung("loyal", 10, 3)],
            hold_days: 7,
            dormant_days: 90,
            lost_days: 180,
            confidence: 0.7,
            min_silence_days: 7.0,
            golden_risk_days: 150,
            golden_lost_months: 6,
            due_grace_days: 3,
            model: Model::default(),
        }
    }
}

impl Default for Model {
    fn default() -> Self {
        Self { r: 0.525, alpha: 43.28, a: 0.891, b: 1.614 }
    }
}
