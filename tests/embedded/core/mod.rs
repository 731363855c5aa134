//! The pure core: worked cases, properties, and what neither shows.

mod cases;
mod chaos;
mod identities;
mod properties;
mod stored;
mod vectors;

use std::sync::Arc;

use serde_json::Value;
use tideline::domain::{DAY_MS, Event, Input, OutputNames, PartitionId, Source, Timestamp};
use tideline::emit::{Emitter, Output, OutputFormat};
use tideline::engine::{
    Announcement, Disposition, Effect, Engine, EngineSettings, Handled, Partition, Previous, Slice,
};
use tideline::record::Coordinates;
use tideline::rules::Rules;
use tideline::settings::Period;

/// EngineSettings with the contract's defaults, one input a source, in the order of [`Source::ALL`].
pub(super) fn settings(rules: Rules) -> EngineSettings {
    EngineSettings {
        rules,
        lateness: Period::of_secs(3_600),
        silent_after_ms: vec![None; Source::ALL.len()],
        max_effects: 100,
        emit_from: None,
        retention_ms: 30 * DAY_MS,
        ignore_silent: false,
        partitions: 1,
    }
}

pub(super) fn partition(settings: EngineSettings) -> Partition {
    Partition::new(Engine::new(settings).unwrap())
}

fn coordinates(offset: i64) -> Coordinates {
    Coordinates { topic: Arc::from("events"), partition: PartitionId(0), offset }
}

fn emitter(engine: &Engine) -> Emitter {
    let output = Output { topics: OutputNames::default(), format: OutputFormat::Json, source: "tideline".to_owned() };
    Emitter::new(&engine.settings().rules, engine.rule_version(), output)
}

fn json_of(signal: &Announcement, emitter: &Emitter) -> Value {
    let mut json = Vec::new();
    emitter.write_json(signal, &mut json);
    serde_json::from_slice(&json).unwrap()
}

/// The name that a tier was announced under.
fn name_of(previous: &Previous, engine: &Engine) -> String {
    match previous {
        Previous::Tier(tier) => engine.tier_name(*tier).to_owned(),
        Previous::Retired(name) => name.to_string(),
    }
}

/// Handles an event, installing full slices of timers on the way, as a lane does after their commit.
fn handle(partition: &mut Partition, event: &Event, signals: &mut Vec<Announcement>) -> Disposition {
    let mut effects = Vec::new();
    let disposition = loop {
        match partition.handle_event(Input(event.source as u8), event, &coordinates(0), &mut effects).unwrap() {
            Handled::Done(disposition) => break disposition,
            Handled::TimersFirst => partition.install(),
        }
    };
    signals.extend(effects.into_iter().filter_map(Effect::announcement));
    disposition
}

/// Moves stream time, and fires all that is due by then.
fn advance(partition: &mut Partition, to: Timestamp, signals: &mut Vec<Announcement>) {
    let mut effects = Vec::new();
    while partition.handle_time(Some(to), &mut effects).unwrap() == Slice::Full {
        partition.install();
    }
    partition.install();
    signals.extend(effects.into_iter().filter_map(Effect::announcement));
}

/// A second partition with the state of the first, as a restart would make it, under these settings.
fn restored(from: &Partition, settings: EngineSettings) -> Partition {
    let mut to = partition(settings);
    for (key, value) in from.users().snapshot() {
        to.restore_user(&key, Some(&value)).unwrap();
    }
    let mut record = Default::default();
    from.fill_record(&mut record);
    to.restore_position(&record).unwrap();
    to
}
