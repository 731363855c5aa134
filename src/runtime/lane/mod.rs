//! A lane: one thread's worth of partitions, one group member, one transactional producer with a stable id.
//!
//! One owner, one loop: [`Lane::step`] selects one action and applies it, and after each step the lane's invariants
//! hold (`invariants`). Its parts keep their own, behind private fields: [`Membership`], [`Writer`], [`Partitions`],
//! [`Schedule`] and the rest. The order that exactly once depends on:
//! - the generation is captured before the first record of a batch is handled, never later (`membership`);
//! - a batch is handled, written, sent with its offsets, committed, and only then installed (`commit`);
//! - a revocation commits what is uncommitted before the next poll; a loss drops it (`assignment`);
//! - after a failure the partitions of the batch are rewound to what is committed, before anything else is handled.
//!
//! Must not know: rdkafka, metrics, how an event is folded.

mod assignment;
pub(crate) mod batch_limit;
mod commit;
mod end;
mod failures;
mod handle;
mod idle;
#[cfg(debug_assertions)]
mod invariants;
mod low_watermark;
mod membership;
mod panics;
mod partitions;
mod poll;
pub(crate) mod progress;
mod progress_query;
mod recover;
mod restore;
mod restoring;
mod retry;
mod schedule;
mod topic_health;
mod transaction_sink;
mod unserved;
mod upkeep;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Broker, Polled};
use crate::domain::PartitionId;
use crate::runtime::board::{calling::Calling, calls::Call};
use crate::runtime::context::LaneContext;
use crate::runtime::error::LaneError;
use crate::runtime::job::Job;
use crate::runtime::lane::batch_limit::BatchLimit;
use crate::runtime::lane::failures::Failures;
use crate::runtime::lane::membership::Membership;
use crate::runtime::lane::partitions::Partitions;
use crate::runtime::lane::progress::GroupProgress;
use crate::runtime::lane::progress_query::ProgressQuery;
use crate::runtime::lane::schedule::{LoopTurn, Schedule};
use crate::runtime::lane::topic_health::TopicHealth;
use crate::runtime::lane::upkeep::Upkeep;
use crate::runtime::lane::writer::Writer;
use crate::runtime::settings::Mode;
use crate::runtime::task_context::TaskContext;
use crate::runtime::tasks::{BackgroundTask, Execution};

/// Whether a lane has more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// Step again.
    Continue,
    /// It was asked to leave, or everything is at its end: close it.
    Done,
}

/// What a lane does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Initialises the transactional id, and settles what an earlier producer of it left.
    Recover,
    Poll(Duration),
    Restore,
    /// Handles what is ready.
    Handle,
    Commit,
    /// Looks whether everything is at its end.
    Finish,
    Leave,
}

/// Drive it with [`Self::step`]. Dropped, it is a crash: what was not committed is read again by the next owner.
pub struct Lane<B: Broker> {
    broker: B,
    job: Arc<Job>,
    context: LaneContext,
    /// Tells the lanes of a process apart.
    index: usize,
    execution: Execution,
    membership: Membership<B>,
    writer: Writer<B>,
    partitions: Partitions<B>,
    /// How far all partitions of the application have forwarded, as last seen; and the query under way.
    progress: GroupProgress,
    progress_query: Option<BackgroundTask<ProgressQuery<B>>>,
    upkeep: Upkeep<B>,
    topics: TopicHealth,
    failures: Failures,
    batch_limit: BatchLimit,
    schedule: Schedule,
    /// Kept for its room.
    polled: Vec<Polled<B::Message>>,
}

impl<B: Broker> Lane<B> {
    /// Joins the group. `index` tells the lanes of a process apart.
    ///
    /// # Errors
    ///
    /// The consumer can't be made or can't subscribe.
    pub fn new(broker: B, job: Arc<Job>, context: LaneContext, index: usize) -> Result<Self, LaneError> {
        let name = format!("{}-{index}", job.settings.name);
        let membership = Membership::join(&broker, &name)?;
        context.board.lane(index, |lane| lane.is_assigned = false);
        let execution = if context.clock.is_simulated() { Execution::Inline } else { Execution::Thread };
        Ok(Self {
            broker,
            job,
            context,
            index,
            execution,
            membership,
            writer: Writer::new(name.into()),
            partitions: Partitions::default(),
            progress: GroupProgress::default(),
            progress_query: None,
            upkeep: Upkeep::default(),
            topics: TopicHealth::default(),
            failures: Failures::default(),
            batch_limit: BatchLimit::default(),
            schedule: Schedule::default(),
            polled: Vec::new(),
        })
    }

