//! What a lane does about a panic over one record, so that it ends neither the process nor the partition.
//!
//! In copying or decoding, the record is a dead letter at once. In handling, the engine's overlay may be half changed: what is
//! in hand of all partitions is dropped, and the record is condemned: when it is read again it is a dead letter without
//! being handled, and committed before anything else can go wrong. So each panic costs one batch, once.
//!
//! A panic while deadlines fire is no record's fault, and none is dropped for it: it is tried again within the patience.

use std::collections::BTreeSet;

use crate::broker::Broker;
use crate::domain::{Input, PartitionId};
use crate::guard::Panicked;
use crate::record::Offset;
use crate::runtime::LaneError;
use crate::runtime::failures::Doing;
use crate::runtime::lane::{Held, Lane};

/// Records that are not to be handled again, until they are committed as dead letters.
#[derive(Debug, Default)]
pub(super) struct Condemned(Vec<(Input, Offset, Panicked)>);

impl Condemned {
    pub fn add(&mut self, input: Input, offset: Offset, panicked: Panicked) {
        self.0.push((input, offset, panicked));
    }

    pub fn find(&self, input: Input, offset: Offset) -> Option<&Panicked> {
        self.0.iter().find(|(of, at, _)| (*of, *at) == (input, offset)).map(|(_, _, panicked)| panicked)
    }

    /// Forgets those that lie before what is committed now, by input.
    pub fn settle(&mut self, committed: &[Offset]) {
        self.0.retain(|(input, offset, _)| committed.get(input.index()).is_some_and(|next| next <= offset));
    }
}

/// A panic in handling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// The record that is condemned for it.
    pub record: Option<(Input, Offset)>,
    pub panicked: Panicked,
}

impl<B: Broker> Lane<B> {
    /// Drops what is in hand, of all partitions: it is one batch.
    pub(super) fn broken(&mut self, partition: PartitionId, broken: Broken, now_ms: u64) -> Result<(), LaneError> {
        let Broken { record, panicked } = broken;
        let in_hand = self.partitions.values().filter_map(Held::as_serving).filter(|serving| serving.has_in_hand());
        let partitions: BTreeSet<_> = in_hand.map(|serving| serving.id).chain([partition]).collect();
        self.roll_back(&partitions, now_ms)?;
        let Some((input, offset)) = record else {
            let error = LaneError::TimersPanicked { partition, source: panicked };
            return self.failed(Doing::Handle(partition), error, now_ms);
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
