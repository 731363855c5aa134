//! Processes that die, or seem to, in the middle of a transaction.

use std::time::Duration;

use tideline::broker::kafka::GroupProtocol;

use testkit::application::{Application, Setup, await_that};
use testkit::kafka_cluster::Cluster;
use testkit::kills::kill_in_transactions;
use testkit::verdict::Events;
use testkit::watch::{Fate, Watch};

/// Proved by the log, one by one.
const KILLS: usize = 10;
/// A commit that has reached its coordinator takes less.
const SETTLED_AFTER: Duration = Duration::from_millis(500);

fn application(protocol: GroupProtocol) -> Application {
    // With transactions so small that the year outlasts the faults.
    let application = Application::new(&Setup::on(Cluster::shared(), protocol).with("stream.batch_records = 30"));
    Events::Journey.feed(&application);
    application
}

fn check_kills(protocol: GroupProtocol) {
    let application = application(protocol);
    let told = kill_in_transactions(&application, &Events::Journey, KILLS);
    println!("{protocol:?}: {told:?}");
    assert!(told.aborted + told.committed >= KILLS, "{told:?}");
}

#[test]
fn ten_kills_in_the_middle_of_transactions_leave_no_trace_on_the_classic_protocol() {
    check_kills(GroupProtocol::Classic);
}

#[test]
fn ten_kills_in_the_middle_of_transactions_leave_no_trace_on_the_consumer_protocol() {
    check_kills(GroupProtocol::Consumer);
}

/// Stopped in the middle of a transaction for longer than its session, it wakes up as a zombie, and writes on.
fn check_zombie(protocol: GroupProtocol) {
    let application = application(protocol);
    let (broker, mut watch) = (application.broker(), Watch::new(&application));
    let partitions = application.partitions().count();
    let mut zombie = application.start("zombie");
    let mut cut = Vec::new();
    await_that("the zombie stops in the middle of a transaction", || {
        watch.await_begun(2, || assert!(zombie.ended().is_none(), "{}", zombie.log()));
        zombie.signal("STOP");
        // What it had asked to commit is closed by then: the coordinator needs it no more.
        std::thread::park_timeout(SETTLED_AFTER);
        cut = watch.open();
        if cut.is_empty() {
            zombie.signal("CONT");
        }
        !cut.is_empty()
    });
    let before = application.progress(&broker);
    let heir = application.start("heir");
    await_that("the heir takes over and writes", || {
        heir.serving() == partitions && application.progress(&broker) > before
    });
    zombie.signal("CONT");
    let refused = |outcome: &str| zombie.metric("tideline_transactions_total", &format!("outcome=\"{outcome}\""));
    await_that("the zombie is refused", || refused("fatal") + refused("unknown") + refused("aborted") > 0.0);
    await_that("the zombie is given a share again", || {
        zombie.serving() > 0 && zombie.serving() + heir.serving() == partitions
    });
    zombie.stop();
    heir.stop();
    Events::Journey.finish(&application, "heir");
    let fates: Vec<_> = cut.iter().map(|transaction| transaction.fate(&application)).collect();
    assert_eq!(fates, [Fate::Aborted], "{cut:?}");
}

#[test]
fn a_zombie_that_wakes_up_in_a_transaction_is_refused_and_rejoins_on_the_classic_protocol() {
    check_zombie(GroupProtocol::Classic);
}

#[test]
fn a_zombie_that_wakes_up_in_a_transaction_is_refused_and_rejoins_on_the_consumer_protocol() {
    check_zombie(GroupProtocol::Consumer);
}
