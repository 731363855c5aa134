//! Writing exactly once: a transactional producer, and the transaction that borrows it.

use super::{OffsetCommit, TransactionError};
use crate::record::Lent;

/// A transactional producer: one stable transactional id, at most one open transaction.
pub trait Producer {
    type Generation;
    type Transaction<'a>: Transaction<Generation = Self::Generation>
    where
        Self: 'a;

    fn begin(&mut self) -> Result<Self::Transaction<'_>, TransactionError>;
}

/// An open transaction. It borrows its producer and is consumed by commit or abort, so a half-open one can't be
/// written. Dropped without either, it is aborted.
pub trait Transaction {
    type Generation;

    /// Adds a record. It is borrowed for the call only.
    fn send(&mut self, record: Lent<'_>) -> Result<(), TransactionError>;

    /// The next offsets to read, committed with the records: what fences an owner that has lost a partition.
    fn send_offsets(&mut self, offsets: &[OffsetCommit], generation: &Self::Generation)
    -> Result<(), TransactionError>;

    /// Changes no offset of the group; but what hangs of its offsets (see [`Broker::abort_pending_offsets`]) ends as
    /// this transaction does.
    fn join_offsets(&mut self) -> Result<(), TransactionError>;

    fn commit(self) -> Result<(), TransactionError>;

    fn abort(self) -> Result<(), TransactionError>;
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Commit,
    Abort,
}
