//! The inputs of one partition as one stream, ordered by event time.
//!
//! Of the heads of all queues the earliest comes first; ties go to the input that is configured first. An input whose
//! queue is empty is waited for, within a bound, unless it is at its end. A record without a time (one that can't be
//! used) goes as soon as it is at the head of its queue. Buffers are bounded: a full one asks for its input to be
//! paused, and for it to be resumed once half of it is free.
//!
//! `rekey` may be out of order, since every partition writes to it: its queue is sorted by time. Records that the
//! caller buffers itself (those to be forwarded) are reserved: they fill the buffer of their input like those that are
//! queued.
//!
//! The stream is a function of what each queue holds, and of nothing that was taken before. So after a rewind to
//! committed positions it goes on as if nothing had happened.
//!
//! Must not know: what an item is, offsets, the clock: `now_ms` is any clock that runs while the inputs could deliver.

mod queue;

use queue::{Queue, Queued};

use crate::domain::{Input, Timestamp};

pub use queue::{FlowControl, MergeBounds, Rank};

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextHead {
    /// The head of this input.
    Ready(Input),
    /// Something is queued, but an input that may bring something earlier is waited for, until this time of the merge's
    /// clock at most.
    Waiting {
        /// Milliseconds of the merge's clock.
        until_ms: u64,
    },
    /// Nothing is queued, or nothing that may go.
    Empty,
}

/// A bounded k-way merge: one queue an input, and the least head of all of them next, by event time.
///
/// The caller pushes what inputs bring ([`Self::push`]) and says when one is at its end ([`Self::end`]), both of which
/// may change what is next. It then asks for the next head ([`Self::next`]), looks at it where it is ([`Self::head`])
/// and, once it has dealt with it, takes it ([`Self::pop`]). A push or a pop tells what the input's source must do
/// ([`FlowControl`]).
#[derive(Debug)]
pub struct Merge<T> {
    queues: Vec<Queue<T>>,
    bounds: MergeBounds,
}

impl<T> Merge<T> {
    /// Of that many inputs, all of them empty and none at its end. The bounds are those of each input.
    pub fn new(inputs: usize, bounds: MergeBounds) -> Self {
        Self { queues: std::iter::repeat_with(Queue::new).take(inputs).collect(), bounds }
    }

    /// The queue of that input is sorted by time, since the input itself is not.
    pub fn sorting(mut self, input: Input) -> Self {
        if let Some(queue) = self.queues.get_mut(input.index()) {
            queue.sort();
        }
        self
    }

    /// Adds what an input brought, and how many bytes it counts for. What has no time is not ordered.
    pub fn push(&mut self, input: Input, time: Option<Timestamp>, bytes: usize, item: T) -> FlowControl {
        self.push_ranked(input, time, Rank::default(), bytes, item)
    }

    /// The same, with what decides between items of one time where the input is sorted.
    pub fn push_ranked(
        &mut self,
        input: Input,
        time: Option<Timestamp>,
        rank: Rank,
        bytes: usize,
        item: T,
    ) -> FlowControl {
        let queue = self.queues.get_mut(input.index());
        queue.map_or(FlowControl::Unchanged, |queue| queue.push(rank, Queued { time, bytes, item }, &self.bounds))
    }

    /// The input brought something that the caller buffers itself until [`Self::unreserve`]. It fills the input's
    /// buffer, and the input is not waited for meanwhile.
    pub fn reserve(&mut self, input: Input, bytes: usize) -> FlowControl {
        let queue = self.queues.get_mut(input.index());
        queue.map_or(FlowControl::Unchanged, |queue| queue.reserve(bytes, &self.bounds))
    }

    /// The caller no longer buffers something of the input that it had reserved.
    pub fn unreserve(&mut self, input: Input, bytes: usize) -> FlowControl {
        let queue = self.queues.get_mut(input.index());
        queue.map_or(FlowControl::Unchanged, |queue| queue.unreserve(bytes, &self.bounds))
    }

    /// The input brought something that was handled before: it is not at its end, and its wait begins again.
    pub fn skip(&mut self, input: Input) {
        if let Some(queue) = self.queues.get_mut(input.index()) {
            (queue.is_at_end, queue.waited_since) = (false, None);
        }
    }

    /// The input is at its end, until it brings something again.
    pub fn end(&mut self, input: Input) {
        if let Some(queue) = self.queues.get_mut(input.index()) {
            (queue.is_at_end, queue.waited_since) = (true, None);
        }
    }

