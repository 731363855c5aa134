//! The task of a partition: its inputs merged before its engine, and what a batch has staged and not committed yet.

pub(crate) mod forward;
pub(crate) mod poison;
mod positions;
pub(crate) mod progress;
pub(crate) mod staged;
pub mod tally;
pub(crate) mod task;
mod write;
