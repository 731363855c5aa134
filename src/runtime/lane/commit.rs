//! One transaction for everything uncommitted, and what memory does about each of its outcomes.
//!
//! The order: begin; per partition its record, changelog and outputs; the offsets of every partition written about,
//! with the generation of the batch; commit; only then install. No poll comes in between. A failure that leaves no
//! doubt drops what is staged and rewinds. One that leaves a doubt gives up the producer; `recover` initialises a new
//! one and settles it.

use std::collections::BTreeSet;

use crate::broker::{Broker, CommitMetadata, OffsetCommit, Producer, Transaction, TransactionError};
use crate::domain::{PartitionId, Timestamp};
use crate::pipeline::BatchSize;
use crate::runtime::active;
use crate::runtime::board::status::Transactions;
use crate::runtime::board::{calling::Calling, calls::Call};
use crate::runtime::context::LaneContext;
use crate::runtime::error::LaneError;
use crate::runtime::lane::Lane;
use crate::runtime::lane::failures::Activity;
use crate::runtime::lane::transaction_sink::TransactionSink;
use crate::runtime::watch::misrouted;

/// Where a transaction failed.
enum Failed {
    /// Nothing was sent, so nothing is in doubt; but the id must be initialised again.
    NotBegun(TransactionError),
    Begun(TransactionError),
}

impl From<TransactionError> for Failed {
    fn from(error: TransactionError) -> Self {
        Self::Begun(error)
    }
}

impl<B: Broker> Lane<B> {
    /// Commits what is uncommitted; afterwards nothing is, or its outcome is in doubt.
    ///
    /// # Errors
    ///
    /// What can't be tried again, or was for longer than the patience of the settings. A transaction that failed
    /// otherwise is dealt with.
    pub(super) fn commit(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let partitions = self.partitions.uncommitted();
        if partitions.is_empty() {
            self.membership.end_batch();
            return Ok(());
        }
        let note = self.writer.next_transaction();
        let span = tracing::debug_span!("batch", lane = self.index, number = note.number);
        let _entered = span.enter();
        let outcome = self.write(&partitions, &note);
        match outcome {
            Ok(writes) => {
                self.count_batch(&partitions, writes, now_ms);
                self.count(|transactions| transactions.committed += 1);
                self.install(&partitions, &note);
                self.writer.committed(partitions);
                self.batch_limit.committed(self.full_batch());
                self.succeeded(Activity::Commit);
                Ok(())
            }
            Err(failed) => self.commit_failed(failed, partitions, note, now_ms),
        }
    }

    fn commit_failed(
        &mut self,
        failed: Failed,
        partitions: BTreeSet<PartitionId>,
        note: CommitMetadata,
        now_ms: u64,
    ) -> Result<(), LaneError> {
        match failed {
            Failed::NotBegun(error) => {
                self.count(|transactions| transactions.fatal += 1);
                self.writer.retire_producer();
                self.roll_back(&partitions, now_ms)?;
                self.failed(Activity::Commit, error.into(), now_ms)
            }
            Failed::Begun(error @ TransactionError::TimedOut { throttled, .. }) => {
                self.count(|transactions| transactions.aborted += 1);
                let tasks = partitions.iter().filter_map(|&partition| self.partitions.task(partition));
                let held = tasks.fold(BatchSize::default(), |sum, task| sum.plus(task.batch_size()));
                self.batch_limit.timed_out(held);
                // Whoever initialises the id aborts what is open; it was never to be committed.
                self.writer.retire_producer();
                self.roll_back(&partitions, now_ms)?;
                self.failed(Activity::Commit, error.into(), now_ms)?;
                self.rest_at_least(throttled.unwrap_or_default(), now_ms);
                Ok(())
            }
            Failed::Begun(error @ (TransactionError::Abortable { .. } | TransactionError::Denied { .. })) => {
                self.count(|transactions| transactions.aborted += 1);
                self.roll_back(&partitions, now_ms)?;
                self.failed(Activity::Commit, error.into(), now_ms)
            }
            Failed::Begun(error) => {
                self.count(|transactions| match error {
                    TransactionError::OutcomeUnknown { .. } => transactions.unknown += 1,
                    _ => transactions.fatal += 1,
                });
                self.writer.left_in_doubt(note, partitions);
                self.membership.end_batch();
                // A new producer settles it at once; only the next batch waits. One that is fenced again and again must
                // end, and say so.
                self.failed(Activity::Commit, error.into(), now_ms)
            }
        }
    }

