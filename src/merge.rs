//! The inputs of one partition as one stream, by event time.
//!
//! Of the heads of all inputs the earliest comes first; ties go to the input that stands first in the configuration. An
//! input that has more is waited for, within a bound; one at its end is not. What has no time (a record that can't be
//! used, or is another partition's) goes as soon as it is at the head of its input. Buffers are bounded: a full one asks
//! for its input to be paused, and to be resumed once half of it has gone.
//!
//! One input may come in an order of its own (`rekey`: each partition writes to it where it stands): its queue is sorted by
//! time. What the caller keeps aside of an input (records to be forwarded) fills its buffer like what waits here.
//!
//! The stream is a function of what each input still holds, and of nothing that was taken before: so a rewind to
//! committed positions goes on as if nothing had happened.
//!
//! Must not know: what an item is, offsets, the clock: `now_ms` is any clock that runs on while the inputs could deliver.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::{Input, Timestamp};

/// The bounds of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Items that an input may have waiting before it is to be paused. It may get more until the pause holds.
    pub buffer_items: usize,
    /// The same in bytes, as they were pushed.
    pub buffer_bytes: usize,
    /// How long an input that is not at its end is waited for, in milliseconds; then the others go on without it until
    /// it brings something.
    pub wait_ms: u64,
}

/// What an input's source must do after a push or a pop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Unchanged,
    Pause,
    Resume,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The head of this input.
    Ready(Input),
    /// Something is there, but an input that may bring something earlier is waited for, until this time at most.
    Waiting {
        until_ms: u64,
    },
    Nothing,
}

/// `k` queues, one stream.
#[derive(Debug)]
pub struct Merge<T> {
    queues: Vec<Queue<T>>,
    bounds: Bounds,
}

#[derive(Debug)]
struct Queue<T> {
    items: Items<T>,
    /// Items that the caller keeps aside: they fill the buffer, and nothing more.
    aside: usize,
    bytes: usize,
    is_at_end: bool,
    is_paused: bool,
    /// Since when it has kept the others waiting.
    waited_since: Option<u64>,
}

#[derive(Debug)]
enum Items<T> {
    AsTheyCame(VecDeque<Waiting<T>>),
    /// By time, then rank, then as they came.
    Sorted(BTreeMap<(Option<Timestamp>, Rank, u64), Waiting<T>>, u64),
}

/// Decides between items of one time in a sorted queue.
pub type Rank = (u8, i64);

impl<T> Items<T> {
    fn push(&mut self, rank: Rank, item: Waiting<T>) {
        match self {
            Self::AsTheyCame(items) => items.push_back(item),
            Self::Sorted(items, came) => {
                *came += 1;
                items.insert((item.time, rank, *came), item);
            }
        }
    }

    fn front(&self) -> Option<&Waiting<T>> {
        match self {
            Self::AsTheyCame(items) => items.front(),
            Self::Sorted(items, _) => items.first_key_value().map(|(_, item)| item),
        }
    }

