//! `tideline reset`: lets partitions start anew, or brings the group's offsets back to what is recorded.
//!
//! A partition is reset in one transaction: tombstones for every user in its changelog, a partition record, and the
//! group's offsets where the record says. So it is as it was, or reset, whoever looks and whatever fails; and a lane finds
//! a record and offsets that agree. The order is that of a new owner: join the group and be given *every* partition (so
//! nobody else is served any), fence what is open, then look. If the group changes on the way, the commit is refused.
//!
//! What is remembered of erased users stays: a reset must not bring back whom it was told to forget.
//!
//! Must not know: rdkafka, the command line.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{
    Broker, BrokerError, ChangelogReader, CommitNote, Committed, Polled, Producer, Source, Topics, Transaction,
    TransactionError,
};
use crate::domain::{Input, PartitionId};
use crate::engine::Partition;
use crate::record::Offset;
use crate::runtime::clock::Clock;
use crate::runtime::job::Job;
use crate::runtime::ownership::{Refusal, in_order};
use crate::runtime::settings::millis;
use crate::state::codec::{Header, Kind};
use crate::state::{InputPosition, PartitionRecord};

/// How partitions go on after a reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Users are forgotten; all that the inputs still hold is folded anew.
    Earliest,
    /// Users are forgotten; the inputs are read from these offsets on, by partition.
    From(BTreeMap<PartitionId, Vec<(Input, Offset)>>),
    /// Users stay; only the group's offsets are set, to the partition record's. With `accept_loss` an input that lost
    /// records before they were read goes on behind them.
    Recorded { accept_loss: bool },
}

impl Target {
    pub fn forgets_users(&self) -> bool {
        !matches!(self, Self::Recorded { .. })
    }
}

/// Why a partition can't be reset so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    #[error("no partition record says what was read; without --offsets-only it starts anew")]
    NoRecord,
    #[error("{0}; without --offsets-only it starts anew")]
    Unreadable(String),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(
        "{topic} begins at offset {earliest}, behind {recorded}, the next to be read; --accept-loss goes on without what \
         is gone"
    )]
    Truncated { topic: Arc<str>, recorded: Offset, earliest: Offset },
}

#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("partition {partition} was not reset; the same command goes on")]
    Transaction {
        partition: PartitionId,
        #[source]
        source: TransactionError,
    },
    #[error("partition {partition}: {why}")]
    Impossible { partition: PartitionId, why: Impossible },
    #[error("the group gave {owned} of {all} partitions within {waited:?}: it has other members; stop them first")]
    OthersLive { owned: usize, all: usize, waited: Duration },
    #[error("the group changed while partitions were reset: a member has joined; stop it, then run the command again")]
    GroupChanged,
}

/// A partition as it stands.
#[derive(Debug, Clone)]
pub struct Survey {
    pub partition: PartitionId,
    users: HashSet<Box<[u8]>>,
    /// The partition record, if there is one; or why it can't be read.
    pub record: Result<Option<PartitionRecord>, String>,
    /// The group's offsets.
    pub committed: Vec<Committed>,
    /// By input, the first offset that can still be read, and where it ends now.
    pub earliest: Vec<(Input, Offset)>,
    pub ends: Vec<(Input, Offset)>,
}

impl Survey {
    /// Reads all of a partition's changelog. `timeout`: of one look at it.
    pub fn of<B: Broker>(broker: &B, partition: PartitionId, timeout: Duration) -> Result<Self, BrokerError> {
        let committed = broker.committed(partition)?;
        let (earliest, ends) = (broker.earliest(partition)?, broker.ends(partition)?);
        let (mut users, mut record) = (HashSet::new(), None);
        let mut changelog = broker.changelog(partition)?;
        while !changelog
            .read(timeout, &mut |read| {
                if read.key == PartitionRecord::KEY {
                    record = read.value.map(<[u8]>::to_vec);
                } else if read.value.is_some_and(is_users) {
                    users.insert(read.key.into());
                } else {
                    users.remove(read.key);
                }
            })?
            .done
        {}
        let record = record.as_deref().map(PartitionRecord::decode).transpose().map_err(|error| error.to_string());
        Ok(Self { partition, users, record, committed, earliest, ends })
    }

    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// The record, if it is there and can be read.
    pub fn readable(&self) -> Option<&PartitionRecord> {
        self.record.as_ref().ok()?.as_ref()
    }

