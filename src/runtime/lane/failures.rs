//! Failures that may be tried again, each within the patience of the settings.
//!
//! Pure. Must not know: what was tried, or how it is tried again.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::broker::{BrokerError, ErrorClass, TransactionError};
use crate::chain::Chain;
use crate::domain::PartitionId;
use crate::runtime::error::LaneError;

/// What a lane was about when it failed. Each has a patience of its own: success in one says nothing of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Activity {
    Poll,
    /// Taking the transactional id, settling an outcome.
    Recover,
    Commit,
    /// Firing deadlines.
    Handle(PartitionId),
    Finish,
    /// Looking how far other partitions have got.
    QueryProgress,
    Restore(PartitionId),
    /// Reading a restored or rewound partition from its offsets.
    Start(PartitionId),
}

impl Activity {
    /// What whoever finds that it failed for too long should do.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Poll | Self::Finish | Self::QueryProgress | Self::Start(_) => {
                "look at the brokers and the network between"
            }
            Self::Handle(_) => {
                "that is a fault of the program: report it with the place; an earlier version may get past it"
            }
            Self::Recover => "look at the brokers, and at who may use this transactional id",
            Self::Commit => {
                "look at the brokers; if it was fenced, another process runs with the same application.instance: each \
                 needs its own"
            }
            Self::Restore(_) => {
                "look at the brokers; `kafka-transactions.sh find-hanging` names a transaction that nobody ends"
            }
        }
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll => f.write_str("poll"),
            Self::Recover => f.write_str("recover"),
            Self::Commit => f.write_str("commit"),
            Self::Handle(partition) => write!(f, "handle partition {partition}"),
            Self::Finish => f.write_str("look for the end"),
            Self::QueryProgress => f.write_str("look how far other partitions have got"),
            Self::Restore(partition) => write!(f, "restore partition {partition}"),
            Self::Start(partition) => write!(f, "start reading partition {partition}"),
        }
    }
}

/// What has been failing without a success in between: since when, and how many times.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<Activity, (u64, u32)>);

impl Failures {
    /// Passes on what can't be tried again, and what has been tried for long enough.
    pub fn failed(
        &mut self,
        activity: Activity,
        error: LaneError,
        now_ms: u64,
        patience: Duration,
    ) -> Result<String, LaneError> {
        if !may_be_tried_again(&error) {
            return Err(error);
        }
        let (since, times) = self.0.entry(activity).or_insert((now_ms, 0));
        let since = *since;
        *times += 1;
        let waited = Duration::from_millis(now_ms.saturating_sub(since));
        let cause = format!("{activity}: {}", Chain(&error));
        if waited > patience {
            return Err(LaneError::GaveUp { waited, cause, advice: activity.advice() });
        }
        Ok(cause)
    }

    /// How long to keep from it now: after each further failure twice as long, up to `most_ms`.
    pub fn rest_ms(&self, activity: Activity, first_ms: u64, most_ms: u64) -> u64 {
        let times = self.0.get(&activity).map_or(1, |(_, times)| *times);
        let doublings = times.saturating_sub(1).min(u64::BITS - 1);
        first_ms.saturating_mul(1 << doublings).clamp(first_ms, most_ms.max(first_ms))
    }

    /// True when something had failed before, and nothing is failing now.
    pub fn succeeded(&mut self, activity: Activity) -> bool {
        self.0.remove(&activity).is_some() && self.0.is_empty()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::rights::{Lacking, Right};

    fn error(class: ErrorClass) -> LaneError {
        LaneError::Broker(BrokerError::client("w", class, "r"))
    }

    #[test]
    fn each_failure_has_its_own_patience_and_success_ends_it() {
        const PATIENCE: Duration = Duration::from_millis(100);
        let mut failures = Failures::default();
        let mut fail = |activity, at| failures.failed(activity, error(ErrorClass::Retriable), at, PATIENCE).is_ok();
        assert!(fail(Activity::Commit, 0));
        assert!(fail(Activity::Poll, 90));
        assert!(fail(Activity::Commit, 100));
        assert!(!fail(Activity::Commit, 101), "too long");
        assert!(fail(Activity::Poll, 101));
        assert!(!failures.succeeded(Activity::Poll), "commits still fail");
        assert!(failures.succeeded(Activity::Commit));
        assert!(failures.failed(Activity::Commit, error(ErrorClass::Retriable), 200, PATIENCE).is_ok());
    }

    #[test]
    fn the_rest_doubles_with_each_failure_up_to_the_most_and_begins_anew_after_a_success() {
        let mut failures = Failures::default();
        let mut rests = |times: u32| -> Vec<u64> {
            let mut rest = || {
                failures.failed(Activity::Commit, error(ErrorClass::Retriable), 0, Duration::MAX).unwrap();
                failures.rest_ms(Activity::Commit, 200, 30_000)
            };
            let rests = (0..times).map(|_| rest()).collect();
            failures.succeeded(Activity::Commit);
            rests
        };
        assert_eq!(rests(10), [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(rests(100).last(), Some(&30_000));
        assert_eq!(rests(1), [200]);
    }

    #[test]
    fn what_is_fatal_is_passed_on_at_once() {
        let mut failures = Failures::default();
        let fatal = failures.failed(Activity::Poll, error(ErrorClass::Fatal), 0, Duration::MAX);
        assert!(matches!(fatal, Err(LaneError::Broker(_))));
        let lacking = Lacking { rights: vec![Right::on_transactional_id("t")], principal: "User:a".to_owned() };
        let denied = LaneError::Aborted(TransactionError::Denied { call: "commit", lacking });
        assert!(failures.failed(Activity::Commit, denied, 0, Duration::MAX).is_err(), "it won't be granted by waiting");
    }
}