    /// Does one thing. After `Done`, or an error, the lane must be closed or dropped.
    ///
    /// # Errors
    ///
    /// What ends a lane: what can't be tried again, what was tried for longer than the patience of the settings, and a
    /// partition that is refused where the run may not go on without it.
    pub fn step(&mut self) -> Result<StepOutcome, LaneError> {
        let now_ms = self.context.clock.monotonic_ms();
        self.look_at_topics(now_ms)?;
        let action = self.select(now_ms);
        let outcome = self.apply(action, now_ms)?;
        #[cfg(debug_assertions)]
        self.assert_invariants();
        Ok(outcome)
    }

    /// Leaves the group.
    pub fn close(self) {
        self.membership.leave();
    }

    fn select(&mut self, now_ms: u64) -> Action {
        if self.context.stop.is_stopped() {
            let commits = !self.writer.must_recover() && (self.partitions.has_uncommitted() || self.takes_ends(now_ms));
            return if commits { Action::Commit } else { Action::Leave };
        }
        let rest_ms = self.schedule.rest_ms(now_ms);
        if rest_ms > 0 {
            return Action::Poll(Duration::from_millis(rest_ms).min(self.job.settings.poll_timeout.duration()));
        }
        if self.writer.must_recover() {
            let is_turn = self.schedule.is_recoverys_turn();
            return if is_turn { Action::Recover } else { Action::Poll(self.job.settings.restore_timeout.duration()) };
        }
        if self.is_commit_due(now_ms) {
            return Action::Commit;
        }
        if self.schedule.turn() == LoopTurn::Restore {
            self.schedule.pass_to(LoopTurn::Handle);
            if self.partitions.is_any_restoring() {
                return Action::Restore;
            }
        }
        if self.schedule.turn() == LoopTurn::Handle {
            self.schedule.pass_to(LoopTurn::Finish);
            if self.schedule.batch_rest_ms(now_ms) == 0 {
                return Action::Handle;
            }
        }
        if self.schedule.turn() == LoopTurn::Finish {
            self.schedule.pass_to(LoopTurn::Poll);
            if matches!(self.job.settings.mode, Mode::UntilEnd { .. }) {
                return Action::Finish;
            }
        }
        self.schedule.pass_to(LoopTurn::Restore);
        Action::Poll(self.poll_timeout(now_ms))
    }

    fn apply(&mut self, action: Action, now_ms: u64) -> Result<StepOutcome, LaneError> {
        match action {
            Action::Recover => self.recover(now_ms)?,
            Action::Poll(timeout) => return self.poll(timeout).map(|()| StepOutcome::Continue),
            Action::Restore => self.restore_some(now_ms)?,
            Action::Handle => return self.handle(now_ms).map(|()| StepOutcome::Continue),
            Action::Commit => self.commit(now_ms)?,
            Action::Finish => return self.finish(now_ms),
            Action::Leave => {
                self.context.board.lane(self.index, |lane| lane.is_assigned = false);
                return Ok(StepOutcome::Done);
            }
        }
        self.schedule.was_busy(self.context.clock.monotonic_ms() - now_ms);
        Ok(StepOutcome::Continue)
    }

    /// Notes a call of this lane for as long as it is held.
    fn calling(&self, partition: Option<PartitionId>, call: Call) -> Calling {
        Calling::note(&self.context.board, &self.context.clock, self.index, partition, call)
    }

    /// What a background task of this lane works with.
    fn task_context(&self) -> TaskContext<B> {
        TaskContext {
            broker: self.broker.clone(),
            job: self.job.clone(),
            clock: self.context.clock.clone(),
            board: self.context.board.clone(),
            lane: self.index,
            own_id: self.writer.id().clone(),
        }
    }
}
