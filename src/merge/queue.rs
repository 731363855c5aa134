//! The queue of one input in a merge: its records in order, how much they hold, and whether its input is to be paused.
//!
//! Must not know: other queues, the clock.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::Timestamp;

/// The bounds of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeBounds {
    /// Items that an input may have queued before it is to be paused. It may get more until the pause takes effect.
    pub buffer_items: usize,
    /// The same in bytes, as they were pushed.
    pub buffer_bytes: usize,
    /// How long an input with an empty queue that is not at its end is waited for, in milliseconds; then the others go
    /// on without it until it brings something.
    pub wait_ms: u64,
}

impl MergeBounds {
    /// For a caller that reads each input on itself as soon as its queue is empty: nothing is paused, and what is next
    /// is never guessed.
    pub const UNBOUNDED: Self = Self { buffer_items: usize::MAX, buffer_bytes: usize::MAX, wait_ms: u64::MAX };
}

/// What the source of an input must do after its queue has grown or shrunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowControl {
    /// Go on as before.
    Unchanged,
    /// Stop fetching the input: its buffer is full.
    Pause,
    /// Fetch it again: at most half of its buffer is used.
    Resume,
}

/// Decides between items of one time in a sorted queue: the lesser comes first. The input that an item was first read
/// from, and its offset there.
pub type Rank = (u8, i64);

/// One input's items, and what is known of the input.
#[derive(Debug)]
pub(super) struct Queue<T> {
    items: Items<T>,
    /// Items that the caller buffers itself: they use the queue's bounds, and nothing else.
    reserved: usize,
    /// Of queued and of reserved items.
    bytes: usize,
    pub is_at_end: bool,
    pub is_paused: bool,
    /// Since when the others have waited for it, on the merge's clock.
    pub waited_since: Option<u64>,
}

#[derive(Debug)]
enum Items<T> {
    /// As they were pushed.
    Fifo(VecDeque<Queued<T>>),
    /// By time, then rank, then as they were pushed; and how many ever were.
    Sorted(BTreeMap<(Option<Timestamp>, Rank, u64), Queued<T>>, u64),
}

/// An item, and what the merge must know of it.
#[derive(Debug)]
pub(super) struct Queued<T> {
    pub time: Option<Timestamp>,
    pub bytes: usize,
    pub item: T,
}

impl<T> Queue<T> {
    pub fn new() -> Self {
        Self {
            items: Items::Fifo(VecDeque::new()),
            reserved: 0,
            bytes: 0,
            is_at_end: false,
            is_paused: false,
            waited_since: None,
        }
    }

    /// Items are kept by time from now on. Call before any is pushed.
    pub fn sort(&mut self) {
        self.items = Items::Sorted(BTreeMap::new(), 0);
    }

    pub fn push(&mut self, rank: Rank, queued: Queued<T>, bounds: &MergeBounds) -> FlowControl {
        let bytes = queued.bytes;
        self.items.push(rank, queued);
        self.grown(bytes, bounds)
    }

    pub fn pop(&mut self, bounds: &MergeBounds) -> Option<(T, FlowControl)> {
        let Queued { bytes, item, .. } = self.items.pop_front()?;
        Some((item, self.shrunk(bytes, bounds)))
    }

    pub fn reserve(&mut self, bytes: usize, bounds: &MergeBounds) -> FlowControl {
        self.reserved += 1;
        self.grown(bytes, bounds)
    }

    pub fn unreserve(&mut self, bytes: usize, bounds: &MergeBounds) -> FlowControl {
        self.reserved = self.reserved.saturating_sub(1);
        self.shrunk(bytes, bounds)
    }

    pub fn head(&self) -> Option<&Queued<T>> {
        self.items.front()
    }

    /// Items that are queued, without the reserved ones.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Items that are queued or reserved.
    pub fn buffered(&self) -> usize {
        self.items.len() + self.reserved
    }

    /// Whether nothing can be said yet of what comes next of it. What the caller buffers comes before all that is still
    /// to be read, so there is nothing to wait for.
    pub fn is_starved(&self) -> bool {
        self.buffered() == 0 && !self.is_at_end
    }

    pub fn is_done(&self) -> bool {
        self.buffered() == 0 && self.is_at_end
    }

    /// Forgets all that was pushed, reserved and said of the input.
    pub fn clear(&mut self) {
        self.items.clear();
        (self.reserved, self.bytes) = (0, 0);
        (self.is_at_end, self.is_paused, self.waited_since) = (false, false, None);
    }

    fn grown(&mut self, bytes: usize, bounds: &MergeBounds) -> FlowControl {
        self.bytes += bytes;
        self.is_at_end = false;
        self.waited_since = None;
        let is_full = self.buffered() >= bounds.buffer_items || self.bytes >= bounds.buffer_bytes;
        if self.is_paused || !is_full {
            return FlowControl::Unchanged;
        }
        self.is_paused = true;
        FlowControl::Pause
    }

    fn shrunk(&mut self, bytes: usize, bounds: &MergeBounds) -> FlowControl {
        self.bytes = self.bytes.saturating_sub(bytes);
        let has_room = self.buffered() <= bounds.buffer_items / 2 && self.bytes <= bounds.buffer_bytes / 2;
        if !self.is_paused || !has_room {
            return FlowControl::Unchanged;
        }
        self.is_paused = false;
        FlowControl::Resume
    }
}

impl<T> Items<T> {
    fn push(&mut self, rank: Rank, item: Queued<T>) {
        match self {
            Self::Fifo(items) => items.push_back(item),
            Self::Sorted(items, pushed) => {
                *pushed += 1;
                items.insert((item.time, rank, *pushed), item);
            }
        }
    }

    fn front(&self) -> Option<&Queued<T>> {
        match self {
            Self::Fifo(items) => items.front(),
            Self::Sorted(items, _) => items.first_key_value().map(|(_, item)| item),
        }
    }

    fn pop_front(&mut self) -> Option<Queued<T>> {
        match self {
            Self::Fifo(items) => items.pop_front(),
            Self::Sorted(items, _) => items.pop_first().map(|(_, item)| item),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Fifo(items) => items.len(),
            Self::Sorted(items, _) => items.len(),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Fifo(items) => items.clear(),
            Self::Sorted(items, _) => items.clear(),
        }
    }
}
