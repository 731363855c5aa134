//! Failures that may be tried again, each within the patience of the settings.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::broker::{Broker, BrokerError, ErrorClass, TransactionError};
use crate::domain::PartitionId;
use crate::runtime::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::settings::millis;

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

/// What has been failing without a success in between: since when, and how many times.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<Doing, (u64, u32)>);

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
        let (since, times) = self.0.entry(doing).or_insert((now_ms, 0));
        let since = *since;
        *times += 1;
        let waited = Duration::from_millis(now_ms.saturating_sub(since));
        let cause = format!("{doing}: {error}");
        if waited > patience {
            return Err(LaneError::GaveUp { waited, cause, advice: doing.advice() });
        }
        Ok(cause)
    }

    /// How long to keep from it now: after each further failure twice as long, up to `most_ms`.
    pub fn rest_ms(&self, doing: Doing, first_ms: u64, most_ms: u64) -> u64 {
        let times = self.0.get(&doing).map_or(1, |(_, times)| *times);
        let doublings = times.saturating_sub(1).min(u64::BITS - 1);
        first_ms.saturating_mul(1 << doublings).clamp(first_ms, most_ms.max(first_ms))
    }

    /// True when something had failed before, and nothing is failing now.
    pub fn succeeded(&mut self, doing: Doing) -> bool {
        self.0.remove(&doing).is_some() && self.0.is_empty()
    }
}

fn may_be_tried_again(error: &LaneError) -> bool {
    match error {
        // Who lacks a right lacks it until somebody grants it.
        LaneError::Aborted(TransactionError::Denied { .. }) => false,
        LaneError::Aborted(_)
        | LaneError::TimersPanicked { .. }
        | LaneError::Broker(BrokerError::NoProgress { .. }) => true,
        LaneError::Broker(error) => error.class() != ErrorClass::Fatal,
        _ => false,
    }
}

impl<B: Broker> Lane<B> {
    /// A commit may not be tried again for that long at least.
    pub(super) fn rest_at_least(&mut self, wait: Duration, now_ms: u64) {
        let wait = wait.min(self.job.settings.retry_backoff_max);
        self.no_batch_before_ms = self.no_batch_before_ms.max(now_ms + millis(wait));
    }

    /// Something failed that may be tried again, after a rest, within the patience of the settings.
    pub(super) fn failed(&mut self, doing: Doing, error: LaneError, now_ms: u64) -> Result<(), LaneError> {
        self.note_failure(doing, error, now_ms)?;
        let (first_ms, most_ms) =
            (millis(self.job.settings.retry_backoff), millis(self.job.settings.retry_backoff_max));
        match doing {
            // What could not be committed once is not written again and again. Restores go on meanwhile.
            Doing::Commit | Doing::Handle(_) => {
                self.no_batch_before_ms = now_ms + self.failures.rest_ms(doing, first_ms, most_ms);
            }
            // A partition that can't be restored yet does not keep the others waiting.
            Doing::Restore(_) | Doing::Start(_) => {}
            Doing::Poll | Doing::Recover | Doing::Finish | Doing::Look => self.not_before_ms = now_ms + first_ms,
        }
        Ok(())
    }

    /// The same without the rest.
    pub(super) fn note_failure(&mut self, doing: Doing, error: LaneError, now_ms: u64) -> Result<(), LaneError> {
        let cause = self.failures.failed(doing, error, now_ms, self.job.settings.patience)?;
        tracing::warn!(lane = self.index, "{cause}; trying again");
        self.company.board.lane(self.index, |lane| lane.trouble = Some(cause));
        Ok(())
    }

    pub(super) fn succeeded(&mut self, doing: Doing) {
        if self.failures.succeeded(doing) {
            self.company.board.lane(self.index, |lane| lane.trouble = None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::rights::{Lacking, Right};

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
    fn the_rest_doubles_with_each_failure_up_to_the_most_and_begins_anew_after_a_success() {
        let mut failures = Failures::default();
        let mut rests = |times: u32| -> Vec<u64> {
            let mut rest = || {
                failures.failed(Doing::Commit, error(ErrorClass::Retriable), 0, Duration::MAX).unwrap();
                failures.rest_ms(Doing::Commit, 200, 30_000)
            };
            let rests = (0..times).map(|_| rest()).collect();
            failures.succeeded(Doing::Commit);
            rests
        };
        assert_eq!(rests(10), [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(rests(100).last(), Some(&30_000));
        assert_eq!(rests(1), [200]);
    }

    #[test]
    fn what_is_fatal_is_passed_on_at_once() {
        let mut failures = Failures::default();
        let fatal = failures.failed(Doing::Poll, error(ErrorClass::Fatal), 0, Duration::MAX);
        assert!(matches!(fatal, Err(LaneError::Broker(_))));
        let lacking = Lacking { rights: vec![Right::on_transactional_id("t")], principal: "User:a".to_owned() };
        let denied = LaneError::Aborted(TransactionError::Denied { call: "commit", lacking });
        assert!(failures.failed(Doing::Commit, denied, 0, Duration::MAX).is_err(), "it won't be granted by waiting");
    }
}
