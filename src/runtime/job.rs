//! What all lanes of a process share: how records are read and written, the rules, the bounds.

use std::sync::Arc;

use crate::broker::Topics;
use crate::domain::{Input, PartitionId, Partitioner};
use crate::emit::{Emitter, Output};
use crate::engine::Engine;
use crate::ingest::{Decoder, InputSpec};
use crate::record::{Coordinates, Offset};
use crate::rules::Ruleset;
use crate::runtime::recovery::start::Expected;
use crate::runtime::settings::LaneSettings;
use crate::runtime::tasks::Permits;
use crate::runtime::watch::timekeeper::Timekeeper;

/// In the order of [`Partitioner::ALL`].
pub(crate) type Fits = [bool; Partitioner::ALL.len()];

/// What all lanes of a process share and never change.
#[derive(Debug)]
pub struct Job {
    /// Rules, lateness, horizons.
    pub engine: Arc<Engine>,
    /// By name: inputs, `rekey`, changelog, outputs, dead letters.
    pub topics: Topics,
    /// Every bound of a lane.
    pub settings: LaneSettings,
    /// By input, `rekey` last.
    pub(crate) decoders: Vec<Decoder>,
    pub(crate) emitter: Emitter,
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
        let partitions = topics.partitions;
        let partitioner = settings.partitioner;
        let decoder = |input| Decoder::new(input, partitions, max_skew_ms).partitioned_by(partitioner);
        let emitter = Emitter::new(&engine.settings().rules, engine.rule_version(), output);
        let restore_permits = Permits::new(settings.restores_at_once);
        let timekeeper = Timekeeper::new(max_skew_ms, &settings);
        let decoders = inputs.into_iter().map(decoder).collect();
        Arc::new(Self { engine, topics, settings, decoders, emitter, restore_permits, timekeeper })
    }

    pub(crate) fn inputs(&self) -> usize {
        self.topics.inputs.len()
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

    /// By partitioner, whether that key lies where it puts it.
    pub(crate) fn fits(&self, key: Option<&[u8]>, partition: PartitionId) -> Fits {
        let is_its = |it: Partitioner| key.is_some_and(|key| it.partition_of(key, self.topics.partitions) == partition);
        Partitioner::ALL.map(is_its)
    }

    /// The input an event counts for: for a forwarded record, the one it was first read from.
    pub(crate) fn originating_input(&self, input: Input, forwarded_from: Option<&Coordinates>) -> Input {
        let Some(from) = forwarded_from else { return input };
        let named = (0u8..).map(Input).zip(&self.topics.inputs).find(|(_, topic)| **topic == from.topic);
        named.map_or(input, |(input, _)| input)
    }
}
