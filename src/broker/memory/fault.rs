//! Faults as values: a test or the simulation queues them, the next operation of the fitting kind consumes one.
//!
//! Each stands for something that a real broker does to a client; what follows from it is told where it is consumed.

use std::collections::VecDeque;

/// One fault, to happen once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A commit comes back abortable, and the transaction is aborted.
    AbortOnCommit,
    /// Another takes the producer's id just before its offsets are sent: fatal.
    FencedOnSendOffsets,
    /// Another takes the producer's id just before its commit: fatal.
    FencedOnCommit,
    /// A commit's answer is lost. Applied: the transaction is committed. Else the request was lost on the way, and the
    /// transaction stays open until its id is taken again.
    OutcomeUnknown {
        /// The commit reached the log.
        applied: bool,
    },
    /// A record is refused, abortable.
    SendRefused,
    /// Nothing more of what is sent is acknowledged in time.
    TimedOut,
    /// Offsets are refused, abortable.
    SendOffsetsRefused,
    /// A member that owns partitions is found out of the group at its next poll: revoked, and lost.
    PartitionLost,
    /// A transaction that is dropped stays open, as that of a killed process does, until its id is taken again.
    LeftOpen,
    /// A transaction ends everywhere but in the group's offsets, as a lone broker that stops may end it. They stay
    /// pending until the next transaction of the id that sends or touches offsets ends.
    OffsetsHang,
    /// A transaction ends everywhere but in the outputs. There it stays open until the next transaction of the id that
    /// writes to the same partition ends, and ends as that does.
    OutputsHang,
}

impl Fault {
    /// As a simulation counts it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AbortOnCommit => "abort_on_commit",
            Self::FencedOnSendOffsets => "fenced_on_send_offsets",
            Self::FencedOnCommit => "fenced_on_commit",
            Self::OutcomeUnknown { applied: true } => "outcome_unknown_applied",
            Self::OutcomeUnknown { applied: false } => "outcome_unknown_lost",
            Self::SendRefused => "send_refused",
            Self::TimedOut => "timed_out",
            Self::SendOffsetsRefused => "send_offsets_refused",
            Self::PartitionLost => "partition_lost",
            Self::LeftOpen => "left_open",
            Self::OffsetsHang => "offsets_hang",
            Self::OutputsHang => "outputs_hang",
        }
    }

    pub(super) fn operation(self) -> Operation {
        match self {
            Self::SendRefused => Operation::Send,
            Self::FencedOnSendOffsets | Self::SendOffsetsRefused | Self::TimedOut => Operation::SendOffsets,
            Self::AbortOnCommit | Self::FencedOnCommit | Self::OutcomeUnknown { .. } => Operation::Commit,
            Self::PartitionLost => Operation::Poll,
            Self::LeftOpen => Operation::Drop,
            Self::OffsetsHang => Operation::End,
            Self::OutputsHang => Operation::EndOutputs,
        }
    }
}

/// What a fault waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Send,
    SendOffsets,
    Commit,
    /// Of a member that owns partitions.
    Poll,
    /// Of a transaction, without commit or abort.
    Drop,
    /// Of a transaction that has sent offsets.
    End,
    /// Of a transaction that has written to outputs.
    EndOutputs,
}

/// Faults in the order in which they were queued. Bounded by who queues them: tests.
#[derive(Debug, Default)]
pub(super) struct Faults(VecDeque<Fault>);

impl Faults {
    pub fn push(&mut self, fault: Fault) {
        self.0.push_back(fault);
    }

    pub fn waiting(&self) -> Vec<Fault> {
        self.0.iter().copied().collect()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn has(&self, operation: Operation) -> bool {
        self.0.iter().any(|fault| fault.operation() == operation)
    }

    /// The first that waits for this operation.
    pub fn take(&mut self, operation: Operation) -> Option<Fault> {
        let at = self.0.iter().position(|fault| fault.operation() == operation)?;
        self.0.remove(at)
    }
}
