//! Inputs whose records don't lie where their users belong: all of it goes through `rekey`, and nothing shows.
//!
//! What decides outputs is the order in which a user's events come to its partition. So they are written to one partition
//! of one input, in order, and come out of it in order.

use tideline::broker::kafka::GroupProtocol;
use tideline::domain::{PartitionId, Source};

use crate::application::{Application, Setup, await_that};
use crate::kafka_cluster::Cluster;
use crate::verdict::Events;

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
