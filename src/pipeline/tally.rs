//! What became of the records of an input, and how many outputs of which type there were: counts that are kept in one place.

use std::collections::BTreeMap;

use crate::domain::Partitioner;
use crate::emit::OutputType;
use crate::engine::OutputReason;
use crate::ingest::RejectReason;

/// What became of the records of one input. `consumed` is always the sum of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records whose fate is decided: the group's offset has passed them, or will with this batch.
    pub consumed: u64,
    /// Events that changed the state of a user.
    pub applied: u64,
    /// Events of a type that this version does not know.
    pub skipped: u64,
    /// Events of an id that was applied before.
    pub duplicate: u64,
    /// Events of an erased user, from before the erasure.
    pub suppressed: u64,
    /// Records that were forwarded to the partition of their user.
    pub rekeyed: u64,
    /// Records that came, some of them again after a failure, and those of them that are another partition's.
    pub read: u64,
    /// Of `read`: those of another partition, by their key.
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

    /// Records that became dead letters, whatever the reason.
    pub fn dead_lettered(&self) -> u64 {
        self.dead.iter().sum()
    }

    /// Whether each consumed record is counted once among what became of it.
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
