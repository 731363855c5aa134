//! Failures that may be tried again, each within the patience of the settings.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::broker::{BrokerError, ErrorClass};
use crate::domain::PartitionId;
use crate::runtime::LaneError;

/// What a lane was about when it failed. Each has a patience of its own: success in one says nothing of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doing {
    Poll,
    /// Taking the transactional id, settling an outcome.
    Recover,
    Commit,
    /// Firing deadlines.
    Handle(PartitionId),
    Finish,
    /// Looking how far other partitions have got.
    Look,
    Restore(PartitionId),
    /// Reading a restored or rewound partition from its offsets.
    Start(PartitionId),
}

impl Doing {
    /// Whether it concerns one partition only: the others go on meanwhile.
    pub fn is_of_one_partition(self) -> bool {
        matches!(self, Self::Restore(_) | Self::Start(_))
    }

    /// What whoever finds that it failed for too long should do.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Poll | Self::Finish | Self::Look | Self::Start(_) => "look at the brokers and the network between",
            Self::Handle(_) => {
                "that is a fault of the program: report it with the place; an earlier version may get past it"
            }
            Self::Recover => "look at the brokers, and at who may use this transactional id",
            Self::Commit => {
                "look at the brokers; if it was fenced, another process runs with the same application.instance: each needs \
                 its own"
            }
            Self::Restore(_) => {
                "look at the brokers; `kafka-transactions.sh find-hanging` names a transaction that nobody ends"
            }
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll => f.write_str("poll"),
            Self::Recover => f.write_str("recover"),
            Self::Commit => f.write_str("commit"),
            Self::Handle(partition) => write!(f, "handle partition {partition}"),
            Self::Finish => f.write_str("look for the end"),
            Self::Look => f.write_str("look how far other partitions have got"),
            Self::Restore(partition) => write!(f, "restore partition {partition}"),
            Self::Start(partition) => write!(f, "start reading partition {partition}"),
        }
    }
}

/// Since when what has been failing without a success in between.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<Doing, u64>);

impl Failures {
    /// Passes on what can't be tried again, and what has been tried for long enough.
    pub fn failed(
        &mut self,
        doing: Doing,
        error: LaneError,
        now_ms: u64,
        patience: Duration,
    ) -> Result<String, LaneError> {
        if !may_be_tried_again(&error) {
            return Err(error);
        }
        let since = *self.0.entry(doing).or_insert(now_ms);
        let waited = Duration::from_millis(now_ms.saturating_sub(since));
        let cause = format!("{doing}: {error}");
        if waited > patience {
            return Err(LaneError::GaveUp { waited, cause, advice: doing.advice() });
        }
        Ok(cause)
    }

    /// True when something had failed before, and nothing is failing now.
    pub fn succeeded(&mut self, doing: Doing) -> bool {
        self.0.remove(&doing).is_some() && self.0.is_empty()
    }
}

fn may_be_tried_again(error: &LaneError) -> bool {
    match error {
        LaneError::Aborted(_)
        | LaneError::TimersPanicked { .. }
        | LaneError::Broker(BrokerError::NoProgress { .. }) => true,
        LaneError::Broker(error) => error.class() != ErrorClass::Fatal,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: ErrorClass) -> LaneError {
        LaneError::Broker(BrokerError::Client { what: "w".to_owned(), reason: "r".to_owned(), class })
    }

    #[test]
    fn each_failure_has_its_own_patience_and_success_ends_it() {
        const PATIENCE: Duration = Duration::from_millis(100);
        let mut failures = Failures::default();
        let mut fail = |doing, at| failures.failed(doing, error(ErrorClass::Retriable), at, PATIENCE).is_ok();
        assert!(fail(Doing::Commit, 0));
        assert!(fail(Doing::Poll, 90));
        assert!(fail(Doing::Commit, 100));
        assert!(!fail(Doing::Commit, 101), "too long");
        assert!(fail(Doing::Poll, 101));
        assert!(!failures.succeeded(Doing::Poll), "commits still fail");
        assert!(failures.succeeded(Doing::Commit));
        assert!(failures.failed(Doing::Commit, error(ErrorClass::Retriable), 200, PATIENCE).is_ok());
    }

    #[test]
    fn what_is_fatal_is_passed_on_at_once() {
        let mut failures = Failures::default();
        let fatal = failures.failed(Doing::Poll, error(ErrorClass::Fatal), 0, Duration::MAX);
        assert!(matches!(fatal, Err(LaneError::Broker(_))));
    }
}
