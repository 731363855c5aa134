//! The embedded log behind a gate: calls that don't return until they are let, and that fail when they are told to.
//!
//! Also notes at which poll a generation was taken, and at which it was used.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tideline::broker::memory::{
    Memory, MemoryChangelog, MemoryGeneration, MemoryMessage, MemoryProducer, MemorySource, MemoryTransaction,
};
use tideline::broker::{
    Broker, BrokerError, BrokerTime, Committed, ErrorClass, ForwardProgress, LogRange, OffsetCommit, PartitionOffsets,
    Polled, Producer, Source, TopicDescription, Topics, Transaction, TransactionError,
};
use tideline::domain::{Input, PartitionId};
use tideline::record::{Lent, Offset};

/// A test that waits for longer at a gate has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a call may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    Producer,
    OpenWriters(PartitionId),
    Committed(PartitionId),
    Changelog(PartitionId),
    Earliest(PartitionId),
    Start(PartitionId),
    SendOffsets,
}

#[derive(Debug, Clone)]
pub struct Spy {
    pub log: Memory,
    pub polls: Arc<AtomicU64>,
    /// Of each use of a generation: the polls before it was taken, and before it was used.
    pub uses: Arc<Mutex<Vec<(u64, u64)>>>,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Gates that are shut, and how many wait there.
    shut: BTreeMap<At, usize>,
    /// Calls that fail in passing, so many times.
    failing: BTreeMap<At, u64>,
    /// What the broker is made to say.
    standing: Option<PartitionOffsets>,
    /// The input whose ends are not told.
    muted: Option<Input>,
}

impl Spy {
    pub fn new(log: Memory) -> Self {
        Self { log, polls: Arc::default(), uses: Arc::default(), gate: Arc::default() }
    }

    pub fn shut(&self, at: At) {
        self.gate.state.lock().unwrap().shut.insert(at, 0);
    }

    pub fn open(&self, at: At) {
        self.gate.state.lock().unwrap().shut.remove(&at);
        self.gate.changed.notify_all();
    }

    /// Calls that wait at a gate.
    pub fn waiting(&self, at: At) -> usize {
        self.gate.state.lock().unwrap().shut.get(&at).copied().unwrap_or_default()
    }

    pub fn fail(&self, at: At, times: u64) {
        self.gate.state.lock().unwrap().failing.insert(at, times);
    }

    pub fn pretend(&self, standing: PartitionOffsets) {
        self.gate.state.lock().unwrap().standing = Some(standing);
    }

    pub fn mute(&self, input: Input) {
        self.gate.state.lock().unwrap().muted = Some(input);
    }

    fn pass(&self, at: At) -> Result<(), BrokerError> {
        let mut state = self.gate.state.lock().unwrap();
        if let Some(waiting) = state.shut.get_mut(&at) {
            *waiting += 1;
            let (held, waited) =
                self.gate.changed.wait_timeout_while(state, PATIENCE, |state| state.shut.contains_key(&at)).unwrap();
            assert!(!waited.timed_out(), "{at:?} was never let through");
            state = held;
        }
        match state.failing.get_mut(&at) {
            Some(times) if *times > 0 => {
                *times -= 1;
                Err(BrokerError::client(format!("{at:?}"), ErrorClass::Retriable, "told to fail"))
            }
            _ => Ok(()),
        }
    }
}

pub struct SpySource(MemorySource, Spy);
pub struct SpyProducer(MemoryProducer, Spy);
pub struct SpyTransaction<'a>(MemoryTransaction<'a>, Spy);

impl Broker for Spy {
    type Message = MemoryMessage;
    type Generation = (MemoryGeneration, u64);
    type Source = SpySource;
    type Producer = SpyProducer;
    type Changelog = MemoryChangelog;

    fn topics(&self) -> &Topics {
        self.log.topics()
    }

    fn source(&self, member: &str) -> Result<SpySource, BrokerError> {
        Ok(SpySource(self.log.source(member)?, self.clone()))
    }

    fn producer(&self, transactional_id: &str) -> Result<SpyProducer, BrokerError> {
        self.pass(At::Producer)?;
        Ok(SpyProducer(self.log.producer(transactional_id)?, self.clone()))
    }

    fn committed(&self, partition: PartitionId) -> Result<Vec<Committed>, BrokerError> {
        self.pass(At::Committed(partition))?;
        self.log.committed(partition)
    }

