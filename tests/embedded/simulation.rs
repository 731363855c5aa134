//! The slowest suite that needs no broker: lanes on the embedded log under every class of fault, deterministic by seed.
//!
//! One thread drives three lanes step by step, each a process of its own with its own clock of the same time, while
//! events keep coming and the world breaks. At the end, whatever happened, the first promise holds as seen by a
//! read_committed reader. Each suite prints how often each class of fault happened; a class that never happened fails
//! it.
//!
//! As many schedules as wanted: `cargo bench --profile dev --bench simulation`. A seed that fails there gets a test
//! here.

use testkit::lane_world::{APP, MERCHANT};
use testkit::schedule::{self, Counts};

/// Together they meet everything that can happen.
fn all_hold(seeds: impl Iterator<Item = u64>, steps: usize) {
    let mut all = Counts::default();
    for seed in seeds {
        let counts = schedule::run(seed, steps);
        println!("seed {seed}: {counts}");
        all = all.and(counts);
    }
    all.assert_everything_happened();
}

/// Fifty schedules, in several tests, so that the cores share them.
#[test]
fn promises_hold_through_twenty_thousand_steps_of_every_fault_seeds_1_to_5() {
    all_hold(1..=5, 20_000);
}

#[test]
fn promises_hold_through_twenty_thousand_steps_of_every_fault_seeds_6_to_10() {
    all_hold(6..=10, 20_000);
}

#[test]
fn promises_hold_through_six_thousand_steps_of_every_fault_seeds_11_to_30() {
    all_hold(11..=30, 6_000);
}

#[test]
fn promises_hold_through_six_thousand_steps_of_every_fault_seeds_31_to_50() {
    all_hold(31..=50, 6_000);
}

/// A new holder of an id counted its transactions anew, and one of its own took an old note of the offsets for its own.
#[test]
fn promises_hold_in_schedules_that_failed_once() {
    for seed in [2229, 2392] {
        println!("seed {seed}: {}", schedule::run(seed, 6_000));
    }
}

#[test]
fn nobody_goes_on_over_a_topic_that_changed() {
    let all = (1..=40).map(|seed| schedule::run_changed_topic(seed, 1_500)).fold(Counts::default(), Counts::and);
    println!("{all}");
    for what in [
        "an input made anew",
        "rekey made anew",
        "partitions added",
        "a topic gone",
        "partitions left",
        "refused at a start",
    ] {
        assert!(all.of(what) > 0, "{what} never happened; {all}");
    }
}

#[test]
fn preloaded_ordered_input_gives_the_outputs_of_a_run_without_faults() {
    for seed in 1..=10 {
        println!("seed {seed}: {}", schedule::run_preloaded(seed, 20_000));
    }
}

/// Users are where librdkafka's default partitioner puts them, in all inputs or in one.
#[test]
fn a_history_on_wrong_partitions_gives_the_outputs_of_one_on_the_right_ones() {
    for seed in 1..=8 {
        println!("seed {seed}: {}", schedule::run_elsewhere(seed, 20_000, &[APP, MERCHANT]));
    }
}

#[test]
fn a_history_of_which_one_input_is_on_wrong_partitions_gives_the_outputs_of_one_on_the_right_ones() {
    for seed in 11..=18 {
        println!("seed {seed}: {}", schedule::run_elsewhere(seed, 20_000, &[MERCHANT]));
    }
}
