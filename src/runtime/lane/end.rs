//! The lane's side of the end of a run: whether its partitions are at their ends, and what the end barrier tells it to
//! do.
//!
//! Must not know: how lanes agree (`end_barrier`).

use crate::broker::{Broker, BrokerError};
use crate::runtime::board::calls::Call;
use crate::runtime::end_barrier::EndStep;
use crate::runtime::error::LaneError;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::{Lane, StepOutcome};
use crate::runtime::settings::Mode;

impl<B: Broker> Lane<B> {
    /// One look at whether everything is at its end.
    pub(super) fn finish(&mut self, now_ms: u64) -> Result<StepOutcome, LaneError> {
        let is_idle = self.is_idle();
        let mut next = self.context.end_barrier.report(self.index, is_idle, self.writer.commits());
        if let EndStep::Verify { commits } = next {
            match self.sees_the_end() {
                Ok(true) => self.succeeded(Activity::Finish),
                Ok(false) => return Ok(StepOutcome::Continue),
                Err(error) => {
                    return self.failed(Activity::Finish, error.into(), now_ms).map(|()| StepOutcome::Continue);
                }
            }
            next = self.context.end_barrier.verified(self.index, commits);
        }
        if next == EndStep::Agreed && self.ask_last_move() && is_idle && !self.takes_ends(now_ms) {
            next = self.context.end_barrier.done(self.index);
        }
        Ok(if next == EndStep::Leave { StepOutcome::Done } else { StepOutcome::Continue })
    }

    /// Whether the ends that the client has reported are those of now.
    fn sees_the_end(&self) -> Result<bool, BrokerError> {
        for task in self.partitions.active() {
            let calling = self.calling(None, Call::Ends);
            let ends = self.broker.ends(task.id)?;
            drop(calling);
            if !task.has_read_to(&ends) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Asks every partition for the last move of a run until the end; true once all have made it.
    fn ask_last_move(&mut self) -> bool {
        let Mode::UntilEnd { until: Some(until), .. } = self.job.settings.mode else { return true };
        let stream_time = until.plus_millis(self.job.engine.settings().lateness.millis());
        let mut all_asked = true;
        for task in self.partitions.active_mut() {
            if !std::mem::replace(&mut task.is_finishing, true) {
                all_asked = false;
                task.request_time(stream_time);
            }
        }
        all_asked
    }

    fn is_idle(&self) -> bool {
        let limit = self.progress.limit();
        self.membership.is_assigned()
            && !self.writer.is_in_doubt()
            && !self.partitions.has_uncommitted()
            && self.partitions.all_active(|task| task.is_at_end() && task.is_unlimited(limit))
    }
}
