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
    Broker, BrokerError, ChangelogReader, CommitMetadata, Committed, ForwardProgress, LogRange, Polled, Producer,
    RecordLookup, Source, TopicDescription, Topics, Transaction, TransactionError,
};
use crate::domain::{Input, PartitionId, TopicId};
use crate::engine::Partition;
use crate::record::{Offset, Outgoing};
use crate::runtime::clock::Clock;
use crate::runtime::job::Job;
use crate::runtime::operator::skip::{Plan, Skip, Unskippable};
use crate::runtime::recovery::identity::{self, Identities, Place, Sameness};
use crate::runtime::recovery::ownership::{Refusal, in_order};
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
    /// records before they were read goes on behind them, and one that was made anew at its start.
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
    #[error(transparent)]
    Unskippable(Unskippable),
    #[error(
        "{topic} begins at offset {earliest}, behind {recorded}, the next to be read; --accept-loss goes on without what \
         is gone"
    )]
    Truncated { topic: Arc<str>, recorded: Offset, earliest: Offset },
    #[error(
        "{topic} was deleted and made anew: its id is {found}, what was read of it was {recorded}; {place}. --accept-loss reads \
         the new one from its start; what the old one held unread is lost"
    )]
    Recreated { topic: Arc<str>, recorded: TopicId, found: TopicId, place: Place },
    #[error(
        "{topic} ends at offset {end}, before {recorded}, the next to be read; --accept-loss goes on at {goes_on}, and what is \
         gone is lost"
    )]
    BeyondTheEnd { topic: Arc<str>, recorded: Offset, end: Offset, goes_on: Offset },
    #[error(
        "the group has no offset of {topic}, which was read to {recorded}, and no record says which topic that was: it may have \
         been made anew since; --accept-loss goes on at {recorded}, and if it was, what lies before is lost"
    )]
    MayBeAnother { topic: Arc<str>, recorded: Offset },
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
    /// The topics as they are: by input, then the changelog.
    pub topics: Vec<TopicDescription>,
    bounds: Vec<LogRange>,
}

impl Survey {
    /// Reads all of a partition's changelog. `timeout`: of one look at it.
    pub fn of<B: Broker>(broker: &B, partition: PartitionId, timeout: Duration) -> Result<Self, BrokerError> {
        let committed = broker.committed(partition)?;
        let (topics, bounds, ends) =
            (broker.describe_topics()?, broker.log_ranges(partition)?, broker.ends(partition)?);
        let earliest = (0u8..).map(Input).zip(bounds.iter().map(|bounds| bounds.earliest)).collect();
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
        Ok(Self { partition, users, record, committed, earliest, ends, topics, bounds })
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
        identity::unfit(&self.topics).map_or(Ok(()), Err)?;
        match target {
            Target::Earliest => Ok(inputs.map(|input| anew(input, None)).collect()),
            Target::From(by_partition) => {
                Ok(inputs.map(|input| anew(input, by_partition.get(&self.partition))).collect())
            }
            Target::Recorded { .. } if self.is_untouched() => {
                Ok(inputs.map(|input| of(&self.earliest, input)).collect())
            }
            Target::Recorded { accept_loss } => {
                let losses = self.judge_recorded(topics)?;
                losses.into_iter().map(|place| place.accept(*accept_loss)).collect()
            }
        }
    }

    /// What `--accept-loss` gives up, in words: of each input that can't be gone on with where the record says.
    pub fn losses(&self, target: &Target, topics: &Topics) -> Vec<String> {
        if *target != (Target::Recorded { accept_loss: true }) || self.is_untouched() {
            return Vec::new();
        }
        let judged = self.judge_recorded(topics).unwrap_or_default();
        judged.into_iter().filter_map(|place| Some(place.lost?.1)).collect()
    }

    /// By input, where the record says that reading goes on; and where it can't, what is lost by going on elsewhere.
    fn judge_recorded(&self, topics: &Topics) -> Result<Vec<GoesOn>, Impossible> {
        let inputs = self.recorded(topics)?;
        let known =
            Identities { changelog: self.readable().and_then(|it| it.changelog_topic_id), ..Identities::default() };
        if let Some(refusal) = identity::recreated(&known, &self.topics, &[], &[]) {
            // It held the users, which nothing brings back.
            return Err(refusal.into());
        }
        let record = PartitionRecord { inputs, ..PartitionRecord::default() };
        let known = Identities::of(&record);
        let judge = |(input, position): (Input, &InputPosition)| {
            let sameness = known.sameness(input, &self.topics);
            self.judge_input(topics.input(input), input, position.next_offset, sameness)
        };
        Ok((0u8..).map(Input).zip(&record.inputs).map(judge).collect())
    }

