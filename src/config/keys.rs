//! The tables of a configuration with their keys, as the parts describe them.

use super::application::Application;
use crate::broker::KafkaSettings;
use crate::engine::EngineSettings;
use crate::ingest::{IngestSettings, InputSettings};
use crate::runtime::LaneSettings;
use crate::settings::{Described, KeyDoc};

/// A table of the file.
pub(super) struct TableDoc {
    /// From the root: `rules.model`.
    pub path: &'static str,
    /// In the order in which they are described; those that no file may set are among them.
    pub keys: Vec<&'static KeyDoc>,
}

impl TableDoc {
    fn of<T: Described>(path: &'static str) -> Self {
        Self { path, keys: T::KEYS.iter().collect() }
    }

    /// The keys of a further part that stand in the same table.
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
        TableDoc::of::<EngineSettings>("stream").with::<IngestSettings>().with::<LaneSettings>(),
    ]
}
