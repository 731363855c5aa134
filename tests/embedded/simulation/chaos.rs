//! Lanes that come and go while their world breaks.

use std::collections::BTreeMap;
use std::time::Duration;

use tideline::broker::memory::{Fault, Memory};
use tideline::runtime::{Lane, Stepped};

use super::super::lane_world::{Options, World};
use super::dice::Dice;

const LANES: usize = 3;
const FAULTS: [Fault; 7] = [
    Fault::AbortOnCommit,
    Fault::SendRefused,
    Fault::SendOffsetsRefused,
    Fault::FencedOnSendOffsets,
    Fault::FencedOnCommit,
    Fault::OutcomeUnknown { applied: true },
    Fault::OutcomeUnknown { applied: false },
];

/// Small bounds everywhere, so that each is met often.
pub fn options(options: &mut Options, merge_wait_ms: u64) {
    options.partitions = 4;
    options.max_effects = 3;
    options.poll_records = 40;
    let settings = &mut options.settings;
    settings.commit_interval = Duration::from_millis(20);
    settings.max_batch_records = 30;
    settings.turn_records = 9;
    settings.buffer_records = 12;
    settings.merge_wait = Duration::from_millis(merge_wait_ms);
    settings.retry_backoff = Duration::from_millis(3);
    // The idle clock is off.
    settings.idle_after = Duration::MAX;
}

/// One process with one lane.
struct Process {
    world: World,
    lane: Lane<Memory>,
    is_stopping: bool,
}

pub struct Chaos<'a> {
    world: &'a World,
    pub dice: Dice,
    processes: [Option<Process>; LANES],
    counts: BTreeMap<&'static str, u64>,
}

impl<'a> Chaos<'a> {
    pub fn new(world: &'a World, dice: Dice) -> Self {
        let mut chaos = Self { world, dice, processes: [const { None }; LANES], counts: BTreeMap::new() };
        chaos.start(0);
        chaos
    }

    /// One deed: mostly a step of some lane, now and then something breaks.
    pub fn step(&mut self) {
        let index = self.dice.below(LANES as u64) as usize;
        match self.dice.below(2_000) {
            0..6 => self.crash(index, "crash"),
            6..14 => self.crash_in_commit(index),
            14..20 => self.restart(index),
            20..28 => {
                self.count("taken for dead");
                self.world.broker.expire(&format!("lane-{index}"));
            }
            28..36 => {
                self.count("rebalance");
                self.world.broker.rebalance();
            }
            36..76 if self.world.broker.waiting_faults().is_empty() => {
                let fault = self.dice.pick(&FAULTS);
                self.count(fault.as_str());
                self.world.broker.inject(fault);
            }
            76..80 if self.world.broker.waiting_faults().is_empty() => {
                self.count(Fault::PartitionLost.as_str());
                self.world.broker.inject(Fault::PartitionLost);
            }
            80..120 if self.processes[index].is_none() => self.start(index),
            _ => self.step_lane(index),
        }
    }

    fn step_lane(&mut self, index: usize) {
        let elapsed = self.dice.below(3);
        for process in self.processes.iter().flatten() {
            process.world.time.advance_ms(elapsed);
        }
        let Some(process) = &mut self.processes[index] else { return };
        match process.lane.step() {
            Ok(Stepped::GoOn) => {}
            Ok(Stepped::Done) => {
                assert!(process.is_stopping, "lane {index} ended by itself");
                self.end(index).unwrap().close();
                self.count("restart");
            }
            Err(error) => panic!("lane {index}: {error}; {:?}", process.world.company.board),
        }
    }

    fn start(&mut self, index: usize) {
        let world = self.world.again(LANES, |_| {});
        let lane = world.lane(index);
        self.processes[index] = Some(Process { world, lane, is_stopping: false });
    }

