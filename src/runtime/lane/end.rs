//! The lane's side of the end of a run: whether its partitions are at their ends, and what the end barrier tells it to do.
//!
//! Must not know: how lanes agree (`end_barrier`).

use crate::broker::{Broker, BrokerError};
use crate::runtime::board::calls::Call;
use crate::runtime::end_barrier::EndStep;
use crate::runtime::error::LaneError;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::{Lane, PartitionSlot, StepOutcome};
use crate::runtime::settings::Mode;

impl<B: Broker> Lane<B> {
    /// One look at whether everything is at its end.
    pub(in crate::runtime) fn finish(&mut self, now_ms: u64) -> Result<StepOutcome, LaneError> {
        let is_idle = self.is_idle();
        let mut call = self.context.end_barrier.report(self.index, is_idle, self.commits);
        if let EndStep::Verify { commits } = call {
            match self.sees_the_end() {
                Ok(true) => self.succeeded(Activity::Finish),
                Ok(false) => return Ok(StepOutcome::Continue),
                Err(error) => {
                    return self.failed(Activity::Finish, error.into(), now_ms).map(|()| StepOutcome::Continue);
                }
            }
            call = self.context.end_barrier.verified(self.index, commits);
        }
        if call == EndStep::Agreed && self.ask_last_move() && is_idle && !self.takes_ends(now_ms) {
            call = self.context.end_barrier.done(self.index);
        }
        Ok(if call == EndStep::Leave { StepOutcome::Done } else { StepOutcome::Continue })
    }

    /// Whether the ends that were told are those of now.
    fn sees_the_end(&self) -> Result<bool, BrokerError> {
        for serving in self.partitions.values().filter_map(PartitionSlot::as_active) {
            let calling = self.calling(None, Call::Ends);
            let ends = self.broker.ends(serving.id)?;
            drop(calling);
            if !serving.agrees_with(&ends) {
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
        for serving in self.partitions.values_mut().filter_map(PartitionSlot::as_active_mut) {
            if !std::mem::replace(&mut serving.is_finishing, true) {
                all_asked = false;
                serving.ask_time(stream_time);
            }
        }
        all_asked
    }

    fn is_idle(&self) -> bool {
        let limit = self.progress.limit();
        let at_end = |held: &PartitionSlot<B>| {
            held.as_active().is_some_and(|serving| serving.is_at_end() && serving.is_free(limit))
        };
        self.is_assigned && self.unsettled.is_none() && !self.has_uncommitted() && self.partitions.values().all(at_end)
    }
}
