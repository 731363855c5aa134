//! What became of the records of an input, and how many outputs of which type there were: counts that are kept in one
//! place.

use std::collections::BTreeMap;

use crate::domain::Partitioner;
use crate::emit::OutputType;
use crate::engine::{Disposition, OutputReason};
use crate::ingest::RejectReason;

/// What became of the records of one input. `consumed` is always the sum of `applied`, `skipped`, `duplicate`,
/// `suppressed`, `rekeyed` and `dead`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that were dealt with, in one way or another.
    pub consumed: u64,
    /// Events that were folded into their user's state.
    pub applied: u64,
    /// Events of a type that is not known.
    pub skipped: u64,
    /// Events that were applied before.
    pub duplicate: u64,
    /// Events from before an erasure of their user.
    pub suppressed: u64,
    /// Records that were forwarded to their user's partition.
    pub rekeyed: u64,
    /// Records that were read, some of them again after a failure.
    pub read: u64,
    /// Of `read`: those of another partition's user.
    pub misrouted: u64,
    /// Of `dead`: poison records, over which the program had panicked.
    pub panicked: u64,
    /// Of `rekeyed`: those that lie where each of [`Partitioner::ALL`] puts their key.
    pub fits: [u64; Partitioner::ALL.len()],
    /// By [`RejectReason`], in the order of [`RejectReason::ALL`].
    pub dead: [u64; RejectReason::ALL.len()],
}

/// By partitioner, in the order of [`Partitioner::ALL`]: whether a record lies where that one puts its key.
pub type PlacedBy = [bool; Partitioner::ALL.len()];

impl Tally {
    /// Counts a record that was handled.
    pub fn count(&mut self, disposition: &Disposition) {
        self.consumed += 1;
        match disposition {
            Disposition::Applied => self.applied += 1,
            Disposition::Skipped => self.skipped += 1,
            Disposition::Duplicate => self.duplicate += 1,
            Disposition::Suppressed => self.suppressed += 1,
            // The order of `RejectReason::ALL` is that of its codes.
            Disposition::Rejected(reject) => self.dead[reject.reason as usize] += 1,
        }
    }

    /// Counts a record that was forwarded to its user's partition.
    pub fn count_forwarded(&mut self, placed_by: PlacedBy) {
        self.consumed += 1;
        self.rekeyed += 1;
        self.fits.iter_mut().zip(placed_by).for_each(|(count, fits)| *count += u64::from(fits));
    }

    /// Records that became dead letters, whatever the reason.
    pub fn dead_lettered(&self) -> u64 {
        self.dead.iter().sum()
    }

    /// Whether every record that was consumed is counted once as what became of it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Reject;

    #[test]
    fn a_record_is_counted_once_as_what_became_of_it() {
        let rejected = Disposition::Rejected(Reject::new(RejectReason::TooOld, "long ago"));
        let all =
            [Disposition::Applied, Disposition::Skipped, Disposition::Duplicate, Disposition::Suppressed, rejected];
        let mut tally = Tally::default();
        for (index, disposition) in all.iter().enumerate() {
            (0..=index).for_each(|_| tally.count(disposition));
        }
        tally.count_forwarded([true, false, true]);
        let Tally { applied, skipped, duplicate, suppressed, rekeyed, fits, .. } = tally;
        assert_eq!((applied, skipped, duplicate, suppressed, tally.dead_lettered(), rekeyed), (1, 2, 3, 4, 5, 1));
        assert_eq!((tally.dead[RejectReason::TooOld as usize], tally.consumed, fits), (5, 16, [1, 0, 1]));
        assert!(tally.balances());
    }
}
