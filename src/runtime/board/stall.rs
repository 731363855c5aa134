//! What stalls, and why: as the watchdog finds it, and as the board, metrics and `/readyz` tell it.

use crate::domain::PartitionId;

/// Why something stalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// A call to the client has not returned.
    HungCall,
    /// Left alone by this member.
    Unserved,
    /// Somebody's commit of offsets is pending: the group's offsets can't be read (`UNSTABLE_OFFSET_COMMIT`).
    PendingOffsets,
    /// Somebody's transaction is open: it hides all that comes after it.
    OpenTransaction,
    /// The changelog begins later than where it was being read.
    TruncatedChangelog,
    /// An input that has more, but does not deliver, is waited for.
    MergeWait,
    /// Another partition has still to forward what may come first.
    AwaitsPartition,
    /// An input is not being read.
    Paused,
    /// Its changelog is being read, or what comes before that.
    Restoring,
    /// The lane tries the same thing again and again.
    Failing,
    /// There is more to read, and the client does not hand it over.
    Undelivered,
}

impl Cause {
    /// In the order in which they are told apart.
    pub const ALL: [Self; 11] = [
        Self::HungCall,
        Self::Unserved,
        Self::PendingOffsets,
        Self::OpenTransaction,
        Self::TruncatedChangelog,
        Self::MergeWait,
        Self::AwaitsPartition,
        Self::Paused,
        Self::Restoring,
        Self::Failing,
        Self::Undelivered,
    ];

    /// As it is named in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HungCall => "hung_call",
            Self::Unserved => "unserved",
            Self::PendingOffsets => "pending_offsets",
            Self::OpenTransaction => "open_transaction",
            Self::TruncatedChangelog => "truncated_changelog",
            Self::MergeWait => "merge_wait",
            Self::AwaitsPartition => "front",
            Self::Paused => "paused",
            Self::Restoring => "restoring",
            Self::Failing => "failing",
            Self::Undelivered => "undelivered",
        }
    }

    /// What the operator should do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::HungCall => "look at the brokers and the network; a restart of this process takes over where it is",
            Self::Unserved => "nothing is tried again: do what the cause says, then restart this process",
            Self::PendingOffsets => {
                "its writers are fenced; if it stays, find the hanging transaction with `kafka-transactions.sh \
                 find-hanging` and abort it"
            }
            Self::OpenTransaction => {
                "of ours it is fenced; of an input's producer: end that producer, or wait for its \
                 transaction.timeout.ms; `kafka-transactions.sh find-hanging` names one that nobody ends"
            }
            Self::TruncatedChangelog => {
                "nothing may shorten a changelog: its cleanup.policy must be compact alone; `tideline reset` starts \
                 over"
            }
            Self::MergeWait => "look why that input does not deliver; the others go on after stream.merge_wait",
            Self::AwaitsPartition => {
                "look at the member that has that partition: the others go on without it after stream.patience"
            }
            Self::Paused => "a restart of this process reads it again; please report it",
            Self::Restoring => "look at the brokers: the log says what was read last",
            Self::Failing => "what fails is named; the process gives up after stream.patience",
            Self::Undelivered => "look at the brokers and the network; a restart of this process fetches again",
        }
    }
}

/// Something that stalls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// Whose partition, or which lane, stalls.
    pub lane: usize,
    /// None: all that its lane has.
    pub partition: Option<PartitionId>,
    /// The root cause.
    pub cause: Cause,
    /// Names what is waited for.
    pub detail: String,
    /// For how long, in milliseconds.
    pub lasted_ms: u64,
}
