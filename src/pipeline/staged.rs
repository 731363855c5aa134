//! What a batch has staged of a partition, and what it adds to the counts once it is installed.

use super::commit_metadata::ForwardProgress;
use super::sink::DeadLetter;
use super::tally::Tally;
use crate::emit::OutputType;
use crate::engine::{Effect, OutputReason};
use crate::record::{Offset, Outgoing};

/// What a batch has staged of a partition, besides the engine's overlay.
#[derive(Debug)]
pub(super) struct StagedBatch<M> {
    /// By input, the next offset to be read, as it is to be committed.
    pub positions: Vec<Offset>,
    /// What follows, to be performed by whoever writes the batch.
    pub effects: Vec<Effect>,
    /// Of each output that was written, what it counts as.
    pub outputs: Vec<(OutputType, OutputReason)>,
    /// Dead letters and forwarded records, in the order in which they came.
    pub records: Vec<StagedRecord<M>>,
    /// What they hold, about.
    pub bytes: usize,
    /// By input.
    pub tally: Vec<Tally>,
    /// Records handled or forwarded.
    pub consumed: usize,
    /// A slice of timers is full: it must be committed before anything else is handled.
    pub is_slice: bool,
    /// An event that waits for a slice has moved W.
    pub event_moved_time: bool,
    /// A poison record is staged: to be committed before anything else can go wrong.
    pub is_urgent: bool,
    /// The offsets must be sent, though nothing else changes.
    pub renews_offsets: bool,
    /// The ends of inputs that were read are committed, though nothing else is.
    pub commits_ends: bool,
    /// The progress of forwarding is committed, though nothing else is.
    pub tells_progress: bool,
    /// Whether nothing was being forwarded.
    pub is_open: bool,
    /// The progress of forwarding, as it is to be committed.
    pub progress: ForwardProgress,
}

/// A record that a batch writes because of one that it read.
#[derive(Debug)]
pub(super) enum StagedRecord<M> {
    DeadLetter(DeadLetter<M>),
    Forwarded(Outgoing),
}

impl<M> StagedBatch<M> {
    /// Nothing is staged; the positions are those that are committed.
    pub fn new(positions: Vec<Offset>) -> Self {
        Self {
            tally: vec![Tally::default(); positions.len()],
            positions,
            effects: Vec::new(),
            outputs: Vec::new(),
            records: Vec::new(),
            bytes: 0,
            consumed: 0,
            is_slice: false,
            event_moved_time: false,
            is_urgent: false,
            renews_offsets: false,
            commits_ends: false,
            tells_progress: false,
            is_open: false,
            progress: ForwardProgress::default(),
        }
    }

    pub fn push(&mut self, record: StagedRecord<M>, bytes: usize) {
        self.bytes += bytes;
        self.records.push(record);
    }

    /// Whether there is anything to commit, besides the engine's overlay.
    pub fn is_any(&self) -> bool {
        self.consumed > 0 || self.is_slice || self.renews_offsets || self.commits_ends || self.tells_progress
    }

    /// Ends the batch: nothing is staged any more. Its counts and positions are the caller's to keep or reset; whether
    /// forwarding is open, and its progress, are told anew with the next batch.
    pub fn clear(&mut self) {
        self.effects.clear();
        self.outputs.clear();
        self.records.clear();
        self.bytes = 0;
        self.consumed = 0;
        self.is_slice = false;
        self.is_urgent = false;
        self.event_moved_time = false;
        self.renews_offsets = false;
        self.commits_ends = false;
        self.tells_progress = false;
    }
}

/// What a batch that was installed adds to the counts of its partition.
#[derive(Debug)]
pub struct BatchCounts {
    /// By input.
    pub tally: Vec<Tally>,
    /// One for each output.
    pub outputs: Vec<(OutputType, OutputReason)>,
    /// Deadlines that fired.
    pub timers_fired: u64,
}

impl BatchCounts {
    /// Whether records of other partitions were forwarded.
    pub fn has_forwarded(&self) -> bool {
        self.tally.iter().any(|tally| tally.rekeyed > 0)
    }
}

/// What a batch holds, or may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchSize {
    /// Records consumed.
    pub records: usize,
    /// Bytes of outputs, dead letters and forwarded records.
    pub bytes: usize,
    /// Deadlines fired and users re-evaluated.
    pub effects: usize,
}

impl BatchSize {
    /// The sum of both, part by part.
    pub fn plus(self, other: Self) -> Self {
        self.with(other, usize::saturating_add)
    }

    /// Both put together, part by part.
    pub fn with(self, other: Self, of: impl Fn(usize, usize) -> usize) -> Self {
        Self {
            records: of(self.records, other.records),
            bytes: of(self.bytes, other.bytes),
            effects: of(self.effects, other.effects),
        }
    }
}
