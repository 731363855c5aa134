//! What a lane does about a failure that may be tried again: it says so, and rests as long as what failed asks for.

use std::time::Duration;

use crate::broker::Broker;
use crate::runtime::error::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::lane::failures::Activity;
use crate::runtime::settings::millis;

impl<B: Broker> Lane<B> {
    /// A commit may not be tried again for that long at least.
    pub(super) fn rest_at_least(&mut self, wait: Duration, now_ms: u64) {
        let wait = wait.min(self.job.settings.retry_backoff_max.duration());
        self.schedule.no_batch_until_at_least(now_ms + millis(wait));
    }

    /// Something failed that may be tried again, after a rest, within the patience of the settings.
    ///
    /// # Errors
    ///
    /// What can't be tried again; [`LaneError::GaveUp`] once it has failed for longer than the patience.
    pub(super) fn failed(&mut self, activity: Activity, error: LaneError, now_ms: u64) -> Result<(), LaneError> {
        self.note_failure(activity, error, now_ms)?;
        let (first_ms, most_ms) =
            (millis(self.job.settings.retry_backoff), millis(self.job.settings.retry_backoff_max));
        match activity {
            // What could not be committed once is not written again and again. Restores go on meanwhile.
            Activity::Commit | Activity::Handle(_) => {
                self.schedule.no_batch_until(now_ms + self.failures.rest_ms(activity, first_ms, most_ms));
            }
            // A partition that can't be restored yet does not keep the others waiting.
            Activity::Restore(_) | Activity::Start(_) => {}
            Activity::Poll | Activity::Recover | Activity::Finish | Activity::QueryProgress => {
                self.schedule.poll_only_until(now_ms + first_ms);
            }
        }
        Ok(())
    }

    /// The same without the rest.
    ///
    /// # Errors
    ///
    /// As [`Self::failed`].
    pub(super) fn note_failure(&mut self, activity: Activity, error: LaneError, now_ms: u64) -> Result<(), LaneError> {
        let cause = self.failures.failed(activity, error, now_ms, self.job.settings.patience.duration())?;
        tracing::warn!(lane = self.index, "{cause}; trying again");
        self.context.board.lane(self.index, |lane| lane.trouble = Some(cause));
        Ok(())
    }

    pub(super) fn succeeded(&mut self, activity: Activity) {
        if self.failures.succeeded(activity) {
            self.context.board.lane(self.index, |lane| lane.trouble = None);
        }
    }
}