    /// What comes next. It stays where it is until [`Self::pop`].
    pub fn next(&mut self, now_ms: u64) -> NextHead {
        self.next_of(now_ms, |_, _| true)
    }

    /// The same of those heads only that `may` go.
    pub fn next_of(&mut self, now_ms: u64, may: impl Fn(Input, &T) -> bool) -> NextHead {
        let heads = (0u8..).map(Input).zip(&self.queues);
        let heads = heads.filter_map(|(input, queue)| Some((queue.head()?, input)));
        let heads = heads.filter(|(head, input)| may(*input, &head.item));
        // None comes before every time.
        let first = heads.map(|(head, input)| (head.time, input)).min();
        let Some((time, input)) = first else { return NextHead::Empty };
        if time.is_none() {
            return NextHead::Ready(input);
        }
        let mut until_ms = now_ms;
        for queue in self.queues.iter_mut().filter(|queue| queue.is_starved()) {
            let since = *queue.waited_since.get_or_insert(now_ms);
            until_ms = until_ms.max(since.saturating_add(self.bounds.wait_ms));
        }
        if until_ms > now_ms { NextHead::Waiting { until_ms } } else { NextHead::Ready(input) }
    }

    /// The head of an input.
    pub fn head(&self, input: Input) -> Option<&T> {
        self.queues.get(input.index())?.head().map(|queued| &queued.item)
    }

    /// The time of the head of an input, if there is one and it has a time.
    pub fn time(&self, input: Input) -> Option<Timestamp> {
        self.queues.get(input.index())?.head()?.time
    }

    /// Items of an input that are queued, without reserved ones.
    pub fn len(&self, input: Input) -> usize {
        self.queues.get(input.index()).map_or(0, Queue::len)
    }

    /// Takes the head of an input.
    pub fn pop(&mut self, input: Input) -> Option<(T, FlowControl)> {
        self.queues.get_mut(input.index())?.pop(&self.bounds)
    }

    /// Forgets everything, as after a rewind: no input is at its end, none is paused.
    pub fn clear(&mut self) {
        self.queues.iter_mut().for_each(Queue::clear);
    }

    /// Whether every input is at its end and nothing is buffered.
    pub fn is_at_end(&self) -> bool {
        self.queues.iter().all(Queue::is_done)
    }

    /// Whether an input is at its end and nothing of it is buffered.
    pub fn is_input_at_end(&self, input: Input) -> bool {
        self.queues.get(input.index()).is_some_and(Queue::is_done)
    }

    /// Whether an input is at its end, whatever of it is still buffered.
    pub fn is_read(&self, input: Input) -> bool {
        self.queues.get(input.index()).is_some_and(|queue| queue.is_at_end)
    }

    /// Whether an input was to be paused, and not yet to be resumed.
    pub fn is_paused(&self, input: Input) -> bool {
        self.queues.get(input.index()).is_some_and(|queue| queue.is_paused)
    }

    /// Inputs of which something must be read before the merge can tell what is next: nothing of them is buffered, and
    /// they are not at their ends.
    pub fn starved(&self) -> impl Iterator<Item = Input> {
        (0u8..).map(Input).zip(&self.queues).filter(|(_, queue)| queue.is_starved()).map(|(input, _)| input)
    }

    /// The first input that keeps others waiting.
    pub fn waited_for(&self) -> Option<Input> {
        let mut queues = (0u8..).map(Input).zip(&self.queues);
        let waited_for = queues.find(|(_, queue)| queue.is_starved() && queue.waited_since.is_some());
        waited_for.map(|(input, _)| input)
    }

