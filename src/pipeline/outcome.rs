//! What a task says of its calls.

use crate::merge::FlowControl;
use crate::pipeline::poison::HandlingPanic;

/// What a call of [`PartitionTask::handle`](super::PartitionTask::handle) ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandleOutcome {
    /// Nothing is ready.
    Waiting {
        /// What is buffered may go at this time of the merge's clock. None: once more is read, or others have forwarded
        /// more.
        until_ms: Option<u64>,
    },
    /// As many records were handled as there was room for.
    RoomUsed,
    /// A slice of timers is staged and must be committed before anything else.
    TimerSlice,
    /// The program panicked, and what is staged may be half changed: it must be discarded.
    Panicked(HandlingPanic),
}

/// What became of a record that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What its input's source must do.
    pub flow: FlowControl,
    /// Why it can't even be read, if that is so: it is a poison record, and goes to the dead letters.
    pub poison: Option<String>,
}
