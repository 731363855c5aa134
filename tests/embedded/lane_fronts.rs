//! Records on the wrong partitions, lane by lane: nobody passes what another has still to forward.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tideline::broker::memory::{Memory, MemoryProducer, MemorySettings, MemorySource};
use tideline::broker::{
    Broker, CommitMetadata, ForwardProgress, ForwardWatermark, OffsetCommit, Polled, Producer, Source, Transaction,
};
use tideline::domain::{Input, PartitionId, Partitioner, Timestamp};
use tideline::pipeline::Tally;
use tideline::runtime::{Lane, Mode};

use testkit::lane_world::*;

/// Until every input is at its end; then no W moves.
fn to_the_end(options: &mut Options) {
    options.settings.mode = Mode::UntilEnd { until: None, ignore_silent: false };
}

fn tally(world: &World, input: Input) -> Tally {
    let mut sum = Tally::default();
    world.context.board.read(|status| {
        let inputs = status.partitions.values().filter_map(|partition| partition.inputs.get(input.index()));
        inputs.for_each(|input| sum += input.tally);
    });
    sum
}

/// By user, what was told, but for where the record stood that caused it.
fn told(world: &World) -> BTreeMap<String, Vec<Value>> {
    let mut users = BTreeMap::<_, Vec<_>>::new();
    for mut output in world.outputs() {
        output.as_object_mut().unwrap().remove("cause");
        users.entry(output["user_id"].as_str().unwrap().to_owned()).or_default().push(output);
    }
    users
}

/// The records of the case: partition, key, value, with T1 to T3 as times.
fn case_06() -> Vec<(PartitionId, String, String)> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/06-a-history-on-the-wrong-partitions/records.tsv");
    let text = std::fs::read_to_string(file).unwrap();
    let now = Options::default().now.millis();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let record = |line: &str| {
        let parts: Vec<_> = line.splitn(4, [' ', '\t']).collect();
        let [_, partition, key, value] = parts[..] else { panic!("{line}") };
        let value = [("T1", 185), ("T2", 2), ("T3", 1)].into_iter().fold(value.to_owned(), |value, (name, days)| {
            value.replace(&format!("\"{name}\""), &(now - days * DAY_MS).to_string())
        });
        (PartitionId(partition.parse().unwrap()), key.to_owned(), value)
    };
    lines.map(record).collect()
}

#[test]
fn case_06_a_history_on_the_wrong_partitions_gives_what_a_rightly_placed_one_gives() {
    for lanes in [1, 2] {
        let world = World::on(Memory::new(topics(2), MemorySettings::default()), with(to_the_end), lanes);
        for (partition, key, value) in case_06() {
            world.produce(APP, Some(partition), Some(key.as_bytes()), value.as_bytes());
        }
        world.run_to_the_end((0..lanes).map(|index| world.lane(index)).collect()).unwrap();
        assert_eq!(world.dead_letters(), 0);
        let told = told(&world);
        let kinds = |user: &str| -> Vec<String> {
            let kind = |output: &Value| {
                let value = ["current", "stage"].into_iter().find_map(|field| output[field].as_str());
                format!("{} {}", output["type"].as_str().unwrap().trim_start_matches("tideline."), value.unwrap())
            };
            told[user].iter().map(kind).collect()
        };
        assert_eq!(kinds("u1"), ["tier_changed low"]);
        let of_u2 = [
            "tier_changed low",
            "dormancy_risk at_risk",
            "tier_changed inactive",
            "dormancy_risk dormant",
            "dormancy_risk lost",
            "dormancy_cleared lost",
            "tier_changed low",
        ];
        assert_eq!(kinds("u2"), of_u2, "{lanes} lanes");
        assert_eq!(told.values().map(Vec::len).sum::<usize>(), 8);
    }
}

fn with(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    change(&mut options);
    options
}

/// A payment of each user every few days, in order, where a partitioner puts it.
fn feed_history(world: &World, partitioner: Partitioner) {
    let of_user = |user: i64| {
        let event = move |n: i64| (n * (5 + 13 * user) * HOUR_MS + user, format!("u{user}"), format!("{n}-{user}"));
        (0..250).map(event)
    };
    let mut events: Vec<_> = (0..6).flat_map(of_user).collect();
    events.sort();
    for (ms, user, id) in events {
        let home = partitioner.partition_of(user.as_bytes(), world.options.partitions);
        world.produce(APP, Some(home), Some(user.as_bytes()), payment(&user, &id, ms).json().to_string().as_bytes());
    }
}

