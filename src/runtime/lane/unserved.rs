//! How a lane leaves a partition: what is uncommitted in it is dropped, nothing more of it is read or committed, and
//! what was found is reported until somebody acts. The process lives on, to report it.
//!
//! Must not know: how the topics are watched.

use crate::broker::{Broker, BrokerError};
use crate::chain::Chain;
use crate::domain::{Input, PartitionId};
use crate::record::Offset;
use crate::runtime::board::status::{InputStatus, Phase, Status, UnservedInput};
use crate::runtime::board::topic_faults::TopicFault;
use crate::runtime::error::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::partitions::PartitionSlot;
use crate::runtime::recovery::identity;
use crate::runtime::recovery::refusal::Refusal;
use crate::runtime::settings::{Mode, millis};

impl<B: Broker> Lane<B> {
    /// Takes in what was found of the topics, before anything else is done.
    pub(super) fn look_at_topics(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let changes = self.context.faults.changes();
        if !self.topics.has_news(changes) {
            return Ok(());
        }
        let is_ours = |partition| self.partitions.is_active(partition);
        for (partition, input, read_to) in self.context.faults.take_doubts(is_ours) {
            self.topics.doubt(partition, input, read_to);
        }
        for partition in self.partitions.ids() {
            if let Some(fault) = self.context.faults.of(partition) {
                self.leave(partition, fault, now_ms)?;
            }
        }
        Ok(())
    }

    /// After a poll: an input in doubt that isn't paused, and of which nothing came, is judged.
    pub(super) fn judge_doubts(&mut self, now_ms: u64) {
        let partitions = &self.partitions;
        let reading = |partition, input| partitions.task(partition).and_then(|task| task.input(input));
        for partition in self.topics.judge(reading) {
            self.reconsider(partition, None, now_ms);
        }
    }

    /// Judges a served partition again, by what its topics are now. `suspect`: the input whose position the broker
    /// refused.
    pub(super) fn reconsider(&mut self, partition: PartitionId, suspect: Option<Input>, now_ms: u64) {
        let Some(mut task) = self.partitions.remove_active(partition) else { return };
        tracing::warn!(
            partition = partition.0,
            lane = self.index,
            "a position is out of range: its topics are looked at"
        );
        task.discard();
        let restoring = self.new_restore(partition, Some(task), suspect, now_ms);
        self.begin_restore(partition, restoring);
        if !self.partitions.has_uncommitted() {
            self.membership.end_batch();
        }
    }

    /// A refusal that a restore has come to.
    pub(super) fn refused(&mut self, partition: PartitionId, refusal: Refusal, now_ms: u64) -> Result<(), LaneError> {
        if refusal.is_of_topics() {
            self.context.faults.find(partition, TopicFault { refusal, confirmed: Vec::new() });
            return match self.context.faults.of(partition) {
                Some(fault) => self.leave(partition, fault, now_ms),
                None => Ok(()),
            };
        }
        if !refusal.is_local() || self.job.settings.mode != Mode::Endless {
            return Err(LaneError::Refused { partition, refusal });
        }
        tracing::error!(partition = partition.0, "left unserved: {refusal}");
        self.hold_unserved(partition, &refusal);
        Ok(())
    }

    /// Leaves a partition for what was found of its topics. At the start, and where a run is to end by itself, the run
    /// ends.
    fn leave(&mut self, partition: PartitionId, fault: TopicFault, now_ms: u64) -> Result<(), LaneError> {
        let TopicFault { refusal, confirmed } = fault;
        if self.job.settings.mode != Mode::Endless || !self.context.faults.has_begun() {
            return Err(LaneError::Refused { partition, refusal });
        }
        let committed = match self.partitions.slot_mut(partition) {
            Some(PartitionSlot::Unserved) => {
                self.hold_unserved(partition, &refusal);
                return Ok(());
            }
            Some(PartitionSlot::Active { task, .. }) => {
                task.discard();
                // The restore has compared them before the first look of the watch could.
                let seen =
                    |(index, &first): (usize, &Offset)| confirmed.get(index).map_or(first, |&last| last.max(first));
                let confirmed: Vec<_> = task.confirmed.iter().enumerate().map(seen).collect();
                Some((confirmed, task.committed().to_vec()))
            }
            Some(PartitionSlot::Restoring(restoring)) => {
                restoring.cancel();
                None
            }
            None => return Ok(()),
        };
        tracing::error!(
            partition = partition.0,
            lane = self.index,
            "left unserved, nothing more of it is committed: {refusal}"
        );
        if let Some((confirmed, committed)) = committed {
            self.tell_what_is_left(partition, &refusal, &confirmed, &committed);
        }
        for input in (0u8..).map(Input).take(self.job.topics.inputs.len()) {
            // One that doesn't flow needs no pause.
            if let Err(error) = self.membership.pause(input, partition) {
                tracing::debug!(partition = partition.0, "{}", Chain(&error));
            }
        }
        self.hold_unserved(partition, &refusal);
        self.writer.disown(partition);
        self.succeeded(Activity::Restore(partition));
        self.succeeded(Activity::Start(partition));
        self.context.board.partition(partition, |status| status.moved_ms = now_ms);
        if !self.partitions.has_uncommitted() {
            self.membership.end_batch();
        }
        Ok(())
    }

