//! What tests and benches of tideline share: worlds, brokers, workloads, and the judges of their outputs.
//!
//! A crate of its own, because it may do all that the library must not (panic, read clocks, start processes), and so
//! that a change here compiles no library anew. It sees what any user of the library sees; unit tests inside of `src`
//! can't use it, because for them it would be about another `tideline` than the one under test.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests read clocks to bound their waits, and stop at what is amiss"
)]

#[cfg(feature = "shell")]
pub mod message;
#[cfg(feature = "shell")]
pub mod cases;
#[cfg(feature = "shell")]
pub mod journey;
#[cfg(feature = "shell")]
pub mod memory;
#[cfg(feature = "shell")]
pub mod conformance;
#[cfg(feature = "shell")]
pub mod lane_world;
#[cfg(feature = "shell")]
pub mod schedule;
#[cfg(feature = "shell")]
pub mod fuzzer;
pub mod workload;
#[cfg(feature = "shell")]
pub mod usage;
#[cfg(feature = "shell")]
pub mod places;
#[cfg(feature = "kafka")]
pub mod application;
#[cfg(feature = "kafka")]
pub mod brokers;
#[cfg(feature = "kafka")]
pub mod committed;
#[cfg(feature = "kafka")]
pub mod feeder;
#[cfg(feature = "kafka")]
pub mod kafka_cluster;
#[cfg(feature = "kafka")]
pub mod kills;
#[cfg(feature = "kafka")]
pub mod proxy;
#[cfg(feature = "kafka")]
pub mod verdict;
#[cfg(feature = "kafka")]
pub mod watch;