    /// The transaction itself; how many records it wrote.
    fn write(&mut self, partitions: &BTreeSet<PartitionId>, note: &CommitMetadata) -> Result<u64, Failed> {
        let lacking = |what: &str| TransactionError::abortable("begin", what);
        let generation = self.membership.generation().ok_or_else(|| lacking("no generation was captured"))?;
        let producer = self.writer.producer_mut().ok_or_else(|| lacking("no producer"))?;
        let LaneContext { board, clock, .. } = &self.context;
        let mut calling = Calling::note(board, clock, self.index, None, Call::Begin);
        let mut transaction = producer.begin().map_err(Failed::NotBegun)?;
        calling.goes_on_with(Call::Send, clock);
        let believed = self.job.timekeeper.stamp(clock);
        // Early, so that the marker is the latest in the log as long as the clocks agree, and tells the broker's time.
        let stamp = believed.unwrap_or_else(|| clock.wall()).minus_millis(self.job.timekeeper.max_skew_ms());
        let believed_ms = believed.map(Timestamp::millis);
        let mut offsets = Vec::new();
        let mut sink = TransactionSink::new(&mut transaction, &self.job, stamp.millis(), believed_ms);
        for task in self.partitions.active_mut() {
            if !partitions.contains(&task.id) {
                continue;
            }
            sink.partition = task.id;
            if let Err(error) = task.write(note, &self.job.pipeline, &mut sink) {
                return Err(give_up(transaction, error).into());
            }
            let (positions, progress) = (task.staged_positions(), task.staged_progress());
            offsets.extend(OffsetCommit::all(note, task.id, positions, progress));
        }
        let writes = sink.written;
        calling.goes_on_with(Call::SendOffsets, clock);
        if let Err(error) = transaction.send_offsets(&offsets, generation) {
            calling.goes_on_with(Call::Abort, clock);
            return Err(give_up(transaction, error).into());
        }
        calling.goes_on_with(Call::Commit, clock);
        transaction.commit()?;
        Ok(writes)
    }

    /// What a committed transaction wrote about these becomes what is committed in memory.
    pub(super) fn install(&mut self, partitions: &BTreeSet<PartitionId>, note: &CommitMetadata) {
        self.writer.count_install();
        self.membership.end_batch();
        let mut has_forwarded = false;
        for &partition in partitions {
            let now_ms = self.context.clock.monotonic_ms();
            if let Some(task) = self.partitions.task_mut(partition) {
                let is_step = task.makes_progress();
                let installed = task.install(note.clone());
                has_forwarded |= installed.has_forwarded();
                self.context.board.partition(partition, |status| {
                    status.moved_ms = if is_step { now_ms } else { status.moved_ms };
                    active::count(installed, status);
                    task.show(status);
                });
            }
        }
        if has_forwarded {
            misrouted::tell(&self.context.board, &self.job);
        }
    }

    /// Nothing of the transaction will ever be seen: memory and reading go back to what is committed.
    pub(super) fn roll_back(&mut self, partitions: &BTreeSet<PartitionId>, now_ms: u64) -> Result<(), LaneError> {
        self.membership.end_batch();
        for &partition in partitions {
            let is_leaving = self.membership.is_leaving(partition) || self.context.faults.of(partition).is_some();
            let Some(task) = self.partitions.task_mut(partition) else { continue };
            task.discard();
            let positions = task.positions();
            if !is_leaving {
                self.flow(partition, &positions, now_ms)?;
            }
        }
        Ok(())
    }

    /// What the settings let a batch hold.
    fn full_batch(&self) -> BatchSize {
        let (settings, effects) = (&self.job.settings, self.job.engine.settings().max_effects);
        BatchSize { records: settings.batch_records, bytes: settings.batch_bytes.bytes(), effects }
    }

    fn count(&self, change: impl FnOnce(&mut Transactions)) {
        self.context.board.lane(self.index, |lane| change(&mut lane.transactions));
    }

    fn count_batch(&self, partitions: &BTreeSet<PartitionId>, writes: u64, began_ms: u64) {
        let took_ms = self.context.clock.monotonic_ms().saturating_sub(began_ms);
        let tasks = partitions.iter().filter_map(|&partition| self.partitions.task(partition));
        let (mut records, mut is_slice) = (0, false);
        for task in tasks {
            records += task.consumed() as u64;
            is_slice |= task.is_slice();
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
