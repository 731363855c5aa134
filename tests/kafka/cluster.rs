//! The harness itself: a broker is there, and is gone when it should be.

use crate::kafka_cluster::Cluster;

#[test]
fn the_shared_broker_answers() {
    assert!(Cluster::shared().bootstrap_servers().starts_with("127.0.0.1:"));
}
