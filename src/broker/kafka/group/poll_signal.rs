//! Wakes a poll when any of the client's queues gets something.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::broker::kafka::client::context;

/// Wakes the poll when any of its queues gets something.
#[derive(Default)]
pub(in crate::broker::kafka) struct PollSignal {
    called: Mutex<bool>,
    changed: Condvar,
}

impl PollSignal {
    /// What the client calls, from its own threads.
    pub fn caller(self: &Arc<Self>) -> impl Fn() + Send + Sync + 'static {
        let wake = Arc::clone(self);
        move || {
            *context::lock(&wake.called) = true;
            wake.changed.notify_one();
        }
    }

    pub fn clear(&self) {
        *context::lock(&self.called) = false;
    }

    /// Says whether it was called within the time.
    pub fn wait(&self, timeout: Duration) -> bool {
        let (called, _) = self
            .changed
            .wait_timeout_while(context::lock(&self.called), timeout, |called| !*called)
            .unwrap_or_else(PoisonError::into_inner);
        *called
    }
}
