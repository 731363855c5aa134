//! `tideline reset`: lets partitions start over, or brings the group's offsets back to what is recorded.
//!
//! A partition is reset in one transaction: tombstones for every user in its changelog, a partition record, and the
//! group's offsets where the record says. So it is as it was, or reset, whoever looks and whatever fails; and a lane
//! finds a record and offsets that agree. The order is that of a new owner: join the group and be given *every*
//! partition (so nobody else is served any), fence what is open, then look. If the group changes on the way, the commit
//! is refused.
//!
//! What is remembered of erased users stays: a reset must not bring back whom an erasure has forgotten.
//!
//! Must not know: rdkafka, the command line.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{
    Broker, CommitMetadata, ForwardProgress, OffsetCommit, Polled, Producer, RecordLookup, Source, Transaction,
    TransactionError,
};
use crate::domain::PartitionId;
use crate::engine::Partition;
use crate::pipeline::Identities;
use crate::record::{Offset, Outgoing};
use crate::runtime::clock::Clock;
use crate::runtime::job::Job;
use crate::runtime::operator::error::ResetError;
use crate::runtime::operator::skip::{Plan, Skip};
use crate::runtime::operator::survey::{Survey, Target};
use crate::runtime::recovery::start::in_order;
use crate::runtime::recovery::takeover;
use crate::runtime::settings::millis;
use crate::state::{InputPosition, PartitionRecord};

/// What a reset has done to a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Users whose state was tombstoned.
    pub users_forgotten: usize,
    /// By input, where it goes on.
    pub positions: Vec<Offset>,
    /// What was given up by that, in words.
    pub lost: Vec<String>,
}

/// The only member of its group, with every partition: who may reset.
pub struct Resetter<B: Broker> {
    broker: B,
    job: Arc<Job>,
    id: Arc<str>,
    source: B::Source,
    producer: B::Producer,
    next_number: u64,
}

impl<B: Broker> Resetter<B> {
    /// Joins the group, waiting for at most `wait` to be given every partition. `id`: its transactional id.
    ///
    /// # Errors
    ///
    /// [`ResetError::OthersLive`] when it was not given everything in time; the broker's.
    pub fn join(broker: &B, job: &Arc<Job>, id: &str, clock: &Clock, wait: Duration) -> Result<Self, ResetError> {
        let all = broker.topics().partitions.unsigned_abs() as usize;
        let mut source = broker.source(id)?;
        let (mut owned, mut polled) = (BTreeSet::new(), Vec::new());
        let since_ms = clock.monotonic_ms();
        while owned.len() < all {
            if clock.monotonic_ms().saturating_sub(since_ms) > millis(wait) {
                drop(source);
                return Err(ResetError::OthersLive { owned: owned.len(), all, waited: wait });
            }
            source.poll(job.settings.poll_timeout.duration(), &mut polled)?;
            for event in polled.drain(..) {
                match event {
                    Polled::Assigned(partitions) => owned.extend(partitions),
                    Polled::Revoked { partitions, .. } => owned.retain(|partition| !partitions.contains(partition)),
                    // Nothing flows that was not started.
                    Polled::Record { .. } | Polled::End { .. } | Polled::OutOfRange { .. } => {}
                }
            }
        }
        let producer = broker.producer(id)?;
        Ok(Self { broker: broker.clone(), job: job.clone(), id: id.into(), source, producer, next_number: 1 })
    }

    /// Resets one partition. `whole`: all of them will be.
    ///
    /// # Errors
    ///
    /// The partition can't be reset so, the group has changed, or the transaction failed: then it is as it was.
    pub fn reset(&mut self, partition: PartitionId, target: &Target, whole: bool) -> Result<Done, ResetError> {
        let survey = self.survey(partition)?;
        let positions = survey
            .positions(target, whole, &self.job.topics)
            .map_err(|why| ResetError::Impossible { partition, why })?;
        self.commit(survey, target, positions, None)
    }

    /// Passes one record over: it goes to the dead letters.
    ///
    /// # Errors
    ///
    /// As [`Self::reset`]; [`ResetError::Impossible`] of a record that is not the next.
    pub fn skip(&mut self, skip: &Skip) -> Result<Plan, ResetError>
    where
        B: RecordLookup,
    {
        let survey = self.survey(skip.partition)?;
        let plan = skip.plan(&self.broker, &survey, &self.job)?;
        self.commit(survey, &Target::Recorded { accept_loss: false }, plan.positions.clone(), Some(&plan.letter))?;
        Ok(plan)
    }

    /// Fences what is open, then looks.
    fn survey(&self, partition: PartitionId) -> Result<Survey, ResetError> {
        for writer in self.broker.open_writers(partition)? {
            if *writer != *self.id {
                tracing::warn!(partition = partition.0, predecessor = &*writer, "fence what was left open");
                takeover::fence(&self.broker, &writer)?;
            }
        }
        Ok(Survey::of(&self.broker, partition, self.job.settings.restore_timeout.duration())?)
    }

