//! The simulation of the tests, for as many schedules as wanted, on all cores. It prints what happened; a promise that
//! is broken ends it with the seed, which becomes a test.
//!
//! `cargo bench --profile dev --bench simulation -- [SCHEDULES [SEED]]`, by default 200 schedules from seed 1001. In
//! the dev profile, because it checks for overflow.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a benchmark reads the clock")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use testkit::schedule::{self, Counts};

const STEPS: usize = 6_000;
const FIRST_SEED: u64 = 1_001;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |at: usize, otherwise| arguments.get(at).map_or(Ok(otherwise), |text| text.parse::<u64>());
    let (Ok(schedules), Ok(first)) = (number(0, 200), number(1, FIRST_SEED)) else {
        eprintln!("usage: cargo bench --profile dev --bench simulation -- [SCHEDULES [SEED]]");
        return ExitCode::from(2);
    };
    let (started, next) = (Instant::now(), AtomicU64::new(0));
    let work = || {
        let mut counts = Counts::default();
        loop {
            let schedule = next.fetch_add(1, Ordering::Relaxed);
            if schedule >= schedules {
                return counts;
            }
            counts = counts.and(schedule::run(first + schedule, STEPS));
            if schedule % 100 == 99 {
                println!("{} schedules after {:.0} s", schedule + 1, started.elapsed().as_secs_f64());
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let counts = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect::<Result<Vec<_>, _>>()
    });
    // What a panic had to say stands above.
    let Ok(counts) = counts else { return ExitCode::FAILURE };
    let counts = counts.into_iter().fold(Counts::default(), Counts::and);
    println!("{schedules} schedules of {STEPS} steps hold, {:.0} s: {counts}", started.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}
