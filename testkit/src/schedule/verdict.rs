//! Whether the first promise holds, as seen by a read_committed reader of the log.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tideline::broker::Broker;
use tideline::broker::Isolation;
use tideline::broker::memory::{Memory, MemorySettings};
use tideline::domain::{OutputTopic, PartitionId, Stage, Timestamp};
use tideline::record::Message;
use tideline::rules::tier::tier_on;
use tideline::state::codec::{Header, Kind, decode_user};
use tideline::state::{PartitionRecord, User};

use super::events::Feed;
use crate::lane_world::World;

/// What was told, each where its user lives, on a log of its own, read by one lane to which nothing happens.
pub fn calm(world: &World, feed: &Feed) -> World {
    let log = Memory::new(world.broker.topics().clone(), MemorySettings::default());
    let calm = World::on(log, world.options.clone(), 1);
    for (input, user, value) in &feed.told {
        calm.produce(*input, None, Some(user.as_bytes()), value);
    }
    let mut lane = calm.lane(0);
    for _ in 0..200_000 {
        calm.time.advance_ms(1);
        lane.step().unwrap();
        if calm.lag() == 0 {
            break;
        }
    }
    assert_eq!(calm.lag(), 0);
    calm
}

pub fn judge(world: &World, calm: &World, name: &str) {
    let outputs = world.outputs();
    ids_never_come_twice(&outputs, name);
    let (users, expected) = (users(world), users(calm));
    assert!(users.len() > 20, "{name}: only {} users", users.len());
    for (id, (watermark, user)) in &users {
        let of_user: Vec<_> = outputs.iter().filter(|output| output["user_id"] == **id).collect();
        if user.incarnation == 0 {
            sequence_has_no_gap_and_no_repeat(&of_user, user, &format!("{name}, {id}"));
        }
        announced_is_true(world, &of_user, user, *watermark, &format!("{name}, {id}"));
    }
    // Who is erased when, among events from several inputs, does depend on the order in which they came.
    let kept =
        |users: Users| users.into_iter().filter(|(id, _)| !id.starts_with('e')).map(|(id, (_, user))| (id, user));
    let expected: BTreeMap<_, _> = kept(expected).collect();
    let found: BTreeMap<_, _> = kept(users).collect();
    assert_eq!(found.len(), expected.len(), "{name}: users");
    for (id, user) in found {
        same(&history(&user), &history(&expected[&id]), &format!("{name}, {id}: the history is not the fold"));
    }
    offsets_and_records_agree(world, name);
}

/// Of a user what does not depend on the order of arrival.
fn history(user: &User) -> User {
    let mut user = user.clone();
    user.sequence = 0;
    user.announced = None;
    user.stage = Stage::Active;
    user.remembered = Default::default();
    user.deadlines = Default::default();
    user
}

/// Compares what is long, and shows only the lines that differ.
pub fn same(found: &impl std::fmt::Debug, expected: &impl std::fmt::Debug, what: &str) {
    let lines = |of: String| of.lines().map(str::to_owned).collect::<Vec<_>>();
    let (found, expected) = (lines(format!("{found:#?}")), lines(format!("{expected:#?}")));
    let only = |a: &[String], b: &[String]| a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>();
    let (left, right) = (only(&found, &expected), only(&expected, &found));
    assert!(found == expected, "{what}: found {left:#?}, expected {right:#?}");
}

fn ids_never_come_twice(outputs: &[Value], name: &str) {
    let mut seen = BTreeSet::new();
    for output in outputs {
        assert!(seen.insert(output["id"].as_str().unwrap()), "{name}: told twice: {output}");
    }
}

fn sequence_has_no_gap_and_no_repeat(of_user: &[&Value], user: &User, name: &str) {
    let sequences: Vec<_> = of_user.iter().map(|output| output["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..=user.sequence).collect::<Vec<_>>(), "{name}");
}

fn announced_is_true(world: &World, of_user: &[&Value], user: &User, watermark: Timestamp, name: &str) {
    let rules = world.job.engine.rules();
    let as_of = user.newest.map_or(watermark, |newest| newest.max(watermark));
    let tier = tier_on(&user.facts.history, user.facts.registered.at(), rules.zone().day(as_of), rules).tier;
    assert_eq!(user.announced_tier(), tier, "{name}: announced is not what is true");
    if user.incarnation == 0 {
        let mut changes = of_user.iter().filter(|output| output["type"] == "tideline.tier_changed");
        let last = changes.next_back().map_or("inactive", |output| output["current"].as_str().unwrap());
        assert_eq!(last, rules.tier_name(tier), "{name}: the last announcement is not what is true");
    }
}

/// By id, with the W of the partition.
type Users = BTreeMap<String, (Timestamp, User)>;

/// Users as the changelog has them.
fn users(world: &World) -> Users {
    let mut users = BTreeMap::new();
    for partition in (0..world.options.partitions).map(PartitionId) {
        let changelog = world.changelog(partition);
        let Some(record) = changelog.get(PartitionRecord::KEY) else { continue };
        let watermark = PartitionRecord::decode(record).unwrap().watermark.unwrap();
        for (key, bytes) in changelog.iter().filter(|(key, _)| **key != PartitionRecord::KEY) {
            if Header::read(bytes).unwrap().kind == Kind::User {
                let mut user = User::default();
                decode_user(bytes, &mut user).unwrap();
                users.insert(String::from_utf8(key.clone()).unwrap(), (watermark, user));
            }
        }
    }
    users
}

fn offsets_and_records_agree(world: &World, name: &str) {
    for partition in (0..world.options.partitions).map(PartitionId) {
        let Some(record) = world.record(partition) else { continue };
        for committed in world.committed(partition) {
            assert_eq!(record.inputs[committed.input.index()].next_offset, committed.offset, "{name}");
        }
        let population = record.population.users().expect("every dimension counts the same users");
        let users = world.changelog(partition);
        let users = users
            .iter()
            .filter(|(key, bytes)| **key != PartitionRecord::KEY && Header::read(bytes).unwrap().kind == Kind::User);
        assert_eq!(population, users.count() as u64, "{name}: population of {partition}");
    }
}

/// What can't be used is in the dead letters, and what was astray in `rekey`, each once.
pub fn dead_letters_and_forwarded(world: &World, feed: &Feed, name: &str) {
    let mut coordinates = BTreeSet::new();
    let mut errors = BTreeMap::new();
    let topic = world.broker.topics().outputs[OutputTopic::DeadLetters].clone();
    for partition in (0..world.broker.partition_count(&topic).unwrap()).map(PartitionId) {
        let read = world.broker.read(&topic, partition, 0, Isolation::ReadCommitted, usize::MAX).unwrap();
        // What ends that which hung says nothing.
        for message in read.into_iter().filter(|message| message.value().is_some()) {
            use tideline::emit::header::{ERROR, OFFSET, PARTITION, TOPIC};
            let text = |header| String::from_utf8(message.header(header).unwrap().to_vec()).unwrap();
            *errors.entry(text(ERROR)).or_insert(0) += 1;
            assert!(coordinates.insert([TOPIC, PARTITION, OFFSET].map(text)), "{name}: the same record died twice");
        }
    }
    let unusable = ["broken", "too old", "future"].map(|what| feed.counts.of(what)).iter().sum::<u64>();
    assert_eq!(coordinates.len() as u64, unusable, "{name}: dead letters: {errors:#?}, {}", feed.counts);
    let rekey = world.broker.topics().rekey().clone();
    let forwarded = world.read(&rekey, Isolation::ReadCommitted).len() as u64;
    assert_eq!(forwarded, feed.counts.of("astray"), "{name}: forwarded");
}
