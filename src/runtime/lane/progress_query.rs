//! Asks how far all partitions of the application have forwarded, and then where the lane's partitions of `rekey` end.
//!
//! The order matters (see `progress`). It is a background task: a broker that does not answer keeps the lane from
//! answering nobody. Must not know: what follows from the answer.

use crate::broker::{Broker, BrokerError, ForwardProgress};
use crate::domain::PartitionId;
use crate::record::Offset;
use crate::runtime::board::calls::Call;
use crate::runtime::error::LaneError;
use crate::runtime::task_context::TaskContext;
use crate::runtime::tasks::Task;

pub(super) struct ProgressQuery<B> {
    context: TaskContext<B>,
    /// Those whose end is still to be asked for.
    partitions: Vec<PartitionId>,
    found: Option<Vec<Option<ForwardProgress>>>,
    ends: Vec<(PartitionId, Offset)>,
}

impl<B: Broker> ProgressQuery<B> {
    pub fn new(context: TaskContext<B>, partitions: Vec<PartitionId>) -> Self {
        Self { context, partitions, found: None, ends: Vec::new() }
    }

    fn ask(&mut self) -> Result<(), BrokerError> {
        let _calling = self.context.calling(None, Call::ForwardProgress);
        let broker = &self.context.broker;
        let Some(partition) = self.found.as_ref().and_then(|_| self.partitions.last().copied()) else {
            self.found = Some(broker.forward_progress()?);
            return Ok(());
        };
        self.ends.push((partition, broker.rekey_end(partition)?));
        self.partitions.pop();
        Ok(())
    }
}

impl<B: Broker> Task for ProgressQuery<B> {
    /// The progress of all partitions, and ends of `rekey`.
    type Output = (Vec<Option<ForwardProgress>>, Vec<(PartitionId, Offset)>);

    fn step(&mut self) -> Result<Option<Self::Output>, LaneError> {
        self.ask()?;
        if !self.partitions.is_empty() {
            return Ok(None);
        }
        Ok(self.found.take().map(|found| (found, std::mem::take(&mut self.ends))))
    }

    /// It is never cancelled: what was seen stays a lower bound.
    fn reset(&mut self, _output: Option<Self::Output>) {}
}
