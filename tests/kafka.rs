//! The one test binary for the real broker. Plain `cargo test` leaves it out; `./test` and `cargo test --test kafka` run
//! it. It starts its own broker (`tests/broker/`): Java and, the first time, Maven must be there.

#![allow(clippy::disallowed_methods, reason = "tests read clocks to bound their waits")]

#[allow(dead_code, reason = "what belongs to the embedded log")]
mod common;
#[path = "common/kafka_cluster.rs"]
mod kafka_cluster;

/// Lives in `tests/kafka/`.
mod kafka {
    mod admin;
    mod cli;
    mod conformance;
    mod harness;
    mod journey;
    mod outage;
    mod producer;
    mod source;
}