    /// What a process told of itself is counted when it ends.
    fn end(&mut self, index: usize) -> Option<Lane<Memory>> {
        let Process { world, lane, .. } = self.processes[index].take()?;
        world.company.board.read(|status| {
            let lane = &status.lanes[&index];
            let fired: u64 = status.partitions.values().map(|partition| partition.timers_fired).sum();
            let told = [
                ("revoked and returned", lane.returns),
                ("restored", lane.restores),
                ("predecessor fenced", lane.fenced),
                ("aborted", lane.transactions.aborted),
                ("committed", lane.transactions.committed),
                ("timers fired", fired),
            ];
            for (what, count) in told {
                *self.counts.entry(what).or_default() += count;
            }
            for input in status.partitions.values().flat_map(|partition| &partition.inputs) {
                assert!(input.tally.balances(), "{:?}", input.tally);
            }
        });
        Some(lane)
    }

    /// The process ends between two steps; what is in hand is gone.
    fn crash(&mut self, index: usize, what: &'static str) {
        if let Some(lane) = self.end(index) {
            self.count(what);
            drop(lane);
        }
    }

    /// The process ends within its next commit: after it was applied and before anything is installed, or with its
    /// transaction left open.
    fn crash_in_commit(&mut self, index: usize) {
        if !self.world.broker.waiting_faults().is_empty() {
            return;
        }
        let applied = self.dice.once_in(2);
        self.world.broker.inject(Fault::OutcomeUnknown { applied });
        for _ in 0..60 {
            if self.processes[index].is_none() || self.world.broker.waiting_faults().is_empty() {
                break;
            }
            self.step_lane(index);
        }
        if self.world.broker.waiting_faults().is_empty() {
            self.crash(index, if applied { "crash after a commit" } else { "crash with an open transaction" });
        } else {
            self.world.broker.clear_faults();
        }
    }

    /// A clean stop; it is started again later.
    fn restart(&mut self, index: usize) {
        if let Some(process) = &mut self.processes[index] {
            process.world.company.stop.stop();
            process.is_stopping = true;
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Chaos until all input is committed, or that many steps.
    pub fn run_until_drained(&mut self, steps: usize) {
        for step in 0..steps {
            if step % 50 == 0 && self.world.lag() == 0 {
                return;
            }
            self.step();
        }
    }

    /// Nothing breaks any more: all lanes run until everything is consumed, then stop.
    pub fn calm_down(&mut self) {
        let waiting = self.world.broker.waiting_faults();
        self.world.broker.clear_faults();
        for fault in waiting {
            // It never happened.
            *self.counts.entry(fault.as_str()).or_default() -= 1;
        }
        for step in 0..200_000 {
            for index in 0..LANES {
                if self.processes[index].is_none() {
                    self.start(index);
                }
                self.step_lane(index);
            }
            if step % 50 == 0 && self.world.lag() == 0 {
                (0..LANES).for_each(|index| self.restart(index));
                while self.processes.iter().any(Option::is_some) {
                    (0..LANES).for_each(|index| self.step_lane(index));
                }
                return;
            }
        }
        let boards: Vec<_> = self.processes.iter().flatten().map(|process| &process.world.company.board).collect();
        panic!("not everything is consumed: {} records left; {boards:#?}", self.world.lag());
    }

    pub fn counts(&self) -> String {
        let counts: Vec<_> = self.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        counts.join(", ")
    }

    pub fn assert_everything_happened(&self, name: &str) {
        let told = [
            "crash",
            "crash after a commit",
            "crash with an open transaction",
            "restart",
            "taken for dead",
            "rebalance",
        ];
        let of_lanes =
            ["revoked and returned", "restored", "predecessor fenced", "aborted", "committed", "timers fired"];
        let faults = FAULTS.iter().map(|fault| fault.as_str()).chain([Fault::PartitionLost.as_str()]);
        for what in told.into_iter().chain(of_lanes).chain(faults) {
            let count = self.counts.get(what).copied().unwrap_or_default();
            assert!(count > 0, "{name}: {what} never happened; {}", self.counts());
        }
    }
}
