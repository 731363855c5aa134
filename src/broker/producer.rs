//! Writing exactly once: a transactional producer, and the transaction that borrows it.

use super::{OffsetCommit, TransactionError};
use crate::record::Lent;

/// A transactional producer: one stable transactional id, at most one open transaction.
pub trait Producer {
    /// As of the source whose offsets its transactions commit.
    type Generation;
    /// What it begins, which borrows it.
    type Transaction<'a>: Transaction<Generation = Self::Generation>
    where
        Self: 'a;

    /// Begins a transaction. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// As [`TransactionError`] tells them apart: fenced, fatal, or timed out.
    fn begin(&mut self) -> Result<Self::Transaction<'_>, TransactionError>;
}

/// An open transaction. It borrows its producer and is consumed by commit or abort, so a half-open one can't be
/// written. Dropped without either, it is aborted.
pub trait Transaction {
    /// As of the source whose offsets it commits.
    type Generation;

    /// Adds a record. It is borrowed for the call only.
    ///
    /// # Errors
    ///
    /// Where the record is refused or the queue stays full for as long as the settings allow.
    fn send(&mut self, record: Lent<'_>) -> Result<(), TransactionError>;

    /// The next offsets to read, committed with the records: what fences an owner that has lost a partition.
    ///
    /// # Errors
    ///
    /// Where the generation is of the past, the producer fenced, or the broker gives no answer.
    fn send_offsets(&mut self, offsets: &[OffsetCommit], generation: &Self::Generation)
    -> Result<(), TransactionError>;

    /// Changes no offset of the group; but what hangs of its offsets ends as
    /// this transaction does.
    ///
    /// # Errors
    ///
    /// As [`Self::send_offsets`].
    fn join_offsets(&mut self) -> Result<(), TransactionError>;

    /// Commits records and offsets together: a reader sees all of them, or none.
    ///
    /// # Errors
    ///
    /// [`TransactionError::OutcomeUnknown`] where no answer came; after all others it is aborted.
    fn commit(self) -> Result<(), TransactionError>;

    /// Aborts it: no read_committed reader will see any of it.
    ///
    /// # Errors
    ///
    /// Where the producer is fenced or fatal: then the next holder of its id ends it.
    fn abort(self) -> Result<(), TransactionError>;
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its records and offsets count.
    Commit,
    /// It leaves nothing.
    Abort,
}
