//! The lane's side of forwarding: it asks for the progress of all partitions while records are being forwarded, and
//! lets its own go as far as the low watermark across them allows.
//!
//! While nothing is being forwarded nobody asks. Must not know: what the low watermark is made of (`progress`).

use crate::broker::{Broker, ForwardProgress};
use crate::domain::PartitionId;
use crate::pipeline::Limit;
use crate::record::Offset;
use crate::runtime::error::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::progress_query::ProgressQuery;
use crate::runtime::settings::{Mode, millis};
use crate::runtime::tasks::BackgroundTask;

impl<B: Broker> Lane<B> {
    /// Asks if it is time to, or takes in the answer to the query under way.
    pub(super) fn update_progress(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let patience_ms = millis(self.job.settings.patience);
        let own = self
            .partitions
            .active()
            .filter(|task| !task.has_uncommitted_forwards())
            .map(|task| (task.id, task.forward_progress()));
        let is_alone = self.partitions.len() == usize::try_from(self.job.topics.partitions).unwrap_or_default();
        let passed_over = self.progress.begin_with(own, is_alone, now_ms, patience_ms);
        self.log_passed_over(&passed_over);
        if self.progress_query.is_none() && !self.progress.is_look_due(now_ms, self.is_held()) {
            return Ok(());
        }
        let mut query = self.progress_query.take().unwrap_or_else(|| {
            let served = self.partitions.active().map(|task| task.id);
            BackgroundTask::new(ProgressQuery::new(self.task_context(), served.collect()))
        });
        match query.advance(self.execution, || format!("progress-query-{}", self.index)) {
            Ok(None) => {
                self.progress_query = Some(query);
                Ok(())
            }
            Ok(Some((found, ends))) => {
                self.succeeded(Activity::QueryProgress);
                self.take_in_progress(&found, &ends, now_ms);
                Ok(())
            }
            Err(error) => self.failed(Activity::QueryProgress, error, now_ms),
        }
    }

    fn take_in_progress(&mut self, found: &[Option<ForwardProgress>], ends: &[(PartitionId, Offset)], now_ms: u64) {
        let patience_ms = millis(self.job.settings.patience);
        let passed_over = self.progress.looked(found, now_ms, patience_ms);
        self.log_passed_over(&passed_over);
        let all: Vec<_> = self.progress.passed_over().collect();
        self.context.board.lane(self.index, |lane| lane.passed_over = all);
        let Limit::Through(least) = self.progress.limit() else { return };
        for &(partition, end) in ends {
            if let Some(task) = self.partitions.task_mut(partition) {
                task.allow_through(least, end);
            }
        }
    }

    fn log_passed_over(&self, partitions: &[PartitionId]) {
        for partition in partitions {
            tracing::warn!(
                lane = self.index,
                partition = partition.0,
                "its forwarding has made no progress for stream.patience, {:?}, while records are forwarded: nobody \
                 waits for it any more, and what it still forwards comes late; look at the member that has it",
                self.job.settings.patience.duration()
            );
        }
    }

    /// Whether a partition of this lane waits for the low watermark to move.
    fn is_held(&self) -> bool {
        let is_finishing = matches!(self.job.settings.mode, Mode::UntilEnd { .. });
        self.partitions.active().any(|task| task.waits_for_others() || is_finishing && task.is_at_end())
    }
}
