//! The ends of the loop: where the batch of a partition goes.

use crate::domain::Input;
use crate::engine::{Announcement, Change, Disposition};
use crate::ingest::Reject;
use crate::record::{Coordinates, Outgoing};

/// Takes what a batch comes to. [`PartitionTask::write`](super::PartitionTask::write) calls it in one order, the same
/// for all ends: first the partition record, then each user whose state changed, then outputs in the order in which
/// they became true, then dead letters and forwarded records in the order in which they were read.
///
/// What it takes holds once the batch is installed. A sink that can fail in the middle must be able to take all of it
/// back, as a transaction does; where that can't be, as with files, its error must end the run.
pub trait Sink<M> {
    /// Why something could not be taken.
    type Error;

    /// A record of the partition's changelog; without a value it is a tombstone.
    ///
    /// # Errors
    /// The end doesn't take it: the batch must be given up.
    fn state(&mut self, change: Change<'_>) -> Result<(), Self::Error>;

    /// An output.
    ///
    /// # Errors
    /// The end doesn't take it: the batch must be given up.
    fn output(&mut self, announcement: &Announcement) -> Result<(), Self::Error>;

    /// A record that can't be used.
    ///
    /// # Errors
    /// The end doesn't take it: the batch must be given up.
    fn dead_letter(&mut self, letter: &DeadLetter<M>) -> Result<(), Self::Error>;

    /// A record of another partition, made for `rekey`.
    ///
    /// # Errors
    /// The end doesn't take it: the batch must be given up.
    fn forward(&mut self, record: &Outgoing) -> Result<(), Self::Error>;

    /// A record was handled: what became of it. Called by a [`Driver`](super::Driver) as soon as it was, before
    /// anything of its batch is written. A lane opens its sink when it commits, and watches nothing.
    fn observe(&mut self, _handled: &HandledRecord<'_, M>) {}
}

/// A record that can't be used, and why.
#[derive(Debug)]
pub struct DeadLetter<M> {
    /// As it was read.
    pub message: M,
    /// Where it was read; of a forwarded one that is `rekey`.
    pub at: Coordinates,
    /// Why it can't be used.
    pub reject: Reject,
}

/// A record that was handled.
#[derive(Debug)]
pub struct HandledRecord<'a, M> {
    /// The input that it was read from.
    pub input: Input,
    /// As it was read.
    pub message: &'a M,
    /// What became of it.
    pub disposition: &'a Disposition,
}
