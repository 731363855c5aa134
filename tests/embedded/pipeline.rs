//! The loop with other ends: a driver gives what a lane gives, and a new end is a sink.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use testkit::lane_world::{APP, MERCHANT, START_MS, Told, World, payment};
use testkit::message::TestMessage;
use tideline::domain::{DAY_MS, Input, Timestamp};
use tideline::engine::{Announcement, Change, Disposition, Partition};
use tideline::pipeline::{
    DeadLetter, Driver, HandledRecord, Judged, ONLY_PARTITION, Pipeline, RecordFeed, Sink, Tally,
};
use tideline::record::Outgoing;
use tideline::runtime::Mode;
use tideline::state::codec::{Header, Kind};
use tideline::state::{Dimension, PartitionRecord};

/// What every input has, by input; and the clock.
#[derive(Clone)]
struct History {
    inputs: Vec<VecDeque<TestMessage>>,
    now: Timestamp,
}

impl RecordFeed for History {
    type Message = TestMessage;
    type Error = Infallible;

    fn next(&mut self, input: Input, pipeline: &Pipeline) -> Result<Option<(TestMessage, Judged)>, Infallible> {
        let message = self.inputs.get_mut(input.index()).and_then(VecDeque::pop_front);
        Ok(message.map(|message| {
            let judged = pipeline.decode(input, &message, ONLY_PARTITION, Some(self.now));
            (message, judged)
        }))
    }
}

/// Keeps everything.
struct Collecting {
    pipeline: Arc<Pipeline>,
    outputs: Vec<Value>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    dead_letters: Vec<i64>,
    /// Of records that were handled: how many were not applied.
    unapplied: usize,
}

impl Sink<TestMessage> for Collecting {
    type Error = Infallible;

    fn state(&mut self, change: Change<'_>) -> Result<(), Infallible> {
        match change.value {
            Some(value) => drop(self.state.insert(change.key.to_vec(), value.to_vec())),
            None => drop(self.state.remove(change.key)),
        }
        Ok(())
    }

    fn output(&mut self, announcement: &Announcement) -> Result<(), Infallible> {
        let value =
            self.pipeline.emitter().lend(announcement, &mut Vec::new(), |record| record.value.unwrap().to_vec());
        self.outputs.push(serde_json::from_slice(&value).unwrap());
        Ok(())
    }

    fn dead_letter(&mut self, letter: &DeadLetter<TestMessage>) -> Result<(), Infallible> {
        self.dead_letters.push(letter.at.offset);
        Ok(())
    }

    fn forward(&mut self, record: &Outgoing) -> Result<(), Infallible> {
        panic!("of one partition nothing is forwarded: {record:?}");
    }

    fn observe(&mut self, handled: &HandledRecord<'_, TestMessage>) {
        self.unapplied += usize::from(*handled.disposition != Disposition::Applied);
    }
}

/// One record of an input, some time after the one before it.
#[derive(Debug, Clone)]
struct Item {
    input: Input,
    user: u8,
    id: u8,
    after_ms: i64,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Pays,
    IsErased,
    Dances,
    IsBroken,
}

fn item() -> impl Strategy<Value = Item> {
    let what = prop_oneof![
        12 => Just(What::Pays),
        1 => Just(What::IsErased),
        1 => Just(What::Dances),
        1 => Just(What::IsBroken),
    ];
    let input = prop_oneof![Just(APP), Just(MERCHANT)];
    (input, 0..6u8, 0..40u8, -3_600_000..4 * DAY_MS, what).prop_map(|(input, user, id, after_ms, what)| Item {
        input,
        user,
        id,
        after_ms,
        what: if matches!(what, What::IsErased) && input != APP { What::Pays } else { what },
    })
}

/// The values of both inputs, with their keys, each input in an order of its own.
fn values(items: &[Item]) -> Vec<(Input, String, Vec<u8>)> {
    let mut at = [0; 2];
    let mut values = Vec::new();
    for Item { input, user, id, after_ms, what } in items {
        at[input.index()] += after_ms;
        let (user, event) = (format!("u{user}"), format!("{id}"));
        let paid = payment(&user, &event, at[input.index()]);
        let value = match what {
            What::Pays => paid.json().to_string().into_bytes(),
            What::IsErased => Told { kind: "user.erased", ..paid }.json().to_string().into_bytes(),
            What::Dances => Told { kind: "app.danced", ..paid }.json().to_string().into_bytes(),
            What::IsBroken => b"no json".to_vec(),
        };
        values.push((*input, user, value));
    }
    values
}

fn history(values: &[(Input, String, Vec<u8>)], now: Timestamp) -> History {
    let mut inputs = vec![VecDeque::new(); 3];
    for (input, user, value) in values {
        let queue = &mut inputs[input.index()];
        let message = TestMessage { offset: queue.len() as i64, ..TestMessage::of_value(value.clone()) };
        queue.push_back(message.key(user));
    }
    History { inputs, now }
}

