//! Where the inputs of a served partition stand: what was read and what is committed, where their ends are, what the board is
//! told of it.

use crate::domain::Input;
use crate::pipeline::task::{PartitionTask, TimeRequest};
use crate::record::{Message, Offset};
use crate::runtime::board::status::{InputStatus, PartitionStatus, Phase};
use crate::runtime::lane::batch_limit::BatchSize;

impl<M: Message> PartitionTask<M> {
    pub(crate) fn receive_end(&mut self, input: Input, offset: Offset) {
        self.merge.end(input);
        if let (Some(end), Some(read)) = (self.ends.get_mut(input.index()), self.read.get_mut(input.index())) {
            (*end, *read) = (Some(offset), offset.max(*read));
        }
    }

    /// Whether the group's offsets must be sent, though nothing else changes.
    pub(crate) fn owes_offsets(&self) -> bool {
        self.overtaken.is_some() || self.has_expired
    }

    /// Stages that inputs were read to their ends, where what lay there was nothing to be handled: aborted records.
    /// Else retention could take them, and they would look like a loss. Says whether there is anything to commit.
    pub(crate) fn take_ends(&mut self) -> bool {
        let behind = |input: Input| {
            let end = self.ends.get(input.index()).copied().flatten();
            self.merge.is_input_at_end(input) && end > self.committed.get(input.index()).copied()
        };
        self.staged.commits_ends = (0u8..).map(Input).take(self.committed.len()).any(behind);
        self.staged.commits_ends
    }

    /// Whether what is staged is a step forward. Time that follows the clock is none, nor is a transaction.
    pub(crate) fn is_step(&self) -> bool {
        self.staged.consumed > 0 || self.staged.event_moved_time || self.engine.comes_forward()
    }

    /// What of it a transaction that was not taken in time was too much of.
    pub(crate) fn batch_size(&self) -> BatchSize {
        BatchSize { records: self.consumed(), bytes: self.staged_bytes(), effects: self.engine.fired_uncommitted() }
    }

    /// Whether every input is at its end and all of it has been handled.
    pub(crate) fn is_at_end(&self) -> bool {
        self.merge.is_at_end() && !matches!(self.time, TimeRequest::Asked(_))
    }

    /// Whether the ends that were told are the ends that the broker has now.
    pub(crate) fn agrees_with(&self, ends: &[(Input, Offset)]) -> bool {
        let told = |input: Input| self.ends.get(input.index()).copied().flatten();
        self.merge.is_at_end() && ends.iter().all(|&(input, end)| told(input).is_some_and(|told| told >= end))
    }

    /// By input, where to read on from what is committed.
    pub(crate) fn positions(&self) -> Vec<(Input, Offset)> {
        (0u8..).map(Input).zip(self.committed.iter().copied()).collect()
    }

    /// By input, the committed offsets.
    pub(crate) fn committed(&self) -> &[Offset] {
        &self.committed
    }

    /// Where an input was read to, and whether it is not being read.
    pub(crate) fn reading(&self, input: Input) -> (Option<Offset>, bool) {
        (self.read.get(input.index()).copied(), self.merge.is_paused(input))
    }

    pub(crate) fn show(&self, status: &mut PartitionStatus) {
        status.phase = Phase::Serving;
        status.stream_time = self.engine.stream_time();
        status.watermark = self.engine.watermark();
        status.idle_wait = self.idle_wait;
        status.population.clone_from(self.engine.population());
        status.users = self.engine.user_count() as u64;
        status.timers = self.engine.timer_count() as u64;
        status.identities.clone_from(&self.identities);
        status.inputs.resize_with(self.committed.len(), InputStatus::default);
        let is_waiting = self.merge.waiting().any(|count| count > 0);
        status.waits_for = self.merge.waited_for().filter(|_| is_waiting).map(Input::index);
        let waiting = self.merge.waiting();
        for (index, (input, waiting)) in status.inputs.iter_mut().zip(waiting).enumerate() {
            (input.next_offset, input.read_to) = (self.committed[index], self.read[index]);
            input.end_offset = self.ends[index];
            input.is_silent = self.engine.silent().get(index).copied().unwrap_or(false);
            input.waiting = waiting;
            let of = Input(index as u8);
            (input.is_at_end, input.is_paused) = (self.merge.is_input_at_end(of), self.merge.is_paused(of));
        }
    }
}
