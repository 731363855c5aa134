//! A lone broker that is stopped cleanly and killed, in turn, in the middle of transactions. It counts how often the
//! promise holds: Kafka itself breaks its own now and then (`docs/reliability.md`, limits).

use std::panic::{AssertUnwindSafe, catch_unwind};

use tideline::broker::kafka::GroupProtocol;

use testkit::brokers::World;

/// One clean stop and one kill a round, on a broker of its own; what failed is told where it failed. True if all held.
pub fn run(rounds: u64) -> bool {
    let mut all = true;
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let held = (0..rounds).filter(|_| catch_unwind(AssertUnwindSafe(|| stop_and_kill(protocol))).is_ok()).count();
        println!(
            "{} protocol: outputs equal to those of a run without faults in {held} of {rounds} rounds",
            protocol.as_str()
        );
        all &= held as u64 == rounds;
    }
    all
}

fn stop_and_kill(protocol: GroupProtocol) {
    let mut world = World::new(protocol, 1);
    for is_clean in [true, false] {
        world.in_a_transaction(|cluster| if is_clean { cluster.stop(1) } else { cluster.kill(1) });
        world.cluster.restart(1);
        world.await_more();
    }
    world.finish();
}
