//! What all lanes of a process share: how records are read and written, the rules, the bounds.

use std::sync::Arc;

use crate::broker::Topics;
use crate::domain::{Input, PartitionId};
use crate::emit::Output;
use crate::engine::Engine;
use crate::ingest::InputSpec;
use crate::pipeline::Pipeline;
use crate::record::{Coordinates, Offset};
use crate::rules::Ruleset;
use crate::runtime::recovery::start::Expected;
use crate::runtime::settings::LaneSettings;
use crate::runtime::tasks::Permits;
use crate::runtime::watch::timekeeper::Timekeeper;

/// What all lanes of a process share and never change.
#[derive(Debug)]
pub struct Job {
    /// Rules, lateness, horizons.
    pub engine: Arc<Engine>,
    /// By name: inputs, `rekey`, changelog, outputs, dead letters.
    pub topics: Topics,
    /// Every bound of a lane.
    pub settings: LaneSettings,
    /// How records are read and outputs written.
    pub pipeline: Arc<Pipeline>,
    pub(super) restore_permits: Permits,
    pub(super) timekeeper: Timekeeper,
}

impl Job {
    /// `inputs`: by input, `rekey` last, as `topics` has them. `max_skew_ms`: how far ahead of the clock an event may
    /// be.
    pub fn new(
        engine: Arc<Engine>,
        topics: Topics,
        inputs: Vec<InputSpec>,
        max_skew_ms: i64,
        output: Output,
        settings: LaneSettings,
    ) -> Arc<Self> {
        let tasks = settings.of_tasks(topics.partitions, max_skew_ms);
        let pipeline = Arc::new(Pipeline::new(engine.clone(), inputs, output, tasks));
        let restore_permits = Permits::new(settings.restores_at_once);
        let timekeeper = Timekeeper::new(max_skew_ms, &settings);
        Arc::new(Self { engine, topics, settings, pipeline, restore_permits, timekeeper })
    }

    pub(crate) fn expected(&self) -> Expected<'_> {
        let rules = self.engine.rules();
        Expected {
            topics: &self.topics,
            partitioner: self.settings.partitioner,
            zone: rules.zone().name(),
            generation: rules.generation(),
            digest: rules.version(),
            sections: rules.sections(),
            digest_scheme: Ruleset::DIGEST_SCHEME,
        }
    }

    pub(crate) fn coordinates(&self, input: Input, partition: PartitionId, offset: Offset) -> Coordinates {
        Coordinates { topic: self.topics.input(input).clone(), partition, offset }
    }
}
