//! What the group gives and takes.
//!
//! An eager rebalance revokes all partitions and usually reassigns most of them: the state of revoked partitions is
//! parked until the next assignment, and reused if it is still current. State of partitions that were *lost* is
//! dropped: others may have written. May break exactly once: a poll between the revocation and the commit of what is
//! uncommitted.

use crate::broker::Broker;
use crate::domain::{Input, PartitionId};
use crate::record::Offset;
use crate::runtime::board::calls::Call;
use crate::runtime::board::status::Phase;
use crate::runtime::error::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::partitions::PartitionSlot;
use crate::runtime::settings::millis;

impl<B: Broker> Lane<B> {
    /// The group has given these to the lane, besides what it kept. None is read before it is restored.
    pub(super) fn assigned(&mut self, partitions: &[PartitionId], now_ms: u64) {
        for &partition in partitions {
            if self.partitions.contains(partition) {
                continue;
            }
            let parked = self.partitions.take_parked(partition);
            let restoring = parked.unwrap_or_else(|| self.new_restore(partition, None, None, now_ms));
            self.begin_restore(partition, restoring);
            let lane = self.index;
            self.context.board.partition(partition, |status| {
                (status.lane, status.assigned_ms, status.moved_ms, status.is_truncated) = (lane, now_ms, now_ms, false);
            });
        }
        if !partitions.is_empty() {
            tracing::info!(lane = self.index, ?partitions, "assigned");
            // What was found of one while it was ours still holds.
            self.topics.recheck();
        }
        // What did not come back is another's now.
        self.partitions.drop_parked();
        self.membership.assigned();
        self.context.board.lane(self.index, |lane| {
            lane.is_assigned = true;
            lane.parked = 0;
        });
        self.note_whether_it_has_begun();
    }

    /// The group has taken these from the lane: what is uncommitted is committed before the next poll, unless they are
    /// lost.
    pub(super) fn revoked(&mut self, partitions: &[PartitionId], lost: bool, now_ms: u64) -> Result<(), LaneError> {
        tracing::info!(lane = self.index, ?partitions, lost, "revoked");
        self.look_at_topics(now_ms)?;
        self.membership.begin_revocation(partitions);
        if !lost && !self.writer.is_in_doubt() && self.partitions.has_uncommitted() {
            self.commit(now_ms)?;
        }
        self.membership.end_commit_of_revoked();
        for partition in partitions {
            let is_unsettled = self.writer.disown(*partition);
            let slot = self.partitions.remove(*partition);
            // What failed here is not held against it when it comes back.
            self.succeeded(Activity::Restore(*partition));
            self.succeeded(Activity::Start(*partition));
            if !lost && !is_unsettled {
                self.park(*partition, slot, now_ms);
            }
            self.context.board.partition(*partition, |status| status.phase = Phase::Away);
        }
        if !self.partitions.has_uncommitted() {
            self.membership.end_batch();
        }
        self.membership.revoked();
        let parked = self.partitions.parked();
        self.context.board.lane(self.index, |lane| {
            lane.is_assigned = false;
            lane.parked = parked;
        });
        Ok(())
    }

    /// Keeps what there is of a partition that may come back: it is reused only if it is still current.
    fn park(&mut self, partition: PartitionId, slot: Option<PartitionSlot<B>>, now_ms: u64) {
        let restoring = match slot {
            Some(PartitionSlot::Active { mut task, .. }) => {
                // Nothing is uncommitted; what was read would be read again.
                task.discard();
                self.new_restore(partition, Some(task), None, now_ms)
            }
            Some(PartitionSlot::Restoring(mut restoring)) => {
                restoring.cancel();
                restoring
            }
            Some(PartitionSlot::Unserved) | None => return,
        };
        self.partitions.park(partition, restoring);
    }

    /// Reads a served partition from these offsets. One that can't be started is restored from what is in memory.
    pub(super) fn flow(
        &mut self,
        partition: PartitionId,
        positions: &[(Input, Offset)],
        now_ms: u64,
    ) -> Result<(), LaneError> {
        let calling = self.calling(None, Call::Start);
        let started = self.membership.start(partition, positions);
        drop(calling);
        let Err(error) = started else {
            self.succeeded(Activity::Start(partition));
            return Ok(());
        };
        if let Some(task) = self.partitions.remove_active(partition) {
            let mut restoring = self.new_restore(partition, Some(task), None, now_ms);
            restoring.rest_until(now_ms + millis(self.job.settings.retry_backoff));
            self.begin_restore(partition, restoring);
        }
        self.failed(Activity::Start(partition), error.into(), now_ms)
    }
}
