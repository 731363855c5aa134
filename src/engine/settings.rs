//! What the engine works by.

use crate::domain::Timestamp;
use crate::rules::Rules;
use crate::settings::{Faults, Period, rfc3339, settings};

settings! {
    /// How late an event may be, how many deadlines fire at once, from when on outputs are sent; and what other tables
    /// say of rules, inputs and topics.
    pub struct EngineSettings {
        /// Timers obey W = S − lateness: how long an event may come late and still count in time.
        pub lateness: Period = Period::of_secs(3_600),
        /// Deadlines fire in slices of that many, each committed by itself.
        pub max_effects: usize = 5_000,
        /// Outputs older than this RFC 3339 time are folded in silence, and use no sequence. Absent: all are sent.
        #[serde(with = "rfc3339::optional")]
        pub emit_from: Option<Timestamp> = None => "\"2026-01-01T00:00:00+08:00\"",
        /// Of `[rules]`.
        #[serde(skip)]
        pub rules: Rules = Rules::default(),
        /// By input (`rekey` last): silent once S runs ahead of its newest event by more than that, in milliseconds. Of
        /// `[[inputs]]`.
        #[serde(skip)]
        pub silent_after_ms: Vec<Option<i64>> = Vec::new(),
        /// How long an erasure is remembered, in milliseconds. Of `[[inputs]]` and `[topics]`.
        #[serde(skip)]
        pub retention_ms: i64 = 0,
        /// Whether W passes over silent inputs where time alone moves S: for the last move of a run that has an end. Of
        /// the command.
        #[serde(skip)]
        pub ignore_silent: bool = false,
        /// Of each input. Of `[topics]`.
        #[serde(skip)]
        pub partitions: i32 = 1,
    }
}

impl EngineSettings {
    /// The faults of these settings by themselves; not of the rules, which check themselves.
    pub fn check(&self, faults: &mut Faults) {
        let horizon = Period::of_days(u64::from(Rules::HORIZON_DAYS));
        faults.unless(
            self.lateness < horizon,
            "lateness",
            format!("{} must be shorter than the history, {horizon}", self.lateness),
        );
        // With room for nothing a slice would fire nothing, for ever.
        faults.unless_countable("max_effects", self.max_effects);
    }
}
