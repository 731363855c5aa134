//! What lanes tell of themselves: plain data, written once a batch, read by telemetry and by the readiness page.
//!
//! Counters only grow while the process lives, and show only what is committed. No user ids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{PartitionId, Timestamp};
use crate::pipeline::Identities;
use crate::pipeline::{OutputCounts, Tally};
use crate::runtime::board::calls::OpenCall;
use crate::runtime::board::clock_agreement::ClockAgreement;
use crate::runtime::board::idle_wait::IdleWait;
use crate::runtime::board::stall::Stall;
use crate::state::Population;

/// Where lanes write and telemetry reads. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<Status>>);

impl Board {
    /// Reads everything as it is now. Lanes wait while `look` runs: copy what is needed.
    pub fn read<T>(&self, look: impl FnOnce(&Status) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(in crate::runtime) fn write<T>(&self, change: impl FnOnce(&mut Status) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(in crate::runtime) fn partition(&self, partition: PartitionId, change: impl FnOnce(&mut PartitionStatus)) {
        self.write(|status| change(status.partitions.entry(partition).or_default()));
    }

    pub(in crate::runtime) fn lane(&self, lane: usize, change: impl FnOnce(&mut LaneStatus)) {
        self.write(|status| change(status.lanes.entry(lane).or_default()));
    }
}

/// Everything that a process reports of itself.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// By lane.
    pub lanes: BTreeMap<usize, LaneStatus>,
    /// Those that this process owns or has owned.
    pub partitions: BTreeMap<PartitionId, PartitionStatus>,
    /// Calls to the client that have not returned, by number.
    pub calls: BTreeMap<u64, OpenCall>,
    /// Noted so far.
    pub calls_made: u64,
    /// What stalls, as the watchdog last found it.
    pub stalls: Vec<Stall>,
    /// What the watchdog has done about hanging transactions.
    pub interventions: Interventions,
    /// Inputs of which it was said that their records lie on the wrong partitions.
    pub misrouted: BTreeSet<usize>,
    /// How the machine's clock compares with the broker's.
    pub clock: ClockAgreement,
}

/// What the watchdog has done about hanging transactions: `tideline_stall_cures_total`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interventions {
    /// Producers of others that were fenced.
    pub fenced: u64,
    /// Lanes of this process that were asked to initialise their own id again.
    pub renewed: u64,
}

impl Status {
    /// Whether every lane was assigned something or nothing, and every partition of it is served.
    pub fn is_ready(&self) -> bool {
        let served = |phase: &Phase| matches!(phase, Phase::Serving | Phase::Away);
        !self.lanes.is_empty()
            && self.lanes.values().all(|lane| lane.is_assigned)
            && self.partitions.values().all(|partition| served(&partition.phase))
    }
}

/// What a lane reports of itself. Counters since the process began, milliseconds and monotonic where not said
/// otherwise.
#[derive(Debug, Clone, Default)]
pub struct LaneStatus {
    /// Whether the group has answered.
    pub is_assigned: bool,
    /// Of revoked partitions, kept until it is clear which come back.
    pub parked: usize,
    /// By outcome.
    pub transactions: Transactions,
    /// Committed ones that held a slice of timers, with more to come.
    pub slices: u64,
    /// Records consumed, and records written, by committed batches.
    pub batch_records: u64,
    /// Records written by committed batches.
    pub batch_writes: u64,
    /// Milliseconds spent in committed transactions, from begin to install.
    pub commit_ms: u64,
    /// Of the last committed batch.
    pub last_batch_records: u64,
    /// Of the last committed batch, from begin to install.
    pub last_commit_ms: u64,
    /// Partitions restored from their changelog, the records that were read for it, and how long it took.
    pub restores: u64,
    /// Records read for restores.
    pub restored_records: u64,
    /// Time spent in restores.
    pub restore_ms: u64,
    /// Partitions that came back while their state was parked: no restore was needed.
    pub returns: u64,
    /// Predecessors whose transactional id was taken, because they had something open.
    pub fenced: u64,
    /// Partitions whose forwarding made no progress for too long: nobody waits for them.
    pub passed_over: Vec<PartitionId>,
    /// Why the lane is held up, if it is.
    pub trouble: Option<String>,
}

