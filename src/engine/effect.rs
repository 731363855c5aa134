//! What follows from an event or from time: effects as data, performed by the shell.

use std::sync::Arc;

use crate::domain::{Stage, Tier, Timestamp, UserId};
use crate::record::Coordinates;

/// One output about one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    pub user: UserId,
    /// 0, or the instant (ms) of the erasure after which the user came back. Part of the output's id.
    pub incarnation: i64,
    /// +1 for each output about that user, over all topics.
    pub sequence: u64,
    /// When it became true; never the wall clock.
    pub time: Timestamp,
    pub reason: OutputReason,
    /// The event at which it was found; none when a timer fired it.
    pub cause: Option<Coordinates>,
    pub kind: AnnouncementKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum AnnouncementKind {
    TierChanged {
        /// None: nothing was announced before.
        previous: Option<Previous>,
        current: Tier,
        evidence: TierEvidence,
    },
    DormancyRisk {
        stage: Stage,
        previous_stage: Stage,
        /// L; none where there never was a key activity.
        silent_since: Option<Timestamp>,
        /// On a forecast only.
        forecast: Option<Forecast>,
        evidence: SilenceEvidence,
    },
    DormancyCleared {
        /// The stage that the ended silence had reached.
        stage: Stage,
        silent_since: Option<Timestamp>,
        silent_days: Option<f64>,
    },
}

/// The tier that was announced before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Previous {
    /// One that the present ladder has.
    Tier(Tier),
    /// One that only an older ladder had: the name that it was announced under. Between the two there is no order.
    Retired(Arc<str>),
}

/// Sums over active days of windows that end with the day as of which the tier holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TierEvidence {
    pub days_since_last: Option<i32>,
    pub active_days_30: u32,
    pub active_days_90: u32,
    pub transactions_30: i64,
    pub transactions_90: i64,
    pub amount_30: i128,
    pub amount_90: i128,
    pub scenes_30: u32,
}

/// What the model promised with a warning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// When the user will be dormant if the silence lasts; includes a borrower's wait.
    pub dormant_on: Timestamp,
    pub confidence: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SilenceEvidence {
    /// x: active days ever, less the first.
    pub repeat_days: u32,
    /// t_x: days from the first active day to the last.
    pub age_days: u32,
    /// To one decimal; none where there never was a key activity.
    pub silent_days: Option<f64>,
}

/// Why an output was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutputReason {
    /// The user did something.
    Behaviour,
    /// Time passed.
    Timer,
    /// The month of registration ended.
    Calendar,
    /// A refund took something back.
    Correction,
    /// The event came after W had passed it.
    LateData,
    /// A new generation of rules was applied.
    RuleChange,
}

impl OutputReason {
    pub const ALL: [Self; 6] =
        [Self::Behaviour, Self::Timer, Self::Calendar, Self::Correction, Self::LateData, Self::RuleChange];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Behaviour => "behaviour",
            Self::Timer => "timer",
            Self::Calendar => "calendar",
            Self::Correction => "correction",
            Self::LateData => "late_data",
            Self::RuleChange => "rule_change",
        }
    }
}
