//! What travels in the metadata of committed offsets, and in the partition record: who wrote it, and how far it has
//! forwarded.

use std::sync::Arc;

use crate::domain::Timestamp;

/// Who committed an offset or wrote a partition record, and in which of its transactions. Travels in the metadata of
/// offsets: `id#number`, and more behind a `;`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommitMetadata {
    /// Of the producer that wrote it.
    pub transactional_id: Arc<str>,
    /// Each transaction of an id has a greater one than those before.
    pub number: u64,
}

impl CommitMetadata {
    /// What an offset's metadata says; none where it isn't ours.
    pub fn parse(metadata: &str) -> Option<Self> {
        let (id, number) = metadata.rsplit_once('#')?;
        let number = number.split_once(';').map_or(number, |(number, _)| number);
        Some(Self { transactional_id: id.into(), number: number.parse().ok()? })
    }
}

impl std::fmt::Display for CommitMetadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.transactional_id, self.number)
    }
}

/// How far a partition has forwarded what is another's, as all members must know (`runtime/lane/progress.rs`). Travels
/// in the metadata of its offsets, behind the first `;`: `watermark;forwarded`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForwardProgress {
    /// Until when it has nothing more to forward.
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
    /// What an offset's metadata says. For one that names no progress (an earlier release wrote it) nobody waits.
    pub fn parse(metadata: &str) -> Self {
        let read = |metadata: &str| {
            let mut parts = metadata.rsplit_once('#')?.1.split(';').skip(1);
            let watermark = match parts.next()? {
                "?" => ForwardWatermark::Unknown,
                "end" => ForwardWatermark::End,
                millis => ForwardWatermark::Through(Timestamp::of_millis(millis.parse().ok()?)),
            };
            Some(Self { watermark, forwarded: parts.next()?.parse().ok()? })
        };
        read(metadata).unwrap_or(Self { watermark: ForwardWatermark::End, forwarded: 0 })
    }
}

impl std::fmt::Display for ForwardProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.watermark {
            ForwardWatermark::Unknown => f.write_str("?")?,
            ForwardWatermark::Through(time) => write!(f, "{}", time.millis())?,
            ForwardWatermark::End => f.write_str("end")?,
        }
        write!(f, ";{}", self.forwarded)
    }
}
