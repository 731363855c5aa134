//! A turn of handling: what is ready, partition by partition, until the turn's room is used up or a batch is due.

use crate::broker::Broker;
use crate::domain::{Input, PartitionId};
use crate::pipeline::HandleOutcome;
use crate::runtime::error::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::lane::failures::Activity;
use crate::runtime::settings::millis;

/// What became of a partition's part of a turn.
enum PartOfTurn {
    /// Records consumed.
    Consumed(usize),
    /// The batch must be committed before anything else is handled.
    CommitFirst,
    /// The turn is over: what failed was dealt with.
    Over,
}

impl<B: Broker> Lane<B> {
    pub(super) fn handle(&mut self, now_ms: u64) -> Result<(), LaneError> {
        self.update_progress(now_ms)?;
        let mut room = self.job.settings.turn_records.min(self.batch_room());
        let mut resumed = Vec::new();
        for partition in self.partitions.handle_order() {
            self.tick(partition, now_ms);
            match self.handle_partition(partition, room, &mut resumed, now_ms)? {
                PartOfTurn::Consumed(count) => room -= count,
                PartOfTurn::CommitFirst => break,
                PartOfTurn::Over => return Ok(()),
            }
        }
        for (input, partition) in resumed {
            self.membership.resume(input, partition)?;
        }
        if !self.partitions.has_uncommitted() {
            self.membership.end_batch();
        }
        Ok(())
    }

    fn handle_partition(
        &mut self,
        partition: PartitionId,
        room: usize,
        resumed: &mut Vec<(Input, PartitionId)>,
        now_ms: u64,
    ) -> Result<PartOfTurn, LaneError> {
        let (wait_clock_ms, limit) = (self.schedule.wait_clock_ms(now_ms), self.progress.limit());
        let slice = self.batch_limit.effects(self.job.engine.settings().max_effects);
        let Some(task) = self.partitions.task_mut(partition) else { return Ok(PartOfTurn::Consumed(0)) };
        if room == 0 || !task.has_work(wait_clock_ms, limit) {
            return Ok(PartOfTurn::Consumed(0));
        }
        if let Err(error) = self.membership.begin_batch(now_ms) {
            return self.failed(Activity::Poll, error.into(), now_ms).map(|()| PartOfTurn::Over);
        }
        task.engine.limit_slices(slice);
        let before = task.consumed();
        let outcome = task.handle(&self.job.pipeline, room, (wait_clock_ms, limit), resumed, |_| {});
        let outcome = outcome.map_err(|source| LaneError::State { partition, source })?;
        let (consumed, must_commit) = (task.consumed() - before, task.must_commit());
        if let HandleOutcome::Panicked(panicked) = outcome {
            return self.panicked(partition, panicked, now_ms).map(|()| PartOfTurn::Over);
        }
        if outcome != (HandleOutcome::Waiting { until_ms: None }) {
            self.partitions.handled(partition);
        }
        Ok(if must_commit { PartOfTurn::CommitFirst } else { PartOfTurn::Consumed(consumed) })
    }

    /// Records that the batch may still take.
    fn batch_room(&self) -> usize {
        let most = self.batch_limit.records(self.job.settings.batch_records);
        most.saturating_sub(self.partitions.consumed())
    }

    /// Whether the batch under way must be committed: it is old enough, full, or something waits for it.
    pub(super) fn is_commit_due(&self, now_ms: u64) -> bool {
        let Some(age_ms) = self.membership.batch_age_ms(now_ms) else { return false };
        let settings = &self.job.settings;
        age_ms >= millis(settings.commit_interval)
            || self.batch_room() == 0
            || self.partitions.active().any(|task| task.must_commit())
            || self.partitions.active().any(|task| task.is_awaited())
            || self.partitions.staged_bytes() >= self.batch_limit.bytes(settings.batch_bytes.bytes())
    }
}
