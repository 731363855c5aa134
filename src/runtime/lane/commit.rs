//! One transaction for everything in hand, and what memory does about each of its outcomes.
//!
//! The order: begin, per partition its record, changelog and outputs, the offsets of every partition written about with
//! the generation of the batch, commit; only then install. No poll comes in between. A failure that leaves no doubt
//! drops what is in hand and rewinds. One that leaves a doubt drops the producer; `recover` takes a new one and settles it.

use std::collections::BTreeSet;

use crate::broker::{Broker, CommitMetadata, Producer, Transaction, TransactionError};
use crate::domain::{PartitionId, Timestamp};
use crate::record::Lent;
use crate::runtime::board::status::Transactions;
use crate::runtime::board::{calling::Calling, calls::Call};
use crate::runtime::context::LaneContext;
use crate::runtime::error::LaneError;
use crate::runtime::lane::batch_limit::BatchSize;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::{Lane, PartitionSlot};
use crate::runtime::recovery::recover::Unsettled;
use crate::runtime::watch::misrouted;

/// Where a transaction failed.
enum Failed {
    /// Nothing was sent, so nothing is in doubt; but the id must be taken anew.
    NotBegun(TransactionError),
    Begun(TransactionError),
}

impl From<TransactionError> for Failed {
    fn from(error: TransactionError) -> Self {
        Self::Begun(error)
    }
}

impl<B: Broker> Lane<B> {
    /// Commits what is in hand; afterwards nothing is, or its outcome is [`Lane::unsettled`].
    pub(in crate::runtime) fn commit(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let serving = self.partitions.values().filter_map(PartitionSlot::as_active);
        let partitions: BTreeSet<_> =
            serving.filter(|serving| serving.has_uncommitted()).map(|serving| serving.id).collect();
        if partitions.is_empty() {
            self.batch = None;
            return Ok(());
        }
        let note = CommitMetadata { transactional_id: self.transactional_id.clone(), number: self.next_number };
        self.next_number += 1;
        let span = tracing::debug_span!("batch", lane = self.index, number = note.number);
        let _entered = span.enter();
        let outcome = self.write(&partitions, &note);
        match outcome {
            Ok(writes) => {
                self.count_batch(&partitions, writes, now_ms);
                self.count(|transactions| transactions.committed += 1);
                self.install(&partitions, &note);
                self.committed_to.extend(partitions);
                self.batch_limit.committed(self.most());
                self.succeeded(Activity::Commit);
                Ok(())
            }
            Err(Failed::NotBegun(error)) => {
                self.count(|transactions| transactions.fatal += 1);
                self.producer = None;
                self.roll_back(&partitions, now_ms)?;
                self.failed(Activity::Commit, error.into(), now_ms)
            }
            Err(Failed::Begun(error @ TransactionError::TimedOut { wait, .. })) => {
                self.count(|transactions| transactions.aborted += 1);
                let served = partitions.iter().filter_map(|partition| self.partitions.get(partition)?.as_active());
                let held = served.fold(BatchSize::default(), |sum, serving| sum.plus(serving.batch_size()));
                self.batch_limit.timed_out(held);
                // Whoever takes the id ends what is open; it was never to be committed.
                self.producer = None;
                self.roll_back(&partitions, now_ms)?;
                self.failed(Activity::Commit, error.into(), now_ms)?;
                self.rest_at_least(wait, now_ms);
                Ok(())
            }
            Err(Failed::Begun(error @ (TransactionError::Abortable { .. } | TransactionError::Denied { .. }))) => {
                self.count(|transactions| transactions.aborted += 1);
                self.roll_back(&partitions, now_ms)?;
                self.failed(Activity::Commit, error.into(), now_ms)
            }
            Err(Failed::Begun(error)) => {
                self.count(|transactions| match error {
                    TransactionError::OutcomeUnknown { .. } => transactions.unknown += 1,
                    _ => transactions.fatal += 1,
                });
                self.producer = None;
                self.unsettled = Some(Unsettled { note, written: partitions.clone(), partitions });
                self.batch = None;
                // A new producer settles it at once; only the next batch waits. One that is fenced again and again must end, and say so.
                self.failed(Activity::Commit, error.into(), now_ms)
            }
        }
    }

