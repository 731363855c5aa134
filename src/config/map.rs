//! What the parts of the program are told: the configuration as each of them wants it.

use std::sync::Arc;

use super::tree::{Config, InputConfig};
use crate::broker::Topics;
use crate::domain::Origin;
use crate::ingest::{Format, InputSpec};
use crate::settings::Period;
use crate::{api, emit, engine, runtime};

impl Config {
    pub fn engine_settings(&self) -> engine::Settings {
        let silent_after = |input: &InputConfig| input.silent_after.map(Period::millis);
        engine::Settings {
            rules: self.rules.clone(),
            lateness_ms: self.stream.lateness.millis(),
            // `rekey` comes last and is never silent: what it carries is another input's.
            silent_after_ms: self.inputs.iter().map(silent_after).chain([None]).collect(),
            max_effects: self.stream.max_effects,
            emit_from: self.stream.emit_from,
            retention_ms: self.erasure_memory().millis(),
            ignore_silent: false,
            partitions: self.topics.partitions,
        }
    }

    /// Of all inputs.
    pub fn longest_retention(&self) -> Period {
        self.inputs.iter().map(|input| input.retention).max().unwrap_or_default()
    }

    /// How long an erasure is remembered, so that what is older stays suppressed: as long as it can be read. An input may keep it
    /// for its retention; if it dies when it is read, the dead letters keep it for theirs, from then on.
    pub fn erasure_memory(&self) -> Period {
        self.longest_retention().plus(self.topics.dead_letter_retention)
    }

    /// Of this process: what its transactional ids and members' names begin with.
    pub fn name(&self) -> String {
        format!("{}-{}", self.application.id, self.application.instance)
    }

    /// What lanes are told.
    pub fn lane_settings(&self, mode: runtime::Mode) -> runtime::Settings {
        let stream = &self.stream;
        runtime::Settings {
            name: self.name(),
            commit_interval: stream.commit_interval.duration(),
            max_batch_records: stream.batch_records,
            max_batch_bytes: stream.batch_bytes.bytes(),
            buffer_records: stream.buffer_records,
            buffer_bytes: stream.buffer_bytes.bytes(),
            merge_wait: stream.merge_wait.duration(),
            idle_after: stream.idle_after.duration(),
            idle_tick: stream.idle_tick.duration(),
            idle_reach: stream.idle_reach.duration(),
            clock_check: stream.clock_check.duration(),
            touch_every: self.topics.changelog_segment_age.duration(),
            turn_records: stream.turn_records,
            poll_timeout: stream.poll_timeout.duration(),
            restore_timeout: stream.restore_timeout.duration(),
            restores_at_once: stream.restores_at_once,
            retry_backoff: stream.retry_backoff.duration(),
            retry_backoff_max: stream.retry_backoff_max.duration(),
            patience: stream.patience.duration(),
            stall_after: stream.stall_after.duration(),
            topic_check: stream.topic_check.duration(),
            dead_letter_limit: stream.dead_letter_limit.bytes(),
            partitioner: self.topics.partitioner,
            mode,
        }
    }

    pub const fn telemetry_limits(&self) -> api::Limits {
        api::Limits {
            max_connections: self.telemetry.max_connections,
            header_timeout: self.telemetry.header_timeout.duration(),
            idle_timeout: self.telemetry.idle_timeout.duration(),
        }
    }

    /// All that the lanes of a process share.
    pub fn job(&self, mode: runtime::Mode) -> Result<Arc<runtime::Job>, Vec<String>> {
        let (inputs, topics) = (self.input_specs(), self.topic_names());
        let ignore_silent = matches!(mode, runtime::Mode::UntilEnd { ignore_silent: true, .. });
        let engine = engine::Engine::new(engine::Settings { ignore_silent, ..self.engine_settings() })?;
        let (skew_ms, output) = (self.stream.max_skew.millis(), self.output_settings());
        Ok(runtime::Job::new(engine, topics, inputs, skew_ms, output, self.lane_settings(mode)))
    }

    /// By input, `rekey` last.
    pub fn input_specs(&self) -> Vec<InputSpec> {
        let max_record = self.stream.max_record.bytes();
        let configured = self.inputs.iter().map(|input| InputSpec {
            topic: input.topic.as_str().into(),
            source: Some(input.source),
            origin: input.origin,
            format: input.format,
            keyed: input.keyed,
            max_record,
            earliest: self.stream.earliest,
        });
        let rekey = InputSpec {
            topic: self.topics.rekey.as_str().into(),
            source: None,
            origin: Origin::default(),
            format: Format::Json,
            keyed: true,
            max_record,
            earliest: self.stream.earliest,
        };
        configured.chain([rekey]).collect()
    }

    pub fn output_settings(&self) -> emit::Output {
        emit::Output {
            tier_changes: self.topics.tier_changes.as_str().into(),
            dormancy_risk: self.topics.dormancy_risk.as_str().into(),
            format: self.output.format,
            source: self.application.id.clone(),
        }
    }

    pub fn topic_names(&self) -> Topics {
        let topics = &self.topics;
        let name = |text: &String| -> Arc<str> { text.as_str().into() };
        Topics {
            inputs: self.inputs.iter().map(|input| name(&input.topic)).chain([name(&topics.rekey)]).collect(),
            changelog: name(&topics.changelog),
            tier_changes: name(&topics.tier_changes),
            dormancy_risk: name(&topics.dormancy_risk),
            user_profiles: name(&topics.user_profiles),
            dead_letters: name(&topics.dead_letters),
            partitions: topics.partitions,
        }
    }
}
