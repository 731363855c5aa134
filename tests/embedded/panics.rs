//! A panic over one record, by a record type of our own: it ends neither the lane nor the partition.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tideline::broker::Isolation;
use tideline::broker::memory::{
    Memory, MemoryChangelog, MemoryGeneration, MemoryMessage, MemoryProducer, MemorySource,
};
use tideline::broker::{
    Broker, BrokerError, BrokerTime, Committed, LogRange, PartitionOffsets, Polled, Source, TopicDescription, Topics,
};
use tideline::domain::{Input, OutputTopic, PartitionId};
use tideline::emit::header;
use tideline::ingest::RejectReason;
use tideline::pipeline::Tally;
use tideline::record::{Header, Message, Offset};
use tideline::runtime::{Lane, StepOutcome};
use tideline::state::PartitionRecord;

use testkit::lane_world::*;

/// At what a record panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fuse {
    /// Whenever its headers are read: in decoding, and again when a dead letter is made of it.
    Headers,
    /// When it is dropped, once: that is after it was handled, and before it is committed.
    Drop,
    Never,
}

/// The embedded log, one record of whose input `APP` panics.
#[derive(Clone)]
struct Touchy {
    log: Memory,
    fuse: Fuse,
    at: Offset,
    burnt: Arc<AtomicUsize>,
}

struct TouchyMessage {
    message: MemoryMessage,
    fuse: Fuse,
    burnt: Arc<AtomicUsize>,
}

impl Message for TouchyMessage {
    fn offset(&self) -> Offset {
        self.message.offset()
    }

    fn timestamp(&self) -> Option<i64> {
        self.message.timestamp()
    }

    fn key(&self) -> Option<&[u8]> {
        self.message.key()
    }

    fn value(&self) -> Option<&[u8]> {
        self.message.value()
    }

    fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        if self.fuse == Fuse::Headers {
            self.burnt.fetch_add(1, Ordering::Relaxed);
            panic!("a header of user u1");
        }
        self.message.headers()
    }
}

impl Drop for TouchyMessage {
    fn drop(&mut self) {
        if self.fuse == Fuse::Drop && self.burnt.fetch_add(1, Ordering::Relaxed) == 0 {
            panic!("a record of user u1");
        }
    }
}

struct TouchySource(MemorySource, Touchy);

impl Broker for Touchy {
    type Message = TouchyMessage;
    type Generation = MemoryGeneration;
    type Source = TouchySource;
    type Producer = MemoryProducer;
    type Changelog = MemoryChangelog;

    fn topics(&self) -> &Topics {
        self.log.topics()
    }

    fn source(&self, member: &str) -> Result<TouchySource, BrokerError> {
        Ok(TouchySource(self.log.source(member)?, self.clone()))
    }

    fn producer(&self, transactional_id: &str) -> Result<MemoryProducer, BrokerError> {
        self.log.producer(transactional_id)
    }

    fn committed(&self, partition: PartitionId) -> Result<Vec<Committed>, BrokerError> {
        self.log.committed(partition)
    }

    fn changelog(&self, partition: PartitionId) -> Result<MemoryChangelog, BrokerError> {
        self.log.changelog(partition)
    }

    fn partition_count(&self, topic: &str) -> Result<i32, BrokerError> {
        self.log.partition_count(topic)
    }

    fn open_partitions(&self, topic: &str) -> Result<Vec<PartitionId>, BrokerError> {
        self.log.open_partitions(topic)
    }

    fn open_writers(&self, partition: PartitionId) -> Result<Vec<Arc<str>>, BrokerError> {
        self.log.open_writers(partition)
    }

    fn log_ranges(&self, partition: PartitionId) -> Result<Vec<LogRange>, BrokerError> {
        self.log.log_ranges(partition)
    }

    fn describe_topics(&self) -> Result<Vec<TopicDescription>, BrokerError> {
        self.log.describe_topics()
    }

    fn forward_progress(&self) -> Result<Vec<Option<tideline::broker::ForwardProgress>>, BrokerError> {
        self.log.forward_progress()
    }

    fn rekey_end(&self, partition: PartitionId) -> Result<Offset, BrokerError> {
        self.log.rekey_end(partition)
    }

    fn ends(&self, partition: PartitionId) -> Result<Vec<(Input, Offset)>, BrokerError> {
        self.log.ends(partition)
    }

    fn partition_offsets(&self, partition: PartitionId) -> Result<PartitionOffsets, BrokerError> {
        self.log.partition_offsets(partition)
    }

    fn time(&self, partition: PartitionId) -> Result<BrokerTime, BrokerError> {
        self.log.time(partition)
    }

    fn touch(&self, partition: PartitionId) -> Result<(), BrokerError> {
        self.log.touch(partition)
    }
}

impl Source for TouchySource {
    type Message = TouchyMessage;
    type Generation = MemoryGeneration;

    fn poll(&mut self, timeout: Duration, into: &mut Vec<Polled<TouchyMessage>>) -> Result<(), BrokerError> {
        let mut polled = Vec::new();
        self.0.poll(timeout, &mut polled)?;
        into.extend(polled.into_iter().map(|polled| match polled {
            Polled::Record { input, partition, message } => {
                let is_it = (input, partition, message.offset()) == (APP, P0, self.1.at);
                let fuse = if is_it { self.1.fuse } else { Fuse::Never };
                let message = TouchyMessage { message, fuse, burnt: self.1.burnt.clone() };
                Polled::Record { input, partition, message }
            }
            Polled::End { input, partition, offset } => Polled::End { input, partition, offset },
            Polled::OutOfRange { input, partition } => Polled::OutOfRange { input, partition },
            Polled::Assigned(partitions) => Polled::Assigned(partitions),
            Polled::Revoked { partitions, lost } => Polled::Revoked { partitions, lost },
        }));
        Ok(())
    }

