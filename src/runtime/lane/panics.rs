//! What a lane does about a panic over one record, so that it ends neither the process nor the partition.
//!
//! In copying or decoding, the record is a dead letter at once. In handling, the engine's overlay may be half changed: what is
//! in hand of all partitions is dropped, and the record is poison: when it is read again it is a dead letter without
//! being handled, and committed before anything else can go wrong. So each panic costs one batch, once.
//!
//! A panic while deadlines fire is no record's fault, and none is dropped for it: it is tried again within the patience.

use std::collections::BTreeSet;

use crate::broker::Broker;
use crate::domain::PartitionId;
use crate::pipeline::poison::HandlingPanic;
use crate::runtime::error::LaneError;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::{Lane, PartitionSlot};

impl<B: Broker> Lane<B> {
    /// Drops what is in hand, of all partitions: it is one batch.
    pub(in crate::runtime) fn broken(
        &mut self,
        partition: PartitionId,
        broken: HandlingPanic,
        now_ms: u64,
    ) -> Result<(), LaneError> {
        let HandlingPanic { record, panicked } = broken;
        let in_hand =
            self.partitions.values().filter_map(PartitionSlot::as_active).filter(|serving| serving.has_uncommitted());
        let partitions: BTreeSet<_> = in_hand.map(|serving| serving.id).chain([partition]).collect();
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
