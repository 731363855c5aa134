//! The lane's side of restores: who may go on, what has come of it, and what is told meanwhile.
//!
//! A restore begins only while the lane holds its transactional id: whatever an earlier producer of it had open is ended then,
//! and can't appear behind what is read.

use std::sync::Arc;

use crate::broker::{Broker, BrokerError};
use crate::domain::{Input, PartitionId};
use crate::pipeline::task::PartitionTask;
use crate::runtime::board::published::Published;
use crate::runtime::board::status::{Phase, RestoreStage};
use crate::runtime::error::LaneError;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::{Lane, PartitionSlot};
use crate::runtime::recovery::restore::{Restore, RestoreProgress, Restored, SharedProgress};
use crate::runtime::round_robin::after;
use crate::runtime::settings::millis;
use crate::runtime::tasks::{BackgroundTask, Execution};

/// Between two lines of the log about one restore.
const LOG_EVERY_MS: u64 = 5_000;

/// A partition's restore, as its lane holds it.
pub(in crate::runtime) struct Restoring<B: Broker> {
    task: BackgroundTask<Restore<B>>,
    told: Arc<SharedProgress>,
    seen: RestoreProgress,
    /// What is begun again is no step forward.
    furthest: RestoreProgress,
    since_ms: u64,
    logged_ms: u64,
    /// After a failure it rests until then.
    pub not_before_ms: u64,
}

impl<B: Broker> Restoring<B> {
    /// Stops it: when it is gone on with, it begins anew, with what it has read.
    pub fn cancel(&mut self) {
        self.task.cancel();
    }
}

impl<B: Broker> Lane<B> {
    /// A restore to come; `parked`: state of the partition that may still be the truth.
    pub(in crate::runtime) fn restoring(
        &self,
        partition: PartitionId,
        parked: Option<Box<PartitionTask<B::Message>>>,
        now_ms: u64,
    ) -> Box<Restoring<B>> {
        self.restoring_suspect(partition, parked, None, now_ms)
    }

    /// The same; `suspect`: the input whose position the broker has refused.
    pub(in crate::runtime) fn restoring_suspect(
        &self,
        partition: PartitionId,
        parked: Option<Box<PartitionTask<B::Message>>>,
        suspect: Option<Input>,
        now_ms: u64,
    ) -> Box<Restoring<B>> {
        let restore = Restore::new(self.task_context(), partition, parked).suspecting(suspect);
        let told = restore.told();
        let task = BackgroundTask::new(restore);
        Box::new(Restoring {
            task,
            told,
            seen: RestoreProgress::default(),
            furthest: RestoreProgress::default(),
            since_ms: now_ms,
            logged_ms: now_ms,
            not_before_ms: 0,
        })
    }

    /// Goes on with restores: with the next one by a step where they are done inline, else with all that are not under way.
    pub(in crate::runtime) fn restore_some(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let order = self.restorable(now_ms);
        let count = if self.execution == Execution::Inline { 1 } else { order.len() };
        for partition in order.into_iter().take(count) {
            self.restore(partition, now_ms)?;
        }
        Ok(())
    }

    fn restore(&mut self, partition: PartitionId, now_ms: u64) -> Result<(), LaneError> {
        self.last_restored = partition;
        let execution = self.execution;
        let Some(PartitionSlot::Restoring(restoring)) = self.partitions.get_mut(&partition) else { return Ok(()) };
        if restoring.task.idle().is_some_and(|restore| !restore.has_permit()) {
            return Ok(());
        }
        let outcome = restoring.task.advance(execution, || format!("restore-{partition}"));
        self.tell_progress(partition, now_ms);
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some(restored)) => self.restored(partition, restored, now_ms),
            Err(error) => {
                if matches!(error, LaneError::Broker(BrokerError::Truncated { .. })) {
                    self.context.board.partition(partition, |status| status.is_truncated = true);
                }
                let rest_ms = millis(self.job.settings.retry_backoff);
                if let Some(PartitionSlot::Restoring(restoring)) = self.partitions.get_mut(&partition) {
                    restoring.not_before_ms = now_ms + rest_ms;
                }
                self.failed(Activity::Restore(partition), error, now_ms)
            }
        }
    }

    /// Copies what the task has told, which may be away on a thread.
    fn tell_progress(&mut self, partition: PartitionId, now_ms: u64) {
        let Some(PartitionSlot::Restoring(restoring)) = self.partitions.get_mut(&partition) else { return };
        let progress = restoring.told.now();
        let before = std::mem::replace(&mut restoring.seen, progress);
        if progress == before {
            return;
        }
        let is_step = progress > restoring.furthest;
        restoring.furthest = restoring.furthest.max(progress);
        let is_log_due = now_ms.saturating_sub(restoring.logged_ms) >= LOG_EVERY_MS;
        if is_log_due {
            restoring.logged_ms = now_ms;
        }
        let RestoreProgress { stage, records, remaining } = progress;
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
        let Some(PartitionSlot::Restoring(restoring)) = self.partitions.get(&partition) else { return Ok(()) };
        let (since_ms, records) = (restoring.since_ms, restoring.seen.records);
        match restored {
            Restored::Refused(refusal) => self.refused(partition, refusal, now_ms),
            Restored::Returned(serving) => {
                self.context.board.lane(self.index, |lane| lane.returns += 1);
                self.serve(serving, now_ms)
            }
            Restored::Read(serving) => {
                let took_ms = self.context.clock.monotonic_ms().saturating_sub(since_ms);
                let users = serving.engine.user_count();
                tracing::info!(partition = partition.0, users, records, took_ms, "restored");
                self.context.board.lane(self.index, |lane| {
                    lane.restores += 1;
                    lane.restored_records += records;
                    lane.restore_ms += took_ms;
                });
                self.serve(serving, now_ms)
            }
        }
    }

    /// Lets a partition flow from what is committed.
    fn serve(&mut self, mut serving: Box<PartitionTask<B::Message>>, now_ms: u64) -> Result<(), LaneError> {
        serving.confirmed = serving.committed().to_vec();
        let partition = serving.id;
        let notes = serving.written.iter().chain(&serving.overtaken);
        for note in notes.filter(|it| it.transactional_id == self.transactional_id) {
            // Numbers must not come twice, or an old note could pass for a new one's.
            self.next_number = self.next_number.max(note.number + 1);
        }
        let positions = serving.positions();
        let index = self.index;
        self.context.board.partition(partition, |status| {
            status.lane = index;
            (status.moved_ms, status.is_truncated) = (now_ms, false);
            serving.show(status);
        });
        let published = Published::new(&self.context.tables, partition, serving.engine.users());
        self.published.insert(partition, published);
        self.partitions.insert(partition, PartitionSlot::Active(serving));
        self.note_whether_it_has_begun();
        self.flow(partition, &positions, now_ms)
    }

    /// Those that may be gone on with, in turn.
    fn restorable(&self, now_ms: u64) -> Vec<PartitionId> {
        let may_go_on =
            |held: &PartitionSlot<B>| matches!(held, PartitionSlot::Restoring(it) if it.not_before_ms <= now_ms);
        let restoring = self.partitions.iter().filter(|(_, held)| may_go_on(held));
        after(restoring.map(|(&partition, _)| partition), self.last_restored)
    }
}
