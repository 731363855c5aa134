//! The one place where history, rules and timers meet: an event or a time goes in through `handle_*`, effects come out.
//!
//! A [`Partition`] is what is committed and, over it, an overlay of what is not committed yet. Everything folds into
//! the overlay; [`Partition::install`] is called after the transaction's success and by nobody else,
//! [`Partition::discard`] after an abort.
//!
//! Must not know: topics and bytes of outputs, offsets, the broker, the clock.

mod announce;
mod clock;
mod effect;
mod evidence;
mod overlay;
mod partition;
mod settings;
mod store;
mod table_slice;
mod timers;

use std::sync::Arc;

pub use effect::{Announcement, AnnouncementKind, Effect, OutputReason, Previous};
pub use evidence::{Forecast, SilenceEvidence, TierEvidence};
pub use partition::{Change, Partition};
pub use settings::EngineSettings;
pub use store::Users;
pub use table_slice::{TableCursor, TableSlice};

use crate::domain::Tier;
use crate::ingest::Reject;
use crate::rules::Ruleset;
use crate::settings::{Faults, Unsound};

/// What became of an event that was this partition's.
#[derive(Debug, Clone, PartialEq)]
pub enum Disposition {
    /// It changed the state of its user.
    Applied,
    /// Its type is one that this version does not know; it moved stream time.
    Skipped,
    /// An event of that id was applied within the retention.
    Duplicate,
    /// Of an erased user, from before the erasure.
    Suppressed,
    /// Too old.
    Rejected(Reject),
}

/// Whether all that was due by W has fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// Nothing that is due is left.
    Complete,
    /// The slice is full: commit it (with unchanged offsets), then ask again.
    Full,
}

/// `handle_event` either dealt with the event or needs a commit first.
#[derive(Debug, Clone, PartialEq)]
pub enum Handled {
    /// It is dealt with; its offset may be committed.
    Done(Disposition),
    /// W has moved and a slice of timers has fired; the event was not applied. Commit with unchanged offsets, call
    /// again.
    TimersFirst,
}

/// Compiled settings, shared by all partitions.
#[derive(Debug)]
pub struct Engine {
    settings: EngineSettings,
    rules: Ruleset,
}

impl Engine {
    /// # Errors
    ///
    /// Every fault of the settings and of the rules among them, if there are any.
    pub fn new(settings: EngineSettings) -> Result<Arc<Self>, Unsound> {
        let mut faults = Faults::default();
        faults.within("rules", |faults| settings.rules.check(faults));
        faults.within("stream", |faults| settings.check(faults));
        faults.into_result()?;
        let rules = Ruleset::new(settings.rules.clone())?;
        Ok(Arc::new(Self { settings, rules }))
    }

    /// As they were given.
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// The rules, compiled.
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
    use crate::rules::Rules;

    #[test]
    fn slices_with_room_for_nothing_are_refused_beside_every_fault_of_the_rules() {
        let settings = |rules| EngineSettings { rules, max_effects: 0, ..EngineSettings::default() };
        let unsure = Rules { confidence: 2.0, ..Rules::default() };
        for (rules, faults) in [(Rules::default(), 1), (unsure, 2)] {
            let found = Engine::new(settings(rules)).map(drop).unwrap_err();
            assert_eq!(found.faults.len(), faults, "{found}");
            assert_eq!(found.faults[faults - 1].path, "stream.max_effects");
        }
    }
}
