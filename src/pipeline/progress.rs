//! How far a partition has read, handled and forwarded each of its inputs.
//!
//! A misplaced record, one whose user belongs to another partition, is forwarded ahead of what waits in the merge
//! before it, so that nobody waits for this partition longer than it takes to read. And `rekey` is handled by time, not
//! by offset. So beside the next offset of an input (all before it is done with) two things must be remembered: the
//! offset before which its misplaced records are forwarded, and which offsets of `rekey` were handled early. Both are
//! committed with the rest, so nothing is forwarded or handled twice.
//!
//! Must not know: the broker, other partitions.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use crate::domain::{Event, Input, PartitionId, Timestamp};
use crate::ingest::Shape;
use crate::pipeline::commit_metadata::{ForwardProgress, ForwardWatermark};
use crate::pipeline::limit::Limit;
use crate::pipeline::tally::Tally;
use crate::record::{Message, Offset};
use crate::state::PartitionRecord;

/// A record of another partition's user that is still to be forwarded there.
#[derive(Debug)]
pub(super) struct MisplacedRecord<M> {
    pub message: M,
    pub offset: Offset,
    pub event: Event,
    /// Its user's partition.
    pub to: PartitionId,
    pub shape: Shape,
    /// What it counts for in the buffer of its input.
    pub bytes: usize,
}

#[derive(Debug)]
pub(super) struct InputProgress<M> {
    /// By input.
    inputs: Vec<InputState<M>>,
    /// MisplacedRecord records of all inputs that are still to be forwarded.
    misplaced: usize,
    rekey: Input,
    /// Of `rekey`: what waits in the merge.
    waiting: BTreeSet<Offset>,
    staged: Forwarding,
    committed: Forwarding,
    /// Times of what was forwarded beyond the least forward watermark and committed.
    in_flight: BinaryHeap<Reverse<Timestamp>>,
    /// Times of what was forwarded and is not committed yet.
    uncommitted: Vec<Timestamp>,
}

#[derive(Debug)]
struct InputState<M> {
    /// Behind the last record that came.
    read_to: Offset,
    /// The time of the last event that came.
    last: Option<Timestamp>,
    /// Records that came since the last commit.
    read: u64,
    /// Those of them that are misplaced.
    misrouted: u64,
    /// In the order of their offsets.
    misplaced: VecDeque<MisplacedRecord<M>>,
}

/// What was forwarded, and what was handled early.
#[derive(Debug, Clone, Default)]
struct Forwarding {
    /// By input: misplaced records before that offset are forwarded.
    forwarded_to: Vec<Offset>,
    /// How many were, since the partition was made.
    forwarded: u64,
    /// The newest event of those.
    newest: Option<Timestamp>,
    /// Of `rekey`, from the next offset on: offsets that were handled.
    handled: BTreeSet<Offset>,
}

impl<M: Message> InputProgress<M> {
    /// As of `record`, if there is one; its inputs are in order. `in_flight`: what a partition may have forwarded
    /// ahead.
    pub fn new(committed: &[Offset], record: Option<&PartitionRecord>, in_flight: usize) -> Self {
        let rekey = Input(committed.len().saturating_sub(1) as u8);
        let mut start = Forwarding { forwarded_to: vec![0; committed.len()], ..Forwarding::default() };
        if let Some(record) = record {
            for (forwarded_to, input) in start.forwarded_to.iter_mut().zip(&record.inputs) {
                *forwarded_to = input.forwarded_to;
            }
            (start.forwarded, start.newest) = (record.forwarded, record.newest_forwarded);
            start.handled =
                record.inputs.get(rekey.index()).map(|it| it.handled.iter().copied().collect()).unwrap_or_default();
        }
        let input =
            |&read_to: &Offset| InputState { read_to, last: None, read: 0, misrouted: 0, misplaced: VecDeque::new() };
        // How much of what was forwarded before is still in flight is not known: as much as may be.
        let in_flight = start.newest.into_iter().flat_map(|newest| std::iter::repeat_n(Reverse(newest), in_flight));
        Self {
            inputs: committed.iter().map(input).collect(),
            rekey,
            misplaced: 0,
            waiting: BTreeSet::new(),
            in_flight: in_flight.collect(),
            uncommitted: Vec::new(),
            committed: start.clone(),
            staged: start,
        }
    }

