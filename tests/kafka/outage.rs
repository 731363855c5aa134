//! A broker goes away and comes back while records are copied exactly once: by the rules that the seam states, with
//! nothing else to hold on to.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tideline::broker::kafka::{GroupProtocol, KafkaBroker, KafkaProducer, KafkaSource};
use tideline::broker::{
    Broker, CommitMetadata, ForwardProgress, OffsetCommit, Polled, Producer, Source, Transaction, TransactionError,
};
use tideline::domain::{Input, OutputTopic, PartitionId};
use tideline::record::{Message, Offset, Outgoing};
use tideline::runtime::takeover;

use super::harness::{Classic, KafkaHarness, settings_for};
use testkit::conformance::{Harness, I0, Isolation, Member, record, values};
use testkit::kafka_cluster::{Cluster, unique};

const PARTITIONS: i32 = 4;
const RECORDS: usize = 40_000;
/// So many records make a transaction, so that there are enough of them.
const BATCH: usize = 100;
const PATIENCE: Duration = Duration::from_secs(180);

/// Copies the input to an output, and the offsets with it.
struct Copier {
    broker: KafkaBroker,
    id: String,
    source: KafkaSource,
    producer: Option<KafkaProducer>,
    /// By partition: the next offset of the input that is committed, and that is in hand.
    committed: BTreeMap<PartitionId, Offset>,
    in_hand: BTreeMap<PartitionId, Offset>,
    outputs: Vec<Outgoing>,
    number: u64,
    rewinds: usize,
    outcomes: BTreeMap<&'static str, usize>,
    deadline: Instant,
}

impl Copier {
    fn new(broker: &KafkaBroker) -> Self {
        Self {
            broker: broker.clone(),
            id: unique("copier"),
            source: broker.source("copier").expect("join"),
            producer: None,
            committed: BTreeMap::new(),
            in_hand: BTreeMap::new(),
            outputs: Vec::new(),
            number: 0,
            rewinds: 0,
            outcomes: BTreeMap::new(),
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// Until `count` records are committed.
    fn copy(&mut self, count: usize) {
        while self.committed.values().sum::<Offset>() < count as Offset {
            assert!(Instant::now() < self.deadline, "stuck at {:?}, {:?}", self.committed, self.outcomes);
            let mut polled = Vec::new();
            if let Err(error) = self.source.poll(Duration::from_millis(20), &mut polled) {
                panic!("the consumer never needs rebuilding: {error}");
            }
            let rewinds = self.rewinds;
            for item in polled {
                // Records of this poll are from before a rewind.
                if self.rewinds == rewinds || !matches!(item, Polled::Record { .. }) {
                    self.handle(item);
                }
            }
            if !self.outputs.is_empty() {
                self.commit();
            }
        }
    }

    fn handle(&mut self, item: Polled<<KafkaBroker as Broker>::Message>) {
        match item {
            Polled::Record { partition, message, .. } => {
                let expected = self.in_hand[&partition];
                assert_eq!(message.offset(), expected, "plain records have no gaps");
                self.in_hand.insert(partition, expected + 1);
                let topic = self.broker.topics().outputs[OutputTopic::TierChanges].clone();
                let value = String::from_utf8(message.value().expect("a value").to_vec()).expect("text");
                self.outputs.push(record(&topic, partition, "k", &value));
                if self.outputs.len() >= BATCH {
                    self.commit();
                }
            }
            Polled::Assigned(partitions) => partitions.into_iter().for_each(|partition| self.start(partition)),
            Polled::Revoked { partitions, .. } => {
                self.outputs.clear();
                for partition in partitions {
                    self.in_hand.remove(&partition);
                }
                self.in_hand.clone_from(&self.committed);
            }
            Polled::End { .. } | Polled::OutOfRange { .. } => {}
        }
    }

    fn start(&mut self, partition: PartitionId) {
        let found = self.patiently("committed offsets", |it| it.broker.committed(partition));
        let next = found.iter().find(|committed| committed.input == I0).map_or(0, |committed| committed.offset);
        self.committed.insert(partition, next);
        self.in_hand.insert(partition, next);
        self.source.start(partition, &[(I0, next), (Input(1), 0)]).expect("start");
    }

    fn commit(&mut self) {
        if self.producer.is_none() {
            self.producer = Some(self.take_id());
        }
        self.number += 1;
        let outcome = self.transact();
        *self.outcomes.entry(outcome.as_ref().map_or_else(TransactionError::as_str, |()| "committed")).or_default() +=
            1;
        self.outputs.clear();
        match outcome {
            Ok(()) => self.committed.clone_from(&self.in_hand),
            Err(TransactionError::Abortable { .. } | TransactionError::Denied { .. }) => self.rewind(),
            Err(
                TransactionError::TimedOut { .. }
                | TransactionError::Fenced { .. }
                | TransactionError::Fatal { .. }
                | TransactionError::OutcomeUnknown { .. },
            ) => {
                self.producer = Some(self.take_id());
                self.rewind();
            }
        }
    }

    /// As a lane takes it: a lone broker that stops may leave offsets pending, which nobody can read until they are
    /// aborted.
    fn take_id(&mut self) -> KafkaProducer {
        self.patiently("a producer", |it| {
            let mut producer = it.broker.producer(&it.id)?;
            takeover::abort_pending_offsets(&mut producer).map(|()| producer)
        })
    }

    fn transact(&mut self) -> Result<(), TransactionError> {
        let generation = self.source.generation().expect("generation");
        let note = CommitMetadata { transactional_id: self.id.as_str().into(), number: self.number };
        let mut transaction = self.producer.as_mut().expect("just made").begin()?;
        for record in self.outputs.drain(..) {
            record.lend(|it| transaction.send(it))?;
        }
        let offsets: Vec<_> = self
            .in_hand
            .iter()
            .map(|(&partition, &offset)| OffsetCommit {
                input: I0,
                partition,
                offset,
                note: note.clone(),
                front: ForwardProgress::default(),
            })
            .collect();
        transaction.send_offsets(&offsets, &generation)?;
        transaction.commit()
    }

    /// What the group has committed tells what became of the transaction.
    fn rewind(&mut self) {
        self.rewinds += 1;
        let owned: Vec<_> = self.in_hand.keys().copied().collect();
        owned.into_iter().for_each(|partition| self.start(partition));
    }

    fn patiently<T, E: std::fmt::Display>(&mut self, what: &str, ask: impl Fn(&Self) -> Result<T, E>) -> T {
        loop {
            match ask(self) {
                Ok(given) => return given,
                Err(error) => assert!(Instant::now() < self.deadline, "{what}: {error}"),
            }
        }
    }
}

/// Feeds, copies while `disturb` does its worst, and counts.
fn check(mut cluster: Cluster, protocol: GroupProtocol, disturb: impl FnOnce(&mut Cluster) + Send) {
    let harness = Classic(KafkaHarness::with(settings_for(&cluster, protocol), 2, PARTITIONS));
    let topics = harness.broker().topics().clone();
    let feed = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            let partition = PartitionId(number as i32 % PARTITIONS);
            harness.0.plain.send(&record(topics.input(I0), partition, "k", &number.to_string())).expect("send");
        }
        harness.0.plain.flush().expect("flush");
    };
    feed(0..RECORDS);
    let mut copier = Copier::new(harness.broker());
    copier.copy(BATCH * 10);
    std::thread::scope(|scope| {
        scope.spawn(|| disturb(&mut cluster));
        copier.copy(RECORDS);
    });

