//! What a batch has staged of a partition, and what it adds to the counts once it is installed.

use crate::broker::ForwardProgress;
use crate::emit::OutputType;
use crate::engine::{Effect, OutputReason};
use crate::pipeline::tally::Tally;
use crate::record::{Offset, Outgoing};
use crate::runtime::board::status::{InputStatus, PartitionStatus};

/// What a batch has staged of a partition, besides the engine's overlay.
#[derive(Debug, Default)]
pub(crate) struct StagedBatch {
    pub positions: Vec<Offset>,
    /// What follows, to be performed by the transaction that writes the state.
    pub effects: Vec<Effect>,
    /// Of each output that the transaction wrote, what it counts as.
    pub outputs: Vec<(OutputType, OutputReason)>,
    /// Dead letters and forwarded records.
    pub records: Vec<Outgoing>,
    pub bytes: usize,
    pub tally: Vec<Tally>,
    pub consumed: usize,
    pub is_slice: bool,
    /// An event that waits for a slice has moved W.
    pub event_moved_time: bool,
    /// A condemned record is: to be committed before anything else can go wrong.
    pub is_urgent: bool,
    pub renews_offsets: bool,
    /// Whether the ends of inputs that were read are committed, though nothing else is.
    pub commits_ends: bool,
    pub tells_front: bool,
    /// Whether nothing was being forwarded, and the front as it is written.
    pub is_open: bool,
    pub front: ForwardProgress,
    /// Where the values of outputs are written, one after the other.
    pub room: Vec<u8>,
}

/// What a batch that was installed adds to the counts of its partition.
#[derive(Debug)]
pub(crate) struct BatchCounts {
    pub tally: Vec<Tally>,
    pub outputs: Vec<(OutputType, OutputReason)>,
    pub timers_fired: u64,
}

impl BatchCounts {
    pub fn has_forwarded(&self) -> bool {
        self.tally.iter().any(|tally| tally.rekeyed > 0)
    }

    pub fn add_to(self, status: &mut PartitionStatus) {
        status.inputs.resize_with(self.tally.len(), InputStatus::default);
        status.inputs.iter_mut().zip(self.tally).for_each(|(input, tally)| input.tally += tally);
        for kind in self.outputs {
            *status.outputs.entry(kind).or_default() += 1;
        }
        status.timers_fired += self.timers_fired;
    }
}
