//! How far a partition may handle events while records are being forwarded, and how much it may forward ahead.

use crate::domain::Timestamp;

/// The limit of a partition that nobody has anything left to forward to.
pub const END_OF_TIME: Timestamp = Timestamp::of_millis(i64::MAX);

/// How far events may be handled, by what is known of all partitions' forwarding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Without a limit: nothing is being forwarded.
    Open {
        /// But something was, so who starts now looks at everybody's progress.
        was_ever: bool,
    },
    /// Up to the least forward watermark of all partitions.
    Through(Timestamp),
    /// Not at all: it is not known yet what others have to forward.
    Closed {
        /// They wait to hear it of us, too.
        tells: bool,
    },
}

/// How many records may be forwarded with an event time beyond the least forward watermark, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    /// By all partitions together.
    pub of_all: usize,
    /// By one partition.
    pub of_one: usize,
}
