//! What became of the records of an input, and how many outputs of which type there were: counts that are kept in one place.

use std::collections::BTreeMap;

use crate::domain::Partitioner;
use crate::emit::OutputType;
use crate::engine::OutputReason;
use crate::ingest::RejectReason;

/// What became of the records of one input. `consumed` is always the sum of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub consumed: u64,
    pub applied: u64,
    pub skipped: u64,
    pub duplicate: u64,
    pub suppressed: u64,
    pub rekeyed: u64,
    /// Records that came, some of them again after a failure, and those of them that are another partition's.
    pub read: u64,
    pub misrouted: u64,
    /// Dead ones over which the program had panicked.
    pub panicked: u64,
    /// Of `rekeyed`: those that lie where each of [`Partitioner::ALL`] puts their key.
    pub fits: [u64; Partitioner::ALL.len()],
    /// By [`RejectReason`], in the order of [`RejectReason::ALL`].
    pub dead: [u64; RejectReason::ALL.len()],
}

impl Tally {
    pub(crate) fn count_dead(&mut self, reason: RejectReason) {
        // The order of `RejectReason::ALL` is that of its codes.
        self.dead[reason as usize] += 1;
    }

    pub fn dead_lettered(&self) -> u64 {
        self.dead.iter().sum()
    }

    pub fn balances(&self) -> bool {
        let Self { consumed, applied, skipped, duplicate, suppressed, rekeyed, .. } = self;
        *consumed == applied + skipped + duplicate + suppressed + rekeyed + self.dead_lettered()
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.consumed += more.consumed;
        self.applied += more.applied;
        self.skipped += more.skipped;
        self.duplicate += more.duplicate;
        self.suppressed += more.suppressed;
        self.rekeyed += more.rekeyed;
        self.read += more.read;
        self.misrouted += more.misrouted;
        self.panicked += more.panicked;
        self.fits.iter_mut().zip(more.fits).for_each(|(count, more)| *count += more);
        self.dead.iter_mut().zip(more.dead).for_each(|(count, more)| *count += more);
    }
}

/// Outputs of a partition that were committed, by type and reason.
pub type OutputCounts = BTreeMap<(OutputType, OutputReason), u64>;
