//! Broker errors, sorted once into what a lane does about them.

use std::time::Duration;

use super::rights::Lacking;

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The same call again, within a bound. A transaction's own calls are retried by the broker module, not by a lane.
    Retriable,
    /// Abort the transaction, rewind, go on with the same producer.
    Abortable,
    /// The producer is done for: a new one with the same id, then the committed offsets tell what became of the transaction.
    Fatal,
}

/// An error outside of a transaction.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// `what` names what was tried and on what.
    #[error("{what}: {reason}")]
    Client { what: String, reason: String, class: ErrorClass },
    #[error("{what}: no progress for {waited:?}: {cause}")]
    NoProgress { what: String, waited: Duration, cause: String },
    /// What was to be read next is gone: the log was cut. Reading anew begins where it begins now.
    #[error("{what}: cut while it was read, what came next is gone")]
    Truncated { what: String },
    /// Partition p of all inputs must belong to one member; only the `range` assignor keeps that.
    #[error("the assignment is split: {0}; set the group's assignor to range")]
    SplitAssignment(String),
    #[error("topics: {0}")]
    Topics(String),
    /// Two processes with one transactional id would fence each other in turn.
    #[error(
        "another process runs as {name} (application.id and .instance): {holder}. It goes on, this one ends: give it an \
         application.instance of its own, or stop the other first"
    )]
    NameTaken { name: String, holder: String },
    /// The broker refuses.
    #[error("{what}: {lacking}")]
    Denied { what: String, lacking: Lacking },
}

impl BrokerError {
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Client { class, .. } => *class,
            Self::NoProgress { .. } | Self::Truncated { .. } => ErrorClass::Retriable,
            Self::SplitAssignment(_) | Self::Topics(_) | Self::NameTaken { .. } | Self::Denied { .. } => {
                ErrorClass::Fatal
            }
        }
    }
}

/// An error inside of a transaction: what became of it, and so what memory must do.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// Nothing of it will ever be seen; abort it, drop the overlay, rewind.
    #[error("{call}: {reason}")]
    Abortable { call: &'static str, reason: String },
    /// What was sent was not taken within the bound, and nothing of it will ever be seen: less of it by a new producer, after
    /// `wait` at least, may get through.
    #[error("{call}: {reason}")]
    TimedOut { call: &'static str, reason: String, wait: Duration },
    /// The producer can't go on (another holds its id, or it failed for good). Nothing of an uncommitted transaction will be seen.
    #[error("{call}: fenced or fatal: {reason}")]
    Fatal { call: &'static str, reason: String },
    /// A commit was sent and its outcome was not learnt: committed or aborted, and only a new producer can settle which.
    #[error("{call}: outcome unknown: {reason}")]
    OutcomeUnknown { call: &'static str, reason: String },
    /// The broker refuses. Nothing of it will ever be seen, and nothing of the next.
    #[error("{call}: {lacking}")]
    Denied { call: &'static str, lacking: Lacking },
}

impl TransactionError {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Abortable { .. } => "abortable",
            Self::TimedOut { .. } => "timed_out",
            Self::Fatal { .. } => "fatal",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::Denied { .. } => "denied",
        }
    }
}
