//! A poll, and what it brings: records to their partitions, what the group gives and takes, what goes to the board in
//! between.

use std::time::Duration;

use crate::broker::{Broker, Polled};
use crate::domain::{Input, PartitionId, Timestamp};
use crate::merge::FlowControl;
use crate::pipeline::Received;
use crate::record::Message as _;
use crate::runtime::board::calls::Call;
use crate::runtime::error::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::partitions::PartitionSlot;
use crate::runtime::lane::progress::LOOK_HELD_MS;
use crate::runtime::settings::millis;

impl<B: Broker> Lane<B> {
    pub(super) fn poll(&mut self, timeout: Duration) -> Result<(), LaneError> {
        let mut polled = std::mem::take(&mut self.polled);
        let calling = self.calling(None, Call::Poll);
        let outcome = self.membership.poll(self.context.clock.wait(timeout), &mut polled);
        drop(calling);
        let now = self.job.timekeeper.now(&self.context.clock);
        let now_ms = self.context.clock.monotonic_ms();
        self.tell_and_hear(now_ms);
        for item in polled.drain(..) {
            match item {
                Polled::Record { input, partition, message } => {
                    self.receive(input, partition, message, now, now_ms)?;
                }
                Polled::End { input, partition, offset } => {
                    if let Some(task) = self.partitions.task_mut(partition) {
                        task.receive_end(input, offset);
                    }
                }
                Polled::OutOfRange { input, partition } => self.reconsider(partition, Some(input), now_ms),
                Polled::Assigned(partitions) => self.assigned(&partitions, now_ms),
                Polled::Revoked { partitions, lost } => self.revoked(&partitions, lost, now_ms)?,
            }
        }
        self.polled = polled;
        self.judge_doubts(now_ms);
        match outcome {
            Ok(()) => {
                self.succeeded(Activity::Poll);
                Ok(())
            }
            Err(error) => self.poll_failed(error, now_ms),
        }
    }

    fn receive(
        &mut self,
        input: Input,
        partition: PartitionId,
        message: B::Message,
        now: Timestamp,
        now_ms: u64,
    ) -> Result<(), LaneError> {
        // Of a partition that is not served: void, it is read again.
        let Some(task) = self.partitions.task_mut(partition) else { return Ok(()) };
        task.last_record_ms = now_ms;
        let offset = message.offset();
        let Received { flow, poison } = task.receive(input, message, &self.job.pipeline, Some(now));
        let is_stirred = task.take_saw_forwarding();
        if let Some(detail) = poison {
            let topic = &**self.job.topics.input(input);
            tracing::error!(topic, partition = partition.0, offset, "{detail}; it goes to the dead letters");
        }
        if flow == FlowControl::Pause {
            self.membership.pause(input, partition)?;
        }
        if is_stirred {
            self.progress.stir();
        }
        Ok(())
    }

    /// Now and then reports the state of partitions, for those in which nothing is committed; continues the upkeep; and
    /// hears whether the transactional id must be initialised again.
    fn tell_and_hear(&mut self, now_ms: u64) {
        if !self.schedule.take_show(now_ms) {
            return;
        }
        for task in self.partitions.active() {
            let held_by = self.progress.waits_for().filter(|_| task.waits_for_others());
            self.context.board.partition(task.id, |status| {
                task.show(status);
                status.held_by = held_by;
            });
        }
        self.run_upkeep(now_ms);
        // With something uncommitted there is a batch, whose commit comes first.
        let is_free = !self.partitions.has_uncommitted() && !self.writer.must_recover();
        if is_free && self.context.reinit_requests.take(self.writer.id()) {
            tracing::warn!(lane = self.index, "reinitialises its transactional id");
            self.writer.retire_producer();
        }
    }

    /// How long a poll may wait: not at all if there is something to do, and never past the end of a batch.
    pub(super) fn poll_timeout(&mut self, now_ms: u64) -> Duration {
        let settings = &self.job.settings;
        let mut timeout = settings.poll_timeout.duration();
        if let Some(age_ms) = self.membership.batch_age_ms(now_ms) {
            let left = millis(settings.commit_interval).saturating_sub(age_ms);
            timeout = timeout.min(Duration::from_millis(left));
        }
        let (wait_clock_ms, limit) = (self.schedule.wait_clock_ms(now_ms), self.progress.limit());
        let rest_ms = self.schedule.batch_rest_ms(now_ms);
        if rest_ms > 0 {
            timeout = timeout.min(Duration::from_millis(rest_ms));
        }
        for slot in self.partitions.slots_mut() {
            match slot {
                // It is asked for again after the poll.
                PartitionSlot::Restoring(_) => timeout = timeout.min(settings.restore_timeout.duration()),
                PartitionSlot::Active { task, .. } => {
                    if rest_ms == 0 && task.has_work(wait_clock_ms, limit) {
                        return Duration::ZERO;
                    }
                    if task.waits_for_others() {
                        timeout = timeout.min(Duration::from_millis(LOOK_HELD_MS));
                    }
                }
                PartitionSlot::Unserved => {}
            }
        }
        timeout
    }
}
