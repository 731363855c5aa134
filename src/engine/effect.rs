//! What follows from an event or from time, as data: `handle_*` appends effects, the shell performs them in one match
//! that has an arm for each. A new kind of effect is a variant here and an arm there.
//!
//! An effect is what happens beyond the state, any number of times a call, in order, each time. So two things that
//! also leave the engine are none. A [`Disposition`](super::Disposition) is what became of the event: exactly one
//! each, by which records are counted, and a rejected record is buried by whoever has its bytes. A
//! [`Change`](super::Change) is what became of the state: one a key for a whole batch, however often the key changed,
//! and encoded only when a transaction writes it.
//!
//! Must not know: topics, and how an effect is performed.

use std::sync::Arc;

use super::evidence::{Forecast, SilenceEvidence, TierEvidence};
use crate::domain::{Stage, Tier, Timestamp, UserId};
use crate::record::Coordinates;

/// What the shell must do because of an event or of time. To be performed in order, in the transaction that writes
/// the state from which it follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write an output that says so.
    Announce(Announcement),
}

impl Effect {
    /// What it announces, if it is an announcement.
    pub fn announcement(self) -> Option<Announcement> {
        match self {
            Self::Announce(announcement) => Some(announcement),
        }
    }
}

/// One thing that became true about one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    /// Whom it is about.
    pub user: UserId,
    /// 0, or the instant (ms) of the erasure after which the user came back. Part of the output's id.
    pub incarnation: i64,
    /// +1 for each output about that user, over all topics.
    pub sequence: u64,
    /// When it became true; never the wall clock.
    pub time: Timestamp,
    /// Why it was made.
    pub reason: OutputReason,
    /// The event at which it was found; none when a timer fired it.
    pub cause: Option<Coordinates>,
    /// What became true.
    pub kind: AnnouncementKind,
}

/// What became true.
#[derive(Debug, Clone, PartialEq)]
pub enum AnnouncementKind {
    /// The user moved on the order `inactive` < `new` < ladder.
    TierChanged {
        /// None: nothing was announced before.
        previous: Option<Previous>,
        /// The tier as of now.
        current: Tier,
        /// What it rests on.
        evidence: TierEvidence,
    },
    /// A silence has reached a stage: a warning, or a fact.
    DormancyRisk {
        /// The stage that is reached.
        stage: Stage,
        /// The one before.
        previous_stage: Stage,
        /// L; none where there never was a key activity.
        silent_since: Option<Timestamp>,
        /// On a forecast only.
        forecast: Option<Forecast>,
        /// What it rests on.
        evidence: SilenceEvidence,
    },
    /// A silence that had been announced has ended.
    DormancyCleared {
        /// The stage that the ended silence had reached.
        stage: Stage,
        /// L, before the activity that ended the silence.
        silent_since: Option<Timestamp>,
        /// To one decimal.
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
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Behaviour, Self::Timer, Self::Calendar, Self::Correction, Self::LateData, Self::RuleChange];

    /// The name in outputs and labels.
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
