//! A lane: one thread's worth of partitions, one group member, one transactional producer with a stable id.
//!
//! One owner, one loop: [`Lane::step`] selects one action and applies it; after each step all invariants hold. So a test
//! can interleave lanes step by step, on a simulated clock. The order that exactly once depends on:
//! - the generation is captured when the first record of a batch is handled, never later;
//! - a batch is handled, written, sent with its offsets, committed, and only then installed (`commit.rs`);
//! - a revocation commits what is in hand before the next poll; a loss drops it (`assignment.rs`);
//! - after a failure the partitions of the batch are rewound to what is committed, before anything else is handled.
//!
//! Must not know: rdkafka, metrics, how an event is folded.

mod assignment;
pub(crate) mod batch_limit;
mod commit;
pub(super) mod end;
pub(super) mod failures;
pub(crate) mod idle;
pub(super) mod panics;
pub(crate) mod progress;
mod progress_query;
mod recover;
pub(super) mod restoring;
mod unserved;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Broker, Polled, Source};
use crate::domain::{Input, PartitionId, Timestamp};
use crate::merge::FlowControl;
use crate::pipeline::task::{HandleOutcome, PartitionTask};
use crate::runtime::board::published::Published;
use crate::runtime::board::{calling::Calling, calls::Call};
use crate::runtime::context::LaneContext;
use crate::runtime::error::LaneError;
use crate::runtime::job::Job;
use crate::runtime::lane::batch_limit::BatchLimit;
use crate::runtime::lane::failures::{Activity, Failures};
use crate::runtime::lane::idle::Upkeep;
use crate::runtime::lane::progress::{GroupProgress, LOOK_HELD_MS};
use crate::runtime::lane::progress_query::ProgressQuery;
use crate::runtime::lane::restoring::Restoring;
use crate::runtime::lane::unserved::TopicHealth;
use crate::runtime::recovery::recover::{Recovery, Unsettled};
use crate::runtime::round_robin::after;
use crate::runtime::settings::{Mode, millis};
use crate::runtime::task_context::TaskContext;
use crate::runtime::tasks::{BackgroundTask, Execution};

/// Between two times that a lane tells how its partitions stand, besides at each commit.
const SHOW_EVERY_MS: u64 = 500;

/// Whether a lane has more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    Continue,
    Done,
}

/// What a lane does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Takes the transactional id, and settles what an earlier producer of it left.
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

/// Whose turn it is: between any two polls each gets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum LoopTurn {
    Poll,
    Restore,
    Handle,
    Finish,
}

/// One of this lane's partitions.
pub(in crate::runtime) enum PartitionSlot<B: Broker> {
    Restoring(Box<Restoring<B>>),
    Active(Box<PartitionTask<B::Message>>),
    /// Left alone: this member may not serve it.
    Unserved,
}

/// Drive it with [`Self::step`]. Dropped, it is a crash: what was not committed is read again by the next owner.
pub struct Lane<B: Broker> {
    pub(in crate::runtime) broker: B,
    pub(in crate::runtime) job: Arc<Job>,
    pub(in crate::runtime) context: LaneContext,
    pub(in crate::runtime) index: usize,
    pub(in crate::runtime) transactional_id: Arc<str>,
    pub(in crate::runtime) source: B::Source,
    pub(in crate::runtime) producer: Option<B::Producer>,
    pub(in crate::runtime) partitions: BTreeMap<PartitionId, PartitionSlot<B>>,
    /// The tables of those that are active, for others to read.
    pub(in crate::runtime) published: BTreeMap<PartitionId, Published>,
    /// Of revoked partitions, until the next assignment shows which come back.
    pub(in crate::runtime) parked: BTreeMap<PartitionId, Box<Restoring<B>>>,
    /// Whether the group has answered since partitions were revoked.
    pub(in crate::runtime) is_assigned: bool,
    /// Proof of membership of the batch in hand, and when it was begun.
    pub(in crate::runtime) batch: Option<Batch<B::Generation>>,
    /// Revoked by this poll: not to be rewound.
    pub(in crate::runtime) leaving: BTreeSet<PartitionId>,
    /// A transaction whose outcome is not known.
    pub(in crate::runtime) unsettled: Option<Unsettled>,
    /// What transactions that are known as committed have written about since the id was taken.
    pub(in crate::runtime) committed_to: BTreeSet<PartitionId>,
    /// Under way while there is no producer.
    pub(in crate::runtime) recovery: Option<BackgroundTask<Recovery<B>>>,
    /// How far all partitions have got, as last looked; and the look under way.
    pub(in crate::runtime) progress: GroupProgress,
    pub(in crate::runtime) progress_query: Option<BackgroundTask<ProgressQuery<B>>>,
    pub(in crate::runtime) execution: Execution,
    pub(in crate::runtime) upkeep: Upkeep<B>,
    pub(in crate::runtime) next_number: u64,
    pub(in crate::runtime) commits: u64,
    pub(in crate::runtime) next: LoopTurn,
    polled: Vec<Polled<B::Message>>,
    /// The partition that was handled, and the one that was restored, last.
    last_handled: PartitionId,
    pub(in crate::runtime) last_restored: PartitionId,
    pub(in crate::runtime) failures: Failures,
    /// After a failure nothing but polls until then.
    pub(in crate::runtime) not_before_ms: u64,
    pub(in crate::runtime) topic_health: TopicHealth,
    /// After a commit that failed nothing is handled until then.
    pub(in crate::runtime) no_batch_before_ms: u64,
    pub(in crate::runtime) batch_limit: BatchLimit,
    /// When it was last told on the board how partitions stand.
    shown_ms: u64,
    /// Time that was not spent in waiting for inputs, and does not count against them.
    busy_ms: u64,
}

