//! An application on the embedded log with a simulated clock: what tests of lanes drive, step by step.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tideline::api::Registry;
use tideline::broker::Isolation;
use tideline::broker::memory::{Fault, Memory, MemorySettings};
use tideline::broker::{Broker, Committed, Producer, Topics, Transaction};
use tideline::domain::{Input, Origin, OutputNames, OutputTopic, PartitionId, Source, Timestamp, partition_of};
use tideline::emit::{Output, OutputFormat};
use tideline::engine::{self, Engine};
use tideline::ingest::{Format, InputSpec};
use tideline::pipeline::Tally;
use tideline::record::{Message, Offset, Outgoing};
use tideline::rules::Rules;
use tideline::runtime::board::status::{LaneStatus, Phase, Status};
use tideline::runtime::{
    Board, Clock, EndBarrier, Job, Lane, LaneContext, LaneError, LaneSettings, ReinitRequests, SimulatedTime,
    StepOutcome, Stop, TopicFaults,
};
use tideline::settings::Period;
use tideline::state::PartitionRecord;

pub const APP: Input = Input(0);
pub const MERCHANT: Input = Input(1);
pub const REKEY: Input = Input(2);
pub const P0: PartitionId = PartitionId(0);
pub const P1: PartitionId = PartitionId(1);
/// 2026-01-05T00:00:00Z, a Monday.
pub const START_MS: i64 = 1_767_571_200_000;
pub const HOUR_MS: i64 = 3_600_000;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// What a world may differ in.
#[derive(Debug, Clone)]
pub struct Options {
    pub partitions: i32,
    /// Of each output; none: as many.
    pub output_partitions: Option<i32>,
    pub rules: Rules,
    pub max_effects: usize,
    pub merchant_is_keyed: bool,
    /// Where the clock stands at first.
    pub now: Timestamp,
    pub poll_records: usize,
    pub settings: LaneSettings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            partitions: 2,
            output_partitions: None,
            rules: Rules { zone: "UTC".to_owned(), ..Rules::default() },
            max_effects: 1_000,
            merchant_is_keyed: true,
            now: Timestamp::of_millis(START_MS + 1_000 * DAY_MS),
            poll_records: 1_000,
            settings: LaneSettings { name: "lane".to_owned(), ..LaneSettings::default() },
        }
    }
}

pub struct World {
    pub broker: Memory,
    pub job: Arc<Job>,
    pub context: LaneContext,
    pub registry: Arc<Registry>,
    pub time: SimulatedTime,
    pub options: Options,
}

impl World {
    pub fn new(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        change(&mut options);
        let (poll_records, output_partitions) = (options.poll_records, options.output_partitions);
        let settings = MemorySettings { poll_records, output_partitions, ..MemorySettings::default() };
        let broker = Memory::new(topics(options.partitions), settings);
        Self::on(broker, options, 1)
    }

    /// The same log, seen by processes with other options, of `lanes` lanes.
    pub fn on(broker: Memory, options: Options, lanes: usize) -> Self {
        let (clock, time) = Clock::simulated(options.now);
        let engine = Engine::new(engine::EngineSettings {
            rules: options.rules.clone(),
            lateness: Period::of_secs(3_600),
            silent_after_ms: vec![None; 3],
            max_effects: options.max_effects,
            emit_from: None,
            // So long that no erasure is forgotten: who comes back is told apart from who was there before.
            retention_ms: 10_000 * DAY_MS,
            ignore_silent: false,
            partitions: options.partitions,
        });
        let topics = topics(options.partitions);
        let specs = input_specs(&topics, options.merchant_is_keyed);
        let output =
            Output { topics: topics.outputs.clone(), format: OutputFormat::Json, source: "tideline".to_owned() };
        let job = Job::new(engine.unwrap(), topics, specs, 300_000, output, options.settings.clone());
        let (board, stop, end_barrier) = (Board::default(), Stop::default(), Arc::new(EndBarrier::new(lanes)));
        let (reinit_requests, faults) = (ReinitRequests::default(), TopicFaults::default());
        let registry = Arc::new(Registry::default());
        let tables = registry.clone();
        let context = LaneContext { clock, board, tables, stop, end_barrier, reinit_requests, faults };
        Self { broker, job, context, registry, time, options }
    }

    /// A process with other options on the same log.
    pub fn again(&self, lanes: usize, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = self.options.clone();
        change(&mut options);
        Self::on(self.broker.clone(), options, lanes)
    }

    /// A process writes to a topic in a transaction, and dies.
    pub fn leave_open(&self, id: &str, topic: &str) {
        self.leave_open_in(id, topic, P0);
    }

    pub fn leave_open_in(&self, id: &str, topic: &str, partition: PartitionId) {
        let mut producer = self.broker.producer(id).unwrap();
        let mut transaction = producer.begin().unwrap();
        let (key, value) = (Some(b"k".to_vec()), Some(b"v".to_vec()));
        let (topic, partition) = (topic.into(), Some(partition));
        Outgoing { topic, partition, key, value, headers: Vec::new(), timestamp: None }
            .lend(|it| transaction.send(it))
            .unwrap();
        self.broker.inject(Fault::LeftOpen);
        drop(transaction);
    }

