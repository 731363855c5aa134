//! The tables of a configuration with their keys, as the parts describe them.

use super::application::Application;
use crate::api::ServerSettings;
use crate::broker::{KafkaSettings, TopicSettings};
use crate::domain::OutputTopic;
use crate::emit::Output;
use crate::engine::EngineSettings;
use crate::ingest::{IngestSettings, InputSettings};
use crate::rules::{Model, Rules, Rung};
use crate::runtime::LaneSettings;
use crate::settings::{Described, KeyDoc};
use crate::telemetry::LogSettings;

/// A table of the file.
pub(super) struct TableDoc {
    /// From the root: `rules.model`.
    pub path: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// In the order in which they are described; those that no file may set are among them.
    pub keys: Vec<KeyDoc>,
}

impl TableDoc {
    fn of<T: Described>(path: &'static str) -> Self {
        Self { path, about: T::ABOUT, keys: T::KEYS.to_vec() }
    }

    /// In a table of several parts none of them says what it is about.
    fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// The keys of a further part that are in the same table.
    fn with<T: Described>(mut self) -> Self {
        self.keys.extend(T::KEYS);
        self
    }
}

/// In the order of the example.
pub(super) fn tables() -> Vec<TableDoc> {
    vec![
        TableDoc::of::<Application>("application"),
        TableDoc::of::<KafkaSettings>("kafka"),
        TableDoc::of::<InputSettings>("inputs"),
        topics(),
        TableDoc::of::<EngineSettings>("stream")
            .with::<IngestSettings>()
            .with::<LaneSettings>()
            .about("Time, batches and bounds: of the engine, of what is read, and of lanes."),
        TableDoc::of::<Rules>("rules"),
        TableDoc::of::<Model>("rules.model"),
        TableDoc::of::<Rung>("rules.rungs"),
        TableDoc::of::<Output>("output").about("The shape of what is written."),
        TableDoc::of::<ServerSettings>("telemetry")
            .with::<LogSettings>()
            .about("What operators see: the HTTP server and the log."),
    ]
}

/// The names of outputs are a table of their own.
fn topics() -> TableDoc {
    let of_output = |output: OutputTopic| {
        let row = output.row();
        KeyDoc { name: row.key, doc: row.about, example: None }
    };
    let mut table = TableDoc::of::<TopicSettings>("topics");
    let at = table.keys.iter().position(|key| key.name == "outputs").unwrap_or_default();
    table.keys.splice(at..=at, OutputTopic::ALL.map(of_output));
    table
}
