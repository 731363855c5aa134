//! Two processes of one name: who came second is told so, before it takes anything from the first, which goes on.

use std::time::Instant;

use tideline::broker::kafka::GroupProtocol;

use testkit::application::{Application, Process, Setup, await_that};
use testkit::kafka_cluster::Cluster;
use testkit::verdict::Events;

/// The sessions are those of the defaults.
fn application(protocol: GroupProtocol) -> Application {
    let sessions = "kafka = { session_timeout = \"10s\", heartbeat_interval = \"500ms\" }";
    Application::new(&Setup::on(Cluster::shared(), protocol).with("stream.batch_records = 30").with(sessions))
}

fn is_serving(process: &Process) -> bool {
    process.serving() > 0
}

fn check(protocol: GroupProtocol, under_load: bool) {
    let application = application(protocol);
    if under_load {
        Events::Journey.feed(&application);
    }
    let broker = application.broker();
    let mut first = application.start("a");
    await_that("the first serves", || is_serving(&first));
    let more = || application.progress(&broker);
    if under_load {
        await_that("the first is at work", || more() > 0);
    }

    let (started, mut second) = (Instant::now(), application.start("a"));
    let mut status = None;
    await_that("the second ends", || {
        status = second.ended();
        status.is_some()
    });
    println!("{protocol:?}, under load: {under_load}: named after {:?}", started.elapsed());
    let log = second.log();
    assert_eq!(status.and_then(|status| status.code()), Some(1), "{log}");
    let name = format!("another process runs as {}-a ", application.config.application.id);
    let holder = format!("client {}-a:{}:", application.config.application.id, first.id());
    assert!(log.contains(&name) && log.contains(&holder) && log.contains("127.0.0.1"), "{log}");
    assert!(!log.contains("restored"), "it took nothing: {log}");

    assert!(first.ended().is_none(), "{}", first.log());
    if under_load {
        let before = more();
        await_that("the first goes on", || more() > before);
    }
    first.signal("TERM");
    await_that("the first stops", || first.ended().is_some());
    let log = first.log();
    assert!(!log.contains("fenced") && !log.contains("revoked") && !log.contains("settled"), "{log}");
}

#[test]
fn a_second_process_of_a_name_is_named_and_the_first_goes_on_under_load_on_the_classic_protocol() {
    check(GroupProtocol::Classic, true);
}

#[test]
fn a_second_process_of_a_name_is_named_and_the_first_goes_on_under_load_under_kip_848() {
    check(GroupProtocol::Consumer, true);
}

#[test]
fn a_second_process_of_a_name_is_named_and_the_first_goes_on_idle_on_the_classic_protocol() {
    check(GroupProtocol::Classic, false);
}

#[test]
fn a_second_process_of_a_name_is_named_and_the_first_goes_on_idle_under_kip_848() {
    check(GroupProtocol::Consumer, false);
}

fn check_successor(protocol: GroupProtocol) {
    let application = application(protocol);
    for round in 0..2 {
        let first = application.start("a");
        await_that("it serves", || is_serving(&first));
        // Killed and at once replaced; and left cleanly.
        if round == 0 { first.kill() } else { first.stop() }
    }
}

#[test]
fn who_is_started_anew_after_a_kill_is_not_refused_on_the_classic_protocol() {
    check_successor(GroupProtocol::Classic);
}

#[test]
fn who_is_started_anew_after_a_kill_is_not_refused_under_kip_848() {
    check_successor(GroupProtocol::Consumer);
}

#[test]
fn of_two_that_start_at_once_one_goes_on() {
    let application = application(GroupProtocol::Classic);
    let mut both = [application.start("a"), application.start("a")];
    await_that("one has ended", || both.iter_mut().any(|it| it.ended().is_some()));
    let [mut one, mut other] = both;
    if one.ended().is_some() {
        (one, other) = (other, one);
    }
    assert!(other.log().contains("another process runs as"), "{}", other.log());
    await_that("the other serves", || is_serving(&one) || one.ended().is_some());
    assert!(one.ended().is_none(), "{}", one.log());
    one.stop();
}
