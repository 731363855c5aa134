//! The configuration as a tree of the parts' own settings: which table is whose.
//!
//! Of a key nothing is written here: its part declares it with its default, its unit and why it is there.

use serde::{Deserialize, Serialize};

use super::application::Application;
use crate::api::ServerSettings;
use crate::broker::{KafkaSettings, TopicSettings};
use crate::domain::Source;
use crate::emit::Output;
use crate::engine::EngineSettings;
use crate::ingest::{IngestSettings, InputSettings};
use crate::rules::Rules;
use crate::runtime::LaneSettings;
use crate::telemetry::LogSettings;

/// Everything that can be set. `Config::default()` is what an empty file means, and sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who this process is.
    pub application: Application,
    /// The connection to the broker.
    pub kafka: KafkaSettings,
    /// Topics of events, one a source, in the order in which the merge breaks ties.
    pub inputs: Vec<InputSettings>,
    /// The application's own topics.
    pub topics: TopicSettings,
    /// Time, batches and bounds.
    pub stream: Stream,
    /// The business rules.
    pub rules: Rules,
    /// The shape of what is written.
    pub output: Output,
    /// What operators see.
    pub telemetry: Telemetry,
}

/// Time, batches and bounds: of the engine, of what is read, and of lanes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stream {
    /// How late, how many at once, and from when on.
    #[serde(flatten)]
    pub engine: EngineSettings,
    /// What of a record may be used.
    #[serde(flatten)]
    pub ingest: IngestSettings,
    /// How lanes read, batch, commit, restore and give up.
    #[serde(flatten)]
    pub lanes: LaneSettings,
}

/// What operators see: the HTTP server and the log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// The HTTP server.
    #[serde(flatten)]
    pub server: ServerSettings,
    /// The log, on standard error.
    #[serde(flatten)]
    pub log: LogSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            application: Application::default(),
            kafka: KafkaSettings::default(),
            inputs: Source::ALL.map(InputSettings::of).into(),
            topics: TopicSettings::default(),
            stream: Stream::default(),
            rules: Rules::default(),
            output: Output::default(),
            telemetry: Telemetry::default(),
        }
    }
}
