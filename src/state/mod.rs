//! What is remembered: of a user, its history; of a partition, how far it has come. And both as versioned bytes.
//!
//! Must not know: rules, outputs, the broker.

pub mod codec;
mod history;
mod loans;
pub mod partition_record;
mod remembered;
mod user;
mod varint;

pub use history::{DayBucket, History};
pub use loans::{Loan, Loans};
pub use partition_record::{InputPosition, Ladder, PartitionRecord, Population};
pub use remembered::Remembered;
pub use user::{Changed, Deadlines, User};

use crate::domain::Timestamp;

/// Stored bytes that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error(
        "state of version {0}: this program reads version {known}; run the version that wrote it, or a newer one",
        known = codec::VERSION
    )]
    UnknownVersion(u8),
    #[error("state is damaged: {0}")]
    Damaged(&'static str),
}

/// A stored instant. What can be computed from event times, deadlines and watermarks included, lies well within these
/// bounds, and no sum or difference of two of them overflows; so what is read back can be reckoned with.
fn instant(millis: i64) -> Result<Timestamp, StateError> {
    let bound = 2 * Timestamp::MAX.millis();
    let known = (-bound..=bound).contains(&millis);
    if known { Ok(Timestamp::of_millis(millis)) } else { Err(StateError::Damaged("a time out of range")) }
}
