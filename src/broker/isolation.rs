//! Which records of transactions a reader is shown: Kafka's `isolation.level`.

/// Which records a reader is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Nothing of an open or an aborted transaction, and nothing behind the first open one: reading ends at the last
    /// stable offset. A look-up of the group's offsets waits while a transaction is about to change them.
    ReadCommitted,
    /// Everything, aborted records included: reading ends at the high watermark. A look-up of the group's offsets tells
    /// them as they were last committed.
    ReadUncommitted,
}