    fn judge_input(&self, topic: &Arc<str>, input: Input, recorded: Offset, sameness: Sameness) -> GoesOn {
        let bounds = self.bounds.get(input.index()).copied().unwrap_or_default();
        let (topic, LogRange { earliest, end }) = (topic.clone(), bounds);
        let lost = |at, why, what| GoesOn { at, lost: Some((why, what)) };
        if recorded < 0 {
            // An input that was never read.
            return GoesOn { at: earliest, lost: None };
        }
        if let Sameness::Other(old, found) = sameness {
            let what =
                format!("{topic}: what the topic that was deleted held from {recorded} on; the new one is read whole");
            let place = Place { position: Some(recorded), bounds };
            return lost(earliest, Impossible::Recreated { topic, recorded: old, found, place }, what);
        }
        if recorded > end {
            // What it holds was read, if it is the same; else none of it was.
            let at = if sameness == Sameness::Same { end } else { earliest };
            let what = format!("{topic}: what lay before {recorded} and is gone; it goes on at {at}");
            return lost(at, Impossible::BeyondTheEnd { topic, recorded, end, goes_on: at }, what);
        }
        if recorded < earliest {
            let what =
                format!("{topic}: offsets {recorded} to {}, which were deleted before they were read", earliest - 1);
            return lost(earliest, Impossible::Truncated { topic, recorded, earliest }, what);
        }
        let has_offset = self.committed.iter().any(|committed| committed.input == input);
        if sameness == Sameness::Unknown && !has_offset {
            let what = format!("{topic}: what lies before {recorded}, if the topic was made anew since");
            return lost(recorded, Impossible::MayBeAnother { topic, recorded }, what);
        }
        GoesOn { at: recorded, lost: None }
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

/// Where an input goes on, and what is lost by that, with the words for it.
struct GoesOn {
    at: Offset,
    lost: Option<(Impossible, String)>,
}

impl GoesOn {
    fn accept(self, accepts_loss: bool) -> Result<Offset, Impossible> {
        match self.lost {
            Some((why, _)) if !accepts_loss => Err(why),
            _ => Ok(self.at),
        }
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
                    Polled::Record { .. } | Polled::End { .. } | Polled::OutOfRange { .. } => {}
                }
            }
        }
        let producer = broker.producer(id)?;
        Ok(Self { broker: broker.clone(), job: job.clone(), id: id.into(), source, producer, next_number: 1 })
    }

    /// Resets one partition. `whole`: all of them will be.
    pub fn reset(&mut self, partition: PartitionId, target: &Target, whole: bool) -> Result<Done, ResetError> {
        let survey = self.survey(partition)?;
        let positions = survey
            .positions(target, whole, &self.job.topics)
            .map_err(|why| ResetError::Impossible { partition, why })?;
        self.commit(survey, target, positions, None)
    }

    /// Passes one record over: it goes to the dead letters.
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
                self.broker.fence(&writer)?;
            }
        }
        Ok(Survey::of(&self.broker, partition, self.job.settings.restore_timeout)?)
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
        self.source.close();
    }

    /// Stays a member, and sees whether it still has everything.
    fn hear(&mut self) -> Result<(), ResetError> {
        let mut polled = Vec::new();
        self.source.poll(Duration::ZERO, &mut polled)?;
        let is_changed = polled.iter().any(|told| matches!(told, Polled::Revoked { .. }));
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
        let generation = self
            .source
            .generation()
            .map_err(|error| TransactionError::Abortable { call: "generation", reason: error.to_string() })?;
        let mut transaction = self.producer.begin()?;
        transaction.lend(topics.to_changelog(partition, PartitionRecord::KEY, Some(&record.encode())))?;
        for user in forgotten {
            transaction.lend(topics.to_changelog(partition, user, None))?;
        }
        if let Some(letter) = letter {
            letter.lend(|letter| transaction.lend(letter))?;
        }
        let positions: Vec<_> = record.inputs.iter().map(|input| input.next_offset).collect();
        // What it must forward is not known before somebody reads it.
        let front = ForwardProgress { forwarded: record.forwarded, ..ForwardProgress::default() };
        let offsets: Vec<_> = note.offsets(partition, &positions, front).collect();
        transaction.send_offsets(&offsets, &generation)?;
        transaction.commit()
    }
}
