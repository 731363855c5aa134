//! Inputs whose records don't lie where their users belong: all of it goes through `rekey`, and nothing shows.
//!
//! What decides outputs is the order in which a user's events come to its partition. So they are written to one
//! partition of one input, in order, and come out of it in order.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tideline::broker::kafka::{GroupProtocol, PlainProducer};
use tideline::domain::{PartitionId, Source};
use tideline::record::Outgoing;

use testkit::application::{Application, Setup, await_that};
use testkit::kafka_cluster::Cluster;
use testkit::verdict::Events;

/// Feeds events to that partition under that key, moves a member in and out while it is read, and judges.
fn check(protocol: GroupProtocol, of_each_input: &str, partition: PartitionId, key: impl Fn(&str) -> String) {
    let mut setup = Setup::on(Cluster::shared(), protocol).lanes(2);
    setup.sources = vec![Source::App];
    setup.of_each_input = of_each_input.to_owned();
    let events = Events::generated(1_000, 60_000, 200);
    let application = Application::new(&setup);
    events.feed_by(&application, |user| (Some(partition), key(user)));
    let broker = application.broker();
    let partitions = application.partitions().count();

    let steady = application.start("a");
    await_that("records are committed", || application.progress(&broker) > 0);
    let guest = application.start("b");
    await_that("both have a share", || {
        guest.serving() > 0 && steady.serving() > 0 && guest.serving() + steady.serving() == partitions
    });
    guest.kill();
    await_that("one serves all again", || steady.serving() == partitions);
    steady.stop();
    events.finish(&application, "a");
}

#[test]
fn wrong_keys_come_to_the_users_partitions() {
    check(GroupProtocol::Classic, "", PartitionId(5), |user| format!("card-of-{user}"));
}

#[test]
fn an_input_that_is_not_keyed_comes_to_the_users_partitions() {
    check(GroupProtocol::Consumer, "keyed = false", PartitionId(2), str::to_owned);
}

#[test]
fn inputs_with_fewer_partitions_come_to_the_users_partitions_on_the_classic_protocol() {
    check(GroupProtocol::Classic, "keyed = false\npartitions = 3", PartitionId(2), str::to_owned);
}

#[test]
fn inputs_with_fewer_partitions_come_to_the_users_partitions_on_the_consumer_protocol() {
    check(GroupProtocol::Consumer, "keyed = false\npartitions = 1", PartitionId(0), str::to_owned);
}

/// The case: a user's two payments on the wrong partition, half a year apart, and another's, rightly placed, on the
/// right one.
#[test]
fn case_06_a_history_on_the_wrong_partitions_gives_what_a_rightly_placed_one_gives() {
    const DAY_MS: i64 = 86_400_000;
    let mut setup = Setup::on(Cluster::shared(), GroupProtocol::Classic).with("topics.partitions = 2");
    setup.sources = vec![Source::App];
    let application = Application::new(&setup);
    let producer = PlainProducer::new(application.settings()).expect("a producer");
    let now_ms =
        i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()).expect("fits");
    let records = include_str!("../cases/06-a-history-on-the-wrong-partitions/records.tsv");
    for line in records.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<_> = line.splitn(4, [' ', '\t']).collect();
        let [_, partition, key, value] = parts[..] else { panic!("{line}") };
        let at = |value: String, (name, days): (&str, i64)| {
            value.replace(&format!("\"{name}\""), &(now_ms - days * DAY_MS).to_string())
        };
        let value = [("T1", 185), ("T2", 2), ("T3", 1)].into_iter().fold(value.to_owned(), at);
        let record = Outgoing {
            topic: application.config.inputs[0].topic.as_str().into(),
            partition: Some(PartitionId(partition.parse().expect("a number"))),
            key: Some(key.into()),
            value: Some(value.into()),
            headers: Vec::new(),
            timestamp: None,
        };
        producer.send(&record).expect("send");
    }
    producer.flush().expect("flush");
    application.start_to_end("a").succeed();
    assert_eq!(application.dead_letters(), 0);
    let mut outputs = application.outputs();
    outputs.sort_by_key(|output| (output["user_id"].to_string(), output["sequence"].as_u64()));
    let told = |output: &Value| {
        let value = ["current", "stage"].into_iter().find_map(|field| output[field].as_str());
        format!("{} {}", output["user_id"].as_str().expect("a user"), value.expect("a tier or a stage"))
    };
    let told: Vec<_> = outputs.iter().map(told).collect();
    let expected = ["u1 low", "u2 low", "u2 at_risk", "u2 inactive", "u2 dormant", "u2 lost", "u2 lost", "u2 low"];
    assert_eq!(told, expected);
}