    /// Items of an input that are buffered, reserved ones too.
    pub fn buffered(&self, input: Input) -> usize {
        self.queues.get(input.index()).map_or(0, Queue::buffered)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const BOUNDS: MergeBounds = MergeBounds { buffer_items: 4, buffer_bytes: 100, wait_ms: 100 };

    fn at(ms: i64) -> Option<Timestamp> {
        Some(Timestamp::of_millis(ms))
    }

    /// Everything that comes without waiting any longer.
    fn drain<T>(merge: &mut Merge<T>, now_ms: u64) -> Vec<T> {
        let mut taken = Vec::new();
        while let NextHead::Ready(input) = merge.next(now_ms) {
            taken.extend(merge.pop(input).map(|(item, _)| item));
        }
        taken
    }

    #[test]
    fn the_earliest_head_comes_first_and_ties_go_to_the_first_input() {
        let mut merge = Merge::new(3, BOUNDS);
        for (input, time, name) in [(2, 5, "c5"), (1, 5, "b5"), (0, 7, "a7"), (1, 4, "b4 behind b5"), (2, 6, "c6")] {
            merge.push(Input(input), at(time), 1, name);
        }
        (0..3).for_each(|input| merge.end(Input(input)));
        assert_eq!(drain(&mut merge, 0), ["b5", "b4 behind b5", "c5", "c6", "a7"]);
        assert_eq!(merge.next(0), NextHead::Empty);
        assert!(merge.is_at_end());
    }

    #[test]
    fn an_input_that_has_more_is_waited_for_and_one_at_its_end_is_not() {
        let mut merge = Merge::new(2, BOUNDS);
        merge.push(Input(0), at(1), 1, "a1");
        assert_eq!(merge.next(50), NextHead::Waiting { until_ms: 150 });
        merge.end(Input(1));
        assert_eq!(merge.next(51), NextHead::Ready(Input(0)));
        // A record voids the end.
        merge.push(Input(1), at(0), 1, "b0");
        assert_eq!(drain(&mut merge, 52), ["b0"]);
        assert_eq!(merge.next(52), NextHead::Waiting { until_ms: 152 });
    }

    #[test]
    fn one_that_kept_the_others_waiting_too_long_is_passed_over_until_it_brings_something() {
        let mut merge = Merge::new(2, BOUNDS);
        for time in 1..=3 {
            merge.push(Input(0), at(time), 1, time);
        }
        assert_eq!(merge.next(0), NextHead::Waiting { until_ms: 100 });
        assert_eq!(drain(&mut merge, 99), [0; 0]);
        assert_eq!(drain(&mut merge, 100), [1, 2, 3]);
        merge.push(Input(1), at(4), 1, 4);
        merge.push(Input(0), at(5), 1, 5);
        merge.push(Input(0), at(6), 1, 6);
        assert_eq!(drain(&mut merge, 110), [4]);
        assert_eq!(merge.next(110), NextHead::Waiting { until_ms: 210 });
    }

    #[test]
    fn what_has_no_time_waits_only_for_what_is_before_it_in_its_input() {
        let mut merge = Merge::new(2, BOUNDS);
        merge.push(Input(0), at(1), 1, "a1");
        merge.push(Input(0), None, 1, "a?");
        assert_eq!(merge.next(0), NextHead::Waiting { until_ms: 100 });
        merge.push(Input(1), None, 1, "b?");
        assert_eq!(drain(&mut merge, 0), ["b?"]);
        merge.end(Input(1));
        assert_eq!(drain(&mut merge, 0), ["a1", "a?"]);
    }

    #[test]
    fn a_full_input_is_paused_once_and_resumed_when_half_has_gone() {
        let mut merge = Merge::new(1, BOUNDS);
        let pushed: Vec<_> = (0..6).map(|time| merge.push(Input(0), at(time), 1, ())).collect();
        let expected = [
            FlowControl::Unchanged,
            FlowControl::Unchanged,
            FlowControl::Unchanged,
            FlowControl::Pause,
            FlowControl::Unchanged,
            FlowControl::Unchanged,
        ];
        assert_eq!(pushed, expected);
        let popped: Vec<_> = std::iter::from_fn(|| merge.pop(Input(0))).map(|(_, flow)| flow).collect();
        let expected = [
            FlowControl::Unchanged,
            FlowControl::Unchanged,
            FlowControl::Unchanged,
            FlowControl::Resume,
            FlowControl::Unchanged,
            FlowControl::Unchanged,
        ];
        assert_eq!(popped, expected);
    }

    #[test]
    fn a_few_large_items_fill_an_input_too() {
        let mut merge = Merge::new(1, BOUNDS);
        assert_eq!(merge.push(Input(0), at(1), 60, ()), FlowControl::Unchanged);
        assert_eq!(merge.push(Input(0), at(2), 60, ()), FlowControl::Pause);
        assert_eq!(merge.pop(Input(0)), Some(((), FlowControl::Unchanged)), "60 bytes are more than half");
        assert_eq!(merge.pop(Input(0)), Some(((), FlowControl::Resume)));
    }

    #[test]
    fn what_comes_in_an_order_of_its_own_is_sorted_and_ranks_decide_between_equals() {
        let mut merge = Merge::new(2, BOUNDS).sorting(Input(1));
        for (time, rank, name) in [(5, (1, 0), "c5"), (3, (0, 0), "c3"), (5, (0, 9), "b5"), (5, (0, 2), "a5")] {
            merge.push_ranked(Input(1), at(time), rank, 1, name);
        }
        merge.push(Input(0), at(4), 1, "own 4");
        (0..2).for_each(|input| merge.end(Input(input)));
        assert_eq!(drain(&mut merge, 0), ["c3", "own 4", "a5", "b5", "c5"]);
    }

    #[test]
    fn what_is_reserved_fills_the_buffer_and_nothing_is_waited_for_before_it() {
        let mut merge = Merge::new(2, BOUNDS);
        merge.push(Input(0), at(9), 1, "a9");
        assert_eq!(merge.next(0), NextHead::Waiting { until_ms: 100 });
        let flows: Vec<_> = (0..4).map(|_| merge.reserve(Input(1), 1)).collect();
        assert_eq!(flows, [FlowControl::Unchanged, FlowControl::Unchanged, FlowControl::Unchanged, FlowControl::Pause]);
        assert_eq!(merge.next(0), NextHead::Ready(Input(0)));
        merge.end(Input(1));
        assert!(merge.is_read(Input(1)) && !merge.is_input_at_end(Input(1)));
        assert_eq!(
            [merge.unreserve(Input(1), 1), merge.unreserve(Input(1), 1)],
            [FlowControl::Unchanged, FlowControl::Resume]
        );
        assert_eq!([merge.unreserve(Input(1), 1), merge.unreserve(Input(1), 1)], [FlowControl::Unchanged; 2]);
        assert!(merge.is_input_at_end(Input(1)));
    }

    #[test]
    fn after_a_rewind_nothing_is_known() {
        let mut merge = Merge::new(2, BOUNDS);
        for time in 0..4 {
            merge.push(Input(0), at(time), 1, time);
        }
        merge.end(Input(1));
        merge.clear();
        assert!(!merge.is_at_end());
        assert_eq!(merge.next(0), NextHead::Empty);
        assert_eq!(merge.push(Input(0), at(1), 1, 1), FlowControl::Unchanged);
        assert_eq!(merge.next(0), NextHead::Waiting { until_ms: 100 });
    }

    #[test]
    fn inputs_that_must_be_read_before_anything_is_next_are_named() {
        let mut merge = Merge::new(3, BOUNDS);
        merge.push(Input(0), at(1), 1, "a1");
        merge.end(Input(2));
        assert_eq!(merge.starved().collect::<Vec<_>>(), [Input(1)]);
        merge.reserve(Input(1), 1);
        assert_eq!(merge.starved().count(), 0);
        merge.pop(Input(0));
        assert_eq!(merge.starved().collect::<Vec<_>>(), [Input(0)]);
    }

    #[derive(Debug, Clone)]
    enum Did {
        Push(usize),
        Drain,
    }

    proptest! {
        /// Whatever the order in which inputs deliver, and however much is taken in between: one stream.
        #[test]
        fn any_interleaving_of_pushes_gives_the_same_stream(
            inputs in prop::collection::vec(prop::collection::vec(0..20i64, 0..8), 1..5),
            deeds in prop::collection::vec(prop_oneof![(0..5usize).prop_map(Did::Push), Just(Did::Drain)], 0..60),
        ) {
            let records = |input: usize| inputs[input].iter().enumerate().map(move |(i, &time)| (time, (input, i)));
            let mut whole = Merge::new(inputs.len(), BOUNDS);
            for input in 0..inputs.len() {
                for (time, item) in records(input) {
                    whole.push(Input(input as u8), at(time), 1, item);
                }
                whole.end(Input(input as u8));
            }
            let expected = drain(&mut whole, 0);

            let mut merge = Merge::new(inputs.len(), BOUNDS);
            let mut left: Vec<VecDeque<_>> = (0..inputs.len()).map(|input| records(input).collect()).collect();
            let mut got = Vec::new();
            let rest = (0..inputs.len()).flat_map(|input| std::iter::repeat_n(Did::Push(input), 9));
            for deed in deeds.into_iter().chain(rest) {
                match deed {
                    Did::Push(input) if input < inputs.len() => {
                        match left[input].pop_front() {
                            Some((time, item)) => _ = merge.push(Input(input as u8), at(time), 1, item),
                            None => merge.end(Input(input as u8)),
                        }
                    }
                    Did::Push(_) => {}
                    Did::Drain => got.extend(drain(&mut merge, 0)),
                }
            }
            got.extend(drain(&mut merge, 0));
            prop_assert_eq!(got, expected);
        }
    }
}
