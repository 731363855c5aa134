//! The one place where history, rules and timers meet: an event or a time goes in through `handle_*`, effects come out.
//!
//! A [`Partition`] is what is committed and, over it, an overlay of what is not committed yet. Everything folds into the overlay;
//! [`Partition::install`] is called after the transaction's success and by nobody else, [`Partition::discard`] after an abort.
//!
//! Must not know: topics and bytes of outputs, offsets, the broker, the clock.

mod announce;
mod clock;
mod effect;
mod overlay;
mod partition;
mod store;
mod table_slice;
mod timers;

use std::sync::Arc;

pub use effect::{
    Announcement, AnnouncementKind, Effect, Forecast, OutputReason, Previous, SilenceEvidence, TierEvidence,
};
pub use partition::{Change, Partition};
pub use store::Users;
pub use table_slice::{TableCursor, TableSlice};

use crate::domain::{Tier, Timestamp};
use crate::ingest::Reject;
use crate::rules::{Rules, Ruleset};

/// What the engine must be told besides the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub rules: Rules,
    /// W = S − lateness, in milliseconds.
    pub lateness_ms: i64,
    /// By input (`rekey` last): silent once S runs ahead of its newest event by more than that, in milliseconds.
    pub silent_after_ms: Vec<Option<i64>>,
    /// Deadlines fire in slices of this many.
    pub max_effects: usize,
    /// Outputs older than this are folded in silence and use no sequence.
    pub emit_from: Option<Timestamp>,
    /// The longest retention of an input, in milliseconds: how long an erasure is remembered.
    pub retention_ms: i64,
    /// Whether W passes over silent inputs where time alone moves S: for the last move of a run that has an end.
    pub ignore_silent: bool,
    pub partitions: i32,
}

/// What became of an event that was this partition's.
#[derive(Debug, Clone, PartialEq)]
pub enum Disposition {
    Applied,
    Skipped,
    Duplicate,
    /// Of an erased user, from before the erasure.
    Suppressed,
    /// Too old.
    Rejected(Reject),
}

/// Whether all that was due by W has fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    Complete,
    /// The slice is full: commit it (with unchanged offsets), then ask again.
    Full,
}

/// `handle_event` either dealt with the event or needs a commit first.
#[derive(Debug, Clone, PartialEq)]
pub enum Handled {
    Done(Disposition),
    /// W has moved and a slice of timers has fired; the event was not applied. Commit with unchanged offsets, call again.
    TimersFirst,
}

/// Compiled settings, shared by all partitions.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    rules: Ruleset,
}

impl Engine {
    /// Every fault of the settings, if there are any.
    pub fn new(settings: Settings) -> Result<Arc<Self>, Vec<String>> {
        let compiled = Ruleset::new(settings.rules.clone());
        // With room for nothing a slice would fire nothing, for ever.
        if settings.max_effects == 0 {
            let fault = "max_effects must be at least 1".to_owned();
            return Err(compiled.err().into_iter().flatten().chain([fault]).collect());
        }
        Ok(Arc::new(Self { settings, rules: compiled? }))
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn rules(&self) -> &Ruleset {
        &self.rules
    }

    /// Eight hex digits that stand for the rules: `rule_version` in outputs, the digest of the partition record.
    pub fn rule_version(&self) -> &str {
        self.rules.version()
    }

    /// The name of a tier: `inactive`, `new`, or its rung's.
    pub fn tier_name(&self, tier: Tier) -> &str {
        self.rules.tier_name(tier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_with_room_for_nothing_are_refused_beside_every_fault_of_the_rules() {
        let settings = |rules| Settings {
            rules,
            lateness_ms: 0,
            silent_after_ms: Vec::new(),
            max_effects: 0,
            emit_from: None,
            retention_ms: 0,
            ignore_silent: false,
            partitions: 1,
        };
        let unsure = Rules { confidence: 2.0, ..Rules::default() };
        for (rules, faults) in [(Rules::default(), 1), (unsure, 2)] {
            let found = Engine::new(settings(rules)).map(drop).unwrap_err();
            assert_eq!(found.len(), faults, "{found:?}");
            assert!(found[faults - 1].starts_with("max_effects "), "{found:?}");
        }
    }
}
