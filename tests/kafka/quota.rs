//! A quota on what the program may write: it gets through all the same, and says what holds it up.

use std::process::Command;

use tideline::broker::kafka::{GroupProtocol, PlainProducer};
use tideline::domain::Source;
use tideline::record::Outgoing;

use testkit::application::{Application, Setup, await_that};
use testkit::kafka_cluster::{Cluster, libs};

/// On what the program's clients may write, in bytes a second.
fn set_quota(cluster: &Cluster) {
    let set = Command::new("java")
        .args(["-cp", &format!("{}/*", libs().display())])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broker/Quota.java"))
        .args([&cluster.bootstrap_servers(), "tideline", "4096"])
        .output()
        .expect("java runs");
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
}

#[test]
fn a_quota_of_4_kb_a_second_lets_every_batch_through_and_is_named() {
    // Of its own: all clients of the program share a name, and so the quota.
    let cluster = Cluster::start(1);
    let setup = Setup::on(&cluster, GroupProtocol::Classic).with(
        r#"
        stream.batch_records = 20000
        kafka.transaction_timeout = "4s"
        kafka.compression = "none"
        topics.partitions = 1
        "#,
    );
    let application = Application::new(&setup);
    let input = application.config.inputs.iter().find(|input| input.source == Source::App).expect("an input");
    let producer = PlainProducer::new(application.settings()).expect("a producer");
    const EVENTS: usize = 300;
    for n in 0..EVENTS {
        let user = format!("u{n}");
        let event = format!(
            r#"{{"id":"e{n}","user_id":"{user}","type":"payment.completed","time":"2026-03-01T00:00:00Z","data":{{"amount":1}}}}"#
        );
        producer
            .send(&Outgoing {
                topic: input.topic.as_str().into(),
                partition: None,
                key: Some(user.into_bytes()),
                value: Some(event.into_bytes()),
                headers: Vec::new(),
                timestamp: None,
            })
            .expect("send");
    }
    producer.flush().expect("written");
    drop(producer);
    set_quota(&cluster);

    let process = application.start("throttled");
    await_that("all of it is committed", || {
        process.metric("tideline_records_consumed_total", ".app") as usize == EVENTS
    });
    let log = process.log();
    process.stop();
    assert_eq!(application.outputs().len(), EVENTS, "each once");
    assert!(log.contains("throttles this client"), "the cause is named:\n{log}");
}
