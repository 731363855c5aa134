//! What was read of the inputs of a partition and what is committed of it, where their ends are, and what can be seen
//! of that from outside.

use crate::domain::Input;
use crate::pipeline::staged::BatchSize;
use crate::pipeline::task::{PartitionTask, TimeRequest};
use crate::record::{Message, Offset};

/// How an input of a partition is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputView {
    /// The next offset to be read, as committed.
    pub committed: Offset,
    /// Behind the last record that came.
    pub read_to: Offset,
    /// Its end as it was last told, if it was.
    pub end: Option<Offset>,
    /// Whether W doesn't wait for it.
    pub is_silent: bool,
    /// Whether all of it is handled that there is.
    pub is_at_end: bool,
    /// Whether it is not being read, since enough of it is buffered.
    pub is_paused: bool,
    /// Records of it that are buffered.
    pub buffered: usize,
}

impl<M: Message> PartitionTask<M> {
    /// An input is at its end, which is at that offset: all that can be read before it has come.
    pub fn receive_end(&mut self, input: Input, offset: Offset) {
        self.merge.end(input);
        if let (Some(end), Some(read)) = (self.ends.get_mut(input.index()), self.read.get_mut(input.index())) {
            (*end, *read) = (Some(offset), offset.max(*read));
        }
    }

    /// Inputs of which something must be read, or their ends, before it can be told what is next.
    pub fn starved(&self) -> impl Iterator<Item = Input> {
        self.merge.starved()
    }

    /// Whether the group's offsets must be sent, though nothing else changes.
    pub(super) fn owes_offsets(&self) -> bool {
        self.offsets_behind.is_some() || self.has_expired_offset
    }

    /// Stages that inputs were read to their ends, where nothing was to be handled there, but aborted records were.
    /// Else retention could take them, and they would look like a loss. Says whether there is anything to commit.
    pub fn stage_ends(&mut self) -> bool {
        let behind = |input: Input| {
            let end = self.ends.get(input.index()).copied().flatten();
            self.merge.is_input_at_end(input) && end > self.committed.get(input.index()).copied()
        };
        self.staged.commits_ends = (0u8..).map(Input).take(self.committed.len()).any(behind);
        self.staged.commits_ends
    }

    /// Whether what is staged is a step forward. Time that follows the clock is none, nor is a transaction.
    pub fn makes_progress(&self) -> bool {
        self.staged.consumed > 0 || self.staged.event_moved_time || self.engine.comes_forward()
    }

    /// What the batch holds.
    pub fn batch_size(&self) -> BatchSize {
        BatchSize { records: self.consumed(), bytes: self.staged_bytes(), effects: self.engine.fired_uncommitted() }
    }

    /// Whether every input is at its end and all of it has been handled.
    pub fn is_at_end(&self) -> bool {
        self.merge.is_at_end() && !matches!(self.time, TimeRequest::Pending(_))
    }

    /// Whether all was read and handled up to these ends.
    pub fn has_read_to(&self, ends: &[(Input, Offset)]) -> bool {
        let told = |input: Input| self.ends.get(input.index()).copied().flatten();
        self.merge.is_at_end() && ends.iter().all(|&(input, end)| told(input).is_some_and(|told| told >= end))
    }

    /// By input, where to read on from what is committed.
    pub fn positions(&self) -> Vec<(Input, Offset)> {
        (0u8..).map(Input).zip(self.committed.iter().copied()).collect()
    }

    /// By input, the committed offsets: the next to be read.
    pub fn committed(&self) -> &[Offset] {
        &self.committed
    }

    /// How an input is read; none where there is no such input.
    pub fn input(&self, input: Input) -> Option<InputView> {
        let index = input.index();
        Some(InputView {
            committed: *self.committed.get(index)?,
            read_to: *self.read.get(index)?,
            end: *self.ends.get(index)?,
            is_silent: self.engine.silent().get(index).copied().unwrap_or(false),
            is_at_end: self.merge.is_input_at_end(input),
            is_paused: self.merge.is_paused(input),
            buffered: self.merge.buffered(input),
        })
    }

    /// The input that keeps others waiting, if there is one.
    pub fn waited_for(&self) -> Option<Input> {
        let is_any_buffered = (0u8..).map(Input).take(self.committed.len()).any(|input| self.merge.buffered(input) > 0);
        self.merge.waited_for().filter(|_| is_any_buffered)
    }
}
