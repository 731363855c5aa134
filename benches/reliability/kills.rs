//! Processes killed with -9 between the first record of a transaction and the end of its commit, as often as wanted.

use std::time::Instant;

use tideline::broker::kafka::GroupProtocol;

use testkit::application::{Application, Setup};
use testkit::kafka_cluster::Cluster;
use testkit::kills::kill_in_transactions;
use testkit::verdict::Events;

/// Fed for each kill: a process gets through some transactions before it dies.
const RECORDS_A_KILL: u64 = 10_000;

/// So many kills under each group protocol. Each is proved by the log; outputs must be those of a run without faults.
/// Panics where they are not.
pub fn run(kills: u64) -> bool {
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let cluster = Cluster::start(1);
        let application = Application::new(&Setup::on(&cluster, protocol).with("stream.batch_records = 30"));
        let events = Events::generated(2_000, kills * RECORDS_A_KILL, 300);
        events.feed(&application);
        let started = Instant::now();
        let told = kill_in_transactions(&application, &events, kills as usize);
        println!(
            "{} protocol: {} kills -9 cut a transaction ({} then aborted, {} committed), {} fell between two, \
                in {:.0} s",
            protocol.as_str(),
            told.numbers.len(),
            told.aborted,
            told.committed,
            told.missed,
            started.elapsed().as_secs_f64()
        );
        println!("  transactions {:?}", told.numbers);
        println!("  {} outputs, equal to those of a run without faults", application.outputs().len());
    }
    true
}