    /// How often a topic was touched to end what hangs in it; and of that, how often it is seen.
    pub fn touches(&self, topic: &str) -> (usize, usize) {
        let of = |isolation| {
            let read = self.read(topic, isolation).into_iter();
            read.filter(ends_what_hung).count()
        };
        (of(Isolation::ReadUncommitted), of(Isolation::ReadCommitted))
    }

    pub fn lane(&self, index: usize) -> Lane<Memory> {
        Lane::new(self.broker.clone(), self.job.clone(), self.context.clone(), index).unwrap()
    }

    /// Puts an event where its user's events belong.
    pub fn feed(&self, input: Input, event: &Told) {
        self.produce(input, None, Some(event.user.as_bytes()), event.json().to_string().as_bytes());
    }

    pub fn produce(&self, input: Input, partition: Option<PartitionId>, key: Option<&[u8]>, value: &[u8]) {
        let record = Outgoing {
            topic: self.broker.topics().input(input).clone(),
            partition,
            key: key.map(<[u8]>::to_vec),
            value: Some(value.to_vec()),
            headers: Vec::new(),
            timestamp: None,
        };
        self.broker.produce(record).unwrap();
    }

    /// Steps a lane, while time goes by a millisecond a step, until `done`.
    pub fn step_until(&self, lane: &mut Lane<Memory>, what: &str, mut done: impl FnMut(&Self) -> bool) {
        for _ in 0..20_000 {
            if done(self) {
                return;
            }
            self.time.advance_ms(1);
            lane.step().unwrap();
        }
        panic!("never came: {what}; {:?}", self.context.board);
    }

    /// Steps a lane until all it was fed is committed.
    pub fn drain(&self, lane: &mut Lane<Memory>) {
        self.step_until(lane, "everything consumed", |world| world.lag() == 0);
    }

    /// Steps lanes in turn until all are done, or one fails.
    pub fn run_to_the_end(&self, lanes: Vec<Lane<Memory>>) -> Result<(), LaneError> {
        let mut lanes: Vec<_> = lanes.into_iter().map(Some).collect();
        for _ in 0..100_000 {
            self.time.advance_ms(1);
            for lane in &mut lanes {
                if let Some(running) = lane
                    && running.step()? == StepOutcome::Done
                {
                    lane.take().unwrap().close();
                }
            }
            if lanes.iter().all(Option::is_none) {
                return Ok(());
            }
        }
        panic!("the lanes never end; {:?}", self.context.board);
    }

    /// What the lane of that number shows of itself; nothing where it never ran.
    pub fn lane_status(&self, lane: usize) -> LaneStatus {
        self.context.board.read(|status| status.lanes.get(&lane).cloned().unwrap_or_default())
    }

    /// What a partition is at; the first phase where nobody has it.
    pub fn phase(&self, partition: PartitionId) -> Phase {
        let phase = |status: &Status| status.partitions.get(&partition).map(|it| it.phase.clone());
        self.context.board.read(phase).unwrap_or_default()
    }