/// What stands at the beginning of a batch.
pub(in crate::runtime) struct Batch<G> {
    pub generation: G,
    pub began_ms: u64,
}

impl<B: Broker> Lane<B> {
    /// Joins the group. `index` tells the lanes of a process apart.
    pub fn new(broker: B, job: Arc<Job>, context: LaneContext, index: usize) -> Result<Self, LaneError> {
        let name = format!("{}-{index}", job.settings.name);
        let source = broker.source(&name)?;
        context.board.lane(index, |lane| lane.is_assigned = false);
        let execution = if context.clock.is_simulated() { Execution::Inline } else { Execution::Thread };
        Ok(Self {
            broker,
            job,
            context,
            index,
            transactional_id: name.into(),
            source,
            producer: None,
            partitions: BTreeMap::new(),
            published: BTreeMap::new(),
            parked: BTreeMap::new(),
            is_assigned: false,
            batch: None,
            leaving: BTreeSet::new(),
            unsettled: None,
            committed_to: BTreeSet::new(),
            recovery: None,
            progress: GroupProgress::default(),
            progress_query: None,
            execution,
            upkeep: Upkeep::default(),
            next_number: 1,
            commits: 0,
            next: LoopTurn::Poll,
            polled: Vec::new(),
            last_handled: PartitionId(-1),
            last_restored: PartitionId(-1),
            failures: Failures::default(),
            not_before_ms: 0,
            topic_health: TopicHealth::default(),
            no_batch_before_ms: 0,
            batch_limit: BatchLimit::default(),
            shown_ms: 0,
            busy_ms: 0,
        })
    }

    /// Does one thing. After `Done`, or an error, the lane must be closed or dropped.
    pub fn step(&mut self) -> Result<StepOutcome, LaneError> {
        let now_ms = self.context.clock.monotonic_ms();
        self.look_at_topics(now_ms)?;
        let action = self.select(now_ms);
        let outcome = self.apply(action, now_ms);
        debug_assert!(
            outcome.is_err() || self.publishes_what_is_active(),
            "what others may read is not what is served"
        );
        outcome
    }

    fn publishes_what_is_active(&self) -> bool {
        let is_active = |slot: &PartitionSlot<B>| matches!(slot, PartitionSlot::Active(_));
        self.partitions.iter().filter(|(_, slot)| is_active(slot)).map(|(id, _)| id).eq(self.published.keys())
    }

    /// Leaves the group.
    pub fn close(self) {
        self.source.close();
    }

    fn select(&mut self, now_ms: u64) -> Action {
        if self.context.stop.is_stopped() {
            let commits = !self.must_recover() && (self.has_uncommitted() || self.takes_ends(now_ms));
            return if commits { Action::Commit } else { Action::Leave };
        }
        if now_ms < self.not_before_ms {
            let rest = Duration::from_millis(self.not_before_ms - now_ms);
            return Action::Poll(rest.min(self.job.settings.poll_timeout.duration()));
        }
        if self.must_recover() {
            // Between two polls, so that the group is answered.
            let is_turn = std::mem::replace(&mut self.next, LoopTurn::Restore) != LoopTurn::Poll;
            self.next = if is_turn { LoopTurn::Poll } else { LoopTurn::Restore };
            return if is_turn { Action::Recover } else { Action::Poll(self.job.settings.restore_timeout.duration()) };
        }
        if self.is_commit_due(now_ms) {
            return Action::Commit;
        }
        if self.next == LoopTurn::Restore {
            self.next = LoopTurn::Handle;
            if self.partitions.values().any(|held| matches!(held, PartitionSlot::Restoring(_))) {
                return Action::Restore;
            }
        }
        if self.next == LoopTurn::Handle {
            self.next = LoopTurn::Finish;
            if now_ms >= self.no_batch_before_ms {
                return Action::Handle;
            }
        }
        if self.next == LoopTurn::Finish {
            self.next = LoopTurn::Poll;
            if matches!(self.job.settings.mode, Mode::UntilEnd { .. }) {
                return Action::Finish;
            }
        }
        self.next = LoopTurn::Restore;
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
        // What took time above was no waiting for inputs.
        self.busy_ms += self.context.clock.monotonic_ms() - now_ms;
        Ok(StepOutcome::Continue)
    }

