//! Offsets: of the group, with what travels beside them, and of logs.

use std::fmt;
use std::sync::Arc;

use crate::domain::{Input, PartitionId, Timestamp};
use crate::record::Offset;

/// An offset with a note: the transactional id and number that wrote it, as [`CommitMetadata`] has it; and its partition's front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommit {
    pub input: Input,
    pub partition: PartitionId,
    pub offset: Offset,
    pub note: CommitMetadata,
    pub front: ForwardProgress,
}

impl OffsetCommit {
    /// What travels with the offset: `id#number;front`.
    pub fn metadata(&self) -> String {
        format!("{};{}", self.note, self.front)
    }
}

/// How far a partition has forwarded what is another's, as all members must know (`runtime/fronts.rs`).
/// Travels in the metadata of its offsets: `reach;forwarded`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForwardProgress {
    pub watermark: ForwardWatermark,
    /// Records forwarded since the partition was made.
    pub forwarded: u64,
}

/// Until which event time a partition has nothing more to forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ForwardWatermark {
    /// It has not looked yet.
    #[default]
    Unknown,
    /// All of this time and before is forwarded, so far as its inputs are in order.
    Through(Timestamp),
    /// Its inputs are at their ends.
    End,
}

impl ForwardProgress {
    /// What an offset's metadata says. Of one that names no front (an earlier release wrote it) nobody waits.
    pub fn parse(metadata: &str) -> Self {
        let read = |metadata: &str| {
            let mut parts = metadata.rsplit_once('#')?.1.split(';').skip(1);
            let reach = match parts.next()? {
                "?" => ForwardWatermark::Unknown,
                "end" => ForwardWatermark::End,
                millis => ForwardWatermark::Through(Timestamp::of_millis(millis.parse().ok()?)),
            };
            Some(Self { watermark: reach, forwarded: parts.next()?.parse().ok()? })
        };
        read(metadata).unwrap_or(Self { watermark: ForwardWatermark::End, forwarded: 0 })
    }
}

impl fmt::Display for ForwardProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.watermark {
            ForwardWatermark::Unknown => f.write_str("?")?,
            ForwardWatermark::Through(time) => write!(f, "{}", time.millis())?,
            ForwardWatermark::End => f.write_str("end")?,
        }
        write!(f, ";{}", self.forwarded)
    }
}

/// Who committed an offset, and in which of its transactions. Travels as the offset's metadata: `id#number`, and more behind a `;`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommitMetadata {
    pub transactional_id: Arc<str>,
    pub number: u64,
}

impl CommitMetadata {
    /// By input, the next offsets of a partition, each with this note and the partition's front.
    pub fn offsets(
        &self,
        partition: PartitionId,
        positions: &[Offset],
        front: ForwardProgress,
    ) -> impl Iterator<Item = OffsetCommit> {
        let positions = (0u8..).map(Input).zip(positions);
        positions.map(move |(input, &offset)| OffsetCommit { input, partition, offset, note: self.clone(), front })
    }

    pub fn parse(metadata: &str) -> Option<Self> {
        let (id, number) = metadata.rsplit_once('#')?;
        let number = number.split_once(';').map_or(number, |(number, _)| number);
        Some(Self { transactional_id: id.into(), number: number.parse().ok()? })
    }
}

impl fmt::Display for CommitMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.transactional_id, self.number)
    }
}

/// What the group has committed for one input of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub input: Input,
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
    pub changelog: LogOffsets,
    /// By input.
    pub inputs: Vec<LogOffsets>,
    /// The group's offsets as they were last committed.
    pub committed: Vec<Committed>,
    /// Whether an open transaction is about to change any of them.
    pub is_pending: bool,
}
