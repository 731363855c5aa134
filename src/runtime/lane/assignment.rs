//! What the group gives and takes.
//!
//! An eager group takes everything and gives most of it back a moment later: the state of what was taken is parked until
//! the next assignment, and taken up again if it is still the truth. What was *lost* is dropped: others may have written.

use std::collections::BTreeSet;

use crate::broker::{Broker, Source};
use crate::domain::{Input, PartitionId};
use crate::record::Offset;
use crate::runtime::board::calls::Call;
use crate::runtime::board::status::{Phase, RestoreStage};
use crate::runtime::error::LaneError;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::restoring::Restoring;
use crate::runtime::lane::{Lane, PartitionSlot};
use crate::runtime::settings::millis;

impl<B: Broker> Lane<B> {
    /// The lane owns these, besides what it kept. None flows before it is restored.
    pub(in crate::runtime) fn assigned(&mut self, partitions: &[PartitionId], now_ms: u64) {
        for &partition in partitions {
            if self.partitions.contains_key(&partition) {
                continue;
            }
            let parked = self.parked.remove(&partition);
            let restoring = parked.unwrap_or_else(|| self.restoring(partition, None, now_ms));
            self.hold_restoring(partition, restoring);
            let lane = self.index;
            self.context.board.partition(partition, |status| {
                (status.lane, status.assigned_ms, status.moved_ms, status.is_truncated) = (lane, now_ms, now_ms, false);
            });
        }
        if !partitions.is_empty() {
            tracing::info!(lane = self.index, ?partitions, "assigned");
            // What was found of one while it was ours still holds.
            self.topic_health.recheck();
        }
        // What did not come back is another's now.
        self.parked.clear();
        self.is_assigned = true;
        self.context.board.lane(self.index, |lane| {
            lane.is_assigned = true;
            lane.parked = 0;
        });
        self.note_whether_it_has_begun();
    }

    /// The lane must let go of these, before the next poll.
    pub(in crate::runtime) fn revoked(
        &mut self,
        partitions: &[PartitionId],
        lost: bool,
        now_ms: u64,
    ) -> Result<(), LaneError> {
        tracing::info!(lane = self.index, ?partitions, lost, "revoked");
        self.look_at_topics(now_ms)?;
        self.leaving = BTreeSet::from_iter(partitions.iter().copied());
        if !lost && self.unsettled.is_none() && self.has_uncommitted() {
            self.commit(now_ms)?;
        }
        self.leaving.clear();
        for partition in partitions {
            let is_unsettled = self.unsettled.as_mut().is_some_and(|it| it.partitions.remove(partition));
            self.published.remove(partition);
            let held = self.partitions.remove(partition);
            // What failed here is not held against it when it comes back.
            self.succeeded(Activity::Restore(*partition));
            self.succeeded(Activity::Start(*partition));
            if !lost && !is_unsettled {
                self.park(*partition, held, now_ms);
            }
            self.context.board.partition(*partition, |status| status.phase = Phase::Away);
        }
        if !self.has_uncommitted() {
            self.batch = None;
        }
        self.is_assigned = false;
        let parked = self.parked.len();
        self.context.board.lane(self.index, |lane| {
            lane.is_assigned = false;
            lane.parked = parked;
        });
        Ok(())
    }

    /// Keeps what there is of a partition that may come back: it is taken up again only if it is still the truth.
    fn park(&mut self, partition: PartitionId, held: Option<PartitionSlot<B>>, now_ms: u64) {
        let restoring = match held {
            Some(PartitionSlot::Active(mut serving)) => {
                // Nothing is in hand; what was read would be read again.
                serving.discard();
                self.restoring(partition, Some(serving), now_ms)
            }
            Some(PartitionSlot::Restoring(mut restoring)) => {
                restoring.cancel();
                restoring
            }
            Some(PartitionSlot::Unserved) | None => return,
        };
        self.parked.insert(partition, restoring);
    }

    /// Reads a served partition from these offsets. One that can't be started is restored from what is in memory.
    pub(in crate::runtime) fn flow(
        &mut self,
        partition: PartitionId,
        positions: &[(Input, Offset)],
        now_ms: u64,
    ) -> Result<(), LaneError> {
        let calling = self.calling(None, Call::Start);
        let started = self.source.start(partition, positions);
        drop(calling);
        let Err(error) = started else {
            self.succeeded(Activity::Start(partition));
            return Ok(());
        };
        if let Some(PartitionSlot::Active(serving)) = self.partitions.remove(&partition) {
            let mut restoring = self.restoring(partition, Some(serving), now_ms);
            restoring.not_before_ms = now_ms + millis(self.job.settings.retry_backoff);
            self.hold_restoring(partition, restoring);
        }
        self.failed(Activity::Start(partition), error.into(), now_ms)
    }

    pub(in crate::runtime) fn hold_restoring(&mut self, partition: PartitionId, restoring: Box<Restoring<B>>) {
        let phase = Phase::Restoring { stage: RestoreStage::default(), remaining: 0 };
        self.context.board.partition(partition, |status| status.phase = phase);
        self.published.remove(&partition);
        self.partitions.insert(partition, PartitionSlot::Restoring(restoring));
    }
}
