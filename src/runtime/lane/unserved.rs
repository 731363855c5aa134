//! How a lane leaves a partition: what is uncommitted in it is dropped, nothing more of it is read or committed, and what was
//! found is told until somebody acts. The process lives on, to tell it.
//!
//! Must not know: how the topics are watched.

use std::collections::BTreeMap;

use crate::broker::{Broker, BrokerError, Source};
use crate::domain::{Input, PartitionId};
use crate::record::Offset;
use crate::runtime::board::status::{InputStatus, Left, Phase, Status};
use crate::runtime::board::topic_faults::TopicFault;
use crate::runtime::error::LaneError;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::{Batch, Lane, PartitionSlot};
use crate::runtime::recovery::identity;
use crate::runtime::recovery::refusal::Refusal;
use crate::runtime::settings::{Mode, millis};

/// Polls that must bring nothing of an input before its position is taken for lost: what the client has read ahead comes first.
const IDLE_POLLS: u32 = 3;

/// What a lane knows of the topics under it.
#[derive(Debug, Default)]
pub(in crate::runtime) struct TopicHealth {
    /// How much of what was found it has looked at.
    seen: u64,
    /// Inputs whose position may be lost: where they stood, and the polls that have brought nothing since.
    doubts: BTreeMap<(PartitionId, Input), (Offset, u32)>,
    /// The ends that were read have been committed before leaving.
    pub has_taken_ends: bool,
}

impl TopicHealth {
    /// All that was found is looked at again before the next step.
    pub fn recheck(&mut self) {
        self.seen = 0;
    }
}

impl<B: Broker> Lane<B> {
    /// Takes in what was found of the topics, before anything else is done.
    pub(in crate::runtime) fn look_at_topics(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let changes = self.context.faults.changes();
        if std::mem::replace(&mut self.topic_health.seen, changes) == changes {
            return Ok(());
        }
        let is_ours = |partition| matches!(self.partitions.get(&partition), Some(PartitionSlot::Active(_)));
        for (partition, input, read_to) in self.context.faults.take_doubts(is_ours) {
            self.topic_health.doubts.insert((partition, input), (read_to, 0));
        }
        let all: Vec<_> = self.partitions.keys().copied().collect();
        for partition in all {
            if let Some(fault) = self.context.faults.of(partition) {
                self.leave(partition, fault, now_ms)?;
            }
        }
        Ok(())
    }

    /// After a poll: an input in doubt that isn't paused, and of which nothing came, is judged.
    pub(in crate::runtime) fn judge_doubts(&mut self, now_ms: u64) {
        for (key @ (partition, input), (read_to, polls)) in std::mem::take(&mut self.topic_health.doubts) {
            let reading = self.serving(partition).map(|serving| serving.reading(input));
            if reading != Some((Some(read_to), false)) {
                continue;
            }
            if polls + 1 < IDLE_POLLS {
                self.topic_health.doubts.insert(key, (read_to, polls + 1));
            } else {
                self.reconsider(partition, None, now_ms);
            }
        }
    }

    /// Judges a served partition anew, by what its topics are now. `suspect`: the input whose position the broker refused.
    pub(in crate::runtime) fn reconsider(&mut self, partition: PartitionId, suspect: Option<Input>, now_ms: u64) {
        if !matches!(self.partitions.get(&partition), Some(PartitionSlot::Active(_))) {
            return;
        }
        let Some(PartitionSlot::Active(mut serving)) = self.partitions.remove(&partition) else { return };
        tracing::warn!(
            partition = partition.0,
            lane = self.index,
            "a position is out of range: its topics are looked at"
        );
        serving.discard();
        let restoring = self.restoring_suspect(partition, Some(serving), suspect, now_ms);
        self.hold_restoring(partition, restoring);
        if !self.has_uncommitted() {
            self.batch = None;
        }
    }

