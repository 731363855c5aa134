//! The embedded log: the seam's broker in memory, a peer of the real one. `demo`, `replay` and the simulation run on it.
//!
//! It is transactional, fences by id and by generation, hides open and aborted data, compacts, and burns an offset a
//! commit, as the conformance suite holds it to. It keeps no time unless it is given a clock ([`Memory::keep_time`]), and
//! starts no thread: driven by one thread it is deterministic, shared by several it waits on one condition variable.
//!
//! Bounded in bytes: see [`MemorySettings`]; what retention drops is counted in [`Memory::dropped`].
//!
//! Must not know: lanes, events, rules. May break it: a lock held while a caller's code runs; a change of the logs
//! before the journal has it.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{
    Broker, BrokerError, BrokerTime, CommitMetadata, Committed, ErrorClass, ForwardProgress, Isolation, LogRange,
    PartitionOffsets, RecordLookup, TopicDescription, Topics,
};
use crate::domain::{Input, PartitionId};
use crate::record::{Offset, Outgoing};

mod changelog;
mod codec;
mod fault;
mod frame;
mod group;
mod journal;
mod log;
mod logs;
mod producer;
mod source;
mod topics;
mod transaction;

pub use changelog::MemoryChangelog;
pub use fault::Fault;
pub use group::MemoryGeneration;
pub use journal::JournalError;
pub use log::{Dropped, MemoryMessage};
pub use producer::{MemoryProducer, MemoryTransaction};
pub use source::MemorySource;

use journal::Journal;
use log::PartitionLog;
use transaction::State;

/// The bounds of an embedded log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemorySettings {
    /// Bytes a partition of a topic keeps. Of a compacted one: how far it may grow beyond twice its live values.
    pub partition_bytes: u64,
    /// Bytes a transaction may have open; beyond them it can only be aborted.
    pub transaction_bytes: u64,
    /// Records one poll brings at most, and one read of a changelog.
    pub poll_records: usize,
    /// How long [`Broker::committed`] and a changelog wait for an open transaction. Zero where one thread drives all.
    pub patience: Duration,
    /// A journal is begun anew, from what is live, once it is longer than this and has doubled since the last time.
    pub journal_bytes: u64,
    /// Partitions of each output; none: as many as the inputs have.
    pub output_partitions: Option<i32>,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self {
            partition_bytes: 64 << 20,
            transaction_bytes: 256 << 20,
            poll_records: 1000,
            patience: Duration::ZERO,
            journal_bytes: 64 << 20,
            output_partitions: None,
        }
    }
}

/// A connection to an embedded log; clones share it.
#[derive(Debug, Clone)]
pub struct Memory {
    topics: Arc<Topics>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told of every change that a waiting reader may be waiting for.
    changed: Condvar,
    time: Time,
}

/// What the log says of the time; none: it has no clock of its own.
#[derive(Default)]
struct Time(Mutex<Option<Box<TellTime>>>);

type TellTime = dyn Fn() -> BrokerTime + Send;

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Time")
    }
}

impl Shared {
    /// No change leaves the state half done at a point that can panic, so a poisoned lock still guards a whole one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while `idle`, for at most `timeout`; a zero timeout doesn't give up the lock.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        timeout: Duration,
        mut idle: impl FnMut(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        if timeout.is_zero() {
            return state;
        }
        let waited = self.changed.wait_timeout_while(state, timeout, |state| idle(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Memory {
    /// An empty log that ends with the process.
    pub fn new(topics: Topics, settings: MemorySettings) -> Self {
        let state = State::new(&topics, settings);
        Self {
            topics: Arc::new(topics),
            shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), time: Time::default() }),
        }
    }

    /// A log whose commits are journalled in `directory`, and that begins with what is journalled there.
    pub fn open(topics: Topics, settings: MemorySettings, directory: &Path) -> Result<Self, JournalError> {
        let memory = Self::new(topics, settings);
        let mut state = memory.shared.lock();
        let journal = Journal::open(directory, identity(&memory.topics, settings), settings.journal_bytes, |frame| {
            state.restore(frame)
        })?;
        state.journal = Some(journal);
        state.tidy_all();
        drop(state);
        Ok(memory)
    }

    /// A plain record, committed at once: where it was put. Refused, retriable, while an open transaction keeps a full
    /// partition from dropping anything.
    pub fn produce(&self, record: Outgoing) -> Result<(PartitionId, Offset), BrokerError> {
        let mut state = self.shared.lock();
        let (id, contents) = record.lend(|record| state.logs.place(record))?;
        if state.is_stuffed(id) {
            return Err(BrokerError::Client {
                what: format!("embedded log, {}", state.logs.name(id)),
                reason: "the partition is full, and an open transaction holds all of it".to_owned(),
                class: ErrorClass::Retriable,
            });
        }
        let offset = state.append_plain(id, contents).map_err(journal_failed)?;
        drop(state);
        self.shared.changed.notify_all();
        Ok((id.partition, offset))
    }

    /// From now on the log has a clock of its own.
    pub fn keep_time(&self, tell: impl Fn() -> BrokerTime + Send + 'static) {
        *self.shared.time.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(tell));
    }

