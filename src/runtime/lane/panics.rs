//! What a lane does about a panic over one record, so that it ends neither the process nor the partition.
//!
//! In copying or decoding, the record is a dead letter at once. In handling, the engine's overlay may be half changed:
//! what is staged of all partitions is dropped, and the record is poison: when it is read again it is a dead letter
//! without being handled, and committed before anything else can go wrong. So each panic costs one batch, once.
//!
//! A panic while deadlines fire is no record's fault, and none is dropped for it: it is tried again within the
//! patience.

use crate::broker::Broker;
use crate::domain::PartitionId;
use crate::pipeline::HandlingPanic;
use crate::runtime::error::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::lane::failures::Activity;

impl<B: Broker> Lane<B> {
    /// The program panicked while it handled a partition: what is staged is dropped, of all partitions, for it is one
    /// batch.
    pub(super) fn panicked(
        &mut self,
        partition: PartitionId,
        panic: HandlingPanic,
        now_ms: u64,
    ) -> Result<(), LaneError> {
        let HandlingPanic { record, panicked } = panic;
        let mut partitions = self.partitions.uncommitted();
        partitions.insert(partition);
        self.roll_back(&partitions, now_ms)?;
        let Some((input, offset)) = record else {
            let error = LaneError::TimersPanicked { partition, source: panicked };
            return self.failed(Activity::Handle(partition), error, now_ms);
        };
        let topic = &**self.job.topics.input(input);
        tracing::error!(
            topic,
            partition = partition.0,
            offset,
            "{panicked}; the record goes to the dead letters unhandled"
        );
        Ok(())
    }
}
