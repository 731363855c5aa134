//! Lanes that come and go while their world breaks.

use tideline::broker::Broker as _;
use tideline::broker::memory::{Fault, Memory};
use tideline::domain::PartitionId;
use tideline::runtime::board::status::{LaneStatus, Phase};
use tideline::runtime::{Lane, LaneError, StepOutcome, TopicWatch};
use tideline::settings::Period;

use super::Counts;
use super::dice::Dice;
use crate::lane_world::{Options, REKEY, World};

const LANES: usize = 3;
const PARTITIONS: i32 = 4;
const OUTPUT_PARTITIONS: i32 = 7;
const FAULTS: [Fault; 9] = [
    Fault::AbortOnCommit,
    Fault::SendRefused,
    Fault::SendOffsetsRefused,
    Fault::TimedOut,
    Fault::FencedOnSendOffsets,
    Fault::FencedOnCommit,
    Fault::OutcomeUnknown { applied: true },
    Fault::OutcomeUnknown { applied: false },
    Fault::OffsetsHang,
];

/// Small bounds everywhere, so that each is met often.
pub fn options(options: &mut Options, merge_wait_ms: u64) {
    options.partitions = PARTITIONS;
    options.output_partitions = Some(OUTPUT_PARTITIONS);
    options.max_effects = 3;
    options.poll_records = 40;
    let settings = &mut options.settings;
    settings.commit_interval = Period::of_millis(20);
    settings.batch_records = 30;
    settings.turn_records = 9;
    settings.buffer_records = 12;
    settings.merge_wait = Period::of_millis(merge_wait_ms);
    settings.retry_backoff = Period::of_millis(3);
    settings.topic_check = Period::of_millis(20);
    settings.retry_backoff_max = Period::of_millis(50);
    // The idle clock is off.
    settings.idle_after = Period::of_millis(u64::MAX);
}

/// One process with one lane.
struct Process {
    world: World,
    lane: Lane<Memory>,
    /// Whatever breaks, the topics don't: it must find nothing.
    topics: TopicWatch<Memory>,
    is_stopping: bool,
    /// What it told at its last step, and whether what it committed last was a slice of timers: then more are to come.
    told: LaneStatus,
    is_between_slices: bool,
}

impl Process {
    /// Says whether it is in the middle of slices, as of before its last step.
    fn look(&mut self, index: usize) -> bool {
        let told = self.world.context.board.read(|status| status.lanes[&index].clone());
        let was_between_slices = self.is_between_slices;
        if told.transactions.committed > self.told.transactions.committed {
            self.is_between_slices = told.slices > self.told.slices;
        }
        self.told = told;
        was_between_slices
    }

    fn is_restoring(&self) -> bool {
        let restoring = |phase: &Phase| matches!(phase, Phase::Restoring { .. });
        self.world.context.board.read(|status| status.partitions.values().any(|it| restoring(&it.phase)))
    }
}

/// What must happen, but for the events.
pub fn classes() -> impl Iterator<Item = &'static str> {
    let told = [
        "crash",
        "crash after a commit",
        "crash with an open transaction",
        "crash between slices",
        "restart",
        "taken for dead",
        "rebalance",
        "rebalance during a restore",
        "fault between slices",
    ];
    let of_lanes = [
        "revoked and returned",
        "restored",
        "predecessor fenced",
        "aborted",
        "committed",
        "slices",
        "timers fired",
        "forwarded and applied",
    ];
    let faults = FAULTS.into_iter().map(Fault::as_str).chain([Fault::PartitionLost.as_str()]);
    told.into_iter().chain(of_lanes).chain(faults)
}

pub struct Chaos<'a> {
    world: &'a World,
    pub dice: Dice,
    processes: [Option<Process>; LANES],
    counts: Counts,
    /// The topics have changed: whoever starts is refused, and nothing breaks any more but processes and the group.
    has_changed: bool,
}

impl<'a> Chaos<'a> {
    pub fn new(world: &'a World, dice: Dice) -> Self {
        let mut chaos =
            Self { world, dice, processes: [const { None }; LANES], counts: Counts::default(), has_changed: false };
        chaos.start(0);
        chaos
    }

