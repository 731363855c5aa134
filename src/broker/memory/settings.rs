//! The bounds of an embedded log.

use std::time::Duration;

/// The bounds of an embedded log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemorySettings {
    /// Bytes a partition of a topic keeps. Of a compacted one: how far it may grow beyond twice its live values.
    pub partition_bytes: u64,
    /// Bytes a transaction may have open; beyond them it can only be aborted.
    pub transaction_bytes: u64,
    /// Records one poll brings at most, and one read of a changelog.
    pub poll_records: usize,
    /// How long [`crate::broker::Broker::committed`] and a changelog wait for an open transaction. Zero where one
    /// thread drives all.
    pub patience: Duration,
    /// A journal is begun anew, from what is live, once it is longer than this and has doubled since the last time.
    pub journal_bytes: u64,
    /// Partitions of each output; none: as many as the inputs have.
    pub output_partitions: Option<i32>,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self {
            partition_bytes: 64 << 20,
            transaction_bytes: 256 << 20,
            poll_records: 1000,
            patience: Duration::ZERO,
            journal_bytes: 64 << 20,
            output_partitions: None,
        }
    }
}
