//! Broker errors, sorted once into what a lane does about them.
//!
//! `Display` tells what was tried; why it failed is the source, which [`Chain`](crate::chain::Chain) shows with it.

use std::error::Error;
use std::time::Duration;

use super::rights::Lacking;

/// Why something failed: an error of the client, of a file, or words of ours where nobody else has any.
pub type BoxedError = Box<dyn Error + Send + Sync + 'static>;

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The same call again, within a bound. A transaction's own calls are retried by the broker module, not by a lane.
    Retriable,
    /// Abort the transaction, rewind, go on with the same producer.
    Abortable,
    /// The producer is fenced or failed and must be replaced: a new one with the same id, then the committed offsets
    /// tell what became of the transaction.
    Fatal,
}

/// An error outside of a transaction.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// `what` names what was tried and on what.
    #[error("{what}")]
    Client {
        /// What was tried, and on what.
        what: String,
        /// What is to be done about it.
        class: ErrorClass,
        /// Why it failed, as the client or the system says it.
        #[source]
        source: BoxedError,
    },
    /// Another producer initialised the transactional id while this one did.
    #[error("{what}: another producer takes the id at the same time")]
    Fenced {
        /// What was tried, and on what.
        what: String,
        /// As the client says it.
        #[source]
        source: BoxedError,
    },
    /// Nothing came of it for as long as the settings allow.
    #[error("{what}: no progress for {waited:?}")]
    NoProgress {
        /// What was tried, and on what.
        what: String,
        /// For how long nothing came of it.
        waited: Duration,
        /// What the client said last, or what there was none of.
        #[source]
        source: BoxedError,
    },
    /// What was to be read next is gone: the log was cut. Reading again begins where it begins now.
    #[error("{what}: cut while it was read, what came next is gone")]
    Truncated {
        /// What was read.
        what: String,
    },
    /// Partition p of all inputs must belong to one member; only the `range` assignor keeps that.
    #[error("the assignment is split: {0}; set the group's assignor to range")]
    SplitAssignment(String),
    /// Topics that can't be worked with.
    #[error("topics: {0}")]
    Topics(String),
    /// Two processes with one transactional id would fence each other in turn.
    #[error(
        "another process runs as {name} (application.id and .instance): {holder}. It goes on, this one ends: give it \
         an application.instance of its own, or stop the other first"
    )]
    NameTaken {
        /// The name that both have.
        name: String,
        /// Who has it, as the group describes its members.
        holder: String,
    },
    /// The broker refuses.
    #[error("{what}: {lacking}")]
    Denied {
        /// What was tried, and on what.
        what: String,
        /// What it lacks the right for.
        lacking: Lacking,
    },
}

impl BrokerError {
    /// An error of the client, or of what stands for it; `what` names what was tried and on what.
    pub fn client(what: impl ToString, class: ErrorClass, source: impl Into<BoxedError>) -> Self {
        Self::Client { what: what.to_string(), class, source: source.into() }
    }

    /// What a lane does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Client { class, .. } => *class,
            Self::Fenced { .. } | Self::NoProgress { .. } | Self::Truncated { .. } => ErrorClass::Retriable,
            Self::SplitAssignment(_) | Self::Topics(_) | Self::NameTaken { .. } | Self::Denied { .. } => {
                ErrorClass::Fatal
            }
        }
    }
}

/// An error inside of a transaction: what became of it, and so what memory must do. `call` names the call that failed.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// Nothing of it will ever be seen; abort it, drop the overlay, rewind.
    #[error("{call}")]
    Abortable {
        /// The call of the transaction that failed.
        call: &'static str,
        /// Why it failed, as the client says it.
        #[source]
        source: BoxedError,
    },
    /// What was sent was not taken within the bound, and nothing of it will ever be seen: less of it by a new producer
    /// may get through, after `throttled` at least, for which a quota keeps the broker from answering.
    #[error("{call}")]
    TimedOut {
        /// The call of the transaction that failed.
        call: &'static str,
        /// How long a quota keeps the broker from answering; none where none does.
        throttled: Option<Duration>,
        /// Why it failed, as the client says it.
        #[source]
        source: BoxedError,
    },
    /// Another producer holds the transactional id now. Nothing of an uncommitted transaction will be seen.
    #[error("{call}: fenced")]
    Fenced {
        /// The call of the transaction that failed.
        call: &'static str,
        /// Why it failed, as the client says it.
        #[source]
        source: BoxedError,
    },
    /// The producer failed for good. Nothing of an uncommitted transaction will be seen.
    #[error("{call}: fatal")]
    Fatal {
        /// The call of the transaction that failed.
        call: &'static str,
        /// Why it failed, as the client says it.
        #[source]
        source: BoxedError,
    },
    /// A commit was sent and its outcome was not learnt: committed or aborted, and only a new producer can settle
    /// which.
    #[error("{call}: outcome unknown")]
    OutcomeUnknown {
        /// The call of the transaction that failed.
        call: &'static str,
        /// Why it failed, as the client says it.
        #[source]
        source: BoxedError,
    },
    /// The broker refuses. Nothing of it will ever be seen, and nothing of the next.
    #[error("{call}: {lacking}")]
    Denied {
        /// The call that was refused.
        call: &'static str,
        /// What it lacks the right for.
        lacking: Lacking,
    },
}

impl TransactionError {
    /// The transaction can only be aborted.
    pub fn abortable(call: &'static str, source: impl Into<BoxedError>) -> Self {
        Self::Abortable { call, source: source.into() }
    }

    /// The producer can't go on.
    pub fn fatal(call: &'static str, source: impl Into<BoxedError>) -> Self {
        Self::Fatal { call, source: source.into() }
    }

    /// What metrics and logs call it. Fenced counts as fatal: the same is done about both.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Abortable { .. } => "abortable",
            Self::TimedOut { .. } => "timed_out",
            Self::Fenced { .. } | Self::Fatal { .. } => "fatal",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::Denied { .. } => "denied",
        }
    }
}
