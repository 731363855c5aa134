//! What lanes are told, and every bound they keep. Plain values; the configuration maps onto them.

use std::time::Duration;

use crate::domain::{Partitioner, Timestamp};
use crate::merge::MergeBounds;
use crate::pipeline::progress::InFlight;

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The start of each lane's transactional id and member name, the same after a restart: `<name>-<lane>`.
    pub name: String,
    /// How long a batch is filled before it is committed.
    pub commit_interval: Duration,
    /// A batch is committed once it has consumed that many records.
    pub max_batch_records: usize,
    /// A batch is committed once its outputs, dead letters and forwarded records hold that many bytes.
    pub max_batch_bytes: usize,
    /// Records handled between two polls, at most.
    pub turn_records: usize,
    /// Records of one input of a partition that may wait in the merge before the input is paused.
    pub buffer_records: usize,
    /// The same in bytes.
    pub buffer_bytes: usize,
    /// How long the merge waits for an input that has more but doesn't deliver.
    pub merge_wait: Duration,
    /// With every input at its end and nothing for that long, stream time follows the clock.
    pub idle_after: Duration,
    /// How often it follows then: each time is a transaction.
    pub idle_tick: Duration,
    /// Not where stream time is further behind than that: there a history is being loaded.
    pub idle_reach: Duration,
    /// How often the machine's clock is compared with the broker's.
    pub clock_check: Duration,
    /// How often something is appended to the compacted logs of a partition, whatever comes: only an append closes a segment.
    pub touch_every: Duration,
    /// How long a poll may wait when there is nothing to do.
    pub poll_timeout: Duration,
    /// How long one look at a changelog may wait; and a poll, while partitions are restored beside it.
    pub restore_timeout: Duration,
    /// Partitions that a process restores at once, each on a thread of its own and with a reader of its own.
    pub restores_at_once: usize,
    /// How long a lane keeps from trying again after a failure.
    pub retry_backoff: Duration,
    /// After each further failure of a commit it keeps from it for twice as long, up to that.
    pub retry_backoff_max: Duration,
    /// How long the same thing may fail, with no success in between, or one call to the client not return, before the lane gives
    /// up and names the cause.
    pub patience: Duration,
    /// A partition that has something to do and has not come forward for that long is named, with the cause; and so is a
    /// call to the client that has not returned.
    pub stall_after: Duration,
    /// How often the topics are asked for, and what they hold: a change is noticed by the second look.
    pub topic_check: Duration,
    /// A dead letter's value is cut beyond that many bytes.
    pub dead_letter_limit: usize,
    /// Which partition is a user's.
    pub partitioner: Partitioner,
    /// When the lanes are done.
    pub mode: Mode,
}

/// When lanes are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// When they are told to stop. Stream time follows the clock where inputs are idle.
    Endless,
    /// When every input and `rekey` are at their end; then every W moves to `until`, if one is given. The clock moves
    /// nothing.
    UntilEnd {
        until: Option<Timestamp>,
        /// That move takes W over silent inputs, too.
        ignore_silent: bool,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "tideline-".to_owned(),
            commit_interval: Duration::from_millis(100),
            max_batch_records: 20_000,
            max_batch_bytes: 8 << 20,
            turn_records: 2_000,
            buffer_records: 4_096,
            buffer_bytes: 16 << 20,
            merge_wait: Duration::from_secs(5),
            idle_after: Duration::from_secs(60),
            idle_tick: Duration::from_secs(5),
            idle_reach: Duration::from_secs(7 * 86_400),
            clock_check: Duration::from_secs(3_600),
            touch_every: Duration::from_secs(3_600),
            poll_timeout: Duration::from_millis(100),
            restore_timeout: Duration::from_millis(20),
            restores_at_once: 4,
            retry_backoff: Duration::from_millis(200),
            retry_backoff_max: Duration::from_secs(30),
            patience: Duration::from_secs(120),
            stall_after: Duration::from_secs(30),
            topic_check: Duration::from_secs(2),
            dead_letter_limit: 2 << 20,
            partitioner: Partitioner::default(),
            mode: Mode::Endless,
        }
    }
}

impl Settings {
    pub(crate) fn merge_bounds(&self) -> MergeBounds {
        MergeBounds {
            buffer_items: self.buffer_records,
            buffer_bytes: self.buffer_bytes,
            wait_ms: millis(self.merge_wait),
        }
    }
}

impl Settings {
    /// Half of the buffer sorts what comes through `rekey`: no more than that may be forwarded ahead of anything.
    pub(crate) fn in_flight(&self, partitions: i32) -> InFlight {
        let of_all = (self.buffer_records / 2).max(1);
        InFlight { of_all, of_one: (of_all / partitions.max(1).unsigned_abs() as usize).max(1) }
    }
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
