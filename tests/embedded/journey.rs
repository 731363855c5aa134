//! A realistic year over 8 partitions of the embedded log, by lanes on threads of their own.

use std::sync::Arc;

use serde_json::Value;
use tideline::broker::memory::{Isolation, Memory, MemorySettings};
use tideline::config::Config;
use tideline::domain::{PartitionId, Timestamp};
use tideline::engine::Engine;
use tideline::record::{Message, Outgoing};
use tideline::runtime::{self, Board, Clock, Job, Mode, Settings, Stop};

use crate::common::journey;

#[test]
fn eight_partitions_and_two_lanes_give_the_expected_outputs() {
    let config = Config::default();
    let topics = config.topic_names();
    assert_eq!(topics.partitions, 8);
    let broker = Memory::new(topics.clone(), MemorySettings::default());
    for source in journey::SOURCES {
        for line in journey::events(source).lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let record = Outgoing {
                topic: format!("{source}.events").into(),
                partition: None,
                key: Some(event["user_id"].as_str().unwrap().into()),
                value: Some(line.into()),
                headers: Vec::new(),
                timestamp: None,
            };
            broker.produce(record).unwrap();
        }
    }
    run(&config, &broker);

    let mut outputs = Vec::new();
    for topic in [&topics.tier_changes, &topics.dormancy_risk] {
        for partition in (0..topics.partitions).map(PartitionId) {
            let messages = broker.read(topic, partition, 0, Isolation::ReadCommitted, usize::MAX).unwrap();
            outputs.extend(messages.iter().map(|message| serde_json::from_slice(message.value().unwrap()).unwrap()));
        }
    }
    journey::check_outputs(outputs);
}

fn run(config: &Config, broker: &Memory) {
    let until = Timestamp::parse(journey::UNTIL).unwrap();
    let settings = Settings { mode: Mode::UntilEnd { until: Some(until) }, ..Settings::default() };
    let engine = Engine::new(config.engine_settings()).unwrap();
    let max_skew_ms = config.stream.max_skew.millis();
    let (topics, inputs) = (config.topic_names(), config.input_specs());
    let job = Job::new(engine, topics, inputs, max_skew_ms, config.output.format, settings);
    let board = Board::default();
    runtime::run(broker, &Arc::clone(&job), 2, &Clock::system(), &board, &Stop::default()).unwrap();
}