    fn changelog(&self, partition: PartitionId) -> Result<MemoryChangelog, BrokerError> {
        self.pass(At::Changelog(partition))?;
        self.log.changelog(partition)
    }

    fn partition_count(&self, topic: &str) -> Result<i32, BrokerError> {
        self.log.partition_count(topic)
    }

    fn open_partitions(&self, topic: &str) -> Result<Vec<PartitionId>, BrokerError> {
        self.log.open_partitions(topic)
    }

    fn open_writers(&self, partition: PartitionId) -> Result<Vec<Arc<str>>, BrokerError> {
        self.pass(At::OpenWriters(partition))?;
        self.log.open_writers(partition)
    }

    fn log_ranges(&self, partition: PartitionId) -> Result<Vec<LogRange>, BrokerError> {
        self.pass(At::Earliest(partition))?;
        self.log.log_ranges(partition)
    }

    fn describe_topics(&self) -> Result<Vec<TopicDescription>, BrokerError> {
        self.log.describe_topics()
    }

    fn ends(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError> {
        self.log.ends(partition)
    }

    fn forward_progress(&self) -> Result<Vec<Option<ForwardProgress>>, BrokerError> {
        self.log.forward_progress()
    }

    fn rekey_end(&self, partition: PartitionId) -> Result<Offset, BrokerError> {
        self.log.rekey_end(partition)
    }

    fn partition_offsets(&self, partition: PartitionId) -> Result<PartitionOffsets, BrokerError> {
        let pretended = self.gate.state.lock().unwrap().standing.clone();
        pretended.map_or_else(|| self.log.partition_offsets(partition), Ok)
    }

    fn time(&self, partition: PartitionId) -> Result<BrokerTime, BrokerError> {
        self.log.time(partition)
    }

    fn touch(&self, partition: PartitionId) -> Result<(), BrokerError> {
        self.log.touch(partition)
    }
}

impl Source for SpySource {
    type Message = MemoryMessage;
    type Generation = (MemoryGeneration, u64);

    fn poll(&mut self, timeout: Duration, into: &mut Vec<Polled<MemoryMessage>>) -> Result<(), BrokerError> {
        self.1.polls.fetch_add(1, Ordering::Relaxed);
        self.0.poll(timeout, into)?;
        let muted = self.1.gate.state.lock().unwrap().muted;
        into.retain(|polled| !matches!(polled, Polled::End { input, .. } if Some(*input) == muted));
        Ok(())
    }

    fn generation(&self) -> Result<Self::Generation, BrokerError> {
        Ok((self.0.generation()?, self.1.polls.load(Ordering::Relaxed)))
    }

    fn start(&mut self, partition: PartitionId, positions: &[(Input, Offset)]) -> Result<(), BrokerError> {
        self.1.pass(At::Start(partition))?;
        self.0.start(partition, positions)
    }

    fn pause(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError> {
        self.0.pause(input, partition)
    }

    fn resume(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError> {
        self.0.resume(input, partition)
    }
}

impl Producer for SpyProducer {
    type Generation = (MemoryGeneration, u64);
    type Transaction<'a> = SpyTransaction<'a>;

    fn begin(&mut self) -> Result<SpyTransaction<'_>, TransactionError> {
        Ok(SpyTransaction(self.0.begin()?, self.1.clone()))
    }
}

impl Transaction for SpyTransaction<'_> {
    type Generation = (MemoryGeneration, u64);

    fn send(&mut self, record: Lent<'_>) -> Result<(), TransactionError> {
        self.0.send(record)
    }

    fn send_offsets(
        &mut self,
        offsets: &[OffsetCommit],
        (generation, taken): &Self::Generation,
    ) -> Result<(), TransactionError> {
        self.1.uses.lock().unwrap().push((*taken, self.1.polls.load(Ordering::Relaxed)));
        self.1.pass(At::SendOffsets).expect("a gate only");
        self.0.send_offsets(offsets, generation)
    }

    fn join_offsets(&mut self) -> Result<(), TransactionError> {
        self.0.join_offsets()
    }

    fn commit(self) -> Result<(), TransactionError> {
        self.0.commit()
    }

    fn abort(self) -> Result<(), TransactionError> {
        self.0.abort()
    }
}