    fn generation(&self) -> Result<MemoryGeneration, BrokerError> {
        self.0.generation()
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
}

/// Ten users of partition 0 pay, in both inputs and once more in the next month; the third record of `APP` there is the
/// one.
fn fed(without_it: bool) -> World {
    let world = World::new(|_| {});
    for month in 0..2 {
        for (n, user) in users_on(P0, 2, 10).iter().enumerate() {
            let ms = month * 31 * DAY_MS + n as i64 * HOUR_MS;
            if !(without_it && month == 0 && n == 2) {
                world.feed(APP, &payment(user, &format!("a{month}-{n}"), ms));
            }
            world.feed(MERCHANT, &payment(user, &format!("m{month}-{n}"), ms + 1));
        }
        for (n, user) in users_on(P1, 2, 10).iter().enumerate() {
            world.feed(APP, &payment(user, &format!("b{month}-{n}"), month * 31 * DAY_MS + n as i64 * HOUR_MS));
        }
    }
    world
}

struct Ran {
    world: World,
    burnt: usize,
}

fn run(fuse: Fuse) -> Ran {
    let world = fed(false);
    let broker = Touchy { log: world.broker.clone(), fuse, at: 2, burnt: Arc::default() };
    let mut lane = Lane::new(broker.clone(), world.job.clone(), world.context.clone(), 0).unwrap();
    for _ in 0..20_000 {
        if world.lag() == 0 {
            break;
        }
        world.time.advance_ms(1);
        assert_eq!(lane.step().unwrap(), StepOutcome::Continue);
    }
    assert_eq!(world.lag(), 0, "the partition stands still: {:?}", world.context.board);
    Ran { world, burnt: broker.burnt.load(Ordering::Relaxed) }
}

/// Without what names offsets, which differ where a record is missing.
fn outputs(world: &World) -> Vec<Value> {
    let mut outputs = world.outputs();
    outputs.iter_mut().for_each(|output| drop(output.as_object_mut().unwrap().remove("cause")));
    outputs
}

fn tally(world: &World, input: Input) -> Tally {
    world.context.board.read(|status| {
        let mut sum = Tally::default();
        status.partitions.values().for_each(|partition| sum += partition.inputs[input.index()].tally);
        sum
    })
}

/// The one dead letter: its headers of that name, its key and value.
fn letter(world: &World) -> MemoryMessage {
    let topics = world.broker.topics();
    let all = (0..2).flat_map(|partition| {
        let partition = PartitionId(partition);
        world
            .broker
            .read(&topics.outputs[OutputTopic::DeadLetters], partition, 0, Isolation::ReadCommitted, usize::MAX)
            .unwrap()
    });
    let all: Vec<_> = all.collect();
    assert_eq!(all.len(), 1, "one dead letter");
    all.into_iter().next().unwrap()
}

fn text(letter: &MemoryMessage, name: &str) -> String {
    String::from_utf8(letter.header(name).unwrap_or_else(|| panic!("no {name}")).to_vec()).unwrap()
}

fn expect_the_rest(ran: &Ran) {
    let without = fed(true);
    without.drain(&mut without.lane(0));
    assert_eq!(outputs(&ran.world), outputs(&without), "as if the record had never been");
    for partition in [P0, P1] {
        let users = |world: &World| {
            let mut all = world.changelog(partition);
            // How many transactions it took.
            all.remove(PartitionRecord::KEY);
            all
        };
        assert!(users(&ran.world) == users(&without), "state of partition {partition}");
    }
    let tally = tally(&ran.world, APP);
    assert!(tally.balances());
    assert_eq!((tally.consumed, tally.applied, tally.panicked), (40, 39, 1));
    assert_eq!(tally.dead[RejectReason::Malformed as usize], 1);
    let letter = letter(&ran.world);
    assert_eq!((text(&letter, header::REASON), text(&letter, header::OFFSET)), ("malformed".into(), "2".into()));
    assert_eq!((text(&letter, header::TOPIC), text(&letter, header::PARTITION)), ("app".into(), "0".into()));
    let error = text(&letter, header::ERROR);
    assert!(error.starts_with("the program panicked at tests/embedded/panics.rs:"), "{error}");
    assert!(!error.contains("u1"), "{error}");
}

#[test]
fn a_panic_in_decoding_a_record_makes_a_dead_letter_of_its_coordinates_and_nothing_else() {
    let ran = run(Fuse::Headers);
    assert!(ran.burnt >= 2, "in decoding, and in making the letter");
    expect_the_rest(&ran);
    let letter = letter(&ran.world);
    assert_eq!((letter.key(), letter.value()), (None, None));
    assert_eq!(text(&letter, header::UNREAD), "all");
}

#[test]
fn a_panic_in_handling_a_record_drops_what_is_in_hand_and_then_that_record_alone() {
    let ran = run(Fuse::Drop);
    assert!(ran.burnt >= 2, "it was read again");
    expect_the_rest(&ran);
    let letter = letter(&ran.world);
    assert!(letter.key().is_some() && letter.value().is_some(), "the record is kept");
    assert_eq!(letter.header(header::UNREAD), None);
}
