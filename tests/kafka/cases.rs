//! Cases in which tideline was seen wrong, by `tideline run` on the real broker.

use serde_json::Value;
use tideline::broker::kafka::{GroupProtocol, PlainProducer};
use tideline::domain::{DAY_MS, Source, Timestamp};
use tideline::record::Outgoing;

use testkit::application::{Application, Setup, await_that};
use testkit::cases::ALL;
use testkit::kafka_cluster::Cluster;

#[test]
fn every_case_of_the_app_alone_is_right_on_the_real_broker() {
    for case in ALL {
        let mut setup = Setup::on(Cluster::shared(), GroupProtocol::Consumer).with(case.more);
        setup.sources = vec![Source::App];
        setup.of_each_input = case.of_input.to_owned();
        let application = Application::new(&setup);
        let plain = PlainProducer::new(application.settings()).expect("a plain producer");
        for (user, value) in case.records() {
            let topic = application.config.topic_names().inputs[0].clone();
            let (partition, key, value) = (None, Some(user.into_bytes()), Some(value.into_bytes()));
            let record = Outgoing { topic, partition, key, value, headers: Vec::new(), timestamp: None };
            plain.write(&record).expect("write a record");
        }
        application.start_until("a", case.until).succeed();
        assert_eq!(application.dead_letters(), 0);
        case.check(&application.outputs());
    }
}

/// Twenty payments of u1, every third day.
fn portion(application: &Application, from: &str) {
    let plain = PlainProducer::new(application.settings()).expect("a plain producer");
    let from = Timestamp::parse(from).expect("a time");
    for number in 0..20 {
        let time = from.plus_millis(3 * number * DAY_MS);
        let value = format!(
            r#"{{"id":"{time}","user_id":"u1","type":"payment.completed","time":"{time}","data":{{"amount":100}}}}"#
        );
        let topic = application.config.topic_names().inputs[0].clone();
        let (key, value) = (Some(b"u1".to_vec()), Some(value.into_bytes()));
        plain
            .write(&Outgoing { topic, partition: None, key, value, headers: Vec::new(), timestamp: None })
            .expect("write a record");
    }
}

/// What was told of u1, but for where it was found.
fn told(application: &Application) -> Vec<Value> {
    let mut outputs = application.outputs();
    outputs.iter_mut().for_each(|output| drop(output.as_object_mut().map(|fields| fields.remove("cause"))));
    outputs.sort_by_key(|output| output["sequence"].as_u64());
    outputs
}

#[test]
fn case_05c_a_pause_ends_no_backfill() {
    let setup = || {
        let mut setup = Setup::on(Cluster::shared(), GroupProtocol::Classic)
            .with("topics.partitions = 1\nstream = { idle_after = \"2s\", idle_tick = \"1s\" }");
        setup.sources = vec![Source::App];
        setup
    };
    let (paused, whole) = (Application::new(&setup()), Application::new(&setup()));
    portion(&paused, "2026-01-05T04:00:00Z");
    let process = paused.start("a");
    await_that("stream time waits", || process.metric("tideline_idle_wait", "cause=\"beyond_reach\"") > 0.0);
    portion(&paused, "2026-03-06T04:00:00Z");
    await_that("all are applied", || process.metric("tideline_records_total", "outcome=\"applied\"") >= 40.0);
    process.stop();
    portion(&whole, "2026-01-05T04:00:00Z");
    portion(&whole, "2026-03-06T04:00:00Z");
    whole.start_to_end("a").succeed();
    assert_eq!((paused.dead_letters(), whole.dead_letters()), (0, 0));
    assert!(!told(&whole).is_empty());
    assert_eq!(told(&paused), told(&whole));
}
