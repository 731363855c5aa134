//! Brokers of a cluster that stop, die and come back while the program is at work, as its user runs it.

use tideline::broker::kafka::{GroupProtocol, KafkaBroker};

use crate::application::{Application, Process, Setup, await_that};
use crate::kafka_cluster::Cluster;
use crate::verdict::Events;
use crate::watch::Watch;

/// One process at work on a cluster of its own.
pub struct World {
    events: Events,
    process: Process,
    application: Application,
    broker: KafkaBroker,
    pub cluster: Cluster,
}

impl World {
    pub fn new(protocol: GroupProtocol, brokers: usize) -> Self {
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

    pub fn await_more(&mut self) {
        let before = self.application.progress(&self.broker);
        await_that("records are committed", || {
            supervise(&mut self.process, &self.application);
            self.application.progress(&self.broker) > before
        });
    }

    /// Takes a broker away at a moment when a transaction is open.
    pub fn in_a_transaction(&mut self, mut take_away: impl FnMut(&mut Cluster)) {
        let mut watch = Watch::new(&self.application);
        watch.await_begun(3, || supervise(&mut self.process, &self.application));
        take_away(&mut self.cluster);
    }

    pub fn finish(self) {
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
