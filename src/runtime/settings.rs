//! How lanes work: every bound that they keep, and when they are done.

use std::time::Duration;

use crate::broker::TopicSettings;
use crate::domain::{Partitioner, Timestamp};
use crate::merge::MergeBounds;
use crate::pipeline::{InFlight, TaskSettings};
use crate::settings::{Faults, Period, Size, settings};

settings! {
    /// How lanes read, batch, commit, restore and give up.
    pub struct LaneSettings {
        /// How long the merge waits for a topic that has more but doesn't deliver.
        pub merge_wait: Period = Period::of_secs(5),
        /// With every topic at its end and nothing for that long, stream time follows the clock, for want of events.
        pub idle_after: Period = Period::of_secs(60),
        /// How often stream time follows the clock then; each time is a transaction.
        pub idle_tick: Period = Period::of_secs(5),
        /// Stream time doesn't follow the clock where it is further behind than that: there a history is being loaded,
        /// which a pause doesn't end.
        pub idle_reach: Period = Period::of_days(7),
        /// How often this machine's clock is compared with the broker's; stream time follows the clock only while they
        /// agree to within `max_skew`.
        pub clock_check: Period = Period::of_secs(3_600),
        /// How long a batch is filled before it is committed. Longer: cheaper, later outputs.
        pub commit_interval: Period = Period::of_millis(100),
        /// A batch is committed at that many consumed records at the latest.
        pub batch_records: usize = 20_000,
        /// A batch is committed at that many bytes of outputs, dead letters and forwarded records at the latest.
        pub batch_bytes: Size = Size::of_mib(8),
        /// Records held back by the merge, for each input of a partition; a full buffer pauses the input.
        pub buffer_records: usize = 4_096,
        /// Bytes held back by the merge, for each input of a partition: of keys, headers and values.
        pub buffer_bytes: Size = Size::of_mib(16),
        /// A dead letter is cut to that: its value, then its headers, then its key. Must exceed `max_record` by 64KiB,
        /// so that what may be used is never cut.
        pub dead_letter_limit: Size = Size::of_mib(2),
        /// Records that a lane handles between two polls, at most.
        pub turn_records: usize = 2_000,
        /// How long a poll may wait when there is nothing to do.
        pub poll_timeout: Period = Period::of_millis(100),
        /// How long one read of a changelog, or a poll, may wait while partitions are restored.
        pub restore_timeout: Period = Period::of_millis(20),
        /// Partitions that a process restores at once, each on a thread and with a reader of its own.
        pub restores_at_once: usize = 4,
        /// How long a lane waits before it tries again after a failure.
        pub retry_backoff: Period = Period::of_millis(200),
        /// After each further failure of a commit the lane waits for twice as long, up to that.
        pub retry_backoff_max: Period = Period::of_secs(30),
        /// How long the same thing may fail, with no success in between, or one call to the client not return, before
        /// the process gives up and names the cause.
        pub patience: Period = Period::of_secs(120),
        /// A partition that has something to do and makes no progress for that long is named, with its cause and what
        /// to do; and so is a call to the client that has not returned.
        pub stall_after: Period = Period::of_secs(30),
        /// How often the cluster is asked whether the inputs, `rekey` and the changelog are still the same topics, and
        /// what they hold; at most 5s, so that a change is noticed within 10s.
        pub topic_check: Period = Period::of_secs(2),
        /// The start of each lane's transactional id and member name, the same after a restart: `<name>-<lane>`. Of
        /// `[application]`.
        #[serde(skip)]
        pub name: String = "tideline-".to_owned(),
        /// How often something is appended to the compacted logs of a partition, whatever comes: only an append closes
        /// a segment. Of `[topics]`: the age of a segment.
        #[serde(skip)]
        pub touch_every: Period = TopicSettings::default().changelog_segment_age,
        /// Which partition is a user's. Of `[topics]`.
        #[serde(skip)]
        pub partitioner: Partitioner = Partitioner::default(),
        /// When the lanes are done. Of the command.
        #[serde(skip)]
        pub mode: Mode = Mode::Endless,
    }
}

/// When lanes are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// When they are asked to stop. Stream time follows the clock where inputs are idle.
    Endless,
    /// When every input and `rekey` are at their end; then every W moves to `until`, if one is given. The clock moves
    /// nothing.
    UntilEnd {
        /// Where every W moves at the end.
        until: Option<Timestamp>,
        /// That move takes W over silent inputs, too.
        ignore_silent: bool,
    },
}

impl LaneSettings {
    /// The most that [`Self::topic_check`] may be: a change must be noticed within 10 s, by the second look.
    const MAX_TOPIC_CHECK: Period = Period::of_secs(5);

    /// The faults of these settings by themselves.
    pub fn check(&self, faults: &mut Faults) {
        for (key, period) in [
            ("merge_wait", self.merge_wait),
            ("idle_after", self.idle_after),
            ("commit_interval", self.commit_interval),
            ("idle_tick", self.idle_tick),
            ("idle_reach", self.idle_reach),
            ("clock_check", self.clock_check),
            ("poll_timeout", self.poll_timeout),
            ("restore_timeout", self.restore_timeout),
            ("retry_backoff", self.retry_backoff),
            ("patience", self.patience),
            ("stall_after", self.stall_after),
            ("topic_check", self.topic_check),
        ] {
            faults.unless_positive(key, period);
        }
        for (key, count) in [
            ("batch_records", self.batch_records),
            ("buffer_records", self.buffer_records),
            ("turn_records", self.turn_records),
            ("restores_at_once", self.restores_at_once),
        ] {
            faults.unless_countable(key, count);
        }
        faults.unless(
            self.topic_check <= Self::MAX_TOPIC_CHECK,
            "topic_check",
            format!("{} must be at most 5s: what becomes of a topic must be noticed within 10s", self.topic_check),
        );
        let least = faults.path("retry_backoff");
        faults.unless(
            self.retry_backoff <= self.retry_backoff_max,
            "retry_backoff_max",
            format!("{} must not be shorter than {least}, {}", self.retry_backoff_max, self.retry_backoff),
        );
        let limit = faults.path("dead_letter_limit");
        faults.unless(
            self.batch_bytes >= self.dead_letter_limit,
            "batch_bytes",
            format!("{} can't hold one dead letter of {limit}, {}", self.batch_bytes, self.dead_letter_limit),
        );
    }

    /// What tasks must be told of it, with what else they must know. `max_skew_ms`: how far ahead of the clock an event
    /// may be.
    pub(super) fn of_tasks(&self, partitions: i32, max_skew_ms: i64) -> TaskSettings {
        TaskSettings {
            partitions,
            partitioner: self.partitioner,
            max_skew_ms,
            merge: MergeBounds {
                buffer_items: self.buffer_records,
                buffer_bytes: self.buffer_bytes.bytes(),
                wait_ms: millis(self.merge_wait),
            },
            in_flight: self.in_flight(partitions),
            is_endless: self.mode == Mode::Endless,
        }
    }

    /// Half of the buffer sorts what comes through `rekey`: no more than that may be forwarded ahead of anything.
    fn in_flight(&self, partitions: i32) -> InFlight {
        let of_all = (self.buffer_records / 2).max(1);
        InFlight { of_all, of_one: (of_all / partitions.max(1).unsigned_abs() as usize).max(1) }
    }
}

/// Whole milliseconds.
pub(super) fn millis(duration: impl Into<Duration>) -> u64 {
    u64::try_from(duration.into().as_millis()).unwrap_or(u64::MAX)
}
