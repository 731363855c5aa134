//! What the group gives and takes.
//!
//! An eager group takes everything and gives most of it back a moment later: the state of what was taken is parked until
//! the next assignment, and taken up again if it is still the truth. What was *lost* is dropped: others may have written.

use std::collections::BTreeSet;

use crate::broker::Broker;
use crate::domain::PartitionId;
use crate::runtime::LaneError;
use crate::runtime::lane::{Held, Lane};
use crate::runtime::restore::Restore;
use crate::runtime::status::Phase;

impl<B: Broker> Lane<B> {
    /// The lane owns these, besides what it kept. None flows before it is restored.
    pub(super) fn assigned(&mut self, partitions: &[PartitionId], now_ms: u64) {
        for &partition in partitions {
            if self.partitions.contains_key(&partition) {
                continue;
            }
            let parked = self.parked.remove(&partition);
            self.company.board.partition(partition, |status| status.phase = Phase::Restoring { remaining: 0 });
            let restore = Restore::new(partition, parked, now_ms);
            self.partitions.insert(partition, Held::Restoring(Box::new(restore)));
        }
        if !partitions.is_empty() {
            tracing::info!(lane = self.index, ?partitions, "assigned");
        }
        // What did not come back is another's now.
        self.parked.clear();
        self.is_assigned = true;
        self.company.board.lane(self.index, |lane| {
            lane.is_assigned = true;
            lane.parked = 0;
        });
    }

    /// The lane must let go of these, before the next poll.
    pub(super) fn revoked(&mut self, partitions: &[PartitionId], lost: bool, now_ms: u64) -> Result<(), LaneError> {
        tracing::info!(lane = self.index, ?partitions, lost, "revoked");
        self.leaving = BTreeSet::from_iter(partitions.iter().copied());
        if !lost && self.unsettled.is_none() && self.has_in_hand() {
            self.commit(now_ms)?;
        }
        self.leaving.clear();
        for partition in partitions {
            let is_unsettled = self.unsettled.as_mut().is_some_and(|it| it.partitions.remove(partition));
            if let Some(Held::Serving(mut serving)) = self.partitions.remove(partition)
                && !lost
                && !is_unsettled
            {
                // Nothing is in hand; what was read would be read again.
                serving.discard();
                self.parked.insert(*partition, serving);
            }
            self.company.board.partition(*partition, |status| {
                status.phase = Phase::Away;
                status.store = None;
            });
        }
        if !self.has_in_hand() {
            self.batch = None;
        }
        self.is_assigned = false;
        let parked = self.parked.len();
        self.company.board.lane(self.index, |lane| {
            lane.is_assigned = false;
            lane.parked = parked;
        });
        Ok(())
    }
}
