//! One transaction for everything in hand, and what memory does about each of its outcomes.
//!
//! The order: begin, per partition its record, changelog and outputs, the offsets of every partition written about with
//! the generation of the batch, commit; only then install. No poll comes in between. A failure that leaves no doubt
//! drops what is in hand and rewinds. One that leaves a doubt drops the producer; a new one with the same id ends what
//! was open, and then the group's offsets tell, by their notes, what became of the transaction.

use std::collections::BTreeSet;

use crate::broker::{Broker, BrokerError, CommitNote, Producer, Source, Transaction, TransactionError};
use crate::domain::PartitionId;
use crate::runtime::LaneError;
use crate::runtime::failures::Doing;
use crate::runtime::lane::{Held, Lane, Next};
use crate::runtime::ownership::{Verdict, verdict};
use crate::runtime::restore::Restore;
use crate::runtime::serving::Serving;
use crate::runtime::status::Transactions;

/// A transaction whose outcome must be learnt before anything of its partitions is handled.
#[derive(Debug)]
pub(super) struct Unsettled {
    pub note: CommitNote,
    /// Those of it that the lane still owns.
    pub partitions: BTreeSet<PartitionId>,
}

impl<B: Broker> Lane<B> {
    /// Commits what is in hand; afterwards nothing is, or its outcome is [`Lane::unsettled`].
    pub(super) fn commit(&mut self, now_ms: u64) -> Result<(), LaneError> {
        let serving = self.partitions.values().filter_map(Held::as_serving);
        let partitions: BTreeSet<_> =
            serving.filter(|serving| serving.has_in_hand()).map(|serving| serving.id).collect();
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
                self.succeeded(Doing::Commit);
                Ok(())
            }
            Err(error @ TransactionError::Abortable { .. }) => {
                self.count(|transactions| transactions.aborted += 1);
                self.roll_back(&partitions)?;
                self.failed(Doing::Commit, error.into(), now_ms)
            }
            Err(error) => {
                self.count(|transactions| match error {
                    TransactionError::OutcomeUnknown { .. } => transactions.unknown += 1,
                    _ => transactions.fatal += 1,
                });
                tracing::warn!(lane = self.index, "{error}; a new producer settles it");
                self.producer = None;
                self.unsettled = Some(Unsettled { note, partitions });
                self.batch = None;
                Ok(())
            }
        }
    }

    /// The transaction itself; how many records it wrote.
    fn write(&mut self, partitions: &BTreeSet<PartitionId>, note: &CommitNote) -> Result<u64, TransactionError> {
        let lacking = |what: &str| TransactionError::Abortable { call: "begin", reason: what.to_owned() };
        let batch = self.batch.as_ref().ok_or_else(|| lacking("no generation was captured"))?;
        let producer = self.producer.as_mut().ok_or_else(|| lacking("no producer"))?;
        let mut transaction = producer.begin()?;
        let mut offsets = Vec::new();
        let mut writes = 0;
        for serving in self.partitions.values_mut().filter_map(Held::as_serving_mut) {
            if !partitions.contains(&serving.id) {
                continue;
            }
            for record in serving.writes(note, &self.job) {
                writes += 1;
                if let Err(error) = transaction.send(record) {
                    return Err(give_up(transaction, error));
                }
            }
            offsets.extend(serving.offsets(note));
        }
        if let Err(error) = transaction.send_offsets(&offsets, &batch.generation) {
            return Err(give_up(transaction, error));
        }
        transaction.commit()?;
        Ok(writes)
    }

    fn install(&mut self, partitions: &BTreeSet<PartitionId>, note: &CommitNote) {
        self.commits += 1;
        self.batch = None;
        for &partition in partitions {
            let board = self.company.board.clone();
            if let Some(serving) = self.serving(partition) {
                let installed = serving.install(note.clone());
                board.partition(partition, |status| {
                    installed.add_to(status);
                    serving.show(status);
                });
            }
        }
    }

    /// Nothing of the transaction will ever be seen: memory and reading go back to what is committed.
    fn roll_back(&mut self, partitions: &BTreeSet<PartitionId>) -> Result<(), LaneError> {
        self.batch = None;
        for &partition in partitions {
            let is_leaving = self.leaving.contains(&partition);
            let Some(serving) = self.serving(partition) else { continue };
            serving.discard();
            let positions = serving.positions();
            if !is_leaving {
                self.source.start(partition, &positions)?;
            }
        }
        Ok(())
    }

    /// Takes the transactional id: what an earlier holder had open is aborted. Then settles what was left in doubt.
    pub(super) fn recover(&mut self, now_ms: u64) -> Result<(), LaneError> {
        if self.producer.is_none() {
            match self.broker.producer(&self.transactional_id) {
                Ok(producer) => self.producer = Some(producer),
                Err(error) => return self.failed(Doing::Recover, error.into(), now_ms),
            }
        }
        let Some(Unsettled { note, mut partitions }) = self.unsettled.take() else {
            self.succeeded(Doing::Recover);
            return Ok(());
        };
        while let Some(partition) = partitions.pop_first() {
            let found = match self.broker.committed(partition) {
                Ok(found) => Some(found),
                // Another has something open there: whatever it is, memory can't be trusted.
                Err(BrokerError::NoProgress { .. }) => None,
                Err(error) => {
                    partitions.insert(partition);
                    self.unsettled = Some(Unsettled { note, partitions });
                    return self.failed(Doing::Recover, error.into(), now_ms);
                }
            };
            let Some(serving) = self.serving(partition) else { continue };
            let before = serving.written.clone();
            let verdict = found.map_or(Verdict::Unknown, |found| verdict(&note, before.as_ref(), &found));
            tracing::info!(partition = partition.0, number = note.number, ?verdict, "settled");
            let only = BTreeSet::from([partition]);
            match verdict {
                Verdict::Committed => self.install(&only, &note),
                Verdict::NotCommitted => self.roll_back(&only)?,
                Verdict::Unknown => {
                    let restore = Restore::new(partition, None, now_ms);
                    self.partitions.insert(partition, Held::Restoring(Box::new(restore)));
                }
            }
        }
        self.succeeded(Doing::Recover);
        // Whatever was decided: first hear whether the partitions are still ours.
        self.next = Next::Poll;
        Ok(())
    }

    fn count(&self, change: impl FnOnce(&mut Transactions)) {
        self.company.board.lane(self.index, |lane| change(&mut lane.transactions));
    }

    fn count_batch(&self, partitions: &BTreeSet<PartitionId>, writes: u64, began_ms: u64) {
        let took_ms = self.company.clock.monotonic_ms().saturating_sub(began_ms);
        let serving = partitions.iter().filter_map(|partition| self.partitions.get(partition)?.as_serving());
        let records = serving.map(Serving::consumed).sum::<usize>() as u64;
        self.company.board.lane(self.index, |lane| {
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