    /// The input that carries records of other partitions.
    pub fn rekey(&self) -> Input {
        self.rekey
    }

    /// A record came. False: it was handled or forwarded before.
    pub fn receive(&mut self, input: Input, offset: Offset, is_misplaced: bool, time: Option<Timestamp>) -> bool {
        let Some(state) = self.inputs.get_mut(input.index()) else { return false };
        state.read_to = state.read_to.max(offset + 1);
        state.last = time.or(state.last);
        state.read += 1;
        state.misrouted += u64::from(is_misplaced);
        if input == self.rekey {
            return !self.staged.handled.contains(&offset) && self.waiting.insert(offset);
        }
        !is_misplaced || offset >= self.staged.forwarded_to[input.index()]
    }

    /// Keeps a misplaced record until it is forwarded.
    pub fn keep(&mut self, input: Input, record: MisplacedRecord<M>) {
        if let Some(state) = self.inputs.get_mut(input.index()) {
            state.misplaced.push_back(record);
            self.misplaced += 1;
        }
    }

    /// The input whose record is to be forwarded next: the earliest, unless enough is in flight. `own`: the partition's
    /// own forward watermark.
    pub fn next_misplaced(&self, limit: Limit, in_flight: usize, own: ForwardWatermark) -> Option<Input> {
        if self.misplaced == 0 {
            return None;
        }
        let (time, input) = self.earliest_misplaced()?;
        // One ahead of the partition's own watermark would take the room of those that move it.
        let is_first = own >= ForwardWatermark::Through(time.minus_millis(1));
        let is_room = is_first && self.in_flight.len() + self.uncommitted.len() < in_flight;
        let may_go = match limit {
            Limit::Open { .. } => true,
            // Whose watermark is the least has it a moment before its next record.
            Limit::Through(least) => is_room || time.minus_millis(1) <= least,
            Limit::Closed { .. } => is_room,
        };
        may_go.then_some(input)
    }

    /// Whether all misplaced records of an input before an offset are forwarded: else the record there must wait, or it
    /// would be read, and handled, again with them.
    pub fn is_clear(&self, input: Input, offset: Offset) -> bool {
        self.misplaced == 0 || self.next_misplaced_offset(input).is_none_or(|record| offset < record)
    }

    /// The offset of the next misplaced record of an input.
    pub fn next_misplaced_offset(&self, input: Input) -> Option<Offset> {
        self.inputs.get(input.index())?.misplaced.front().map(|record| record.offset)
    }

    /// Whether something that was forwarded is uncommitted.
    pub fn has_uncommitted_forwards(&self) -> bool {
        !self.uncommitted.is_empty()
    }

    /// Whether misplaced records are still to be forwarded.
    pub fn has_misplaced(&self) -> bool {
        self.misplaced > 0
    }

    fn earliest_misplaced(&self) -> Option<(Timestamp, Input)> {
        let inputs = (0u8..).map(Input).zip(&self.inputs);
        inputs.filter_map(|(input, state)| Some((state.misplaced.front()?.event.time, input))).min()
    }

    /// Takes the next misplaced record of an input. The caller forwards it.
    pub fn forward(&mut self, input: Input) -> Option<MisplacedRecord<M>> {
        let record = self.inputs.get_mut(input.index())?.misplaced.pop_front()?;
        self.misplaced -= 1;
        let time = record.event.time;
        self.staged.forwarded_to[input.index()] = record.offset + 1;
        self.staged.forwarded += 1;
        self.staged.newest = self.staged.newest.max(Some(time));
        self.uncommitted.push(time);
        Some(record)
    }