    /// By input, where the partition goes on. `whole`: every partition of the application is reset.
    pub fn positions(&self, target: &Target, whole: bool, topics: &Topics) -> Result<Vec<Offset>, Impossible> {
        let inputs = (0u8..).map(Input).take(topics.inputs.len());
        let of = |offsets: &[(Input, Offset)], input| {
            offsets.iter().find(|(of, _)| *of == input).map_or(0, |(_, offset)| *offset)
        };
        let anew = |input: Input, from: Option<&Vec<(Input, Offset)>>| {
            let (earliest, end) = (of(&self.earliest, input), of(&self.ends, input));
            match from {
                // What it holds was forwarded from inputs that are read again, and forwarded again.
                _ if whole && input == topics.rekey_input() => end,
                None => earliest,
                Some(from) => of(from, input).clamp(earliest, end.max(earliest)),
            }
        };
        match target {
            Target::Earliest => Ok(inputs.map(|input| anew(input, None)).collect()),
            Target::From(by_partition) => {
                Ok(inputs.map(|input| anew(input, by_partition.get(&self.partition))).collect())
            }
            Target::Recorded { .. } if self.is_untouched() => {
                Ok(inputs.map(|input| of(&self.earliest, input)).collect())
            }
            Target::Recorded { accept_loss } => self
                .recorded(topics)?
                .into_iter()
                .zip(inputs)
                .map(|(position, input)| match (position.next_offset, of(&self.earliest, input)) {
                    // An input that was never read.
                    (..0, earliest) => Ok(earliest),
                    (recorded, earliest) if recorded >= earliest => Ok(recorded),
                    (_, earliest) if *accept_loss => Ok(earliest),
                    (recorded, earliest) => {
                        Err(Impossible::Truncated { topic: topics.input(input).clone(), recorded, earliest })
                    }
                })
                .collect(),
        }
    }

    /// Nobody has ever read anything of it, whatever offsets somebody has set.
    fn is_untouched(&self) -> bool {
        let is_at_start = |committed: &Committed| {
            self.earliest.iter().any(|&(input, earliest)| input == committed.input && committed.offset <= earliest)
        };
        matches!(self.record, Ok(None)) && self.users.is_empty() && self.committed.iter().all(is_at_start)
    }

    fn recorded(&self, topics: &Topics) -> Result<Vec<InputPosition>, Impossible> {
        match &self.record {
            Ok(Some(record)) => Ok(in_order(&record.inputs, topics)?),
            Ok(None) => Err(Impossible::NoRecord),
            Err(why) => Err(Impossible::Unreadable(why.clone())),
        }
    }

    /// The last transaction of that id that the partition knows of.
    fn last_number(&self, id: &str) -> u64 {
        let notes = self.committed.iter().filter_map(|committed| committed.note.as_ref());
        let of_record = self.readable().map(|it| (it.transactional_id.as_str(), it.transaction_number));
        let all = notes.map(|note| (&*note.transactional_id, note.number)).chain(of_record);
        all.filter(|(writer, _)| *writer == id).map(|(_, number)| number).max().unwrap_or(0)
    }
}

/// What can't be read is taken for a user's, so that a reset gets rid of it.
fn is_users(value: &[u8]) -> bool {
    Header::read(value).map_or(true, |header| header.kind == Kind::User)
}

