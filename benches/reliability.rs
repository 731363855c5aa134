//! The long runs on the real broker: what takes minutes or an hour, and so is no test. Each starts a broker of its own,
//! drives `tideline` as processes, judges what a read_committed reader finds, and fails when a promise is broken.
//!
//! `cargo bench --bench reliability -- kills [KILLS] | lone [ROUNDS] | week [SECONDS [USERS [RATE]]] | failover [RUNS [USERS]]`
//!
//! Needs Java, as the tests of the real broker do. What a run printed, and on which machine, is in `docs/reliability.md`.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, and stops at what is amiss"
)]

#[allow(dead_code, reason = "what the tests use besides")]
#[path = "../tests/common/application.rs"]
mod application;
#[path = "../tests/common/brokers.rs"]
mod brokers;
#[allow(dead_code, reason = "what the tests use besides")]
#[path = "../tests/embedded/simulation/schedule/dice.rs"]
mod dice;
#[allow(dead_code, reason = "what the tests use besides")]
#[path = "../tests/common/kafka_cluster.rs"]
mod kafka_cluster;

#[allow(dead_code, reason = "what the tests use besides")]
#[path = "../tests/common/journey.rs"]
mod journey;
#[path = "../tests/common/kills.rs"]
mod kills;
#[allow(dead_code, reason = "what the tests use besides")]
#[path = "../tests/common/verdict.rs"]
mod verdict;
#[path = "../tests/common/watch.rs"]
mod watch;

/// Where the tests look for it.
mod common {
    pub(crate) use crate::journey;
}

/// Lives in `benches/reliability/`.
#[path = "reliability"]
mod runs {
    pub mod chain;
    #[path = "../common/committed.rs"]
    pub mod committed;
    pub mod failover;
    #[path = "../common/feeder.rs"]
    pub mod feeder;
    pub mod fold;
    pub mod judge;
    pub mod kills;
    pub mod lone;
    pub mod tail;
    #[allow(dead_code, reason = "what other benchmarks use besides")]
    #[path = "../common/usage.rs"]
    pub mod usage;
    pub mod week;
}

use std::process::ExitCode;

const USAGE: &str = "usage: cargo bench --bench reliability -- kills [KILLS] | lone [ROUNDS] | week [SECONDS [USERS [RATE]]] | failover [RUNS [USERS]]";

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some((run, numbers)) = arguments.split_first() else {
        println!("left out: no run was named ({USAGE})");
        return ExitCode::SUCCESS;
    };
    let Ok(numbers) = numbers.iter().map(|text| text.parse()).collect::<Result<Vec<u64>, _>>() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let number = |at: usize, otherwise: u64| numbers.get(at).copied().unwrap_or(otherwise);
    let holds = match run.as_str() {
        "kills" => runs::kills::run(number(0, 100)),
        "lone" => runs::lone::run(number(0, 10)),
        "failover" => runs::failover::run(number(0, 10), number(1, 1_000_000) as u32),
        "week" => runs::week::run(number(0, 3_600), number(1, 2_000_000) as u32, number(2, 6_000)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
