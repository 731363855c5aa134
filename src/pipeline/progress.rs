//! How far a partition has read, handled and forwarded each of its inputs.
//!
//! What is another partition's is forwarded ahead of what waits in the merge before it, so that nobody waits for this
//! partition longer than it takes to read. And what comes out of `rekey` is handled by time, not by offset. So beside the next
//! offset of an input (all before it is done with) two things must be remembered: until where its misplaced were forwarded, and
//! which offsets of `rekey` were handled early. Both are committed with the rest: nothing is forwarded or handled twice.
//!
//! Must not know: the broker, other partitions.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use crate::broker::{ForwardProgress, ForwardWatermark};
use crate::domain::{Event, Input, PartitionId, Timestamp};
use crate::ingest::Shape;
use crate::pipeline::tally::Tally;
use crate::record::{Message, Offset};
use crate::runtime::lane::progress::Limit;
use crate::state::PartitionRecord;

/// Records forwarded beyond the least front, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InFlight {
    /// By all partitions together.
    pub of_all: usize,
    pub of_one: usize,
}

/// A record of another partition that is still to be forwarded there.
#[derive(Debug)]
pub(crate) struct Misplaced<M> {
    pub message: M,
    pub offset: Offset,
    pub event: Event,
    pub to: PartitionId,
    pub shape: Shape,
    /// What it counts for in the buffer of its input.
    pub bytes: usize,
}

#[derive(Debug)]
pub(crate) struct InputProgress<M> {
    /// By input.
    lines: Vec<InputState<M>>,
    /// Of all lines.
    misplaced: usize,
    rekey: Input,
    /// Of `rekey`: what waits in the merge.
    waiting: BTreeSet<Offset>,
    staged: Forwarding,
    committed: Forwarding,
    /// Times of what was forwarded beyond the least front: committed, and staged.
    in_flight: BinaryHeap<Reverse<Timestamp>>,
    sent: Vec<Timestamp>,
}

#[derive(Debug)]
struct InputState<M> {
    /// Behind the last record that came.
    read_to: Offset,
    /// When the last event was that came.
    last: Option<Timestamp>,
    /// Records that came since the last commit, and those that belong elsewhere.
    came: (u64, u64),
    /// In the order of their offsets.
    misplaced: VecDeque<Misplaced<M>>,
}

#[derive(Debug, Clone, Default)]
struct Forwarding {
    /// By input: misplaced before it are forwarded.
    forwarded_to: Vec<Offset>,
    forwarded: u64,
    newest: Option<Timestamp>,
    /// Of `rekey`, from the next offset on.
    handled: BTreeSet<Offset>,
}

impl<M: Message> InputProgress<M> {
    /// As of `record`, if there is one; its inputs are in order. `in_flight`: what a partition may have forwarded ahead.
    pub fn new(committed: &[Offset], record: Option<&PartitionRecord>, in_flight: usize) -> Self {
        let rekey = Input(committed.len().saturating_sub(1) as u8);
        let mut marks = Forwarding { forwarded_to: vec![0; committed.len()], ..Forwarding::default() };
        if let Some(record) = record {
            for (forwarded_to, input) in marks.forwarded_to.iter_mut().zip(&record.inputs) {
                *forwarded_to = input.forwarded_to;
            }
            (marks.forwarded, marks.newest) = (record.forwarded, record.newest_forwarded);
            marks.handled =
                record.inputs.get(rekey.index()).map(|it| it.handled.iter().copied().collect()).unwrap_or_default();
        }
        let line = |&read_to: &Offset| InputState { read_to, last: None, came: (0, 0), misplaced: VecDeque::new() };
        // What is still beyond the least front of what was forwarded before is not known: as much as may be.
        let in_flight = marks.newest.into_iter().flat_map(|newest| std::iter::repeat_n(Reverse(newest), in_flight));
        Self {
            lines: committed.iter().map(line).collect(),
            rekey,
            misplaced: 0,
            waiting: BTreeSet::new(),
            in_flight: in_flight.collect(),
            sent: Vec::new(),
            committed: marks.clone(),
            staged: marks,
        }
    }

    pub fn rekey(&self) -> Input {
        self.rekey
    }

    /// A record came. False: it was dealt with before.
    pub fn receive(&mut self, input: Input, offset: Offset, is_misplaced: bool, time: Option<Timestamp>) -> bool {
        let Some(line) = self.lines.get_mut(input.index()) else { return false };
        line.read_to = line.read_to.max(offset + 1);
        line.last = time.or(line.last);
        line.came.0 += 1;
        line.came.1 += u64::from(is_misplaced);
        if input == self.rekey {
            return !self.staged.handled.contains(&offset) && self.waiting.insert(offset);
        }
        !is_misplaced || offset >= self.staged.forwarded_to[input.index()]
    }

