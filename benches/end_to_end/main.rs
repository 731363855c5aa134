//! The program end to end, on a real broker: what it costs beside others, how soon it answers, how it grows. Each mode
//! starts a broker of its own, drives `tideline` as processes, and prints a table with the command that makes it again.
//!
//! Needs Java, as the tests of the real broker do; `compare` also Maven, Python 3 and `taskset`. `docs/performance.md`
//! says how to read what comes out.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, and stops at what is amiss"
)]

mod bare;
mod calls;
mod compare;
mod fill;
mod flow;
mod latency;
mod peer;
mod plot;
mod report;
mod restore;
mod scale;
mod stopwatch;
mod world;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo bench --bench end_to_end -- MODE
  compare PEER_FOLDER WORKDIR [h|m|both]   beside Kafka Streams and a bare loop, on 0.5 M and 2 M events
  latency [SECONDS [RATE]…]                from an event to its output, at steady rates (60 1000 5000 20000)
  restore [USERS]…                         from the start to serving, and what is held (1000000 10000000)
  scale [EVENTS [MOST_USERS]]              cost per event as users, partitions, lanes grow (1000000 10000000)
  flow [EVENTS]                            a backlog behind a slow broker, one input far ahead (5000000)
  calls                                    the client's calls, one by one and in native batches";

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Whether what was to hold does; none if the words make no sense.
fn run(words: &[&str]) -> Option<bool> {
    let Some((&mode, rest)) = words.split_first() else {
        println!("left out: no mode was named\n{USAGE}");
        return Some(true);
    };
    if let ("compare", [peer, work, which @ ..]) = (mode, rest) {
        let which = *which.first().unwrap_or(&"both");
        let is_known = ["h", "m", "both"].contains(&which);
        return is_known.then(|| compare::run(Path::new(peer), Path::new(work), which));
    }
    // What `compare` runs beside the program.
    if let ("bare", [config]) = (mode, rest) {
        bare::run(Path::new(config));
    }
    let numbers = rest.iter().map(|word| word.parse()).collect::<Result<Vec<u64>, _>>().ok()?;
    let number = |at: usize, otherwise: u64| numbers.get(at).copied().unwrap_or(otherwise);
    match mode {
        "latency" if numbers.len() > 1 => Some(latency::run(numbers[0], &numbers[1..])),
        "latency" => Some(latency::run(number(0, 60), &[1_000, 5_000, 20_000])),
        "restore" if !numbers.is_empty() => Some(restore::run(&numbers)),
        "restore" => Some(restore::run(&[1_000_000, 10_000_000])),
        "scale" => Some(scale::run(number(0, 1_000_000), number(1, 10_000_000))),
        "calls" => Some(calls::run()),
        "flow" => Some(flow::run(number(0, 5_000_000))),
        _ => None,
    }
}
