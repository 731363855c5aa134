//! Reading one partition of the changelog.

use std::ops::ControlFlow;
use std::time::Duration;

use super::BrokerError;

/// One changelog record: `value` is `None` for a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangelogRecord<'a> {
    /// A user id, or the key of the partition record.
    pub key: &'a [u8],
    /// The state as it was last committed; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
}

/// Reads one partition of the changelog from its start to its end, which is fixed when it is opened.
pub trait ChangelogReader: Send {
    /// Moves the end to the high watermark of now: what was read stays read. Fence first, as before the opening.
    ///
    /// # Errors
    /// Where the high watermark can't be asked for.
    fn extend(&mut self) -> Result<(), BrokerError>;

    /// Hands over the next committed records; waits for at most `timeout`. `each` may break it off: then no more is
    /// handed over, and the next read goes on behind that record.
    ///
    /// # Errors
    /// [`BrokerError::NoProgress`] when nothing came for the no-progress bound of the settings,
    /// [`BrokerError::Truncated`] when what comes next was deleted meanwhile, or what the client says.
    fn read(
        &mut self,
        timeout: Duration,
        each: &mut dyn FnMut(ChangelogRecord<'_>) -> ControlFlow<()>,
    ) -> Result<ReadProgress, BrokerError>;
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadProgress {
    /// Everything before the end has been read.
    Done,
    /// Offsets left at most: not each holds a record.
    Remaining(u64),
}

impl ReadProgress {
    /// With so many offsets left.
    pub fn of(remaining: u64) -> Self {
        if remaining == 0 { Self::Done } else { Self::Remaining(remaining) }
    }

    /// Offsets left at most.
    pub fn remaining(self) -> u64 {
        match self {
            Self::Done => 0,
            Self::Remaining(remaining) => remaining,
        }
    }
}
