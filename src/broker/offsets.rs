//! Offsets: of the group, with what travels beside them, and of logs.

use crate::domain::{Input, PartitionId};
use crate::pipeline::{CommitMetadata, ForwardProgress};
use crate::record::Offset;

/// An offset with a note: the transactional id and number that wrote it, as [`CommitMetadata`] has it; and its
/// partition's front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommit {
    /// Of which input.
    pub input: Input,
    /// Of which partition.
    pub partition: PartitionId,
    /// The next offset to read.
    pub offset: Offset,
    /// Who commits it, and in which of its transactions.
    pub note: CommitMetadata,
    /// How far the partition has forwarded.
    pub front: ForwardProgress,
}

impl OffsetCommit {
    /// By input, the next offsets of a partition, each with who writes them and how far the partition has forwarded.
    pub fn all(
        note: &CommitMetadata,
        partition: PartitionId,
        positions: &[Offset],
        front: ForwardProgress,
    ) -> impl Iterator<Item = Self> {
        let positions = (0u8..).map(Input).zip(positions);
        positions.map(move |(input, &offset)| Self { input, partition, offset, note: note.clone(), front })
    }

    /// What travels with the offset: `id#number;front`.
    pub fn metadata(&self) -> String {
        format!("{};{}", self.note, self.front)
    }
}

/// What the group has committed for one input of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Of which input.
    pub input: Input,
    /// The next offset to read.
    pub offset: Offset,
    /// `None` where the metadata isn't tideline's.
    pub note: Option<CommitMetadata>,
}

/// How far a log reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogOffsets {
    /// The log start offset: the earliest that can be read.
    pub start: Offset,
    /// The last stable offset (LSO): everything before it is committed or aborted.
    pub last_stable: Offset,
    /// The next record's offset. Between the last stable offset and this, a transaction is open.
    pub high_watermark: Offset,
}

/// How a partition stands, whatever others have open in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionOffsets {
    /// Of the partition of the changelog.
    pub changelog: LogOffsets,
    /// By input.
    pub inputs: Vec<LogOffsets>,
    /// The group's offsets as they were last committed.
    pub committed: Vec<Committed>,
    /// Whether an open transaction is about to change any of them.
    pub is_pending: bool,
}
