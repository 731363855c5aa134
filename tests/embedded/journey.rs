//! A realistic year over 8 partitions of the embedded log, by lanes on threads of their own.

use std::sync::Arc;

use serde_json::Value;
use tideline::api::Registry;
use tideline::broker::Isolation;
use tideline::broker::memory::{Memory, MemorySettings};
use tideline::config::Config;
use tideline::domain::{OutputTopic, PartitionId, Timestamp};
use tideline::engine::Engine;
use tideline::record::{Message, Outgoing};
use tideline::runtime::{self, Board, Clock, Job, LaneSettings, Mode, Stop};

use testkit::journey;

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
    for topic in OutputTopic::announcements().map(|output| &topics.outputs[output]) {
        for partition in (0..topics.partitions).map(PartitionId) {
            let messages = broker.read(topic, partition, 0, Isolation::ReadCommitted, usize::MAX).unwrap();
            outputs.extend(messages.iter().map(|message| serde_json::from_slice(message.value().unwrap()).unwrap()));
        }
    }
    journey::check_outputs(outputs);
}

#[test]
fn outputs_name_the_application_as_their_source() {
    let config = Config::parse("pay.toml", "[application]\nid = \"pay\"").unwrap();
    let topics = config.topic_names();
    let broker = Memory::new(topics.clone(), MemorySettings::default());
    let value =
        r#"{"id":"1","user_id":"u1","type":"payment.completed","time":"2026-01-01T00:00:00Z","data":{"amount":1}}"#;
    let record = Outgoing {
        topic: topics.inputs[0].clone(),
        partition: None,
        key: Some(b"u1".to_vec()),
        value: Some(value.into()),
        headers: Vec::new(),
        timestamp: None,
    };
    broker.produce(record).unwrap();
    let job = config.job(Mode::UntilEnd { until: None, ignore_silent: false }).unwrap();
    runtime::run(
        &broker,
        &job,
        1,
        &Clock::system(),
        &Board::default(),
        Arc::new(Registry::default()),
        &Stop::default(),
    )
    .unwrap();
    let partitions = (0..topics.partitions).map(PartitionId);
    let read = |partition| {
        broker.read(&topics.outputs[OutputTopic::TierChanges], partition, 0, Isolation::ReadCommitted, 10).unwrap()
    };
    let sources: Vec<_> = partitions
        .flat_map(read)
        .map(|message| String::from_utf8(message.header("ce_source").unwrap().to_vec()).unwrap())
        .collect();
    assert_eq!(sources, ["pay"]);
}

fn run(config: &Config, broker: &Memory) {
    let until = Timestamp::parse(journey::UNTIL).unwrap();
    let settings =
        LaneSettings { mode: Mode::UntilEnd { until: Some(until), ignore_silent: false }, ..LaneSettings::default() };
    let engine = Engine::new(config.engine_settings()).unwrap();
    let max_skew_ms = config.stream.ingest.max_skew.millis();
    let (topics, inputs) = (config.topic_names(), config.input_specs());
    let job = Job::new(engine, topics, inputs, max_skew_ms, config.output_settings(), settings);
    let board = Board::default();
    runtime::run(
        broker,
        &Arc::clone(&job),
        2,
        &Clock::system(),
        &board,
        Arc::new(Registry::default()),
        &Stop::default(),
    )
    .unwrap();
}
