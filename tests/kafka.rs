//! The one test binary for the real broker. Plain `cargo test` leaves it out; `./test` and `cargo test --test kafka` run
//! it. It starts its own broker (`tests/broker/`): Java and, the first time, Maven must be there.

#[path = "common/conformance.rs"]
mod conformance;
#[path = "common/kafka_cluster.rs"]
mod kafka_cluster;

/// Lives in `tests/kafka/`.
mod kafka {
    mod cluster;
}