    /// Up to `limit` records of a partition from an offset on.
    pub fn read(
        &self,
        topic: &str,
        partition: PartitionId,
        from: Offset,
        isolation: Isolation,
        limit: usize,
    ) -> Result<Vec<MemoryMessage>, BrokerError> {
        let state = self.shared.lock();
        let id = state.logs.id(topic, partition)?;
        Ok(state.logs[id].fetch(from, isolation, limit).messages)
    }

    /// The next record's offset.
    pub fn high_watermark(&self, topic: &str, partition: PartitionId) -> Result<Offset, BrokerError> {
        let state = self.shared.lock();
        state.logs.id(topic, partition).map(|id| state.logs[id].high_watermark())
    }

    /// Everything before it is committed or aborted.
    pub fn last_stable_offset(&self, topic: &str, partition: PartitionId) -> Result<Offset, BrokerError> {
        let state = self.shared.lock();
        state.logs.id(topic, partition).map(|id| state.logs[id].last_stable_offset())
    }

    /// Offsets of an input that lie before its end and that the group has not committed: how far it is behind.
    pub fn lag(&self, input: Input, partition: PartitionId) -> u64 {
        let state = self.shared.lock();
        let Some(id) = state.logs.input(input, partition) else { return 0 };
        let log = &state.logs[id];
        let committed = state.offsets.get(&(partition, input)).map_or(0, |committed| committed.offset);
        log.last_stable_offset().saturating_sub(committed.max(log.start())).max(0) as u64
    }

    /// Compacts every partition of a topic now. A tombstone goes with the second compaction that sees it.
    pub fn compact(&self, topic: &str) -> Result<(), BrokerError> {
        let mut state = self.shared.lock();
        for partition in 0..state.logs.partitions_of(topic) {
            let id = state.logs.id(topic, PartitionId(partition))?;
            state.logs[id].compact();
        }
        Ok(())
    }

    /// What retention took away so far, over all topics.
    pub fn dropped(&self) -> Dropped {
        self.shared.lock().dropped
    }

    /// Bytes held in all topics.
    pub fn bytes(&self) -> u64 {
        let state = self.shared.lock();
        state.logs.ids().map(|id| state.logs[id].bytes()).sum()
    }

