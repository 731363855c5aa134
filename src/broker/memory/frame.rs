//! What one change of an embedded log is, as its journal keeps it.
//!
//! Must not know: bytes (`codec.rs`), files (`journal.rs`), who has what open (`transaction.rs`).

use super::log::MemoryMessage;
use super::logs::LogId;
use crate::domain::{Input, PartitionId};
use crate::record::Offset;

/// What one commit (or a plain record, or a snapshot) changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Frame {
    pub parts: Vec<Part>,
    pub offsets: Vec<((PartitionId, Input), StoredOffset)>,
}

/// The change of one partition log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub log: LogId,
    pub start: Offset,
    /// The high watermark afterwards.
    pub next: Offset,
    pub records: Vec<MemoryMessage>,
}

/// What a frame tells can't be of these logs.
#[derive(Debug)]
pub(super) struct Misplaced(pub &'static str);

/// A committed offset of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredOffset {
    pub offset: Offset,
    pub metadata: String,
}