    /// What became of the records of all inputs and partitions.
    pub fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        self.context.board.read(|status| {
            status.partitions.values().flat_map(|partition| &partition.inputs).for_each(|input| sum += input.tally);
        });
        sum
    }

    /// Every offset that the group has committed for a partition carries this lane's note, and agrees with the record.
    pub fn assert_record_and_offsets_agree(&self, partition: PartitionId) {
        let record = self.record(partition).expect("a partition record");
        let committed = self.committed(partition);
        assert_eq!(committed.len(), 3, "every input's offset is committed: {committed:?}");
        for Committed { input, offset, note } in committed {
            assert_eq!(record.inputs[input.index()].next_offset, offset);
            let note = note.expect("a note");
            assert_eq!((&*note.transactional_id, note.number), (&*record.transactional_id, record.transaction_number));
        }
    }

    /// Three payments of each of three users on each partition, two inputs, in order.
    pub fn feed_some(&self) {
        for partition in (0..self.options.partitions).map(PartitionId) {
            for (n, user) in users_on(partition, self.options.partitions, 3).iter().enumerate() {
                for day in 0..3 {
                    let input = if day == 1 { MERCHANT } else { APP };
                    self.feed(input, &payment(user, &format!("{user}-{day}"), day * DAY_MS + n as i64));
                }
            }
        }
    }

    /// Records of inputs that the group has not committed.
    pub fn lag(&self) -> usize {
        let topics = self.broker.topics();
        let mut lag = 0;
        for partition in (0..self.options.partitions).map(PartitionId) {
            let Ok(committed) = self.broker.committed(partition) else { return usize::MAX };
            for input in [APP, MERCHANT, REKEY] {
                let from = committed.iter().find(|it| it.input == input).map_or(0, |it| it.offset);
                let left = self.broker.read(topics.input(input), partition, from, Isolation::ReadCommitted, usize::MAX);
                lag += left.unwrap().len();
            }
        }
        lag
    }

    pub fn read(&self, topic: &str, isolation: Isolation) -> Vec<Stored> {
        let mut all = Vec::new();
        for partition in (0..self.broker.partition_count(topic).unwrap()).map(PartitionId) {
            for message in self.broker.read(topic, partition, 0, isolation, usize::MAX).unwrap() {
                let value = message.value().unwrap_or_default().to_vec();
                all.push((partition, message.offset(), message.key().map(<[u8]>::to_vec), value));
            }
        }
        all
    }

    /// What a read_committed reader sees of the outputs, by user and sequence.
    pub fn outputs(&self) -> Vec<Value> {
        let topics = self.broker.topics();
        let both = OutputTopic::announcements().map(|output| &topics.outputs[output]);
        let records = both.into_iter().flat_map(|topic| self.read(topic, Isolation::ReadCommitted));
        let records = records.filter(|record| !ends_what_hung(record));
        let mut outputs: Vec<Value> = records.map(|(_, _, _, value)| serde_json::from_slice(&value).unwrap()).collect();
        outputs.sort_by_key(|output| (output["user_id"].to_string(), output["sequence"].as_u64()));
        outputs
    }

    pub fn dead_letters(&self) -> usize {
        let letters =
            self.read(&self.broker.topics().outputs[OutputTopic::DeadLetters].clone(), Isolation::ReadCommitted);
        letters.iter().filter(|record| !ends_what_hung(record)).count()
    }

    /// The last committed value of each key in a partition's changelog.
    pub fn changelog(&self, partition: PartitionId) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let records = self.read(&self.broker.topics().changelog.clone(), Isolation::ReadCommitted);
        let mut last = BTreeMap::new();
        for (_, _, key, value) in records.into_iter().filter(|record| record.0 == partition) {
            let key = key.unwrap();
            if value.is_empty() { drop(last.remove(&key)) } else { drop(last.insert(key, value)) }
        }
        last
    }

    pub fn record(&self, partition: PartitionId) -> Option<PartitionRecord> {
        self.changelog(partition).get(PartitionRecord::KEY).map(|bytes| PartitionRecord::decode(bytes).unwrap())
    }

    pub fn committed(&self, partition: PartitionId) -> Vec<Committed> {
        self.broker.committed(partition).unwrap()
    }

    /// Of the partitions that are served, as others may read them.
    pub fn users_in_memory(&self) -> u64 {
        let tables = self.registry.partitions().into_iter().filter_map(|partition| self.registry.table(partition));
        tables.map(|table| table.len() as u64).sum()
    }
}

/// Partition, offset, key, value.
pub type Stored = (PartitionId, Offset, Option<Vec<u8>>, Vec<u8>);

fn ends_what_hung((_, _, key, _): &Stored) -> bool {
    key.as_ref().is_some_and(|key| key.starts_with(b"released"))
}

/// An event as a producer tells it.
#[derive(Debug, Clone)]
pub struct Told {
    pub id: String,
    pub user: String,
    pub kind: &'static str,
    pub ms: i64,
    pub data: Value,
}

impl Told {
    pub fn json(&self) -> Value {
        json!({"id": self.id, "user_id": self.user, "type": self.kind, "time": self.ms, "data": self.data})
    }
}

/// A payment, `ms` after the start.
pub fn payment(user: &str, id: &str, ms: i64) -> Told {
    Told {
        id: id.to_owned(),
        user: user.to_owned(),
        kind: "payment.completed",
        ms: START_MS + ms,
        data: json!({"amount": 100}),
    }
}

/// Users that live on a partition, by name.
pub fn users_on(partition: PartitionId, partitions: i32, count: usize) -> Vec<String> {
    let names = (0..).map(|n| format!("u{n}"));
    names.filter(|name| partition_of(name.as_bytes(), partitions) == partition).take(count).collect()
}

pub fn topics(partitions: i32) -> Topics {
    Topics {
        inputs: vec!["app".into(), "merchant".into(), "rekey".into()],
        changelog: "changelog".into(),
        outputs: OutputNames::default(),
        partitions,
    }
}

fn input_specs(topics: &Topics, merchant_is_keyed: bool) -> Vec<InputSpec> {
    let sources = [Some(Source::App), Some(Source::Merchant), None];
    let specs = topics.inputs.iter().zip(sources).map(|(topic, source)| InputSpec {
        topic: topic.clone(),
        source,
        origin: Origin::Own,
        format: Format::Json,
        keyed: source != Some(Source::Merchant) || merchant_is_keyed,
        max_record: 1 << 20,
        earliest: Timestamp::MIN,
    });
    specs.collect()
}
