//! The watchdog: names partitions that stall, with the cause, in the log, on the board and so in metrics and `/readyz`;
//! and ends transactions that somebody has left open in a partition of ours.
//!
//! It reads the board and asks the broker, never a lane: one that is blocked in a call is named all the same. Asking
//! may block, so it is a background task (`inquiry`).
//!
//! May break it: fencing a living owner. So a transaction is ended only if it is open twice at the same offset, in a
//! partition that has been ours and has not advanced for `stall_after`; each partition rarely.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::broker::{Broker, PartitionOffsets};
use crate::chain::Chain;
use crate::domain::PartitionId;
use crate::runtime::board::calls::OpenCall;
use crate::runtime::board::stall::{Cause, Stall};
use crate::runtime::board::status::{PartitionStatus, Phase};
use crate::runtime::context::LaneContext;
use crate::runtime::error::LaneError;
use crate::runtime::job::Job;
use crate::runtime::settings::millis;
use crate::runtime::tasks::{BackgroundTask, Execution};
use crate::runtime::watch::inquiry::{Answer, Inquiry, Question};
use crate::runtime::watch::stall::{PartitionSnapshot, is_at_end, is_waiting, left_open, undelivered};

/// Partitions that one inquiry asks about, at most.
const ASKED_AT_ONCE: usize = 16;
/// Between two cures of a partition, in multiples of `stall_after`.
const CURE_REST: u64 = 4;

/// Call [`Self::look`] now and then.
pub struct Watchdog<B: Broker> {
    broker: B,
    job: Arc<Job>,
    context: LaneContext,
    execution: Execution,
    watched: BTreeMap<PartitionId, Watched>,
    inquiry: Option<BackgroundTask<Inquiry<B>>>,
    /// What was named last, and how.
    named: BTreeMap<(usize, Option<PartitionId>), Cause>,
}

/// What is remembered of an assigned partition.
#[derive(Debug, Default)]
struct Watched {
    assigned_ms: u64,
    idle_ms: u64,
    clear_ms: u64,
    asked_ms: u64,
    fenced_ms: Option<u64>,
    /// The latest first.
    offsets: [Option<PartitionOffsets>; 2],
}

/// The board at one moment, without what is of no use here.
struct BoardSnapshot {
    /// Those assigned to lanes to which the group has answered.
    partitions: BTreeMap<PartitionId, PartitionStatus>,
    troubles: BTreeMap<usize, String>,
    calls: Vec<OpenCall>,
    lanes: Vec<usize>,
}

impl<B: Broker> Watchdog<B> {
    /// Watches the lanes of a process.
    pub fn new(broker: B, job: Arc<Job>, context: LaneContext) -> Self {
        let execution = if context.clock.is_simulated() { Execution::Inline } else { Execution::Thread };
        Self { broker, job, context, execution, watched: BTreeMap::new(), inquiry: None, named: BTreeMap::new() }
    }

    /// Looks now and then until it is over, or a call has not returned for so long that only the end of the process can
    /// help.
    pub(in crate::runtime) fn watch(mut self, is_over: &AtomicBool) -> Option<LaneError> {
        let pause =
            (self.job.settings.stall_after.duration() / 4).clamp(Duration::from_millis(5), Duration::from_secs(1));
        while !is_over.load(Ordering::Relaxed) {
            self.look();
            if let Some(error) = self.hung_for_good() {
                return Some(error);
            }
            std::thread::park_timeout(pause);
        }
        None
    }

    fn hung_for_good(&self) -> Option<LaneError> {
        let now_ms = self.context.clock.monotonic_ms();
        let oldest =
            self.context.board.read(|status| status.calls.values().min_by_key(|open| open.since_ms).copied())?;
        let waited = Duration::from_millis(now_ms.saturating_sub(oldest.since_ms));
        let OpenCall { lane, call, .. } = oldest;
        let advice = Cause::HungCall.advice();
        (waited > self.job.settings.patience.duration()).then_some(LaneError::CallTimedOut {
            lane,
            call,
            waited,
            advice,
        })
    }

