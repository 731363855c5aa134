//! The long runs on the real broker: what takes minutes or an hour, and so is no test. Each starts a broker of its own,
//! drives `tideline` as processes, judges what a read_committed reader finds, and fails when a promise is broken.
//!
//! `cargo bench --bench reliability -- MODE`, of `kills [KILLS]`, `lone [ROUNDS]`, `week [SECONDS [USERS [RATE]]]`,
//! `failover [RUNS [USERS]]`.
//!
//! Needs Java, as the tests of the real broker do. What a run printed, and on which machine, is in
//! `docs/reliability.md`.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, and stops at what is amiss"
)]

mod chain;
mod failover;
mod fold;
mod judge;
mod kills;
mod lone;
mod tail;
mod week;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo bench --bench reliability -- \
    kills [KILLS] | lone [ROUNDS] | week [SECONDS [USERS [RATE]]] | failover [RUNS [USERS]]";

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
        "kills" => kills::run(number(0, 100)),
        "lone" => lone::run(number(0, 10)),
        "failover" => failover::run(number(0, 10), number(1, 1_000_000) as u32),
        "week" => week::run(number(0, 3_600), number(1, 2_000_000) as u32, number(2, 6_000)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
