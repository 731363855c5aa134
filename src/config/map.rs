//! What a part is given: its own settings, and with them what other tables say of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tree::Config;
use crate::broker::{KafkaSettings, TopicSettings, Topics};
use crate::emit::Output;
use crate::engine::{Engine, EngineSettings};
use crate::ingest::{InputSettings, InputSpec};
use crate::runtime;
use crate::runtime::{LaneSettings, Mode};
use crate::settings::{Period, Unsound};

impl Config {
    /// What the engine works by.
    pub fn engine_settings(&self) -> EngineSettings {
        let silent_after = |input: &InputSettings| input.silent_after.map(Period::millis);
        EngineSettings {
            rules: self.rules.clone(),
            // `rekey` comes last and is never silent: what it carries is another input's.
            silent_after_ms: self.inputs.iter().map(silent_after).chain([None]).collect(),
            retention_ms: self.erasure_memory().millis(),
            partitions: self.topics.partitions,
            ..self.stream.engine.clone()
        }
    }

    /// The longest retention of all inputs.
    pub fn longest_retention(&self) -> Period {
        self.inputs.iter().map(|input| input.retention).max().unwrap_or_default()
    }

    /// How long an erasure is remembered, so that what is older stays suppressed: as long as it can be read. An input
    /// may keep it for its retention; if it dies when it is read, the dead letters keep it for theirs, from then on.
    pub fn erasure_memory(&self) -> Period {
        self.longest_retention().plus(self.topics.dead_letter_retention)
    }

    /// The name of this process, with which its transactional ids and member names begin.
    pub fn name(&self) -> String {
        format!("{}-{}", self.application.id, self.application.instance)
    }

    /// What lanes work by.
    pub fn lane_settings(&self, mode: Mode) -> LaneSettings {
        LaneSettings {
            name: self.name(),
            touch_every: self.topics.changelog_segment_age,
            partitioner: self.topics.partitioner,
            mode,
            ..self.stream.lanes.clone()
        }
    }

    /// What the client works by.
    pub fn kafka_settings(&self) -> KafkaSettings {
        KafkaSettings {
            group_id: self.application.id.clone(),
            narrow_inputs: self.narrow_inputs(),
            ..self.kafka.clone()
        }
    }

    /// What topics are created with.
    pub fn topic_settings(&self) -> TopicSettings {
        TopicSettings {
            input_retention: self.longest_retention(),
            narrow_inputs: self.narrow_inputs(),
            max_message: self.kafka.max_message,
            ..self.topics.clone()
        }
    }

    /// Inputs with fewer partitions than the application, by topic.
    fn narrow_inputs(&self) -> BTreeMap<String, i32> {
        let count = |input: &InputSettings| input.partitions.filter(|&count| count != self.topics.partitions);
        self.inputs.iter().filter_map(|input| Some((input.topic.clone(), count(input)?))).collect()
    }

    /// All that the lanes of a process share.
    ///
    /// # Errors
    ///
    /// Faults of the engine's settings and of the rules; a configuration that was loaded has none.
    pub fn job(&self, mode: Mode) -> Result<Arc<runtime::Job>, Unsound> {
        let (inputs, topics) = (self.input_specs(), self.topic_names());
        let ignore_silent = matches!(mode, Mode::UntilEnd { ignore_silent: true, .. });
        let engine = Engine::new(EngineSettings { ignore_silent, ..self.engine_settings() })?;
        let (skew_ms, output) = (self.stream.ingest.max_skew.millis(), self.output_settings());
        Ok(runtime::Job::new(engine, topics, inputs, skew_ms, output, self.lane_settings(mode)))
    }

    /// By input, `rekey` last.
    pub fn input_specs(&self) -> Vec<InputSpec> {
        let rekey = InputSpec::rekey(self.topics.rekey.as_str(), &self.stream.ingest);
        self.inputs.iter().map(|input| InputSpec::of(input, &self.stream.ingest)).chain([rekey]).collect()
    }

    /// What outputs look like, where they go, and who says so.
    pub fn output_settings(&self) -> Output {
        Output { topics: self.topics.outputs.clone(), source: self.application.id.clone(), ..self.output.clone() }
    }

    /// The topics of the application, by what they are for.
    pub fn topic_names(&self) -> Topics {
        let topics = &self.topics;
        let name = |text: &String| -> Arc<str> { text.as_str().into() };
        Topics {
            inputs: self.inputs.iter().map(|input| name(&input.topic)).chain([name(&topics.rekey)]).collect(),
            changelog: name(&topics.changelog),
            outputs: topics.outputs.clone(),
            partitions: topics.partitions,
        }
    }
}