    /// Takes in what the broker has answered, names what stalls, and asks about what may.
    pub fn look(&mut self) {
        let now_ms = self.context.clock.monotonic_ms();
        self.take_answers(now_ms);
        let seen = self.context.board.read(BoardSnapshot::of);
        self.remember(&seen, now_ms);
        let stalls = self.stalls(&seen, now_ms);
        self.name(stalls);
        self.ask(&seen, now_ms);
        self.take_answers(now_ms);
    }

    fn after_ms(&self) -> u64 {
        millis(self.job.settings.stall_after)
    }

    /// Forgets what is no longer assigned, or was assigned again.
    fn remember(&mut self, seen: &BoardSnapshot, now_ms: u64) {
        self.watched.retain(|id, watched| {
            seen.partitions.get(id).is_some_and(|status| status.assigned_ms == watched.assigned_ms)
        });
        for (&id, status) in &seen.partitions {
            let watched = self.watched.entry(id).or_insert_with(|| Watched {
                assigned_ms: status.assigned_ms,
                idle_ms: now_ms,
                clear_ms: now_ms,
                asked_ms: now_ms,
                ..Watched::default()
            });
            if !is_waiting(status) {
                watched.idle_ms = now_ms;
            }
        }
    }

    fn stalls(&self, seen: &BoardSnapshot, now_ms: u64) -> Vec<Stall> {
        let after_ms = self.after_ms();
        let hung = |open: &&OpenCall| now_ms.saturating_sub(open.since_ms) >= after_ms;
        let of_lanes = seen.calls.iter().filter(|open| open.partition.is_none()).filter(hung).map(|open| Stall {
            lane: open.lane,
            partition: None,
            cause: Cause::HungCall,
            detail: open.call.as_str().to_owned(),
            lasted_ms: now_ms.saturating_sub(open.since_ms),
        });
        let mut stalls: Vec<_> = of_lanes.collect();
        let hung_lanes: BTreeSet<_> = stalls.iter().map(|stall| stall.lane).collect();
        for (&id, status) in &seen.partitions {
            let Some(watched) = self.watched.get(&id).filter(|_| !hung_lanes.contains(&status.lane)) else { continue };
            let known = self.known(seen, id, status, watched);
            if let Some(lasted_ms) = known.stalled_ms(now_ms).filter(|&stalled_ms| stalled_ms >= after_ms) {
                let (cause, detail) = known.cause(now_ms, after_ms);
                stalls.push(Stall { lane: status.lane, partition: Some(id), cause, detail, lasted_ms });
            }
        }
        stalls
    }

