//! The lane's transactional id: its producer, or the recovery that initialises one; the numbers of its transactions;
//! and the transaction whose outcome is in doubt, if there is one.
//!
//! There is a producer or a recovery, never both; a number is never used twice. Must not know: what a transaction
//! holds. May break exactly once: a producer that writes while an outcome is in doubt, which would give the old
//! transaction its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::broker::{Broker, CommitMetadata};
use crate::domain::PartitionId;
use crate::runtime::error::LaneError;
use crate::runtime::recovery::recover::{CommittedOffsets, Recovery, Unsettled};
use crate::runtime::task_context::TaskContext;
use crate::runtime::tasks::{BackgroundTask, Execution};

pub(super) struct Writer<B: Broker> {
    transactional_id: Arc<str>,
    producer: Option<B::Producer>,
    /// Under way while there is no producer.
    recovery: Option<BackgroundTask<Recovery<B>>>,
    /// A transaction whose outcome is not known.
    unsettled: Option<Unsettled>,
    /// What transactions that are known as committed have written about since the id was initialised.
    committed_to: BTreeSet<PartitionId>,
    next_number: u64,
    /// Transactions installed so far.
    commits: u64,
}

/// What a recovery came to.
pub(super) struct Settlement {
    /// The transaction that was in doubt, with the partitions of it that the lane still owns.
    pub unsettled: Option<Unsettled>,
    /// By partition, the group's offsets.
    pub found: CommittedOffsets,
    /// Whether the transaction in doubt was committed, whatever single offsets say.
    pub is_committed: bool,
}

impl<B: Broker> Writer<B> {
    pub fn new(transactional_id: Arc<str>) -> Self {
        Self {
            transactional_id,
            producer: None,
            recovery: None,
            unsettled: None,
            committed_to: BTreeSet::new(),
            next_number: 1,
            commits: 0,
        }
    }

    pub fn id(&self) -> &Arc<str> {
        &self.transactional_id
    }

    /// Whether nothing may be written, since the id is not held or an outcome is in doubt.
    pub fn must_recover(&self) -> bool {
        self.unsettled.is_some() || self.producer.is_none()
    }

    /// Whether the outcome of a transaction is in doubt.
    pub fn is_in_doubt(&self) -> bool {
        self.unsettled.is_some()
    }

    pub fn producer_mut(&mut self) -> Option<&mut B::Producer> {
        self.producer.as_mut()
    }

    /// Names the next transaction.
    pub fn next_transaction(&mut self) -> CommitMetadata {
        let note = CommitMetadata { transactional_id: self.transactional_id.clone(), number: self.next_number };
        self.next_number += 1;
        note
    }

    /// A partition was last written by that transaction. If it was one of this id, no later one may have its number or
    /// a lower one: an old commit could pass for a new one's.
    pub fn avoid(&mut self, note: &CommitMetadata) {
        if note.transactional_id == self.transactional_id {
            self.next_number = self.next_number.max(note.number + 1);
        }
    }

    /// The producer is given up: whoever initialises the id next aborts what it has open.
    pub fn retire_producer(&mut self) {
        self.producer = None;
    }

    /// The outcome of that transaction is in doubt: nothing is written before it is settled.
    pub fn left_in_doubt(&mut self, note: CommitMetadata, partitions: BTreeSet<PartitionId>) {
        self.producer = None;
        self.unsettled = Some(Unsettled { note, written: partitions.clone(), partitions });
    }

    /// The lane no longer owns a partition. Whether the transaction in doubt wrote about it: whoever owns it next
    /// settles that.
    pub fn disown(&mut self, partition: PartitionId) -> bool {
        self.unsettled.as_mut().is_some_and(|it| it.partitions.remove(&partition))
    }

    /// A transaction that wrote about these is known as committed.
    pub fn committed(&mut self, partitions: impl IntoIterator<Item = PartitionId>) {
        self.committed_to.extend(partitions);
    }

    /// A transaction was installed.
    pub fn count_install(&mut self) {
        self.commits += 1;
    }

    /// Transactions installed so far.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Starts or continues the recovery; none: not finished. When it is, there is a producer and nothing in doubt.
    ///
    /// # Errors
    ///
    /// Those of the recovery's step, which is tried again by the next call.
    pub fn advance_recovery(
        &mut self,
        execution: Execution,
        thread: impl FnOnce() -> String,
        context: impl FnOnce() -> TaskContext<B>,
    ) -> Result<Option<Settlement>, LaneError> {
        let (unsettled, committed_to) = (self.unsettled.as_ref(), &self.committed_to);
        let recovery = self
            .recovery
            .get_or_insert_with(|| BackgroundTask::new(Recovery::new(context(), unsettled, committed_to.clone())));
        let Some((producer, found, is_committed)) = recovery.advance(execution, thread)? else { return Ok(None) };
        self.recovery = None;
        self.producer = Some(producer);
        self.committed_to.clear();
        Ok(Some(Settlement { unsettled: self.unsettled.take(), found, is_committed }))
    }

    #[cfg(debug_assertions)]
    pub fn is_recovering(&self) -> bool {
        self.recovery.is_some()
    }

    #[cfg(debug_assertions)]
    pub fn has_producer(&self) -> bool {
        self.producer.is_some()
    }

    /// Whether the transaction in doubt wrote about a partition.
    #[cfg(debug_assertions)]
    pub fn is_in_doubt_about(&self, partition: PartitionId) -> bool {
        self.unsettled.as_ref().is_some_and(|it| it.written.contains(&partition))
    }

    /// Whether no later transaction can have that one's number.
    #[cfg(debug_assertions)]
    pub fn is_past(&self, note: &CommitMetadata) -> bool {
        note.transactional_id != self.transactional_id || note.number < self.next_number
    }
}
