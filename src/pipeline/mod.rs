//! The task of a partition, and the loop over it: decode, merge, handle, write, install.
//!
//! A [`PartitionTask`] is one partition at work: its inputs merged before its engine, and a batch staged on top of what
//! is committed. Whoever runs one brings records in, and says when a batch is to be written; a [`Sink`] says where it
//! goes. A lane does it with a transaction of the broker, a [`Driver`] with whatever ends it is given: files, a model
//! to be fitted.
//!
//! Must not know: the broker, its transactions, members of a group, any clock. May break exactly once: an install
//! before the batch is committed (see `task`).

mod commit_metadata;
mod driver;
mod forward;
mod identities;
mod limit;
mod outcome;
mod shared;
mod poison;
mod positions;
mod progress;
mod sink;
mod staged;
mod tally;
mod task;
mod write;

pub use commit_metadata::{CommitMetadata, ForwardProgress, ForwardWatermark};
pub use driver::{Driver, DriverError, ONLY_PARTITION, RecordFeed, RunCounts};
pub use identities::{Identities, Identity};
pub use limit::{END_OF_TIME, InFlight, Limit};
pub use outcome::{HandleOutcome, Received};
pub use poison::HandlingPanic;
pub use positions::InputView;
pub use shared::{Judged, Pipeline, TaskSettings};
pub use sink::{DeadLetter, HandledRecord, Sink};
pub use staged::{BatchCounts, BatchSize};
pub use tally::{OutputCounts, PlacedBy, Tally};
pub use task::PartitionTask;