    fn known<'a>(
        &'a self,
        seen: &'a BoardSnapshot,
        id: PartitionId,
        status: &'a PartitionStatus,
        watched: &'a Watched,
    ) -> PartitionSnapshot<'a> {
        let calls = seen.calls.iter().filter(|open| open.partition == Some(id));
        let [now, before] = &watched.offsets;
        PartitionSnapshot {
            status,
            call: calls.min_by_key(|open| open.since_ms),
            trouble: seen.troubles.get(&status.lane).map(String::as_str),
            offsets: [now.as_ref(), before.as_ref()],
            idle_ms: watched.idle_ms,
            clear_ms: watched.clear_ms,
            topics: &self.job.topics.inputs,
        }
    }

    /// To the log what is new and what is over; to the board what is.
    fn name(&mut self, stalls: Vec<Stall>) {
        let mut named = BTreeMap::new();
        for stall in &stalls {
            let Stall { lane, partition, cause, detail, lasted_ms } = stall;
            if self.named.remove(&(*lane, *partition)) != Some(*cause) {
                let (partition, cause) = (partition.map(|it| it.0), cause.as_str());
                let advice = stall.cause.advice();
                tracing::warn!(lane, ?partition, cause, detail, lasted_ms, advice, "partition stalled");
            }
            named.insert((*lane, *partition), *cause);
        }
        for ((lane, partition), cause) in std::mem::replace(&mut self.named, named) {
            if !self.named.contains_key(&(lane, partition)) {
                tracing::info!(lane, partition = ?partition.map(|it| it.0), cause = cause.as_str(), "partition \
                                                                                                     recovered");
            }
        }
        self.context.board.write(|status| status.stalls = stalls);
    }

    /// Asks the broker about what has not advanced for a while: half of the bound where something is to be done, so
    /// that it has said the same twice by then.
    fn ask(&mut self, seen: &BoardSnapshot, now_ms: u64) {
        if self.inquiry.is_some() {
            return;
        }
        let after_ms = self.after_ms();
        let mut questions = Vec::new();
        for (&id, status) in &seen.partitions {
            let Some(watched) = self.watched.get(&id) else { continue };
            let advanced_ms = self.known(seen, id, status, watched).advanced_ms();
            let is_suspect = !is_at_end(status) || is_waiting(status) || watched.is_doubtful(status);
            let pause_ms = if is_suspect { after_ms / 2 } else { after_ms };
            if now_ms.saturating_sub(advanced_ms.max(watched.asked_ms)) < pause_ms {
                continue;
            }
            let is_rested = watched.fenced_ms.is_none_or(|fenced_ms| now_ms - fenced_ms >= CURE_REST * after_ms);
            let may_fence = is_rested && now_ms.saturating_sub(advanced_ms) >= after_ms;
            let before = watched.offsets[0].clone();
            questions.push(Question { partition: id, assigned_ms: status.assigned_ms, before, may_fence });
        }
        questions.truncate(ASKED_AT_ONCE);
        if questions.is_empty() {
            return;
        }
        let own = seen.lanes.iter().map(|lane| format!("{}-{lane}", self.job.settings.name).into()).collect();
        self.inquiry = Some(BackgroundTask::new(Inquiry {
            broker: self.broker.clone(),
            context: self.context.clone(),
            own,
            questions,
            answers: Vec::new(),
        }));
    }

    /// Takes in what an inquiry has brought, if it is back.
    fn take_answers(&mut self, now_ms: u64) {
        while let Some(inquiry) = &mut self.inquiry {
            let answers = match inquiry.advance(self.execution, || "watchdog-inquiry".to_owned()) {
                Ok(None) if self.execution == Execution::Inline => continue,
                Ok(None) => return,
                Ok(Some(answers)) => answers,
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "the watchdog can't ask");
                    Vec::new()
                }
            };
            self.inquiry = None;
            for answer in answers {
                let Some(watched) = self.watched.get_mut(&answer.partition) else { continue };
                let status = self.context.board.read(|status| status.partitions.get(&answer.partition).cloned());
                watched.take_in(answer, status.as_ref(), now_ms);
            }
        }
    }
}

impl Watched {
    fn take_in(&mut self, answer: Answer, status: Option<&PartitionStatus>, now_ms: u64) {
        self.asked_ms = now_ms;
        if answer.has_fenced {
            self.fenced_ms = Some(now_ms);
        }
        // Without an answer nothing is known any more.
        let before = answer.offsets.is_some().then(|| self.offsets[0].take()).flatten();
        self.offsets = [answer.offsets, before];
        if status.is_some_and(|status| !self.is_doubtful(status)) {
            self.clear_ms = now_ms;
        }
    }

    /// Whether the broker, when last asked, had more than was read, or something open.
    fn is_doubtful(&self, status: &PartitionStatus) -> bool {
        let Some(offsets) = &self.offsets[0] else { return false };
        left_open([Some(offsets), Some(offsets)]).is_some() || undelivered(status, offsets).is_some()
    }
}

impl BoardSnapshot {
    fn of(status: &crate::runtime::board::status::Status) -> Self {
        let is_assigned = |lane: usize| status.lanes.get(&lane).is_some_and(|lane| lane.is_assigned);
        let ours = status.partitions.iter().filter(|(_, it)| it.phase != Phase::Away && is_assigned(it.lane));
        let troubles = status.lanes.iter().filter_map(|(&lane, status)| Some((lane, status.trouble.clone()?)));
        Self {
            partitions: ours.map(|(&id, status)| (id, status.clone())).collect(),
            troubles: troubles.collect(),
            calls: status.calls.values().copied().collect(),
            lanes: status.lanes.keys().copied().collect(),
        }
    }
}
