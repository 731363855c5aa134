//! What all handles of one embedded log share: its state behind one lock, and the condition that readers wait on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::transaction::LogState;
use crate::broker::{BrokerError, BrokerTime, ErrorClass};

#[derive(Debug)]
pub(super) struct Shared {
    pub state: Mutex<LogState>,
    /// TopicState of every change that a waiting reader may be waiting for.
    pub changed: Condvar,
    pub time: LogClock,
}

/// What the log says of the time; none: it has no clock of its own.
#[derive(Default)]
pub(super) struct LogClock(pub Mutex<Option<Box<TellTime>>>);

pub(super) type TellTime = dyn Fn() -> BrokerTime + Send;

impl std::fmt::Debug for LogClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogClock")
    }
}

impl Shared {
    /// No change leaves the state half done at a point that can panic, so a poisoned lock still guards a whole one.
    pub fn lock(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while `idle`, for at most `timeout`; a zero timeout doesn't give up the lock.
    pub fn wait<'a>(
        &self,
        state: MutexGuard<'a, LogState>,
        timeout: Duration,
        mut idle: impl FnMut(&LogState) -> bool,
    ) -> MutexGuard<'a, LogState> {
        if timeout.is_zero() {
            return state;
        }
        let waited = self.changed.wait_timeout_while(state, timeout, |state| idle(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// An error of the journal, as a caller of the log sees it.
pub(super) fn journal_failed(error: std::io::Error) -> BrokerError {
    BrokerError::client("the journal of the embedded log", ErrorClass::Fatal, error)
}