#[test]
fn with_the_producers_partitioner_nothing_is_forwarded_and_the_outputs_are_the_same() {
    let run = |set: Partitioner, used: Partitioner| {
        let world = World::new(|options| {
            // Whom a user shares a partition with must not tell how far its W comes.
            let until = Some(Timestamp::of_millis(START_MS + 900 * DAY_MS));
            options.settings.mode = Mode::UntilEnd { until, ignore_silent: false };
            options.partitions = 4;
            options.settings.partitioner = set;
        });
        feed_history(&world, used);
        world.run_to_the_end(vec![world.lane(0)]).unwrap();
        assert_eq!(world.dead_letters(), 0);
        (told(&world), tally(&world, APP).rekeyed)
    };
    let (expected, none) = run(Partitioner::Murmur2, Partitioner::Murmur2);
    assert_eq!(none, 0);
    for used in [Partitioner::Consistent, Partitioner::Fnv1a] {
        let (astray, forwarded) = run(Partitioner::Murmur2, used);
        assert!(forwarded > 500, "{used}: {forwarded}");
        assert_eq!(astray, expected, "{used}");
        assert_eq!(run(used, used), (expected.clone(), 0), "{used} is set");
    }
}

#[test]
fn of_many_records_on_wrong_partitions_one_warning_is_noted() {
    let world = World::new(|options| {
        to_the_end(options);
        options.partitions = 4;
    });
    feed_history(&world, Partitioner::Consistent);
    world.run_to_the_end(vec![world.lane(0)]).unwrap();
    assert_eq!(world.context.board.read(|status| status.misrouted.clone()), [APP.index()].into());
    let Tally { rekeyed, fits, .. } = tally(&world, APP);
    assert_eq!(fits[1], rekeyed, "each lies where librdkafka's partitioner puts it");
}

/// A member that owns one of two partitions, and tells of it what a test wants.
struct Other {
    source: MemorySource,
    producer: MemoryProducer,
    partition: PartitionId,
    forwarded: u64,
}

impl Other {
    /// Beside a lane, which has the other partition.
    fn beside(world: &World, lane: &mut Lane<Memory>) -> Self {
        let mut source = world.broker.source("other").unwrap();
        let mut partition = None;
        for _ in 0..20_000 {
            world.time.advance_ms(1);
            lane.step().unwrap();
            let mut polled = Vec::new();
            source.poll(Duration::ZERO, &mut polled).unwrap();
            for polled in polled {
                if let Polled::Assigned(partitions) = polled {
                    partition = partitions.first().copied().filter(|_| partitions.len() == 1);
                }
            }
            let is_ready = world.context.board.read(tideline::runtime::Status::is_ready);
            if let Some(partition) = partition.filter(|_| is_ready) {
                let producer = world.broker.producer("other").unwrap();
                return Self { source, producer, partition, forwarded: 0 };
            }
        }
        panic!("no partition for each");
    }

    /// Forwards one more, and stands there.
    fn tell(&mut self, reach: ForwardWatermark) {
        self.forwarded += 1;
        let note = CommitMetadata { transactional_id: "other".into(), number: self.forwarded };
        let front = ForwardProgress { watermark: reach, forwarded: self.forwarded };
        let offset = OffsetCommit { input: REKEY, partition: self.partition, offset: 0, note, front };
        let mut transaction = self.producer.begin().unwrap();
        transaction.send_offsets(&[offset], &self.source.generation().unwrap()).unwrap();
        transaction.commit().unwrap();
    }
}

const STANDING: ForwardWatermark = ForwardWatermark::Through(Timestamp::of_millis(START_MS));

/// A lane beside another member that stands still, and has an event beyond its front.
fn beside_one_that_stands_still() -> (World, Lane<Memory>, Other) {
    let world = World::new(|_| {});
    let mut lane = world.lane(0);
    let mut other = Other::beside(&world, &mut lane);
    other.tell(STANDING);
    for (id, ms) in [("before", -HOUR_MS), ("beyond", 10 * DAY_MS)] {
        world.feed(APP, &payment(&users_on(own(&other), 2, 1)[0], id, ms));
    }
    (world, lane, other)
}

fn own(other: &Other) -> PartitionId {
    PartitionId(1 - other.partition.0)
}