/// Transactions by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transactions {
    /// Committed.
    pub committed: u64,
    /// Aborted, with nothing left behind.
    pub aborted: u64,
    /// The producer was fenced or failed for good.
    pub fatal: u64,
    /// The outcome was not learnt, and had to be settled.
    pub unknown: u64,
}

/// What a lane reports of one of its partitions, as of the last commit.
#[derive(Debug, Clone, Default)]
pub struct PartitionStatus {
    /// Which lane has it, or had it last.
    pub lane: usize,
    /// What it is to this process.
    pub phase: Phase,
    /// On the monotonic clock: since when it is this process's, and when it last advanced: consumed, fired timers,
    /// read its changelog.
    pub assigned_ms: u64,
    /// When it last advanced.
    pub moved_ms: u64,
    /// The input that the merge waits for.
    pub waits_for: Option<usize>,
    /// The partition whose forwarding must advance first.
    pub held_by: Option<PartitionId>,
    /// Its changelog was cut while it was read.
    pub is_truncated: bool,
    /// S: the newest event time seen.
    pub stream_time: Option<Timestamp>,
    /// W: up to where deadlines have fired.
    pub watermark: Option<Timestamp>,
    /// Why stream time does not follow the clock, though nothing comes.
    pub idle_wait: Option<IdleWait>,
    /// Users by tier and stage.
    pub population: Population,
    /// Users in the table, timers armed, and timers fired since the process began.
    pub users: u64,
    /// Timers armed.
    pub timers: u64,
    /// Timers fired since the process began.
    pub timers_fired: u64,
    /// By input, `rekey` last.
    pub inputs: Vec<InputStatus>,
    /// Outputs by type and reason.
    pub outputs: OutputCounts,
    /// The topics that its state is made from.
    pub identities: Identities,
}

/// What a partition is to this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Phase {
    /// Not this process's.
    #[default]
    Away,
    /// Its state is being made sure of; `remaining`: records left to read, at most, where that is known.
    Restoring {
        /// What the restore is about.
        stage: RestoreStage,
        /// Records of the changelog left to read, at most.
        remaining: u64,
    },
    /// Its records are handled and committed.
    Serving,
    /// Left alone, with the reason.
    Unserved(String),
}

/// What a restore is about, in the order in which it comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RestoreStage {
    /// Until others have come to an end.
    #[default]
    Waiting,
    /// Looking for predecessors that have something open, and fencing them.
    Fencing,
    /// Asking for the group's offsets.
    Offsets,
    /// Reading the changelog.
    Reading,
}

impl RestoreStage {
    /// In words, for logs and `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting for its turn",
            Self::Fencing => "fencing predecessors",
            Self::Offsets => "asking for the group's offsets",
            Self::Reading => "reading its changelog",
        }
    }
}

/// One input of a partition, as of the last commit.
#[derive(Debug, Clone, Default)]
pub struct InputStatus {
    /// What became of its records.
    pub tally: Tally,
    /// The next offset to be read, as committed.
    pub next_offset: i64,
    /// Behind the last that came.
    pub read_to: i64,
    /// Its end when the client last reported one.
    pub end_offset: Option<i64>,
    /// Whether the watermark does not wait for it any more.
    pub is_silent: bool,
    /// Whether all of it was read that there is.
    pub is_at_end: bool,
    /// Whether it is not being read, since enough of it waits.
    pub is_paused: bool,
    /// Records that wait in the merge.
    pub waiting: usize,
    /// Of a partition that is unserved because its topics have changed.
    pub unserved: Option<UnservedInput>,
}

/// An input of a partition that is unserved because its topics have changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnservedInput {
    /// The first offset committed after the last check that found the topics unchanged. What was committed from there to
    /// before `next_offset` may be of the old topic or of the new one.
    pub doubtful_from: i64,
    /// Records that are there, or will be, and that this process doesn't read.
    pub unread: u64,
}
