//! The slowest suite that needs no broker: lanes on the embedded log under every class of fault, deterministic by seed.
//!
//! One thread drives three lanes step by step, each a process of its own with its own clock of the same time, while events
//! keep coming and the world breaks. At the end, whatever happened, the first promise holds as seen by a read_committed
//! reader. Each seed prints how often each class of fault happened; a class that never happened fails it.
//!
//! A seed that fails is put into [`SEEDS_THAT_FAILED`] with what it found.

mod chaos;
mod dice;
mod events;
mod verdict;

use chaos::Chaos;
use dice::Dice;
use events::Feed;

use super::lane_world::World;

const STEPS: usize = 20_000;

/// Ten seeds in two tests, so that two cores share them.
#[test]
fn promises_hold_through_twenty_thousand_steps_of_every_fault_seeds_1_to_5() {
    (1..=5).for_each(|seed| promises_hold(seed, STEPS));
}

#[test]
fn promises_hold_through_twenty_thousand_steps_of_every_fault_seeds_6_to_10() {
    (6..=10).for_each(|seed| promises_hold(seed, STEPS));
}

#[test]
fn preloaded_ordered_input_gives_the_outputs_of_a_run_without_faults() {
    for seed in 1..=10 {
        let mut dice = Dice::new(seed * 7_919);
        let world = World::new(|options| chaos::options(options, 3_600_000));
        let feed = Feed::ordered(&world, &mut dice, 1_200);
        let mut chaos = Chaos::new(&world, dice);
        chaos.run_until_drained(STEPS);
        chaos.calm_down();
        println!("preloaded, seed {seed}: {}", chaos.counts());
        let calm = verdict::calm(&world, &feed);
        assert_eq!(world.outputs(), calm.outputs(), "seed {seed}: outputs differ from a run without faults");
        assert!(!calm.outputs().is_empty());
        verdict::judge(&world, &calm, &format!("preloaded, seed {seed}"));
    }
}

/// A soak: `cargo test --test embedded simulation -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn promises_hold_through_two_thousand_schedules() {
    for seed in 1_001..=3_000 {
        let world = new_world();
        let mut chaos = Chaos::new(&world, Dice::new(seed));
        let feed = live_through(&world, &mut chaos, seed, 5_000);
        println!("seed {seed}: {}", chaos.counts());
        judge(&world, &feed, &format!("seed {seed}"));
    }
}

/// What once failed, and must not again: (seed, steps).
const SEEDS_THAT_FAILED: [(u64, usize); 0] = [];

#[test]
fn seeds_that_once_failed_hold() {
    SEEDS_THAT_FAILED.into_iter().for_each(|(seed, steps)| promises_hold(seed, steps));
}

fn promises_hold(seed: u64, steps: usize) {
    let name = format!("seed {seed}");
    let world = new_world();
    let mut chaos = Chaos::new(&world, Dice::new(seed));
    let feed = live_through(&world, &mut chaos, seed, steps);
    println!("{name}: {}; {}", chaos.counts(), feed.counts());
    chaos.assert_everything_happened(&name);
    feed.assert_everything_happened(&name);
    judge(&world, &feed, &name);
}

fn new_world() -> World {
    World::new(|options| chaos::options(options, 40))
}

/// Events come while the world breaks, then it calms down.
fn live_through(world: &World, chaos: &mut Chaos<'_>, seed: u64, steps: usize) -> Feed {
    let mut feed = Feed::new(Dice::new(seed ^ 0xfeed));
    for _ in 0..steps {
        if chaos.dice.once_in(18) {
            let events = 1 + chaos.dice.below(4);
            (0..events).for_each(|_| feed.produce(world));
        }
        chaos.step();
    }
    chaos.calm_down();
    feed
}

fn judge(world: &World, feed: &Feed, name: &str) {
    let calm = verdict::calm(world, feed);
    verdict::judge(world, &calm, name);
    verdict::dead_letters_and_forwarded(world, feed, name);
}
