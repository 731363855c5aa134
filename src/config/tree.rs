//! The configuration as a tree of values: every key, its default, its unit and why it is there.
//!
//! What is written here in a key's first lines is what `deploy/config.example.toml` says of it; a test holds the
//! example to these defaults.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::application::Application;
use super::kafka::Kafka;
use crate::domain::{Origin, Partitioner, Source, Timestamp};
use crate::emit::OutputFormat;
use crate::ingest::Format;
use crate::rules::Rules;
use crate::settings::{Period, Size, rfc3339};

/// Everything that can be set. `Config::default()` is what an empty file means, and sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub application: Application,
    pub kafka: Kafka,
    /// Topics of events, one a source, in the order in which the merge breaks ties.
    pub inputs: Vec<InputConfig>,
    pub topics: TopicsConfig,
    pub stream: Stream,
    pub rules: Rules,
    pub output: Output,
    pub telemetry: Telemetry,
}

/// One topic of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputConfig {
    pub topic: String,
    /// Whose events these are: `app`, `sms`, `branch` or `merchant`. Decides which types it may send.
    pub source: Source,
    /// The origin of an event that names none: `own`, `telecom` or `partner`. Default `own`.
    #[serde(default)]
    pub origin: Origin,
    /// The shape of a record whose headers don't tell: `json`, `cloudevents`, `protobuf` or `confluent-protobuf`.
    /// Default `json`.
    #[serde(default = "json")]
    pub format: Format,
    /// `false`: the record's key isn't the user's, all of the topic goes through `rekey`. Default true.
    #[serde(default = "yes")]
    pub keyed: bool,
    /// How many partitions the topic has, where they are fewer than `topics.partitions`; only with `keyed = false`, whose
    /// records find their partition by way of `rekey`. Absent by default: as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// The feed counts as silent once stream time runs ahead of its newest event by more than that: nothing follows from
    /// absence then. Absent by default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_after: Option<Period>,
    /// How long the topic keeps records. An erasure is remembered for the longest of all inputs and, after it, that of the dead
    /// letters. Default 7d.
    #[serde(default = "week")]
    pub retention: Period,
}

/// What the application's own topics are called, and how they are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicsConfig {
    /// Partitions of every input, of `rekey` and of `changelog`. Can't be changed under a living changelog. Default 8.
    pub partitions: i32,
    /// What puts users on partitions, one for all inputs: `murmur2` (Java's default), `consistent` (CRC32, librdkafka's default)
    /// or `fnv1a` (sarama's). Can't be changed under a living changelog. Default `murmur2`.
    pub partitioner: Partitioner,
    /// Copies of a topic that `tideline topics` creates; 0: as the broker has it. Default 0.
    pub replication: u16,
    /// Default `tier-changes`.
    pub tier_changes: String,
    /// Default `dormancy-risk`.
    pub dormancy_risk: String,
    /// The present of each user, compacted. Default `user-profiles`.
    pub user_profiles: String,
    /// Records that can't be used. Default `dead-letters`.
    pub dead_letters: String,
    /// Internal: records whose partition was not the user's. Default `tideline.rekey`.
    pub rekey: String,
    /// Internal, compacted: what is remembered of users. Default `tideline.changelog`.
    pub changelog: String,
    /// How long tier changes and dormancy risks are kept, where `tideline topics` creates the topic. Default 7d.
    pub output_retention: Period,
    /// How long dead letters are kept, where `tideline topics` creates the topic; part of how long an erasure is remembered.
    /// Default 14d.
    pub dead_letter_retention: Period,
    /// Segments of the changelog; small ones are compacted sooner, so a restore reads less. Default 16MiB.
    pub changelog_segment: Size,
    /// A segment of the changelog, or of `user-profiles`, is closed after that even if it isn't full: only closed ones are
    /// compacted. So often something is appended to each, since only that closes one. Default 1h.
    pub changelog_segment_age: Period,
    /// What stands in a closed segment of theirs is compacted after that at the latest. Default 1d.
    pub changelog_compaction_lag: Period,
    /// How long the tombstone of an erased user is kept after the first compaction that saw it. Default 1d.
    pub changelog_tombstone_retention: Period,
}

