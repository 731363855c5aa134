//! One schedule by its seed: lanes live through all that breaks, and then it is judged. The tests and the soak share
//! it.

mod chaos;
pub mod dice;
mod events;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;

use chaos::Chaos;
use dice::Dice;
use events::Feed;

use serde_json::Value;
use tideline::broker::Broker as _;
use tideline::domain::Input;

use crate::lane_world::World;

/// How often each class of fault and of event happened, over all schedules that were added up.
#[derive(Debug, Clone, Default)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    pub fn add(&mut self, what: &'static str, count: u64) {
        *self.0.entry(what).or_default() += count;
    }

    /// It was announced, but never came.
    fn take_back(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() -= 1;
    }

    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    pub fn and(mut self, more: Self) -> Self {
        more.0.into_iter().for_each(|(what, count)| self.add(what, count));
        self
    }

    pub fn assert_everything_happened(&self) {
        for what in chaos::classes().chain(events::CLASSES) {
            assert!(self.of(what) > 0, "{what} never happened; {self}");
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.0.iter().map(|(what, count)| format!("{count} {what}")).collect();
        f.write_str(&counts.join(", "))
    }
}

/// Events come while the world breaks, for `steps` deeds; then it calms down and is judged. Panics where a promise is
/// broken.
pub fn run(seed: u64, steps: usize) -> Counts {
    let name = format!("seed {seed}, {steps} steps");
    let world = World::new(|options| chaos::options(options, 40));
    let mut chaos = Chaos::new(&world, Dice::new(seed));
    let mut feed = Feed::new(Dice::new(seed ^ 0xfeed));
    for _ in 0..steps {
        if chaos.dice.once_in(18) {
            let events = 1 + chaos.dice.below(4);
            (0..events).for_each(|_| feed.produce(&world));
        }
        chaos.step();
    }
    chaos.calm_down();
    let calm = verdict::calm(&world, &feed);
    verdict::judge(&world, &calm, &name);
    verdict::dead_letters_and_forwarded(&world, &feed, &name);
    chaos.into_counts().and(feed.counts)
}

/// A history on wrong partitions, wholly or in part, gives what a rightly placed one gives.
pub fn run_elsewhere(seed: u64, steps: usize, inputs: &[Input]) -> Counts {
    let name = format!("elsewhere {inputs:?}, seed {seed}, {steps} steps");
    let mut dice = Dice::new(seed * 7_919);
    let world = World::new(|options| {
        chaos::options(options, 3_600_000);
        // Room for what all partitions may forward ahead.
        options.settings.buffer_records = 48;
    });
    let feed = Feed::ordered_elsewhere(&world, &mut dice, 1_200, inputs);
    let mut chaos = Chaos::new(&world, dice);
    chaos.run_until_drained(steps);
    chaos.calm_down();
    let calm = verdict::calm(&world, &feed);
    verdict::same(&without_causes(&world), &without_causes(&calm), &name);
    verdict::judge(&world, &calm, &name);
    assert_eq!(world.dead_letters(), 0, "{name}");
    chaos.into_counts()
}

/// Outputs, but for where the record stood that caused them.
fn without_causes(world: &World) -> Vec<Value> {
    let mut outputs = world.outputs();
    outputs.iter_mut().for_each(|output| _ = output.as_object_mut().unwrap().remove("cause"));
    outputs
}

/// A topic changes under lanes that come and go: soon nobody commits anything any more, whoever starts is refused, and
/// who served lives on. Panics where anything moves after that.
pub fn run_changed_topic(seed: u64, steps: usize) -> Counts {
    let world = World::new(|options| chaos::options(options, 40));
    let mut chaos = Chaos::new(&world, Dice::new(seed));
    let mut feed = Feed::new(Dice::new(seed ^ 0xfeed));
    let mut go_on = |chaos: &mut Chaos<'_>, steps: usize| {
        for _ in 0..steps {
            if chaos.dice.once_in(18) {
                feed.produce(&world);
            }
            chaos.step();
        }
    };
    go_on(&mut chaos, steps);
    let what = chaos.change_a_topic();
    // So many that everybody has looked at the topics twice.
    go_on(&mut chaos, 1_500);
    let partitions = || (0..world.options.partitions).map(tideline::domain::PartitionId);
    let standing = || {
        partitions()
            .map(|it| (world.broker.partition_offsets(it).unwrap().committed, world.record(it)))
            .collect::<Vec<_>>()
    };
    let before = standing();
    let mut counts = Counts::default();
    for _ in 0..20 {
        go_on(&mut chaos, 100);
        counts.add("partitions left", chaos.left() as u64);
    }
    assert_eq!(standing(), before, "seed {seed}: {what}, and it was gone on with");
    counts.add(what, 1);
    counts.and(chaos.into_counts())
}

/// Preloaded, ordered, correctly routed input gives the very outputs of a run to which nothing happens.
pub fn run_preloaded(seed: u64, steps: usize) -> Counts {
    let name = format!("preloaded, seed {seed}, {steps} steps");
    let mut dice = Dice::new(seed * 7_919);
    let world = World::new(|options| chaos::options(options, 3_600_000));
    let feed = Feed::ordered(&world, &mut dice, 1_200);
    let mut chaos = Chaos::new(&world, dice);
    chaos.run_until_drained(steps);
    chaos.calm_down();
    let calm = verdict::calm(&world, &feed);
    assert_eq!(world.outputs(), calm.outputs(), "{name}: outputs differ from a run without faults");
    assert!(!calm.outputs().is_empty());
    verdict::judge(&world, &calm, &name);
    chaos.into_counts()
}
