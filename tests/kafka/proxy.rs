//! A network that delays, cuts and loses, between the program and the broker.

use std::time::Duration;

use tideline::broker::kafka::GroupProtocol;

use testkit::application::{Application, Process, Setup, await_that};
use testkit::kafka_cluster::Cluster;
use testkit::proxy::{Call, Fault, Proxy, Weather};
use testkit::verdict::Events;

/// A broker behind a proxy, and an application that reaches it only that way, at work.
struct World {
    /// Before the broker it talks to.
    process: Process,
    application: Application,
    proxy: Proxy,
    _cluster: Cluster,
}

impl World {
    fn new(protocol: GroupProtocol) -> Self {
        let proxy = Proxy::bind();
        let (cluster, port) = Cluster::start_behind(proxy.address.port());
        proxy.forward_to(port);
        // Small transactions: many of them, for many faults.
        let setup = Setup::on(&cluster, protocol).through(&proxy.address).with("stream.batch_records = 100");
        let application = Application::new(&setup);
        Events::Journey.feed(&application);
        let process = application.start("a");
        let world = Self { process, application, proxy, _cluster: cluster };
        world.await_commits(5);
        world
    }

    fn transactions(&self, outcome: &str) -> f64 {
        self.process.metric("tideline_transactions_total", &format!("outcome=\"{outcome}\""))
    }

    /// That many more.
    fn await_commits(&self, count: u32) {
        let before = self.transactions("committed");
        await_that("transactions are committed again", || self.transactions("committed") >= before + f64::from(count));
    }

    fn finish(self) {
        let Self { process, application, proxy, _cluster } = self;
        proxy.set_weather(Weather::default());
        process.stop();
        Events::Journey.finish(&application, "a");
    }
}

/// Each is met, the program goes on, and in the end nothing shows.
fn check_aimed(protocol: GroupProtocol) {
    const LATE: Fault = Fault::DelayRequest(Duration::from_secs(3));
    let world = World::new(protocol);
    // The call, what befalls it, and whether the outcome of the transaction is then in doubt.
    let cases = [
        (Call::EndTxn, Fault::LoseResponse, true),
        (Call::EndTxn, Fault::LoseRequest, true),
        (Call::EndTxn, LATE, true),
        (Call::TxnOffsetCommit, Fault::LoseResponse, false),
        (Call::TxnOffsetCommit, Fault::LoseRequest, false),
        (Call::TxnOffsetCommit, LATE, false),
        (Call::AddOffsetsToTxn, Fault::LoseResponse, false),
        (Call::AddPartitionsToTxn, Fault::LoseResponse, false),
        (Call::Produce, Fault::LoseResponse, false),
        (Call::Produce, Fault::LoseRequest, false),
        (Call::Produce, LATE, false),
    ];
    for (call, fault, is_in_doubt) in cases {
        let (unknown, fatal) = (world.transactions("unknown"), world.transactions("fatal"));
        world.proxy.aim(call, fault, 1);
        // A late one has arrived by then.
        await_that(&format!("{call:?} meets {fault:?}"), || world.proxy.hits() > 0);
        world.await_commits(3);
        let (doubts, refused) = (world.transactions("unknown") - unknown, world.transactions("fatal") - fatal);
        println!("{call:?} {fault:?}: {doubts} outcomes unknown, {refused} producers given up");
        // The client itself resends, and would have gone on: to be sure, the program makes a new producer.
        assert!(doubts + refused >= 1.0, "{call:?} {fault:?} went unnoticed");
        assert!(!is_in_doubt || doubts >= 1.0, "{call:?} {fault:?} left no doubt");
    }
    assert!(world.application.progress(&world.application.broker()) < Events::Journey.count(), "it ended too soon");
    world.finish();
}

#[test]
fn calls_lost_and_delayed_on_the_classic_protocol_cost_neither_loss_nor_repeat() {
    check_aimed(GroupProtocol::Classic);
}

#[test]
fn calls_lost_and_delayed_on_the_consumer_protocol_cost_neither_loss_nor_repeat() {
    check_aimed(GroupProtocol::Consumer);
}

/// Latency, and connections that are cut at random.
fn check_weather(protocol: GroupProtocol) {
    const CUTS: usize = 10;
    let world = World::new(protocol);
    world.proxy.set_weather(Weather { latency: Duration::from_millis(15), cut_every: 0 });
    world.await_commits(20);
    world.proxy.set_weather(Weather { latency: Duration::from_millis(2), cut_every: 200 });
    await_that("connections are cut", || world.proxy.cuts() >= CUTS);
    world.proxy.set_weather(Weather::default());
    world.await_commits(5);
    world.finish();
}

#[test]
fn latency_and_cut_connections_on_the_classic_protocol_cost_neither_loss_nor_repeat() {
    check_weather(GroupProtocol::Classic);
}

#[test]
fn latency_and_cut_connections_on_the_consumer_protocol_cost_neither_loss_nor_repeat() {
    check_weather(GroupProtocol::Consumer);
}
