//! A partition that a lane serves: its task, and what the lane remembers of it beside.
//!
//! Must not know: the broker.

use std::ops::{Deref, DerefMut};

use crate::domain::Input;
use crate::pipeline::{BatchCounts, PartitionTask};
use crate::record::{Message, Offset};
use crate::runtime::board::idle_wait::IdleWait;
use crate::runtime::board::status::{InputStatus, PartitionStatus, Phase};

/// A task that is being served. It dereferences to the task, as that is what a lane mostly deals with.
#[derive(Debug)]
pub(in crate::runtime) struct ActivePartition<M> {
    pub task: PartitionTask<M>,
    /// By input, what was committed when the topics' ids were last compared before it was served.
    pub confirmed: Vec<Offset>,
    /// Whether the last move of a run until the end was requested.
    pub is_finishing: bool,
    /// When a record last came, on the monotonic clock.
    pub last_record_ms: u64,
    /// When its stream time was last moved for want of input, on the monotonic clock.
    pub last_tick_ms: u64,
    /// Why stream time did not follow the clock then.
    pub idle_wait: Option<IdleWait>,
}

impl<M> Deref for ActivePartition<M> {
    type Target = PartitionTask<M>;

    fn deref(&self) -> &PartitionTask<M> {
        &self.task
    }
}

impl<M> DerefMut for ActivePartition<M> {
    fn deref_mut(&mut self) -> &mut PartitionTask<M> {
        &mut self.task
    }
}

impl<M: Message> ActivePartition<M> {
    /// `now_ms`: the monotonic clock.
    pub fn new(task: PartitionTask<M>, now_ms: u64) -> Self {
        Self {
            task,
            confirmed: Vec::new(),
            is_finishing: false,
            last_record_ms: now_ms,
            last_tick_ms: now_ms,
            idle_wait: None,
        }
    }

    /// Tells the board how the partition is, as committed and as read.
    pub fn show(&self, status: &mut PartitionStatus) {
        let Self { task, idle_wait, .. } = self;
        let engine = &task.engine;
        status.phase = Phase::Serving;
        status.stream_time = engine.stream_time();
        status.watermark = engine.watermark();
        status.idle_wait = *idle_wait;
        status.population.clone_from(engine.population());
        status.users = engine.user_count() as u64;
        status.timers = engine.timer_count() as u64;
        status.identities.clone_from(&task.identities);
        status.waits_for = task.waited_for().map(Input::index);
        status.inputs.resize_with(task.committed().len(), InputStatus::default);
        for (index, input) in status.inputs.iter_mut().enumerate() {
            let Some(view) = task.input(Input(index as u8)) else { continue };
            (input.next_offset, input.read_to, input.end_offset) = (view.committed, view.read_to, view.end);
            (input.is_silent, input.is_at_end, input.is_paused) = (view.is_silent, view.is_at_end, view.is_paused);
            input.waiting = view.buffered;
        }
    }
}

/// Adds the counts of a batch that was installed.
pub(in crate::runtime) fn count(counts: BatchCounts, status: &mut PartitionStatus) {
    status.inputs.resize_with(counts.tally.len(), InputStatus::default);
    status.inputs.iter_mut().zip(counts.tally).for_each(|(input, tally)| input.tally += tally);
    for kind in counts.outputs {
        *status.outputs.entry(kind).or_default() += 1;
    }
    status.timers_fired += counts.timers_fired;
}
