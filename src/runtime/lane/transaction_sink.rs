//! The ends of a lane's batches: records of one transaction.

use crate::broker::{Topics, Transaction, TransactionError};
use crate::domain::{OutputTopic, PartitionId};
use crate::emit;
use crate::engine::{Announcement, Change};
use crate::guard::guarded;
use crate::pipeline::{DeadLetter, Sink};
use crate::record::{Lent, Message, Outgoing};
use crate::runtime::job::Job;

/// Writes what a batch comes to into an open transaction.
pub(super) struct TransactionSink<'a, T> {
    transaction: &'a mut T,
    job: &'a Job,
    /// Of the changelog's records, where its topic keeps it; in milliseconds.
    changelog_timestamp: i64,
    /// Of all other records; none: the time of sending.
    timestamp: Option<i64>,
    /// The partition whose batch is being written.
    pub partition: PartitionId,
    /// Where the values of outputs are written, one after the other.
    value: Vec<u8>,
    /// Records written so far.
    pub written: u64,
}

impl<'a, T: Transaction> TransactionSink<'a, T> {
    /// Both timestamps in milliseconds since the epoch.
    pub fn new(transaction: &'a mut T, job: &'a Job, changelog_timestamp: i64, timestamp: Option<i64>) -> Self {
        let (value, partition) = (Vec::new(), PartitionId(0));
        Self { transaction, job, changelog_timestamp, timestamp, partition, value, written: 0 }
    }

    fn lend(&mut self, record: Lent<'_>) -> Result<(), TransactionError> {
        lend(self.transaction, &mut self.written, self.timestamp, record)
    }
}

fn lend<T: Transaction>(
    transaction: &mut T,
    written: &mut u64,
    timestamp: Option<i64>,
    record: Lent<'_>,
) -> Result<(), TransactionError> {
    let timestamp = record.timestamp.or(timestamp);
    transaction.send(Lent { timestamp, ..record })?;
    *written += 1;
    Ok(())
}

impl<T: Transaction, M: Message> Sink<M> for TransactionSink<'_, T> {
    type Error = TransactionError;

    fn state(&mut self, change: Change<'_>) -> Result<(), TransactionError> {
        let topics: &Topics = &self.job.topics;
        let record = topics.to_changelog(self.partition, change.key, change.value);
        self.lend(Lent { timestamp: Some(self.changelog_timestamp), ..record })
    }

    fn output(&mut self, announcement: &Announcement) -> Result<(), TransactionError> {
        let Self { transaction, job, timestamp, value, written, .. } = self;
        job.pipeline.emitter().lend(announcement, value, |record| lend(*transaction, written, *timestamp, record))
    }

    fn dead_letter(&mut self, DeadLetter { message, at, reject }: &DeadLetter<M>) -> Result<(), TransactionError> {
        let (topic, limit) =
            (self.job.topics.output(OutputTopic::DeadLetters), self.job.settings.dead_letter_limit.bytes());
        // What couldn't be read to decode it may be as hard to read here.
        let letter = guarded(|| emit::dead_letter(message, reject, at, topic, limit))
            .unwrap_or_else(|_| emit::bare_letter(reject, at, topic));
        letter.lend(|record| self.lend(record))
    }

    fn forward(&mut self, record: &Outgoing) -> Result<(), TransactionError> {
        record.lend(|record| self.lend(record))
    }
}