    fn hold_unserved(&mut self, partition: PartitionId, refusal: &Refusal) {
        let phase = Phase::Unserved(refusal.to_string());
        self.context.board.partition(partition, |status| status.phase = phase);
        self.partitions.leave_unserved(partition);
    }

    /// To the log, and for the metrics to the board: what was committed before the change was seen. How much is unread,
    /// the watch over topics tells.
    fn tell_what_is_left(&self, partition: PartitionId, refusal: &Refusal, confirmed: &[Offset], committed: &[Offset]) {
        let inputs = self.job.topics.inputs.iter().zip(committed).enumerate();
        let left = inputs.map(|(index, (topic, &next))| {
            let from = confirmed.get(index).copied().unwrap_or(next).min(next);
            if from < next && refusal.topic() == Some(topic) {
                tracing::error!(
                    partition = partition.0,
                    input = &**topic,
                    from,
                    to = next - 1,
                    "these offsets were read and committed after the topic was last seen to be the same: they may be \
                     of either"
                );
            }
            UnservedInput { doubtful_from: from, unread: 0 }
        });
        let left: Vec<_> = left.collect();
        self.context.board.partition(partition, |status| {
            status.inputs.resize_with(committed.len(), InputStatus::default);
            for ((input, left), &next) in status.inputs.iter_mut().zip(left).zip(committed) {
                (input.unserved, input.next_offset, input.read_to) = (Some(left), next, next);
                (input.waiting, input.is_paused) = (0, false);
            }
        });
    }

    /// Once all of the process is served, or nothing is left to be: what is refused later ends no run.
    pub(super) fn note_whether_it_has_begun(&self) {
        if !self.context.faults.has_begun() && self.context.board.read(Status::is_ready) {
            self.context.faults.begin();
        }
    }

    /// Before leaving, once: whether the ends that were read are still to be committed. Then a batch holds them.
    pub(super) fn takes_ends(&mut self, now_ms: u64) -> bool {
        if !self.topics.may_take_ends() || self.membership.begin_batch(now_ms).is_err() {
            return false;
        }
        let mut has_any = false;
        for task in self.partitions.active_mut() {
            has_any |= task.stage_ends();
        }
        if !has_any {
            self.membership.end_batch();
        }
        has_any
    }

    /// A poll that failed. An assignment that is split because a topic has more partitions now is refused as what it
    /// is.
    pub(super) fn poll_failed(&mut self, error: BrokerError, now_ms: u64) -> Result<(), LaneError> {
        let is_split = matches!(error, BrokerError::SplitAssignment(_));
        let rest_until_ms = now_ms + millis(self.job.settings.topic_check);
        if is_split && self.partitions.is_all_unserved() {
            self.schedule.poll_only_until(rest_until_ms);
            return Ok(());
        }
        if is_split
            && let Ok(found) = self.broker.describe_topics()
            && let Some(refusal) = identity::unfit(&found)
        {
            let all = self.partitions.ids();
            if all.is_empty() && !self.context.faults.has_begun() {
                let partition = PartitionId(0);
                return Err(LaneError::Refused { partition, refusal });
            }
            // Nobody else reports what was taken from it.
            let trouble = refusal.to_string();
            self.context.board.lane(self.index, |lane| {
                if lane.trouble.replace(trouble.clone()).is_none_or(|before| before != trouble) {
                    tracing::error!("the group shares out partitions unevenly: {trouble}");
                }
            });
            for partition in all {
                let fault = TopicFault { refusal: refusal.clone(), confirmed: Vec::new() };
                self.context.faults.find(partition, fault);
            }
            self.schedule.poll_only_until(rest_until_ms);
            return self.look_at_topics(now_ms);
        }
        self.failed(Activity::Poll, error.into(), now_ms)
    }
}
