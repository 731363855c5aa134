//! A realistic year whose producers don't use Java's partitioner, through `tideline run` on the real broker.
//!
//! With librdkafka's default (CRC32) all but an eighth of the records lie on partitions that are not their users'. What
//! is told of each user must be what is told of a rightly placed year: by one member, by three, and when some are
//! killed on the way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tideline::broker::kafka::GroupProtocol;
use tideline::domain::{Partitioner, Source};
use tideline::record::Message as _;
use tideline::state::codec::{Header, Kind, decode_user};
use tideline::state::{PartitionRecord, User};

use testkit::application::{Application, Process, Setup, await_that};
use testkit::journey;
use testkit::kafka_cluster::Cluster;
use testkit::verdict::{Events, check_sequences};

const PARTITIONS: i32 = 8;

/// The year, with these sources where librdkafka's default partitioner puts them.
fn application(protocol: GroupProtocol, more: &str, astray: &[Source]) -> Application {
    let application = Application::new(&Setup::on(Cluster::shared(), protocol).with(more));
    assert_eq!(application.config.topics.partitions, PARTITIONS);
    Events::Journey.feed_where(&application, |source, user| {
        let partitioner = if astray.contains(&source) { Partitioner::Consistent } else { Partitioner::Murmur2 };
        (Some(partitioner.partition_of(user.as_bytes(), PARTITIONS)), user.to_owned())
    });
    application
}

/// Records in `rekey`.
fn forwarded(application: &Application) -> usize {
    application.partitions().map(|it| application.committed(&application.config.topics.rekey, it).len()).sum()
}

const ALL: [Source; 3] = [Source::App, Source::Sms, Source::Merchant];

#[test]
fn a_year_on_the_wrong_partitions_gives_the_expected_outputs_with_one_member() {
    let application = application(GroupProtocol::Classic, "", &ALL);
    Events::Journey.finish(&application, "a");
    assert!(forwarded(&application) > 100_000);
    // A second run finds nothing to do, and says nothing twice.
    Events::Journey.finish(&application, "a");
}

/// Three members, of which two are killed with -9 on the way and come back.
fn three_members(protocol: GroupProtocol) {
    let application = application(protocol, "", &ALL);
    let (broker, events) = (application.broker(), Events::Journey.count());
    let until = Events::Journey.until();
    let mut running: Vec<Process> = ["a", "b", "c"].map(|it| application.start_until(it, until)).into();
    for (kill, preferred) in [(1, "b"), (2, "c")] {
        await_that(&format!("kill {kill}"), || application.progress(&broker) >= kill * events / 8);
        // A member whose partitions are done, and will get no more, has left: then another one is killed.
        running.sort_by_key(|process| process.instance != preferred);
        let place = running.iter_mut().position(|process| process.ended().is_none());
        let victim = running.remove(place.unwrap_or_else(|| panic!("all ended before kill {kill}")));
        let instance = victim.instance.clone();
        victim.kill();
        running.push(application.start_until(&instance, until));
    }
    running.into_iter().for_each(Process::succeed);
    Events::Journey.judge(&application);
    assert!(forwarded(&application) > 100_000);
}

#[test]
fn a_year_on_the_wrong_partitions_gives_the_expected_outputs_with_three_members_killed_twice_on_the_classic_protocol() {
    three_members(GroupProtocol::Classic);
}

#[test]
fn a_year_on_the_wrong_partitions_gives_the_expected_outputs_with_three_members_killed_twice_on_the_consumer_protocol()
{
    three_members(GroupProtocol::Consumer);
}

#[test]
fn with_the_producers_partitioner_nothing_is_forwarded() {
    let application = application(GroupProtocol::Classic, "topics.partitioner = \"consistent\"", &ALL);
    Events::Journey.finish(&application, "a");
    assert_eq!(forwarded(&application), 0);
}

/// What a stage is told by.
fn stages(outputs: &[Value]) -> BTreeSet<(String, String, String)> {
    let text = |output: &Value, field: &str| output[field].as_str().unwrap_or_default().to_owned();
    let is_stage = |output: &&Value| text(output, "type").ends_with("dormancy_risk");
    let stages = outputs.iter().filter(is_stage);
    stages.map(|output| (text(output, "user_id"), text(output, "stage"), text(output, "silent_since"))).collect()
}

/// The last tier of each user, and its last stage.
fn last(outputs: Vec<Value>) -> BTreeSet<(String, Option<String>, Option<String>)> {
    let of_user = |(user, outputs): (String, Vec<Value>)| {
        let of = |field: &str| outputs.iter().rev().find_map(|it| it[field].as_str().map(str::to_owned));
        // A cleared one names the stage that it clears.
        let stage = outputs.iter().rev().find(|it| it["stage"].is_string());
        let stage = stage.map(|it| {
            if it["type"].as_str().is_some_and(|it| it.ends_with("cleared")) {
                "active".to_owned()
            } else {
                it["stage"].to_string()
            }
        });
        (user, of("current"), stage)
    };
    journey::by_user(outputs).into_iter().map(of_user).collect()
}

/// Of each user, what does not depend on the order in which its events came.
fn histories(application: &Application) -> BTreeMap<Vec<u8>, String> {
    let mut users = BTreeMap::new();
    for partition in application.partitions() {
        for record in application.committed(&application.config.topics.changelog, partition) {
            let (Some(key), Some(value)) = (record.key(), record.value()) else { continue };
            let is_user =
                key != PartitionRecord::KEY && Header::read(value).is_ok_and(|header| header.kind == Kind::User);
            if is_user {
                let mut user = User::default();
                decode_user(value, &mut user).expect("a user");
                users.insert(
                    key.to_vec(),
                    format!("{:?} {:?} {:?}", user.facts.history, user.newest, user.facts.registered),
                );
            }
        }
    }
    users
}

#[test]
fn a_year_with_one_input_on_the_wrong_partitions_loses_nothing_and_tells_of_no_silence_that_is_none() {
    let application = application(GroupProtocol::Classic, "application.lanes = 2", &[Source::Merchant]);
    application.start_fast_until("a", Events::Journey.until()).succeed();
    assert!(forwarded(&application) > 1_000);
    assert_eq!(application.dead_letters(), 0);
    let outputs = application.outputs();
    check_sequences(&outputs, &Events::Journey.lives());
    let expected = journey::expected();
    let invented: Vec<_> = {
        let (told, expected) = (stages(&outputs), stages(&expected));
        told.difference(&expected).cloned().collect()
    };
    assert!(
        invented.is_empty(),
        "{} stages that absence did not earn: {:?}",
        invented.len(),
        &invented[..invented.len().min(5)]
    );
    assert_eq!(last(outputs), last(expected));
    let right = Application::new(&Setup::on(Cluster::shared(), GroupProtocol::Classic));
    Events::Journey.feed(&right);
    right.start_fast_until("a", Events::Journey.until()).succeed();
    assert!(histories(&application) == histories(&right), "the histories of users differ");
}
