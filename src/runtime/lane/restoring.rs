//! A partition's restore, as its lane holds it: the background task, what it has reported of its progress, when it may
//! go on.
//!
//! Must not know: the lane.

use std::sync::Arc;

use crate::broker::Broker;
use crate::runtime::error::LaneError;
use crate::runtime::recovery::restore::{Restore, RestoreProgress, Restored, SharedProgress};
use crate::runtime::tasks::{BackgroundTask, Execution};

/// Between two lines of the log about one restore.
const LOG_EVERY_MS: u64 = 5_000;

pub(super) struct Restoring<B: Broker> {
    task: BackgroundTask<Restore<B>>,
    shared: Arc<SharedProgress>,
    seen: RestoreProgress,
    /// A step that was done before is no progress.
    furthest: RestoreProgress,
    since_ms: u64,
    logged_ms: u64,
    /// After a failure it rests until then.
    not_before_ms: u64,
}

/// What has changed since a restore was last observed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    pub before: RestoreProgress,
    pub now: RestoreProgress,
    /// Whether it is further than ever.
    pub is_step: bool,
    /// Whether the log should say so again.
    pub is_log_due: bool,
}

impl<B: Broker> Restoring<B> {
    pub fn new(restore: Restore<B>, now_ms: u64) -> Box<Self> {
        let shared = restore.progress();
        Box::new(Self {
            task: BackgroundTask::new(restore),
            shared,
            seen: RestoreProgress::default(),
            furthest: RestoreProgress::default(),
            since_ms: now_ms,
            logged_ms: now_ms,
            not_before_ms: 0,
        })
    }

    /// Stops it. When it is advanced again, it begins at its first step, with the changelog records that it has read.
    pub fn cancel(&mut self) {
        self.task.cancel();
    }

    /// Starts or continues it; none: not finished, or it waits for others to finish.
    ///
    /// # Errors
    ///
    /// Those of the step that failed; the next call begins again.
    pub fn advance(
        &mut self,
        execution: Execution,
        thread: impl FnOnce() -> String,
    ) -> Result<Option<Restored<B::Message>>, LaneError> {
        self.task.advance(execution, thread)
    }

    /// Whether it must wait until another restore of the process has finished.
    pub fn waits_for_a_permit(&mut self) -> bool {
        self.task.idle().is_some_and(|restore| !restore.has_permit())
    }

    pub fn rest_until(&mut self, ms: u64) {
        self.not_before_ms = ms;
    }

    pub fn is_rested(&self, now_ms: u64) -> bool {
        self.not_before_ms <= now_ms
    }

    /// Takes in what the task has reported, which may run on a thread; none: nothing has changed.
    pub fn observe(&mut self, now_ms: u64) -> Option<Observed> {
        let now = self.shared.now();
        let before = std::mem::replace(&mut self.seen, now);
        if now == before {
            return None;
        }
        let is_step = now > self.furthest;
        self.furthest = self.furthest.max(now);
        let is_log_due = now_ms.saturating_sub(self.logged_ms) >= LOG_EVERY_MS;
        if is_log_due {
            self.logged_ms = now_ms;
        }
        Some(Observed { before, now, is_step, is_log_due })
    }

    /// When it was begun, and the changelog records it has read.
    pub fn since_ms_and_records(&self) -> (u64, u64) {
        (self.since_ms, self.seen.records)
    }
}