    /// Queues a fault for the next operation that it fits.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().faults.push(fault);
        self.shared.changed.notify_all();
    }

    /// Faults that no operation has met yet.
    pub fn waiting_faults(&self) -> Vec<Fault> {
        self.shared.lock().faults.waiting()
    }

    /// Forgets the faults that no operation has met yet.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// The group revokes everything and hands it out anew.
    pub fn rebalance(&self) {
        self.shared.lock().group.rebalance();
        self.shared.changed.notify_all();
    }

    /// The members of that name are taken for dead, as after a session timeout. One that lives finds its partitions lost.
    pub fn expire(&self, member: &str) {
        let mut state = self.shared.lock();
        for id in state.group.named(member) {
            state.group.remove(id);
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// The group's offsets of a partition are gone, as after their retention. A journal is not told.
    pub fn forget_offsets(&self, partition: PartitionId) {
        self.shared.lock().offsets.retain(|key, _| key.0 != partition);
    }

    fn of_inputs<T>(
        &self,
        partition: PartitionId,
        of_log: impl Fn(Input, &PartitionLog) -> T,
    ) -> Result<Vec<(Input, T)>, BrokerError> {
        let state = self.shared.lock();
        let inputs = (0u8..).map(Input).zip(&self.topics.inputs);
        let of = |input, topic: &str| Ok((input, of_log(input, &state.logs[state.logs.id(topic, partition)?])));
        inputs.map(|(input, topic)| of(input, topic)).collect()
    }
}

impl RecordLookup for Memory {
    fn first_between(
        &self,
        input: Input,
        partition: PartitionId,
        from: Offset,
        end: Offset,
    ) -> Result<Option<MemoryMessage>, BrokerError> {
        let found = self.read(self.topics.input(input), partition, from, Isolation::ReadCommitted, 1)?;
        Ok(found.into_iter().next().filter(|message| message.offset < end))
    }
}

impl Broker for Memory {
    type Message = MemoryMessage;
    type Generation = MemoryGeneration;
    type Source = MemorySource;
    type Producer = MemoryProducer;
    type Changelog = MemoryChangelog;

    fn topics(&self) -> &Topics {
        &self.topics
    }

    fn source(&self, member: &str) -> Result<MemorySource, BrokerError> {
        Ok(MemorySource::join(self.shared.clone(), member.into()))
    }

    fn producer(&self, transactional_id: &str) -> Result<MemoryProducer, BrokerError> {
        MemoryProducer::take(self.shared.clone(), transactional_id.into())
    }

    fn committed(&self, partition: PartitionId) -> Result<Vec<Committed>, BrokerError> {
        let mut state = self.shared.lock();
        let patience = state.settings.patience;
        state = self.shared.wait(state, patience, |state| state.holder_of_offsets(partition).is_some());
        if let Some(holder) = state.holder_of_offsets(partition) {
            return Err(BrokerError::NoProgress {
                what: format!("committed offsets of partition {partition}"),
                waited: patience,
                cause: format!("an open transaction of {holder} holds them"),
            });
        }
        Ok(committed_in(&state, partition))
    }

    fn changelog(&self, partition: PartitionId) -> Result<MemoryChangelog, BrokerError> {
        MemoryChangelog::open(self.shared.clone(), &self.topics.changelog, partition)
    }

    fn partition_count(&self, topic: &str) -> Result<i32, BrokerError> {
        Ok(self.shared.lock().logs.partitions_of(topic))
    }

    fn open_partitions(&self, topic: &str) -> Result<Vec<PartitionId>, BrokerError> {
        let state = self.shared.lock();
        let mut open = Vec::new();
        for partition in (0..state.logs.partitions_of(topic)).map(PartitionId) {
            let marks = state.logs[state.logs.id(topic, partition)?].marks();
            open.extend((marks.last_stable < marks.high_watermark).then_some(partition));
        }
        Ok(open)
    }

    fn open_writers(&self, partition: PartitionId) -> Result<Vec<Arc<str>>, BrokerError> {
        let state = self.shared.lock();
        let changelog = state.logs.id(&self.topics.changelog, partition)?;
        Ok(state.open_writers(changelog).cloned().collect())
    }

    fn log_ranges(&self, partition: PartitionId) -> Result<Vec<LogRange>, BrokerError> {
        let bounds = |_, log: &PartitionLog| LogRange { earliest: log.start(), end: log.high_watermark() };
        Ok(self.of_inputs(partition, bounds)?.into_iter().map(|(_, bounds)| bounds).collect())
    }

    fn ends(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError> {
        let rekey = self.topics.rekey_input();
        self.of_inputs(partition, |input, log| match input == rekey {
            true => log.high_watermark(),
            false => log.last_stable_offset(),
        })
    }

    fn describe_topics(&self) -> Result<Vec<TopicDescription>, BrokerError> {
        Ok(self.describe())
    }

    fn forward_progress(&self) -> Result<Vec<Option<ForwardProgress>>, BrokerError> {
        let state = self.shared.lock();
        let rekey = self.topics.rekey_input();
        let of = |partition| state.offsets.get(&(PartitionId(partition), rekey));
        Ok((0..self.topics.partitions)
            .map(|it| of(it).map(|stored| ForwardProgress::parse(&stored.metadata)))
            .collect())
    }

    fn rekey_end(&self, partition: PartitionId) -> Result<Offset, BrokerError> {
        self.high_watermark(self.topics.rekey(), partition)
    }

    fn partition_offsets(&self, partition: PartitionId) -> Result<PartitionOffsets, BrokerError> {
        let state = self.shared.lock();
        let marks = |topic: &str| state.logs.id(topic, partition).map(|id| state.logs[id].marks());
        Ok(PartitionOffsets {
            changelog: marks(&self.topics.changelog)?,
            inputs: self.topics.inputs.iter().map(|topic| marks(topic)).collect::<Result<_, _>>()?,
            committed: committed_in(&state, partition),
            is_pending: state.holder_of_offsets(partition).is_some(),
        })
    }

    fn time(&self, partition: PartitionId) -> Result<BrokerTime, BrokerError> {
        let told = self.shared.time.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|tell| tell());
        let Some(told) = told else { return Ok(BrokerTime::Ours) };
        self.produce(self.topics.touch(&self.topics.changelog, partition, None).into())?;
        Ok(told)
    }

    fn touch(&self, partition: PartitionId) -> Result<(), BrokerError> {
        self.produce(self.topics.touch(&self.topics.changelog, partition, None).into())?;
        let count = self.shared.lock().logs.partitions_of(&self.topics.user_profiles);
        for place in self.topics.touched_by(partition, count) {
            self.produce(self.topics.touch(&self.topics.user_profiles, place, None).into())?;
        }
        Ok(())
    }
}

fn committed_in(state: &State, partition: PartitionId) -> Vec<Committed> {
    let of_partition = state.offsets.range((partition, Input(0))..=(partition, Input(u8::MAX)));
    let committed = of_partition.map(|(&(_, input), stored)| Committed {
        input,
        offset: stored.offset,
        note: CommitMetadata::parse(&stored.metadata),
    });
    committed.collect()
}

/// What a journal must agree with: names, order and partitions of the topics.
fn identity(topics: &Topics, settings: MemorySettings) -> String {
    let (inputs, outputs) = (topics.inputs.join(", "), topics.outputs().map(AsRef::as_ref).join(", "));
    let Topics { changelog, partitions, .. } = topics;
    let of_outputs = settings.output_partitions.map(|count| format!(", {count} of outputs")).unwrap_or_default();
    format!("inputs {inputs}; changelog {changelog}; {outputs}; {partitions} partitions{of_outputs}")
}

fn journal_failed(error: std::io::Error) -> BrokerError {
    BrokerError::Client {
        what: "the journal of the embedded log".to_owned(),
        reason: error.to_string(),
        class: ErrorClass::Fatal,
    }
}
