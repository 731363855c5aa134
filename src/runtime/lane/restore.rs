//! The lane's side of restores: which may go on, what has come of them, and what is reported meanwhile.
//!
//! A restore begins only while the lane holds its transactional id: whatever an earlier producer of it had open is
//! ended then, and can't appear behind what is read.

use crate::broker::{Broker, BrokerError};
use crate::domain::{Input, PartitionId};
use crate::runtime::active::ActivePartition;
use crate::runtime::board::published::Published;
use crate::runtime::board::status::{Phase, RestoreStage};
use crate::runtime::error::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::restoring::{Observed, Restoring};
use crate::runtime::recovery::restore::{Restore, RestoreProgress, Restored};
use crate::runtime::settings::millis;
use crate::runtime::tasks::Execution;

impl<B: Broker> Lane<B> {
    /// A restore to come. `parked`: state of the partition that may still be current. `suspect`: the input whose
    /// position the broker has refused.
    pub(super) fn new_restore(
        &self,
        partition: PartitionId,
        parked: Option<Box<ActivePartition<B::Message>>>,
        suspect: Option<Input>,
        now_ms: u64,
    ) -> Box<Restoring<B>> {
        Restoring::new(Restore::new(self.task_context(), partition, parked).suspecting(suspect), now_ms)
    }

    /// From now on the partition is being restored; its committed table is no longer published.
    pub(super) fn begin_restore(&mut self, partition: PartitionId, restoring: Box<Restoring<B>>) {
        let phase = Phase::Restoring { stage: RestoreStage::default(), remaining: 0 };
        self.context.board.partition(partition, |status| status.phase = phase);
        self.partitions.restore(partition, restoring);
    }

    /// Advances restores: the next one by a step where tasks run inline, else all that are not running.
    pub(super) fn restore_some(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let order = self.partitions.restore_order(now_ms);
        let count = if self.execution == Execution::Inline { 1 } else { order.len() };
        for partition in order.into_iter().take(count) {
            self.restore(partition, now_ms)?;
        }
        Ok(())
    }

    fn restore(&mut self, partition: PartitionId, now_ms: u64) -> Result<(), LaneError> {
        self.partitions.restored(partition);
        let Some(restoring) = self.partitions.restoring_mut(partition) else { return Ok(()) };
        if restoring.waits_for_a_permit() {
            return Ok(());
        }
        let outcome = restoring.advance(self.execution, || format!("restore-{partition}"));
        let observed = restoring.observe(now_ms);
        if let Some(observed) = observed {
            self.tell_restore(partition, observed, now_ms);
        }
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some(restored)) => self.restored(partition, restored, now_ms),
            Err(error) => {
                if matches!(error, LaneError::Broker(BrokerError::Truncated { .. })) {
                    self.context.board.partition(partition, |status| status.is_truncated = true);
                }
                let rest_ms = millis(self.job.settings.retry_backoff);
                if let Some(restoring) = self.partitions.restoring_mut(partition) {
                    restoring.rest_until(now_ms + rest_ms);
                }
                self.failed(Activity::Restore(partition), error, now_ms)
            }
        }
    }

    /// To the log and the board.
    fn tell_restore(&mut self, partition: PartitionId, observed: Observed, now_ms: u64) {
        let Observed { before, now: RestoreProgress { stage, records, remaining }, is_step, is_log_due } = observed;
        if before.stage == RestoreStage::Waiting {
            tracing::info!(partition = partition.0, lane = self.index, "restore begins");
        } else if is_log_due {
            tracing::info!(partition = partition.0, stage = stage.as_str(), records, remaining, "restoring");
        }
        if records != before.records {
            self.succeeded(Activity::Restore(partition));
        }
        self.context.board.partition(partition, |status| {
            status.phase = Phase::Restoring { stage, remaining };
            status.moved_ms = if is_step { now_ms } else { status.moved_ms };
        });
    }

    fn restored(
        &mut self,
        partition: PartitionId,
        restored: Restored<B::Message>,
        now_ms: u64,
    ) -> Result<(), LaneError> {
        self.succeeded(Activity::Restore(partition));
        let Some(restoring) = self.partitions.restoring_mut(partition) else { return Ok(()) };
        let (since_ms, records) = restoring.since_ms_and_records();
        match restored {
            Restored::Refused(refusal) => self.refused(partition, refusal, now_ms),
            Restored::Returned(task) => {
                self.context.board.lane(self.index, |lane| lane.returns += 1);
                self.serve(task, now_ms)
            }
            Restored::Read(task) => {
                let took_ms = self.context.clock.monotonic_ms().saturating_sub(since_ms);
                let users = task.engine.user_count();
                tracing::info!(partition = partition.0, users, records, took_ms, "restored");
                self.context.board.lane(self.index, |lane| {
                    lane.restores += 1;
                    lane.restored_records += records;
                    lane.restore_ms += took_ms;
                });
                self.serve(task, now_ms)
            }
        }
    }

    /// Serves a partition from what is committed.
    fn serve(&mut self, mut task: Box<ActivePartition<B::Message>>, now_ms: u64) -> Result<(), LaneError> {
        task.confirmed = task.committed().to_vec();
        let partition = task.id;
        task.written.iter().chain(&task.offsets_behind).for_each(|note| self.writer.avoid(note));
        let positions = task.positions();
        let index = self.index;
        self.context.board.partition(partition, |status| {
            status.lane = index;
            (status.moved_ms, status.is_truncated) = (now_ms, false);
            task.show(status);
        });
        let published = Published::new(&self.context.tables, partition, task.engine.users());
        self.partitions.activate(task, published);
        self.note_whether_it_has_begun();
        self.flow(partition, &positions, now_ms)
    }
}