/// Time, batches and bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stream {
    /// Timers obey W = S − lateness: how long an event may come late and still count in time. Default 1h.
    pub lateness: Period,
    /// An event further ahead of the clock is dead (`future_time`) and doesn't move stream time. Default 5m.
    pub max_skew: Period,
    /// An event whose own time is before this RFC 3339 time is dead (`bad_value`): its time is in seconds, more likely than not.
    /// Default 1990-01-01T00:00:00Z.
    #[serde(with = "rfc3339")]
    pub earliest: Timestamp,
    /// How long the merge waits for a topic that has more but doesn't deliver. Default 5s.
    pub merge_wait: Period,
    /// With every topic at its end and nothing for that long, stream time follows the clock. Default 60s.
    pub idle_after: Period,
    /// How often it follows then; each time is a transaction. Default 5s.
    pub idle_tick: Period,
    /// Not where it is further behind the clock than that: there a history is being loaded, and pauses. Default 7d.
    pub idle_reach: Period,
    /// How often this machine's clock is compared with the broker's; stream time follows only while they agree to within
    /// `max_skew`. Default 1h.
    pub clock_check: Period,
    /// How long a batch is filled before it is committed. Longer: cheaper, later outputs. Default 100ms.
    pub commit_interval: Period,
    /// A batch is committed at that many records at the latest. Default 20000.
    pub batch_records: usize,
    /// A batch is committed at that many bytes of outputs, dead letters and forwarded records. Default 8MiB.
    pub batch_bytes: Size,
    /// Deadlines fire in slices of that many, each committed by itself. Default 5000.
    pub max_effects: usize,
    /// Records held back by the merge, for each input of a partition; a full buffer stops reading it. Default 4096.
    pub buffer_records: usize,
    /// Bytes held back by the merge, for each input of a partition: of keys, headers and values. Default 16MiB.
    pub buffer_bytes: Size,
    /// A larger record of an input is dead (`too_large`): key, names and values of headers, and value together. Its name was
    /// `max_value`, which is still read. Default 1MiB.
    pub max_record: Size,
    /// A dead letter is cut to that: its value, then its headers, then its key. Must exceed `max_record` by 64KiB, so that what
    /// may be used is never cut. Default 2MiB.
    pub dead_letter_limit: Size,
    /// Outputs older than this RFC 3339 time are folded in silence. Absent by default: all are sent.
    #[serde(default, with = "rfc3339::optional", skip_serializing_if = "Option::is_none")]
    pub emit_from: Option<Timestamp>,
    /// Records that a lane handles between two polls, at most. Default 2000.
    pub turn_records: usize,
    /// How long a poll may wait when there is nothing to do. Default 100ms.
    pub poll_timeout: Period,
    /// How long one look at a changelog, or a poll, may wait while partitions are restored. Default 20ms.
    pub restore_timeout: Period,
    /// Partitions that are restored at once, each on a thread and with a reader of its own. Default 4.
    pub restores_at_once: usize,
    /// How long a lane keeps from trying again after a failure. Default 200ms.
    pub retry_backoff: Period,
    /// After each further failure of a commit it keeps from it for twice as long, up to that. Default 30s.
    pub retry_backoff_max: Period,
    /// How long the same thing may fail, with no success in between, or one call to the client not return, before the process
    /// gives up and names the cause. Default 2m.
    pub patience: Period,
    /// A partition that has something to do and has not come forward for that long is named with its cause, and so is a call
    /// to the client that has not returned. Default 30s.
    pub stall_after: Period,
    /// How often the cluster is asked whether the inputs, rekey and the changelog are still the same topics, and what they hold;
    /// at most 5s, so that a change is noticed within 10s. Default 2s.
    pub topic_check: Period,
}

