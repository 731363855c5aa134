//! The board summed over its partitions.

use crate::domain::{PartitionId, Timestamp};
use crate::pipeline::{OutputCounts, Tally};
use crate::runtime::Status;
use crate::runtime::board::status::{PartitionStatus, Phase};
use crate::state::Population;

/// Sums over partitions: counters over all that this process has owned, what stands over those it serves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// By input, `rekey` last.
    pub inputs: Vec<Tally>,
    /// Committed outputs, by type and reason.
    pub outputs: OutputCounts,
    /// The users of the served partitions.
    pub population: Population,
    /// Deadlines to come.
    pub timers: u64,
    /// Deadlines fired and users re-evaluated.
    pub timers_fired: u64,
    /// The least of the served partitions.
    pub stream_time: Option<Timestamp>,
    /// The least of the served partitions.
    pub watermark: Option<Timestamp>,
    /// How many partitions are served.
    pub partitions_served: usize,
    /// By all lanes.
    pub transactions_committed: u64,
}

impl Totals {
    /// Sums the board up.
    pub fn of(status: &Status) -> Self {
        let mut totals = Self::default();
        for partition in status.partitions.values() {
            add_each(&mut totals.inputs, partition.inputs.iter().map(|input| input.tally), |sum, more| *sum += more);
            totals.timers_fired += partition.timers_fired;
            for (kind, count) in &partition.outputs {
                *totals.outputs.entry(*kind).or_default() += count;
            }
        }
        for (_, partition) in served(status) {
            totals.population.merge(&partition.population);
            totals.timers += partition.timers;
            totals.stream_time = least(totals.stream_time, partition.stream_time);
            totals.watermark = least(totals.watermark, partition.watermark);
            totals.partitions_served += 1;
        }
        totals.transactions_committed = status.lanes.values().map(|lane| lane.transactions.committed).sum();
        totals
    }

    /// Records consumed, of all inputs.
    pub fn consumed(&self) -> u64 {
        self.inputs.iter().map(|input| input.consumed).sum()
    }

    /// Outputs written, of all types.
    pub fn written(&self) -> u64 {
        self.outputs.values().sum()
    }
}

/// Those that are being read.
pub(super) fn served(status: &Status) -> impl Iterator<Item = (PartitionId, &PartitionStatus)> {
    let all = status.partitions.iter().map(|(&id, partition)| (id, partition));
    all.filter(|(_, partition)| partition.phase == Phase::Serving)
}

fn add_each<T: Default>(sums: &mut Vec<T>, more: impl Iterator<Item = T>, add: impl Fn(&mut T, T)) {
    for (index, more) in more.enumerate() {
        if sums.len() == index {
            sums.push(T::default());
        }
        add(&mut sums[index], more);
    }
}

fn least(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    [a, b].into_iter().flatten().min()
}
