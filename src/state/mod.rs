//! What is remembered: of a user, its history; of a partition, how far it has come. And both as versioned bytes.
//!
//! Must not know: rules, outputs, the broker.

mod affected;
pub mod codec;
mod deadlines;
mod entry;
pub mod facts;
pub mod keep;
pub mod partition_record;
mod population;
mod remembered;
mod user;
mod varint;

pub use affected::Affected;
pub use deadlines::{Deadlines, UserDeadline};
pub use entry::ChangelogEntry;
pub use facts::{DayBucket, Facts, History, Loan, Loans};
pub use partition_record::{InputPosition, Ladder, PartitionRecord, SectionDigest};
pub use population::{Cells, Dimension, Population};
pub use remembered::Remembered;
pub use user::User;

use crate::domain::Timestamp;

/// Stored bytes that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error(
        "state of version {0}: this program reads versions 1 to {known}; run the version that wrote it, or a newer one",
        known = codec::VERSION
    )]
    /// A value of a version that is not known.
    UnknownVersion(u8),
    /// A value with a section that is not known, by its tag.
    #[error("state with section {0}, which this program does not know; run the version that wrote it, or a newer one")]
    UnknownSection(u32),
    /// Bytes that no program writes.
    #[error("state is damaged: {0}")]
    Damaged(&'static str),
}

/// A stored event time: within the bounds that it was let in by.
fn event_time(millis: i64) -> Result<Timestamp, StateError> {
    Timestamp::from_millis(millis).map_err(|_| StateError::Damaged("a time out of range"))
}

/// A stored deadline or watermark. All that follow from event times lie well within these bounds, so that a fold does
/// not lead out of them; and no difference of two of them overflows.
fn instant(millis: i64) -> Result<Timestamp, StateError> {
    let bound = 2 * Timestamp::MAX.millis();
    let known = (-bound..=bound).contains(&millis);
    if known { Ok(Timestamp::of_millis(millis)) } else { Err(StateError::Damaged("a time out of range")) }
}
