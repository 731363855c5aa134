//! What was erased leaves the disk, though nothing comes any more: searched for in the files of the broker.

use std::fs;
use std::path::Path;

use serde_json::json;
use tideline::broker::kafka::{GroupProtocol, PlainProducer};
use tideline::domain::{PartitionId, Source};
use tideline::record::{Message as _, Outgoing};

use testkit::application::{Application, Setup, await_that};
use testkit::kafka_cluster::Cluster;

/// Whether bytes stand in any file of a topic's partitions.
fn stands_in(data: &Path, topic: &str, needle: &[u8]) -> bool {
    let folders = fs::read_dir(data).expect("the broker's folder").filter_map(Result::ok);
    let of_topic = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with(topic));
    let files = of_topic.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().filter_map(Result::ok));
    files
        .map(|file| fs::read(file.path()).unwrap_or_default())
        .any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
}

#[test]
fn an_erased_user_is_gone_from_the_changelogs_files_without_further_input() {
    let cluster = Cluster::start_with(1, "log.segment.delete.delay.ms=100");
    // Uncompressed, so that a search of the files finds what is there.
    let setup = Setup::on(&cluster, GroupProtocol::Classic).with(
        r#"
        kafka.compression = "none"
        [topics]
        partitions = 1
        changelog_segment_age = "2s"
        changelog_compaction_lag = "1s"
        changelog_tombstone_retention = "1s"
        "#,
    );
    let application = Application::new(&setup);
    let changelog = application.config.topics.changelog.clone();
    let data = cluster.data(1);
    let user = "user-that-wants-to-be-forgotten";
    let producer = PlainProducer::new(application.settings()).expect("a producer");
    let topic =
        application.config.inputs.iter().find(|input| input.source == Source::App).expect("an input").topic.clone();
    let send = |event: serde_json::Value| {
        let record = Outgoing {
            topic: topic.as_str().into(),
            partition: None,
            key: Some(user.as_bytes().to_vec()),
            value: Some(event.to_string().into_bytes()),
            headers: Vec::new(),
            timestamp: None,
        };
        producer.write(&record).expect("write");
    };
    let event = |id: &str, kind: &str, time: &str, data: serde_json::Value| json!({"id": id, "user_id": user, "type": kind, "time": time, "data": data});
    let process = application.start("only");
    send(event(
        "p1",
        "payment.completed",
        "2026-03-01T00:00:00Z",
        json!({"amount": 4711, "scene": "told-in-confidence"}),
    ));
    let mut state = None;
    await_that("the user's state is in the changelog", || {
        let committed = application.committed(&changelog, PartitionId(0));
        state =
            committed.iter().find(|it| it.key() == Some(user.as_bytes())).and_then(|it| it.value().map(<[u8]>::to_vec));
        state.is_some()
    });
    let state = state.expect("it was awaited");
    assert!(stands_in(&data, &changelog, user.as_bytes()) && stands_in(&data, &changelog, &state));
    send(event("e1", "user.erased", "2026-03-02T00:00:00Z", json!({})));
    await_that("the erasure is applied", || process.metric("tideline_records_consumed_total", ".app") >= 2.0);
    await_that("what the user did is off the disk", || !stands_in(&data, &changelog, &state));
    await_that("and so is the id", || !stands_in(&data, &changelog, user.as_bytes()));
    assert!(stands_in(&data, &changelog, b"partition"), "the files are those of the changelog");
    process.stop();
}