    fn poll(&mut self, timeout: Duration) -> Result<(), LaneError> {
        let mut polled = std::mem::take(&mut self.polled);
        let calling = self.calling(None, Call::Poll);
        let outcome = self.source.poll(self.context.clock.wait(timeout), &mut polled);
        drop(calling);
        let now = self.job.timekeeper.now(&self.context.clock);
        let now_ms = self.context.clock.monotonic_ms();
        self.look_at_the_board(now_ms);
        for item in polled.drain(..) {
            match item {
                Polled::Record { input, partition, message } => {
                    self.receive(input, partition, message, now, now_ms)?;
                }
                Polled::End { input, partition, offset } => {
                    if let Some(serving) = self.serving(partition) {
                        serving.receive_end(input, offset);
                    }
                }
                Polled::OutOfRange { input, partition } => self.reconsider(partition, Some(input), now_ms),
                Polled::Assigned(partitions) => self.assigned(&partitions, now_ms),
                Polled::Revoked { partitions, lost } => self.revoked(&partitions, lost, now_ms)?,
            }
        }
        self.polled = polled;
        self.judge_doubts(now_ms);
        match outcome {
            Ok(()) => {
                self.succeeded(Activity::Poll);
                Ok(())
            }
            Err(error) => self.poll_failed(error, now_ms),
        }
    }

    fn receive(
        &mut self,
        input: Input,
        partition: PartitionId,
        message: B::Message,
        now: Timestamp,
        now_ms: u64,
    ) -> Result<(), LaneError> {
        let job = self.job.clone();
        // Of a partition that doesn't flow: void, it is read again.
        let Some(serving) = self.serving(partition) else { return Ok(()) };
        let flow = serving.receive(input, message, &job, now, now_ms);
        let is_stirred = serving.take_stir();
        if flow == FlowControl::Pause {
            self.source.pause(input, partition)?;
        }
        if is_stirred {
            self.progress.stir();
        }
        Ok(())
    }

    /// Handles what is ready, partition by partition, until the turn's room is used up or a batch is due.
    fn handle(&mut self, now_ms: u64) -> Result<(), LaneError> {
        self.update_progress(now_ms)?;
        let limit = self.progress.limit();
        let order = after(self.partitions.keys().copied(), self.last_handled);
        let mut room = self.job.settings.turn_records.min(self.room());
        let slice = self.batch_limit.effects(self.job.engine.settings().max_effects);
        let flow_ms = now_ms.saturating_sub(self.busy_ms);
        let mut resumed = Vec::new();
        for partition in order {
            self.tick(partition, now_ms);
            let job = self.job.clone();
            let Some(serving) = self.serving(partition) else { continue };
            if room == 0 || !serving.has_work(flow_ms, limit) {
                continue;
            }
            if self.batch.is_none() {
                let generation = match self.source.generation() {
                    Ok(generation) => generation,
                    Err(error) => return self.failed(Activity::Poll, error.into(), now_ms),
                };
                self.batch = Some(Batch { generation, began_ms: now_ms });
            }
            let Some(serving) = self.serving(partition) else { continue };
            serving.engine.limit_slices(slice);
            let before = serving.consumed();
            let turn = serving.handle(&job, room, (flow_ms, limit), &mut resumed);
            let turn = turn.map_err(|source| LaneError::State { partition, source })?;
            room -= serving.consumed() - before;
            let must_commit = serving.must_commit();
            if let HandleOutcome::Panicked(broken) = turn {
                return self.broken(partition, broken, now_ms);
            }
            if turn != (HandleOutcome::Waiting { until_ms: None }) {
                self.last_handled = partition;
            }
            if must_commit {
                break;
            }
        }
        for (input, partition) in resumed {
            self.source.resume(input, partition)?;
        }
        if !self.has_uncommitted() {
            self.batch = None;
        }
        Ok(())
    }

