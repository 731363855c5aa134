//! What a lane does beside its batches: the machine's clock is compared with the broker's, and a record is appended to
//! the logs of quiet partitions, so that what was written last is compacted all the same. Each may block, so it is a
//! background task.
//!
//! Must not know: the lane.

use std::collections::BTreeMap;

use crate::broker::Broker;
use crate::chain::Chain;
use crate::domain::PartitionId;
use crate::runtime::board::calls::Call;
use crate::runtime::error::LaneError;
use crate::runtime::task_context::TaskContext;
use crate::runtime::tasks::{BackgroundTask, Execution, Task};

/// The upkeep under way, and when each partition's logs were last appended to.
pub(super) struct Upkeep<B: Broker> {
    task: Option<BackgroundTask<UpkeepTask<B>>>,
    /// On the monotonic clock.
    touched: BTreeMap<PartitionId, u64>,
}

impl<B: Broker> Default for Upkeep<B> {
    fn default() -> Self {
        Self { task: None, touched: BTreeMap::new() }
    }
}

impl<B: Broker> Upkeep<B> {
    /// Continues what is under way. Whether anything still is.
    pub fn is_busy(&mut self, execution: Execution, lane: usize) -> bool {
        let Some(task) = &mut self.task else { return false };
        match task.advance(execution, || format!("upkeep-{lane}")) {
            Ok(None) => return true,
            Ok(Some(())) => {}
            Err(error) => {
                tracing::warn!(lane, error = %Chain(&error), "upkeep failed; it is due again later");
            }
        }
        self.task = None;
        false
    }

    /// Begins: asks for the broker's time at `compare`, appends to the logs of `touch`.
    pub fn begin(&mut self, context: TaskContext<B>, compare: Option<PartitionId>, touch: Vec<PartitionId>) {
        self.task = Some(BackgroundTask::new(UpkeepTask { context, compare, touch }));
    }

    /// Those of `served` whose logs are due, every `every_ms`. A partition's are when it is first served, too: whoever
    /// had it before may have been about to.
    pub fn take_due_touches(&mut self, served: &[PartitionId], every_ms: u64, now_ms: u64) -> Vec<PartitionId> {
        let touched = &mut self.touched;
        touched.retain(|partition, _| served.contains(partition));
        let is_due = |partition: &PartitionId| {
            touched.get(partition).is_none_or(|touched_ms| now_ms.saturating_sub(*touched_ms) >= every_ms)
        };
        let due: Vec<PartitionId> = served.iter().copied().filter(is_due).collect();
        touched.extend(due.iter().map(|&partition| (partition, now_ms)));
        due
    }
}

/// What fails of it is logged, and is due again later.
struct UpkeepTask<B> {
    context: TaskContext<B>,
    compare: Option<PartitionId>,
    touch: Vec<PartitionId>,
}

impl<B: Broker> Task for UpkeepTask<B> {
    type Output = ();

    fn step(&mut self) -> Result<Option<()>, LaneError> {
        let TaskContext { broker, job, clock, board, .. } = &self.context;
        if let Some(partition) = self.compare.take() {
            let _calling = self.context.calling(Some(partition), Call::Time);
            job.timekeeper.compare(broker, partition, clock, board);
            return Ok(None);
        }
        let Some(partition) = self.touch.pop() else { return Ok(Some(())) };
        let _calling = self.context.calling(Some(partition), Call::Touch);
        if let Err(error) = broker.touch(partition) {
            tracing::warn!(
                partition = partition.0,
                "what was erased stays on disk for longer: nothing could be appended to its log: {}",
                Chain(&error)
            );
        }
        Ok(None)
    }

    fn reset(&mut self, _output: Option<()>) {}
}