    /// The transaction itself; how many records it wrote.
    fn write(&mut self, partitions: &BTreeSet<PartitionId>, note: &CommitMetadata) -> Result<u64, Failed> {
        let lacking = |what: &str| TransactionError::Abortable { call: "begin", reason: what.to_owned() };
        let batch = self.batch.as_ref().ok_or_else(|| lacking("no generation was captured"))?;
        let producer = self.producer.as_mut().ok_or_else(|| lacking("no producer"))?;
        let LaneContext { board, clock, .. } = &self.context;
        let mut calling = Calling::note(board, clock, self.index, None, Call::Begin);
        let mut transaction = producer.begin().map_err(Failed::NotBegun)?;
        calling.goes_on_with(Call::Send, clock);
        let believed = self.job.timekeeper.stamp(clock);
        // Early, so that the marker is the latest in the log as long as the clocks agree, and tells the broker's time.
        let stamp = believed.unwrap_or_else(|| clock.wall()).minus_millis(self.job.timekeeper.max_skew_ms());
        let believed_ms = believed.map(Timestamp::millis);
        let mut offsets = Vec::new();
        let mut writes = 0;
        for serving in self.partitions.values_mut().filter_map(PartitionSlot::as_active_mut) {
            if !partitions.contains(&serving.id) {
                continue;
            }
            let write = |record: Lent<'_>| {
                let timestamp = record.timestamp.or(believed_ms);
                transaction.lend(Lent { timestamp, ..record })
            };
            match serving.write(note, &self.job, stamp, write) {
                Ok(count) => writes += count,
                Err(error) => return Err(give_up(transaction, error).into()),
            }
            offsets.extend(serving.offsets(note));
        }
        calling.goes_on_with(Call::SendOffsets, clock);
        if let Err(error) = transaction.send_offsets(&offsets, &batch.generation) {
            calling.goes_on_with(Call::Abort, clock);
            return Err(give_up(transaction, error).into());
        }
        calling.goes_on_with(Call::Commit, clock);
        transaction.commit()?;
        Ok(writes)
    }

    pub(in crate::runtime) fn install(&mut self, partitions: &BTreeSet<PartitionId>, note: &CommitMetadata) {
        self.commits += 1;
        self.batch = None;
        let mut has_forwarded = false;
        for &partition in partitions {
            let board = self.context.board.clone();
            let now_ms = self.context.clock.monotonic_ms();
            if let Some(serving) = self.serving(partition) {
                let is_step = serving.is_step();
                let installed = serving.install(note.clone());
                has_forwarded |= installed.has_forwarded();
                board.partition(partition, |status| {
                    status.moved_ms = if is_step { now_ms } else { status.moved_ms };
                    installed.add_to(status);
                    serving.show(status);
                });
            }
        }
        if has_forwarded {
            misrouted::tell(&self.context.board, &self.job);
        }
    }

    /// Nothing of the transaction will ever be seen: memory and reading go back to what is committed.
    pub(in crate::runtime) fn roll_back(
        &mut self,
        partitions: &BTreeSet<PartitionId>,
        now_ms: u64,
    ) -> Result<(), LaneError> {
        self.batch = None;
        for &partition in partitions {
            let is_leaving = self.leaving.contains(&partition) || self.context.faults.of(partition).is_some();
            let Some(serving) = self.serving(partition) else { continue };
            serving.discard();
            let positions = serving.positions();
            if !is_leaving {
                self.flow(partition, &positions, now_ms)?;
            }
        }
        Ok(())
    }

    /// What the settings let a batch hold.
    fn most(&self) -> BatchSize {
        let (settings, effects) = (&self.job.settings, self.job.engine.settings().max_effects);
        BatchSize { records: settings.batch_records, bytes: settings.batch_bytes.bytes(), effects }
    }

    fn count(&self, change: impl FnOnce(&mut Transactions)) {
        self.context.board.lane(self.index, |lane| change(&mut lane.transactions));
    }

    fn count_batch(&self, partitions: &BTreeSet<PartitionId>, writes: u64, began_ms: u64) {
        let took_ms = self.context.clock.monotonic_ms().saturating_sub(began_ms);
        let serving = partitions.iter().filter_map(|partition| self.partitions.get(partition)?.as_active());
        let (mut records, mut is_slice) = (0, false);
        for serving in serving {
            records += serving.consumed() as u64;
            is_slice |= serving.is_slice();
        }
        self.context.board.lane(self.index, |lane| {
            lane.slices += u64::from(is_slice);
            lane.batch_records += records;
            lane.batch_writes += writes;
            lane.commit_ms += took_ms;
            lane.last_batch_records = records;
            lane.last_commit_ms = took_ms;
        });
    }
}

/// Ends a transaction that can't be committed. If even that fails, the abort's error tells more.
fn give_up<T: Transaction>(transaction: T, error: TransactionError) -> TransactionError {
    match error {
        TransactionError::Abortable { .. } => transaction.abort().err().unwrap_or(error),
        _ => error,
    }
}