/// The shape of what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// `json` or `protobuf`. Default `json`.
    pub format: OutputFormat,
}

/// What operators see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Where `/metrics`, `/livez` and `/readyz` answer; port 0 takes a free one and logs it. Default 127.0.0.1:9464.
    pub listen: SocketAddr,
    /// Connections at a time; one more takes the place of one that says nothing. Default 64.
    pub max_connections: usize,
    /// How long a request's headers may take, from the connection's begin or from their first byte. Default 5s.
    pub header_timeout: Period,
    /// How long a connection may be kept without a request, or with an answer that nobody reads. Default 60s.
    pub idle_timeout: Period,
    /// `plain` or `json`. Default `plain`.
    pub log_format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`. From `debug` on a line may name a user. Default `info`.
    pub log_level: LogLevel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Plain,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            application: Application::default(),
            kafka: Kafka::default(),
            inputs: Source::ALL.map(InputConfig::of).into(),
            topics: TopicsConfig::default(),
            stream: Stream::default(),
            rules: Rules::default(),
            output: Output::default(),
            telemetry: Telemetry::default(),
        }
    }
}

impl InputConfig {
    /// The default input of a source: `app.events` and so on.
    pub fn of(source: Source) -> Self {
        Self {
            topic: format!("{}.events", source.as_str()),
            source,
            origin: Origin::default(),
            format: json(),
            keyed: true,
            partitions: None,
            silent_after: None,
            retention: week(),
        }
    }
}

impl Default for TopicsConfig {
    fn default() -> Self {
        Self {
            partitions: 8,
            partitioner: Partitioner::default(),
            replication: 0,
            tier_changes: "tier-changes".to_owned(),
            dormancy_risk: "dormancy-risk".to_owned(),
            user_profiles: "user-profiles".to_owned(),
            dead_letters: "dead-letters".to_owned(),
            rekey: "tideline.rekey".to_owned(),
            changelog: "tideline.changelog".to_owned(),
            output_retention: Period::of_days(7),
            dead_letter_retention: Period::of_days(14),
            changelog_segment: Size::of_mib(16),
            changelog_segment_age: Period::of_secs(3_600),
            changelog_compaction_lag: Period::of_days(1),
            changelog_tombstone_retention: Period::of_days(1),
        }
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            lateness: Period::of_secs(3_600),
            max_skew: Period::of_secs(300),
            earliest: Timestamp::of_millis(631_152_000_000),
            merge_wait: Period::of_secs(5),
            idle_after: Period::of_secs(60),
            idle_tick: Period::of_secs(5),
            idle_reach: Period::of_days(7),
            clock_check: Period::of_secs(3_600),
            commit_interval: Period::of_millis(100),
            batch_records: 20_000,
            batch_bytes: Size::of_mib(8),
            max_effects: 5_000,
            buffer_records: 4_096,
            buffer_bytes: Size::of_mib(16),
            max_record: Size::of_mib(1),
            dead_letter_limit: Size::of_mib(2),
            emit_from: None,
            turn_records: 2_000,
            poll_timeout: Period::of_millis(100),
            restore_timeout: Period::of_millis(20),
            restores_at_once: 4,
            retry_backoff: Period::of_millis(200),
            retry_backoff_max: Period::of_secs(30),
            patience: Period::of_secs(120),
            stall_after: Period::of_secs(30),
            topic_check: Period::of_secs(2),
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)),
            max_connections: 64,
            header_timeout: Period::of_secs(5),
            idle_timeout: Period::of_secs(60),
            log_format: LogFormat::default(),
            log_level: LogLevel::default(),
        }
    }
}

const fn json() -> Format {
    Format::Json
}

const fn yes() -> bool {
    true
}

const fn week() -> Period {
    Period::of_days(7)
}
