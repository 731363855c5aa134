//! The slowest suite that needs no broker: lanes on the embedded log under every class of fault, deterministic by seed.
//!
//! One thread drives three lanes step by step, each a process of its own with its own clock of the same time, while events
//! keep coming and the world breaks. At the end, whatever happened, the first promise holds as seen by a read_committed
//! reader. Each suite prints how often each class of fault happened; a class that never happened fails it.
//!
//! As many schedules as wanted: `cargo bench --profile dev --bench simulation`. A seed that fails there gets a test here.

mod schedule;

use super::lane_world;
use schedule::Counts;

const STEPS: usize = 6_000;

fn all_hold(seeds: impl Iterator<Item = u64>) {
    let counts = seeds.map(|seed| schedule::run(seed, STEPS)).fold(Counts::default(), Counts::and);
    println!("{counts}");
    counts.assert_everything_happened();
}

/// Fifty schedules in two tests, so that two cores share them.
#[test]
fn promises_hold_through_six_thousand_steps_of_every_fault_seeds_1_to_25() {
    all_hold(1..=25);
}

#[test]
fn promises_hold_through_six_thousand_steps_of_every_fault_seeds_26_to_50() {
    all_hold(26..=50);
}

#[test]
fn preloaded_ordered_input_gives_the_outputs_of_a_run_without_faults() {
    for seed in 1..=10 {
        println!("seed {seed}: {}", schedule::run_preloaded(seed, 20_000));
    }
}
