//! Calls to the client that have not returned yet, noted on the board by whoever makes them.
//!
//! The client does not honour its time-outs (44 s were seen for 3 s), and a thread inside of a call can't look at a
//! clock: so calls are watched over from outside.

use crate::domain::PartitionId;

/// What was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Of the consumer.
    Poll,
    /// Letting a partition flow from an offset: a seek.
    Start,
    /// Of a transaction.
    Begin,
    /// Writing the records of a transaction.
    Send,
    /// Adding the offsets to a transaction.
    SendOffsets,
    /// Of a transaction.
    Commit,
    /// Of a transaction.
    Abort,
    /// Asking where inputs end.
    Ends,
    /// Taking the lane's own transactional id.
    TakeId,
    /// Asking who has a transaction open in a partition of the changelog.
    OpenWriters,
    /// Initialising the id of somebody else, which ends what is open under it.
    Fence,
    /// Asking for the group's offsets.
    CommittedOffsets,
    /// Opening a reader of the changelog.
    OpenChangelog,
    /// Reading on in it.
    ReadChangelog,
    /// Asking for ids and partition counts.
    DescribeTopics,
    /// Asking where inputs begin and end.
    LogRange,
    /// Asking how far all partitions have forwarded, and where `rekey` ends.
    ForwardProgress,
    /// Asking for the broker's time.
    Time,
    /// Appending to logs, so that they are compacted.
    Touch,
}

impl Call {
    /// As it is named in metrics and on `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Start => "start",
            Self::Begin => "begin",
            Self::Send => "send",
            Self::SendOffsets => "send_offsets",
            Self::Commit => "commit",
            Self::Abort => "abort",
            Self::Ends => "ends",
            Self::TakeId => "take_id",
            Self::OpenWriters => "open_writers",
            Self::Fence => "fence",
            Self::CommittedOffsets => "committed_offsets",
            Self::OpenChangelog => "open_changelog",
            Self::ReadChangelog => "read_changelog",
            Self::DescribeTopics => "describe_topics",
            Self::LogRange => "bounds",
            Self::ForwardProgress => "fronts",
            Self::Time => "time",
            Self::Touch => "touch",
        }
    }
}

/// A call that has not returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenCall {
    /// What was called.
    pub call: Call,
    /// Who called.
    pub lane: usize,
    /// The partition that waits for it; none: the whole lane does.
    pub partition: Option<PartitionId>,
    /// On the monotonic clock.
    pub since_ms: u64,
}