    /// One deed: mostly a step of some lane, now and then something breaks.
    pub fn step(&mut self) {
        let index = self.dice.below(LANES as u64) as usize;
        match self.dice.below(2_000) {
            0..6 => self.crash(index, "crash"),
            6..14 if !self.has_changed => self.crash_in_commit(index),
            14..20 => self.restart(index),
            20..28 => {
                self.count("taken for dead");
                self.count_restoring();
                self.world.broker.expire(&format!("lane-{index}"));
            }
            28..36 => {
                self.count("rebalance");
                self.count_restoring();
                self.world.broker.rebalance();
            }
            36..76 if !self.has_changed && self.world.broker.waiting_faults().is_empty() => {
                let fault = self.dice.pick(&FAULTS);
                if fault != Fault::OffsetsHang || self.can_hang() {
                    self.count(fault.as_str());
                    self.world.broker.inject(fault);
                }
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
        process.topics.look();
        let faults = self.world.broker.waiting_faults().len();
        match process.lane.step() {
            Ok(StepOutcome::Continue) => {
                let was_between_slices = process.look(index);
                if was_between_slices && self.world.broker.waiting_faults().len() < faults {
                    self.count("fault between slices");
                }
            }
            Ok(StepOutcome::Done) => {
                assert!(process.is_stopping, "lane {index} ended by itself");
                self.end(index).unwrap().close();
                self.count("restart");
            }
            Err(LaneError::Refused { refusal, .. }) if self.has_changed => {
                self.count("refused at a start");
                assert!(!refusal.to_string().contains("assignor"), "{refusal}");
                drop(self.end(index));
            }
            Err(error) => panic!("lane {index}: {error}; {:?}", process.world.context.board),
        }
    }

    fn start(&mut self, index: usize) {
        let world = self.world.again(LANES, |_| {});
        let lane = world.lane(index);
        let told = LaneStatus::default();
        let topics = TopicWatch::new(world.broker.clone(), world.job.clone(), world.context.clone());
        self.processes[index] =
            Some(Process { world, lane, topics, is_stopping: false, told, is_between_slices: false });
    }

    /// What a process told of itself is counted when it ends.
    fn end(&mut self, index: usize) -> Option<Lane<Memory>> {
        let Process { world, lane, .. } = self.processes[index].take()?;
        world.context.board.read(|status| {
            let lane = &status.lanes[&index];
            let fired: u64 = status.partitions.values().map(|partition| partition.timers_fired).sum();
            let rekey = status.partitions.values().filter_map(|partition| partition.inputs.get(REKEY.index()));
            let forwarded: u64 = rekey.map(|input| input.tally.applied).sum();
            let told = [
                ("revoked and returned", lane.returns),
                ("restored", lane.restores),
                ("predecessor fenced", lane.fenced),
                ("aborted", lane.transactions.aborted),
                ("committed", lane.transactions.committed),
                ("slices", lane.slices),
                ("timers fired", fired),
                ("forwarded and applied", forwarded),
            ];
            told.into_iter().for_each(|(what, count)| self.counts.add(what, count));
            for input in status.partitions.values().flat_map(|partition| &partition.inputs) {
                assert!(input.tally.balances(), "{:?}", input.tally);
            }
        });
        Some(lane)
    }

    /// The process ends between two steps; what is in hand is gone.
    fn crash(&mut self, index: usize, what: &'static str) {
        let is_between_slices = self.processes[index].as_ref().is_some_and(|process| process.is_between_slices);
        if let Some(lane) = self.end(index) {
            self.count(what);
            if is_between_slices {
                self.count("crash between slices");
            }
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
        if self.dice.once_in(3) && self.can_hang() {
            self.world.broker.inject(Fault::OffsetsHang);
        }
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

    /// Of a partition that never had any, offsets that hang can't be told from offsets that were deleted.
    fn can_hang(&self) -> bool {
        let standing = |partition| self.world.broker.partition_offsets(PartitionId(partition)).unwrap();
        (0..PARTITIONS).all(|partition| !standing(partition).committed.is_empty())
    }

    fn hangs(&self) -> bool {
        (0..PARTITIONS).any(|partition| self.world.broker.partition_offsets(PartitionId(partition)).unwrap().is_pending)
    }

    /// A clean stop; it is started again later.
    fn restart(&mut self, index: usize) {
        if let Some(process) = &mut self.processes[index] {
            process.world.context.stop.stop();
            process.is_stopping = true;
        }
    }

    /// Somebody changes a topic under the application. What that was.
    pub fn change_a_topic(&mut self) -> &'static str {
        self.has_changed = true;
        self.world.broker.clear_faults();
        let broker = &self.world.broker;
        let (what, changed) = match self.dice.below(4) {
            0 => ("an input made anew", broker.recreate_topic("app")),
            1 => ("rekey made anew", broker.recreate_topic("rekey")),
            2 => ("partitions added", broker.add_partitions("merchant", PARTITIONS + 1)),
            _ => ("a topic gone", broker.delete_topic("merchant")),
        };
        changed.unwrap();
        what
    }

    /// Partitions that processes have left and still tell of.
    pub fn left(&self) -> usize {
        let of = |process: &Process| {
            let left = |phase: &Phase| matches!(phase, Phase::Unserved(_));
            process.world.context.board.read(|status| status.partitions.values().filter(|it| left(&it.phase)).count())
        };
        self.processes.iter().flatten().map(of).sum()
    }

    fn count(&mut self, what: &'static str) {
        self.counts.add(what, 1);
    }

    fn count_restoring(&mut self) {
        if self.processes.iter().flatten().any(Process::is_restoring) {
            self.count("rebalance during a restore");
        }
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
            self.counts.take_back(fault.as_str());
        }
        for step in 0..200_000 {
            for index in 0..LANES {
                if self.processes[index].is_none() {
                    self.start(index);
                }
                self.step_lane(index);
            }
            // Offsets of the last commit may hang: whoever comes next finds it, or writes again.
            if step % 2_000 == 1_999 && self.hangs() {
                self.restart(step / 2_000 % LANES);
            }
            if step % 50 == 0 && self.world.lag() == 0 {
                (0..LANES).for_each(|index| self.restart(index));
                while self.processes.iter().any(Option::is_some) {
                    (0..LANES).for_each(|index| self.step_lane(index));
                }
                return;
            }
        }
        let boards: Vec<_> = self.processes.iter().flatten().map(|process| &process.world.context.board).collect();
        panic!("not everything is consumed: {} records left; {boards:#?}", self.world.lag());
    }

    pub fn into_counts(self) -> Counts {
        self.counts
    }
}