    /// A record of `rekey` was handled.
    pub fn handled(&mut self, offset: Offset) {
        self.waiting.remove(&offset);
        self.staged.handled.insert(offset);
    }

    /// Nothing up to `least` is in flight any more.
    pub fn settle(&mut self, least: Timestamp) {
        while self.in_flight.peek().is_some_and(|Reverse(time)| *time <= least) {
            self.in_flight.pop();
        }
    }

    /// Behind the last record of an input that came.
    pub fn read_to(&self, input: Input) -> Offset {
        self.inputs.get(input.index()).map_or(0, |state| state.read_to)
    }

    /// The next offset of an input, of which `head` waits first in the merge: all before it is done with.
    pub fn position(&self, input: Input, head: Option<Offset>) -> Offset {
        let Some(state) = self.inputs.get(input.index()) else { return 0 };
        let waiting = if input == self.rekey { self.waiting.first().copied() } else { head };
        let record = state.misplaced.front().map(|record| record.offset);
        waiting.into_iter().chain(record).min().unwrap_or(state.read_to)
    }

    /// How far all is forwarded. `is_read`: whether an input is at its end; `is_full`: whether no more of it is read
    /// for now.
    pub fn forward_progress(
        &self,
        is_read: impl Fn(Input) -> bool,
        is_full: impl Fn(Input) -> bool,
    ) -> ForwardProgress {
        let own = (0u8..).map(Input).zip(&self.inputs).filter(|(input, _)| *input != self.rekey);
        let of_input = |(input, state): (Input, &InputState<M>)| match (state.misplaced.front(), state.last) {
            // More may come of the same time.
            (Some(record), _) => ForwardWatermark::Through(record.event.time.minus_millis(1)),
            (None, _) if is_read(input) => ForwardWatermark::End,
            (None, Some(last)) if is_full(input) => ForwardWatermark::Through(last),
            (None, Some(last)) => ForwardWatermark::Through(last.minus_millis(1)),
            (None, None) => ForwardWatermark::Unknown,
        };
        ForwardProgress {
            watermark: own.map(of_input).min().unwrap_or(ForwardWatermark::End),
            forwarded: self.staged.forwarded,
        }
    }

    /// Writes what is staged into the record, whose positions are already set.
    pub fn fill_record(&mut self, record: &mut PartitionRecord) {
        (record.forwarded, record.newest_forwarded) = (self.staged.forwarded, self.staged.newest);
        for (input, &forwarded_to) in record.inputs.iter_mut().zip(&self.staged.forwarded_to) {
            input.forwarded_to = forwarded_to;
        }
        if let Some(rekey) = record.inputs.get_mut(self.rekey.index()) {
            self.staged.handled = self.staged.handled.split_off(&rekey.next_offset);
            rekey.handled = self.staged.handled.iter().copied().collect();
        }
    }

    /// Adds what came since to the tally.
    pub fn install(&mut self, tally: &mut [Tally]) {
        for (state, tally) in self.inputs.iter_mut().zip(tally) {
            tally.read += std::mem::take(&mut state.read);
            tally.misrouted += std::mem::take(&mut state.misrouted);
        }
        self.committed.clone_from(&self.staged);
        self.in_flight.extend(self.uncommitted.drain(..).map(Reverse));
    }

    /// Forgets what is staged, and what was read: it is read again from `committed`.
    pub fn discard(&mut self, committed: &[Offset]) {
        self.staged.clone_from(&self.committed);
        self.uncommitted.clear();
        self.waiting.clear();
        self.misplaced = 0;
        for (state, &read_to) in self.inputs.iter_mut().zip(committed) {
            (state.read_to, state.last) = (read_to, None);
            state.misplaced.clear();
        }
    }
}