fn by_user_and_sequence(mut outputs: Vec<Value>) -> Vec<Value> {
    // Who comes back after an erasure begins the sequence again.
    let key = |output: &Value| (output["user_id"].to_string(), output["sequence"].as_u64(), output["id"].to_string());
    outputs.sort_by_key(key);
    outputs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the history, and however it is cut into batches: outputs, states and tallies are those of a lane on a
    /// broker.
    #[test]
    fn a_driver_gives_what_a_lane_gives(
        items in prop::collection::vec(item(), 1..80),
        of_lane in 1..9usize,
        of_driver in 1..30usize,
    ) {
        let until = Timestamp::of_millis(START_MS + 400 * DAY_MS);
        let world = World::new(|options| {
            (options.partitions, options.max_effects, options.merchant_is_keyed) = (1, 2, true);
            options.settings.batch_records = of_lane;
            options.settings.mode = Mode::UntilEnd { until: Some(until), ignore_silent: false };
        });
        let values = values(&items);
        for (input, user, value) in &values {
            world.produce(*input, Some(ONLY_PARTITION), Some(user.as_bytes()), value);
        }
        world.run_to_the_end(vec![world.lane(0)]).unwrap();

        let pipeline = world.job.pipeline.clone();
        let sink = Collecting {
            pipeline: pipeline.clone(),
            outputs: Vec::new(),
            state: BTreeMap::new(),
            dead_letters: Vec::new(),
            unapplied: 0,
        };
        let engine = Partition::new(pipeline.engine().clone());
        let feed = history(&values, world.options.now);
        let mut driver = Driver::new(pipeline.clone(), engine, "a driver", of_driver, feed, sink);
        driver.run().unwrap();
        driver.move_time(until.plus_millis(pipeline.engine().settings().lateness.millis())).unwrap();

        let counts = driver.counts().clone();
        let (_, Collecting { outputs, mut state, dead_letters, unapplied, .. }) = driver.into_ends();
        prop_assert_eq!(by_user_and_sequence(outputs), by_user_and_sequence(world.outputs()));
        let mut of_lane = world.changelog(ONLY_PARTITION);
        let records = [&mut state, &mut of_lane].map(|state| {
            let record = state.remove(PartitionRecord::KEY).unwrap();
            let record = PartitionRecord::decode(&record).unwrap();
            (record.stream_time, record.watermark, record.first_stream_time, record.population)
        });
        prop_assert_eq!(&records[0], &records[1]);
        prop_assert_eq!(state, of_lane);
        let tallies: Vec<Tally> = world
            .context
            .board
            .read(|status| status.partitions[&ONLY_PARTITION].inputs.iter().map(|input| input.tally).collect());
        prop_assert_eq!(&counts.inputs, &tallies);
        prop_assert!(counts.inputs.iter().all(Tally::balances));
        let outputs = world.context.board.read(|status| status.partitions[&ONLY_PARTITION].outputs.clone());
        prop_assert_eq!(&counts.outputs, &outputs);
        prop_assert_eq!(dead_letters.len(), world.dead_letters());
        let consumed: u64 = tallies.iter().map(|tally| tally.consumed).sum();
        let applied: u64 = tallies.iter().map(|tally| tally.applied).sum();
        prop_assert_eq!(unapplied as u64, consumed - applied);
    }
}

/// A third end: only what becomes of the state is of interest, by tier. So would a fit count, or an export write.
#[derive(Default)]
struct UsersPerTier(BTreeMap<Vec<u8>, usize>);

impl UsersPerTier {
    fn counts(&self, tiers: usize) -> Vec<u64> {
        let mut counts = vec![0; tiers];
        self.0.values().for_each(|tier| counts[*tier] += 1);
        counts
    }
}

impl<M> Sink<M> for UsersPerTier {
    type Error = Infallible;

    fn state(&mut self, Change { key, value }: Change<'_>) -> Result<(), Infallible> {
        if key == PartitionRecord::KEY {
            return Ok(());
        }
        match value.map(|value| Header::read(value).unwrap()) {
            Some(header) if header.kind == Kind::User => {
                self.0.insert(key.to_vec(), header.tier.map_or(0, |tier| usize::from(tier.0)));
            }
            _ => drop(self.0.remove(key)),
        }
        Ok(())
    }

    fn output(&mut self, _announcement: &Announcement) -> Result<(), Infallible> {
        Ok(())
    }

    fn dead_letter(&mut self, _letter: &DeadLetter<M>) -> Result<(), Infallible> {
        Ok(())
    }

    fn forward(&mut self, _record: &Outgoing) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn another_end_is_a_sink_of_its_own() {
    let world = World::new(|options| (options.partitions, options.merchant_is_keyed) = (1, true));
    let pipeline = world.job.pipeline.clone();
    let paid = |user: u8, day: i64| Item { input: APP, user, id: day as u8, after_ms: DAY_MS, what: What::Pays };
    let items: Vec<_> = (1..30).flat_map(|day| (0..4).map(move |user| (user, day))).collect();
    // The more often, the higher.
    let items: Vec<_> = items.into_iter().filter(|(user, day)| day % (i64::from(*user) * 9 + 1) == 0).collect();
    let values = values(&items.into_iter().map(|(user, day)| paid(user, day)).collect::<Vec<_>>());
    let feed = history(&values, Timestamp::of_millis(START_MS + 300 * DAY_MS));
    let engine = Partition::new(pipeline.engine().clone());
    let mut driver = Driver::new(pipeline, engine, "counts", 7, feed, UsersPerTier::default());
    driver.run().unwrap();
    let expected = driver.engine().population().cells(Dimension::Tier).to_vec();
    let (_, sink) = driver.into_ends();
    assert_eq!(sink.counts(expected.len()), expected);
    assert!(expected.iter().filter(|users| **users > 0).count() > 1, "they are told apart: {expected:?}");
}
