//! How lanes agree that everything is at its end, though each may still forward records to another's partitions.
//!
//! 1. A lane is *idle* when its partitions are served, at their ends, and nothing is in hand.
//! 2. Once all are idle, each asks the broker for the ends as they are now. If they are those it was told, it is
//!    *verified* at the number of transactions that all lanes have committed so far.
//! 3. All verified at the same number: nobody has written since anybody looked, so nobody will. That is the end.
//!
//! Lanes of one process agree. Of several processes each ends by itself, but not before the fronts of all partitions are at
//! their ends (see `fronts`) and what was forwarded to its own has been read: so nothing comes late for `until`.

use std::sync::{Mutex, PoisonError};

use crate::broker::{Broker, BrokerError};
use crate::runtime::LaneError;
use crate::runtime::board::calls::Call;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::{Lane, PartitionSlot, StepOutcome};
use crate::runtime::settings::Mode;

/// The agreement of the lanes of a process.
#[derive(Debug)]
pub struct EndBarrier(Mutex<State>);

#[derive(Debug)]
struct State {
    lanes: Vec<LaneState>,
    is_agreed: bool,
}

#[derive(Debug, Clone, Default)]
struct LaneState {
    is_idle: bool,
    commits: u64,
    verified_at: Option<u64>,
    is_done: bool,
}

/// What a lane must do about the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum EndStep {
    GoOn,
    /// All are idle: look at the ends, and say [`EndBarrier::verified`] with this number if they are as told.
    Verify {
        commits: u64,
    },
    /// Everything is at its end. Do what is left to do, then say [`EndBarrier::done`].
    Agreed,
    /// All lanes are done.
    Leave,
}

impl EndBarrier {
    pub fn new(lanes: usize) -> Self {
        Self(Mutex::new(State { lanes: vec![LaneState::default(); lanes], is_agreed: false }))
    }

    /// Tells how a lane stands, and how many transactions it has committed; says what follows.
    pub(in crate::runtime) fn report(&self, lane: usize, is_idle: bool, commits: u64) -> EndStep {
        self.with(|state| {
            if let Some(lane) = state.lanes.get_mut(lane) {
                lane.is_idle = is_idle;
                lane.commits = commits;
            }
            state.call(lane)
        })
    }

    /// The lane has seen that its partitions are at the ends of now, and before that read `commits`.
    pub(in crate::runtime) fn verified(&self, lane: usize, commits: u64) -> EndStep {
        self.with(|state| {
            if let Some(lane) = state.lanes.get_mut(lane) {
                lane.verified_at = Some(commits);
            }
            state.call(lane)
        })
    }

    /// The lane has nothing left to do.
    pub(in crate::runtime) fn done(&self, lane: usize) -> EndStep {
        self.with(|state| {
            if let Some(lane) = state.lanes.get_mut(lane) {
                lane.is_done = true;
            }
            state.call(lane)
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn call(&mut self, lane: usize) -> EndStep {
        if self.lanes.iter().all(|lane| lane.is_done) {
            return EndStep::Leave;
        }
        let commits = self.lanes.iter().map(|lane| lane.commits).sum();
        let all_idle = self.lanes.iter().all(|lane| lane.is_idle);
        self.is_agreed |= all_idle && self.lanes.iter().all(|lane| lane.verified_at == Some(commits));
        let is_verified = self.lanes.get(lane).is_some_and(|lane| lane.verified_at == Some(commits));
        match (self.is_agreed, all_idle && !is_verified) {
            (true, _) => EndStep::Agreed,
            (false, true) => EndStep::Verify { commits },
            (false, false) => EndStep::GoOn,
        }
    }
}

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
        let stream_time = until.plus_millis(self.job.engine.settings().lateness_ms);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_agree_once_all_have_looked_after_the_last_commit() {
        let finish = EndBarrier::new(2);
        assert_eq!(finish.report(0, true, 3), EndStep::GoOn, "the other has said nothing");
        assert_eq!(finish.report(1, true, 4), EndStep::Verify { commits: 7 });
        assert_eq!(finish.verified(1, 7), EndStep::GoOn, "the first has not looked");
        assert_eq!(finish.report(0, true, 3), EndStep::Verify { commits: 7 });
        // It finds a record that the second forwarded, and commits.
        assert_eq!(finish.report(0, false, 3), EndStep::GoOn);
        assert_eq!(finish.report(0, true, 4), EndStep::Verify { commits: 8 });
        assert_eq!(finish.verified(0, 8), EndStep::GoOn, "what the second saw is stale");
        assert_eq!(finish.report(1, true, 4), EndStep::Verify { commits: 8 });
        assert_eq!(finish.verified(1, 8), EndStep::Agreed);
        // The last moves are transactions, too; they don't undo the agreement.
        assert_eq!(finish.report(0, false, 9), EndStep::Agreed);
        assert_eq!(finish.done(0), EndStep::Agreed);
        assert_eq!(finish.done(1), EndStep::Leave);
        assert_eq!(finish.report(0, true, 9), EndStep::Leave);
    }
}
