//! The fuzzer of the tests, for as many inputs as wanted, on all cores. It prints what came of them; a failure ends it.
//!
//! `cargo bench --profile dev --bench fuzz -- [INPUTS [SEED [TARGET]]]`, by default 200,000 inputs from seed 1 over all
//! targets. In the dev profile, because it checks for overflow; the release profile is twice as fast and sees less.
//!
//! The work is cut into shards of one seed each, so that a failure is met again by its seed alone.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a benchmark reads the clock")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use testkit::fuzzer::{Failure, Report, TARGETS, run};

const SHARD: u64 = 100_000;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |at: usize, otherwise| arguments.get(at).map_or(Ok(otherwise), |text| text.parse::<u64>());
    let (Ok(inputs), Ok(seed)) = (number(0, 200_000), number(1, 1)) else {
        eprintln!("usage: cargo bench --profile dev --bench fuzz -- [INPUTS [SEED [TARGET]]]");
        return ExitCode::from(2);
    };
    let only = arguments.get(2).map(String::as_str);
    let targets: Vec<_> = TARGETS.into_iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if targets.is_empty() {
        eprintln!("no such target; there are {:?}", TARGETS.map(|(name, _)| name));
        return ExitCode::from(2);
    }
    let shares: u64 = targets.iter().map(|(_, share)| share).sum();
    for (name, share) in targets {
        let started = Instant::now();
        match run_all(name, inputs * share / shares, seed) {
            Ok(report) => print(name, &report, started),
            Err(Failure(text)) => {
                println!("FAILED: {text}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Shard after shard on every core, until all are done or one has failed.
fn run_all(name: &str, inputs: u64, seed: u64) -> Result<Report, Failure> {
    let shards = inputs.div_ceil(SHARD);
    let next = AtomicU64::new(0);
    let work = || {
        let mut report = Report::default();
        loop {
            let shard = next.fetch_add(1, Ordering::Relaxed);
            if shard >= shards {
                return Ok(report);
            }
            let of_shard = run(name, SHARD.min(inputs - shard * SHARD), seed + shard);
            add(&mut report, of_shard.inspect_err(|_| next.store(shards, Ordering::Relaxed))?);
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut all = Report::default();
        for worker in workers {
            add(&mut all, worker.join().expect("a worker catches panics")?);
        }
        Ok(all)
    })
}

fn add(all: &mut Report, shard: Report) {
    all.inputs += shard.inputs;
    for (outcome, count) in shard.outcomes {
        *all.outcomes.entry(outcome).or_default() += count;
    }
}

fn print(name: &str, report: &Report, started: Instant) {
    let elapsed = started.elapsed().as_secs_f64();
    println!("{name}: {} inputs in {elapsed:.1} s, {:.0}/s", report.inputs, report.inputs as f64 / elapsed);
    for (outcome, count) in &report.outcomes {
        println!("  {count:>10} {outcome}");
    }
}
