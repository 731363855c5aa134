//! The one place where history, rules and timers meet: an event or a time goes in through `handle_*`, signals come out.
//!
//! A [`Partition`] is what is committed and, over it, an overlay of what is in hand. Everything folds into the overlay;
//! [`Partition::install`] is called after the transaction's success and by nobody else, [`Partition::discard`] after an abort.
//!
//! Must not know: topics and bytes of outputs, offsets, the broker, the clock.

mod effect;

use std::sync::Arc;

pub use effect::{Forecast, Reason, Signal, SignalKind, SilenceEvidence, TierEvidence};

use crate::domain::{Event, Input, Timestamp};
use crate::ingest::Reject;
use crate::record::Coordinates;
use crate::rules::Rules;
use crate::state::{PartitionRecord, Population};

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
pub struct Engine {
    settings: Settings,
}

impl Engine {
    /// Every fault of the settings, if there are any.
    pub fn new(settings: Settings) -> Result<Arc<Self>, Vec<String>> {
        Ok(Arc::new(Self { settings }))
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Eight hex digits that stand for the rules: `rule_version` in outputs, the digest of the partition record.
    pub fn rule_version(&self) -> &str {
        todo!()
    }

    /// The name of a tier: `inactive`, `new`, or its rung's.
    pub fn tier_name(&self, _tier: crate::domain::Tier) -> &str {
        todo!()
    }
}

/// One change of the changelog; `value` is `None` for a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// One partition: its users, timers and clocks; committed, and in hand.
pub struct Partition {}

impl Partition {
    pub fn new(_engine: Arc<Engine>) -> Self {
        todo!()
    }

    /// Takes over one changelog record of a user. Later records of a key replace earlier ones.
    pub fn restore_user(&mut self, _key: &[u8], _value: Option<&[u8]>) -> Result<(), crate::state::StateError> {
        todo!()
    }

    /// Takes over clocks and population. Call once, after all users. With an older generation of rules than ours, every user is
    /// due for re-evaluation: [`Self::handle_time`] does that in slices before anything else.
    pub fn restore_position(&mut self, _record: &PartitionRecord) {
        todo!()
    }

    /// S and W move, deadlines up to W fire, then the event is applied. `input` is whose silence it ends.
    pub fn handle_event(
        &mut self,
        _input: Input,
        _event: &Event,
        _at: &Coordinates,
        _signals: &mut Vec<Signal>,
    ) -> Result<Handled, crate::state::StateError> {
        todo!()
    }

    /// S moves to at least `stream_time`, if one is given; then what is due fires, one slice at the most.
    pub fn handle_time(
        &mut self,
        _stream_time: Option<Timestamp>,
        _signals: &mut Vec<Signal>,
    ) -> Result<Slice, crate::state::StateError> {
        todo!()
    }

    /// Whether anything is in hand that a transaction must write.
    pub fn is_dirty(&self) -> bool {
        todo!()
    }

    /// The users changed in hand, each encoded once, in the order in which they were first touched.
    pub fn changes(&mut self) -> Vec<Change> {
        todo!()
    }

    /// Writes clocks, silence, rules and population, as in hand, into the record. Topics and offsets are the caller's.
    pub fn fill_record(&self, _record: &mut PartitionRecord) {
        todo!()
    }

    /// What is in hand becomes what is committed.
    pub fn install(&mut self) {
        todo!()
    }

    /// What is in hand is forgotten.
    pub fn discard(&mut self) {
        todo!()
    }

    pub fn stream_time(&self) -> Option<Timestamp> {
        todo!()
    }

    pub fn watermark(&self) -> Option<Timestamp> {
        todo!()
    }

    /// By input: whether it is silent, and so holds W.
    pub fn silent(&self) -> &[bool] {
        todo!()
    }

    pub fn population(&self) -> &Population {
        todo!()
    }

    pub fn user_count(&self) -> usize {
        todo!()
    }

    /// Deadlines fired since the partition was made (committed ones only).
    pub fn timers_fired(&self) -> u64 {
        todo!()
    }
}
