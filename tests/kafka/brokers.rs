//! Brokers that stop, die and come back while the program is at work, as its user runs it.

use tideline::broker::kafka::{GroupProtocol, KafkaBroker};

use crate::application::{Application, Process, Setup, await_that};
use crate::kafka_cluster::Cluster;
use crate::verdict::Events;
use crate::watch::Watch;

struct World {
    events: Events,
    process: Process,
    application: Application,
    broker: KafkaBroker,
    cluster: Cluster,
}

impl World {
    fn new(protocol: GroupProtocol, brokers: usize) -> Self {
        let cluster = Cluster::start(brokers);
        let setup = Setup::on(&cluster, protocol)
            .with(&format!("topics.replication = {brokers}"))
            .with("stream.batch_records = 50")
            .with("stream.patience = \"60s\"");
        let application = Application::new(&setup);
        let events = Events::generated(2_000, 60_000, 200);
        events.feed(&application);
        let (broker, process) = (application.broker(), application.start("a"));
        let mut world = Self { events, process, application, broker, cluster };
        world.await_more();
        world
    }

    fn await_more(&mut self) {
        let before = self.application.progress(&self.broker);
        await_that("records are committed", || {
            supervise(&mut self.process, &self.application);
            self.application.progress(&self.broker) > before
        });
    }

    /// Takes a broker away at a moment when a transaction is open.
    fn in_a_transaction(&mut self, mut take_away: impl FnMut(&mut Cluster)) {
        let mut watch = Watch::new(&self.application);
        watch.await_begun(3, || supervise(&mut self.process, &self.application));
        take_away(&mut self.cluster);
    }

    fn finish(self) {
        let progress = self.application.progress(&self.broker);
        assert!(progress < self.events.count(), "all was read before the last broker was back");
        self.process.stop();
        self.events.finish(&self.application, "a");
    }
}

/// Starts a process again that ended because a call to its client never returned; nothing else may end it.
fn supervise(process: &mut Process, application: &Application) {
    if process.ended().is_some() {
        let log = process.log();
        assert!(log.contains("has not returned for"), "{log}");
        *process = application.start("a");
    }
}

/// Stopped cleanly, and killed, in turn; each time in the middle of a transaction.
fn check_single(protocol: GroupProtocol, rounds: usize) {
    let mut world = World::new(protocol, 1);
    for round in 0..rounds {
        world.in_a_transaction(|cluster| if round.is_multiple_of(2) { cluster.stop(1) } else { cluster.kill(1) });
        world.cluster.restart(1);
        world.await_more();
    }
    world.finish();
}

#[test]
fn a_lone_broker_restarted_cleanly_and_killed_on_the_classic_protocol_costs_neither_loss_nor_repeat() {
    check_single(GroupProtocol::Classic, 2);
}

#[test]
fn a_lone_broker_restarted_cleanly_and_killed_on_the_consumer_protocol_costs_neither_loss_nor_repeat() {
    check_single(GroupProtocol::Consumer, 2);
}

/// Each of three killed in its turn: so whoever leads a partition, coordinates the group and coordinates transactions
/// dies at least once.
fn check_three(protocol: GroupProtocol) {
    let mut world = World::new(protocol, 3);
    for number in 1..=3 {
        world.in_a_transaction(|cluster| cluster.kill(number));
        world.await_more();
        world.cluster.restart(number);
        world.await_more();
    }
    world.finish();
}

#[test]
fn each_of_three_brokers_killed_in_turn_on_the_classic_protocol_costs_neither_loss_nor_repeat() {
    check_three(GroupProtocol::Classic);
}

#[test]
fn each_of_three_brokers_killed_in_turn_on_the_consumer_protocol_costs_neither_loss_nor_repeat() {
    check_three(GroupProtocol::Consumer);
}