    fn commit(
        &mut self,
        survey: Survey,
        target: &Target,
        positions: Vec<Offset>,
        letter: Option<&Outgoing>,
    ) -> Result<Done, ResetError> {
        let partition = survey.partition;
        self.hear()?;
        self.next_number = self.next_number.max(survey.last_number(&self.id) + 1);
        let note = CommitMetadata { transactional_id: self.id.clone(), number: self.next_number };
        self.next_number += 1;
        let record = self.record(&survey, target, &positions, letter.is_some(), &note);
        let lost = survey.losses(target, &self.job.topics);
        let forgotten = if target.forgets_users() { survey.users } else { HashSet::new() };
        let done = Done { users_forgotten: forgotten.len(), positions, lost };
        self.write(partition, &record, &forgotten, letter, &note)
            .map_err(|source| ResetError::Transaction { partition, source })?;
        Ok(done)
    }

    /// Leaves the group.
    pub fn close(self) {
        drop(self.source);
    }

    /// Stays a member, and sees whether it still has everything.
    fn hear(&mut self) -> Result<(), ResetError> {
        let mut polled = Vec::new();
        self.source.poll(Duration::ZERO, &mut polled)?;
        let is_changed = polled.iter().any(|event| matches!(event, Polled::Revoked { .. }));
        if is_changed { Err(ResetError::GroupChanged) } else { Ok(()) }
    }

    /// `is_skip`: one record alone is passed over.
    fn record(
        &self,
        survey: &Survey,
        target: &Target,
        positions: &[Offset],
        is_skip: bool,
        note: &CommitMetadata,
    ) -> PartitionRecord {
        let kept = survey.readable().filter(|_| !target.forgets_users());
        let mut record = kept.cloned().unwrap_or_default();
        let newest = |topic: &str| record.inputs.iter().find(|input| input.topic == topic);
        // What was done ahead of an offset holds from that offset on only, or behind the one that is skipped.
        let of_same = |topic: &str, next: Offset| newest(topic).filter(|input| is_skip || input.next_offset == next);
        let known = in_order(&record.inputs, &self.job.topics).unwrap_or_default();
        let known = Identities::of(&PartitionRecord { inputs: known, ..PartitionRecord::default() });
        let now = Identities { changelog: record.changelog_topic_id, ..known }.updated(&survey.topics);
        let inputs = self.job.topics.inputs.iter().zip(positions).zip(&now.inputs);
        let inputs = inputs.map(|((topic, &next_offset), identity)| InputPosition {
            topic: topic.as_ref().to_owned(),
            next_offset,
            newest: newest(topic).and_then(|input| input.newest),
            silent: newest(topic).is_some_and(|input| input.silent),
            forwarded_to: of_same(topic, next_offset).map_or(0, |input| input.forwarded_to),
            // Of one that was skipped, what lies behind it.
            handled: of_same(topic, next_offset).map_or_else(Vec::new, |input| {
                input.handled.iter().copied().filter(|&offset| offset >= next_offset).collect()
            }),
            topic_id: identity.id,
            partitions: identity.partitions,
        });
        record.inputs = inputs.collect();
        record.changelog_topic_id = now.changelog;
        record.transactional_id = note.transactional_id.as_ref().to_owned();
        record.transaction_number = note.number;
        record.partitioner = self.job.settings.partitioner;
        if kept.is_none() {
            Partition::new(self.job.engine.clone()).fill_record(&mut record);
        }
        record
    }

    fn write(
        &mut self,
        partition: PartitionId,
        record: &PartitionRecord,
        forgotten: &HashSet<Box<[u8]>>,
        letter: Option<&Outgoing>,
        note: &CommitMetadata,
    ) -> Result<(), TransactionError> {
        let topics = &self.job.topics;
        // What was captured when the transaction begins is what fences: nothing is polled until it has ended.
        let generation = self.source.generation().map_err(|error| TransactionError::abortable("generation", error))?;
        let mut transaction = self.producer.begin()?;
        transaction.send(topics.to_changelog(partition, PartitionRecord::KEY, Some(&record.encode())))?;
        for user in forgotten {
            transaction.send(topics.to_changelog(partition, user, None))?;
            for output in topics.compacted_outputs() {
                transaction.send(topics.tombstone(output, user))?;
            }
        }
        if let Some(letter) = letter {
            letter.lend(|letter| transaction.send(letter))?;
        }
        let positions: Vec<_> = record.inputs.iter().map(|input| input.next_offset).collect();
        // What it must forward is not known before somebody reads it.
        let front = ForwardProgress { forwarded: record.forwarded, ..ForwardProgress::default() };
        let offsets: Vec<_> = OffsetCommit::all(note, partition, &positions, front).collect();
        transaction.send_offsets(&offsets, &generation)?;
        transaction.commit()
    }
}
