//! Cases in which tideline was seen wrong, by lanes on the embedded log.

use std::sync::Arc;

use serde_json::Value;
use tideline::api::Registry;
use tideline::broker::Isolation;
use tideline::broker::memory::{Memory, MemorySettings};
use tideline::config::Config;
use tideline::domain::{OutputTopic, PartitionId, Timestamp};
use tideline::record::{Message as _, Outgoing};
use tideline::runtime::{self, Board, Clock, Mode, Stop};

use testkit::cases::{ALL, Case};

fn outputs(case: &Case) -> Vec<Value> {
    let text = format!("{}[[inputs]]\ntopic = \"app.events\"\nsource = \"app\"\n{}", case.more, case.of_input);
    let config = Config::parse("case.toml", &text).unwrap();
    let topics = config.topic_names();
    let broker = Memory::new(topics.clone(), MemorySettings::default());
    for (user, value) in case.records() {
        let (topic, key, value) = (topics.inputs[0].clone(), Some(user.into()), Some(value.into()));
        broker.produce(Outgoing { topic, partition: None, key, value, headers: Vec::new(), timestamp: None }).unwrap();
    }
    let until = Some(Timestamp::parse(case.until).unwrap());
    let job = config.job(Mode::UntilEnd { until, ignore_silent: false }).unwrap();
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
    let read = |topic: &str| broker.read(topic, PartitionId(0), 0, Isolation::ReadCommitted, usize::MAX).unwrap();
    assert!(read(&topics.outputs[OutputTopic::DeadLetters]).is_empty());
    let messages = OutputTopic::announcements().map(|output| &topics.outputs[output]).flat_map(|topic| read(topic));
    messages.map(|message| serde_json::from_slice(message.value().unwrap()).unwrap()).collect()
}

#[test]
fn every_case_of_the_app_alone_is_right_on_the_embedded_log() {
    for case in ALL {
        case.check(&outputs(case));
    }
}
