//! The program end to end, on a real broker: what it costs beside others, how soon it answers, how it grows. Each mode starts
//! a broker of its own, drives `tideline` as processes, and prints a table with the command that makes it again.
//!
//! Needs Java, as the tests of the real broker do; `compare` also Maven, Python 3 and `taskset`. `docs/performance.md` says
//! how to read what comes out.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, and stops at what is amiss"
)]

#[allow(dead_code, reason = "what the tests use besides")]
#[path = "../tests/common/kafka_cluster.rs"]
mod kafka_cluster;

/// Lives in `benches/end_to_end/`.
#[path = "end_to_end"]
mod modes {
    pub mod bare;
    pub mod compare;
    pub mod peer;
    pub mod plot;
    pub mod report;
}

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo bench --bench end_to_end -- MODE
  compare PEER_FOLDER WORKDIR [h|m|both]   beside Kafka Streams and a bare loop, on 0.5 M and 2 M events";

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let holds = match words[..] {
        [] => {
            println!("left out: no mode was named\n{USAGE}");
            true
        }
        // What `compare` runs beside the program.
        ["bare", config] => {
            modes::bare::run(Path::new(config));
            true
        }
        ["compare", peer, work] => modes::compare::run(Path::new(peer), Path::new(work), "both"),
        ["compare", peer, work, which @ ("h" | "m" | "both")] => {
            modes::compare::run(Path::new(peer), Path::new(work), which)
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
