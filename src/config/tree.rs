//! The configuration as a tree of values: every key, its default, its unit and why it is there.
//!
//! What is written here in a key's first lines is what `deploy/config.example.toml` says of it; a test holds the
//! example to these defaults.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::application::Application;
use crate::broker::KafkaSettings;
use crate::domain::{OutputNames, Partitioner, Source};
use crate::emit::OutputFormat;
use crate::engine::EngineSettings;
use crate::ingest::{IngestSettings, InputSettings};
use crate::rules::Rules;
use crate::runtime::LaneSettings;
use crate::settings::{Period, Size};

/// Everything that can be set. `Config::default()` is what an empty file means, and sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub application: Application,
    pub kafka: KafkaSettings,
    /// Topics of events, one a source, in the order in which the merge breaks ties.
    pub inputs: Vec<InputSettings>,
    pub topics: TopicsConfig,
    pub stream: Stream,
    pub rules: Rules,
    pub output: Output,
    pub telemetry: Telemetry,
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
    /// What the topics are called that others read: a key for each row of [`crate::domain::OutputTopic`].
    #[serde(flatten)]
    pub outputs: OutputNames,
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

/// Time, batches and bounds: of the engine, of what is read, and of lanes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stream {
    #[serde(flatten)]
    pub engine: EngineSettings,
    #[serde(flatten)]
    pub ingest: IngestSettings,
    #[serde(flatten)]
    pub lanes: LaneSettings,
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
            kafka: KafkaSettings::default(),
            inputs: Source::ALL.map(InputSettings::of).into(),
            topics: TopicsConfig::default(),
            stream: Stream::default(),
            rules: Rules::default(),
            output: Output::default(),
            telemetry: Telemetry::default(),
        }
    }
}

impl Default for TopicsConfig {
    fn default() -> Self {
        Self {
            partitions: 8,
            partitioner: Partitioner::default(),
            replication: 0,
            outputs: OutputNames::default(),
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
