//! How lanes agree that everything is at its end, though each may still forward records to another's partitions.
//!
//! 1. A lane is *idle* when its partitions are served, at their ends, and nothing is uncommitted.
//! 2. Once all are idle, each asks the broker for the ends as they are now. If they are those that the client has
//!    reported, it is *verified* at the number of transactions that all lanes have committed so far.
//! 3. All verified at the same number: nobody has written since anybody looked, so nobody will. That is the end.
//!
//! Lanes of one process agree. Of several processes each ends by itself, but not before the forwarding of all
//! partitions is at its end (`lane/progress.rs`) and what was forwarded to its own has been read: so nothing comes late
//! for `until`.
//!
//! Must not know: lanes, the broker.

use std::sync::{Mutex, PoisonError};

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
pub(super) enum EndStep {
    GoOn,
    /// All are idle: look at the ends, and say [`EndBarrier::verified`] with this number if they are as reported.
    Verify {
        commits: u64,
    },
    /// Everything is at its end. Do what is left to do, then say [`EndBarrier::done`].
    Agreed,
    /// All lanes are done.
    Leave,
}

impl EndBarrier {
    /// Of that many lanes.
    pub fn new(lanes: usize) -> Self {
        Self(Mutex::new(State { lanes: vec![LaneState::default(); lanes], is_agreed: false }))
    }

    /// Reports whether a lane is idle and how many transactions it has committed; returns what it must do.
    pub(super) fn report(&self, lane: usize, is_idle: bool, commits: u64) -> EndStep {
        self.with(|state| {
            if let Some(lane) = state.lanes.get_mut(lane) {
                lane.is_idle = is_idle;
                lane.commits = commits;
            }
            state.call(lane)
        })
    }

    /// The lane has seen that its partitions are at the ends of now, and before that read `commits`.
    pub(super) fn verified(&self, lane: usize, commits: u64) -> EndStep {
        self.with(|state| {
            if let Some(lane) = state.lanes.get_mut(lane) {
                lane.verified_at = Some(commits);
            }
            state.call(lane)
        })
    }

    /// The lane has nothing left to do.
    pub(super) fn done(&self, lane: usize) -> EndStep {
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
