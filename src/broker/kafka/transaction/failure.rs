//! What attempts at a call of a transaction came to, and what a transaction makes of that.

use std::fmt;
use std::time::Duration;

use rdkafka::error::KafkaError;

use crate::broker::error::BoxedError;
use crate::broker::kafka::client_error::ClientError;
use crate::broker::kafka::triage::{self, Denied};
use crate::broker::rights::{Lacking, Operation, Resource, Right};
use crate::broker::{ErrorClass, TransactionError};

/// The right that a transaction needs and was denied. Of topics it isn't told which.
pub(in crate::broker::kafka) fn right(denied: Denied, transactional_id: &str, group: &str) -> Right {
    match denied {
        Denied::TransactionalId => Right::on_transactional_id(transactional_id),
        Denied::Group => Right::on_group(Operation::Read, group),
        Denied::Topic => Right::on_topic(Operation::Write, "(one of those written to)"),
        Denied::Cluster => Right { operation: Operation::IdempotentWrite, resource: Resource::Cluster },
    }
}

/// What one attempt at a call came to.
#[derive(Debug)]
pub(in crate::broker::kafka) struct AttemptError {
    pub class: ErrorClass,
    pub is_fenced: bool,
    pub denied: Option<Denied>,
    pub source: BoxedError,
}

impl AttemptError {
    /// Where the client itself says nothing.
    pub fn of(class: ErrorClass, source: impl Into<BoxedError>) -> Self {
        Self { class, is_fenced: false, denied: None, source: source.into() }
    }
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl From<KafkaError> for AttemptError {
    fn from(error: KafkaError) -> Self {
        Self {
            class: triage::of_transaction(&error),
            is_fenced: triage::is_fenced(&error),
            denied: triage::denied(&error),
            source: Box::new(ClientError::of(&error)),
        }
    }
}

/// What a call came to, with all its attempts.
#[derive(Debug)]
pub(in crate::broker::kafka) struct CallError {
    pub call: &'static str,
    /// Retriable: the time was over.
    pub class: ErrorClass,
    pub is_fenced: bool,
    pub attempts: u32,
    pub waited: Duration,
    pub source: BoxedError,
    /// The right that was lacked, if it was one.
    pub denied: Option<Box<Lacking>>,
}

/// A call was attempted for as long as the settings allow.
#[derive(Debug, thiserror::Error)]
#[error("no success in {attempts} attempts within {waited:?}")]
struct NoSuccess {
    attempts: u32,
    waited: Duration,
    #[source]
    source: BoxedError,
}

impl From<CallError> for TransactionError {
    fn from(error: CallError) -> Self {
        let CallError { call, class, is_fenced, attempts, waited, source, denied } = error;
        if let Some(lacking) = denied {
            return Self::Denied { call, lacking: *lacking };
        }
        match class {
            ErrorClass::Abortable => Self::Abortable { call, source },
            ErrorClass::Fatal if is_fenced => Self::Fenced { call, source },
            ErrorClass::Fatal => Self::Fatal { call, source },
            ErrorClass::Retriable => Self::fatal(call, Box::new(NoSuccess { attempts, waited, source })),
        }
    }
}
