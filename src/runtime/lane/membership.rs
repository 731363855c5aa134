//! The lane's membership in its group: the consumer, whether the group has answered, and the batch that was begun under
//! a proof of membership.
//!
//! A batch has one generation, captured when it begins and never renewed. Must not know: what partitions hold. May
//! break exactly once: a generation that is captured later than the first record of its batch is handled.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::broker::{Broker, BrokerError, Polled, Source};
use crate::domain::{Input, PartitionId};
use crate::record::Offset;

pub(super) struct Membership<B: Broker> {
    source: B::Source,
    /// Whether the group has answered since partitions were revoked.
    is_assigned: bool,
    /// Revoked by the poll that is being taken in: they are not rewound. Empty between steps.
    leaving: BTreeSet<PartitionId>,
    batch: Option<Batch<B::Generation>>,
}

struct Batch<G> {
    /// Proof of membership when it began.
    generation: G,
    began_ms: u64,
}

impl<B: Broker> Membership<B> {
    /// Joins the group as the member `name`.
    ///
    /// # Errors
    ///
    /// The consumer can't be made or can't subscribe.
    pub fn join(broker: &B, name: &str) -> Result<Self, BrokerError> {
        let source = broker.source(name)?;
        Ok(Self { source, is_assigned: false, leaving: BTreeSet::new(), batch: None })
    }

    /// Leaves the group.
    pub fn leave(self) {
        drop(self.source);
    }

    /// See [`Source::poll`].
    ///
    /// # Errors
    ///
    /// Those of the consumer; what came before is in `into` all the same.
    pub fn poll(&mut self, timeout: Duration, into: &mut Vec<Polled<B::Message>>) -> Result<(), BrokerError> {
        self.source.poll(timeout, into)
    }

    /// Reads a partition from these offsets, by input; rewinds one that is being read.
    ///
    /// # Errors
    ///
    /// The seek failed: the partition is not being read.
    pub fn start(&mut self, partition: PartitionId, positions: &[(Input, Offset)]) -> Result<(), BrokerError> {
        self.source.start(partition, positions)
    }

    /// # Errors
    ///
    /// The partition is not being read, or the consumer is gone.
    pub fn pause(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError> {
        self.source.pause(input, partition)
    }

    /// # Errors
    ///
    /// As [`Self::pause`].
    pub fn resume(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError> {
        self.source.resume(input, partition)
    }

    /// Whether the group has answered since partitions were revoked.
    pub fn is_assigned(&self) -> bool {
        self.is_assigned
    }

    /// The group has answered, with something or nothing.
    pub fn assigned(&mut self) {
        self.is_assigned = true;
    }

    /// A revocation is being taken in: these are committed, if they can be, but no longer rewound.
    pub fn begin_revocation(&mut self, partitions: &[PartitionId]) {
        self.leaving = partitions.iter().copied().collect();
    }

    /// What they had uncommitted is committed or will be dropped.
    pub fn end_commit_of_revoked(&mut self) {
        self.leaving.clear();
    }

    /// They are gone: until the group answers, nobody knows which come back.
    pub fn revoked(&mut self) {
        self.is_assigned = false;
    }

    /// Whether a partition is being revoked by the poll that is being taken in.
    pub fn is_leaving(&self, partition: PartitionId) -> bool {
        self.leaving.contains(&partition)
    }

    /// Begins a batch, unless one is under way: captures the generation that its commit must prove.
    ///
    /// # Errors
    ///
    /// The consumer is no member at the moment: nothing may be handled.
    pub fn begin_batch(&mut self, now_ms: u64) -> Result<(), BrokerError> {
        if self.batch.is_none() {
            let generation = self.source.generation()?;
            self.batch = Some(Batch { generation, began_ms: now_ms });
        }
        Ok(())
    }

    /// The batch was committed or dropped, or its outcome is in doubt: what follows needs a generation of its own.
    pub fn end_batch(&mut self) {
        self.batch = None;
    }

    /// The generation of the batch under way.
    pub fn generation(&self) -> Option<&B::Generation> {
        self.batch.as_ref().map(|batch| &batch.generation)
    }

    /// For how long the batch under way has been filled, in milliseconds.
    pub fn batch_age_ms(&self, now_ms: u64) -> Option<u64> {
        self.batch.as_ref().map(|batch| now_ms.saturating_sub(batch.began_ms))
    }

    #[cfg(debug_assertions)]
    pub fn is_between_revocations(&self) -> bool {
        self.leaving.is_empty()
    }
}
