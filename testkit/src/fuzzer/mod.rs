//! A small fuzzer: seeded, so that a seed always makes the same inputs, and aware of structure, so that they get past
//! the first check of what they are given to.
//!
//! A [`Target`] takes samples of its corpus (`tests/corpora/`), changes them, and holds the code to what must be true
//! of any input. Inputs that once failed stand in the corpus's `regressions/` and come first. `cargo test` runs 200,000
//! inputs; any number of them, on all cores:
//!
//! ```text
//! cargo bench --profile dev --bench fuzz -- 10000000 [SEED [TARGET]]
//! ```
//!
//! What fails is kept under `target/tmp/fuzz/`, to be moved to `regressions/` with the fix.

mod bytes;
mod config;
pub mod corpus;
mod journal;
mod json;
mod oracle;
mod protobuf;
mod record;
mod stored;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::message::TestMessage;
use corpus::Corpus;

type Random = ChaCha8Rng;

/// What can be fuzzed, and of how many inputs in two hundred it takes its share: parts that touch files or parse long
/// texts take few.
pub const TARGETS: [(&str, u64); 9] = [
    ("json", 50),
    ("cloudevents", 25),
    ("cloudevents_binary", 25),
    ("protobuf", 35),
    ("confluent", 15),
    ("state", 35),
    ("partition_record", 12),
    ("journal", 2),
    ("config", 1),
];

/// The code under test, and what must hold of it.
trait Target {
    /// Changes a sample.
    fn change(&self, input: &mut TestMessage, corpus: &Corpus, random: &mut Random);

    /// What came of an input, by name; or what it broke. Depends on the input, and on those before it, alone.
    fn check(&mut self, input: &TestMessage) -> Result<&'static str, String>;

    /// What must hold after all inputs.
    fn finish(&mut self) -> Result<(), String> {
        Ok(())
    }
}

fn target(name: &str) -> Box<dyn Target> {
    match name {
        "state" => Box::new(stored::State::default()),
        "partition_record" => Box::new(stored::Record),
        "journal" => Box::new(journal::Journal::new()),
        "config" => Box::new(config::Text),
        _ => Box::new(wire::Wire::new(name)),
    }
}

/// How often what came of an input.
#[derive(Debug, Default)]
pub struct Report {
    pub inputs: u64,
    pub outcomes: BTreeMap<&'static str, u64>,
}

/// An input that broke something. The text says how to meet it again.
#[derive(Debug)]
pub struct Failure(pub String);

/// Runs the regressions, the samples as they are, and then `inputs` changed ones.
pub fn run(name: &str, inputs: u64, seed: u64) -> Result<Report, Failure> {
    let corpus = Corpus::load(name);
    let mut target = target(name);
    let mut report = Report::default();
    let mut meet = |target: &mut dyn Target, input: &TestMessage| {
        let outcome = catch_unwind(AssertUnwindSafe(|| target.check(input)))
            .unwrap_or_else(|panic| Err(format!("panicked: {}", panic_text(panic.as_ref()))))
            .map_err(|broken| failure(name, seed, report.inputs, input, &broken))?;
        report.inputs += 1;
        *report.outcomes.entry(outcome).or_default() += 1;
        Ok(())
    };
    for input in corpus.regressions.iter().chain(&corpus.samples) {
        meet(target.as_mut(), input)?;
    }
    let mut random = Random::seed_from_u64(seed);
    for _ in 0..inputs {
        let mut input = pick(&mut random, &corpus.samples).clone();
        target.change(&mut input, &corpus, &mut random);
        meet(target.as_mut(), &input)?;
    }
    target.finish().map_err(|broken| Failure(format!("{name}, seed {seed}, after all inputs: {broken}")))?;
    Ok(report)
}

fn failure(name: &str, seed: u64, number: u64, input: &TestMessage, broken: &str) -> Failure {
    let kept = corpus::keep(name, input);
    Failure(format!(
        "{name}, seed {seed}, input {number}: {broken}\n  kept as {kept}; again: cargo bench --profile dev --bench \
            fuzz -- {} {seed} {name}",
        number + 1
    ))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("with something that is no text")
}

fn pick<'a, T>(random: &mut Random, all: &'a [T]) -> &'a T {
    &all[random.random_range(0..all.len())]
}