    /// Keeps a misplaced record until it is forwarded.
    pub fn keep(&mut self, input: Input, record: Misplaced<M>) {
        if let Some(line) = self.lines.get_mut(input.index()) {
            line.misplaced.push_back(record);
            self.misplaced += 1;
        }
    }

    /// The input whose record is to be forwarded next: the earliest, unless enough lies ahead of the least front.
    pub fn next_misplaced(&self, limit: Limit, in_flight: usize, front: ForwardWatermark) -> Option<Input> {
        if self.misplaced == 0 {
            return None;
        }
        let (time, input) = self.earliest_misplaced()?;
        // One that lies ahead of the partition's own front would take the room of those that move it.
        let is_first = front >= ForwardWatermark::Through(time.minus_millis(1));
        let is_room = is_first && self.in_flight.len() + self.sent.len() < in_flight;
        let may_go = match limit {
            Limit::Open { .. } => true,
            // Whose front is the least has it a moment before its next record.
            Limit::Through(least) => is_room || time.minus_millis(1) <= least,
            Limit::Closed { .. } => is_room,
        };
        may_go.then_some(input)
    }

    /// Whether all misplaced of an input before an offset are forwarded: else what stands there must wait, or it would be read,
    /// and handled, again with them.
    pub fn is_clear(&self, input: Input, offset: Offset) -> bool {
        self.misplaced == 0 || self.next_misplaced_offset(input).is_none_or(|record| offset < record)
    }

    /// Where the next record of an input stands.
    pub fn next_misplaced_offset(&self, input: Input) -> Option<Offset> {
        self.lines.get(input.index())?.misplaced.front().map(|record| record.offset)
    }

    /// Whether something that was forwarded is uncommitted.
    pub fn has_sent(&self) -> bool {
        !self.sent.is_empty()
    }

    pub fn has_misplaced(&self) -> bool {
        self.misplaced > 0
    }

    fn earliest_misplaced(&self) -> Option<(Timestamp, Input)> {
        let lines = (0u8..).map(Input).zip(&self.lines);
        lines.filter_map(|(input, line)| Some((line.misplaced.front()?.event.time, input))).min()
    }

    /// Takes the next record of an input, which is as good as forwarded.
    pub fn forward(&mut self, input: Input) -> Option<Misplaced<M>> {
        let record = self.lines.get_mut(input.index())?.misplaced.pop_front()?;
        self.misplaced -= 1;
        let time = record.event.time;
        self.staged.forwarded_to[input.index()] = record.offset + 1;
        self.staged.forwarded += 1;
        self.staged.newest = self.staged.newest.max(Some(time));
        self.sent.push(time);
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
        self.lines.get(input.index()).map_or(0, |line| line.read_to)
    }

    /// The next offset of an input, of which `head` waits first in the merge: all before it is done with.
    pub fn position(&self, input: Input, head: Option<Offset>) -> Offset {
        let Some(line) = self.lines.get(input.index()) else { return 0 };
        let waiting = if input == self.rekey { self.waiting.first().copied() } else { head };
        let record = line.misplaced.front().map(|record| record.offset);
        waiting.into_iter().chain(record).min().unwrap_or(line.read_to)
    }

    /// The front. `is_read`: whether an input is at its end; `is_full`: whether no more of it is read for now.
    pub fn front(&self, is_read: impl Fn(Input) -> bool, is_full: impl Fn(Input) -> bool) -> ForwardProgress {
        let own = (0u8..).map(Input).zip(&self.lines).filter(|(input, _)| *input != self.rekey);
        let of_line = |(input, line): (Input, &InputState<M>)| match (line.misplaced.front(), line.last) {
            // More may come of the same time.
            (Some(record), _) => ForwardWatermark::Through(record.event.time.minus_millis(1)),
            (None, _) if is_read(input) => ForwardWatermark::End,
            (None, Some(last)) if is_full(input) => ForwardWatermark::Through(last),
            (None, Some(last)) => ForwardWatermark::Through(last.minus_millis(1)),
            (None, None) => ForwardWatermark::Unknown,
        };
        ForwardProgress {
            watermark: own.map(of_line).min().unwrap_or(ForwardWatermark::End),
            forwarded: self.staged.forwarded,
        }
    }

    /// Writes what is staged into the record, whose positions stand already.
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
        for (line, tally) in self.lines.iter_mut().zip(tally) {
            tally.read += std::mem::take(&mut line.came.0);
            tally.misrouted += std::mem::take(&mut line.came.1);
        }
        self.committed.clone_from(&self.staged);
        self.in_flight.extend(self.sent.drain(..).map(Reverse));
    }

    /// What is staged is forgotten, and what was read, which is read again from `committed`.
    pub fn discard(&mut self, committed: &[Offset]) {
        self.staged.clone_from(&self.committed);
        self.sent.clear();
        self.waiting.clear();
        self.misplaced = 0;
        for (line, &read_to) in self.lines.iter_mut().zip(committed) {
            (line.read_to, line.last) = (read_to, None);
            line.misplaced.clear();
        }
    }
}
