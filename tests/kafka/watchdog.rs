//! What stands open on a real broker, and is named, and ended where it is ours to end.

use tideline::broker::kafka::{GroupProtocol, KafkaBroker, KafkaProducer, KafkaSettings};
use tideline::broker::{Broker, Producer, Transaction};
use tideline::domain::PartitionId;
use tideline::record::Outgoing;
use tideline::settings::Period;

use testkit::application::{Application, Process, Setup, await_that};
use testkit::kafka_cluster::{Cluster, unique};
use testkit::verdict::Events;

/// Somebody writes to a topic in a transaction, and neither commits nor aborts it; nor does the broker, for now.
fn leave_open(application: &Application, id: &str, topic: &str) -> KafkaProducer {
    let settings = KafkaSettings { transaction_timeout: Period::of_secs(600), ..application.settings() };
    let broker = KafkaBroker::new(settings, application.config.topic_names()).expect("sound settings");
    let mut producer = broker.producer(id).expect("a producer");
    let mut transaction = producer.begin().expect("begin");
    let (key, value) = (Some(b"k".to_vec()), Some(b"left open".to_vec()));
    let (topic, partition) = (topic.into(), Some(PartitionId(0)));
    Outgoing { topic, partition, key, value, headers: Vec::new(), timestamp: None }
        .lend(|it| transaction.send(it))
        .expect("send");
    std::mem::forget(transaction);
    producer
}

fn open_transactions(process: &Process) -> f64 {
    process.metric("tideline_stalls", "cause=\"open_transaction\"")
}

fn check(protocol: GroupProtocol) {
    let setup = Setup::on(Cluster::shared(), protocol).with("stream.stall_after = \"2s\"");
    let application = Application::new(&setup);
    let broker = application.broker();
    Events::Journey.feed(&application);
    let process = application.start("a");
    await_that("all is read", || application.progress(&broker) == Events::Journey.count());

    let _ghost = leave_open(&application, &unique("ghost"), &application.config.topics.changelog);
    let fenced = || process.metric("tideline_stall_cures_total", "cure=\"fenced\"");
    await_that("what a dead owner left in the changelog is ended", || fenced() == 1.0);
    assert!(broker.open_writers(PartitionId(0)).expect("open writers").is_empty());
    await_that("nothing stands still any more", || open_transactions(&process) == 0.0);

    let input = &application.config.inputs[0].topic;
    let id = unique("upstream");
    let _upstream = leave_open(&application, &id, input);
    let ready = || process.get("/readyz").unwrap_or_default();
    let named = format!("open_transaction: in {input}, from ");
    await_that("an open transaction of an input's producer is named", || ready().contains(&named));
    assert_eq!(fenced(), 1.0, "it is left alone");
    // Taking the id anew aborts what was open, as a restart of that producer would.
    broker.producer(&id).expect("a producer");
    await_that("it is ready again", || ready().starts_with("HTTP/1.1 200"));
    process.stop();
    Events::Journey.finish(&application, "a");
}

#[test]
fn what_stands_open_is_named_and_ended_if_it_is_ours_on_the_classic_protocol() {
    check(GroupProtocol::Classic);
}

#[test]
fn what_stands_open_is_named_and_ended_if_it_is_ours_on_the_consumer_protocol() {
    check(GroupProtocol::Consumer);
}