    /// A refusal that a restore has come to.
    pub(in crate::runtime) fn refused(
        &mut self,
        partition: PartitionId,
        refusal: Refusal,
        now_ms: u64,
    ) -> Result<(), LaneError> {
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

    /// Leaves a partition for what was found of its topics. At the start, and where a run is to end by itself, the run ends.
    fn leave(&mut self, partition: PartitionId, fault: TopicFault, now_ms: u64) -> Result<(), LaneError> {
        let TopicFault { refusal, confirmed } = fault;
        if self.job.settings.mode != Mode::Endless || !self.context.faults.has_begun() {
            return Err(LaneError::Refused { partition, refusal });
        }
        let committed = match self.partitions.get_mut(&partition) {
            Some(PartitionSlot::Unserved) => {
                self.hold_unserved(partition, &refusal);
                return Ok(());
            }
            Some(PartitionSlot::Active(serving)) => {
                serving.discard();
                // The restore has compared them before the first look of the watch could.
                let seen =
                    |(index, &first): (usize, &Offset)| confirmed.get(index).map_or(first, |&last| last.max(first));
                let confirmed: Vec<_> = serving.confirmed.iter().enumerate().map(seen).collect();
                Some((confirmed, serving.committed().to_vec()))
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
            if let Err(error) = self.source.pause(input, partition) {
                tracing::debug!(partition = partition.0, "{error}");
            }
        }
        self.hold_unserved(partition, &refusal);
        if let Some(unsettled) = &mut self.unsettled {
            unsettled.partitions.remove(&partition);
        }
        self.succeeded(Activity::Restore(partition));
        self.succeeded(Activity::Start(partition));
        self.context.board.partition(partition, |status| status.moved_ms = now_ms);
        if !self.has_uncommitted() {
            self.batch = None;
        }
        Ok(())
    }

    fn hold_unserved(&mut self, partition: PartitionId, refusal: &Refusal) {
        let phase = Phase::Unserved(refusal.to_string());
        self.context.board.partition(partition, |status| status.phase = phase);
        self.published.remove(&partition);
        self.partitions.insert(partition, PartitionSlot::Unserved);
    }

    /// To the log, and for the metrics to the board: what was committed before the change was seen. How much is unread, the
    /// watch over topics tells.
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
                    "these offsets were read and committed after the topic was last seen to be the same: they may be of either"
                );
            }
            Left { between_from: from, unread: 0 }
        });
        let left: Vec<_> = left.collect();
        self.context.board.partition(partition, |status| {
            status.inputs.resize_with(committed.len(), InputStatus::default);
            for ((input, left), &next) in status.inputs.iter_mut().zip(left).zip(committed) {
                (input.left, input.next_offset, input.read_to) = (Some(left), next, next);
                (input.waiting, input.is_paused) = (0, false);
            }
        });
    }

    /// Once all of the process is served, or nothing is left to be: what is refused later ends no run.
    pub(in crate::runtime) fn note_whether_it_has_begun(&self) {
        if !self.context.faults.has_begun() && self.context.board.read(Status::is_ready) {
            self.context.faults.begin();
        }
    }

    /// Before leaving, once: whether the ends that were read are still to be committed. Then they are in hand.
    pub(in crate::runtime) fn takes_ends(&mut self, now_ms: u64) -> bool {
        if std::mem::replace(&mut self.topic_health.has_taken_ends, true) {
            return false;
        }
        let Ok(generation) = self.source.generation() else { return false };
        let mut has_any = false;
        for serving in self.partitions.values_mut().filter_map(PartitionSlot::as_active_mut) {
            has_any |= serving.take_ends();
        }
        if has_any {
            self.batch = Some(Batch { generation, began_ms: now_ms });
        }
        has_any
    }

    /// A poll that failed. An assignment that is split because a topic has more partitions now is refused as what it is.
    pub(in crate::runtime) fn poll_failed(&mut self, error: BrokerError, now_ms: u64) -> Result<(), LaneError> {
        let is_left = |held: &PartitionSlot<B>| matches!(held, PartitionSlot::Unserved);
        let is_split = matches!(error, BrokerError::SplitAssignment(_));
        let rest_until_ms = now_ms + millis(self.job.settings.topic_check);
        if is_split && !self.partitions.is_empty() && self.partitions.values().all(is_left) {
            self.not_before_ms = rest_until_ms;
            return Ok(());
        }
        if is_split
            && let Ok(found) = self.broker.describe_topics()
            && let Some(refusal) = identity::unfit(&found)
        {
            let all: Vec<_> = self.partitions.keys().copied().collect();
            if all.is_empty() && !self.context.faults.has_begun() {
                let partition = PartitionId(0);
                return Err(LaneError::Refused { partition, refusal });
            }
            // What was taken from it is told by nobody else.
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
            self.not_before_ms = rest_until_ms;
            return self.look_at_topics(now_ms);
        }
        self.failed(Activity::Poll, error.into(), now_ms)
    }
}