/// Whether its W has passed the front at which the other stands.
fn has_passed(world: &World, other: &Other) -> bool {
    world.record(own(other)).and_then(|record| record.watermark) > Some(Timestamp::of_millis(START_MS))
}

#[test]
fn nobody_passes_the_front_of_another_and_with_nothing_forwarded_for_a_minute_nobody_waits() {
    let (world, mut lane, other) = beside_one_that_stands_still();
    let mut passed_after_ms = None;
    for ms in 0..70_000 {
        world.time.advance_ms(1);
        lane.step().unwrap();
        if has_passed(&world, &other) {
            passed_after_ms = Some(ms);
            break;
        }
    }
    let consumed = tally(&world, APP).consumed;
    let passed_after_ms = passed_after_ms.unwrap_or_else(|| panic!("it waits for ever; {consumed} consumed"));
    assert!((60_000..62_000).contains(&passed_after_ms), "{passed_after_ms}");
}

#[test]
fn what_lies_before_the_front_of_another_is_handled_and_when_it_moves_so_is_the_rest() {
    let (world, mut lane, mut other) = beside_one_that_stands_still();
    world.step_until(&mut lane, "the event before the front", |world| tally(world, APP).consumed == 1);
    for _ in 0..1_000 {
        world.time.advance_ms(1);
        lane.step().unwrap();
    }
    assert_eq!(tally(&world, APP).consumed, 1);
    other.tell(ForwardWatermark::End);
    world.step_until(&mut lane, "the event beyond", |world| has_passed(world, &other));
}

#[test]
fn a_front_that_stands_still_for_longer_than_patience_is_named_and_passed_over() {
    let (world, mut lane, mut other) = beside_one_that_stands_still();
    let passed_over = |world: &World| world.context.board.read(|status| status.lanes[&0].passed_over.clone());
    let mut was_held = false;
    let mut after_ms = 0;
    while passed_over(&world).is_empty() {
        if after_ms % 20_000 == 0 {
            // Records are forwarded all the time: there is something to wait for.
            other.tell(STANDING);
        }
        assert!(!has_passed(&world, &other), "after {after_ms} ms");
        world.time.advance_ms(1);
        after_ms += 1;
        lane.step().unwrap();
        was_held |= world.context.board.read(|it| it.partitions[&own(&other)].held_by) == Some(other.partition);
    }
    assert_eq!(passed_over(&world), [other.partition]);
    assert!((119_000..122_000).contains(&after_ms), "stream.patience is 120 s, it was {after_ms} ms");
    assert!(was_held, "the partition says for whom it waits");
    world.step_until(&mut lane, "it goes on", |world| has_passed(world, &other));
    other.tell(ForwardWatermark::Through(Timestamp::of_millis(START_MS + 1)));
    world.step_until(&mut lane, "one that moves is waited for again", |world| passed_over(world).is_empty());
}

#[test]
fn where_nothing_is_forwarded_no_transaction_is_made_for_a_front() {
    let world = World::new(|options| options.partitions = 1);
    let user = &users_on(P0, 1, 1)[0];
    world.feed(APP, &payment(user, "a", 0));
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    for _ in 0..5_000 {
        world.time.advance_ms(1);
        lane.step().unwrap();
    }
    let committed = world.context.board.read(|status| status.lanes[&0].transactions.committed);
    assert_eq!(committed, 1, "the payment's");
}

/// Each round of fronts is a transaction: it must take many records along.
#[test]
fn a_history_on_the_wrong_partitions_is_worked_through_in_few_transactions() {
    const RECORDS: i64 = 20_000;
    let world = World::new(|options| {
        to_the_end(options);
        options.partitions = 8;
        // More waits than a buffer holds: 16 of each partition may be ahead.
        options.settings.buffer_records = 256;
    });
    for n in 0..RECORDS {
        let event = payment(&format!("u{}", n * 7_919 % 500), &n.to_string(), n * 60_000);
        let home = Partitioner::Consistent.partition_of(event.user.as_bytes(), 8);
        let input = if n % 10 == 0 { APP } else { MERCHANT };
        world.produce(input, Some(home), Some(event.user.as_bytes()), event.json().to_string().as_bytes());
    }
    world.run_to_the_end(vec![world.lane(0)]).unwrap();
    assert_eq!(world.dead_letters(), 0);
    let committed = world.context.board.read(|status| status.lanes[&0].transactions.committed);
    assert!(committed < 500, "{committed} transactions for {RECORDS} records");
}