    let mut copied: Vec<usize> = (0..PARTITIONS)
        .flat_map(|partition| {
            values(&harness.read(
                &topics.outputs[OutputTopic::TierChanges],
                PartitionId(partition),
                Isolation::ReadCommitted,
            ))
        })
        .map(|value| value.parse().expect("a number"))
        .collect();
    copied.sort_unstable();
    assert!(copier.outcomes.len() > 1, "the disturbance disturbed nothing: {:?}", copier.outcomes);
    assert!(copied == (0..RECORDS).collect::<Vec<_>>(), "{} of {RECORDS}: {:?}", copied.len(), copier.outcomes);
}

#[test]
fn a_broker_that_is_restarted_costs_neither_loss_nor_repeat() {
    check(Cluster::start(1), GroupProtocol::Classic, |cluster| {
        cluster.stop(1);
        cluster.restart(1);
    });
}

#[test]
fn one_of_three_brokers_killed_costs_neither_loss_nor_repeat() {
    check(Cluster::start(3), GroupProtocol::Classic, |cluster| cluster.kill(1));
}

/// Whoever is told to stop while the broker is away must not hang in saying goodbye to it.
#[test]
fn a_member_leaves_a_dead_cluster_in_bounded_time() {
    let mut cluster = Cluster::start(1);
    let harness = Classic(KafkaHarness::with(settings_for(&cluster, GroupProtocol::Classic), 2, PARTITIONS));
    let changelog = harness.broker().topics().changelog.clone();
    let mut member = Member::alone(&harness);
    let mut producer = harness.broker().producer(&unique("leaver")).expect("a producer");
    let reader = harness.broker().changelog(PartitionId(0)).expect("a reader");
    let mut transaction = producer.begin().expect("begin");
    record(&changelog, PartitionId(0), "k", "open").lend(|it| transaction.send(it)).expect("send");
    cluster.kill(1);
    member.turn();

    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        drop(reader);
        drop(member.source);
        done.send(()).expect("the test waits");
    });
    let bound = Duration::from_secs(30);
    is_done.recv_timeout(bound).expect("the consumers hang");
    let started = Instant::now();
    let aborted = transaction.abort();
    assert!(aborted.is_err(), "nobody is there to abort it");
    assert!(
        started.elapsed() < 2 * harness.0.settings.retry_bound.duration(),
        "the abort took {:?}",
        started.elapsed()
    );
    drop(producer);
    assert!(started.elapsed() < 2 * harness.0.settings.retry_bound.duration() + bound, "the producer hung");
}
