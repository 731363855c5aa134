//! What the watchdog asks the broker about partitions that may stall, as a background task; and what it does about a
//! transaction that somebody has left open in one of ours.
//!
//! May break it: fencing a living owner. So only what is open twice at the same place is ended, and only in a partition
//! that is still ours when the answer is there. An id of this process is not fenced: its lane is asked to initialise it
//! again.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::broker::{Broker, BrokerError, PartitionOffsets};
use crate::chain::Chain;
use crate::domain::PartitionId;
use crate::runtime::board::status::{Board, Phase};
use crate::runtime::context::LaneContext;
use crate::runtime::error::LaneError;
use crate::runtime::recovery::takeover;
use crate::runtime::tasks::Task;
use crate::runtime::watch::stall::{LeftOpen, left_open};

/// What the broker is asked about, away from everybody else.
pub(super) struct Inquiry<B> {
    pub broker: B,
    pub context: LaneContext,
    /// The transactional ids of this process.
    pub own: Vec<Arc<str>>,
    pub questions: Vec<Question>,
    pub answers: Vec<Answer>,
}

pub(super) struct Question {
    pub partition: PartitionId,
    /// Which assignment it is about.
    pub assigned_ms: u64,
    pub before: Option<PartitionOffsets>,
    pub may_fence: bool,
}

pub(super) struct Answer {
    pub partition: PartitionId,
    pub offsets: Option<PartitionOffsets>,
    /// Whether anything was done about it.
    pub has_fenced: bool,
}

impl<B: Broker> Task for Inquiry<B> {
    type Output = Vec<Answer>;

    fn step(&mut self) -> Result<Option<Self::Output>, LaneError> {
        let Some(question) = self.questions.pop() else { return Ok(Some(std::mem::take(&mut self.answers))) };
        let partition = question.partition;
        let mut answer = Answer { partition, offsets: None, has_fenced: false };
        match self.broker.partition_offsets(partition) {
            Err(error) => tracing::warn!(partition = partition.0, "the watchdog gets no answer: {}", Chain(&error)),
            Ok(offsets) => {
                let open = left_open([Some(&offsets), question.before.as_ref()]);
                if question.may_fence && open.is_some_and(LeftOpen::is_ours_to_end) {
                    answer.has_fenced = true;
                    if let Err(error) = self.fence_writers(&question, &offsets) {
                        tracing::warn!(partition = partition.0, "what was left open can't be ended: {}", Chain(&error));
                    }
                }
                answer.offsets = Some(offsets);
            }
        }
        self.answers.push(answer);
        Ok(None)
    }

    fn reset(&mut self, _output: Option<Self::Output>) {}
}

impl<B: Broker> Inquiry<B> {
    /// Ends the open transaction of each writer. Where none is known, the last to commit are the best guess.
    fn fence_writers(&self, question: &Question, offsets: &PartitionOffsets) -> Result<(), BrokerError> {
        let mut writers = self.broker.open_writers(question.partition)?;
        if writers.is_empty() && offsets.is_pending {
            let notes = offsets.committed.iter().filter_map(|committed| committed.note.as_ref());
            let last: BTreeSet<_> = notes.map(|note| note.transactional_id.clone()).collect();
            writers = last.into_iter().collect();
        }
        for writer in writers {
            // Asking took time: whoever owns the partition now may be the writer.
            if !is_still_ours(&self.context.board, question) {
                return Ok(());
            }
            let partition = question.partition.0;
            if self.own.contains(&writer) {
                tracing::warn!(
                    partition,
                    writer = &*writer,
                    "a lane of this process must reinitialise its transactional id"
                );
                self.context.reinit_requests.request(writer);
                self.context.board.write(|status| status.interventions.renewed += 1);
            } else {
                tracing::warn!(partition, writer = &*writer, "fence what was left open");
                takeover::fence(&self.broker, &writer)?;
                self.context.board.write(|status| status.interventions.fenced += 1);
            }
        }
        Ok(())
    }
}

fn is_still_ours(board: &Board, question: &Question) -> bool {
    board.read(|status| {
        status.partitions.get(&question.partition).is_some_and(|it| {
            let is_assigned = status.lanes.get(&it.lane).is_some_and(|lane| lane.is_assigned);
            is_assigned && it.phase != Phase::Away && it.assigned_ms == question.assigned_ms
        })
    })
}