    fn pop_front(&mut self) -> Option<Waiting<T>> {
        match self {
            Self::AsTheyCame(items) => items.pop_front(),
            Self::Sorted(items, _) => items.pop_first().map(|(_, item)| item),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::AsTheyCame(items) => items.len(),
            Self::Sorted(items, _) => items.len(),
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn clear(&mut self) {
        match self {
            Self::AsTheyCame(items) => items.clear(),
            Self::Sorted(items, _) => items.clear(),
        }
    }
}

#[derive(Debug)]
struct Waiting<T> {
    time: Option<Timestamp>,
    bytes: usize,
    item: T,
}

impl<T> Merge<T> {
    pub fn new(inputs: usize, bounds: Bounds) -> Self {
        let queue = || Queue {
            items: Items::AsTheyCame(VecDeque::new()),
            aside: 0,
            bytes: 0,
            is_at_end: false,
            is_paused: false,
            waited_since: None,
        };
        Self { queues: std::iter::repeat_with(queue).take(inputs).collect(), bounds }
    }

    /// What that input brings is sorted by time, since it comes in an order of its own.
    pub fn sorting(mut self, input: Input) -> Self {
        if let Some(queue) = self.queues.get_mut(input.index()) {
            queue.items = Items::Sorted(BTreeMap::new(), 0);
        }
        self
    }

    /// Adds what an input brought, and how many bytes it holds. What has no time is not ordered.
    pub fn push(&mut self, input: Input, time: Option<Timestamp>, bytes: usize, item: T) -> Flow {
        self.push_ranked(input, time, Rank::default(), bytes, item)
    }

    /// The same, with what decides between items of one time where the input is sorted.
    pub fn push_ranked(&mut self, input: Input, time: Option<Timestamp>, rank: Rank, bytes: usize, item: T) -> Flow {
        let Some(queue) = self.queues.get_mut(input.index()) else { return Flow::Unchanged };
        queue.items.push(rank, Waiting { time, bytes, item });
        queue.grown(bytes, &self.bounds)
    }

    /// The input brought something that the caller keeps aside until [`Self::drop_aside`].
    pub fn put_aside(&mut self, input: Input, bytes: usize) -> Flow {
        let Some(queue) = self.queues.get_mut(input.index()) else { return Flow::Unchanged };
        queue.aside += 1;
        queue.grown(bytes, &self.bounds)
    }

    /// Something of the input is no longer kept aside.
    pub fn drop_aside(&mut self, input: Input, bytes: usize) -> Flow {
        let Some(queue) = self.queues.get_mut(input.index()) else { return Flow::Unchanged };
        queue.aside = queue.aside.saturating_sub(1);
        queue.shrunk(bytes, &self.bounds)
    }

    /// The input brought something that was dealt with before: it is not at its end.
    pub fn pass_over(&mut self, input: Input) {
        if let Some(queue) = self.queues.get_mut(input.index()) {
            queue.is_at_end = false;
            queue.waited_since = None;
        }
    }

    /// The input is at its end; void again when it brings something.
    pub fn end(&mut self, input: Input) {
        if let Some(queue) = self.queues.get_mut(input.index()) {
            queue.is_at_end = true;
            queue.waited_since = None;
        }
    }

    /// What comes next. It stays where it is until [`Self::pop`].
    pub fn next(&mut self, now_ms: u64) -> Next {
        self.next_of(now_ms, |_, _| true)
    }

    /// The same of those heads only that `may` go.
    pub fn next_of(&mut self, now_ms: u64, may: impl Fn(Input, &T) -> bool) -> Next {
        let heads = (0u8..).map(Input).zip(&self.queues);
        let heads = heads.filter_map(|(input, queue)| Some((queue.items.front()?, input)));
        let heads = heads.filter(|(head, input)| may(*input, &head.item));
        // None comes before every time.
        let first = heads.map(|(head, input)| (head.time, input)).min();
        let Some((time, input)) = first else { return Next::Nothing };
        if time.is_none() {
            return Next::Ready(input);
        }
        let mut until_ms = now_ms;
        for queue in self.queues.iter_mut().filter(|queue| queue.must_be_waited_for()) {
            let since = *queue.waited_since.get_or_insert(now_ms);
            until_ms = until_ms.max(since.saturating_add(self.bounds.wait_ms));
        }
        if until_ms > now_ms { Next::Waiting { until_ms } } else { Next::Ready(input) }
    }

    /// The head of an input.
    pub fn head(&self, input: Input) -> Option<&T> {
        self.queues.get(input.index())?.items.front().map(|waiting| &waiting.item)
    }

    /// When the head of an input was, if it has a time.
    pub fn time(&self, input: Input) -> Option<Timestamp> {
        self.queues.get(input.index())?.items.front()?.time
    }

    /// Items of an input that wait here.
    pub fn len(&self, input: Input) -> usize {
        self.queues.get(input.index()).map_or(0, |queue| queue.items.len())
    }

    /// Takes the head of an input.
    pub fn pop(&mut self, input: Input) -> Option<(T, Flow)> {
        let queue = self.queues.get_mut(input.index())?;
        let Waiting { bytes, item, .. } = queue.items.pop_front()?;
        let flow = queue.shrunk(bytes, &self.bounds);
        Some((item, flow))
    }

    /// Forgets everything, as after a rewind: no input is at its end, none is paused.
    pub fn clear(&mut self) {
        for queue in &mut self.queues {
            queue.items.clear();
            queue.aside = 0;
            queue.bytes = 0;
            queue.is_at_end = false;
            queue.is_paused = false;
            queue.waited_since = None;
        }
    }

    /// Whether every input is at its end and nothing waits.
    pub fn is_at_end(&self) -> bool {
        self.queues.iter().all(Queue::is_done)
    }

    /// Whether an input is at its end and nothing of it waits.
    pub fn is_input_at_end(&self, input: Input) -> bool {
        self.queues.get(input.index()).is_some_and(Queue::is_done)
    }

    /// Whether an input is at its end, whatever of it still waits.
    pub fn is_read(&self, input: Input) -> bool {
        self.queues.get(input.index()).is_some_and(|queue| queue.is_at_end)
    }

    /// Whether an input was to be paused, and not yet to be resumed.
    pub fn is_paused(&self, input: Input) -> bool {
        self.queues.get(input.index()).is_some_and(|queue| queue.is_paused)
    }

    /// The first input that keeps others waiting.
    pub fn waited_for(&self) -> Option<Input> {
        let mut queues = (0u8..).map(Input).zip(&self.queues);
        let waited_for = queues.find(|(_, queue)| queue.must_be_waited_for() && queue.waited_since.is_some());
        waited_for.map(|(input, _)| input)
    }

    /// Items that wait, by input.
    pub fn waiting(&self) -> impl Iterator<Item = usize> {
        self.queues.iter().map(|queue| queue.items.len() + queue.aside)
    }
}

impl<T> Queue<T> {
    fn grown(&mut self, bytes: usize, bounds: &Bounds) -> Flow {
        self.bytes += bytes;
        self.is_at_end = false;
        self.waited_since = None;
        let is_full = self.items.len() + self.aside >= bounds.buffer_items || self.bytes >= bounds.buffer_bytes;
        if self.is_paused || !is_full {
            return Flow::Unchanged;
        }
        self.is_paused = true;
        Flow::Pause
    }

    fn shrunk(&mut self, bytes: usize, bounds: &Bounds) -> Flow {
        self.bytes = self.bytes.saturating_sub(bytes);
        let items = self.items.len() + self.aside;
        let has_room = items <= bounds.buffer_items / 2 && self.bytes <= bounds.buffer_bytes / 2;
        if !self.is_paused || !has_room {
            return Flow::Unchanged;
        }
        self.is_paused = false;
        Flow::Resume
    }

    /// What is kept aside comes before whatever is still to be read.
    fn must_be_waited_for(&self) -> bool {
        self.items.is_empty() && self.aside == 0 && !self.is_at_end
    }

    fn is_done(&self) -> bool {
        self.is_at_end && self.items.is_empty() && self.aside == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { buffer_items: 4, buffer_bytes: 100, wait_ms: 100 };

    fn at(ms: i64) -> Option<Timestamp> {
        Some(Timestamp::of_millis(ms))
    }

    /// Everything that comes without waiting any longer.
    fn drain<T>(merge: &mut Merge<T>, now_ms: u64) -> Vec<T> {
        let mut taken = Vec::new();
        while let Next::Ready(input) = merge.next(now_ms) {
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
        assert_eq!(merge.next(0), Next::Nothing);
        assert!(merge.is_at_end());
    }

    #[test]
    fn an_input_that_has_more_is_waited_for_and_one_at_its_end_is_not() {
        let mut merge = Merge::new(2, BOUNDS);
        merge.push(Input(0), at(1), 1, "a1");
        assert_eq!(merge.next(50), Next::Waiting { until_ms: 150 });
        merge.end(Input(1));
        assert_eq!(merge.next(51), Next::Ready(Input(0)));
        // A record voids the end.
        merge.push(Input(1), at(0), 1, "b0");
        assert_eq!(drain(&mut merge, 52), ["b0"]);
        assert_eq!(merge.next(52), Next::Waiting { until_ms: 152 });
    }

    #[test]
    fn one_that_kept_the_others_waiting_too_long_is_passed_over_until_it_brings_something() {
        let mut merge = Merge::new(2, BOUNDS);
        for time in 1..=3 {
            merge.push(Input(0), at(time), 1, time);
        }
        assert_eq!(merge.next(0), Next::Waiting { until_ms: 100 });
        assert_eq!(drain(&mut merge, 99), [0; 0]);
        assert_eq!(drain(&mut merge, 100), [1, 2, 3]);
        merge.push(Input(1), at(4), 1, 4);
        merge.push(Input(0), at(5), 1, 5);
        merge.push(Input(0), at(6), 1, 6);
        assert_eq!(drain(&mut merge, 110), [4]);
        assert_eq!(merge.next(110), Next::Waiting { until_ms: 210 });
    }

    #[test]
    fn what_has_no_time_waits_only_for_what_is_before_it_in_its_input() {
        let mut merge = Merge::new(2, BOUNDS);
        merge.push(Input(0), at(1), 1, "a1");
        merge.push(Input(0), None, 1, "a?");
        assert_eq!(merge.next(0), Next::Waiting { until_ms: 100 });
        merge.push(Input(1), None, 1, "b?");
        assert_eq!(drain(&mut merge, 0), ["b?"]);
        merge.end(Input(1));
        assert_eq!(drain(&mut merge, 0), ["a1", "a?"]);
    }

    #[test]
    fn a_full_input_is_paused_once_and_resumed_when_half_has_gone() {
        let mut merge = Merge::new(1, BOUNDS);
        let pushed: Vec<_> = (0..6).map(|time| merge.push(Input(0), at(time), 1, ())).collect();
        let expected =
            [Flow::Unchanged, Flow::Unchanged, Flow::Unchanged, Flow::Pause, Flow::Unchanged, Flow::Unchanged];
        assert_eq!(pushed, expected);
        let popped: Vec<_> = std::iter::from_fn(|| merge.pop(Input(0))).map(|(_, flow)| flow).collect();
        let expected =
            [Flow::Unchanged, Flow::Unchanged, Flow::Unchanged, Flow::Resume, Flow::Unchanged, Flow::Unchanged];
        assert_eq!(popped, expected);
    }

    #[test]
    fn a_few_large_items_fill_an_input_too() {
        let mut merge = Merge::new(1, BOUNDS);
        assert_eq!(merge.push(Input(0), at(1), 60, ()), Flow::Unchanged);
        assert_eq!(merge.push(Input(0), at(2), 60, ()), Flow::Pause);
        assert_eq!(merge.pop(Input(0)), Some(((), Flow::Unchanged)), "60 bytes are more than half");
        assert_eq!(merge.pop(Input(0)), Some(((), Flow::Resume)));
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
    fn what_is_kept_aside_fills_the_buffer_and_nothing_is_waited_for_before_it() {
        let mut merge = Merge::new(2, BOUNDS);
        merge.push(Input(0), at(9), 1, "a9");
        assert_eq!(merge.next(0), Next::Waiting { until_ms: 100 });
        let flows: Vec<_> = (0..4).map(|_| merge.put_aside(Input(1), 1)).collect();
        assert_eq!(flows, [Flow::Unchanged, Flow::Unchanged, Flow::Unchanged, Flow::Pause]);
        assert_eq!(merge.next(0), Next::Ready(Input(0)));
        merge.end(Input(1));
        assert!(merge.is_read(Input(1)) && !merge.is_input_at_end(Input(1)));
        assert_eq!([merge.drop_aside(Input(1), 1), merge.drop_aside(Input(1), 1)], [Flow::Unchanged, Flow::Resume]);
        assert_eq!([merge.drop_aside(Input(1), 1), merge.drop_aside(Input(1), 1)], [Flow::Unchanged; 2]);
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
        assert_eq!(merge.next(0), Next::Nothing);
        assert_eq!(merge.push(Input(0), at(1), 1, 1), Flow::Unchanged);
        assert_eq!(merge.next(0), Next::Waiting { until_ms: 100 });
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
