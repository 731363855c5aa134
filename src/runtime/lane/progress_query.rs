//! Looking how far the partitions of the application have got: the lane's side of `fronts`.
//!
//! The order matters: first all fronts, then where the lane's partitions of `rekey` end. It is a background task: a broker that does
//! not answer keeps nobody from answering the group. While nothing is being forwarded nobody looks.

use crate::broker::{Broker, BrokerError, ForwardProgress};
use crate::domain::PartitionId;
use crate::record::Offset;
use crate::runtime::board::calls::Call;
use crate::runtime::error::LaneError;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::progress::Limit;
use crate::runtime::lane::{Lane, PartitionSlot};
use crate::runtime::settings::{Mode, millis};
use crate::runtime::task_context::TaskContext;
use crate::runtime::tasks::{BackgroundTask, Task};

pub(in crate::runtime) struct ProgressQuery<B> {
    context: TaskContext<B>,
    /// Those whose end is still to be asked for.
    partitions: Vec<PartitionId>,
    fronts: Option<Vec<Option<ForwardProgress>>>,
    ends: Vec<(PartitionId, Offset)>,
}

impl<B: Broker> ProgressQuery<B> {
    fn new(context: TaskContext<B>, partitions: Vec<PartitionId>) -> Self {
        Self { context, partitions, fronts: None, ends: Vec::new() }
    }

    fn ask(&mut self) -> Result<(), BrokerError> {
        let _calling = self.context.calling(None, Call::ForwardProgress);
        let broker = &self.context.broker;
        let Some(partition) = self.fronts.as_ref().and_then(|_| self.partitions.last().copied()) else {
            self.fronts = Some(broker.forward_progress()?);
            return Ok(());
        };
        self.ends.push((partition, broker.rekey_end(partition)?));
        self.partitions.pop();
        Ok(())
    }
}

impl<B: Broker> Task for ProgressQuery<B> {
    /// The fronts, and ends of `rekey`.
    type Output = (Vec<Option<ForwardProgress>>, Vec<(PartitionId, Offset)>);

    fn step(&mut self) -> Result<Option<Self::Output>, LaneError> {
        self.ask()?;
        if !self.partitions.is_empty() {
            return Ok(None);
        }
        Ok(self.fronts.take().map(|fronts| (fronts, std::mem::take(&mut self.ends))))
    }

    /// Looks are not recalled: what was seen stays a lower bound.
    fn reset(&mut self, _output: Option<Self::Output>) {}
}

impl<B: Broker> Lane<B> {
    /// Looks if it is time to, or hears what has come of the look under way.
    pub(in crate::runtime) fn update_progress(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let served = self.partitions.values().filter_map(PartitionSlot::as_active);
        let patience_ms = millis(self.job.settings.patience);
        let own = served.filter(|serving| !serving.has_forwarded()).map(|serving| (serving.id, serving.front()));
        let is_alone = self.partitions.len() == usize::try_from(self.job.topics.partitions).unwrap_or_default();
        let passed_over = self.progress.begin_with(own, is_alone, now_ms, patience_ms);
        self.tell_passed_over(&passed_over);
        if self.progress_query.is_none() && !self.progress.is_look_due(now_ms, self.is_held()) {
            return Ok(());
        }
        let (execution, index) = (self.execution, self.index);
        let mut task = self.progress_query.take().unwrap_or_else(|| {
            let served = self.partitions.values().filter_map(PartitionSlot::as_active).map(|serving| serving.id);
            BackgroundTask::new(ProgressQuery::new(self.task_context(), served.collect()))
        });
        match task.advance(execution, || format!("progress-query-{index}")) {
            Ok(None) => {
                self.progress_query = Some(task);
                Ok(())
            }
            Ok(Some((fronts, ends))) => {
                self.succeeded(Activity::QueryProgress);
                self.looked(&fronts, &ends, now_ms);
                Ok(())
            }
            Err(error) => self.failed(Activity::QueryProgress, error, now_ms),
        }
    }

    fn looked(&mut self, fronts: &[Option<ForwardProgress>], ends: &[(PartitionId, Offset)], now_ms: u64) {
        let patience_ms = millis(self.job.settings.patience);
        let passed_over = self.progress.looked(fronts, now_ms, patience_ms);
        self.tell_passed_over(&passed_over);
        let all: Vec<_> = self.progress.passed_over().collect();
        self.context.board.lane(self.index, |lane| lane.passed_over = all);
        let Limit::Through(least) = self.progress.limit() else { return };
        for &(partition, end) in ends {
            if let Some(serving) = self.serving(partition) {
                serving.expect(least, end);
            }
        }
    }

    fn tell_passed_over(&self, partitions: &[PartitionId]) {
        for partition in partitions {
            tracing::warn!(
                lane = self.index,
                partition = partition.0,
                "its front has not moved for stream.patience, {:?}, while records are forwarded: nobody waits for it any more, \
                 and what it still forwards comes late; look at the member that has it",
                self.job.settings.patience.duration()
            );
        }
    }

    /// Whether something of this lane waits for fronts to move.
    fn is_held(&self) -> bool {
        let is_finishing = matches!(self.job.settings.mode, Mode::UntilEnd { .. });
        let mut serving = self.partitions.values().filter_map(PartitionSlot::as_active);
        serving.any(|serving| serving.is_held() || is_finishing && serving.is_at_end())
    }
}
