//! A broker that notes at which poll a generation was taken, and at which it was used.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tideline::broker::memory::MemoryTransaction;
use tideline::broker::memory::{
    Memory, MemoryChangelog, MemoryGeneration, MemoryMessage, MemoryProducer, MemorySource,
};
use tideline::broker::{
    Broker, BrokerError, Committed, OffsetCommit, Polled, Producer, Source, Topics, Transaction, TransactionError,
};
use tideline::domain::{Input, PartitionId};
use tideline::record::{Offset, Outgoing};
use tideline::runtime::Lane;

use super::lane_world::*;

#[derive(Debug, Clone)]
struct Spy {
    log: Memory,
    polls: Arc<AtomicU64>,
    /// Of each use: the polls before it was taken, and before it was used.
    uses: Arc<Mutex<Vec<(u64, u64)>>>,
}

struct SpySource(MemorySource, Spy);
struct SpyProducer(MemoryProducer, Spy);
struct SpyTransaction<'a>(MemoryTransaction<'a>, Spy);

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
        Ok(SpyProducer(self.log.producer(transactional_id)?, self.clone()))
    }

    fn committed(&self, partition: PartitionId) -> Result<Vec<Committed>, BrokerError> {
        self.log.committed(partition)
    }

    fn changelog(&self, partition: PartitionId) -> Result<MemoryChangelog, BrokerError> {
        self.log.changelog(partition)
    }

    fn open_writers(&self, partition: PartitionId) -> Result<Vec<Arc<str>>, BrokerError> {
        self.log.open_writers(partition)
    }

    fn earliest(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError> {
        self.log.earliest(partition)
    }

    fn ends(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError> {
        self.log.ends(partition)
    }
}

impl Source for SpySource {
    type Message = MemoryMessage;
    type Generation = (MemoryGeneration, u64);

    fn poll(&mut self, timeout: Duration, into: &mut Vec<Polled<MemoryMessage>>) -> Result<(), BrokerError> {
        self.1.polls.fetch_add(1, Ordering::Relaxed);
        self.0.poll(timeout, into)
    }

    fn generation(&self) -> Result<Self::Generation, BrokerError> {
        Ok((self.0.generation()?, self.1.polls.load(Ordering::Relaxed)))
    }

    fn start(&mut self, partition: PartitionId, positions: &[(Input, Offset)]) -> Result<(), BrokerError> {
        self.0.start(partition, positions)
    }

    fn pause(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError> {
        self.0.pause(input, partition)
    }

    fn resume(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError> {
        self.0.resume(input, partition)
    }

    fn close(self) {}
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

    fn send(&mut self, record: Outgoing) -> Result<(), TransactionError> {
        self.0.send(record)
    }

    fn send_offsets(
        &mut self,
        offsets: &[OffsetCommit],
        (generation, taken): &Self::Generation,
    ) -> Result<(), TransactionError> {
        self.1.uses.lock().unwrap().push((*taken, self.1.polls.load(Ordering::Relaxed)));
        self.0.send_offsets(offsets, generation)
    }

    fn commit(self) -> Result<(), TransactionError> {
        self.0.commit()
    }

    fn abort(self) -> Result<(), TransactionError> {
        self.0.abort()
    }
}

/// One taken at the commit would prove membership of that moment, not of the one in which the records were handled: a
/// member commits offsets of partitions that it has lost in between, and nobody refuses.
#[test]
fn the_generation_of_a_batch_is_taken_when_its_first_record_is_handled() {
    let world = World::new(|options| options.partitions = 1);
    let user = &users_on(P0, 1, 1)[0];
    world.feed(APP, &payment(user, "a", 0));
    let (polls, uses) = (Arc::default(), Arc::default());
    let spy = Spy { log: world.broker.clone(), polls, uses };
    let mut lane = Lane::new(spy.clone(), world.job.clone(), world.company.clone(), 0).unwrap();
    for _ in 0..2_000 {
        world.time.advance_ms(1);
        lane.step().unwrap();
        if world.lag() == 0 {
            break;
        }
    }
    let uses = spy.uses.lock().unwrap().clone();
    let [(taken, used)] = uses[..] else { panic!("one batch, not {uses:?}") };
    assert!(used > taken + 10, "taken after {taken} polls, used after {used}: the batch was open for many polls");
}
