//! What attempts at a call of a transaction came to, and what a transaction makes of that.

use std::time::Duration;

use rdkafka::error::KafkaError;

use crate::broker::rights::{Lacking, Operation, Resource, Right};
use crate::broker::{ErrorClass, TransactionError};

use crate::broker::kafka::triage::{self, Denied};

/// What a transaction needs of that kind. Of topics it isn't told which.
pub(in crate::broker::kafka) fn right(denied: Denied, transactional_id: &str, group: &str) -> Right {
    match denied {
        Denied::TransactionalId => Right::on_transactional_id(transactional_id),
        Denied::Group => Right::on_group(Operation::Read, group),
        Denied::Topic => Right::on_topic(Operation::Write, "(one of those written to)"),
        Denied::Cluster => Right { operation: Operation::IdempotentWrite, resource: Resource::Cluster },
    }
}

/// What one attempt at a call came to.
pub(in crate::broker::kafka) struct Refusal {
    pub class: ErrorClass,
    pub reason: String,
    pub denied: Option<Denied>,
}

impl From<KafkaError> for Refusal {
    fn from(error: KafkaError) -> Self {
        Self { class: triage::of_transaction(&error), reason: error.to_string(), denied: triage::denied(&error) }
    }
}

/// What a call came to, with all its attempts.
#[derive(Debug)]
pub(in crate::broker::kafka) struct Failure {
    pub call: &'static str,
    /// Retriable: the bound has passed.
    pub class: ErrorClass,
    pub attempts: u32,
    pub took: Duration,
    pub reason: String,
    /// The right that was lacked, if it was one.
    pub denied: Option<Box<Lacking>>,
}

impl From<Failure> for TransactionError {
    fn from(failure: Failure) -> Self {
        let Failure { call, class, attempts, took, reason, denied } = failure;
        if let Some(lacking) = denied {
            return Self::Denied { call, lacking: *lacking };
        }
        match class {
            ErrorClass::Abortable => Self::Abortable { call, reason },
            ErrorClass::Fatal => Self::Fatal { call, reason },
            ErrorClass::Retriable => {
                Self::Fatal { call, reason: format!("no success in {attempts} attempts within {took:?}: {reason}") }
            }
        }
    }
}
