//! A realistic year through `tideline run` on the real broker, as its user runs it: also when it is killed on the way.

use tideline::broker::kafka::GroupProtocol;

use testkit::application::{Application, Setup, await_that};
use testkit::kafka_cluster::Cluster;
use testkit::verdict::Events;

fn application(protocol: GroupProtocol, lanes: usize) -> Application {
    let application = Application::new(&Setup::on(Cluster::shared(), protocol).lanes(lanes));
    Events::Journey.feed(&application);
    application
}

#[test]
fn two_lanes_under_kip_848_give_the_expected_outputs() {
    let application = application(GroupProtocol::Consumer, 2);
    Events::Journey.finish(&application, "a");
    // A second run finds nothing to do, and says nothing twice.
    Events::Journey.finish(&application, "a");
}

#[test]
fn a_lane_killed_five_times_gives_the_expected_outputs() {
    const KILLS: u64 = 5;
    let application = application(GroupProtocol::Classic, 1);
    let (broker, events) = (application.broker(), Events::Journey.count());
    for kill in 1..=KILLS {
        let mut process = application.start_until("a", Events::Journey.until());
        // Each gets a little further than the one before.
        await_that(&format!("kill {kill}"), || {
            assert!(process.ended().is_none(), "it ended before kill {kill}");
            application.progress(&broker) >= kill * events / (2 * KILLS)
        });
        process.kill();
    }
    assert!(application.progress(&broker) < events, "the last kill came before the end");
    Events::Journey.finish(&application, "a");
}