    /// Notes a call of this lane for as long as it is held.
    pub(in crate::runtime) fn calling(&self, partition: Option<PartitionId>, call: Call) -> Calling {
        Calling::note(&self.context.board, &self.context.clock, self.index, partition, call)
    }

    /// Now and then tells how partitions stand, for those in which nothing is committed; and hears whether the id must be
    /// taken anew.
    fn look_at_the_board(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.shown_ms) < SHOW_EVERY_MS {
            return;
        }
        self.shown_ms = now_ms;
        for serving in self.partitions.values().filter_map(PartitionSlot::as_active) {
            let held_by = self.progress.waits_for().filter(|_| serving.is_held());
            self.context.board.partition(serving.id, |status| {
                serving.show(status);
                status.held_by = held_by;
            });
        }
        self.run_upkeep(now_ms);
        // With something in hand there is a batch, whose commit comes first.
        if !self.has_uncommitted() && !self.must_recover() && self.context.reinit_requests.take(&self.transactional_id)
        {
            tracing::warn!(lane = self.index, "reinitialises its transactional id");
            self.producer = None;
        }
    }

    /// What a background task of this lane works with.
    pub(in crate::runtime) fn task_context(&self) -> TaskContext<B> {
        TaskContext {
            broker: self.broker.clone(),
            job: self.job.clone(),
            clock: self.context.clock.clone(),
            board: self.context.board.clone(),
            lane: self.index,
            own_id: self.transactional_id.clone(),
        }
    }

    pub(in crate::runtime) fn serving(&mut self, partition: PartitionId) -> Option<&mut PartitionTask<B::Message>> {
        self.partitions.get_mut(&partition).and_then(PartitionSlot::as_active_mut)
    }

    pub(in crate::runtime) fn has_uncommitted(&self) -> bool {
        self.partitions.values().filter_map(PartitionSlot::as_active).any(PartitionTask::has_uncommitted)
    }

    /// Records that the batch may still take.
    fn room(&self) -> usize {
        let consumed: usize =
            self.partitions.values().filter_map(PartitionSlot::as_active).map(PartitionTask::consumed).sum();
        self.batch_limit.records(self.job.settings.batch_records).saturating_sub(consumed)
    }

    fn is_commit_due(&self, now_ms: u64) -> bool {
        let Some(batch) = &self.batch else { return false };
        let settings = &self.job.settings;
        let serving = || self.partitions.values().filter_map(PartitionSlot::as_active);
        now_ms.saturating_sub(batch.began_ms) >= millis(settings.commit_interval)
            || self.room() == 0
            || serving().any(PartitionTask::must_commit)
            || serving().any(PartitionTask::is_awaited)
            || serving().map(PartitionTask::staged_bytes).sum::<usize>()
                >= self.batch_limit.bytes(settings.batch_bytes.bytes())
    }

    /// How long a poll may wait: not at all if there is something to do, and never past the end of a batch.
    fn poll_timeout(&mut self, now_ms: u64) -> Duration {
        let settings = &self.job.settings;
        let mut timeout = settings.poll_timeout.duration();
        if let Some(batch) = &self.batch {
            let left = millis(settings.commit_interval).saturating_sub(now_ms.saturating_sub(batch.began_ms));
            timeout = timeout.min(Duration::from_millis(left));
        }
        let (flow_ms, limit) = (now_ms.saturating_sub(self.busy_ms), self.progress.limit());
        let rest_ms = self.no_batch_before_ms.saturating_sub(now_ms);
        if rest_ms > 0 {
            timeout = timeout.min(Duration::from_millis(rest_ms));
        }
        for held in self.partitions.values_mut() {
            match held {
                // It is asked for again after the poll.
                PartitionSlot::Restoring(_) => timeout = timeout.min(settings.restore_timeout.duration()),
                PartitionSlot::Active(serving) => {
                    if rest_ms == 0 && serving.has_work(flow_ms, limit) {
                        return Duration::ZERO;
                    }
                    if serving.is_held() {
                        timeout = timeout.min(Duration::from_millis(LOOK_HELD_MS));
                    }
                }
                PartitionSlot::Unserved => {}
            }
        }
        timeout
    }
}

impl<B: Broker> PartitionSlot<B> {
    pub(in crate::runtime) fn as_active(&self) -> Option<&PartitionTask<B::Message>> {
        match self {
            Self::Active(serving) => Some(serving),
            Self::Restoring(_) | Self::Unserved => None,
        }
    }

    pub(in crate::runtime) fn as_active_mut(&mut self) -> Option<&mut PartitionTask<B::Message>> {
        match self {
            Self::Active(serving) => Some(serving),
            Self::Restoring(_) | Self::Unserved => None,
        }
    }
}
