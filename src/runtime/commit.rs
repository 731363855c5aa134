//! One transaction for everything in hand, and what memory does about each of its outcomes.
//!
//! The order: begin, per partition its record, changelog and outputs, the offsets of every partition written about with
//! the generation of the batch, commit; only then install. No poll comes in between. A failure that leaves no doubt
//! drops what is in hand and rewinds. One that leaves a doubt drops the producer; `recover` takes a new one and settles it.

use std::collections::BTreeSet;

use crate::broker::{Broker, CommitNote, Producer, Transaction, TransactionError};
use crate::domain::{PartitionId, Timestamp};
use crate::record::Lent;
use crate::runtime::LaneError;
use crate::runtime::calls::{Call, Calling};
use crate::runtime::company::Company;
use crate::runtime::failures::Doing;
use crate::runtime::lane::{Held, Lane};
use crate::runtime::misrouted;
use crate::runtime::pace::Load;
use crate::runtime::recover::Unsettled;
use crate::runtime::status::Transactions;

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
    pub(super) fn commit(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let serving = self.partitions.values().filter_map(Held::as_serving);
        let partitions: BTreeSet<_> =
            serving.filter(|serving| serving.has_uncommitted()).map(|serving| serving.id).collect();
        if partitions.is_empty() {
            self.batch = None;
            return Ok(());
        }
        let note = CommitNote { transactional_id: self.transactional_id.clone(), number: self.next_number };
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
                self.pace.committed(self.most());
                self.succeeded(Doing::Commit);
                Ok(())
            }
            Err(Failed::NotBegun(error)) => {
                self.count(|transactions| transactions.fatal += 1);
                self.producer = None;
                self.roll_back(&partitions, now_ms)?;
                self.failed(Doing::Commit, error.into(), now_ms)
            }
            Err(Failed::Begun(error @ TransactionError::TimedOut { wait, .. })) => {
                self.count(|transactions| transactions.aborted += 1);
                let served = partitions.iter().filter_map(|partition| self.partitions.get(partition)?.as_serving());
                let held = served.fold(Load::default(), |sum, serving| sum.plus(serving.load()));
                self.pace.timed_out(held);
                // Whoever takes the id ends what is open; it was never to be committed.
                self.producer = None;
                self.roll_back(&partitions, now_ms)?;
                self.failed(Doing::Commit, error.into(), now_ms)?;
                self.rest_at_least(wait, now_ms);
                Ok(())
            }
            Err(Failed::Begun(error @ (TransactionError::Abortable { .. } | TransactionError::Denied { .. }))) => {
                self.count(|transactions| transactions.aborted += 1);
                self.roll_back(&partitions, now_ms)?;
                self.failed(Doing::Commit, error.into(), now_ms)
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
                self.failed(Doing::Commit, error.into(), now_ms)
            }
        }
    }

    /// The transaction itself; how many records it wrote.
    fn write(&mut self, partitions: &BTreeSet<PartitionId>, note: &CommitNote) -> Result<u64, Failed> {
        let lacking = |what: &str| TransactionError::Abortable { call: "begin", reason: what.to_owned() };
        let batch = self.batch.as_ref().ok_or_else(|| lacking("no generation was captured"))?;
        let producer = self.producer.as_mut().ok_or_else(|| lacking("no producer"))?;
        let Company { board, clock, .. } = &self.company;
        let mut calling = Calling::note(board, clock, self.index, None, Call::Begin);
        let mut transaction = producer.begin().map_err(Failed::NotBegun)?;
        calling.goes_on_with(Call::Send, clock);
        let believed = self.job.timekeeper.stamp(clock);
        // Early, so that the marker is the latest in the log as long as the clocks agree, and tells the broker's time.
        let stamp = believed.unwrap_or_else(|| clock.wall()).minus_millis(self.job.timekeeper.max_skew_ms());
        let believed_ms = believed.map(Timestamp::millis);
        let mut offsets = Vec::new();
        let mut writes = 0;
        for serving in self.partitions.values_mut().filter_map(Held::as_serving_mut) {
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

    pub(super) fn install(&mut self, partitions: &BTreeSet<PartitionId>, note: &CommitNote) {
        self.commits += 1;
        self.batch = None;
        let mut has_forwarded = false;
        for &partition in partitions {
            let board = self.company.board.clone();
            let now_ms = self.company.clock.monotonic_ms();
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
            misrouted::tell(&self.company.board, &self.job);
        }
    }

    /// Nothing of the transaction will ever be seen: memory and reading go back to what is committed.
    pub(super) fn roll_back(&mut self, partitions: &BTreeSet<PartitionId>, now_ms: u64) -> Result<(), LaneError> {
        self.batch = None;
        for &partition in partitions {
            let is_leaving = self.leaving.contains(&partition) || self.company.faults.of(partition).is_some();
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
    fn most(&self) -> Load {
        let (settings, effects) = (&self.job.settings, self.job.engine.settings().max_effects);
        Load { records: settings.max_batch_records, bytes: settings.max_batch_bytes, effects }
    }

    fn count(&self, change: impl FnOnce(&mut Transactions)) {
        self.company.board.lane(self.index, |lane| change(&mut lane.transactions));
    }

    fn count_batch(&self, partitions: &BTreeSet<PartitionId>, writes: u64, began_ms: u64) {
        let took_ms = self.company.clock.monotonic_ms().saturating_sub(began_ms);
        let serving = partitions.iter().filter_map(|partition| self.partitions.get(partition)?.as_serving());
        let (mut records, mut is_slice) = (0, false);
        for serving in serving {
            records += serving.consumed() as u64;
            is_slice |= serving.is_slice();
        }
        self.company.board.lane(self.index, |lane| {
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
