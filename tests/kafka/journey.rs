//! A year of 2,469 households through lanes on the real broker: the same outputs per user as from files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use serde_json::Value;
use tideline::broker::Topics;
use tideline::broker::kafka::{GroupProtocol, Isolation, read_partition};
use tideline::config::Config;
use tideline::domain::{Input, PartitionId, Timestamp};
use tideline::engine::Engine;
use tideline::record::{Message, Outgoing};
use tideline::runtime::{Board, Clock, Job, Mode, Settings, Stop, run};

use super::harness::{KafkaHarness, settings};
use crate::kafka_cluster::unique;

const PARTITIONS: i32 = 8;
const UNTIL: &str = "2018-01-02T04:01:20+08:00";

fn lines(name: &str) -> impl Iterator<Item = String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journey").join(name);
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    BufReader::new(GzDecoder::new(file)).lines().map(|line| line.expect("text"))
}

/// Keyed by user, as any producer of events would write it.
fn feed(harness: &KafkaHarness, topics: &Topics, config: &Config) {
    for (input, spec) in (0u8..).map(Input).zip(config.input_specs()) {
        let Some(source) = spec.source else { continue };
        let name = format!("{}.jsonl.gz", source.as_str());
        if source.as_str() == "branch" {
            continue;
        }
        for line in lines(&name) {
            let event: Value = serde_json::from_str(&line).expect("an event");
            let record = Outgoing {
                topic: topics.input(input).clone(),
                partition: None,
                key: Some(event["user_id"].as_str().expect("a user").into()),
                value: Some(line.into_bytes()),
                headers: Vec::new(),
                timestamp: None,
            };
            harness.plain.send(&record).expect("send");
        }
    }
    harness.plain.flush().expect("flush");
}

fn job(topics: &Topics, config: &Config) -> Arc<Job> {
    let mut specs = config.input_specs();
    for (spec, topic) in specs.iter_mut().zip(&topics.inputs) {
        spec.topic = topic.clone();
    }
    let engine = Engine::new(config.engine_settings()).expect("sound rules");
    let until = Some(Timestamp::parse(UNTIL).expect("a time"));
    let settings = Settings { name: unique("journey"), mode: Mode::UntilEnd { until }, ..Settings::default() };
    Job::new(engine, topics.clone(), specs, config.stream.max_skew.millis(), config.output.format, settings)
}

/// By user: what an output says, in the order of its sequence.
type Outputs = BTreeMap<String, Vec<Value>>;

/// The fields by which outputs are compared.
fn gist(output: &Value) -> Value {
    let of = |name: &str| output.get(name).cloned();
    let kind = of("type").and_then(|kind| kind.as_str().map(|it| it.trim_start_matches("tideline.").to_owned()));
    let fields = ["sequence", "time", "reason", "previous", "current", "stage", "previous_stage", "silent_since"];
    let mut gist: serde_json::Map<_, _> =
        fields.into_iter().filter_map(|name| Some((name.to_owned(), of(name)?))).collect();
    gist.insert("type".into(), kind.into());
    gist.into()
}

fn by_user(outputs: impl Iterator<Item = Value>) -> Outputs {
    let mut users = Outputs::new();
    for output in outputs {
        let user = output["user_id"].as_str().expect("a user").to_owned();
        users.entry(user).or_default().push(gist(&output));
    }
    for outputs in users.values_mut() {
        outputs.sort_by_key(|output| output["sequence"].as_u64());
    }
    users
}

fn written(harness: &KafkaHarness, topics: &Topics) -> Outputs {
    let mut outputs = Vec::new();
    for topic in [&topics.tier_changes, &topics.dormancy_risk] {
        for partition in 0..PARTITIONS {
            let (shown, to) = (Isolation::Committed, Isolation::Uncommitted);
            let records = read_partition(&harness.settings, topic, PartitionId(partition), shown, to).expect("read");
            for record in records {
                outputs.push(serde_json::from_slice(record.value().expect("a value")).expect("JSON"));
            }
        }
    }
    by_user(outputs.into_iter())
}

fn check(protocol: GroupProtocol, lanes: usize) {
    let config = Config::default();
    let harness = KafkaHarness::with(settings(protocol), config.inputs.len() + 1, PARTITIONS);
    let topics = tideline::broker::Broker::topics(&harness.broker).clone();
    feed(&harness, &topics, &config);
    let board = Board::default();
    run(&harness.broker, &job(&topics, &config), lanes, &Clock::system(), &board, &Stop::default()).expect("a run");

    let expected = by_user(lines("outputs.jsonl.gz").map(|line| serde_json::from_str(&line).expect("JSON")));
    let written = written(&harness, &topics);
    assert_eq!(written.len(), expected.len(), "users");
    for (user, expected) in &expected {
        assert_eq!(written.get(user), Some(expected), "{user}");
    }
}

#[test]
fn a_year_gives_the_same_outputs_on_one_lane() {
    check(GroupProtocol::Classic, 1);
}

#[test]
fn a_year_gives_the_same_outputs_on_two_lanes_under_kip_848() {
    check(GroupProtocol::Consumer, 2);
}
