//! The one test binary for the real broker. Plain `cargo test` leaves it out; `./test` and `cargo test --test kafka`
//! run it. It starts its own broker (`tests/broker/`): Java and, the first time, Maven must be there.

#![allow(clippy::disallowed_methods, reason = "tests read clocks to bound their waits")]

/// Lives in `tests/kafka/`.
mod kafka {
    mod admin;
    mod astray;
    mod brokers;
    mod cases;
    mod cli;
    mod clock;
    mod conformance;
    mod erasure;
    mod harness;
    mod journey;
    mod odd_records;
    mod operator;
    mod kills;
    mod members;
    mod names;
    mod outage;
    mod producer;
    mod quota;
    mod rekey;
    mod proxy;
    mod redrive;
    mod reset;
    mod rights;
    mod source;
    mod topics;
    mod watchdog;
}