/// What a reset has done to a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub users_forgotten: usize,
    /// By input, where it goes on.
    pub positions: Vec<Offset>,
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
    pub fn join(broker: &B, job: &Arc<Job>, id: &str, clock: &Clock, wait: Duration) -> Result<Self, ResetError> {
        let all = broker.topics().partitions.unsigned_abs() as usize;
        let mut source = broker.source(id)?;
        let (mut owned, mut polled) = (BTreeSet::new(), Vec::new());
        let since_ms = clock.monotonic_ms();
        while owned.len() < all {
            if clock.monotonic_ms().saturating_sub(since_ms) > millis(wait) {
                source.close();
                return Err(ResetError::OthersLive { owned: owned.len(), all, waited: wait });
            }
            source.poll(job.settings.poll_timeout, &mut polled)?;
            for told in polled.drain(..) {
                match told {
                    Polled::Assigned(partitions) => owned.extend(partitions),
                    Polled::Revoked { partitions, .. } => owned.retain(|partition| !partitions.contains(partition)),
                    // Nothing flows that was not started.
                    Polled::Record { .. } | Polled::End { .. } => {}
                }
            }
        }
        let producer = broker.producer(id)?;
        Ok(Self { broker: broker.clone(), job: job.clone(), id: id.into(), source, producer, next_number: 1 })
    }

    /// Resets one partition. `whole`: all of them will be.
    pub fn reset(&mut self, partition: PartitionId, target: &Target, whole: bool) -> Result<Done, ResetError> {
        for writer in self.broker.open_writers(partition)? {
            if *writer != *self.id {
                tracing::warn!(partition = partition.0, predecessor = &*writer, "fence what was left open");
                self.broker.fence(&writer)?;
            }
        }
        let survey = Survey::of(&self.broker, partition, self.job.settings.restore_timeout)?;
        let positions = survey
            .positions(target, whole, &self.job.topics)
            .map_err(|why| ResetError::Impossible { partition, why })?;
        self.hear()?;
        self.next_number = self.next_number.max(survey.last_number(&self.id) + 1);
        let note = CommitNote { transactional_id: self.id.clone(), number: self.next_number };
        self.next_number += 1;
        let record = self.record(&survey, target, &positions, &note);
        let forgotten = if target.forgets_users() { survey.users } else { HashSet::new() };
        let done = Done { users_forgotten: forgotten.len(), positions };
        self.write(partition, &record, &forgotten, &done.positions, &note)
            .map_err(|source| ResetError::Transaction { partition, source })?;
        Ok(done)
    }

    /// Leaves the group.
    pub fn close(self) {
        self.source.close();
    }

    /// Stays a member, and sees whether it still has everything.
    fn hear(&mut self) -> Result<(), ResetError> {
        let mut polled = Vec::new();
        self.source.poll(Duration::ZERO, &mut polled)?;
        let is_changed = polled.iter().any(|told| matches!(told, Polled::Revoked { .. }));
        if is_changed { Err(ResetError::GroupChanged) } else { Ok(()) }
    }

    fn record(&self, survey: &Survey, target: &Target, positions: &[Offset], note: &CommitNote) -> PartitionRecord {
        let kept = survey.readable().filter(|_| !target.forgets_users());
        let mut record = kept.cloned().unwrap_or_default();
        let newest = |topic: &str| record.inputs.iter().find(|input| input.topic == topic);
        let inputs = self.job.topics.inputs.iter().zip(positions).map(|(topic, &next_offset)| InputPosition {
            topic: topic.as_ref().to_owned(),
            next_offset,
            newest: newest(topic).and_then(|input| input.newest),
            silent: newest(topic).is_some_and(|input| input.silent),
            forwarded_to: newest(topic).map_or(0, |input| input.forwarded_to),
            handled: newest(topic).map(|input| input.handled.clone()).unwrap_or_default(),
        });
        record.inputs = inputs.collect();
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
        positions: &[Offset],
        note: &CommitNote,
    ) -> Result<(), TransactionError> {
        let topics = &self.job.topics;
        // What was captured when the transaction begins is what fences: nothing is polled until it has ended.
        let generation = self
            .source
            .generation()
            .map_err(|error| TransactionError::Abortable { call: "generation", reason: error.to_string() })?;
        let mut transaction = self.producer.begin()?;
        transaction.lend(topics.to_changelog(partition, PartitionRecord::KEY, Some(&record.encode())))?;
        for user in forgotten {
            transaction.lend(topics.to_changelog(partition, user, None))?;
        }
        let offsets: Vec<_> = note.offsets(partition, positions).collect();
        transaction.send_offsets(&offsets, &generation)?;
        transaction.commit()
    }
}
